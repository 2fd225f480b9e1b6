# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Configuration of SPAE models: pictures as layers of words (arXiv 2306.17842)."""

from dataclasses import fields
from typing import Any, Literal

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

from ...installed import refuse_registration
from ...limits import MAX_CONFIG_SIZE, MAX_PARAMETERS, check_classes, check_limit
from ...spelling import refuse_misspelt
from .pyramid import Pyramid

# Places of a latent grid, and layers of a pyramid.
MAX_PLACES = 1 << 14
MAX_PYRAMID = 64
# Thresholds of the paper's pools, recalled.
POOL_THRESHOLDS = (0.98, 0.95, 0.9, 0.85, 0.8)


@strict
class SpaeConfig(PreTrainedConfig):
    r"""Configuration of [`SpaeModel`].

    Args:
        image_size: `(height, width)` of a picture, page or strip in pixels.
        num_channels: Colour channels.
        grid: `(rows, columns)` of latent places; divides `image_size`. A strip has one row.
        pyramid: `(rows, columns)` of tokens in each layer, the coarsest first; each divides `grid`.
        quantization: `"saq"`, streaming averages; `"rq"`, residuals, the paper's baseline.
        fill: What the decoder sees on places that have no token yet: the `"nearest"` place's vector, or `"zero"`.
        architecture: `"convolution"`, stages of stride 2 from pixels to places, for pictures: `image_size` over `grid`
            is a power of 2; `"patches"`, residual blocks over patches of `image_size` over `grid` pixels, for strips
            and pages.
        hidden_sizes: Channels after each stage of `"convolution"`, from pixels inwards (the last one repeats where
            there are more stages); of `"patches"` the last alone counts.
        num_residual_blocks: Residual blocks on the grid, in the encoder and in the decoder.
        mixing_channels: Channels of the dense layer over all places, through which a single token sees the whole
            picture; 0 for none.
        codebook: `"lexical"`, the words of a language model, frozen; `"learned"`, vectors that follow the pictures
            (exponential means), a baseline without words.
        codebook_size: Number of entries. This and the next six come from [`LexicalCodebook.config_fields`].
        codebook_dim: Values per entry.
        codebook_norm: `"sphere"`, entries of length sqrt(`codebook_dim`); `"raw"`, as in the paper.
        codebook_num_letters: Bytes of all words.
        codebook_lead: What stands before a text of the words.
        codebook_sha256: Of vectors, words and ids, checked when a checkpoint is loaded; `None` before there is one.
        tokenizer_sha256: Of the tokenizer that the words' ids belong to; `None` for words without one.
        codebook_decay: Of the means of a learned codebook.
        reconstruction_weight: r, factor of the squared error of the pixels. With a frozen codebook the commitment term
            stays large and starves the pixels at the paper's 1.
        commitment_weight: beta.
        perceptual_weight: Factor of what the model's `perceptual_loss` returns, where one is set.
        semantic_weight: alpha. The semantic loss is scaled to alpha times the other losses' value.
        semantic_floor: Nats below which the semantic loss is scaled up no more: the paper's ratio of losses grows
            without bound once the words are right, and then starves the pixels. 0 for the paper's.
        semantic_layers: How many of the first layers have it.
        semantic_thresholds: Of these layers, for `pool_assignment="pools"`: relevance from which a word is in the pool.
        pool_assignment: `"match"`, each word of a caption to one place; `"pools"`, all places of a layer to all words
            of its pool, as in the paper.
        full_stack_share: How often training decodes all layers; else a prefix of them, drawn uniformly.
    """

    model_type = "pixel_ar_spae"
    keys_to_ignore_at_inference = [
        "reconstruction_loss",
        "commitment_loss",
        "semantic_loss",
        "ids",
        "pixel_values",
    ]

    image_size: tuple[int, ...] | list[int] = (32, 32)
    num_channels: int = 3
    grid: tuple[int, ...] | list[int] = (4, 4)
    pyramid: tuple[Any, ...] | list[Any] = ((1, 1), (2, 2), (4, 4), (4, 4))
    quantization: Literal["saq", "rq"] = "saq"
    fill: Literal["nearest", "zero"] = "nearest"
    architecture: Literal["convolution", "patches"] = "convolution"
    hidden_sizes: tuple[int, ...] | list[int] = (32, 64, 96)
    num_residual_blocks: int = 1
    mixing_channels: int = 32

    codebook: Literal["lexical", "learned"] = "lexical"
    codebook_size: int = 2048
    codebook_dim: int = 64
    codebook_norm: Literal["sphere", "raw"] = "sphere"
    codebook_num_letters: int = 0
    codebook_lead: str = ""
    codebook_sha256: str | None = None
    tokenizer_sha256: str | None = None
    codebook_decay: int | float = 0.99

    reconstruction_weight: int | float = 10.0
    commitment_weight: int | float = 0.33
    perceptual_weight: int | float = 0.1
    semantic_weight: int | float = 1.0
    semantic_floor: int | float = 1.0
    semantic_layers: int = 2
    semantic_thresholds: tuple[float, ...] | list[float] = POOL_THRESHOLDS
    pool_assignment: Literal["match", "pools"] = "match"
    full_stack_share: int | float = 0.5

    def __post_init__(self, **kwargs: Any) -> None:
        refuse_misspelt(kwargs, self)
        check_classes(kwargs, self)
        for name in ("image_size", "grid"):
            value = tuple(getattr(self, name))
            if len(value) != 2 or not all(type(size) is int and size > 0 for size in value):
                raise ValueError(f"{name} must be two positive integers (height, width), got {value}.")
            setattr(self, name, value)
        self._check_sizes()
        self.pyramid = Pyramid(self.grid, [_pair(layer) for layer in self.pyramid]).layers
        self.hidden_sizes = tuple(self.hidden_sizes)
        self.semantic_thresholds = tuple(self.semantic_thresholds)
        super().__post_init__(**kwargs)

    def _check_sizes(self) -> None:
        """Sizes of a configuration that may be anyone's, before anything as large as they say is made."""
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is int:
                check_limit(value, MAX_CONFIG_SIZE, field.name)
        for name in ("num_channels", "codebook_size", "codebook_dim"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}.")
        for name in ("num_residual_blocks", "mixing_channels", "codebook_num_letters", "semantic_layers"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}.")
        if not self.hidden_sizes or not all(
            type(size) is int and 0 < size < MAX_CONFIG_SIZE for size in self.hidden_sizes
        ):
            raise ValueError(f"hidden_sizes must be positive integers, got {self.hidden_sizes}.")
        places = self.grid[0] * self.grid[1]
        check_limit(places, MAX_PLACES, "places of the grid")
        check_limit(len(self.pyramid), MAX_PYRAMID, "layers of the pyramid")
        check_limit(max(self.image_size), MAX_CONFIG_SIZE, "image_size")
        weights = max(self.hidden_sizes) ** 2 * 9 * max(self.num_residual_blocks, 1)
        weights = max(weights, (self.mixing_channels * places) ** 2, self.codebook_size * self.codebook_dim)
        check_limit(weights, MAX_PARAMETERS, "weights of the layers that config.json declares")

    def validate_architecture(self) -> None:
        """Part of `@strict` validation: relations between fields.

        Raises:
            ValueError: With both numbers, where two fields do not fit each other.
        """
        for size, places, axis in zip(self.image_size, self.grid, ("height", "width"), strict=True):
            if size % places:
                raise ValueError(
                    f"image_size {self.image_size} is not a multiple of grid {self.grid} ({axis})."
                )
            step = size // places
            if self.architecture == "convolution" and step & (step - 1):
                raise ValueError(
                    f"image_size {self.image_size} over grid {self.grid} is {step} pixels per place ({axis}); stages "
                    "of stride 2 need a power of 2. Take architecture='patches'."
                )
        if self.semantic_layers > len(self.pyramid):
            raise ValueError(
                f"semantic_layers ({self.semantic_layers}) is more than the pyramid has ({len(self.pyramid)})."
            )
        if self.pool_assignment == "pools" and len(self.semantic_thresholds) < self.semantic_layers:
            raise ValueError(
                f"semantic_thresholds has {len(self.semantic_thresholds)} values for {self.semantic_layers} "
                "semantic_layers."
            )
        for name in ("full_stack_share", "codebook_decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in 0 to 1, got {getattr(self, name)}.")
        for name in (
            "reconstruction_weight",
            "commitment_weight",
            "perceptual_weight",
            "semantic_weight",
            "semantic_floor",
        ):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}.")

    @classmethod
    def register_for_auto_class(cls, auto_class: str = "AutoConfig") -> None:
        """As in Transformers, for classes outside the installed package; see `pixel_ar.export_remote_code`."""
        refuse_registration(cls)
        super().register_for_auto_class(auto_class)

    @property
    def place_size(self) -> tuple[int, int]:
        """Pixels of a place, (height, width)."""
        return (self.image_size[0] // self.grid[0], self.image_size[1] // self.grid[1])

    @property
    def num_tokens(self) -> tuple[int, ...]:
        """Tokens of each layer."""
        return tuple(rows * columns for rows, columns in self.pyramid)


def _pair(layer: Any) -> tuple[int, int]:
    if not isinstance(layer, list | tuple) or [type(size) for size in layer] != [int, int]:
        raise ValueError(f"a layer of the pyramid must be two integers (rows, columns), got {layer!r}.")
    return (layer[0], layer[1])


__all__ = ["SpaeConfig"]
