# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Pictures of one coloured shape on a cluttered ground, with captions: data for SPAE that needs no download.

Each picture is 32 x 32 pixels and drawn from its number alone, so that a data set is a range of numbers: 8 colours, 6
shapes, 2 sizes, 4 places, on a tinted slope with faint lines, dots and noise. A caption names the five, in any order
where order is not asked for: "large black diamond top left".

To look at some:

    python examples/data/shapes.py shapes.png
"""

import sys
from dataclasses import dataclass

import numpy as np
from PIL import Image

SIDE = 32
OVERSAMPLING = 3
COLORS = {
    "black": (20, 20, 20),
    "white": (250, 250, 250),
    "red": (205, 30, 35),
    "green": (25, 140, 50),
    "blue": (30, 60, 200),
    "yellow": (240, 210, 30),
    "orange": (240, 130, 20),
    "purple": (130, 40, 150),
}
SHAPES = ("circle", "square", "triangle", "diamond", "cross", "ring")
SIZES = {"small": 3.6, "large": 6.2}
ROWS, COLUMNS = ("top", "bottom"), ("left", "right")
WORDS = (*COLORS, *SHAPES, *SIZES, *ROWS, *COLUMNS)


@dataclass(frozen=True)
class Shape:
    """What a picture shows."""

    color: str
    shape: str
    size: str
    row: str
    column: str

    @property
    def caption(self) -> str:
        """In words."""
        return f"{self.size} {self.color} {self.shape} {self.row} {self.column}"


class ShapesDataset:
    """A range of pictures.

    Args:
        count: how many.
        first: the number of the first. Sets whose ranges do not meet share no picture.

    Items:
        `image`, uint8 `[3, 32, 32]`; `caption`; `shape`, a [`Shape`].
    """

    def __init__(self, count: int, first: int = 0) -> None:
        self.images = np.empty((count, 3, SIDE, SIDE), np.uint8)
        self.shapes: list[Shape] = []
        for index in range(count):
            shape, picture = draw(first + index)
            self.images[index] = picture
            self.shapes.append(shape)

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, index: int) -> dict[str, object]:
        shape = self.shapes[index]
        return {"image": self.images[index], "caption": shape.caption, "shape": shape}

    @property
    def captions(self) -> list[str]:
        """Of all pictures."""
        return [shape.caption for shape in self.shapes]


def draw(number: int) -> tuple[Shape, np.ndarray]:
    """The picture of a number, uint8 `[3, 32, 32]`."""
    random = np.random.default_rng([7, number])
    shape = Shape(
        *(str(random.choice(names)) for names in (list(COLORS), SHAPES, list(SIZES), ROWS, COLUMNS))
    )
    picture = _ground(random)
    center_row = (0.28 if shape.row == "top" else 0.72) * SIDE + random.uniform(-2, 2)
    center_column = (0.28 if shape.column == "left" else 0.72) * SIDE + random.uniform(-2, 2)
    radius = SIZES[shape.size] * random.uniform(0.92, 1.08)
    fine = _centers(OVERSAMPLING)
    inside = _is_inside(
        shape.shape, (fine[:, None] - center_row) / radius, (fine[None] - center_column) / radius
    )
    covered = inside.reshape(SIDE, OVERSAMPLING, SIDE, OVERSAMPLING).mean((1, 3))[..., None]
    color = np.clip(np.array(COLORS[shape.color]) / 255 + random.normal(0, 0.02, 3), 0, 1)
    picture = picture + covered * (color - picture) + random.normal(0, 0.015, picture.shape)
    return shape, (picture.clip(0, 1) * 255).round().astype(np.uint8).transpose(2, 0, 1)


def _centers(parts: int) -> np.ndarray:
    """Middles of the parts of pixels along one side, in pixels."""
    return (np.arange(SIDE * parts) + 0.5) / parts


def _ground(random: np.random.Generator) -> np.ndarray:
    """A slope between two pale tints, crossed by two faint lines and with some faint dots, `[32, 32, 3]`."""
    rows, columns = _centers(1)[:, None], _centers(1)[None]
    tints = 0.62 + 0.22 * random.random((2, 3))
    angle = random.uniform(0, 2 * np.pi)
    slope = (np.cos(angle) * rows + np.sin(angle) * columns) / SIDE
    slope = (slope - slope.min()) / np.ptp(slope)
    picture = tints[0] + slope[..., None] * (tints[1] - tints[0])
    for _ in range(2):
        angle = random.uniform(0, np.pi)
        row, column = random.uniform(0.2, 0.8, 2) * SIDE
        distance = np.abs(np.cos(angle) * (rows - row) + np.sin(angle) * (columns - column))
        picture = picture + (1.1 - distance).clip(0, 1)[..., None] * random.uniform(-0.12, 0.12)
    for _ in range(5):
        row, column = random.uniform(0, SIDE, 2)
        distance = np.sqrt((rows - row) ** 2 + (columns - column) ** 2)
        dot = (random.uniform(0.8, 1.8) + 0.5 - distance).clip(0, 1)
        picture = picture + dot[..., None] * random.uniform(-0.15, 0.15, 3)
    return picture


def _is_inside(shape: str, down: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Which fine pixels a shape covers; coordinates from its centre, in radii."""
    if shape == "circle":
        return down**2 + right**2 < 1
    if shape == "ring":
        distance = down**2 + right**2
        return (distance < 1.1) & (distance > 0.4)
    if shape == "square":
        return np.maximum(np.abs(down), np.abs(right)) < 0.9
    if shape == "diamond":
        return np.abs(down) + np.abs(right) < 1.15
    if shape == "cross":
        return (np.minimum(np.abs(down), np.abs(right)) < 0.32) & (
            np.maximum(np.abs(down), np.abs(right)) < 1.05
        )
    return (down < 0.85) & (np.abs(right) < (down + 1) * 0.6)


def sheet(images: np.ndarray, columns: int = 12, scale: int = 3) -> Image.Image:
    """Pictures `[n, 3, 32, 32]` side by side."""
    rows = -(-len(images) // columns)
    canvas = np.full((rows * (SIDE + 2), columns * (SIDE + 2), 3), 255, np.uint8)
    for index, picture in enumerate(images):
        row, column = divmod(index, columns)
        canvas[row * (SIDE + 2) :, column * (SIDE + 2) :][:SIDE, :SIDE] = picture.transpose(1, 2, 0)
    image = Image.fromarray(canvas)
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


if __name__ == "__main__":
    some = ShapesDataset(48)
    sheet(some.images).save(sys.argv[1] if len(sys.argv) > 1 else "shapes.png")
    print("\n".join(some.captions[:12]))
