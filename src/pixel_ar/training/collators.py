# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Collators: raw text in, batches of strips and tokens out. Rendering happens here, in the data loader's worker."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ..modalities import IGNORED_LABEL, TOKEN
from ..models.pixel_ar.sequences import unpadded_positions
from ..processing.processing_pixel_ar import PixelProcessor
from ..processing.tokens import NoTokenizer
from .batches import require_labels, to_bytes
from .columns import check_rows, read_column, read_lists, usual_column

MODALITIES = ("pixel", "token", "pair")


class LanguageModelingCollator:
    """Renders texts or packed blocks and labels them for next-patch prediction.

    Args:
        processor: draws the text.
        block_patches: patches per packed block; `None` if only single texts are collated.
        text_column: key of the text in a feature.
        max_patches: texts longer than this are cut at that length; `None` to let them be.
        add_start: whether an EOS patch stands before a single text, so that its first patch is learned too.
    """

    def __init__(
        self,
        processor: PixelProcessor,
        block_patches: int | None = None,
        text_column: str = "text",
        max_patches: int | None = None,
        add_start: bool = True,
    ) -> None:
        self.processor = processor
        self.add_start = add_start
        self.block_patches = block_patches
        self.text_column = text_column
        self.max_patches = max_patches

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Collates blocks of [`PackedTextDataset`] or dictionaries with a text.

        Args:
            features: all with `segments`, or all with the text column.

        Returns:
            `pixel_values` uint8 `[B, C, H, W]`, `attention_mask` `[B, T]`, `labels` `[B, T]` (0 = target, -100 = none).

        Raises:
            KeyError: if a feature has neither; pass `remove_unused_columns=False` to Trainer.
        """
        check_rows(features)
        if "segments" in features[0]:
            return self._collate_blocks(features)
        batch = self.processor(
            text=read_column(features, usual_column(features[0], self.text_column)),
            add_start=self.add_start,
            truncation=self.max_patches is not None,
            max_patches=self.max_patches,
            return_tensors="pt",
        )
        mask = batch["attention_mask"]
        labels = torch.where(mask == 1, 0, IGNORED_LABEL)
        require_labels(labels, "each has one patch, and none before it to learn it from", shifted=True)
        return {
            "pixel_values": to_bytes(batch["pixel_values"]),
            "attention_mask": mask,
            "labels": labels,
        }

    def _collate_blocks(self, features: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        if self.block_patches is None:
            raise ValueError("packed blocks need block_patches; pass the value PackedTextDataset was given.")
        texts = [text for segments in read_lists(features, "segments") for text in segments]
        for index, flag in enumerate(read_column(features, "is_complete")):
            if not isinstance(flag, int | np.bool_):
                raise ValueError(f"'is_complete' of row {index} must be true or false, got {flag!r:.60}.")
        if wrong := [text for text in texts if not isinstance(text, str)]:
            raise ValueError(f"segments must be texts, got {type(wrong[0]).__name__}: {wrong[0]!r:.60}.")
        if self.processor.mode != "1":
            batch = self._collate_levels(features)
            self.processor.count_replaced(texts)
            return batch
        self.processor.renderer.remember(texts)
        blocks = [self._block_bytes(feature["segments"], feature["is_complete"]) for feature in features]
        self.processor.count_replaced(texts)
        height, width = self.processor.patch_size
        patch_bytes = width * height // 8
        filled = b"".join(block.ljust(self.block_patches * patch_bytes, b"\0") for block in blocks)
        packed = np.frombuffer(filled, np.uint8).reshape(len(blocks), -1, height // 8)
        ink = np.unpackbits(packed, axis=2).transpose(0, 2, 1)
        pixels = torch.from_numpy(255 * (1 - np.ascontiguousarray(ink)))
        pixels = pixels[:, None].expand(-1, self.processor.num_channels, -1, -1)
        return _block_batch(pixels, self.block_patches, [len(block) // patch_bytes for block in blocks])

    def _block_bytes(self, segments: list[str], is_complete: bool) -> bytes:
        """Packed columns of one block: texts padded to whole patches, an EOS patch after each that ends here."""
        height, width = self.processor.patch_size
        patch_bytes = width * height // 8
        left = bytes(self.processor.left_padding * height // 8)
        right = bytes(self.processor.right_padding * height // 8)
        parts: list[bytes] = []
        for number, segment in enumerate(segments):
            columns = left + self.processor.renderer.render_bytes(segment) + right
            parts.append(columns + bytes(-len(columns) % patch_bytes))
            if is_complete or number + 1 < len(segments):
                parts.append(b"\xff" * patch_bytes)
        # The last text may go on in the next block.
        return b"".join(parts)[: (self.block_patches or 0) * patch_bytes]

    def _collate_levels(self, features: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Packed blocks of texts with gray levels or colours."""
        height, width = self.processor.patch_size
        num_channels = self.processor.num_channels
        columns = (self.block_patches or 0) * width
        color = torch.tensor(self.processor.background_color[:num_channels], dtype=torch.uint8)[:, None, None]
        pixels = color.expand(len(features), num_channels, height, columns).clone()
        used: list[int] = []
        for feature, block in zip(features, pixels, strict=True):
            place, segments = 0, feature["segments"]
            for number, segment in enumerate(segments):
                drawn = torch.from_numpy(self.processor.renderer.render(segment).to_array())
                room = block[:, :, place + self.processor.left_padding :]
                count = min(drawn.shape[2], room.shape[2])
                room[:, :, :count] = drawn[:, :, :count]
                needed = self.processor.left_padding + drawn.shape[2] + self.processor.right_padding
                place += -(-needed // width) * width
                if feature["is_complete"] or number + 1 < len(segments):
                    block[:, :, place : place + width] = 0
                    place += width
            used.append(min(place, columns) // width)
        return _block_batch(pixels, self.block_patches or 0, used)


def _block_batch(pixels: torch.Tensor, num_patches: int, used: list[int]) -> dict[str, torch.Tensor]:
    """Blocks `[B, C, H, W]` with their mask and labels; blocks of shaped text may end with padding."""
    is_used = torch.arange(num_patches) < torch.tensor(used)[:, None]
    labels = torch.where(is_used, 0, IGNORED_LABEL)
    return {"pixel_values": pixels, "attention_mask": is_used.long(), "labels": labels}


class MixedModalityCollator:
    """Texts as strips, as tokens or as both, for models of patches and tokens (MonoGPT and DualGPT, arXiv 2404.10710).

    All rows of a batch have one modality: `"pixel"` (drawn), `"token"` (tokenised) or `"pair"` (both in one sequence),
    so that no row is padded with what it does not hold. Which one a batch gets is drawn from a hash of its texts, so
    that any number of workers, and a resumed run, draw the same; or stands in a column of the rows.

    Args:
        processor: draws and tokenises; needs a tokenizer unless all batches are `"pixel"`.
        ratios: shares of the modalities among the batches, in any unit.
        modality_column: key of a row's modality, in place of `ratios`; the rows of a batch must agree (see
            [`ModalityGroups`]).
        text_column: key of the text that is drawn.
        target_column: key of the text that is tokenised; `None` for the same text.
        max_patches: strips longer than this are cut at that length; `None` for the processor's limit.
        max_target_tokens: likewise for tokens; `None` for no limit.
        target_first_ratio: share of the pair batches in which the tokens stand before the patches.
        add_start: whether an EOS patch stands before a drawn text, so that its first patch is learned too.
        seed: of the draws.

    Raises:
        ValueError: for unknown modalities, negative or zero ratios, or a processor without the tokenizer it needs.
    """

    def __init__(
        self,
        processor: PixelProcessor,
        ratios: Mapping[str, float] | None = None,
        modality_column: str | None = None,
        text_column: str = "text",
        target_column: str | None = None,
        max_patches: int | None = None,
        max_target_tokens: int | None = None,
        target_first_ratio: float = 0.0,
        add_start: bool = True,
        seed: int = 0,
    ) -> None:
        if (ratios is None) == (modality_column is None):
            raise ValueError(
                'give either ratios, such as {"pixel": 4, "token": 4, "pair": 2}, or modality_column.'
            )
        self.ratios = dict.fromkeys(MODALITIES, 0.0) | dict(ratios or {})
        if set(self.ratios) != set(MODALITIES) or min(self.ratios.values()) < 0:
            raise ValueError(f"ratios must be shares of {', '.join(MODALITIES)}, none below 0, got {ratios}.")
        if ratios is not None and sum(self.ratios.values()) <= 0:
            raise ValueError(f"at least one of the ratios must be above 0, got {ratios}.")
        if not 0 <= target_first_ratio <= 1:
            raise ValueError(f"target_first_ratio must lie in [0, 1], got {target_first_ratio}.")
        needs_tokens = modality_column is not None or self.ratios["token"] + self.ratios["pair"] > 0
        if needs_tokens and isinstance(processor.tokenizer, NoTokenizer):
            raise ValueError(
                "token and pair batches need a tokenizer: build the processor with PixelProcessor(..., tokenizer=...)."
            )
        self.processor = processor
        self.modality_column = modality_column
        self.text_column = text_column
        self.target_column = target_column
        self.max_patches = max_patches
        self.max_target_tokens = max_target_tokens
        self.target_first_ratio = target_first_ratio
        self.add_start = add_start
        self.seed = seed

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Collates rows.

        Args:
            features: dictionaries with the text column, and the target and modality columns where they are set.

        Returns:
            P patch and L token positions, T = P + L (either may be 0):
            - `attention_mask` int64 `[B, T]`;
            - `labels` int64 `[B, T]`: on patches 0, on tokens the token's id, -100 on padding;
            - `pixel_values` uint8 `[B, C, H, P * w]` in pixel and pair batches;
            - `input_ids` int64 `[B, L]` in token and pair batches;
            - `modality_ids` int64 `[B, T]` in pair batches, and `position_ids` int64 `[B, T]` that skip the padding
              between the parts, so that a row is learned as it is generated: alone, without padding.

        Raises:
            KeyError: if a column is missing; pass `remove_unused_columns=False` to Trainer.
            ValueError: if rows of several modalities meet in a batch.
        """
        check_rows(features)
        text_column = usual_column(features[0], self.text_column)
        texts = read_column(features, text_column)
        targets = read_column(features, self.target_column or text_column)
        modality_draw, order_draw = self._draw(texts)
        modality = self._modality(features, modality_draw)
        limits = (self.max_patches, self.processor.model_max_patches, self.max_target_tokens)
        options: dict[str, Any] = {"truncation": any(limit is not None for limit in limits)}
        if modality != "token":
            options.update(text=texts, add_start=self.add_start)
        if modality != "pixel":
            tokenizer = self.processor.tokenizer
            options.update(
                target_text=targets,
                max_target_tokens=self.max_target_tokens,
                add_target_bos=tokenizer.bos_token_id is not None,
                add_target_eos=tokenizer.eos_token_id is not None,
                target_first=order_draw < self.target_first_ratio,
            )
        batch = self.processor(max_patches=self.max_patches, return_tensors="pt", **options)
        return self._label(batch)

    def _draw(self, texts: list[str]) -> tuple[float, float]:
        """Two numbers in [0, 1) that depend on the seed and the texts alone."""
        digest = hashlib.sha256(repr((self.seed, texts)).encode()).digest()
        return int.from_bytes(digest[:8]) / 2**64, int.from_bytes(digest[8:16]) / 2**64

    def _modality(self, features: list[dict[str, Any]], draw: float) -> str:
        if self.modality_column is None:
            position = draw * sum(self.ratios.values())
            for modality, share in self.ratios.items():
                position -= share
                if position < 0:
                    return modality
            return max(self.ratios, key=lambda kind: self.ratios[kind])  # the sum was rounded
        found = sorted({str(kind) for kind in read_column(features, self.modality_column)})
        if len(found) > 1:
            raise ValueError(
                f"rows of several modalities ({', '.join(found)}) in one batch; bring rows of one modality together "
                "with ModalityGroups, or leave modality_column out and pass ratios."
            )
        if found[0] not in MODALITIES:
            raise ValueError(
                f"column {self.modality_column!r} must be one of {', '.join(MODALITIES)}, got {found[0]!r}."
            )
        return found[0]

    def _label(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        mask = batch["attention_mask"]
        data = {"attention_mask": mask, "labels": torch.zeros_like(mask)}
        if "pixel_values" in batch:
            data["pixel_values"] = to_bytes(batch["pixel_values"])
        if "input_ids" in batch:
            data["input_ids"] = batch["input_ids"]
            modality_ids = batch.get("modality_ids")
            if modality_ids is None:
                data["labels"] = batch["input_ids"].clone()
            else:
                data["modality_ids"] = modality_ids
                data["position_ids"] = unpadded_positions(mask)
                # Row by row, the token positions take the ids in their order: both sides have L of them.
                data["labels"][modality_ids == TOKEN] = batch["input_ids"].flatten()
        data["labels"][mask == 0] = IGNORED_LABEL
        require_labels(
            data["labels"], "each has one position, and none before it to learn it from", shifted=True
        )
        return data


__all__ = ["MODALITIES", "LanguageModelingCollator", "MixedModalityCollator"]
