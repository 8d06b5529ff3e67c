"""A PDF becomes text in a process that has nothing to lose; what a stranger sends ends that process at most."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from streamspace.web.page import pdf as pdfs
from tests.standins.pdf_file import pdf

LIMITS: Any = SimpleNamespace(limits=SimpleNamespace(files=2, file_characters=100), task="chat")


def client() -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Starlette(routes=pdfs.routes(LIMITS)))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60)


async def read(content: bytes) -> httpx.Response:
    async with client() as asking:
        return await asking.post("/streamspace/pdf", content=content)


async def test_the_text_of_all_pages_is_read() -> None:
    answer = await read(pdf("What is ZeroGPU?", "It is shared \\(free\\)."))
    assert (answer.status_code, answer.text) == (200, "What is ZeroGPU?\n\nIt is shared (free).")


async def test_one_character_too_many_is_read_of_a_long_one() -> None:
    assert len((await read(pdf(*["twenty characters a.."] * 1000))).text) == 101


def bomb() -> bytes:
    """Four gigabytes of a page in a file of four megabytes, deflated once and repeated."""
    deflating = zlib.compressobj(9, wbits=-15)
    block = deflating.compress(b" " * (1 << 24)) + deflating.flush(zlib.Z_FULL_FLUSH)
    return pdf("", content=b"\x78\xda" + block * 256 + b"\x03\x00")


def circle() -> bytes:
    return pdf("a").replace(b"/Kids [4 0 R]", b"/Kids [2 0 R]")


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"",
        lambda: b"hello",
        lambda: pdf(""),
        lambda: pdf("a")[:200],
        lambda: pdf("secret", trailer=b"/Encrypt << /Filter /Standard /V 1 /R 2 /O (a) /U (b) /P -4 >>"),
        circle,
        bomb,
    ],
    ids=["empty", "no-pdf", "no-text", "cut", "password", "circle", "bomb"],
)
async def test_what_has_no_text_to_read_is_refused(make: Callable[[], bytes]) -> None:
    answer = await read(make())
    assert (answer.status_code, answer.text) == (422, "")


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is run instead of pdf_text.py."""
    monkeypatch.setattr(pdfs, "SCRIPT", tmp_path / "script.py")
    return tmp_path / "script.py"


async def test_a_reader_sees_nothing_of_the_environment(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    script.write_text("import os; print('HF_TOKEN' in os.environ, len(os.environ) < 3)")
    assert (await read(b"")).text.split() == ["False", "True"]


async def test_a_reader_that_does_not_end_is_ended(
    script: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pdfs, "SECONDS", 1)
    script.write_text(f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)")
    assert (await read(b"")).status_code == 422
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()


async def test_few_are_read_at_once_and_some_wait(script: Path, tmp_path: Path) -> None:
    script.write_text(
        f"import os, pathlib, time; here = pathlib.Path({str(tmp_path)!r}); mine = here / f'{{os.getpid()}}.run'\n"
        "mine.touch(); time.sleep(0.3); print(len(list(here.glob('*.run')))); mine.unlink()"
    )
    async with client() as asking:
        answers = await asyncio.gather(*[asking.post("/streamspace/pdf", content=b"") for _ in range(12)])
    told = [each.text for each in answers if each.status_code == 200]
    assert len(told) == pdfs.MOST_WAITING
    assert max(map(int, told)) <= pdfs.AT_ONCE
    assert [each.headers["retry-after"] for each in answers if each.status_code == 503] == ["10"] * 4


def test_where_messages_bring_no_files_nothing_is_read() -> None:
    none: Any = SimpleNamespace(limits=SimpleNamespace(files=0, file_characters=100), task="chat")
    completion: Any = SimpleNamespace(limits=SimpleNamespace(files=2, file_characters=100), task="completion")
    assert pdfs.routes(none) == pdfs.routes(completion) == []
