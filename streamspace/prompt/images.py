"""Reads the visitors' images: only uploaded ones, within the config's limits, whatever may be in the file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageOps

from streamspace.config.limits import Limits
from streamspace.errors import RequestError
from streamspace.i18n import t
from streamspace.prompt.conversation import Turn

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
MOST_MEGABYTES = 10  # of an uploaded file
MOST_PIXELS = 64_000_000  # that are unfolded at all: a file of a few kilobytes can hold gigabytes
MOST_BYTES = 200_000_000  # that the decoder of one image may take
STRIP = 256  # rows that are converted at once
SMALLEST = 8  # pixels a side; processors cut images into patches of about twice that
UNSEEN = "(an image that is no longer shown)"


def uploads() -> Path:
    """The folder that Gradio keeps uploaded files in."""
    return Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio").resolve()


def check_upload(path: str) -> None:
    """Raises RequestError for a path that is not one of an uploaded file: an address, or a file of the server's."""
    if not _is_upload(path):
        raise RequestError(t("error.image_elsewhere", path=path[-60:]))


class Images:
    """Reads the images of a conversation, within a config's limits."""

    def __init__(self, limits: Limits) -> None:
        self._most = limits.images
        self._pixels = limits.image_pixels

    def read(self, turns: Sequence[Turn]) -> tuple[list[Turn], int]:
        """The turns with pictures in the place of paths, and how many of the older images were left out.

        The newest are kept: as many as the config allows, and whose files are still there. Raises RequestError when an
        image of the last turn can't be read, or when it has too many.
        """
        *earlier, last = turns
        if len(last.images) > self._most:
            raise RequestError(t("error.image_many", images=len(last.images), most=self._most))
        newest = [replace(last, images=tuple(self._picture(path) for path in last.images))]
        room = self._most - len(last.images)
        dropped_images = 0
        for turn in reversed(earlier):
            there = [path for path in turn.images if _is_upload(path) and Path(path).is_file()]
            kept = tuple(self._picture(path) for path in there[-room:]) if room else ()
            room -= len(kept)
            dropped_images += len(turn.images) - len(kept)
            newest.append(replace(turn, images=kept, text=turn.text if turn.text or kept else UNSEEN))
        return newest[::-1], dropped_images

    def _picture(self, path: str) -> Image.Image:
        check_upload(path)
        name = Path(path).name[-60:]
        if not Path(path).is_file():
            raise RequestError(t("error.image_gone", name=name))
        try:
            with Image.open(path, formats=FORMATS) as image:
                self._check(image, name)
                return self._scaled(image)
        except RequestError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise _too_large(name, MOST_PIXELS) from None
        except Image.UnidentifiedImageError:
            raise RequestError(t("error.image_kind", name=name)) from None
        except Exception:  # a broken file makes the decoders raise what they like
            raise RequestError(t("error.image_damaged", name=name)) from None

    def _check(self, image: Image.Image, name: str) -> None:
        width, height = image.size
        most = min(MOST_PIXELS, MOST_BYTES // _bytes_a_pixel(image))
        if width * height > most:
            raise _too_large(name, most)
        if min(image.size) * self._scale(image.size) < SMALLEST:
            raise RequestError(t("error.image_narrow", name=name, width=width, height=height, least=SMALLEST))

    def _scaled(self, image: Image.Image) -> Image.Image:
        """Upright, in RGB on white, and within the config's pixels."""
        longest = int(max(image.size) * self._scale(image.size))
        image.draft("RGB", (longest, longest))  # a JPEG can be read at an eighth of its size, which spares the memory
        picture = _reduced(image, max(1, max(image.size) // (2 * longest)))
        picture.thumbnail((longest, longest))
        picture.getexif().update(image.getexif())
        return ImageOps.exif_transpose(picture)

    def _scale(self, size: tuple[int, int]) -> float:
        return min(1.0, (self._pixels / (size[0] * size[1])) ** 0.5)


def _bytes_a_pixel(image: Image.Image) -> int:
    """What its decoder keeps of each pixel at the same time, at most."""
    if image.format == "WEBP":
        return 16  # the decoder's two frames, their copy, and the image
    if image.format == "JPEG":
        return 6 if image.info.get("progressive") else 3  # the coefficients of all scans
    return {"1": 1, "L": 1, "P": 1, "I;16": 2}.get(image.mode, 4)  # Pillow keeps RGB in four


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    """In RGB on white and `factor` times smaller, a strip at a time: the whole of it never exists twice."""
    width, height = image.size
    reduced = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    rows = factor * -(-STRIP // factor)
    image.load()
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        if strip.has_transparency_data:
            strip = strip.convert("RGBA")
            strip = Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip)
        reduced.paste(strip.convert("RGB").reduce(factor), (0, top // factor))
    return reduced


def _is_upload(path: str) -> bool:
    try:
        return Path(path).resolve().is_relative_to(uploads())
    except (OSError, ValueError):  # no path at all
        return False


def _too_large(name: str, most: int) -> RequestError:
    return RequestError(t("error.image_large", name=name, most=most // 10**6))
