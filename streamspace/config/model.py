"""The keys under `model`: which one, and how its weights are loaded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from streamspace import gguf
from streamspace.config.base import Part, Text, broken
from streamspace.repository import ROOT, is_local


def _gguf(name: str) -> str:
    if not name.endswith(".gguf") or name.startswith(("/", "~")) or ".." in name.split("/"):
        raise broken("", "the path of a .gguf file in the repository or folder model.id", name)
    if not gguf.is_first(name):
        raise broken("", f"the first file of a split model, {gguf.parts(name)[0]!r}", name)
    return name


class Adapter(Part):
    """A LoRA adapter that goes on top of the model (needs the `peft` package)."""

    id: Text = Field(description="Hub repository or local folder of the adapter.")
    revision: Text | None = Field(None, description="Branch, tag or commit of the adapter.")


class Model(Part):
    """Which model, and how its weights are loaded."""

    id: Text = Field(description="Hub repository (`owner/name`) or local folder (`./models/tiny`).")
    revision: Text | None = Field(None, description="Branch, tag or commit; a commit keeps the model from changing.")
    file: Annotated[str, AfterValidator(_gguf)] | None = Field(
        None,
        description="A `.gguf` file of the repository or folder, which llama.cpp runs; of a split model, the first.",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Number format of the weights; `auto` depends on the device."
    )
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2", "flash_attention_3"] = Field(
        "auto", description="Attention implementation; `auto` is transformers' choice."
    )
    license: str = Field("", description="The model's licence, shown below the page with its name.")
    adapter: Adapter | None = Field(None, description="LoRA adapter on top of the model.")
    quantization: Literal["none", "int8", "int4"] = Field(
        "none",
        description="`int8` or `int4`: quantize the linear layers while loading. All but `int8` on a CPU need the "
        "`bitsandbytes` package. Use `none` for weights that are already quantized.",
    )
    chat_template: Text | None = Field(
        None, description="A `.jinja` file of the repository that replaces the model's own chat template."
    )
    trust_remote_code: bool = Field(
        False, description="Run Python code from the model's repository. Requires a commit as `revision`."
    )

    @property
    def gguf(self) -> str | None:
        """The GGUF file to load: `file`, or the only one at a local path that has no other weights."""
        if self.file or not is_local(self.id):
            return self.file
        try:
            local = ROOT / Path(self.id).expanduser()
            if local.is_file():
                return local.name
            found = [file.name for file in local.glob("*.gguf") if gguf.is_first(file.name)]
            return found[0] if len(found) == 1 and not any(local.glob("*.safetensors")) else None
        except (OSError, RuntimeError):  # no path, or of nobody's home: `paths` says so
            return None

    @field_validator("trust_remote_code")
    @classmethod
    def _remote_code_is_pinned(cls, trusted: bool, info: ValidationInfo) -> bool:
        revision = info.data.get("revision")
        if trusted and not re.fullmatch(r"[0-9a-f]{40}", revision or ""):
            raise broken("", "a full commit hash in model.revision, so that the code you read is what runs", revision)
        return trusted
