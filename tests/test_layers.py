"""The modules import one way: each only those above it in this list."""

from __future__ import annotations

import ast
import subprocess
import sys

from tests.running import ROOT

ORDER = """
streamspace
streamspace.texts
streamspace.errors
streamspace.config
streamspace.configfile
streamspace.generated
streamspace.placement
streamspace.cores
streamspace.events
streamspace.thoughts
streamspace.conversation
streamspace.parameters
streamspace.prompt
streamspace.messages
streamspace.decode
streamspace.relay
streamspace.engines
streamspace.engines.choosing
streamspace.engines.trial
streamspace.tensors
streamspace.engines.mishaps
streamspace.engines.endpoint
streamspace.engines.draft
streamspace.engines.generate
streamspace.engines.sampler
streamspace.engines.batch
streamspace.engines.batching
streamspace.budget
streamspace.zero
streamspace.probe
streamspace.threads
streamspace.fetching
streamspace.packing
streamspace.quantizing
streamspace.loading
streamspace.images
streamspace.imageprompt
streamspace.line
streamspace.reply
streamspace.local
streamspace.build
streamspace.opening
streamspace.health
streamspace.page
streamspace.page.words
streamspace.page.markup
streamspace.page.look
streamspace.page.controls
streamspace.page.bubbles
streamspace.page.visit
streamspace.page.imagebox
streamspace.page.uploads
streamspace.page.discreet
streamspace.page.chat
streamspace.page.completion
streamspace.api
streamspace.page.whole
streamspace.startup
streamspace.requirements
streamspace.card
streamspace.upload
streamspace.refusals
streamspace.checks
streamspace.checks.findings
streamspace.checks.platform
streamspace.checks.resolution
streamspace.checks.pins
streamspace.checks.together
streamspace.checks.placing
streamspace.checks.card
streamspace.checks.templates
streamspace.checks.memory
streamspace.checks.files
streamspace.checks.offline
streamspace.checks.online
streamspace.deploy
streamspace.deploy.excerpt
streamspace.deploy.state
streamspace.deploy.plan
streamspace.deploy.hub
streamspace.deploy.watch
streamspace.deploy.smoke
streamspace.deploy.summary
streamspace.deploy.rollback
streamspace.deploy.apply
streamspace.deploy.commands
streamspace.__main__
app
""".split()


def modules() -> dict[str, str]:
    found = {"app": (ROOT / "app.py").read_text("utf-8")}
    for path in (ROOT / "streamspace").rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = path.read_text("utf-8")
    return found


def imported(source: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = {f"{node.module}.{alias.name}" for alias in node.names} & set(ORDER)
            names |= parts or {str(node.module)}
    return names & set(ORDER)


def test_each_module_imports_only_those_before_it() -> None:
    found = modules()
    assert sorted(found) == sorted(ORDER)
    for name, source in found.items():
        later = {other for other in imported(source) if ORDER.index(other) >= ORDER.index(name)}
        assert not later, f"{name} imports {later}"


def test_only_app_and_zero_touch_spaces_and_app_imports_it_first() -> None:
    touching = {name for name, source in modules().items() if "import spaces" in source or "sys.modules" in source}
    assert touching == {"app", "streamspace.zero"}
    statements = ast.parse(modules()["app"]).body[1:]
    assert ast.unparse(statements[0]) == "import spaces"


def test_app_decorates_one_function_by_the_name_that_the_platform_looks_for() -> None:
    assert modules()["app"].count("\n@spaces.GPU(") == 1
    assert not any("spaces.GPU(" in source for name, source in modules().items() if name != "app")


def test_config_and_prompt_code_imports_neither_torch_nor_gradio() -> None:
    engines = ORDER.index("streamspace.engines")
    light = [*ORDER[: engines + 1], "streamspace.fetching", "streamspace.reply", "streamspace.__main__"]
    code = (
        f"import sys, {', '.join(light)}; print([m for m in ('torch', 'gradio', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_app_does_no_work() -> None:
    code = "import threading, sys, app; print(threading.active_count(), 'transformers.models.llama' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1 False"
