"""The page's <head>: what its modules are told of the config, and where they and Gradio's libraries are.

The files themselves are `assets`'s.
"""

from __future__ import annotations

import base64
import json
import os
from typing import Any

import gradio as gr

from streamspace import i18n
from streamspace.config import paths
from streamspace.config.access import Access
from streamspace.config.model import Model
from streamspace.config.ranges import IntRange
from streamspace.config.types import Config, Page
from streamspace.prompt.images import MOST_MEGABYTES
from streamspace.repository import ROOT, called, is_local
from streamspace.sampling import PARAMETERS
from streamspace.web.door import MOST_JSON
from streamspace.web.page import assets, libraries


def logo(name: str) -> str:
    """An image file of the repository as a data URL, so that no path has to be served."""
    path = ROOT / name
    assert paths.refusal(name, paths.LOGO) is None, "the config's validation refuses it"
    return f"data:{paths.image_type(path)};base64,{base64.b64encode(path.read_bytes()).decode()}"


def theme(page: Page) -> Any:
    """Gradio's Soft theme in the config's accent colour, for its own view of the API, with system fonts."""
    return gr.themes.Soft(
        primary_hue=page.accent, secondary_hue=page.accent, neutral_hue="zinc",
        font=("system-ui", "sans-serif"), font_mono=("ui-monospace", "monospace"),
    )  # fmt: skip


def described(config: Config) -> dict[str, Any]:
    """What the page's modules are told of the config."""
    page, limits, chat = config.page, config.limits, config.task != "completion"
    return {
        "task": config.task,
        "title": page.title,
        "description": page.description,
        "logo": logo(page.logo) if page.logo else None,
        "footer": page.footer,
        "examples": page.examples,
        "placeholder": page.placeholder,
        "space": os.environ.get("SPACE_ID"),
        "login": _login(config.access),
        "model": _model(config.model),
        "system": config.system_prompt if chat else None,
        "sampling": {each.name: _bounds(config, each.name) for each in PARAMETERS},
        "seed": config.sampling.seed,
        "limits": {
            "prompt_characters": limits.prompt_characters,
            "files": limits.files if chat else 0,
            "file_characters": limits.file_characters,
            "images": limits.images if config.task == "image-chat" else 0,
            "image_bytes": MOST_MEGABYTES * 2**20,
            "pdf_bytes": MOST_JSON,
        },
    }  # fmt: skip


def _login(access: Access) -> dict[str, Any] | None:
    """Whom the page is for, without the names of accounts, which anyone could read; and whether it asks for quotas."""
    if not access.login:
        return None
    quota = "read-billing" in os.environ.get("OAUTH_SCOPES", "").split()
    return {"organizations": access.organizations, "users": bool(access.users), "quota": quota}


def _model(model: Model) -> dict[str, Any]:
    return {"name": called(model.id), "license": model.license, "local": is_local(model.id)}


def _bounds(config: Config, name: str) -> dict[str, Any]:
    bounds = getattr(config.sampling, name)
    return {"min": bounds.min, "max": bounds.max, "initial": bounds.default, "whole": isinstance(bounds, IntRange)}


def head(config: Config) -> str:
    """The content of the page's <head>."""
    data = {"page": described(config), "assets": libraries.addresses(), "languages": i18n.LANGUAGES}
    told = json.dumps(data).replace("<", "\\u003c")
    hue = getattr(gr.themes.colors, config.page.accent)
    shades = "".join(f"--accent-{shade}: {getattr(hue, f'c{shade}')}; " for shade in (50, 100, 300, 700, 800, 900))
    folder = assets.folder()
    modules = "".join(
        f'<link rel="modulepreload" href="{folder}/{file.relative_to(assets.STATIC)}">'
        for file in sorted(assets.STATIC.rglob("*js"))
    )
    return (
        f"<style>:root {{ {shades}--column: {config.page.width}px; }}</style>"
        f'<link rel="stylesheet" href="{folder}/page.css">{modules}'
        f"<script>window.streamspace = {{ ...{told}, parts: {{}}, "
        "attach(name, hooks) { this.parts[name] = hooks; this.attached?.(name); } };</script>"
        f'<script type="module" src="{folder}/app.js"></script>'
    )
