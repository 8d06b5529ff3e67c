"""Builds a Space as the Hub does, in .space/, starts it as the Hub does, and sends it one message.

    make space CONFIG=config/tiny.yaml PYTHON=python3.12

The Hub's steps are in `checks/platform.py`. Differences: Python is the one given; torch is installed first if uv is
installed, since its CPU build saves gigabytes; the server listens on the loopback interface only; hardware
`zero-a10g` has no GPU and no ZeroGPU. The output of each step is in .space/*.log.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gradio_client import Client

sys.path.insert(0, str(Path(__file__).parents[1]))

from streamspace.checks.platform import PREINSTALLED, hub_requirements
from streamspace.config import file as configfile
from streamspace.config.types import Config
from streamspace.deploy.excerpt import relevant
from streamspace.deploy.plan import WITHOUT_SSR
from streamspace.errors import StreamspaceError
from streamspace.hub import requirements, upload
from streamspace.repository import ROOT

FOLDER = ROOT / ".space"
USER = 1000  # who runs the app on the Hub: it may write to its home and its work folder only
START = 300.0  # seconds; the Hub waits 30 minutes, most of them for the model's download


def main() -> int:
    """Returns 0 if the Space replied, else 1, after the log lines with the cause."""
    path = configfile.chosen()
    try:
        config = configfile.read(path)
        python = _environment(config)
        app = _files(config, path)
        secrets = {name: os.environ[name] for name, _ in config.needed().values() if name in os.environ}
        with _running(python, app, upload.config_path(path), secrets) as address:
            print(f"RUNNING   {_ask(address, config)}")
    except StreamspaceError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _environment(config: Config) -> Path:
    """The Python of a fresh environment, in which the Hub's two steps were taken."""
    python = FOLDER / "venv/bin/python"
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    _step("venv", [*(sys.argv[1:] or [sys.executable]), "-m", "venv", str(python.parents[1])])
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    wanted = requirements.read()
    if uv := shutil.which("uv"):
        _step("torch", [uv, "pip", "install", "--python", str(python), f"torch{wanted['torch']}"])
    _step("pip", [*pip, "-U", "pip"])
    _step("preinstalled", [*pip, *PREINSTALLED])
    additions = hub_requirements(requirements.pin("gradio", wanted) or "", config.card.hardware)
    _step("requirements", [*pip, "-r", str(requirements.FILE), *additions])
    return python


def _step(name: str, command: Sequence[str]) -> None:
    """Runs one step of the build. Raises StreamspaceError with the lines that tell why it failed."""
    log, started = FOLDER / f"{name}.log", time.monotonic()
    with log.open("wb") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT)
    if done.returncode:
        lines = relevant(log.read_text("utf-8", "replace").splitlines())
        raise StreamspaceError("\n".join([f"BUILD_ERROR at {name} (all of it: {log})", *lines]))
    print(f"BUILDING  {name}, {time.monotonic() - started:.0f} s", flush=True)


def _files(config: Config, path: Path) -> Path:
    """A folder of exactly the files that a deploy uploads; the user may write there, as on the Hub."""
    app = Path(tempfile.mkdtemp(prefix="space-")) / "app"
    for file in upload.files(config, path):
        target = app / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read())
    return app


@contextmanager
def _running(python: Path, app: Path, config: str, secrets: dict[str, str]) -> Iterator[str]:
    """The address of the app, started in the folder `app` with the variables and secrets that the Hub sets."""
    home, port = app.parent / "home", _free_port()
    home.mkdir()
    settings = {
        "HOME": str(home), "PATH": f"{python.parent}:{os.environ['PATH']}", "PYTHONPATH": str(app),
        "PYTHONUNBUFFERED": "1", "SYSTEM": "spaces", "SPACE_ID": "owner/name", "SPACE_AUTHOR_NAME": "owner",
        "SPACE_HOST": "owner-name.hf.space", "GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port),
        "GRADIO_NUM_PORTS": "1", "GRADIO_ALLOW_FLAGGING": "never", "SPACE_CONFIG": config, WITHOUT_SSR: "false",
        **secrets,
    }  # fmt: skip
    user = _other_user(python, app.parent)
    log = FOLDER / "run.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [python, "app.py"], cwd=app, env=settings, user=user, stdout=output, stderr=subprocess.STDOUT
        )
    print(f"STARTING  {app}/app.py as {'this user' if user is None else f'user {user}'}", flush=True)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(process, address, log)
        yield address
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(app.parent, ignore_errors=True)


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    until = time.monotonic() + START
    while process.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{address}/config", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    lines = relevant(log.read_text("utf-8", "replace").splitlines())
    raise StreamspaceError("\n".join([f"RUNTIME_ERROR: the app doesn't answer (all of it: {log})", *lines]))


def _other_user(python: Path, folder: Path) -> int | None:
    """The user to run as, now the owner of `folder`; None where only this one can read the environment."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    try:
        subprocess.run([python, "-c", "import gradio"], user=USER, check=True, capture_output=True, cwd="/")
    except (OSError, subprocess.CalledProcessError):
        return None
    for entry in (folder, *folder.rglob("*")):
        os.chown(entry, USER, USER)
    return USER


def _ask(address: str, config: Config) -> str:
    """The reply to one question, as a visitor's program gets it. Raises StreamspaceError with why there is none."""
    key = os.environ.get(config.access.key or "", "").strip()
    headers = {"Authorization": f"Bearer {key}"} if key else None
    client = Client(address, verbose=False, analytics_enabled=False, headers=headers)
    question, name = ("Once upon a time", "/complete") if config.task == "completion" else ("Hello!", "/chat")
    job = client.submit(question, api_name=name)
    updates = list(job)
    if job.exception() or not updates[-1].strip():
        raise StreamspaceError(f"The app runs, and doesn't answer: {job.exception() or 'an empty reply'}")
    return f"it answered in {len(updates)} updates: {updates[-1]}"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
