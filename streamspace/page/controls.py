"""The sampling controls, bounded by the config; `parameters` checks again what they send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from streamspace.config import IntRange, Range, Sampling
from streamspace.parameters import NAMES

LABELS = {
    "max_new_tokens": ("Longest reply", "In tokens, of which a word is one or two"),
    "temperature": ("Temperature", "0 is the likeliest answer every time; higher is more varied"),
    "top_p": ("Top-p", "Only the likeliest tokens that add up to this share; 1 is all"),
    "top_k": ("Top-k", "Only this many of the likeliest tokens; 0 is all"),
    "repetition_penalty": ("Repetition penalty", "Above 1 repeats itself less"),
}


def sampling(bounds: Sampling) -> list[Any]:
    """The controls, in the order of `asked`."""
    sliders = [_slider(name, getattr(bounds, name)) for name in NAMES]
    seed = gr.Number(
        value=bounds.seed, precision=0, label="Seed", info="The same seed gives the same reply; empty draws a new one"
    )
    return [*sliders, seed]


def asked(values: Sequence[Any]) -> dict[str, Any]:
    """What the visitor set, by name."""
    return dict(zip((*NAMES, "seed"), values, strict=True))


def _slider(name: str, bounds: Range) -> Any:
    label, info = LABELS[name]
    step = 1 if isinstance(bounds, IntRange) else 0.05
    return gr.Slider(bounds.min, bounds.max, bounds.default, step=step, label=label, info=info)
