"""Finds how a chat template is told whether, and how hard, the model is to think; `builder` renders by it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from streamspace.errors import RequestError
from streamspace.i18n import t

CHOICES = ("off", "on", "low", "medium", "high", "max")
# What the templates of 113 model families have for it (November 2026), and their values for off and on.
SWITCHES: dict[str, tuple[object, object]] = {
    "enable_thinking": (False, True),  # Qwen, GLM, SmolLM, Gemma 4, Nemotron and most others
    "thinking": (False, True),  # DeepSeek, Granite, Kimi
    "reasoning": (False, True),  # Cohere
    "thinking_mode": ("disabled", "enabled"),  # MiniMax
    "thinking_option": ("off", "on"),  # Ling
    "thinking_budget": (0, -1),  # Seed-OSS
}
EFFORTS = ("reasoning_effort", "thinking_effort", "reasoning_strength")  # gpt-oss, Solar and others; Kimi; Muse
LEVELS = {
    "low": ("low",),
    "medium": ("medium",),
    "high": ("high", "xhigh"),
    "max": ("max",),
    "off": ("none", "no_think"),
}
NAMED = {"xhigh", "max", "none", "no_think"}  # levels that count only where a template names them: some print any
INSTRUCTION = "/no_think"  # of templates that look for it in the system prompt: Nemotron Nano v2


@dataclass(frozen=True)
class Choice:
    """What the chat template gets: variables, and a line of the system prompt."""

    variables: Mapping[str, object] = field(default_factory=dict)
    instruction: str = ""


Render = Callable[[Choice], str]


@dataclass(frozen=True)
class Thinking:
    """The choices that one chat template has, by name: none where nothing changes the prompt."""

    choices: Mapping[str, Choice] = field(default_factory=dict)
    default: str = ""

    def choose(self, wish: object) -> str:
        """The name of the choice; empty where there is none. Raises RequestError for one that the model hasn't.

        None is the default, True the default unless that is off, False off where the model can do without.
        """
        if not self.choices or wish is None or wish == self.default:
            return self.default
        if wish is True or wish == "on" != self._thinks("on"):
            return self.default if self.default != "off" else self._thinks("")
        name = "off" if wish is False else wish
        if isinstance(name, str) and name in self.choices:
            return name
        if name == "off":
            return self.default
        raise RequestError(t("error.thinking", wish=str(wish)[:40], choices=", ".join(self.choices)))

    def _thinks(self, name: str) -> str:
        """The choice of this name, or else the last, in which the model thinks."""
        return name if name in self.choices else list(self.choices)[-1]


def find(source: str, render: Render, default: str | None = None) -> Thinking:
    """The choices of a template with this text, of which `render` renders a short prompt. It may raise anything.

    A choice that the template refuses, or that changes nothing, isn't one. The default is `default` if there is such a
    choice, else to think.
    """
    seen: dict[str, str] = {}  # the names of the choices by what is rendered
    choices: dict[str, Choice] = {}
    candidates = _candidates(source, render)
    for name in ("off", *LEVELS, "on"):  # a level that is the same as on stands for it
        for choice in candidates.get(name, ()):
            rendered = _rendered(render, choice)
            if rendered is not None and name not in choices and rendered not in seen:
                seen[rendered], choices[name] = name, choice
    lowest = next((name for name in LEVELS if name in choices and name != "off"), "")
    if lowest and any(seen.get(_rendered(render, choice) or "") == lowest for choice in candidates.get("on", ())):
        choices["on"] = choices.pop(lowest)  # the levels begin above it
    if len(choices) < 2:
        return Thinking()
    own = seen.get(_rendered(render, Choice()) or "", "")
    ordered = {name: choices[name] for name in CHOICES if name in choices}
    wished = (default, "on", own if own != "off" else None, list(ordered)[-1])
    return Thinking(ordered, next(name for name in wished if name in ordered))


def is_named(source: str) -> bool:
    """Whether a template with this text may have choices: it has one of their names."""
    return INSTRUCTION in source or any(re.search(rf"\b{name}\b", source) for name in (*SWITCHES, *EFFORTS))


def _candidates(source: str, render: Render) -> dict[str, list[Choice]]:
    """What may be a choice, by names: all switches that change something, and every level with the switches on."""
    switches = {
        name: values
        for name, values in SWITCHES.items()
        if re.search(rf"\b{name}\b", source) and len({_rendered(render, Choice({name: each})) for each in values}) > 1
    }
    efforts = [name for name in EFFORTS if re.search(rf"\b{name}\b", source)]
    on = {name: values[1] for name, values in switches.items()}
    found: dict[str, list[Choice]] = {}
    if switches:
        found = {"off": [Choice({name: values[0] for name, values in switches.items()})], "on": [Choice(on)]}
    elif INSTRUCTION in source:
        found = {"off": [Choice(instruction=INSTRUCTION)], "on": [Choice()]}
    for name, values in LEVELS.items():
        known = [value for value in values if value not in NAMED or re.search(rf"""["']{value}["']""", source)]
        found.setdefault(name, []).extend(Choice({**on, effort: value}) for effort in efforts for value in known)
    return found


def _rendered(render: Render, choice: Choice) -> str | None:
    try:
        return render(choice)
    except Exception:  # a template raises what it likes
        return None
