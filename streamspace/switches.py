"""What makes the app faster and can be taken out by the environment, so that a benchmark shows what it is worth.

`STREAMSPACE_WITHOUT=packing,threads python app.py`. What the config file has a key for has no switch here.
"""

from __future__ import annotations

import os

VARIABLE = "STREAMSPACE_WITHOUT"
SWITCHES = {"packing": "packed layers", "threads": "chosen numbers of threads", "pacing": "paced updates"}


def is_on(name: str) -> bool:
    """Whether this one of SWITCHES is left in."""
    assert name in SWITCHES
    return name not in os.environ.get(VARIABLE, "").split(",")
