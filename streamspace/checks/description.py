"""Checks what a model's small files tell before it is loaded; whether they are on the Hub or here is the caller's."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from streamspace.checks.findings import Finding
from streamspace.checks.memory import experts_left
from streamspace.checks.packages import WHERE
from streamspace.checks.templates import findings as template_findings
from streamspace.config.types import Config
from streamspace.model import context, suitability
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
    fit = context.fit(config, context.window(shape, tokenizer.get("model_max_length")))
    if fit.problem:
        yield Finding("error", where, fit.problem, fit.advice)
    if config.task == "chat":
        own = config.model.chat_template
        template = (ROOT / own).read_text("utf-8") if own else read("chat_template.jinja")
        yield from template_findings(tokenizer, template, where)


def mapping(read: Read, name: str) -> Mapping[str, Any]:
    """A JSON file of the model, or an empty mapping where there is none that can be read."""
    try:
        found = json.loads(read(name) or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
