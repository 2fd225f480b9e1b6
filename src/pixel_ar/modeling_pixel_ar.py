# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Decoder-only transformers over patches of rendered text.

The decoder is Llama's (RMSNorm, rotary positions, SwiGLU, grouped-query attention), as in PIXAR (arXiv 2401.03321) and
PixelGPT (arXiv 2404.10710), so its layers come from transformers with every attention kernel they support. What is
ours: patches in through a projection, patches out through a patch head, and exact likelihoods of text.

Shapes: B batch, C channels, H strip height, W strip width, T patches, P values per patch, D hidden size.
"""

from dataclasses import dataclass

import torch
from torch import nn
from transformers import initialization as init
from transformers.cache_utils import Cache, DynamicCache
from transformers.masking_utils import create_causal_mask
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.modeling_utils import PreTrainedModel
from transformers.models.llama.modeling_llama import (
    LlamaAttention,
    LlamaDecoderLayer,
    LlamaRMSNorm,
    LlamaRotaryEmbedding,
)
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs, can_return_tuple, logging
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .configuration_pixel_ar import PixelARConfig
from .generation_pixel_ar import PixelGenerationMixin
from .heads_pixel_ar import CausalSlotLinear, SlotLinear, build_patch_head
from .patching_pixel_ar import check_strip_shape, patchify, to_unit_range

logger = logging.get_logger(__name__)


@dataclass
class PixelARCausalLMOutput(ModelOutput):
    """Output of [`PixelARForCausalLM`].

    Attributes:
        loss: weighted sum of the losses; only with `labels`.
        patch_loss: mean negative log-probability of the labelled patches, nats per patch.
        token_loss: always `None` here; dual-head models fill it.
        logits: the patch logits (pixel-only models have no others).
        patch_logits: `[B, T, 256]` for the autoregressive head: logits of the first byte of patch t + 1.
        past_key_values: the cache.
        hidden_states: one `[B, T, D]` per layer, on request.
        attentions: one `[B, heads, T, T]` per layer, on request.
    """

    loss: torch.Tensor | None = None
    patch_loss: torch.Tensor | None = None
    token_loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    patch_logits: torch.Tensor | None = None
    past_key_values: Cache | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None


class PixelARPatchEmbedding(nn.Module):
    """Pixels to embeddings: normalise, cut into patches, project.

    With `patch_embedding_hidden_size` a SiLU layer stands before the projection; with `patch_embedding_norm` a
    LayerNorm follows it (PixelGPT, arXiv 2404.10710).
    """

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__()
        self.patch_size = (config.patch_size[0], config.patch_size[1])
        self.num_channels = config.num_channels
        self.pixel_mean = float(config.pixel_mean)
        self.pixel_std = float(config.pixel_std)
        hidden_size = config.patch_embedding_hidden_size
        self.hidden = None if hidden_size is None else nn.Linear(config.patch_length, hidden_size)
        in_features = config.patch_length if hidden_size is None else hidden_size
        self.projection = nn.Linear(in_features, config.hidden_size, bias=config.patch_embedding_bias)
        self.norm = nn.LayerNorm(config.hidden_size) if config.patch_embedding_norm else None

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """`[B, C, H, W]` in [0, 1] or uint8 to `[B, T, D]`.

        Raises:
            ValueError: for strips of another shape than the configuration's.
        """
        check_strip_shape(pixel_values, self.patch_size, self.num_channels)
        patches = patchify(to_unit_range(pixel_values), self.patch_size)
        states = ((patches - self.pixel_mean) / self.pixel_std).to(self.projection.weight.dtype)
        if self.hidden is not None:
            states = nn.functional.silu(self.hidden(states))
        states = self.projection(states)
        return states if self.norm is None else self.norm(states)


class PixelARPreTrainedModel(PreTrainedModel):
    """Loading, saving and initialisation shared by all pixel_ar models."""

    config: PixelARConfig
    base_model_prefix = "model"
    main_input_name = "pixel_values"
    input_modalities = ("image",)
    supports_gradient_checkpointing = True
    _no_split_modules = ["LlamaDecoderLayer"]
    _skip_keys_device_placement = ["past_key_values"]
    _supports_flash_attn = True
    _supports_sdpa = True
    _supports_flex_attn = True
    _can_compile_fullgraph = True
    _supports_attention_backend = True
    _input_embed_layer = "embed_patches"
    _can_record_outputs = {"hidden_states": LlamaDecoderLayer, "attentions": LlamaAttention}

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, SlotLinear):
            init.normal_(module.weight, mean=0.0, std=self.config.initializer_range)
            init.zeros_(module.bias)
        elif isinstance(module, CausalSlotLinear):
            init.normal_(module.weight, mean=0.0, std=self.config.initializer_range)


class PixelARModel(PixelARPreTrainedModel):
    """The decoder without a head: strips in, hidden states out."""

    # A checkpoint with a head loads into the bare decoder without a report of its head being left over.
    _keys_to_ignore_on_load_unexpected = [r"^patch_head\."]

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__(config)
        self.embed_patches = PixelARPatchEmbedding(config)
        self.layers = nn.ModuleList(
            [LlamaDecoderLayer(config, index) for index in range(config.num_hidden_layers)]
        )
        self.norm = LlamaRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.rotary_emb = LlamaRotaryEmbedding(config)
        self.gradient_checkpointing = False
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPast:
        r"""Runs the decoder.

        Args:
            pixel_values: `[B, C, H, W]` strips, float in [0, 1] (1 = background) or uint8 0..255; W = T * patch width.
            attention_mask: `[B, T]`, or `[B, cached + T]` with a cache; 1 = patch, 0 = padding.
            position_ids: `[B, T]`; defaults to 0, 1, ... after the cached positions.
            past_key_values: cache of earlier patches.
            inputs_embeds: `[B, T, D]` in place of `pixel_values`.
            use_cache: return a cache.

        Returns:
            `last_hidden_state` `[B, T, D]` after the final norm, and the cache.

        Raises:
            ValueError: if not exactly one input is given, or for strips or masks that do not fit.
        """
        if (pixel_values is None) == (inputs_embeds is None):
            raise ValueError("Pass exactly one of pixel_values and inputs_embeds.")
        if inputs_embeds is None:
            inputs_embeds = self.embed_patches(pixel_values)
        check_mask_length(attention_mask, inputs_embeds.shape[1], past_key_values is not None)
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        past_length = past_key_values.get_seq_length() if past_key_values is not None else 0
        if position_ids is None:
            position_ids = (torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device) + past_length)[
                None
            ]
        causal_mask = create_causal_mask(
            config=self.config,
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
            position_ids=position_ids,
        )
        hidden_states = inputs_embeds
        position_embeddings = self.rotary_emb(hidden_states, position_ids=position_ids)
        for decoder_layer in self.layers:
            hidden_states = decoder_layer(
                hidden_states,
                attention_mask=causal_mask,
                position_embeddings=position_embeddings,
                position_ids=position_ids,
                past_key_values=past_key_values,
                use_cache=use_cache,
                **kwargs,
            )
        return BaseModelOutputWithPast(
            last_hidden_state=self.norm(hidden_states), past_key_values=past_key_values
        )


class PixelARForCausalLM(PixelARPreTrainedModel, PixelGenerationMixin):
    """A decoder with a patch head: predicts the next patch, scores strips, generates."""

    # The loss divides by `num_items_in_batch`, so Trainer may pass it.
    accepts_loss_kwargs = True

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__(config)
        self.model = PixelARModel(config)
        self.patch_head = build_patch_head(config)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        num_columns: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        skip_logits: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> PixelARCausalLMOutput:
        r"""Predicts patch t + 1 at position t.

        Args:
            pixel_values: `[B, C, H, W]` strips, float in [0, 1] (1 = background) or uint8 0..255.
            attention_mask: `[B, T]`; 1 = patch, 0 = padding. Padding is never a target.
            position_ids: `[B, T]`.
            past_key_values: cache of earlier patches.
            inputs_embeds: `[B, T, D]` in place of `pixel_values`; the loss still needs `pixel_values`.
            labels: integer `[B, T]`; -100 = patch is no target, any other value = it is. The target itself is always
                the patch in `pixel_values`.
            use_cache: return a cache.
            logits_to_keep: compute logits for the last so many positions, or for these indices; 0 = all.
            num_columns: `[B]`, accepted so that a processor's whole output can be passed; only `generate` and
                `log_likelihood` use it.
            num_items_in_batch: number of labelled patches over all accumulated batches, from Trainer.
            skip_logits: leave `logits` at `None`. Default: only in training with labels, where a step needs the loss
                alone; pass `False` for a loss of your own on the logits.

        Raises:
            ValueError: for labels that are not integers `[B, T]`, or strips and masks that do not fit.
        """
        outputs: BaseModelOutputWithPast = self.model(
            pixel_values=pixel_values,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        hidden_states = outputs.last_hidden_state
        loss = patch_loss = None
        if labels is not None:
            patch_loss = self._patch_loss(
                hidden_states, pixel_values, attention_mask, labels, num_items_in_batch
            )
            loss = self.config.patch_loss_weight * patch_loss
        logits = None
        if not (self.training and labels is not None if skip_logits is None else skip_logits):
            kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
            logits = self.patch_head.logits(hidden_states[:, kept])
        return PixelARCausalLMOutput(
            loss=loss,
            patch_loss=patch_loss,
            logits=logits,
            patch_logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    def _patch_loss(
        self,
        hidden_states: torch.Tensor,
        pixel_values: torch.Tensor | None,
        attention_mask: torch.Tensor | None,
        labels: torch.Tensor,
        num_items_in_batch: torch.Tensor | int | None,
    ) -> torch.Tensor:
        """Mean over the labelled patches, or their sum over `num_items_in_batch`; a scalar."""
        if pixel_values is None:
            raise ValueError("labels need pixel_values: the targets are the patches themselves.")
        check_labels(labels, hidden_states.shape[:2])
        is_target = labels[:, 1:] != -100
        if attention_mask is not None and attention_mask.dim() == 2:
            is_target = is_target & (attention_mask[:, 1:] != 0).to(is_target.device)
        patches = patchify(to_unit_range(pixel_values), self.patch_head.patch_size)[:, 1:]
        nats = self.patch_head.loss(hidden_states[:, :-1].flatten(0, 1), patches.flatten(0, 1))
        is_target = is_target.to(nats.device)  # a split model may have put them elsewhere
        total = torch.where(is_target.flatten(), nats, torch.zeros_like(nats)).sum()
        if num_items_in_batch is None:
            return total / is_target.sum().clamp(min=1)
        if isinstance(num_items_in_batch, torch.Tensor):
            num_items_in_batch = num_items_in_batch.to(total.device)
        return total / num_items_in_batch

    def log_likelihood(
        self,
        pixel_values: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        num_columns: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Exact log-probability of strips.

        The first attended patch of a row is given, not scored, as the first token is in causal language models. Render
        with `add_start=True` to put an EOS patch (a document boundary) there, so that all of the text is scored.

        Args:
            pixel_values: `[B, C, H, W]` strips.
            attention_mask: `[B, T]`; `None` if no row is padded.
            num_columns: `[B]` valid pixel columns of a row from its first attended patch on; the columns after them are
                not scored. `None` for all columns of the attended patches.

        Returns:
            `[B]` nats, float32. Differentiable; wrap in `torch.no_grad()` to score only.
        """
        outputs = self.model(pixel_values=pixel_values, attention_mask=attention_mask, use_cache=False)
        patches = patchify(to_unit_range(pixel_values), self.patch_head.patch_size)
        batch, count = patches.shape[:2]
        mask = patches.new_ones(batch, count, dtype=torch.bool)
        if attention_mask is not None:
            mask = attention_mask.to(torch.bool)
        columns = self._columns_per_patch(mask, num_columns)
        row, position = torch.nonzero((columns[:, 1:] > 0) & mask[:, :-1], as_tuple=True)
        nats = self.patch_head.log_prob(
            outputs.last_hidden_state[row, position], patches[row, position + 1], columns[row, position + 1]
        )
        return nats.new_zeros(batch).index_add(0, row, nats)

    def _columns_per_patch(self, mask: torch.Tensor, num_columns: torch.Tensor | None) -> torch.Tensor:
        """How many columns of each patch count, `[B, T]`: all of an attended patch but those past `num_columns`."""
        width = self.patch_head.patch_size[1]
        if num_columns is None:
            return mask * width
        attended_before = mask.cumsum(-1) - mask.to(torch.int64)
        return (num_columns[:, None].to(mask.device) - attended_before * width).clamp(0, width) * mask


def check_mask_length(attention_mask: torch.Tensor | None, num_patches: int, has_cache: bool) -> None:
    """Checks a 2D mask against the number of patches.

    Raises:
        ValueError: naming both lengths.
    """
    if attention_mask is None or attention_mask.dim() != 2:
        return
    length = attention_mask.shape[1]
    # With a cache the mask covers earlier patches too (and a static cache's free places).
    if length < num_patches or (length > num_patches and not has_cache):
        raise ValueError(
            f"attention_mask covers {length} patches, but the strips hold {num_patches}; pass one value per patch "
            "(PixelProcessor returns a fitting mask)."
        )


def check_labels(labels: torch.Tensor, shape: torch.Size) -> None:
    """Checks labels for the causal model.

    Raises:
        ValueError: for floating point labels or another shape than `[B, T]`.
    """
    if labels.is_floating_point():
        raise ValueError(
            f"labels must be integers [batch, patches] (-100 = no target), got {labels.dtype}; pixel targets are taken "
            "from pixel_values."
        )
    if labels.shape != shape:
        raise ValueError(
            f"labels have shape {tuple(labels.shape)}, but the strips hold {tuple(shape)} patches."
        )


__all__ = ["PixelARCausalLMOutput", "PixelARForCausalLM", "PixelARModel", "PixelARPreTrainedModel"]
