"""Every text that the page shows, in each language there is: one file in texts/ a language, en.yaml the reference.

Code says things in English, with `say`; who shows them to a visitor translates them. Texts of a config stay its own.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

import yaml

FOLDER = Path(__file__).with_name("texts")
# By the browsers' names for them; Gradio, whose own texts are on the page too, goes by the same.
LANGUAGES = {"en": "en", "de": "de", "es": "es", "fr": "fr", "ja": "ja", "zh-CN": "zh", "zh-TW": "zh"}


class Phrase(str):
    """A text in English that remembers what it was made of, and so can be said `into` another language.

    Its values may be phrases themselves. It travels, pickled, between processes.
    """

    key: str
    values: dict[str, Any]

    def __new__(cls, key: str, values: dict[str, Any]) -> Phrase:
        phrase = super().__new__(cls, _format("en", key, values))
        phrase.key, phrase.values = key, values
        return phrase

    def __reduce__(self) -> tuple[Any, ...]:
        return Phrase, (self.key, self.values)

    def into(self, language: str) -> str:
        """The same in a language of `LANGUAGES`' values."""
        return _format(language, self.key, {name: translate(value, language) for name, value in self.values.items()})


def say(key: str, **values: Any) -> Phrase:
    """The text `key` of en.yaml, a dotted path, with `values` in its places."""
    return Phrase(key, values)


def translate(text: Any, language: str) -> Any:
    """A phrase in the language; anything else as it is."""
    return text.into(language) if isinstance(text, Phrase) else text


def language(accepted: str | None) -> str:
    """The language for an Accept-Language header: the browser's first choice, or else English."""
    first = re.match(r"\s*([a-z]+)(-[a-z]+)?", accepted or "", re.IGNORECASE)
    if not first:
        return "en"
    base, region = first[1].lower(), (first[2] or "").upper()
    return LANGUAGES.get(base + region) or LANGUAGES.get(base, "en")


@cache
def texts(language: str) -> dict[str, str]:
    """All texts of a language by their keys."""
    data = yaml.safe_load((FOLDER / f"{language}.yaml").read_text("utf-8"))
    return {f"{part}.{name}": text for part, found in data.items() for name, text in found.items()}


def browsers() -> dict[str, dict[str, str]]:
    """For each language, by the browsers' names for it, the texts that are put in place there."""
    return {
        tag: {key: text for key, text in texts(name).items() if key.startswith("page.")}
        for tag, name in LANGUAGES.items()
    }


def _format(language: str, key: str, values: dict[str, Any]) -> str:
    return _Numbers(language).vformat(texts(language)[key], (), values)


class _Numbers(Formatter):
    """Formats as `str.format` does, with a language's own marks in numbers: 1,234.5 is 1.234,5 in German."""

    def __init__(self, language: str) -> None:
        marks = texts(language)
        self._marks = str.maketrans({",": marks["numbers.thousands"], ".": marks["numbers.decimal"]})

    def format_field(self, value: Any, format_spec: str) -> str:
        text = str(super().format_field(value, format_spec))
        return text.translate(self._marks) if format_spec and isinstance(value, int | float) else text
