"""What a visitor or an API client asks for, before any of it is checked."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from streamspace.events import Part
from streamspace.sampling import SamplingParams
from streamspace.tools import Tools

Door = Literal["none", "page", "gradio", "openai", "mcp", "metrics"]
Values = Mapping[str, object]  # sampling parameters by name; one that is None or absent has the config's default


@dataclass(frozen=True)
class Caller:
    """Who asks for one reply: the door, what tells the visitor from others (nothing for ""), and the reply's own id.

    `web.visitor.caller` makes one; a `key` is a hash, since it is written into the log. Replies whose `shares` are
    the same share what has been read of their prompts; one without it shares nothing. `cache_key` names that to a
    model's server.
    """

    door: Door = "none"
    key: str = ""
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    shares: str = ""
    cache_key: str = ""


@dataclass(frozen=True)
class ChatRequest:
    """A reply to `message`, after a `history` of {"role", "content"} messages.

    `begun` is the reply so far, to continue from; `thinking` a choice by its name, or true or false. `images` are
    uploaded files that come with the message, as Gradio describes them; a `system_prompt` of None is the config's. An
    `object` can be anything: clients send it. `sampling` is what a client asks for, or what its own door has chosen
    within the config's bounds. `file_characters` of the message are the text of files that come with it. A door may put
    Turns into both, such as results of calls; `tools` is what the reply may call.
    """

    message: object
    history: object = None
    system_prompt: object = None
    thinking: object = None
    begun: tuple[Part, ...] = ()
    images: object = None
    sampling: Values | SamplingParams = field(default_factory=dict)
    file_characters: int = 0
    caller: Caller = field(default_factory=Caller)
    tools: Tools | None = None


@dataclass(frozen=True)
class CompletionRequest:
    """The continuation of the text `prompt`."""

    prompt: object
    sampling: Values | SamplingParams = field(default_factory=dict)
    caller: Caller = field(default_factory=Caller)
