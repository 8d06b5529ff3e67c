"""The smallest Space with a real transformers model and one GPU function; the tests of the stand-in drive it.

It is built as a Space has to be: `import spaces` first, weights moved on the main thread before launch, one decorated
function that asks the model for its device. `trouble` makes that function misbehave in one way.
"""

import spaces  # isort: skip

import json
import os
import time
from collections.abc import Iterator

import gradio as gr
import torch
from transformers import LlamaConfig, LlamaForCausalLM

PROMPT = [1, 2, 3]


def build() -> LlamaForCausalLM:
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    shape |= {"initializer_range": 0.5}  # else it repeats itself
    return LlamaForCausalLM(LlamaConfig(vocab_size=64, tie_word_embeddings=True, **shape)).eval()


@torch.inference_mode()
def greedy(model: LlamaForCausalLM, steps: int) -> Iterator[int]:
    ids, cache = torch.tensor([PROMPT]), None
    for _ in range(steps):
        out = model(ids.to(model.device), past_key_values=cache, use_cache=True)
        cache, ids = out.past_key_values, out.logits[:, -1:].argmax(-1)
        yield int(ids)


model = build()
expected = list(greedy(model, 8))
model.to("cuda")


def seconds_for(steps: int, pause: float, seconds: float, trouble: str) -> float:
    if trouble == "duration":
        raise ValueError("no duration for this")
    return seconds


@spaces.GPU(duration=seconds_for)
def generate(steps: int, pause: float, seconds: float, trouble: str) -> Iterator[int]:
    for step, token in enumerate(greedy(model, steps)):
        if step == 2:
            misbehave(trouble)
        yield token
        time.sleep(pause)


def misbehave(trouble: str) -> None:
    match trouble:
        case "raise":
            raise KeyError("secret detail")
        case "gr.Error":
            raise gr.Error("No room left", title="Prompt", duration=None)
        case "exit":
            raise SystemExit(1)
        case "die":
            os._exit(1)
        case "device":
            torch.tensor(PROMPT).to("cuda")  # works on a GPU only


def talk(steps: int, pause: float, seconds: float, trouble: str) -> Iterator[str]:
    """The ids as text, and whatever error comes, as a visitor would see it."""
    ids: list[int] = []
    for token in generate(steps, pause, seconds, trouble):
        ids.append(token)
        yield json.dumps(ids)


def autopsy(steps: int, pause: float, seconds: float, trouble: str) -> Iterator[str]:
    """The error that reached the caller of the GPU function on the host, field by field."""
    began = time.monotonic()
    try:
        ids = list(generate(steps, pause, seconds, trouble))
        yield json.dumps({"class": None, "ids": ids})
    except Exception as error:
        fields = {name: getattr(error, name, None) for name in ("title", "duration", "visible", "print_exception")}
        message = str.__str__(getattr(error, "message", str(error)))
        kind = f"{type(error).__module__}.{type(error).__name__}"
        took = time.monotonic() - began
        yield json.dumps({"class": kind, "message": message, "text": str(error), "took": took, **fields})


def reference() -> str:
    """What the model says without ZeroGPU."""
    return json.dumps({"ids": expected, "device": str(model.device)})


with gr.Blocks() as demo:
    for endpoint in (talk, autopsy, reference):
        gr.api(endpoint, api_name=endpoint.__name__, concurrency_limit=4)

if __name__ == "__main__":
    demo.queue(max_size=20).launch()
