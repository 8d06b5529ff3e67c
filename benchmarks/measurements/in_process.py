"""A model in this process, loaded as the app would load it. Nothing may have imported torch before."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from streamspace.reply import build
from tests.running import changed

T = TypeVar("T")


def alone(function: Callable[..., T], *arguments: Any) -> T:
    """Calls it in a thread that ends with it: if torch had threads for several of ours, they would wait otherwise."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function, *arguments).result()


def load(model: str, dtype: str = "float32", quantization: str = "none") -> Any:
    """The loaded model with its tokenizer, on as many threads as the app has; it never ends a reply by itself."""
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
