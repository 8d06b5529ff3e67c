"""Starts the process: the config or exit code 2, the model, a server with the settings that a public Space wants."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from streamspace.config import file as configfile
from streamspace.config import secrets
from streamspace.config.types import Config
from streamspace.errors import StreamspaceError
from streamspace.prompt.images import MOST_MEGABYTES
from streamspace.reply.loader import Loader
from streamspace.web import connections, health, login
from streamspace.web.access import Keyed
from streamspace.web.door import Door
from streamspace.web.ending import Ending
from streamspace.web.mcp import routes as mcp
from streamspace.web.openai import routes as openai
from streamspace.web.page import assets, head, pdf
from streamspace.web.page.page import CALLS
from streamspace.web.page.redacting import RedactingMiddleware
from streamspace.web.page.shell import Shell

SESSIONS = 50  # of which Gradio remembers the last values; a page whose values are forgotten sends them again


def read_config() -> Config:
    """The config that SPACE_CONFIG names; ends the process with exit code 2, its problems told, where it has some."""
    try:
        return prepare(configfile.chosen())
    except StreamspaceError as error:
        raise _leave(error) from None


def prepare(path: Path) -> Config:
    """The config in `path`, with the secrets that it names in place, and the log open. Raises ConfigError."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("streamspace").setLevel(logging.INFO)
    config = configfile.read(path)
    secrets.check({name for name, _ in config.needed().values()})
    if config.access.key:
        secrets.required("access.key", config.access.key)
    login.check(config.access)
    return config


def serve(page: gr.Blocks, loader: Loader) -> None:
    """Loads the model and serves until the process ends; with exit code 2 at once where the port is taken."""
    if gr.NO_RELOAD:  # else `gradio app.py` has run app.py again after a change: the first visit loads the model
        loader.start()
    ending = Ending()
    try:
        _launch(page, loader)
    except StreamspaceError as error:
        raise _leave(error) from None
    if gr.NO_RELOAD:
        ending.wait(page, loader)


def _leave(error: StreamspaceError) -> SystemExit:
    print(error, file=sys.stderr)  # noqa: T201
    return SystemExit(2)


def _routes(loader: Loader) -> list[BaseRoute]:
    """The ways in besides Gradio's."""
    config = loader.config
    own = [*health.routes(loader), *assets.routes(), *pdf.routes(config), *login.routes(config.access)]
    doors = [*(openai.routes(loader) if config.doors.openai else []), *(mcp.routes(loader) if config.doors.mcp else [])]
    if config.doors.metrics:
        from streamspace.web import metrics  # and with it prometheus_client, which others don't need

        doors += metrics.routes(loader)
    return [*own, *doors]


def _launch(page: gr.Blocks, loader: Loader) -> None:
    middleware = [
        *login.middleware(loader.config.access),
        Middleware(RedactingMiddleware),
        Middleware(Door, config=loader.config),
        Middleware(Keyed, loader=loader),
        Middleware(Shell, head=head.head(loader.config)),
    ]
    config, port = loader.config, os.environ.get("GRADIO_SERVER_PORT")
    try:
        page.launch(
            server_port=int(port) if port else None,  # else Gradio would silently take another one
            theme=head.theme(config.page),
            footer_links=["api", "gradio"],
            ssr_mode=False,  # its proxy would hide routes of our own, and swallows some errors
            show_error=False,  # a traceback is not for the visitor
            enable_monitoring=False,  # would be public
            run_history=False,
            max_threads=CALLS,  # that many calls at once; others would wait before the queue, where no position is told
            mcp_server=False,  # of Gradio's, which GRADIO_MCP_SERVER would open beside ours
            state_session_capacity=SESSIONS,
            max_file_size=f"{MOST_MEGABYTES if config.task == 'image-chat' else 1}mb",
            prevent_thread_lock=True,  # `ending` waits instead
            app_kwargs={"routes": _routes(loader), "middleware": middleware, "lifespan": connections.watching(page)},
        )
    except OSError as error:
        if "port" not in str(error):
            raise
        raise StreamspaceError(
            f"Port {port or '7860'} is in use. End the program that uses it, or choose another: make run PORT=7870"
        ) from error
