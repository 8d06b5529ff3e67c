"""Secrets have names and places of their own, are keys and nothing else, and are never repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from gradio_client import Client
from hypothesis import given
from hypothesis import strategies as st

from streamspace.config import file as configfile
from streamspace.config import secrets
from streamspace.errors import ConfigError
from tests.running import App, changed
from tests.standins.chat_server import ChatServer, serve, words
from tests.standins.hub.checkout import Checkout

KEY = "sk-abc4711"
UNSAID = "something that isn't repeated here, since it may hold a key"
NAMES = "HF_TOKEN, or a secret's name that begins with ENDPOINT_, such as ENDPOINT_KEY"
ADDRESS = "an address that starts with https:// or http://, without a user, a key, ? and #"


@pytest.fixture
def server() -> Iterator[ChatServer]:
    yield from serve()


def problems(tmp_path: Path, endpoint: Any, more: dict[str, Any] | None = None) -> list[str]:
    path = tmp_path / "my.yaml"
    changes = {"endpoint": endpoint, "model.id": "owner/model", **(more or {})}
    path.write_text(yaml.safe_dump(changed(changes)), "utf-8")
    try:
        configfile.read(path)
    except ConfigError as error:
        return [problem.removeprefix(f"{path}: ") for problem in error.problems]
    return []


@pytest.mark.parametrize(
    "name",
    ["AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "OPENAI_API_KEY", "PATH", "HF_TOKEN_2", "HUGGING_FACE_HUB_TOKEN",
     "endpoint_key", "ENDPOINT_", "ENDPOINT_KEY ", "ENDPOINT_KEY\n", KEY, "hf_" + "a" * 34, "", "Bearer x", "A=B"],
)  # fmt: skip
def test_a_secret_of_another_name_is_refused_and_not_repeated(tmp_path: Path, name: str) -> None:
    assert problems(tmp_path, {"secret": name}) == [f"endpoint.secret: expected {NAMES}, got {UNSAID}"]


@pytest.mark.parametrize("name", ["ENDPOINT_KEY", "ENDPOINT_TOKEN_2"])
@pytest.mark.parametrize(
    "url", [None, "https://llm.example/v1", "http://127.0.0.1:8000/v1", " https://[::1]:8000/v1\n"]
)
def test_a_secret_for_servers_goes_to_any(tmp_path: Path, name: str, url: str | None) -> None:
    assert problems(tmp_path, {"secret": name, "url": url}) == []


@pytest.mark.parametrize(
    ("url", "goes"),
    [
        (None, True),
        ("https://router.huggingface.co/v1", True),
        ("https://huggingface.co:443/v1", True),
        ("http://router.huggingface.co/v1", False),
        ("https://huggingface.co.evil.example/v1", False),
        ("https://evilhuggingface.co/v1", False),
        ("https://evil.hf.space/v1", False),
        ("https://a.us-east-1.aws.endpoints.huggingface.cloud/v1", False),
        ("https://evil.example/huggingface.co", False),
    ],
)
def test_the_hubs_token_goes_to_the_hub_only(tmp_path: Path, url: str | None, goes: bool) -> None:
    problem = (
        "endpoint.secret: expected a name such as ENDPOINT_KEY for a server that isn't huggingface.co, got 'HF_TOKEN'"
    )
    assert problems(tmp_path, {"secret": "HF_TOKEN", "url": url}) == ([] if goes else [problem])


@pytest.mark.parametrize(
    "url",
    [f"https://ada:{KEY}@llm.example/v1", f"https://{KEY}@llm.example", f"https://llm.example/v1?key={KEY}",
     f"https://llm.example/v1#{KEY}", f"https://huggingface.co\\@evil.example/{KEY}", f"ftp://llm.example/{KEY}",
     f"https://llm.example/ {KEY}", f"https://llm.example:port/{KEY}", f"https://[::1/{KEY}", KEY],
)  # fmt: skip
def test_an_address_with_a_key_in_it_is_refused_and_not_repeated(tmp_path: Path, url: str) -> None:
    found = problems(tmp_path, {"url": url})
    assert found == [f"endpoint.url: expected {ADDRESS}, got {UNSAID}"]


@pytest.mark.parametrize("endpoint", [KEY, {"timeout": KEY}, {"key": KEY}, {"secret": [KEY]}, {"secret": {KEY: 1}}])
def test_a_key_in_any_other_place_is_not_repeated_either(tmp_path: Path, endpoint: Any) -> None:
    found = problems(tmp_path, endpoint)
    assert len(found) == 1
    assert KEY not in found[0]


@pytest.mark.parametrize("name", ["ACCESS_KEY", "ACCESS_KEY_2"])
def test_the_key_of_a_space_has_a_name_of_its_own(tmp_path: Path, name: str) -> None:
    assert problems(tmp_path, None, {"access": {"key": name}}) == []
    assert problems(tmp_path, {"secret": name}) == [f"endpoint.secret: expected {NAMES}, got {name!r}"]


@pytest.mark.parametrize(
    "name", ["HF_TOKEN", "ENDPOINT_KEY", "AWS_SECRET_ACCESS_KEY", "access_key", KEY, "", "ACCESS_"]
)
def test_no_other_secret_becomes_the_key_of_a_space(tmp_path: Path, name: str) -> None:
    got = repr(name) if secrets.ours(name) else UNSAID
    expected = "a secret's name that begins with ACCESS_, such as ACCESS_KEY"
    assert problems(tmp_path, None, {"access": {"key": name}}) == [f"access.key: expected {expected}, got {got}"]


@pytest.mark.parametrize("access", [KEY, {"token": KEY}, {"key": [KEY]}, {"key": {KEY: 1}}])
def test_a_key_in_a_wrong_place_under_access_is_not_repeated(tmp_path: Path, access: Any) -> None:
    found = problems(tmp_path, None, {"access": access})
    assert len(found) == 1
    assert KEY not in found[0]


@given(st.text(max_size=20))
def test_a_value_is_a_key_or_is_refused_without_being_repeated(text: str) -> None:
    try:
        found = secrets.value("ENDPOINT_KEY", {"ENDPOINT_KEY": f"q9{text}7z"})
    except ConfigError as error:
        assert f"q9{text}7z" not in str(error)  # noqa: PT017
    else:
        assert found is not None
        assert found.isascii()
        assert found.isprintable()
        assert " " not in found


@pytest.mark.parametrize(("text", "found"), [(f"{KEY}\n", KEY), (f" {KEY}\r\n", KEY), ("", None), (" \n", None)])
def test_whitespace_around_a_value_is_none_of_it(text: str, found: str | None) -> None:
    assert secrets.value("ENDPOINT_KEY", {"ENDPOINT_KEY": text}) == found
    assert secrets.value("ENDPOINT_KEY", {}) is None


INSIDE = "one with a space, a line break or another character in it that no key has"


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("ENDPOINT_KEY", f"{KEY}\nsecond", INSIDE),
        ("ENDPOINT_KEY", f"{KEY}\x00"[:-1] + "\x1b[0m", INSIDE),
        ("ENDPOINT_KEY", f"Bearer {KEY}", "one that begins with 'Bearer ', which is added to it"),
        ("ENDPOINT_KEY", f"{KEY}é", INSIDE),
        ("HF_TOKEN", f"hf_{KEY} x", INSIDE),
    ],
)
def test_an_app_whose_secret_is_no_key_ends_at_its_start(tmp_path: Path, name: str, value: str, problem: str) -> None:
    with pytest.raises(RuntimeError) as caught:
        App(tmp_path, {"endpoint": {"url": "http://127.0.0.1:9/v1"}, "model.id": "owner/model"}, env={name: value})
    said = str(caught.value)
    assert said.startswith(
        f"the app ended with 2:\n{name}: expected a key alone, got {problem}. Set this secret again\n"
    )
    assert KEY not in said


def test_a_key_with_a_line_break_after_it_is_sent_without_and_reaches_no_log(
    start: Callable[..., App], server: ChatServer
) -> None:
    server.answers = [words("Hello")]
    app = start(
        changes={"endpoint": {"url": server.url}, "model.id": "owner/model"},
        env={"ENDPOINT_KEY": f"{KEY}\n", "HF_HUB_OFFLINE": "0"},
    )
    Client(app.url, verbose=False).predict("hi", api_name="/chat")
    assert server.asked[-1]["key"] == f"Bearer {KEY}"
    assert KEY not in app.log


def test_a_command_with_a_token_that_is_none_says_so_without_it(tmp_path: Path) -> None:
    said = Checkout(tmp_path / "work", None).run("status", "owner/demo", token=f"hf_{KEY}\nx")
    assert (said.code, said.err) == (2, f"HF_TOKEN: expected a key alone, got {INSIDE}. Set this secret again\n")


def test_a_deploy_gives_a_space_no_secret_that_its_app_would_refuse(tmp_path: Path) -> None:
    """Another secret of the owner's own app may be anything, such as the lines of a private key."""
    from streamspace.deploy import apply, plan

    wish = plan.DesiredState("owner/demo", "config/tiny.yaml", "cpu-basic", secrets={"ENDPOINT_KEY": "A", "PEM": "B"})
    made = plan.make(wish, [], None)
    assert apply.secret_values(made, {"A": f"{KEY}\n", "B": "a\nb"}) == {"ENDPOINT_KEY": KEY, "PEM": "a\nb"}
    with pytest.raises(ConfigError) as caught:
        apply.secret_values(made, {"A": f"Bearer {KEY}", "B": "x"})
    assert KEY not in str(caught.value)
