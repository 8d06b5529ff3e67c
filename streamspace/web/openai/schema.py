"""What a client of OpenAI's API may send: one schema for each body; what it comes to is `asked`'s to say.

Unknown keys are ignored, as clients expect. One that would change the answer, and isn't done, is refused.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from streamspace.config.ranges import SamplingLimits
from streamspace.i18n import t
from streamspace.problems import expected, path, say
from streamspace.reply import parameters
from streamspace.tools import Tools
from streamspace.web.openai import errors, formats, functions
from streamspace.web.openai.errors import Refused
from streamspace.web.openai.messages import Known, Message, Neutral

LENGTHS = {"max_tokens": "max_new_tokens", "max_completion_tokens": "max_new_tokens"}  # OpenAI's names for one of ours
SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
MOST_STOPS = 4
MOST_LIKELIEST = 20
T = TypeVar("T", bound=BaseModel)


def _several(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _alone(value: object) -> object:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


class StreamOptions(Known):
    """What a stream has besides its text."""

    include_usage: bool | None = None


class Body(Known):
    """What both kinds of request have in common."""

    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    temperature: Any = None
    top_p: Any = None
    top_k: Any = None
    min_p: Any = None
    repetition_penalty: Any = None
    seed: Any = None
    stop: (
        Annotated[
            list[Annotated[str, StringConstraints(min_length=1, max_length=1000)]],
            Field(max_length=MOST_STOPS),
            BeforeValidator(_several),
        ]
        | None
    ) = None
    prompt_cache_key: str | None = None
    neutral: ClassVar[Neutral] = {"n": (1,), "frequency_penalty": (0,), "presence_penalty": (0,), "logit_bias": ({},)}

    @property
    def counts(self) -> bool:
        """Whether a stream ends with the figures."""
        return bool(self.stream_options and self.stream_options.include_usage)

    @field_validator("max_tokens", "max_completion_tokens", *SAMPLING, "seed")
    @classmethod
    def _within_bounds(cls, value: object, info: ValidationInfo) -> float | None:
        """By the rule, and in the words, of every door."""
        bounds, name = info.context, str(info.field_name)
        assert isinstance(bounds, SamplingLimits)
        if value is None:
            return None
        if name == "seed":
            return parameters.seed(value, None)
        return parameters.number(name, value, getattr(bounds, LENGTHS.get(name, name)))


class Chat(Body):
    """The body of /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1)]
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    response_format: Annotated[str, BeforeValidator(formats.read)] = ""
    tools: Annotated[tuple[dict[str, Any], ...], BeforeValidator(functions.read)] = ()
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MOST_LIKELIEST)] | None = None
    neutral: ClassVar[Neutral] = {
        **Body.neutral,
        "functions": ([],),
        "function_call": ("none", "auto"),
        "modalities": (["text"],),
        "audio": (),
        "web_search_options": (),
    }

    @cached_property
    def offered(self) -> Tools | None:
        """What the reply may call."""
        return functions.offered(self.tools, self.tool_choice)

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.offered and self.response_format:
            name = formats.NAME
            raise Refused(f"{name}: expected none beside tools", name, errors.UNSUPPORTED)
        if self.top_logprobs and not self.logprobs:
            raise Refused("top_logprobs: expected logprobs: true beside it", "top_logprobs")
        return self


class Completion(Body):
    """The body of /v1/completions."""

    prompt: Annotated[str, BeforeValidator(_alone)]
    logprobs: Annotated[int, Field(ge=0, le=MOST_LIKELIEST)] | None = None
    neutral: ClassVar[Neutral] = {
        **Body.neutral,
        "suffix": ("",),
        "echo": (False,),
        "best_of": (1,),
        "response_format": ({"type": "text"},),
    }


def read(kind: type[T], body: bytes, bounds: SamplingLimits) -> T:
    """The checked body. Raises Refused with the first thing that is wrong in it."""
    try:
        return kind.model_validate_json(body, context=bounds)
    except ValidationError as error:
        raise _refused(error.errors()[0]) from None  # without its cause, which quotes the value


def _refused(detail: ErrorDetails) -> Refused:
    where = path(detail["loc"], ("messages", "content"))  # whose entries are told apart by a key
    if detail["type"] == "json_invalid":
        half = "hex escape" in detail["ctx"]["error"]
        return Refused(t("error.half_character") if half else f"The body isn't JSON: {detail['ctx']['error']}")
    if detail["type"] == "value_error":  # a rule of ours, which says it all
        return Refused(str(detail["ctx"]["error"]), where)
    if detail["type"].startswith("union_tag"):
        where = f"{where}.{detail['ctx']['discriminator'].strip(chr(39))}"
    got = detail["ctx"]["tag"] if detail["type"] == "union_tag_invalid" else detail["input"]
    found = "nothing" if detail["type"] in ("missing", "union_tag_not_found") else say(got)
    return Refused(f"{where or 'body'}: expected {expected(detail)}, got {found}", where)
