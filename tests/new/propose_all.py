"""Makes a config of each recorded model and checks it with the Hub; prints the results as JSON. Run in a checkout."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi

from streamspace.checks import offline, online
from streamspace.checks.weights import active_share
from streamspace.config import file as configfile
from streamspace.errors import UsageError
from streamspace.hub import requirements
from streamspace.new import command, document, proposal


def proposed(name: str) -> dict[str, Any]:
    """What `new` would make of a model, and what `check --online` says of it, as values that JSON has."""
    try:
        facts, adapter = command.described(HfApi(), name)
        made = proposal.make(facts, None, adapter)
    except UsageError as error:
        return {"refused": str(error)}
    path = configfile.FOLDER / "proposed.yaml"
    path.write_text(document.text(made, path.stem, f"new {name}"), "utf-8")
    before = requirements.FILE.read_text("utf-8")
    command.require(made.packages)
    config = configfile.read(path)
    found = [*offline.findings(config, path), *online.findings(config, path)]
    requirements.FILE.write_text(before, "utf-8")
    path.unlink()
    return {
        "text": document.text(made, "mine", f"new {name}"), "config": config.model_dump(), "same": config == made.config,
        "found": [(each.severity, str(each)) for each in found], "packages": made.packages, "decided": made.decided,
        "weights": made.place.need.weights, "cache": made.place.need.cache, "window": facts.window,
        "active": facts.parameters * active_share(facts.parameters, facts.shape),
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps({name: proposed(name) for name in json.loads(Path(sys.argv[1]).read_text())}))
