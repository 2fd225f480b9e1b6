# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Configuration of pixel-autoregressive models.

The backbone fields carry the Llama names (PIXAR and PixelGPT are Llama decoders over patches); the rest says how a
strip is cut into patches, how pixels enter the model and which patch head leaves it.
"""

from typing import Any

from huggingface_hub.dataclasses import strict
from transformers.configuration_utils import PreTrainedConfig
from transformers.modeling_rope_utils import RopeParameters
from transformers.utils.type_validators import interval


@strict
class PixelARConfig(PreTrainedConfig):
    r"""Configuration of [`PixelARModel`] and [`PixelARForCausalLM`].

    Args:
        patch_size: `(height, width)` of a patch in pixels. The height is that of the strip. (8, 20) holds four
            characters of the 5x8 atlas, so that no glyph is cut.
        num_channels: Colour channels of a strip; the autoregressive head needs 1.
        pixel_mean: Subtracted from pixel values in [0, 1] before the patch embedding.
        pixel_std: Divides the centred pixel values. 0.5 and 0.5 give PIXAR's `2x - 1`.
        patch_embedding_bias: Whether the patch projection has a bias (PIXAR: no, PixelGPT: yes).
        patch_embedding_norm: Whether a LayerNorm follows the patch projection (PixelGPT).
        patch_embedding_hidden_size: Width of a hidden SiLU layer between pixels and embedding; `None` for the single
            linear projection of the papers. A hidden layer lets the first decoder layer see glyphs instead of pixels.
        patch_head: Name of the patch head, a key of `PATCH_HEADS`.
        head_hidden_size: Width of the head's decoder over column groups; `None` for 192, or for `hidden_size` where
            that is smaller.
        head_intermediate_size: Width of that decoder's SwiGLU; `None` for 8/3 of `head_hidden_size`.
        head_num_layers: Layers of that decoder. 0 leaves the byte-causal masked MLP alone, which then has to span the
            whole patch: `head_group_columns` must equal the patch width.
        head_num_attention_heads: Attention heads of that decoder.
        head_group_columns: Pixel columns written per step of that decoder; must divide the patch width. 1 gives a plain
            causal transformer over columns, the patch width a plain masked MLP; the glyph width is the sweet spot.
        head_byte_embedding_size: Width of the embedding of one byte (eight rows of one column).
        head_byte_hidden_size: Hidden units per byte of the masked MLP inside a group; `None` for 128, or for
            `head_hidden_size` where that is smaller.
        patch_loss_weight: Factor of the patch loss in `loss`.
        vocab_size: Reserved for dual-head models, which this version does not build; must be `None`.
    """

    model_type = "pixel_ar"
    keys_to_ignore_at_inference = ["past_key_values", "logits", "patch_logits", "patch_loss", "token_loss"]
    base_model_tp_plan = {
        "layers.*.self_attn.q_proj": "colwise",
        "layers.*.self_attn.k_proj": "colwise",
        "layers.*.self_attn.v_proj": "colwise",
        "layers.*.self_attn.o_proj": "rowwise",
        "layers.*.mlp.gate_proj": "colwise",
        "layers.*.mlp.up_proj": "colwise",
        "layers.*.mlp.down_proj": "rowwise",
    }
    base_model_pp_plan = {
        "embed_patches": (["pixel_values"], ["inputs_embeds"]),
        "layers": (["hidden_states", "attention_mask"], ["hidden_states"]),
        "norm": (["hidden_states"], ["hidden_states"]),
    }
    # The default FSDP plan names `embed_tokens`, which a pixel model does not have.
    base_model_fsdp_plan = {"layers.*": "free_full_weight", "norm": "keep_full_weight"}

    hidden_size: int = 256
    intermediate_size: int = 704
    num_hidden_layers: int = 6
    num_attention_heads: int = 8
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    hidden_act: str = "silu"
    max_position_embeddings: int = 1024
    initializer_range: float = interval(min=0.0, max=1.0)(default=0.02)
    rms_norm_eps: float = 1e-6
    use_cache: bool = True
    rope_parameters: RopeParameters | dict | None = None
    attention_bias: bool = False
    attention_dropout: int | float | None = 0.0
    mlp_bias: bool = False
    tie_word_embeddings: bool = False

    patch_size: tuple[int, ...] | list[int] = (8, 20)
    num_channels: int = 1
    pixel_mean: int | float = 0.5
    pixel_std: int | float = 0.5
    patch_embedding_bias: bool = True
    patch_embedding_norm: bool = False
    patch_embedding_hidden_size: int | None = None

    patch_head: str = "autoregressive"
    head_hidden_size: int | None = None
    head_intermediate_size: int | None = None
    head_num_layers: int = 2
    head_num_attention_heads: int = 4
    head_group_columns: int | None = None
    head_byte_embedding_size: int = 32
    head_byte_hidden_size: int | None = None
    patch_loss_weight: int | float = 1.0
    vocab_size: int | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        self.patch_size = tuple(self.patch_size)
        if self.num_key_value_heads is None:
            self.num_key_value_heads = self.num_attention_heads
        if self.head_dim is None:
            self.head_dim = self.hidden_size // self.num_attention_heads
        if self.head_hidden_size is None:
            heads = self.head_num_attention_heads
            self.head_hidden_size = max(min(192, self.hidden_size) // heads, 1) * heads
        if self.head_byte_hidden_size is None:
            self.head_byte_hidden_size = min(128, self.head_hidden_size)
        if self.head_intermediate_size is None:
            # Rounded up to a multiple of 64, as Llama does, so that matrix kernels stay on their fast path.
            self.head_intermediate_size = -(-8 * self.head_hidden_size // 3 // 64) * 64
        if self.head_group_columns is None:
            self.head_group_columns = self._default_group_columns()
        super().__post_init__(**kwargs)

    def _default_group_columns(self) -> int:
        """The whole patch without decoder layers, else the largest divisor of the patch width up to 5 columns."""
        width = self.patch_size[1]
        if self.head_num_layers == 0:
            return width
        return max(size for size in range(1, 6) if width % size == 0)

    @property
    def patch_height(self) -> int:
        """Rows of a patch, in pixels."""
        return self.patch_size[0]

    @property
    def patch_width(self) -> int:
        """Columns of a patch, in pixels."""
        return self.patch_size[1]

    @property
    def patch_length(self) -> int:
        """Values in a patch: height * width * channels."""
        return self.patch_size[0] * self.patch_size[1] * self.num_channels

    def validate_architecture(self) -> None:
        """Part of `@strict` validation: relations between fields.

        Raises:
            ValueError: With both numbers, where two fields do not fit each other.
        """
        if len(self.patch_size) != 2 or min(self.patch_size) < 1:
            raise ValueError(
                f"patch_size must be two positive integers (height, width), got {self.patch_size}."
            )
        if self.hidden_size % self.num_attention_heads != 0:
            raise ValueError(
                f"hidden_size ({self.hidden_size}) is not a multiple of num_attention_heads "
                f"({self.num_attention_heads})."
            )
        if self.num_key_value_heads and self.num_attention_heads % self.num_key_value_heads != 0:
            raise ValueError(
                f"num_attention_heads ({self.num_attention_heads}) is not a multiple of num_key_value_heads "
                f"({self.num_key_value_heads})."
            )
        if self.pixel_std <= 0:
            raise ValueError(f"pixel_std must be positive, got {self.pixel_std}.")
        if self.vocab_size is not None:
            raise ValueError(
                f"vocab_size={self.vocab_size}: models with a token head are not part of this version of pixel_ar; "
                "leave vocab_size at None."
            )
        if self.patch_head == "autoregressive":
            self._validate_autoregressive_head()

    def _validate_autoregressive_head(self) -> None:
        height, width = self.patch_size
        if self.num_channels != 1:
            raise ValueError(
                f"patch_head='autoregressive' writes 1-bit columns and needs num_channels=1, got {self.num_channels}."
            )
        if height % 8 != 0:
            raise ValueError(
                f"patch_head='autoregressive' writes bytes of eight rows and needs a patch height that is a multiple "
                f"of 8, got {height}."
            )
        if self.head_group_columns and width % self.head_group_columns != 0:
            raise ValueError(
                f"head_group_columns ({self.head_group_columns}) does not divide the patch width ({width})."
            )
        if self.head_num_layers == 0 and self.head_group_columns != width:
            raise ValueError(
                f"head_num_layers=0 needs one group per patch: set head_group_columns to the patch width ({width}), "
                f"not {self.head_group_columns}."
            )
        if self.head_hidden_size and self.head_hidden_size % self.head_num_attention_heads != 0:
            raise ValueError(
                f"head_hidden_size ({self.head_hidden_size}) is not a multiple of head_num_attention_heads "
                f"({self.head_num_attention_heads})."
            )


__all__ = ["PixelARConfig"]
