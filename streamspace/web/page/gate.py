"""What a client may send: one schema for each kind of component, which every value passes before anything reads it.

Gradio builds components, opens files and fetches addresses that are named in a value, and anyone can call every event
of the page. What a value means is for those who take it to check, such as `parameters` and `conversation`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, Literal, get_type_hints

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


class TextPart(Known):
    """A text of a message."""

    type: Literal["text"]
    text: str


class FilePart(Known):
    """A file of a message."""

    type: Literal["file"]
    file: File
    alt_text: str | None = None


class Metadata(Known):
    """What the page tells of a message: thoughts have a title, figures and problems an id."""

    title: str | None = None
    id: str | int | None = None
    parent_id: str | int | None = None
    status: Literal["pending", "done"] | None = None
    duration: Number | None = None
    log: str | None = None


class Message(Known):
    """A message of the chatbot. Its other kind of part, a component, would be built from what the client says."""

    role: Literal["user", "assistant"]
    content: list[Annotated[TextPart | FilePart, Field(discriminator="type")]]
    metadata: Metadata | None = None
    options: Annotated[list[Any], Field(max_length=0)] | None = None


class Box(Known):
    """The box for a text and images."""

    text: str
    files: list[File] = []


class Example(BaseModel):
    """An example that the visitor pressed."""

    text: str


class Pick(BaseModel):
    """The data of the event: which example it was."""

    index: int
    value: Example


class Edit(BaseModel):
    """The data of the event: which message was edited, and what it is now."""

    index: int | list[int]
    value: str
    previous_value: str = ""


def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind | None, config=None if isinstance(kind, type) and issubclass(kind, BaseModel) else STRICT)


STRICT = ConfigDict(strict=True)
SCHEMAS: dict[type, TypeAdapter[Any]] = {
    gr.Chatbot: _adapter(list[Message]),
    gr.Textbox: _adapter(str),
    gr.Radio: _adapter(str),
    gr.MultimodalTextbox: _adapter(Box),
    gr.Checkbox: _adapter(bool),
    gr.Slider: _adapter(Number),
    gr.Number: _adapter(Number),
    gr.Dataset: _adapter(Annotated[int, Field(ge=0)]),
}
EVENTS: dict[type, TypeAdapter[Any]] = {gr.SelectData: TypeAdapter(Pick), gr.EditData: TypeAdapter(Edit)}


class Gate:
    """Lets through what the page of this config sends. Raises RequestError for anything else."""

    def __init__(self, config: Config) -> None:
        self._context = {"images": config.task == "image-chat"}

    def values(self, function: BlockFunction, values: Any) -> list[Any]:
        """The values of a call, each as its component's schema has it."""
        if not function.fn or not isinstance(values, list) or len(values) != len(function.inputs):
            raise _refusal()
        return [self._value(type(block), value) for block, value in zip(function.inputs, values, strict=True)]

    def event(self, function: BlockFunction, event: gr.EventData | None) -> gr.EventData:
        """The data of a call's event, if the function takes any."""
        target, schema = (event.target if event else None), _event_schema(function.fn)
        return gr.EventData(target, _checked(schema, event and event._data, self._context) if schema else None)

    def _value(self, component: type, value: Any) -> Any:
        if component is Api:
            return _plain(value)
        if component not in SCHEMAS:
            raise _refusal()
        return _checked(SCHEMAS[component], value, self._context)


@cache
def _event_schema(function: Any) -> TypeAdapter[Any] | None:
    """The schema of the event's data that a function takes."""
    return next((EVENTS[kind] for kind in get_type_hints(function).values() if kind in EVENTS), None)


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
        return {key: _plain(each, depth + 1) for key, each in value.items()}
    return value


def _refusal() -> RequestError:
    return RequestError(t("error.values"))
