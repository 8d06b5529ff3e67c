"""A copy of this repository in a temporary folder, in which a test runs the commands that a person types."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.forked import Forked
from tests.running import ROOT, clean
from tests.standins.hub.server import Hub

SMALL = Path(__file__).with_name("small_app.py")
FOLDERS = ("streamspace", "config", "models")
FILES = ("app.py", "requirements.txt", "LICENSE", "README.md")


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


class Checkout:
    """The copy. With `small` its app.py is the quick one."""

    def __init__(self, folder: Path, hub: Hub | None, small: bool = True) -> None:
        self.folder, self.hub = folder, hub
        self.commands = 0
        hidden = shutil.ignore_patterns("__pycache__")
        for name in FOLDERS:
            shutil.copytree(ROOT / name, folder / name, ignore=hidden)
        for name in FILES:
            if (ROOT / name).is_file():
                shutil.copy(ROOT / name, folder / name)
        if small:
            shutil.copy(SMALL, folder / "app.py")

    def write(self, name: str, text: str | bytes) -> None:
        """Writes a file of the copy."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)

    def change(self, name: str, old: str, new: str) -> None:
        """Replaces a text in a file of the copy."""
        text = (self.folder / name).read_text("utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    def run(self, *arguments: str, token: str | None = "hf_writer", env: dict[str, str] | None = None) -> Said:
        """Runs `python -m streamspace` to its end."""
        with self.started(*arguments, token=token, env=env) as process:
            out, err = process.communicate(timeout=120)
        return Said(process.returncode, out, err)

    @contextmanager
    def started(
        self, *arguments: str, token: str | None = "hf_writer", env: dict[str, str] | None = None
    ) -> Iterator[Forked]:
        """Starts `python -m streamspace`; a test may interrupt it."""
        settings = {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HOME": str(self.folder.parent / "home")}
        settings |= {"HF_ENDPOINT": self.hub.url if self.hub else "http://127.0.0.1:9", "COLUMNS": "80"}
        settings |= {"HF_TOKEN": token} if token else {}
        self.commands += 1
        process = Forked(
            ["-m", "streamspace", *arguments], self.folder, {**clean(os.environ), **settings, **(env or {})},
            *(self.folder.parent / f"{self.folder.name}-{self.commands}.{name}" for name in ("out", "err")),
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def interrupt(self, process: Forked) -> None:
        """What Ctrl-C does."""
        process.send_signal(signal.SIGINT)
