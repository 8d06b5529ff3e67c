"""The page's texts in each language: one file per language in translations/, with en.yaml as the reference.

Code creates texts with `t`; the code that shows one to a visitor translates it. A config's texts are not translated.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

import yaml

FOLDER = Path(__file__).with_name("translations")
LANGUAGES = ("en", "ar", "de", "es", "fr", "hi", "ja", "ko", "pt", "zh")  # each is a tag's first part: pt of pt-BR


class LazyText(str):
    """An English text that keeps its key and values, so that it can be translated where it is shown.

    Its values may be lazy texts themselves. It can be pickled, and so sent between processes.
    """

    key: str
    values: dict[str, Any]

    def __new__(cls, key: str, values: dict[str, Any]) -> LazyText:
        text = super().__new__(cls, _format("en", key, values))
        text.key, text.values = key, values
        return text

    def __reduce__(self) -> tuple[Any, ...]:
        return LazyText, (self.key, self.values)

    def in_language(self, language: str) -> str:
        """The same text in one of `LANGUAGES`."""
        return _format(language, self.key, {name: translate(value, language) for name, value in self.values.items()})


def t(key: str, **values: Any) -> LazyText:
    """The text at `key` of en.yaml, a dotted path, with `values` for its placeholders."""
    return LazyText(key, values)


def translate(text: Any, language: str) -> Any:
    """A `LazyText` in the language; anything else unchanged."""
    return text.in_language(language) if isinstance(text, LazyText) else text


def language_of(accepted: str | None) -> str:
    """The language for an Accept-Language header: the first in it that there is a file for, as texts.js chooses too."""
    wished = re.findall(r"(?:^|,)\s*([a-z]+)", (accepted or "").lower())
    return next((language for language in wished if language in LANGUAGES), "en")


@cache
def catalog(language: str) -> dict[str, str]:
    """All texts of a language by their keys."""
    data = yaml.safe_load((FOLDER / f"{language}.yaml").read_text("utf-8"))
    return {f"{part}.{name}": text for part, found in data.items() for name, text in found.items()}


def of_page(language: str) -> dict[str, str]:
    """The texts that the browser fills in, by their keys without `page`."""
    return {key[5:]: text for key, text in catalog(language).items() if key.startswith("page.")}


def _format(language: str, key: str, values: dict[str, Any]) -> str:
    return _Numbers(language).vformat(catalog(language)[key], (), values)


class _Numbers(Formatter):
    """Formats as `str.format` does, with a language's own separators in numbers: 1,234.5 is 1.234,5 in German."""

    def __init__(self, language: str) -> None:
        texts = catalog(language)
        self._separators = str.maketrans({",": texts["numbers.thousands"], ".": texts["numbers.decimal"]})

    def format_field(self, value: Any, format_spec: str) -> str:
        text = str(super().format_field(value, format_spec))
        return text.translate(self._separators) if format_spec and isinstance(value, int | float) else text
