"""Measures the contestants in turn, in rounds: one visitor and several, a second turn, one who leaves."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.clients import light, page
from benchmarks.clients.light import Question
from benchmarks.systems.contestants import Contestant
from benchmarks.systems.models import Load
from benchmarks.systems.processes import System, running

Figures = dict[str, float]  # of one round; what is measured of so many visitors ends with /NUMBER
ANSWER = 16  # tokens of an answer in a longer conversation
LINES = 22  # of the long question


@dataclass
class Row:
    """One contestant: each figure with its value in each round. Times are seconds."""

    contestant: Contestant
    rounds: list[Figures] = field(default_factory=list)

    def data(self) -> dict[str, object]:
        """What is recorded of it."""
        each = self.contestant
        names = self.rounds[0] if self.rounds else ()
        found = {name: [figures[name] for figures in self.rounds] for name in names}
        return {"system": each.name, "weights": each.weights, "of": each.of, "switch": each.switch, "rounds": found}


def compare(contestants: Sequence[Contestant], load: Load, visitors: Sequence[int], rounds: int) -> list[Row]:
    """Interleaved rounds, in each of which everything is measured of all contestants."""
    with running(contestants, load) as systems:
        rows = [Row(system.contestant, [{} for _ in range(rounds)]) for system in systems]
        for number in range(rounds):
            for measure in (*(several(each) for each in visitors), turns, repeating, from_page, leaving):
                print(f"round {number + 1} of {rounds}: {measure.__name__}", file=sys.stderr)
                for system, row in zip(systems, rows, strict=True):
                    row.rounds[number] |= measure(system, load, number, row.rounds[number])
    return rows


def several(visitors: int) -> Callable[[System, Load, int, Mapping[str, float]], Figures]:
    """What measures so many visitors who ask at the same moment."""

    def measure(system: System, load: Load, number: int, _: Mapping[str, float]) -> Figures:
        asked = [
            Question([user(f"{load.message} ({number}.{visitor})")], load.tokens, f"visitor {visitor}")
            for visitor in range(visitors)
        ]
        before, own, began = system.cpu(), time.process_time(), time.perf_counter()
        replies = system.replies(*asked)
        seconds, own = time.perf_counter() - began, time.process_time() - own
        tokens = sum(load.count(reply.text) for reply in replies)
        figures = {
            "first": statistics.median(reply.first for reply in replies),
            "slowest": max(reply.first for reply in replies),
            "gap": max(reply.longest_gap for reply in replies),
            "tokens_per_second": tokens / seconds,
            "tokens": tokens / visitors,
            "cpu": 1000 * (system.cpu() - before) / tokens,
            "client_cpu": 1000 * own / tokens,
            "kilobytes": sum(reply.bytes for reply in replies) / tokens,
            "megabytes": system.megabytes(),
        }
        return {f"{name}/{visitors}": value for name, value in figures.items()}

    measure.__name__ = f"{visitors} visitors"
    return measure


def turns(system: System, load: Load, number: int, _: Mapping[str, float]) -> Figures:
    """The second turn of a conversation: after its first, and of one that the system has never seen."""
    began, other = ([user(long_question(f"{number} {name}"))] for name in ("warm", "cold"))
    (first,) = system.replies(Question(began, ANSWER, "warm"))
    more = user("And then?")
    (warm,) = system.replies(Question([*began, said(first.text), more], ANSWER, "warm"))
    (cold,) = system.replies(Question([*other, said(first.text), more], ANSWER, "cold"))
    return {"turn_warm": warm.first, "turn_cold": cold.first}


def repeating(system: System, load: Load, number: int, _: Mapping[str, float]) -> Figures:
    """A reply whose text is in the question, as that of edited code."""
    question = f"Write this once more, word for word:\n{long_question(f'{number} again', lines=3)}"
    began = time.perf_counter()
    (reply,) = system.replies(Question([user(question)], load.tokens))
    return {"repeating": load.count(reply.text) / (time.perf_counter() - began)}


def from_page(system: System, load: Load, _: int, figures: Mapping[str, float]) -> Figures:
    """One visitor of the page, by Gradio's client."""
    if not system.contestant.page or system.contestant.of:
        return {}
    reply = page.reply(system.port, load.message)
    return {"page_first": reply.first, "page_tokens_per_second": load.count(reply.text) / reply.times[-1]}


def leaving(system: System, load: Load, number: int, figures: Mapping[str, float]) -> Figures:
    """What part of the computing of a whole reply is done after its visitor has left at the first text."""
    if system.contestant.start == "paced" or system.contestant.of:
        return {}
    asked = Question([user(f"{load.message} ({number}.leaving)")], load.tokens)
    before = system.cpu()
    system.replies(asked)
    spent = system.cpu() - before
    light.leave(system.port, system.model, asked)
    left = system.cpu_now()
    return {"after_leaving": (system.cpu() - left) / spent}


def long_question(name: str, lines: int = LINES) -> str:
    """A text that differs from that of any other name from its first line on."""
    text = "the keeper of the lighthouse wrote down the weather, the ships and what the sea had brought that day."
    return "\n".join(f"{name}, page {line}: {text}" for line in range(lines))


def user(text: str) -> dict[str, str]:
    """A visitor's message."""
    return {"role": "user", "content": text}


def said(text: str) -> dict[str, str]:
    """A model's message."""
    return {"role": "assistant", "content": text}
