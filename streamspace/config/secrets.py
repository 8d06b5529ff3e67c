"""The one rule for secrets from the environment: what they are called, where they may go, and what they may hold.

No message repeats a value, nor a name that breaks the rule, since it may be the value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from streamspace.errors import ConfigError

HUB = "HF_TOKEN"
# A prefix of its own, so that no config sends what the environment holds for something else: AWS_SECRET_ACCESS_KEY.
NAME = re.compile(r"HF_TOKEN|ENDPOINT_[A-Z0-9_]{1,60}")
KEY = re.compile(r"ACCESS_[A-Z0-9_]{1,60}")  # is sent to us: a client that has it must know nothing else by it
HUB_HOST = "huggingface.co"  # and its subdomains; on hf.space and endpoints.huggingface.cloud anybody has servers


def goes_to(name: str, url: str | None) -> bool:
    """Whether a secret may be sent to a server; without a URL that is Hugging Face's."""
    if name != HUB or url is None:
        return True
    parts = urlsplit(url)
    return parts.scheme == "https" and f".{parts.hostname}".endswith(f".{HUB_HOST}")


def value(name: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """A secret's value, without whitespace around it; None where there is none. Raises ConfigError if it is no key."""
    text = environ.get(name, "").strip()
    if text[:7].lower() == "bearer ":
        problem = "one that begins with 'Bearer ', which is added to it"
    elif not re.fullmatch(r"[!-~]*", text):
        problem = "one with a space, a line break or another character in it that no key has"
    else:
        return text or None
    raise ConfigError([f"{name}: expected a key alone, got {problem}. Set this secret again"])


def required(key: str, name: str, environ: Mapping[str, str] = os.environ) -> str:
    """The value of a secret that a config's key names. Raises ConfigError where there is none."""
    if found := value(name, environ):
        return found
    problem = f"{key}: expected a secret {name!r} in the environment, found none"
    raise ConfigError([f"{problem}. Deploy with --secret {name}; on your computer: export {name}=..."])


def ours(name: str) -> bool:
    """Whether the app reads this secret, and holds it to its rule."""
    return bool(NAME.fullmatch(name) or KEY.fullmatch(name))


def check(names: set[str], environ: Mapping[str, str] = os.environ) -> None:
    """Raises ConfigError if one of these secrets, or the Hub's, holds what is no key."""
    for name in sorted({*names, HUB}):
        value(name, environ)
