"""Who visits, and in which language the server writes to them; the browser's own texts are static/texts.js's."""

from __future__ import annotations

import gradio as gr

from streamspace import i18n


def language(request: gr.Request) -> str:
    """The visitor's language, by the browser's settings."""
    return i18n.language_of(request.headers.get("accept-language"))


def identity(request: gr.Request) -> str:
    """What tells one open page from another: Gradio draws it at random."""
    return request.session_hash or ""
