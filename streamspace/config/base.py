"""What every mapping of a config file has in common; the mappings are in `types` and in the modules it names."""

from __future__ import annotations

import typing
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

Text = Annotated[str, StringConstraints(min_length=1)]


def broken(key: str, expected: str, got: object) -> PydanticCustomError:
    """A rule between keys that doesn't hold, in the parts that `configfile` puts into its line."""
    return PydanticCustomError("rule", "expected {expected}, got {got}", {"key": key, "expected": expected, "got": got})


class Part(BaseModel):
    """A mapping of the file: keys it doesn't know are errors, and values are not coerced from other types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def part_of(field: FieldInfo) -> type[BaseModel] | None:
    """The type of a field's mapping of keys; None where it holds something else."""
    kinds = [field.annotation, *typing.get_args(field.annotation)]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
