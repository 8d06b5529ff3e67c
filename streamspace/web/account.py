"""The account with which a visitor has signed in, as the session has it, and whether the config lets it in.

How it comes into the session is `login`'s to say.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import Scope

from streamspace.config.access import Access

PLACE = "account"  # in the session


@dataclass(frozen=True)
class Account:
    """An account of the Hub: its lasting id, its name, and those of the config's organizations that it belongs to.

    It is signed in `until` a time, in seconds since 1970. The `token` is kept where it tells the GPU time that is left.
    """

    id: str
    name: str
    organizations: list[str]
    until: float
    token: str | None = field(default=None, repr=False)

    def may(self, access: Access) -> bool:
        """Whether the config lets it use the page."""
        named = self.name.lower() in lowered(access.users)
        member = not lowered(access.organizations).isdisjoint(self.organizations)
        return named or member or not (access.users or access.organizations)


def lowered(names: Iterable[str]) -> set[str]:
    """Names of the Hub, as they are compared."""
    return {name.lower() for name in names}


def of(scope: Scope) -> Account | None:
    """The account of a request that comes from the page itself; another site may send its visitors' cookies along."""
    found = scope.get("session", {}).get(PLACE)
    if not found or not from_here(scope):
        return None
    account = Account(**found)
    return account if account.until > time.time() else None


def from_here(scope: Scope) -> bool:
    """Whether no other site has a browser send this request: browsers tell, older ones by the origin alone."""
    headers = Headers(scope=scope)
    if site := headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")
    if (origin := headers.get("origin")) is None:
        return True
    return origin.partition("://")[2] in {headers.get("host"), *hosts()} - {""}


def hosts() -> list[str]:
    """The names under which a Space is reached, the Hub's own first."""
    return [host.strip() for host in os.environ.get("SPACE_HOST", "").split(",") if host.strip()]
