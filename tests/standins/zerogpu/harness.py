"""Starts an app as a real process on stand-in ZeroGPU hardware, and ends it with every worker it forked.

    with zero_space("app.py") as space:
        job = space.client(visitor_token("ada")).submit("Hello", api_name="/chat")

How the platform behaves is set on `space.api.rules`, what it was asked is in `space.api.calls`.
"""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from gradio_client import Client

from tests.forked import Running, start
from tests.standins.hub.platform import zero_environment

from .device_api import DeviceAPI

LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class ZeroSpace:
    """A running app: its address, the device API it speaks to, its process, and the file with all that it printed."""

    url: str
    api: DeviceAPI
    process: Running
    log: Path

    def client(self, token: str | None = None, *, browser: bool = False) -> Client:
        """A visitor. `token` is sent as X-IP-Token, which on the Hub the proxy adds to the request.

        A refusal that reaches an API caller ends with advice about tokens and PRO; a browser's does not.
        """
        headers = ({"x-ip-token": token} if token else {}) | ({"x-gradio-user": "app"} if browser else {})
        return Client(self.url, headers=headers, verbose=False, analytics_enabled=False, download_files=False)

    def printed(self) -> str:
        return self.log.read_text(errors="replace")


@contextmanager
def zero_space(
    app: str | Path,
    *,
    env: Mapping[str, str] | None = None,
    api: DeviceAPI | None = None,
    folder: Path | None = None,
    timeout: float = 90.0,
    fresh: bool = False,
) -> Iterator[ZeroSpace]:
    """Run `app` until the block ends. `folder` receives its home, its packed weights and `app.log`.

    The environment is made from nothing but PATH, so that no token or setting of the developer leaks in; `env` adds
    to it. A `fresh` app imports everything itself, as on the platform. Raises RuntimeError, with the end of the log,
    when the app stops or stays silent for `timeout` seconds.
    """
    with ExitStack() as stack:
        if api is None:
            api = stack.enter_context(DeviceAPI())
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zero-space-")))
        port = _free_port()
        log = folder / "app.log"
        command, cwd = [str(LAUNCH), str(Path(app).resolve())], Path(app).resolve().parent
        variables = _environment(api, folder, port) | dict(env or {})
        process = start(command, cwd, variables, log, fresh, group=True)  # a group of its own, for _end
        stack.callback(_end, process, api)
        space = ZeroSpace(f"http://127.0.0.1:{port}", api, process, log)
        _wait_for_page(space, timeout)
        yield space


def _environment(api: DeviceAPI, folder: Path, port: int) -> dict[str, str]:
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "PYTHONUNBUFFERED": "1",
        **zero_environment(api.url, folder),
        "HF_HUB_OFFLINE": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for_page(space: ZeroSpace, timeout: float) -> None:
    """/config, not the port: the port answers before the page is ready."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if space.process.poll() is not None:
            raise RuntimeError(f"the app ended with {space.process.returncode}:\n{space.printed()[-4000:]}")
        with suppress(httpx.TransportError):
            if httpx.get(f"{space.url}/config", timeout=5, trust_env=False).status_code == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"no page on {space.url} after {timeout} s:\n{space.printed()[-4000:]}")


def _end(process: Running, api: DeviceAPI) -> None:
    """End the app with its workers, which would outlive it: they share its process group, even if never allowed."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    api.forget()
