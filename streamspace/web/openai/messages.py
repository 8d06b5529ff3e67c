"""The messages that a client of OpenAI's API may send, and the rule for all mappings of its bodies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from streamspace.problems import say
from streamspace.web.openai import errors
from streamspace.web.openai.errors import Refused

Neutral = Mapping[str, tuple[object, ...]]


def _listed(value: object) -> object:
    return [{"type": "text", "text": value}] if isinstance(value, str) else value


class Known(BaseModel):
    """A mapping of which these keys are read.

    `neutral` has keys that aren't done here, with the values that change nothing; no key of null does.
    """

    model_config = ConfigDict(strict=True, frozen=True)
    neutral: ClassVar[Neutral] = {}

    @model_validator(mode="before")
    @classmethod
    def _only_what_is_done(cls, data: Any) -> Any:
        for name, allowed in cls.neutral.items():
            value = data.get(name) if isinstance(data, dict) else None
            if value is not None and not any(_same(value, each) for each in allowed):
                expected = " or ".join(map(json.dumps, allowed)) or "nothing"
                told = f"{name}: expected {expected}, since nothing else is supported here, got {say(value)}"
                raise Refused(told, name, errors.UNSUPPORTED)
        return data


class Text(Known):
    """A text of a message."""

    type: Literal["text"]
    text: str


class Address(Known):
    """Where an image is."""

    url: str


class Image(Known):
    """An image of a message."""

    type: Literal["image_url"]
    image_url: Address


Texts = Annotated[list[Text], BeforeValidator(_listed)]
Parts = Annotated[list[Annotated[Text | Image, Field(discriminator="type")]], BeforeValidator(_listed)]


class Instructions(Known):
    """What the model is told before the conversation."""

    role: Literal["system", "developer"]
    content: Texts


class Question(Known):
    """A message of the user's."""

    role: Literal["user"]
    content: Parts


class Called(Known):
    """The function of a call, with its arguments as JSON."""

    name: str
    arguments: str

    @field_validator("arguments")
    @classmethod
    def _object(cls, value: str) -> str:
        try:
            is_object = isinstance(json.loads(value or "{}"), dict)
        except (ValueError, RecursionError):
            is_object = False
        if not is_object:
            raise PydanticCustomError("rule", "not one", {"expected": "a JSON object"})
        return value or "{}"


class Asked(Known):
    """A call that the model asked for."""

    type: Literal["function"] = "function"
    id: str
    function: Called


class Reply(Known):
    """A reply of the model's. As the last message, it is gone on with, unless it asked for calls."""

    role: Literal["assistant"]
    content: Texts | None = None
    reasoning_content: str | None = None
    tool_calls: list[Asked] | None = None
    neutral: ClassVar[Neutral] = {"function_call": ()}


class Result(Known):
    """What a call came to."""

    role: Literal["tool"]
    content: Texts
    tool_call_id: str


Message = Annotated[Instructions | Question | Reply | Result, Field(discriminator="role")]


def _same(value: object, other: object) -> bool:
    return value == other and isinstance(value, bool) == isinstance(other, bool)
