"""Finds, reads and checks a config file; what its keys mean is `config`'s."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from streamspace.config import parsing, paths, problems
from streamspace.config.edit import nodes
from streamspace.config.types import Config
from streamspace.errors import ConfigError
from streamspace.foreign import clean
from streamspace.problems import say
from streamspace.repository import ROOT

FOLDER = ROOT / "config"
SCHEMA = FOLDER / "schema.json"


def chosen(environ: Mapping[str, str] = os.environ) -> Path:
    """The file that `SPACE_CONFIG` names: a path, or the bare name of a file in config/; without it, default.yaml."""
    return locate(environ.get("SPACE_CONFIG", "").strip() or "default")


def locate(name: str) -> Path:
    """The path of a config given as a path or a bare name. Raises ConfigError when there is none."""
    candidates = [Path(name), ROOT / name, FOLDER / name, FOLDER / f"{name}.yaml"]
    for path in candidates:
        if path.is_file():
            return path
    known, hint = ", ".join(names()), problems.near(name, names())
    raise ConfigError([f"{name}: expected a config file, found none. Give a path, or one of config/: {known}{hint}"])


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
        raise _error(path, *problems.of(error, _written(path))) from None
    if misplaced := list(paths.problems(config)):
        raise _error(path, *misplaced)
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
        raise _error(f"{typed(path)}{where}", f"expected YAML, got {parsing.explained(error.problem or '')}") from None


def _written(path: Path) -> dict[str, str]:
    """The values as the file has them, by dotted key: 0123456, where YAML reads the number 42798."""
    found = nodes(parsing.compose(path.read_text("utf-8")))
    return {key: node.value for key, node in found.items() if isinstance(node, yaml.ScalarNode)}


def _error(where: Path | str, *found: str) -> ConfigError:
    shown = typed(where) if isinstance(where, Path) else where
    return ConfigError([clean(f"{shown}: {problem}") for problem in found])


def typed(path: Path) -> str:
    """A path as it is typed from the repository's root, where it lies in it."""
    inside = _inside(path)
    return str(inside) if inside else str(path)


def _inside(path: Path) -> Path | None:
    """The path from the repository's root, as written and without following links; None for one outside."""
    written = Path(os.path.abspath(path))
    return written.relative_to(ROOT) if written.is_relative_to(ROOT) else None
