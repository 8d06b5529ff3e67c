"""The baseline: a streaming chat as most tutorials write it, with `generate` in a thread and a TextIteratorStreamer.

Its defects are kept, so that a benchmark compares with what people run today: Stop leaves the model running, an error
in the thread hangs the page, a word is held back until the next space. `door` is all that is added. To run it:
`MODEL=./models/tiny python -m benchmarks.systems.baseline`.
"""

import os
from threading import Thread

import gradio as gr
from transformers import AutoModelForCausalLM, AutoTokenizer, TextIteratorStreamer

from benchmarks.systems import door

MODEL = os.environ.get("MODEL", "./models/tiny")
MAX_NEW_TOKENS = int(os.environ.get("MAX_NEW_TOKENS", "512"))

tokenizer = AutoTokenizer.from_pretrained(MODEL)
model = AutoModelForCausalLM.from_pretrained(MODEL)


def chat(message, history):
    messages = [*history, {"role": "user", "content": message}]
    inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    streamer = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
    settings = {**inputs, "streamer": streamer, "max_new_tokens": MAX_NEW_TOKENS, "do_sample": False}
    Thread(target=model.generate, kwargs=settings).start()
    text = ""
    for new in streamer:
        text += new
        yield text


# No limit, so that nobody waits in a queue: the most favourable setting for it in a comparison.
demo = gr.ChatInterface(chat, concurrency_limit=None)

if __name__ == "__main__":
    door.launch(demo, chat)
