"""What a server that speaks OpenAI's chat API is asked; `endpoint` asks it."""

from __future__ import annotations

import json
from typing import Any

from streamspace.events import Request
from streamspace.sampling import ANY_OBJECT, PARAMETERS


def payload(request: Request, model: str) -> dict[str, Any]:
    """The request as these servers take it; what isn't in OpenAI's API is sent only where it changes something."""
    sampling = request.sampling
    values = [(each, getattr(sampling, each.name)) for each in PARAMETERS]
    extra: dict[str, Any] = {each.name: value for each, value in values if not each.endpoint and value != each.neutral}
    if request.continues:
        extra |= {"continue_final_message": True, "add_generation_prompt": False}
    if request.thinking:
        extra |= _thinking(request.thinking)
    return {
        "messages": [{name: value for name, value in vars(each).items() if value} for each in request.messages],
        "model": model,
        **{each.endpoint: value for each, value in values if each.endpoint},
        "seed": sampling.seed,
        "stop": list(sampling.stop[:4]) or None,  # most servers take four; `StopStrings` sees to them all
        "stream_options": {"include_usage": True},
        "response_format": _format(sampling.grammar),
        "extra_body": extra or None,
    }


def _format(grammar: str) -> dict[str, Any] | None:
    if not grammar or grammar == ANY_OBJECT:
        return {"type": "json_object"} if grammar else None
    described = {"name": "answer", "schema": json.loads(grammar), "strict": True}
    return {"type": "json_schema", "json_schema": described}


def _thinking(choice: str) -> dict[str, Any]:
    """The switch for thinking, under the names that servers and chat templates have for it."""
    if choice in ("off", "on"):
        return {"chat_template_kwargs": {"enable_thinking": choice == "on", "thinking": choice == "on"}}
    return {"reasoning_effort": choice, "chat_template_kwargs": {"reasoning_effort": choice}}
