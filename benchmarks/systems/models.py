"""The models that are measured: a random Llama of about 115M parameters, or one in a folder; each also as GGUF.

The random one is a realistic load without a download.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tokenizers import Tokenizer

from tests.running import ROOT

VOCABULARY = 32_000
GGUF = "q8_0.gguf"  # the file's name in the model's folder
TINY = ROOT / "models/tiny"
RANDOM = "A random Llama of 115M parameters"


@dataclass(frozen=True)
class Load:
    """What is asked of each system: the model, the message, the length of the reply; and how its tokens are counted."""

    name: str
    model: Path
    message: str
    tokens: int
    count: Callable[[str], int]

    @property
    def gguf(self) -> Path:
        """The same weights in 8 bits, where the model's shape is one that can be written so."""
        return self.model / GGUF


def embedded(tokens: int) -> Load:
    """The embedded model."""
    return Load("The embedded model", TINY, "Count to two hundred", tokens, _counter(TINY))


@contextmanager
def random(tokens: int) -> Iterator[Load]:
    """A random model, whose every token is a word and none of which ends a reply, for as long as the context lasts."""
    with _built("build") as folder:
        yield Load(RANDOM, folder, "Tell me a long story", tokens, lambda text: len(text.split()))


@contextmanager
def real(source: Path, tokens: int) -> Iterator[Load]:
    """The model of a folder in float32, which all systems can run, for as long as the context lasts."""
    with _built("copy", str(source.resolve())) as folder:
        yield Load(source.name, folder, "Tell me a long story about a lighthouse", tokens, _counter(folder))


@contextmanager
def _built(function: str, *arguments: str) -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        call = f"models.{function}({', '.join(map(repr, (folder, *arguments)))})"
        made = [sys.executable, "-c", f"from benchmarks.systems import models; {call}"]
        subprocess.run(made, check=True, cwd=ROOT)  # not here: torch reads the environment when it is imported
        yield Path(folder)


def _counter(folder: Path) -> Callable[[str], int]:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False))


def build(to: str) -> None:
    """Saves the random model, with the embedded model's tokenizer extended to a usual size, and its GGUF file."""
    import torch  # here, since the benchmark itself needs the names only
    from transformers import AutoModelForCausalLM, LlamaConfig

    folder = Path(to)
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=768, intermediate_size=2560, num_hidden_layers=12, num_attention_heads=12,
        num_key_value_heads=4, max_position_embeddings=2048, tie_word_embeddings=True,
        bos_token_id=0, eos_token_id=None, pad_token_id=3,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(shape, dtype=torch.float32)
    grown = json.loads((TINY / "tokenizer.json").read_text("utf-8"))
    words = grown["model"]["vocab"]
    with torch.no_grad():  # only whole words are then generated: a part of a character would hold back an update
        model.get_input_embeddings().weight[: len(words)] *= 0.01
    model.save_pretrained(folder)
    for name in ("tokenizer_config.json", "chat_template.jinja"):
        (folder / name).write_text((TINY / name).read_text("utf-8"), "utf-8")
    words |= {f"Ġw{number}": number for number in range(len(words), VOCABULARY)}  # no merge leads to them
    (folder / "tokenizer.json").write_text(json.dumps(grown, ensure_ascii=False), "utf-8")
    _write_gguf(folder)


def copy(to: str, source: str) -> None:
    """Saves the model of a folder in float32, with its tokenizer and, if it is a Llama, its GGUF file."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    model.save_pretrained(to, max_shard_size="100GB")
    AutoTokenizer.from_pretrained(source).save_pretrained(to)
    if model.config.model_type == "llama":
        _write_gguf(Path(to))


def _write_gguf(folder: Path) -> None:
    from gguf import GGMLQuantizationType

    from tests.standins import gguf_file

    gguf_file.write(folder / GGUF, folder, GGMLQuantizationType.Q8_0)
