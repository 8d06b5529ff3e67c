"""The command `new`: a model's name becomes config/NAME.yaml, with what was decided printed, and checked."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.utils import disable_progress_bars
from packaging.requirements import Requirement

from streamspace.config import file as configfile
from streamspace.errors import UsageError
from streamspace.hub import requirements
from streamspace.new import document, proposal, suited
from streamspace.new.facts import Facts, ask
from streamspace.repository import is_local

Say = Callable[[str], None]
PAGE = re.compile(r"^https?://(?:www\.)?huggingface\.co/|/(?:tree|blob|resolve)/.*$|/$")
MODEL = re.compile(r"[\w.-]+/[\w.-]+")
NAME = re.compile(r"[a-z0-9][\w.-]{0,80}", re.IGNORECASE)


def new(options: argparse.Namespace, say: Say) -> Path:
    """Writes the config and says what it decided. Raises UsageError, with nothing written."""
    disable_progress_bars()
    model = _model(options.model)
    path = _path(options.name or model.partition("/")[2].lower(), options.force)
    facts, adapter = described(HfApi(), model)
    made = proposal.make(facts, options.hardware, adapter)
    command = f"python -m streamspace new {model}" + (f" --hardware {options.hardware}" if options.hardware else "")
    path.write_text(document.text(made, path.stem, command), "utf-8")
    say(made.about)
    for line in made.decided:
        say(f"  {line}")
    say(f"wrote config/{path.name}")
    if added := require(made.packages):
        say(f"added to requirements.txt: {', '.join(added)}")
    return path


def described(api: HfApi, model: str) -> tuple[Facts, Facts | None]:
    """What the Hub says of a model, or of an adapter's base and the adapter. Raises UsageError for unsuitable ones."""
    facts = ask(api, model)
    suited.check(facts)
    if not facts.is_adapter:
        return facts, None
    base = ask(api, str(facts.adapter["base_model_name_or_path"]))
    suited.check(base)
    return base, facts


def _model(text: str) -> str:
    """OWNER/MODEL, also of the address of its page."""
    name = PAGE.sub("", text.strip())
    if name.startswith(("spaces/", "datasets/")):
        kind = "Space" if name.startswith("spaces/") else "data set"
        raise UsageError(f"expected a model as OWNER/MODEL, got {text!r}, which is a {kind}")
    if not MODEL.fullmatch(name):
        kind = ", a folder: copy a preset of config/ for it" if is_local(name) else ""
        raise UsageError(f"expected a model of the Hub as OWNER/MODEL, got {text!r}{kind}")
    return name


def _path(name: str, force: bool) -> Path:
    """Where to write."""
    if not NAME.fullmatch(name):
        raise UsageError(f"--name: expected letters, digits, dots and hyphens, got {name!r}")
    path = configfile.FOLDER / f"{name.removesuffix('.yaml')}.yaml"
    if path.exists() and not force:
        raise UsageError(
            f"config/{path.name}: expected no such file, found one. Deploy it as it is (deploy OWNER/NAME --config "
            f"{path.stem}), write another with --name NAME, or replace it with --force"
        )
    return path


def require(packages: Sequence[str]) -> list[str]:
    """Adds the lines that requirements.txt lacks, and returns them."""
    known = requirements.read()
    lacking = [line for line in packages if Requirement(line).name not in known]
    if lacking:
        text = requirements.FILE.read_text("utf-8").rstrip("\n")
        requirements.FILE.write_text("\n".join([text, *lacking, ""]), "utf-8")
    return lacking
