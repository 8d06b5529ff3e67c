"""A fork with changes of its own takes over three changes of upstream: with the template's history and without it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import ROOT

FILES = {
    "streamspace/__init__.py": '"""The package."""\n\n__version__ = "0.1.0"\n',
    "streamspace/a.py": "one = 1\ntwo = 2\nthree = 3\nfour = 4\n",
    "config/default.yaml": "title: A\nwidth: 1\n",
    "config/cpu.yaml": "title: CPU\n",
    "examples/private.yaml": "title: Private\n",
    "docs/page.md": "A page\n",
    "README.md": "# The template\n",
}


class Repository:
    """A git repository in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def git(self, *arguments: str) -> str:
        """Runs git there."""
        name = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *name, *arguments], cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout

    def commit(self, subject: str, **files: str | None) -> None:
        """Writes files, or deletes them, and commits."""
        for path, text in files.items():
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink() if text is None else file.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", subject)

    def read(self, path: str) -> str:
        """A file's text."""
        return (self.folder / path).read_text()

    def upgrade(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs what `make upgrade` runs there."""
        return self.script("upgrade", *arguments)

    def script(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs one of scripts/ there."""
        for key, value in {"user.name": "a", "user.email": "a@example.com", "commit.gpgsign": "false"}.items():
            self.git("config", key, value)
        command = [sys.executable, str(ROOT / f"scripts/{name}.py"), *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    """The template in version 0.1.0."""
    made = Repository(tmp_path / "upstream")
    made.folder.mkdir()
    made.git("init", "--quiet", "--initial-branch=main")
    made.commit("The first version", **FILES)
    made.git("tag", "v0.1.0")
    return made


@pytest.fixture(params=["a clone", "a copy"])
def fork(request: pytest.FixtureRequest, upstream: Repository, tmp_path: Path) -> Repository:
    """A fork that is a clone, or a copy without history; with a config of its own and a changed one."""
    made = Repository(tmp_path / "fork")
    shutil.copytree(upstream.folder, made.folder)
    if request.param == "a copy":
        shutil.rmtree(made.folder / ".git")
        made.git("init", "--quiet", "--initial-branch=main")
        made.commit("Initial commit")
    own = {"config/mine.yaml": "title: Mine\n", "config/default.yaml": "title: Ours\nwidth: 1\n"}
    own["examples/private.yaml"] = "title: Ours, too\n"
    made.commit("Our Space", **own, **{"config/cpu.yaml": None, "README.md": "# Our Space\n"})
    return made


def advance(upstream: Repository) -> None:
    """Four changes and a version."""
    upstream.commit("Quicken", **{"streamspace/a.py": FILES["streamspace/a.py"].replace("two = 2", "two = 22")})
    upstream.commit("Widen", **{"config/default.yaml": "title: A\nwidth: 2\n", "config/cpu.yaml": "title: CPUs\n"})
    upstream.commit("Explain", **{"docs/page.md": "A better page\n", "README.md": "# A better template\n"})
    upstream.commit("Add", **{"examples/private.yaml": "title: Hidden\n", "examples/one.yaml": "title: One\n"})
    upstream.commit("0.2.0", **{"streamspace/__init__.py": '"""The package."""\n\n__version__ = "0.2.0"\n'})


def test_three_changes_are_taken_over_and_what_the_fork_owns_stays(fork: Repository, upstream: Repository) -> None:
    advance(upstream)
    done = fork.upgrade(str(upstream.folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert "two = 22" in fork.read("streamspace/a.py")
    assert fork.read("docs/page.md") == "A better page\n"
    assert fork.read("config/default.yaml") == "title: Ours\nwidth: 1\n"
    assert (fork.read("config/mine.yaml"), fork.read("README.md")) == ("title: Mine\n", "# Our Space\n")
    assert (fork.read("examples/private.yaml"), fork.read("examples/one.yaml")) == (
        "title: Ours, too\n",
        "title: One\n",
    )
    assert not (fork.folder / "config/cpu.yaml").exists()
    assert fork.git("status", "--porcelain") == ""
    *kept, last = done.stdout.splitlines()
    assert [line.partition(": kept as it is here; ")[0] for line in kept] == [
        "README.md", "config/cpu.yaml", "config/default.yaml", "examples/private.yaml",
    ]  # fmt: skip
    assert last.startswith("Upgraded from 0.1.0 to 0.2.0. CHANGELOG.md says what to change in a config. To go back: ")


def test_the_next_upgrade_goes_on_from_the_last(fork: Repository, upstream: Repository) -> None:
    advance(upstream)
    assert fork.upgrade(str(upstream.folder)).returncode == 0
    assert fork.upgrade(str(upstream.folder)).stdout == "This is the newest version already\n"
    fork.commit("Ours again", **{"config/mine.yaml": "title: Mine, too\n"})
    upstream.commit("One more", **{"streamspace/a.py": "one = 11\ntwo = 22\nthree = 3\nfour = 4\n"})
    assert fork.upgrade(str(upstream.folder)).returncode == 0
    assert "one = 11" in fork.read("streamspace/a.py")
    assert fork.git("log", "--merges", "--format=%s").splitlines() == ["Upgrade to 0.2.0"] * 2


def test_code_that_both_changed_is_named_and_nothing_is_changed_until_one_is_chosen(
    fork: Repository, upstream: Repository
) -> None:
    advance(upstream)
    fork.commit("Our code", **{"streamspace/a.py": FILES["streamspace/a.py"].replace("two = 2", "two = 222")})
    before = fork.git("rev-parse", "HEAD")
    done = fork.upgrade(str(upstream.folder))
    assert done.returncode == 2
    assert done.stderr.startswith("streamspace/a.py: changed here (")
    assert 'Choose with make upgrade ARGS="--ours streamspace/a.py" or --theirs' in done.stderr
    assert done.stderr.endswith("Nothing was changed.\n")
    assert (fork.git("rev-parse", "HEAD"), fork.git("status", "--porcelain")) == (before, "")
    assert fork.upgrade(str(upstream.folder), "--theirs", "streamspace/a.py").returncode == 0
    assert "two = 22\n" in fork.read("streamspace/a.py")


def test_what_stands_in_the_way_is_told(fork: Repository, upstream: Repository, tmp_path: Path) -> None:
    done = fork.upgrade(str(tmp_path / "nowhere"))
    assert (done.returncode, "expected a git repository" in done.stderr) == (2, True)
    (fork.folder / "docs/page.md").write_text("Not committed\n")
    done = fork.upgrade(str(upstream.folder))
    assert (done.returncode, "Commit them first" in done.stderr) == (2, True)


def test_a_copy_of_a_version_that_upstream_has_no_tag_of_is_told(upstream: Repository, tmp_path: Path) -> None:
    fork = Repository(tmp_path / "copy")
    fork.folder.mkdir()
    fork.git("init", "--quiet")
    fork.commit("Initial commit", **{**FILES, "streamspace/__init__.py": '__version__ = "0.0.9"\n'})
    done = fork.upgrade(str(upstream.folder))
    assert done.returncode == 2
    assert done.stderr == (
        "Expected a history in common with upstream, or its tag v0.0.9, got neither. Set UPSTREAM=URL\n"
    )
