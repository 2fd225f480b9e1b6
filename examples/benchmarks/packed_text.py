# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Texts in one small file, to carry to a machine without a network and train there: JSON lines, xz with a large window.

    python examples/benchmarks/packed_text.py english.jsonl.gz --output english.jsonl.xz --limit-mb 44

Documents are taken in a shuffled order until the file has reached its limit, and it says how many it holds. The files
named are JSON lines (gzipped or not) with a `text`; standard library alone reads and writes.
"""

import argparse
import gzip
import json
import lzma
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

# What the compressor may still hold back when its input ends, and the end of the file.
RESERVE = 1 << 18
# The further back the window reaches, the more of a corpus repeats; unpacking needs as much memory.
WINDOW = 1 << 28


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """JSON lines of a file, packed with gzip or xz or not at all."""
    openers: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open}
    with openers.get(path.suffix, open)(path, "rt", encoding="utf-8") as stream:
        for line in stream:
            if line.strip():
                yield json.loads(line)


def pack(
    sources: Sequence[Path], output: Path, limit: int, seed: int = 0, window: int = WINDOW
) -> tuple[int, int]:
    """Writes as many documents as fit into `limit` bytes.

    Returns:
        How many documents and characters are in the file.

    Raises:
        ValueError: if not one fits.
    """
    texts = [row["text"] for source in sources for row in read_rows(source) if row["text"].strip()]
    random.Random(seed).shuffle(texts)
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": window}]
    packer = lzma.LZMACompressor(lzma.FORMAT_XZ, filters=filters)
    documents = characters = written = pending = 0
    part = output.with_name(output.name + ".part")
    with part.open("wb") as stream:
        for text in texts:
            line = json.dumps({"text": text}, ensure_ascii=False).encode() + b"\n"
            # What is not yet written is counted as if it did not shrink at all, up to what the packer holds back.
            if written + min(pending + len(line), RESERVE) + 64 > limit:
                break
            data = packer.compress(line)
            pending = 0 if data else pending + len(line)
            written += stream.write(data)
            documents += 1
            characters += len(text)
        written += stream.write(packer.flush())
    if not documents:
        part.unlink()
        raise ValueError(f"no document of {', '.join(map(str, sources))} fits into {limit:,} bytes")
    part.replace(output)
    return documents, characters


class PackedDocuments:
    """The documents of a packed file, held in memory, in another order in each pass.

    Args:
        path: what [`pack`] wrote.
        seed: of the order.
    """

    def __init__(self, path: Path, seed: int = 0) -> None:
        self.texts = [row["text"] for row in read_rows(path)]
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order of the next pass."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[dict[str, Any]]:
        order = list(range(len(self.texts)))
        random.Random(f"{self.seed} {self.epoch}").shuffle(order)
        for index in order:
            yield {"text": self.texts[index]}


def main(arguments: list[str] | None = None) -> int:
    """Packs, and says what came of it."""
    parser = argparse.ArgumentParser(description="Packs texts into one small file.")
    parser.add_argument("sources", nargs="+", type=Path, help="JSON lines with a text, gzipped or not")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--limit-mb", type=float, default=44, help="default: 44")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        documents, characters = pack(
            options.sources, options.output, int(options.limit_mb * 1e6), options.seed
        )
    except (OSError, ValueError, KeyError) as error:
        print(f"packed_text.py: {error}", file=sys.stderr)
        return 2
    size = options.output.stat().st_size
    print(
        f"{options.output}: {documents:,} documents, {characters:,} characters in {size:,} bytes "
        f"({8 * size / characters:.2f} bits per character)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
