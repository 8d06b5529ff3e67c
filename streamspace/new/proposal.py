"""Puts a config together for a model: every choice, and the reason where it isn't obvious; `document` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from streamspace import gguf
from streamspace.checks.device_fit import PACKAGES
from streamspace.config.types import Config
from streamspace.model import suitability
from streamspace.model.placement import BITSANDBYTES
from streamspace.new import lengths, makers, placing, reasons, texts
from streamspace.new.facts import Facts
from streamspace.new.placing import Place

BASE = ("-base", "_base", "-pt", "-pretrained")
SYSTEM = "You are a helpful assistant."


@dataclass(frozen=True)
class Proposal:
    """A config, the comments of its values by key, the packages that it needs, and the choices in words."""

    config: Config
    comments: dict[str, str]
    packages: list[str]
    decided: list[str]
    about: str
    place: Place


def make(facts: Facts, hardware: str | None = None, adapter: Facts | None = None) -> Proposal:
    """The config for a model, or for an adapter on it. Raises UsageError where no hardware holds it."""
    task, because = _task(facts)
    build = partial(_config, facts, task, adapter)
    place = placing.place(facts, build, hardware)
    config = build(place)
    place = replace(place, need=placing.needed(facts, config, place.hardware))  # with the lengths that came of it
    return Proposal(
        config,
        reasons.comments(facts, place, config, because),
        list(_packages(facts, place, task)),
        reasons.decided(facts, place, config, because),
        reasons.about(facts, place, adapter),
        place,
    )


def _packages(facts: Facts, place: Place, task: str) -> Iterator[str]:
    """Lines that requirements.txt may lack."""
    if place.file:
        yield gguf.PACKAGE
        return
    if place.quantization == "int4":
        yield BITSANDBYTES
    yield from PACKAGES.get(facts.quantized, [])
    yield from suitability.packages(facts.shape, task)


def _task(facts: Facts) -> tuple[str, str]:
    """The task, and why."""
    if facts.reads_images and facts.template and not facts.is_gguf:
        return "image-chat", "it reads images"
    if not facts.template:
        return "completion", "it has no chat template"
    if facts.name.lower().endswith(BASE):
        return "completion", "its name says that it is a base model"
    return "chat", "it has a chat template"


def _config(facts: Facts, task: str, adapter: Facts | None, place: Place) -> Config:
    said, long = texts.write(facts, task, adapter), lengths.choose(facts, place, task)
    sampling, _ = makers.sampling(facts.generation)
    sampling["max_new_tokens"] = {"default": long.default, "min": min(16, long.most), "max": long.most}
    card = {
        "title": said.title, "emoji": said.emoji, "color_from": said.colors[0], "color_to": said.colors[1],
        "short_description": said.short, "tags": ["streaming", said.tag], "hardware": place.hardware,
        "preload": not facts.gated,
    }  # fmt: skip
    page = {
        "title": said.title, "description": said.description, "placeholder": said.placeholder,
        "examples": said.examples, "accent": said.colors[0],
    }  # fmt: skip
    model = {
        "id": facts.name, "revision": facts.info.sha, "file": place.file, "license": facts.licence,
        "quantization": place.quantization,
        "adapter": {"id": adapter.name, "revision": adapter.info.sha} if adapter else None,
    }  # fmt: skip
    return Config.model_validate({
        "card": card, "page": page, "task": task, "model": model, "sampling": sampling,
        "engine": "llamacpp" if place.file else "auto", "device": "cpu" if place.on_cpu else "auto",
        "system_prompt": "" if task != "chat" or facts.thinks else SYSTEM,
        "thinking": {"default": facts.thinking[1] or None} if task == "chat" else {},
        "limits": {"prompt_characters": 8000 if long.prompt < 8192 else 16000, "prompt_tokens": long.prompt},
        "gpu": {
            "max_seconds": long.seconds, "prompt_tokens_per_second": long.reading, "tokens_per_second": long.writing,
            "size": place.size,
        },
    })  # fmt: skip
