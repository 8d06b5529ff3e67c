"""Labels, which the browser fills in, and the visitor: the language, in which the server writes other texts."""

from __future__ import annotations

import gradio as gr
from gradio.i18n import I18nData

from streamspace import i18n


def label(key: str) -> I18nData:
    """The text `page.<key>`, as an argument of a component."""
    return I18nData(f"page.{key}")


def labels() -> gr.I18n:
    """All labels in all languages, for the browser; page.js takes its texts from there too."""
    return gr.I18n(**i18n.browser_catalogs())


def visitor_language(request: gr.Request) -> str:
    """The visitor's language, by the browser's settings."""
    return i18n.language_of(request.headers.get("accept-language"))


def visitor(request: gr.Request) -> str:
    """What tells one open page from another: Gradio draws it at random."""
    return request.session_hash or ""
