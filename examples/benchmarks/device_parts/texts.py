# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""How much text a token of a small BPE holds, and a patch of words, measured on the addresses of the repository."""

import functools
import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from pixel_ar import PatchDictionary, PixelProcessor

DATA = Path(__file__).resolve().parents[2] / "data"


def read_jsonl(path: Path, count: int | None = None) -> list[str]:
    """The `text` of the first rows of a gzipped file."""
    texts = []
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        for line in stream:
            texts.append(json.loads(line)["text"])
            if count is not None and len(texts) >= count:
                break
    return texts


def characters_per_token(is_quick: bool) -> float:
    """Of a byte-level BPE fitted to the training addresses, on the held-out ones."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512 if is_quick else 4096,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(training_texts(is_quick), trainer)
    held_out = held_out_texts(is_quick)
    return sum(map(len, held_out)) / sum(len(bpe.encode(text).ids) for text in held_out)


def training_texts(is_quick: bool = False) -> list[str]:
    """Addresses to fit a BPE or a dictionary to."""
    return read_jsonl(DATA / "sotu_train.jsonl.gz", 2 if is_quick else 60)


def held_out_texts(is_quick: bool = False) -> list[str]:
    """Others."""
    return read_jsonl(DATA / "sotu_validation.jsonl.gz", 1 if is_quick else 4)


@dataclass(frozen=True)
class WordPatches:
    """How words fill patches.

    Attributes:
        dictionary: of the training addresses.
        characters: of a patch of held-out text, on average.
        escapes: share of its patches that are no entry.
    """

    dictionary: PatchDictionary
    characters: float
    escapes: float


@functools.cache
def word_patches(
    patch_size: tuple[int, int], size: int, num_glyphs: int, group_columns: int, is_quick: bool = False
) -> WordPatches:
    """Fits a dictionary of `size` entries and fills it up with patches that no text has, if there are too few."""
    processor = PixelProcessor.from_preset(
        "fixed-8", strategy="word_pieces", newline="symbol", patch_size=patch_size
    )
    drawn = [processor.renderer.render_bytes(text) for text in training_texts(is_quick)]
    fitted = PatchDictionary.fit(drawn, patch_size, size, num_glyphs, group_columns)
    length = fitted.entries.shape[1]
    held_out = held_out_texts(is_quick)
    known = {entry.tobytes() for entry in fitted.entries}
    count = escapes = 0
    for text in held_out:
        strip = processor.renderer.render_bytes(text)
        patches = [strip[start : start + length] for start in range(0, len(strip), length)]
        count += len(patches)
        escapes += sum(patch.ljust(length, b"\0") not in known for patch in patches)
    entries = _filled_up(fitted.entries, size)
    counts = np.insert(fitted.counts, len(fitted.entries), np.zeros(size - len(fitted.entries), np.int64))
    dictionary = PatchDictionary(entries, counts, _filled_up(fitted.glyphs, num_glyphs), patch_size)
    return WordPatches(dictionary, sum(map(len, held_out)) / count, escapes / count)


def _filled_up(rows: np.ndarray, number: int) -> np.ndarray:
    """Rows of bytes, and random ones behind them up to this number."""
    filler = np.random.default_rng(0).integers(1, 255, (number - len(rows), rows.shape[1]), dtype=np.uint8)
    return np.concatenate([rows, filler])
