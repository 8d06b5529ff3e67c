"""Functions that a client has and a model may ask for: small values that doors, prompts and engines share."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Call:
    """A call that a model asks for: the function's name, and its arguments as a JSON object.

    `id` tells its result from others' in the prompt; a reply's new calls have none yet.
    """

    name: str
    arguments: str = "{}"
    id: str = ""

    def as_message(self) -> dict[str, Any]:
        """As chat templates have it, which take the arguments as a mapping."""
        told = self.as_sent()
        return {**told, "function": {**told["function"], "arguments": json.loads(self.arguments)}}

    def as_sent(self) -> dict[str, Any]:
        """As OpenAI's API has it."""
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}


@dataclass(frozen=True)
class Tools:
    """What a reply may call: `functions` is JSON, a list in the form of OpenAI's API.

    With `required` the reply has to be a call, of the function `only` where one is named.
    """

    functions: str
    required: bool = False
    only: str = ""

    @property
    def listed(self) -> list[dict[str, Any]]:
        """The functions, each as a chat template takes it."""
        found: list[dict[str, Any]] = json.loads(self.functions)
        return found

    @property
    def names(self) -> list[str]:
        """The functions' names."""
        return [each["function"]["name"] for each in self.listed]

    @property
    def grammar(self) -> str:
        """The JSON schema of a reply that has to be a call; "" where it needn't be."""
        if not self.required:
            return ""
        wanted = [each["function"] for each in self.listed if self.only in ("", each["function"]["name"])]
        places = [f"#/$defs/{index}" for index in range(len(wanted))]
        any_of = [_called(each["name"], place) for each, place in zip(wanted, places, strict=True)]
        definitions = {
            place.rpartition("/")[2]: _moved(_closed(each.get("parameters") or {"type": "object"}), place)
            for each, place in zip(wanted, places, strict=True)
        }
        return json.dumps({"anyOf": any_of, "$defs": definitions}, ensure_ascii=False, separators=(",", ":"))


def everywhere(value: Any, change: Callable[[str], str]) -> Any:
    """A value of JSON with each text in it changed, names of keys too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [everywhere(each, change) for each in value]
    if isinstance(value, dict):
        return {change(key): everywhere(each, change) for key, each in value.items()}
    return value


def _called(name: str, parameters: str) -> dict[str, Any]:
    properties = {"name": {"const": name}, "arguments": {"$ref": parameters}}
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def _closed(parameters: dict[str, Any]) -> dict[str, Any]:
    """Without arguments that aren't described, which a function couldn't take; unless the schema has rules beside."""
    plain = parameters.keys() <= {"type", "properties", "required", "title", "description", "$defs", "$schema"}
    return {**parameters, "additionalProperties": False} if plain and parameters.get("properties") else parameters


def _moved(schema: Any, place: str) -> Any:
    """A schema that has become a part of another, with its references to itself."""
    if isinstance(schema, list):
        return [_moved(each, place) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: place + each[1:] if key == "$ref" and isinstance(each, str) else _moved(each, place)
        for key, each in schema.items()
    }
