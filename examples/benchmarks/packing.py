#!/usr/bin/env python
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""How fast one loader worker feeds training: documents packed to blocks, drawn, and put into a uint8 batch.

    python examples/benchmarks/packing.py

Set against what training steps take: `pixel-ar estimate` divides the patches per second of a device by these figures.
Seconds are of the processor, of one thread.
"""

import argparse
import itertools
import time
from pathlib import Path
from typing import Any

import torch
from datasets import load_dataset

from pixel_ar import PixelProcessor
from pixel_ar.training import LanguageModelingCollator, PackedTextDataset

DATA = Path(__file__).resolve().parents[1] / "data" / "sotu_train.jsonl.gz"
WORDS: dict[str, Any] = {"strategy": "word_pieces", "newline": "symbol"}
PROCESSORS: dict[str, tuple[str, dict[str, Any]]] = {
    "fixed-5x8, patches of 8x20": ("fixed-8", {}),
    "unifont-16, patches of 16x16": ("unifont-16", {}),
    "fixed-5x8, a word to a patch of 8x40": ("fixed-8", {"patch_size": (8, 40), **WORDS}),
    "fixed-5x8, two words to a patch of 8x80": (
        "fixed-8",
        {"patch_size": (8, 80), "unit_width": 40, **WORDS},
    ),
}


def measure(
    processor: PixelProcessor, data: str, block_patches: int, rows: int, batches: int
) -> tuple[float, float]:
    """Patches and characters per second of the processor's time."""
    documents = load_dataset("json", data_files=data, split="train", streaming=True)
    blocks = iter(
        PackedTextDataset(
            documents.shuffle(seed=1, buffer_size=100),
            processor.renderer,
            processor.patch_size[1],
            block_patches,
            max_rewind=0,
        )
    )
    collator = LanguageModelingCollator(processor, block_patches=block_patches)
    collator(list(itertools.islice(blocks, rows)))
    patches = characters = 0
    begun = time.process_time()
    for _ in range(batches):
        features = list(itertools.islice(blocks, rows))
        patches += collator(features)["labels"].numel()
        characters += sum(len(text) for feature in features for text in feature["segments"])
    spent = time.process_time() - begun
    return patches / spent, characters / spent


def main() -> None:
    """Prints a row for each way to draw."""
    parser = argparse.ArgumentParser(description="Measures packing and drawing of training batches.")
    parser.add_argument(
        "--data", default=str(DATA), help="JSON lines with a column text (default: the addresses)"
    )
    parser.add_argument("--block_patches", type=int, default=1024)
    parser.add_argument("--rows", type=int, default=16, help="blocks of a batch (default: %(default)s)")
    parser.add_argument("--batches", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| strips | patches/s of one worker | characters/s |\n|---|---|---|")
    for name, (preset, settings) in PROCESSORS.items():
        processor = PixelProcessor.from_preset(preset, **settings)
        patches, characters = measure(
            processor, options.data, options.block_patches, options.rows, options.batches
        )
        print(f"| {name} | {patches:,.0f} | {characters:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
