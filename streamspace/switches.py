"""What makes the app better and can be taken out by the environment: to see what it is worth, or for a debugger.

`STREAMSPACE_WITHOUT=packing,threads python app.py`. What the config file has a key for has no switch here.
"""

from __future__ import annotations

import os

from streamspace.errors import UsageError

VARIABLE = "STREAMSPACE_WITHOUT"
SWITCHES = {
    "process": "a process of its own",
    "packing": "packed layers",
    "threads": "chosen numbers of threads",
    "pacing": "paced updates",
}


def is_on(name: str) -> bool:
    """Whether this one of SWITCHES is left in. Raises UsageError where the environment names another."""
    named = set(filter(None, os.environ.get(VARIABLE, "").split(",")))
    if unknown := sorted(named - set(SWITCHES)):
        raise UsageError(f"{VARIABLE}: expected some of {','.join(SWITCHES)}, got {unknown[0]!r}")
    return name not in named
