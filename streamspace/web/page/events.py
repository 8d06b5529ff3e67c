"""The events that the browser handles by itself, in one table; page.js and conversations.js hold a function for each.

A function takes one object of named inputs and returns one of named outputs; events.js holds it to the names here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple


class Event(NamedTuple):
    """The names of the values that an event's function takes and of those that it may set."""

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


EVENTS = {
    # before a reply, and after it
    "send": Event(("box", "messages"), ("box", "messages", "status")),
    "rewind": Event(("messages",), ("messages", "status")),
    "resume": Event(("messages",), ("messages", "status")),
    "finish": Event(("messages", "status"), ("messages", "status")),
    "fail": Event(("messages",), ("messages",)),
    "stop": Event(("messages",), ("messages", "status")),
    # without a reply
    "undo": Event(("messages",), ("messages", "box", "status")),
    "clear": Event((), ("messages", "status")),
    "restore": Event((), ("messages",)),
    "open": Event((), ("messages", "box", "status")),
    # the completion page
    "startText": Event(("text",), ("status",)),
    "finishText": Event(("continuation",)),
    "stopText": Event((), ("status",)),
    "clearText": Event((), ("text", "continuation", "status")),
    # every page
    "localize": Event(),
}


def listener(name: str, parts: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a Gradio listener that runs this event; `parts` are the page's components by their names."""
    inputs, outputs = EVENTS[name]
    names = ", ".join(json.dumps(given) for given in (name, inputs, outputs))
    return {
        "inputs": [parts[each] for each in inputs],
        "outputs": [parts[each] for each in outputs],
        "js": f"(...values) => streamspace.run({names}, values)",
    }
