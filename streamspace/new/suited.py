"""Refuses models that this app can't load, by what the Hub says of them; `check` looks at the config afterwards."""

from __future__ import annotations

from collections.abc import Iterator

from streamspace.checks import gguf_files, weights
from streamspace.errors import UsageError
from streamspace.model import suitability
from streamspace.model.files import no_model
from streamspace.new.facts import ADAPTER, Facts

# What the Hub lists models under that have a causal language model's class, and write no text.
OTHER_TASKS = (
    "feature-extraction", "sentence-similarity", "text-ranking", "text-classification", "token-classification",
)  # fmt: skip


def check(facts: Facts) -> None:
    """Raises UsageError with the first reason for which a model can't be loaded."""
    for reason in _adapter(facts) if facts.is_adapter else _gguf(facts) if facts.is_gguf else _model(facts):
        raise UsageError(reason)


def _adapter(facts: Facts) -> Iterator[str]:
    if ADAPTER not in facts.files:
        yield (
            f"model.adapter.id: expected {ADAPTER} in {facts.name!r}, found none. Save it in that format: others can "
            "run code when they are loaded"
        )
    if not facts.adapter.get("base_model_name_or_path"):
        yield (
            f"model.adapter.id: expected base_model_name_or_path in adapter_config.json of {facts.name!r}, found none. "
            "Ask its makers for which model it is"
        )
    if (kind := facts.adapter.get("peft_type", "LORA")) != "LORA":
        yield f"model.adapter.id: expected a LoRA adapter, got {facts.name!r}, which is {kind}. Choose a LoRA adapter"


def _gguf(facts: Facts) -> Iterator[str]:
    if not gguf_files.files(facts.info):
        yield f"model.file: expected a .gguf file with a language model in {facts.name!r}, found none"
    if not facts.template:
        yield (
            f"model.chat_template: expected a chat template in the GGUF files of {facts.name!r}, found none. Choose an "
            "instruct model"
        )


def _model(facts: Facts) -> Iterator[str]:
    name, shape = facts.name, facts.shape
    if not shape:
        yield f"model.id: expected a language model, got {name!r}, which has no config.json. {suitability.CHOOSE}"
    if facts.info.library_name == "mlx" or "mlx" in (facts.info.tags or []):
        yield f"model.id: expected weights for transformers, got {name!r} for Apple's MLX. {_original(facts)}"
    if found := suitability.obstacle(shape, name, "image-chat" if facts.reads_images else "chat", tables=True):
        yield ". ".join(found)
    if (tag := facts.info.pipeline_tag) in OTHER_TASKS:
        yield (
            f"model.id: expected a causal language model, got {name!r}, which the Hub lists under {tag}. "
            f"{suitability.CHOOSE}"
        )
    if unknown := suitability.unknown(shape, name):
        yield unknown
    if not weights.stored(facts.info):
        yield no_model(name, facts.files)
    if facts.quantized and facts.quantized not in suitability.quantizations():
        yield (
            f"model.id: expected a quantization that transformers reads, got {facts.quantized!r} in {name!r}. "
            f"{_original(facts)}"
        )
    if "tekken.json" in facts.files and "tokenizer.json" not in facts.files:
        yield (
            f"model.id: expected tokenizer.json in {name!r}, got tekken.json alone, which only mistral-common reads. "
            "Choose a copy of this model with a tokenizer for transformers"
        )


def _original(facts: Facts) -> str:
    base = getattr(facts.info.card_data, "base_model", None)
    named = base[0] if isinstance(base, list) and base else base
    return f"Its original is {named!r}" if named else "Name its original"
