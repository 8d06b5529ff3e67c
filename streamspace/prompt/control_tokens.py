"""Keeps what visitors write from acting as control tokens, by transformers' own way of telling them apart.

A visitor's copy of a control token, special or only added, is marked before the chat template sees it, and is then
encoded as the plain text that it is: nobody can end a turn and forge another. Other text reaches the model unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from streamspace.errors import RequestError
from streamspace.i18n import t


class ControlTokens:
    """The control tokens of one tokenizer and its chat template; `others` are a processor's placeholders."""

    def __init__(self, tokenizer: Any, others: Iterable[str] = ()) -> None:
        from transformers.utils import chat_template_utils  # here, so that the prompt's code alone stays light

        try:
            template = tokenizer.get_chat_template()
        except ValueError:  # none, or several without a default: `check_template` reports it where one is needed
            template = ""
        known = tokenizer._get_control_tokens(template)
        self._pattern, _ = chat_template_utils._get_control_token_patterns(tuple({*known, *others}))
        self._mark = chat_template_utils.mark_control_tokens
        self._tokenizer = tokenizer

    def mark(self, text: str) -> str:
        """A visitor's text, for the chat template."""
        marked: str = self._mark(text, self._pattern)
        return marked

    def break_up(self, text: str) -> str:
        """A visitor's text for a processor, which can't encode marks: control tokens are split by an unseen space."""
        return self._pattern.sub(lambda found: f"{found[0][0]}\u200b{found[0][1:]}", text)

    def encode(self, text: str) -> list[int]:
        """The token ids of a rendered text with marks. Raises RequestError for text that can't be told apart."""
        try:
            ids: list[int] = self._tokenizer(text, add_special_tokens=False, sanitize_control_tokens=True)["input_ids"]
        except ValueError as error:
            raise RequestError(t("error.control_token")) from error
        return ids
