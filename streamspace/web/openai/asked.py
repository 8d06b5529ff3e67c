"""What a checked body asks for, as every other door asks: a conversation, its sampling, and whether to think."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from streamspace.config.ranges import SamplingLimits
from streamspace.engines import canonical
from streamspace.events import Part
from streamspace.model.thinking import EFFORTS, LEVELS, SWITCHES, Thinking
from streamspace.problems import say
from streamspace.prompt.conversation import Turn
from streamspace.reply import parameters
from streamspace.reply.request import Caller, ChatRequest, CompletionRequest
from streamspace.sampling import SamplingParams
from streamspace.tools import Call
from streamspace.web.openai import errors, images
from streamspace.web.openai.errors import Refused
from streamspace.web.openai.messages import Image, Instructions, Question, Reply, Result, Text
from streamspace.web.openai.schema import Body, Chat, Completion

MINIMAL = {"minimal": "low"}  # levels of OpenAI's that no chat template has


def chat(body: Chat, bounds: SamplingLimits, thinking: Thinking, folder: Path | None, caller: Caller) -> ChatRequest:
    """The reply that is asked for, with its images in `folder`. Raises RequestError."""
    told = [message for message in body.messages if isinstance(message, Instructions)]
    said = [message for message in body.messages if not isinstance(message, Instructions)]
    system: str | None = "\n\n".join(_text(message) for message in told) if told else None
    if not said:  # instructions alone: there are templates that take no conversation without a question
        said, system = [Question(role="user", content=[Text(type="text", text=system or "")])], ""
    said = said[:-1] if isinstance(said[-1], Reply) and not said[-1].tool_calls else said
    if not any(isinstance(each, Question) for each in said) or isinstance(said[-1], Reply):
        raise Refused(
            "messages: expected a message of the user's or a call's result at the end, or before a reply to go on with",
            "messages",
        )
    *earlier, last = _turns(said, folder)
    return ChatRequest(
        last,
        earlier,
        system,
        _wish(body, thinking),
        begun(body),
        sampling=_sampling(body, bounds),
        caller=_sharing(body, caller),
        tools=body.offered,
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
    chosen = replace(chosen, stop=(*chosen.stop, *(body.stop or ())))
    if isinstance(body, Completion):
        return replace(chosen, likeliest=body.logprobs)
    assert isinstance(body, Chat)
    grammar = body.offered.grammar if body.offered else body.response_format
    return replace(chosen, grammar=grammar, likeliest=(body.top_logprobs or 0) if body.logprobs else None)


def _sharing(body: Body, caller: Caller) -> Caller:
    """Who sends the same key reads what was kept of the last reply faster: nobody else knows it, if it is random.

    A server that keeps it is sent a hash, by which nobody else can name it either.
    """
    if not body.prompt_cache_key:
        return caller
    shares = f"openai {caller.key} {body.prompt_cache_key}"
    return replace(caller, shares=shares, cache_key=hashlib.blake2b(shares.encode(), digest_size=16).hexdigest())


def _turns(said: Sequence[Question | Reply | Result], folder: Path | None) -> list[Turn]:
    """The conversation, in which calls have ids of our own: there are templates that take only nine digits."""
    turns: list[Turn] = []
    calls: dict[str, Call] = {}
    for message in said:
        text = _text(message)
        if isinstance(message, Question):
            turns.append(Turn("user", text, _images(message, folder)))
        elif isinstance(message, Result):
            if message.tool_call_id not in calls:
                name = "messages.tool_call_id"
                raise Refused(f"{name}: expected the id of a call before it, got {say(message.tool_call_id)}", name)
            turns.append(Turn("tool", text, calls=(calls[message.tool_call_id],)))
        else:
            number = sum(len(turn.calls) for turn in turns)
            named = {
                call.id: Call(call.function.name, call.function.arguments, f"{number + index:09d}")
                for index, call in enumerate(message.tool_calls or ())
            }
            calls |= named
            answer = canonical.of_kind(canonical.read(text), "answer")
            thoughts = message.reasoning_content or "" if named else ""
            turns.append(Turn("assistant", answer, (), (*named.values(),), thoughts))
    return [turn for turn in turns if turn.role != "assistant" or turn.length]


def _text(message: Instructions | Question | Reply | Result) -> str:
    return "\n".join(part.text for part in message.content or () if isinstance(part, Text))


def _images(message: Question, folder: Path | None) -> tuple[str, ...]:
    return tuple(images.save(part.image_url.url, folder) for part in message.content if isinstance(part, Image))


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
