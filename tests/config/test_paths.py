"""Files that a config names lie in the repository, are no links, not hidden, and of the kind that the key expects."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from streamspace.config import paths
from tests.running import ROOT, changed
from tests.standins.hub.checkout import Checkout

KINDS = {
    "page.logo": paths.LOGO, "model.chat_template": paths.TEMPLATE, "model.id": paths.MODEL, "model.adapter": paths.ADAPTER,
}  # fmt: skip
PARTS = ["..", ".", "", "/", "~", "docs", "screenshots", "chat.png", "models", "tiny", ".git", "config.json", "a\0b", "x" * 300, "\n", "C:\\"]  # fmt: skip


@pytest.fixture
def here(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path / "work", None)
    made.write("logo.png", (ROOT / "docs/screenshots/chat.png").read_bytes())
    made.write("own.jinja", "{{ messages[0].content }}")
    made.write("lora/adapter_config.json", "{}")
    return made


def check(here: Checkout, key: str, name: str) -> str:
    """What `check` says of a config that names a file there."""
    value: Any = {"id": name, "revision": None} if key == "model.adapter" else name
    here.write("config/mine.yaml", yaml.safe_dump(changed({key: value})))
    said = here.run("check", "mine")
    assert "Traceback" not in said.err
    return said.err


def expected(key: str, name: str, reason: str) -> str:
    shown = "model.adapter.id" if key == "model.adapter" else key
    return f"config/mine.yaml: {shown}: expected {KINDS[key].expected} in this repository, got {name!r}, {reason}"


@pytest.mark.parametrize(
    ("key", "name"),
    [("page.logo", "logo.png"), ("model.chat_template", "./own.jinja"), ("model.id", "./models/tiny"), ("model.adapter", "lora")],
)  # fmt: skip
def test_a_file_of_the_repository_of_the_right_kind_is_taken(here: Checkout, key: str, name: str) -> None:
    assert check(here, key, name) == ""


@pytest.mark.parametrize("key", KINDS)
def test_a_file_elsewhere_hidden_or_behind_a_link_is_refused(here: Checkout, key: str) -> None:
    folder = KINDS[key].folder
    good = {"page.logo": "logo.png", "model.chat_template": "own.jinja", "model.id": "models/tiny", "model.adapter": "lora"}[key]  # fmt: skip
    ending = PurePath(good).suffix
    (here.folder / f"link{ending}").symlink_to(here.folder / good)
    (here.folder / "behind").symlink_to(here.folder)
    (here.folder / ".secrets").mkdir()
    (here.folder / good).rename(here.folder / f".secrets/a{ending}")
    (here.folder / good).symlink_to(here.folder / f".secrets/a{ending}")
    (here.folder.parent / f"outside{ending}").mkdir()
    for name, reason in {
        f"../outside{ending}": "which doesn't lie inside it",
        f"config/../../outside{ending}": "which doesn't lie inside it",
        f"./.secrets/a{ending}": "which is hidden",
        f"./link{ending}": "which is a link, or behind one",
        f"./behind/{good}": "which is a link, or behind one",
        f"./{good}": "which is a link, or behind one",
        **({".": "which doesn't lie inside it"} if folder else {"/etc/hostname": "which doesn't lie inside it"}),
    }.items():
        assert check(here, key, name) == expected(key, name, reason) + "\n"


@pytest.mark.parametrize(
    ("key", "name", "reason"),
    [
        ("page.logo", "docs/nope.png", "which isn't there"),
        ("page.logo", "README.md", "which is something else"),
        ("page.logo", "env.png", "which is something else"),
        ("page.logo", "drawing.svg", "which is something else"),
        ("page.logo", "config", "which is something else"),
        ("page.logo", "x" * 300, "which can't be read"),
        ("model.chat_template", "config/tiny.yaml", "which is something else"),
        ("model.chat_template", "folder.jinja", "which is something else"),
        ("model.adapter", "./models/tiny", "which is something else"),
        ("model.id", "./models", "which is something else"),
        ("model.id", "/tmp", "which doesn't lie inside it"),
        ("model.id", "./" + "x" * 300, "which can't be read"),
        ("model.id", "~nobody-4711/x", "which isn't there"),
    ],
)
def test_a_file_of_another_kind_is_refused(here: Checkout, key: str, name: str, reason: str) -> None:
    here.write("env.png", "HF_TOKEN=secret\n")
    here.write("drawing.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>")
    here.write("folder.jinja/a", "")
    assert check(here, key, name).startswith(expected(key, name, reason))


def test_a_model_folder_with_a_link_in_it_is_refused(here: Checkout) -> None:
    (here.folder / "models/tiny/notes.txt").symlink_to("/proc/self/environ")
    reason = "which has a link in it: 'notes.txt'"
    assert check(here, "model.id", "./models/tiny") == expected("model.id", "./models/tiny", reason) + "\n"


def test_the_config_itself_is_no_link_and_not_hidden(here: Checkout) -> None:
    here.write(".env", "KEY: value-4711\n")
    (here.folder / "config/linked.yaml").symlink_to(here.folder / ".env")
    for name, reason in {"linked": "which is a link, or behind one", ".env": "which is hidden"}.items():
        said = here.run("check", name)
        shown = "config/linked.yaml" if name == "linked" else name
        assert said.err == f"{shown}: expected a file in this repository, got one {reason}\n"
        assert "4711" not in said.out + said.err


def test_a_folder_elsewhere_is_loaded_and_not_uploaded(tmp_path: Path) -> None:
    from streamspace.config.types import Config

    config = Config.model_validate(changed({"model.id": str(tmp_path)}))
    assert list(paths.problems(config)) == []
    assert list(paths.problems(config, uploaded=True)) == [
        f"model.id: expected a folder with config.json in this repository, got '{tmp_path}', which doesn't lie inside it"
    ]


@given(st.lists(st.sampled_from(PARTS), max_size=6).map("/".join), st.sampled_from(list(KINDS.values())))
def test_a_name_that_is_taken_leads_to_the_repository(name: str, kind: paths.Kind) -> None:
    if paths.refusal(name, kind) is None:
        found = ROOT / name
        assert found.resolve().is_relative_to(ROOT)
        assert found.resolve() != ROOT
        assert not paths.is_hidden(found.resolve().relative_to(ROOT))
        assert kind.fits(found)


@pytest.mark.parametrize(("format", "kind"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("GIF", "image/gif")])  # fmt: skip
def test_an_image_is_known_by_its_content_and_not_by_its_name(tmp_path: Path, format: str, kind: str) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.txt", format)
    assert paths.image_type(tmp_path / "a.txt") == kind
    assert paths.LOGO.fits(tmp_path / "a.txt")
