# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Forms on pages, laid out here: what a page model learns to parse, and to answer questions about.

A page is drawn from the glyphs of a renderer, so where every character stands is known without a browser: the target of
the page, and what each patch shows. Page number n of a seed is always the same, so a data set needs no file.

Shapes: H, W rows and columns of a page, S patches, K characters that a patch may show.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase

from ..modalities import IGNORED_LABEL
from ..processing.processing_pixel_ar import PixelProcessor
from ..rendering.renderer import StripRenderer

KEYS = ("name", "date", "city", "room", "item", "code", "size", "page")
LAYOUTS = ("lines", "stacked", "table")
Task = Literal["parse", "question"]
TASKS: tuple[Task, ...] = ("parse", "question")


@dataclass(frozen=True)
class PageText:
    """A text on a page.

    Attributes:
        tag: what it is: `"question"`, `"key"` or `"value"`.
        text: its characters.
        top: the first row of its glyphs.
        left: the first column.
        spans: `[len(text), 2]`, first column of each character and the one after it, counted from `left`.
    """

    tag: str
    text: str
    top: int
    left: int
    spans: np.ndarray


@dataclass(frozen=True)
class FormPage:
    """A page with a form, and what is to be told of it.

    Attributes:
        pixels: uint8 `[H, W]`, 255 = background.
        texts: what stands on it.
        fields: values by key, in their order on the page.
        task: `"parse"`: all of it as JSON; `"question"`: the value of the key that is asked for above the form.
        target: what a model shall write.
        glyph_height: rows of a character.
    """

    pixels: np.ndarray
    texts: tuple[PageText, ...]
    fields: Mapping[str, str]
    task: Task
    target: str
    glyph_height: int


class FormPages(Dataset):
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
    ) -> None:
        for name, given, known in (("tasks", tasks, TASKS), ("layouts", layouts, LAYOUTS)):
            if not given or set(given) - set(known):
                raise ValueError(f"{name} must be some of {known}, got {tuple(given)}.")
        if not 1 <= fields[0] <= fields[1] <= len(keys):
            raise ValueError(f"fields must be two numbers from 1 to {len(keys)} (the keys), got {fields}.")
        if not 1 <= value_length[0] <= value_length[1] or not alphabet or min(jitter) < 1:
            raise ValueError("value_length and jitter must be positive and alphabet not empty.")
        self.renderer, self.length, self.size = renderer, length, size
        self.keys, self.fields, self.value_length = tuple(keys), fields, value_length
        self.alphabet, self.tasks, self.layouts = alphabet, tuple(tasks), tuple(layouts)
        self.jitter, self.seed, self.first = jitter, seed, first
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

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> FormPage:
        """Page number `index`."""
        if not 0 <= index < self.length:
            raise IndexError(f"page {index} of {self.length}.")
        rng = np.random.default_rng([self.seed, self.first + index])
        count = int(rng.integers(self.fields[0], self.fields[1] + 1))
        keys = [self.keys[number] for number in rng.permutation(len(self.keys))[:count]]
        fields = {key: self._value(rng) for key in keys}
        task = self.tasks[int(rng.integers(len(self.tasks)))]
        layout = self.layouts[int(rng.integers(len(self.layouts)))]
        canvas = _Canvas(self.renderer, self.size)
        top, target = 0, json.dumps(fields, separators=(",", ":"))
        if task == "question":
            asked = keys[int(rng.integers(count))]
            target = fields[asked]
            canvas.write("question", f"{asked}?", 0, 0)
            # The EOS line between a header and its page.
            canvas.pixels[self.renderer.height : 2 * self.renderer.height] = 0
            top = 2 * self.renderer.height
        self._lay_out(canvas, fields, layout, top, rng)
        return FormPage(canvas.pixels, tuple(canvas.texts), fields, task, target, self.renderer.height)

    def _value(self, rng: np.random.Generator) -> str:
        length = int(rng.integers(self.value_length[0], self.value_length[1] + 1))
        return "".join(self.alphabet[int(number)] for number in rng.integers(0, len(self.alphabet), length))

    def _lay_out(
        self, canvas: "_Canvas", fields: Mapping[str, str], layout: str, top: int, rng: np.random.Generator
    ) -> None:
        """Writes the fields below each other, the block of them anywhere in what room there is."""
        measure, height = self.renderer.measure, self.renderer.height
        gap = measure(": ") if layout == "lines" else 2 * measure("0")
        column = max(measure(key) for key in fields)
        ends = {key: (measure(key) if layout == "lines" else column) + gap + measure(value)
                for key, value in fields.items()}  # fmt: skip
        width = column + measure("0") * self.value_length[1] if layout == "stacked" else max(ends.values())
        lines = len(fields) * (2 if layout == "stacked" else 1)
        row = top + self._offset(self.size[0] - top - lines * height, self.jitter[0], rng)
        left = self._offset(self.size[1] - width, self.jitter[1], rng)
        for key, value in fields.items():
            if layout == "stacked":
                canvas.write("key", key, row, left)
                canvas.write("value", value, row + height, left + gap)
                row += 2 * height
                continue
            canvas.write("key", f"{key}:" if layout == "lines" else key, row, left)
            canvas.write("value", value, row, left + ends[key] - measure(value))
            row += height

    def _offset(self, room: int, step: int, rng: np.random.Generator) -> int:
        return step * int(rng.integers(0, max(room, 0) // step + 1))


class _Canvas:
    """A page while it is written."""

    def __init__(self, renderer: StripRenderer, size: tuple[int, int]) -> None:
        self.renderer = renderer
        self.pixels = np.full(size, 255, np.uint8)
        self.texts: list[PageText] = []

    def write(self, tag: str, text: str, top: int, left: int) -> None:
        """Draws a text; it must fit."""
        strip = self.renderer.render(text)
        drawn = strip.to_array()
        self.pixels[top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn
        spans = np.stack([strip.char_columns[:-1], strip.char_columns[1:]], axis=1)
        self.texts.append(PageText(tag, strip.text, top, left, spans))


def shown_characters(page: FormPage, patch_size: tuple[int, int]) -> list[list[str]]:
    """The characters that each patch of a page shows: those whose middle lies in it, from left to right.

    Args:
        page: a page in whole patches, or not: its last row and column of patches may reach beyond it.
        patch_size: (height, width) of a patch.

    Returns:
        One list per patch, row after row.
    """
    height, width = patch_size
    rows, columns = (-(-side // step) for side, step in zip(page.pixels.shape, patch_size, strict=True))
    shown: list[list[tuple[int, str]]] = [[] for _ in range(rows * columns)]
    for text in page.texts:
        row = (text.top + page.glyph_height // 2) // height
        for char, (first, stop) in zip(text.text, text.spans.tolist(), strict=True):
            middle = text.left + (first + stop) // 2
            if not char.isspace():
                shown[row * columns + middle // width].append((middle, char))
    return [[char for _, char in sorted(found)] for found in shown]


class PageCollator:
    """Pages to a batch of [`PixelPageForConditionalGeneration`].

    Args:
        processor: cuts pages; its `page_patch_size` and `page_max_patches` count.
        tokenizer: of the targets. Its EOS token ends each; its pad token begins what the decoder reads.
        num_channels: of the model.
        reading_slots: K, the characters of a patch that the model's reading head tells; 0 for none.
        to_pixels: what is done to the pixels of a page first; `np.ones_like` makes a baseline that cannot look.
    """

    def __init__(
        self,
        processor: PixelProcessor,
        tokenizer: PreTrainedTokenizerBase,
        num_channels: int = 1,
        reading_slots: int = 0,
        to_pixels: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.processor, self.tokenizer = processor, tokenizer
        self.num_channels, self.reading_slots, self.to_pixels = num_channels, reading_slots, to_pixels

    def __call__(self, pages: Sequence[FormPage]) -> dict[str, torch.Tensor]:
        """`flattened_patches`, `attention_mask`, `labels` `[B, T]` and, with slots, `reading_targets` `[B, S, K]`."""
        pixels = [page.pixels if self.to_pixels is None else self.to_pixels(page.pixels) for page in pages]
        batch = self.processor.page_patches(
            pixels, normalize="image", resize=False, num_channels=self.num_channels, padding="longest"
        )
        data: dict[str, Any] = {**batch, "labels": self._labels(pages)}
        if self.reading_slots:
            data["reading_targets"] = self._reading_targets(pages, batch["attention_mask"].shape[1])
        return data

    def _labels(self, pages: Sequence[FormPage]) -> torch.Tensor:
        """The targets as tokens, each with its EOS token, `[B, T]`; -100 after it."""
        ids = [self.tokenizer(page.target, add_special_tokens=False).input_ids for page in pages]
        ends = [[*row, self.tokenizer.eos_token_id] for row in ids]
        labels = torch.full((len(ends), max(map(len, ends))), IGNORED_LABEL)
        for row, end in enumerate(ends):
            labels[row, : len(end)] = torch.tensor(end)
        return labels

    def _reading_targets(self, pages: Sequence[FormPage], num_patches: int) -> torch.Tensor:
        """Tokens of the characters of each patch; the pad token where there are fewer, -100 on padding."""
        size = self.processor.page_patch_size or self.processor.patch_size
        labels = torch.full((len(pages), num_patches, self.reading_slots), IGNORED_LABEL)
        for row, page in enumerate(pages):
            shown = shown_characters(page, size)
            labels[row, : len(shown)] = int(self.tokenizer.pad_token_id)
            for patch, characters in enumerate(shown):
                for slot, char in enumerate(characters[: self.reading_slots]):
                    labels[row, patch, slot] = self.tokenizer(char, add_special_tokens=False).input_ids[0]
        return labels


class PagePrefixCollator(PageCollator):
    """Pages to a batch of a [`PixelARForCausalLM`] with `page_positions`: the page, then the target in tokens.

    Args:
        processor: its `page_patch_size`, or `patch_size`, must be the model's patch size.
        tokenizer: of the targets.
        bos_token_id: the model's, which begins each target; it is read and not predicted.
        reading_slots: as in [`PageCollator`].
        to_pixels: likewise.
    """

    def __init__(
        self,
        processor: PixelProcessor,
        tokenizer: PreTrainedTokenizerBase,
        bos_token_id: int,
        reading_slots: int = 0,
        to_pixels: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        super().__init__(processor, tokenizer, 1, reading_slots, to_pixels)
        self.bos_token_id = bos_token_id

    def __call__(self, pages: Sequence[FormPage]) -> dict[str, torch.Tensor]:
        """`page_values` `[B, 1, H, W]`, `input_ids`, `attention_mask` and `labels` `[B, T]`, and `reading_targets`.

        Raises:
            ValueError: for pages of different sizes, or in no whole number of patches.
        """
        size = self.processor.page_patch_size or self.processor.patch_size
        shapes = {page.pixels.shape for page in pages}
        if len(shapes) != 1 or any(side % step for side, step in zip(*shapes, size, strict=True)):
            raise ValueError(
                f"pages of {sorted(shapes)} pixels are not all alike and whole patches of {size}."
            )
        pixels = [page.pixels if self.to_pixels is None else self.to_pixels(page.pixels) for page in pages]
        labels = self._labels(pages)
        first = torch.full((len(pages), 1), self.bos_token_id)
        ids = torch.cat([first, labels], dim=1)
        mask = (ids != IGNORED_LABEL).long()
        data = {
            "page_values": torch.from_numpy(np.stack(pixels))[:, None],
            "input_ids": ids.masked_fill(mask == 0, int(self.tokenizer.pad_token_id)),
            "attention_mask": mask,
            "labels": torch.cat([torch.full_like(first, IGNORED_LABEL), labels], dim=1),
        }
        if self.reading_slots:
            num_patches = pages[0].pixels.size // (size[0] * size[1])
            data["reading_targets"] = self._reading_targets(pages, num_patches)
        return data


def score_pages(answers: Sequence[str], pages: Sequence[FormPage]) -> dict[str, float]:
    """How well forms were parsed and questions answered.

    Args:
        answers: what was written about each page.
        pages: the pages.

    Returns:
        Of pages to parse: `field_f1` over (key, value) pairs, `key_f1` over keys alone, `parse_exact`, `parsed`: the
        share of answers that are JSON objects; of questions: `question_exact`; each 0 to 1, nothing for a task that
        no page has.

    Raises:
        ValueError: for another number of answers than pages.
    """
    if len(answers) != len(pages):
        raise ValueError(f"{len(answers)} answers for {len(pages)} pages; give one for each.")
    scores: dict[str, float] = {}
    parses = [(answer, page) for answer, page in zip(answers, pages, strict=True) if page.task == "parse"]
    if parses:
        found = [_fields(answer) for answer, _ in parses]
        wanted = [dict(page.fields) for _, page in parses]
        pairs = [({*map(repr, (ours or {}).items())}, {*map(repr, theirs.items())})
                 for ours, theirs in zip(found, wanted, strict=True)]  # fmt: skip
        scores["field_f1"] = _f1(pairs)
        scores["key_f1"] = _f1(
            [(set(ours or {}), set(theirs)) for ours, theirs in zip(found, wanted, strict=True)]
        )
        scores["parse_exact"] = sum(answer == page.target for answer, page in parses) / len(parses)
        scores["parsed"] = sum(ours is not None for ours in found) / len(found)
    questions = [
        answer == page.target for answer, page in zip(answers, pages, strict=True) if page.task == "question"
    ]
    if questions:
        scores["question_exact"] = sum(questions) / len(questions)
    return scores


def _fields(answer: str) -> dict[str, Any] | None:
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _f1(pairs: Sequence[tuple[set[str], set[str]]]) -> float:
    right = sum(len(ours & theirs) for ours, theirs in pairs)
    total = sum(len(ours) + len(theirs) for ours, theirs in pairs)
    return 2 * right / total if total else 0.0


__all__ = [
    "FormPage",
    "FormPages",
    "PageCollator",
    "PagePrefixCollator",
    "PageText",
    "score_pages",
    "shown_characters",
]
