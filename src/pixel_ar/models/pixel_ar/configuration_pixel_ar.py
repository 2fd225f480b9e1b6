# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Configuration of pixel-autoregressive models.

The backbone fields carry the Llama names (PIXAR and PixelGPT are Llama decoders over patches); the rest says how a
strip is cut into patches, how pixels enter the model, which patch head leaves it, and whether there are tokens too.
"""

import math
from collections.abc import Collection
from dataclasses import fields
from typing import Any, Literal

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig, RopeParameters

from ...installed import refuse_registration
from ...limits import MAX_CONFIG_SIZE, MAX_LAYERS, MAX_PARAMETERS, check_classes, check_limit
from ...spelling import nearest, refuse_misspelt, refuse_unknown
from ...transformers_internals import ACT2FN
from .presets import CONFIG_PRESETS

# Blocks of the flow head's network and their width, unless a configuration says otherwise.
FLOW_LAYERS, FLOW_WIDTH = 4, 384

# Sizes of which there is at least 1 where they are set.
POSITIVE = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "max_position_embeddings",
    "patch_embedding_hidden_size",
    "head_hidden_size",
    "head_intermediate_size",
    "head_num_attention_heads",
    "head_group_columns",
    "head_byte_embedding_size",
    "head_byte_hidden_size",
    "dictionary_parts",
)

# The names of patch heads, once they are imported; a configuration may be read without any model.
_DECLARED_HEADS: list[Collection[str]] = []


def declare_patch_heads(names: Collection[str]) -> None:
    """Lets configurations know which heads there are; `names` may grow afterwards."""
    _DECLARED_HEADS.append(names)


@strict
class PixelARConfig(PreTrainedConfig):
    r"""Configuration of [`PixelARModel`] and [`PixelARForCausalLM`].

    Args:
        patch_size: `(height, width)` of a patch in pixels. The height is that of the strip. (8, 20) holds four
            characters of the 5x8 atlas, so that no glyph is cut.
        num_channels: Colour channels of a strip, 1 or 3; the autoregressive head needs 1.
        pixel_mean: Subtracted from pixel values in [0, 1] before the patch embedding.
        pixel_std: Divides the centred pixel values. 0.5 and 0.5 give PIXAR's `2x - 1`.
        patch_embedding_bias: Whether the patch projection has a bias (PIXAR: no, PixelGPT: yes).
        patch_embedding_norm: Whether a LayerNorm follows the patch projection (PixelGPT).
        patch_embedding_hidden_size: Width of a hidden SiLU layer between pixels and embedding; `None` for the single
            linear projection of the papers. A hidden layer lets the first decoder layer see glyphs instead of pixels.
        patch_head: Name of the patch head, a key of `PATCH_HEADS`.
        head_hidden_size: Width of the head's decoder over column groups; `None` for 512 without decoder layers, else
            192, or for `hidden_size` where that is smaller. Of the flow head's network: `None` for 384.
        head_intermediate_size: Width of that decoder's SwiGLU; `None` for 8/3 of `head_hidden_size`.
        head_num_layers: Layers of that decoder. 0 (the default) leaves the byte-causal masked MLP alone, which writes
            fastest. It then spans the whole patch: `head_group_columns` must be the patch width. Where the head shall
            have no more than a million parameters or so, 1 learns more (measured: examples/benchmarks). Of the flow
            head: blocks of its network, at least 1; `None` for 4.
        head_num_attention_heads: Attention heads of that decoder.
        head_group_columns: Pixel columns written per step of that decoder; must divide the patch width. `None` for the
            patch width without decoder layers, else for the largest divisor up to 5, about a glyph; 1 gives a plain
            causal transformer over columns.
        head_byte_embedding_size: Width of the embedding of one byte (eight rows of one column).
        head_byte_hidden_size: Hidden units per byte of the masked MLP inside a group; `None` for 128, or for
            `head_hidden_size` where that is smaller.
        head_num_glyphs: Groups of columns (glyphs, where a group is as wide as one) that the head draws in one
            decision, with an escape to bytes; 0 for bytes alone. Which ones, a `PatchDictionary` says.
        dictionary_size: Patches that a model knows as a whole, with `patch_head="dictionary"`: it remembers each at the
            input and chooses among them at the output; all other patches go through the escape, an `autoregressive`
            head. Which ones, a `PatchDictionary` says.
        dictionary_parts: Parts of equal width into which a patch is cut for the dictionary, 1 unless a patch is to hold
            several words: entries are as wide as a part, and the head draws one part after the other from one state of
            the decoder, so that a step writes as many words.
        dictionary_sha256: Hash of the dictionary, checked when a checkpoint is loaded; `None` before there is one.
        dictionary_frequent_entries: With `dictionary_sampled_entries`: entries that every training step scores.
        dictionary_sampled_entries: Of the other entries, how many each training step draws to stand for all of them;
            `None` for all. Evaluation and generation always score all.
        memory_dropout: Share of the patches that training takes for unknown at the input, so that a damaged patch can
            be read by its pixels.
        norm_pix_loss: Whether the regression head's targets are normalised patch by patch, `(x - mean) / sqrt(var +
            1e-6)` with the unbiased variance (PixelGPT). Mean and contrast of a patch are lost then, so such a model
            cannot write pixels.
        regression_output_range: What the regression head's outputs mean as pixels: `"unit"`, [0, 1]; `"signed"`, [-1,
            1] in generation although the loss fits [0, 1], which is what PIXAR's RGB release does.
        flow_prediction: What the network of `patch_head="flow"` predicts: `"x"`, the patch (arXiv 2511.13720), or
            `"v"`, the velocity from the noise to it. The loss is that of the velocity in both cases.
        flow_draws: Noisy copies of every patch per training step.
        flow_time_mean: Training times are `sigmoid(n)`, n normal with this mean; 0 is noise and 1 the patch.
        flow_time_std: And with this standard deviation.
        flow_condition_dropout: Share of the copies that are trained without their context, for `guidance_scale`.
        flow_guided: Whether the guidance scale is an input of the network (arXiv 2210.03142, stage 1), so that guidance
            costs no second evaluation. [`pixel_ar.training.FlowDistillationTrainer`] makes such a head.
        flow_scale_range: The scales that such a head was trained for.
        flow_steps: Steps from noise to a patch in `generate`, unless `pixel_steps` says otherwise.
        flow_pixel_mean: Mean of the pixel values in [0, 1] that the head writes, which it standardises.
        flow_pixel_std: Their standard deviation.
        patch_loss_reduction: `"patch"`, the mean over the labelled patches of a batch; `"sample"`, the mean over the
            patches of each row, then over the rows (PIXAR). `None` for `"sample"` with the bernoulli head, else
            `"patch"`.
        patch_loss_weight: Factor of the patch loss in `loss`.
        token_loss_weight: Factor of the token loss in `loss`.
        vocab_size: Size of the tokenizer's vocabulary. Setting it adds a token embedding and a token head (MonoGPT,
            DualGPT); `None` for models of pixels alone.
        pad_token_id: Token that fills short rows.
        bos_token_id: Token that begins a text; `generate` puts it between patches and the tokens that follow them.
        eos_token_id: Token that ends a text.
        predict_across_modalities: Whether the first token after patches, and the first patch after tokens, is a
            target. PixelGPT: no; a token text begins with its `bos_token_id`, a strip with an EOS patch, as given.
        page_positions: Rows and columns of the largest page that may stand before a sequence (`page_values`): the sizes
            of two tables, of which a vector for the row and one for the column of each patch are added to its
            embedding. `None`: no pages.
        prefix_attention: `"causal"`, or `"bidirectional"`: the patches of a page all see each other. What follows is
            causal in any case, and sees the whole page.
        reading_slots: Characters of a page's patch that a reading head tells from its state; 0 for no such head.
        dense_reading_weight: Factor of its loss in `loss`, where `reading_targets` are passed.
        classifier_bias: Whether the classification layer has a bias (PIXAR: yes, PixelGPT: no).
        classifier_pooling: State that is classified: `"last"`, of the last attended position; `"mean"`, over the
            attended positions; `"pixelgpt_pair"`, as PixelGPT's released code does for pairs, where a row without
            token padding takes its last patch position.
    """

    model_type = "pixel_ar"
    keys_to_ignore_at_inference = [
        "cache",
        "past_key_values",
        "logits",
        "patch_logits",
        "patch_loss",
        "token_loss",
    ]
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
    initializer_range: float = 0.02
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
    head_num_layers: int | None = None
    head_num_attention_heads: int = 4
    head_group_columns: int | None = None
    head_byte_embedding_size: int = 32
    head_byte_hidden_size: int | None = None
    head_num_glyphs: int = 0
    dictionary_size: int | None = None
    dictionary_parts: int = 1
    dictionary_sha256: str | None = None
    dictionary_frequent_entries: int = 2048
    dictionary_sampled_entries: int | None = None
    memory_dropout: float = 0.1
    norm_pix_loss: bool = False
    regression_output_range: Literal["unit", "signed"] = "unit"
    flow_prediction: Literal["x", "v"] = "x"
    flow_draws: int = 4
    flow_time_mean: int | float = -0.4
    flow_time_std: int | float = 1.0
    flow_condition_dropout: int | float = 0.1
    flow_guided: bool = False
    flow_scale_range: tuple[int | float, ...] | list[int | float] = (1.0, 4.0)
    flow_steps: int = 16
    flow_pixel_mean: int | float = 0.85
    flow_pixel_std: int | float = 0.3
    patch_loss_reduction: Literal["patch", "sample"] | None = None
    patch_loss_weight: int | float = 1.0
    token_loss_weight: int | float = 1.0
    vocab_size: int | None = None
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    predict_across_modalities: bool = False
    page_positions: tuple[int, ...] | list[int] | None = None
    prefix_attention: Literal["causal", "bidirectional"] = "causal"
    reading_slots: int = 0
    dense_reading_weight: int | float = 1.0
    classifier_bias: bool = False
    classifier_pooling: Literal["last", "mean", "pixelgpt_pair"] = "last"

    def __post_init__(self, **kwargs: Any) -> None:
        refuse_misspelt(kwargs, self)
        self._check_sizes(kwargs)
        for known in _DECLARED_HEADS[-1:]:
            if self.patch_head not in known:
                raise ValueError(
                    f"patch_head={self.patch_head!r} is not registered{nearest(self.patch_head, known)}; choose one of "
                    f"{sorted(known)} or add a PatchHead subclass to PATCH_HEADS."
                )
        self.patch_size = tuple(self.patch_size)
        if self.page_positions is not None:
            self.page_positions = tuple(self.page_positions)
        if self.num_key_value_heads is None:
            self.num_key_value_heads = self.num_attention_heads
        if self.head_dim is None:
            self.head_dim = self.hidden_size // self.num_attention_heads
        self.flow_scale_range = tuple(self.flow_scale_range)
        if self.head_num_layers is None:
            self.head_num_layers = FLOW_LAYERS if self.patch_head == "flow" else 0
        if self.head_hidden_size is None and self.patch_head == "flow":
            self.head_hidden_size = FLOW_WIDTH
        if self.head_hidden_size is None:
            heads = self.head_num_attention_heads
            widest = 192 if self.head_num_layers else 512
            self.head_hidden_size = max(min(widest, self.hidden_size) // heads, 1) * heads
        if self.head_byte_hidden_size is None:
            self.head_byte_hidden_size = min(128, self.head_hidden_size)
        if self.head_intermediate_size is None:
            # Rounded up to a multiple of 64, as Llama does, so that matrix kernels stay on their fast path.
            self.head_intermediate_size = -(-8 * self.head_hidden_size // 3 // 64) * 64
        if self.head_group_columns is None:
            self.head_group_columns = self._default_group_columns()
        if self.patch_loss_reduction is None:
            self.patch_loss_reduction = "sample" if self.patch_head == "bernoulli" else "patch"
        super().__post_init__(**kwargs)

    def _check_sizes(self, kwargs: dict[str, Any]) -> None:
        """Sizes of a configuration that may be anyone's, before anything as large as they say is made."""
        if len(self.patch_size) != 2 or min(self.patch_size) < 1:
            raise ValueError(
                f"patch_size must be two positive integers (height, width), got {self.patch_size}."
            )
        check_classes(kwargs, self)
        sizes = {field.name: getattr(self, field.name) for field in fields(self)}
        sizes |= {"patch_size": max(self.patch_size), "page_positions": max(self.page_positions or (1,))}
        limits = {"num_hidden_layers": MAX_LAYERS, "head_num_layers": MAX_LAYERS}
        for name, size in sizes.items():
            if type(size) is int:
                check_limit(size, limits.get(name, MAX_CONFIG_SIZE), name)
        for name in POSITIVE:
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}.")
        inner = max(self.intermediate_size or 0, self.vocab_size or 0, self.hidden_size)
        weights = self.hidden_size * inner * self.num_hidden_layers
        check_limit(weights, MAX_PARAMETERS, "weights of the layers that config.json declares")

    def _default_group_columns(self) -> int:
        """The whole patch (or part) without decoder layers, else the largest divisor of its width up to 5 columns."""
        width = self.part_size[1]
        if self.head_num_layers == 0:
            return width
        return max(size for size in range(1, 6) if width % size == 0)

    @classmethod
    def from_preset(cls, name: str, **overrides: Any) -> "PixelARConfig":
        """The configuration of a published model, or of one of ours.

        Args:
            name: a key of `CONFIG_PRESETS`, such as `"pixar-113m"` or `"dualgpt-350m"`.
            overrides: fields that shall differ.

        Raises:
            ValueError: for an unknown name, listing the known ones.
        """
        if name not in CONFIG_PRESETS:
            raise ValueError(f"unknown preset {name!r}; known presets: {', '.join(CONFIG_PRESETS)}.")
        return cls(**{**CONFIG_PRESETS[name], **overrides})

    @classmethod
    def register_for_auto_class(cls, auto_class: str = "AutoConfig") -> None:
        """As in Transformers, for classes outside the installed package; see `pixel_ar.export_remote_code`."""
        refuse_registration(cls)
        super().register_for_auto_class(auto_class)

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

    @property
    def part_size(self) -> tuple[int, int]:
        """Rows and columns of an entry of the dictionary: the patch, or one of its `dictionary_parts`."""
        return self.patch_size[0], self.patch_size[1] // self.dictionary_parts

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
        for name in ("initializer_range", "memory_dropout"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in 0 to 1, got {getattr(self, name)}.")
        refuse_unknown("hidden_act", self.hidden_act, ACT2FN)
        if self.pixel_std <= 0:
            raise ValueError(f"pixel_std must be positive, got {self.pixel_std}.")
        if self.num_channels not in (1, 3):
            raise ValueError(f"num_channels must be 1 or 3, got {self.num_channels}.")
        if self.patch_head == "bernoulli" and self.norm_pix_loss:
            raise ValueError("norm_pix_loss=True belongs to patch_head='regression', not to 'bernoulli'.")
        self._validate_tokens()
        self._validate_pages()
        self._validate_dictionary()
        if self.patch_head in ("autoregressive", "dictionary"):
            self._validate_autoregressive_head()
        self._validate_flow()

    def _validate_flow(self) -> None:
        """The flow head's fields, whatever the head: a wrong value is a mistake in any case."""
        if self.patch_head == "flow" and (self.head_num_layers or 0) < 1:
            raise ValueError(
                f"patch_head='flow' needs at least one block, got head_num_layers={self.head_num_layers}."
            )
        for name in ("flow_draws", "flow_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("flow_time_std", "flow_pixel_std"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}.")
        for name in ("flow_time_mean", "flow_pixel_mean"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} must be a finite number, got {getattr(self, name)}.")
        if not 0 <= self.flow_condition_dropout < 1:
            raise ValueError(f"flow_condition_dropout must lie in [0, 1), got {self.flow_condition_dropout}.")
        scales = tuple(self.flow_scale_range)
        if len(scales) != 2 or not 0 <= scales[0] < scales[1] < math.inf:
            raise ValueError(
                f"flow_scale_range must be two rising numbers that are not negative, got {scales}."
            )
        if self.flow_guided and self.patch_head != "flow":
            raise ValueError(f"flow_guided=True belongs to patch_head='flow', not to {self.patch_head!r}.")

    def _validate_dictionary(self) -> None:
        if self.patch_head == "dictionary" and not (self.dictionary_size and self.dictionary_size > 0):
            raise ValueError(
                f"patch_head='dictionary' needs a positive dictionary_size, got {self.dictionary_size}; take it from "
                "PatchDictionary.config_fields()."
            )
        if self.patch_head != "dictionary" and self.dictionary_size is not None:
            raise ValueError(
                f"dictionary_size={self.dictionary_size} belongs to patch_head='dictionary', not to "
                f"{self.patch_head!r}."
            )
        if self.dictionary_parts > 1 and self.patch_head != "dictionary":
            raise ValueError(
                f"dictionary_parts={self.dictionary_parts} belongs to patch_head='dictionary', not to "
                f"{self.patch_head!r}."
            )
        if self.patch_size[1] % self.dictionary_parts:
            raise ValueError(
                f"dictionary_parts ({self.dictionary_parts}) does not divide the patch width ({self.patch_size[1]})."
            )
        if self.head_num_glyphs < 0 or self.dictionary_frequent_entries < 0:
            raise ValueError(
                f"head_num_glyphs ({self.head_num_glyphs}) and dictionary_frequent_entries "
                f"({self.dictionary_frequent_entries}) must not be negative."
            )
        if self.dictionary_sampled_entries is not None and self.dictionary_sampled_entries < 1:
            raise ValueError(
                f"dictionary_sampled_entries must be positive, or None for all entries, got "
                f"{self.dictionary_sampled_entries}."
            )

    def _validate_pages(self) -> None:
        sides = self.page_positions
        if sides is not None and (len(sides) != 2 or min(sides) < 1):
            raise ValueError(f"page_positions must be two positive integers (rows, columns), got {sides}.")
        if sides is None and (self.prefix_attention != "causal" or self.reading_slots):
            raise ValueError(
                f"prefix_attention={self.prefix_attention!r} and reading_slots={self.reading_slots} are about pages: "
                "set page_positions=(rows, columns)."
            )
        if self.reading_slots < 0 or self.dense_reading_weight < 0:
            raise ValueError(
                f"reading_slots ({self.reading_slots}) and dense_reading_weight ({self.dense_reading_weight}) must not "
                "be negative."
            )
        if self.reading_slots and self.vocab_size is None:
            raise ValueError("reading_slots need a vocab_size: characters are told as tokens.")
        check_limit(
            self.reading_slots * (self.vocab_size or 0), MAX_CONFIG_SIZE, "outputs of the reading head"
        )

    def _validate_tokens(self) -> None:
        if self.vocab_size is None:
            if self.tie_word_embeddings:
                raise ValueError("tie_word_embeddings=True needs a vocab_size: there are no tokens to tie.")
            return
        if self.vocab_size < 1:
            raise ValueError(f"vocab_size must be positive, or None for no tokens, got {self.vocab_size}.")
        eos = self.eos_token_id if isinstance(self.eos_token_id, list) else [self.eos_token_id]
        for name, values in (("pad", [self.pad_token_id]), ("bos", [self.bos_token_id]), ("eos", eos)):
            for value in values:
                if value is not None and not 0 <= value < self.vocab_size:
                    raise ValueError(
                        f"{name}_token_id ({value}) lies outside the vocabulary of {self.vocab_size} tokens."
                    )

    def _validate_autoregressive_head(self) -> None:
        height, width = self.part_size
        if self.num_channels != 1:
            raise ValueError(
                f"patch_head={self.patch_head!r} writes 1-bit columns and needs num_channels=1, got "
                f"{self.num_channels}; use patch_head='regression', 'flow' or 'bernoulli' for strips in colour, or a "
                "processor with mode='1'."
            )
        if height % 8 != 0:
            raise ValueError(
                f"patch_head={self.patch_head!r} writes bytes of eight rows and needs a patch height that is a "
                f"multiple of 8, got {height}."
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


__all__ = ["PixelARConfig", "declare_patch_heads"]
