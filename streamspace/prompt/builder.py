"""Turns a conversation or a text into token ids that fit the context window; `conversation` reads it from a client."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from streamspace.engines import forms
from streamspace.engines.canonical import of_kind
from streamspace.errors import RequestError, first_line
from streamspace.events import Kind, Part, Tensor
from streamspace.i18n import t
from streamspace.model.template_trial import limited
from streamspace.model.thinking import Choice, Thinking, find
from streamspace.prompt.calling import TemplateCalling
from streamspace.prompt.control_tokens import ControlTokens
from streamspace.prompt.conversation import Turn
from streamspace.prompt.prompt import Conversation, Prompt
from streamspace.tools import Call, Tools, everywhere
from streamspace.trial import Endless


class PromptBuilder:
    """Encodes prompts for one model, with its tokenizer and its chat template. `thinking` is the config's default."""

    def __init__(self, tokenizer: Any, context_window: int, most_tokens: int, thinking: str | None = None) -> None:
        self._tokenizer = tokenizer
        self._window = context_window
        self._most = most_tokens
        self._control = ControlTokens(tokenizer)
        self._form = forms.of(tokenizer)
        self.calling = TemplateCalling(
            tokenizer, self._form, lambda messages, **also: self._render(messages, Choice(also))
        )
        has_template = bool(tokenizer.chat_template)
        self._folds_system = has_template and not self._knows_system()
        self.thinking = find(str(tokenizer.chat_template), self._probe, thinking) if has_template else Thinking()

    def schema_problem(self, schema: str) -> str:
        """See `Prompts.schema_problem`."""
        from streamspace.engines.schemas import problem  # here: few replies follow one

        return problem(schema, self._tokenizer)

    def tools_problem(self, tools: Tools) -> str:
        """See `Prompts.tools_problem`."""
        return self.calling.problem(tools)

    def calls(self, reply: Sequence[Part], tools: Tools) -> tuple[Call, ...]:
        """See `Prompts.calls`."""
        return self.calling.read(reply, tools)

    def text(self, text: str, new_tokens: int) -> Prompt:
        """See `Prompts.text`."""
        ids = tuple(self._tokenizer(text, split_special_tokens=True)["input_ids"])
        self._check(len(ids), self._budget(new_tokens))
        return Prompt(ids)

    def chat(self, conversation: Conversation, new_tokens: int) -> Prompt:
        """See `Prompts.chat`."""
        seen, dropped_images = self._seen(conversation.turns)
        budget, tools = self._budget(new_tokens), conversation.tools
        choice = self.thinking.choices.get(self.thinking.choose(conversation.thinking), Choice())
        if tools:
            choice = replace(choice, variables={**choice.variables, "tools": everywhere(tools.listed, self._safe)})
        later = [index for index, turn in enumerate(seen) if turn.role == "user"][1:]

        def encode(start: int) -> Prompt:
            return self._encode(replace(conversation, turns=seen[start:]), start, choice)

        prompt = encode(0)
        if len(prompt.ids) > budget and later:
            first = bisect.bisect_left(later, True, key=lambda start: len(encode(start).ids) <= budget)
            prompt = encode(later[min(first, len(later) - 1)])
        self._check(len(prompt.ids), budget)
        return replace(prompt, tools=tools, dropped_images=dropped_images)

    def _seen(self, turns: Sequence[Turn]) -> tuple[Sequence[Turn], int]:
        """The turns with their images, and how many of these were left out."""
        return turns, 0

    def _encode(self, conversation: Conversation, dropped_messages: int, choice: Choice) -> Prompt:
        instructed = "\n".join(line for line in (conversation.system, choice.instruction) if line)
        messages, begun = self._messages(instructed, conversation.turns), conversation.begun
        if begun:
            rendered, begins = self._begun(messages, choice, begun), begun[-1].kind
        else:
            rendered = self._render(messages, choice)
            begins = forms.opened(self._form, rendered)
        ids, tensors = self._inputs(rendered, conversation.turns)
        return Prompt(tuple(ids), dropped_messages, begins, bool(begun), tensors=tensors)

    def _inputs(self, rendered: str, turns: Sequence[Turn]) -> tuple[list[int], tuple[Tensor, ...]]:
        """The token ids of a rendered prompt, and the tensors the model takes besides."""
        return self._control.encode(rendered), ()

    def _begun(self, messages: list[dict[str, Any]], choice: Choice, begun: Sequence[Part]) -> str:
        """The prompt with the reply as far as it has begun: by the template, or else by the form of the replies."""
        reasoning, answer = (self._safe(of_kind(begun, kind)) for kind in ("reasoning", "answer"))
        last = begun[-1].kind
        message = self._message("assistant", of_kind(begun, "answer"))
        message |= {"reasoning_content": reasoning} if reasoning else {}
        end = {"reasoning": reasoning, "answer": answer}.get(last, "")
        try:
            rendered = self._render([*messages, message], choice, "reasoning_content" if last == "reasoning" else True)
        except Exception:  # the template leaves out what is to be continued, or refuses it
            rendered = ""
        if not rendered.endswith(end):
            rendered += end[len(end.rstrip()) :]  # some templates trim what has to go on exactly there
        if reasoning.strip() in rendered and self._goes_on(rendered, end.lstrip(), last):
            return rendered
        rendered = self._render(messages, choice)
        safe = [Part(part.kind, self._safe(part.text)) for part in begun]
        return rendered + forms.written(self._form, rendered, safe)

    def _goes_on(self, rendered: str, end: str, kind: Kind) -> bool:
        """Whether a prompt ends with this text, in a part of this kind."""
        before = rendered.removesuffix(end)
        return before != rendered and (not self._form.tags or forms.opened(self._form, before) == kind)

    def _messages(self, system: str, turns: Sequence[Turn]) -> list[dict[str, Any]]:
        if not system.strip():
            return [self._turn(turn) for turn in turns]
        if self._folds_system:
            first = replace(turns[0], text=f"{system}\n\n{turns[0].text}")
            return self._messages("", [first, *turns[1:]])
        return [self._message("system", system), *self._messages("", turns)]

    def _turn(self, turn: Turn) -> dict[str, Any]:
        return self._message(turn.role, turn.text, len(turn.images)) | everywhere(turn.of_calls(), self._safe)

    def _message(self, role: str, text: str, images: int = 0) -> dict[str, Any]:
        """A message in the form that the chat template reads."""
        return {"role": role, "content": self._safe(text)}

    def _safe(self, text: str) -> str:
        """What a visitor wrote, or could have, so that no control token in it acts as one."""
        return self._control.mark(text)

    def _render(
        self, messages: list[dict[str, Any]], choice: Choice | None = None, continued: bool | str = False
    ) -> str:
        """The conversation as the template has it; `continued` names what of the last message is left open."""
        how: dict[str, Any] = {"add_generation_prompt": not continued, "continue_final_message": continued}
        how |= choice.variables if choice else {}
        render = partial(self._tokenizer.apply_chat_template, messages, tokenize=False, **how)
        try:
            rendered: str = limited(render)
        except Endless:
            raise RequestError(t("error.template_endless")) from None
        except Exception as error:  # a template raises what it likes
            raise RequestError(t("error.template_refused", reason=first_line(error))) from None
        return rendered

    def _probe(self, choice: Choice) -> str:
        """A short prompt, to see what a choice changes."""
        return self._render(self._messages(choice.instruction, [Turn("user", "Hi")]), choice)

    def _knows_system(self) -> bool:
        """Whether the template has a system role: some raise at one, others leave it out. Also a first test of it."""
        mark = "streamspace-system-probe"
        try:
            return mark in self._render([self._message("system", mark), self._message("user", "Hi")])
        except Exception:  # a template raises what it likes
            return False

    def _budget(self, new_tokens: int) -> int:
        return min(self._most, self._window - new_tokens)

    def _check(self, length: int, budget: int) -> None:
        if budget < 1:
            raise RequestError(t("error.no_room", window=self._window))
        if length > budget:
            raise RequestError(t("error.too_many_tokens", tokens=length, room=budget))
