"""Builds and runs a Space: writes its files to a folder and starts its app.py, as the platform does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import yaml

from tests.hub.repos import Commit, Repo
from tests.running import clean, free_port


class Machine:
    """What runs one Space. `stage`, `sha`, `message` and the two logs are what the API shows."""

    def __init__(self, repo: Repo, folder: Path, endpoint: str, pause: float) -> None:
        self.repo, self.folder, self.endpoint, self.pause = repo, folder, endpoint, pause
        self.stage, self.sha, self.message = "BUILDING", "", ""
        self.port = free_port()
        self.build_log: list[str] = []
        self.run_log_file = folder / "run.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.lock = threading.Lock()
        self.wanted, self.paused = 0, False
        folder.mkdir(parents=True, exist_ok=True)
        self.run_log_file.touch()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def rebuild(self) -> None:
        """Builds the head again, as after a push or a change of settings; only the latest request counts."""
        self.wanted += 1
        threading.Thread(target=self._build, args=(self.wanted,), daemon=True).start()

    def run_log(self) -> list[str]:
        return self.run_log_file.read_text("utf-8", "replace").splitlines()

    def end(self) -> None:
        self.wanted += 1
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _build(self, request: int) -> None:
        time.sleep(self.pause)  # for a moment the Hub still shows what was before
        with self.lock:
            if request != self.wanted:
                return
            self.stage = "RUNNING_BUILDING" if self.process else "BUILDING"
            time.sleep(self.pause)
            commit = self.repo.head
            self.sha, self.message, self.build_log = (
                commit.sha,
                "",
                ["===== Build Queued =====", "--> FROM python:3.12"],
            )
            if failure := self._failure(commit):
                self.end_app()
                self.stage, self.message = failure
                return
            if self.paused:
                self.end_app()
                self.stage = "PAUSED"
                return
            self.stage = "APP_STARTING"
            self._start(commit)
            self._wait(request)

    def end_app(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _failure(self, commit: Commit) -> tuple[str, str] | None:
        """The stage and message of a build that can't work."""
        readme = commit.files.get("README.md")
        card = yaml.safe_load(readme.content.decode().split("---")[1]) if readme and b"---" in readme.content else {}
        if "app.py" not in commit.files:
            return "NO_APP_FILE", ""
        if not isinstance(card.get("sdk_version"), str):
            return "CONFIG_ERROR", "sdk_version must be a string"
        wanted = commit.files["requirements.txt"].content.decode()
        if "no-such-package" in wanted:
            self.build_log += [
                "--> RUN pip install --no-cache-dir -r requirements.txt",
                "ERROR: Could not find a version that satisfies the requirement no-such-package==1.0 (from versions: none)",
                "ERROR: No matching distribution found for no-such-package==1.0",
                '--> ERROR: process "/bin/sh -c pip install" did not complete successfully: exit code: 1',
            ]
            return "BUILD_ERROR", "Job failed with exit code: 1"
        return None

    def _start(self, commit: Commit) -> None:
        self.end_app()
        home = self.folder / commit.sha[:12]
        for path, blob in commit.files.items():
            target = home / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(blob.content)
        settings = {
            "GRADIO_SERVER_PORT": str(self.port), "SYSTEM": "spaces", "SPACE_ID": self.repo.name,
            "HOME": str(self.folder), "HF_ENDPOINT": self.endpoint, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0",
        }  # fmt: skip
        with self.run_log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=home, stdout=log, stderr=subprocess.STDOUT,
                env={**clean(os.environ), **settings, **self.repo.variables, **self.repo.secrets},
            )  # fmt: skip

    def _wait(self, request: int) -> None:
        process = self.process
        while request == self.wanted and process:
            if process.poll() is not None:
                self.process = None
                self.stage, self.message = "RUNTIME_ERROR", f"Exit code: {process.returncode}"
                return
            if _answers(self.url):
                self.stage = "RUNNING"
                return
            time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/config", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
