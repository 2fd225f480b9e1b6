# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Calls of the processor: texts, images and options that do not fit each other, and what comes back read."""

import functools
import math
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from fuzz.case import MEBIBYTE, Case, Part, expect
from fuzz.texts import any_text, no_text, odd_number, plain_text
from PIL import Image
from tools.tokenizer import byte_tokenizer

from pixel_ar import MissingGlyphError, PageOverflowError, PixelProcessor, UnsupportedScriptError

ERRORS = (MissingGlyphError, UnsupportedScriptError, PageOverflowError, ValueError, TypeError)

# A long text of which little is kept: what is cut off is counted and not held.
LONG = (
    ("a million Arabic letters cut to 64 patches", "unifont", "سلام " * 200_000),
    ("four million letters cut to 64 patches", "fixed", "the people " * 370_000),
    ("a million Devanagari letters cut to 64 patches", "unifont", "नमस्ते " * 150_000),
)


@functools.cache
def processors() -> dict[str, PixelProcessor]:
    """Processors of several looks."""
    return {
        "fixed": PixelProcessor.from_preset("fixed-8", model_max_patches=64),
        "boxes": PixelProcessor.from_preset("fixed-8", missing="hexbox", model_max_patches=200),
        "unifont": PixelProcessor.from_preset("unifont-16", missing="hexbox", unsupported="cells"),
        "left": PixelProcessor.from_preset("fixed-8", padding_side="left", left_padding=2, right_padding=2),
        "color": PixelProcessor(
            atlases=["unifont-16"],
            patch_size=(16, 16),
            num_channels=3,
            mode="RGB",
            text_color="navy",
            missing="hexbox",
        ),
        "gray": PixelProcessor(
            atlases=["unifont-16"], patch_size=(16, 16), mode="L", text_color=60, missing="hexbox"
        ),
        "words": PixelProcessor(atlases=["fixed-5x8"], strategy="words", missing="hexbox"),
        "tokens": PixelProcessor(atlases=["fixed-5x8"], tokenizer=byte_tokenizer(), missing="hexbox"),
    }


def make(rng: Random, number: int, folder: Path) -> Case:
    if number < len(LONG):
        title, name, text = LONG[number]
        options: dict[str, Any] = {"truncation": True, "max_patches": 64, "return_offsets_mapping": True}
        return Case(
            title, lambda: _check_call(name, text, options), ERRORS, seconds=20, memory=256 * MEBIBYTE
        )
    name = rng.choice(list(processors()))
    kind = rng.random()
    if kind < 0.55:
        arguments, options = _call(rng, name)
        return Case(
            f"{name}({arguments!r:.150}, {options!r:.200})",
            lambda: _check_call(name, options=options, **arguments),
            ERRORS,
        )
    if kind < 0.7:
        strips, settings = _strips(rng, name)
        return Case(
            f"{name}.read({_show(strips)}, {settings!r:.100})",
            lambda: _check_read(name, strips, settings),
            ERRORS,
        )
    if kind < 0.75:
        strips, _ = _strips(rng, name)
        scale = rng.choice((1, 2, 0, odd_number(rng)))
        return Case(
            f"{name}.to_pil({_show(strips)}, {scale!r:.20})",
            lambda: processors()[name].to_pil(strips, scale),
            ERRORS,
        )
    if kind < 0.9:
        return _pages(rng, name)
    settings = _settings(rng)
    return Case(f"PixelProcessor({settings!r:.300})", lambda: PixelProcessor(**settings), (*ERRORS, OSError))


def _call(rng: Random, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    def texts() -> Any:
        kind = rng.random()
        if kind < 0.3:
            return plain_text(rng)
        if kind < 0.5:
            return any_text(rng)
        if kind < 0.6:
            return no_text(rng)
        if kind < 0.7:
            return [(plain_text(rng), any_text(rng, 8)) for _ in range(rng.randint(0, 3))]
        return [any_text(rng, 20) for _ in range(rng.randint(0, 4))]

    arguments: dict[str, Any] = {}
    for key, share in (
        ("text", 0.9),
        ("text_pair", 0.15),
        ("target_text", 0.3 if name == "tokens" else 0.05),
    ):
        if rng.random() < share:
            arguments[key] = texts()
    if rng.random() < 0.15:
        arguments["images"] = _images(rng, name)
    options: dict[str, Any] = {
        "return_tensors": rng.choice(
            ("pt", "np", None, None, "tf", 3) if rng.random() < 0.2 else ("pt", "np")
        )
    }
    choices: dict[str, tuple[Any, ...]] = {
        "padding": (True, False, "max_length", "longest", "do_not_pad", "no", None, 1),
        "truncation": (True, False, "only_first", "only_second", "longest_first", "all", 0),
        "max_patches": (1, 2, 5, 64, None, _size(rng)),
        "add_eos": (True, False, None, 0),
        "add_start": (True, False),
        "end_gap": (None, 0, 3, 19, odd_number(rng)),
        "target_first": (True, False),
        "max_target_tokens": (None, 1, 3, odd_number(rng)),
        "return_offsets_mapping": (True, False),
        "text_kwargs": ({}, {"add_eos": False}, {"nothing": 1}, None, 3),
        "colour": ("red",),
    }
    for key in rng.sample(list(choices)[:-1], rng.choice((0, 1, 2, 3))):
        options[key] = rng.choice(choices[key])
    # Rarely more room than any machine has: a documented error, not 100 GB of padding.
    if rng.random() < 0.02:
        options |= {
            "padding": "max_length",
            "max_patches": rng.choice((10**9, 2**63)),
            "colour": "red",
        }
        options.pop("colour")
    return arguments, options


def _size(rng: Random) -> Any:
    """A number of patches, or none; not one of millions, which is what the caller then gets."""
    value = odd_number(rng)
    return 64 if isinstance(value, int) and 10**5 < value < 10**8 else value


def _images(rng: Random, name: str) -> Any:
    processor = processors()[name]
    height = processor.patch_size[0] if rng.random() < 0.7 else rng.choice((0, 1, 7, 32))
    width = rng.choice((0, 1, 16, 33))
    kind = rng.random()
    if kind < 0.3 and height and width:
        return Image.new(
            rng.choice(("1", "L", "RGB", "RGBA", "P", "CMYK", "I;16", "F", "LA")), (width, height)
        )
    if kind < 0.6:
        shape = rng.choice(
            (
                (height, width),
                (1, height, width),
                (3, height, width),
                (height, width, 3),
                (2, 1, height, width),
            )
        )
        dtype = rng.choice((np.uint8, np.float32, bool, np.int64, np.complex64, object))
        return np.zeros(shape, dtype=dtype)
    if kind < 0.75:
        return torch.full(
            (processor.num_channels, height, width),
            rng.choice((0.5, math.nan, -1.0, 2.0)),
            requires_grad=True,
        )
    if kind < 0.85:
        return [np.zeros((height, 8), np.uint8), rng.choice((None, "x.png", 3))]
    return rng.choice(([], no_text(rng), b"\x89PNG"))


def _check_call(name: str, text: Any = None, options: dict[str, Any] | None = None, **arguments: Any) -> None:
    processor, options = processors()[name], options or {}
    given = processor(text=text, **arguments, **options)
    if options.get("return_tensors") not in ("pt", "np") or "pixel_values" not in given:
        return
    height, width = processor.patch_size
    pixels, mask = np.asarray(given["pixel_values"]), np.asarray(given["attention_mask"])
    expect(
        pixels.ndim == 4 and pixels.shape[1:3] == (processor.num_channels, height), f"pixels {pixels.shape}"
    )
    expect(pixels.shape[3] % width == 0, f"{pixels.shape[3]} columns are no whole patches")
    expect(pixels.min(initial=1) >= 0 and pixels.max(initial=0) <= 1, "pixels outside [0, 1]")
    if "input_ids" not in given:
        expect(
            mask.shape == (len(pixels), pixels.shape[3] // width),
            f"mask {mask.shape} for pixels {pixels.shape}",
        )
        expect((mask.sum(1) >= 1).all(), "a row of nothing")
    limit = options.get("max_patches") or processor.model_max_patches
    if isinstance(limit, int) and options.get("padding") != "max_length":
        expect(pixels.shape[3] // width <= limit, f"{pixels.shape[3] // width} patches, {limit} allowed")


def _strips(rng: Random, name: str) -> tuple[Any, dict[str, Any]]:
    """Something to read, and masks that may not fit it."""
    processor = processors()[name]
    height, width = processor.patch_size
    kind = rng.random()
    strips: Any
    if kind < 0.4:
        texts = [plain_text(rng, 12) for _ in range(rng.randint(1, 3))]
        strips = processor(text=texts, return_tensors=rng.choice(("pt", "np")))
        if rng.random() < 0.3:
            strips = strips["pixel_values"]
    elif kind < 0.6:
        strips = _images(rng, name)
    elif kind < 0.8:
        shape = (
            rng.randint(0, 2),
            processor.num_channels,
            height,
            rng.choice((0, width, 2 * width, width + 1)),
        )
        values = rng.choice((0.0, 1.0, 0.5, math.nan, math.inf, -3.0))
        strips = torch.full(shape, values, requires_grad=rng.random() < 0.3)
        strips = strips.to(rng.choice((torch.float32, torch.bfloat16, torch.float64)))
    else:
        strips = rng.choice(
            (no_text(rng), [], [[1, 2]], torch.zeros(2, 3, dtype=torch.int64), {"sequences": [[1, 2]]})
        )
    settings: dict[str, Any] = {}
    if rng.random() < 0.3:
        settings["attention_mask"] = rng.choice(
            (
                torch.ones(1, 2),
                np.ones((2, 1)),
                [[1]],
                [[0, 0, 0]],
                "mask",
                3,
                [[None]],
                torch.zeros(1, 1),
                [[2, 2]],
            )
        )
    if rng.random() < 0.3:
        settings["num_columns"] = rng.choice(
            ([1], [odd_number(rng)], torch.tensor([5]), "ten", [-1], [10**9], [[3]], 4)
        )
    return strips, settings


def _check_read(name: str, strips: Any, settings: dict[str, Any]) -> None:
    texts = processors()[name].batch_decode(strips, **settings)
    expect(all(isinstance(text, str) for text in texts), f"batch_decode gave {texts!r:.80}")


def _pages(rng: Random, name: str) -> Case:
    processor = processors()[name]
    text: Any = any_text(rng, 60) if rng.random() < 0.9 else no_text(rng)
    options: dict[str, Any] = {
        "width_patches": rng.choice((1, 2, 4, 8, 8, _size(rng))),
        "return_tensors": "np",
    }
    choices: dict[str, tuple[Any, ...]] = {
        "max_rows": (1, 3, None, odd_number(rng)),
        "max_sheets": (1, None, odd_number(rng)),
        "truncation": (True, False),
        "margins": (0, 1, (1, 2), odd_number(rng), (1,), (0, 10**9)),
        "line_spacing": (0, 1, odd_number(rng)),
        "padding": (True, False, "max_length", "some"),
        "return_offsets_mapping": (True,),
    }
    for key in rng.sample(list(choices), rng.choice((0, 1, 2))):
        options[key] = rng.choice(choices[key])
    title = f"{name}.render_pages({text!r:.150}, {options!r:.150})"
    return Case(title, lambda: _check_pages(processor, text, options), ERRORS, seconds=20)


def _check_pages(processor: PixelProcessor, text: Any, options: dict[str, Any]) -> None:
    pages = processor.render_pages(text, **options)
    sheets = processor.read_pages(pages)
    expect(len(sheets) == len(pages["pixel_values"]), f"{len(sheets)} sheets read")
    plain = np.asarray(pages["pixel_values"])
    if plain.size < 1 << 20:
        processor.pages_to_strips(pages)


def _settings(rng: Random) -> dict[str, Any]:
    choices: dict[str, tuple[Any, ...]] = {
        "atlases": (
            ["fixed-5x8"],
            [],
            None,
            "fixed-5x8",
            ["unifont-16"],
            ["x"],
            [None],
            ["fixed-5x8", "fixed-5x8"],
        ),
        "patch_size": (
            (8, 20),
            (8, 1),
            (0, 0),
            (16, 16),
            8,
            None,
            (8.0, 20.0),
            ("8", "20"),
            (8, -1),
            (8, odd_number(rng)),
        ),
        "num_channels": (1, 3, 2, odd_number(rng)),
        "missing": ("error", "draw", odd_number(rng)),
        "newline": ("space", odd_number(rng)),
        "tab": (4, odd_number(rng)),
        "normalize": ("NFC", None, odd_number(rng)),
        "unsupported": ("shape", odd_number(rng)),
        "padding_side": ("left", "up", None),
        "model_max_patches": (1024, None, odd_number(rng)),
        "left_padding": (0, 3, odd_number(rng)),
        "right_padding": (0, 3, odd_number(rng)),
        "tokenizer": (None, "gpt2", odd_number(rng)),
        "character_prior": (None, "prior.json", odd_number(rng)),
        "mode": ("1", "L", odd_number(rng)),
        "text_color": (0, "red", odd_number(rng)),
        "letter_spacing": (0, 2, odd_number(rng)),
        "strategy": ("continuous", "mono", odd_number(rng)),
    }
    return {key: rng.choice(choices[key]) for key in rng.sample(list(choices), rng.randint(1, 3))}


def _show(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__} {tuple(shape)}" if shape is not None else f"{value!r:.80}"


PART = Part("inputs", make, len(LONG), share=14, prepare=processors, batch=500)
__all__ = ["PART", "processors"]
