"""The steps of a reply that reach the page: each that differs, and in silence just enough to hear who has gone."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import pytest

from streamspace.errors import GenerationError, StreamspaceError
from streamspace.i18n import t
from streamspace.reply.progress import Progress
from streamspace.web.page import updates as module
from streamspace.web.page.page import search_once
from streamspace.web.page.updates import updates

STEPS = [Progress(position=number) for number in range(1, 4)]


async def replying(steps: Sequence[Progress], fails: bool = False) -> AsyncGenerator[Progress, None]:
    for step in steps:
        yield step
        await asyncio.sleep(0)
    if fails:
        raise GenerationError(t("error.server_unreachable"))


def show(progress: Progress, error: StreamspaceError | None) -> tuple[int, bool]:
    return progress.position, error is not None


async def seen(steps: Sequence[Progress], fails: bool = False) -> list[object]:
    return [each async for each in updates(replying(steps, fails), show)]


async def test_what_is_the_same_is_sent_once() -> None:
    steps = [replace(step) for step in STEPS for _ in range(50)]
    assert await seen([Progress(), *steps]) == [gr.skip(), (1, False), (2, False), (3, False)]


async def test_in_silence_a_step_comes_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(1000))  # tenths of a second, one at each look
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(now) / 10))
    silence = await seen([STEPS[0]] * 100)
    assert silence[0] == (1, False)
    assert 10 <= silence.count(gr.skip()) <= 20


async def test_an_error_is_the_last_step_after_what_there_was() -> None:
    assert await seen(STEPS[:2], fails=True) == [(1, False), (2, False), (2, True)]


def test_a_package_that_is_not_installed_is_searched_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []
    monkeypatch.setattr(sys, "meta_path", [SimpleNamespace(find_spec=lambda name, *_: searched.append(name))])
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    for _ in range(3):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("there_is_none")
    assert len(searched) == 3
    search_once("there_is_none")
    search_once("json")
    for _ in range(3):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("there_is_none")
    assert len(searched) == 4
    assert importlib.import_module("json")
