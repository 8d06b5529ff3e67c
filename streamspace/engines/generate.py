"""The plain engine: transformers' `generate` in a thread, read through a streamer; one reply at a time."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from functools import cached_property
from typing import Any

import torch
import transformers
from transformers.generation.streamers import BaseStreamer

from streamspace.config.types import Config
from streamspace.engines import forms, lookahead
from streamspace.engines.engine import Events, LoadedModel, RecentFailure
from streamspace.engines.explained import explain, without_introduction
from streamspace.engines.kept import MEGABYTE, KeptCaches, Reading
from streamspace.engines.lookahead import Lookahead
from streamspace.engines.preparation import generation_config, new_reply, processors
from streamspace.engines.reply import CANCELLED, Reply
from streamspace.engines.slots import Slot, Slots
from streamspace.engines.tensors import unpack
from streamspace.errors import ModelError, redacted_trace
from streamspace.events import Failure, Request
from streamspace.sampling import SamplingParams

log = logging.getLogger(__name__)
FIRST = SamplingParams(max_new_tokens=2, temperature=0, seed=0)


def build(config: Config, loaded: LoadedModel) -> GenerateEngine:
    """See `config/engines.py`. Raises ModelError where the model fails at a first token."""
    engine = untried(config, loaded)
    if config.task != "image-chat":  # some of those need an image
        *_, last = engine.stream(Request((0, 0), FIRST), threading.Event())
        if isinstance(last, Failure):
            raise ModelError(
                f"model.id: {config.model.id!r} can't write with transformers {transformers.__version__}: "
                f"{without_introduction(last.message)}. Choose another model, or a version of transformers that its "
                "makers name"
            )
    engine.measure()
    return engine


def untried(config: Config, loaded: LoadedModel) -> GenerateEngine:
    """The engine of a model of which not one token has been asked yet."""
    # Ids don't say which images they stand for, and some models that read images note positions in themselves.
    kept = 0 if config.task == "image-chat" else config.limits.cache_megabytes
    ahead = config.limits.lookahead if config.task != "image-chat" else 0
    return GenerateEngine(loaded.model, loaded.tokenizer, kept, ahead)


class GenerateEngine:
    """Writes replies with `model.generate`.

    One at a time: two threads share one device's compute, so together they are no faster, and torch's random state is
    global, so a seed would not reproduce. It keeps `cache_megabytes` of what it has read for conversations to go on,
    and tries up to `ahead` tokens at once.
    """

    name = "generate"
    capacity = 1

    def __init__(self, model: Any, tokenizer: Any, cache_megabytes: int = 0, ahead: int = 0) -> None:
        self._model = model
        self._ahead, self._price = ahead, lookahead.LENT
        self._tokenizer = tokenizer
        self._form = forms.of(tokenizer)
        self._slots = Slots(1)
        self._kept = KeptCaches(model, cache_megabytes * MEGABYTE)
        self._recent_failure = RecentFailure(after=2)  # one reply may fail by its length alone

    def stream(self, request: Request, stop: threading.Event) -> Events:
        """See `Engine.stream`. The thread that runs the model holds the place until the model has really ended."""
        try:
            with self._slots.slot() as slot:
                if not (yield from slot.wait(stop)):
                    yield CANCELLED
                    return
                reply = new_reply(request, stop, self._model, self._tokenizer, self._form)
                slot.hand_over(threading.Thread(target=self._write, args=(reply, slot), name="generate", daemon=True))
                yield from reply.events()
        finally:
            stop.set()  # however it ended, the thread is not left waiting for a reader

    def measure(self) -> None:
        """Measures on this machine what it costs to look ahead."""
        if self._can_look_ahead:
            self._price = lookahead.price(self._model)
            log.info("Lookahead: up to %d tokens, of which each costs %.2f of a pass", self._ahead, self._price)

    def unavailable_reason(self) -> str | None:
        """See `Engine.unavailable_reason`."""
        return self._recent_failure.get()

    def close(self) -> None:
        """See `Engine.close`. Nothing runs between replies."""

    def rest(self) -> None:
        """Waits until no reply is being written: a stopped one may still be in its last step."""
        self._slots.wait_for_one()

    @cached_property
    def _can_look_ahead(self) -> bool:
        return bool(self._ahead) and lookahead.is_possible(self._model)

    def _write(self, reply: Reply, slot: Slot) -> None:
        """Runs in the thread. Whatever goes wrong goes to the reader, who would wait for ever otherwise."""
        try:
            if not self._generated(reply):
                self._generate(reply)
        except Exception as error:
            log.error("The model failed while it was answering: %s", redacted_trace(error))
            reply.fail(reason := explain(error))
            self._recent_failure.set(reason)
        finally:
            slot.release()
            reply.leave()

    def _generated(self, reply: Reply) -> bool:
        """False where there was no memory for it, but is now: what was kept has been given back, and the error, too."""
        try:
            self._generate(reply)
        except torch.OutOfMemoryError:
            if reply.begun or not self._kept.clear():
                raise
            return False
        return True

    def _generate(self, reply: Reply) -> None:
        request = reply.request
        reading = self._kept.begin(request.visitor, request.prompt)
        reply.reused_tokens = reading.cache.get_seq_length() if reading else 0
        streamer = Streamer(reply, reading)
        torch.manual_seed(request.sampling.seed)
        prompt = torch.tensor([request.prompt], device=self._model.device)
        decoding: dict[str, Any] = {"streamer": streamer}
        if self._can_look_ahead:
            decoding = {"custom_generate": Lookahead(streamer, self._ahead, self._price).decode}
        with suppress(_Ended):
            self._model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                **decoding,
                **{each.name: unpack(each, self._model.device) for each in request.tensors},
                **({"past_key_values": reading.cache} if reading else {}),
                logits_processor=processors(reply, self._tokenizer, self._form),
                generation_config=generation_config(self._model.generation_config, request.sampling),
            )
        self._recent_failure.clear()
        if reading:
            self._kept.keep(request.visitor, request.prompt, streamer.tokens, reading)


class _Ended(Exception):
    """Leaves `generate` from within the streamer, so that not one more step is begun."""


class Streamer(BaseStreamer):
    """Takes each token from `generate`, and hands it to the reply, which ends it within a token of a Stop."""

    def __init__(self, reply: Reply, reading: Reading | None = None) -> None:
        self.tokens: list[int] = []
        self._reading = reading
        self._reply = reply
        self._prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        """Takes the prompt, shape (1, length), and then each new token, shape (1,)."""
        if not self._prompt_seen:
            self._prompt_seen = True
            return
        if self._reading and not self.tokens:
            self._reading.prompt_is_read()
        self.tokens.append(int(value))
        self._reply.add_token(self.tokens[-1])
        if self._reply.ended:
            raise _Ended

    def end(self) -> None:
        """`generate` came to an end that the reply didn't see, such as a limit of the model's own."""
        self._reply.finish("length")
