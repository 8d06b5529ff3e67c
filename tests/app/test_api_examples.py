"""Each example of docs/api.md, run word for word against the real app."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import ROOT, App

PROGRAMS = {"python": [sys.executable, "-"], "bash": ["bash", "-e"], "javascript": ["node", "--input-type=module"]}
EXAMPLES = re.findall(r"^```(\w+)\n(.*?)^```$", (ROOT / "docs/api.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_there_is_an_example_in_each_language() -> None:
    assert {language for language, _ in EXAMPLES} == set(PROGRAMS)


@pytest.mark.parametrize(("language", "text"), EXAMPLES, ids=[text.split("\n")[0][:40] for _, text in EXAMPLES])
def test_an_example_prints_the_reply(app: App, tmp_path: Path, language: str, text: str) -> None:
    program, *options = PROGRAMS[language]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # `llm` is installed beside Python
    found = shutil.which(program)
    if not found:
        pytest.skip(f"no {program}")
    done = subprocess.run(
        [found, *options], input=text.replace("http://localhost:7860", app.url), cwd=tmp_path, capture_output=True,
        text=True, timeout=60, env={**os.environ, "PATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "ZeroGPU" in done.stdout
