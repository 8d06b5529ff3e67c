"""Gradio's own chat page, which streams a prepared text at a prepared pace after a prepared conversation.

TEXT and HISTORY name files, PIECE says how many characters come at once, PAUSE how many seconds are between two pieces.
"""

import json
import os
import time
from pathlib import Path

import gradio as gr

from benchmarks.systems import door

TEXT = Path(os.environ["TEXT"]).read_text("utf-8")
HISTORY = json.loads(Path(os.environ["HISTORY"]).read_text("utf-8"))
PIECE = int(os.environ["PIECE"])
PAUSE = float(os.environ["PAUSE"])


def chat(message, history):
    for end in range(PIECE, len(TEXT) + PIECE, PIECE):
        time.sleep(PAUSE)
        yield TEXT[:end]


if __name__ == "__main__":
    door.launch(gr.ChatInterface(chat, chatbot=gr.Chatbot(value=HISTORY), concurrency_limit=None), chat)
