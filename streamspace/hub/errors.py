"""Translates the Hub client's errors into the cause and the next step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

import httpx2
from huggingface_hub import errors as hub

from streamspace.errors import DeployError, first_line

T = TypeVar("T")
TOKENS = "https://huggingface.co/settings/tokens"


@contextlib.contextmanager
def hub_errors(step: str, name: str, kind: str = "Space") -> Iterator[None]:
    """Raises the Hub client's errors as a DeployError. `step` reads like "create the Space", of a Space or a model."""
    try:
        yield
    except hub.OIDCError as error:
        raise DeployError(f"Can't {step}: {first_line(error)}") from error
    except (hub.OfflineModeIsEnabled, httpx2.NetworkError, httpx2.TimeoutException) as error:
        raise DeployError(
            f"Can't {step}: the Hub can't be reached from here. Check the network (and that HF_HUB_OFFLINE isn't set), "
            "then run the same command again: it goes on where it stopped"
        ) from error
    except (hub.HfHubHTTPError, hub.LocalTokenNotFoundError) as error:
        raise DeployError(f"Can't {step}: {_meaning(error, name, kind)}") from error
    except ValueError as error:  # the Hub's validation of the card
        raise DeployError(
            f"Can't {step}: {first_line(' '.join(str(error).split()))}. Run: python -m streamspace check"
        ) from error


def permitted(ask: Callable[[], T]) -> T | None:
    """The result of `ask`, or None if the token lacks permission: a Trusted Publisher's reads little but files."""
    try:
        return ask()
    except hub.HfHubHTTPError as error:
        if status(error) in (401, 403):
            return None
        raise


def status(error: BaseException | None) -> int:
    """The HTTP status of an error, 0 without one."""
    response = getattr(error, "response", None)
    return response.status_code if response is not None else 0


def _meaning(error: Exception, name: str, kind: str) -> str:
    owner = name.split("/")[0]
    code = status(error)
    if isinstance(error, hub.LocalTokenNotFoundError) or (code == 401 and not _authorization(error)):
        return "the Hub doesn't know who you are. Run: hf auth login (in CI: set HF_TOKEN or HF_OIDC_RESOURCE)"
    if _asked(error).endswith("/oauth/token"):
        return (
            f"the Space doesn't trust this workflow ({_said(error)}). Add it in the Space's settings, under Trusted "
            "Publishers; docs/deploying.md says how"
        )
    if code == 401 and _keyless(error):
        return (
            "a Trusted Publisher's token may push to its Space, but not create it or change its settings. "
            "Do this step once with a token of your own: run the same command on your computer, after hf auth login"
        )
    if isinstance(error, hub.RepositoryNotFoundError) and code in (401, 404):
        return MEANINGS[404].format(kind=kind, name=name)
    return MEANINGS.get(code, "the Hub answered {said}. Try again later; https://status.huggingface.co").format(
        kind=kind, name=name, owner=owner, said=_said(error), wait=_wait(error)
    )


MEANINGS = {
    400: "the Hub answered {said}. Run: python -m streamspace check",
    401: f"the Hub doesn't accept your token; it may have been revoked or have expired. Make one at {TOKENS}, "
    "then run: hf auth login",
    402: "this hardware needs a paid plan for {owner!r} ({said}). A free account can host two Spaces on ZeroGPU "
    "(--hardware zero-a10g); cpu-basic needs PRO, and the others a payment method: "
    "https://huggingface.co/settings/billing",
    403: f"your token may not write to {{owner!r}} ({{said}}). Give it the role 'write', or a fine-grained permission "
    f"for this Space, at {TOKENS}; in an organization, ask for the role 'write' there",
    404: "there is no {kind} {name!r}, or your token may not see it. Check the spelling and `hf auth whoami`",
    409: "the Hub is busy with another change of {name!r} ({said}). Wait a minute, and run the same command again",
    412: "somebody else changed {name!r} since this deploy looked at it. Look at what changed "
    "(https://huggingface.co/spaces/{name}/commits/main), and run the same command again to put yours over it",
    429: "too many requests to the Hub ({said}). Wait {wait}, and run the same command again: it goes on from there",
}


def _keyless(error: Exception) -> bool:
    return _authorization(error).startswith("Bearer hf_jwt_")


def _authorization(error: Exception) -> str:
    response = getattr(error, "response", None)
    return str(response.request.headers.get("authorization", "")) if response is not None else ""


def _asked(error: Exception) -> str:
    """The URL of the refused request."""
    response = getattr(error, "response", None)
    return str(response.request.url) if response is not None else ""


def _said(error: Exception) -> str:
    """The Hub's message, shortened, or the status without one."""
    words = getattr(error, "server_message", None) or f"status {status(error)}"
    return first_line(" ".join(str(words).split()))[:200].rstrip(".")


def _wait(error: Exception) -> str:
    response = getattr(error, "response", None)
    seconds = response.headers.get("retry-after", "") if response is not None else ""
    return f"{seconds} s" if seconds.isdigit() else "a few minutes"
