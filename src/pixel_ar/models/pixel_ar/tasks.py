# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Models for fine-tuning: classify a sequence, classify its positions, find an answer in it.

Each is the decoder with one linear layer on its states after the final norm, as PIXAR (arXiv 2401.03321, section 4.2)
and PixelGPT (arXiv 2404.10710, section 4.1) fine-tune theirs. They read pixels, tokens, or both. A decoder looks back
only: at a position it knows what stands before it, so a word is best labelled on its last patch, and a question stands
before its context.

Shapes: B batch, C channels, H strip height, W strip width, T positions (patches and tokens), D hidden size,
N `num_labels`.
"""

import copy
from typing import Any

import torch
from torch import nn
from transformers import Cache
from transformers.modeling_outputs import QuestionAnsweringModelOutput, TokenClassifierOutput

from ...modalities import IGNORED_LABEL
from .configuration_pixel_ar import PixelARConfig
from .labels import can_look_at, check_answer_positions, check_position_labels, check_sequence_labels
from .modeling_pixel_ar import PixelARModel, PixelARPreTrainedModel
from .outputs import PixelARSequenceClassifierOutput, one_cache, tuple_on_request


class _PixelARTaskModel(PixelARPreTrainedModel):
    """The decoder under a task's linear layer."""

    # A pretrained checkpoint loads without a report of the heads that fine-tuning has no use for.
    _keys_to_ignore_on_load_unexpected = [r"^patch_head\.", r"^token_head\."]

    def __init__(self, config: PixelARConfig) -> None:
        # The class's list holds `logits`, which would fill memory with pixels when a causal model is evaluated. Here
        # they are what Trainer hands to compute_metrics. A copy: the caller's configuration stays as it is.
        config = copy.copy(config)
        config.keys_to_ignore_at_inference = ["cache", "past_key_values"]
        super().__init__(config)
        self.model = PixelARModel(config)

    def save_pretrained(self, *args: Any, **kwargs: Any) -> None:
        """Saves as any model does.

        What Trainer leaves out of an evaluation stays out of config.json: a causal model may be loaded from it.
        """
        left_out = self.config.__dict__.pop("keys_to_ignore_at_inference")
        try:
            super().save_pretrained(*args, **kwargs)
        finally:
            self.config.keys_to_ignore_at_inference = left_out


class PixelARForSequenceClassification(_PixelARTaskModel):
    """The decoder with a linear layer on one state per row: classes, several labels at once, or numbers.

    `config.classifier_pooling` says which state: `"last"`, that of the last attended position; `"mean"`, the mean over
    the attended positions; `"pixelgpt_pair"`, the position that PixelGPT's released code reads in a pair, see
    [`pool_states`]. `config.problem_type` is that of Transformers, found from the labels where it is not set.
    """

    # A batch's loss is a mean over its rows, so Trainer must divide by the number of accumulated batches itself; left
    # to guess from `**kwargs`, it would not.
    accepts_loss_kwargs = False

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.score = nn.Linear(config.hidden_size, config.num_labels, bias=config.classifier_bias)
        self.post_init()

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
        input_ids: torch.Tensor | None = None,
        modality_ids: torch.Tensor | None = None,
        num_columns: torch.Tensor | None = None,
        cache: Cache | None = None,
        **kwargs: Any,
    ) -> PixelARSequenceClassifierOutput:
        r"""Classifies rows.

        Args:
            pixel_values: `[B, C, H, W]` strips, float in [0, 1] (1 = background) or uint8 0..255.
            attention_mask: `[B, T]`, 0 = padding, on either side; `None` if no row is padded.
            position_ids: `[B, T]`.
            past_key_values: the older name of `cache`.
            inputs_embeds: `[B, T, D]` in place of pixels and tokens.
            labels: one class: integers `[B]` from 0 to N - 1. Several labels: `[B, N]` from 0 to 1. Regression: finite
                `[B]` or `[B, 1]` (N = 1), or `[B, N]`.
            use_cache: return a cache.
            input_ids: `[B, L]` tokens, after the patches unless `modality_ids` say otherwise.
            modality_ids: `[B, T]`, 0 = token, 1 = patch.
            num_columns: `[B]`, accepted so that a processor's whole output can be passed; not used.

        Returns:
            `logits` `[B, N]`; with labels `loss`, float32: cross entropy, binary cross entropy or squared error.

        Raises:
            ValueError: for labels of the wrong shape, kind or range, NaN among them; for a row without an attended
                position.
        """
        outputs = self.model(
            pixel_values=pixel_values,
            input_ids=input_ids,
            modality_ids=modality_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            cache=one_cache(cache, past_key_values),
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            return_dict=True,
            **kwargs,
        )
        pooled = pool_states(
            outputs.last_hidden_state,
            attention_mask,
            self.config.classifier_pooling,
            input_ids if pixel_values is not None else None,
            modality_ids,
            self.config.pad_token_id,
        )
        logits = self.score(pooled)
        loss = None
        if labels is not None:
            labels = check_sequence_labels(labels, logits.shape, self.config.problem_type)
            loss = self.loss_function(labels=labels, pooled_logits=logits.float(), config=self.config)
        return PixelARSequenceClassifierOutput(
            loss=loss,
            logits=logits,
            cache=outputs.cache,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )


class PixelARForTokenClassification(_PixelARTaskModel):
    """The decoder with a linear layer on every state: one class per patch or token.

    `pixel_ar.training.words` turns labels of words into labels of patches and back.
    """

    # The loss divides by `num_items_in_batch`: accumulated batches with different numbers of labels count label by
    # label, exactly as one large batch.
    accepts_loss_kwargs = True

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.score = nn.Linear(config.hidden_size, config.num_labels, bias=config.classifier_bias)
        self.post_init()

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
        input_ids: torch.Tensor | None = None,
        modality_ids: torch.Tensor | None = None,
        num_columns: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        cache: Cache | None = None,
        **kwargs: Any,
    ) -> TokenClassifierOutput:
        r"""Classifies positions.

        Args:
            pixel_values: `[B, C, H, W]` strips, float in [0, 1] (1 = background) or uint8 0..255.
            attention_mask: `[B, T]`, 0 = padding, which is never a target.
            position_ids: `[B, T]`.
            past_key_values: the older name of `cache`.
            inputs_embeds: `[B, T, D]` in place of pixels and tokens.
            labels: integers `[B, T]` from 0 to N - 1, -100 = no label. Without a single label the loss is 0.
            use_cache: fill a cache.
            input_ids: `[B, L]` tokens, after the patches unless `modality_ids` say otherwise.
            modality_ids: `[B, T]`, 0 = token, 1 = patch.
            num_columns: `[B]`, accepted so that a processor's whole output can be passed; not used.
            num_items_in_batch: number of labels over all accumulated batches, from Trainer.

        Returns:
            `logits` `[B, T, N]`; with labels `loss`, float32, the mean cross entropy over them (0 if there are none).

        Raises:
            ValueError: for labels that are not integers, not `[B, T]`, or not in range.
        """
        outputs = self.model(
            pixel_values=pixel_values,
            input_ids=input_ids,
            modality_ids=modality_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            cache=one_cache(cache, past_key_values),
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            return_dict=True,
            **kwargs,
        )
        logits = self.score(outputs.last_hidden_state)
        loss = None
        if labels is not None:
            labels = check_position_labels(labels, logits.shape).to(logits.device)
            if attention_mask is not None and attention_mask.dim() == 2:
                attended = attention_mask[:, -labels.shape[1] :].to(labels.device) != 0
                labels = labels.masked_fill(~attended, IGNORED_LABEL)
            if num_items_in_batch is None:
                num_items_in_batch = (labels != IGNORED_LABEL).sum().clamp(min=1)
            loss = self.loss_function(
                logits=logits, labels=labels, config=self.config, num_items_in_batch=num_items_in_batch
            )
        return TokenClassifierOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


class PixelARForQuestionAnswering(_PixelARTaskModel):
    """The decoder with two scores per position: the answer starts here, the answer ends here.

    `pixel_ar.training.spans` turns spans of the text into positions and back.
    """

    accepts_loss_kwargs = False

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__(config)
        # Without bias: it would be added to every position alike, which no softmax over positions can see.
        self.qa_outputs = nn.Linear(config.hidden_size, 2, bias=False)
        self.post_init()

    @tuple_on_request
    def forward(
        self,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        start_positions: torch.Tensor | None = None,
        end_positions: torch.Tensor | None = None,
        use_cache: bool | None = None,
        input_ids: torch.Tensor | None = None,
        modality_ids: torch.Tensor | None = None,
        num_columns: torch.Tensor | None = None,
        cache: Cache | None = None,
        **kwargs: Any,
    ) -> QuestionAnsweringModelOutput:
        r"""Scores each position as the first and as the last of the answer.

        Args:
            pixel_values: `[B, C, H, W]` strips, float in [0, 1] (1 = background) or uint8 0..255.
            attention_mask: `[B, T]`, 0 = padding, which is never an answer.
            position_ids: `[B, T]`.
            past_key_values: the older name of `cache`.
            inputs_embeds: `[B, T, D]` in place of pixels and tokens.
            start_positions: integers `[B]` (or `[B, 1]`), the first position of the answer; -100 = no label.
            end_positions: `[B]`, the last position of the answer, itself included; -100 where the start is.
            use_cache: fill a cache.
            input_ids: `[B, L]` tokens, after the patches unless `modality_ids` say otherwise.
            modality_ids: `[B, T]`, 0 = token, 1 = patch.
            num_columns: `[B]`, accepted so that a processor's whole output can be passed; not used.

        Returns:
            `start_logits` and `end_logits` `[B, T]`, the lowest finite number on padding; with labels `loss`, float32:
            the cross entropies of start and end, averaged over both and over the labelled rows (0 if there are none).

        Raises:
            ValueError: for positions outside the row or on its padding, an end before its start, or one of the two
                without the other.
        """
        outputs = self.model(
            pixel_values=pixel_values,
            input_ids=input_ids,
            modality_ids=modality_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            cache=one_cache(cache, past_key_values),
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            return_dict=True,
            **kwargs,
        )
        logits = self.qa_outputs(outputs.last_hidden_state)
        attended = None
        if attention_mask is not None and attention_mask.dim() == 2:
            attended = attention_mask[:, -logits.shape[1] :].to(logits.device) != 0
            logits = logits.masked_fill(~attended[..., None], torch.finfo(logits.dtype).min)
        start_logits, end_logits = logits.unbind(-1)
        loss = None
        if (start_positions is None) != (end_positions is None):
            raise ValueError("give start_positions and end_positions together, or neither.")
        if start_positions is not None and end_positions is not None:
            start, end = check_answer_positions(start_positions, end_positions, logits.shape[:2], attended)
            loss = self._answer_loss(start_logits, end_logits, start.to(logits.device), end.to(logits.device))
        return QuestionAnsweringModelOutput(
            loss=loss,
            start_logits=start_logits,
            end_logits=end_logits,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    def _answer_loss(
        self, start_logits: torch.Tensor, end_logits: torch.Tensor, start: torch.Tensor, end: torch.Tensor
    ) -> torch.Tensor:
        """Mean over the labelled rows; `[B, T]`, `[B, T]`, `[B]`, `[B]` to a scalar."""
        # Transformers' function ignores the position after the last, but would take -100 for position 0.
        nowhere = start_logits.shape[1]
        return self.loss_function(
            start_logits.float(),
            end_logits.float(),
            start.masked_fill(start == IGNORED_LABEL, nowhere),
            end.masked_fill(end == IGNORED_LABEL, nowhere),
            num_items_in_batch=(start != IGNORED_LABEL).sum().clamp(min=1),
        )


def pool_states(
    hidden_states: torch.Tensor,
    attention_mask: torch.Tensor | None,
    pooling: str,
    pair_ids: torch.Tensor | None = None,
    modality_ids: torch.Tensor | None = None,
    pad_token_id: int | None = None,
) -> torch.Tensor:
    """One state per row.

    `"pixelgpt_pair"` is what the released code of PixelGPT does, for its checkpoints: in a batch of all patches (with
    their padding), then all tokens (with theirs), it takes the position before the first padding token, but where no
    token is padding, the last PATCH position. For any other input it equals `"last"`.

    Args:
        hidden_states: `[B, T, D]`.
        attention_mask: `[B, T]`, or `[B, cached + T]` with a cache, 0 = padding; `None` if all positions count.
        pooling: `"last"`, `"mean"` or `"pixelgpt_pair"`.
        pair_ids: `[B, L]` tokens of a pair; `None` if there are only patches or only tokens.
        modality_ids: `[B, T]` of a pair; `None` for patches then tokens.
        pad_token_id: finds padding among `pair_ids`; without it `attention_mask` does.

    Returns:
        `[B, D]`.

    Raises:
        ValueError: for an unknown pooling, a mask that is not 2D, or a row without an attended position.
    """
    batch, length = hidden_states.shape[:2]
    if attention_mask is None:
        attended = torch.ones(batch, length, dtype=torch.bool, device=hidden_states.device)
    else:
        attended = _attended(attention_mask, length).to(hidden_states.device)
    if pooling == "mean":
        # Not a matrix product, which autocast would round to half precision.
        weights = attended.float() / attended.sum(-1, keepdim=True)
        return (hidden_states.float() * weights[..., None]).sum(1).to(hidden_states.dtype)
    if pooling not in ("last", "pixelgpt_pair"):
        raise ValueError(f'classifier_pooling must be "last", "mean" or "pixelgpt_pair", got {pooling!r}.')
    index = (attended * torch.arange(length, device=attended.device)).amax(-1)
    if pooling == "pixelgpt_pair" and pair_ids is not None:
        index = torch.where(*_pixelgpt_pair_index(attended, pair_ids, modality_ids, pad_token_id), index)
    return hidden_states[torch.arange(batch, device=index.device), index]


def _pixelgpt_pair_index(
    attended: torch.Tensor,
    pair_ids: torch.Tensor,
    modality_ids: torch.Tensor | None,
    pad_token_id: int | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Whether the batch is one of PixelGPT's pairs, bool `[]`, and the positions its code reads in it, `[B]`."""
    first_token = attended.shape[1] - pair_ids.shape[1]
    is_padding = ~attended[:, first_token:]
    if pad_token_id is not None:
        is_padding = pair_ids.to(attended.device) == pad_token_id
    # argmax is 0 both for padding at the first token and for none at all: the released code's oversight.
    index = first_token + is_padding.int().argmax(-1) - 1
    if modality_ids is None:
        return torch.ones((), dtype=torch.bool, device=index.device), index
    is_patch = modality_ids.to(index.device) != 0
    return is_patch[:, :first_token].all() & ~is_patch[:, first_token:].any(), index


def _attended(attention_mask: torch.Tensor, length: int) -> torch.Tensor:
    """bool `[B, T]` of a mask, the cached positions cut off."""
    if attention_mask.dim() != 2:
        raise ValueError(
            f"classification finds the end of each row in a 2D attention_mask [batch, positions], got one of shape "
            f"{tuple(attention_mask.shape)}."
        )
    attended = attention_mask[:, -length:] != 0
    if can_look_at(attended):
        empty = (~attended.any(-1)).nonzero().flatten().tolist()
        if empty:
            raise ValueError(
                f"row {empty[0]} has no attended position ({len(empty)} such rows): there is nothing to classify."
            )
    return attended


__all__ = ["PixelARForQuestionAnswering", "PixelARForSequenceClassification", "PixelARForTokenClassification"]
