"""What has been read of a conversation isn't read again, changes no reply, and is no other visitor's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, GenerationConfig

from scripts.models import shapes
from streamspace.config import file as configfile
from streamspace.engines.generate import GenerateEngine, untried
from streamspace.engines.kept import MEGABYTE
from streamspace.events import Event, Failure, Finished, Request, TextDelta
from tests.engines.test_generate import ask, sampling, text
from tests.running import ROOT

KINDS = ["llama", "deepseek_v3", "gemma3_text", "gpt2", "mixtral", "gpt_oss"]
SLIDING = ["gemma3_text", "gpt_oss"]  # what has left a window of 8 tokens can't be had back
VOCABULARY = 2048


def model(kind: str) -> Any:
    """A tiny random model of a type."""
    torch.manual_seed(0)
    made = AutoModelForCausalLM.from_config(shapes.config(kind, VOCABULARY), dtype=torch.float32).eval()
    made.generation_config = GenerationConfig(eos_token_id=VOCABULARY - 1, pad_token_id=0)
    return made


@pytest.fixture(scope="module", params=KINDS)
def random(request: pytest.FixtureRequest) -> SimpleNamespace:
    return SimpleNamespace(kind=request.param, model=model(request.param))


@contextmanager
def passes(model: Any) -> Iterator[list[int]]:
    """How many tokens each forward pass has read."""
    read: list[int] = []
    hook = model.register_forward_pre_hook(
        lambda _, args, kwargs: read.append((args[0] if args else kwargs["input_ids"]).shape[1]), with_kwargs=True
    )
    try:
        yield read
    finally:
        hook.remove()


def write(engine: GenerateEngine, request: Request, most: int | None = None) -> list[Event]:
    """The events of a reply, which is stopped after so many pieces of text."""
    stop, events = threading.Event(), []
    for event in engine.stream(request, stop):
        events.append(event)
        if sum(isinstance(each, TextDelta) for each in events) == most:
            stop.set()
    engine.rest()
    return events


def end(events: list[Event]) -> Finished:
    assert isinstance(events[-1], Finished), events[-1]
    return events[-1]


token = st.integers(0, VOCABULARY - 2)
turn = st.fixed_dictionaries(
    {
        "visitor": st.sampled_from(["a", "b"]),
        "after": st.integers(0, 5),  # which earlier turn it comes after, or branches off from
        "cut": st.integers(
            0, 12
        ),  # how many of that one's tokens are gone: Retry, Edit, a template that drops thoughts
        "trim": st.sampled_from([0, 0, 0, 4]),  # how many tokens are gone at its beginning
        "new": st.lists(token, min_size=1, max_size=8).map(tuple),
        "seed": st.sampled_from([None, 1, 2]),
        "most": st.sampled_from([None, None, 2]),
    }
)


@settings(max_examples=6)
@given(turns=st.lists(turn, min_size=2, max_size=6))
def test_every_turn_is_what_one_who_has_read_nothing_writes(
    random: SimpleNamespace, tiny: Any, turns: list[dict[str, Any]]
) -> None:
    warm, cold = (
        GenerateEngine(random.model, tiny.tokenizer, 1000, ahead=16),
        GenerateEngine(random.model, tiny.tokenizer),
    )
    known: dict[str, list[tuple[int, ...]]] = {"a": [], "b": []}
    for each in turns:
        before = known[each["visitor"]]
        base = before[each["after"] % len(before)] if before else ()
        prompt = (*base[each["trim"] : len(base) - each["cut"]], *each["new"])
        chosen = sampling(max_new_tokens=6, temperature=0) if each["seed"] is None else sampling(
            max_new_tokens=6, temperature=1.0, seed=each["seed"]
        )  # fmt: skip
        request = Request(prompt, chosen, visitor=each["visitor"])
        with passes(random.model) as read:
            events = write(warm, request, each["most"])
        alone = write(cold, request)
        assert text(alone).startswith(text(events)) if each["most"] else text(events) == text(alone)
        assert read[0] == len(prompt) - end(events).reused_tokens
        most = max((shared(one, prompt) for one in before), default=0)
        assert end(events).reused_tokens <= most
        if random.kind not in SLIDING:
            assert end(events).reused_tokens >= most
        kept = warm._kept._kept[-1]
        assert kept.visitor == each["visitor"]
        assert kept.ids[: len(prompt)] == prompt
        before.append(kept.ids)


def shared(before: tuple[int, ...], prompt: tuple[int, ...]) -> int:
    """How many tokens of the prompt's beginning have been read; one is left to read."""
    most = min(len(before), len(prompt) - 1)
    return next((at for at in range(most) if before[at] != prompt[at]), most)


def test_a_conversation_reads_each_turn_once_with_sliding_windows_too(random: SimpleNamespace, tiny: Any) -> None:
    engine, prompt = GenerateEngine(random.model, tiny.tokenizer, 1000), tuple(range(30))
    for _ in range(4):
        with passes(random.model) as read:
            write(engine, Request(prompt, sampling(max_new_tokens=5), visitor="a"))
        ids = engine._kept._kept[-1].ids
        assert read == [len(prompt) if len(prompt) == 30 else 3 + 1, 1, 1, 1, 1]
        prompt = (*ids, 7, 8, 9, 10)
    assert len(engine._kept._kept) == (2 if random.kind in SLIDING else 1)


def test_a_turn_whose_reply_is_another_than_was_written_reads_from_that_reply_on(
    random: SimpleNamespace, tiny: Any
) -> None:
    warm, cold = (
        GenerateEngine(random.model, tiny.tokenizer, 1000, ahead=16),
        GenerateEngine(random.model, tiny.tokenizer),
    )
    prompt = tuple(range(30))
    for turn in range(3):
        request = Request(prompt, sampling(max_new_tokens=20), visitor="a")
        with passes(random.model) as read:
            events = write(warm, request)
        assert read[0] == (7 if turn else 30)
        assert text(events) == text(write(cold, request))
        prompt = (*prompt, *range(100 + turn, 107 + turn))  # the thoughts are gone


def test_nobody_elses_reading_spares_one_a_token(tiny: Any) -> None:
    engine, prompt = GenerateEngine(tiny.model, tiny.tokenizer, 1000), ask(tiny, "What is ZeroGPU?")

    def read(visitor: str) -> int:
        with passes(tiny.model) as read:
            write(engine, Request(prompt, sampling(max_new_tokens=3), visitor=visitor))
        return read[0]

    assert [read(visitor) for visitor in ("a", "b", "", "", "a", "b")] == [len(prompt)] * 4 + [1, 1]


def test_the_memory_is_bounded_and_the_least_recently_used_goes(tiny: Any) -> None:
    engine = GenerateEngine(tiny.model, tiny.tokenizer, 1)
    prompts = {f"visitor {at}": ask(tiny, f"{at} {'What is ZeroGPU? ' * 8}") for at in range(12)}
    for visitor, prompt in prompts.items():
        write(engine, Request(prompt, sampling(max_new_tokens=3), visitor=visitor))
        assert sum(each.bytes for each in engine._kept._kept) <= MEGABYTE
    kept = [each.visitor for each in engine._kept._kept]
    assert 0 < len(kept) < len(prompts)
    assert kept == list(prompts)[-len(kept) :]
    write(engine, Request(prompts[kept[0]], sampling(max_new_tokens=3), visitor=kept[0]))
    write(engine, Request(ask(tiny, "x " * 60), sampling(max_new_tokens=3), visitor="new"))
    assert kept[0] in [each.visitor for each in engine._kept._kept]
    write(engine, Request(ask(tiny, "x " * 900), sampling(max_new_tokens=3), visitor="long"))
    assert engine._kept._kept == []  # a conversation that is too large leaves no room for others, either


def test_what_is_kept_gives_way_when_memory_runs_out(tiny: Any) -> None:
    engine, request = (
        GenerateEngine(tiny.model, tiny.tokenizer, 1000),
        Request(ask(tiny, "Hello"), sampling(), visitor="a"),
    )
    before = write(engine, request)
    for failures, last in ((1, Finished), (2, Failure)):
        write(engine, request)
        left = [torch.OutOfMemoryError("CUDA out of memory")] * failures

        def fail(*_: Any, left: list[Exception] = left) -> None:
            if left:
                raise left.pop()

        hook = tiny.model.register_forward_pre_hook(fail)
        events = write(engine, request)
        hook.remove()
        assert isinstance(events[-1], last)
        assert failures == 2 or text(events) == text(before)
    assert engine._kept._kept == []


def test_a_reply_that_fails_leaves_nothing_half_read(tiny: Any) -> None:
    engine, request = (
        GenerateEngine(tiny.model, tiny.tokenizer, 1000),
        Request(ask(tiny, "Hello"), sampling(), visitor="a"),
    )
    begun: list[int] = []

    def fail(*_: Any) -> None:
        begun.append(1)
        if len(begun) == 5:
            raise ValueError("broken")

    hook = tiny.model.model.layers[1].register_forward_pre_hook(fail)
    assert isinstance(write(engine, request)[-1], Failure)
    hook.remove()
    assert engine._kept._kept == []
    assert end(write(engine, request)).reused_tokens == 0


@pytest.mark.parametrize("kind", ["mamba", "jamba", "bert-generation", "cpmant", "openai-gpt"])
def test_a_model_that_remembers_more_or_whose_tokens_see_later_ones_reads_all_again(kind: str, tiny: Any) -> None:
    made = model(kind)
    engine, request = (
        GenerateEngine(made, tiny.tokenizer, 1000),
        Request((5, 6, 7), sampling(max_new_tokens=3), visitor="a"),
    )
    assert [end(write(engine, request)).reused_tokens for _ in range(2)] == [0, 0]


def test_a_config_that_tells_no_layers_fails_a_reply_and_not_the_start(tiny: Any) -> None:
    made = model("llama")
    made.config.layer_types = ["unheard of"]
    engine = GenerateEngine(made, tiny.tokenizer, 1000)
    for visitor in ("", "a"):
        assert isinstance(write(engine, Request((5, 6, 7), sampling(max_new_tokens=3), visitor=visitor))[-1], Failure)


@pytest.mark.parametrize(("changes", "reused"), [({}, 10), ({"cache_megabytes": 0}, 0)])
def test_the_config_decides(changes: dict[str, int], reused: int, tiny: Any) -> None:
    config = configfile.read(ROOT / "config/tiny.yaml")
    config = config.model_copy(update={"limits": config.limits.model_copy(update=changes)})
    request = Request(ask(tiny, "Hello"), sampling(max_new_tokens=3), visitor="a")
    engine = untried(config, tiny)
    assert [end(write(engine, request)).reused_tokens for _ in range(2)] == [0, reused]


def test_nothing_is_kept_of_conversations_with_images(vision_loaded: Any, vision_model: Path) -> None:
    config = configfile.read(ROOT / "config/vision.yaml")
    request = Request((5, 6, 7), sampling(max_new_tokens=3), visitor="a")
    engine = untried(config, vision_loaded)
    assert [end(write(engine, request)).reused_tokens for _ in range(2)] == [0, 0]
