# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Pictures written by a frozen language model: first layers in one go, each further layer in segments side by side.

The lower layers of a pyramid have more tokens than a context holds, so each segment of them is written from the layers
above alone (SPAE, arXiv 2306.17842, section 3.3): all segments of a layer are one batch.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList

from .modeling_spae import SpaeModel
from .prompts import PicturePrompt, check_length


class LexicalLogitsProcessor(LogitsProcessor):
    """Lets `generate` of any model write words of a codebook alone, so that whatever it writes can be decoded.

    No end-of-text token is among them: the number of tokens is what `max_new_tokens` says.

    Args:
        token_ids: of the codebook's words in the model's vocabulary.
    """

    def __init__(self, token_ids: Sequence[int] | torch.Tensor) -> None:
        self.token_ids = torch.as_tensor(token_ids, dtype=torch.long)
        if self.token_ids.ndim != 1 or not len(self.token_ids):
            raise ValueError(f"token_ids must be a list of ids, got {tuple(self.token_ids.shape)}.")

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Scores `[B, vocabulary]` with all others at minus infinity.

        Raises:
            ValueError: for ids outside the model's vocabulary.
        """
        if int(self.token_ids.max()) >= scores.shape[-1]:
            raise ValueError(
                f"the codebook has the token id {int(self.token_ids.max())}, but the model's vocabulary ends at "
                f"{scores.shape[-1] - 1}; the tokenizer is another model's."
            )
        allowed = self.token_ids.to(scores.device)
        others = torch.ones_like(scores, dtype=torch.bool)
        others[:, allowed] = False
        return scores.masked_fill(others, float("-inf"))  # type: ignore[return-value]


class ProgressiveDecoder:
    """Writes the layers of a picture with a language model.

    Args:
        spae: whose words and pyramid they are.
    """

    def __init__(self, spae: SpaeModel) -> None:
        self.spae = spae

    def generate(
        self,
        model: Any,
        prompt: PicturePrompt,
        first_layers: int = 2,
        segment: int = 16,
        layers: int | None = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, ...]:
        """A picture after a prompt.

        Args:
            model: any causal language model with `generate`.
            prompt: of [`LexicalPrompt.generation`] or [`LexicalPrompt.denoising`]; its examples need as many layers as
                are written.
            first_layers: written together, token by token, after the prompt.
            segment: tokens of a further layer that are written in one row.
            layers: how many to write; default all.
            kwargs: of `generate`, such as `do_sample` or `temperature`.

        Returns:
            Ids of each layer `[1, h, w]`, entries of the codebook: `spae.decode(ids)` draws them.

        Raises:
            ValueError: for a prompt that is longer than the model can read, with both numbers; for layers that the
                pyramid does not have.
        """
        pyramid = self.spae.quantizer.pyramid
        layers = len(pyramid) if layers is None else layers
        if not 0 < first_layers <= layers <= len(pyramid) or segment < 1:
            raise ValueError(
                f"first_layers={first_layers}, layers={layers}, segment={segment}: the pyramid has {len(pyramid)} "
                "layers, and each number is at least 1."
            )
        counts = pyramid.num_tokens
        entries = self._write(
            model, prompt, [prompt.first(first_layers)], sum(counts[:first_layers]), kwargs
        )[0]
        written = list(entries.split(list(counts[:first_layers])))
        for layer in range(first_layers, layers):
            upper = [ids.view(shape) for ids, shape in zip(written, pyramid.layers, strict=False)]
            starts = range(0, counts[layer], segment)
            rows = [prompt.segment(upper, start, min(start + segment, counts[layer])) for start in starts]
            found = self._write(model, prompt, rows, min(segment, counts[layer]), kwargs)
            written.append(found.flatten()[: counts[layer]])
        return tuple(ids.view(1, *shape) for ids, shape in zip(written, pyramid.layers, strict=False))

    def _write(
        self, model: Any, prompt: PicturePrompt, rows: list[list[int]], count: int, kwargs: dict[str, Any]
    ) -> torch.Tensor:
        """Codebook entries `[rows, count]` after prompts of any lengths."""
        width = max(map(len, rows))
        check_length(model, width, count)
        device = model.get_input_embeddings().weight.device
        filler = self._filler(model)
        input_ids = torch.tensor([[filler] * (width - len(row)) + row for row in rows], device=device)
        attended = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
        token_ids = prompt.prompt.token_ids
        options = dict(kwargs)
        others = options.pop("logits_processor", None) or []
        processors = LogitsProcessorList([*others, LexicalLogitsProcessor(token_ids)])
        sequences = model.generate(
            input_ids=input_ids,
            attention_mask=attended,
            logits_processor=processors,
            min_new_tokens=count,
            max_new_tokens=count,
            pad_token_id=filler,
            return_dict_in_generate=False,
            **options,
        )
        return self._entries(sequences[:, width:].cpu(), token_ids).to(self.spae.device)

    @staticmethod
    def _filler(model: Any) -> int:
        """An id for padding, which is masked."""
        config = model.generation_config
        for found in (config.pad_token_id, config.eos_token_id):
            if found is not None:
                return int(found[0] if isinstance(found, list) else found)
        return 0

    @staticmethod
    def _entries(tokens: torch.Tensor, token_ids: torch.Tensor) -> torch.Tensor:
        """Entries of the codebook, by the ids of their words."""
        order = token_ids.argsort()
        return order[torch.searchsorted(token_ids[order], tokens.contiguous())]


__all__ = ["LexicalLogitsProcessor", "ProgressiveDecoder"]
