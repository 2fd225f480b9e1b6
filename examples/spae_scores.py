#!/usr/bin/env python
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What a SPAE model of shapes is worth: pixels of every prefix, words, few-shot classes; and a picture of all prefixes.

    python examples/spae_scores.py runs/spae --image prefixes.png

Each run of the folder's like is scored on the same 600 pictures that no training saw (data/shapes.py).
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from data.shapes import COLORS, SHAPES, SIZES, ShapesDataset
from PIL import Image, ImageDraw

from pixel_ar import LexicalCodebook, SpaeModel
from pixel_ar.training.spae import caption_entries

# Numbers from here on are held out.
HELD_OUT = 1_000_000
EPISODES = 1000
SHOTS = 3


def score(model: SpaeModel, data: ShapesDataset, batch_size: int = 100) -> dict[str, float]:
    """All figures of a model on held-out shapes."""
    model.eval()
    images = torch.from_numpy(data.images)
    layers = [
        torch.cat(parts)
        for parts in zip(*(model.encode(part) for part in images.split(batch_size)), strict=True)
    ]
    figures: dict[str, float] = {}
    tokens = 0
    for depth in range(1, len(layers) + 1):
        tokens += layers[depth - 1][0].numel()
        decoded = decode(model, layers[:depth], batch_size)
        figures[f"psnr_{tokens}"] = psnr(decoded, images / 255)
    figures[f"ssim_{tokens}"] = ssim(decoded, images / 255)
    sequences = torch.cat([layer.flatten(1) for layer in layers], 1)
    figures["entries_used"] = len(sequences.unique())
    if isinstance(model.codebook, LexicalCodebook):
        figures |= word_figures(model.codebook, sequences, data)
    first = sum(layer[0].numel() for layer in layers[:3])
    for name, labels in (
        ("color", [shape.color for shape in data.shapes]),
        ("shape", [shape.shape for shape in data.shapes]),
    ):
        figures[f"overlap_{name}"] = overlap_accuracy(sequences[:, :first], labels)
    return {name: round(value, 4) for name, value in figures.items()}


@torch.no_grad()
def decode(model: SpaeModel, layers: list[torch.Tensor], batch_size: int = 100) -> torch.Tensor:
    """Pictures of a prefix of layers."""
    parts = zip(*(layer.split(batch_size) for layer in layers), strict=True)
    return torch.cat([model.decode(part) for part in parts])


def psnr(decoded: torch.Tensor, images: torch.Tensor) -> float:
    """Decibels, the mean over pictures."""
    errors = (decoded - images).square().flatten(1).mean(1)
    return float((-10 * errors.clamp(min=1e-10).log10()).mean())


def ssim(decoded: torch.Tensor, images: torch.Tensor, window: int = 7) -> float:
    """Structural similarity with a uniform window (Wang et al. 2004), mean over channels and pictures."""

    def mean(values: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(values, window, 1)

    mean_a, mean_b = mean(decoded), mean(images)
    variance_a = mean(decoded.square()) - mean_a.square()
    variance_b = mean(images.square()) - mean_b.square()
    covariance = mean(decoded * images) - mean_a * mean_b
    low, middle = 0.01**2, 0.03**2
    found = (2 * mean_a * mean_b + low) * (2 * covariance + middle)
    return float(
        (found / ((mean_a.square() + mean_b.square() + low) * (variance_a + variance_b + middle))).mean()
    )


def word_figures(book: LexicalCodebook, sequences: torch.Tensor, data: ShapesDataset) -> dict[str, float]:
    """How many caption words stand among the first five tokens, by kind, and how many of these are caption words."""
    found: dict[str, list[bool]] = {"recall": [], "recall_color": [], "recall_size": [], "recall_shape": []}
    precise = []
    for row, shape in zip(sequences[:, :5].tolist(), data.shapes, strict=True):
        caption = caption_entries(shape.caption, book)
        found["recall"] += [entry in row for entry in caption]
        for kind in ("color", "size", "shape"):
            found[f"recall_{kind}"].append(book.rank(getattr(shape, kind)) in row)
        precise += [entry in caption for entry in row]
    return {name: float(np.mean(hits)) for name, hits in found.items()} | {
        "precision": float(np.mean(precise))
    }


def overlap_accuracy(sequences: torch.Tensor, labels: list[str], seed: int = 0) -> float:
    """2-way 3-shot: the label whose three pictures share more tokens with the query; a tie counts half."""
    hits = []
    for support, query, label in episodes(labels, seed):
        target = Counter(sequences[query].tolist())
        shared = {
            name: sum(
                sum((target & Counter(sequences[index].tolist())).values())
                for index, given in support
                if given == name
            )
            for name in {given for _, given in support}
        }
        best = max(shared.values())
        winners = [name for name, value in shared.items() if value == best]
        hits.append((label in winners) / len(winners))
    return float(np.mean(hits))


def episodes(labels: list[str], seed: int = 0) -> list[tuple[list[tuple[int, str]], int, str]]:
    """Few-shot tasks: three pictures of each of two labels in mixed order, a query, its label."""
    random = np.random.default_rng(seed)
    names = sorted(set(labels))
    of = {name: np.flatnonzero(np.array(labels) == name) for name in names}
    drawn = []
    for _ in range(EPISODES):
        pair = [names[index] for index in random.choice(len(names), 2, replace=False)]
        chosen = {name: random.choice(of[name], SHOTS + 1, replace=False) for name in pair}
        label = pair[random.integers(2)]
        support = [(int(index), name) for name in pair for index in chosen[name][:SHOTS]]
        random.shuffle(support)
        drawn.append(([(int(index), str(name)) for index, name in support], int(chosen[label][SHOTS]), label))
    return drawn


def prefix_picture(model: SpaeModel, data: ShapesDataset, count: int = 8, scale: int = 4) -> Image.Image:
    """One column per picture: itself, then the reconstruction of every prefix, with the first layers' words below."""
    images = torch.from_numpy(data.images[:count])
    layers = list(model.encode(images))
    rows = [images / 255] + [model.decode(layers[:depth]) for depth in range(1, len(layers) + 1)]
    counts = np.cumsum([layer[0].numel() for layer in layers])
    names = ["picture", *(f"{number} token{'s' if number > 1 else ''}" for number in counts)]
    side, margin, label = images.shape[2] * scale, 6, 90
    has_words = isinstance(model.codebook, LexicalCodebook)
    height = len(rows) * (side + margin) + (90 if has_words else 0)
    canvas = Image.new("RGB", (label + count * (side + margin), height), "white")
    pen = ImageDraw.Draw(canvas)
    for row, (name, pictures) in enumerate(zip(names, rows, strict=True)):
        pen.text((4, row * (side + margin) + side // 2), name, fill="black")
        for column, picture in enumerate(pictures):
            array = (picture.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
            tile = Image.fromarray(array).resize((side, side), Image.Resampling.NEAREST)
            canvas.paste(tile, (label + column * (side + margin), row * (side + margin)))
    if has_words:
        top = len(rows) * (side + margin)
        pen.text((4, top + 4), "first 5 words", fill="black")
        for column, words in enumerate(model.to_words(layers[:2])):
            pen.multiline_text(
                (label + column * (side + margin), top + 4),
                "\n".join(word for layer in words for word in layer),
                fill="black",
            )
    return canvas


def main() -> None:
    """Scores folders."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", help="folders of SPAE models")
    parser.add_argument("--count", type=int, default=600, help="held-out pictures")
    parser.add_argument("--image", help="where to write a picture of every prefix, of the first folder")
    arguments = parser.parse_args()
    data = ShapesDataset(arguments.count, HELD_OUT)
    for number, folder in enumerate(arguments.models):
        model = SpaeModel.from_pretrained(folder).eval()
        print(json.dumps({"model": Path(folder).name, **score(model, data)}))
        if arguments.image and not number:
            prefix_picture(model, data).save(arguments.image)


__all__ = ["COLORS", "HELD_OUT", "SHAPES", "SIZES", "episodes", "prefix_picture", "score"]

if __name__ == "__main__":
    main()
