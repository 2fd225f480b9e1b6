# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Pages to batches: patches, targets in tokens or in pixels, and what each patch shows.

Shapes: B pages, H, W rows and columns of a page, S patches, K characters that a patch may show, T positions.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from ...modalities import IGNORED_LABEL
from ...processing.processing_pixel_ar import PixelProcessor
from .page import TrainingPage, shown_characters


class PageCollator:
    """Pages to a batch of [`PixelPageForConditionalGeneration`].

    Args:
        processor: cuts pages; its `page_patch_size` and `page_max_patches` count.
        tokenizer: of the targets. Its EOS token ends each; its pad token begins what the decoder reads.
        num_channels: of the model.
        reading_slots: K, the characters of a patch that the model's reading head tells; 0 for none.
        to_pixels: what is done to the pixels of a page first; `np.ones_like` makes a baseline that cannot look.
        resize: whether pages are brought to as many patches as fit, as Pix2Struct does; the places of their characters
            are not known then, so there is no reading loss.

    Raises:
        ValueError: for reading slots of pages that are resized.
    """

    def __init__(
        self,
        processor: PixelProcessor,
        tokenizer: PreTrainedTokenizerBase | None,
        num_channels: int = 1,
        reading_slots: int = 0,
        to_pixels: Callable[[np.ndarray], np.ndarray] | None = None,
        resize: bool = False,
    ) -> None:
        if resize and reading_slots:
            raise ValueError("reading_slots need pages at their own size: leave resize at False.")
        self.processor, self.resize = processor, resize
        self.tokenizer: Any = tokenizer
        self.num_channels, self.reading_slots, self.to_pixels = num_channels, reading_slots, to_pixels

    def __call__(self, pages: Sequence[TrainingPage]) -> dict[str, torch.Tensor]:
        """`flattened_patches`, `attention_mask`, `labels` `[B, T]` and, with slots, `reading_targets` `[B, S, K]`."""
        pixels = [page.pixels if self.to_pixels is None else self.to_pixels(page.pixels) for page in pages]
        batch = self.processor.page_patches(
            pixels, normalize="image", resize=self.resize, num_channels=self.num_channels, padding="longest"
        )
        data: dict[str, Any] = {**batch, "labels": self._labels(pages)}
        if self.reading_slots:
            data["reading_targets"] = self._reading_targets(pages, batch["attention_mask"].shape[1])
        return data

    def _labels(self, pages: Sequence[TrainingPage]) -> torch.Tensor:
        """The targets as tokens, each with its EOS token, `[B, T]`; -100 after it."""
        ids = [self.tokenizer(page.target, add_special_tokens=False).input_ids for page in pages]
        ends = [[*row, self.tokenizer.eos_token_id] for row in ids]
        labels = torch.full((len(ends), max(map(len, ends))), IGNORED_LABEL)
        for row, end in enumerate(ends):
            labels[row, : len(end)] = torch.tensor(end)
        return labels

    def _reading_targets(self, pages: Sequence[TrainingPage], num_patches: int) -> torch.Tensor:
        """Tokens of the characters of each patch; the pad token where there are fewer, -100 on padding."""
        size = self.processor.page_patch_size or self.processor.patch_size
        labels = torch.full((len(pages), num_patches, self.reading_slots), IGNORED_LABEL)
        for row, page in enumerate(pages):
            shown = shown_characters(page, size)
            labels[row, : len(shown)] = int(self.tokenizer.pad_token_id)
            for patch, characters in enumerate(shown):
                for slot, char in enumerate(characters[: self.reading_slots]):
                    labels[row, patch, slot] = self.tokenizer(char, add_special_tokens=False).input_ids[0]
        return labels

    def _before(self, pages: Sequence[TrainingPage], sequence: dict[str, Any]) -> dict[str, torch.Tensor]:
        """A batch of what follows pages, with the pages."""
        size = self.processor.page_patch_size or self.processor.patch_size
        shapes = {page.pixels.shape for page in pages}
        if (
            len(shapes) != 1
            or any(len(shape) != 2 for shape in shapes)
            or any(side % step for side, step in zip(*shapes, size, strict=True))
        ):
            raise ValueError(
                f"pages of {sorted(shapes)} pixels are not all alike, gray, and whole patches of {size}."
            )
        pixels = [page.pixels if self.to_pixels is None else self.to_pixels(page.pixels) for page in pages]
        data = {"page_values": torch.from_numpy(np.stack(pixels))[:, None], **sequence}
        if self.reading_slots:
            num_patches = pages[0].pixels.size // (size[0] * size[1])
            data["reading_targets"] = self._reading_targets(pages, num_patches)
        return data


class PagePrefixCollator(PageCollator):
    """Pages to a batch of a [`PixelARForCausalLM`] with `page_positions`: the page, then the target in tokens.

    Args:
        processor: its `page_patch_size`, or `patch_size`, must be the model's patch size.
        tokenizer: of the targets.
        bos_token_id: the model's, which begins each target; it is read and not predicted.
        reading_slots: as in [`PageCollator`].
        to_pixels: likewise.
    """

    def __init__(
        self,
        processor: PixelProcessor,
        tokenizer: PreTrainedTokenizerBase,
        bos_token_id: int,
        reading_slots: int = 0,
        to_pixels: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        super().__init__(processor, tokenizer, 1, reading_slots, to_pixels)
        self.bos_token_id = bos_token_id

    def __call__(self, pages: Sequence[TrainingPage]) -> dict[str, torch.Tensor]:
        """`page_values` `[B, 1, H, W]`, `input_ids`, `attention_mask` and `labels` `[B, T]`, and `reading_targets`.

        Raises:
            ValueError: for pages of different sizes, in colour, or in no whole number of patches.
        """
        labels = self._labels(pages)
        first = torch.full((len(pages), 1), self.bos_token_id)
        ids = torch.cat([first, labels], dim=1)
        mask = (ids != IGNORED_LABEL).long()
        return self._before(
            pages,
            {
                "input_ids": ids.masked_fill(mask == 0, int(self.tokenizer.pad_token_id)),
                "attention_mask": mask,
                "labels": torch.cat([torch.full_like(first, IGNORED_LABEL), labels], dim=1),
            },
        )


class PagePixelCollator(PageCollator):
    """Pages to a batch of a [`PixelARForCausalLM`] with `page_positions`: the page, then the target in pixels.

    A blank patch begins each answer, as a BOS token would; it is read and not predicted. So `generate` is given the
    page and `blank_patch`.

    Args:
        processor: draws targets too; the page's patches are those of its strips.
        tokenizer: of the reading targets; `None` without reading slots.
        reading_slots: as in [`PageCollator`].
        to_pixels: likewise.

    Raises:
        ValueError: for a processor whose patches of pages and strips differ, or slots without a tokenizer.
    """

    def __init__(
        self,
        processor: PixelProcessor,
        tokenizer: PreTrainedTokenizerBase | None = None,
        reading_slots: int = 0,
        to_pixels: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        if processor.page_patch_size not in (None, processor.patch_size):
            raise ValueError(
                f"answers in patches of {processor.patch_size} do not fit pages in patches of "
                f"{processor.page_patch_size}: set page_patch_size=None."
            )
        if reading_slots and tokenizer is None:
            raise ValueError("reading_slots need a tokenizer of the characters.")
        super().__init__(processor, tokenizer, 1, reading_slots, to_pixels)

    def blank_patch(self, count: int) -> torch.Tensor:
        """What answers begin with, float `[count, 1, height, width]`."""
        return torch.ones(count, 1, *self.processor.patch_size)

    def __call__(self, pages: Sequence[TrainingPage]) -> dict[str, torch.Tensor]:
        """`page_values`, `pixel_values` `[B, 1, height, T * width]`, `attention_mask`, `labels` `[B, T]`.

        Raises:
            ValueError: as [`PagePrefixCollator`].
        """
        drawn = self.processor(text=[page.target for page in pages], padding="longest", return_tensors="pt")
        pixels = drawn["pixel_values"].float()
        mask = torch.nn.functional.pad(drawn["attention_mask"], (1, 0), value=1)
        first = self.blank_patch(len(pages))
        labels = torch.where(mask == 0, IGNORED_LABEL, 1)
        labels[:, 0] = IGNORED_LABEL
        strips = {
            "pixel_values": torch.cat([first, pixels], dim=-1),
            "attention_mask": mask,
            "labels": labels,
        }
        return self._before(pages, strips)


__all__ = ["PageCollator", "PagePixelCollator", "PagePrefixCollator"]
