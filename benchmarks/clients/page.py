"""Gradio's own client, which asks an app as its page does."""

from __future__ import annotations

import time

from gradio_client import Client

from benchmarks.clients.light import Reply

LOOK = 0.002  # seconds between two looks at what has come


def reply(port: int, message: str) -> Reply:
    """One reply in a session of its own. Raises the app's error."""
    # Loading the certificates takes longer than a first token, for each request of this client.
    client = Client(f"http://127.0.0.1:{port}", verbose=False, ssl_verify=False)
    found, began = Reply(), time.perf_counter()
    job = client.submit(message, api_name="/chat")
    done = False
    while not done:
        time.sleep(LOOK)
        done = job.done()
        outputs = job.outputs()
        if outputs and outputs[-1] != found.text:
            found.text = outputs[-1]
            found.times.append(time.perf_counter() - began)
    error = job.exception()
    client.close()
    if error:
        raise error
    return found
