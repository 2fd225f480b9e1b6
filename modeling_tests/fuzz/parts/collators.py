# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Rows of data sets as nobody cleaned them, through every collator and the functions beside them."""

import functools
import math
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import torch
from fuzz.case import MEBIBYTE, Case, Part, expect
from fuzz.parts.inputs import processors
from fuzz.texts import any_text, no_text, odd_number, plain_text

from pixel_ar import MissingGlyphError, UnsupportedScriptError
from pixel_ar.training import (
    LanguageModelingCollator,
    MixedModalityCollator,
    PackedTextDataset,
    QuestionAnsweringCollator,
    SequenceClassificationCollator,
    TokenClassificationCollator,
)
from pixel_ar.training.noise import ALL_KINDS, NoiseTransform

ERRORS = (MissingGlyphError, UnsupportedScriptError, ValueError, TypeError, KeyError)
_LONG = "the people " * 370_000
_PATCHES = 16


@functools.cache
def collators() -> dict[str, Any]:
    """Every collator, with room for 16 patches."""
    # Boxes for what has no glyph: an error of the first text would hide the rest.
    fixed, tokens = processors()["boxes"], processors()["tokens"]
    return {
        "language": LanguageModelingCollator(fixed, max_patches=_PATCHES),
        "blocks": LanguageModelingCollator(fixed, block_patches=_PATCHES),
        "gray blocks": LanguageModelingCollator(processors()["gray"], block_patches=_PATCHES),
        "mixed": MixedModalityCollator(
            tokens, {"pixel": 1, "token": 1, "pair": 1}, max_patches=_PATCHES, max_target_tokens=9
        ),
        "by column": MixedModalityCollator(tokens, modality_column="kind"),
        "sequence": SequenceClassificationCollator(fixed, text_pair_column=None, max_patches=_PATCHES),
        "pairs": SequenceClassificationCollator(fixed, text_pair_column="pair", max_patches=_PATCHES),
        "tokens": SequenceClassificationCollator(tokens, modality="token", max_tokens=_PATCHES),
        "words": TokenClassificationCollator(fixed, label2id={"O": 0, "B-PER": 1}, max_patches=_PATCHES),
        "answers": QuestionAnsweringCollator(fixed),
    }


LONG_ROWS: tuple[tuple[str, str, list[dict[str, Any]]], ...] = (
    ("four million letters", "language", [{"text": _LONG}]),
    ("four million letters", "sequence", [{"text": _LONG, "label": 1}]),
    ("four million letters", "pairs", [{"text": _LONG, "pair": _LONG, "label": 1}]),
    # A tokenizer takes what it takes before anything can be cut.
    ("300,000 letters as tokens", "tokens", [{"text": _LONG[:300_000], "label": 0}]),
    ("one word of four million letters", "words", [{"tokens": ["x" * 4_000_000], "tags": [0]}]),
    ("400,000 words", "words", [{"tokens": ["the"] * 400_000, "tags": [0] * 400_000}]),
)


def make(rng: Random, number: int, folder: Path) -> Case:
    if number < len(LONG_ROWS):
        title, name, rows = LONG_ROWS[number]
        return Case(f"{name}: {title}", lambda: _check(name, rows), ERRORS, seconds=20, memory=512 * MEBIBYTE)
    kind = rng.random()
    if kind < 0.08:
        return _packing(rng)
    if kind < 0.14:
        return _noise(rng)
    name = rng.choice(list(collators()))
    rows = _rows(rng, name)
    if kind < 0.2 and hasattr(collators()[name], "length"):
        return Case(
            f"{name}.length of {rows!r:.300}", lambda: [collators()[name].length(row) for row in rows], ERRORS
        )
    return Case(f"{name} of {rows!r:.300}", lambda: _check(name, rows), ERRORS)


def _rows(rng: Random, name: str) -> Any:
    rows = [_row(rng, name) for _ in range(rng.choice((0, 1, 2, 2, 4)))]
    if rows and rng.random() < 0.4:
        row = rng.choice(rows)
        column = rng.choice(list(row))
        kind = rng.random()
        if kind < 0.25:
            del row[column]
        elif kind < 0.5:
            row[column] = no_text(rng)
        elif kind < 0.7:
            row[column] = odd_number(rng)
        elif kind < 0.9 and isinstance(row[column], list) and row[column]:
            row[column][rng.randrange(len(row[column]))] = rng.choice((no_text(rng), odd_number(rng)))
        else:
            row[column] = rng.choice(("", " ", "\n", [], None))
    if rng.random() < 0.02:
        return rng.choice((None, "rows", {"text": "a"}, [None], [["a"]], 3))
    return rows


def _row(rng: Random, name: str) -> dict[str, Any]:
    def text(longest: int = 30) -> str:
        return any_text(rng, longest) if rng.random() < 0.4 else plain_text(rng, longest)

    label = rng.choice((0, 1, 2, 1.5, [0.0, 1.0], True, "yes", -1, 10**400, math.nan))
    if name in ("blocks", "gray blocks"):
        return {"segments": [text() for _ in range(rng.randint(0, 3))], "is_complete": rng.random() < 0.5}
    if name == "by column":
        return {"text": text(), "kind": rng.choice(("pixel", "token", "pair", "pixel", "sound"))}
    if name == "words":
        words = [text(6) for _ in range(rng.randint(0, 6))]
        return {"tokens": words, "tags": [rng.choice((0, 1, -100, "O", "B-PER", "I-PER")) for _ in words]}
    if name == "answers":
        context = text(40)
        start = rng.randint(-1, len(context))
        return {
            "question": text(10),
            "context": context,
            "answer_start": start,
            "answer_end": start + rng.randint(-1, 9),
        }
    return {"text": text(), "pair": text(), "label": label if rng.random() < 0.3 else rng.randrange(2)}


def _check(name: str, rows: Any) -> None:
    batch = collators()[name](rows)
    mask = batch["attention_mask"]
    expect(len(mask) == len(rows), f"{len(mask)} rows of {len(rows)}")
    for key, value in batch.items():
        expect(isinstance(value, torch.Tensor), f"{key} is a {type(value).__name__}")
        expect(len(value) == len(rows), f"{key} has {len(value)} rows of {len(rows)}")
    if "pixel_values" in batch:
        pixels = batch["pixel_values"]
        expect(pixels.dtype == torch.uint8, f"pixels are {pixels.dtype}")
        if "input_ids" not in batch:
            expect(
                pixels.shape[3] == mask.shape[1] * collators()[name].processor.patch_size[1],
                "pixels and mask differ",
            )
    labels = batch.get("labels")
    if (
        labels is not None
        and labels.dim() == 2
        and labels.shape == mask.shape
        and not labels.is_floating_point()
    ):
        expect((labels[mask == 0] == -100).all(), "a label on padding")


class _Rows:
    """A data set of rows that never ends by itself, as PackedTextDataset takes it."""

    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows

    def set_epoch(self, epoch: int) -> None:
        pass

    def __iter__(self) -> Any:
        return iter(self.rows)


def _packing(rng: Random) -> Case:
    texts = [
        {"text": any_text(rng, 30) if rng.random() < 0.8 else no_text(rng)} for _ in range(rng.randint(0, 5))
    ]
    block = rng.choice((2, 4, _PATCHES, odd_number(rng)))
    # A block of a billion patches is filled if that is what is asked for.
    block = min(block, 64) if isinstance(block, int) else block

    def run() -> None:
        processor = processors()["unifont"]
        dataset = PackedTextDataset(_Rows(texts), processor.renderer, processor.patch_size[1], block)
        blocks = iter(dataset)
        collate = LanguageModelingCollator(processor, block_patches=block)
        for _ in range(3):
            batch = collate([next(blocks)])
            expect(batch["attention_mask"].shape[1] == block, "a block of another length")

    return Case(f"pack {texts!r:.200} in blocks of {block!r:.20}", run, ERRORS)


def _noise(rng: Random) -> Case:
    text: Any = any_text(rng, 40) if rng.random() < 0.8 else no_text(rng)
    strength = rng.choice((0.0, 0.3, 1.0, odd_number(rng)))
    kinds: Any = rng.choice((tuple(rng.sample(ALL_KINDS, 2)), ALL_KINDS, (), ("x",), 3, None))

    def run() -> None:
        transform: Callable[[dict[str, Any]], dict[str, Any]] = NoiseTransform(
            strength, kinds, columns=("text",)
        )
        expect(transform({"text": text}) == transform({"text": text}), "noise differs from run to run")

    return Case(f"NoiseTransform({strength!r:.20}, {kinds!r:.60}) of {text!r:.100}", run, ERRORS)


PART = Part("collators", make, len(LONG_ROWS), share=10, prepare=collators, batch=500)
__all__ = ["PART"]
