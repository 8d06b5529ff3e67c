"""What a checked body asks for, as every other door asks: a conversation, its sampling, and whether to think."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from streamspace.config.ranges import SamplingLimits
from streamspace.engines import canonical
from streamspace.events import Part
from streamspace.model.thinking import EFFORTS, LEVELS, SWITCHES, Thinking
from streamspace.reply import parameters
from streamspace.reply.request import Caller, ChatRequest, CompletionRequest
from streamspace.sampling import SamplingParams
from streamspace.web.openai import errors, images
from streamspace.web.openai.errors import Refused
from streamspace.web.openai.messages import Image, Instructions, Question, Reply, Text
from streamspace.web.openai.schema import Body, Chat, Completion

MINIMAL = {"minimal": "low"}  # levels of OpenAI's that no chat template has


def chat(body: Chat, bounds: SamplingLimits, thinking: Thinking, folder: Path | None, caller: Caller) -> ChatRequest:
    """The reply that is asked for, with its images in `folder`. Raises RequestError."""
    told = [message for message in body.messages if isinstance(message, Instructions)]
    said = [message for message in body.messages if not isinstance(message, Instructions)]
    system: str | None = "\n\n".join(_text(message) for message in told) if told else None
    if not said:  # instructions alone: there are templates that take no conversation without a question
        said, system = [Question(role="user", content=[Text(type="text", text=system or "")])], ""
    so_far = begun(body)
    said = said[:-1] if isinstance(said[-1], Reply) else said
    if not said or not isinstance(said[-1], Question):
        raise Refused(
            "messages: expected a message of the user's at the end, or before a reply to go on with", "messages"
        )
    *earlier, last = said
    return ChatRequest(
        _text(last),
        [{"role": each.role, "content": [*_files(each, folder), {"text": _text(each)}]} for each in earlier],
        system,
        _wish(body, thinking),
        so_far,
        [each["file"] for each in _files(last, folder)],
        _sampling(body, bounds),
        caller=_sharing(body, caller),
    )


def completion(body: Completion, bounds: SamplingLimits, caller: Caller) -> CompletionRequest:
    """The continuation that is asked for."""
    return CompletionRequest(body.prompt, _sampling(body, bounds), _sharing(body, caller))


def begun(body: Chat) -> tuple[Part, ...]:
    """The reply to go on with, where the last message is one; there may be thoughts in its text too."""
    message = body.messages[-1]
    if not isinstance(message, Reply):
        return ()
    thoughts = [Part("reasoning", message.reasoning_content)] if message.reasoning_content else []
    return (*thoughts, *canonical.read(_text(message)))


def _sampling(body: Body, bounds: SamplingLimits) -> SamplingParams:
    most = getattr(body, "max_completion_tokens", None) or body.max_tokens
    chosen = parameters.choose(bounds, {**dict(body), "max_new_tokens": most})
    grammar = body.response_format if isinstance(body, Chat) else ""
    return replace(chosen, stop=(*chosen.stop, *(body.stop or ())), grammar=grammar)


def _sharing(body: Body, caller: Caller) -> Caller:
    """Who sends the same key reads what was kept of the last reply faster: nobody else knows it, if it is random."""
    return replace(caller, shares=f"openai {caller.key} {body.prompt_cache_key}") if body.prompt_cache_key else caller


def _text(message: Instructions | Question | Reply) -> str:
    return "\n".join(part.text for part in message.content or () if isinstance(part, Text))


def _files(message: Question | Reply, folder: Path | None) -> list[dict[str, Any]]:
    found = [part.image_url.url for part in message.content or () if isinstance(part, Image)]
    return [{"file": {"path": images.save(url, folder)}} for url in found]


def _wish(body: Chat, thinking: Thinking) -> bool | str | None:
    """Off where a switch is off; else the level that is asked for; else on where a switch is."""
    switched: bool | None = None
    effort: str | None = body.reasoning_effort
    for name, value in (body.chat_template_kwargs or {}).items():
        if name in SWITCHES and value in SWITCHES[name]:
            switched = value == SWITCHES[name][1]
        elif name in EFFORTS and isinstance(value, str):
            effort = value
        else:
            known, key = ", ".join([*SWITCHES, *EFFORTS]), f"chat_template_kwargs.{name}"[:80]
            raise Refused(f"{key}: expected a switch for thinking ({known}) and its value", key, errors.UNSUPPORTED)
    return False if switched is False else _level(effort, thinking.choices) if effort else switched


def _level(effort: str, choices: Mapping[str, object]) -> bool | str:
    """The level as the model has it. A model without levels thinks at each of them."""
    level = next((ours for ours, theirs in LEVELS.items() if effort in theirs), MINIMAL.get(effort, effort))
    return False if level == "off" else level if level in choices else True
