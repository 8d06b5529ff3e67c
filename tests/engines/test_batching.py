"""The batching engine: each reply is what `generate` would have written, however many share a pass; none harms another."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from streamspace.engines.batch import PAGE
from streamspace.engines.batching import BatchingEngine
from streamspace.engines.generate import GenerateEngine
from streamspace.events import Event, Failure, Finished, Heartbeat, Request, TextDelta
from tests.engines.test_generate import GREEDY, LONG, ask, sampling, steps, text

QUESTIONS = [LONG, "What is ZeroGPU?", "Show me a table", "Hello", "Show me code with tabs"]


@pytest.fixture(scope="module")
def engine(tiny: Any) -> Iterator[BatchingEngine]:
    batching = BatchingEngine(tiny.model, tiny.tokenizer, capacity=4, longest=1024)
    yield batching
    batching.close()


def write(engine: Any, request: Request) -> list[Event]:
    return list(engine.stream(request, threading.Event()))


def together(engine: Any, requests: list[Request]) -> list[list[Event]]:
    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(lambda request: write(engine, request), requests))


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"temperature": 1.5, "seed": 7}, {"temperature": 0.9, "top_p": 0.7, "seed": 3}, {"repetition_penalty": 1.3},
        {"temperature": 2.0, "top_k": 5, "seed": 4}, {"temperature": 3.0, "min_p": 0.1, "seed": 5},
    ],
)  # fmt: skip
def test_replies_written_together_are_those_that_generate_writes_alone(
    engine: BatchingEngine, tiny: Any, changes: dict[str, Any]
) -> None:
    requests = [Request(ask(tiny, question), sampling(max_new_tokens=40, **changes)) for question in QUESTIONS]
    alone = [write(GenerateEngine(tiny.model, tiny.tokenizer), request) for request in requests]
    batch = together(engine, requests)
    assert [text(events) for events in batch] == [text(events) for events in alone]
    assert [(events[-1].reason, events[-1].tokens) for events in batch] == [  # type: ignore[union-attr]
        (events[-1].reason, events[-1].tokens) for events in alone  # type: ignore[union-attr]
    ]  # fmt: skip


SMALL: dict[str, Any] = {
    "vocab_size": 2048, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512, "bos_token_id": 0, "eos_token_id": None,
    "pad_token_id": 3, "initializer_range": 0.5,
}  # fmt: skip
SHAPES: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen3": {},
    "gemma": {},
    "mistral": {"sliding_window": None},
    "mistral with a sliding window": {"sliding_window": 16},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512, "num_key_value_heads": 4},
    "phi": {"num_key_value_heads": 4},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_greedy_replies_equal_generates_for_each_shape_of_model(shape: str, tiny: Any) -> None:
    torch.manual_seed(1)
    config = CONFIG_MAPPING[shape.split()[0]](**{**SMALL, **SHAPES[shape]})
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 3
    requests = [Request(ask(tiny, question), sampling(max_new_tokens=24)) for question in QUESTIONS[:3]]
    alone = [write(GenerateEngine(model, tiny.tokenizer), request) for request in requests]
    batching = BatchingEngine(model, tiny.tokenizer, capacity=3, longest=128)
    try:
        assert [text(events) for events in together(batching, requests)] == [text(events) for events in alone]
    finally:
        batching.close()
    assert len({text(events) for events in alone}) > 1  # the prompts made a difference


def test_a_stop_string_ends_the_reply_before_the_next_pass(engine: BatchingEngine, tiny: Any) -> None:
    whole = text(write(engine, Request(ask(tiny, LONG), GREEDY)))
    stop = whole[40:46]
    with steps(tiny.model) as started:
        events = write(engine, Request(ask(tiny, LONG), sampling(stop=(stop,))))
    end = events[-1]
    assert text(events) == whole[: whole.find(stop)]
    assert isinstance(end, Finished)
    assert end.reason == "stop"
    assert len(started) == end.tokens


def test_stop_ends_the_reply_within_one_pass(engine: BatchingEngine, tiny: Any) -> None:
    stop = threading.Event()
    with steps(tiny.model, before=lambda _: time.sleep(0.02)) as started:
        stream = engine.stream(Request(ask(tiny, LONG), GREEDY), stop)
        for event in stream:
            if isinstance(event, TextDelta) and event.tokens >= 10:
                stop.set()
                at_stop = time.monotonic()
                break
        events = list(stream)
        time.sleep(0.1)
    assert sum(start > at_stop for start in started) <= 1
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "cancelled"


def test_closing_the_generator_takes_the_reply_out_of_the_batch(engine: BatchingEngine, tiny: Any) -> None:
    with steps(tiny.model, before=lambda _: time.sleep(0.02)) as started:
        stream = engine.stream(Request(ask(tiny, LONG), GREEDY), threading.Event())
        next(event for event in stream if isinstance(event, TextDelta))
        stream.close()
        at_stop = time.monotonic()
        time.sleep(0.1)
    assert sum(start > at_stop for start in started) <= 1


def test_stopped_replies_leave_their_place_to_others(engine: BatchingEngine, tiny: Any) -> None:
    for _ in range(3 * engine.capacity):
        stream = engine.stream(Request(ask(tiny, LONG), GREEDY), threading.Event())
        next(event for event in stream if isinstance(event, TextDelta))
        stream.close()
    replies = together(engine, [Request(ask(tiny, "Hello"), GREEDY)] * engine.capacity)
    assert len({text(events) for events in replies}) == 1


def test_more_visitors_than_places_wait_and_can_be_stopped_meanwhile(engine: BatchingEngine, tiny: Any) -> None:
    writing = [engine.stream(Request(ask(tiny, LONG), GREEDY), threading.Event()) for _ in range(engine.capacity)]
    for stream in writing:
        next(stream)
    stop = threading.Event()
    waiting = engine.stream(Request(ask(tiny, "Hello"), GREEDY), stop)
    assert next(waiting) == Heartbeat("waiting")
    stop.set()
    assert list(waiting) == [Finished("cancelled", 0, 0.0, 0.0)]
    for stream in writing:
        stream.close()


def test_the_time_limit_ends_the_reply_with_its_text_kept(engine: BatchingEngine, tiny: Any) -> None:
    whole = text(write(engine, Request(ask(tiny, LONG), GREEDY)))
    with steps(tiny.model, before=lambda _: time.sleep(0.02)):
        events = write(engine, Request(ask(tiny, LONG), GREEDY, time_limit=0.4))
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "timeout"
    assert whole.startswith(text(events))


def test_a_reply_goes_on_from_where_it_was_cut(engine: BatchingEngine, tiny: Any) -> None:
    prompt = ask(tiny, LONG)
    whole = text(write(engine, Request(prompt, GREEDY)))
    begun = text(write(engine, Request(prompt, sampling(max_new_tokens=20))))
    ids = tuple(tiny.tokenizer(begun, add_special_tokens=False)["input_ids"])
    rest = write(engine, Request((*prompt, *ids), sampling(max_new_tokens=60), continues=True))
    assert begun + text(rest) == whole


@pytest.fixture
def failing(tiny: Any) -> Iterator[list[int]]:
    """Passes fail while they hold one of these tokens."""
    poison: list[int] = []

    def fail(_: Any, args: Any, kwargs: dict[str, Any]) -> None:
        if set(poison) & set(kwargs["input_ids"].flatten().tolist()):
            raise RuntimeError("probability tensor contains inf or nan\nand a second line")

    hook = tiny.model.register_forward_pre_hook(fail, with_kwargs=True)
    yield poison
    hook.remove()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_reply_that_fails_harms_no_other_and_the_batch_goes_on(
    engine: BatchingEngine, tiny: Any, failing: list[int]
) -> None:
    good = [Request(ask(tiny, question), sampling(max_new_tokens=40)) for question in QUESTIONS[:3]]
    expected = [text(write(engine, request)) for request in good]
    failing.append(2000)
    assert not any(2000 in request.prompt for request in good)
    bad = Request((*ask(tiny, "Hello"), 2000), GREEDY)
    *fine, failed = together(engine, [*good, bad])
    assert [text(events) for events in fine] == expected
    assert failed[-1] == Failure("The model failed while it was answering. Try again; the Space's log has the details")
    failing.clear()
    assert text(write(engine, good[0])) == expected[0]


def test_out_of_memory_says_what_to_lower(engine: BatchingEngine, tiny: Any) -> None:
    def fail(_: int) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    with steps(tiny.model, before=fail):
        events = write(engine, Request(ask(tiny, LONG), GREEDY))
    assert events[-1] == Failure(
        "The model ran out of memory. Shorten the conversation or lower the maximum reply length (max_new_tokens), then "
        "try again"
    )


def test_the_cache_holds_every_place_to_its_longest_and_no_more(tiny: Any) -> None:
    batching = BatchingEngine(tiny.model, tiny.tokenizer, capacity=2, longest=100)
    longest = sampling(max_new_tokens=60)
    prompt = (ask(tiny, LONG) * 10)[:40]
    replies = together(batching, [Request(prompt, longest)] * 2)
    assert [events[-1].tokens for events in replies] == [60, 60]  # type: ignore[union-attr]
    assert batching._batch is not None
    assert batching._batch._manager.continuous_batching_config.num_blocks <= 2 * (100 // PAGE + 2)
    batching.close()


def test_only_the_same_visitor_is_spared_the_reading_of_a_prompt(engine: BatchingEngine, tiny: Any) -> None:
    prompt = (tiny.tokenizer.bos_token_id or 1, *range(100, 100 + 3 * PAGE))
    read: list[int] = []
    hook = tiny.model.get_input_embeddings().register_forward_pre_hook(
        lambda module, inputs: read.append(inputs[0].numel())
    )

    def tokens_read(visitor: str, more: tuple[int, ...] = ()) -> int:
        read.clear()
        write(engine, Request((*prompt, *more), sampling(max_new_tokens=2), visitor=visitor))
        return sum(read)

    try:
        whole = tokens_read("ann")
        assert whole >= len(prompt)
        assert tokens_read("bob") == tokens_read("") == tokens_read("") == whole
        assert tokens_read("ann") == whole - 3 * PAGE  # but not another's
        assert tokens_read("ann", (7,) * 5) == whole + 5 - 3 * PAGE  # nor the next turn's beginning
    finally:
        hook.remove()


def test_what_all_conversations_begin_with_is_read_once_and_no_more_of_them(tiny: Any) -> None:
    system = (tiny.tokenizer.bos_token_id or 1, *range(100, 100 + 2 * PAGE + 5))
    own, asked = tuple(range(400, 400 + PAGE)), tuple(range(700, 700 + 3 * PAGE))
    batching = BatchingEngine(tiny.model, tiny.tokenizer, capacity=4, longest=1024)
    try:
        batching.begin(Request((*system, *own), sampling(max_new_tokens=2)))

        def reused(visitor: str, prompt: tuple[int, ...]) -> int:
            events = write(batching, Request(prompt, sampling(max_new_tokens=4), visitor=visitor))
            alone = write(GenerateEngine(tiny.model, tiny.tokenizer), Request(prompt, sampling(max_new_tokens=4)))
            assert text(events) == text(alone)
            return events[-1].reused_tokens  # type: ignore[union-attr]

        for number, visitor in enumerate(("ann", "bob", "", "")):
            assert reused(visitor, (*system, *asked)) == 2 * PAGE  # also where it is word for word another's question
            assert reused(f"visitor {number}", asked) == 0  # a system prompt of the visitor's own is
        assert reused("ann", (*system, *asked, 9)) == len((*system, *asked)) // PAGE * PAGE
    finally:
        batching.close()
