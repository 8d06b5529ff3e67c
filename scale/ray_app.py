"""OpenAI's API for a config's model on Ray Serve; each replica is a process that has loaded the model.

Ray starts, counts and ends the replicas as `serve.yaml` asks, and hands each request to one of them. What a reply is,
and how a client asks for one, is `streamspace`'s.
"""

from __future__ import annotations

from ray import serve
from ray.serve import Application
from starlette.applications import Starlette
from starlette.middleware import Middleware

from streamspace.config import file as configfile
from streamspace.errors import ModelError
from streamspace.reply import build, places
from streamspace.reply.loader import Loader
from streamspace.web import health, startup
from streamspace.web.door import Door
from streamspace.web.openai import routes as openai
from streamspace.web.page.redacting import RedactingMiddleware


@serve.deployment
@serve.ingress()
class Replica:
    """A process with the model of `config`, a file's path or a bare name.

    Raises ConfigError or ModelError where it can't be loaded: Ray shows that, and tries a few times more.
    """

    def __init__(self, config: str) -> None:
        self._loader = Loader(startup.prepare(configfile.locate(config)), build.pipeline, background=False)
        self._loader.start()
        if self._loader.error:
            raise ModelError(self._loader.error)

    def __serve_build_asgi_app__(self) -> Starlette:
        """What Ray sends this replica's requests to."""
        middleware = [Middleware(RedactingMiddleware), Middleware(Door, config=self._loader.config)]
        return Starlette(routes=[*health.routes(self._loader), *openai.routes(self._loader)], middleware=middleware)

    def check_health(self) -> None:
        """Raises RuntimeError while every reply fails; where that lasts, Ray replaces this replica."""
        if reason := health.health_of(self._loader)["reason"]:
            raise RuntimeError(reason)


def app(args: dict[str, str]) -> Application:
    """What `serve run` runs. `args` may name a `config`, else SPACE_CONFIG does.

    A replica gets as many requests as it has places, and Ray keeps the others until one is free; `auto`, which only a
    loaded model can answer, counts as what suits a GPU. Raises ConfigError.
    """
    name = args.get("config") or str(configfile.chosen())
    limits = configfile.read(configfile.locate(name)).limits
    taken = places.GPU if limits.concurrency == "auto" else limits.concurrency
    return Replica.options(max_ongoing_requests=taken, graceful_shutdown_timeout_s=limits.grace).bind(name)
