# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Pix2Struct (arXiv 2210.03347) as transformers saves it: its fields and tensors in terms of the page model's.

Its configuration is two, one of the encoder (`vision_config`) and one of the decoder (`text_config`); here it is one.
Patches have no shape in it, only a number of values: the shape stands in `preprocessor_config.json`, where that is
there. `is_decoder`, which older files set to false, means nothing here: the decoder never looks ahead.
"""

from collections.abc import Mapping
from typing import Any

import torch

from ..limits import MAX_CONFIG_SIZE
from ..models.page.configuration_page import PixelPageConfig
from .family import Family, Mapped

ARCHITECTURE = "PixelPageForConditionalGeneration"
SETTINGS_FILE = "preprocessor_config.json"

# Our fields by theirs, with the value that a file without the field means.
VISION_FIELDS: dict[str, tuple[str, Any]] = {
    "hidden_size": ("hidden_size", 768),
    "patch_embed_hidden_size": ("patch_length", 768),
    "seq_len": ("max_grid_size", 4096),
    "num_hidden_layers": ("encoder_layers", 12),
    "num_attention_heads": ("encoder_attention_heads", 12),
    "d_kv": ("encoder_head_dim", 64),
    "d_ff": ("encoder_intermediate_size", 2048),
    "dense_act_fn": ("encoder_hidden_act", "gelu_new"),
    "layer_norm_eps": ("encoder_norm_eps", 1e-6),
    "dropout_rate": ("encoder_dropout", 0.0),
    "attention_dropout": ("encoder_attention_dropout", 0.0),
}
TEXT_FIELDS: dict[str, tuple[str, Any]] = {
    "hidden_size": ("hidden_size", 768),
    "vocab_size": ("vocab_size", 50244),
    "num_layers": ("decoder_layers", 12),
    "num_heads": ("decoder_attention_heads", 12),
    "d_kv": ("decoder_head_dim", 64),
    "d_ff": ("decoder_intermediate_size", 2048),
    "dense_act_fn": ("decoder_hidden_act", "gelu_new"),
    "layer_norm_epsilon": ("decoder_norm_eps", 1e-6),
    "dropout_rate": ("decoder_dropout", 0.1),
    "relative_attention_num_buckets": ("relative_attention_num_buckets", 32),
    "relative_attention_max_distance": ("relative_attention_max_distance", 128),
    "decoder_start_token_id": ("decoder_start_token_id", 0),
    "pad_token_id": ("pad_token_id", 0),
    "eos_token_id": ("eos_token_id", 1),
}
# Alternative names of the decoder's sizes, as a configuration may have been given them.
ALIASES = {"num_layers": "num_hidden_layers", "num_heads": "num_attention_heads"}
_KNOWN = {
    *("architectures", "decoder_start_token_id", "dtype", "eos_token_id", "initializer_factor"),
    *("initializer_range", "is_encoder_decoder", "is_vqa", "model_type", "pad_token_id", "text_config"),
    *("tie_word_embeddings", "torch_dtype", "transformers_version", "vision_config", "_name_or_path"),
    SETTINGS_FILE,
}

# Ours to theirs; `{}` is the number of a layer. Longer names stand before those they begin with.
_ENCODER_LAYER = {
    "self_attn_norm.": "pre_attention_layer_norm.",
    "self_attn.q_proj.": "attention.query.",
    "self_attn.k_proj.": "attention.key.",
    "self_attn.v_proj.": "attention.value.",
    "self_attn.o_proj.": "attention.output.",
    "mlp_norm.": "pre_mlp_layer_norm.",
    "mlp.gate_proj.": "mlp.wi_0.",
    "mlp.up_proj.": "mlp.wi_1.",
    "mlp.down_proj.": "mlp.wo.",
}
_DECODER_LAYER = {
    "self_attn_norm.": "self_attention.layer_norm.",
    "self_attn.q_proj.": "self_attention.attention.query.",
    "self_attn.k_proj.": "self_attention.attention.key.",
    "self_attn.v_proj.": "self_attention.attention.value.",
    "self_attn.o_proj.": "self_attention.attention.output.",
    "cross_attn_norm.": "encoder_decoder_attention.layer_norm.",
    "cross_attn.q_proj.": "encoder_decoder_attention.attention.query.",
    "cross_attn.k_proj.": "encoder_decoder_attention.attention.key.",
    "cross_attn.v_proj.": "encoder_decoder_attention.attention.value.",
    "cross_attn.o_proj.": "encoder_decoder_attention.attention.output.",
    "mlp_norm.": "mlp.layer_norm.",
    "mlp.gate_proj.": "mlp.DenseReluDense.wi_0.",
    "mlp.up_proj.": "mlp.DenseReluDense.wi_1.",
    "mlp.down_proj.": "mlp.DenseReluDense.wo.",
}
_OUTSIDE = {
    "encoder.embeddings.projection.": "encoder.embeddings.patch_projection.",
    "encoder.embeddings.row_embedding.": "encoder.embeddings.row_embedder.",
    "encoder.embeddings.column_embedding.": "encoder.embeddings.column_embedder.",
    "encoder.norm.": "encoder.layernorm.",
    "decoder.embed_tokens.": "decoder.embed_tokens.",
    "decoder.relative_bias.": "decoder.layer.0.self_attention.attention.relative_attention_bias.",
    "decoder.norm.": "decoder.final_layer_norm.",
    "lm_head.": "decoder.lm_head.",
}


def pix2struct_name(name: str) -> str:
    """Their name of a tensor of ours.

    Raises:
        KeyError: for a name that no page model has.
    """
    side, _, rest = name.partition(".layers.")
    if rest:
        number, _, part = rest.partition(".")
        stem, table = (
            ("encoder.encoder.layer", _ENCODER_LAYER)
            if side == "encoder"
            else ("decoder.layer", _DECODER_LAYER)
        )
        return f"{stem}.{number}.{_renamed(part, table)}"
    return _renamed(name, _OUTSIDE)


def _renamed(name: str, table: Mapping[str, str]) -> str:
    for ours, theirs in table.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    raise KeyError(name)


def map_pix2struct_config(source: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Mapped:
    """Pix2Struct's `config.json` (model type "pix2struct"), with `preprocessor_config.json` under its name.

    A file may hold the token table twice (embedding and head) or once; once, the two are tied.

    Raises:
        ValueError: listing every field that asks for something else than Pix2Struct computes.
    """
    problems: list[str] = []
    fields: dict[str, Any] = {}
    halves = {"vision_config": VISION_FIELDS, "text_config": TEXT_FIELDS}
    for half, table in halves.items():
        given = source.get(half) or {}
        if not isinstance(given, Mapping):
            problems.append(f"{half} is {given!r:.60}, not an object")
            continue
        for theirs, (ours, default) in table.items():
            value = given.get(theirs, given.get(ALIASES.get(theirs, theirs), default))
            if theirs == "hidden_size" and fields.get(ours, value) != value:
                problems.append(
                    f"vision_config.hidden_size ({fields[ours]}) and text_config.hidden_size ({value}) differ, and "
                    "the decoder looks at the encoder's states as they are"
                )
            fields[ours] = value
        if given.get("is_gated_act") is False:
            problems.append(f"{half}.is_gated_act is False, where only gated networks are known")
    shape, _ = _page_settings(source.get(SETTINGS_FILE), problems)
    fields["patch_size"] = shape
    fields["tie_word_embeddings"] = bool(source.get("tie_word_embeddings", False))
    tables = [name for name in ("decoder.embed_tokens.weight", "decoder.lm_head.weight") if name in tensors]
    notes: tuple[str, ...] = ()
    if len(tables) == 1 and not fields["tie_word_embeddings"]:
        fields["tie_word_embeddings"] = True
        notes = (f"the file holds one token table, {tables[0]}: token embedding and head share it",)
    if shape is None:
        notes = (
            *notes,
            f"the folder has no {SETTINGS_FILE}, so the height and width of patches are unknown: pass patch_size to "
            f"processor.page_patches ({fields.get('patch_length')} values)",
        )
    if source.get("is_vqa"):
        notes = (*notes, "the model was trained on questions drawn above the page: pass them as header")
    if problems:
        raise ValueError(
            f"this config.json is not one of Pix2Struct that can be converted: {'; '.join(problems)}."
        )
    try:
        config = PixelPageConfig(**fields)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"this config.json does not describe Pix2Struct: {reason}") from None
    return Mapped(config, ARCHITECTURE, tuple(sorted(set(source) - _KNOWN)), notes)


def _page_settings(given: Any, problems: list[str]) -> tuple[tuple[int, int] | None, int]:
    """Shape of a patch and the most patches of a page, as an image processor's file has them."""
    if not isinstance(given, Mapping):
        return None, 2048
    size = given.get("patch_size") or {"height": 16, "width": 16}
    size = size if isinstance(size, Mapping) else {"height": size, "width": size}
    height, width, limit = size.get("height"), size.get("width"), given.get("max_patches", 2048)
    for name, value in (("patch_size", height), ("patch_size", width), ("max_patches", limit)):
        if type(value) is not int or not 0 < value <= MAX_CONFIG_SIZE:
            problems.append(f"{SETTINGS_FILE}: {name} is {value!r:.60}, not a positive integer")
            return None, 2048
    return (int(height or 0), int(width or 0)), limit


def processor_settings(config: PixelPageConfig, source: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a processor that cuts pages as a checkpoint's image processor did.

    Args:
        config: our configuration.
        source: the content of `config.json`, with that of `preprocessor_config.json`.
    """
    _, max_patches = _page_settings(source.get(SETTINGS_FILE), [])
    return {"page_patch_size": config.patch_size, "page_max_patches": max_patches}


PIX2STRUCT = Family(
    kind="pix2struct",
    title="Pix2Struct",
    model_types=("pix2struct",),
    map_config=map_pix2struct_config,
    source_name=pix2struct_name,
    convolutions={},
    has_tokenizer=True,
    reads_strips=False,
    token_tables=("decoder.embed_tokens.weight", "lm_head.weight"),
    settings_file=SETTINGS_FILE,
)

__all__ = [
    "ARCHITECTURE",
    "PIX2STRUCT",
    "SETTINGS_FILE",
    "TEXT_FIELDS",
    "VISION_FIELDS",
    "map_pix2struct_config",
    "pix2struct_name",
    "processor_settings",
]
