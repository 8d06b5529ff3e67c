"""The plain engine: its text is generate's, it ends when told to, and what goes wrong in its thread comes out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import transformers

from streamspace.config import file as configfile
from streamspace.engines.generate import GenerateEngine, build
from streamspace.engines.preparation import end_tokens
from streamspace.errors import ModelError
from streamspace.events import Event, Failure, Finished, Heartbeat, Request, TextDelta
from streamspace.sampling import SamplingParams
from tests.running import ROOT

GREEDY = SamplingParams(max_new_tokens=80, temperature=0, top_p=1, top_k=0, repetition_penalty=1, seed=1)
CONFIG = configfile.read(ROOT / "config/tiny.yaml")
LONG = "Count to two hundred"


@pytest.fixture
def engine(tiny: Any) -> GenerateEngine:
    return GenerateEngine(tiny.model, tiny.tokenizer)


def ask(tiny: Any, text: str) -> tuple[int, ...]:
    return tuple(
        tiny.tokenizer.apply_chat_template([{"role": "user", "content": text}], add_generation_prompt=True)["input_ids"]
    )


def sampling(**changes: Any) -> SamplingParams:
    return SamplingParams(**{**vars(GREEDY), **changes})


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@contextmanager
def steps(model: Any, before: Any = None) -> Iterator[list[float]]:
    """The start times of the model's forward passes; `before` is called at the start of each."""
    started: list[float] = []

    def count(*_: Any) -> None:
        started.append(time.monotonic())
        if before:
            before(len(started))

    hook = model.register_forward_pre_hook(count)
    try:
        yield started
    finally:
        hook.remove()


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"temperature": 1.5, "seed": 7}, {"temperature": 0.9, "top_p": 0.7, "seed": 3}, {"repetition_penalty": 1.3},
        {"temperature": 2.0, "top_k": 5, "seed": 4}, {"temperature": 5.0, "seed": 11, "max_new_tokens": 300},
        {"temperature": 3.0, "min_p": 0.1, "seed": 5},
    ],
)  # fmt: skip
def test_the_streamed_text_is_what_generate_decodes_byte_for_byte(
    engine: GenerateEngine, tiny: Any, changes: dict[str, Any]
) -> None:
    chosen = sampling(**changes)
    prompt = ask(tiny, "Show me code with tabs")
    events = list(engine.stream(Request(prompt, chosen), threading.Event()))
    plain: dict[str, Any] = {"max_new_tokens": chosen.max_new_tokens, "do_sample": chosen.temperature > 0}
    if chosen.temperature > 0:
        plain |= {"temperature": chosen.temperature, "top_p": chosen.top_p, "top_k": chosen.top_k}
    if chosen.min_p:
        plain["min_p"] = chosen.min_p
    if chosen.repetition_penalty != 1:
        plain["repetition_penalty"] = chosen.repetition_penalty
    torch.manual_seed(chosen.seed)
    ids = torch.tensor([prompt])
    output = tiny.model.generate(ids, attention_mask=torch.ones_like(ids), **plain)
    expected = tiny.tokenizer.decode(output[0, len(prompt) :], skip_special_tokens=True)
    assert text(events) == expected
    end = events[-1]
    assert isinstance(end, Finished)
    assert end.reason == ("stop" if int(output[0, -1]) in end_tokens(tiny.model) else "length")


def test_each_token_arrives_as_it_comes(engine: GenerateEngine, tiny: Any) -> None:
    pieces = [
        event
        for event in engine.stream(Request(ask(tiny, LONG), GREEDY), threading.Event())
        if isinstance(event, TextDelta)
    ]
    assert [piece.tokens for piece in pieces] == sorted({piece.tokens for piece in pieces})
    assert len(pieces) > 40


def test_the_last_word_is_not_held_back(engine: GenerateEngine, tiny: Any) -> None:
    with steps(tiny.model) as started:
        stream = engine.stream(Request(ask(tiny, LONG), GREEDY), threading.Event())
        first = next(event for event in stream if isinstance(event, TextDelta))
        assert first.tokens == 1
        assert len(started) <= 3
        stream.close()
    engine.rest()


def test_a_seed_reproduces_and_another_differs(engine: GenerateEngine, tiny: Any) -> None:
    def once(seed: int) -> str:
        request = Request(ask(tiny, "Hello"), sampling(temperature=3.0, seed=seed, max_new_tokens=30))
        return text(list(engine.stream(request, threading.Event())))

    assert once(5) == once(5) != once(6)


def test_a_stop_string_ends_the_reply_and_is_not_shown(engine: GenerateEngine, tiny: Any) -> None:
    whole = text(list(engine.stream(Request(ask(tiny, LONG), GREEDY), threading.Event())))
    stop = whole[40:46]
    with steps(tiny.model) as started:
        events = list(engine.stream(Request(ask(tiny, LONG), sampling(stop=(stop,))), threading.Event()))
    end = events[-1]
    assert text(events) == whole[: whole.find(stop)]
    assert isinstance(end, Finished)
    assert end.reason == "stop"
    assert len(started) == end.tokens  # not one step more


def test_stop_ends_the_model_within_one_token(engine: GenerateEngine, tiny: Any) -> None:
    stop = threading.Event()
    with steps(tiny.model) as started:
        stream = engine.stream(Request(ask(tiny, LONG), GREEDY), stop)
        for event in stream:
            if isinstance(event, TextDelta) and event.tokens >= 10:
                stop.set()
                at_stop = time.monotonic()
                break
        events = list(stream)
        engine.rest()
    assert sum(start > at_stop for start in started) <= 1
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "cancelled"


def test_closing_the_generator_ends_the_model_within_one_token(engine: GenerateEngine, tiny: Any) -> None:
    with steps(tiny.model) as started:
        stream = engine.stream(Request(ask(tiny, LONG), GREEDY), threading.Event())
        for event in stream:
            if isinstance(event, TextDelta) and event.tokens >= 10:
                break
        stream.close()
        at_stop = time.monotonic()
        engine.rest()
    assert sum(start > at_stop for start in started) <= 1


def test_stop_in_the_prompts_pass_ends_the_model_when_that_pass_returns(engine: GenerateEngine, tiny: Any) -> None:
    def slow(step: int) -> None:
        if step == 1:
            time.sleep(0.5)

    with steps(tiny.model, before=slow) as started:
        stream = engine.stream(Request(ask(tiny, LONG), GREEDY), threading.Event())
        assert next(stream) == Heartbeat("prefill")
        closing = time.monotonic()
        stream.close()
        assert time.monotonic() - closing < 0.25  # nobody waits for the pass
        engine.rest()
    assert len(started) == 1


def test_an_exception_in_the_thread_reaches_the_reader_at_once(engine: GenerateEngine, tiny: Any) -> None:
    def fail(step: int) -> None:
        if step == 5:
            raise RuntimeError("probability tensor contains inf or nan\nand a second line")

    with steps(tiny.model, before=fail):
        events = list(engine.stream(Request(ask(tiny, LONG), GREEDY), threading.Event()))
    assert events[-1] == Failure("The model failed while it was answering. Try again; the Space's log has the details")
    assert list(engine.stream(Request(ask(tiny, "Hello"), GREEDY), threading.Event()))[-1].reason == "stop"  # type: ignore[union-attr]


def test_out_of_memory_says_what_to_lower(engine: GenerateEngine, tiny: Any) -> None:
    def fail(step: int) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    with steps(tiny.model, before=fail):
        events = list(engine.stream(Request(ask(tiny, LONG), GREEDY), threading.Event()))
    assert events == [
        Failure(
            "The model ran out of memory. Shorten the conversation or lower the maximum reply length (max_new_tokens), "
            "then try again"
        )
    ]


def test_the_time_limit_ends_the_reply_with_its_text_kept(engine: GenerateEngine, tiny: Any) -> None:
    def slow(step: int) -> None:
        time.sleep(0.02)

    whole = text(list(engine.stream(Request(ask(tiny, LONG), GREEDY), threading.Event())))
    with steps(tiny.model, before=slow):
        events = list(engine.stream(Request(ask(tiny, LONG), GREEDY, time_limit=0.4), threading.Event()))
    end = events[-1]
    assert isinstance(end, Finished)
    assert end.reason == "timeout"
    assert 0 < end.tokens < 80
    assert whole.startswith(text(events))


def test_a_second_reply_waits_for_the_first_and_can_be_stopped_meanwhile(engine: GenerateEngine, tiny: Any) -> None:
    first = engine.stream(Request(ask(tiny, LONG), GREEDY), threading.Event())
    next(first)
    stop = threading.Event()
    second = engine.stream(Request(ask(tiny, "Hello"), GREEDY), stop)
    assert next(second) == Heartbeat("waiting")
    stop.set()
    assert list(second) == [Finished("cancelled", 0, 0.0, 0.0)]
    first.close()
    engine.rest()


def test_a_reply_goes_on_from_where_it_was_cut(engine: GenerateEngine, tiny: Any) -> None:
    prompt = ask(tiny, LONG)
    whole = text(list(engine.stream(Request(prompt, GREEDY), threading.Event())))
    begun = text(list(engine.stream(Request(prompt, sampling(max_new_tokens=20)), threading.Event())))
    ids = tuple(tiny.tokenizer(begun, add_special_tokens=False)["input_ids"])
    rest = list(engine.stream(Request((*prompt, *ids), sampling(max_new_tokens=60), continues=True), threading.Event()))
    assert begun + text(rest) == whole


def test_an_engine_whose_last_replies_all_failed_says_so_until_one_succeeds(engine: GenerateEngine, tiny: Any) -> None:
    def fail(step: int) -> None:
        raise RuntimeError("the device is lost")

    hello = Request(ask(tiny, "Hello"), sampling(max_new_tokens=4))
    with steps(tiny.model, before=fail):
        list(engine.stream(hello, threading.Event()))
        assert engine.unavailable_reason() is None  # it may have been that reply's own fault
        list(engine.stream(hello, threading.Event()))
    assert engine.unavailable_reason() == (
        "The model failed while it was answering. Try again; the Space's log has the details"
    )
    list(engine.stream(hello, threading.Event()))
    engine.rest()
    assert engine.unavailable_reason() is None


def test_a_model_that_fails_at_its_first_token_is_refused_when_the_engine_is_built(tiny: Any) -> None:
    def fail(step: int) -> None:
        raise AttributeError("'BltConfig' object has no attribute 'num_hidden_layers'")

    with steps(tiny.model, before=fail), pytest.raises(ModelError) as caught:
        build(CONFIG, tiny)
    assert str(caught.value) == (
        f"model.id: './models/tiny' can't write with transformers {transformers.__version__}: 'BltConfig' object has no "
        "attribute 'num_hidden_layers'. Choose another model, or a version of transformers that its makers name"
    )
    assert build(CONFIG, tiny).unavailable_reason() is None
