"""Serves a page, with the settings that a public Space wants."""

from __future__ import annotations

import os

import gradio as gr
from starlette.middleware import Middleware

from streamspace import health
from streamspace.errors import StreamspaceError
from streamspace.images import MOST_MEGABYTES
from streamspace.opening import Opening
from streamspace.page import look, words
from streamspace.page.discreet import DiscreetServer


def serve(page: gr.Blocks, writer: Opening) -> None:
    """Serves until the process ends. Raises StreamspaceError when the port is taken."""
    config, port = writer.config, os.environ.get("GRADIO_SERVER_PORT")
    try:
        page.launch(
            server_port=int(port) if port else None,  # else Gradio would silently take another one
            theme=look.theme(config.page),
            head=look.head(config.page),
            i18n=words.labels(),
            footer_links=["api", "gradio"],
            ssr_mode=False,  # its proxy would hide routes of our own, and swallows some errors
            show_error=False,  # a traceback is not for the visitor
            enable_monitoring=False,  # would be public
            run_history=False,
            max_file_size=f"{MOST_MEGABYTES if config.task == 'image-chat' else 1}mb",
            app_kwargs={"routes": [health.route(writer)], "middleware": [Middleware(DiscreetServer)]},
        )
    except OSError as error:
        if "port" not in str(error):
            raise
        raise StreamspaceError(
            f"Port {port or '7860'} is in use. End the program that uses it, or choose another: make run PORT=7870"
        ) from error
