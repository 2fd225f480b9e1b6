# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Pages in, text out: an encoder over the patches of a page and a decoder of tokens, as in Pix2Struct.

The numbers are those of Pix2Struct (arXiv 2210.03347) in transformers, so that its published weights can be converted
(`pixel-ar convert --from pix2struct`); see `layers`. Two things differ, where nothing is computed from them: keys and
values are kept by default while an answer is written, and rows of patches that are padding are left out everywhere
when no mask is passed, not in the encoder alone.

Shapes: B rows, S patches, P values of a patch, T tokens, D hidden size, N heads, V vocabulary.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import Cache, DynamicCache, EncoderDecoderCache, GenerationMixin, PreTrainedModel, logging
from transformers.modeling_outputs import BaseModelOutput

from ...modalities import IGNORED_LABEL
from ...transformers_internals import init
from ..pixel_ar.checks import CheckpointMixin, are_integers, check_item_count, require_tensors
from ..pixel_ar.generation.ranges import COUNTS, check_ranges
from ..pixel_ar.labels import can_look_at
from ..pixel_ar.layers import RMSNorm
from ..pixel_ar.outputs import CacheUnderBothNames, one_cache, tuple_on_request
from .configuration_page import PixelPageConfig
from .layers import GatedNetwork, PageAttention, PageLayer, RelativeBias, added_mask

logger = logging.get_logger(__name__)


@dataclass
class PixelPageOutput(CacheUnderBothNames):
    """Output of [`PixelPageForConditionalGeneration`].

    Attributes:
        loss: mean cross-entropy of the labels, nats per token, and the weighted reading loss; only with `labels`.
        logits: `[B, T, V]`; position t predicts label t.
        cache: keys and values, also as `past_key_values`.
        decoder_hidden_states: on request `[B, T, D]` before each layer, and the last after the final norm.
        decoder_attentions: on request `[B, N, T, T]` of each layer; eager attention alone gives them.
        cross_attentions: likewise `[B, N, T, S]`, to the page.
        encoder_last_hidden_state: `[B, S, D]`, after the final norm.
        encoder_hidden_states: on request, as of the decoder.
        encoder_attentions: likewise `[B, N, S, S]`.
        reading_loss: mean cross-entropy of the characters that patches show; only with `reading_targets`.
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    cache: Cache | None = None
    decoder_hidden_states: tuple[torch.Tensor, ...] | None = None
    decoder_attentions: tuple[torch.Tensor, ...] | None = None
    cross_attentions: tuple[torch.Tensor, ...] | None = None
    encoder_last_hidden_state: torch.Tensor | None = None
    encoder_hidden_states: tuple[torch.Tensor, ...] | None = None
    encoder_attentions: tuple[torch.Tensor, ...] | None = None
    reading_loss: torch.Tensor | None = None


class PixelPagePreTrainedModel(CheckpointMixin, PreTrainedModel):
    """Loading, saving and initialisation shared by the page models."""

    config: PixelPageConfig
    main_input_name = "flattened_patches"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True
    _no_split_modules = ["PageLayer"]
    _skip_keys_device_placement = ["cache", "past_key_values"]
    _supports_sdpa = True
    _supports_attention_backend = True
    _can_compile_fullgraph = False

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """T5's initial values: queries small by the root of the head's width, since scores are not divided by it."""
        config, factor = self.config, self.config.initializer_factor
        wide = factor * config.hidden_size**-0.5
        if isinstance(module, RMSNorm):
            init.constant_(module.weight, factor)
        elif isinstance(module, RelativeBias):
            init.normal_(module.weight, mean=0.0, std=wide)
        elif isinstance(module, PageAttention):
            init.normal_(module.q_proj.weight, mean=0.0, std=wide * module.head_dim**-0.5)
            init.normal_(module.k_proj.weight, mean=0.0, std=wide)
            init.normal_(module.v_proj.weight, mean=0.0, std=wide)
            init.normal_(module.o_proj.weight, mean=0.0, std=factor * module.o_proj.in_features**-0.5)
        elif isinstance(module, GatedNetwork):
            init.normal_(module.gate_proj.weight, mean=0.0, std=wide)
            init.normal_(module.up_proj.weight, mean=0.0, std=wide)
            init.normal_(module.down_proj.weight, mean=0.0, std=factor * module.down_proj.in_features**-0.5)
        elif isinstance(module, PageEmbeddings):
            init.normal_(module.projection.weight, mean=0.0, std=factor * module.projection.in_features**-0.5)
            init.zeros_(module.projection.bias)
            for table in (module.row_embedding, module.column_embedding):
                init.normal_(table.weight, mean=0.0, std=wide)
        elif isinstance(module, PixelPageDecoder):
            init.normal_(module.embed_tokens.weight, mean=0.0, std=factor)
        elif isinstance(module, PixelPageForConditionalGeneration):
            init.normal_(module.lm_head.weight, mean=0.0, std=wide)
            if module.reading_head is not None:
                init.normal_(module.reading_head.weight, mean=0.0, std=wide)
                init.zeros_(module.reading_head.bias)


class PageEmbeddings(nn.Module):
    """Patches to embeddings: their pixels projected, a vector for the row and one for the column added."""

    def __init__(self, config: PixelPageConfig) -> None:
        super().__init__()
        self.patch_length = config.patch_length or 0
        self.projection = nn.Linear(self.patch_length, config.hidden_size)
        self.row_embedding = nn.Embedding(config.max_grid_size, config.hidden_size)
        self.column_embedding = nn.Embedding(config.max_grid_size, config.hidden_size)
        self.dropout = config.encoder_dropout

    def forward(self, flattened_patches: torch.Tensor) -> torch.Tensor:
        """`[B, S, 2 + P]` to `[B, S, D]`.

        Raises:
            ValueError: for patches of another length, or places outside the tables.
        """
        shape = flattened_patches.shape
        if len(shape) == 3 and 0 in shape[:2]:
            raise ValueError(
                f"flattened_patches of shape {tuple(shape)} hold no patch: give at least one page."
            )
        if len(shape) != 3 or shape[-1] != 2 + self.patch_length:
            raise ValueError(
                f"flattened_patches must be [batch, patches, {2 + self.patch_length}] (row, column, "
                f"{self.patch_length} pixel values), got {tuple(flattened_patches.shape)}; make them with "
                "processor.page_patches, with the patch_size and the channels of this model."
            )
        places = flattened_patches[..., :2].long()
        size = self.row_embedding.num_embeddings
        if can_look_at(places) and places.numel():
            low, high = (int(end) for end in places.aminmax())
            if low < 0 or high >= size:
                raise ValueError(
                    f"flattened_patches name row or column {low if low < 0 else high}, but max_grid_size is {size}: "
                    f"rows and columns are 1 to {size - 1}, 0 for padding."
                )
        pixels = flattened_patches[..., 2:].to(self.row_embedding.weight.dtype)
        states = self.projection(pixels)
        states = states + self.row_embedding(places[..., 0]) + self.column_embedding(places[..., 1])
        return F.dropout(states, self.dropout, self.training)


class PixelPageEncoder(PixelPagePreTrainedModel):
    """Every patch of a page with every other."""

    def __init__(self, config: PixelPageConfig) -> None:
        super().__init__(config)
        self.embeddings = PageEmbeddings(config)
        self.layers = nn.ModuleList(
            [PageLayer(config, "encoder", index) for index in range(config.encoder_layers)]
        )
        self.norm = RMSNorm(config.hidden_size, eps=config.encoder_norm_eps)
        self.gradient_checkpointing = False
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The projection of pixels."""
        return self.embeddings.projection

    @tuple_on_request
    def forward(
        self,
        flattened_patches: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        **kwargs: Any,
    ) -> BaseModelOutput:
        """Runs the encoder.

        Args:
            flattened_patches: `[B, S, 2 + P]`: row and column from 1 (0 = padding), then the pixel values.
            attention_mask: `[B, S]`, 1 = patch, 0 = padding; by default from the rows.
            output_attentions: return the attention weights.
            output_hidden_states: return the states between the layers.
            kwargs: passed on to the attention function.

        Raises:
            ValueError: without patches, or for patches and masks that do not fit.
        """
        require_tensors(flattened_patches=flattened_patches, attention_mask=attention_mask)
        if flattened_patches is None:
            raise ValueError("Pass flattened_patches; processor.page_patches makes them.")
        states = self.embeddings(flattened_patches)
        mask = page_mask(attention_mask, flattened_patches, states)
        wants_states = _wants(self.config, output_hidden_states, "output_hidden_states")
        attentions: tuple[list[Any], list[Any]] = ([], [])
        wants_attentions = _wants(self.config, output_attentions, "output_attentions")
        if wants_attentions:
            kwargs["output_attentions"] = True
        between: list[torch.Tensor] = []
        for layer in self.layers:
            between += [states] if wants_states else []
            states = layer(states, mask, attentions=attentions if wants_attentions else None, **kwargs)
        between += [states] if wants_states else []
        return BaseModelOutput(
            last_hidden_state=self.norm(states),
            hidden_states=tuple(between) if wants_states else None,
            attentions=tuple(attentions[0]) if wants_attentions else None,
        )


class PixelPageDecoder(PixelPagePreTrainedModel):
    """Tokens, each with the earlier ones and with all patches of the page."""

    main_input_name = "input_ids"

    def __init__(self, config: PixelPageConfig) -> None:
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.relative_bias = RelativeBias(
            config.relative_attention_num_buckets,
            config.relative_attention_max_distance,
            config.decoder_attention_heads,
        )
        self.layers = nn.ModuleList(
            [PageLayer(config, "decoder", index) for index in range(config.decoder_layers)]
        )
        self.norm = RMSNorm(config.hidden_size, eps=config.decoder_norm_eps)
        self.gradient_checkpointing = False
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The token table."""
        return self.embed_tokens

    def set_input_embeddings(self, value: Any) -> None:
        """Replaces the token table."""
        self.embed_tokens = value

    def forward(
        self,
        inputs_embeds: torch.Tensor,
        attention_mask: torch.Tensor | None,
        page: torch.Tensor,
        page_mask: torch.Tensor,
        cache: EncoderDecoderCache | None = None,
        between: list[torch.Tensor] | None = None,
        attentions: tuple[list[Any], list[Any]] | None = None,
        **kwargs: Any,
    ) -> torch.Tensor:
        """Runs the decoder.

        Args:
            inputs_embeds: `[B, T, D]`.
            attention_mask: `[B, cached + T]`, 1 = attended; or `[B, 1, T, S]` with S at least cached + T.
            page: the encoder's states `[B, S, D]`.
            page_mask: added to the scores of the attention to them, `[B, 1, 1, S]`.
            cache: of earlier tokens and of the page.
            between: gets the states before each layer, and the last.
            attentions: get the weights of each layer.
            kwargs: passed on to the attention function.

        Returns:
            `[B, T, D]` after the final norm.
        """
        length = inputs_embeds.shape[1]
        past = 0 if cache is None else int(cache.get_seq_length())
        device = inputs_embeds.device
        keys = torch.arange(past + length, device=device)
        queries = keys[past:]
        allowed = (keys <= queries[:, None])[None, None]
        if attention_mask is not None and attention_mask.dim() == 4:
            # What `generate` prepares for caches of fixed size: booleans, or numbers to be added.
            given = attention_mask[..., : past + length]
            allowed = allowed & (given if given.dtype == torch.bool else given == 0)
        elif attention_mask is not None:
            _check_mask("decoder_attention_mask", attention_mask, (len(inputs_embeds), past + length))
            allowed = allowed & (attention_mask != 0)[:, None, None]
        mask = added_mask(allowed, self.relative_bias(queries, keys).to(inputs_embeds.dtype))
        dropout = self.config.decoder_dropout
        states = F.dropout(inputs_embeds, dropout, self.training)
        for layer in self.layers:
            if between is not None:
                between.append(states)
            states = layer(states, mask, page, page_mask, cache=cache, attentions=attentions, **kwargs)
        states = F.dropout(self.norm(states), dropout, self.training)
        if between is not None:
            between.append(states)
        return states


class PixelPageForConditionalGeneration(PixelPagePreTrainedModel, GenerationMixin):
    """Reads pages, writes tokens: Pix2Struct's numbers, Transformers' own `generate`."""

    _tied_weights_keys = {"lm_head.weight": "decoder.embed_tokens.weight"}

    def __init__(self, config: PixelPageConfig) -> None:
        super().__init__(config)
        self.encoder = PixelPageEncoder(config)
        self.decoder = PixelPageDecoder(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.reading_head: nn.Linear | None = None
        if config.reading_slots:
            self.reading_head = nn.Linear(config.hidden_size, config.reading_slots * config.vocab_size)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The token table."""
        return self.decoder.embed_tokens

    def set_input_embeddings(self, value: Any) -> None:
        """Replaces the token table."""
        self.decoder.embed_tokens = value

    def get_output_embeddings(self) -> nn.Module:
        """The head."""
        return self.lm_head

    def set_output_embeddings(self, new_embeddings: Any) -> None:
        """Replaces the head."""
        self.lm_head = new_embeddings

    def generate(  # the input has a name of its own
        self, *args: Any, flattened_patches: torch.Tensor | None = None, **kwargs: Any
    ) -> Any:
        """As in Transformers: greedy, sampling, beams; answers begin with `decoder_start_token_id`.

        Args:
            args: as there; the first may be the patches.
            flattened_patches: `[B, S, 2 + P]`.
            kwargs: as there; without an `attention_mask`, rows of patches that are padding are left out.

        Raises:
            TypeError: for inputs that are no tensors.
            ValueError: without patches, for others than this model reads, and for options out of their range.
        """
        if args and flattened_patches is None:
            flattened_patches, args = args[0], args[1:]
        given = ("attention_mask", "decoder_input_ids", "decoder_attention_mask", "decoder_inputs_embeds")
        require_tensors(flattened_patches=flattened_patches, **{name: kwargs.get(name) for name in given})
        if flattened_patches is None and kwargs.get("encoder_outputs") is None:
            raise ValueError("Pass flattened_patches; processor.page_patches makes them.")
        # A count that is None is one that nobody has set.
        kwargs = {name: value for name, value in kwargs.items() if value is not None or name not in COUNTS}
        check_ranges(kwargs)
        mask = kwargs.get("decoder_attention_mask")
        if mask is not None and mask.dim() != 2:
            raise ValueError(f"decoder_attention_mask must be [batch, tokens], got {tuple(mask.shape)}.")
        start = kwargs.get("decoder_start_token_id")
        if start is not None and not (type(start) is int and 0 <= start < self.config.vocab_size):
            raise ValueError(
                f"decoder_start_token_id must be a token from 0 to {self.config.vocab_size - 1}, got {start!r:.60}."
            )
        if kwargs.get("encoder_outputs") is not None:
            kwargs["encoder_outputs"] = _as_encoder_output(kwargs["encoder_outputs"])
        if flattened_patches is not None:
            kwargs["flattened_patches"] = flattened_patches
            if kwargs.get("attention_mask") is None and flattened_patches.dim() == 3:
                kwargs["attention_mask"] = is_patch(flattened_patches)
        return super().generate(None, *args, **kwargs)

    def prepare_decoder_input_ids_from_labels(self, labels: torch.Tensor) -> torch.Tensor:
        """What the decoder reads to predict labels: these one place later, -100 as `pad_token_id`.

        Args:
            labels: integers `[B, T]`.

        Raises:
            ValueError: without a `decoder_start_token_id` or `pad_token_id`, or labels.
        """
        start, pad = self.config.decoder_start_token_id, self.config.pad_token_id
        if labels.dim() != 2 or not labels.shape[1]:
            raise ValueError(
                f"labels must hold one token or more per row, got the shape {tuple(labels.shape)}."
            )
        if start is None or pad is None:
            raise ValueError(
                f"config.decoder_start_token_id is {start} and pad_token_id {pad}; set both, or pass decoder_input_ids."
            )
        shifted = labels.roll(1, -1)
        shifted[..., 0] = start
        return shifted.masked_fill(shifted == IGNORED_LABEL, pad)

    @tuple_on_request
    def forward(
        self,
        flattened_patches: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.Tensor | None = None,
        decoder_attention_mask: torch.Tensor | None = None,
        encoder_outputs: Any = None,
        cache: Cache | None = None,
        labels: torch.Tensor | None = None,
        decoder_inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        past_key_values: Cache | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        reading_targets: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> PixelPageOutput:
        r"""Predicts label t at position t.

        Args:
            flattened_patches: `[B, S, 2 + P]`, see `processor.page_patches`.
            attention_mask: `[B, S]`, 1 = patch, 0 = padding; by default from the rows of the patches.
            decoder_input_ids: `[B, T]` tokens that the decoder reads; by default `labels` one place later.
            decoder_attention_mask: `[B, cached + T]`; by default, where the tokens come from `labels`, all but
                `pad_token_id`, and the first in any case; else all.
            encoder_outputs: of an earlier call in place of the patches: an output, or a tuple with the states first.
            cache: of earlier positions.
            labels: `[B, T]` tokens to predict, -100 = none.
            decoder_inputs_embeds: `[B, T, D]` in place of `decoder_input_ids`.
            use_cache: return a cache; never while layers are run twice (gradient checkpointing).
            output_attentions: return the attention weights.
            output_hidden_states: return the states between the layers.
            past_key_values: the older name of `cache`.
            num_items_in_batch: number of labels over all accumulated batches, from Trainer.
            reading_targets: `[B, S, K]` tokens of the characters that each patch shows, for models with
                `reading_slots`; -100 = none asked for. The loss of them is a mean of its own.
            kwargs: passed on to the attention function.

        Raises:
            TypeError: for inputs that are no tensors.
            ValueError: for inputs that are missing, given twice or do not fit each other.
        """
        require_tensors(
            labels=labels,
            decoder_input_ids=decoder_input_ids,
            decoder_attention_mask=decoder_attention_mask,
            decoder_inputs_embeds=decoder_inputs_embeds,
            attention_mask=attention_mask,
            reading_targets=reading_targets,
        )
        flags = {"output_attentions": output_attentions, "output_hidden_states": output_hidden_states}
        if encoder_outputs is None:
            encoder_outputs = self.encoder(
                flattened_patches=flattened_patches,
                attention_mask=attention_mask,
                return_dict=True,
                **flags,
                **kwargs,
            )
        encoder_outputs = _as_encoder_output(encoder_outputs)
        page = encoder_outputs.last_hidden_state
        if labels is not None:
            self._check_labels(labels)
            if decoder_input_ids is None and decoder_inputs_embeds is None:
                decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
                if decoder_attention_mask is None:
                    decoder_attention_mask = torch.ne(decoder_input_ids, self.config.pad_token_id or 0)
                _check_mask("decoder_attention_mask", decoder_attention_mask, (len(labels), labels.shape[1]))
                first = torch.ones_like(decoder_attention_mask[:, :1])
                decoder_attention_mask = torch.cat([first, decoder_attention_mask[:, 1:]], 1)
        embeds = self._embed(decoder_input_ids, decoder_inputs_embeds)
        if len(embeds) != len(page):
            raise ValueError(f"{len(page)} pages, but {len(embeds)} rows of tokens; pass as many of both.")
        filled = self._cache(one_cache(cache, past_key_values), use_cache)
        wants_states = _wants(self.config, output_hidden_states, "output_hidden_states")
        wants_attentions = _wants(self.config, output_attentions, "output_attentions")
        if wants_attentions:
            kwargs["output_attentions"] = True
        between: list[torch.Tensor] = []
        attentions: tuple[list[Any], list[Any]] = ([], [])
        states = self.decoder(
            embeds,
            decoder_attention_mask,
            page,
            page_mask(attention_mask, flattened_patches, page),
            cache=filled,
            between=between if wants_states else None,
            attentions=attentions if wants_attentions else None,
            **kwargs,
        )
        logits = self.lm_head(states)
        loss = None if labels is None else token_loss(logits, labels, num_items_in_batch)
        reading_loss = None if reading_targets is None else self._reading_loss(page, reading_targets)
        if loss is not None and reading_loss is not None:
            added = self.config.dense_reading_weight * reading_loss
            if num_items_in_batch is not None and labels is not None:
                # As many of the accumulated batches' labels as are here.
                added = added * (labels != IGNORED_LABEL).sum() / num_items_in_batch
            loss = loss + added
        return PixelPageOutput(
            loss=loss,
            reading_loss=reading_loss,
            logits=logits,
            cache=filled,
            decoder_hidden_states=tuple(between) if wants_states else None,
            decoder_attentions=tuple(attentions[0]) if wants_attentions else None,
            cross_attentions=tuple(attentions[1]) if wants_attentions else None,
            encoder_last_hidden_state=page,
            encoder_hidden_states=encoder_outputs.hidden_states,
            encoder_attentions=encoder_outputs.attentions,
        )

    def _reading_loss(self, page: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Cross-entropy in nats per asked character of the patches' states `[B, S, D]`."""
        if self.reading_head is None:
            raise ValueError("reading_targets need a reading head: set config.reading_slots.")
        shape = (*page.shape[:2], self.config.reading_slots)
        if labels.shape != shape:
            raise ValueError(f"reading_targets have shape {tuple(labels.shape)}, expected {shape}.")
        if not are_integers(labels):
            raise ValueError(f"reading_targets must be integers, got {labels.dtype}.")
        self._check_vocabulary("reading_targets", labels[labels != IGNORED_LABEL])
        logits = self.reading_head(page).unflatten(-1, (self.config.reading_slots, -1))
        return token_loss(logits.flatten(1, 2), labels.flatten(1), None)

    def _check_labels(self, labels: torch.Tensor) -> None:
        if labels.dim() != 2 or not are_integers(labels):
            raise ValueError(
                f"labels must be integers [batch, tokens], got {labels.dtype} of shape {tuple(labels.shape)}."
            )
        if can_look_at(labels):
            size = self.config.vocab_size
            wrong = (labels != IGNORED_LABEL) & ((labels < 0) | (labels >= size))
            if bool(wrong.any()):
                raise ValueError(
                    f"label {int(labels[wrong][0])} is no id of the vocabulary of {size} tokens; use -100 for "
                    "positions without a target."
                )

    def _embed(self, ids: torch.Tensor | None, embeds: torch.Tensor | None) -> torch.Tensor:
        if (ids is None) == (embeds is None):
            raise ValueError("Pass labels, or exactly one of decoder_input_ids and decoder_inputs_embeds.")
        if ids is None:
            assert embeds is not None
            if embeds.dim() != 3 or not embeds.shape[1] or embeds.shape[2] != self.config.hidden_size:
                raise ValueError(
                    f"decoder_inputs_embeds must be [batch, tokens, {self.config.hidden_size}], got "
                    f"{tuple(embeds.shape)}."
                )
            return embeds
        if ids.dim() != 2 or not ids.shape[1] or not are_integers(ids):
            raise ValueError(
                f"decoder_input_ids must be integers [batch, tokens], one token or more, got {ids.dtype} of shape "
                f"{tuple(ids.shape)}."
            )
        self._check_vocabulary("decoder_input_ids", ids)
        return self.decoder.embed_tokens(ids.long())

    def _check_vocabulary(self, name: str, ids: torch.Tensor) -> None:
        size = self.config.vocab_size
        if can_look_at(ids) and ids.numel():
            low, high = (int(end) for end in ids.aminmax())
            if low < 0 or high >= size:
                raise ValueError(
                    f"{name} hold {low if low < 0 else high}, which is no id of the vocabulary of {size} tokens."
                )

    def _cache(self, cache: Cache | None, use_cache: bool | None) -> EncoderDecoderCache | None:
        """The cache to fill, if any: none where layers run once more in the backward pass, or learn."""
        if self.decoder.gradient_checkpointing and self.training and torch.is_grad_enabled():
            if cache is not None:
                logger.warning_once("Gradient checkpointing runs layers twice, so the cache is left out.")
            return None
        use_cache = (self.config.use_cache and not self.training) if use_cache is None else use_cache
        if cache is None and not use_cache:
            return None
        if isinstance(cache, EncoderDecoderCache):
            return cache
        config = self.config.get_text_config(decoder=True)
        own = DynamicCache(config=config) if cache is None else cache
        return EncoderDecoderCache(own, DynamicCache(config=config))


def is_patch(flattened_patches: torch.Tensor) -> torch.Tensor:
    """Which rows are patches and no padding, int64 `[B, S]`: they have a row, counted from 1."""
    return (flattened_patches[..., 0] != 0).long()


def page_mask(
    attention_mask: torch.Tensor | None, flattened_patches: torch.Tensor | None, states: torch.Tensor
) -> torch.Tensor:
    """What is added to the scores of the attention to a page's states `[B, S, D]`: `[B, 1, 1, S]`."""
    if attention_mask is None and flattened_patches is not None:
        attention_mask = is_patch(flattened_patches)
    if attention_mask is None:
        attention_mask = torch.ones(states.shape[:2], device=states.device)
    _check_mask("attention_mask", attention_mask, (states.shape[0], states.shape[1]))
    return added_mask((attention_mask != 0)[:, None, None], states.new_zeros(()))


def token_loss(
    logits: torch.Tensor, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None
) -> torch.Tensor:
    """Cross-entropy in nats: the mean over the labels, or the sum divided by `num_items_in_batch`."""
    labels = labels.to(logits.device, torch.int64)
    total = F.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED_LABEL, reduction="sum"
    )
    check_item_count(num_items_in_batch)
    if num_items_in_batch is not None:
        return total / num_items_in_batch
    return total / (labels != IGNORED_LABEL).sum().clamp(min=1)


def _as_encoder_output(outputs: Any) -> BaseModelOutput:
    """What the encoder said, given as such or as a tuple.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(outputs, BaseModelOutput):
        return outputs
    if not isinstance(outputs, tuple | list) or not outputs or not isinstance(outputs[0], torch.Tensor):
        raise TypeError(
            "encoder_outputs must be an output of model.encoder, or a tuple with its states [batch, patches, hidden] "
            f"first, got {type(outputs).__name__}."
        )
    return BaseModelOutput(*outputs)


def _check_mask(name: str, mask: torch.Tensor, shape: tuple[int, int]) -> None:
    if tuple(mask.shape) != shape:
        raise ValueError(f"{name} has shape {tuple(mask.shape)}, but there are {list(shape)} positions.")


def _wants(config: PixelPageConfig, asked: Any, name: str) -> bool:
    return bool(getattr(config, name, False) if asked is None else asked)


__all__ = [
    "PixelPageDecoder",
    "PixelPageEncoder",
    "PixelPageForConditionalGeneration",
    "PixelPageOutput",
    "PixelPagePreTrainedModel",
]
