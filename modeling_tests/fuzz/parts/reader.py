# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Strips of all kinds through readers of all settings: what is read has valid confidences and places, every time."""

import math
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fuzz.case import MEBIBYTE, Case, Part, expect
from fuzz.chains import NUM_CHAINS, atlas_names, bundled, reader_of, renderer_of
from fuzz.texts import any_text, no_text, odd_json, odd_number, plain_text

from pixel_ar import MissingGlyphError, StripReader, UnsupportedScriptError
from pixel_ar.reading.prior import CharacterPrior
from pixel_ar.reading.reader import ReadResult

ERRORS = (MissingGlyphError, UnsupportedScriptError, ValueError)


def _big(kind: str) -> np.ndarray:
    pixels = np.ones((16, 20_000), bool)
    if kind == "all ink":
        pixels[:] = False
    elif kind == "noise":
        pixels = np.random.default_rng(0).random((16, 2_000)) < 0.5
    elif kind == "stripes":
        pixels[:, ::2] = False
    elif kind == "one row":
        pixels[7] = False
    elif kind == "half noise":
        drawn = renderer_of(1).render("the people of the " * 40).to_array() > 0
        pixels = drawn ^ (np.random.default_rng(0).random(drawn.shape) < 0.1)
    return pixels


BIG = ("blank", "all ink", "noise", "stripes", "one row", "half noise")


def make(rng: Random, number: int, folder: Path) -> Case:
    if number < len(BIG):
        kind = BIG[number]
        return Case(
            f"read a long strip: {kind}",
            lambda: _check_read(1, _big(kind)),
            seconds=60,
            memory=768 * MEBIBYTE,
        )
    kind = rng.random()
    if kind < 0.04:
        return _settings(rng)
    index = rng.randrange(NUM_CHAINS)
    if kind < 0.08:
        return _no_strip(rng, index)
    if kind < 0.12:
        candidates = [any_text(rng, 15) for _ in range(rng.randint(0, 4))]
        strip = _pixels(rng, index)
        noise = rng.choice((0.02, 0.3, 0, 0.5, math.nan))
        title = f"score {candidates!r:.150}, noise {noise}, chain {index}"
        return Case(title, lambda: _check_score(index, strip, candidates, noise), ERRORS)
    if kind < 0.14:
        texts = [any_text(rng, 20) for _ in range(4)]
        return Case(f"learn {texts!r:.150}, chain {index}", lambda: reader_of(index).learn(texts), ERRORS)
    if kind < 0.2:
        return _prior(rng)
    strip = _pixels(rng, index)
    return Case(
        f"read {strip.shape[-1]} columns, chain {index}", lambda: _check_read(index, strip), seconds=20
    )


def _pixels(rng: Random, index: int) -> np.ndarray:
    """A strip of the chain's height: drawn, damaged, moved, glued, or nothing of the kind; bool, True = background."""
    height = renderer_of(index).height
    kind = rng.random()
    noise = np.random.default_rng(rng.randrange(2**32))
    width = rng.choice((0, 1, 3, 16, 40))
    if kind < 0.15:
        return noise.random((height, width)) < rng.choice((0.05, 0.5, 0.95))
    if kind < 0.2:
        pixels = np.ones((height, width), bool)
        pixels[:, noise.random(width) < 0.5] = False
        return pixels
    try:
        drawn = renderer_of(index).render(any_text(rng, 16))
    except ValueError:
        drawn = renderer_of(index).render(plain_text(rng, 12))
    pixels = drawn.packed.to_array() > 0
    if kind < 0.5:
        pixels = pixels ^ (noise.random(pixels.shape) < rng.choice((0.0, 0.01, 0.1)))
    elif kind < 0.65:
        pixels = np.roll(pixels, rng.randint(-3, 3), axis=rng.randrange(2))
    elif kind < 0.8 and pixels.shape[1] > 4:
        place = rng.randrange(pixels.shape[1] - 2)
        pixels = np.delete(pixels, slice(place, place + rng.randint(1, 2)), axis=1)
    elif kind < 0.9:
        pixels = np.concatenate(
            [pixels[:, rng.randint(0, 5) :], np.zeros((height, rng.randint(0, 40)), bool)], axis=1
        )
    return pixels


def _check_read(index: int, strip: np.ndarray) -> None:
    reader = reader_of(index)
    first, second = reader.read(strip), reader.read(strip)
    check_result(first, strip.shape[-1])
    expect(first.text == second.text, f"read {first.text!r:.100}, then {second.text!r:.100}")
    expect((first.confidences == second.confidences).all(), "the second reading has other confidences")


def check_result(result: ReadResult, num_columns: int) -> None:
    """A reading is sound in itself."""
    confidences, places = result.confidences, result.char_columns
    expect(
        len(confidences) == len(result.text),
        f"{len(confidences)} confidences for {len(result.text)} characters",
    )
    expect(np.isfinite(confidences).all(), "a confidence that is no number")
    expect(((confidences >= 0) & (confidences <= 1)).all(), f"confidences {confidences!r:.80}")
    expect(0 <= result.unreadable <= 1, f"unreadable is {result.unreadable}")
    expect(len(places) == len(result.text) + 1, f"{len(places)} places for {len(result.text)} characters")
    expect(result.text == result.text.rstrip(" "), "blanks at the end")
    expect(not len(places) or places.min() >= 0, "a character before the strip")
    expect(result.eos_column is None or 0 <= result.eos_column <= num_columns, f"EOS at {result.eos_column}")


def _check_score(index: int, strip: np.ndarray, candidates: list[str], noise: float) -> None:
    scores = reader_of(index).score(strip, candidates, noise)
    expect(scores.shape == (len(candidates),) and np.isfinite(scores).all(), f"scores {scores}")
    expect((scores <= 1e-6).all(), f"scores above 0: {scores}")


def _no_strip(rng: Random, index: int) -> Case:
    shapes = ((), (0,), (16,), (8, 0), (2, 16, 30), (1, 1, 16, 20), (7, 20), (16, 5, 5), (3, 16, 10), (0, 0))
    kinds = (bool, np.uint8, np.float32, np.float16, np.complex64, "<U3", object, np.int64, "M8[s]")
    value: Any = no_text(rng) if rng.random() < 0.4 else np.zeros(rng.choice(shapes), dtype=rng.choice(kinds))
    if rng.random() < 0.1:
        value = np.full((renderer_of(index).height, 20), rng.choice((math.nan, math.inf, -5.0, 1e30)))
    shown = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else f"{value!r:.60}"
    return Case(f"read {shown}, chain {index}", lambda: reader_of(index).read(value), (TypeError, ValueError))


def _settings(rng: Random) -> Case:
    settings: dict[str, Any] = {
        "atlases": list(rng.sample(atlas_names(), 1)),
        rng.choice(("alphabet", "slack_cost", "noise", "eos_width", "renderer", "prior")): odd_number(rng),
    }
    pixels = np.ones((bundled(settings["atlases"][0]).height, 30), bool)
    return Case(
        f"StripReader({settings!r:.150})",
        lambda: StripReader(**settings).read(pixels),
        (TypeError, ValueError),
    )


def _prior(rng: Random) -> Case:
    kind = rng.random()
    if kind < 0.5:
        counts: Any = odd_json(rng)
        if rng.random() < 0.7:
            counts = {
                "": {"a": rng.choice((1, 5, odd_json(rng)))},
                "a": {"b": rng.choice((1, odd_json(rng)))},
            }
        return Case(
            f"CharacterPrior({counts!r:.100})",
            lambda: _check_prior(CharacterPrior(counts)),
            (TypeError, ValueError),
        )
    texts: Any = [any_text(rng) for _ in range(3)] if rng.random() < 0.7 else no_text(rng)
    order, least = rng.choice(((3, 1), (odd_number(rng), 1), (2, odd_number(rng))))
    return Case(
        f"CharacterPrior.fit({texts!r:.100}, {order!r:.30}, {least!r:.30})",
        lambda: _check_prior(CharacterPrior.fit(texts, order, least)),
        (TypeError, ValueError),
    )


def _check_prior(prior: CharacterPrior) -> None:
    for char in "a\u0301漢":
        value = prior.log_probability(char, "xa")
        expect(math.isfinite(value) and value <= 0, f"log probability {value}")


def _prepare() -> None:
    for index in range(NUM_CHAINS):
        reader_of(index)


PART = Part("reader", make, len(BIG), share=14, prepare=_prepare, batch=400)
__all__ = ["PART", "check_result"]
