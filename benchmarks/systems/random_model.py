"""Builds a random Llama of about 115M parameters: a realistic load without a download."""

from __future__ import annotations

import json
from pathlib import Path

VOCABULARY = 32_000
GGUF = "q8_0.gguf"  # the file's name in the model's folder


def build(to: str, like: str) -> None:
    """Saves the model, with another model's tokenizer extended to a usual size and no end-of-sequence token.

    A GGUF file of it, with weights of 8 bits, lies beside it.
    """
    import torch  # here, since the benchmark itself needs the names only
    from gguf import GGMLQuantizationType
    from transformers import AutoModelForCausalLM, LlamaConfig

    from tests.standins import gguf_file

    folder, tokenizer = Path(to), Path(like)
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=768, intermediate_size=2560, num_hidden_layers=12, num_attention_heads=12,
        num_key_value_heads=4, max_position_embeddings=2048, tie_word_embeddings=True,
        bos_token_id=0, eos_token_id=None, pad_token_id=3,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(shape, dtype=torch.float32)
    grown = json.loads((tokenizer / "tokenizer.json").read_text("utf-8"))
    words = grown["model"]["vocab"]
    with torch.no_grad():  # only whole words are then generated: a part of a character would hold back an update
        model.get_input_embeddings().weight[: len(words)] *= 0.01
    model.save_pretrained(folder)
    for name in ("tokenizer_config.json", "chat_template.jinja"):
        (folder / name).write_text((tokenizer / name).read_text("utf-8"), "utf-8")
    words |= {f"Ġw{number}": number for number in range(len(words), VOCABULARY)}  # no merge leads to them
    (folder / "tokenizer.json").write_text(json.dumps(grown, ensure_ascii=False), "utf-8")
    gguf_file.write(folder / GGUF, folder, GGMLQuantizationType.Q8_0)
