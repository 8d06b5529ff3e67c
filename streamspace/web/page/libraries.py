"""Where the libraries are that Gradio brings for its own components: formulas, colours of code, diagrams.

Their file names change with Gradio's versions, and what they export is private to it: what is used is only here and in
static/rich.js.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio

ASSETS = Path(gradio.__file__).parent / "templates/frontend/assets"
LANGUAGES = "prism-*-????????.js"


def addresses() -> dict[str, Any]:
    """The addresses below the page's by name; those of the languages whose code is coloured, by language."""
    languages = {
        file.name.removeprefix("prism-")[: -len("-????????.js")]: _address(file) for file in ASSETS.glob(LANGUAGES)
    }
    named = {
        "katex": "katex-*.js",
        "katexStyle": "katex-*.css",
        "mermaid": "mermaid.core-*.js",
        "prism": "prism-????????.js",
    }
    return {name: _address(_only(pattern)) for name, pattern in named.items()} | {"languages": languages}


def _only(pattern: str) -> Path:
    (found,) = ASSETS.glob(pattern)
    return found


def _address(file: Path) -> str:
    return f"assets/{file.name}"
