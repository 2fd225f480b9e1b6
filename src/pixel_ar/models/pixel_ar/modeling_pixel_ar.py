# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Decoder-only transformers over patches of rendered text.

The decoder is Llama's (RMSNorm, rotary positions, SwiGLU, grouped-query attention), as in PIXAR (arXiv 2401.03321) and
PixelGPT (arXiv 2404.10710); see `layers`. Patches go in through a projection and out through a patch head, with exact
likelihoods of text. With a `vocab_size`, tokens go in and out of the same decoder (MonoGPT and DualGPT of the same
paper).

Shapes: B batch, C channels, H strip height, W strip width, U patches, L tokens, T = U + L positions, P values per
patch, D hidden size, V vocabulary.
"""

from typing import Any

import torch
import torch.distributed
from torch import nn
from transformers import Cache, DynamicCache, PreTrainedModel, logging

from ...modalities import IGNORED_LABEL, PATCH, TOKEN
from ...transformers_internals import causal_mask, init
from .checks import (
    CheckpointMixin,
    are_integers,
    check_positions,
    refuse_nan_pixels,
    refuse_nan_scores,
    require_tensors,
)
from .configuration_pixel_ar import PixelARConfig
from .dictionary import PatchDictionary, PatchMemory, hash_entries
from .generation.generation_pixel_ar import PixelGenerationMixin
from .heads.autoregressive import CausalSlotLinear, SlotLinear
from .heads.dictionary import EntryScores
from .heads.flow_network import FlowBlock, FlowNetwork
from .heads.parts import entry_head
from .heads.registry import build_patch_head
from .labels import can_look_at, check_labels
from .layers import DecoderLayer, RMSNorm, RotaryPositions
from .outputs import PixelARCausalLMOutput, PixelARModelOutput, one_cache, tuple_on_request
from .pages import PagePositions, page_mask, page_rows, put_page_before, sees_whole_page
from .patching import check_strip_shape, patchify, split_patches, to_unit_range
from .quantization import spare_inputs_and_outputs
from .sequences import (
    check_mask_length,
    merge_embeddings,
    ranks,
    reduce_loss,
    resolve_modalities,
    target_mask,
)

logger = logging.get_logger(__name__)

# Trainer hands its own loss the logits alone; its label smoothing would take the values of a patch for classes.
LABELS_TAKEN = (
    "num_items_in_batch without labels: a patch has no classes to smooth. Set label_smoothing_factor=0, or for a "
    "compute_loss_func of your own on the logits model.accepts_loss_kwargs = False."
)

MEMORY_INIT = 0.02
QUERY_INIT = 0.1


class PixelARPatchEmbedding(nn.Module):
    """Pixels to embeddings: normalise, cut into patches, project.

    With `patch_embedding_hidden_size` a SiLU layer stands before the projection; with `patch_embedding_norm` a
    LayerNorm follows it (PixelGPT, arXiv 2404.10710). With a patch dictionary, what is remembered of a patch is added;
    with `dictionary_parts`, each part of a patch has a vector of its own, and a linear map joins them.
    """

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__()
        self.patch_size = (config.patch_size[0], config.patch_size[1])
        self.num_channels = config.num_channels
        self.pixel_mean = float(config.pixel_mean)
        self.pixel_std = float(config.pixel_std)
        self.num_parts = config.dictionary_parts
        hidden_size = config.patch_embedding_hidden_size
        part_length = config.patch_length // self.num_parts
        self.hidden = None if hidden_size is None else nn.Linear(part_length, hidden_size)
        in_features = part_length if hidden_size is None else hidden_size
        self.projection = nn.Linear(in_features, config.hidden_size, bias=config.patch_embedding_bias)
        self.norm = nn.LayerNorm(config.hidden_size) if config.patch_embedding_norm else None
        self.memory = PatchMemory(config) if config.patch_head == "dictionary" else None
        self.join: nn.Linear | None = None
        if self.num_parts > 1:
            self.join = nn.Linear(self.num_parts * config.hidden_size, config.hidden_size, bias=False)

    def forward(
        self, pixel_values: torch.Tensor | None = None, patches: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Strips `[B, C, H, W]` in [0, 1] or uint8, or patches `[B, T, P]` in [0, 1], to `[B, T, D]`.

        Raises:
            ValueError: for strips of another shape than the configuration's; on the CPU, outside training, also for NaN
                and infinite pixels.
        """
        if pixel_values is not None:
            check_strip_shape(pixel_values, self.patch_size, self.num_channels)
            if (
                not self.training
            ):  # there the loss shows them, on every device; FiniteLossTrainer names row and step
                refuse_nan_pixels(pixel_values)
            patches = patchify(to_unit_range(pixel_values), self.patch_size)
        if patches is None:
            raise ValueError("Pass pixel_values or patches.")
        if self.join is None:
            return self.vectors(patches)
        return self.join(self.vectors(split_patches(patches, self.patch_size, self.num_parts)).flatten(-2))

    def vectors(self, patches: torch.Tensor) -> torch.Tensor:
        """What is known of patches, or parts of them, `[..., P]` in [0, 1], each by itself: `[..., D]`."""
        states = self.embed(patches)
        return states if self.memory is None else states + self.memory(patches)

    def embed(self, patches: torch.Tensor) -> torch.Tensor:
        """What the pixels alone tell: patches, or parts of them, `[..., P]` in [0, 1] to `[..., D]`."""
        states = ((patches - self.pixel_mean) / self.pixel_std).to(self._compute_dtype())
        if self.hidden is not None:
            states = nn.functional.silu(self.hidden(states))
        states = self.projection(states)
        return states if self.norm is None else self.norm(states)

    def _compute_dtype(self) -> torch.dtype:
        """What the projection reads: its weight's type, unless that is packed (quantised) or hidden in a wrapper."""
        weight = self.projection.weight
        if isinstance(weight, torch.Tensor) and weight.is_floating_point():
            return weight.dtype
        bias = getattr(self.projection, "bias", None)
        return bias.dtype if isinstance(bias, torch.Tensor) else torch.float32


class PixelARPreTrainedModel(CheckpointMixin, PreTrainedModel):
    """Loading, saving and initialisation shared by all pixel_ar models."""

    config: PixelARConfig
    base_model_prefix = "model"
    main_input_name = "pixel_values"
    input_modalities = ("image",)
    supports_gradient_checkpointing = True
    _no_split_modules = ["DecoderLayer"]
    _skip_keys_device_placement = ["cache", "past_key_values"]
    _supports_flash_attn = True
    _supports_sdpa = True
    _supports_flex_attn = True
    _can_compile_fullgraph = True
    _supports_attention_backend = True
    _input_embed_layer = "embed_patches"

    def __init__(self, config: PixelARConfig, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        if config.vocab_size is not None:
            self._input_embed_layer = "embed_tokens"  # what resizing a vocabulary and tying weights mean

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """As in Transformers. A `quantization_config` leaves alone what reads and writes pixels; see `quantization`.

        Raises:
            ValueError: for damaged files, and a configuration that no model has; names the checkpoint.
        """
        if kwargs.get("quantization_config") is not None:
            kwargs["quantization_config"] = spare_inputs_and_outputs(kwargs["quantization_config"])
        return super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, SlotLinear):
            init.normal_(module.weight, mean=0.0, std=self.config.initializer_range)
            init.zeros_(module.bias)
        elif isinstance(module, CausalSlotLinear):
            init.normal_(module.weight, mean=0.0, std=self.config.initializer_range)
        elif isinstance(module, RMSNorm):
            init.ones_(module.weight)
        elif isinstance(module, RotaryPositions):
            inv_freq, module.attention_scaling = module.frequencies()
            init.copy_(module.inv_freq, inv_freq)
            init.copy_(module.original_inv_freq, inv_freq)
        elif isinstance(module, PatchMemory):
            init.normal_(module.embedding.weight, mean=0.0, std=MEMORY_INIT)
        elif isinstance(module, FlowBlock):
            init.zeros_(module.offsets)
        elif isinstance(module, FlowNetwork):
            module.reset_parameters()
        elif isinstance(module, EntryScores):
            # Scores begin small, whatever the size of the entries' vectors.
            init.copy_(module.query.weight, QUERY_INIT * torch.eye(self.config.hidden_size))
            init.zeros_(module.escape)
            init.zeros_(module.bias)


class PixelARModel(PixelARPreTrainedModel):
    """The decoder without a head: strips, tokens or both in, hidden states out."""

    # A checkpoint with a head loads into the bare decoder without a report of its head being left over.
    _keys_to_ignore_on_load_unexpected = [r"^patch_head\.", r"^token_head\.", r"^score\.", r"^qa_outputs\."]

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__(config)
        self.embed_patches = PixelARPatchEmbedding(config)
        self.page_positions = None if config.page_positions is None else PagePositions(config)
        self.embed_tokens: nn.Embedding | None = None
        if config.vocab_size is not None:
            self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size, config.pad_token_id)
        self.layers = nn.ModuleList(
            [DecoderLayer(config, index) for index in range(config.num_hidden_layers)]
        )
        self.norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.rotary_emb = RotaryPositions(config)
        self.gradient_checkpointing = False
        self.post_init()

    def embed(
        self,
        pixel_values: torch.Tensor | None = None,
        input_ids: torch.Tensor | None = None,
        modality_ids: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What the first layer reads.

        Args:
            pixel_values: `[B, C, H, W]` strips of U patches.
            input_ids: `[B, L]` tokens.
            modality_ids: `[B, T]` (0 token, 1 patch); the k-th patch position of a row takes its k-th patch, likewise
                for tokens. `None` for patches then tokens.

        Returns:
            Embeddings `[B, T, D]` and the modality of every position `[B, T]`.

        Raises:
            ValueError: if neither input is given, for tokens without a `vocab_size` or outside it, or for inputs that
                do not fit each other.
        """
        require_tensors(pixel_values=pixel_values, input_ids=input_ids, modality_ids=modality_ids)
        if pixel_values is None and input_ids is None:
            raise ValueError("Pass pixel_values, input_ids or both (or inputs_embeds alone).")
        patches = None if pixel_values is None else self.embed_patches(pixel_values)
        tokens = None if input_ids is None else self._embed_ids(input_ids)
        given = [part for part in (patches, tokens) if part is not None]
        if len(given) == 2 and len(given[0]) != len(given[1]):
            raise ValueError(
                f"pixel_values hold {len(given[0])} rows, but input_ids {len(given[1])}; pass as many of both."
            )
        num_patches, num_tokens = (0 if part is None else part.shape[1] for part in (patches, tokens))
        resolved = resolve_modalities(
            num_patches, num_tokens, modality_ids, given[0].shape[0], given[0].device
        )
        if patches is None or tokens is None:
            if resolved.shape[1] != given[0].shape[1]:
                raise ValueError(
                    f"modality_ids cover {resolved.shape[1]} positions, but {given[0].shape[1]} are given."
                )
            return given[0], resolved
        return merge_embeddings(patches, tokens, modality_ids, resolved), resolved

    def _embed_ids(self, input_ids: torch.Tensor) -> torch.Tensor:
        if self.embed_tokens is None:
            raise ValueError(
                "input_ids need a model with tokens, and config.vocab_size is None; pass pixel_values, or use a "
                "dual-head checkpoint."
            )
        if input_ids.dim() != 2 or input_ids.dtype not in (torch.int64, torch.int32):
            raise ValueError(
                f"input_ids must be integers [batch, tokens], got {input_ids.dtype} of shape {tuple(input_ids.shape)}."
            )
        if not input_ids.numel():
            raise ValueError("input_ids are empty: pass at least one token, or leave them out.")
        if can_look_at(input_ids):
            size, (low, high) = self.embed_tokens.num_embeddings, input_ids.aminmax()
            if int(low) < 0 or int(high) >= size:
                wrong = int(low) if int(low) < 0 else int(high)
                raise ValueError(
                    f"input_ids hold {wrong}, which is no id of the vocabulary of {size} tokens."
                )
        return self.embed_tokens(input_ids)

    @tuple_on_request
    def forward(
        self,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        input_ids: torch.Tensor | None = None,
        modality_ids: torch.Tensor | None = None,
        cache: Cache | None = None,
        patches: torch.Tensor | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        page_values: torch.Tensor | None = None,
        page_attention_mask: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> PixelARModelOutput:
        r"""Runs the decoder.

        Args:
            pixel_values: `[B, C, H, W]` strips, float in [0, 1] (1 = background) or uint8 0..255; W = U * patch width.
            attention_mask: `[B, T]`, or `[B, cached + T]` with a cache; 1 = patch or token, 0 = padding. It covers the
                whole sequence in its order.
            position_ids: `[B, T]`; defaults to 0, 1, ... after the cached positions, padding counted.
            past_key_values: the older name of `cache`.
            inputs_embeds: `[B, T, D]` in place of `pixel_values` and `input_ids`.
            use_cache: return a cache.
            input_ids: `[B, L]` tokens, for models with a `vocab_size`.
            modality_ids: `[B, T]`, 0 = token, 1 = patch, where both are given and not in the order patches, tokens.
            cache: of earlier positions.
            patches: `[B, T, P]` in [0, 1], strips that are cut already, in place of all other inputs.
            output_hidden_states: return the states between the layers.
            output_attentions: return the attention weights.
            page_values: `[B, C, R * H, W]`, a page before the sequence, for models with `page_positions`. It may be
                alone. All else is about the sequence after it, masks included. Where the cache holds the page, it is
                not read again.
            page_attention_mask: `[B, S]`, 1 = patch of the page, 0 = padding.
            kwargs: passed on to the attention function.

        Returns:
            `last_hidden_state` `[B, T, D]` after the final norm, `page_hidden_state` `[B, S, D]` of a page that was
            read, and the cache.

        Raises:
            ValueError: if not exactly one kind of input is given, or for strips, ids or masks that do not fit.
        """
        require_tensors(attention_mask=attention_mask, position_ids=position_ids, inputs_embeds=inputs_embeds)
        if patches is not None:
            inputs_embeds = self.embed_patches(patches=patches)
        elif page_values is not None and pixel_values is None and input_ids is None and inputs_embeds is None:
            inputs_embeds = self._nothing(page_values)
        elif (pixel_values is None and input_ids is None) == (inputs_embeds is None):
            raise ValueError("Pass exactly one of pixel_values (and input_ids) and inputs_embeds.")
        if inputs_embeds is None:
            inputs_embeds, _ = self.embed(pixel_values, input_ids, modality_ids)
        cache = one_cache(cache, past_key_values)
        check_mask_length(attention_mask, inputs_embeds.shape, cache is not None)
        cache = self._cache(cache, use_cache)
        check_positions(position_ids, inputs_embeds.shape)
        or_rule, length = None, inputs_embeds.shape[1]
        if page_values is not None:
            page, mask_of_page = self._embed_page(page_values, page_attention_mask)
            joined = put_page_before(page, mask_of_page, inputs_embeds, attention_mask, position_ids, cache)
            inputs_embeds, attention_mask, position_ids, is_page = joined
            if is_page is not None and self.config.prefix_attention == "bidirectional":
                or_rule = sees_whole_page(is_page)
        if position_ids is None:
            past_length = 0 if cache is None else cache.get_seq_length()
            position_ids = (
                torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device)[None] + past_length
            )
        mask = causal_mask(self.config, inputs_embeds, attention_mask, cache, position_ids, or_rule)
        position_embeddings = self.rotary_emb(inputs_embeds, position_ids=position_ids)
        states: list[torch.Tensor] = []
        wants_states = self._wants(output_hidden_states, "output_hidden_states")
        attentions: list[torch.Tensor] | None = (
            [] if self._wants(output_attentions, "output_attentions") else None
        )
        if attentions is not None:
            kwargs["output_attentions"] = True  # attention functions that cannot warn about it
        hidden_states = inputs_embeds
        for layer in self.layers:
            states += [hidden_states] if wants_states else []
            hidden_states = layer(
                hidden_states,
                position_embeddings,
                attention_mask=mask,
                cache=cache,
                attentions=attentions,
                position_ids=position_ids,
                **kwargs,
            )
        hidden_states = self.norm(hidden_states)
        size = hidden_states.shape[1] - length
        return PixelARModelOutput(
            last_hidden_state=hidden_states[:, size:],
            page_hidden_state=hidden_states[:, :size] if size else None,
            cache=cache,
            hidden_states=(*states, hidden_states) if wants_states else None,
            attentions=None if attentions is None else tuple(attentions),
        )

    def _embed_page(
        self, page_values: torch.Tensor, given: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings of pages `[B, S, D]` with their places, and the mask `[B, S]`."""
        if self.page_positions is None:
            raise ValueError("page_values need a model for pages: set config.page_positions=(rows, columns).")
        require_tensors(page_values=page_values, page_attention_mask=given)
        height, width = self.config.patch_size
        states = self.embed_patches(page_rows(page_values, height))
        places = self.page_positions(page_values.shape[2] // height, page_values.shape[3] // width)
        return states + places, page_mask(page_values, given, (height, width))

    def _nothing(self, page_values: torch.Tensor) -> torch.Tensor:
        """No positions after a page: `[B, 0, D]`."""
        weight = self.norm.weight
        return weight.new_zeros(len(page_values), 0, self.config.hidden_size)

    def _cache(self, cache: Cache | None, use_cache: bool | None) -> Cache | None:
        """The cache to fill, if any: none where layers run once more in the backward pass."""
        use_cache = self.config.use_cache if use_cache is None else use_cache
        if self.gradient_checkpointing and self.training and torch.is_grad_enabled():
            if cache is not None:
                logger.warning_once("Gradient checkpointing runs layers twice, so the cache is left out.")
            return None
        return DynamicCache(config=self.config) if cache is None and use_cache else cache

    def _wants(self, asked: Any, name: str) -> bool:
        return bool(getattr(self.config, name, False) if asked is None else asked)


class PixelARForCausalLM(PixelARPreTrainedModel, PixelGenerationMixin):
    """A decoder with a patch head, and with a token head where `vocab_size` is set: predicts, scores, generates."""

    tp_plan: dict[str, str]

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__(config)
        self.model = PixelARModel(config)
        self.patch_head = build_patch_head(config)
        if (head := entry_head(self.patch_head)) is not None:
            head.connect(self.model.embed_patches)
        self.token_head: nn.Linear | None = None
        self.reading_head: nn.Linear | None = None
        if config.reading_slots:
            self.reading_head = nn.Linear(
                config.hidden_size, config.reading_slots * int(config.vocab_size or 0)
            )
        if config.vocab_size is not None:
            # Of the object, not of the class: without tokens there is nothing to tie.
            self._tied_weights_keys = {"token_head.weight": "model.embed_tokens.weight"}
            self.token_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()
        if "model.embed_tokens" in self.tp_plan:
            # Transformers splits the embedding by default: a head tied to it must be split as well.
            self.tp_plan = {**self.tp_plan, "token_head": "colwise_gather_output"}

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """As in Transformers; a checkpoint whose patch dictionary is not the one its configuration names is refused.

        Raises:
            ValueError: for another dictionary.
        """
        loaded = super().from_pretrained(*args, **kwargs)
        (loaded[0] if isinstance(loaded, tuple) else loaded)._check_dictionary()
        return loaded

    @torch.no_grad()
    def set_patch_dictionary(self, dictionary: PatchDictionary) -> None:
        """Gives a new model its dictionary; the scores of the entries begin with their frequencies.

        Args:
            dictionary: as large as `config.dictionary_size` and `config.head_num_glyphs` say; see
                [`PatchDictionary.config_fields`].

        Raises:
            ValueError: for a model with another head, or a dictionary of another size.
        """
        head, memory = entry_head(self.patch_head), self.model.embed_patches.memory
        if head is None or memory is None:
            raise ValueError(
                f"patch_head={self.config.patch_head!r} has no dictionary; build the model with "
                "PixelARConfig(**dictionary.config_fields(), ...)."
            )
        glyphs = head.escape.glyphs
        found = (len(dictionary.entries), len(dictionary.glyphs), tuple(dictionary.patch_size))
        wanted = (memory.num_entries, self.config.head_num_glyphs, self.config.part_size)
        if found != wanted:
            raise ValueError(
                f"the dictionary has (entries, glyphs, patch_size) = {found}, but the configuration {wanted}; build "
                "the model with PixelARConfig(**dictionary.config_fields(), ...)."
            )
        memory.fill(dictionary.entries)
        if glyphs is not None:
            glyphs.cells.copy_(torch.from_numpy(dictionary.glyphs.copy()))
        share = torch.from_numpy(dictionary.counts.astype("float64") + 1)
        head.scores.bias.copy_((share / share.sum()).log())
        self.config.dictionary_sha256 = dictionary.sha256

    def _check_dictionary(self) -> None:
        head, wanted = entry_head(self.patch_head), self.config.dictionary_sha256
        if head is None or head.memory.entries.device.type == "meta":
            return
        cells = None if head.escape.glyphs is None else head.escape.glyphs.cells
        empty = head.memory.entries[:0]
        found = hash_entries(
            head.memory.entries.cpu().numpy(), (empty if cells is None else cells).cpu().numpy()
        )
        if wanted is not None and found != wanted:
            raise ValueError(
                f"the checkpoint's patch dictionary has the sha256 {found[:12]}..., but its configuration names "
                f"{wanted[:12]}...; the weights and config.json belong to different models."
            )

    @property
    def accepts_loss_kwargs(self) -> bool:
        """Whether Trainer may pass the number of targets of all accumulated batches as the divisor of the loss.

        It fits where the loss is one mean over patches. A mean of rows, or the sum of two means, has no such divisor;
        Trainer then averages over the accumulated batches instead.
        """
        return self.config.vocab_size is None and self.config.patch_loss_reduction == "patch"

    def get_output_embeddings(self) -> nn.Module | None:
        """The token head, or `None` without one."""
        return self.token_head

    def set_output_embeddings(self, new_embeddings: nn.Linear) -> None:
        """Replaces the token head."""
        self.token_head = new_embeddings

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, *args: Any, **kwargs: Any
    ) -> nn.Embedding:
        """As [`PreTrainedModel.resize_token_embeddings`]; raises `ValueError` without a vocabulary."""
        if self.config.vocab_size is None:
            raise ValueError(
                f"resize_token_embeddings({new_num_tokens}): this model has no tokens (config.vocab_size is None); "
                "set vocab_size in the configuration to add them."
            )
        return super().resize_token_embeddings(new_num_tokens, *args, **kwargs)

    @tuple_on_request
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
        input_ids: torch.Tensor | None = None,
        modality_ids: torch.Tensor | None = None,
        cache: Cache | None = None,
        page_values: torch.Tensor | None = None,
        page_attention_mask: torch.Tensor | None = None,
        reading_targets: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> PixelARCausalLMOutput:
        r"""Predicts position t + 1 at position t.

        Args:
            pixel_values: `[B, C, H, W]` strips, float in [0, 1] (1 = background) or uint8 0..255.
            attention_mask: `[B, T]` over the whole sequence; 1 = patch or token, 0 = padding, never a target.
            position_ids: `[B, T]`.
            past_key_values: the older name of `cache`.
            inputs_embeds: `[B, T, D]` in place of `pixel_values` and `input_ids`; the loss still needs those.
            labels: integer `[B, T]`; -100 = no target. On token positions the token id, on patch positions any other
                value: the target itself is always the patch in `pixel_values`. Without a single target the loss is 0.
            use_cache: return a cache.
            logits_to_keep: compute logits for the last so many positions, or for these indices; 0 = all.
            num_columns: `[B]`, accepted so that a processor's whole output can be passed; only `generate` and
                `log_likelihood` use it.
            num_items_in_batch: number of labelled patches over all accumulated batches, from Trainer; see
                [`accepts_loss_kwargs`].
            skip_logits: leave `logits` at `None`. Default: only in training with labels, where a step needs the loss
                alone; pass `False` for a loss of your own on the logits.
            input_ids: `[B, L]` tokens, for models with a `vocab_size`.
            modality_ids: `[B, T]`, 0 = token, 1 = patch, where both are given and not in the order patches, tokens.
            cache: of earlier positions.
            page_values: `[B, C, R * H, W]`, a page before the sequence, for models with `page_positions`; labels, mask
                and logits are of the sequence after it.
            page_attention_mask: `[B, S]`, 1 = patch of the page, 0 = padding.
            reading_targets: `[B, S, K]` tokens of the characters that each patch of the page shows, for models with
                `reading_slots`; -100 = none asked for. Their loss joins that of `labels`.
            kwargs: what [`PixelARModel.forward`] takes besides.

        Raises:
            ValueError: for labels that are not integers `[B, T]`, or strips, ids and masks that do not fit.
        """
        outputs = self.model(
            pixel_values=pixel_values,
            attention_mask=attention_mask,
            position_ids=position_ids,
            cache=one_cache(cache, past_key_values),
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            input_ids=input_ids,
            modality_ids=modality_ids,
            page_values=page_values,
            page_attention_mask=page_attention_mask,
            return_dict=True,
            **kwargs,
        )
        hidden_states = outputs.last_hidden_state
        loss = patch_loss = token_loss = None
        if labels is not None:
            check_labels(labels, hidden_states.shape[:2], kwargs.get("shift_labels"))
            modalities = self._modalities(hidden_states, pixel_values, input_ids, modality_ids)
            is_target = target_mask(labels, attention_mask, modalities, self.config.predict_across_modalities)
            if pixel_values is not None:
                patch_loss = self._patch_loss(
                    hidden_states, pixel_values, modalities, is_target, num_items_in_batch
                )
            if input_ids is not None and modalities is not None:
                token_loss = self._token_loss(hidden_states, labels, modalities, is_target)
            loss = self._total_loss(hidden_states, patch_loss, token_loss)
        elif num_items_in_batch is not None:
            raise ValueError(LABELS_TAKEN)
        reading_loss = None
        if reading_targets is not None:
            reading_loss = self._reading_loss(outputs.page_hidden_state, reading_targets)
            loss = None if loss is None else loss + self.config.dense_reading_weight * reading_loss
        token_logits = patch_logits = None
        if skip_logits is None:
            skip_logits = self.training and labels is not None
        if not skip_logits:
            token_logits, patch_logits = self._logits(
                hidden_states, logits_to_keep, pixel_values is not None, input_ids is not None
            )
        return PixelARCausalLMOutput(
            loss=loss,
            patch_loss=patch_loss,
            token_loss=token_loss,
            reading_loss=reading_loss,
            logits=patch_logits if token_logits is None else token_logits,
            patch_logits=patch_logits,
            cache=outputs.cache,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    def _reading_loss(self, page: torch.Tensor | None, labels: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of the characters that the patches of a page show, from its states `[B, S, D]`."""
        if self.reading_head is None or page is None:
            raise ValueError("reading_targets need page_values and a reading head: set config.reading_slots.")
        shape = (*page.shape[:2], self.config.reading_slots)
        if labels.shape != shape:
            raise ValueError(f"reading_targets have shape {tuple(labels.shape)}, expected {shape}.")
        logits = self.reading_head(page).unflatten(-1, (self.config.reading_slots, -1)).float()
        labels = labels.to(logits.device)
        nats = nn.functional.cross_entropy(
            logits.flatten(0, 2), labels.flatten(), ignore_index=IGNORED_LABEL, reduction="sum"
        )
        return nats / (labels != IGNORED_LABEL).sum().clamp(min=1)

    def _logits(
        self, hidden_states: torch.Tensor, to_keep: int | torch.Tensor, has_patches: bool, has_tokens: bool
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Token and patch logits of the positions to keep, for the kinds of position that are there."""
        kept = slice(-to_keep, None) if isinstance(to_keep, int) else to_keep
        hidden_states = hidden_states[:, kept]
        token_logits = patch_logits = None
        if self.token_head is not None and (has_tokens or not has_patches):
            token_logits = self.token_head(hidden_states)
        if self.token_head is None or has_patches:
            patch_logits = self.patch_head.logits(hidden_states)
        return token_logits, patch_logits

    def _modalities(
        self,
        hidden_states: torch.Tensor,
        pixel_values: torch.Tensor | None,
        input_ids: torch.Tensor | None,
        modality_ids: torch.Tensor | None,
    ) -> torch.Tensor | None:
        """Modality of every position, `[B, T]`; `None` where all are patches."""
        if input_ids is None:
            if pixel_values is None:
                raise ValueError("labels need pixel_values or input_ids: the targets come from them.")
            return None
        num_patches = 0 if pixel_values is None else pixel_values.shape[-1] // self.config.patch_size[1]
        return resolve_modalities(
            num_patches, input_ids.shape[1], modality_ids, hidden_states.shape[0], input_ids.device
        )

    def _patch_loss(
        self,
        hidden_states: torch.Tensor,
        pixel_values: torch.Tensor,
        modalities: torch.Tensor | None,
        is_target: torch.Tensor,
        num_items_in_batch: torch.Tensor | int | None,
    ) -> torch.Tensor:
        """A scalar, over the targets that are patches."""
        patches = patchify(to_unit_range(pixel_values), self.patch_head.patch_size)
        if modalities is None:
            values = self.patch_head.loss(hidden_states[:, :-1].flatten(0, 1), patches[:, 1:].flatten(0, 1))
            values = values.view(is_target.shape)
        else:
            is_target = is_target & (modalities[:, 1:] == PATCH)
            row, position = torch.nonzero(is_target, as_tuple=True)
            values = hidden_states.new_zeros(is_target.shape, dtype=torch.float32)
            targets = patches[row, ranks(modalities, PATCH)[row, position + 1]]
            values = values.index_put(
                (row, position), self.patch_head.loss(hidden_states[row, position], targets).float()
            )
        return reduce_loss(values, is_target, str(self.config.patch_loss_reduction), num_items_in_batch)

    def _token_loss(
        self,
        hidden_states: torch.Tensor,
        labels: torch.Tensor,
        modalities: torch.Tensor,
        is_target: torch.Tensor,
    ) -> torch.Tensor:
        """Mean cross-entropy over the targets that are tokens (PixelGPT, section 2.2); a scalar."""
        is_target = is_target & (modalities[:, 1:] == TOKEN)
        row, position = torch.nonzero(is_target, as_tuple=True)
        targets = labels[row, position + 1]
        vocab_size = int(self.config.vocab_size or 0)
        outside = (targets < 0) | (targets >= vocab_size)
        if bool(outside.any()):
            raise ValueError(
                f"label {int(targets[outside][0])} on a token position is no id of the vocabulary of "
                f"{vocab_size} tokens; use -100 for positions without a target."
            )
        logits = self._token_logits(hidden_states[row, position]).float()
        nats = nn.functional.cross_entropy(logits, targets.to(logits.device), reduction="sum")
        return nats / max(len(targets), 1)

    def _token_logits(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """`[..., D]` to `[..., V]`."""
        if self.token_head is None:
            raise ValueError("config.vocab_size is None: this model has no token head.")
        return self.token_head(hidden_states)

    def _total_loss(
        self,
        hidden_states: torch.Tensor,
        patch_loss: torch.Tensor | None,
        token_loss: torch.Tensor | None,
    ) -> torch.Tensor:
        """The weighted sum, in which every parameter takes part when several processes train together."""
        total = hidden_states.new_zeros((), dtype=torch.float32)
        if patch_loss is not None:
            total = total + self.config.patch_loss_weight * patch_loss
        if token_loss is not None:
            total = total + self.config.token_loss_weight * token_loss
        is_distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        if is_distributed and self.training:
            # Whatever this batch holds of pages.
            idle = [self.model.page_positions, self.reading_head]
            total = total + 0 * sum(
                weight.sum() for module in idle if module is not None for weight in module.parameters()
            )
        if self.token_head is not None and self.training and is_distributed:
            if patch_loss is None:
                total = total + 0 * self._idle_patches(hidden_states)
            if token_loss is None:
                total = total + 0 * self._idle_tokens(hidden_states)
        return total

    def _idle_patches(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """A number that depends on every parameter only patches use: DDP waits for the gradient of each."""
        height, width = self.patch_head.patch_size
        white = hidden_states.new_ones(1, self.config.num_channels, height, width)
        patches = patchify(white, self.patch_head.patch_size)[0]
        return (
            self.model.embed_patches(white).sum() + self.patch_head.loss(hidden_states[:1, 0], patches).sum()
        )

    def _idle_tokens(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """The same for tokens."""
        ids = torch.zeros(1, 1, dtype=torch.int64, device=hidden_states.device)
        return self.model._embed_ids(ids).sum() + self._token_logits(hidden_states[:1, 0]).sum()

    def log_likelihood(
        self,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        num_columns: torch.Tensor | None = None,
        input_ids: torch.Tensor | None = None,
        modality_ids: torch.Tensor | None = None,
        page_values: torch.Tensor | None = None,
        page_attention_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Exact log-probability of strips, tokens or both.

        The first attended position of a row is given, not scored, as the first token is in causal language models, and
        so is the first of each modality after another unless `predict_across_modalities`. Render with `add_start=True`
        to put an EOS patch (a document boundary) before a text, so that all of it is scored.

        Args:
            pixel_values: `[B, C, H, W]` strips.
            attention_mask: `[B, T]`; `None` if no row is padded.
            num_columns: `[B]` valid pixel columns of a row from its first attended patch on; the columns after them are
                not scored. `None` for all columns of the attended patches.
            input_ids: `[B, L]` tokens, for models with a `vocab_size`.
            modality_ids: `[B, T]`, see [`forward`].
            page_values: `[B, C, R * H, W]`, a page before all of this, which is not scored.
            page_attention_mask: `[B, S]`, of its patches.

        Returns:
            `[B]` nats, float32. Differentiable; wrap in `torch.no_grad()` to score only.

        Raises:
            ValueError: for the regression head, which has no likelihood, and for inputs that do not fit; on the CPU
                also where a score is NaN, naming the weights at fault.
        """
        require_tensors(num_columns=num_columns, attention_mask=attention_mask)
        if attention_mask is not None and attention_mask.dim() != 2:
            raise ValueError(f"attention_mask must be [batch, patches], got {tuple(attention_mask.shape)}.")
        hidden_states = self.model(
            pixel_values=pixel_values,
            attention_mask=attention_mask,
            use_cache=False,
            input_ids=input_ids,
            modality_ids=modality_ids,
            page_values=page_values,
            page_attention_mask=page_attention_mask,
            return_dict=True,
        ).last_hidden_state
        modalities = self._modalities(hidden_states, pixel_values, input_ids, modality_ids)
        if modalities is None:
            modalities = torch.full(hidden_states.shape[:2], PATCH, device=hidden_states.device)
        mask = torch.ones_like(modalities) if attention_mask is None else attention_mask.to(modalities)
        follows = (mask[:, 1:] != 0) & (mask[:, :-1] != 0)
        if not self.config.predict_across_modalities:
            follows = follows & (modalities[:, 1:] == modalities[:, :-1])
        total = hidden_states.new_zeros(len(mask), dtype=torch.float32)
        if pixel_values is not None:
            is_patch = (mask != 0) & (modalities == PATCH)
            columns = self._columns_per_patch(is_patch, num_columns)
            row, position = torch.nonzero(follows & (columns[:, 1:] > 0), as_tuple=True)
            patches = patchify(to_unit_range(pixel_values), self.patch_head.patch_size)
            targets = patches[row, ranks(modalities, PATCH)[row, position + 1]]
            nats = self.patch_head.log_prob(hidden_states[row, position], targets, columns[row, position + 1])
            total = total.index_add(0, row, nats.float())
        if input_ids is not None:
            row, position = torch.nonzero(follows & (modalities[:, 1:] == TOKEN), as_tuple=True)
            ids = input_ids[row, ranks(modalities, TOKEN)[row, position + 1]]
            log_probs = self._token_logits(hidden_states[row, position]).float().log_softmax(-1)
            total = total.index_add(0, row, log_probs.gather(1, ids[:, None])[:, 0])
        refuse_nan_scores(total, self)
        return total

    def _columns_per_patch(self, mask: torch.Tensor, num_columns: torch.Tensor | None) -> torch.Tensor:
        """How many columns of each patch count, `[B, T]`: all of an attended patch but those past `num_columns`."""
        width = self.patch_head.patch_size[1]
        if num_columns is None:
            return mask * width
        if num_columns.shape != mask.shape[:1]:
            raise ValueError(
                f"num_columns has shape {tuple(num_columns.shape)}, but there are {len(mask)} rows."
            )
        if not are_integers(num_columns):
            raise ValueError(f"num_columns must be integers, got {num_columns.dtype}.")
        attended_before = mask.cumsum(-1) - mask.to(torch.int64)
        return (num_columns[:, None].to(mask.device) - attended_before * width).clamp(0, width) * mask


__all__ = ["PixelARForCausalLM", "PixelARModel", "PixelARPreTrainedModel"]
