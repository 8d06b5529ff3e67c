"""The keys under `access`: what a client of the API has to bring; the page asks for nothing."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from streamspace.config import secrets
from streamspace.config.base import Part, broken


def _key(name: str) -> str:
    if not secrets.KEY.fullmatch(name):
        raise broken("", "a secret's name that begins with ACCESS_, such as ACCESS_KEY", name)
    return name


class Access(Part):
    """Who may use the API and `/metrics`. Whoever can open the page can use it."""

    key: Annotated[str, AfterValidator(_key)] | None = Field(
        None,
        description="A secret's name that begins with `ACCESS_`, such as `ACCESS_KEY`: clients of the API and of "
        "`/metrics` have to send its value; `null`: none.",
    )
