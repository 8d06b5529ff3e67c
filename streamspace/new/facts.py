"""What the Hub says of a model, asked without its weights; `suited` refuses models, and `proposal` makes a config."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from huggingface_hub import HfApi, ModelInfo

from streamspace.checks import gguf_files, online, templates, weights
from streamspace.checks.description import mapping
from streamspace.engines.forms import TABLE
from streamspace.errors import DeployError, UsageError
from streamspace.model import context, suitability, template_trial
from streamspace.model.defaults import completed
from streamspace.trial import Endless

ADAPTER = "adapter_model.safetensors"


@dataclass(frozen=True)
class Facts:
    """One repository: the Hub's description, its JSON files as mappings, and its chat template."""

    info: ModelInfo
    shape: Mapping[str, Any]
    generation: Mapping[str, Any]
    tokenizer: Mapping[str, Any]
    adapter: Mapping[str, Any]
    template: str = ""
    header: Mapping[str, int] = field(default_factory=dict)  # of a GGUF file

    @property
    def name(self) -> str:
        """Its name, owner/model."""
        return self.info.id

    @property
    def files(self) -> list[str]:
        """The names of its files."""
        return [file.rfilename for file in self.info.siblings or []]

    @cached_property
    def text(self) -> Mapping[str, Any]:
        """The text part of its config.json, completed."""
        return completed(self.shape)

    @property
    def parameters(self) -> int:
        """How many there are; 0 where the Hub doesn't know."""
        return self.info.safetensors.total if self.info.safetensors else 0

    @property
    def window(self) -> int:
        """The context window, in tokens."""
        return context.window(self.header or self.text, self.tokenizer.get("model_max_length"))

    @property
    def quantized(self) -> str:
        """The format of weights that are quantized already."""
        return str((self.shape.get("quantization_config") or {}).get("quant_method") or "")

    @property
    def is_adapter(self) -> bool:
        """Whether it holds a LoRA adapter and no model."""
        return bool(self.adapter) and not any(name.endswith(".safetensors") for name in self.files if name != ADAPTER)

    @property
    def is_gguf(self) -> bool:
        """Whether GGUF files are all the weights it has."""
        return bool(gguf_files.files(self.info)) and not weights.stored(self.info)

    @property
    def gated(self) -> bool:
        """Whether it takes a token to read it."""
        return bool(self.info.gated or self.info.private)

    @property
    def licence(self) -> str:
        """As its card names it."""
        card = self.info.card_data
        named = getattr(card, "license_name", None) if getattr(card, "license", None) == "other" else None
        return str(named or getattr(card, "license", None) or "")

    @cached_property
    def thinking(self) -> tuple[list[str], str]:
        """The choices of its template, and the default."""
        if not self.template:
            return [], ""
        try:
            return template_trial.choices(self.template, templates.tokens(self.tokenizer))
        except Endless:
            return [], ""  # `check` says so

    @property
    def thinks(self) -> bool:
        """Whether its replies begin with reasoning: its template has a choice, or tags for it."""
        tags = [tag.opening for tag in TABLE if tag.kind == "reasoning" and tag.opening]
        return bool(self.thinking[0]) or any(tag in self.template for tag in tags)

    @property
    def reads_images(self) -> bool:
        """Whether it is published as a model that reads images, and has what prepares them."""
        prepares = {"preprocessor_config.json", "processor_config.json"} & set(self.files)
        return bool(prepares) and suitability.obstacle(self.shape, self.name, "image-chat") is None


def ask(api: HfApi, name: str) -> Facts:
    """What the Hub says of a model. Raises UsageError where it says nothing: no such model, no access, no network."""
    try:
        info, refused = online.there(api, name, None, "model", "")
        if info is None:
            problem, hint = refused[0].problem, refused[0].hint
            raise UsageError(_space(api, name) or f"{problem}. {hint}")
        read = partial(online.file, api, info)
        shape, generation, tokenizer, adapter = (
            mapping(read, f"{part}.json")
            for part in ("config", "generation_config", "tokenizer_config", "adapter_config")
        )
        packed = [] if weights.stored(info) else list(gguf_files.files(info))
        header = gguf_files.header(api, info, packed[0]) if packed else {}
        return Facts(info, shape, generation, tokenizer, adapter, _template(read, tokenizer, info), header)
    except DeployError as error:
        raise UsageError(str(error)) from error


def _template(read: Any, tokenizer: Mapping[str, Any], info: ModelInfo) -> str:
    """The chat template: of a file, of the tokenizer, of a processor's file, or of a GGUF file's header."""
    beside = json.loads(read("chat_template.json") or "{}").get("chat_template")
    found = templates.source(tokenizer, read("chat_template.jinja")) or beside or (info.gguf or {}).get("chat_template")
    return str(found or "")


def _space(api: HfApi, name: str) -> str:
    """What is wrong with a name that is a Space's."""
    if not api.repo_exists(name, repo_type="space"):
        return ""
    return f"expected a model as OWNER/MODEL, got {name!r}, which is a Space. Name the model that it uses"
