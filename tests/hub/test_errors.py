"""What the Hub refuses is told with its cause and the next step; the deploys in tests/deploy meet the other refusals."""

from __future__ import annotations

import httpx2
import pytest
from huggingface_hub import errors as hub

from streamspace.errors import DeployError
from streamspace.hub.errors import hub_errors, permitted, status


def refusal(
    code: int, said: str | None = "no.", kind: type[hub.HfHubHTTPError] = hub.HfHubHTTPError, **headers: str
) -> hub.HfHubHTTPError:
    request = httpx2.Request("POST", "https://huggingface.co/api/x", headers={"authorization": "Bearer hf_a"})
    return kind("refused", response=httpx2.Response(code, headers=headers, request=request), server_message=said)


def told(error: Exception) -> str:
    with pytest.raises(DeployError) as caught, hub_errors("set it", "owner/demo"):
        raise error
    assert caught.value.__cause__ is error
    return str(caught.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (refusal(400), "the Hub answered no. Run: python -m streamspace check"),
        (refusal(404), "there is no Space 'owner/demo', or your token may not see it. Check the spelling and `hf auth whoami`"),
        (refusal(401, kind=hub.RepositoryNotFoundError), "there is no Space 'owner/demo', or your token may not see it. "
         "Check the spelling and `hf auth whoami`"),
        (refusal(412), "somebody else changed 'owner/demo' since this deploy looked at it. Look at what changed "
         "(https://huggingface.co/spaces/owner/demo/commits/main), and run the same command again to put yours over it"),
        (refusal(429), "too many requests to the Hub (no). Wait a few minutes, and run the same command again: it goes on from there"),
        (refusal(429, **{"Retry-After": "9"}), "too many requests to the Hub (no). Wait 9 s, and run the same command again: "
         "it goes on from there"),
        (refusal(500, None), "the Hub answered status 500. Try again later; https://status.huggingface.co"),
        (refusal(500, f"a\n  b{'c' * 300}"), f"the Hub answered a b{'c' * 197}. Try again later; https://status.huggingface.co"),
        (hub.LocalTokenNotFoundError("none"), "the Hub doesn't know who you are. Run: hf auth login (in CI: set HF_TOKEN or "
         "HF_OIDC_RESOURCE)"),
        (hub.OIDCError("no such token"), "no such token"),
        (ValueError("sdk:\n  no"), "sdk: no. Run: python -m streamspace check"),
    ],
)  # fmt: skip
def test_a_refusal_is_told_with_its_cause_and_the_next_step(error: Exception, expected: str) -> None:
    assert told(error) == f"Can't set it: {expected}"


@pytest.mark.parametrize(
    "error", [hub.OfflineModeIsEnabled("off"), httpx2.ConnectError("no"), httpx2.ReadTimeout("slow")]
)
def test_a_hub_out_of_reach_is_told(error: Exception) -> None:
    assert told(error) == (
        "Can't set it: the Hub can't be reached from here. Check the network (and that HF_HUB_OFFLINE isn't set), then run "
        "the same command again: it goes on where it stopped"
    )


@pytest.mark.parametrize("code", [401, 403])
def test_what_a_token_may_not_read_is_unknown(code: int) -> None:
    def ask() -> int:
        raise refusal(code)

    assert permitted(ask) is None
    assert permitted(lambda: 7) == 7


def test_another_refusal_of_a_question_is_an_error() -> None:
    def ask() -> int:
        raise refusal(404)

    with pytest.raises(hub.HfHubHTTPError):
        permitted(ask)


def test_an_error_without_an_answer_has_no_status() -> None:
    assert [status(None), status(ValueError()), status(refusal(418))] == [0, 0, 418]
