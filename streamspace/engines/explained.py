"""What a model raised, in words for a visitor."""

from __future__ import annotations

from streamspace.errors import first_line
from streamspace.i18n import LazyText, t


def without_introduction(message: str) -> str:
    """What the model raised, without the sentence of `explain` that a visitor reads around it."""
    return str(message.values.get("reason", message)) if isinstance(message, LazyText) else message


def explain(error: Exception | str) -> LazyText:
    """An exception of the model's, in a sentence for the visitor, which doesn't quote it: that is for the log."""
    if "out of memory" in str(error).lower():
        return t("error.model_memory")
    return t("error.model_failed", reason=first_line(error))
