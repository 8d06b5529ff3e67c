"""The keys under `endpoint`: the server that runs the model, and the secret that goes to it."""

from __future__ import annotations

import re
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from streamspace.config import secrets
from streamspace.config.base import Part, Text, broken


def _address(url: str) -> str:
    url = url.strip()
    try:
        valid = re.fullmatch(r"https?://[!-~]+", url) and not re.search(r"[@?#\\]", url) and urlsplit(url).port != 0
    except ValueError:  # a port or an IPv6 address that is none
        valid = False
    if not valid:
        raise broken("", "an address that starts with https:// or http://, without a user, a key, ? and #", url)
    return url


def _secret(name: str) -> str:
    if not secrets.NAME.fullmatch(name):
        raise broken("", "HF_TOKEN, or a secret's name that begins with ENDPOINT_, such as ENDPOINT_KEY", name)
    return name


class Endpoint(Part):
    """The server that runs the model, for `engine: endpoint`; `model.id` is the model's name there."""

    url: Annotated[str, AfterValidator(_address)] | None = Field(
        None, description="URL that ends in `/v1`; `null`: Hugging Face's Inference Providers."
    )
    provider: Text = Field("auto", description="The Inference Provider, if `url` is `null`.")
    secret: Annotated[str, AfterValidator(_secret)] = Field(
        "ENDPOINT_KEY",
        description="Name of the Space's secret with the server's key. It begins with `ENDPOINT_`, or is `HF_TOKEN`, "
        "which is sent to huggingface.co only.",
    )
    timeout: float = Field(60.0, gt=0, le=600, description="Seconds without data until the request fails.")

    @model_validator(mode="after")
    def _the_secret_may_go_there(self) -> Self:
        if not secrets.goes_to(self.secret, self.url):
            raise broken("secret", "a name such as ENDPOINT_KEY for a server that isn't huggingface.co", self.secret)
        return self
