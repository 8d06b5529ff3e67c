"""The keys under `access`: what clients of the API have to bring, and which visitors the page is for."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from streamspace.config import secrets
from streamspace.config.base import Part, broken


def _key(name: str) -> str:
    if not secrets.KEY.fullmatch(name):
        raise broken("", "a secret's name that begins with ACCESS_, such as ACCESS_KEY", name)
    return name


def _name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,96}", name):
        raise broken("", "a name at the Hub, as in huggingface.co/NAME, in any case", name)
    return name


Name = Annotated[str, AfterValidator(_name)]


class Access(Part):
    """Who may use the page, the API and `/metrics`; without these keys, whoever can open the Space."""

    key: Annotated[str, AfterValidator(_key)] | None = Field(
        None,
        description="A secret's name that begins with `ACCESS_`, such as `ACCESS_KEY`: clients of the API and of "
        "`/metrics` have to send its value; `null`: none.",
    )
    login: bool = Field(
        False,
        description="Visitors of the page have to sign in with Hugging Face; the API and `/metrics` are then closed "
        "without `access.key`.",
    )
    users: list[Name] = Field(
        [], max_length=1000, description="With `login`: accounts of the Hub that may use the page; see `organizations`."
    )
    organizations: list[Name] = Field(
        [],
        max_length=100,
        description="With `login`: organizations of the Hub whose members may use the page. Without `users` and "
        "`organizations`: everybody who signs in.",
    )

    @model_validator(mode="after")
    def _who_may_come_in_has_to_sign_in(self) -> Self:
        for name in ("users", "organizations"):
            if getattr(self, name) and not self.login:
                raise broken(name, "none without login: true, by which visitors are known", list(getattr(self, name)))
        return self
