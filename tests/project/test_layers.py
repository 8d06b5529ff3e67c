"""The packages import one way, and those that are meant to be light import neither torch nor gradio."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

from tests.running import ROOT

PACKAGE = ROOT / "streamspace"
FLOORS = [  # from the ground up: a package imports from lower floors only
    {"i18n", "sampling", "tools", "foreign", "gguf", "problems", "trial"},
    {"errors", "events"},
    {"repository", "switches"},
    {"config"},
    {"model", "engines", "hub"},
    {"prompt", "checks"},
    {"reply", "deploy", "new", "options"},
    {"web", "__main__"},
]


def package_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(source: str) -> set[str]:
    """The packages of this project that a module imports from."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("streamspace.")}


def test_packages_import_only_from_lower_floors() -> None:
    floor = {package: number for number, packages in enumerate(FLOORS) for package in packages}
    upward = {
        (package_of(path), other)
        for path in PACKAGE.rglob("*.py")
        for other in imported(path.read_text("utf-8")) - {package_of(path)}
        if floor[other] >= floor[package_of(path)]
    }
    assert upward == set()


def test_a_package_says_its_duty_and_exports_nothing() -> None:
    paths = list(PACKAGE.glob("*/**/__init__.py"))
    assert {path.parent.name for path in paths} >= {"config", "engines", "web", "page"}
    for path in paths:
        (duty,) = ast.parse(path.read_text("utf-8")).body
        assert isinstance(duty, ast.Expr)


def test_only_app_and_zerogpu_touch_spaces_and_app_imports_it_first() -> None:
    touching = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "app.py", *PACKAGE.rglob("*.py"))
        if re.search(r"import spaces|sys\.modules.*spaces", path.read_text("utf-8"))
    }
    assert touching == {"app.py", "streamspace/engines/zerogpu.py"}
    assert ast.unparse(ast.parse((ROOT / "app.py").read_text("utf-8")).body[1]) == "import spaces"


def test_app_decorates_one_function_by_the_name_that_the_platform_looks_for() -> None:
    assert (ROOT / "app.py").read_text("utf-8").count("\n@spaces.GPU(") == 1
    assert not any("spaces.GPU(" in path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))


def test_config_prompt_and_command_line_import_neither_torch_nor_gradio() -> None:
    light = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in ("config", "prompt", "hub", "checks", "deploy", "new")
        for path in sorted((PACKAGE / package).glob("*.py"))
        if path.name not in ("__init__.py", "image_builder.py")
    ]
    light += ["streamspace.__main__", "streamspace.model.files", "streamspace.engines.endpoint"]
    light += ["streamspace.reply.pipeline", "streamspace.reply.loader"]
    code = f"import sys, {', '.join(light)}; print({{'torch', 'gradio', 'transformers'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_importing_the_app_does_no_work() -> None:
    code = "import threading, sys, app; print(threading.active_count(), 'transformers.models.llama' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1 False"
