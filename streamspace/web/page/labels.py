"""The page's words in the browser's language: labels, which the browser puts in place, and who reads the rest."""

from __future__ import annotations

import gradio as gr
from gradio.i18n import I18nData

from streamspace import i18n


def label(key: str) -> I18nData:
    """The text `page.key`, for whatever a component shows."""
    return I18nData(f"page.{key}")


def labels() -> gr.I18n:
    """What the browser needs to put labels in place; page.js takes its texts from there too."""
    return gr.I18n(**i18n.browser_catalogs())


def visitor_language(request: gr.Request) -> str:
    """The language that a visitor reads."""
    return i18n.language_of(request.headers.get("accept-language"))
