"""Makes a tiny config of each model type that transformers knows, by scaling its config class's defaults down.

What is then tried on such a model is `architectures`'.
"""

from __future__ import annotations

from typing import Any

from transformers import CONFIG_MAPPING, PreTrainedConfig

LAYERS = 4  # enough for two kinds of layer, and for the first ones that some models keep dense
HEADS = 4
SIZES = {  # by the names that config classes give to the same thing
    64: "hidden_size d_model n_embd embed_dim dim hidden_dim embedding_size word_embed_proj_dim out_hidden_size "
    "hidden_size_global output_dim vision_output_dim text_hidden_size projector_input_dim projector_output_dim "
    "attention_hidden_size projection_dim input_size llm_hidden_size lm_hidden_size mm_hidden_size lru_width",
    96: "intermediate_size ffn_dim decoder_ffn_dim encoder_ffn_dim d_ff dim_ff dff n_inner ffn_hidden_size d_inner "
    "mlp_dim projector_hidden_size intermediate_size_mlp dense_intermediate_size block_ff_dim",
    32: "moe_intermediate_size shared_intermediate_size shared_expert_intermediate_size expert_ffn_hidden_size "
    "moe_shared_expert_intermediate_size shared_expert_hidden_size q_lora_rank kv_lora_rank o_lora_rank "
    "index_head_dim hc_lowrank projection_size qk_head_dim image_size",
    16: "head_dim d_kv qk_rope_head_dim qk_nope_head_dim v_head_dim swa_head_dim swa_v_head_dim dim_head "
    "linear_key_head_dim kv_channels linear_value_head_dim linear_head_dim mamba_head_dim global_head_dim "
    "ssm_state_size mamba_d_state state_size time_step_rank mamba_dt_rank rotary_dim laurel_rank "
    "resampler_head_dim gated_norm_rank",
    8: "index_topk sliding_window sliding_window_size window_size attention_chunk_size chunk_size "
    "mamba_chunk_size block_size index_block_size patch_size encoder_patch_size",
    HEADS: "num_attention_heads n_head n_heads num_heads decoder_attention_heads encoder_attention_heads "
    "attention_heads swa_num_attention_heads linear_num_heads linear_num_value_heads num_experts n_routed_experts "
    "num_local_experts moe_num_experts index_n_heads resampler_n_heads",
    2: "num_key_value_heads num_kv_heads kv_n_heads swa_num_key_value_heads linear_num_key_heads num_experts_per_tok "
    "num_experts_per_token moe_topk moe_k moe_top_k top_k_experts index_topk_blocks num_global_key_value_heads",
    1: "n_group topk_group num_expert_group first_k_dense_replace num_dense_layers n_shared_experts max_window_layers "
    "num_shared_experts moe_num_shared_experts num_nextn_predict_layers",
    512: "max_position_embeddings n_positions n_ctx max_seq_len max_sequence_length context_length model_max_length "
    "original_max_position_embeddings max_target_positions",
}
TINY = {name: size for size, names in SIZES.items() for name in names.split()}
COUNTS = [
    "num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers", "encoder_layers", "layers",
    "num_decoder_layers", "num_encoder_layers", "depth", "num_blocks",
]  # fmt: skip
KEY_VALUE_HEADS = ("num_key_value_heads", "num_kv_heads", "kv_n_heads")
MAMBA2 = {"mamba_d_head": 16, "mamba_n_heads": 8, "mamba_d_state": 16, "mamba_expand": 2, "mamba_n_groups": 1}
INDEXER = {
    "indexer_n_heads": 4, "indexer_kv_heads": 1, "indexer_head_dim": 16, "indexer_budget": 16,
    "indexer_compress_ratio": 4,
}  # fmt: skip
OWN: dict[str, dict[str, Any]] = {  # what a type needs besides, often since its class has no default for it
    "bamba": {**MAMBA2, "attn_layer_indices": [1, 3]},
    "blenderbot": {"decoder_layers": 4, "encoder_layers": 4},
    "cohere_compass_text": {"rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 10_000.0}}},
    "deepseek_v2": {"num_experts_per_tok": 2},
    "dots1": {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 1},
    "gemma3n_text": {"num_kv_shared_layers": 0, "hidden_size_per_layer_input": 16},
    "granitemoehybrid": {**MAMBA2, "layer_types": ["mamba", "attention"] * 2},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2},
    "mamba2": {"num_heads": 8, "head_dim": 16, "n_groups": 1},
    "qwen4_exp_text": INDEXER,
    "reformer": {"is_decoder": True, "axial_pos_embds": False, "hidden_size": 256},
    "xlm": {"emb_dim": 64},
    "xlnet": {"d_head": 16},
    "xlstm": {"hidden_size": 256, "embedding_dim": 256},
    "xmod": {"default_language": "en_XX"},
    "zamba": {
        "attention_head_dim": 32, "attention_hidden_size": 128, "layers_block_type": ["linear_attention", "hybrid"] * 2,
    },
    "zamba2": {
        "mamba_headdim": 16, "mamba_ngroups": 1, "attention_hidden_size": 128, "attention_head_dim": 32,
        "layers_block_type": ["linear_attention", "hybrid"] * 2,
    },
}  # fmt: skip


def config(model_type: str, vocabulary: int) -> Any:
    """A tiny config of this type, for a tokenizer of so many tokens. Raises what the config class raises."""
    return _shrunk(CONFIG_MAPPING[model_type], vocabulary)


def _shrunk(kind: type[PreTrainedConfig], vocabulary: int) -> Any:
    default = kind()
    values: dict[str, Any] = {}
    count = next((value for name in COUNTS if isinstance(value := getattr(default, name, None), int)), 0)
    for name, value in vars(default).items():
        if isinstance(value, PreTrainedConfig):
            values[name] = _shrunk(type(value), vocabulary)
        elif (smaller := _smaller(name, value, count, vocabulary)) is not None:
            values[name] = smaller
    held = vars(default)
    for name in KEY_VALUE_HEADS:
        if name in held and held[name] in (None, held.get("num_attention_heads")):
            values[name] = HEADS
    if held.get("head_dim", 0) is None:
        values["head_dim"] = 16
    return kind(**{**values, **OWN.get(default.model_type, {})})


def _smaller(name: str, value: Any, count: int, vocabulary: int) -> Any:
    """The value for a tiny model; None leaves the default."""
    if isinstance(value, int) and not isinstance(value, bool):
        if "vocab_size" in name or name == "n_tokens":
            return vocabulary
        if name.endswith("token_id"):
            return 3 if name.startswith("pad") else 0
        return min(value, LAYERS if name in COUNTS else TINY.get(name, value))
    if name in ("initializer_range", "init_std"):
        return 0.2  # so that a token makes a difference to the next
    if isinstance(value, list) and count and len(value) == count:
        return _of_each_kind(value)
    if isinstance(value, dict) and "mrope_section" in value:
        return {**value, "mrope_section": [2, 3, 3]}
    return None


def _of_each_kind(values: list[Any]) -> list[Any]:
    """The first layers; the last of them of another kind, where only later ones are."""
    first = values[:LAYERS]
    others = [value for value in values if value not in first]
    return [*first[:-1], others[0]] if others else first
