"""Answers follow their JSON schema: each sample of it, in every engine that has the scores, after any thoughts."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from scripts.models import shapes
from streamspace.engines import schemas
from streamspace.engines.batching import BatchingEngine
from streamspace.engines.generate import GenerateEngine
from streamspace.events import Event, Failure, Finished, Request, TextDelta
from streamspace.sampling import ANY_OBJECT
from streamspace.tools import Tools
from tests.engines.test_batching import together
from tests.engines.test_generate import ask, sampling, steps, text
from tests.running import ROOT

NAMES = ["name", "größe", 'a "b"', "<think>", "x\n"]
KINDS = ("reasoning", "answer")
OPENING = 2046  # the embedded tokenizer's <think>
Schema = dict[str, Any]


def write(engine: Any, request: Request) -> list[Event]:
    return list(engine.stream(request, threading.Event()))


def one(kind: str, **changes: Any) -> Schema:
    return {"type": kind, **changes}


def objects(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    fields = st.dictionaries(st.sampled_from(NAMES), inner, min_size=1, max_size=3)
    return fields.flatmap(
        lambda properties: st.lists(st.sampled_from(sorted(properties)), unique=True).map(
            lambda required: one("object", properties=properties, required=required, additionalProperties=False)
        )
    )


simple: st.SearchStrategy[Schema] = st.one_of(
    st.builds(lambda low, size: one("integer", minimum=low, maximum=low + size), st.integers(-99, 99), st.integers(0, 999)),
    st.builds(lambda length: one("string", maxLength=length), st.integers(0, 8)),
    st.sampled_from(
        [
            one("boolean"), one("null"), {"const": "</think>"}, {"enum": ["rouge", "grün", 3, None, {"a": [1]}]},
            one("string", pattern="^[A-Z]{2}-[0-9]{1,3}$"), one("string", format="date"), one("string", format="uuid"),
            one("number", minimum=0, maximum=1, multipleOf=0.25),
        ]
    ),
)  # fmt: skip
bounded = st.recursive(
    simple,
    lambda inner: st.one_of(
        objects(inner),
        st.builds(lambda items, least: one("array", items=items, minItems=least, maxItems=3), inner, st.integers(0, 2)),
        st.lists(inner, min_size=1, max_size=2).map(lambda several: {"anyOf": several}),
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def wild() -> Any:
    """A model with the embedded one's vocabulary that writes anything: nothing but the mask makes its answers JSON."""
    torch.manual_seed(3)
    made = AutoModelForCausalLM.from_config(shapes.config("llama", 2048), dtype=torch.float32).eval()
    made.generation_config.pad_token_id = 3
    made.generation_config.suppress_tokens = [OPENING]  # it would think for ever
    return made


@pytest.fixture(scope="module", params=["generate", "batching"])
def engine(request: pytest.FixtureRequest, wild: Any, tiny: Any) -> Iterator[Any]:
    wild.generation_config.eos_token_id = tiny.model.generation_config.eos_token_id
    made: Any = (
        GenerateEngine(wild, tiny.tokenizer)
        if request.param == "generate"
        else BatchingEngine(wild, tiny.tokenizer, capacity=3, longest=2000)
    )
    yield made
    made.close()


def constrained(tiny: Any, schema: Schema, seed: int = 0, **changes: Any) -> Request:
    changes = {"temperature": 1.0, "top_k": 5, "max_new_tokens": 1000, "seed": seed, **changes}
    return Request(ask(tiny, "Hello"), sampling(grammar=json.dumps(schema), **changes), begins="answer")


def followed(events: list[Event], schema: Schema) -> Any:
    assert isinstance(events[-1], Finished), events[-1]
    assert events[-1].reason == "stop"
    value = json.loads(text(events))
    jsonschema.validate(value, schema, cls=jsonschema.Draft202012Validator)
    return value


@settings(max_examples=12, deadline=None)
@given(schema=bounded, seed=st.integers(0, 2**31))
def test_each_sample_follows_its_schema(engine: Any, tiny: Any, schema: Schema, seed: int) -> None:
    followed(write(engine, constrained(tiny, schema, seed)), schema)


@settings(max_examples=12, deadline=None)
@given(schema=bounded, seed=st.integers(0, 2**31))
def test_a_call_that_has_to_be_is_written_as_templates_show_calls(
    engine: Any, tiny: Any, schema: Schema, seed: int
) -> None:
    function = {
        "name": "probe",
        "parameters": {"type": "object", "properties": {"value": schema}, "required": ["value"]},
    }
    tools = Tools(json.dumps([{"type": "function", "function": function}]), required=True)
    asked = dataclasses.replace(constrained(tiny, json.loads(tools.grammar), seed), tools=tools)
    written = write(engine, asked)
    call = followed(written, json.loads(tools.grammar))
    between = json.dumps(call, ensure_ascii=False)
    blanks = re.compile(r'"(?:[^"\\]|\\.)*"')  # what is outside of texts
    assert blanks.sub("", text(written)).count(" ") == blanks.sub("", between).count(" ")
    assert not re.search(r"[\n\t]", blanks.sub("", text(written)))


def test_greedy_answers_follow_it_too_and_are_the_same_in_each_engine(engine: Any, wild: Any, tiny: Any) -> None:
    schema = one("object", properties={"a": one("string", maxLength=5), "b": one("boolean")}, required=["a", "b"])
    schema["additionalProperties"] = False
    request = constrained(tiny, schema, temperature=0)
    value = followed(write(engine, request), schema)
    assert followed(write(GenerateEngine(wild, tiny.tokenizer), request), schema) == value


def test_replies_of_one_batch_follow_each_its_own_schema(wild: Any, tiny: Any) -> None:
    own = [one("integer", minimum=7, maximum=7), one("string", pattern="^ab?$"), {"enum": [None, True]}]
    batching = BatchingEngine(wild, tiny.tokenizer, capacity=3, longest=200)
    free = Request(ask(tiny, "Hello"), sampling(max_new_tokens=12))
    try:
        alone = text(write(batching, free))
        *written, beside = together(batching, [constrained(tiny, each, max_new_tokens=100) for each in own] + [free])
    finally:
        batching.close()
    for events, schema in zip(written, own, strict=True):
        followed(events, schema)
    assert text(beside) == alone


def test_any_object_is_one(engine: Any, tiny: Any) -> None:
    schema = json.loads(ANY_OBJECT)
    for seed in range(4):
        events = write(engine, constrained(tiny, schema, seed, max_new_tokens=60))
        if isinstance(events[-1], Finished) and events[-1].reason == "stop":
            assert isinstance(json.loads(text(events)), dict)
        else:
            assert text(events).lstrip().startswith("{")


def test_a_model_without_an_end_token_ends_with_its_object(wild: Any, tiny: Any) -> None:
    ends, wild.generation_config.eos_token_id = wild.generation_config.eos_token_id, None
    try:
        with steps(wild) as started:
            events = write(GenerateEngine(wild, tiny.tokenizer), constrained(tiny, {"const": {"a": 1}}))
    finally:
        wild.generation_config.eos_token_id = ends
    assert followed(events, {"const": {"a": 1}}) == {"a": 1}
    assert isinstance(events[-1], Finished)
    assert len(started) <= events[-1].tokens + 1


THOUGHTS = 'Is it "7"? Yes. '


class Scripted:
    """A model's scores while it wants to write something: its tokens, and after that always the same one."""

    def __init__(self, model: Any, tokenizer: Any, written: str, then: str = " Sure") -> None:
        ids = tokenizer(written, add_special_tokens=False)["input_ids"]
        self._next = iter([*ids, *tokenizer(then, add_special_tokens=False)["input_ids"] * 500])
        self._hook = model.register_forward_hook(self._want)

    def _want(self, _: Any, __: Any, output: Any) -> None:
        output.logits[0, -1, next(self._next)] += 1000

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._hook.remove()


def with_tokens(tokenizer: Any, special: tuple[str, ...], other: tuple[str, ...]) -> Any:
    """A tokenizer that has these tokens as well, and a chat template in which they are."""
    more = copy.deepcopy(tokenizer)
    more.add_special_tokens({"extra_special_tokens": list(special)})
    more.add_tokens(list(other))
    more.chat_template = "".join((*special, *other))
    return more


HARMONY = ("<|channel|>", "<|message|>", "<|end|>", "<|start|>")
THINKERS: dict[str, tuple[tuple[str, ...], tuple[str, ...], str, str]] = {
    # special tokens, other added tokens, what the reply begins with, what the model writes first
    "the model opens its thoughts": ((), (), "answer", f"<think>\n{THOUGHTS}</think>\n\n"),
    "the prompt has opened them": ((), (), "reasoning", f"{THOUGHTS}</think>\n\n"),
    "special tokens of several parts": (
        HARMONY, (), "answer", f"<|channel|>analysis<|message|>{THOUGHTS}<|end|><|start|>assistant<|channel|>final<|message|>"
    ),
    "one token ends the thoughts and begins the answer": (
        (), ("<seed:think", '>{"'), "reasoning", THOUGHTS + '</seed:think>{"',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", THINKERS)
def test_a_model_thinks_freely_and_then_follows_the_schema(name: str, tiny: Any) -> None:
    special, other, begins, written = THINKERS[name]
    tokenizer = with_tokens(tiny.tokenizer, special, other)
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(shapes.config("llama", 2060), dtype=torch.float32).eval()
    model.generation_config.pad_token_id, model.generation_config.eos_token_id = 3, 2
    schema = one("object", properties={"n": one("integer", minimum=0, maximum=9)}, required=["n"])
    schema["additionalProperties"] = False
    request = constrained(tiny, schema, temperature=0, max_new_tokens=200)
    with Scripted(model, tokenizer, written):
        events = write(GenerateEngine(model, tokenizer), dataclasses.replace(request, begins=begins))
    kinds = {kind: "".join(e.text for e in events if isinstance(e, TextDelta) and e.kind == kind) for kind in KINDS}
    assert kinds["reasoning"] == THOUGHTS.strip()
    jsonschema.validate(json.loads(kinds["answer"]), schema)
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "stop"


def test_a_model_that_wants_neither_to_think_nor_to_answer_answers(tiny: Any) -> None:
    for written in ("", "<think>\n"):
        torch.manual_seed(3)
        model = AutoModelForCausalLM.from_config(shapes.config("llama", 2048), dtype=torch.float32).eval()
        model.generation_config.pad_token_id, model.generation_config.eos_token_id = 3, 2
        with Scripted(model, tiny.tokenizer, f"{written}<|im_end|>", then="</think>"):
            events = write(GenerateEngine(model, tiny.tokenizer), constrained(tiny, {"enum": [7]}, temperature=0))
        assert [e.text for e in events if isinstance(e, TextDelta) and e.kind == "answer"] == ["7"]


HOSTILE: dict[str, tuple[Schema, str]] = {
    "patterns that exclude one another": (
        {"allOf": [one("string", pattern=f".*{chr(97 + n)}.{{{n + 5}}}") for n in range(20)]},
        "it takes too long to read. Use fewer patterns and ranges in one another",
    ),
    "what can't be held to": (one("array", uniqueItems=True), 'Unimplemented keys: ["uniqueItems"]'),
    "an option that would leave keys out": (
        {"not": {}, "x-guidance": {"lenient": True}}, 'Unimplemented keys: ["not"]'
    ),
    "no type": (one("wombat"), "Invalid type: wombat"),
    "a reference to nothing": ({"$ref": "#/$defs/a"}, "Pointer '/$defs/a' does not exist"),
    "what nothing fulfils": (
        {"properties": {"a": False}, "type": "object", "required": ["a"]},
        "Unsatisfiable schema: required property 'a' is unsatisfiable",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_schema_that_can_not_be_followed_is_told_in_time(name: str, tiny: Any) -> None:
    schema, told = HOSTILE[name]
    assert schemas.problem(json.dumps(schema), tiny.tokenizer) == told


def test_a_schema_that_becomes_too_complex_ends_its_reply_alone(engine: Any, tiny: Any) -> None:
    endless: Schema = {"$ref": "#"}  # nothing is one
    events = write(engine, constrained(tiny, endless))
    assert events[-1] == Failure(
        "The answer can't follow its JSON schema any further, which is too complex. Use a simpler one"
    )
    assert engine.unavailable_reason() is None
    followed(write(engine, constrained(tiny, {"const": 1})), {"const": 1})


def trained(model: Any, trainer: Any, before: Any, decoder: Any) -> Any:
    """A tokenizer of another kind, of the project's own texts."""
    made = Tokenizer(model)
    made.pre_tokenizer, made.decoder = before, decoder
    made.train_from_iterator([path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md"))], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="</s>", unk_token="<unk>")


def bytes_and_specials() -> list[str]:
    return ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]


TOKENIZERS: dict[str, Callable[[], Any]] = {
    "byte-level BPE": lambda: trained(
        models.BPE(), trainers.BpeTrainer(vocab_size=900, special_tokens=["<unk>", "</s>", "  "],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()), pre_tokenizers.ByteLevel(False), decoders.ByteLevel(),
    ),
    "BPE with bytes to fall back on": lambda: trained(
        models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True),
        trainers.BpeTrainer(vocab_size=900, special_tokens=bytes_and_specials()), pre_tokenizers.Metaspace("▁"),
        decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]),
    ),
    "Unigram": lambda: trained(
        models.Unigram(), trainers.UnigramTrainer(vocab_size=900, special_tokens=bytes_and_specials(), unk_token="<unk>"),
        pre_tokenizers.Metaspace("▁"), decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback()]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_answers_follow_their_schema_with_each_kind_of_tokenizer(kind: str) -> None:
    tokenizer = TOKENIZERS[kind]()
    torch.manual_seed(5)
    model = AutoModelForCausalLM.from_config(shapes.config("llama", len(tokenizer) + 7), dtype=torch.float32).eval()
    model.generation_config.pad_token_id = 0
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    engine = GenerateEngine(model, tokenizer)
    fields = {"</s>": one("string", maxLength=6), "a  b": {"enum": ["<s>", "</s>", "ein  Satz"]}}
    schema = one("object", properties=fields, required=[*fields], additionalProperties=False)
    assert schemas.problem(json.dumps(schema), tokenizer) == ""
    for seed in range(6):
        drawn = sampling(grammar=json.dumps(schema), temperature=1.0, max_new_tokens=400, seed=seed)
        followed(write(engine, Request((5, 6), drawn, begins="answer")), schema)


def test_a_tokenizer_that_can_not_be_read_is_told() -> None:
    told = schemas.problem(ANY_OBJECT, object())
    assert told == "the model's tokenizer can't be read for it: 'object' object has no attribute 'backend_tokenizer'"
