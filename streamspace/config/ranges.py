"""The keys under `sampling`: ranges, within which a visitor chooses; the parameters are those of `sampling`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, Field, create_model, model_validator

from streamspace.config.base import Part, Text, broken
from streamspace.sampling import PARAMETERS, Parameter

MAX_SEED = 2**31 - 1


class Range(Part):
    """A number that the visitor may choose within bounds."""

    default: float
    min: float
    max: float

    @model_validator(mode="after")
    def _default_lies_within(self) -> Self:
        if self.min > self.max:
            raise broken("min", f"at most max, which is {self.max:g}", self.min)
        if not self.min <= self.default <= self.max:
            raise broken("default", f"a value from min to max, {self.min:g} to {self.max:g}", self.default)
        return self


class IntRange(Range):
    """A whole number that the visitor may choose within bounds."""

    default: int  # type: ignore[assignment]
    min: int  # type: ignore[assignment]
    max: int  # type: ignore[assignment]


def within(low: float, high: float) -> AfterValidator:
    """The widest bounds that make sense for any model; a config chooses its own inside them."""

    def check(chosen: Range) -> Range:
        if chosen.min < low:
            raise broken("min", f"at least {low:g}", chosen.min)
        if chosen.max > high:
            raise broken("max", f"at most {high:g}", chosen.max)
        return chosen

    return AfterValidator(check)


def _limits(parameter: Parameter) -> Any:
    """A parameter's field in SamplingLimits: its type and its default."""
    kind: type[Range] = IntRange if parameter.is_int else Range
    default = kind(default=parameter.default, min=parameter.min, max=parameter.max)
    bounded = Annotated[kind, within(parameter.low, parameter.high)]  # type: ignore[valid-type]
    return bounded, Field(default, description=parameter.description)


_Limits: Any = create_model("_Limits", __base__=Part, **{each.name: _limits(each) for each in PARAMETERS})


class SamplingLimits(_Limits):
    """How the next token is chosen: what a reply uses by default, and how far the visitor may go."""

    if TYPE_CHECKING:  # of the fields made from PARAMETERS, the one that other modules read by name

        @property
        def max_new_tokens(self) -> IntRange: ...

    seed: int | None = Field(
        None, ge=0, le=MAX_SEED, description="Seed of the sampling; `null`: a new seed for each reply."
    )
    stop: list[Text] = Field([], max_length=8, description="Strings that end the reply; they are not shown.")
