"""Fewer threads compute small passes where that is quicker; the number depends on the pass alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from streamspace.model import threads


@pytest.fixture(autouse=True)
def _four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


class Timed(torch.nn.Module):
    """A pass takes as many milliseconds as is said for the number of threads that compute it."""

    clock = 0.0

    def __init__(self, milliseconds: dict[int, float]) -> None:
        super().__init__()
        self.milliseconds = milliseconds
        self.passes: list[tuple[int, int]] = []  # tokens and threads

    def forward(self, input_ids: torch.Tensor, use_cache: bool = True) -> None:
        self.passes.append((input_ids.numel(), torch.get_num_threads()))
        Timed.clock += self.milliseconds[torch.get_num_threads()] / 1000


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        ({1: 2, 2: 9, 4: 9}, [1, 1, 4]),
        ({1: 9, 2: 2, 4: 9}, [2, 2, 4]),
        ({1: 9, 2: 9, 4: 2}, [4, 4, 4]),
        ({1: 10.5, 2: 10.2, 4: 10}, [1, 1, 4]),  # a thread has to earn its core
        ({1: 11.5, 2: 10.5, 4: 10}, [2, 2, 4]),
        ({1: 60, 2: 80, 4: 90}, [1, 1, 4]),
    ],
)
def test_the_quickest_number_computes_small_passes(
    milliseconds: dict[int, float], expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.perf_counter", lambda: Timed.clock)
    model = Timed(milliseconds)
    threads.tune(model)
    model.passes.clear()
    for size in (1, 8, 32):
        model(input_ids=torch.zeros(1, size, dtype=torch.long))
    assert [number for _, number in model.passes] == expected


def test_a_large_models_passes_are_not_tried_with_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.perf_counter", lambda: Timed.clock)
    model = Timed({1: 420, 2: 210, 4: 105})
    threads.tune(model)
    assert set(model.passes) == {(1, 4), (8, 4)}
    assert len(model.passes) == 4


def test_a_number_that_is_far_behind_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.perf_counter", lambda: Timed.clock)
    model = Timed({1: 300, 2: 12, 4: 10})
    threads.tune(model)
    assert model.passes.count((1, 1)) == model.passes.count((8, 1)) == 2  # the one that counts, and one before it
    assert model.passes.count((1, 2)) == 2 * threads.ROUNDS


def test_a_reply_is_the_same_text(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = tiny.tokenizer("Count to ten, and then name the planets of the sun in their order", return_tensors="pt")
    expected = tiny.model.generate(**ids, max_new_tokens=20, do_sample=False)
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(threads, "_quickest", lambda model, size, all_cores: {1: 1, 8: 2}[size])
    hooks = dict(tiny.model._forward_pre_hooks)
    try:
        threads.tune(tiny.model)
        tiny.model.register_forward_pre_hook(
            lambda _, args, kwargs: seen.append((kwargs["input_ids"].numel(), torch.get_num_threads())),
            with_kwargs=True,
        )
        written = tiny.model.generate(**ids, max_new_tokens=20, do_sample=False)
    finally:
        for hook in set(tiny.model._forward_pre_hooks) - set(hooks):
            del tiny.model._forward_pre_hooks[hook], tiny.model._forward_pre_hooks_with_kwargs[hook]
    assert torch.equal(written, expected)
    prompt = ids["input_ids"].numel()
    assert seen[:3] == [(prompt, 2 if prompt < threads.PROMPT else 4), (1, 1), (1, 1)]
