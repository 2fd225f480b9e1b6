# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Configuration of the page model: Pix2Struct (arXiv 2210.03347) in one flat configuration.

Both halves share the hidden size, as they do there; what differs between them carries `encoder_` or `decoder_`.
"""

from typing import Any, Literal, NamedTuple

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

from ...installed import refuse_registration
from ...limits import MAX_CONFIG_SIZE, MAX_LAYERS, MAX_PARAMETERS, check_classes, check_limit
from ...spelling import refuse_misspelt, refuse_unknown
from ...transformers_internals import ACT2FN

Side = Literal["encoder", "decoder"]
_OF_BOTH = ("layers", "attention_heads", "head_dim", "intermediate_size")
SIZES = (
    *("num_channels", "patch_length", "max_grid_size", "hidden_size", "vocab_size"),
    *("relative_attention_num_buckets", "relative_attention_max_distance"),
    *(f"{side}_{name}" for side in ("encoder", "decoder") for name in _OF_BOTH),
)


class LayerSettings(NamedTuple):
    """What the layers of one half are made of; see [`PixelPageConfig`].

    Attributes:
        heads: attention heads.
        head_dim: width of a head.
        intermediate_size: width of the gated network.
        hidden_act: its activation.
        norm_eps: of the norms.
        dropout: inside the gated network and after the embeddings.
        attention_dropout: of attention weights.
        residual_dropout: of what a layer adds to the states.
    """

    heads: int
    head_dim: int
    intermediate_size: int
    hidden_act: str
    norm_eps: float
    dropout: float
    attention_dropout: float
    residual_dropout: float


@strict
class PixelPageConfig(PreTrainedConfig):
    r"""Configuration of [`PixelPageForConditionalGeneration`]; the defaults are those of Pix2Struct base.

    Args:
        patch_size: `(height, width)` of a page's patches in pixels; `None` where only their length is known, as in a
            Pix2Struct `config.json` without its `preprocessor_config.json`.
        num_channels: Colour channels of a page.
        patch_length: Values of a patch; `None` for height * width * channels.
        max_grid_size: Rows and columns that the two tables of positions know, 0 (padding) with them.
        hidden_size: Width of the states of encoder and decoder.
        vocab_size: Tokens of the answers.
        encoder_layers: Layers of the encoder.
        encoder_attention_heads: Its attention heads.
        encoder_head_dim: Width of one of them.
        encoder_intermediate_size: Width of its gated networks.
        encoder_hidden_act: Their activation.
        encoder_norm_eps: Added to mean squares in its norms.
        encoder_dropout: After the embeddings and inside the gated networks.
        encoder_attention_dropout: Of its attention weights.
        decoder_layers: Layers of the decoder.
        decoder_attention_heads: Its attention heads.
        decoder_head_dim: Width of one of them.
        decoder_intermediate_size: Width of its gated networks.
        decoder_hidden_act: Their activation.
        decoder_norm_eps: Added to mean squares in its norms.
        decoder_dropout: After the embeddings, of attention weights, inside the gated networks, of what is added to the
            states, and before the head.
        relative_attention_num_buckets: Classes of distances in the decoder (T5, arXiv 1910.10683, section 2.1).
        relative_attention_max_distance: From this distance on, all share the last class.
        reading_slots: Characters of a patch that a reading head tells from the encoder's states; 0 for no such head.
        dense_reading_weight: Factor of its loss in `loss`, where `reading_targets` are passed.
        initializer_factor: Factor of all initial values.
        use_cache: Whether keys and values are kept while an answer is written.
        tie_word_embeddings: Whether the head is the token table.
        pad_token_id: Fills short answers.
        eos_token_id: Ends an answer.
        bos_token_id: Not used.
        decoder_start_token_id: What the decoder reads first.
    """

    model_type = "pixel_page"
    attribute_map = {"num_hidden_layers": "decoder_layers", "num_attention_heads": "decoder_attention_heads"}
    keys_to_ignore_at_inference = [
        "cache",
        "past_key_values",
        "encoder_last_hidden_state",
        "encoder_hidden_states",
        "encoder_attentions",
        "decoder_hidden_states",
        "decoder_attentions",
        "cross_attentions",
        "reading_loss",
    ]

    patch_size: tuple[int, ...] | list[int] | None = (16, 16)
    num_channels: int = 3
    patch_length: int | None = None
    max_grid_size: int = 4096
    hidden_size: int = 768
    vocab_size: int = 50244

    encoder_layers: int = 12
    encoder_attention_heads: int = 12
    encoder_head_dim: int = 64
    encoder_intermediate_size: int = 2048
    encoder_hidden_act: str = "gelu_new"
    encoder_norm_eps: float = 1e-6
    encoder_dropout: int | float = 0.0
    encoder_attention_dropout: int | float = 0.0

    decoder_layers: int = 12
    decoder_attention_heads: int = 12
    decoder_head_dim: int = 64
    decoder_intermediate_size: int = 2048
    decoder_hidden_act: str = "gelu_new"
    decoder_norm_eps: float = 1e-6
    decoder_dropout: int | float = 0.1
    relative_attention_num_buckets: int = 32
    relative_attention_max_distance: int = 128

    reading_slots: int = 0
    dense_reading_weight: int | float = 1.0
    initializer_factor: int | float = 1.0
    use_cache: bool = True
    tie_word_embeddings: bool = False
    is_encoder_decoder: bool = True
    pad_token_id: int | None = 0
    eos_token_id: int | list[int] | None = 1
    bos_token_id: int | None = None
    decoder_start_token_id: int | None = 0

    def __post_init__(self, **kwargs: Any) -> None:
        refuse_misspelt(kwargs, self)
        check_classes(kwargs, self)
        if self.patch_size is not None:
            self.patch_size = tuple(self.patch_size)
        self._check_sizes()
        if self.patch_length is None and self.patch_size is not None:
            self.patch_length = self.patch_size[0] * self.patch_size[1] * self.num_channels
        super().__post_init__(**kwargs)

    def _check_sizes(self) -> None:
        """Sizes of a configuration that may be anyone's, before anything as large as they say is made."""
        if self.patch_size is not None and (len(self.patch_size) != 2 or min(self.patch_size) < 1):
            raise ValueError(
                f"patch_size must be two positive integers (height, width), or None, got {self.patch_size}."
            )
        for name in SIZES:
            size = getattr(self, name)
            if type(size) is int:
                check_limit(size, MAX_LAYERS if name.endswith("_layers") else MAX_CONFIG_SIZE, name)
                if size < 1:
                    raise ValueError(f"{name} must be positive, got {size}.")
        widths = [self.encoder_intermediate_size, self.decoder_intermediate_size, self.vocab_size]
        inner = self.hidden_size * max(*widths, self.max_grid_size)
        weights = inner * (self.encoder_layers + self.decoder_layers)
        check_limit(weights, MAX_PARAMETERS, "weights of the layers that config.json declares")

    def layer_settings(self, side: Side) -> LayerSettings:
        """What the layers of the encoder or of the decoder are made of."""
        names = ("attention_heads", "head_dim", "intermediate_size", "hidden_act", "norm_eps", "dropout")
        heads, head_dim, inner, act, eps, dropout = (getattr(self, f"{side}_{name}") for name in names)
        of_attention = self.encoder_attention_dropout if side == "encoder" else dropout
        of_residual = 0.0 if side == "encoder" else dropout
        return LayerSettings(heads, head_dim, inner, act, eps, dropout, of_attention, of_residual)

    @classmethod
    def register_for_auto_class(cls, auto_class: str = "AutoConfig") -> None:
        """As in Transformers, for classes outside the installed package."""
        refuse_registration(cls)
        super().register_for_auto_class(auto_class)

    def validate_architecture(self) -> None:
        """Part of `@strict` validation: relations between fields.

        Raises:
            ValueError: With both numbers, where two fields do not fit each other.
        """
        if self.patch_length is None:
            raise ValueError("give patch_size, or patch_length where only that is known; both are None.")
        if self.patch_size is not None:
            length = self.patch_size[0] * self.patch_size[1] * self.num_channels
            if length != self.patch_length:
                raise ValueError(
                    f"patch_length ({self.patch_length}) is not that of patches of {self.patch_size} pixels with "
                    f"{self.num_channels} channels ({length})."
                )
        for name in ("encoder_hidden_act", "decoder_hidden_act"):
            refuse_unknown(name, getattr(self, name), ACT2FN)
        exact = self.relative_attention_num_buckets // 2
        if exact < 1 or self.relative_attention_max_distance <= exact:
            raise ValueError(
                f"relative_attention_num_buckets ({self.relative_attention_num_buckets}) must be at least 2, and its "
                f"half smaller than relative_attention_max_distance ({self.relative_attention_max_distance})."
            )
        if not 0 < self.initializer_factor <= 1000:
            raise ValueError(
                f"initializer_factor must lie in 0 to 1000, got {self.initializer_factor!r:.60}."
            )
        if self.reading_slots < 0 or self.dense_reading_weight < 0:
            raise ValueError(
                f"reading_slots ({self.reading_slots}) and dense_reading_weight ({self.dense_reading_weight}) must not "
                "be negative."
            )
        check_limit(self.reading_slots * self.vocab_size, MAX_CONFIG_SIZE, "outputs of the reading head")
        for name in ("encoder_dropout", "encoder_attention_dropout", "decoder_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in 0 to 1, got {getattr(self, name)}.")
        eos = self.eos_token_id if isinstance(self.eos_token_id, list) else [self.eos_token_id]
        starts = (
            ("pad", [self.pad_token_id]),
            ("eos", eos),
            ("decoder_start", [self.decoder_start_token_id]),
        )
        for name, values in starts:
            for value in values:
                if value is not None and not 0 <= value < self.vocab_size:
                    raise ValueError(
                        f"{name}_token_id ({value}) lies outside the vocabulary of {self.vocab_size} tokens."
                    )


__all__ = ["LayerSettings", "PixelPageConfig", "Side"]
