"""What streaming costs on top of the model: tokens/s of each layer over those of a bare loop of forward passes."""

from __future__ import annotations

import asyncio
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator

from tests.running import changed


def speeds(model: str, tokens: int, rounds: int) -> dict[str, float]:
    """Tokens/s, medians over interleaved rounds: the bare loop, the engines alone, and a whole reply of the app."""
    found: dict[str, list[float]] = {}
    runs = dict(_runs(model, tokens))
    for number in range(rounds + 1):
        for name, run in runs.items():
            started = time.perf_counter()
            written = run()
            if number:
                found.setdefault(name, []).append(written / (time.perf_counter() - started))
    return {name: statistics.median(each) for name, each in found.items()}


def _runs(model: str, tokens: int) -> Iterator[tuple[str, Callable[[], int]]]:
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the app does, before torch is imported
    import torch

    from streamspace.config import Config
    from streamspace.engines.batching import BatchingEngine
    from streamspace.engines.generate import GenerateEngine
    from streamspace.events import End, Request, Sampling
    from streamspace.loading import load
    from streamspace.placement import Placement
    from streamspace.prompt import Encoder
    from streamspace.reply import Writer

    bounds = {"default": tokens, "min": 1, "max": tokens}
    config = Config.model_validate(changed({"model.id": model, "sampling.max_new_tokens": bounds, "system_prompt": ""}))
    loaded = load(config.model, Placement("cpu", "float32", "a benchmark"))
    loaded.model.generation_config.eos_token_id = None
    encoder = Encoder(loaded.tokenizer, loaded.context_window, config.limits.prompt_tokens)
    prompt = tuple(loaded.tokenizer("Count to two hundred, and don't stop before that")["input_ids"])
    request = Request(prompt, Sampling(tokens, 0, 1, 0, 1, 0))
    generate = GenerateEngine(loaded.model, loaded.tokenizer)
    batching = BatchingEngine(loaded.model, loaded.tokenizer, 1, len(prompt) + tokens)

    @torch.inference_mode()
    def bare() -> int:
        ids, cache = torch.tensor([prompt]), None
        for _ in range(tokens):
            output = loaded.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
            ids, cache = output.logits[:, -1].argmax(-1, keepdim=True), output.past_key_values
            ids.item()
        return tokens

    def plain() -> int:
        ids = torch.tensor([prompt])
        loaded.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, do_sample=False)
        return tokens

    def stream(engine: object) -> int:
        *_, end = engine.stream(request, threading.Event())
        assert isinstance(end, End)
        return end.tokens

    def reply(engine: object) -> int:
        async def read() -> int:
            writer = Writer(config, engine, encoder)
            *_, last = [progress async for progress in writer.chat("Count to two hundred", [], seed=1)]
            return last.tokens

        return asyncio.run(read())

    yield "bare loop of forward passes", bare
    yield "model.generate, no streaming", plain
    yield "engine generate", lambda: stream(generate)
    yield "engine batching", lambda: stream(batching)
    yield "reply of the app, generate", lambda: reply(generate)
    yield "reply of the app, batching", lambda: reply(batching)


def lines(speeds: dict[str, float]) -> str:
    """As a Markdown table."""
    bare = next(iter(speeds.values()))
    rows = [f"| {name} | {speed:.1f} | {speed / bare:.2f} |" for name, speed in speeds.items()]
    return "\n".join(["| one visitor | tokens/s | of the bare loop |", "| --- | ---: | ---: |", *rows])
