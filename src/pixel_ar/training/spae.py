# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Batches for SPAE: pictures with captions, or texts that are drawn and are their own captions; word relevance."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from ..modalities import IGNORED_LABEL
from ..models.spae.codebook import LexicalCodebook
from ..models.spae.configuration_spae import SpaeConfig
from ..processing.images import image_to_strip
from ..processing.processing_pixel_ar import PixelProcessor

_WORD = re.compile(r"\w+")
BATCH = 256
TEMPLATES = ("a photo of a {}", "a picture of {}", "{}")


class WordRelevance(Protocol):
    """How well each word of a codebook fits each picture: what makes the pools of the paper."""

    def __call__(self, captions: Sequence[str], pixel_values: torch.Tensor) -> torch.Tensor:
        """Scores `[B, V]` in [0, 1] of pictures `[B, C, Y, X]` with captions."""
        ...


@dataclass
class CaptionRelevance:
    """Relevance by captions: the largest cosine between a word's vector and those of the caption's words.

    Scaled to [0, 1] over the codebook, picture by picture. A caption none of whose words are known scores 0 everywhere.

    Args:
        codebook: of the model.
    """

    codebook: LexicalCodebook

    def __call__(self, captions: Sequence[str], pixel_values: torch.Tensor | None = None) -> torch.Tensor:
        """See [`WordRelevance`]; pictures are not looked at."""
        vectors = torch.nn.functional.normalize(self.codebook.vectors.float(), dim=1)
        scores = vectors.new_zeros(len(captions), len(vectors))
        for row, caption in enumerate(captions):
            entries = caption_entries(caption, self.codebook)
            if entries:
                cosines = (vectors @ vectors[entries].T).amax(1)
                scores[row] = (cosines - cosines.min()) / (cosines.max() - cosines.min()).clamp(min=1e-6)
        return scores


class ClipRelevance:
    """Relevance by a CLIP model, as in the paper: picture against word, the text features averaged over templates.

    Args:
        folder: of a CLIP model with tokenizer and image processor.
        codebook: of the SPAE model.
        templates: sentences with `{}` for the word.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        codebook: LexicalCodebook,
        templates: Sequence[str] = TEMPLATES,
    ) -> None:
        self.model = AutoModel.from_pretrained(folder).eval()
        self.image_processor = AutoImageProcessor.from_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        self.words = self._word_features(tokenizer, codebook.words, templates)

    @torch.no_grad()
    def __call__(self, captions: Sequence[str] | None, pixel_values: torch.Tensor) -> torch.Tensor:
        """See [`WordRelevance`]; captions are not looked at."""
        unit = pixel_values.float() / 255 if pixel_values.dtype == torch.uint8 else pixel_values.float()
        colored = unit.expand(-1, 3, -1, -1) if unit.shape[1] == 1 else unit
        images = [(picture * 255).round().byte().permute(1, 2, 0).numpy() for picture in colored.cpu()]
        inputs = self.image_processor(images=images, return_tensors="pt")
        found = _features(self.model.get_image_features(**inputs))
        scores = torch.nn.functional.normalize(found, dim=-1) @ self.words.T
        low, high = scores.amin(1, keepdim=True), scores.amax(1, keepdim=True)
        return (scores - low) / (high - low).clamp(min=1e-6)

    @torch.no_grad()
    def _word_features(self, tokenizer: Any, words: Sequence[str], templates: Sequence[str]) -> torch.Tensor:
        parts = []
        for start in range(0, len(words), BATCH):
            total = torch.zeros(())
            for template in templates:
                texts = [template.format(word) for word in words[start : start + BATCH]]
                inputs = tokenizer(texts, padding=True, return_tensors="pt")
                inputs.pop("token_type_ids", None)
                found = _features(self.model.get_text_features(**inputs))
                total = total + torch.nn.functional.normalize(found, dim=-1)
            parts.append(torch.nn.functional.normalize(total, dim=-1))
        return torch.cat(parts)


def _features(found: Any) -> torch.Tensor:
    """Features as a tensor; newer releases of transformers wrap them in an output."""
    return found if isinstance(found, torch.Tensor) else found.pooler_output


@dataclass
class SpaeCollator:
    """Rows of a data set to a batch of [`SpaeModel`].

    A row has a picture (and perhaps a caption), or a text, which `processor` draws and which is its own caption.

    Args:
        config: of the model; its `pool_assignment` says what is made of captions.
        codebook: of the model; `None` for a learned one: captions are then passed over.
        image_column: of pictures: PIL images, or arrays as [`PixelProcessor`] takes them.
        caption_column: of captions; rows may lack it.
        text_column: of texts, where there are no pictures.
        processor: draws texts; `None` for pictures alone.
        word_counts: how often each word stands in the captions (see [`count_words`]), so that of a caption the rarest
            words come first; `None` keeps the order of the caption.
        relevance: for `pool_assignment="pools"`; default [`CaptionRelevance`].

    Raises:
        ValueError: for a row without picture or text, a picture of another size, or a text that does not fit.
    """

    config: SpaeConfig
    codebook: LexicalCodebook | None = None
    image_column: str = "image"
    caption_column: str = "caption"
    text_column: str = "text"
    processor: PixelProcessor | None = None
    word_counts: Mapping[str, int] | None = None
    relevance: WordRelevance | None = None
    _default: CaptionRelevance | None = field(default=None, init=False, repr=False)

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """`pixel_values` `[B, C, Y, X]` uint8, and `word_ids` `[B, n]` or `word_scores` `[B, V]`."""
        if not rows:
            raise ValueError("a batch needs at least one row.")
        pixel_values = torch.from_numpy(
            np.stack([self._pixels(row, index) for index, row in enumerate(rows)])
        )
        batch = {"pixel_values": pixel_values}
        captions = [str(row.get(self.caption_column, row.get(self.text_column)) or "") for row in rows]
        if self.codebook is None or not any(captions):
            return batch
        if self.config.pool_assignment == "match":
            batch["word_ids"] = self.word_ids(captions)
            return batch
        relevance = self.relevance
        if relevance is None:
            relevance = self._default = self._default or CaptionRelevance(self.codebook)
        batch["word_scores"] = relevance(captions, pixel_values)
        return batch

    def word_ids(self, captions: Sequence[str]) -> torch.Tensor:
        """The entries of captions' words, the rarest first, `[B, n]` padded with -100."""
        assert self.codebook is not None
        rows = [caption_entries(caption, self.codebook, self.word_counts) for caption in captions]
        padded = torch.full((len(rows), max(1, *map(len, rows))), IGNORED_LABEL)
        for row, entries in enumerate(rows):
            padded[row, : len(entries)] = torch.tensor(entries, dtype=torch.long)
        return padded

    def _pixels(self, row: Mapping[str, Any], index: int) -> np.ndarray:
        """uint8 `[C, Y, X]`."""
        size = self.config.image_size
        image = row.get(self.image_column)
        if image is not None:
            pixels = image_to_strip(image, size[0], self.config.num_channels, f"image {index}")
        elif row.get(self.text_column) is not None:
            pixels = self._draw(str(row[self.text_column]))
        else:
            raise ValueError(
                f"row {index} has neither {self.image_column!r} nor {self.text_column!r}, but {sorted(row)}; name the "
                "column, and set remove_unused_columns=False in TrainingArguments."
            )
        if pixels.shape[2] != size[1]:
            raise ValueError(
                f"image {index} is {pixels.shape[2]} pixels wide, but the model's pictures have {size[1]}; resize it."
            )
        return (pixels * 255).round().astype(np.uint8)

    def _draw(self, text: str) -> np.ndarray:
        """A strip as wide as the model's, white after the text."""
        if self.processor is None:
            raise ValueError("rows of text need a processor that draws them: SpaeCollator(processor=...).")
        strip = self.processor(text=[text], add_eos=False, return_tensors="np")["pixel_values"][0]
        height, width = self.config.image_size
        if strip.shape[:2] != (self.config.num_channels, height):
            raise ValueError(
                f"the processor draws {strip.shape[0]} channels of {strip.shape[1]} rows, the model reads "
                f"{self.config.num_channels} of {height}."
            )
        strip = strip / 255 if strip.dtype == np.uint8 else strip
        if strip.shape[2] > width and (strip[:, :, width:] < 1).any():
            raise ValueError(
                f"the text {text[:40]!r} is drawn {strip.shape[2]} pixels wide, but the model's strips have {width}; "
                "cut texts to words that fit."
            )
        padded = np.ones((strip.shape[0], height, width), np.float32)
        padded[:, :, : min(width, strip.shape[2])] = strip[:, :, :width]
        return padded


def caption_words(caption: str) -> list[str]:
    """The words of a caption, each once, in lower case."""
    return list(dict.fromkeys(_WORD.findall(caption.lower())))


def caption_entries(
    caption: str, codebook: LexicalCodebook, word_counts: Mapping[str, int] | None = None
) -> list[int]:
    """The entries of a caption's words that the codebook knows, the rarest first."""
    words = caption_words(caption)
    if word_counts is not None:
        words = sorted(words, key=lambda word: word_counts.get(word, 0))
    ranks = [codebook.rank(word) for word in words]
    return [rank for rank in ranks if rank is not None]


def count_words(captions: Iterable[str]) -> Counter[str]:
    """In how many captions each word stands."""
    return Counter(word for caption in captions for word in caption_words(caption))


__all__ = [
    "CaptionRelevance",
    "ClipRelevance",
    "SpaeCollator",
    "WordRelevance",
    "caption_entries",
    "caption_words",
    "count_words",
]
