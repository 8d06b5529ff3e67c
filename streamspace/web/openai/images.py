"""Images inside a request, as data: URLs: they become files, which `prompt.images` reads as it does uploads."""

from __future__ import annotations

import base64
import binascii
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamspace.config.types import Config
from streamspace.errors import RequestError
from streamspace.i18n import t
from streamspace.prompt.images import MOST_MEGABYTES, uploads
from streamspace.web.openai.errors import Refused

MEGABYTE = 1024 * 1024
URL = re.compile(r"data:image/(jpe?g|png|webp|gif);base64,", re.IGNORECASE)


@contextmanager
def folder(config: Config) -> Iterator[Path | None]:
    """A folder among the uploads for one request's images, as long as the block lasts; None where none are read."""
    if config.task != "image-chat":
        yield None
        return
    uploads().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=uploads()) as name:
        yield Path(name)


def save(url: str, folder: Path | None) -> str:
    """The path of the file that an image has become. Raises RequestError for an address, which nobody here asks."""
    if not folder:
        raise RequestError(t("error.image_text_only"))
    found = URL.match(url)
    if not found:
        raise Refused(
            "image_url.url: expected an image as data:image/png;base64,..., JPEG, PNG, WebP or GIF; "
            f"this server fetches nothing, got {url[:40]!r}",
            "messages",
        )
    name = f"image-{sum(1 for _ in folder.iterdir()) + 1}.{found[1].lower()}"
    if len(url) > MOST_MEGABYTES * MEGABYTE * 4 / 3:
        raise Refused(f"image_url.url: expected at most {MOST_MEGABYTES} MB, got more", "messages")
    try:
        content = base64.b64decode(url[found.end() :], validate=True)
    except binascii.Error:
        raise RequestError(t("error.image_damaged", name=name)) from None
    (folder / name).write_bytes(content)
    return str(folder / name)
