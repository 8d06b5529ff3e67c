"""The OpenAPI document of a Space's OpenAI routes, from the schemas by which they check what is sent."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from streamspace.config.ranges import MAX_SEED
from streamspace.config.types import Config
from streamspace.repository import called
from streamspace.web.openai.schema import LENGTHS, SAMPLING, Chat, Completion

Schema = dict[str, Any]
SHORT = 8  # tokens of a reply, at most: what is tried is whether there is an answer
TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
HELLO = [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
ANY: Schema = {"type": ["string", "null"]}


def _mapping(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


ERROR = _mapping(error=_mapping(message=TEXT, type=TEXT, param=ANY, code=ANY) | {"additionalProperties": False})
CHOICES: Schema = {"type": "array", "minItems": 1, "items": _mapping(index={"const": 0}, finish_reason=TEXT)}
REPLY = _mapping(id=TEXT, object=TEXT, created=WHOLE, model=TEXT, choices=CHOICES, usage={"type": "object"})
MODEL = _mapping(id=TEXT, object={"const": "model"}, created=WHOLE, owned_by=TEXT)
MODELS = _mapping(object={"const": "list"}, data={"type": "array", "items": MODEL})


def document(config: Config) -> Schema:
    """The four operations; every answer that isn't a success is an error in OpenAI's form."""
    kinds = [(Chat, "validation"), (Completion, "validation")]
    _, found = models_json_schema(kinds, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas: Schema = found["$defs"]
    for body in (schemas["Chat"], schemas["Completion"]):
        body["properties"] |= _known(config)
        body["required"].append("max_tokens")
    schemas["Chat"]["properties"]["messages"]["examples"] = [HELLO]  # on which the cases are built
    formats = {"enum": ["text", "json_object"]}
    schemas["Chat"]["properties"] |= {
        "response_format": _mapping(type=formats),
        "chat_template_kwargs": {"maxProperties": 0},
    }
    named = {"name": "model", "in": "path", "required": True, "schema": TEXT, "example": "tiny"}
    return {
        "openapi": "3.1.0",
        "info": {"title": config.page.title, "version": "1"},
        "paths": {
            "/chat/completions": {"post": _asked("Chat") | _answered(REPLY, "text/event-stream")},
            "/completions": {"post": _asked("Completion") | _answered(REPLY, "text/event-stream")},
            "/models": {"get": _answered(MODELS)},
            "/models/{model}": {"get": {"parameters": [named]} | _answered(MODEL)},
        },
        "components": {"schemas": schemas},
    }


def _known(config: Config) -> Schema:
    """What the schemas themselves take anything for, and check by rules: parameters within the config's ranges."""
    ranges = {name: getattr(config.sampling, name) for name in SAMPLING}
    numbers = {name: {"type": "number", "minimum": each.min, "maximum": each.max} for name, each in ranges.items()}
    lengths = {name: WHOLE | {"minimum": 1, "maximum": SHORT} for name in LENGTHS}
    seed = WHOLE | {"minimum": 0, "maximum": MAX_SEED}
    model = {"const": called(config.model.id)}
    return {**numbers, **lengths, "top_k": numbers["top_k"] | WHOLE, "seed": seed, "model": model}


def _asked(kind: str) -> Schema:
    schema = {"$ref": f"#/components/schemas/{kind}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _answered(schema: Schema, *others: str) -> Schema:
    content = {"application/json": {"schema": schema}, **{each: {} for each in others}}
    failed = {"application/json": {"schema": ERROR}}
    return {
        "responses": {
            "200": {"description": "A reply", "content": content},
            "default": {"description": "An error", "content": failed},
        }
    }
