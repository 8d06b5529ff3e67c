"""Replies to images, from the uploaded file to the last word, without a page."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from streamspace.config.types import Config, Limits
from streamspace.engines.generate import GenerateEngine
from streamspace.errors import RequestError
from streamspace.events import Event, Finished, Heartbeat, Part, TextDelta
from streamspace.model.loading import Loaded
from streamspace.prompt.builder import PromptBuilder
from streamspace.prompt.conversation import Turn
from streamspace.prompt.image_builder import ImagePromptBuilder
from streamspace.prompt.images import Images
from streamspace.prompt.prompt import Conversation, Prompt
from streamspace.reply.pipeline import Pipeline
from streamspace.reply.progress import Progress
from streamspace.reply.request import ChatRequest
from streamspace.sampling import SamplingParams
from streamspace.web.page import replies
from tests.reply.test_pipeline import CONFIG, Scripted
from tests.running import changed
from tests.standins import vision

GREEDY = SamplingParams(max_new_tokens=60, temperature=0, top_p=1, top_k=0, repetition_penalty=1, seed=0)


@pytest.fixture
def config(vision_model: Path) -> Config:
    return Config.model_validate(changed({"task": "image-chat", "model.id": str(vision_model)}))


@pytest.fixture
def pipeline(config: Config, vision_loaded: Loaded) -> Pipeline:
    return Pipeline(
        config,
        GenerateEngine(vision_loaded.model, vision_loaded.tokenizer),
        vision.builder(vision_loaded, config.limits),
    )


def written(vision_loaded: Loaded, prompt: Prompt) -> tuple[str, Event]:
    engine = GenerateEngine(vision_loaded.model, vision_loaded.tokenizer)
    events = list(engine.stream(prompt.request(GREEDY), threading.Event()))
    return "".join(event.text for event in events if isinstance(event, TextDelta)), events[-1]


async def told(pipeline: Pipeline, message: str, history: Any = None, **named: Any) -> list[Progress]:
    sampling = {name: named.pop(name) for name in list(named) if name in ("temperature", "max_new_tokens", "seed")}
    request = ChatRequest(message, history, sampling=sampling, **named)
    return [progress async for progress in pipeline.chat(request)]


@pytest.mark.parametrize("color", ["red", "green"])
async def test_the_streamed_reply_is_what_generate_writes(
    pipeline: Pipeline, vision_loaded: Loaded, uploads_folder: Path, config: Config, color: str
) -> None:
    path = vision.picture(uploads_folder, color=color)
    steps = await told(pipeline, vision.ASK, [], images=[vision.upload(path)], max_new_tokens=60)
    with Image.open(path) as picture:
        assert steps[-1].text == vision.plain(vision_loaded, [picture.copy()], vision.ASK, config.system_prompt)
    assert len({step.text for step in steps}) >= 2
    for earlier, later in itertools.pairwise(steps):
        assert later.text.startswith(earlier.text)


def test_a_begun_reply_to_an_image_goes_on_to_the_same_end(vision_loaded: Loaded, uploads_folder: Path) -> None:
    turns = [Turn("user", vision.ASK, (str(vision.picture(uploads_folder)),))]
    whole, end = written(vision_loaded, vision.builder(vision_loaded).chat(Conversation("", turns), 60))
    assert isinstance(end, Finished)
    begun = whole[: whole.index(" ", len(whole) // 2)]  # between words, where tokens part
    rest, _ = written(
        vision_loaded, vision.builder(vision_loaded).chat(Conversation("", turns, begun=(Part("answer", begun),)), 60)
    )
    assert begun + rest == whole


async def test_an_image_alone_is_a_message(pipeline: Pipeline, uploads_folder: Path) -> None:
    steps = await told(pipeline, "", [], images=[vision.upload(vision.picture(uploads_folder))])
    assert steps[-1].text


async def test_an_image_of_an_earlier_message_is_still_seen(
    config: Config, vision_loaded: Loaded, uploads_folder: Path
) -> None:
    engine = Scripted(Finished("stop", 0, 0, 0))
    pipeline = Pipeline(config, engine, vision.builder(vision_loaded))
    for color in ("red", "green"):
        parts = [
            {"type": "file", "file": vision.upload(vision.picture(uploads_folder, color=color))},
            {"type": "text", "text": vision.ASK},
        ]
        await told(
            pipeline, "And now?", [{"role": "user", "content": parts}, {"role": "assistant", "content": "A square."}]
        )
    red, green = engine.asked
    assert red.prompt == green.prompt
    assert red.tensors != green.tensors


async def test_the_visitor_is_told_of_images_left_out(pipeline: Pipeline, config: Config, uploads_folder: Path) -> None:
    path = vision.picture(uploads_folder)
    history: list[Any] = []
    for _ in range(config.limits.images + 1):
        parts = [{"type": "file", "file": vision.upload(path)}, {"type": "text", "text": vision.ASK}]
        history += [{"role": "user", "content": parts}, {"role": "assistant", "content": "A square."}]
    last = (await told(pipeline, vision.ASK, history))[-1]
    assert last.dropped_images == 1
    assert replies.reply(last)["notice"] == "Images left out, oldest first: 1"


async def test_a_space_for_text_refuses_images(tiny: Any, uploads_folder: Path) -> None:
    pipeline = Pipeline(CONFIG, GenerateEngine(tiny.model, tiny.tokenizer), PromptBuilder(tiny.tokenizer, 2048, 1024))
    with pytest.raises(RequestError, match=r"^This Space's model reads text only\. Leave the images out$"):
        await told(pipeline, vision.ASK, [], images=[vision.upload(vision.picture(uploads_folder))])


@pytest.mark.parametrize("images", ["cat.png", 7, ["cat.png"], [{"url": "https://example.org"}], [None]])
async def test_what_is_no_list_of_files_is_refused(pipeline: Pipeline, images: Any) -> None:
    with pytest.raises(RequestError) as caught:
        await told(pipeline, vision.ASK, [], images=images)
    assert (
        str(caught.value) == "images: expected a list of uploaded files, each as gradio_client's handle_file gives it"
    )


class Counted(Images):
    """Counts how many replies' images are read, at once and in all."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self.reading = self.most = self.all = 0

    def read(self, turns: Any) -> Any:
        self.reading, self.all = self.reading + 1, self.all + 1
        self.most = max(self.most, self.reading)
        time.sleep(0.05)
        self.reading -= 1
        return super().read(turns)


async def test_images_are_read_in_their_turn_and_one_replys_at_a_time(
    config: Config, vision_loaded: Loaded, uploads_folder: Path
) -> None:
    images = Counted(config.limits)
    prompts = ImagePromptBuilder(vision_loaded.processor, 2048, 1024, images, vision_loaded.model.dtype)
    pipeline = Pipeline(config, Scripted(*[Heartbeat("decode")] * 40, Finished("stop", 0, 0, 0)), prompts)
    files = [vision.upload(vision.picture(uploads_folder))]
    replies = [asyncio.create_task(told(pipeline, vision.ASK, images=files)) for _ in range(6)]
    while sum(pipeline.busy) < 6:
        await asyncio.sleep(0.01)
    assert images.all <= 2  # those whose turn it is
    replies[0].cancel()
    replies[2].cancel()
    await asyncio.gather(*replies, return_exceptions=True)
    assert images.most == 1
    assert images.all == 5
