# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Speed and errors of reading: clean strips, strips with wrong pixels, strips with columns added or lost.

    python examples/benchmarks/reading.py

Clean strips: all 377 paragraphs of the State of the Union validation set, in every atlas; characters per second of CPU
time on one core, and character errors (edit distance). `raw` counts every difference; `canonical` forgives characters
that the font draws alike (Tiny5 draws I, l and | alike). The alternative on the same strips is the nearest glyph: the
strip is cut into cells, and each is compared with all glyphs pixel by pixel, as one matrix product (monospaced only).

Noisy strips: the first --noisy paragraphs, cut to 200 characters, in the first atlas: error rates of the reader
against the nearest glyph, with a share of the pixels flipped and a share of the columns doubled or left out.

--require fails the run below this speed on clean strips, or above 0 errors in 5x8 and Unifont.
"""

import argparse
import sys
import time

import numpy as np
from texts import read_texts

from pixel_ar.metrics import edit_distance
from pixel_ar.reading_pixel_ar import StripReader
from pixel_ar.rendering_pixel_ar import GlyphAtlas, StripRenderer, bundled_atlases

NOISE = ((0.01, 0.0), (0.05, 0.0), (0.10, 0.0), (0.0, 0.005), (0.01, 0.005), (0.01, 0.02))


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line; the defaults are the published measurement."""
    parser = argparse.ArgumentParser(description="Speed and errors of reading strips.")
    parser.add_argument("--atlases", nargs="+", default=["fixed-5x8", "unifont-16", "tiny5-8"])
    parser.add_argument("--noisy", type=int, default=100, help="paragraphs read with noise")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--require", type=float, default=0.0, help="fail below this many characters per second"
    )
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.atlases) - set(bundled_atlases()))
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
    if len({len(atlas.glyph(atlas.index(chr(code)))) for code in range(32, 127)}) == 1:
        nearest = NearestGlyph(atlas)
        start = time.process_time()
        for strip in strips:
            nearest.read(strip)
        other = number / (time.process_time() - start)
        line += f", {rate / other:.1f}x the nearest glyph"
    print(line)
    return rate, canonical


def damage(ink: np.ndarray, flips: float, drift: float, rng: np.random.Generator) -> np.ndarray:
    """Flip a share of the pixels `[H, W]`; double one half of a share of the columns and leave out the other."""
    ink = ink ^ (rng.random(ink.shape) < flips)
    dice = rng.random(ink.shape[1])
    return np.repeat(ink, np.where(dice < drift / 2, 0, np.where(dice > 1 - drift / 2, 2, 1)), axis=1)


def measure_noisy(name: str, texts: list[str], seed: int) -> None:
    """Print error rates under noise, and the reader's speed there."""
    atlas = GlyphAtlas.load(name)
    renderer, reader, nearest = StripRenderer([atlas]), StripReader([atlas]), NearestGlyph(atlas)
    number = sum(map(len, texts))
    print(f"{name}, {number} characters, character errors in %: pixels flipped, columns doubled or lost")
    for flips, drift in NOISE:
        rng = np.random.default_rng(seed)
        strips = [damage(renderer.render(text).to_array() == 0, flips, drift, rng) for text in texts]
        packed = [np.packbits(strip, axis=0).T.tobytes() for strip in strips]
        start = time.process_time()
        results = reader.read_batch(packed)
        seconds = time.process_time() - start
        errors = sum(edit_distance(result.text, text) for result, text in zip(results, texts, strict=True))
        other = sum(
            edit_distance(nearest.read(strip), text) for strip, text in zip(packed, texts, strict=True)
        )
        unreadable = np.mean([result.unreadable for result in results])
        print(
            f"  {flips:5.1%} {drift:5.1%}: reader {errors / number:7.2%}, nearest glyph {other / number:7.2%}, "
            f"unreadable columns {unreadable:6.1%}, {number / seconds:9,.0f} characters/s"
        )


def main(arguments: list[str] | None = None) -> None:
    options = parse_arguments(arguments)
    texts = [text.rstrip() for text in read_texts("sotu_validation.jsonl.gz")]
    print(f"clean strips of {len(texts)} paragraphs, one core, CPU time")
    clean = {name: measure_clean(name, texts) for name in options.atlases}
    if options.noisy:
        measure_noisy(
            options.atlases[0], [text[:200].rstrip() for text in texts[: options.noisy]], options.seed
        )
    for name, (rate, errors) in clean.items():
        if options.require and (rate < options.require or (errors and name != "tiny5-8")):
            sys.exit(
                f"{name}: {errors} errors at {rate:,.0f} characters/s; required: 0 and {options.require:,.0f}"
            )


if __name__ == "__main__":
    main()
