"""How many replies are written at once where the config doesn't say: by the device, its cores and its free memory."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streamspace.checks.cache import reply_bytes
from streamspace.config.limits import Limits
from streamspace.config.types import Config
from streamspace.model import memory
from streamspace.reply import places
from tests.running import changed

SHAPE = {"num_hidden_layers": 16, "num_attention_heads": 8, "head_dim": 64}


def config(**limits: Any) -> Config:
    return Config.model_validate(changed({f"limits.{name}": value for name, value in limits.items()}))


def test_the_default_is_open_and_a_number_is_kept() -> None:
    assert Limits().concurrency == "auto"
    assert config(concurrency=3).limits.places == 3
    assert places.by_memory(config(concurrency=3), SHAPE, 2, "cpu", 64).limits.places == 3


@pytest.mark.parametrize("value", ["many", 0, 257, 1.5, True])
def test_what_is_no_number_of_places_is_told_once(value: object) -> None:
    with pytest.raises(ValidationError) as raised:
        Limits.model_validate({"concurrency": value})
    (problem,) = raised.value.errors()
    assert (problem["loc"], problem["ctx"]["expected"]) == (("concurrency",), "auto, or a whole number from 1 to 256")


@given(st.integers(1, 128), st.integers(0, 10**12), st.sampled_from(["cpu", "cuda"]))
def test_there_are_places_for_what_the_cores_share_and_the_memory_holds(cores: int, free: int, device: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "free", lambda asked: free)
        found = places.by_memory(config(concurrency="auto"), SHAPE, 2, device, cores).limits.places
    each = reply_bytes(SHAPE, config(), 2)
    assert 1 <= found <= 64
    assert found == 1 or found * each <= free / 2
    assert device == "cuda" or found <= 8 * cores
    if (found + 1) * each <= free / 2:
        assert found == (64 if device == "cuda" else min(8 * cores, 64))


@pytest.mark.parametrize(
    ("free", "shape", "cores", "found", "said"),
    [
        (10**11, SHAPE, 2, 16, "Replies at once: 16, since that suits the passes of 2 cores"),
        (10**9, SHAPE, 2, 7, "Replies at once: 7, since each may take 67 MB of the 1000 MB that are free"),
        (None, SHAPE, 2, 16, "Replies at once: 16, since that suits the passes of 2 cores"),
        (0, {}, 2, 16, "Replies at once: 16, since that suits the passes of 2 cores"),  # a model without such a cache
    ],
)
def test_the_log_says_why(
    free: int | None,
    shape: dict[str, int],
    cores: int,
    found: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(memory, "free", lambda device: free)
    assert places.by_memory(config(concurrency="auto"), shape, 2, "cpu", cores).limits.places == found
    assert caplog.messages == [said]


def test_free_memory_is_what_the_container_leaves_of_the_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    assert memory.free("cpu") is None
    (tmp_path / "meminfo").write_text("MemTotal:       9 kB\nMemAvailable:       4000 kB\n")
    assert memory.free("cpu") == 4_096_000
    for name, text in (("max", "3000000\n"), ("current", "2000000\n"), ("stat", "anon 5\ninactive_file 500000\n")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert memory.free("cpu") == 1_500_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free("cpu") == 4_096_000


@pytest.mark.skipif(not memory.MEMINFO.exists(), reason="another system than Linux")
def test_this_machine_has_memory() -> None:
    assert (memory.free("cpu") or 0) > 10**8
