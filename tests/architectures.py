"""Every architecture that transformers can classify texts with, as small as its config allows."""

from __future__ import annotations

from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModelForSequenceClassification
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as CLASSIFIERS,
)

NAMES = tuple(CLASSIFIERS)
V3 = {
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "position_buckets": 4,
    "position_biased_input": False,
}
"""DeBERTa as in version 3, with so few buckets that seven tokens fill them."""
KINDS: dict[str, dict[str, object]] = {
    "albert": {"embedding_size": 16, "hidden_dropout_prob": 0.1},
    "albert of two groups": {"num_hidden_groups": 2, "inner_group_num": 2, "hidden_act": "gelu"},
    "modernbert": {"local_attention": 4, "mlp_dropout": 0.1},
    "modernbert with biases": {
        **{"local_attention": 4, "classifier_pooling": "mean", "classifier_bias": True},
        **{"norm_bias": True, "mlp_bias": True, "attention_bias": True},
    },
    "deberta-v2 as in version 3": V3,
    "deberta-v2 with narrow words": {**V3, "embedding_size": 16, "position_biased_input": True},
    "deberta-v2 without buckets": {**V3, "position_buckets": -1, "norm_rel_ebd": "none"},
    "deberta-v2 with one type": {**V3, "type_vocab_size": 1},
}
"""Configurations of a family, the first word, that read otherwise than its usual one."""
POSITIONS = 40
_MOST_PARAMETERS = 8_000_000
_WIDTH = (
    *("hidden_size", "d_model", "dim", "n_embd", "emb_dim", "embedding_size", "pooler_hidden_size"),
    "word_embed_proj_dim",
)
_INNER = (
    *("intermediate_size", "d_ff", "d_inner", "n_inner", "hidden_dim", "ffn_dim"),
    *("encoder_ffn_dim", "decoder_ffn_dim", "moe_intermediate_size"),
)
_LAYERS = (
    *("num_hidden_layers", "n_layers", "n_layer", "num_layers", "encoder_layers"),
    *("decoder_layers", "num_decoder_layers"),
)
_HEADS = (
    *("num_attention_heads", "n_heads", "n_head", "num_heads", "num_key_value_heads"),
    *("encoder_attention_heads", "decoder_attention_heads"),
)
_HEAD_SIZE = ("head_dim", "d_kv", "d_head", "attention_head_size")
_SIZES = {
    **dict.fromkeys(_WIDTH, 32),
    **dict.fromkeys(_INNER, 64),
    **dict.fromkeys(_LAYERS, 2),
    **dict.fromkeys(_HEADS, 4),
    **dict.fromkeys(_HEAD_SIZE, 8),
    **dict.fromkeys(("qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim"), 8),
    **dict.fromkeys(("q_lora_rank", "kv_lora_rank"), 16),
    "vocab_size": 120,
    "max_position_embeddings": POSITIONS,
    "n_positions": POSITIONS,
    "max_seq_len": POSITIONS,
}


_CHANGES: dict[str, dict[str, Any]] = {
    "deepseek_v2": {"num_experts_per_tok": 2, "n_routed_experts": 4, "topk_group": 1},
    "funnel": {"block_sizes": [1, 1], "num_decoder_layers": 1},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 16},
    "gptj": {"rotary_dim": 4},
    "layoutlmv3": {"coordinate_size": 6, "shape_size": 4},
    "lilt": {"hidden_size": 36, "max_2d_position_embeddings": POSITIONS},
    "luke": {"entity_vocab_size": 10, "entity_emb_size": 16},
    "perceiver": {"d_latents": 32, "num_latents": 8, "num_self_attends_per_block": 2},
    "roc_bert": {"pronunciation_vocab_size": 20, "shape_vocab_size": 20},
    "reformer": {
        "attn_layers": ["local", "lsh"],
        "axial_pos_shape": [8, 8],
        "axial_pos_embds_dim": [16, 16],
    },
}
_MULTIPLES = ("modernvbert", "gemma3", "qwen3_5", "ultravbert")
"""With a part for images, which is made small too."""


def config(kind: str, labels: int = 3, **changes: object) -> Any:
    """A small config of the architecture; what cannot be made so raises what transformers does."""
    name, changes = kind.split()[0], {**KINDS.get(kind, {}), **changes}
    usual = CONFIG_MAPPING[name]()
    values = usual.get_text_config().to_dict()
    sizes = {key: size for key, size in _SIZES.items() if _is_size(key, values)}
    rows = changes.get("vocab_size", _SIZES["vocab_size"])
    tokens = {
        key: 1
        for key, value in values.items()
        if key.endswith("_token_id") and isinstance(value, int) and value >= rows
    }
    changed = {**sizes, **tokens, **_CHANGES.get(name, {}), **changes}
    if name in _MULTIPLES:
        image = {key: size for key, size in _SIZES.items() if key in usual.vision_config.to_dict()}
        changed = {"text_config": changed, "vision_config": image}
    return CONFIG_MAPPING[name](**changed, num_labels=labels)


def _is_size(key: str, values: dict[str, Any]) -> bool:
    """Whether a config has this one; a vocabulary or a head may be left open."""
    open_ones = key in ("vocab_size", "head_dim", "num_key_value_heads")
    return isinstance(values.get(key), int) or (open_ones and values.get(key, 0) is None)


def model(given: Any) -> Any:
    """A random classifier of this config; None where it is not small, or is not to be had."""
    try:
        with torch.device("meta"):
            outline = AutoModelForSequenceClassification.from_config(given)
    except Exception:  # sizes that do not go together, or another library that is not installed
        return None
    if sum(parameter.numel() for parameter in outline.parameters()) > _MOST_PARAMETERS:
        return None
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(given).eval()
