"""What the tests share: a clean environment, the embedded model, the real app as a process, and a real browser."""

from __future__ import annotations

import os
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch is imported: see docs/decisions/
from tests.running import ROOT, App

settings.register_profile("project", deadline=None)  # how long an example takes says nothing on a busy machine
settings.load_profile("project")

WHOLE_CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
CHROMIUM = shutil.which("chromium-headless-shell") or WHOLE_CHROMIUM  # the shell needs two thirds of the time
NO_BROWSER = "no Chromium found; install one with: apt-get install chromium (Debian), brew install chromium (macOS)"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the developer's own settings or tokens, or reaches the Hub."""
    for name in list(os.environ):
        if name.startswith(("HF_", "SPACE", "GRADIO_", "HUGGING")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def tiny() -> Any:
    """The embedded model, loaded as the app loads it."""
    from streamspace.config import file as configfile
    from streamspace.model.loading import load
    from streamspace.model.placement import Placement

    return load(configfile.read(ROOT / "config/tiny.yaml").model, Placement("cpu", "float32", "a test"))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Any]:
    """The stand-in of the Hub, empty."""
    from tests.standins.hub.server import Hub

    running = Hub(tmp_path / "hub")
    yield running
    running.end()


@pytest.fixture
def here(tmp_path: Path, hub: Any) -> Any:
    """A checkout of this repository that deploys to it."""
    from tests.standins.hub.checkout import Checkout

    return Checkout(tmp_path / "work", hub)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., App]]:
    """Starts the real app; what a test started is ended after it."""
    apps: list[App] = []

    def run(**settings: Any) -> App:
        apps.append(App(tmp_path, **settings))
        return apps[-1]

    yield run
    for app in apps:
        app.end()


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory, probe: Probe) -> Iterator[App]:
    """The real app with the embedded model and a probe on it, shared by the tests that don't change it."""
    running = App(
        tmp_path_factory.mktemp("app"), script="tests/standins/apps/probed_app.py", env={"PROBE": str(probe.folder)}
    )
    yield running
    running.end()


@pytest.fixture(scope="session")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The real page over the engine of `tests/standins/apps/scripted_app.py`, with wide limits."""
    limits = {"limits.prompt_characters": 100_000, "limits.prompt_tokens": 100_000, "limits.turns": 200}
    running = App(tmp_path_factory.mktemp("scripted"), limits, "tests/standins/apps/scripted_app.py")
    yield running
    running.end()


class Probe:
    """What tests see of, and do to, the model of a `tests/standins/apps/probed_app.py`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def steps(self) -> int:
        """Forward passes begun so far."""
        return (self.folder / "steps").stat().st_size // 8

    def since(self, moment: float) -> int:
        """Forward passes begun after that `time.time()`."""
        return sum(start > moment for (start,) in struct.iter_unpack("d", (self.folder / "steps").read_bytes()))

    def settled(self, quiet: float = 0.5) -> int:
        """The number of passes, once there were no more for `quiet` seconds."""
        before = -1
        while (now := self.steps) != before:
            before = now
            time.sleep(quiet)
        return now

    @contextmanager
    def set(self, name: str, value: str) -> Iterator[None]:
        """Writes one of the files that the probe looks at, for the length of a block."""
        (self.folder / name).write_text(value)
        try:
            yield
        finally:
            (self.folder / name).unlink()


@pytest.fixture(scope="session")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Probe:
    """The probe on the shared app's model."""
    return Probe(tmp_path_factory.mktemp("probe"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real headless Chromium. Not for the whole session: asyncio tests can't run while Playwright does."""
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail(NO_BROWSER)
        pytest.skip(NO_BROWSER)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield chromium
        chromium.close()


@pytest.fixture(params=[(1280, 800), (390, 800)], ids=["desktop", "phone"])
def size(request: pytest.FixtureRequest) -> dict[str, int]:
    """The two window sizes that the page is made for, in CSS pixels."""
    return {"width": request.param[0], "height": request.param[1]}


@pytest.fixture(scope="session")
def vision_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model that reads images."""
    from tests.standins import vision

    return vision.make(tmp_path_factory.mktemp("vision"))


@pytest.fixture(scope="session")
def vision_loaded(vision_model: Path) -> Any:
    """That model, loaded as the app loads it."""
    from streamspace.config.model import Model
    from streamspace.model.loading import load
    from streamspace.model.placement import Placement

    return load(Model(id=str(vision_model)), Placement("cpu", "float32", "a test"), task="image-chat")


@pytest.fixture
def uploads_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where uploaded files are kept."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def image_probe(tmp_path_factory: pytest.TempPathFactory) -> Probe:
    """The probe on the model of `image_space`."""
    return Probe(tmp_path_factory.mktemp("image-probe"))


@pytest.fixture(scope="session")
def image_space(tmp_path_factory: pytest.TempPathFactory, vision_model: Path, image_probe: Probe) -> Iterator[App]:
    """The real app with the model that reads images, shared by the tests of its API and of its page."""
    changes = {"task": "image-chat", "model.id": str(vision_model), "system_prompt": ""}
    env = {"PROBE": str(image_probe.folder), "GRADIO_TEMP_DIR": str(tmp_path_factory.mktemp("uploads"))}
    running = App(tmp_path_factory.mktemp("image-space"), changes, "tests/standins/apps/probed_app.py", env)
    yield running
    running.end()
