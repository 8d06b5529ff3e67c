"""How models mark the parts of their replies: one table, and which of its rows apply to a tokenizer.

`parts` reads replies by it. Sources: the models' chat templates and cards, as of November 2026.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from streamspace.events import Kind, Part

MARK = "\0"  # before a special token, which can't be taken for the same characters as text


class Tags(NamedTuple):
    """What begins and ends a part. An empty opening: a part that nothing begins; "hidden" text belongs to none."""

    kind: Kind | Literal["hidden"]
    opening: str
    closing: str = ""


TABLE = (
    Tags("reasoning", "<think>", "</think>"),  # DeepSeek, Qwen, GLM, SmolLM, MiniMax-M2, Nemotron and most others
    Tags("reasoning", "<thinking>", "</thinking>"),  # Apriel 1.5
    Tags("reasoning", "<thought>", "</thought>"),  # EXAONE Deep
    Tags("reasoning", "[THINK]", "[/THINK]"),  # Magistral, Ministral
    Tags("reasoning", "<seed:think>", "</seed:think>"),  # Seed-OSS
    Tags("reasoning", "<mm:think>", "</mm:think>"),  # MiniMax-M3
    Tags("reasoning", "<think:opensource>", "</think:opensource>"),  # Hunyuan 3
    Tags("reasoning", "◁think▷", "◁/think▷"),  # Kimi-VL
    Tags("reasoning", "<|START_THINKING|>", "<|END_THINKING|>"),  # Cohere
    Tags("answer", "<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    Tags("answer", "<|START_TEXT|>", "<|END_TEXT|>"),
    Tags("tool_call", "<|START_ACTION|>", "<|END_ACTION|>"),
    Tags("reasoning", "<|inner_prefix|>", "<|inner_suffix|>"),  # Apertus
    Tags("tool_call", "<|tools_prefix|>", "<|tools_suffix|>"),
    Tags("reasoning", "<|channel>thought\n", "<channel|>"),  # Gemma 4
    Tags("tool_call", "<|tool_call>", "<tool_call|>"),
    Tags("reasoning", "<|channel|>analysis<|message|>", "<|end|>"),  # gpt-oss
    Tags("answer", "<|channel|>commentary<|message|>", "<|end|>"),  # what it says before it calls a tool
    Tags("answer", "<|channel|>final<|message|>", "<|end|>"),
    Tags("tool_call", "<|channel|>commentary to=", "<|call|>"),
    Tags("tool_call", "<|channel|>commentary <|constrain|>", "<|call|>"),
    Tags("hidden", "<|start|>"),
    Tags("reasoning", " to=self<|message|>", "<|eom|>"),  # Muse
    Tags("answer", " to=user<|message|>", "<|eom|>"),
    Tags("reasoning", "<|open|>think<|sep|>", "<|close|>think<|sep|>"),  # Kimi-K3
    Tags("answer", "<|open|>response<|sep|>", "<|close|>response<|sep|>"),
    Tags("hidden", "<|close|>message<|sep|>"),
    Tags("reasoning", "<|think|>", "<|end|>"),  # Solar
    Tags("answer", "<|content|>", "<|end|>"),
    Tags("hidden", "<|begin|>"),
    Tags("answer", "<response>", "</response>"),  # Granite 3.3
    Tags("answer", "<answer>", "</answer>"),  # Hunyuan A13B
    Tags("reasoning", "Here is my thought process:", "Here is my response:"),  # Granite 3.2
    Tags("reasoning", "Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]"),  # Apriel
    Tags("answer", "", "[END FINAL RESPONSE]"),
    Tags("answer", ">>>all\n"),  # Functionary
    Tags("tool_call", "<tool_call>", "</tool_call>"),  # Qwen, Hermes, GLM
    Tags("tool_call", "<|tool_call|>", "<|end_of_text|>"),  # Granite
    Tags("tool_call", "[TOOL_CALLS]"),  # Mistral
    Tags("tool_call", "<|python_tag|>"),  # Llama 3
    Tags("tool_call", "<|tool_call_start|>", "<|tool_call_end|>"),  # LFM2
    Tags("tool_call", "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),  # Kimi K2
    Tags("tool_call", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),  # DeepSeek
    Tags("tool_call", "<｜DSML｜function_calls>", "</｜DSML｜function_calls>"),
    Tags("tool_call", "<minimax:tool_call>", "</minimax:tool_call>"),
)
FIELDS: dict[str, Kind] = {"content": "answer", "tool_calls": "tool_call"}  # of a `response_template`
FIELDS |= dict.fromkeys(("reasoning_content", "reasoning", "thinking"), "reasoning")
TOKEN = re.compile(r"<\|?[^<>\s]+\|?>|\[/?[A-Z_]+\]|◁/?\w+▷")  # a tag that may be one token of a vocabulary


@dataclass(frozen=True)
class Form:
    """The tags that one model's replies may have, special tokens in them after a MARK.

    `special` are the special tokens that have to be seen in the text: their ids, and how they are written there.
    `template` is the tokenizer's own description of its replies, which then holds instead of the tags.
    """

    tags: tuple[Tags, ...] = TABLE[:1]
    special: Mapping[int, str] = field(default_factory=dict)
    template: Mapping[str, Any] | None = None


def of(tokenizer: Any) -> Form:
    """The form of a model's replies: its tokenizer's `response_template`, or the rows of the table that apply.

    A row applies where the chat template contains its tag, or the vocabulary all tokens of it. The first is taken even
    where it doesn't: a model may have learned it as plain text.
    """
    added = {token.content: (id_, token.special) for id_, token in tokenizer.added_tokens_decoder.items()}
    special = {content: id_ for content, (id_, is_special) in added.items() if is_special}
    template = getattr(tokenizer, "response_template", None)
    if template:
        return Form((), {id_: content for content, id_ in special.items()}, template)
    source = str(tokenizer.chat_template or "")
    rows = [row for row in TABLE if _applies(row.opening or row.closing, source, added)]
    rows += [] if TABLE[0] in rows else TABLE[:1]
    needed = {token for row in rows for tag in row[1:] for token in TOKEN.findall(tag)} & special.keys()
    marked = tuple(Tags(row.kind, _marked(row.opening, needed), _marked(row.closing, needed)) for row in rows)
    return Form(marked, {special[token]: MARK + token for token in needed})


def openings(form: Form) -> dict[str, bool]:
    """The tokens that may begin what comes before an answer, or the answer; whether each begins reasoning alone."""
    fields = (form.template or {}).get("fields", {}).items()
    found: list[tuple[str | None, str]] = [
        (FIELDS.get(name), tag) for name, field in fields for tag in _listed(field.get("open"))
    ]
    found += [(row.kind, row.opening.replace(MARK, "")) for row in form.tags]
    first = [(kind, token[0]) for kind, tag in found if kind != "tool_call" and (token := TOKEN.match(tag))]
    return {token: all(kind == "reasoning" for kind, same in first if same == token) for _, token in first}


def _listed(value: Any) -> list[str]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]


def opened(form: Form, prompt: str) -> Kind:
    """The kind of part that a reply begins with after `prompt`: some chat templates open the reasoning themselves."""
    end = prompt.replace(MARK, "").rstrip()
    openings = [row.opening.replace(MARK, "") for row in form.tags if row.kind == "reasoning"]
    return "reasoning" if any(opening and end.endswith(opening.rstrip()) for opening in openings) else "answer"


def written(form: Form, prompt: str, parts: Sequence[Part]) -> str:
    """The parts of a reply as its model would have written them after `prompt`; the last one isn't closed."""
    text, open_kind = "", opened(form, prompt)
    if open_kind == "reasoning" != parts[0].kind:
        parts = (Part("reasoning", ""), *parts)
    for part in parts:
        row = _row(form, part.kind, prompt)
        space = "" if MARK in row.opening else "\n"  # special tokens stand alone
        opening = "" if part.kind == open_kind or not row.opening else row.opening + space
        closing = "" if part is parts[-1] or not row.closing else f"{space}{row.closing}{space * 2}"
        text += opening + part.text + closing
        open_kind = "answer"
    return text.replace(MARK, "")


def _row(form: Form, kind: Kind, prompt: str) -> Tags:
    """The row by which this kind of part is written: that which the prompt has opened, or else the first."""
    rows = [row for row in form.tags if row.kind == kind and row.opening]
    end = prompt.rstrip()
    at_end = [row for row in rows if end.endswith(row.opening.replace(MARK, "").rstrip())]
    return (*at_end, *rows, Tags(kind, ""))[0]


def _applies(tag: str, source: str, added: Mapping[str, object]) -> bool:
    tokens: Sequence[str] = TOKEN.findall(tag)
    return tag.strip() in source or (bool(tokens) and all(token in added for token in tokens))


def _marked(tag: str, special: set[str]) -> str:
    return TOKEN.sub(lambda token: MARK + token[0] if token[0] in special else token[0], tag)
