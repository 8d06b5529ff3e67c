"""Who may call the page, and what a client may send: one schema for each kind of component, which every value passes.

Gradio builds components, opens files and fetches addresses that are named in a value, and anyone can call every event
of the page. What a value means is for those who take it to check, such as `parameters` and `conversation`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import gradio as gr
from gradio.blocks import BlockFunction
from gradio.components.api_component import Api
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
)

from streamspace.config.types import Config
from streamspace.errors import RequestError
from streamspace.i18n import t
from streamspace.prompt.images import check_upload
from streamspace.web import access

HALF = re.compile(r"[\ud800-\udfff]")  # of a character: JSON can say it, and no tokenizer takes it
DEEPEST = 16  # levels of lists and mappings in an argument of the API
Number = Annotated[int | float, Field(ge=-(2**53), le=2**53, allow_inf_nan=False)]  # what JavaScript counts exactly


def _upload(path: str, info: ValidationInfo) -> str:
    if not (info.context or {}).get("images"):
        raise RequestError(t("error.image_text_only"))
    check_upload(path)
    return path


def _image_type(told: Any) -> str | None:
    return told if isinstance(told, str) and re.fullmatch(r"image/[a-z0-9.+-]{1,40}", told) else None


class Known(BaseModel):
    """A mapping with these keys and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


class File(BaseModel):
    """An uploaded file. The browser tells more about it, such as an address, which nobody here needs to know.

    By `mime_type` Gradio chooses how it is shown.
    """

    model_config = ConfigDict(strict=True)
    path: Annotated[str, AfterValidator(_upload)]
    orig_name: str | None = None
    mime_type: Annotated[str | None, BeforeValidator(_image_type)] = None
    meta: dict[Literal["_type"], Literal["gradio.FileData"]] = Field(default={"_type": "gradio.FileData"})


class Turn(Known):
    """An earlier message."""

    role: Literal["user", "assistant"]
    content: str
    images: list[File] = []


class Begun(Known):
    """A part of a reply that goes on."""

    kind: Literal["reasoning", "answer", "tool_call"]
    text: str


class Question(Known):
    """What the page asks: the reply to a message, what came before it, and the visitor's settings."""

    id: Annotated[str, Field(max_length=64)]
    message: str
    images: list[File] = []
    history: list[Turn] = []
    begun: list[Begun] = []
    system: str | None = None
    thinking: str | None = None
    sampling: dict[Annotated[str, Field(max_length=64)], Number | None]
    file_characters: Annotated[int, Field(ge=0, le=2**53)] = 0


SCHEMAS: dict[type, TypeAdapter[Any]] = {gr.JSON: TypeAdapter(Question)}


class Gate:
    """Lets through what the page of this config sends. Raises RequestError for anything else."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._context = {"images": config.task == "image-chat"}

    def visitor(self, function: BlockFunction, request: gr.Request | None) -> None:
        """Raises AccessError for who may not call a function of the page; one of the API asks for the key itself."""
        if function.api_visibility != "public":
            access.visit(request, self._config)

    def values(self, function: BlockFunction, values: Any) -> list[Any]:
        """The values of a call, each as its component's schema has it."""
        if not function.fn or not isinstance(values, list) or len(values) != len(function.inputs):
            raise _refusal()
        return [self._value(type(block), value) for block, value in zip(function.inputs, values, strict=True)]

    def _value(self, component: type, value: Any) -> Any:
        if component is Api:
            return _plain(value)
        if component not in SCHEMAS:
            raise _refusal()
        return _checked(SCHEMAS[component], value, self._context)


def _checked(schema: TypeAdapter[Any], value: Any, context: dict[str, bool]) -> Any:
    try:
        return schema.dump_python(schema.validate_python(value, context=context), exclude_none=True)
    except (ValidationError, RecursionError):
        raise _refusal() from None  # without its cause, which quotes the value


def _plain(value: Any, depth: int = 0) -> Any:
    """An argument of the API, of which a file must be an uploaded one; its meaning is for the endpoint to check."""
    if depth > DEEPEST:
        raise _refusal()
    if isinstance(value, list):
        return [_plain(each, depth + 1) for each in value]
    if isinstance(value, dict):
        if isinstance(value.get("path"), str):
            check_upload(value["path"])
            value = {**value, "url": None}
        return {_plain(key): _plain(each, depth + 1) for key, each in value.items()}
    if isinstance(value, str) and HALF.search(value):
        raise RequestError(t("error.half_character"))
    return value


def _refusal() -> RequestError:
    return RequestError(t("error.values"))
