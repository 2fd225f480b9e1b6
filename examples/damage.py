# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Damage to texts and to their strips: typing errors, look-alikes of other scripts, turned pixels.

Shapes: B rows, C channels, H strip height, W columns, T patches.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch

import pixel_ar
from pixel_ar.training.noise import CONFUSABLES, NoiseTransform


def look_alikes() -> dict[str, str]:
    """For every character that looks like others, those: across Latin, Greek and Cyrillic, in each direction."""
    alike: dict[str, set[str]] = defaultdict(set)
    for latin, others in CONFUSABLES.items():
        if latin.isalpha():
            for other in filter(str.isalpha, others):
                alike[latin].add(other)
                alike[other].add(latin)
    return {char: "".join(sorted(others)) for char, others in alike.items()}


LOOK_ALIKES = look_alikes()


@dataclass(frozen=True)
class Damage:
    """What is done to a piece of text and to its strip.

    Attributes:
        typos: share of the letters: neighbours on the keyboard, swapped, left out, doubled.
        look_alikes: share of the letters that a letter of another script takes the place of, where one looks alike.
        flips: share of the pixels that are turned.
    """

    typos: float = 0.0
    look_alikes: float = 0.0
    flips: float = 0.0

    def of_text(self, text: str, generator: random.Random) -> str:
        """A damaged copy of a text."""
        if self.look_alikes:
            text = "".join(
                generator.choice(LOOK_ALIKES[char])
                if char in LOOK_ALIKES and generator.random() < self.look_alikes
                else char
                for char in text
            )
        if self.typos:
            text = NoiseTransform(self.typos, kinds=("typos",)).apply(text, generator)
        return text


# What is measured: nothing, each alone, and all of them together.
CONDITIONS = {
    "clean": Damage(),
    "2 % of the pixels": Damage(flips=0.02),
    "20 % look-alikes": Damage(look_alikes=0.2),
    "5 % typos": Damage(typos=0.05),
    "1 % pixels, 10 % look-alikes, 5 % typos": Damage(0.05, 0.1, 0.01),
}


def turn_pixels(pixels: torch.Tensor, shares: Sequence[float], mask: torch.Tensor, seed: int) -> torch.Tensor:
    """Strips with some of their pixels turned, black to white and white to black.

    Args:
        pixels: `[B, C, H, W]`, uint8 (0 to 255) or float (0 to 1).
        shares: B shares of the pixels of a row.
        mask: `[B, T]`, 0 = padding, which stays white.
        seed: decides which.
    """
    white = 255 if pixels.dtype == torch.uint8 else 1
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.rand(pixels.shape, generator=generator)
    columns = mask.bool().repeat_interleave(pixels.shape[-1] // mask.shape[-1], -1)[:, None, None]
    turned = (drawn < torch.tensor(shares)[:, None, None, None]) & columns
    return torch.where(turned, white - pixels, pixels)


def read_damaged(
    processor: pixel_ar.PixelProcessor, texts: Sequence[str], flips: float, batch_size: int = 64
) -> list[str]:
    """What the reader makes of damaged strips: what a model of text gets where a pixel model gets the strips.

    Args:
        processor: draws and reads.
        texts: on the strips.
        flips: share of the pixels that are turned.
        batch_size: strips read together; texts of like length share a batch.

    Returns:
        Texts; a blank for what nothing is read from.
    """
    found = [""] * len(texts)
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    for start in range(0, len(order), batch_size):
        part = order[start : start + batch_size]
        batch = processor(text=[texts[index] for index in part], return_tensors="pt")
        mask = batch["attention_mask"]
        batch["pixel_values"] = turn_pixels(batch["pixel_values"], [flips] * len(part), mask, start)
        for index, text in zip(part, processor.batch_decode(batch), strict=True):
            found[index] = text or " "
    return found


__all__ = ["CONDITIONS", "LOOK_ALIKES", "Damage", "read_damaged", "turn_pixels"]
