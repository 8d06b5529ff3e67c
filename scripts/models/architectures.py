"""Tries every type of text model that transformers has: a tiny random one, through this project's config and pipeline.

Each is tried in a process of its own: as it is with `generate`, with `engine: auto`, and in int8 on a CPU.
"""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SECONDS = 1800  # for one type; most take ten, a busy machine more
QUESTIONS = ("Hello", "What is ZeroGPU, and how long does a visitor have to wait for it?", "Show me a table")
RUNS = {  # the columns of the table, with what the config says
    "chat": {"engine": "generate"},
    "batching": {"engine": "auto"},
    "int8 on a CPU": {"engine": "auto", "model.quantization": "int8"},
}
Row = dict[str, str]
Question = tuple[str, Sequence[str] | None]  # with the paths of its images
Tried = Callable[[str, Path], Row]  # a type's name, and an empty folder


def rows() -> Iterator[tuple[str, Row]]:
    """A row for each type."""
    return sweep(types(), tried)


def types() -> list[str]:
    """The model types that transformers takes for text models."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def sweep(
    names: Sequence[str], tried: Tried, column: str = "chat", method: str = "forkserver"
) -> Iterator[tuple[str, Row]]:
    """The row of each type. A process that takes too long is ended, which the column says."""
    context: Any = multiprocessing.get_context(method)
    context.set_forkserver_preload(["streamspace.reply.local", "transformers.models.auto.modeling_auto"])
    for name in names:
        reader, writer = context.Pipe(duplex=False)
        process = context.Process(target=_row, args=(name, tried, writer))
        process.start()
        writer.close()
        process.join(SECONDS)
        process.kill()
        try:
            yield name, reader.recv() if reader.poll() else {column: "no answer in time"}
        except EOFError:
            yield name, {column: "crashes: the process ended"}


def _row(name: str, tried: Tried, writer: Connection) -> None:
    """Runs in the type's process."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    logging.disable(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        for output in (1, 2):
            os.dup2(nowhere.fileno(), output)  # progress bars, and warnings at each token
        writer.send(tried(name, Path(folder)))


def tried(name: str, folder: Path) -> Row:
    """The row of one type: what became of each run, or why no tiny model of it can be made."""
    try:
        model, expected = _make(name, folder)
    except Exception as error:  # its config class or its model refuses the small sizes
        return {"chat": f"not tried: {type(error).__name__}: {short(error)}"}
    found: Row = {}
    questions = [(question, None) for question in QUESTIONS]
    for column, changes in RUNS.items():
        found[column] = run(folder, changes, expected if column != "int8 on a CPU" else None, questions)
        if found["chat"] != "yes":
            break
        if column == "chat":
            found["next turn"] = _next_turn(folder)
    return found | _experts(model, folder)


def _make(name: str, folder: Path) -> tuple[Any, list[str]]:
    """Writes a tiny model with the embedded model's tokenizer; returns it with what transformers alone answers."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    from scripts.models import shapes

    tokenizer = AutoTokenizer.from_pretrained(ROOT / "models/tiny")
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(shapes.config(name, len(tokenizer)), dtype=torch.float32).eval()
    ends = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    model.generation_config = GenerationConfig(eos_token_id=ends, pad_token_id=ends[0], max_new_tokens=16)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    try:
        return model, [_alone(model, tokenizer, question) for question in QUESTIONS]
    except Exception:  # such a model can't write by itself: what this project says of it is of interest
        return model, []


def _experts(model: Any, folder: Path) -> Row:
    """Whether `check` counts as many weights of experts, by config.json, as the model has, within a third."""
    from streamspace.checks.weights import expert_weights

    layers = [layer for layer in model.modules() if "Conv" not in type(layer).__name__]
    there = sum(each.numel() for layer in layers for each in layer.parameters(recurse=False) if each.dim() == 3)
    counted = expert_weights(json.loads((folder / "config.json").read_text("utf-8")))
    if not counted and not there:
        return {}
    return {"experts": "counted" if abs(counted - there) <= there / 3 else f"not counted: {counted} for {there}"}


def _alone(model: Any, tokenizer: Any, question: str) -> str:
    """What transformers alone answers."""
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], add_generation_prompt=True, return_tensors="pt"
    )
    output = model.generate(**ids)
    return str(tokenizer.decode(output[0, ids["input_ids"].shape[1] :], skip_special_tokens=True))


def run(folder: Path, changes: dict[str, Any], expected: list[str] | None, questions: Sequence[Question]) -> str:
    """What becomes of several replies at once, under a config."""
    from streamspace.errors import StreamspaceError
    from streamspace.reply import build

    try:
        pipeline = build.here(_config(folder, changes), lambda progress: None)
    except StreamspaceError as error:
        return f"refused: {_reason(str(error).replace(str(folder), 'it'))}"
    except Exception as error:
        return f"crashes while loading: {type(error).__name__}: {short(error)}"
    try:
        answers = asyncio.run(_answers(pipeline, questions))
    except Exception as error:
        return f"crashes in replies: {type(error).__name__}: {short(error)}"
    finally:
        pipeline.engine.close()
    if expected is not None and list(map(_bare, answers)) != list(map(_bare, expected)):
        return "other text"
    if changes["engine"] == "auto" and pipeline.engine.name == "generate":
        return "one at a time"
    return "yes"


def _bare(text: str) -> str:
    """A reply without the tags of thoughts and the space around them, which the app writes in one form."""
    return re.sub(r"</?think>|\s", "", text)


def _config(folder: Path, changes: dict[str, Any]) -> Any:
    from streamspace.config.types import Config

    data = yaml.safe_load((ROOT / "config/tiny.yaml").read_text("utf-8"))
    data["system_prompt"], data["device"] = "", "cpu"
    data["limits"]["prompt_tokens"], data["sampling"]["max_new_tokens"] = 128, {"default": 16, "min": 16, "max": 16}
    for key, value in {"model.id": str(folder), **changes}.items():
        *parents, last = key.split(".")
        place = data
        for parent in parents:
            place = place[parent]
        place[last] = value
    return Config.model_validate(data)


def _next_turn(folder: Path) -> str:
    """What is read of a second turn, whose text must be that of a visitor who wasn't there for the first."""
    from streamspace.errors import GenerationError
    from streamspace.reply import build
    from streamspace.reply.request import Caller, ChatRequest

    async def said(history: list[dict[str, str]], shares: str) -> Any:
        request = ChatRequest(QUESTIONS[bool(history)], history, caller=Caller(shares=shares))
        async for progress in pipeline.chat(request):
            last = progress
        return last

    async def turns() -> str:
        first = await said([], "a")
        history = [{"role": "user", "content": QUESTIONS[0]}, {"role": "assistant", "content": first.text}]
        try:
            alone = await said(history, "b")
        except GenerationError as error:
            return f"not tried: {short(error)}"
        second = await said(history, "a")
        if second.text != alone.text:
            return "other text"
        return "new tokens" if second.end.reused_tokens else "all again"

    pipeline = build.here(_config(folder, RUNS["chat"]), lambda progress: None)
    try:
        return asyncio.run(turns())
    except Exception as error:
        return f"crashes in replies: {type(error).__name__}: {short(error)}"
    finally:
        pipeline.engine.close()


async def _answers(pipeline: Any, questions: Sequence[Question]) -> list[str]:
    from streamspace.reply.request import ChatRequest

    async def answer(question: str, images: Sequence[str] | None) -> str:
        text = ""
        sent = [{"path": path, "meta": {"_type": "gradio.FileData"}} for path in images or ()]
        async for progress in pipeline.chat(ChatRequest(question, [], images=sent)):
            text = progress.text
        return text

    return list(await asyncio.gather(*(answer(*question) for question in questions)))


def _reason(said: str) -> str:
    """What is wrong with the model, without what was expected and what to do."""
    found = re.search(r"(?:got 'it', (?:whose |which )?|transformers [\d.]+: |for 'it' )(.+?)\. ", said)
    return found[1] if found else said


def short(error: Exception | str) -> str:
    """The first line of an error's message, cut."""
    return (str(error).strip().splitlines() or [""])[0][:160]


if __name__ == "__main__":
    for model_type, row in sweep(sys.argv[1:] or types(), tried):
        print(f"{model_type}: {row}", flush=True)
