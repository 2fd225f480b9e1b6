# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Bar charts on pages: what a model learns to turn into the table they were drawn from (MatCha, arXiv 2212.09662).

Shapes: H, W rows and columns of a page.
"""

import json
from collections.abc import Sequence

import numpy as np

from ...rendering.renderer import StripRenderer
from .page import Canvas, DrawnPages, TrainingPage

LABELS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Columns between two bars, at least, and rows that stay free above the highest.
GAP, AIR = 3, 2
INKS = (0, 96, 160)


class ChartPages(DrawnPages):
    """Random bar charts with their tables, drawn on demand: a data set for Trainer.

    An axis at the left carries 0 and the highest value that may be; below each bar stands its label. The target is
    `{"label": value}`, in the order of the bars. Chart number n of a seed is always the same.

    Args:
        renderer: draws the texts; `processor.renderer`.
        length: charts of the data set.
        size: (H, W).
        bars: fewest and most bars.
        highest: values are whole numbers from 0 to this one.
        labels: of which each chart has some.
        seed: of all charts.
        first: number of the first one.

    Raises:
        ValueError: for charts that do not fit on the page.
    """

    def __init__(
        self,
        renderer: StripRenderer,
        length: int = 1 << 20,
        size: tuple[int, int] = (64, 120),
        bars: tuple[int, int] = (2, 4),
        highest: int = 9,
        labels: Sequence[str] = LABELS,
        seed: int = 0,
        first: int = 0,
    ) -> None:
        if not 1 <= bars[0] <= bars[1] <= len(labels) or highest < 1:
            raise ValueError(
                f"bars must be two numbers from 1 to {len(labels)} (the labels) and highest at least 1, got {bars} "
                f"and {highest}."
            )
        super().__init__(renderer, length, size, seed, first)
        self.bars, self.highest, self.labels = bars, highest, tuple(labels)
        self.axis = renderer.measure(str(highest)) + 2
        self.widest = max(renderer.measure(label) for label in labels) + GAP
        self.unit = (size[0] - renderer.height - AIR) // highest
        needed = self.axis + bars[1] * self.widest
        if self.unit < 1 or needed > size[1]:
            raise ValueError(
                f"charts need {renderer.height + AIR + highest} x {needed} pixels at least, but pages have {size[0]} x "
                f"{size[1]}; take larger pages, fewer bars or a lower highest value."
            )

    def draw(self, rng: np.random.Generator) -> TrainingPage:
        """A chart."""
        count = int(rng.integers(self.bars[0], self.bars[1] + 1))
        names = [self.labels[number] for number in rng.permutation(len(self.labels))[:count]]
        table = {name: int(rng.integers(0, self.highest + 1)) for name in names}
        canvas = Canvas(self.renderer, self.size)
        unit = int(rng.integers(max(self.unit // 2, 1), self.unit + 1))
        ground = int(rng.integers(unit * self.highest + AIR, self.size[0] - self.renderer.height + 1))
        self._draw_axis(canvas, ground, unit)
        ink, step = INKS[int(rng.integers(len(INKS)))], (self.size[1] - self.axis) // count
        width = int(rng.integers(self.widest // 2, step - GAP + 1))
        for place, (name, value) in enumerate(table.items()):
            middle = self.axis + place * step + step // 2
            left = middle - width // 2
            canvas.pixels[ground - unit * value : ground, left : left + width] = ink
            canvas.write("label", name, ground, middle - self.renderer.measure(name) // 2)
        target = json.dumps(table, separators=(",", ":"))
        return TrainingPage(
            canvas.pixels, target, "parse", tuple(canvas.texts), table, glyph_height=self.renderer.height
        )

    def _draw_axis(self, canvas: Canvas, ground: int, unit: int) -> None:
        """Both axes, and the two values that give the scale, each beside its height."""
        height, top = self.renderer.height, ground - unit * self.highest
        for value, row in ((str(self.highest), top), ("0", ground - height)):
            place = min(max(row, 0), self.size[0] - height)
            canvas.write("axis", value, place, self.axis - 2 - self.renderer.measure(value))
        canvas.pixels[top:ground, self.axis - 1] = 0
        canvas.pixels[ground - 1, self.axis - 1 :] = 0


__all__ = ["LABELS", "ChartPages"]
