"""The input box for a model that reads images: a text and the images attached, pasted or dropped."""

from __future__ import annotations

from typing import Any

import gradio as gr

from streamspace.prompt.images import SUFFIXES


def box(**settings: Any) -> gr.MultimodalTextbox:
    """The box, with the settings of the plain one that it replaces. Its value is {"text": ..., "files": [...]}."""
    return gr.MultimodalTextbox(
        sources=["upload"], file_types=SUFFIXES, file_count="multiple", submit_btn=False,
        max_plain_text_length=1_000_000, **settings,  # a long text that is pasted stays text
    )  # fmt: skip


def content(value: Any) -> tuple[str, list[dict[str, Any]]]:
    """The text and the images in either kind of box."""
    if not isinstance(value, dict):
        return str(value or ""), []
    return str(value.get("text") or ""), [{"path": path} for path in value.get("files") or []]


def files(messages: list[Any], earlier: list[Any]) -> list[dict[str, Any]]:
    """The images of the first message after the `earlier` ones."""
    content = [part for message in messages[len(earlier) :][:1] for part in message.get("content") or []]
    return [part["file"] for part in content if isinstance(part, dict) and isinstance(part.get("file"), dict)]
