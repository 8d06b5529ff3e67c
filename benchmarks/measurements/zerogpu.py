"""Counts what turns of a conversation read again, and ask for, on ZeroGPU, with a stand-in of its device API.

The cards are this machine's cores, so tokens and seconds asked are those of a Space, and no times are given.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from benchmarks.clients.light import Question, replies
from benchmarks.measurements.comparison import long_question, said, user
from benchmarks.systems.models import Load
from benchmarks.systems.processes import settings
from tests.running import ROOT, changed
from tests.standins.zerogpu.harness import ZeroSpace, zero_space

GPU = {"min_seconds": 1, "max_seconds": 60, "prompt_tokens_per_second": 2000.0, "tokens_per_second": 25.0}


def turns(load: Load) -> list[dict[str, Any]]:
    """A first turn, then a second one on the worker that had the first, on a new one, and with nothing kept."""
    with TemporaryDirectory() as folder, _space(load, Path(folder)) as space:
        began = [user(long_question("once"))]
        first, answer = _turn(space, load, "turn 1, new worker", began)
        more = [*began, said(answer), user("And then?")]
        warm, _ = _turn(space, load, "turn 2, warm worker", more)
        space.api.evict()
        new, _ = _turn(space, load, "turn 2, new worker", more)
    with TemporaryDirectory() as folder, _space(load, Path(folder), {"limits.cache_megabytes": 0}) as space:
        _turn(space, load, "", began)
        nothing, _ = _turn(space, load, "turn 2, warm worker, nothing kept", more)
    return [first, warm, new, nothing]


def _space(load: Load, folder: Path, changes: dict[str, Any] | None = None) -> Any:
    config = folder / "space.yaml"
    gpu = {f"gpu.{name}": value for name, value in GPU.items()}
    config.write_text(yaml.safe_dump(changed({**settings(load), **gpu, **(changes or {})})), "utf-8")
    env = {"SPACE_CONFIG": str(config), "PYTHONPATH": str(ROOT)}
    return zero_space(ROOT / "app.py", env=env, folder=folder, fresh=True)


def _turn(space: ZeroSpace, load: Load, name: str, messages: list[dict[str, str]]) -> tuple[dict[str, Any], str]:
    port = int(space.url.rsplit(":", 1)[1])
    (reply,) = replies(port, str(load.model), [Question(messages, load.tokens)])
    space.api.wait_until_idle()
    prompt = reply.usage["prompt_tokens"]
    read = prompt - reply.usage["prompt_tokens_details"]["cached_tokens"]
    asked = float(space.api.asked("/schedule")[-1]["durationSeconds"])
    return {"turn": name, "prompt": prompt, "read": read, "asked": asked}, reply.text
