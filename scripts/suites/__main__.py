"""Starts the app and runs the suites against it; exit code 1 where one fails. Arguments name those to run alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.soak.__main__ import loaded
from scripts.suites.openapi import document
from streamspace.config.types import Config
from tests.running import App, changed

UV = [str(Path(sys.executable).with_name("uv")), "tool", "run"]
HERE = Path(__file__).parent
EXAMPLES = "20"  # of each operation, beside those of the coverage phase
SUITES = {
    "provider-check": [*UV, "trustedrouter-provider-check==0.1.8", "--base-url", "{url}/v1", "--tier", "4"],
    "schemathesis": [
        *UV, "schemathesis==4.32.5", "run", "{document}", "--url", "{url}/v1", "--phases", "examples,coverage,fuzzing",
        "--max-examples", EXAMPLES, "--seed", "1", "--max-failures", "10", "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
    ],
    "compatcanary": [
        "npx", "--yes", "compatcanary@0.2.2", "scan", "--base-url", "{url}/v1", "--model", "tiny", "--profile", "chat",
    ],
    "gradio-client": [
        "sh", "-c", "npm install --silent @gradio/client@2.7.0 && node --input-type=module - {url} < \"$0\"",
        f"{HERE}/gradio_client.mjs",
    ],
}  # fmt: skip


def main(names: list[str]) -> int:
    """Runs the named suites, or all."""
    with TemporaryDirectory() as folder:
        described = Path(folder, "openapi.json")
        described.write_text(json.dumps(document(Config.model_validate(changed({})))), "utf-8")
        app = App(Path(folder), {}, fresh=True)
        try:
            loaded(app)
            codes = {name: _run(SUITES[name], app.url, described) for name in names or SUITES}
        finally:
            app.end()
    for name, code in codes.items():
        print(f"{name}: {'passed' if code == 0 else f'failed with exit code {code}'}")
    return int(any(codes.values()))


def _run(command: list[str], url: str, described: Path) -> int:
    return subprocess.run(
        [each.format(url=url, document=described) for each in command], cwd=described.parent
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
