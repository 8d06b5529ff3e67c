"""Holds the answer of a reply to a JSON schema: a mask over the model's scores, by llguidance.

Which schemas can be followed `schemas` has said before.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import LogitsProcessor

from streamspace.engines import forms
from streamspace.engines.forms import Form
from streamspace.engines.reply import Reply
from streamspace.i18n import t


class Constraint(LogitsProcessor):
    """The mask of one reply: called before each of its tokens, when the reply has taken the one before.

    The model may think once first, by the form of its replies: the mask begins with the answer, and until then lets
    pass what begins another part. No end is let pass before the answer.
    """

    def __init__(self, schema: str, reply: Reply, tokenizer: Any, form: Form) -> None:
        from streamspace.engines import schemas  # here: few replies follow one

        self._reply = reply
        self._matcher = schemas.matcher(schema, tokenizer, is_call=bool(reply.request.tools))
        self._vocabulary = schemas.vocabulary(tokenizer)
        self._bits = torch.zeros((self._vocabulary.vocab_size + 31) // 32, dtype=torch.int32)
        self._ends = list(reply.end_tokens)
        added = {token.content: id_ for id_, token in tokenizer.added_tokens_decoder.items()}
        self._text = torch.ones(self._bits.numel() * 32, dtype=torch.bool)  # of each token: whether it may be in a text
        self._text[[id_ for id_ in (*added.values(), *self._vocabulary.eos_tokens) if id_ < len(self._text)]] = False
        self._places = torch.arange(32, dtype=torch.int32)
        self._openings = {added[token]: thoughts for token, thoughts in forms.openings(form).items() if token in added}
        self._masked = False  # whether the last token was chosen under the mask
        self._begun = False
        self._thought = False
        self._seen: int | None = None

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Scores of shape (1, vocabulary): minus infinity for each token that may not come next."""
        allowed = self.allowed(input_ids, scores)
        return scores if allowed is None else scores.masked_fill(~allowed.to(scores.device), -torch.inf)

    def allowed(self, input_ids: Any, scores: Any) -> torch.Tensor | None:
        """Whether each token may come next, shape (vocabulary,); None lets pass all.

        `input_ids` has shape (1, tokens so far), `scores` (1, vocabulary). Where no token may come, the reply is ended.
        """
        if self._seen is not None and input_ids.shape[1] > self._seen:
            self._take(int(input_ids[0, -1]))
        self._seen = input_ids.shape[1]
        self._thought |= self._reply.kind == "reasoning"
        self._masked = not self._reply.ended and (self._begun or self._reply.kind == "answer")
        if self._reply.ended:
            return None
        if not self._masked:  # the answer is still to come
            allowed = torch.ones(scores.shape[-1], dtype=torch.bool)
            allowed[self._ends] = False
            return allowed
        if not self._begun and self._reply.answer:  # the end of a tag and the beginning of the answer were one token
            self._follow(self._vocabulary.tokenize_str(self._reply.answer))
        allowed = self._next_tokens(scores)
        if self._matcher.is_error():
            self._reply.fail(t("error.schema"))
        elif self._matcher.is_stopped():
            self._reply.finish("stop")
        else:
            return allowed
        return None

    def _take(self, token: int) -> None:
        """The token that was chosen last."""
        if self._masked and (self._begun or token not in self._openings):
            self._follow([token])

    def _follow(self, tokens: list[int]) -> None:
        """Tokens of the answer."""
        if not self._begun:
            self._begun = True
            self._reply.only_answer()
        self._matcher.consume_tokens(tokens)

    def _next_tokens(self, scores: torch.Tensor) -> torch.Tensor:
        """Whether each token may come next by the schema, shape (vocabulary,); there may be more scores than tokens.

        Another part is begun only where the model would do that: other tokens being forbidden doesn't make it think.
        """
        self._matcher.unsafe_compute_mask_ptr(self._bits.data_ptr(), self._bits.numel() * self._bits.element_size())
        bits = ((self._bits.unsqueeze(1) >> self._places) & 1).flatten().bool() & self._text
        allowed = torch.zeros(scores.shape[-1], dtype=torch.bool)
        known = min(len(allowed), len(bits))
        allowed[:known] = bits[:known]
        allowed[self._ends] = self._matcher.is_accepting()
        if not self._begun and (likeliest := int(scores.argmax())) in self._openings:
            allowed[likeliest] = not (self._thought and self._openings[likeliest])
        return allowed
