"""The routes of OpenAI's API: each reads its body, and answers with a reply of the loader's, or says why not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, TypeVar

from gradio.context import LocalContext
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from streamspace.errors import ClosingError, ModelError, RequestError
from streamspace.i18n import t
from streamspace.prompt.prompt import Prompts
from streamspace.reply.loader import Loader
from streamspace.reply.pipeline import Pipeline
from streamspace.reply.request import Caller
from streamspace.repository import called
from streamspace.web import access
from streamspace.web.openai import asked, errors, formats, functions, images, schema
from streamspace.web.openai.answer import Answer
from streamspace.web.openai.errors import Refused
from streamspace.web.openai.forms import CONTINUATION, CONVERSATION, Envelope, Form
from streamspace.web.openai.schema import Chat, Completion
from streamspace.web.openai.steps import Read, Steps, plain, reading, steps

Handler = Callable[[Request], Any]
T = TypeVar("T", Chat, Completion)
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
JSON = "application/json"  # a page of another site can send other types without asking the browser for leave


def routes(loader: Loader) -> list[Mount]:
    """The routes, under /v1 and under the path that Gradio's API has."""
    return [Mount(path, routes=OpenAI(loader).routes()) for path in errors.PATHS]


class OpenAI:
    """OpenAI's API for one loader."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._refusals = loader.accounts.refusals
        self._name = called(loader.config.model.id)
        self._since = int(time.time())
        self._trying = asyncio.Lock()
        most = loader.config.sampling.max_new_tokens
        # Clients ask for a token or ten to see whether a server works; the config's shortest reply is the page's.
        self._bounds = loader.config.sampling.model_copy(update={"max_new_tokens": most.model_copy(update={"min": 1})})

    def routes(self) -> list[Route]:
        """What there is, and an answer to what there isn't."""
        there: list[tuple[str, str, Handler]] = [
            ("POST", "/chat/completions", self.chat),
            ("POST", "/completions", self.complete),
            ("GET", "/models", self.models),
            ("GET", "/models/{model:path}", self.model),
        ]
        elsewhere = "; ".join(f"{method} /v1{path}" for method, path, _ in there[:3])

        def refuse(status: int) -> Handler:
            async def refused(request: Request) -> JSONResponse:
                found = f"{request.method} {request.url.path}"[:80]
                return JSONResponse(errors.body(f"expected one of {elsewhere}, got {found}"), status)

            return refused

        known = [Route(path, handler, methods=[method]) for method, path, handler in there]
        others = [Route(path, refuse(405), methods=METHODS) for _, path, _ in there]
        return [*known, *others, Route("/{path:path}", refuse(404), methods=METHODS)]

    async def chat(self, request: Request) -> ASGIApp:
        """POST /v1/chat/completions."""
        return await self._answer(request, Chat, CONVERSATION, self._chat)

    async def complete(self, request: Request) -> ASGIApp:
        """POST /v1/completions."""
        return await self._answer(request, Completion, CONTINUATION, self._complete)

    async def models(self, request: Request) -> ASGIApp:
        """GET /v1/models."""
        return JSONResponse({"object": "list", "data": [self._described()]})

    async def model(self, request: Request) -> ASGIApp:
        """GET /v1/models/NAME."""
        try:
            self._check_model(request.path_params["model"])
        except Refused as error:
            return errors.response(error)
        return JSONResponse(self._described())

    async def _answer(
        self, request: Request, kind: type[T], form: Form, start: Callable[[T, Caller], Steps]
    ) -> ASGIApp:
        """The reply to a request, or why there is none. On ZeroGPU it is paid from the quota of who sends the request.

        A client that goes while ZeroGPU looks for a card is noticed after that: `spaces` asks Gradio's queue only.
        """
        LocalContext.request.set(request)  # type: ignore[arg-type]  # where `spaces` looks for the visitor
        try:
            caller = access.admit("openai", request, self._loader)
            with self._refusals(caller):
                _check_type(request)
                body = schema.read(kind, await request.body(), self._bounds)
                self._check_model(body.model)
        except RequestError as error:
            return errors.response(error)
        begun = asked.begun(body) if isinstance(body, Chat) else ()
        envelope = Envelope(form, self._name, f"{form.prefix}{caller.id}")
        return Answer(start(body, caller), envelope, begun, bool(body.stream), body.counts)

    async def _chat(self, body: Chat, caller: Caller) -> Steps:
        """The reply, step by step. Raises RequestError, and all that a reply raises."""
        with images.folder(self._loader.config) as folder:
            with self._refusals(caller):
                prompts = self._loaded("chat", "image-chat").builder
                await self._check_format(body, prompts)
                request = await asyncio.to_thread(asked.chat, body, self._bounds, prompts.thinking, folder, caller)
            read = _reading(body, prompts, caller)
            async with aclosing(steps(self._loader.chat(request), read)) as told:
                async for step in told:
                    yield step

    async def _check_format(self, body: Chat, prompts: Prompts) -> None:
        """Raises Refused where replies can't have the form that is asked for.

        One schema is tried at a time: it takes a processor.
        """
        name, schema, tools = f"{formats.NAME}.json_schema.schema", body.response_format, body.offered
        if tools:
            if problem := await asyncio.to_thread(prompts.tools_problem, tools):
                raise Refused(f"{functions.NAME}: {problem}", functions.NAME, errors.UNSUPPORTED)
            name, schema = functions.NAME, tools.grammar
        if not schema:
            return
        parameter = name.partition(".")[0]
        if asked.begun(body):
            raise Refused(f"{parameter}: expected none beside a reply to go on with", parameter, errors.UNSUPPORTED)
        async with self._trying:
            problem = await asyncio.to_thread(prompts.schema_problem, schema)
        if problem:
            raise Refused(f"{name}: {problem}", parameter)

    async def _complete(self, body: Completion, caller: Caller) -> Steps:
        """See `_chat`."""
        with self._refusals(caller):
            self._loaded("completion")
            request = asked.completion(body, self._bounds, caller)
        async with aclosing(steps(self._loader.complete(request))) as told:
            async for step in told:
                yield step

    def _loaded(self, *tasks: str) -> Pipeline:
        """The loaded model. Raises RequestError where it has another task or is being loaded, or ModelError."""
        if self._loader.config.task not in tasks:
            path = "/v1/completions" if "chat" in tasks else "/v1/chat/completions"
            raise Refused(f"This Space's model doesn't do that. Send requests to {path}")
        self._loader.ensure_started()
        if self._loader.closing:
            raise ClosingError(t("error.closing"))
        if self._loader.error:
            raise ModelError(t("error.unloaded", problem=self._loader.error))
        if not self._loader.pipeline:
            raise Refused(self._loader.progress or t("status.loading"), "", errors.LOADING)
        return self._loader.pipeline

    def _check_model(self, name: str | None) -> None:
        if name not in (None, self._name, self._loader.config.model.id):
            raise Refused(
                f"model: expected {self._name!r}, the one that this Space runs, got {str(name)[:80]!r}",
                "model",
                errors.UNKNOWN_MODEL,
            )

    def _described(self) -> dict[str, Any]:
        owner = self._name.split("/")[0] if "/" in self._name else "streamspace"
        return {"id": self._name, "object": "model", "created": self._since, "owned_by": owner}


def _reading(body: Chat, prompts: Prompts, caller: Caller) -> Read:
    most = 1 if body.parallel_tool_calls is False else None
    return reading(body.offered, prompts, f"call_{caller.id}", most) if body.offered else plain


def _check_type(request: Request) -> None:
    sent = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if sent != JSON:
        raise Refused(f"Content-Type: expected {JSON}, got {sent[:40] or 'nothing'}", "Content-Type")
