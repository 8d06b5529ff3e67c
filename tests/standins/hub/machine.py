"""Builds and runs a Space: resolves its requirements, writes its files to a folder and starts its app.py, as the platform does."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

from streamspace.checks.platform import ZEROGPU
from streamspace.hub import card
from tests.forked import Running, start
from tests.running import free_port, up
from tests.standins.hub import builds, platform
from tests.standins.hub.repos import Commit, Repo
from tests.standins.zerogpu.device_api import DeviceAPI

LAUNCH = Path(__file__).parents[1] / "zerogpu/launch.py"
NOT_REPORTED = "No @spaces.GPU function detected during startup"
TOLD = 8  # lines of the log that come with the message of a runtime error


class Machine:
    """What runs one Space. `stage`, `sha`, `message` and the two logs are what the API shows.

    `pause`: seconds for which the Hub still shows what was before; `patience`: seconds from the app's page to the
    report of its start that ZeroGPU waits for.
    """

    def __init__(self, repo: Repo, folder: Path, endpoint: str, pause: float, patience: float) -> None:
        self.repo, self.folder, self.endpoint, self.pause, self.patience = repo, folder, endpoint, pause, patience
        self.stage, self.sha, self.message = "BUILDING", "", ""
        self.port = free_port()
        self.build_log: list[str] = []
        self.run_log_file = folder / "run.log"
        self.process: Running | None = None
        self.gpus: DeviceAPI | None = None
        self.no_record: builds.NoRecord | None = None
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
        """Ends the app for good. Raises NoRecord when a build could be neither found nor made."""
        self.wanted += 1
        self.end_app()
        if self.no_record:
            raise self.no_record

    def end_app(self) -> None:
        """Ends the app with all processes that it started, which would outlive it, as ZeroGPU's workers do."""
        if self.process:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
        if self.gpus:
            self.gpus.close()
            self.gpus = None

    def _build(self, request: int) -> None:
        time.sleep(self.pause)
        with self.lock:
            if request != self.wanted:
                return
            self.stage = "RUNNING_BUILDING" if self.process else "BUILDING"
            time.sleep(self.pause)
            commit = self.repo.head
            self.sha, self.message, self.build_log = commit.sha, "", []
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

    def _failure(self, commit: Commit) -> tuple[str, str] | None:
        """The stage and message of a build that can't work; writes the build log."""
        facts, wanted = card.read(_text(commit, "README.md")) or {}, _text(commit, "requirements.txt")
        if facts.get("app_file", "app.py") not in commit.files:
            return "NO_APP_FILE", ""
        if message := platform.refused(facts, wanted, self.repo.hardware):
            return "CONFIG_ERROR", message
        python = str(facts.get("python_version") or platform.python(self.repo.hardware))
        if python not in platform.PYTHONS:  # such as 3.1, which 3.10 is without quotes
            self.build_log = [f"--> ERROR: docker.io/library/python:{python}: not found"]
            return "BUILD_ERROR", "Job failed with exit code: 1"
        return self._resolve(builds.Asked.of(wanted, facts["sdk_version"], python, self.repo.hardware), commit.sha)

    def _resolve(self, asked: builds.Asked, sha: str) -> tuple[str, str] | None:
        try:
            self.build_log, built = builds.log(asked, sha)
        except builds.NoRecord as error:
            self.no_record, self.build_log = error, [f"ERROR: {error}"]
            return "BUILD_ERROR", str(error)
        return None if built else ("BUILD_ERROR", builds.failure(asked))

    def _start(self, commit: Commit) -> None:
        self.end_app()
        home = self.folder / commit.sha[:12]
        for path, blob in commit.files.items():
            target = home / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(blob.content)
        env = platform.environment(self.repo.name, self.port, home, self.repo.hardware)
        env |= {"HF_ENDPOINT": self.endpoint, "HF_HUB_DISABLE_XET": "1"}
        command = ["app.py"]
        if self.repo.hardware == ZEROGPU:
            self.gpus = DeviceAPI()
            env |= platform.zero_environment(self.gpus.url, self.folder)
            command.insert(0, str(LAUNCH))
        whole = {**env, **self.repo.variables, **self.repo.secrets}
        self.process = start(command, home, whole, self.run_log_file, group=True)

    def _wait(self, request: int) -> None:
        """Until the app answers, and on ZeroGPU has reported its start; or has ended."""
        process, answered = self.process, 0.0
        while request == self.wanted and process:
            if process.poll() is not None:
                said = "\n".join(self.run_log()[-TOLD:])
                self.end_app()
                self.stage, self.message = "RUNTIME_ERROR", f"Exit code: {process.returncode}. Reason: {said}"
                return
            answered = answered or (time.monotonic() if up(self.url) else 0.0)
            if answered and (not self.gpus or self.gpus.asked("/startup-report")):
                self.stage = "RUNNING"
                return
            if answered and time.monotonic() - answered > self.patience:
                self.end_app()
                self.stage, self.message = "RUNTIME_ERROR", NOT_REPORTED
                return
            time.sleep(0.05)


def _text(commit: Commit, path: str) -> str:
    return commit.files[path].content.decode() if path in commit.files else ""
