"""A release of a real repository: its version, its section of the changelog, one commit and a tag, and the draft of it."""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.project.test_upgrade import FILES, Repository
from tests.project.test_workflows import FOLDER, read
from tests.running import ROOT

CHANGELOG = """# Changelog

**Breaking** changes are marked.

## [Unreleased]

### Upgrade notes
- Write `b` for `a`.

### Changed
- **Breaking:** `a` is `b`.

## [0.1.0] - 2026-11-25

The first release.
"""
ENTRIES = "### Upgrade notes\n- Write `b` for `a`.\n\n### Changed\n- **Breaking:** `a` is `b`.\n"


@pytest.fixture
def template(tmp_path: Path) -> Repository:
    """The template after version 0.1.0."""
    made = Repository(tmp_path / "template")
    made.folder.mkdir()
    made.git("init", "--quiet", "--initial-branch=main")
    made.commit("The first version", **FILES)
    made.git("tag", "v0.1.0")
    made.commit("Rename a", **{"CHANGELOG.md": CHANGELOG})
    return made


def test_a_release_is_one_commit_with_a_tag_and_leaves_an_empty_unreleased_section(template: Repository) -> None:
    before = template.git("rev-parse", "HEAD").strip()
    done = template.script("release", "0.2.0")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "Released 0.2.0 here, as the tag v0.2.0. Look at it (git show), then: git push origin main v0.2.0\n"
        f"To undo it before: git tag -d v0.2.0; git reset --keep {before[:9]}\n"
    )
    today = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    assert template.read("streamspace/__init__.py") == '"""The package."""\n\n__version__ = "0.2.0"\n'
    assert template.read("CHANGELOG.md") == CHANGELOG.replace(
        "## [Unreleased]\n", f"## [Unreleased]\n\n## [0.2.0] - {today}\n"
    )
    assert template.git("log", "--format=%s", "v0.2.0").splitlines()[0] == "Release 0.2.0"
    assert template.git("rev-parse", "v0.2.0^{commit}", "HEAD").split()[0] == template.git("rev-parse", "HEAD").strip()
    assert template.git("diff", "--name-only", before, "HEAD").split() == ["CHANGELOG.md", "streamspace/__init__.py"]
    again = template.script("release", "0.3.0")
    assert again.stderr == (
        "CHANGELOG.md: expected entries under '## [Unreleased]', found none. Write what users will notice\n"
        "Nothing was changed.\n"
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("", "expected three numbers such as 0.2.0, got ''. Run: make release VERSION=..."),
        ("v0.2.0", "expected three numbers such as 0.2.0, got 'v0.2.0'. Run: make release VERSION=..."),
        ("0.1.0", "expected one without a tag, got '0.1.0', which is tagged v0.1.0. Choose the next"),
        ("0.0.10", "expected one newer than 0.1.0, got '0.0.10'. CHANGELOG.md says what makes a change breaking"),
    ],
)
def test_a_version_that_can_not_be_the_next_is_refused(template: Repository, asked: str, said: str) -> None:
    done = template.script("release", asked)
    assert (done.returncode, done.stderr) == (2, f"VERSION: {said}\nNothing was changed.\n")


def test_everything_that_stands_in_the_way_is_said_at_once_and_nothing_is_changed(template: Repository) -> None:
    template.commit("Forget the notes", **{"CHANGELOG.md": CHANGELOG.replace("### Upgrade notes\n", "")})
    template.git("switch", "--quiet", "--create", "work")
    (template.folder / "new.py").write_text("")
    before = template.git("rev-parse", "HEAD")
    done = template.script("release", "0.2.0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "expected the branch 'main', got 'work'. Run: git switch main",
        "expected all files to be committed or ignored, got some that aren't. See: git status",
        "CHANGELOG.md: expected '### Upgrade notes' beside what is **Breaking**, found none. Write what to do",
        "Nothing was changed.",
    ]
    assert (template.git("rev-parse", "HEAD"), template.git("tag")) == (before, "v0.1.0\n")


def test_what_git_refuses_leaves_nothing_half_done(template: Repository) -> None:
    """The commit is made, and the tag is not."""
    hook = template.folder / ".git/hooks/reference-transaction"
    hook.write_text(
        '#!/bin/sh\n[ "$1" = prepared ] && grep -q refs/tags && echo "no tags today" >&2 && exit 1\nexit 0\n'
    )
    hook.chmod(0o755)
    before = template.git("rev-parse", "HEAD")
    done = template.script("release", "0.2.0")
    assert done.returncode == 2
    assert done.stderr.startswith("git tag: no tags today")
    assert done.stderr.endswith("\nNothing was changed.\n")
    assert (template.git("rev-parse", "HEAD"), template.git("status", "--porcelain")) == (before, "")
    assert template.read("CHANGELOG.md") == CHANGELOG


@pytest.mark.parametrize("tag", ["v0.2.0", "v0.9.0"])
def test_the_workflow_drafts_a_release_with_the_section_of_its_tag(
    template: Repository, tag: str, tmp_path: Path
) -> None:
    """The steps as GitHub runs them; `gh` is one that takes note."""
    assert template.script("release", "0.2.0").returncode == 0
    shutil.copytree(ROOT / "scripts", template.folder / "scripts")
    bin_, noted = tmp_path / "bin", tmp_path / "noted"
    bin_.mkdir()
    (bin_ / "gh").write_text(f'#!/bin/sh\necho "$*" > {noted}\ncat notes.md >> {noted}\n')
    (bin_ / "gh").chmod(0o755)
    steps = [step["run"] for step in read(FOLDER / "release.yml")["jobs"]["draft"]["steps"] if "run" in step]
    env = {**os.environ, "PATH": f"{bin_}:{os.environ['PATH']}", "GITHUB_REF_NAME": tag}
    command = ["bash", "-e", "-c", "\n".join(steps)]
    done = subprocess.run(command, cwd=template.folder, env=env, capture_output=True, text=True, check=False)
    if tag == "v0.9.0":
        assert done.stderr == "CHANGELOG.md: expected a section '## [0.9.0]' with entries, found none\n"
        assert (done.returncode, noted.exists()) == (2, False)
    else:
        assert (done.returncode, done.stderr) == (0, "")
        assert noted.read_text() == (
            f"release create v0.2.0 --draft --verify-tag --title v0.2.0 --notes-file notes.md\n{ENTRIES}"
        )
