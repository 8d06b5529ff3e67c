"""Starts Python programs from a server that has imported the large packages already, which spares each start seconds.

Such a program differs from one of its own in this alone: those packages are there before its first line. A test of when
they are imported, or of what they read from the environment while they are, starts its program afresh.
"""

from __future__ import annotations

import atexit
import importlib
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

PRELOADED = ["torch", "transformers.models.auto.modeling_auto", "gradio", "huggingface_hub.hf_api", "peft"]
READ_AT_IMPORT = ("GRADIO_TEMP_DIR", "PYTHON", "SPACES_", "TRANSFORMERS_", "OMP_")
_servers = get_context("forkserver")
_servers.set_forkserver_preload(PRELOADED)


def forkable(env: dict[str, str]) -> bool:
    """Whether a program with these variables, beside the usual ones, runs the same from the server."""
    return not any(name.startswith(READ_AT_IMPORT) for name in env)


def start(
    command: Sequence[str], cwd: Path, env: dict[str, str], log: Path, fresh: bool = False, group: bool = False
) -> Running:
    """Starts a program whose output goes to one file; a `fresh` one imports everything itself."""
    log.write_bytes(b"")
    if not fresh:
        return Forked(command, cwd, env, log, log, group)
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, *command], cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, start_new_session=group,
        )  # fmt: skip


class Forked:
    """A running program, with the part of `subprocess.Popen` that the tests use; its output goes to files."""

    def __init__(
        self, command: Sequence[str], cwd: Path, env: dict[str, str], out: Path, err: Path, group: bool = False
    ) -> None:
        """`command` is a script and its arguments, or `-m`, a module and its arguments. It may lead a `group`."""
        self._files = out, err
        self._process = _servers.Process(
            target=_become, args=(list(command), str(cwd), env, str(out), str(err), group), daemon=False
        )
        self._process.start()
        self.pid = self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """As `subprocess.Popen.returncode`."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """As `subprocess.Popen.poll`."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """As `subprocess.Popen.wait`."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("a forked program", timeout or 0)
        return self._process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """As `subprocess.Popen.communicate`."""
        self.wait(timeout)
        out, err = (path.read_text("utf-8") for path in self._files)
        return out, err

    @property
    def said(self) -> str:
        """What it has printed so far."""
        return self._files[0].read_text("utf-8") if self._files[0].exists() else ""

    def send_signal(self, number: int) -> None:
        """As `subprocess.Popen.send_signal`."""
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """As `subprocess.Popen.terminate`."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """As `subprocess.Popen.kill`."""
        self.send_signal(signal.SIGKILL)


def _become(command: list[str], cwd: str, env: dict[str, str], out: str, err: str, group: bool) -> None:
    if group:
        os.setsid()
    for number, path in ((1, out), (2, err)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background programs ignore it
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    if env.get("PYTHONUNBUFFERED"):
        sys.stdout.reconfigure(write_through=True)  # type: ignore[union-attr]
    importlib.reload(sys.modules["huggingface_hub.constants"])  # these it reads while it is imported
    module = command[1] if command[0] == "-m" else ""
    sys.argv = command[1:] if module else command
    sys.path[:] = [
        cwd if module else str(Path(command[0]).resolve().parent),
        *env.get("PYTHONPATH", "").split(os.pathsep),
        *(path for path in sys.path if "site-packages" in path or path.startswith(sys.base_prefix)),
    ]
    # This module's own package is here already, and the program's may be another copy.
    for name in [name for name in sys.modules if name.split(".")[0] in ("streamspace", "tests")]:
        del sys.modules[name]
    if not module:
        _lend(Spare(cwd))
    try:
        if module:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(command[0], run_name="__main__")
    except Exception as error:
        while error.__traceback__ and error.__traceback__.tb_frame.f_code.co_filename in (__file__, "<frozen runpy>"):
            error.__traceback__ = error.__traceback__.tb_next
        traceback.print_exception(error)
        raise SystemExit(1) from None
    finally:
        atexit._run_exitfuncs()  # a process of multiprocessing ends without them


class Spare:
    """A process that becomes the model's when the program asks for one, with what the program uses of `Popen`."""

    def __init__(self, cwd: str) -> None:
        (down, below), (up, above) = os.pipe(), os.pipe()
        self.returncode: int | None = None
        self._waiting = threading.Lock()  # only one may ask the system: it tells the end once
        self.pid = os.fork()
        if not self.pid:
            for each, number in ((down, 0), (above, 1)):
                os.dup2(each, number)
            for each in (down, below, up, above):
                os.close(each)
            _work(cwd)
        os.close(down)
        os.close(above)
        self.stdin, self.stdout = os.fdopen(below, "wb"), os.fdopen(up, "rb")

    def begin(self, program: Sequence[str]) -> Spare:
        """Becomes a program."""
        self.stdin.write(" ".join(program).encode() + b"\n")
        self.stdin.flush()
        return self

    def wait(self, timeout: float | None = None) -> int:
        """As `subprocess.Popen.wait`."""
        until = time.monotonic() + (timeout or 3600)
        while self._is_running():
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("a spare", timeout or 0)
            time.sleep(0.01)
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        """As `subprocess.Popen.kill`."""
        if self._is_running():
            os.kill(self.pid, signal.SIGKILL)

    def _is_running(self) -> bool:
        with self._waiting:
            if self.returncode is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
            return self.returncode is None


def _lend(spare: Spare) -> None:
    """Has the first process of the model be the spare one."""
    start, spares = subprocess.Popen, [spare]

    def popen(command: Any, *args: Any, **how: Any) -> Any:
        if spares and command[0] == sys.executable and "worker" in command[-1]:
            return spares.pop().begin(command[1:])
        return start(command, *args, **how)

    subprocess.Popen = popen  # type: ignore[misc, assignment]


def _work(cwd: str) -> None:
    """What the spare process does: waits for its program's name, a line, and runs it."""
    program = bytearray()
    while not program.endswith(b"\n"):
        if not (read := os.read(0, 1)):
            os._exit(0)
        program += read
    sys.path.insert(0, cwd)
    name, *module = program.decode().split()
    try:
        if module:
            runpy.run_module(module[0], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(name, run_name="__main__")
    finally:
        traceback.print_exc()
        os._exit(1)


Running = subprocess.Popen[bytes] | Forked
