"""Replies are taken apart while they grow: reasoning, answer and tool calls, in the form of each family of models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamspace.engines import canonical, forms, parts
from streamspace.engines.forms import MARK, TABLE, Form, Tags
from streamspace.events import Kind, Part

T, A = Part("reasoning", "Let me think."), Part("answer", "Paris.")
CALL = '{"name": "weather", "arguments": {}}'


class Token(NamedTuple):
    """An added token of a tokenizer."""

    content: str
    special: bool


class Tokenizer:
    """As much of a tokenizer as tells the form of its model's replies."""

    def __init__(self, *special: str, template: str = "", added: Sequence[str] = (), response_template: Any = None):
        listed = [*(Token(each, True) for each in special), *(Token(each, False) for each in added)]
        self.added_tokens_decoder = dict(enumerate(listed))
        self.chat_template = template
        self.response_template = response_template


class Case(NamedTuple):
    """What a model writes after a prompt, in the order of its parts; special tokens come as tokens."""

    tokenizer: Tokenizer
    written: str
    parts: tuple[Part, ...] = (T, A)
    prompt: str = ""


HARMONY = ("<|channel|>", "<|message|>", "<|end|>", "<|start|>", "<|call|>", "<|constrain|>")
KIMI_K3 = ("<|open|>", "<|close|>", "<|sep|>")
COHERE = ("<|START_THINKING|>", "<|END_THINKING|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>")
COHERE += ("<|START_ACTION|>", "<|END_ACTION|>")
QWEN = Tokenizer(added=["<think>", "</think>", "<tool_call>", "</tool_call>"])
CASES = {
    "think": Case(QWEN, "<think>\nLet me think.\n</think>\n\nParis."),
    "think, learned as text": Case(Tokenizer(), "<think>\nLet me think.\n</think>\n\nParis."),
    "think, on one line": Case(QWEN, "<think>Let me think.</think>Paris."),
    "think, special tokens": Case(Tokenizer("<think>", "</think>"), "<think>\nLet me think.\n</think>\n\nParis."),
    "think, opened by the template": Case(QWEN, "Let me think.\n</think>\n\nParis.", prompt="[assistant] <think>\n"),
    "think, special and opened": Case(
        Tokenizer("<think>", "</think>"), "Let me think.\n</think>\n\nParis.", prompt="[assistant] <think>\n"
    ),
    "think, closed by the template": Case(QWEN, "Paris.", (A,), prompt="[assistant] <think>\n\n</think>\n\n"),
    "think, never opened": Case(QWEN, "Let me think.\n</think>\n\nParis."),
    "think, never opened, on one line": Case(QWEN, "Let me think.</think>Paris."),
    "think, twice": Case(
        QWEN, "<think>\nLet me think.\n</think>\n\nParis.\n\n<think>\nSure?\n</think>\n\nYes.",
        (T, A, Part("reasoning", "Sure?"), Part("answer", "Yes.")),
    ),
    "think, twice in a row": Case(
        QWEN, "<think>\nLet me think.\n</think>\n<think>\nSure?\n</think>\n\nParis.",
        (Part("reasoning", "Let me think.\n\nSure?"), A),
    ),
    "think, empty": Case(QWEN, "<think>\n\n</think>\n\nParis.", (A,)),
    "think, cut off": Case(QWEN, "<think>\nLet me think.", (T,)),
    "think, then a tool call": Case(
        QWEN, f"<think>\nLet me think.\n</think>\n\n<tool_call>\n{CALL}\n</tool_call>", (T, Part("tool_call", CALL))
    ),
    "an answer, then two tool calls": Case(
        QWEN, f"Paris.\n<tool_call>\n{CALL}\n</tool_call>\n<tool_call>\n{CALL}\n</tool_call>",
        (A, Part("tool_call", f"{CALL}\n\n{CALL}")),
    ),
    "gpt-oss": Case(
        Tokenizer(*HARMONY),
        "<|channel|>analysis<|message|>Let me think.<|end|><|start|>assistant<|channel|>final<|message|>Paris.",
    ),
    "gpt-oss, what it does before a call": Case(
        Tokenizer(*HARMONY),
        "<|channel|>analysis<|message|>Let me think.<|end|><|start|>assistant<|channel|>commentary<|message|>Paris."
        "<|end|><|start|>assistant<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{}<|call|>",
        (T, A, Part("tool_call", "functions.weather json{}")),
    ),
    "Gemma 4": Case(
        Tokenizer("<|channel>", "<channel|>", "<|turn>"), "<|channel>thought\nLet me think.\n<channel|>Paris."
    ),
    "Gemma 4, told not to think": Case(
        Tokenizer("<|channel>", "<channel|>"), "Paris.", (A,), prompt="model\n<|channel>thought\n<channel|>"
    ),
    "Magistral": Case(Tokenizer("[THINK]", "[/THINK]"), "[THINK]Let me think.[/THINK]Paris."),
    "Seed-OSS": Case(Tokenizer("<seed:think>", "</seed:think>"), "<seed:think>\nLet me think.</seed:think>\nParis."),
    "Kimi-VL": Case(Tokenizer(added=["◁think▷", "◁/think▷"]), "◁think▷Let me think.◁/think▷Paris."),
    "Cohere": Case(
        Tokenizer(*COHERE),
        "<|START_THINKING|>Let me think.<|END_THINKING|><|START_RESPONSE|>Paris.<|END_RESPONSE|>",
    ),
    "Cohere, a call": Case(
        Tokenizer(*COHERE), f"<|START_THINKING|>Let me think.<|END_THINKING|><|START_ACTION|>{CALL}<|END_ACTION|>",
        (T, Part("tool_call", CALL)),
    ),
    "Apertus": Case(Tokenizer("<|inner_prefix|>", "<|inner_suffix|>"), "<|inner_prefix|>Let me think.<|inner_suffix|>Paris."),
    "Kimi-K3": Case(
        Tokenizer(*KIMI_K3, template="<|open|>think<|sep|> <|open|>response<|sep|> <|close|>message<|sep|>"),
        "Let me think.<|close|>think<|sep|><|open|>response<|sep|>Paris.<|close|>response<|sep|><|close|>message<|sep|>",
        prompt='<|open|>message role="assistant"<|sep|><|open|>think<|sep|>',
    ),
    "Solar": Case(
        Tokenizer("<|think|>", "<|content|>", "<|begin|>", "<|end|>"),
        "<|think|>Let me think.<|end|><|begin|>assistant<|content|>Paris.",
    ),
    "Muse": Case(
        Tokenizer("<|message|>", "<|eom|>", "<|start|>", template=" to=self<|message|> to=user<|message|>"),
        " to=self<|message|>Let me think.<|eom|><|start|>assistant to=user<|message|>Paris.",
    ),
    "EXAONE Deep": Case(Tokenizer(template="{{ '<thought>' }}"), "<thought>\nLet me think.\n</thought>\n\nParis."),
    "Apriel 1.5": Case(Tokenizer(template="<thinking>"), "<thinking>Let me think.</thinking>\nParis."),
    "Granite 3.3": Case(
        Tokenizer(template="<think></think> and <response></response>"),
        "<think>Let me think.</think>\n\n<response>Paris.</response>",
    ),
    "Hunyuan": Case(
        Tokenizer(template="<think> <answer>"), "<think>\nLet me think.\n</think>\n<answer>\nParis.\n</answer>"
    ),
    "Granite 3.2": Case(
        Tokenizer(template="'Here is my thought process:' 'Here is my response:'"),
        "Here is my thought process:\nLet me think.\n\nHere is my response:\nParis.",
    ),
    "Apriel 1.6": Case(
        Tokenizer(template="Here are my reasoning steps: [BEGIN FINAL RESPONSE] [END FINAL RESPONSE]"),
        "Let me think.\n[BEGIN FINAL RESPONSE]\nParis.\n[END FINAL RESPONSE]",
        prompt="<|begin_assistant|>\nHere are my reasoning steps:\n",
    ),
    "Hunyuan 3": Case(
        Tokenizer("<think:opensource>", "</think:opensource>"), "Let me think.</think:opensource>Paris.",
        prompt="<think:opensource>",
    ),
    "MiniMax-M3": Case(Tokenizer(template="<mm:think>"), "<mm:think>Let me think.</mm:think>Paris."),
    "Functionary": Case(Tokenizer(template=">>>all\n"), ">>>all\nParis.", (A,)),
    "DeepSeek, a call": Case(
        Tokenizer(added=["<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"]),
        f"Paris.\n<｜tool▁calls▁begin｜>{CALL}<｜tool▁calls▁end｜>", (A, Part("tool_call", CALL)),
    ),
    "plain": Case(QWEN, "Paris.", (A,)),
    "an indented answer": Case(QWEN, "\n    code\n", (Part("answer", "\n    code\n"),)),
}  # fmt: skip
MENTIONS = [
    "Write <think> before and </think> after a thought.",
    "The tag `</think>` ends it.",
    "It ends with \"</think>\" or (</think>).",
    "```html\n<think>\nhm\n</think>\n```\nThat was an example.",
    "```\n</think>\n```",
    "- a list\n\n  ~~~\n  <tool_call>\n  ~~~\n",
    "1 < 2 and <table> and <thinker>",
    "Use <|channel|>final<|message|> there.",
    "<th",
]  # fmt: skip


def as_decoded(case: Case) -> str:
    """The text as the decoder gives it, with special tokens marked."""
    text = case.written
    for token in sorted(forms.of(case.tokenizer).special.values(), key=len, reverse=True):
        text = text.replace(token.removeprefix(MARK), token)
    return text


def read(form: Form, begins: Kind, chunks: Sequence[str]) -> tuple[Part, ...]:
    reader = parts.parser(form, begins)
    found: tuple[Part, ...] = ()
    for chunk in chunks:
        for piece in reader.push(chunk):
            found = canonical.extended(found, piece)
    for piece in reader.flush():
        found = canonical.extended(found, piece)
    return found


@pytest.mark.parametrize("name", CASES)
def test_every_form_is_told_apart_whole_and_character_by_character(name: str) -> None:
    case = CASES[name]
    form, text = forms.of(case.tokenizer), as_decoded(case)
    begins = forms.opened(form, case.prompt)
    assert read(form, begins, [text]) == case.parts
    assert read(form, begins, list(text)) == case.parts


@given(st.sampled_from(sorted(CASES)), st.data())
def test_the_parts_are_the_same_however_the_text_is_cut(name: str, data: st.DataObject) -> None:
    case = CASES[name]
    form, text = forms.of(case.tokenizer), as_decoded(case)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    chunks = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert read(form, forms.opened(form, case.prompt), chunks) == case.parts


@pytest.mark.parametrize("name", [name for name in CASES if "never opened" not in name])
def test_no_beginning_of_a_reply_shows_anything_that_is_not_in_its_end(name: str) -> None:
    case = CASES[name]
    form, text = forms.of(case.tokenizer), as_decoded(case)
    reader = parts.parser(form, forms.opened(form, case.prompt))
    found: tuple[Part, ...] = ()
    for character in text:
        for piece in reader.push(character):
            found = canonical.extended(found, piece)
        assert [part.kind for part in found] == [part.kind for part in case.parts[: len(found)]]
        assert all(whole.text.startswith(part.text) for part, whole in zip(found, case.parts, strict=False))


@pytest.mark.parametrize("text", MENTIONS)
def test_an_answer_that_only_mentions_a_tag_stays_whole(text: str) -> None:
    form = forms.of(Tokenizer(*HARMONY, added=["<think>", "</think>", "<tool_call>"]))
    assert read(form, "answer", list(text)) == (Part("answer", text),)


def test_a_reply_that_continues_keeps_the_space_at_its_beginning() -> None:
    reader = parts.parser(Form(), "reasoning", continues=True)
    assert [*reader.push(" and so on.\n</think>\n\nParis."), *reader.flush()] == [Part("reasoning", " and so on."), A]


def test_the_space_at_the_end_of_a_reply_is_kept_for_one_that_goes_on() -> None:
    reader = parts.parser(Form(), "answer")
    assert reader.push("One, \n") == [Part("answer", "One,")]
    assert reader.flush() == [Part("answer", " \n")]


def test_no_tag_of_a_form_is_within_another() -> None:
    for name, case in CASES.items():
        tags = {tag for row in forms.of(case.tokenizer).tags for tag in row[1:] if tag}
        assert not [(a, b) for a in tags for b in tags if a != b and a in b], name


def test_a_row_applies_by_the_template_or_by_the_vocabulary() -> None:
    assert forms.of(Tokenizer()).tags == (Tags("reasoning", "<think>", "</think>"),)
    assert Tags("reasoning", "<thought>", "</thought>") in forms.of(Tokenizer(template="{{ '<thought>' }}")).tags
    assert Tags("reasoning", f"{MARK}[THINK]", f"{MARK}[/THINK]") in forms.of(Tokenizer("[THINK]", "[/THINK]")).tags
    assert len(TABLE) == len(set(TABLE))


def test_only_the_special_tokens_of_the_form_are_seen_in_the_text() -> None:
    assert forms.of(Tokenizer("<s>", "[THINK]", "</s>", "[/THINK]")).special == {
        1: f"{MARK}[THINK]",
        3: f"{MARK}[/THINK]",
    }


TEMPLATE = {
    "defaults": {"role": "assistant"},
    "start_anchor": "[assistant] ",
    "fields": {
        "thinking": {"open": "<<", "close": ">>"},
        "tool_calls": {"open": "CALL ", "close": ";", "content": "json", "repeats": True},
        "content": {},
    },
}


def templated(chunks: Sequence[str], prompt: str = "[assistant] ", template: Any = TEMPLATE) -> tuple[Part, ...]:
    form = forms.of(Tokenizer("<s>", response_template=template))
    reader = parts.parser(form, "answer", prompt=prompt)
    found: tuple[Part, ...] = ()
    for piece in [piece for chunk in chunks for piece in reader.push(chunk)] + reader.flush():
        found = canonical.extended(found, piece)
    return found


@pytest.mark.parametrize("chunked", [lambda text: [text], list])
def test_a_tokenizers_own_response_template_comes_first(chunked: Any) -> None:
    assert templated(chunked("<<\nLet me think.\n>>\n\nParis.")) == (T, A)
    assert templated(chunked("Let me think.\n>>\n\nParis."), prompt="[user] Hi [assistant] <<") == (T, A)
    assert templated(chunked('Paris.\nCALL {"name": "weather"};')) == (A, Part("tool_call", '{"name": "weather"}'))


def test_a_reply_that_breaks_its_response_template_is_shown_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    found = templated(["Paris.\n", "CALL no json;", " More."])
    assert found == (Part("answer", "Paris.\nCALL no json; More."),)
    assert "A reply isn't as its response_template says: ValueError" in caplog.text


def test_a_response_template_that_is_none_leaves_the_common_form(caplog: pytest.LogCaptureFixture) -> None:
    assert templated(["<think>\nLet me think.\n</think>\n\nParis."], template={"fields": 3}) == (T, A)
    assert "The tokenizer's response_template can't be used: ValueError" in caplog.text


@given(
    st.lists(
        st.builds(Part, st.sampled_from(["reasoning", "answer", "tool_call"]), st.sampled_from(["a", "b\nc"])),
        max_size=5,
    )
)
def test_the_one_form_in_which_replies_travel_is_read_back(given_: list[Part]) -> None:
    whole: tuple[Part, ...] = ()
    for part in given_:
        if not whole or whole[-1].kind != part.kind:
            whole = (*whole, part)
    assert canonical.read(canonical.render(whole)) == whole


def test_the_one_form_in_which_replies_travel() -> None:
    assert canonical.render((T, A)) == "<think>\nLet me think.\n</think>\n\nParis."
    assert canonical.render((T,)) == "<think>\nLet me think."
    assert canonical.of_kind(canonical.read("<think>\nnever finished"), "answer") == ""
