"""The Space: reads the config, loads the model, serves the page. Everything it composes is in streamspace/."""

try:
    import spaces  # noqa: F401  ZeroGPU patches torch, so this comes before anything that imports it
except ImportError:
    pass

import logging
import sys

from gradio import Blocks

from streamspace import build, configfile
from streamspace.config import Config
from streamspace.errors import StreamspaceError
from streamspace.page import whole
from streamspace.serve import serve

log = logging.getLogger("streamspace")


def main() -> int:
    """Runs until the process ends; 2 means that the config or the command has to be changed first."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    log.setLevel(logging.INFO)
    try:
        config = configfile.read(configfile.chosen())
        serve(compose(config), config.page)
    except StreamspaceError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    return 0


def compose(config: Config) -> Blocks:
    """The page for a config; when the model can't be loaded, the page that says why."""
    try:
        return whole.build(build.writer(config))
    except StreamspaceError as error:
        log.error("%s", error)
        return whole.diagnosis(config, str(error))


if __name__ == "__main__":
    sys.exit(main())
