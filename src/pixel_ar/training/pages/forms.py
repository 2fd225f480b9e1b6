# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Forms on pages, laid out here: what a page model learns to parse, and to answer questions about.

A page is drawn from the glyphs of a renderer, so where every character stands is known without a browser: the target of
the page, and what each patch shows. Page number n of a seed is always the same, so a data set needs no file.

Shapes: H, W rows and columns of a page.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from ...rendering.renderer import StripRenderer
from .page import Canvas, DrawnPages, PageText, TrainingPage, random_offset

KEYS = ("name", "date", "city", "room", "item", "code", "size", "page")
LAYOUTS = ("lines", "stacked", "table")
Task = Literal["parse", "question"]
TASKS: tuple[Task, ...] = ("parse", "question")


class FormPages(DrawnPages):
    """Random forms, drawn on demand: a data set for Trainer.

    Values are random characters, so that a model can only read them; the keys are always the same. Of two data sets of
    one seed, the one with `first` after the other's end has other values.

    Args:
        renderer: draws the texts; `processor.renderer`.
        length: pages of the data set.
        size: (H, W).
        keys: of which each form has some.
        fields: fewest and most fields of a form.
        value_length: fewest and most characters of a value.
        alphabet: of values.
        tasks: which ones, in equal shares.
        layouts: `"lines"` (`key: value`), `"stacked"` (the value below its key) and `"table"` (two columns).
        jitter: (rows, columns): texts stand on multiples of these; (1, 1) for anywhere.
        crossed_out: share of the texts in whose place a crossed box stands, while the target tells them all: what
            cannot be seen is to be guessed (screenshot parsing, arXiv 2210.03347, section 3.2).
        seed: of all pages.
        first: number of the first page.

    Raises:
        ValueError: for names that are not known, or forms that may not fit on the page.
    """

    def __init__(
        self,
        renderer: StripRenderer,
        length: int = 1 << 20,
        size: tuple[int, int] = (64, 120),
        keys: Sequence[str] = KEYS,
        fields: tuple[int, int] = (2, 3),
        value_length: tuple[int, int] = (3, 3),
        alphabet: str = "0123456789",
        tasks: Sequence[Task] = TASKS,
        layouts: Sequence[str] = LAYOUTS,
        jitter: tuple[int, int] = (1, 1),
        seed: int = 0,
        first: int = 0,
        crossed_out: float = 0.0,
    ) -> None:
        for name, given, known in (("tasks", tasks, TASKS), ("layouts", layouts, LAYOUTS)):
            if not given or set(given) - set(known):
                raise ValueError(f"{name} must be some of {known}, got {tuple(given)}.")
        if not 1 <= fields[0] <= fields[1] <= len(keys):
            raise ValueError(f"fields must be two numbers from 1 to {len(keys)} (the keys), got {fields}.")
        if not 1 <= value_length[0] <= value_length[1] or not alphabet or min(jitter) < 1:
            raise ValueError("value_length and jitter must be positive and alphabet not empty.")
        if not 0 <= crossed_out <= 1:
            raise ValueError(f"crossed_out must lie in [0, 1], got {crossed_out}.")
        super().__init__(renderer, length, size, seed, first)
        self.keys, self.fields, self.value_length = tuple(keys), fields, value_length
        self.alphabet, self.tasks, self.layouts = alphabet, tuple(tasks), tuple(layouts)
        self.jitter, self.crossed_out = jitter, crossed_out
        self._check_room()

    def _check_room(self) -> None:
        height = self.renderer.height
        key = max(self.renderer.measure(f"{name}: ") for name in self.keys)
        value = max(self.renderer.measure(letter) for letter in self.alphabet) * self.value_length[1]
        widest = max(key + value, max(self.renderer.measure(f"{name}?") for name in self.keys))
        lines = self.fields[1] * (2 if "stacked" in self.layouts else 1) + 2 * ("question" in self.tasks)
        if widest > self.size[1] or lines * height > self.size[0]:
            raise ValueError(
                f"forms may need {lines * height} x {widest} pixels, but pages have {self.size[0]} x {self.size[1]}; "
                "take larger pages, fewer fields or shorter values."
            )

    def draw(self, rng: np.random.Generator) -> TrainingPage:
        """A form."""
        count = int(rng.integers(self.fields[0], self.fields[1] + 1))
        keys = [self.keys[number] for number in rng.permutation(len(self.keys))[:count]]
        fields = {key: self._value(rng) for key in keys}
        task = self.tasks[int(rng.integers(len(self.tasks)))]
        layout = self.layouts[int(rng.integers(len(self.layouts)))]
        header, target = None, json.dumps(fields, separators=(",", ":"))
        if task == "question":
            asked = keys[int(rng.integers(count))]
            header, target = f"{asked}?", fields[asked]
        # A line of header and the black line below it.
        top = 0 if header is None else 2 * self.renderer.height
        canvas = Canvas(self.renderer, (self.size[0] - top, self.size[1]))
        self._lay_out(canvas, fields, layout, rng)
        texts, pixels = canvas.texts, canvas.pixels
        if header is not None:
            # As `page_patches(body, header=...)` prints it.
            above = Canvas(self.renderer, (top, self.size[1]))
            above.write("question", header, 0, 0)
            above.pixels[self.renderer.height :] = 0
            texts = above.texts + [replace(text, top=text.top + top) for text in texts]
            pixels = np.concatenate([above.pixels, pixels])
        return TrainingPage(
            pixels,
            target,
            task,
            tuple(texts),
            fields,
            _hidden_fields(texts, keys),
            header,
            top,
            self.renderer.height,
        )

    def _value(self, rng: np.random.Generator) -> str:
        length = int(rng.integers(self.value_length[0], self.value_length[1] + 1))
        return "".join(self.alphabet[int(number)] for number in rng.integers(0, len(self.alphabet), length))

    def _lay_out(
        self, canvas: Canvas, fields: Mapping[str, str], layout: str, rng: np.random.Generator
    ) -> None:
        """Writes the fields below each other, the block of them anywhere in what room there is."""
        measure, height = self.renderer.measure, self.renderer.height
        gap = measure(": ") if layout == "lines" else 2 * measure("0")
        column = max(measure(key) for key in fields)
        ends = {key: (measure(key) if layout == "lines" else column) + gap + measure(value)
                for key, value in fields.items()}  # fmt: skip
        width = column + measure("0") * self.value_length[1] if layout == "stacked" else max(ends.values())
        lines = len(fields) * (2 if layout == "stacked" else 1)
        rows, columns = canvas.pixels.shape
        row = random_offset(rows - lines * height, self.jitter[0], rng)
        left = random_offset(columns - width, self.jitter[1], rng)
        # Drawn after the places, which are the same whatever is crossed out.
        hidden = rng.random((len(fields), 2)) < self.crossed_out
        for (key, value), (hides_key, hides_value) in zip(fields.items(), hidden.tolist(), strict=True):
            name = f"{key}:" if layout == "lines" else key
            canvas.write("key", name, row, left, hides_key)
            if layout == "stacked":
                row += height
            indent = gap if layout == "stacked" else ends[key] - measure(value)
            canvas.write("value", value, row, left + indent, hides_value)
            row += height


def _hidden_fields(texts: Sequence[PageText], keys: Sequence[str]) -> frozenset[str]:
    """Keys of the fields whose key or value is crossed out; keys and values follow each other in the texts."""
    told = [text for text in texts if text.tag in ("key", "value")]
    pairs = zip(keys, told[::2], told[1::2], strict=True)
    return frozenset(name for name, key, value in pairs if key.is_crossed_out or value.is_crossed_out)


__all__ = ["KEYS", "LAYOUTS", "TASKS", "FormPages", "Task"]
