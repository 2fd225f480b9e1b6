# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Reads strips that a model has drawn, which are never quite right: the glyphs they look like, and how much does.

What is within a mean squared error of .01 of a glyph (values in [0, 1]), about half of what lies between two glyphs,
counts as legible.
"""

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch

import pixel_ar

DATA = Path(__file__).parents[1] / "data"
CHARACTERS = "".join(map(chr, range(33, 127)))
END = "\0"
UNREAD = "\ufffd"
LEGIBLE = 0.01
LEAST_LETTERS = 3


def load_texts(name: str | Path) -> list[str]:
    """The texts of a jsonl file, gzipped or not."""
    with (gzip.open if str(name).endswith(".gz") else open)(name, "rt", encoding="utf-8") as file:
        return [json.loads(line)["text"] for line in file]


def words_of(text: str) -> list[str]:
    """Words of at least three letters that are neither cut by the beginning nor by the end."""
    inner = re.findall(r"(?<=[^A-Za-z])[A-Za-z]+(?=[^A-Za-z])", text)
    return [word.lower() for word in inner if len(word) >= LEAST_LETTERS]


class Cells:
    """The glyphs of a processor whose cells are all equally wide.

    Args:
        processor: draws them.
        width: columns of a cell.
    """

    def __init__(self, processor: pixel_ar.PixelProcessor, width: int) -> None:
        self.width = width
        drawn = processor(text=list(CHARACTERS), add_eos=False, return_tensors="pt")["pixel_values"]
        if set(processor(text=list(CHARACTERS), add_eos=False)["num_columns"]) != {width}:
            raise SystemExit(f"not all characters are {width} columns wide: see --cell")
        white, black = torch.ones_like(drawn[:1, ..., :width]), torch.zeros_like(drawn[:1, ..., :width])
        self.glyphs = torch.cat([drawn[..., :width], white, black]).flatten(1)
        self.characters = CHARACTERS + " " + END

    def read(self, strips: torch.Tensor) -> tuple[list[str], torch.Tensor]:
        """Nearest characters of strips `[B, C, H, W]`, and whether each is legible, `[B, W / width]`."""
        cells = strips.unflatten(-1, (-1, self.width)).movedim(-2, 1).flatten(2)  # [B, n, C * H * width]
        errors = torch.cdist(cells, self.glyphs[None]).square() / cells.shape[-1]
        least = errors.min(-1)
        texts = ["".join(self.characters[i] for i in row) for row in least.indices.tolist()]
        return texts, least.values < LEGIBLE


class Runs:
    """Glyphs of any widths, one behind the other anywhere: what explains most columns of a strip.

    Args:
        processor: draws them.
        more: clusters besides ASCII, such as emoji.
    """

    def __init__(self, processor: pixel_ar.PixelProcessor, more: Sequence[str] = ()) -> None:
        self.glyphs: dict[int, list[tuple[str, torch.Tensor]]] = defaultdict(list)
        # Of characters that are drawn alike the small letter is read.
        for text in (" ", *sorted(CHARACTERS, key=str.isupper), *more):
            strip = processor.renderer.render(text).to_array()
            pixels = torch.from_numpy(strip).float() / 255
            pixels = (pixels if pixels.dim() == 3 else pixels[None]).flatten()
            alike = self.glyphs[strip.shape[-1]]
            if not any(torch.equal(pixels, other) for _, other in alike):
                alike.append((text, pixels))

    def read(self, strips: torch.Tensor, first: int = 0) -> tuple[list[str], torch.Tensor]:
        """What strips `[B, C, H, W]` say from column `first` on, and which columns a glyph explains, `[B, W - first]`.

        Gaps that no glyph explains are one U+FFFD each.
        """
        found = [self._read_one(strip, first) for strip in strips]
        return [text for text, _ in found], torch.stack([is_read for _, is_read in found])

    def _read_one(self, strip: torch.Tensor, first: int) -> tuple[str, torch.Tensor]:
        ending = self._matches(strip)
        columns = strip.shape[-1]
        # The best explanation of each beginning: its value, and the last glyph of it, if any.
        best: list[tuple[float, tuple[str, int] | None]] = [(0.0, None)]
        for column in range(1, columns + 1):
            choices = [(best[column - 1][0], None)]
            # Of two explanations of as many columns, the closer one.
            choices += [
                (best[column - width][0] + width * (1 - 0.5 * error / LEGIBLE), (text, width))
                for text, width, error in ending[column]
            ]
            best.append(max(choices, key=lambda choice: choice[0]))
        pieces, is_read, column = [], torch.zeros(columns, dtype=torch.bool), columns
        while column > first:
            glyph = best[column][1]
            if glyph is None:
                if not pieces or pieces[-1] != UNREAD:
                    pieces.append(UNREAD)
                column -= 1
                continue
            text, width = glyph
            is_read[column - width : column] = True
            column -= width
            # A glyph that begins before belongs to what was there.
            if column >= first:
                pieces.append(text)
        return "".join(reversed(pieces)), is_read[first:]

    def _matches(self, strip: torch.Tensor) -> dict[int, list[tuple[str, int, float]]]:
        """Legible glyphs by the column after their last: text, width and error."""
        found: dict[int, list[tuple[str, int, float]]] = defaultdict(list)
        for width, glyphs in self.glyphs.items():
            windows = strip.unfold(-1, width, 1).movedim(-2, 0).flatten(1)  # [W - width + 1, C * H * width]
            shapes = torch.stack([pixels for _, pixels in glyphs])
            errors = torch.cdist(windows, shapes).square() / windows.shape[-1]
            for start, number in (errors < LEGIBLE).nonzero().tolist():
                found[start + width].append((glyphs[number][0], width, float(errors[start, number])))
        return found
