"""Finds a LoRA adapter and merges it into a model, and explains what is wrong with one; `files` downloads."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

from streamspace.config.model import Adapter
from streamspace.errors import ModelError, first_line
from streamspace.model import contents
from streamspace.model.files import WANTED, downloaded
from streamspace.repository import ROOT

log = logging.getLogger(__name__)
NEXT_STEP = "Name the model that the adapter was made for in model.id"


def fetch_adapter(name: str, revision: str | None) -> Path:
    """The local folder of a LoRA adapter, found as in `fetch`. Raises ModelError about `model.adapter`."""
    try:
        local = (ROOT / Path(name).expanduser()).resolve()
        folder = local if local.is_dir() else downloaded(name, revision, WANTED, log.info)
    except ModelError as error:
        raise ModelError(str(error.args[0]).replace("model.", "model.adapter.", 1), detail=error.detail) from error
    if not (folder / "adapter_config.json").is_file():
        raise ModelError(
            f"model.adapter.id: expected a LoRA adapter as peft saves it, got {name!r}, which has no "
            "adapter_config.json. Correct the name"
        )
    if not (folder / "adapter_model.safetensors").is_file():
        raise ModelError(
            f"model.adapter.id: expected adapter_model.safetensors in {name!r}, found none. Save it in that format: "
            "others can run code when they are loaded"
        )
    return folder


def merged(model: Any, base: str, adapter: Adapter) -> Any:
    """The model, which is `base`'s, with the adapter's weights merged into it: it adds no cost per token."""
    from peft import PeftConfig, PeftModel

    folder = fetch_adapter(adapter.id, adapter.revision)
    contents.check(adapter.id, folder, code=False)
    if warning := other_base((folder / "adapter_config.json").read_text("utf-8"), base, adapter.id):
        log.warning("%s", warning)
    try:
        adapted: Any = PeftModel(model, PeftConfig.from_pretrained(str(folder)))
        found = adapted.load_adapter(str(folder), "default", torch_device="cpu")  # ZeroGPU only emulates the other one
    except Exception as error:  # peft raises what it likes
        raise ModelError(f"model.adapter.id: {_misfit(str(error), adapter.id, base)}") from error
    if unknown := sorted(found.unexpected_keys):
        raise ModelError(
            f"model.adapter.id: expected an adapter for the layers of {base!r}, got {adapter.id!r} with {len(unknown)} "
            f"tensors for layers that it doesn't have, for example {_layer(unknown[0])!r}. {NEXT_STEP}"
        )
    return adapted.merge_and_unload()


def other_base(config: str, base: str, name: str) -> str | None:
    """A warning where an adapter was made for another model than `base`, by the text of its adapter_config.json."""
    made_for = json.loads(config).get("base_model_name_or_path")
    if not made_for or Path(made_for).name == Path(base).name:
        return None
    return f"model.adapter.id: {name!r} was made for {first_line(str(made_for))!r}, and model.id is {base!r}"


def _misfit(said: str, name: str, base: str) -> str:
    """peft's error in our words."""
    if shapes := re.search(r"size mismatch for (\S+): .*?Size\((.+?)\).*?Size\((.+?)\)", said, re.DOTALL):
        layer, got, expected = shapes.groups()
        return (
            f"expected an adapter with tensors of the shapes of {base!r}, got {name!r}, where {_layer(layer)!r} is "
            f"{got} instead of {expected}. {NEXT_STEP}"
        )
    if targets := re.search(r"[Tt]arget modules? (.+?) not found", said):
        return (
            f"expected an adapter for the layers of {base!r}, got {name!r} for {targets[1]}, which it doesn't have. "
            f"{NEXT_STEP}"
        )
    return f"{name!r} can't be put on {base!r}: {first_line(said)}. Choose an adapter that was made for this model"


def _layer(tensor: str) -> str:
    return re.sub(r"^base_model\.model\.|\.lora_.*$", "", tensor)
