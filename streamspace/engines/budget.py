"""How many GPU seconds a reply asks for on ZeroGPU: as few as are honest, since they are checked against a quota."""

from __future__ import annotations

import math
import threading

from streamspace.config.types import Gpu
from streamspace.events import Finished

MARGIN = 1.0  # seconds between the model's own stop and the end of what was asked for
SAFETY_FACTOR = 0.8  # how much of a measured speed is relied upon


class Budget:
    """Computes the seconds from the config's speeds, until replies have been measured, and then from those."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self._lock = threading.Lock()
        self._measured: float | None = None  # tokens per second

    def seconds(self, prompt_tokens: int, new_tokens: int) -> int:
        """Whole seconds for a reply of at most `new_tokens`, within the config's floor and ceiling."""
        reading = prompt_tokens / self._gpu.prompt_tokens_per_second
        writing = new_tokens / (self._measured or self._gpu.tokens_per_second)
        return min(max(math.ceil(reading + writing + MARGIN), self._gpu.min_seconds), self._gpu.max_seconds)

    def learn(self, end: Finished) -> None:
        """Takes a finished reply's speed into account; one of a few tokens says little and is passed over."""
        writing = end.duration - end.time_to_first_token
        if end.tokens < 20 or writing <= 0:
            return
        speed = SAFETY_FACTOR * (end.tokens - 1) / writing
        with self._lock:
            self._measured = speed if self._measured is None else 0.7 * self._measured + 0.3 * speed
