"""A model in this process, loaded as the app would load it. Nothing may have imported torch before."""

from __future__ import annotations

from typing import Any

from streamspace import build
from tests.running import changed


def load(model: str, dtype: str = "float32", quantization: str = "none") -> Any:
    """The loaded model with its tokenizer, its threads chosen; it never ends a reply by itself."""
    build.before_torch()
    from streamspace import threads
    from streamspace.config import Config
    from streamspace.loading import load
    from streamspace.placement import Placement

    settings = Config.model_validate(changed({"model.id": model, "model.quantization": quantization})).model
    threads.limit()
    loaded = load(settings, Placement("cpu", dtype, "a benchmark"))
    loaded.model.generation_config.eos_token_id = None
    return loaded
