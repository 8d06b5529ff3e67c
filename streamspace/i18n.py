"""Every text that the page shows, one file in translations/ for each language, with en.yaml as the reference.

Code makes texts with `t`; whoever shows one to a visitor translates it. Texts of a config stay as they are.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

import yaml

FOLDER = Path(__file__).with_name("translations")
# By the browsers' names for them; Gradio, whose own texts are on the page too, goes by the same.
LANGUAGES = {"en": "en", "de": "de", "es": "es", "fr": "fr", "ja": "ja", "zh-CN": "zh", "zh-TW": "zh"}


class LazyText(str):
    """A text in English that remembers what it was made of, and so can be said `translate` another language.

    Its values may be phrases themselves. It travels, pickled, between processes.
    """

    key: str
    values: dict[str, Any]

    def __new__(cls, key: str, values: dict[str, Any]) -> LazyText:
        phrase = super().__new__(cls, _format("en", key, values))
        phrase.key, phrase.values = key, values
        return phrase

    def __reduce__(self) -> tuple[Any, ...]:
        return LazyText, (self.key, self.values)

    def in_language(self, language: str) -> str:
        """The same in a language of `LANGUAGES`' values."""
        return _format(language, self.key, {name: translate(value, language) for name, value in self.values.items()})


def t(key: str, **values: Any) -> LazyText:
    """The text `key` of en.yaml, a dotted path, with `values` in its places."""
    return LazyText(key, values)


def translate(text: Any, language: str) -> Any:
    """A phrase in the language; anything else as it is."""
    return text.in_language(language) if isinstance(text, LazyText) else text


def language_of(accepted: str | None) -> str:
    """The language for an Accept-Language header: the browser's first choice, or else English."""
    first = re.match(r"\s*([a-z]+)(-[a-z]+)?", accepted or "", re.IGNORECASE)
    if not first:
        return "en"
    base, region = first[1].lower(), (first[2] or "").upper()
    return LANGUAGES.get(base + region) or LANGUAGES.get(base, "en")


@cache
def catalog(language: str) -> dict[str, str]:
    """All texts of a language by their keys."""
    data = yaml.safe_load((FOLDER / f"{language}.yaml").read_text("utf-8"))
    return {f"{part}.{name}": text for part, found in data.items() for name, text in found.items()}


def browser_catalogs() -> dict[str, dict[str, str]]:
    """For each language, by the browsers' names for it, the texts that are put in place there."""
    return {
        tag: {key: text for key, text in catalog(name).items() if key.startswith("page.")}
        for tag, name in LANGUAGES.items()
    }


def _format(language: str, key: str, values: dict[str, Any]) -> str:
    return _Numbers(language).vformat(catalog(language)[key], (), values)


class _Numbers(Formatter):
    """Formats as `str.format` does, with a language's own marks in numbers: 1,234.5 is 1.234,5 in German."""

    def __init__(self, language: str) -> None:
        marks = catalog(language)
        self._marks = str.maketrans({",": marks["numbers.thousands"], ".": marks["numbers.decimal"]})

    def format_field(self, value: Any, format_spec: str) -> str:
        text = str(super().format_field(value, format_spec))
        return text.translate(self._marks) if format_spec and isinstance(value, int | float) else text
