"""The functions that a client offers the model, `tools` and `tool_choice`, read and within bounds.

Whether this model can call them is for whoever writes its prompts to say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from streamspace.problems import say
from streamspace.tools import Tools
from streamspace.web.openai import formats
from streamspace.web.openai.errors import Refused

NAME, CHOICE = "tools", "tool_choice"
NAMES = re.compile(r"[A-Za-z0-9_-]{1,64}")
MOST = 128  # functions
CHARACTERS = 262_144  # of all, as JSON; what fits the model is less, and is counted in tokens


def read(value: object) -> tuple[dict[str, Any], ...]:
    """The functions, each with its name, and what is described of it. Raises Refused."""
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MOST:
        raise _wrong("", f"a list of at most {MOST} functions", say(value))
    found = tuple(_function(each, f"[{index}]") for index, each in enumerate(value))
    names = [each["function"]["name"] for each in found]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise _wrong(f"[{index}].function.name", "each name once", say(name))
    if (length := len(json.dumps(found, ensure_ascii=False))) > CHARACTERS:
        raise _wrong("", f"at most {CHARACTERS} characters", str(length))
    return found


def offered(functions: tuple[dict[str, Any], ...], choice: object) -> Tools | None:
    """What a reply may call, by the client's choice; None where that is nothing. Raises Refused."""
    names = [each["function"]["name"] for each in functions]
    match choice:
        case "none":
            return None
        case None | "auto" | "required":
            only = ""
        case {"type": "function", "function": {"name": str(only)}} if only in names:
            pass
        case _:
            expected = "'none', 'auto', 'required' or a function of tools"
            raise Refused(f"{CHOICE}: expected {expected}, got {say(choice)}", CHOICE)
    if not functions:
        if choice == "required":
            raise Refused(f"{CHOICE}: expected tools beside 'required', got none", CHOICE)
        return None
    return Tools(json.dumps(functions, ensure_ascii=False), bool(only) or choice == "required", only)


def _function(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or value.get("type") != "function" or not isinstance(value.get("function"), dict):
        found = say(value.get("type")) if isinstance(value, dict) else say(value)
        raise _wrong(where, "a mapping with type: 'function' and the key function", found)
    told, where = value["function"], f"{where}.function"
    name, about, parameters = told.get("name"), told.get("description"), told.get("parameters")
    if not isinstance(name, str) or not NAMES.fullmatch(name):
        raise _wrong(f"{where}.name", "1 to 64 of the characters A-Z, a-z, 0-9, _ and -", say(name))
    if not isinstance(about, str | None):
        raise _wrong(f"{where}.description", "text", say(about))
    if parameters is not None:
        for problem in _problems(parameters):
            raise _wrong(f"{where}.parameters", *problem)
    # Many templates and parsers read both, so both are there.
    described = {
        "name": name,
        "description": about or "",
        "parameters": parameters or {"type": "object", "properties": {}},
    }
    return {"type": "function", "function": described}


def _problems(schema: object) -> Iterator[tuple[str, str]]:
    if not isinstance(schema, dict):
        yield "a JSON schema", say(schema)
    elif schema.get("type", "object") != "object":
        yield "a JSON schema of an object", say(schema["type"])
    else:
        yield from formats.problems(schema)


def _wrong(where: str, expected: str, found: str) -> Refused:
    return Refused(f"{NAME}{where}: expected {expected}, got {found}", NAME)
