"""Ray on this machine for the tests, by the commands that people type; no other Ray here is touched."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from tests.running import ROOT, changed, clean, free_port

TOOLS = Path(sys.executable).parent
HOST = "127.0.0.2"  # also of the loopback, and not one that Ray takes for this machine's address in the network
COUNT = """import json, sys, ray; from ray import serve
ray.init(sys.argv[1], namespace="serve", log_to_driver=False)
app = serve.status().applications.get("streamspace")
deployment = app and app.deployments.get("Replica")
print(json.dumps(dict(deployment.replica_states) if deployment else {}))"""


class Cluster:
    """Ray on this machine, with what `scale/serve.yaml` asks of it. All its processes work in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address, self.port = f"{HOST}:{free_port()}", free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1"
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
        self._env = {**clean(os.environ), **token, "PYTHONPATH": str(ROOT)}
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Ray itself: two processors, little memory, no dashboard."""
        port = self.address.split(":")[1]
        self._run(
            "ray", "start", "--head", "--block", "--disable-usage-stats", "--node-ip-address", HOST,
            "--port", port, "--num-cpus", "2", "--object-store-memory", str(100 * 2**20),
            "--include-dashboard", "false", "--temp-dir", str(self.folder),
        )  # fmt: skip
        until(lambda: "Ray runtime started" in self.log("ray"), 60)

    def serve(self, replicas: int) -> None:
        """So many replicas, and returns when there are."""
        settings = yaml.safe_load((ROOT / "scale/serve.yaml").read_text("utf-8"))
        settings["http_options"]["port"] = self.port
        scaling = settings["applications"][0]["deployments"][0]["autoscaling_config"]
        scaling |= {"min_replicas": replicas, "max_replicas": replicas}
        config = self.folder / "config.yaml"
        config.write_text(yaml.safe_dump(changed({"limits.grace": 120})), "utf-8")  # however busy this machine is
        settings["applications"][0]["args"]["config"] = str(config)
        file = self.folder / f"serve-{replicas}.yaml"
        file.write_text(yaml.safe_dump(settings), "utf-8")
        assert self._run("serve", "run", "--non-blocking", "--address", self.address, str(file)).wait() == 0
        until(lambda: self.replicas() == {"RUNNING": replicas}, 240)

    def replicas(self) -> dict[str, int]:
        """How many replicas are in which state, as Ray counts them."""
        command = [sys.executable, "-c", COUNT, self.address]
        done = subprocess.run(
            command, cwd=self.folder, env=self._env, capture_output=True, text=True, timeout=60, check=True
        )
        counted: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
        return counted

    def processes(self, name: str = "") -> list[int]:
        """The processes of this Ray whose command begins with `name`."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if (entry / "cwd").samefile(self.folder) and (entry / "cmdline").read_bytes().startswith(name.encode()):
                    found.append(int(entry.name))
            except OSError:  # it has ended, or is another user's
                continue
        return found

    def log(self, command: str) -> str:
        """What one of the commands has printed."""
        return (self.folder / f"{command}.log").read_text("utf-8", "replace")

    def end(self) -> None:
        """Ends all of it at once, and none of another Ray on this machine."""
        while left := self.processes():
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        for process in self._running:
            process.wait()

    def _run(self, command: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{command}.log").open("ab") as log:
            started = subprocess.Popen(
                [TOOLS / command, *arguments], cwd=self.folder, env=self._env, stdout=log, stderr=log
            )
        self._running.append(started)
        return started


def until(condition: Callable[[], Any], seconds: float) -> None:
    """Waits for a condition. Raises AssertionError where it takes longer."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    assert condition()
