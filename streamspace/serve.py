"""Serves a page, with the settings that a public Space wants."""

from __future__ import annotations

import os

import gradio as gr

from streamspace.config import Page
from streamspace.errors import StreamspaceError
from streamspace.page import look


def serve(page: gr.Blocks, settings: Page) -> None:
    """Serves until the process ends. Raises StreamspaceError when the port is taken."""
    port = os.environ.get("GRADIO_SERVER_PORT")
    try:
        page.launch(
            server_port=int(port) if port else None,  # else Gradio would silently take another one
            theme=look.theme(settings),
            head=look.head(settings),
            footer_links=["api", "gradio"],
            ssr_mode=False,  # its proxy would hide routes of our own, and swallows some errors
            show_error=False,  # a traceback is not for the visitor
            enable_monitoring=False,  # would be public
            run_history=False,
            max_file_size="1mb",
        )
    except OSError as error:
        if "port" not in str(error):
            raise
        raise StreamspaceError(
            f"Port {port or '7860'} is in use. End the program that uses it, or choose another: make run PORT=7870"
        ) from error
