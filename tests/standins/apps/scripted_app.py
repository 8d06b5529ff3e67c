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

from streamspace.config import file as configfile
from streamspace.config.types import Config
from streamspace.engines.engine import Events
from streamspace.errors import ModelError
from streamspace.events import Failure, Finished, Heartbeat, Request, TextDelta
from streamspace.prompt import conversation
from streamspace.prompt.builder import Prompt
from streamspace.prompt.message_builder import MessageBuilder
from streamspace.reply.loader import Loader
from streamspace.reply.pipeline import Pipeline
from streamspace.web.page.page import build_page
from streamspace.web.startup import serve

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
        begun = len(request.messages[-1].content) if request.prefix_length else 0
        end = len(text) if begun else told.get("until", len(text))
        tokens = 0
        yield Heartbeat("prefill")
        for start in range(begun, end, PIECE):
            if stop.is_set():
                yield Finished("cancelled", tokens, 0.12, time.monotonic() - began)
                return
            tokens += 3
            yield TextDelta(text[start : min(start + PIECE, end)], tokens)
            time.sleep(told.get("pause", 0.001))
        if "fails" in told:
            yield Failure(told["fails"])
        else:
            yield Finished("length" if end < len(text) else "stop", tokens, 0.12, 0.12 + tokens / 60)

    def unavailable_reason(self) -> None:
        """See `Engine.unavailable_reason`."""


class PromptBuilder(MessageBuilder):
    """Passes a message on as it is, and a text too."""

    can_think = True

    def text(self, text: str, new_tokens: int) -> Prompt:
        """The text as the only message."""
        return self.chat("", conversation.read([], text, 1), new_tokens)


def pipeline(config: Config, on_progress: Callable[[str], None]) -> Pipeline:
    """A pipeline with the scripted engine; ModelError where the script has one for it."""
    script = yaml.safe_load(Path(os.environ.get("SCRIPT", SCRIPT)).read_text("utf-8")) or {}
    if "unloaded" in script:
        raise ModelError(script["unloaded"])
    return Pipeline(config, Scripted(script, config.limits.concurrency), PromptBuilder(config.limits.prompt_tokens))


if __name__ == "__main__":
    config = configfile.read(configfile.chosen())
    loader = Loader(config, pipeline)
    serve(build_page(loader), loader)
