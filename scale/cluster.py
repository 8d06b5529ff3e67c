"""Ray on this machine for the tests, by the commands that people type; no other Ray here is touched."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
import yaml
from ray import serve

from tests.running import ROOT, clean, free_port

TOOLS = Path(sys.executable).parent


class Cluster:
    """Ray on this machine, with what `scale/serve.yaml` asks of it; all of its processes know each other by `mark`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = f"SCALE_TEST={folder}"
        self.address, self.port = f"127.0.0.1:{free_port()}", free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1"
        name, value = self.mark.split("=")
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(16)  # without one, who reaches a port of Ray's runs code
        self._env = {**clean(os.environ), name: value, "RAY_AUTH_MODE": "token", "PYTHONPATH": str(ROOT)}
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Ray itself: two processors, little memory, no dashboard."""
        port = self.address.split(":")[1]
        self._run(
            "ray", "start", "--head", "--block", "--disable-usage-stats", "--node-ip-address", "127.0.0.1",
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
        file = self.folder / f"serve-{replicas}.yaml"
        file.write_text(yaml.safe_dump(settings), "utf-8")
        self._run("serve", "run", "--non-blocking", "--address", self.address, str(file))
        until(lambda: self.replicas() == {"RUNNING": replicas}, 120)

    def replicas(self) -> dict[str, int]:
        """How many replicas are in which state, as Ray counts them."""
        if not ray.is_initialized():
            ray.init(address=self.address, namespace="serve", log_to_driver=False, configure_logging=False)
        found = serve.status().applications.get("streamspace")
        deployment = found.deployments.get("Replica") if found else None
        return {str(state.value): number for state, number in deployment.replica_states.items()} if deployment else {}

    def processes(self, name: str = "") -> list[int]:
        """The processes of this Ray whose command begins with `name`."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                known = self.mark.encode() in (entry / "environ").read_bytes().split(b"\0")
                if known and (entry / "cmdline").read_bytes().startswith(name.encode()):
                    found.append(int(entry.name))
            except OSError:  # it has ended, or is another user's
                continue
        return found

    def log(self, command: str) -> str:
        """What one of the commands has printed."""
        return (self.folder / f"{command}.log").read_text("utf-8", "replace")

    def end(self) -> None:
        """Ends all of it, and none of another Ray on this machine."""
        ray.shutdown()
        for process in self._running:
            process.terminate()
        for process in self._running:
            process.wait(30)
        until(lambda: not self.processes(), 30)

    def _run(self, command: str, *arguments: str) -> None:
        with (self.folder / f"{command}.log").open("ab") as log:
            self._running.append(
                subprocess.Popen([TOOLS / command, *arguments], cwd=ROOT, env=self._env, stdout=log, stderr=log)
            )


def until(condition: Callable[[], Any], seconds: float) -> None:
    """Waits for a condition. Raises AssertionError where it takes longer."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    assert condition()
