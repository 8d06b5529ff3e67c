"""The hand-written text: questions with their answers, and plain documents. How a model reads them lies elsewhere."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import yaml

KEYS = {"ask", "answer", "think", "patterns", "words"}


@dataclass(frozen=True)
class Entry:
    """One answer and the ways to ask for it; `patterns` with `words` stand for many more ways than one would list."""

    ask: tuple[str, ...]
    answer: str
    think: str | None = None
    patterns: tuple[str, ...] = ()
    words: dict[str, list[str]] = field(default_factory=dict)

    def question(self, rng: Random) -> str:
        """One way of asking; most come from the patterns where there are any."""
        if self.patterns and rng.random() < 0.75:
            return rng.choice(self.patterns).format(**{name: rng.choice(words) for name, words in self.words.items()})
        return rng.choice(self.ask)


def load_entries(folder: Path) -> list[Entry]:
    """Every entry of every YAML file in `folder`, in file order; ValueError when two entries share a question."""
    entries = [parse(item, path.name) for path in sorted(folder.glob("*.yaml")) for item in read(path)]
    asked = [question for entry in entries for question in entry.ask]
    if repeated := sorted({question for question in asked if asked.count(question) > 1}):
        raise ValueError(f"each question belongs to one entry, but these are asked twice: {repeated}")
    return entries


def load_documents(path: Path) -> list[str]:
    """The paragraphs that the model learns to continue without any chat markup."""
    return [text.strip() for text in read(path)]


def parse(item: dict[str, Any], source: str) -> Entry:
    """An entry from its YAML form; ValueError names the file and the key that is wrong."""
    if unknown := set(item) - KEYS:
        raise ValueError(f"{source}: unknown key {sorted(unknown)} in {item.get('ask')}, expected {sorted(KEYS)}")
    if not item.get("ask") or not item.get("answer"):
        raise ValueError(f"{source}: an entry needs `ask` (a list) and `answer`, got {item}")
    think = item["think"].strip() if "think" in item else None
    return Entry(
        tuple(item["ask"]), item["answer"].rstrip(), think, tuple(item.get("patterns", ())), item.get("words", {})
    )


def read(path: Path) -> Iterable[Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))
