"""The plain handler that most Spaces have, on ZeroGPU: a thread, a streamer, and a join. Ours is measured against it.

READING and WRITING are seconds added to the prompt's forward pass and to each later one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import gradio as gr
import spaces
from transformers import AutoModelForCausalLM, AutoTokenizer, TextIteratorStreamer

TINY = Path(__file__).parents[3] / "models/tiny"
tokenizer = AutoTokenizer.from_pretrained(TINY)
model = AutoModelForCausalLM.from_pretrained(TINY).to("cuda")


def slow(module: Any, inputs: Any) -> None:
    time.sleep(float(os.environ["READING" if inputs[0].shape[1] > 1 else "WRITING"]))


model.get_input_embeddings().register_forward_pre_hook(slow)


@spaces.GPU(duration=30)
def answer(message: str) -> Iterator[str]:
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": message}], add_generation_prompt=True, return_tensors="pt"
    ).to(model.device)
    streamer = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
    thread = Thread(target=model.generate, kwargs={**prompt, "streamer": streamer, "max_new_tokens": 60})
    thread.start()
    text = ""
    try:
        for piece in streamer:
            text += piece
            yield text
    finally:
        thread.join()


def reply(message: str) -> Iterator[str]:
    yield "…"  # an empty bubble first, as most do
    yield from answer(message)


with gr.Blocks() as demo:
    box, out = gr.Textbox(elem_id="message"), gr.Textbox(elem_id="out")
    send, stop = gr.Button("Send", elem_id="send"), gr.Button("Stop", elem_id="stop")
    run = send.click(reply, box, out, concurrency_limit=4)
    stop.click(None, cancels=[run])

if __name__ == "__main__":
    demo.queue(max_size=32).launch(ssr_mode=False)
