"""Measures what streaming adds to the model: tokens/s of each layer relative to a bare loop of forward passes."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.measurements.in_process import alone, load
from tests.running import changed

PROMPT = "Count to two hundred, and don't stop before that"


@dataclass(frozen=True)
class Speed:
    """Tokens/s of one layer: medians over the rounds, for a short reply and for a long one."""

    name: str
    short: float
    long: float


def speeds(model: str, short: int, long: int, rounds: int) -> list[Speed]:
    """The bare loop, each engine alone and the whole app, in interleaved rounds, for both lengths of a reply."""
    found: dict[tuple[str, int], list[float]] = {}
    layers = _Layers(model, long)
    for number in range(rounds + 1):
        for name, run in layers.all():
            for tokens in (short, long):
                seconds = alone(_seconds, run, tokens)
                if number:
                    found.setdefault((name, tokens), []).append(tokens / seconds)
    medians = {key: statistics.median(each) for key, each in found.items()}
    return [Speed(name, medians[name, short], medians[name, long]) for name, tokens in medians if tokens == short]


def _seconds(run: Callable[[int], int], tokens: int) -> float:
    started = time.perf_counter()
    assert run(tokens) == tokens
    return time.perf_counter() - started


def _as_in_the_app(model: str) -> Any:
    loaded = load(model)
    from streamspace.model import threads

    threads.tune(loaded.model)
    return loaded


class _Layers:
    """The layers from the model to the app; each generates a reply of a given length, and returns its tokens."""

    def __init__(self, model: str, longest: int) -> None:
        from streamspace.config.types import Config
        from streamspace.prompt.builder import PromptBuilder

        bounds = {"default": longest, "min": 1, "max": longest}
        changes = {"model.id": model, "sampling.max_new_tokens": bounds, "system_prompt": ""}
        self._config = Config.model_validate(changed(changes))
        self._loaded = alone(_as_in_the_app, model)
        self._model: Any = self._loaded.model
        self._builder = PromptBuilder(
            self._loaded.tokenizer, self._loaded.context_window, self._config.limits.prompt_tokens
        )
        self._prompt = tuple(self._loaded.tokenizer(PROMPT)["input_ids"])
        self._longest = longest

    def all(self) -> Iterator[tuple[str, Callable[[int], int]]]:
        """Each layer's name, and what runs it."""
        yield "bare loop of forward passes", self._bare
        yield "`model.generate`, no streaming", self._generate
        for name in ("generate", "batching"):
            with self._engine(name) as engine:
                yield f"engine `{name}`", lambda tokens, engine=engine: self._stream(engine, tokens)
                yield f"a whole reply of the app, `{name}`", lambda tokens, engine=engine: self._reply(engine, tokens)

    def _bare(self, tokens: int) -> int:
        import torch

        ids, cache = torch.tensor([self._prompt]), None
        with torch.inference_mode():
            for _ in range(tokens):
                output = self._model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
                ids, cache = output.logits[:, -1].argmax(-1, keepdim=True), output.past_key_values
                ids.item()
        return tokens

    def _generate(self, tokens: int) -> int:
        import torch

        ids = torch.tensor([self._prompt])
        mask = torch.ones_like(ids)
        written = self._model.generate(ids, attention_mask=mask, max_new_tokens=tokens, do_sample=False)
        return written.shape[1] - len(self._prompt)

    @contextlib.contextmanager
    def _engine(self, name: str) -> Iterator[Any]:
        from streamspace.engines.batching import BatchingEngine
        from streamspace.engines.generate import GenerateEngine

        if name == "generate":
            yield GenerateEngine(self._model, self._loaded.tokenizer)
            return
        engine = BatchingEngine(self._model, self._loaded.tokenizer, 1, len(self._prompt) + self._longest)
        yield engine
        engine.close()

    def _stream(self, engine: Any, tokens: int) -> int:
        from streamspace.events import Request
        from streamspace.sampling import SamplingParams

        sampling = SamplingParams(max_new_tokens=tokens, temperature=0, seed=0)
        *_, end = engine.stream(Request(self._prompt, sampling), threading.Event())
        return end.tokens

    def _reply(self, engine: Any, tokens: int) -> int:
        from streamspace.reply.pipeline import Pipeline
        from streamspace.reply.request import ChatRequest

        pipeline = Pipeline(self._config, engine, self._builder)

        async def read() -> int:
            replies = pipeline.chat(ChatRequest(PROMPT, sampling={"seed": 1, "max_new_tokens": tokens}))
            *_, last = [progress async for progress in replies]
            return last.tokens

        return asyncio.run(read())


def lines(speeds: list[Speed], short: int, long: int) -> str:
    """As a Markdown table."""
    bare = speeds[0]
    head = f"| one client | tokens/s, {short} tokens | of the bare loop | tokens/s, {long} tokens | of the bare loop |"
    rows = [
        f"| {each.name} | {each.short:.1f} | {each.short / bare.short:.2f} | {each.long:.1f} "
        f"| {each.long / bare.long:.2f} |"
        for each in speeds
    ]
    return "\n".join([head, "| --- | ---: | ---: | ---: | ---: |", *rows])
