"""The image files of a conversation: which are read, which are refused and how, and how they are scaled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image, ImageChops, ImageStat

from benchmarks.measurements import images
from streamspace.config.types import Limits
from streamspace.errors import RequestError
from streamspace.prompt.conversation import Turn
from streamspace.prompt.images import SMALLEST, Images, uploads
from tests.standins import vision


def refusal(path: Path | str, limits: Limits | None = None) -> str:
    with pytest.raises(RequestError) as caught:
        Images(limits or Limits()).read([Turn("user", vision.ASK, (str(path),))])
    return str(caught.value)


def test_uploaded_files_lie_where_gradio_keeps_them(uploads_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert uploads() == Path(gr.utils.get_upload_folder()).resolve() == uploads_folder.resolve()
    monkeypatch.delenv("GRADIO_TEMP_DIR")
    assert uploads() == Path(gr.utils.get_upload_folder()).resolve()


def test_a_file_that_was_not_uploaded_is_refused(
    uploads_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = vision.picture(tmp_path_factory.mktemp("elsewhere"))
    (uploads_folder / "link.png").symlink_to(elsewhere)
    for path in (
        elsewhere,
        "/etc/passwd",
        uploads_folder / "../../etc/passwd",
        uploads_folder / "link.png",
        "https://example.org/a.png",
        "\0",
    ):
        assert refusal(path) == (
            f"images: expected files that were uploaded to this Space, got {str(path)[-60:]!r}. "
            "With gradio_client, pass handle_file(path)"
        )


def test_a_file_that_is_gone_is_told(uploads_folder: Path) -> None:
    assert refusal(uploads_folder / "cat.png") == "The image 'cat.png' is no longer on the server. Attach it again"


def test_a_file_that_is_no_image_is_told(uploads_folder: Path) -> None:
    (uploads_folder / "notes.png").write_text("Dear diary")
    Image.new("RGB", (64, 64)).save(uploads_folder / "old.tiff")
    for name in ("notes.png", "old.tiff"):
        assert refusal(uploads_folder / name) == (
            f"{name!r} is not an image that can be read here: expected a JPEG, PNG, WebP or GIF file"
        )


@pytest.mark.parametrize("name", ["cat.png", "cat.jpg", "cat.webp"])
def test_a_damaged_image_is_told(uploads_folder: Path, name: str) -> None:
    Image.effect_noise((200, 200), 50).convert("RGB").save(uploads_folder / name)
    whole = (uploads_folder / name).read_bytes()
    (uploads_folder / name).write_bytes(whole[: len(whole) // 2])
    assert (
        refusal(uploads_folder / name)
        == f"The image {name!r} is damaged and can't be read. Save it again, or choose another"
    )


@pytest.mark.parametrize("side", [8_001, 10_000, 14_000])  # above our limit, Pillow's first and its second
def test_an_image_that_unfolds_to_gigabytes_is_refused_unread(uploads_folder: Path, side: int) -> None:
    bomb = uploads_folder / "bomb.png"
    Image.new("1", (side, side)).save(bomb)
    assert bomb.stat().st_size < 50_000
    assert (
        refusal(bomb) == "The image 'bomb.png' is too large: this Space reads up to 64 million pixels. Make it smaller"
    )


@pytest.mark.parametrize(("size", "told"), [((4, 4), "4 × 4"), ((3, 900), "3 × 900"), ((40_000, 20), "40,000 × 20")])
def test_an_image_too_small_or_too_narrow_to_be_seen_is_refused(
    uploads_folder: Path, size: tuple[int, int], told: str
) -> None:
    assert refusal(vision.picture(uploads_folder, size=size), Limits(image_pixels=65_536)) == (
        f"The image 'red.png' is too small or too narrow: {told} pixels, and a side needs {SMALLEST}"
    )


def test_more_images_than_a_message_may_have_are_refused(uploads_folder: Path) -> None:
    path = str(vision.picture(uploads_folder))
    with pytest.raises(RequestError) as caught:
        Images(Limits(images=2)).read([Turn("user", vision.ASK, (path,) * 3)])
    assert str(caught.value) == "This message has 3 images, and this Space takes 2. Leave some out"


def test_the_newest_images_are_kept_and_the_others_counted(uploads_folder: Path) -> None:
    def shown(number: int, name: str, text: str = vision.ASK) -> Turn:
        return Turn("user", text, (str(vision.picture(uploads_folder, name, size=(60 + number, 50))),))

    gone = str(uploads_folder / "gone.png")
    turns = [
        shown(1, "1.png", ""), Turn("assistant", "a"), shown(2, "2.png"), Turn("assistant", "b"),
        Turn("user", vision.ASK, (gone,)), Turn("assistant", "c"), shown(3, "3.png"), Turn("assistant", "d"), shown(4, "4.png"),
    ]  # fmt: skip
    seen, dropped_images = Images(Limits(images=3)).read(turns)
    assert [picture.width for turn in seen for picture in turn.images] == [62, 63, 64]
    assert dropped_images == 2
    assert seen[0] == Turn("user", "(an image that is no longer shown)")


def test_a_large_image_is_scaled_down_and_keeps_its_shape(uploads_folder: Path) -> None:
    for name in ("large.png", "large.jpg"):
        path = vision.picture(uploads_folder, name, size=(3000, 2000))
        ((turn,), _) = Images(Limits(image_pixels=65_536)).read([Turn("user", vision.ASK, (str(path),))])
        width, height = turn.images[0].size
        assert 60_000 < width * height <= 65_536
        assert width / height == pytest.approx(1.5, abs=0.02)


def test_an_image_is_upright_and_on_white(uploads_folder: Path) -> None:
    turned = Image.new("RGB", (100, 50), "red")
    turned.getexif()[0x0112] = 6  # the camera was held upright
    turned.save(uploads_folder / "turned.jpg", exif=turned.getexif())
    Image.new("RGBA", (50, 50), (0, 0, 0, 0)).save(uploads_folder / "clear.png")
    pair = (str(uploads_folder / "turned.jpg"), str(uploads_folder / "clear.png"))
    ((turn,), _) = Images(Limits()).read([Turn("user", vision.ASK, pair)])
    assert turn.images[0].size == (50, 100)
    assert turn.images[1].getpixel((25, 25)) == (255, 255, 255)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measured on Linux")
@pytest.mark.parametrize("large", images.LARGE, ids=[name for name, *_ in images.LARGE])
def test_six_large_images_take_less_than_300_megabytes(uploads_folder: Path, large: Any) -> None:
    assert images.megabytes(*images.save(uploads_folder, *large)) < 300


def test_what_takes_much_to_decode_may_have_fewer_pixels(uploads_folder: Path) -> None:
    Image.new("RGB", (5000, 5000)).save(uploads_folder / "cat.webp", quality=0, method=0)
    assert refusal(uploads_folder / "cat.webp") == (
        "The image 'cat.webp' is too large: this Space reads up to 12 million pixels. Make it smaller"
    )


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA", "I;16", "CMYK"])
def test_an_image_that_is_read_in_strips_is_the_whole_one(uploads_folder: Path, mode: str) -> None:
    kind, name = ("RGB", "x.jpg") if mode == "CMYK" else (mode, "x.png")
    written = Image.linear_gradient("L").resize((700, 1001))
    (written.convert("I").point(lambda value: value).convert(kind) if kind == "I;16" else written.convert(kind)).save(
        uploads_folder / name
    )
    ((turn,), _) = Images(Limits(image_pixels=65_536)).read([Turn("user", vision.ASK, (str(uploads_folder / name),))])
    with Image.open(uploads_folder / name) as image:
        expected = image.convert("RGB").resize(turn.images[0].size, Image.Resampling.BOX)
    difference = ImageChops.difference(turn.images[0], expected).convert("L")
    assert ImageStat.Stat(difference).mean[0] < 3
