"""The sampling controls, bounded by the config; `parameters` checks again what they send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from streamspace.config.ranges import IntRange, Range, SamplingLimits
from streamspace.config.types import Thinking
from streamspace.model.thinking import CHOICES
from streamspace.sampling import PARAMETERS
from streamspace.web.page.labels import label


def sampling(bounds: SamplingLimits) -> list[Any]:
    """The controls, in the order of `asked`."""
    sliders = [_slider(each.name, getattr(bounds, each.name)) for each in PARAMETERS]
    seed = gr.Number(value=bounds.seed, precision=0, label=label("seed"), info=label("seed_info"))
    return [*sliders, seed]


def thinking(settings: Thinking) -> gr.Radio:
    """The choice of thinking: of all there are, those of the model are shown once it is loaded."""
    choices: list[Any] = [(label(f"thinking_{name}"), name) for name in CHOICES]
    return gr.Radio(choices, value=settings.default, label=label("thinking"), elem_id="thinking")


def asked(values: Sequence[Any]) -> dict[str, Any]:
    """What the visitor set, by name."""
    return dict(zip((*(each.name for each in PARAMETERS), "seed"), values, strict=True))


def _slider(name: str, bounds: Range) -> Any:
    step = 1 if isinstance(bounds, IntRange) else 0.05
    return gr.Slider(bounds.min, bounds.max, bounds.default, step=step, label=label(name), info=label(f"{name}_info"))
