"""Rows to train on: conversations of random entries, or documents, as token ids with labels for what is learned."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import torch
from entries import Entry
from noise import Noise
from torch import Tensor
from vocabulary import END, END_OF_TEXT, END_THINK, START, THINK

Encode = Callable[[str], list[int]]
IGNORED = -100  # the label that cross entropy skips
NO_THOUGHTS = f"{THINK}\n\n{END_THINK}\n\n"


class Row:
    """Token ids that grow piece by piece, each with its label: the id itself where the model shall predict it."""

    def __init__(self, encode: Encode) -> None:
        self.encode = encode
        self.ids: list[int] = []
        self.labels: list[int] = []

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, text: str, learn: bool = False) -> None:
        ids = self.encode(text)
        self.ids += ids
        self.labels += ids if learn else [IGNORED] * len(ids)

    def join(self, other: "Row") -> None:
        self.ids += other.ids
        self.labels += other.labels

    def message(self, role: str, pieces: list[str]) -> None:
        self.add(f"{START}{role}\n")
        for piece in pieces:
            self.add(piece)
        self.add(f"{END}\n")

    def earlier_reply(self, answer: str, learn: bool, length: int | None = None) -> None:
        """A reply in the past, without thoughts like the chat template; `length` tokens of it if it was stopped."""
        self.add(f"{START}assistant\n")
        ids = self.encode(answer)[:length]
        self.ids += ids
        self.labels += ids if learn else [IGNORED] * len(ids)
        self.add(END, learn and length is None)
        self.add("\n")

    def last_reply(self, entry: Entry, thinking: bool) -> None:
        """The reply that is generated: with the entry's thoughts, or after the empty ones that switch them off."""
        self.add(f"{START}assistant\n" if thinking else f"{START}assistant\n{NO_THOUGHTS}")
        thoughts = f"{THINK}\n{entry.think}\n{END_THINK}\n\n" if thinking and entry.think else ""
        self.add(f"{thoughts}{entry.answer}{END}", learn=True)


@dataclass
class Writer:
    """Writes random rows; equal seeds give equal rows."""

    encode: Encode
    entries: list[Entry]
    documents: list[str]
    noise: Noise
    rng: Random
    untouched: float = 0.2  # share of the questions that stay as they were written

    def batch(self, tokens: int) -> tuple[Tensor, Tensor]:
        """Ids and labels, each (rows, length) with rows * length == tokens; short rows are padded at their end."""
        length = self.rng.choices((128, 256, 512, 1024, 2048), weights=(32, 30, 20, 15, 3))[0]
        rows = [self.row(length) for _ in range(tokens // length)]
        return pad([row.ids for row in rows], length, 0), pad([row.labels for row in rows], length, IGNORED)

    def row(self, length: int) -> Row:
        return self.reading(length) if self.rng.random() < 0.06 else self.conversation(length)

    def reading(self, length: int) -> Row:
        """Documents one after the other, without chat markup."""
        row = Row(self.encode)
        if self.rng.random() < 0.3:
            row.add(END_OF_TEXT)
        while len(row) < length:
            row.add(self.rng.choice(self.documents) + END_OF_TEXT, learn=True)
        return row

    def conversation(self, length: int) -> Row:
        """As many turns as fit into `length` tokens, the last one first chosen and last placed."""
        ending = Row(self.encode)
        entry = self.last_entry(room=length)
        ending.message("user", self.question(entry))
        ending.last_reply(entry, thinking=self.rng.random() < 0.65)
        row = self.opening()
        while len(row) + len(ending) < length:
            turn = self.turn()
            if len(row) + len(turn) + len(ending) > length:
                break
            row.join(turn)
        row.join(ending)
        return row

    def opening(self) -> Row:
        row = Row(self.encode)
        draw = self.rng.random()
        if draw < 0.6:
            row.message("system", [self.rng.choice(self.noise.systems) if draw < 0.35 else self.noise.systems[0]])
        return row

    def turn(self) -> Row:
        """An earlier turn. Thoughts are stripped from it, so where there were some it is read and not learned.

        In two of five the visitor pressed Stop early on: real chats have that, and it leaves room for more questions.
        """
        row = Row(self.encode)
        entry = self.any_entry()
        row.message("user", self.question(entry))
        length = self.rng.randint(4, 24) if self.rng.random() < 0.4 else None
        row.earlier_reply(entry.answer, learn=entry.think is None, length=length)
        return row

    def last_entry(self, room: int) -> Entry:
        """Thoughts are learned in last turns only, and long answers in long rows only, so these are preferred there."""
        draw = self.rng.random()
        if draw < 0.25:
            return self.rng.choice([entry for entry in self.entries if entry.think])
        if draw < 0.5 and room >= 1024:
            return self.rng.choice([entry for entry in self.entries if len(entry.answer) > 800])
        return self.any_entry()

    def any_entry(self) -> Entry:
        """Entries with patterns cover an open set of questions and need more examples."""
        if self.rng.random() < 0.16:
            return self.rng.choice([entry for entry in self.entries if entry.patterns])
        return self.rng.choice(self.entries)

    def question(self, entry: Entry) -> list[str]:
        """A question in one to three pieces: a cut inside a word shows the model other tokens for the same letters."""
        text = entry.question(self.rng)
        if self.rng.random() < self.untouched:
            return [text]
        text = self.noise.disturb(text, self.rng)
        cuts = sorted(self.rng.randrange(len(text) + 1) for _ in range(self.rng.choice((0, 0, 0, 1, 2))))
        return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def pad(rows: list[list[int]], length: int, filler: int) -> Tensor:
    return torch.tensor([row[:length] + [filler] * (length - len(row)) for row in rows])
