"""llama.cpp's own server for a GGUF file, within this process: its start, what it is asked, and in which form.

The `endpoint` engine reads its replies; `llamacpp` says who gets which of its places.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamspace import gguf
from streamspace.config.types import Config
from streamspace.engines import canonical, endpoint_payload, llama_cache
from streamspace.engines.engine import GgufFile
from streamspace.errors import GenerationError, ModelError, first_line
from streamspace.events import Kind, Message, Part, Request
from streamspace.i18n import t
from streamspace.repository import ROOT
from streamspace.tools import Tools, everywhere

log = logging.getLogger(__name__)
SILENT = 0  # the log's level: llama.cpp would log parts of replies, and says its errors in its answers
OPENING, LINE = canonical.render([Part("reasoning", "")]), "\n"  # of a thought in a message
BREAK = "\N{ZERO WIDTH SPACE}"


@dataclass(frozen=True)
class Placed(Request):
    """A request with its place in the cache, and whether it may go on from what is kept there."""

    place: int = 0
    goes_on: bool = False


class LlamaServer:
    """The server, on a port of the loopback that only this process has the key to. `window` is a reply's, with its
    prompt, and `context_window` the model's, in tokens.

    Each of the `limits.concurrency` places has its own part of the key/value cache.
    """

    def __init__(self, config: Config, loaded: GgufFile) -> None:
        file, values = loaded.path, loaded.described
        self.template = chat_template(config, file, values)
        self.thinking: Mapping[str, Mapping[str, object]] = {}
        """What the chat template is told by the name of each choice that it has."""
        self.key = secrets.token_urlsafe(32)
        asked = config.limits.prompt_tokens + config.sampling.max_new_tokens.max
        self.context_window = gguf.shape(values).get("max_position_embeddings", asked)
        self.window = min(asked, self.context_window)
        self._direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # not through the environment's
        self._control = _pattern(gguf.control_tokens(values))
        self._server: Any = _start(config, loaded, self.key, self.window, self.template)
        self._server.handle_metrics()  # its loop answers: to end a server whose loop has not begun would take forever
        self.address: str = self._server.listening_address
        log.info("Model %s: %s, context window %d tokens", config.model.id, file.name, self.window)

    def count(self, messages: Sequence[Message], tools: Tools | None = None) -> int:
        """The tokens of a prompt of these messages. Raises GenerationError."""
        content = {"messages": [self._message(each) for each in messages], **self._offered(tools)}
        return int(self.ask("/v1/chat/completions/input_tokens", content)["input_tokens"])

    def render(self, variables: Mapping[str, object]) -> str:
        """A short prompt, by the chat template with these variables. Raises GenerationError."""
        content = {"messages": [{"role": "user", "content": "Hi"}], "chat_template_kwargs": dict(variables)}
        return str(self.ask("/apply-template", content)["prompt"])

    def adapted(self, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        """A payload as llama.cpp takes it: all parameters of sampling by its names, and a begun thought apart.

        A call that has to be is asked for as JSON: llama.cpp can't hold all templates' models to their own form.
        """
        sampling, extra = request.sampling, payload["extra_body"] or {}
        extra = {name: value for name, value in extra.items() if name != "repetition_penalty"}
        if request.thinking in self.thinking:
            extra["chat_template_kwargs"] = dict(self.thinking[request.thinking])
        most = 1 if sampling.is_greedy else sampling.top_k  # 0 would sort the whole vocabulary
        extra |= {"top_k": most, "min_p": sampling.min_p, "repeat_penalty": sampling.repetition_penalty}
        if isinstance(request, Placed):
            extra |= {"id_slot": request.place, "cache_prompt": request.goes_on}
        messages = [self._message(each) for each in request.messages]
        if request.tools and request.tools.required:
            payload |= {"tool_choice": "none", "response_format": endpoint_payload.form(request.tools.grammar)}
        if request.continues:
            messages[-1] = self._begun(request.messages[-1], request.begins)
        return {**payload, "messages": messages, **self._offered(request.tools), "extra_body": extra}

    def ask(self, path: str, content: object, timeout: float = 60) -> Any:
        """The server's answer to a request that isn't streamed. Raises GenerationError, or OSError if none comes."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        asked = urllib.request.Request(self.address + path, json.dumps(content).encode(), headers)  # noqa: S310
        try:
            with self._direct.open(asked, timeout=timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise GenerationError(t("error.server_refused", status=error.code)) from error

    def close(self) -> None:
        """Ends the server; replies that are being written fail."""
        self._server = None

    def _message(self, message: Message) -> dict[str, Any]:
        told = endpoint_payload.message(message)
        if not message.calls:
            told = {"role": message.role, "content": message.reasoning_content + message.content}
        plain: dict[str, Any] = everywhere(told, self._plain)
        return plain

    def _offered(self, tools: Tools | None) -> dict[str, Any]:
        return {"tools": everywhere(tools.listed, self._plain)} if tools else {}

    def _begun(self, message: Message, begins: Kind | None) -> dict[str, str]:
        """A reply to go on from. llama.cpp puts thoughts between the template's tags as they are."""
        thought, answer = message.reasoning_content, message.content
        if begins == "reasoning":
            thought, answer = f"\n{answer.removeprefix(OPENING)}", ""
        elif thought:
            thought, answer = f"\n{thought.strip(LINE)}\n", f"\n\n{answer}"
        begun = {"role": "assistant", "content": self._plain(answer)}
        return {**begun, "reasoning_content": self._plain(thought)} if thought else begun

    def _plain(self, text: str) -> str:
        """The text with each control token in it broken up: llama.cpp would take it for the template's own."""
        while (broken := self._control.sub(lambda found: found[0][0] + BREAK + found[0][1:], text)) != text:
            text = broken
        return text


def _start(config: Config, loaded: GgufFile, key: str, window: int, template: str) -> Any:
    import xllamacpp  # here: other models don't need it

    params = xllamacpp.CommonParams()
    places, file = config.limits.places, loaded.path
    params.model.path = str(file)
    params.n_parallel, params.n_ctx = places, window * places
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = loaded.threads
    params.n_gpu_layers = 0 if config.device == "cpu" else -1
    params.api_keys, params.hostnames, params.port = [key], ["127.0.0.1"], 0
    params.ui = params.endpoint_slots = params.endpoint_props = False
    params.endpoint_metrics, params.slot_save_path = True, f"{llama_cache.FILES}/"
    params.cache_ram_mib, params.verbosity = 0, SILENT  # memory that all visitors would share, and be timed by
    params.sampling.penalty_last_n = -1  # the whole text, as in transformers
    params.sse_ping_interval = -1
    if config.model.chat_template:
        params.chat_template = template
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise ModelError(
            f"model.file: expected a model that llama.cpp can load, got {file.name!r}. The log says why. Download it "
            "again, or choose another; a newer xllamacpp knows more of them",
            detail=_reason(file),
        ) from error


def _reason(file: Path) -> str:
    """Why llama.cpp can't load a file, which only its log says; asked in a process of its own, whose log is read."""
    load = (
        "import sys, xllamacpp; params = xllamacpp.CommonParams(); params.model.path = sys.argv[1]; "
        "params.n_ctx = 64; params.verbosity = 1; xllamacpp.Server(params)"
    )
    done = subprocess.run([sys.executable, "-c", load, str(file)], capture_output=True, text=True, errors="replace")  # noqa: S603
    found = re.search(r" E .*?: (?:error loading model: |init: )?(.+)", done.stderr)
    return first_line(found[1]) if found else "it gives no reason"


def chat_template(config: Config, file: Path, described: Mapping[str, Any]) -> str:
    """The config's chat template, else the file's. Raises ModelError where there is none."""
    if name := config.model.chat_template:
        return (ROOT / name).read_text("utf-8")
    if template := described.get("tokenizer.chat_template"):
        return str(template)
    raise ModelError(
        f"model.file: expected a model with a chat template, got {file.name!r}, which has none. Name a .jinja file in "
        "model.chat_template, or choose the model's instruct version"
    )


def read(file: Path) -> dict[str, Any]:
    """What a GGUF file says of itself. Raises ModelError where it isn't one."""
    try:
        return gguf.read_file(file)
    except gguf.Malformed as error:
        raise ModelError(
            f"model.file: expected a GGUF file, got {file.name!r}: {error}. Download or copy it again"
        ) from error


def _pattern(tokens: Sequence[str]) -> re.Pattern[str]:
    longest_first = sorted(tokens, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
