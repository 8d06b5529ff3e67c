"""A bare loop of forward passes behind the door: no `generate`, no streamer, no thread, nothing but the next token."""

import os

import gradio as gr
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.systems import door

MODEL, MOST = os.environ["MODEL"], int(os.environ["MAX_NEW_TOKENS"])
tokenizer = AutoTokenizer.from_pretrained(MODEL)
model = AutoModelForCausalLM.from_pretrained(MODEL)


@torch.inference_mode()
def chat(message, history):
    messages = [*history, {"role": "user", "content": message}]
    asked = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    ids, cache, written = asked["input_ids"], None, []
    while len(written) < MOST:
        output = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        ids, cache = output.logits[:, -1].argmax(-1, keepdim=True), output.past_key_values
        written.append(ids.item())
        if written[-1] == tokenizer.eos_token_id:
            return
        yield tokenizer.decode(written, skip_special_tokens=True)


if __name__ == "__main__":
    door.launch(gr.ChatInterface(chat), chat)
