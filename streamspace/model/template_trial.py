"""Tries chat templates, which are others' programs, within limits of time and memory; the tokenizer renders them.

A trial is in a process of its own, which can always be ended. A reply's own rendering can be ended between two steps of
Python only, so a template that hides one endless step from the trial still stops the app.
"""

from __future__ import annotations

import ctypes
import json
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from streamspace.errors import ModelError
from streamspace.model import thinking
from streamspace.trial import Endless, limit, outcome

T = TypeVar("T")
OUT = "it leaves the message out"
RENDER_SECONDS = 5.0  # templates take milliseconds
CPU_SECONDS = 5  # of a trial, most of which is the start of Python
LONG = [{"role": role, "content": "Hello " * 100} for _ in range(25) for role in ("user", "assistant")]
CONVERSATIONS = [LONG[:1], [{"role": "system", "content": "Be brief."}, *LONG[:3]], [*LONG, *LONG[:1]]]


def trial(
    source: str,
    conversations: Sequence[Any] = CONVERSATIONS,
    tokens: Mapping[str, str] | None = None,
    tools: Sequence[Any] = (),
    expected: str = "",
) -> list[str | None]:
    """For each conversation the template's error, None where it renders with `expected` in it. Raises Endless."""
    variables = {"tools": list(tools) or None, **(tokens or {})}
    job = {"source": source, "conversations": list(conversations), "variables": variables, "expected": expected}
    errors: list[str | None] = json.loads(outcome(__name__, json.dumps(job)))
    return errors


def choices(source: str, tokens: Mapping[str, str] | None = None) -> tuple[list[str], str]:
    """The names of the choices of thinking that the template has, and its default. Raises Endless."""
    job = {"source": source, "variables": dict(tokens or {})}
    names, default = json.loads(outcome(__name__, json.dumps(job)))
    return names, default


def check(found: str | dict[str, str] | None, name: str) -> None:
    """Tries the templates before anything here renders one. Raises ModelError for one that doesn't come to an end."""
    for source in found.values() if isinstance(found, dict) else [found] if found else []:
        try:
            trial(source)
        except Endless:
            raise ModelError(
                f"model.chat_template: expected one that renders a conversation in milliseconds, got that of {name!r}, "
                "which takes more time or memory than a template needs. Name a .jinja file of your own"
            ) from None


def limited(work: Callable[[], T], seconds: float = RENDER_SECONDS) -> T:
    """The result of `work`, done in a thread that is stopped after this time. Raises Endless."""
    found: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="template", daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not found:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))
        raise Endless
    return found[0]


def _main() -> None:
    """The process of a trial."""
    limit(CPU_SECONDS)
    job = json.load(sys.stdin)
    source, variables = job["source"], job["variables"]
    if "conversations" in job:
        found: Any = [_error(source, each, variables, job["expected"]) for each in job["conversations"]]
    else:
        thoughts = thinking.find(source, partial(_probed, source, variables))
        found = list(thoughts.choices), thoughts.default
    print(json.dumps(found))  # noqa: T201


def _probed(source: str, variables: Mapping[str, Any], choice: thinking.Choice) -> str:
    """A short prompt with a choice, as `PromptBuilder` looks at it."""
    system = [{"role": "system", "content": choice.instruction}] if choice.instruction else []
    return _rendered(source, [*system, {"role": "user", "content": "Hi"}], {**variables, **choice.variables})


def _error(source: str, messages: Any, variables: Mapping[str, Any], expected: str) -> str | None:
    """None if it renders with `expected` in it, else what it raises, which may be anything."""
    try:
        rendered = _rendered(source, messages, variables)
    except MemoryError:
        raise
    except Exception as error:
        return str(error) or type(error).__name__
    return None if expected in rendered else OUT


def _rendered(source: str, messages: Any, variables: Mapping[str, Any]) -> str:
    """A conversation as transformers renders it."""
    import jinja2
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """The tag around a reply, which marks it for training."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def refuse(message: str) -> None:
        raise jinja2.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    environment.globals.update(raise_exception=refuse, strftime_now=lambda form: "2026-01-01")
    environment.filters["tojson"] = lambda value, **how: json.dumps(value, **{"ensure_ascii": False, **how})
    return environment.from_string(source).render(
        messages=messages, add_generation_prompt=True, documents=None, **variables
    )


if __name__ == "__main__":
    _main()
