"""The page's theme, styles and scripts, by the config."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import gradio as gr

from streamspace.config import paths
from streamspace.config.types import Page
from streamspace.repository import ROOT

HERE = Path(__file__).parent
SCRIPTS = ("markup.js", "events.js", "page.js", "conversations.js", "accessibility.js")  # each uses those before it
SYSTEM_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO_FONT = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
# White on shade 700 has a contrast of at least 4.5 in every hue; on the theme's own 500 it is lower.
READABLE = {
    "button_primary_background_fill": "*primary_700",
    "button_primary_background_fill_hover": "*primary_800",
    "button_primary_background_fill_dark": "*primary_700",
    "button_primary_background_fill_hover_dark": "*primary_800",
    "link_text_color": "*primary_700",
    "link_text_color_hover": "*primary_800",
    "link_text_color_visited": "*primary_700",
    "link_text_color_dark": "*primary_300",
    "link_text_color_hover_dark": "*primary_200",
    "link_text_color_visited_dark": "*primary_300",
    "block_title_text_color": "*neutral_800",
    "block_title_text_color_dark": "*neutral_200",
    "block_title_background_fill": "none",
    "block_title_background_fill_dark": "none",
    "block_title_padding": "0",
    "block_title_text_weight": "500",
    "block_label_text_color": "*neutral_600",
    "block_label_text_color_dark": "*neutral_300",
}
LATEX: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
    {"left": "\\[", "right": "\\]", "display": True},
    {"left": "\\(", "right": "\\)", "display": False},
]


def logo(name: str) -> str:
    """An image file of the repository as a data URL, so that no path has to be served."""
    path = ROOT / name
    assert paths.refusal(name, paths.LOGO) is None, "the config's validation refuses it"
    return f"data:{paths.image_type(path)};base64,{base64.b64encode(path.read_bytes()).decode()}"


def theme(page: Page) -> Any:
    """Gradio's Soft theme in the config's accent colour, with system fonts: nothing is loaded from other servers."""
    base = gr.themes.Soft(
        primary_hue=page.accent, secondary_hue=page.accent, neutral_hue="zinc", font=SYSTEM_FONT, font_mono=MONO_FONT
    )
    return base.set(**READABLE)


def head(page: Page) -> str:
    """The content of the page's <head>. The styles are here because Gradio scopes those it gets as `css`."""
    style = (HERE / "page.css").read_text("utf-8")
    script = "\n".join((HERE / name).read_text("utf-8") for name in SCRIPTS)
    return f"<style>:root {{ --streamspace-width: {page.width}px; }}\n{style}</style>\n<script>{script}</script>"
