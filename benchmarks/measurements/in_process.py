"""Loads a model in this process as the app does. Nothing may have imported torch before."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from streamspace.reply import build
from tests.running import changed

T = TypeVar("T")


def alone(function: Callable[..., T], *arguments: Any) -> T:
    """Calls it in a thread that ends with the call, as does the pool of threads that torch keeps for it."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function, *arguments).result()


def load(model: str, dtype: str = "float32", quantization: str = "none") -> Any:
    """The model with its tokenizer, on as many threads as the app uses, without an end-of-sequence token."""
    build.before_torch()
    from streamspace.config.types import Config
    from streamspace.model import threads
    from streamspace.model.loading import load
    from streamspace.model.placement import Placement

    settings = Config.model_validate(changed({"model.id": model, "model.quantization": quantization})).model
    threads.limit()
    loaded = load(settings, Placement("cpu", dtype, "a benchmark"))
    loaded.model.generation_config.eos_token_id = None
    return loaded
