"""Writes a GGUF file of a Llama model in a folder, such as the embedded one, as llama.cpp's own converter does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors.torch import load_file
from transformers import AutoTokenizer

from tests.running import ROOT

TINY = ROOT / "models/tiny"


def write(
    path: Path,
    folder: Path = TINY,
    kind: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
    architecture: str = "llama",
    template: str | None = None,
) -> Path:
    """Writes the model of `folder` to `path`, its matrices as `kind`, and returns the path."""
    shape = json.loads((folder / "config.json").read_text("utf-8"))
    writer = gguf.GGUFWriter(path, architecture)
    _add_shape(writer, shape)
    _add_tokenizer(writer, folder, shape, template)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, shape["num_hidden_layers"])
    heads = {"q_proj": shape["num_attention_heads"], "k_proj": shape["num_key_value_heads"]}
    for name, tensor in load_file(folder / "model.safetensors").items():
        array = tensor.float().numpy()
        if part := next((part for part in heads if part in name), None):
            array = _permuted(array, heads[part])
        stored = kind if array.ndim > 1 else gguf.GGMLQuantizationType.F32
        renamed = names.get_name(name, try_suffixes=(".weight",))
        assert renamed
        writer.add_tensor(renamed, gguf.quantize(array, stored), raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_shape(writer: gguf.GGUFWriter, shape: dict[str, Any]) -> None:
    writer.add_context_length(shape["max_position_embeddings"])
    writer.add_embedding_length(shape["hidden_size"])
    writer.add_block_count(shape["num_hidden_layers"])
    writer.add_feed_forward_length(shape["intermediate_size"])
    writer.add_head_count(shape["num_attention_heads"])
    writer.add_head_count_kv(shape["num_key_value_heads"])
    writer.add_key_length(shape["head_dim"])
    writer.add_value_length(shape["head_dim"])
    writer.add_rope_dimension_count(shape["head_dim"])
    writer.add_rope_freq_base(shape["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(shape["rms_norm_eps"])
    writer.add_vocab_size(shape["vocab_size"])


def _add_tokenizer(writer: gguf.GGUFWriter, folder: Path, shape: dict[str, Any], template: str | None) -> None:
    """GPT-2's way of splitting words is the nearest to the embedded model's of those that llama.cpp knows."""
    data = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    added = {each["id"]: each for each in data["added_tokens"]}
    known = {index: token for token, index in data["model"]["vocab"].items()}
    known |= {index: each["content"] for index, each in added.items()}
    kinds = [gguf.TokenType.UNUSED] * shape["vocab_size"]
    for index in known:
        kinds[index] = gguf.TokenType.NORMAL
        if index in added:
            kinds[index] = gguf.TokenType.CONTROL if added[index]["special"] else gguf.TokenType.USER_DEFINED
    tokenizer = AutoTokenizer.from_pretrained(folder)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([known.get(index, f"[PAD{index}]") for index in range(shape["vocab_size"])])
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in data["model"]["merges"]])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(tokenizer.chat_template if template is None else template)


def _permuted(array: np.ndarray[Any, Any], heads: int) -> np.ndarray[Any, Any]:
    """The rows of a projection as llama.cpp's rotary embedding wants them: pairs side by side."""
    rows, columns = array.shape
    return array.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)
