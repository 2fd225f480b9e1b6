# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Speed and errors of reading: clean strips, strips with wrong pixels, strips with columns doubled or lost.

    python examples/benchmarks/reading.py

Clean strips: all 377 paragraphs of the State of the Union validation set, in every atlas; characters per second of CPU
time on one core, and character errors (edit distance). `raw` counts every difference; `canonical` forgives characters
that the font draws alike (Tiny5 draws I, l and | alike). The alternative on the same strips is the nearest glyph: the
strip is cut into cells, and each is compared with all glyphs pixel by pixel, as one matrix product (monospaced only).

Damaged strips: the first --noisy paragraphs, cut to 200 characters, in the atlases of --damaged: error rates of the
reader without and with a character prior, fitted on the training set, against the nearest glyph, with a share of the
pixels flipped and a share of the columns doubled or left out.

Reliability: over all damaged strips, the characters in bins of their confidence, and how many of them are right; the
expected calibration error is the mean distance between the two, weighted by the characters of each bin.

--require fails the run below this speed on clean strips, above 0 errors there in 5x8 and Unifont, or above 0.2, 1.2 or
3.5 % errors with the prior at 1, 5 or 10 % flipped pixels.
"""

import argparse
import sys
import time
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from texts import read_texts

from pixel_ar.fonts.atlas import GlyphAtlas, bundled_atlases
from pixel_ar.metrics import edit_distance
from pixel_ar.reading.prior import CharacterPrior
from pixel_ar.reading.reader import ReadResult, StripReader
from pixel_ar.rendering.renderer import StripRenderer

# Share of pixels flipped, share of columns doubled or lost.
DAMAGE = (
    (0.0, 0.0),
    (0.01, 0.0),
    (0.05, 0.0),
    (0.10, 0.0),
    (0.0, 0.005),
    (0.0, 0.02),
    (0.01, 0.005),
    (0.01, 0.02),
    (0.05, 0.005),
    (0.05, 0.02),
)
# Most character errors with the prior at flips alone.
WANTED = {0.0: 0.0, 0.01: 0.002, 0.05: 0.012, 0.10: 0.035}
BINS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line; the defaults are the published measurement."""
    parser = argparse.ArgumentParser(description="Speed and errors of reading strips.")
    parser.add_argument("--atlases", nargs="*", default=["fixed-5x8", "unifont-16", "tiny5-8"])
    parser.add_argument("--damaged", nargs="*", default=["fixed-5x8", "unifont-16"], help="read with noise")
    parser.add_argument("--noisy", type=int, default=100, help="paragraphs read with noise")
    parser.add_argument("--order", type=int, default=5, help="of the character prior; 0: none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--require", type=float, default=0.0, help="fail below this many characters per second"
    )
    options = parser.parse_args(arguments)
    unknown = sorted({*options.atlases, *options.damaged} - set(bundled_atlases()))
    if unknown:
        parser.error(f"unknown atlases {', '.join(unknown)}; bundled: {', '.join(bundled_atlases())}")
    return options


class NearestGlyph:
    """Reads a monospaced strip cell by cell, as the ASCII glyph with the fewest wrong pixels."""

    def __init__(self, atlas: GlyphAtlas) -> None:
        self.chars = np.array([chr(code) for code in range(32, 127)])
        cells = [np.frombuffer(atlas.glyph(atlas.index(char)), np.uint8) for char in self.chars]
        self.size = len(cells[0])
        bits = np.unpackbits(np.stack(cells), axis=1).astype(np.float32)
        self.weights, self.bias = 2 * bits.T - 1, bits.sum(axis=1)

    def read(self, data: bytes) -> str:
        """Return the text of packed columns, without blanks at the end."""
        data += bytes(-len(data) % self.size)
        bits = np.unpackbits(np.frombuffer(data, np.uint8).reshape(-1, self.size), axis=1).astype(np.float32)
        scores = bits @ self.weights - self.bias  # minus the wrong pixels, plus the ink of the cell
        return "".join(self.chars[scores.argmax(axis=1)]).rstrip()


def measure_clean(name: str, texts: list[str]) -> tuple[float, int]:
    """Print and return characters per second, and errors up to characters drawn alike."""
    atlas = GlyphAtlas.load(name)
    renderer, reader = StripRenderer([atlas]), StripReader([atlas])
    strips = [renderer.render_bytes(text) for text in texts]
    number = sum(map(len, texts))
    reader.read_batch(strips[:3])
    start = time.process_time()
    read = [result.text for result in reader.read_batch(strips)]
    rate = number / (time.process_time() - start)
    pairs = list(zip(read, texts, strict=True))
    raw = sum(edit_distance(result, text) for result, text in pairs)
    canonical = sum(edit_distance(reader.canonical(result), reader.canonical(text)) for result, text in pairs)
    line = (
        f"{name:12s} {number} characters: {raw} errors raw, {canonical} canonical, {rate:12,.0f} characters/s"
    )
    if is_monospaced(atlas):
        nearest = NearestGlyph(atlas)
        start = time.process_time()
        for strip in strips:
            nearest.read(strip)
        other = number / (time.process_time() - start)
        line += f", {rate / other:.1f}x the nearest glyph"
    print(line, flush=True)
    return rate, canonical


def is_monospaced(atlas: GlyphAtlas) -> bool:
    """Whether all ASCII glyphs have one width."""
    return len({len(atlas.glyph(atlas.index(chr(code)))) for code in range(32, 127)}) == 1


def damage(ink: np.ndarray, flips: float, drift: float, rng: np.random.Generator) -> np.ndarray:
    """Flip a share of the pixels `[H, W]`; double one half of a share of the columns and leave out the other."""
    ink = ink ^ (rng.random(ink.shape) < flips)
    dice = rng.random(ink.shape[1])
    return np.repeat(ink, np.where(dice < drift / 2, 0, np.where(dice > 1 - drift / 2, 2, 1)), axis=1)


@dataclass
class Reliability:
    """Confidences of characters, and whether they were right."""

    confidences: list[float] = field(default_factory=list)
    is_right: list[bool] = field(default_factory=list)

    def add(self, result: ReadResult, text: str) -> None:
        """Count the characters of a result, right where an alignment of least edits matches them."""
        self.confidences += result.confidences.tolist()
        self.is_right += matches(result.text, text)

    def table(self) -> list[tuple[float, float, int, float, float]]:
        """Rows of (from, to, characters, mean confidence, share that is right)."""
        confidences, is_right = np.array(self.confidences), np.array(self.is_right)
        rows = []
        for low, high in pairwise(BINS):
            inside = (confidences >= low) & ((confidences < high) | (high == 1))
            if inside.any():
                means = float(confidences[inside].mean()), float(is_right[inside].mean())
                rows.append((low, high, int(inside.sum()), *means))
        return rows

    def error(self) -> float:
        """The expected calibration error."""
        rows = self.table()
        total = sum(number for _, _, number, _, _ in rows)
        return sum(number * abs(mean - right) for _, _, number, mean, right in rows) / max(1, total)


def matches(found: str, text: str) -> list[bool]:
    """For each character of `found`, whether an alignment to `text` of least edits matches it."""
    places = np.arange(len(text) + 1)
    codes = np.array([ord(char) for char in text], np.int64)
    rows = [places.copy()]
    for number, char in enumerate(found, 1):
        best = np.empty_like(places)
        best[0] = number
        best[1:] = np.minimum(rows[-1][1:] + 1, rows[-1][:-1] + (codes != ord(char)))
        rows.append(np.minimum.accumulate(best - places) + places)
    is_right = [False] * len(found)
    row, column = len(found), len(text)
    while row and column:
        is_same = found[row - 1] == text[column - 1]
        if rows[row][column] == rows[row - 1][column - 1] + (not is_same):
            is_right[row - 1] = is_same
            row, column = row - 1, column - 1
        elif rows[row][column] == rows[row - 1][column] + 1:
            row -= 1
        else:
            column -= 1
    return is_right


def measure_damaged(
    name: str, texts: list[str], prior: CharacterPrior | None, seed: int
) -> tuple[dict[str, Reliability], dict[float, float]]:
    """Print error rates and speeds under noise; return the confidences, and the prior's error rates at flips alone."""
    atlas = GlyphAtlas.load(name)
    renderer, nearest = StripRenderer([atlas]), NearestGlyph(atlas)
    readers = {"alone": StripReader([atlas])}
    if prior is not None:
        readers["prior"] = StripReader([atlas], prior=prior)
    number = sum(map(len, texts))
    reliabilities = {kind: Reliability() for kind in readers}
    rates: dict[float, float] = {}
    print(
        f"{name}, {number} characters: character errors, characters/s; pixels flipped, columns doubled or lost"
    )
    for flips, drift in DAMAGE:
        rng = np.random.default_rng(seed)
        strips = [damage(renderer.render(text).to_array() == 0, flips, drift, rng) for text in texts]
        packed = [np.packbits(strip, axis=0).T.tobytes() for strip in strips]
        line = f"  {flips:5.1%} {drift:5.1%}:"
        for kind, reader in readers.items():
            reader.read(packed[0])
            start = time.process_time()
            results = reader.read_batch(packed)
            seconds = time.process_time() - start
            errors = sum(
                edit_distance(result.text, text) for result, text in zip(results, texts, strict=True)
            )
            line += f" {kind} {errors / number:7.3%} {number / seconds:9,.0f},"
            if kind == "prior" and not drift:
                rates[flips] = errors / number
            if flips or drift:
                for result, text in zip(results, texts, strict=True):
                    reliabilities[kind].add(result, text)
        other = sum(
            edit_distance(nearest.read(strip), text) for strip, text in zip(packed, texts, strict=True)
        )
        print(f"{line} nearest glyph {other / number:7.2%}", flush=True)
    return reliabilities, rates


def print_reliability(name: str, reliabilities: dict[str, Reliability]) -> None:
    """Print the tables of confidence against share that is right."""
    for kind, reliability in reliabilities.items():
        print(f"{name}, {kind}: confidence, characters, mean confidence, right")
        for low, high, number, mean, right in reliability.table():
            print(f"  {low:5.3f}-{high:5.3f} {number:8d} {mean:8.4f} {right:8.4f}")
        print(f"  expected calibration error {reliability.error():.4f}", flush=True)


def main(arguments: list[str] | None = None) -> None:
    options = parse_arguments(arguments)
    texts = [text.rstrip() for text in read_texts("sotu_validation.jsonl.gz")]
    print(f"clean strips of {len(texts)} paragraphs, one core, CPU time")
    clean = {name: measure_clean(name, texts) for name in options.atlases}
    failures = [
        f"{name}: {errors} errors at {rate:,.0f} characters/s; required: 0 and {options.require:,.0f}"
        for name, (rate, errors) in clean.items()
        if rate < options.require or (errors and name != "tiny5-8")
    ]
    if options.noisy and options.damaged:
        prior = None
        if options.order:
            start = time.process_time()
            prior = CharacterPrior.fit(read_texts("sotu_train.jsonl.gz"), order=options.order)
            print(f"{prior} in {time.process_time() - start:.1f} s")
        short = [text[:200].rstrip() for text in texts[: options.noisy]]
        for name in options.damaged:
            reliabilities, rates = measure_damaged(name, short, prior, options.seed)
            print_reliability(name, reliabilities)
            failures += [
                f"{name}: {rate:.3%} errors at {flips:.0%} flipped pixels; required: {WANTED[flips]:.1%}"
                for flips, rate in rates.items()
                if rate > WANTED[flips]
            ]
    if options.require and failures:
        sys.exit("; ".join(failures))


if __name__ == "__main__":
    main()
