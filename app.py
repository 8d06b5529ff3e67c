"""The Space: reads the config, builds the page, loads the model, serves. Everything it composes is in streamspace/."""

import spaces  # isort: skip  on ZeroGPU it patches torch, so it comes before anything that imports it

from functools import partial

from streamspace.engines import zerogpu as zero
from streamspace.engines.engine import Events
from streamspace.events import Request
from streamspace.reply import build
from streamspace.reply.loader import Opening
from streamspace.web import startup
from streamspace.web.page import build as whole

config = startup.read_config()
worker = zero.Worker()


@spaces.GPU(duration=zero.duration, size=zero.size(config.gpu))
def generate(request: Request) -> Events:
    """Streams one reply on ZeroGPU's card. It has to be decorated before the launch; elsewhere nothing calls it."""
    yield from worker.generate(request)


opening = Opening(config, partial(build.writer, worker=worker, gpu=generate), background=not zero.present())
demo = whole.build(opening)

if __name__ == "__main__":
    startup.serve(demo, opening)
