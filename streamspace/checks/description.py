"""Checks what a model's small files tell before it is loaded; whether they are on the Hub or here is the caller's."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from streamspace.checks.findings import Finding
from streamspace.checks.packages import WHERE
from streamspace.checks.templates import findings as template_findings
from streamspace.checks.weights import experts_left
from streamspace.config.types import Config
from streamspace.model import context, suitability
from streamspace.model.defaults import completed
from streamspace.repository import ROOT

Read = Callable[[str], "str | None"]  # the text of a file of the model, if there is one


def findings(config: Config, read: Read, wanted: Collection[str], where: str) -> Iterator[Finding]:
    """Findings about the task, packages, context window and chat template; `wanted` are requirements.txt's packages."""
    shape, tokenizer = mapping(read, "config.json"), mapping(read, "tokenizer_config.json")
    if not shape:
        return
    if found := suitability.obstacle(shape, config.model.id, config.task):
        problem, hint = found
        yield Finding("error", where, problem, hint)
        return
    for package in suitability.packages(shape, config.task):
        if package not in wanted:
            problem = f"{package}: expected a version, which {config.model.id!r} needs, got none"
            yield Finding("error", WHERE, problem, f"Add a line: {package}")
    yield from experts_left(shape, config, where)
    yield from limits(config, shape, tokenizer.get("model_max_length"), where)
    yield from chat_template(config, tokenizer, read("chat_template.jinja"), where)


def limits(config: Config, shape: Mapping[str, Any], tokenizer_limit: float | None, where: str) -> Iterator[Finding]:
    """A finding where the config's limits exceed the context window."""
    fit = context.fit(config, context.window(completed(shape), tokenizer_limit))
    if fit.problem:
        yield Finding("error", where, fit.problem, fit.advice)


def chat_template(config: Config, tokenizer: Mapping[str, Any], template: str | None, where: str) -> Iterator[Finding]:
    """Findings about the config's chat template, or else the model's."""
    if config.task == "chat":
        own = config.model.chat_template
        source = (ROOT / own).read_text("utf-8") if own else template
        yield from template_findings(tokenizer, source, where, config.thinking.default)


def mapping(read: Read, name: str) -> Mapping[str, Any]:
    """A JSON file of the model, or an empty mapping where there is none that can be read."""
    try:
        found = json.loads(read(name) or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
