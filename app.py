"""The Space: reads the config, loads the model, serves the page. Everything it composes is in streamspace/."""

try:
    import spaces  # noqa: F401  ZeroGPU patches torch, so this comes before anything that imports it
except ImportError:
    pass

import logging
import sys

from streamspace import build, configfile, zero
from streamspace.errors import StreamspaceError
from streamspace.opening import Opening
from streamspace.page import whole
from streamspace.serve import serve


def main() -> int:
    """Runs until the process ends; 2 means that the config or the command has to be changed first."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("streamspace").setLevel(logging.INFO)
    try:
        config = configfile.read(configfile.chosen())
        opening = Opening(config, build.writer)
        if zero.present():
            opening.load()  # the weights are packed when the page is launched
        else:
            opening.begin()  # the page is there first
        serve(whole.build(opening), opening)
    except StreamspaceError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
