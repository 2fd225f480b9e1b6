# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What the published checkpoints are called and mean: their config fields and tensors in terms of ours.

PIXAR is `april-tools/pixar` (arXiv 2401.03321), PixelGPT is `ernie-research/pixelgpt` (arXiv 2404.10710). Both keep
Llama's names for the decoder layers, so only what is around the layers is renamed. Each family is two functions: the
configuration, and the source of every tensor. A further kind of model is a further entry in `FAMILIES`.

Shapes: D hidden size, C channels, P values of a patch (height * width * channels), V vocabulary.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import torch

from ..limits import MAX_CONFIG_SIZE, MAX_LABELS
from ..models.page.configuration_page import PixelPageConfig
from ..models.pixel_ar.configuration_pixel_ar import PixelARConfig
from .family import Family, Mapped, TensorRule
from .pix2struct import PIX2STRUCT

CAUSAL_LM = "PixelARForCausalLM"
CLASSIFIER = "PixelARForSequenceClassification"
DISCRIMINATOR = "PatchDiscriminator"

# The defaults of the Llama configuration that both projects derive theirs from, for fields left out of a config.json.
LLAMA_DEFAULTS: dict[str, Any] = {
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-6,
    "initializer_range": 0.02,
    "use_cache": True,
    "attention_bias": False,
    "attention_dropout": 0.0,
    "hidden_act": "silu",
}
SIZES = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
# Fields that would change the computation, and the only value that can be converted.
NEUTRAL_VALUES: dict[str, Any] = {
    "pretraining_tp": 1,
    "mlp_bias": False,
    "partial_rotary_factor": 1,
    "sliding_window": None,
    "quantization_config": None,
    "compressor": None,
}
ROPE_FIELDS = ("rope_theta", "rope_scaling", "rope_parameters")
# Further fields that are understood, here or elsewhere, or say nothing about the computation.
SILENT_FIELDS = (
    *(
        "_name_or_path",
        "architectures",
        "dtype",
        "flash",
        "model_type",
        "torch_dtype",
        "transformers_version",
    ),
    *("bos_token_id", "eos_token_id", "pad_token_id", "tie_word_embeddings", "vocab_size"),
    *("head_dim", "id2label", "image_size", "label2id", "num_key_value_heads", "num_labels", "problem_type"),
)


# ---- tensors ----


def projection_of_convolution(weight: torch.Tensor) -> torch.Tensor:
    """`[D, C, height, width]` of a patch convolution to `[D, P]` of a linear layer over (row, column, channel)."""
    return weight.permute(0, 2, 3, 1).reshape(weight.shape[0], -1).contiguous()


def head_of_transposed_convolution(weight: torch.Tensor) -> torch.Tensor:
    """`[D, C, height, width]` of a transposed patch convolution to `[P, D]` of a linear layer."""
    return weight.permute(2, 3, 1, 0).reshape(-1, weight.shape[0]).contiguous()


def _unchanged(weight: torch.Tensor) -> torch.Tensor:
    return weight.contiguous()


def tensor_rules(
    family: Family, config: PixelARConfig | PixelPageConfig, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, TensorRule]:
    """The source of every tensor of a model.

    Args:
        family: the kind of checkpoint.
        config: our configuration.
        shapes: our names and shapes.

    Returns:
        One rule for each of our names.
    """
    rules = {}
    for name, shape in shapes.items():
        convert = family.convolutions.get(name, _unchanged)
        if name in family.convolutions:
            shape = (config.hidden_size, config.num_channels, *(config.patch_size or ()))
        rules[name] = TensorRule(family.source_name(name), tuple(shape), convert)
    return rules


def _pixar_name(name: str) -> str:
    names = {"model.embed_patches.projection.weight": "in_proj.weight"}
    names["patch_head.projection.weight"] = "out_proj.weight"
    return names.get(name, name.removeprefix("model."))


def _pixar_discriminator_name(name: str) -> str:
    return name if name.startswith("head.") else f"llama.{_pixar_name(name)}"


def _pixelgpt_name(name: str) -> str:
    for ours, theirs in (
        ("model.embed_patches.", "model.embed_patches.patch_embeddings."),
        ("patch_head.projection.", "lm_pixel_head."),
        ("token_head.", "lm_token_head."),
    ):
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name


# ---- configurations ----


def _positive(config: Mapping[str, Any], name: str, problems: list[str], default: int | None = None) -> int:
    value = config.get(name)
    if value is None and default is not None:
        return default
    if type(value) is int and value > MAX_CONFIG_SIZE:
        problems.append(f"{name} is {value:,}, more than {MAX_CONFIG_SIZE:,}")
        return 1
    if type(value) is not int or value < 1:
        problems.append(
            f"{name} is missing" if value is None else f"{name} is {value!r}, not a positive integer"
        )
        return 1
    return value


def _backbone(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """The Llama fields, and a line in `problems` for each value that this decoder does not compute."""
    fields: dict[str, Any] = {name: _positive(config, name, problems) for name in SIZES}
    heads = fields["num_attention_heads"]
    fields["num_key_value_heads"] = _positive(config, "num_key_value_heads", problems, heads)
    for name, default in LLAMA_DEFAULTS.items():
        value = config.get(name)
        fields[name] = default if value is None else value
    fields["rope_parameters"] = _rotary(config, problems)
    if fields["hidden_act"] != "silu":
        problems.append(f"hidden_act is {fields['hidden_act']!r}, where only 'silu' is known")
    if config.get("head_dim") not in (None, fields["hidden_size"] // heads):
        problems.append(f"head_dim is {config['head_dim']!r}, not hidden_size divided by num_attention_heads")
    for name, neutral in NEUTRAL_VALUES.items():
        value = config.get(name)
        # Fields without a value come in several spellings.
        if value not in (None, False, "", neutral):
            problems.append(f"{name} is {value!r}, where only {neutral!r} is known")
    return fields


def _rotary(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """The base of the rotary positions, from the field of transformers 4 or of 5."""
    rope = config.get("rope_parameters")
    theta = rope.get("rope_theta") if isinstance(rope, Mapping) else None
    if theta is None:
        theta = config.get("rope_theta")
    if theta is None:
        theta = 10000.0
    if isinstance(theta, bool) or not isinstance(theta, int | float) or theta <= 0:
        problems.append(f"rope_theta is {theta!r}, not a positive number")
        theta = 1.0
    for name in ("rope_scaling", "rope_parameters"):
        value = config.get(name)
        kind = value.get("rope_type", value.get("type", "default")) if isinstance(value, Mapping) else value
        if kind not in (None, "default"):
            problems.append(f"{name} is {value!r}, where only unscaled rotary positions are known")
    return {"rope_type": "default", "rope_theta": float(theta)}


def _labels(config: Mapping[str, Any]) -> dict[str, Any]:
    """Number and names of the classes of a classifier."""
    labels: dict[str, Any] = {}
    names = config.get("id2label")
    if names:
        labels["id2label"] = {int(index): str(name) for index, name in names.items()}
        labels["label2id"] = {name: index for index, name in labels["id2label"].items()}
    elif config.get("num_labels") is not None:
        labels["num_labels"] = int(config["num_labels"])
        if not 0 < labels["num_labels"] <= MAX_LABELS:
            raise ValueError(f"num_labels is {labels['num_labels']:,}, not 1 to {MAX_LABELS:,}")
    if config.get("problem_type") is not None:
        labels["problem_type"] = config["problem_type"]
    return labels


def _is_classifier(config: Mapping[str, Any], names: Collection[str], head: str) -> bool:
    """By the weights; by `architectures` where the head's own weights are what is missing."""
    if any(name.startswith("score.") for name in names) or head in names:
        return head not in names
    return any("SequenceClassification" in str(name) for name in config.get("architectures") or ())


def _build(
    title: str,
    source: Mapping[str, Any],
    fields: dict[str, Any],
    problems: list[str],
    own: Collection[str],
    architecture: str,
) -> Mapped:
    if problems:
        raise ValueError(
            f"this config.json is not one of {title} that can be converted: {'; '.join(problems)}."
        )
    try:
        config = PixelARConfig(**fields)
    except Exception as error:
        # The strict configuration raises errors of several classes, all about one of the values.
        reason = " ".join(str(error).split())
        raise ValueError(f"this config.json does not describe {title}: {reason}") from None
    understood = {*own, *SIZES, *LLAMA_DEFAULTS, *NEUTRAL_VALUES, *ROPE_FIELDS, *SILENT_FIELDS}
    ignored = tuple(sorted(set(source) - understood))
    return Mapped(config, architecture, ignored)


def map_pixar_config(source: Mapping[str, Any], names: Collection[str]) -> Mapped:
    """PIXAR's `backbone/config.json` (model type "llama" with four fields of its own).

    Raises:
        ValueError: listing every field that is missing or asks for something else than PIXAR computes.
    """
    problems: list[str] = []
    fields = _backbone(source, problems)
    size = _positive(source, "patch_size", problems)
    length = _positive(source, "patch_len", problems)
    channels = _positive(source, "num_channel", problems)
    binary = source.get("binary")
    if not isinstance(binary, bool):
        problems.append("binary is missing" if binary is None else f"binary is {binary!r}, not true or false")
    fields |= {"patch_size": (size, size * length), "num_channels": channels, "pixel_mean": 0.5}
    fields |= {"pixel_std": 0.5, "patch_embedding_bias": False, "patch_embedding_norm": False}
    if binary:
        fields |= {"patch_head": "bernoulli", "patch_loss_reduction": "sample"}
    else:
        # The release fits outputs to [0, 1] and shows them as if they were in [-1, 1].
        fields |= {"patch_head": "regression", "patch_loss_reduction": "patch"}
        fields["regression_output_range"] = "signed"
    # Fine-tuning a causal model starts from these settings too.
    fields |= {"classifier_bias": True, "classifier_pooling": "last"}
    architecture = CAUSAL_LM
    if _is_classifier(source, names, "out_proj.weight"):
        architecture = CLASSIFIER
        fields |= _labels(source)
    own = ("patch_size", "patch_len", "num_channel", "binary")
    return _build("PIXAR", source, fields, problems, own, architecture)


def map_pixar_discriminator_config(source: Mapping[str, Any], names: Collection[str]) -> Mapped:
    """The `config.json` beside PIXAR's `llama_discriminator.bin`: that of the backbone it was copied from.

    Raises:
        ValueError: as for the backbone.
    """
    return replace(map_pixar_config(source, names), architecture=DISCRIMINATOR)


def map_pixelgpt_config(source: Mapping[str, Any], names: Collection[str]) -> Mapped:
    """PixelGPT's `config.json` (model type "ernie-pixel").

    A file may hold the token table twice (embedding and head) or once; once, the two are tied.

    Raises:
        ValueError: listing every field that is missing or asks for something else than PixelGPT computes.
    """
    problems: list[str] = []
    fields = _backbone(source, problems)
    size = source.get("patch_size")
    if isinstance(size, list) and len(set(map(str, size))) == 1:
        size = size[0]
    size = _positive({"patch_size": size}, "patch_size", problems)
    fields["patch_size"] = (size, size)
    fields["num_channels"] = _positive(source, "num_channels", problems, 3)
    fields["vocab_size"] = _positive(source, "vocab_size", problems)
    # Llama's defaults again, where the file leaves them out; an explicit null stays null.
    for name, default in (("bos_token_id", 1), ("eos_token_id", 2), ("pad_token_id", None)):
        fields[name] = source.get(name, default)
    norm_pix_loss = source.get("norm_pix_loss")
    fields |= {
        "pixel_mean": 0.0,
        "pixel_std": 1.0,
        "patch_embedding_bias": True,
        "patch_embedding_norm": True,
    }
    fields |= {"patch_head": "regression", "patch_loss_reduction": "patch", "regression_output_range": "unit"}
    fields["norm_pix_loss"] = True if norm_pix_loss is None else norm_pix_loss
    classifier = _is_classifier(source, names, "lm_pixel_head.weight")
    architecture = CLASSIFIER if classifier else CAUSAL_LM
    notes: tuple[str, ...] = ()
    fields["tie_word_embeddings"] = bool(source.get("tie_word_embeddings", False))
    tables = [name for name in ("model.embed_tokens.weight", "lm_token_head.weight") if name in names]
    if classifier:
        fields |= {"classifier_bias": False, "classifier_pooling": "pixelgpt_pair", **_labels(source)}
    elif len(tables) == 1 and not fields["tie_word_embeddings"]:
        fields["tie_word_embeddings"] = True
        notes = (f"the file holds one token table, {tables[0]}: token embedding and token head share it",)
    if fields["norm_pix_loss"] is True and not classifier:
        notes = (
            *notes,
            "the model predicts patches normalised one by one (norm_pix_loss), so what it writes cannot be shown",
        )
    own = ("patch_size", "num_channels", "norm_pix_loss")
    mapped = _build("PixelGPT", source, fields, problems, own, architecture)
    return replace(mapped, notes=notes)


_UNUSED_TABLE = "the token embedding of the Llama model it was made from, which PIXAR never uses"

FAMILIES: dict[str, Family] = {
    "pixar": Family(
        kind="pixar",
        title="PIXAR",
        model_types=("llama",),
        map_config=map_pixar_config,
        source_name=_pixar_name,
        convolutions={
            "model.embed_patches.projection.weight": projection_of_convolution,
            "patch_head.projection.weight": head_of_transposed_convolution,
        },
        droppable={"embed_tokens.weight": _UNUSED_TABLE},
        subfolder="backbone",
    ),
    "pixelgpt": Family(
        kind="pixelgpt",
        title="PixelGPT",
        model_types=("ernie-pixel",),
        map_config=map_pixelgpt_config,
        source_name=_pixelgpt_name,
        has_tokenizer=True,
        convolutions={"model.embed_patches.projection.weight": projection_of_convolution},
    ),
    "pix2struct": PIX2STRUCT,
}

# The second stage's other half; its folder is recognised by its file.
PIXAR_DISCRIMINATOR = replace(
    FAMILIES["pixar"],
    title="PIXAR's discriminator",
    map_config=map_pixar_discriminator_config,
    source_name=_pixar_discriminator_name,
    droppable={"llama.embed_tokens.weight": _UNUSED_TABLE},
    subfolder=None,
    weight_file="llama_discriminator.bin",
)

__all__ = [
    "CAUSAL_LM",
    "CLASSIFIER",
    "DISCRIMINATOR",
    "FAMILIES",
    "PIXAR_DISCRIMINATOR",
    "head_of_transposed_convolution",
    "projection_of_convolution",
    "tensor_rules",
]
