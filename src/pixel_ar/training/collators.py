# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Collators: raw text in, batches of strips out. Rendering happens here, in the data loader's worker."""

from typing import Any

import numpy as np
import torch

from ..processing_pixel_ar import PixelProcessor

IGNORED_LABEL = -100


class LanguageModelingCollator:
    """Renders texts or packed blocks and labels them for next-patch prediction.

    Args:
        processor: draws the text.
        block_patches: patches per packed block; `None` if only single texts are collated.
        text_column: key of the text in a feature.
        max_patches: texts longer than this are cut at that length; `None` to let them be.
    """

    def __init__(
        self,
        processor: PixelProcessor,
        block_patches: int | None = None,
        text_column: str = "text",
        max_patches: int | None = None,
    ) -> None:
        self.processor = processor
        self.block_patches = block_patches
        self.text_column = text_column
        self.max_patches = max_patches

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Collates blocks of [`PackedTextDataset`] or dictionaries with a text.

        Args:
            features: all with `segments`, or all with the text column.

        Returns:
            `pixel_values` uint8 `[B, 1, H, W]`, `attention_mask` `[B, T]`, `labels` `[B, T]` (0 = target, -100 = none).

        Raises:
            KeyError: if a feature has neither; pass `remove_unused_columns=False` to Trainer.
        """
        if "segments" in features[0]:
            return self._collate_blocks(features)
        if self.text_column not in features[0]:
            raise KeyError(
                f"no column {self.text_column!r} among {sorted(features[0])}: name the text column, and set "
                "remove_unused_columns=False in TrainingArguments."
            )
        batch = self.processor(
            text=[feature[self.text_column] for feature in features],
            add_start=True,
            truncation=self.max_patches is not None,
            max_patches=self.max_patches,
            return_tensors="pt",
        )
        mask = batch["attention_mask"]
        return {
            "pixel_values": (batch["pixel_values"] * 255).to(torch.uint8),
            "attention_mask": mask,
            "labels": torch.where(mask == 1, 0, IGNORED_LABEL),
        }

    def _collate_blocks(self, features: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        if self.block_patches is None:
            raise ValueError("packed blocks need block_patches; pass the value PackedTextDataset was given.")
        blocks = [self._block_bytes(feature["segments"], feature["is_complete"]) for feature in features]
        height = self.processor.patch_size[0]
        packed = np.frombuffer(b"".join(blocks), np.uint8).reshape(len(blocks), -1, height // 8)
        ink = np.unpackbits(packed, axis=2).transpose(0, 2, 1)
        pixels = torch.from_numpy(255 * (1 - np.ascontiguousarray(ink)))
        mask = torch.ones(len(blocks), self.block_patches, dtype=torch.int64)
        return {"pixel_values": pixels[:, None], "attention_mask": mask, "labels": torch.zeros_like(mask)}

    def _block_bytes(self, segments: list[str], is_complete: bool) -> bytes:
        """Packed columns of one block: texts padded to whole patches, an EOS patch after each that ends here."""
        height, width = self.processor.patch_size
        patch_bytes = width * height // 8
        parts: list[bytes] = []
        for number, segment in enumerate(segments):
            columns = self.processor.renderer.render_bytes(segment)
            parts.append(columns + bytes(-len(columns) % patch_bytes))
            if is_complete or number + 1 < len(segments):
                parts.append(b"\xff" * patch_bytes)
        # The last text may go on in the next block.
        return b"".join(parts)[: (self.block_patches or 0) * patch_bytes]


__all__ = ["IGNORED_LABEL", "LanguageModelingCollator"]
