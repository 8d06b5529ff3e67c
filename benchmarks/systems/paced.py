"""Gradio's own chat page, which streams a prepared text at a prepared pace after a prepared conversation.

TEXT names a file, TURNS says how many earlier turns are shown, PAUSE how many seconds are between two pieces.
"""

import os
import time
from pathlib import Path

import gradio as gr

TEXT = Path(os.environ["TEXT"]).read_text("utf-8")
TURNS = int(os.environ["TURNS"])
PAUSE = float(os.environ["PAUSE"])
PIECE = 12  # characters, as in tests/standins/apps/scripted_app.py
TURN = [{"role": "user", "content": "before"}, {"role": "assistant", "content": "before " * 50}]


def chat(message, history):
    for end in range(PIECE, len(TEXT) + PIECE, PIECE):
        time.sleep(PAUSE)
        yield TEXT[:end]


if __name__ == "__main__":
    gr.ChatInterface(chat, chatbot=gr.Chatbot(value=TURN * TURNS)).launch()
