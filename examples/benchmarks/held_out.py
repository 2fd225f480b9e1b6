# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Bits per character of a checkpoint on held-out texts, by collection, with intervals.

    python examples/benchmarks/held_out.py pixel-ar-words --data en_validation.jsonl.gz

The file has a column `text` and, if collections shall be told apart, `source` ("collection/document"). Documents are
cut at spaces into pieces of at most 1,000 characters (`--characters`), which a model's context holds; every piece
begins after an EOS patch and pays for the one that ends it. Intervals: 95 % of 1,000 draws of documents with
replacement. Characters without a glyph (their number is printed) are left out.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoProcessor

import pixel_ar
from pixel_ar.metrics import score_texts


def cut(text: str, most: int) -> list[str]:
    """Pieces of at most `most` characters that end with a word where they can."""
    pieces = []
    while text.strip():
        end = len(text) if len(text) <= most else text.rfind(" ", 1, most + 1)
        end = end if end > 0 else most
        pieces.append(text[:end].strip())
        text = text[end:]
    return [piece for piece in pieces if piece]


def interval(bits: np.ndarray, characters: np.ndarray) -> tuple[float, float, float]:
    """Bits per character and the ends of its interval, from totals per document."""
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(bits), (1000, len(bits)))
    ratios = bits[draws].sum(1) / characters[draws].sum(1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(bits.sum() / characters.sum()), float(low), float(high)


def main() -> None:
    """Scores and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", help="folder, or the name of a bundled checkpoint")
    parser.add_argument("--data", required=True)
    parser.add_argument("--documents", type=int, default=10**9)
    parser.add_argument("--characters", type=int, default=1000, help="of a piece, at most")
    parser.add_argument("--batch-size", type=int, default=8)
    options = parser.parse_args()
    folder = options.model if Path(options.model).is_dir() else pixel_ar.bundled_checkpoint(options.model)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    processor = AutoProcessor.from_pretrained(folder)
    rows = load_dataset("json", data_files=options.data, split="train", streaming=True).take(
        options.documents
    )
    pieces: list[str] = []
    owners: list[int] = []
    sources: list[str] = []
    left_out = 0
    for number, row in enumerate(rows):
        missing = set(processor.coverage(row["text"]))
        left_out += sum(char in missing for char in row["text"])
        found = cut("".join(char for char in row["text"] if char not in missing), options.characters)
        pieces += found
        owners += [number] * len(found)
        sources.append(row.get("source", "all").split("/")[0])
    with torch.no_grad():
        scored = score_texts(model, processor, pieces, options.batch_size)
    bits, characters = np.zeros(len(sources)), np.zeros(len(sources))
    np.add.at(bits, owners, np.array(scored.nats) / np.log(2))
    np.add.at(characters, owners, np.array(scored.num_characters))
    groups: dict[str, list[int]] = defaultdict(list)
    for number, source in enumerate(sources):
        groups[source].append(number)
    print("| collection | documents | characters | bits/character | 95 % |\n|---|---|---|---|---|")
    for source, numbers in [*sorted(groups.items()), ("all", list(range(len(sources))))]:
        value, low, high = interval(bits[numbers], characters[numbers])
        total = int(characters[numbers].sum())
        print(f"| {source} | {len(numbers)} | {total:,} | {value:.3f} | {low:.3f}-{high:.3f} |")
    print(f"{left_out} characters without a glyph left out")


if __name__ == "__main__":
    main()
