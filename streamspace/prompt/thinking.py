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
LEVELS = {"low": ("low",), "medium": ("medium",), "high": ("high", "xhigh"), "max": ("max",)}
NONE = ("none", "no_think")  # an effort that is none, in templates that name it
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
        if name in self.choices:
            return str(name)
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
    seen: dict[str, str] = {}
    choices: dict[str, Choice] = {}
    candidates = _candidates(source)
    for name in ("off", "low", "medium", "high", "max", "on"):  # a level that is the same as on takes its place
        for choice in candidates.get(name, ()):
            rendered = _rendered(render, choice)
            if rendered is not None and name not in choices and rendered not in seen:
                seen[rendered], choices[name] = name, choice
    if len(choices) < 2:
        return Thinking()
    own = seen.get(_rendered(render, Choice()) or "", "")
    ordered = {name: choices[name] for name in CHOICES if name in choices}
    wished = (default, "on", own if own != "off" else None, list(ordered)[-1])
    return Thinking(ordered, next(name for name in wished if name in ordered))


def _candidates(source: str) -> dict[str, list[Choice]]:
    named = {name for name in (*SWITCHES, *EFFORTS) if re.search(rf"\b{name}\b", source)}
    off = {name: SWITCHES[name][0] for name in SWITCHES if name in named}
    on = {name: SWITCHES[name][1] for name in SWITCHES if name in named}
    efforts = [name for name in EFFORTS if name in named]
    found = {"off": [Choice(off)], "on": [Choice(on)]} if named else {}
    for name, values in {**LEVELS, "off": NONE}.items():
        known = [value for value in values if name != "off" or re.search(rf"""["']{value}["']""", source)]
        found.setdefault(name, []).extend(Choice({**on, effort: value}) for effort in efforts for value in known)
    if INSTRUCTION in source and not named:
        found = {"off": [Choice(instruction=INSTRUCTION)], "on": [Choice()]}
    return found


def _rendered(render: Render, choice: Choice) -> str | None:
    try:
        return render(choice)
    except Exception:  # a template raises what it likes
        return None
