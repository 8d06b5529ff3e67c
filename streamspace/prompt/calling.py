"""Whether a model's chat template shows it functions to call, and whether the calls it then writes can be read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import takewhile
from typing import Any

from streamspace.engines import calls, canonical, forms, parts
from streamspace.engines.canonical import extended, of_kind
from streamspace.engines.decode import Decoder
from streamspace.engines.forms import Form
from streamspace.errors import RequestError
from streamspace.events import Part
from streamspace.tools import Call, Tools

Render = Callable[..., str]  # of messages and a template's variables
NAME, WORD, RESULT = "streamspace_probe", "streamspace-word", "streamspace-result"
PARAMETERS = {"type": "object", "properties": {"word": {"type": "string"}, "count": {"type": "integer"}}}
FUNCTION = {"name": NAME, "description": "Repeats a word.", "parameters": PARAMETERS}
PROBE = Tools(json.dumps([{"type": "function", "function": FUNCTION}]))
CALL = Call(NAME, json.dumps({"word": WORD, "count": 3}), "000000001")  # Mistral's templates want an id of this form
QUESTION = {"role": "user", "content": "Hi"}
CALLED = {"role": "assistant", "content": "", "tool_calls": [CALL.as_message()]}
ANSWERED = {"role": "tool", "content": RESULT, "tool_call_id": CALL.id, "name": NAME}


class Calling:
    """What a model behind a server can do with functions: that is the server's to know."""

    def problem(self, tools: Tools) -> str:
        """Why the model can't be offered these functions; "" if it can."""
        return ""

    def read(self, reply: Sequence[Part], tools: Tools) -> tuple[Call, ...]:
        """The calls that a whole reply consists of, besides what it says before them."""
        answer = of_kind(reply, "answer")
        marked = of_kind(reply, "tool_call") or of_kind(canonical.read(answer), "tool_call")
        return self._read(marked, tools) if marked else calls.read_answer(answer, tools)

    def _read(self, marked: str, tools: Tools) -> tuple[Call, ...]:
        return calls.listed(marked)


class TemplateCalling(Calling):
    """What one model can do with functions, by its tokenizer and its chat template, which `render` renders.

    Both are tried, when somebody first asks: a call as the template itself writes it has to be read back.
    """

    def __init__(self, tokenizer: Any, form: Form, render: Render) -> None:
        self._tokenizer = tokenizer
        self._form = form
        self._render = render

    def problem(self, tools: Tools) -> str:
        """See `Calling.problem`."""
        if not self._shown:
            return "expected none, since this model's chat template has no place for functions or for their results"
        if not tools.required and not self._is_readable:
            return (
                "this model's calls are in a form that can't be read. Set tool_choice to 'required', or to a function"
            )
        return ""

    def _read(self, marked: str, tools: Tools) -> tuple[Call, ...]:
        return calls.read(marked, tools, self._form)

    @cached_property
    def _shown(self) -> bool:
        """Whether the template shows the model functions, its own calls, and their results."""
        rendered = self._rendered([QUESTION]), self._rendered([QUESTION, CALLED, ANSWERED])
        return NAME in rendered[0] and WORD in rendered[1] and RESULT in rendered[1]

    @cached_property
    def _is_readable(self) -> bool:
        """Whether a call is read as it was, from the text by which the template shows it."""
        asked, called = self._rendered([QUESTION]), self._rendered([QUESTION, CALLED], add_generation_prompt=False)
        same = takewhile(lambda pair: pair[0] == pair[1], zip(asked, called, strict=False))
        before = "".join(character for character, _ in same)
        found = self.read(self._taken_apart(before, called.removeprefix(before)), PROBE)
        return [(each.name, json.loads(each.arguments)) for each in found] == [(NAME, json.loads(CALL.arguments))]

    def _rendered(self, messages: list[Any], **how: object) -> str:
        """What the template makes of messages beside the probe; "" where it refuses them."""
        try:
            return self._render(messages, tools=PROBE.listed, **how)
        except RequestError:
            return ""

    def _taken_apart(self, prompt: str, written: str) -> tuple[Part, ...]:
        """The parts of a reply that is written after a prompt, as an engine has them."""
        parser = parts.parser(self._form, forms.opened(self._form, prompt), prompt=prompt)
        decoder = Decoder(self._tokenizer, special=self._form.special)
        pieces = []
        for token in self._tokenizer(written, add_special_tokens=False)["input_ids"]:
            if token == self._tokenizer.eos_token_id:
                break
            pieces += parser.push(decoder.push(token))
        found: tuple[Part, ...] = ()
        for piece in (*pieces, *parser.push(decoder.flush()), *parser.flush()):
            found = extended(found, piece)
        return found
