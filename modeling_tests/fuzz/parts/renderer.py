# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Texts of all kinds through renderers of all settings."""

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fuzz.case import MEBIBYTE, Case, Part, expect
from fuzz.chains import NUM_CHAINS, atlas_names, renderer_of
from fuzz.texts import any_text, no_text, odd_number

from pixel_ar import MissingGlyphError, StripRenderer, UnsupportedScriptError
from pixel_ar.rendering.style import RenderStyle

ERRORS = (MissingGlyphError, UnsupportedScriptError, ValueError)

# What once took minutes or gigabytes, and how often.
LONG_TEXTS = (
    ("ten thousand letters U+0600", "\u0600" * 10_000),
    ("a letter with 20,000 marks", "a" + "\u0301" * 20_000),
    ("20,000 directional embeddings", "\u202b" * 20_000 + "a"),
    ("20,000 nested isolates", "\u2067" * 20_000 + "a" + "\u2069" * 20_000),
    ("50,000 joiners", "\u200d" * 50_000),
    ("20,000 regional indicators", "🇩" * 20_000),
    ("100,000 Arabic letters", "سلام " * 20_000),
    ("500,000 letters", "the people " * 45_000),
    ("20,000 Devanagari conjuncts", "क्ष" * 7_000),
    ("100,000 Jamo", "\u1100\u1161" * 50_000),
    ("200,000 line breaks", "\r\n" * 100_000),
    ("50,000 lone surrogates", "\ud800" * 50_000),
)


def make(rng: Random, number: int, folder: Path) -> Case:
    if number < len(LONG_TEXTS):
        title, text = LONG_TEXTS[number]
        return Case(f"render {title}", lambda: _check(1, text), ERRORS, seconds=20, memory=768 * MEBIBYTE)
    kind = rng.random()
    if kind < 0.05:
        return _settings(rng)
    index = rng.randrange(NUM_CHAINS)
    renderer = renderer_of(index)
    if kind < 0.09:
        value = no_text(rng)
        name = rng.choice(
            ("render", "render_bytes", "normalise", "coverage", "substitutions", "render_batch")
        )
        given = [value] if name == "render_batch" else value
        return Case(
            f"{name} of {value!r:.60}, chain {index}",
            lambda: getattr(renderer, name)(given),
            (TypeError, *ERRORS),
        )
    text = any_text(rng)
    if kind < 0.75:
        return Case(f"render {text!r:.200}, chain {index}", lambda: _check(index, text), ERRORS)
    if kind < 0.9:
        texts = [text, *(any_text(rng, 15) for _ in range(rng.randint(0, 5)))]
        return Case(
            f"render_batch of {texts!r:.200}, chain {index}", lambda: _check_batch(index, texts), ERRORS
        )
    columns = rng.choice((0, 1, 7, 16, 100))
    return Case(
        f"cut {text!r:.200} at {columns}, chain {index}", lambda: _check_cut(index, text, columns), ERRORS
    )


def _settings(rng: Random) -> Case:
    """Settings out of range."""
    choices: dict[str, tuple[Any, ...]] = {
        "atlases": (
            ["unifont-16"],
            [],
            None,
            "fixed-5x8",
            ["nothing"],
            [3],
            ["fixed-5x8", "unifont-16"],
            [b"junk"],
        ),
        "missing": ("hexbox", "box", None, 3, ["error"]),
        "newline": ("space", "symbol", "none", 1, None),
        "tab": ("space", 0, 17, 4, True, "4", None, 2.5),
        "normalize": ("NFC", "NFKC", None, 1, ""),
        "unsupported": ("shape", "draw", None, 0, []),
    }
    name = rng.choice([*choices, "style"])
    if name == "style":
        style: dict[str, Any] = {
            "mode": rng.choice(("1", "L", "RGB", "CMYK", 1, None)),
            "text_color": rng.choice(
                (0, "black", "#12", (0, 0), (1, 2, 3), (300, 0, 0), None, odd_number(rng), np.zeros(3))
            ),
            "background_color": rng.choice((255, "white", "navy", (0, 0, 0), odd_number(rng))),
            "letter_spacing": rng.choice((0, odd_number(rng))),
            "strategy": rng.choice(("continuous", "letters", None, 1)),
        }
        return Case(f"RenderStyle({style!r:.200})", lambda: RenderStyle(**style), (TypeError, ValueError))
    settings = {"atlases": list(atlas_names()[:1]), name: rng.choice(choices[name])}
    errors = (TypeError, ValueError, OSError)
    return Case(f"StripRenderer({settings!r:.200})", lambda: StripRenderer(**settings), errors)


def _check(index: int, text: str) -> None:
    renderer = renderer_of(index)
    strip = renderer.render(text)
    pixels = strip.to_array()
    expect(pixels.dtype == np.uint8, f"pixels are {pixels.dtype}")
    expect(pixels.shape[-2:] == (renderer.height, strip.num_columns), f"pixels have shape {pixels.shape}")
    expect(len(strip.char_columns) == len(strip.text) + 1, "char_columns do not belong to the text")
    places = np.asarray(strip.char_columns)
    expect(((places >= 0) & (places <= strip.num_columns)).all(), "characters outside the strip")
    expect(renderer.normalise(strip.text) == strip.text, "normalising twice is not normalising once")
    expect(renderer.render_bytes(text) == strip.columns, "render_bytes and render differ")
    if len(text) <= 400 and renderer.policy.missing == "error":
        expect(not renderer.coverage(text), f"drawn, though coverage names {renderer.coverage(text)[:3]}")


def _check_batch(index: int, texts: list[str]) -> None:
    renderer = renderer_of(index)
    together = renderer.render_batch(texts)
    for text, strip in zip(texts, together, strict=True):
        alone = renderer.render(text)
        expect((alone.to_array() == strip.to_array()).all(), f"{text!r:.80} is drawn otherwise in a batch")
        expect((alone.char_columns == strip.char_columns).all(), f"{text!r:.80} has other places in a batch")


def _check_cut(index: int, text: str, columns: int) -> None:
    strip = renderer_of(index).render(text)
    short = strip.cut(columns)
    expect(short.num_columns <= max(columns, 0), f"cut to {columns} columns, it has {short.num_columns}")
    expect(short.columns in strip.columns, "what was cut is no part of the strip")


def _prepare() -> None:
    for index in range(NUM_CHAINS):
        renderer_of(index)


PART = Part("renderer", make, len(LONG_TEXTS), share=24, prepare=_prepare, batch=2000)
__all__ = ["PART"]
