"""The real page and handlers over an engine that says what it is told: without a model it is there in a moment.

SCRIPT names a YAML file, else it is script.yaml. For a visitor's message it holds what the reply `says`, after how many characters it is cut
(`until`), the error it `fails` with, and the seconds of `pause` between two pieces. A message that isn't in it is said
back word for word.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from streamspace.config.types import Config
from streamspace.engines import canonical, parts
from streamspace.engines.engine import Events
from streamspace.engines.forms import Form
from streamspace.engines.pieces import Piece
from streamspace.errors import ModelError
from streamspace.events import Event, Failure, Finished, Heartbeat, Message, Part, Reclassified, Request, TextDelta
from streamspace.prompt import conversation
from streamspace.prompt.message_builder import MessageBuilder
from streamspace.prompt.prompt import Conversation, Prompt
from streamspace.reply.loader import Loader
from streamspace.reply.pipeline import Pipeline
from streamspace.web.page.page import build_page
from streamspace.web.startup import read_config, serve

PIECE = 12  # characters
SCRIPT = Path(__file__).with_name("script.yaml")


class Scripted:
    """An engine that reads its replies from a script; see the module."""

    name = "scripted"

    def __init__(self, script: dict[str, dict[str, Any]], capacity: int) -> None:
        self.capacity = capacity
        self._script = script

    def stream(self, request: Request, stop: threading.Event) -> Events:
        """See `Engine.stream`. A reply that was begun goes on to its end."""
        began = time.monotonic()
        asked = next(message.content for message in reversed(request.messages) if message.role == "user")
        told = self._script.get(asked, {})
        text = told.get("says", asked)
        begun = len(_begun(request.messages[-1])) if request.continues else 0
        reader = parts.parser(Form(), request.begins or "answer", request.continues)
        end = len(text) if begun else told.get("until", len(text))
        tokens = 0
        yield Heartbeat("prefill")
        for start in range(begun, end, PIECE):
            if stop.is_set():
                yield Finished("cancelled", tokens, 0.12, time.monotonic() - began)
                return
            tokens += 3
            yield from _deltas(reader.push(text[start : min(start + PIECE, end)]), tokens)
            time.sleep(told.get("pause", 0.001))
        yield from _deltas(reader.flush(), tokens)
        if "fails" in told:
            yield Failure(told["fails"])
        else:
            yield Finished("length" if end < len(text) else "stop", tokens, 0.12, 0.12 + tokens / 60)

    def unavailable_reason(self) -> None:
        """See `Engine.unavailable_reason`."""

    def close(self) -> None:
        """See `Engine.close`."""


def _deltas(pieces: list[Piece], tokens: int) -> list[Event]:
    return [piece if isinstance(piece, Reclassified) else TextDelta(piece.text, tokens, piece.kind) for piece in pieces]


def _begun(message: Message) -> str:
    """The beginning of a reply as the script has it."""
    if not message.reasoning_content:
        return message.content
    return canonical.render((Part("reasoning", message.reasoning_content), Part("answer", message.content)))


class PromptBuilder(MessageBuilder):
    """Passes a message on as it is, and a text too."""

    def text(self, text: str, new_tokens: int) -> Prompt:
        """The text as the only message."""
        return self.chat(Conversation("", conversation.read([], text, 1)), new_tokens)


def pipeline(config: Config, on_progress: Callable[[str], None]) -> Pipeline:
    """A pipeline with the scripted engine; ModelError where the script has one for it."""
    script = yaml.safe_load(Path(os.environ.get("SCRIPT", SCRIPT)).read_text("utf-8")) or {}
    if "unloaded" in script:
        raise ModelError(script["unloaded"])
    return Pipeline(config, Scripted(script, config.limits.places), PromptBuilder(config.limits.prompt_tokens, "on"))


if __name__ == "__main__":
    config = read_config()
    loader = Loader(config, pipeline)
    serve(build_page(loader), loader)
