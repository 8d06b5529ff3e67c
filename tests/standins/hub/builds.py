"""The part of the Hub's build that can fail: pip's resolution, really run once for each input and kept as a record.

    python -m tests.standins.hub.builds

resolves the requirements.txt of this repository as the Hub does, for every kind of hardware, and writes what pip said
to tests/standins/hub/builds/. Tests find it there and need no network. Inputs without a record are resolved when a test meets
them, where the package index can be reached. A record is named by a digest of what pip was asked: the lines of
requirements.txt without comments and in order, what the Hub adds to them, and the version of Python. (So the line
numbers in pip's words are those of the sorted lines.)
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml

from streamspace.checks.platform import PREINSTALLED, ZEROGPU, hub_requirements
from streamspace.hub import card, requirements

FOLDER = Path(__file__).with_name("builds")
LOCK = threading.Lock()
UNREACHABLE = re.compile(r"Retrying \(Retry\(|Could not fetch URL|Connection(?: broken|Error| refused)|ProxyError")
LOCAL = re.compile(  # what tells of the machine where pip ran: its cache, its indexes, its folders
    r"^\s*(?:Downloading|Using cached|Processing|Looking in|Saved|Obtaining dependency information|WARNING: (?:Location|Skipping|Cache))"
    r"|^\[notice\]|://(?!pip\.pypa\.io)|^\s*$"
)


class NoRecord(Exception):
    """There is no record of this build, and the index can't be reached to make one."""

    def __init__(self) -> None:
        super().__init__(
            "The stand-in Hub has no record of this build, and the package index can't be reached to make one. With a "
            "network, run: python -m tests.standins.hub.builds (or the same test again), and commit tests/standins/hub/builds"
        )


@dataclass(frozen=True)
class Asked:
    """What pip is asked to resolve together."""

    requirements: tuple[str, ...]
    added: tuple[str, ...]
    python: str

    @classmethod
    def of(cls, text: str, sdk_version: str, python: str, hardware: str) -> Asked:
        """For a requirements.txt, the card's two versions, and the hardware."""
        lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
        return cls(tuple(sorted(filter(None, lines))), tuple(hub_requirements(sdk_version, hardware)), python)

    @property
    def path(self) -> Path:
        """Where its record lies."""
        content = json.dumps([self.requirements, self.added, self.python])
        return FOLDER / f"{hashlib.sha256(content.encode()).hexdigest()[:16]}.yaml"

    @property
    def command(self) -> str:
        """As the build log shows it."""
        quoted = [f'"{each}"' if re.search("[<>]", each) else each for each in self.added]
        return f"pip install --no-cache-dir -r /tmp/requirements.txt     {'     '.join(quoted)}"


@dataclass(frozen=True)
class Record:
    """What pip said."""

    resolves: bool
    lines: tuple[str, ...]


def known(asked: Asked) -> Record | None:
    """The committed record, if there is one."""
    if not asked.path.is_file():
        return None
    data = yaml.safe_load(asked.path.read_text("utf-8"))
    return Record(data["resolves"], tuple(data["pip"].splitlines()))


def resolve(asked: Asked) -> Record:
    """The record; made now, by pip, where there is none. Raises NoRecord."""
    with LOCK:
        if found := known(asked):
            return found
        made = _run(asked)
        _write(asked, made)
        return made


def log(asked: Asked, sha: str) -> tuple[list[str], bool]:
    """The build log, and whether the build succeeds. Raises NoRecord."""
    first = " ".join(f'"{each}"' if re.search("[<>]", each) else each for each in PREINSTALLED)
    lines = [
        f"===== Build Queued at 2026-11-24 10:00:00 / Commit SHA: {sha[:7]} =====", "",
        f"--> FROM docker.io/library/python:{asked.python}", "DONE 0.0s", "",
        f"--> RUN pip install --no-cache-dir pip -U &&     pip install --no-cache-dir     {first}", "CACHED", "",
        "--> RUN apt-get update && apt-get install -y \tgit \tgit-lfs \tffmpeg \tlibsm6 \tlibxext6 \tcmake \trsync \tlibgl1 "
        "\t&& rm -rf /var/lib/apt/lists/* \t&& git lfs install", "CACHED", "",
        "--> WORKDIR /app", "CACHED", "", "--> Restoring cache", "DONE 10.8s", "",
        f"--> RUN --mount=target=/tmp/requirements.txt,source=requirements.txt     {asked.command}",
    ]  # fmt: skip
    said = resolve(asked)
    lines += said.lines
    if not said.resolves:
        process = asked.command.replace('"', '\\"')
        lines += ["", f'--> ERROR: process "/bin/sh -c {process}" did not complete successfully: exit code: 1']
        return lines, False
    for step in ("COPY --link ./ /app", "Pushing image", "Exporting cache"):
        lines += ["", f"--> {step}", "DONE 0.1s"]
    return lines, True


def failure(asked: Asked) -> str:
    """The error message of a failed build as the API gives it: the builder's notes on its cache come along."""
    return (
        "Job failed with exit code: 1. Reason: cache miss: [run 1/2] COPY --link ./ /app\n"
        f"cache miss: [base 6/7] RUN --mount=target=/tmp/requirements.txt,source=requirements.txt     {asked.command}\n"
        "cache miss: [pipfreeze 1/2] RUN mkdir -p /pipfreeze\n"
        '{"total":25,"completed":19,"user_total":14,"user_cached":5,"user_completed":8,"user_cacheable":13,"from":1,'
        '"miss":8,"client_duration_ms":11961}'
    )


def _run(asked: Asked) -> Record:
    """Asks the newest pip, as the Hub does, without installing anything. Raises NoRecord."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "requirements.txt")
        file.write_text("\n".join(asked.requirements) + "\n", "utf-8")
        if _pip(sys.executable, {}, "--target", f"{folder}/pip", "pip").returncode:
            raise NoRecord
        python = _interpreter(asked.python)
        other = (
            ["--python-version", asked.python, "--only-binary=:all:", "--target", f"{folder}/x"] if not python else []
        )
        done = _pip(
            python or sys.executable, {"PYTHONPATH": f"{folder}/pip"},
            "--dry-run", "--ignore-installed", *other, "-r", str(file), *asked.added,
        )  # fmt: skip
        said = done.stdout.replace(folder, "/tmp")
    if done.returncode and UNREACHABLE.search(said):
        raise NoRecord
    return Record(not done.returncode, tuple(_kept(said.splitlines(), bool(done.returncode))))


def _pip(python: str, env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [python, "-m", "pip", "install", "--no-input", "--progress-bar=off", *arguments]
    return subprocess.run(
        command, env={**os.environ, **env}, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600
    )


def _interpreter(version: str) -> str | None:
    """A Python of this version; pip can resolve for another one, but reads markers with its own."""
    for found in (sys.executable, shutil.which(f"python{version}")):
        asked = [found, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        if found and subprocess.run(asked, capture_output=True, text=True).stdout.strip() == version:
            return found
    return None


def _kept(lines: list[str], failed: bool) -> Iterator[str]:
    """What is the same wherever pip runs; of a success the last line, in the words of an installation."""
    for line in lines:
        if failed and not LOCAL.search(line):
            yield re.sub(r"(?<!-r )/(?:home|root|opt|Users)/\S+", "...", line.rstrip())
        elif line.startswith("Would install"):
            yield line.replace("Would install", "Successfully installed")


def _write(asked: Asked, record: Record) -> None:
    FOLDER.mkdir(exist_ok=True)
    inputs = {"python": asked.python, "requirements": list(asked.requirements), "added": list(asked.added)}
    text = yaml.safe_dump({**inputs, "recorded": str(date.today()), "resolves": record.resolves}, sort_keys=False)
    said = "".join(f"  {line}\n" for line in record.lines)
    asked.path.write_text(f"{text}pip: |2\n{said}", "utf-8")


def committed() -> Iterator[Asked]:
    """What the requirements.txt of this repository comes to, on each kind of hardware."""
    sdk_version = requirements.pin("gradio", requirements.read()) or ""
    text = requirements.FILE.read_text("utf-8")
    for wanted, hardware in ((text, "cpu-basic"), (text, ZEROGPU), (for_gguf(text), "cpu-basic")):
        yield Asked.of(wanted, sdk_version, card.PYTHON, hardware)


def for_gguf(text: str) -> str:
    """A requirements.txt changed for a GGUF file, as its own comment has it: without what needs torch."""
    return re.sub(r"^(?:torch|transformers|accelerate|peft)\b.*\n", "", text, flags=re.MULTILINE)


if __name__ == "__main__":
    wanted = list(committed())
    for path in FOLDER.glob("*.yaml"):  # successes are of this repository's requirements.txt, failures of tests
        if "\nresolves: true\n" in path.read_text("utf-8") and path not in [each.path for each in wanted]:
            path.unlink()
    for each in wanted:
        try:
            verdict = "resolves" if resolve(each).resolves else "does not resolve"
        except NoRecord as error:
            sys.exit(str(error))
        print(f"{each.path.relative_to(Path.cwd())}: {verdict} for Python {each.python} with {' '.join(each.added)}")
