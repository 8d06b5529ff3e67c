"""Models that read images: from the uploaded file to the streamed reply, with a tiny vision model made here."""

from __future__ import annotations

import http.server
import itertools
import json
import pickle
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import torch
import yaml
from gradio_client import Client, handle_file
from PIL import Image
from transformers import Idefics3Processor

from streamspace.config import file as configfile
from streamspace.config.engines import Situation
from streamspace.config.types import Config, Limits, Model
from streamspace.engines.generate import GenerateEngine
from streamspace.engines.selection import choose
from streamspace.engines.tensors import pack, unpack
from streamspace.errors import ConfigError, ModelError, RequestError
from streamspace.events import Event, Finished, Request, TextDelta
from streamspace.model.loading import Loaded, load
from streamspace.model.placement import Placement
from streamspace.prompt.builder import Prompt
from streamspace.prompt.conversation import Turn
from streamspace.prompt.image_builder import ImagePromptBuilder
from streamspace.prompt.images import SMALLEST, Images, uploads
from streamspace.reply.pipeline import Pipeline, Progress
from streamspace.reply.request import ChatRequest
from streamspace.sampling import SamplingParams
from streamspace.web import api
from streamspace.web.page import bubbles
from tests.browser.test_browser import Visitor
from tests.conftest import Probe
from tests.reply.test_pipeline import Scripted
from tests.running import ROOT, App, changed
from tests.standins import vision
from tests.standins.zerogpu.device_api import DeviceAPI
from tests.standins.zerogpu.harness import zero_space
from tests.standins.zerogpu.rules import visitor_token

ASK = "What is this?"
GREEDY = SamplingParams(max_new_tokens=60, temperature=0, top_p=1, top_k=0, repetition_penalty=1, seed=0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return vision.make(tmp_path_factory.mktemp("vision"))


@pytest.fixture(scope="module")
def loaded(model: Path) -> Loaded:
    return load(Model(id=str(model)), Placement("cpu", "float32", "a test"), images=True)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where uploaded files are kept."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def config(model: Path) -> Config:
    return Config.model_validate(changed({"task": "image-chat", "model.id": str(model)}))


@pytest.fixture
def pipeline(config: Config, loaded: Loaded) -> Pipeline:
    return Pipeline(config, GenerateEngine(loaded.model, loaded.tokenizer), builder(loaded, config.limits))


def builder(loaded: Loaded, limits: Limits | None = None) -> ImagePromptBuilder:
    images = Images(limits or Limits())
    return ImagePromptBuilder(loaded.processor, loaded.context_window, 1024, images, loaded.model.dtype)


def plain(loaded: Loaded, pictures: list[Image.Image], text: str, system: str = "") -> str:
    """What transformers alone writes, without any code of this project."""
    parts = [*({"type": "image", "image": picture} for picture in pictures), {"type": "text", "text": text}]
    messages = [{"role": "user", "content": parts}]
    if system:
        messages.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
    inputs = loaded.processor.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    output = loaded.model.generate(**inputs, max_new_tokens=60)
    return str(loaded.tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))


def written(loaded: Loaded, prompt: Prompt) -> tuple[str, Event]:
    engine = GenerateEngine(loaded.model, loaded.tokenizer)
    events = list(
        engine.stream(Request(prompt.ids, GREEDY, prompt.prefix_length, tensors=prompt.tensors), threading.Event())
    )
    return "".join(event.text for event in events if isinstance(event, TextDelta)), events[-1]


async def told(pipeline: Pipeline, message: str, history: Any = None, **named: Any) -> list[Progress]:
    sampling = {name: named.pop(name) for name in list(named) if name in ("temperature", "max_new_tokens", "seed")}
    request = ChatRequest(message, history, sampling=sampling, **named)
    return [progress async for progress in pipeline.chat(request)]


def file(path: Path) -> dict[str, Any]:
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def refusal(path: Path | str, limits: Limits | None = None) -> str:
    with pytest.raises(RequestError) as caught:
        Images(limits or Limits()).read([Turn("user", ASK, (str(path),))])
    return str(caught.value)


# Loading


def test_a_model_that_reads_images_is_loaded_with_its_processor(loaded: Loaded) -> None:
    assert type(loaded.model).__name__ == "Idefics3ForConditionalGeneration"
    assert isinstance(loaded.processor, Idefics3Processor)
    assert loaded.tokenizer is loaded.processor.tokenizer
    assert loaded.tokenizer.chat_template == vision.TEMPLATE
    assert loaded.context_window == 2048


def test_a_model_of_text_is_refused_for_images() -> None:
    with pytest.raises(ModelError) as caught:
        load(Model(id="./models/tiny"), Placement("cpu", "float32", "a test"), images=True)
    assert str(caught.value) == (
        "model.id: expected a model that reads images for task: image-chat, got './models/tiny', which has no image "
        "processor. Set task: chat, or choose a vision-language model"
    )


def test_a_template_that_places_no_image_is_refused_before_a_visitor_comes(loaded: Loaded, model: Path) -> None:
    blind = load(Model(id=str(model)), Placement("cpu", "float32", "a test"), images=True)
    blind.tokenizer.chat_template = "{% for message in messages %}{{ message['content'][-1]['text'] }}{% endfor %}"
    with pytest.raises(ModelError) as caught:
        builder(blind).check_processor("owner/name")
    assert str(caught.value).startswith(
        "model.id: expected a model that reads images, got an error from the processor of 'owner/name': "
    )
    builder(loaded).check_processor("owner/name")


def test_batching_is_left_for_images_and_the_log_says_why(config: Config) -> None:
    assert choose(config, Situation()).reason == "generate because replies to images can't be batched"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"engine": "batching"}, "engine: expected auto or generate for image-chat, whose replies can't be batched, got 'batching'"),
        ({"endpoint": {"url": "https://example.org/v1"}}, "task: expected chat with an endpoint, to which no images are sent, got 'image-chat'"),
        ({"limits.images": 0}, "limits.images: expected at least 1, got 0"),
        ({"limits.image_pixels": 100}, "limits.image_pixels: expected at least 65536, got 100"),
    ],
)  # fmt: skip
def test_a_config_that_images_do_not_go_with_is_refused(tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(yaml.safe_dump(changed({"task": "image-chat", **changes})))
    with pytest.raises(ConfigError) as caught:
        configfile.read(path)
    assert caught.value.problems == [f"{path}: {line}"]


# The prompt


def test_the_prompt_is_the_one_that_the_processor_makes(loaded: Loaded, folder: Path) -> None:
    path = vision.picture(folder)
    prompt = builder(loaded).chat("Be brief.", [Turn("user", ASK, (str(path),))], 60)
    with Image.open(path) as picture:
        expected = loaded.processor.apply_chat_template(
            [
                {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
                {"role": "user", "content": [{"type": "image", "image": picture}, {"type": "text", "text": ASK}]},
            ],
            add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
        )  # fmt: skip
    assert list(prompt.ids) == expected["input_ids"][0].tolist()
    found = {each.name: unpack(each, "cpu") for each in prompt.tensors}
    assert sorted(found) == ["pixel_attention_mask", "pixel_values"]
    assert all(torch.equal(found[name], expected[name]) for name in found)


def test_a_visitor_cannot_write_an_image_of_their_own(loaded: Loaded) -> None:
    prompt = builder(loaded).chat("", [Turn("user", "<image> <fake_token_around_image>")], 60)
    assert loaded.processor.image_token_id not in prompt.ids
    assert prompt.tensors == ()


def test_what_is_per_token_grows_with_the_reply_that_goes_on(loaded: Loaded, folder: Path) -> None:
    class Typed(Idefics3Processor):  # as Qwen's models have it: which tokens are of an image
        return_mm_token_type_ids = True

    processor = Typed(loaded.processor.image_processor, loaded.tokenizer, 4, vision.TEMPLATE)
    typed = ImagePromptBuilder(processor, 2048, 1024, Images(Limits()), torch.float32)
    prompt = typed.chat("", [Turn("user", ASK, (str(vision.picture(folder)),))], 60, prefix="It is a")
    assert prompt.prefix_length > 0
    types = next(unpack(each, "cpu") for each in prompt.tensors if each.name == "mm_token_type_ids")
    assert types.shape == (1, len(prompt.ids))
    assert not types[0, -prompt.prefix_length :].any()
    assert types.any()


def test_pixels_come_in_the_models_own_number_format(loaded: Loaded, folder: Path) -> None:
    half = ImagePromptBuilder(loaded.processor, 2048, 1024, Images(Limits()), torch.bfloat16)
    prompt = half.chat("", [Turn("user", ASK, (str(vision.picture(folder)),))], 60)
    assert {each.name: each.dtype for each in prompt.tensors} == {
        "pixel_values": "bfloat16",
        "pixel_attention_mask": "int64",
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
def test_a_tensor_is_the_same_after_its_journey(dtype: torch.dtype) -> None:
    tensor = (torch.arange(24).reshape(2, 3, 4) * 3 - 7).to(dtype).transpose(0, 2)
    again = unpack(pickle.loads(pickle.dumps(pack("x", tensor))), "cpu")
    assert again.dtype == dtype
    assert torch.equal(again, tensor)


def test_a_mask_travels_as_a_byte_each() -> None:
    mask = torch.ones(1, 20, 10, dtype=torch.int64)
    packed = pack("mask", mask)
    assert (packed.dtype, packed.stored, len(packed.data)) == ("int64", "uint8", 200)
    assert torch.equal(unpack(packed, "cpu"), mask)


def test_a_conversation_of_text_carries_no_pixels(loaded: Loaded) -> None:
    prompt = builder(loaded).chat("", [Turn("user", ASK)], 60)
    assert len(pickle.dumps(Request(prompt.ids, GREEDY, tensors=prompt.tensors))) < 1000


# The reply


@pytest.mark.parametrize("color", ["red", "green"])
async def test_the_streamed_reply_is_what_generate_writes(
    pipeline: Pipeline, loaded: Loaded, folder: Path, config: Config, color: str
) -> None:
    path = vision.picture(folder, color=color)
    steps = await told(pipeline, ASK, [], images=[file(path)], max_new_tokens=60)
    with Image.open(path) as picture:
        assert steps[-1].text == plain(loaded, [picture.copy()], ASK, config.system_prompt)
    assert len({step.text for step in steps}) >= 2
    for earlier, later in itertools.pairwise(steps):
        assert later.text.startswith(earlier.text)


def test_the_model_really_looks_at_the_image(loaded: Loaded, folder: Path) -> None:
    def scores(color: str) -> torch.Tensor:
        prompt = builder(loaded).chat("", [Turn("user", ASK, (str(vision.picture(folder, color=color)),))], 60)
        pixels = {each.name: unpack(each, "cpu") for each in prompt.tensors}
        with torch.no_grad():
            return loaded.model(input_ids=torch.tensor([prompt.ids]), **pixels).logits[0, -1]

    assert torch.equal(scores("red"), scores("red"))
    assert not torch.allclose(scores("red"), scores("green"), atol=1e-3)


def test_a_begun_reply_to_an_image_goes_on_to_the_same_end(loaded: Loaded, folder: Path) -> None:
    turns = [Turn("user", ASK, (str(vision.picture(folder)),))]
    whole, end = written(loaded, builder(loaded).chat("", turns, 60))
    assert isinstance(end, Finished)
    begun = whole[: whole.index(" ", len(whole) // 2)]  # between words, where tokens part
    rest, _ = written(loaded, builder(loaded).chat("", turns, 60, prefix=begun))
    assert begun + rest == whole


async def test_an_image_alone_is_a_message(pipeline: Pipeline, folder: Path) -> None:
    steps = await told(pipeline, "", [], images=[file(vision.picture(folder))])
    assert steps[-1].text


async def test_an_image_of_an_earlier_message_is_still_seen(config: Config, loaded: Loaded, folder: Path) -> None:
    engine = Scripted(Finished("stop", 0, 0, 0))
    pipeline = Pipeline(config, engine, builder(loaded))
    for color in ("red", "green"):
        parts = [{"type": "file", "file": file(vision.picture(folder, color=color))}, {"type": "text", "text": ASK}]
        await told(
            pipeline, "And now?", [{"role": "user", "content": parts}, {"role": "assistant", "content": "A square."}]
        )
    red, green = engine.asked
    assert red.prompt == green.prompt
    assert red.tensors != green.tensors


# Limits


def test_uploaded_files_lie_where_gradio_keeps_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert uploads() == Path(gr.utils.get_upload_folder()).resolve() == folder.resolve()
    monkeypatch.delenv("GRADIO_TEMP_DIR")
    assert uploads() == Path(gr.utils.get_upload_folder()).resolve()


def test_a_file_that_was_not_uploaded_is_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = vision.picture(tmp_path_factory.mktemp("elsewhere"))
    (folder / "link.png").symlink_to(elsewhere)
    for path in (
        elsewhere,
        "/etc/passwd",
        folder / "../../etc/passwd",
        folder / "link.png",
        "https://example.org/a.png",
        "\0",
    ):
        assert refusal(path) == (
            f"images: expected files that were uploaded to this Space, got {str(path)[-60:]!r}. "
            "With gradio_client, pass handle_file(path)"
        )


def test_a_file_that_is_gone_is_told(folder: Path) -> None:
    assert refusal(folder / "cat.png") == "The image 'cat.png' is no longer on the server. Attach it again"


def test_a_file_that_is_no_image_is_told(folder: Path) -> None:
    (folder / "notes.png").write_text("Dear diary")
    Image.new("RGB", (64, 64)).save(folder / "old.tiff")
    for name in ("notes.png", "old.tiff"):
        assert refusal(folder / name) == (
            f"{name!r} is not an image that can be read here: expected a JPEG, PNG, WebP or GIF file"
        )


@pytest.mark.parametrize("name", ["cat.png", "cat.jpg", "cat.webp"])
def test_a_damaged_image_is_told(folder: Path, name: str) -> None:
    Image.effect_noise((200, 200), 50).convert("RGB").save(folder / name)
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    assert (
        refusal(folder / name) == f"The image {name!r} is damaged and can't be read. Save it again, or choose another"
    )


@pytest.mark.parametrize("side", [8_001, 10_000, 14_000])  # above our limit, Pillow's first and its second
def test_an_image_that_unfolds_to_gigabytes_is_refused_unread(folder: Path, side: int) -> None:
    bomb = folder / "bomb.png"
    Image.new("1", (side, side)).save(bomb)
    assert bomb.stat().st_size < 50_000
    assert (
        refusal(bomb) == "The image 'bomb.png' is too large: this Space reads up to 64 million pixels. Make it smaller"
    )


@pytest.mark.parametrize(("size", "told"), [((4, 4), "4 × 4"), ((3, 900), "3 × 900"), ((40_000, 20), "40,000 × 20")])
def test_an_image_too_small_or_too_narrow_to_be_seen_is_refused(folder: Path, size: tuple[int, int], told: str) -> None:
    assert refusal(vision.picture(folder, size=size), Limits(image_pixels=65_536)) == (
        f"The image 'red.png' is too small or too narrow: {told} pixels, and a side needs {SMALLEST}"
    )


def test_more_images_than_a_message_may_have_are_refused(folder: Path) -> None:
    path = str(vision.picture(folder))
    with pytest.raises(RequestError) as caught:
        Images(Limits(images=2)).read([Turn("user", ASK, (path,) * 3)])
    assert str(caught.value) == "This message has 3 images, and this Space takes 2. Leave some out"


def test_the_newest_images_are_kept_and_the_others_counted(folder: Path) -> None:
    def shown(number: int, name: str, text: str = ASK) -> Turn:
        return Turn("user", text, (str(vision.picture(folder, name, size=(60 + number, 50))),))

    gone = str(folder / "gone.png")
    turns = [
        shown(1, "1.png", ""), Turn("assistant", "a"), shown(2, "2.png"), Turn("assistant", "b"),
        Turn("user", ASK, (gone,)), Turn("assistant", "c"), shown(3, "3.png"), Turn("assistant", "d"), shown(4, "4.png"),
    ]  # fmt: skip
    seen, dropped_images = Images(Limits(images=3)).read(turns)
    assert [picture.width for turn in seen for picture in turn.images] == [62, 63, 64]
    assert dropped_images == 2
    assert seen[0] == Turn("user", "(an image that is no longer shown)")


async def test_the_visitor_is_told_of_images_left_out(pipeline: Pipeline, config: Config, folder: Path) -> None:
    path = vision.picture(folder)
    history: list[Any] = []
    for _ in range(config.limits.images + 1):
        parts = [{"type": "file", "file": file(path)}, {"type": "text", "text": ASK}]
        history += [{"role": "user", "content": parts}, {"role": "assistant", "content": "A square."}]
    last = (await told(pipeline, ASK, history))[-1]
    assert last.dropped_images == 1
    assert bubbles.status(last) == "<p>Images left out, oldest first: 1 · Finished</p>"


def test_a_large_image_is_scaled_down_and_keeps_its_shape(folder: Path) -> None:
    for name in ("large.png", "large.jpg"):
        path = vision.picture(folder, name, size=(3000, 2000))
        ((turn,), _) = Images(Limits(image_pixels=65_536)).read([Turn("user", ASK, (str(path),))])
        width, height = turn.images[0].size
        assert 60_000 < width * height <= 65_536
        assert width / height == pytest.approx(1.5, abs=0.02)


def test_an_image_is_upright_and_on_white(folder: Path) -> None:
    turned = Image.new("RGB", (100, 50), "red")
    turned.getexif()[0x0112] = 6  # the camera was held upright
    turned.save(folder / "turned.jpg", exif=turned.getexif())
    Image.new("RGBA", (50, 50), (0, 0, 0, 0)).save(folder / "clear.png")
    pair = (str(folder / "turned.jpg"), str(folder / "clear.png"))
    ((turn,), _) = Images(Limits()).read([Turn("user", ASK, pair)])
    assert turn.images[0].size == (50, 100)
    assert turn.images[1].getpixel((25, 25)) == (255, 255, 255)


async def test_a_space_for_text_refuses_images(tiny: Any, folder: Path) -> None:
    from streamspace.prompt.builder import PromptBuilder

    text = configfile.read(ROOT / "config/tiny.yaml")
    pipeline = Pipeline(text, GenerateEngine(tiny.model, tiny.tokenizer), PromptBuilder(tiny.tokenizer, 2048, 1024))
    with pytest.raises(RequestError, match=r"^This Space's model reads text only\. Leave the images out$"):
        await told(pipeline, ASK, [], images=[file(vision.picture(folder))])


@pytest.mark.parametrize("images", ["cat.png", 7, ["cat.png"], [{"url": "https://example.org"}], [None]])
async def test_what_is_no_list_of_files_is_refused(pipeline: Pipeline, images: Any) -> None:
    with pytest.raises(RequestError) as caught:
        await told(pipeline, ASK, [], images=images)
    assert (
        str(caught.value) == "images: expected a list of uploaded files, each as gradio_client's handle_file gives it"
    )


# The running Space


@pytest.fixture(scope="module")
def image_probe(tmp_path_factory: pytest.TempPathFactory) -> Probe:
    return Probe(tmp_path_factory.mktemp("image-probe"))


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory, model: Path, image_probe: Probe) -> Iterator[App]:
    changes = {"task": "image-chat", "model.id": str(model), "system_prompt": ""}
    env = {"PROBE": str(image_probe.folder), "GRADIO_TEMP_DIR": str(tmp_path_factory.mktemp("uploads"))}
    running = App(tmp_path_factory.mktemp("space"), changes, "tests/standins/apps/probed_app.py", env)
    yield running
    running.end()


@pytest.fixture(scope="module")
def client(space: App) -> Iterator[Client]:
    found = Client(space.url, verbose=False)
    yield found
    found.close()


def refused(client: Client, **named: Any) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011  the client's own class
        client.predict(ASK, api_name="/chat", **named)
    assert caught.type.__name__ == "AppError"
    return str(caught.value)


def test_images_come_last_among_the_parameters_of_the_api(client: Client) -> None:
    endpoint = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/chat"]
    names = [parameter["parameter_name"] for parameter in endpoint["parameters"]]
    assert names[0] == "message"
    assert names[-1] == "images"
    assert all(parameter["parameter_has_default"] for parameter in endpoint["parameters"][1:])
    text, images = (set(part(None).__annotations__) for part in (api.chat, api.image_chat))  # type: ignore[arg-type]
    assert images - text == {"images"}


def test_the_reply_to_an_uploaded_image_streams(client: Client, loaded: Loaded, tmp_path: Path) -> None:
    path = vision.picture(tmp_path, color="green")
    job = client.submit(ASK, images=[handle_file(path)], max_new_tokens=60, api_name="/chat")
    texts = list(job)
    assert job.exception() is None
    assert len(texts) > 2
    with Image.open(path) as picture:
        assert texts[-1] == plain(loaded, [picture.copy()], ASK)


def test_a_damaged_upload_is_told_word_for_word(client: Client, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    assert refused(client, images=[handle_file(tmp_path / "cat.png")]) == (
        "'cat.png' is not an image that can be read here: expected a JPEG, PNG, WebP or GIF file"
    )
    assert client.predict(ASK, max_new_tokens=16, api_name="/chat")


def posted(space: App, history: list[Any], *images: Any) -> str:
    """What the API answers to a client that sends what it likes; gradio_client would upload a file by itself."""
    body = json.dumps({"data": [ASK, history, *[None] * 7, True, *images, None]}).encode()
    call = urllib.request.Request(f"{space.url}/gradio_api/call/chat", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(call, timeout=10) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{space.url}/gradio_api/call/chat/{event}", timeout=30) as answer:
        return str(answer.read().decode("unicode-escape"))


@pytest.fixture
def site() -> Iterator[tuple[str, list[str]]]:
    """The address of an image on another site, and what that site has been asked for."""
    asked: list[str] = []

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)

    with http.server.HTTPServer(("127.0.0.1", 0), Site) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/cat.png", asked
        running.shutdown()


@pytest.mark.parametrize("where", ["the site", "https://example.org/cat.png", "/etc/passwd"])
@pytest.mark.parametrize("task", ["text", "images"])
def test_an_address_is_never_fetched_and_no_other_file_is_read(
    request: pytest.FixtureRequest, site: tuple[str, list[str]], where: str, task: str
) -> None:
    space = request.getfixturevalue("space" if task == "images" else "app")
    path = site[0] if where == "the site" else where
    expected = f"images: expected files that were uploaded to this Space, got '{path}'. With gradio_client,"
    for found in (file(Path("x")) | {"path": path}, {"path": path}):  # with Gradio's mark of a file, and without
        history = [{"role": "user", "content": [{"type": "file", "file": found}, {"type": "text", "text": ASK}]}]
        assert expected in posted(space, history)
        if task == "images":
            assert expected in posted(space, [], [found])
    assert site[1] == []


@pytest.fixture
def visit(browser: Any, space: App) -> Iterator[Callable[..., Visitor]]:
    contexts = []

    def open_page(width: int = 390, height: int = 800) -> Visitor:
        contexts.append(browser.new_context(viewport={"width": width, "height": height}))
        return Visitor(contexts[-1].new_page(), space.url)

    yield open_page
    for context in contexts:
        context.close()


def attach(visitor: Visitor, path: Path) -> None:
    with visitor.page.expect_file_chooser() as chooser:
        visitor.page.click("#message [data-testid=upload-button]")
    chooser.value.set_files(str(path))


def seen(visitor: Visitor) -> list[Any]:
    """The width of each image in the visitor's own bubbles; 0 is one that isn't shown."""
    widths = "[...document.querySelectorAll('[data-testid=user] img')].map((image) => image.naturalWidth)"
    return list(visitor.page.evaluate(widths))


def test_a_visitor_shows_an_image_and_watches_the_reply_grow(
    visit: Callable[..., Visitor], image_probe: Probe, tmp_path: Path, size: dict[str, int]
) -> None:
    visitor = visit(**size)
    attach(visitor, vision.picture(tmp_path, size=(640, 400)))
    visitor.page.wait_for_selector("#message .thumbnail-image")
    lengths = set()
    with image_probe.set("slow", "0.03"):
        visitor.say(ASK)
        visitor.wait(lambda: seen(visitor) == [640], 5)
        assert visitor.page.locator("#message .thumbnail-image").count() == 0
        while not visitor.finished():
            lengths.add(len("".join(visitor.replies())))
            visitor.page.wait_for_timeout(25)
    assert len(lengths) >= 3
    assert visitor.questions()[-1] == ASK
    assert seen(visitor) == [640]
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert visitor.problems == []
    assert visitor.outside == []


def test_a_message_sent_while_its_image_is_on_its_way_waits_for_it(
    visit: Callable[..., Visitor], tmp_path: Path
) -> None:
    visitor = visit()
    visitor.page.route("**/upload*", lambda route: (visitor.page.wait_for_timeout(700), route.continue_()))
    attach(visitor, vision.picture(tmp_path, size=(200, 100)))
    visitor.page.fill("#message textarea", ASK)
    visitor.page.click("#send")
    visitor.wait(lambda: seen(visitor) == [200], 10)
    visitor.wait(visitor.finished)
    assert visitor.problems == []


def test_an_undone_message_comes_back_with_its_image(visit: Callable[..., Visitor], tmp_path: Path) -> None:
    visitor = visit()
    attach(visitor, vision.picture(tmp_path))
    visitor.page.wait_for_selector("#message .thumbnail-image")
    visitor.say(ASK)
    visitor.wait(visitor.finished)
    for broken in ("Share", "Edit"):  # the one would send the image elsewhere, the other fails in Gradio
        assert not visitor.page.is_visible(f"#conversation [aria-label={broken}]")
    visitor.page.click("[aria-label=Undo]")
    visitor.page.wait_for_selector("#message .thumbnail-image")
    assert visitor.page.input_value("#message textarea") == ASK
    assert visitor.questions() == []


def test_what_the_box_refuses_is_told_and_the_box_stays(visit: Callable[..., Visitor], tmp_path: Path) -> None:
    visitor = visit()
    (tmp_path / "cat.png").write_text("Dear diary")
    attach(visitor, tmp_path / "cat.png")
    visitor.page.wait_for_selector("#message .thumbnail-item")
    visitor.say(ASK)
    visitor.wait(lambda: "'cat.png' is not an image that can be read here" in "".join(visitor.replies()))
    visitor.wait(visitor.idle)
    visitor.say(ASK)
    visitor.wait(visitor.finished)


# ZeroGPU


def test_the_pixels_reach_the_worker_of_zerogpu(tmp_path: Path, model: Path, loaded: Loaded) -> None:
    changes = {"task": "image-chat", "model.id": str(model), "system_prompt": ""}
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(changed(changes)))
    env = {
        "SPACE_CONFIG": str(tmp_path / "space.yaml"),
        "PYTHONPATH": str(ROOT),
        "GRADIO_TEMP_DIR": str(tmp_path / "up"),
    }
    path = vision.picture(tmp_path, color="green")
    with DeviceAPI() as device, zero_space(ROOT / "app.py", api=device, env=env, folder=tmp_path) as running:
        client = running.client(visitor_token("ada"), browser=True)
        text = client.predict(ASK, images=[handle_file(path)], max_new_tokens=60, api_name="/chat")
        client.close()
    with Image.open(path) as picture:
        assert text == plain(loaded, [picture.copy()], ASK)
