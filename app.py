"""The Space: reads the config, builds the page, loads the model, serves. Everything it composes is in streamspace/."""

import spaces  # isort: skip  on ZeroGPU it patches torch, so it comes before anything that imports it

from functools import partial

from streamspace.engines import zerogpu
from streamspace.engines.engine import Events
from streamspace.events import Request
from streamspace.reply import build
from streamspace.reply.loader import Loader
from streamspace.web import startup
from streamspace.web.page.page import build_page

config = startup.read_config()
worker = zerogpu.Worker()


@spaces.GPU(duration=zerogpu.duration, size=zerogpu.size(config.gpu))
def generate(request: Request) -> Events:
    """Streams one reply on ZeroGPU's card. It has to be decorated before the launch; elsewhere nothing calls it."""
    yield from worker.generate(request)


loader = Loader(config, partial(build.pipeline, worker=worker, gpu=generate), background=not zerogpu.present())
demo = build_page(loader)

if __name__ == "__main__":
    startup.serve(demo, loader)
