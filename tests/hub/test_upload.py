"""A deploy carries what git tracks of an allow-list: no links, nothing hidden, nothing that a config must not name."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
import yaml

from tests.running import changed
from tests.standins.hub.checkout import Checkout
from tests.standins.hub.server import Hub

DEPLOY = ("deploy", "owner/demo", "--config", "mine", "--dry-run")


@pytest.fixture
def here(here: Checkout) -> Checkout:
    here.write("config/mine.yaml", yaml.safe_dump(changed({})))
    return here


def git(here: Checkout, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=here.folder, check=True, capture_output=True)


def uploaded(here: Checkout) -> str:
    said = here.run(*DEPLOY)
    assert said.code == 0, said
    return said.out


def test_in_a_checkout_of_git_only_tracked_files_are_uploaded(here: Checkout) -> None:
    git(here, "init", "--quiet")
    git(here, "add", "--all")
    here.write("config/draft.yaml", yaml.safe_dump(changed({})))
    here.write("config/new/notes.txt", "x")
    said = uploaded(here)
    assert "upload config/mine.yaml" in said or "upload config/ (" in said
    name = "config/new/notes.txt"
    warning = f"warning: {name}: expected a file to upload, got a file that git doesn't track. Run: git add {name}\n"
    assert warning in said
    assert "draft" not in said  # a config that `new` wrote for another Space
    git(here, "add", "config/new")
    assert "config/new/notes.txt: expected" not in uploaded(here)


def test_the_config_that_is_named_is_uploaded_before_git_tracks_it(here: Checkout) -> None:
    (here.folder / "config/mine.yaml").rename(here.folder / "mine.yaml")
    git(here, "init", "--quiet")
    git(here, "add", "--all")
    (here.folder / "mine.yaml").rename(here.folder / "config/mine.yaml")
    assert "expected a file to upload" not in uploaded(here)


def test_what_the_space_needs_and_git_does_not_track_stops_a_deploy(here: Checkout) -> None:
    git(here, "init", "--quiet")
    git(here, "add", "app.py", "config", "streamspace", "requirements.txt", "LICENSE", "README.md")
    said = here.run(*DEPLOY)
    assert said.code == 2
    assert (
        "models/tiny/model.safetensors: expected a file to upload, got a file that git doesn't track. "
        "Run: git add models/tiny/model.safetensors\n" in said.out
    )


@pytest.mark.parametrize("tracked", [True, False])
def test_a_link_is_never_uploaded_and_stops_a_deploy(here: Checkout, tracked: bool) -> None:
    here.write(".env", "ENDPOINT_KEY=value-4711\n")
    names = ("config/notes.txt", "streamspace/engines/extra.py", "packages.txt")
    for name in names:
        (here.folder / name).symlink_to(here.folder / ".env")
    if tracked:
        git(here, "init", "--quiet")
        git(here, "add", "--all", "--force")
    said = here.run(*DEPLOY)
    assert said.code == 2
    for name in names:
        assert f"{name}: expected a file to upload, got a link. Put a copy in its place\n" in said.out
    assert "  upload" not in said.out


def test_a_folder_that_is_a_link_is_not_followed(here: Checkout) -> None:
    (here.folder.parent / "elsewhere").mkdir()
    (here.folder.parent / "elsewhere/a.txt").write_text("x")
    (here.folder / "config/more").symlink_to(here.folder.parent / "elsewhere")
    said = here.run(*DEPLOY)
    assert said.code == 2
    assert "config/more: expected a file to upload, got a link. Put a copy in its place\n" in said.out
    assert "a.txt" not in said.out


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("model.chat_template", ".secrets/keys.json"), ("model.chat_template", "config"), ("page.logo", "docs"),
        ("page.logo", "."), ("model.adapter", {"id": ".", "revision": None}), ("model.id", "."), ("model.id", "./.git"),
    ],
)  # fmt: skip
def test_what_a_config_must_not_name_is_not_uploaded(here: Checkout, hub: Hub, key: str, name: Any) -> None:
    here.write(".secrets/keys.json", '{"key": "value-4711"}')
    here.write("docs/private.md", "value-4711")
    here.write("config/mine.yaml", yaml.safe_dump(changed({key: name})))
    said = here.run(*DEPLOY)
    assert said.code == 2
    assert f"{key}{'.id' if key == 'model.adapter' else ''}: expected " in said.err + said.out
    assert hub.seen == []


def test_a_checkout_that_git_can_not_read_is_told(here: Checkout) -> None:
    here.write(".git", "gitdir: /nowhere\n")
    said = here.run(*DEPLOY)
    assert said.code == 2
    assert said.err.startswith(f"{here.folder}: expected a list of files from git, got: fatal: not a git repository")
