"""Estimates a model's speed on ZeroGPU, and from it how long replies may be; `engines/budget` measures later."""

from __future__ import annotations

from dataclasses import dataclass

from streamspace.checks.platform import ZEROGPU
from streamspace.checks.weights import active_share
from streamspace.config.types import Gpu
from streamspace.new.facts import Facts
from streamspace.new.placing import Place

# ZeroGPU's card, an RTX PRO 6000 Blackwell: 1,792 GB/s, and about 80 TFLOP/s in a prompt; `large` is half of it.
BANDWIDTH = {False: 896e9, True: 1792e9}
FLOPS = {False: 40e12, True: 80e12}
LAYER_SECONDS = 0.0007  # Python and kernel launches for a layer and token: a 4B model then makes the presets' 25 to 30
FASTEST_READING = 8000.0  # tokens per second
CPU_PROMPT = 2048  # tokens; a CPU takes minutes for more
WISHED = {"completion": (256, 1024), "image-chat": (512, 1024), "chat": (1024, 2048)}  # tokens: default, maximum
THINKING, CPU = (4096, 8192), (256, 1024)
STEP = 64  # lengths are multiples of it


@dataclass(frozen=True)
class Lengths:
    """Tokens of a reply and of a prompt, and on ZeroGPU the speeds and the seconds of GPU from which they follow."""

    default: int
    most: int
    prompt: int
    reading: float = Gpu.model_fields["prompt_tokens_per_second"].default
    writing: float = Gpu.model_fields["tokens_per_second"].default
    seconds: int = Gpu.model_fields["max_seconds"].default


def choose(facts: Facts, place: Place, task: str) -> Lengths:
    """The lengths that suit the task, as far as the context window and the GPU's seconds allow."""
    default, most = CPU if place.on_cpu else THINKING if facts.thinks else WISHED[task]
    prompt = min(place.prompt, CPU_PROMPT) if place.on_cpu or task == "completion" else place.prompt
    if prompt + most > facts.window:
        most = min(most, facts.window // 2)
        prompt = min(prompt, facts.window - most)
    if place.hardware != ZEROGPU or not place.need.weights:
        return Lengths(min(default, most), most, prompt)
    reading, writing = speeds(facts, place)
    seconds = next((each for each in (60, 120) if _affordable(each, prompt, reading, writing) >= default), 120)
    most = min(most, max(STEP, _affordable(seconds, prompt, reading, writing) // STEP * STEP))
    return Lengths(min(default, most), most, prompt, reading, writing, seconds)


def speeds(facts: Facts, place: Place) -> tuple[float, float]:
    """Tokens per second of a prompt and of a reply; of a mixture, a token reads and computes the chosen experts."""
    count = facts.parameters or place.need.weights // 2
    share = active_share(count, facts.shape)
    layers = facts.text.get("num_hidden_layers") or 0
    token = place.need.weights * share / BANDWIDTH[place.xlarge] + layers * LAYER_SECONDS
    return min(_rounded(FLOPS[place.xlarge] / (2 * count * share)), FASTEST_READING), _rounded(1 / token)


def _affordable(seconds: int, prompt: int, reading: float, writing: float) -> int:
    """Tokens of a reply within these seconds, of which one is kept for stopping in time."""
    return int((seconds - 1 - prompt / reading) * writing)


def _rounded(value: float) -> float:
    """Two digits: it is an estimate."""
    return float(f"{value:.2g}")
