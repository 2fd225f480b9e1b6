# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Speed of rendering: the glyph-atlas renderer against Pillow's basic layout.

Both draw the same texts of 500 characters, each text once, to packed columns: Pillow draws a 1-bit image, whose bits
are then packed column by column; the renderer's strips are packed as they are. Pillow draws with its own default font
unless --font names another; with the very font of the atlas, the pixels are compared as well:

    apt-get download xfonts-base && dpkg-deb -x xfonts-base_*.deb xfonts
    python examples/benchmarks/rendering.py --font xfonts/usr/share/fonts/X11/misc/5x8.pcf.gz

Then lines of Arabic and Hindi, of whole words up to so many characters, with GNU Unifont and, for Hindi, with a font:
unseen (each line once, with a renderer that remembers nothing yet), late (the second half of them, the first being
drawn) and warm (all of them again), in batches of --batch as a collator draws them; and unseen once more, one by one.
Pillow draws the same lines, without shaping and with boxes for what its font lacks. Their words are drawn by lot from
the samples of the Universal Declaration of Human Rights, or they are the text of --arabic and --hindi; shaped_texts.py
makes such files of Debian packages.

It prints strips per second of CPU time on one core and, under --threads, checks that threads and processes draw
identical bytes. --require fails the run if the first atlas draws fewer strips per second.
"""

import argparse
import concurrent.futures
import gzip
import hashlib
import io
import json
import multiprocessing
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageDraw, ImageFont
from texts import read_texts

from pixel_ar.fonts.atlas import bundled_atlases
from pixel_ar.rendering.renderer import StripRenderer

SAMPLES = Path(__file__).parents[2] / "modeling_tests" / "fixtures" / "unicode"


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line; the defaults are the published measurement."""
    parser = argparse.ArgumentParser(description="Speed of rendering, glyph atlas against Pillow.")
    parser.add_argument("--atlases", nargs="+", default=["fixed-5x8", "tiny5-8", "unifont-16"])
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--characters", type=int, default=500)
    parser.add_argument("--pillow-texts", type=int, default=100, help="texts that Pillow draws; it is slow")
    parser.add_argument(
        "--font", type=Path, help="font for Pillow at 8 pixels (.pcf.gz, .ttf, ...); default: its own"
    )
    parser.add_argument("--repeats", type=int, default=5, help="runs of each; the fastest counts")
    parser.add_argument(
        "--threads", type=int, default=4, help="threads, and processes, that must draw the same bytes"
    )
    parser.add_argument("--arabic", type=Path, help="text file (UTF-8) for the lines of Arabic")
    parser.add_argument("--hindi", type=Path, help="text file (UTF-8) for the lines of Hindi")
    parser.add_argument(
        "--hindi-font", type=Path, default=SAMPLES / "NotoSansDevanagari-sample.ttf", help="font for Hindi"
    )
    parser.add_argument("--shaped-lines", type=int, default=400, help="lines of Arabic and of Hindi, at most")
    parser.add_argument("--batch", type=int, default=32, help="lines drawn by one call")
    parser.add_argument("--require", type=float, default=0.0, help="fail below this many strips per second")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.atlases) - set(bundled_atlases()))
    if unknown:
        parser.error(f"unknown atlases {', '.join(unknown)}; bundled: {', '.join(bundled_atlases())}")
    return options


def load_texts(number: int, length: int) -> list[str]:
    """Different texts of `length` ASCII characters from the State of the Union addresses."""
    words = " ".join(read_texts("sotu_train.jsonl.gz")).encode("ascii", "ignore").decode()
    words = "".join(char if char.isprintable() else " " for char in words)
    if number * length > len(words):
        sys.exit(f"the data hold {len(words)} characters, {number} texts of {length} need {number * length}")
    return [words[start : start + length] for start in range(0, number * length, length)]


def strips_per_second(draw: Callable[[str], bytes], texts: list[str], repeats: int) -> float:
    """The best of several runs, in CPU time."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        for text in texts:
            draw(text)
        best = min(best, time.process_time() - start)
    return len(texts) / best


def load_shaped(code: str, path: Path | None, number: int, length: int) -> list[str]:
    """Lines of whole words, up to `length` characters each, of a file or of words drawn by lot from the samples."""
    if path is None:
        samples = json.loads((SAMPLES / "declarations.json").read_text(encoding="utf-8"))[code]
        words = random.Random(0).choices(" ".join(samples).split(), k=number * length // 3)
    else:
        words = path.read_text(encoding="utf-8").split()
    lines, line = [], ""
    for word in words:
        if len(line) + len(word) >= length:
            lines.append(line)
            line = ""
        line += f" {word}" if line else word
    return lines[:number]


def batches_per_second(renderer: StripRenderer, lines: list[str], batch: int) -> float:
    """Lines drawn per second of CPU time, so many by one call."""
    start = time.process_time()
    for first in range(0, len(lines), batch):
        renderer.render_batch(lines[first : first + batch])
    return len(lines) / (time.process_time() - start)


def measure_shaped(
    name: str, chain: list[str | Path], lines: list[str], pillow_rate: float, repeats: int, batch: int
) -> None:
    """Print the speed of unseen and of warm lines, beside that of Pillow; the best of several runs."""

    def new_renderer() -> StripRenderer:
        renderer = StripRenderer(chain, missing="hexbox", unsupported="cells")
        renderer.render_bytes(" ")
        return renderer

    # Tables and expressions are built once in a process.
    list(map(new_renderer().render_bytes, lines[::5]))
    half = len(lines) // 2
    rates = []
    for _ in range(repeats):
        renderer = new_renderer()
        unseen = batches_per_second(renderer, lines, batch)
        warm = batches_per_second(renderer, lines, batch)
        late = new_renderer()
        late.render_batch(lines[:half])
        single = strips_per_second(new_renderer().render_bytes, lines, 1)
        rates.append((unseen, batches_per_second(late, lines[half:], batch), warm, single))
    words = " ".join(lines).split(" ")
    unseen, late_rate, warm, single = map(max, zip(*rates, strict=True))
    print(
        f"{name:34s} {unseen:8,.0f} unseen {single:8,.0f} one by one {late_rate:8,.0f} late {warm:8,.0f} warm; "
        f"{len(lines)} lines, {1 - len(set(words)) / len(words):.1%} of the words seen before; "
        f"unseen {unseen / pillow_rate:.1f}x, warm {warm / pillow_rate:.1f}x Pillow drawing them ({pillow_rate:,.0f})"
    )


def pillow_drawer(font_path: Path | None) -> Callable[[str], bytes]:
    """A function that draws a text at 8 pixels with Pillow's basic layout and packs its columns."""
    if font_path is None:
        data = ImageFont.load_default(8).path
        data.seek(0)
    else:
        raw = font_path.read_bytes()
        data = io.BytesIO(gzip.decompress(raw) if font_path.suffix == ".gz" else raw)
    font = ImageFont.truetype(data, 8, layout_engine=ImageFont.Layout.BASIC)

    def draw(text: str) -> bytes:
        image = Image.new("1", (int(font.getlength(text)), 8))
        canvas = ImageDraw.Draw(image)
        canvas.fontmode = "1"
        canvas.text((0, 0), text, font=font, fill=1)
        return np.packbits(np.asarray(image), axis=0).tobytes()

    return draw


def draw_and_hash(texts: list[str]) -> str:
    """sha256 of all strips; runs in threads and in other processes."""
    renderer = StripRenderer(["fixed-5x8"])
    return hashlib.sha256(b"".join(map(renderer.render_bytes, texts))).hexdigest()


def check_determinism(texts: list[str], workers: int) -> None:
    """Draw the same texts in threads and in freshly started processes; stop if a byte differs."""
    expected = draw_and_hash(texts)
    spawn = multiprocessing.get_context("spawn")
    for name, pool in (
        ("threads", concurrent.futures.ThreadPoolExecutor(workers)),
        ("processes", concurrent.futures.ProcessPoolExecutor(workers, mp_context=spawn)),
    ):
        with pool:
            if set(pool.map(draw_and_hash, [texts] * workers)) != {expected}:
                sys.exit(f"{workers} {name} drew other bytes than one")
        print(f"identical bytes in {workers} {name}: {len(texts)} strips, sha256 {expected[:16]}...")


def main(arguments: list[str] | None = None) -> None:
    options = parse_arguments(arguments)
    texts = load_texts(options.texts, options.characters)
    pillow = pillow_drawer(options.font)
    pillow_rate = strips_per_second(pillow, texts[: options.pillow_texts], options.repeats)
    font_name = options.font.name if options.font else "its default font"
    print(f"{len(texts)} texts of {options.characters} characters, one core, CPU time")
    print(f"{f'Pillow {PIL.__version__}, {font_name}, 8 rows':44s} {pillow_rate:10,.0f} strips/s")
    rates = []
    for name in options.atlases:
        renderer = StripRenderer([name])
        renderer.render_bytes(texts[0])
        rates.append(strips_per_second(renderer.render_bytes, texts, options.repeats))
        label = f"pixel_ar {name}, {renderer.height} rows"
        print(f"{label:44s} {rates[-1]:10,.0f} strips/s {rates[-1] / pillow_rate:8.1f}x Pillow")
    for name, code, path, chain in (
        ("Arabic, unifont-16", "arb", options.arabic, ["unifont-16"]),
        ("Hindi, unifont-16", "hin", options.hindi, ["unifont-16"]),
        (f"Hindi, {options.hindi_font.stem}", "hin", options.hindi, ["unifont-16", options.hindi_font]),
    ):
        lines = load_shaped(code, path, options.shaped_lines, options.characters)
        pillow_rate = strips_per_second(pillow, lines[: options.pillow_texts], options.repeats)
        measure_shaped(name, chain, lines, pillow_rate, options.repeats, options.batch)
    if options.font:
        fixed = StripRenderer(["fixed-5x8"])
        same = sum(pillow(text) == fixed.render_bytes(text) for text in texts[: options.pillow_texts])
        print(f"same pixels as Pillow: {same} of {min(len(texts), options.pillow_texts)} strips")
    if options.threads:
        check_determinism(texts[:200], options.threads)
    if rates[0] < options.require:
        sys.exit(
            f"{options.atlases[0]}: {rates[0]:,.0f} strips/s is below the required {options.require:,.0f}"
        )


if __name__ == "__main__":
    main()
