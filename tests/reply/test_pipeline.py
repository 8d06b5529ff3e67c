"""The story of a reply, from what was asked to the last word, without a page."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from streamspace.config import file as configfile
from streamspace.config.types import Config, Gpu
from streamspace.engines.budget import Budget
from streamspace.engines.engine import Events
from streamspace.engines.generate import GenerateEngine
from streamspace.errors import GenerationError, RequestError
from streamspace.events import Failure, Finished, Heartbeat, Part, Request, TextDelta
from streamspace.prompt.builder import PromptBuilder
from streamspace.prompt.conversation import Turn
from streamspace.prompt.message_builder import MessageBuilder
from streamspace.prompt.prompt import Conversation
from streamspace.reply import build
from streamspace.reply.checked import CHARACTERS
from streamspace.reply.pipeline import Pipeline
from streamspace.reply.progress import Progress, Replies
from streamspace.reply.request import Caller, ChatRequest, CompletionRequest
from tests.engines.test_generate import LONG, steps
from tests.running import ROOT, changed
from tests.standins import gguf_file

CONFIG = configfile.read(ROOT / "config/tiny.yaml")


class Scripted:
    """An engine that says what it was given, and remembers what it was asked."""

    name = "scripted"
    capacity = 2

    def __init__(self, *events: Any) -> None:
        self.events = events
        self.asked: list[Request] = []

    def stream(self, request: Request, stop: threading.Event) -> Events:
        self.asked.append(request)
        for event in self.events:
            time.sleep(0.005)
            yield event

    def unavailable_reason(self) -> None:
        pass


@pytest.fixture
def builder(tiny: Any) -> PromptBuilder:
    return PromptBuilder(tiny.tokenizer, tiny.context_window, CONFIG.limits.prompt_tokens)


@pytest.fixture
def pipeline(tiny: Any, builder: PromptBuilder) -> Pipeline:
    return Pipeline(CONFIG, GenerateEngine(tiny.model, tiny.tokenizer), builder)


async def read(replies: Replies) -> list[Progress]:
    return [progress async for progress in replies]


async def test_the_text_grows_and_ends_with_its_reason(pipeline: Pipeline) -> None:
    steps = await read(pipeline.chat(ChatRequest("What is ZeroGPU?")))
    assert steps[0] == Progress()
    for earlier, later in itertools.pairwise(steps):
        assert later.text.startswith(earlier.text)
    assert steps[-1].end
    assert steps[-1].end.reason == "stop"
    assert steps[-1].text


async def test_the_end_is_told_once_also_by_an_engine_that_has_something_to_do_after_it(builder: PromptBuilder) -> None:
    class Saving(Scripted):
        def stream(self, request: Request, stop: threading.Event) -> Events:
            yield from super().stream(request, stop)
            time.sleep(0.7)

    pipeline = Pipeline(CONFIG, Saving(TextDelta("Hi", 1), Finished("stop", 1, 0.1, 0.2)), builder)
    ends = [step.end for step in await read(pipeline.chat(ChatRequest("hi")))]
    assert len([end for end in ends if end]) == 1


async def test_a_failure_of_the_engine_is_raised_after_the_text_it_had(builder: PromptBuilder) -> None:
    seen: list[Progress] = []

    async def follow() -> None:
        pipeline = Pipeline(CONFIG, Scripted(TextDelta("a", 1), TextDelta("bc", 2), Failure("it broke")), builder)
        async for progress in pipeline.chat(ChatRequest("hi")):
            seen.append(progress)

    with pytest.raises(GenerationError, match=r"^it broke$"):
        await follow()
    assert seen[-1].text == "abc"


async def test_what_is_refused_never_reaches_the_engine(builder: PromptBuilder) -> None:
    engine = Scripted(Finished("stop", 0, 0, 0))
    pipeline = Pipeline(CONFIG, engine, builder)
    for replies in (
        pipeline.chat(ChatRequest("")),
        pipeline.chat(ChatRequest("hi", sampling={"temperature": 99})),
        pipeline.chat(ChatRequest("hi", [{"role": "system", "content": "x"}])),
        pipeline.chat(ChatRequest("語" * 3000)),
        pipeline.complete(CompletionRequest(" ")),
    ):
        with pytest.raises(RequestError):
            await read(replies)
    assert engine.asked == []


async def test_the_phases_before_the_first_token_are_told(builder: PromptBuilder) -> None:
    engine = Scripted(Heartbeat("waiting"), Heartbeat("prefill"), TextDelta("a", 1), Finished("stop", 1, 0.1, 0.1))
    phases = [step.phase for step in await read(Pipeline(CONFIG, engine, builder).chat(ChatRequest("hi")))]
    assert phases == sorted(phases, key=["waiting", "prefill", "decode"].index)
    assert phases[-1] == "decode"


async def test_the_system_prompt_is_the_configs_unless_another_is_given(tiny: Any, builder: PromptBuilder) -> None:
    engine = Scripted(Finished("stop", 0, 0, 0))
    pipeline = Pipeline(CONFIG, engine, builder)
    await read(pipeline.chat(ChatRequest("hi")))
    await read(pipeline.chat(ChatRequest("hi", system_prompt="Speak like a pirate.")))
    await read(pipeline.chat(ChatRequest("hi", system_prompt="")))
    texts = [tiny.tokenizer.decode(request.prompt) for request in engine.asked]
    assert CONFIG.system_prompt in texts[0]
    assert "Speak like a pirate." in texts[1]
    assert "system" not in texts[2]


async def test_thinking_and_history_are_part_of_the_prompt(tiny: Any, builder: PromptBuilder) -> None:
    engine = Scripted(Finished("stop", 0, 0, 0))
    pipeline = Pipeline(CONFIG, engine, builder)
    history = [{"role": "user", "content": "Say blue"}, {"role": "assistant", "content": "blue"}]
    for request in (ChatRequest("hi"), ChatRequest("hi", thinking=False), ChatRequest("hi", history)):
        await read(pipeline.chat(request))
    plain, without_thinking, after_history = (tiny.tokenizer.decode(request.prompt) for request in engine.asked)
    assert without_thinking == plain + "<think>\n\n</think>\n\n"
    assert "Say blue" in after_history


async def test_the_cost_of_a_message_is_known_before_it_is_sent(builder: PromptBuilder) -> None:
    gpu = Gpu(min_seconds=1, max_seconds=120, prompt_tokens_per_second=100.0, tokens_per_second=10.0)
    pipeline = Pipeline(CONFIG, Scripted(), builder, Budget(gpu))

    async def cost(message: object, tokens: int, **named: Any) -> int:
        return (await pipeline.measure(ChatRequest(message, sampling={"max_new_tokens": tokens}, **named))).seconds

    empty = await cost("", 100)
    assert empty
    assert await cost(None, 100) == empty  # what Gradio sends for a box that nobody has touched
    assert await cost("", 200) == empty + 10
    assert await cost("word " * 500, 100) > empty
    assert await cost("", 100, history=[{"role": "user", "content": "word " * 500}]) > empty
    assert await cost("x" * 4001, 100) == 0  # it would be refused
    refused = await pipeline.measure(ChatRequest("", sampling={"max_new_tokens": 10**6}))
    assert str(refused.problem) == "max_new_tokens: expected a whole number from 16 to 1024, got 1e+06"
    told = await Pipeline(CONFIG, Scripted(), builder).measure(ChatRequest("hi"))
    prompt = builder.chat(Conversation(CONFIG.system_prompt, [Turn("user", "hi")]), 768)
    assert (told.tokens, told.room, told.seconds) == (len(prompt.ids), 1024, 0)


@pytest.mark.parametrize(("files", "refused"), [(0, True), (999, True), (1000, False), (10**9, False)])
async def test_the_text_of_files_comes_on_top_of_a_message(builder: PromptBuilder, files: int, refused: bool) -> None:
    pipeline = Pipeline(CONFIG, Scripted(), builder)
    message = "x" * (CONFIG.limits.prompt_characters + 1000)
    problem = (await pipeline.measure(ChatRequest(message, file_characters=files))).problem
    assert ("too long: 5,000 characters" in str(problem)) == refused


@pytest.mark.parametrize("how", ["closed", "cancelled"])
async def test_a_reply_that_is_left_ends_the_model_within_one_step(pipeline: Pipeline, tiny: Any, how: str) -> None:
    def slow(step: int) -> None:
        time.sleep(0.01)

    async def follow() -> None:
        async with aclosing(pipeline.chat(ChatRequest(LONG, sampling={"max_new_tokens": 900}))) as replies:
            async for progress in replies:
                if progress.tokens > 10 and how == "closed":
                    break

    with steps(tiny.model, before=slow) as started:
        task = asyncio.create_task(follow())
        if how == "cancelled":
            while len(started) < 15:
                await asyncio.sleep(0.01)
            task.cancel()
        await asyncio.wait([task])
        left = time.monotonic()
        await asyncio.to_thread(pipeline.engine.rest)  # type: ignore[attr-defined]
    assert sum(start > left for start in started) <= 1
    assert len(started) < 900


async def test_leaving_in_the_middle_of_the_prompts_pass_blocks_nobody(pipeline: Pipeline, tiny: Any) -> None:
    def slow(step: int) -> None:
        if step == 1:
            time.sleep(1.0)

    with steps(tiny.model, before=slow) as started:
        replies = pipeline.chat(ChatRequest(LONG))
        while (await anext(replies)).phase != "prefill":
            pass
        leaving = time.monotonic()
        await replies.aclose()
        assert time.monotonic() - leaving < 0.5
        await asyncio.to_thread(pipeline.engine.rest)  # type: ignore[attr-defined]
    assert len(started) == 1


async def test_a_begun_reply_goes_on_to_the_same_end(pipeline: Pipeline) -> None:
    whole = (await read(pipeline.chat(ChatRequest(LONG, sampling={"max_new_tokens": 200}))))[-1]
    half = (await read(pipeline.chat(ChatRequest(LONG, sampling={"max_new_tokens": 100}))))[-1]
    assert half.end
    assert half.end.reason == "length"
    rest = (await read(pipeline.chat(ChatRequest(LONG, begun=half.parts, sampling={"max_new_tokens": 100}))))[-1]
    assert rest.text == whole.text


@pytest.mark.parametrize("turns", [2, 4, 5000])
async def test_a_long_history_is_cut_by_characters_before_its_tokens_are_counted(turns: int) -> None:
    engine, most = Scripted(Finished("stop", 0, 0, 0)), CONFIG.limits.prompt_tokens * CHARACTERS
    config = CONFIG.model_copy(update={"limits": CONFIG.limits.model_copy(update={"turns": 1000})})
    history = [
        {"role": role, "content": "x" * (most // 3)} for _ in range(turns // 2) for role in ("user", "assistant")
    ]
    last = (await read(Pipeline(config, engine, MessageBuilder(10**9)).chat(ChatRequest("hi", history))))[-1]
    written = [message.content for message in engine.asked[0].messages if message.role != "system"]
    assert len(written) == 3
    assert sum(map(len, written)) <= most
    assert last.dropped_messages == min(turns, 1000) - 2


async def test_the_beginning_of_a_reply_is_no_way_around_the_limit(builder: PromptBuilder) -> None:
    pipeline = Pipeline(CONFIG, Scripted(), builder)
    with pytest.raises(RequestError, match=r"^This message is too long: 4,000,000 characters, and this Space takes "):
        await read(pipeline.chat(ChatRequest("hi", begun=(Part("answer", "x" * 4_000_000),))))


@pytest.mark.parametrize("engine", ["batching", "llamacpp"])
async def test_the_configs_system_prompt_is_not_read_again_for_any_visitor(engine: str, tmp_path: Path) -> None:
    model = {"model.id": str(gguf_file.write(tmp_path / "tiny.gguf"))} if engine == "llamacpp" else {}
    config = changed({"engine": engine, "model.dtype": "auto", "system_prompt": "You know words. " * 30, **model})
    pipeline = build.here(Config.model_validate(config))
    try:
        for visitor in ("ann", "bob", ""):
            asked = ChatRequest("What is ZeroGPU?", caller=Caller(key=visitor, shares=visitor))
            end = (await read(pipeline.chat(asked)))[-1].end
            assert end
            assert 60 < end.reused_tokens < end.prompt_tokens - 3
    finally:
        pipeline.engine.close()
