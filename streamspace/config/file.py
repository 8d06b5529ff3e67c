"""Finds, reads and checks a config file; what its keys mean is `config`'s."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from streamspace.config import parsing, paths, secrets
from streamspace.config.base import part_of
from streamspace.config.types import Config
from streamspace.errors import ConfigError
from streamspace.foreign import clean
from streamspace.problems import expected, say
from streamspace.repository import ROOT

FOLDER = ROOT / "config"
SCHEMA = FOLDER / "schema.json"


def chosen(environ: Mapping[str, str] = os.environ) -> Path:
    """The file that `SPACE_CONFIG` names: a path, or the bare name of a file in config/; without it, default.yaml."""
    return locate(environ.get("SPACE_CONFIG") or "default")


def locate(name: str) -> Path:
    """The path of a config given as a path or a bare name. Raises ConfigError when there is none."""
    candidates = [Path(name), ROOT / name, FOLDER / name, FOLDER / f"{name}.yaml"]
    for path in candidates:
        if path.is_file():
            return path
    known = ", ".join(names())
    raise ConfigError(
        [f"{name}: expected a config file, found none. Give a path, or one of config/: {known}{_near(name, names())}"]
    )


def names() -> list[str]:
    """The bare names of the files in config/, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read(path: Path) -> Config:
    """The checked config in `path`. Raises ConfigError with every problem of the file at once."""
    data = _parse(path)
    if not isinstance(data, dict):
        kind = "an empty file" if data is None else say(data)
        raise _error(path, f"expected keys such as card, page and model, got {kind}. Start from config/default.yaml")
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise _error(path, *_problems(error, data)) from None
    if problems := list(paths.problems(config)):
        raise _error(path, *problems)
    return config


def schema() -> str:
    """The JSON Schema of a config file, as the text of config/schema.json."""
    return json.dumps(Config.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def _parse(path: Path) -> Any:
    inside = _inside(path)
    if inside and (reason := paths.refusal(str(inside), paths.CONFIG)):
        raise _error(path, f"expected a file in this repository, got one {reason}")
    try:
        if (size := path.stat().st_size) > parsing.MOST_BYTES:
            raise _error(path, f"expected at most {parsing.MOST_BYTES // 1000} kB, got {size / 1000:,.0f} kB")
        return parsing.parse(path.read_text("utf-8"))
    except OSError as error:
        raise _error(path, f"expected a readable file, got {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise _error(path, f"expected UTF-8 text, got a byte that isn't at position {error.start}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise _error(f"{_show(path)}{where}", f"expected YAML, got {error.problem}") from None


def _error(where: Path | str, *problems: str) -> ConfigError:
    shown = _show(where) if isinstance(where, Path) else where
    return ConfigError([clean(f"{shown}: {problem}") for problem in problems])


def _problems(error: ValidationError, data: Any) -> Iterator[str]:
    """One `dotted.key: expected X, got Y` for each thing pydantic found."""
    for detail in error.errors():
        *parents, last = detail["loc"] or ("",)
        key = ".".join(str(part) for part in (*detail["loc"], *_rule_key(detail)))
        if detail["type"] == "extra_forbidden":
            known = _keys_at(parents)
            near = _near(str(last), known) or f"; known here: {', '.join(known)}"
            yield f"{key}: expected a known key, got {say(str(last))}{near}"
        elif detail["type"] == "missing":
            yield f"{key}: expected this required key ({_meaning(detail['loc'])}), got nothing"
        else:
            got = detail["ctx"]["got"] if detail["type"] == "rule" else detail["input"]
            yield f"{key}: expected {expected(detail)}, got {_say_below(key, got)}"


def _rule_key(detail: ErrorDetails) -> tuple[str, ...]:
    """The key below the location that a rule of ours is about, if there is one."""
    return (detail["ctx"]["key"],) if detail["type"] == "rule" and detail["ctx"]["key"] else ()


def _say_below(key: str, value: Any) -> str:
    """A value for a message, unless it may be a server's key, given in a wrong place."""
    if key.startswith("endpoint") and isinstance(value, str) and not secrets.NAME.fullmatch(value):
        return "something that isn't repeated here, since it may hold a key"
    return say(value)


def _meaning(location: tuple[int | str, ...]) -> str:
    """The first clause of a key's description."""
    parent = _model_at(location[:-1])
    info = parent.model_fields.get(str(location[-1])) if parent else None
    described = (info.description if info else None) or "a value"
    return described.split(";")[0].rstrip(".")


def _keys_at(location: list[int | str]) -> list[str]:
    found = _model_at(tuple(location))
    return list(found.model_fields) if found else []


def _model_at(location: tuple[int | str, ...]) -> type[BaseModel] | None:
    found: type[BaseModel] | None = Config
    for part in location:
        info = found.model_fields.get(str(part)) if found else None
        found = part_of(info) if info else None
    return found


def _near(word: str, known: list[str]) -> str:
    matches = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {matches[0]!r}?" if matches else ""


def _show(path: Path) -> str:
    """A path as it is typed from the repository's root, where it lies in it."""
    inside = _inside(path)
    return str(inside) if inside else str(path)


def _inside(path: Path) -> Path | None:
    """The path from the repository's root, as written and without following links; None for one outside."""
    written = Path(os.path.abspath(path))
    return written.relative_to(ROOT) if written.is_relative_to(ROOT) else None
