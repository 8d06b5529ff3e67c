"""A Space's own README: what it is, how it is used and made, below the card; every link in it works on the Hub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from streamspace.config.types import Config
from streamspace.hub import card
from streamspace.repository import is_local

API = """```python
from gradio_client import Client

client = Client("{space}")
for text in client.submit({words}="{example}", api_name="/{name}"):
    print(text)  # all of the reply so far
```"""
USE = {
    "chat": "Write a message and send it. Stop ends the reply at once. Below it are Continue, Retry and Edit, which "
    "keep what was there.",
    "image-chat": "Attach an image, write a message and send it. Stop ends the reply at once.",
    "completion": "Begin a text, and the model goes on with it. Stop ends that at once.",
}


def render(config: Config, config_path: str, space: str, files: Sequence[str] = ()) -> str:
    """The README of the Space `owner/name`; `files` are the model's, which go into the card."""
    return card.render(config, files) + "\n" + "\n".join(_body(config, config_path, space))


def _body(config: Config, config_path: str, space: str) -> Iterator[str]:
    completion = config.task == "completion"
    example = (config.page.examples or ["Hello"])[0].replace("\\", "\\\\").replace('"', '\\"')
    yield f"# {config.page.title}\n"
    if config.page.description:
        yield f"{config.page.description}\n"
    yield f"The model: {_model(config)}.\n"
    yield f"## Use it\n\n{USE[config.task]} Conversations are kept in the visitor's browser alone.\n"
    words, name = ("prompt", "complete") if completion else ("message", "chat")
    call = API.format(space=space, words=words, name=name, example=example)
    yield f"As an API, with `pip install gradio_client`:\n\n{call}\n"
    yield "`GET /health` says in JSON whether a reply can be written now.\n"
    yield (
        f"## How it is made\n\nBy the template Streamspace: [{config_path}]({config_path}) has the model, "
        f"the texts and the limits. To make one like it, [duplicate this Space]"
        f"(https://huggingface.co/spaces/{space}?duplicate=true), and change that file.\n"
    )
    yield (
        f"The code is under {config.card.license} ([LICENSE](LICENSE)). The model has a licence of its own, which "
        "holds for what you do with it.\n"
    )


def _model(config: Config) -> str:
    """The model, with its licence and where it runs."""
    if config.endpoint and config.endpoint.url:
        return f"`{config.model.id}`, on a server of the Space's owner"
    licence = f", licence {config.model.license}" if config.model.license else ""
    adapter = f", with the LoRA adapter {_named(config.model.adapter.id)}" if config.model.adapter else ""
    return f"{_named(config.model.id)}{adapter}{licence}"


def _named(name: str) -> str:
    return f"`{name}`, in this repository" if is_local(name) else f"[{name}](https://huggingface.co/{name})"
