# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Screenshot parsing: from the picture of a web page to its HTML, simplified (Pix2Struct, arXiv 2210.03347, 3.2).

A folder holds screenshots and, in `pages.jsonl`, the tree of each with the boxes of its elements and texts
(`examples/data/screenshots.py` makes it with a browser). Of every page a part is asked for that a blue frame shows;
some of its texts are crossed out, and are to be told all the same.

Shapes: H, W rows and columns of a page.
"""

import html
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

from ...limits import MAX_IMAGE_PIXELS, check_limit
from .page import TrainingPage, crossed_box

BLUE = (0, 0, 255)
FRAME = 2
# Deeper than any page that people write; Python walks no tree without end.
MOST_LEVELS = 200


@dataclass(frozen=True)
class PageNode:
    """An element, an image or a text of a web page.

    Attributes:
        tag: name of the element in small letters; `""` of a text.
        box: left, top, width and height in pixels.
        text: of a text, its words between single spaces.
        alt: of an image, what it says it shows.
        source: of an image, the name of its file.
        children: what an element holds, in order.
    """

    tag: str
    box: tuple[float, float, float, float]
    text: str = ""
    alt: str = ""
    source: str = ""
    children: tuple["PageNode", ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any], level: int = 0) -> "PageNode":
        """A tree from nested dictionaries with these attributes; all but `box` may be left out.

        Raises:
            ValueError: for a tree of another form, or deeper than 200 levels.
        """
        if level > MOST_LEVELS:
            raise ValueError(f"the tree is more than {MOST_LEVELS} levels deep.")
        try:
            left, top, width, height = map(float, data["box"])
            below = list(data.get("children", ()))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(
                f"a node needs a box of four numbers and a list of children ({error!r})."
            ) from None
        children = tuple(cls.from_json(child, level + 1) for child in below)
        names = {name: str(data.get(name) or "") for name in ("alt", "source")}
        tag, text = str(data.get("tag") or "").lower(), " ".join(str(data.get("text") or "").split())
        return cls(tag, (left, top, width, height), text, children=children, **names)

    def walk(self) -> Iterator["PageNode"]:
        """The node and all below it, in the order of the page."""
        yield self
        for child in self.children:
            yield from child.walk()

    def to_html(self) -> str:
        """The tree in simplified HTML: texts, images, and pointed brackets around what an element holds."""
        if not self.tag:
            return html.escape(self.text, quote=False)
        if self.tag == "img":
            names = (("alt", self.alt), ("src", self.source))
            return (
                " ".join(["<img", *(f'{name}="{html.escape(value)}"' for name, value in names if value)])
                + ">"
            )
        return f"<{' '.join(child.to_html() for child in self.children)}>"


def simplify(node: PageNode, size: tuple[int, int]) -> PageNode | None:
    """A tree without what cannot be seen, and without elements that hold a single other one.

    Args:
        node: its root.
        size: (H, W) of the page; what lies outside is not seen.

    Returns:
        `None` if there is nothing to see.
    """
    if not node.tag or node.tag == "img":
        has_content = bool(node.text if not node.tag else node.alt or node.source)
        return node if has_content and _is_seen(node, size) else None
    children = tuple(kept for child in node.children if (kept := simplify(child, size)) is not None)
    if not children:
        return None
    if len(children) == 1 and children[0].tag:
        return children[0]
    return replace(node, children=children)


def _is_seen(node: PageNode, size: tuple[int, int]) -> bool:
    left, top, width, height = node.box
    return (
        width >= 1
        and height >= 1
        and left < size[1]
        and top < size[0]
        and left + width > 0
        and top + height > 0
    )


def fitting_subtrees(node: PageNode, fits: Callable[[str], bool]) -> list[PageNode]:
    """The largest subtrees whose HTML fits: those that do while what holds them does not."""
    if fits(node.to_html()):
        return [node]
    return [found for child in node.children for found in fitting_subtrees(child, fits)]


class ScreenshotPages(Dataset):
    """Parts of web pages to be parsed: a data set for Trainer.

    Args:
        folder: with `pages.jsonl`, a line `{"image": FILE, "tree": NODE}` for each page.
        max_target: the longest target.
        measure: of targets; default: characters. `lambda text: len(tokenizer(text).input_ids)` for tokens.
        crossed_out: share of the texts in the frame that are crossed out.
        seed: which part of a page is asked for, and which texts are crossed out.

    Raises:
        ValueError: for a file that is no such list, naming the line, or a folder where no part of any page fits.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        max_target: int = 512,
        measure: Callable[[str], int] = len,
        crossed_out: float = 0.5,
        seed: int = 0,
    ) -> None:
        if not 0 <= crossed_out <= 1:
            raise ValueError(f"crossed_out must lie in [0, 1], got {crossed_out}.")
        self.folder, self.crossed_out, self.seed = Path(folder), crossed_out, seed
        self.parts: list[tuple[str, list[PageNode]]] = []
        self.left_out = 0
        for number, line in enumerate(_lines(self.folder / "pages.jsonl"), 1):
            try:
                row = json.loads(line)
                name, tree = str(row["image"]), PageNode.from_json(row["tree"])
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise ValueError(f"{self.folder / 'pages.jsonl'}, line {number}: {error}") from None
            with Image.open(self.folder / name) as image:
                check_limit(image.width * image.height, MAX_IMAGE_PIXELS, f"pixels of {name}")
                seen = simplify(tree, (image.height, image.width))
            found = [] if seen is None else fitting_subtrees(seen, lambda text: measure(text) <= max_target)
            if found:
                self.parts.append((name, found))
            else:
                self.left_out += 1
        if not self.parts:
            raise ValueError(f"{self.folder}: no part of any page has a target of at most {max_target}.")

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: int) -> TrainingPage:
        """A part of page number `index`, drawn in proportion to the length of its target."""
        name, choices = self.parts[index]
        rng = np.random.default_rng([self.seed, index])
        lengths = np.array([len(choice.to_html()) for choice in choices], float)
        part = choices[int(rng.choice(len(choices), p=lengths / lengths.sum()))]
        with Image.open(self.folder / name) as image:
            pixels = np.array(image.convert("RGB"))
        texts = [node for node in part.walk() if node.text]
        for node, hides in zip(texts, rng.random(len(texts)) < self.crossed_out, strict=True):
            if hides:
                _cross_out(pixels, node)
        _draw_frame(pixels, part)
        return TrainingPage(pixels, part.to_html(), "html")


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        yield from (line for line in file if line.strip())


def _edges(node: PageNode, size: tuple[int, ...], margin: int = 0) -> tuple[int, int, int, int]:
    """First row and column of a box and those after it, within the page."""
    left, top, width, height = node.box
    rows = [min(max(round(place), 0), size[0]) for place in (top - margin, top + height + margin)]
    columns = [min(max(round(place), 0), size[1]) for place in (left - margin, left + width + margin)]
    return rows[0], rows[1], columns[0], columns[1]


def _cross_out(pixels: np.ndarray, node: PageNode) -> None:
    first, last, left, right = _edges(node, pixels.shape)
    if first < last and left < right:
        pixels[first:last, left:right] = crossed_box(last - first, right - left)[:, :, None]


def _draw_frame(pixels: np.ndarray, node: PageNode) -> None:
    first, last, left, right = _edges(node, pixels.shape, FRAME)
    inside = pixels[first + FRAME : last - FRAME, left + FRAME : right - FRAME].copy()
    pixels[first:last, left:right] = BLUE
    pixels[first + FRAME : last - FRAME, left + FRAME : right - FRAME] = inside


__all__ = ["PageNode", "ScreenshotPages", "fitting_subtrees", "simplify"]
