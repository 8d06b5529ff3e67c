"""Measures the contestants in turn, in rounds: one visitor and several, a second turn, one who leaves."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.clients import light, page
from benchmarks.clients.light import Question
from benchmarks.systems.contestants import Contestant
from benchmarks.systems.models import Load
from benchmarks.systems.processes import System, running

Figures = dict[str, float]  # times are seconds; what is measured of so many visitors ends with /NUMBER
Row = dict[str, Any]  # as it is recorded
ANSWER = 16  # tokens of an answer in a longer conversation
LINES = 22  # of the long question


def compare(contestants: Sequence[Contestant], load: Load, visitors: Sequence[int], rounds: int) -> list[Row]:
    """Each contestant with its figures in interleaved rounds, in each of which everything is measured of all.

    Each round begins with another: the first of a round is measured right after what disturbed the machine last.
    """
    with running(contestants, load) as systems:
        found: list[dict[str, list[float]]] = [{} for _ in systems]
        for number in range(rounds):
            first = number * len(systems) // rounds
            turn = [*range(first, len(systems)), *range(first)]
            many, pages = map(several, visitors), map(from_page, visitors)
            for measure in (*many, turns, repeating, *pages, leaving):
                print(f"round {number + 1} of {rounds}: {measure.__name__}", file=sys.stderr)
                for at in turn:
                    for name, value in measure(systems[at], load, number).items():
                        found[at].setdefault(name, []).append(value)
        return [_row(system.contestant, figures) for system, figures in zip(systems, found, strict=True)]


def several(visitors: int) -> Callable[[System, Load, int], Figures]:
    """What measures so many visitors who ask at the same moment."""

    def measure(system: System, load: Load, number: int) -> Figures:
        asked = [
            Question([user(question(load, f"{visitor}.{number}"))], load.tokens, f"visitor {visitor}")
            for visitor in range(visitors)
        ]
        before, own = system.cpu(), time.process_time()
        with light.stalls(system.port) as stalls:
            replies = system.replies(*asked)
        own = time.process_time() - own
        tokens = sum(load.count(reply.text) for reply in replies)
        figures = {
            "first": statistics.median(reply.first for reply in replies),
            "slowest": max(reply.first for reply in replies),
            "gap": max(reply.longest_gap for reply in replies),
            "stall": max(stalls),
            "tokens_per_second": tokens / max(reply.times[-1] for reply in replies),
            "tokens": tokens / visitors,
            "cpu": 1000 * (system.cpu() - before) / tokens,
            "client_cpu": 1000 * own / tokens,
            "kilobytes": sum(reply.bytes for reply in replies) / tokens,
            "megabytes": system.megabytes(),
        }
        return {f"{name}/{visitors}": value for name, value in figures.items()}

    measure.__name__ = f"{visitors} visitors"
    return measure


def turns(system: System, load: Load, number: int) -> Figures:
    """The second turn of a conversation: after its first, and of one that the system has never seen."""
    began, other = ([user(long_question(f"{number} {name}"))] for name in ("warm", "cold"))
    (first,) = system.replies(Question(began, ANSWER, "warm"))
    more = user("And then?")
    (warm,) = system.replies(Question([*began, said(first.text), more], ANSWER, "warm"))
    (cold,) = system.replies(Question([*other, said(first.text), more], ANSWER, "cold"))
    return {"turn_warm": warm.first, "turn_cold": cold.first}


def repeating(system: System, load: Load, number: int) -> Figures:
    """A reply whose text is in the question, as that of edited code."""
    text = f"Write this once more, word for word:\n{long_question(f'{number} again', lines=3)}"
    (reply,) = system.replies(Question([user(text)], load.tokens))
    return {"repeating": load.count(reply.text) / reply.times[-1]}


def from_page(visitors: int) -> Callable[[System, Load, int], Figures]:
    """What measures so many visitors of the page who ask at the same moment."""

    def measure(system: System, load: Load, number: int) -> Figures:
        if not system.contestant.page or system.contestant.of:
            return {}
        asked = [question(load, f"{visitor}.{number}, on the page") for visitor in range(visitors)]
        replies = page.replies(system.port, asked)
        tokens = sum(load.count(reply.text) for reply in replies)
        return {
            f"page_slowest/{visitors}": max(reply.first for reply in replies),
            f"page_tokens_per_second/{visitors}": tokens / max(reply.times[-1] for reply in replies),
        }

    measure.__name__ = f"{visitors} visitors of the page"
    return measure


def leaving(system: System, load: Load, number: int) -> Figures:
    """What part of the computing of a whole reply is done after its visitor has left at the first text."""
    if system.contestant.start == "paced" or system.contestant.of:
        return {}
    asked = Question([user(question(load, f"{number}. leaving"))], load.tokens)
    before = system.cpu()
    system.replies(asked)
    spent = system.cpu() - before
    light.leave(system.port, system.model, asked)
    left = system.cpu_now()
    return {"after_leaving": (system.cpu() - left) / spent}


def question(load: Load, name: str) -> str:
    """A question that differs from that of any other name from its first word on, as those of strangers do.

    llama.cpp's server goes on from what it has read for others, and equal beginnings would flatter it.
    """
    return f"{name}: {load.message}"


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


def _row(contestant: Contestant, figures: Mapping[str, list[float]]) -> Row:
    told = {"system": contestant.name, "weights": contestant.weights, "of": contestant.of, "switch": contestant.switch}
    return {**told, "rounds": figures}
