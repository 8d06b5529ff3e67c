"""Text that repeats what was before it is written in fewer passes, and is the text that `generate` writes."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamspace.engines import lookahead
from streamspace.engines.generate import GenerateEngine
from streamspace.engines.lookahead import Lookahead, Lookup
from streamspace.events import Request, TextDelta
from tests.engines.test_constrained import write
from tests.engines.test_generate import ask, sampling, text
from tests.engines.test_kept import model

YAML = "What does a config file look like?"
QUESTIONS = [YAML, "Count to two hundred", "What is ZeroGPU?", "Which is larger, 9.11 or 9.9?", "Grüße aus 北京 👋"]


class Passes:
    """Counts the passes of a model."""

    def __init__(self, model: Any) -> None:
        self.count = 0
        self._hook = model.register_forward_pre_hook(self._add)

    def _add(self, *_: Any) -> None:
        self.count += 1

    def __enter__(self) -> Passes:
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()


@pytest.fixture(scope="module")
def ahead(tiny: Any) -> GenerateEngine:
    return GenerateEngine(tiny.model, tiny.tokenizer, 10**6, ahead=16)


@pytest.fixture(scope="module")
def plain(tiny: Any) -> GenerateEngine:
    return GenerateEngine(tiny.model, tiny.tokenizer)


CASES = [
    {"temperature": 0.0},
    {"temperature": 0.0, "repetition_penalty": 1.1},
    {"temperature": 0.9, "seed": 7, "top_k": 5},
    {"temperature": 0.5, "seed": 8, "top_p": 0.8, "min_p": 0.01},
    {"temperature": 0.7, "seed": 9, "stop": ("e",)},
    {"temperature": 0.7, "seed": 3, "likeliest": 2},
    {
        "temperature": 0.7,
        "seed": 3,
        "grammar": json.dumps({"type": "array", "items": {"enum": ["same", "same again"]}}),
    },
]


@pytest.mark.parametrize("case", CASES, ids=[" ".join(case) for case in CASES])
def test_the_text_is_the_one_that_is_written_without(
    ahead: GenerateEngine, plain: GenerateEngine, tiny: Any, case: dict[str, Any]
) -> None:
    for question in QUESTIONS[: 3 if "grammar" not in case else 1]:
        request = Request(ask(tiny, question), sampling(max_new_tokens=80, **case), begins="answer")
        found = write(ahead, request)
        ahead.rest()  # torch's random state is one for both
        expected = write(plain, request)
        plain.rest()
        assert text(found) == text(expected), question
        assert (found[-1].tokens, found[-1].reason) == (expected[-1].tokens, expected[-1].reason)  # type: ignore[union-attr]
        told = [[one.own.token for each in events if isinstance(each, TextDelta) for one in each.scored]
                for events in (found, expected)]  # fmt: skip
        assert told[0] == told[1]


class Echo:
    """A model's scores while it wants to say a list of tokens over and over."""

    def __init__(self, model: Any, tokens: list[int], by: float = 1000) -> None:
        self._tokens, self._by = tokens, by
        self._hook = model.register_forward_hook(self._want, with_kwargs=True)

    def _want(self, _: Any, __: Any, given: dict[str, Any], output: Any) -> None:
        length = given["past_key_values"].get_seq_length()
        count = output.logits.shape[1]
        for place in range(count):  # what comes after so many tokens
            output.logits[0, place, self._tokens[(length - count + 1 + place) % len(self._tokens)]] += self._by

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._hook.remove()


def test_text_that_is_repeated_takes_fewer_passes_and_other_text_no_more(ahead: GenerateEngine, tiny: Any) -> None:
    for period, least, most in ((20, 20, 40), (10**6, 200, 200)):
        said = [300 + (at * 7) % 1500 for at in range(min(period, 1500))]
        with Echo(tiny.model, said), Passes(tiny.model) as counted:
            events = write(ahead, Request(ask(tiny, "Hello"), sampling(max_new_tokens=200, temperature=0)))
        assert events[-1].tokens == 200  # type: ignore[union-attr]
        assert least <= counted.count <= most, period


def test_a_stop_ends_it_within_a_pass(ahead: GenerateEngine, tiny: Any) -> None:
    stop = threading.Event()
    with Passes(tiny.model) as counted:
        stream = ahead.stream(Request(ask(tiny, "Count to two hundred"), sampling(max_new_tokens=400)), stop)
        while not isinstance(next(stream), TextDelta):
            pass
        stop.set()
        before = counted.count
        stream.close()
        ahead.rest()
        assert counted.count <= before + 1


def test_what_is_kept_of_a_reply_is_what_was_written(ahead: GenerateEngine, plain: GenerateEngine, tiny: Any) -> None:
    first = ask(tiny, YAML)
    sampled = sampling(max_new_tokens=120, temperature=0)
    said = text(write(ahead, Request(first, sampled, visitor="a")))
    again = tuple(tiny.tokenizer.apply_chat_template(
        [{"role": "user", "content": YAML}, {"role": "assistant", "content": said},
         {"role": "user", "content": "What is ZeroGPU?"}], add_generation_prompt=True)["input_ids"])  # fmt: skip
    warm = write(ahead, Request(again, sampled, visitor="a"))
    assert warm[-1].reused_tokens > len(first)  # type: ignore[union-attr]
    assert text(warm) == text(write(plain, Request(again, sampled)))


@pytest.mark.parametrize("kind", ["llama", "gemma3_text", "gpt_oss", "mistral"])
@pytest.mark.parametrize("case", [{"temperature": 0.0}, {"temperature": 1.0, "seed": 5}], ids=["greedy", "sampled"])
def test_windows_that_slide_are_cut_back_to_what_was_written(tiny: Any, kind: str, case: dict[str, Any]) -> None:
    made = model(kind)
    ahead, plain = GenerateEngine(made, tiny.tokenizer, 1000, ahead=16), GenerateEngine(made, tiny.tokenizer)
    prompt, said = tuple(range(30)), [300 + at * 7 for at in range(12)]
    for _ in range(3):
        request = Request(prompt, sampling(max_new_tokens=60, likeliest=2, **case), visitor="a")
        with Echo(made, said, by=10), Passes(made) as counted:
            found, passes = write(ahead, request), counted.count
            ahead.rest()
            expected = write(plain, request)
            plain.rest()
        scored = [[one.own for each in events if isinstance(each, TextDelta) for one in each.scored]
                  for events in (found, expected)]  # fmt: skip
        assert [one.token for one in scored[0]] == [one.token for one in scored[1]]
        assert [one.logarithm for one in scored[0]] == pytest.approx([one.logarithm for one in scored[1]], abs=1e-3)
        assert passes < found[-1].tokens  # type: ignore[union-attr]
        prompt = (*ahead._kept._kept[-1].ids, 7, 8, 9)


@given(st.lists(st.integers(0, 2), max_size=60), st.integers(1, 9))
def test_what_is_tried_is_what_came_after_the_same_tokens_the_last_time(ids: list[int], most: int) -> None:
    end = ids[-lookahead.GRAM :]
    places = [at for at in range(lookahead.GRAM, len(ids)) if ids[at - lookahead.GRAM : at] == end]
    expected = ids[places[-1] : places[-1] + most] if len(end) == lookahead.GRAM and places else []
    assert Lookup(ids).ahead(most) == expected


@given(st.lists(st.tuples(st.integers(0, 16), st.integers(0, 16)), max_size=200), st.floats(0, 1))
def test_what_wrong_guesses_cost_is_bounded(tries: list[tuple[int, int]], price: float) -> None:
    made, spent, written = Lookahead(None, 16, price), 0.0, 0
    for wanted, matching in tries:
        tried = min(wanted, made._now) if made._won > 0 else 0
        right = min(matching, tried)
        made._learn(tried, right)
        spent, written = spent + tried * price - right, written + 1 + right
        assert 1 <= made._now <= 16
        assert spent <= lookahead.STAKE + lookahead.SHARE * written + 16 * price  # the last one may go over it


def test_more_are_tried_after_right_guesses_and_fewer_after_wrong_ones() -> None:
    made = Lookahead(None, 16, 0.1)
    sizes = []
    for right in (4, 8, 16, 9, 0):
        made._learn(made._now, min(right, made._now))
        sizes.append(made._now)
    assert sizes == [8, 16, 16, 10, 4]


@pytest.mark.parametrize(
    ("kind", "possible"), [("llama", True), ("qwen3", True), ("mistral", True), ("moshi", False), ("mamba", False)]
)
def test_only_models_whose_cache_can_be_cut_back_look_ahead(kind: str, possible: bool) -> None:
    made = model(kind)
    assert lookahead.is_possible(made) == possible
    if possible:
        assert lookahead.price(made, rounds=1) >= 0
