"""The real app with `access.login`, and a stand-in of the Hub's sign-in: who comes in, who doesn't, and what stays unsaid."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app.test_hostile_calls import QUESTION, with_question
from tests.app.test_openai import loaded, replies, user
from tests.app.test_redacting import functions
from tests.running import App
from tests.standins import openid
from tests.standins.openid import Provider, Visitor, organization

SCRIPTED = "tests/standins/apps/scripted_app.py"
KEY = "sk-space-4711-0815"
FIRST = "Sign in with Hugging Face on this Space's page first; reload it if you have been signed in"
MEMBER = [organization("Other"), organization("acme-LABS", "Some title")]
FAILED = "../?sign_in=failed"


@pytest.fixture(scope="module")
def hub() -> Iterator[Provider]:
    with openid.served() as provider:
        yield provider


@pytest.fixture(scope="module")
def app(hub: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    access = {"key": "ACCESS_KEY", "login": True, "users": ["Grace"], "organizations": ["Acme-labs"]}
    env = {"ACCESS_KEY": KEY, **hub.environment("openid profile read-memberships read-billing"), "HF_HUB_OFFLINE": "0"}
    running = App(tmp_path_factory.mktemp("login"), {"access": access, "doors.metrics": True}, SCRIPTED, env)
    hub.addresses.add(f"{running.url}/login/callback")
    loaded(running)
    yield running
    secrets = [openid.SECRET, "hf_oauth_", "code=", "Traceback", KEY, "grace", "__Host-", *hub.tokens]
    assert [each for each in secrets if each in running.log] == []
    running.end()


class Browser(httpx.Client):
    """A visitor's: it sends secure cookies to this computer's own addresses, too, as browsers do."""

    def __init__(self, url: str) -> None:
        self.kept: dict[str, str] = {}
        hooks = {"request": [self._send], "response": [self._take]}
        super().__init__(base_url=url, timeout=20, follow_redirects=True, event_hooks=hooks)

    def _send(self, request: httpx.Request) -> None:
        if request.url.port == self.base_url.port and self.kept:
            request.headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.kept.items())

    def _take(self, response: httpx.Response) -> None:
        for header in response.headers.get_list("set-cookie"):
            name, _, value = header.partition(";")[0].partition("=")
            self.kept[name] = value
            if "expires=Thu, 01 Jan 1970" in header:
                del self.kept[name]


@pytest.fixture
def browser(app: App, hub: Provider) -> Iterator[Browser]:
    hub.visitor = Visitor("GRACE")
    with Browser(app.url) as client:
        yield client


def sign_in(browser: Browser, visitor: Visitor, hub: Provider) -> dict[str, Any]:
    """What the page is told of the account, after the way to the Hub and back."""
    hub.visitor = visitor
    back = browser.get("/login/huggingface")
    assert (back.status_code, back.url.path) == (200, "/")
    return dict(browser.get("/streamspace/account").json())


def call(browser: httpx.Client, function: int, *values: Any, **headers: str) -> Any:
    """What a function of the page gives, or the words with which it is refused."""
    session = uuid.uuid4().hex
    body = {"data": list(values), "fn_index": function, "session_hash": session}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    assert browser.post("/gradio_api/queue/join", json=body, headers=named).status_code == 200
    lines = browser.get("/gradio_api/queue/data", params={"session_hash": session}).text.splitlines()
    told = [json.loads(line[5:]) for line in lines if line.startswith("data:")]
    output = next(each for each in told if each["msg"] == "process_completed")["output"]
    return output.get("error") or output["data"]


def asked(browser: httpx.Client, app: App, **headers: str) -> Any:
    """The state of a reply to what the page asks, or the words of the refusal."""
    answer = call(browser, with_question(app)[0], QUESTION, **headers)
    return answer if isinstance(answer, str) else answer[0]["state"]


def test_each_function_of_the_page_is_closed_before_and_open_after(browser: Browser, app: App, hub: Provider) -> None:
    own = [each for each in functions(app) if each["backend_fn"] and each["api_visibility"] != "public"]
    assert len(own) == 3
    for each in own:
        assert call(browser, each["id"], *[QUESTION for _ in each["inputs"]]) == FIRST
    assert browser.post("/streamspace/pdf", content=b"%PDF").json() == {"detail": FIRST}
    assert sign_in(browser, Visitor("GRACE"), hub) == {"name": "GRACE", "may": True}
    for each in own:
        assert not isinstance(call(browser, each["id"], *[QUESTION for _ in each["inputs"]]), str)
    assert browser.post("/streamspace/pdf", content=b"%PDF").status_code == 422


def test_who_signs_out_is_out(browser: Browser, app: App, hub: Provider) -> None:
    sign_in(browser, Visitor("grace"), hub)
    assert asked(browser, app) == "done"
    assert browser.post("/logout", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 204
    assert asked(browser, app) == "done"  # no other site has signed the visitor out
    browser.post("/logout", headers={"Sec-Fetch-Site": "same-origin"})
    assert not browser.kept
    assert asked(browser, app) == FIRST


@pytest.mark.parametrize(
    ("visitor", "may"),
    [
        (Visitor("gRACE"), True),
        (Visitor("eve", MEMBER), True),
        (Visitor("eve"), False),
        (Visitor("graces"), False),
        (Visitor("eve", [organization("other", "Acme-labs"), organization("acme-labs2")]), False),
        (Visitor("eve", [organization("acme-labs", restrictions=["sso"])]), False),
        (Visitor("acme-labs"), False),
        (Visitor("eve", [organization("grace")]), False),
    ],
)
def test_named_accounts_and_members_of_named_organizations_may(
    browser: Browser, app: App, hub: Provider, visitor: Visitor, may: bool
) -> None:
    assert sign_in(browser, visitor, hub) == {"name": visitor.name, "may": may}
    refused = (
        f"This Space is for others than {visitor.name}: its page says for whom. Sign out there to use another account"
    )
    assert asked(browser, app) == ("done" if may else refused)


def test_the_cookie_has_the_flags_of_a_secret_and_little_in_it(browser: Browser, app: App, hub: Provider) -> None:
    hub.visitor = Visitor("grace", [organization(f"organization-{number}") for number in range(200)] + MEMBER)
    hubs = browser.get("/login/huggingface", follow_redirects=False).headers["Location"]
    back = browser.get(httpx.get(hubs).headers["Location"], follow_redirects=False)
    name, _, value = back.headers["Set-Cookie"].partition("; ")[0].partition("=")
    flags = {flag.strip().lower() for flag in back.headers["Set-Cookie"].split(";")[1:]}
    assert name == "__Host-streamspace"
    assert flags == {"path=/", "max-age=28800", "httponly", "samesite=none", "secure", "partitioned"}
    assert len(value) < 1000
    kept = json.loads(base64.b64decode(value.split(".")[0]))["account"]
    assert set(kept) == {"id", "name", "organizations", "until", "token"}
    assert (kept["id"], kept["organizations"]) == ("user-grace", ["acme-labs"])


def test_sign_ins_that_are_not_ended_do_not_fill_the_cookie(browser: Browser, hub: Provider) -> None:
    sizes = set()
    for _ in range(12):
        browser.get("/login/huggingface", follow_redirects=False)
        sizes.add(len("".join(browser.kept.values())) // 100)
    assert len(sizes) == 1


@pytest.mark.parametrize("change", ["x", "", "eyJhY2NvdW50Ijp7fX0=.aaaa.bbbb"])
def test_a_forged_cookie_is_none(browser: Browser, app: App, hub: Provider, change: str) -> None:
    sign_in(browser, Visitor("grace"), hub)
    ((name, whole),) = browser.kept.items()
    forged = base64.b64encode(base64.b64decode(whole.split(".")[0]).replace(b"grace", b"admin")).decode()
    for value in (forged + whole[whole.index(".") :], change or whole[:-1], whole.swapcase()):
        with httpx.Client(base_url=app.url, headers={"Cookie": f"{name}={value}"}) as other:
            assert asked(other, app) == FIRST


def test_a_session_ends_with_the_hubs_token(browser: Browser, app: App, hub: Provider) -> None:
    hub.lasting = -1
    assert sign_in(browser, Visitor("grace"), hub) == {"name": None, "may": False}
    hub.lasting = 8 * 3600
    assert asked(browser, app) == FIRST


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}, {"Origin": "https://evil.example"},
        {"Origin": "null"}, {"Origin": "http://["},
    ],
)  # fmt: skip
def test_another_site_can_not_ask_in_a_visitors_name(
    browser: Browser, app: App, hub: Provider, headers: dict[str, str]
) -> None:
    sign_in(browser, Visitor("grace"), hub)
    assert asked(browser, app, **headers) == FIRST
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    assert browser.get("/streamspace/account", headers=named).json() == {"name": None, "may": False}
    assert asked(browser, app, Sec_Fetch_Site="same-origin") == "done"
    assert asked(browser, app, Origin=app.url) == "done"


def test_what_goes_wrong_on_the_way_leads_back_to_the_page_which_says_so(
    browser: Browser, app: App, hub: Provider
) -> None:
    def back(**more: str) -> str:
        hubs = browser.get("/login/huggingface", follow_redirects=False).headers["Location"]
        address = httpx.URL(httpx.get(hubs).headers["Location"]).copy_merge_params(more)
        answer = browser.get(address, follow_redirects=False)
        assert answer.status_code == 303
        return answer.headers["Location"]

    assert back() == "../"
    browser.post("/logout")
    assert back(state="another's") == FAILED
    assert back(code="another's") == FAILED
    for claims in (
        {"nonce": "another's"},
        {"aud": "another's"},
        {"iss": "another's"},
        {"exp": 1},
        {"sub": "another's"},
    ):
        hub.forged = claims
        assert back() == FAILED
    hub.forged = {}
    hub.visitor = Visitor("grace", agrees=False)
    assert back() == FAILED
    for path in (
        "/login/callback",
        "/login/callback?code=1&state=2",
        "/login/callback?error=x&error_description=hf_oauth_1",
    ):
        assert browser.get(path, follow_redirects=False).headers["Location"] == FAILED
    assert asked(browser, app) == FIRST


def test_nobody_is_led_elsewhere_and_the_themes_choice_is_kept(browser: Browser, app: App, hub: Provider) -> None:
    for query in ("?_target_url=//evil.example", "?next=https://evil.example", "?__theme=//evil.example"):
        assert str(browser.get(f"/login/huggingface{query}").url) == f"{app.url}/"
    assert str(browser.get("/login/huggingface?__theme=dark&__sign=x").url) == f"{app.url}/?__theme=dark"


def test_a_code_is_of_use_in_its_own_session_only(browser: Browser, app: App, hub: Provider) -> None:
    hubs = browser.get("/login/huggingface", follow_redirects=False).headers["Location"]
    back = httpx.get(hubs).headers["Location"]
    assert httpx.get(back).headers["Location"] == FAILED  # in the browser of somebody else
    assert hub.codes  # it wasn't asked for


def test_limits_and_the_log_tell_accounts_apart_and_not_addresses(browser: Browser, app: App, hub: Provider) -> None:
    seen = []
    for name in ("grace", "GRACE", "eve"):
        sign_in(browser, Visitor(name, MEMBER), hub)
        before = len(replies(app))
        assert asked(browser, app) == "done"
        seen += [line["visitor"] for line in replies(app)[before:]]
    assert seen[0] == seen[1] != seen[2]


def test_a_visitor_is_told_the_gpu_time_that_the_hub_tells(browser: Browser, app: App, hub: Provider) -> None:
    assert browser.get("/streamspace/quota").json() == {"seconds": None}
    sign_in(browser, Visitor("grace"), hub)
    assert browser.get("/streamspace/quota").json() == {"seconds": 241}
    hub.tokens.clear()  # the Hub takes the token back
    assert browser.get("/streamspace/quota").json() == {"seconds": None}


def test_programs_need_the_key_whoever_is_signed_in(browser: Browser, app: App, hub: Provider) -> None:
    sign_in(browser, Visitor("grace"), hub)
    bearer = {"Authorization": f"Bearer {KEY}"}
    for path, body in (
        ("/v1/chat/completions", {"messages": user("hi")}),
        ("/gradio_api/call/v2/chat", {"message": "hi"}),
    ):
        assert browser.post(path, json=body).status_code == 401
        assert httpx.post(f"{app.url}{path}", json=body, headers=bearer).status_code == 200
    assert browser.get("/metrics").status_code == 401
    metrics = httpx.get(f"{app.url}/metrics", headers=bearer).text
    assert re.search(r'requests_total\{door="page",outcome="done"\}', metrics)
    assert "grace" not in metrics.lower()


def test_the_key_is_no_way_into_the_page(app: App) -> None:
    with httpx.Client(base_url=app.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=20) as program:
        assert asked(program, app) == FIRST
        answer = program.post("/gradio_api/run/answer", json={"data": [QUESTION], "fn_index": with_question(app)[0]})
        assert (answer.status_code, "Please join the queue" in answer.text) == (404, True)


def test_without_what_a_space_is_given_an_app_ends_at_its_start_in_words(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as caught:
        App(tmp_path, {"access.login": True}, SCRIPTED, {"OAUTH_SCOPES": "openid"})
    assert str(caught.value) == (
        "the app ended with 2:\naccess.login: expected OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET, OPENID_PROVIDER_URL in the "
        "environment, found none. A Space is given them once its card says hf_oauth, which a deploy writes. Elsewhere: "
        "login: false, or an app of your own, see docs/operations.md#sign-in\n"
    )
