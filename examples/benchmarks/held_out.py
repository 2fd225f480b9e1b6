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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
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


@dataclass(frozen=True)
class HeldOut:
    """Pieces of held-out documents.

    Attributes:
        pieces: texts.
        owners: of each piece the number of its document.
        sources: of each document its collection.
        left_out: characters without a glyph, which no piece holds.
    """

    pieces: list[str]
    owners: list[int]
    sources: list[str]
    left_out: int

    def table(self, nats: Sequence[float], characters: Sequence[int]) -> list[str]:
        """Bits per character by collection as lines of Markdown.

        Args:
            nats: of each piece.
            characters: of each piece.
        """
        bits, counts = np.zeros(len(self.sources)), np.zeros(len(self.sources))
        np.add.at(bits, self.owners, np.array(nats) / np.log(2))
        np.add.at(counts, self.owners, np.array(characters))
        groups: dict[str, list[int]] = defaultdict(list)
        for number, source in enumerate(self.sources):
            groups[source].append(number)
        lines = ["| collection | documents | characters | bits/character | 95 % |", "|---|---|---|---|---|"]
        for source, numbers in [*sorted(groups.items()), ("all", list(range(len(self.sources))))]:
            value, low, high = interval(bits[numbers], counts[numbers])
            total = int(counts[numbers].sum())
            lines.append(f"| {source} | {len(numbers)} | {total:,} | {value:.3f} | {low:.3f}-{high:.3f} |")
        return [*lines, f"{self.left_out} characters without a glyph left out"]


def read_held_out(path: str, processor: pixel_ar.PixelProcessor, documents: int, most: int) -> HeldOut:
    """Documents of a jsonl file in pieces of at most `most` characters.

    Args:
        path: of the file, gzipped or not.
        processor: what it has no glyph for is left out.
        documents: the first so many.
        most: characters of a piece.
    """
    found = HeldOut([], [], [], 0)
    left_out = 0
    rows = load_dataset("json", data_files=path, split="train", streaming=True).take(documents)
    for number, row in enumerate(rows):
        missing = set(processor.coverage(row["text"]))
        left_out += sum(char in missing for char in row["text"])
        pieces = cut("".join(char for char in row["text"] if char not in missing), most)
        found.pieces.extend(pieces)
        found.owners.extend([number] * len(pieces))
        found.sources.append(row.get("source", "all").split("/")[0])
    return HeldOut(found.pieces, found.owners, found.sources, left_out)


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
    held_out = read_held_out(options.data, processor, options.documents, options.characters)
    scored = score_texts(model, processor, held_out.pieces, options.batch_size)
    print("\n".join(held_out.table(scored.nats, scored.num_characters)))


if __name__ == "__main__":
    main()
