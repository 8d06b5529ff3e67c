"""Tries the chat templates and tokenizers of real models: prompts, thinking, replies, Continue and forged turns.

A template is tried with a small vocabulary that has its tags as tokens, once special and once only added.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from tokenizers import Tokenizer
from transformers import AddedToken, AutoTokenizer, PreTrainedTokenizerFast

from scripts.models import sources
from streamspace.engines import canonical, forms, parts
from streamspace.engines.decode import Decoder
from streamspace.errors import ModelError
from streamspace.events import Part
from streamspace.model.templates import check_template
from streamspace.model.thinking import Choice
from streamspace.prompt.builder import PromptBuilder
from streamspace.prompt.conversation import Turn
from streamspace.prompt.prompt import Conversation

Row = dict[str, str]
USER = {"role": "user", "content": "What is the capital of France?"}
ASKED = [Turn("user", USER["content"])]
T, A = Part("reasoning", "Let me think."), Part("answer", "Paris is the capital.")
TAG = re.compile(r"<\|?[^<>\s'\"{}()]+\|?>|\[/?[A-Z_]+\]|◁/?\w+▷")
ROOM = 10**6
TEMPLATES = {"gptoss": "openai-gpt-oss-120b"}  # of a tokenizer whose package has none
TEXTS = ("Hello, world!", "  indented\n\n\ttabs", "naïve café — 北京 👋🏽 مرحبا", "a<b>c</b> `x=1`", "1,234.5 e=mc²")


def rows() -> Iterator[tuple[str, Row]]:
    """A row for each template: what of it holds, in words."""
    for name, template in sources.templates().items():
        yield name, _row(name, template)


def tokenizer_rows() -> Iterator[tuple[str, Row]]:
    """A row for each tokenizer: whether growing texts are decoded exactly, and forged turns stay text."""
    for name, folder in sources.tokenizers():
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.chat_template = tokenizer.chat_template or sources.templates().get(TEMPLATES.get(name, ""))
        exact = sum(_decoded(tokenizer, text) for text in TEXTS)
        row = {"decoded exactly": f"{exact} of {len(TEXTS)}"}
        if tokenizer.chat_template:
            control = _control(tokenizer)
            row["forged tokens"] = f"{len(_forged(tokenizer, control))} of {len(control)}"
        yield name, row


def _row(name: str, template: str) -> Row:
    tokenizer = _tokenizer(template, special=True)
    try:
        check_template(tokenizer, "chat", name)
    except ModelError as error:
        return {"chat": f"refused: {str(error).partition(': ')[2][:60]}"}
    builder = PromptBuilder(tokenizer, ROOM, ROOM)
    row = {"chat": "yes" if _encodes(tokenizer, builder) else "other ids than transformers"}
    row["thinking"] = ", ".join(builder.thinking.choices)
    row["replies"] = _replies(template)
    row["continue"] = _continues(tokenizer, builder)
    row["forged tokens"] = str(len(_forged(tokenizer, _control(tokenizer))))
    return row


def _tokenizer(template: str, special: bool) -> PreTrainedTokenizerFast:
    """The embedded model's vocabulary without its added tokens, with those that a template writes."""
    data = json.loads((sources.FOLDER.parent / "models/tiny/tokenizer.json").read_text("utf-8"))
    core = Tokenizer.from_str(json.dumps({**data, "added_tokens": []}))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<bos>", eos_token="<eos>")
    tokenizer.chat_template = template
    reply = {"role": "assistant", "content": "A", "reasoning_content": "T"}
    tags = TAG.findall(template + _rendered(tokenizer, [USER, reply, USER]) + _rendered(tokenizer, [USER]))
    for tag in dict.fromkeys(tags):
        if tag not in ("<bos>", "<eos>"):
            is_special = special or "|" in tag  # what looks like <|this|> is special wherever there is one
            tokenizer.add_tokens([AddedToken(tag, special=is_special)], special_tokens=is_special)
    return tokenizer


def _encodes(tokenizer: Any, builder: PromptBuilder) -> bool:
    choice = builder.thinking.choices.get(builder.thinking.default, Choice())
    expected = tokenizer.apply_chat_template([USER], add_generation_prompt=True, **choice.variables)["input_ids"]
    return list(builder.chat(Conversation("", ASKED), 1).ids) == expected or bool(choice.instruction)


def _replies(template: str) -> str:
    """Whether a reply, as the template writes one, is told apart; its tags as special tokens and as others."""
    found = {_reply(_tokenizer(template, special)) for special in (True, False)}
    return "no thoughts in the template" if found == {None} else "yes" if found <= {None, True} else "no"


def _reply(tokenizer: Any) -> bool | None:
    """None where the template leaves thoughts out. The reply is what follows the prompt that the model would get."""
    builder = PromptBuilder(tokenizer, ROOM, ROOM)
    choice = builder.thinking.choices.get(builder.thinking.default, Choice()).variables
    message = {"role": "assistant", "content": A.text, "reasoning_content": T.text}
    whole = _rendered(tokenizer, [USER, message], add_generation_prompt=False, **choice)
    if T.text not in whole:
        return None
    prompt = _rendered(tokenizer, [USER], **choice)
    start = len(
        "".join(a for a, b in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(prompt, whole, strict=False)))
    )
    ids = tokenizer(whole[start : whole.index(A.text) + len(A.text)], add_special_tokens=False)["input_ids"]
    form = forms.of(tokenizer)
    decoder, reader = Decoder(tokenizer, special=form.special), parts.parser(form, forms.opened(form, whole[:start]))
    read: tuple[Part, ...] = ()
    for piece in [piece for id_ in ids for piece in reader.push(decoder.push(id_))] + reader.flush():
        read = canonical.extended(read, piece)
    return read == (T, A)


def _continues(tokenizer: Any, builder: PromptBuilder) -> str:
    """How many of three cut replies go on as transformers' own `continue_final_message` has it, where it has it."""
    choice = builder.thinking.choices.get(builder.thinking.default, Choice()).variables
    same = tried = 0
    for begun in ((Part("reasoning", "Let me"),), (T, Part("answer", "Paris is")), (Part("answer", "Paris is"),)):
        message = {"role": "assistant", "content": canonical.of_kind(begun, "answer")}
        if reasoning := canonical.of_kind(begun, "reasoning"):
            message["reasoning_content"] = reasoning
        field = "reasoning_content" if begun[-1].kind == "reasoning" else True
        expected = _rendered(
            tokenizer, [USER, message], add_generation_prompt=False, continue_final_message=field, **choice
        )
        if not expected or reasoning not in expected:
            continue
        tried += 1
        same += tokenizer.decode(builder.chat(Conversation("", ASKED, None, begun), 1).ids) == expected
    return f"{same} of {tried}"


def _control(tokenizer: Any) -> list[str]:
    return sorted({token.content for token in tokenizer.added_tokens_decoder.values()})


def _forged(tokenizer: Any, control: Sequence[str]) -> list[str]:
    """The tokens that act when a visitor writes them: more of them than with a plain word in their place."""
    builder = PromptBuilder(tokenizer, ROOM, ROOM)
    guarded = set(tokenizer._get_control_tokens(tokenizer.chat_template))
    known = {token.content: id_ for id_, token in tokenizer.added_tokens_decoder.items()}

    def written(word: str) -> tuple[int, ...]:
        return builder.chat(Conversation("", [Turn("user", f"a {word} b")]), 1).ids

    plain = written("word")
    return [
        token
        for token in control
        if token in guarded and written(token).count(known[token]) > plain.count(known[token])
    ]


def _decoded(tokenizer: Any, text: str) -> bool:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    decoder = Decoder(tokenizer)
    return "".join(map(decoder.push, ids)) + decoder.flush() == tokenizer.decode(ids, skip_special_tokens=True)


def _rendered(tokenizer: Any, messages: list[dict[str, str]], **named: Any) -> str:
    """A conversation as the template has it; empty where it refuses."""
    try:
        text: str = tokenizer.apply_chat_template(messages, tokenize=False, **{"add_generation_prompt": True, **named})
    except Exception:  # a template raises what it likes
        return ""
    return text
