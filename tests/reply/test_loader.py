"""The page is there before the model: what is asked waits, what goes wrong is told, and a new visit tries again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client

from streamspace.config.types import Config
from streamspace.errors import ModelError, unexpected
from streamspace.events import Finished, TextDelta
from streamspace.prompt.builder import PromptBuilder
from streamspace.reply import loader as module
from streamspace.reply.loader import Loader
from streamspace.reply.pipeline import Pipeline
from streamspace.reply.request import ChatRequest, CompletionRequest
from tests.reply.test_pipeline import CONFIG, Scripted, read
from tests.running import App


def pipeline(tiny: Any) -> Pipeline:
    engine = Scripted(TextDelta("Hello", 1), Finished("stop", 1, 0.1, 0.1))
    return Pipeline(CONFIG, engine, PromptBuilder(tiny.tokenizer, 2048, 1024))


async def test_a_question_that_comes_early_waits_and_is_told_how_far_the_model_is(tiny: Any) -> None:
    loaded = threading.Event()

    def make(config: Config, on_progress: Callable[[str], None]) -> Pipeline:
        on_progress("Downloading owner/name: 1.0 of 3.1 GB")
        loaded.wait(10)
        return pipeline(tiny)

    loader = Loader(CONFIG, make)
    loader.ensure_started()
    steps = []
    async for progress in loader.chat(ChatRequest("hi")):
        steps.append(progress)
        if len(steps) == 3:
            loaded.set()
    assert (steps[2].phase, steps[2].note) == ("loading", "Downloading owner/name: 1.0 of 3.1 GB")
    assert steps[-1].text == "Hello"


async def test_what_goes_wrong_is_told_and_a_later_visit_tries_again(
    tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[Any] = [ModelError("model.id: 'owner/name' is gated"), pipeline(tiny)]

    def make(config: Config, on_progress: Callable[[str], None]) -> Pipeline:
        made = tries.pop(0)
        if isinstance(made, Exception):
            raise made
        return made

    loader = Loader(CONFIG, make)
    loader.load()
    with pytest.raises(ModelError, match=r"^The model could not be loaded\. model\.id: 'owner/name' is gated$"):
        await read(loader.chat(ChatRequest("hi")))
    loader.ensure_started()  # only just now: not tried again
    assert len(tries) == 1
    monkeypatch.setattr(module, "RETRY_DELAY", 0.0)
    loader.ensure_started()
    while loader.pipeline is None:
        pass
    assert (await read(loader.chat(ChatRequest("hi"))))[-1].text == "Hello"


async def test_a_defect_of_ours_is_told_without_its_insides(caplog: pytest.LogCaptureFixture) -> None:
    def make(config: Config, on_progress: Callable[[str], None]) -> Pipeline:
        raise ZeroDivisionError("secret insides")

    loader = Loader(CONFIG, make)
    loader.load()
    with pytest.raises(ModelError) as caught:
        await read(loader.complete(CompletionRequest("hi")))
    assert str(caught.value) == f"The model could not be loaded. {unexpected()}"
    assert "secret insides" in caplog.text


def test_the_page_opens_when_the_model_cannot_be_loaded_and_says_why(start: Callable[..., App], browser: Any) -> None:
    app = start(changes={"model.id": "owner/name"})
    page = browser.new_page()
    page.goto(app.url)
    page.wait_for_selector("#banner.error")
    assert page.locator("#banner > *").all_inner_texts() == [
        "⚠️ The model could not be loaded. model.id: 'owner/name' isn't in the cache, and the Hub can't be reached from here. "
        "Check the network (HF_HUB_OFFLINE is 1), or use a local folder as model.id.",
        "This is for the owner of the Space. Once the cause is fixed, reload the page.",
    ]
    page.close()
    with pytest.raises(Exception, match="isn't in the cache"):
        Client(app.url, verbose=False).predict("hi", api_name="/chat")


def test_the_page_is_served_before_torch_is_imported(start: Callable[..., App], tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    app = start(script="tests/standins/apps/gated_torch_app.py", env={"GATE": str(gate)}, fresh=True)  # the page is up
    client = Client(app.url, verbose=False)
    job = client.submit("ping", api_name="/chat")
    gate.touch()
    assert job.result() == "pong"
    client.close()
