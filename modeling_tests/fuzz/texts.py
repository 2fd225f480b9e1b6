# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Texts and values that nobody asks for: every script, broken sequences, marks without end, wrong types."""

import copy
import math
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import torch
from tools.unicode import declarations

_SCRIPTS = (
    *(
        (0x20, 0x7E),
        (0xA0, 0x24F),
        (0x370, 0x3FF),
        (0x400, 0x4FF),
        (0x590, 0x5FF),
        (0x600, 0x6FF),
        (0x700, 0x7BF),
    ),
    *((0x900, 0x97F), (0xB80, 0xBFF), (0xD00, 0xD7F), (0xE00, 0xE7F), (0xF00, 0xFFF), (0x1000, 0x109F)),
    *(
        (0x1100, 0x11FF),
        (0x1780, 0x17FF),
        (0x1800, 0x18AF),
        (0x2000, 0x206F),
        (0x3040, 0x30FF),
        (0x4E00, 0x9FFF),
    ),
    *((0xAC00, 0xD7A3), (0xFB1D, 0xFDFF), (0x10A00, 0x10A5F), (0x1E900, 0x1E95F), (0x1F300, 0x1FAFF)),
)
_MARKS = (
    "\u0300\u0301\u0323\u0327\u0488\u05b8\u064b\u0651\u093f\u0e34\u20dd\u3099\ufe00\ufe0e\ufe0f\U000e0100"
)
_CONTROLS = (
    "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c\u00ad"
    "\ufeff\u0600"
)
_BREAKS = "\n\r\t\v\f\x85\u2028\u2029\x00\x1b\x7f"
_RARE = "\ud800\udfff\ufffe\uffff\U0010ffff\U000f0000\ue000\U000e0001\u0378\u25cc\u2588"
_EMOJI = ("👨‍👩‍👧‍👦", "🇩🇪", "👍🏽", "1️⃣", "🏴\U000e0067\U000e0062\U000e007f", "❤️", "☺︎")
WORDS = ("The people of the", "United States", "a", "Ω", "don't", "naïve", "1789", "=>", "  ")


def any_text(rng: Random, longest: int = 40) -> str:
    """A text of any kind, up to some `longest` characters, rarely ten times that, rarely none."""
    length = rng.choice((0, 1, 1, 2, 3, 5, 8, 13, 21, longest))
    if rng.random() < 0.02:
        length = 10 * longest
    return rng.choice(_KINDS)(rng, length)[: max(length, 1) * 4]


def plain_text(rng: Random, longest: int = 40) -> str:
    """Printable ASCII, at least one character that leaves ink."""
    count = rng.randint(1, longest)
    return "".join(chr(rng.randint(0x20, 0x7E)) for _ in range(count)).strip() or "x"


def _words(rng: Random, length: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(length // 4 + 1))


def _one_script(rng: Random, length: int) -> str:
    low, high = rng.choice(_SCRIPTS)
    return "".join(chr(rng.randint(low, high)) for _ in range(length))


def _scripts(rng: Random, length: int) -> str:
    return "".join(_one_script(rng, rng.randint(1, 4)) for _ in range(length // 3 + 1))


def _anything(rng: Random, length: int) -> str:
    return "".join(chr(rng.randint(0, 0x10FFFF)) for _ in range(length))


def _sample(rng: Random, length: int) -> str:
    article = rng.choice(rng.choice(list(declarations().values())))
    start = rng.randrange(max(len(article) - length, 1))
    return article[start : start + length]


def _stacked(rng: Random, length: int) -> str:
    base = rng.choice(("a", "क", "ا", "ก", "த", "漢", " ", ""))
    return base + "".join(rng.choice(_MARKS) for _ in range(length))


def _repeated(rng: Random, length: int) -> str:
    return rng.choice(("i", "\u0600", "\u0301", "ا", "क्", "\u202e", "🇩", "\u200d", "—", " ")) * length


def _spiced(rng: Random, length: int) -> str:
    """Ordinary text with controls, breaks and broken characters strewn in."""
    text = list((_words if rng.random() < 0.5 else _sample)(rng, length))
    for _ in range(rng.randint(1, 5)):
        pool = rng.choice((_MARKS, _CONTROLS, _BREAKS, _RARE, _EMOJI))
        text.insert(rng.randint(0, len(text)), rng.choice(pool))
    return "".join(text)


_KINDS: tuple[Callable[[Random, int], str], ...] = (
    *(_words, _one_script, _scripts, _anything, _sample, _stacked, _repeated, _spiced),
    *(_spiced, _sample, _scripts),
)


_NO_TEXTS = (
    *(None, 0, -1, 10**400, 1.5, math.nan, True, b"bytes", bytearray(b"x"), ("a", "b", "c"), {"a": 1}, {"x"}),
    *(
        object(),
        ["a", None],
        [["a"]],
        np.array(["a"]),
        np.zeros(3),
        torch.zeros(2),
        [b"a"],
        range(3),
        [1, "a"],
    ),
)
_NUMBERS = (
    *(0, -1, 1, 2, 7, 8, 10**6, 10**9, 10**18, -(10**9), 2**31, 2**63, 10**30),
    *(0.5, -0.0, math.nan, math.inf, -math.inf, 1e308),
)
_ODD_NUMBERS = (*_NUMBERS, 10**400, True, None, "", "8", "NaN", [], [1], {}, "x" * 100, b"8")
_ODD_JSON = (
    *(*_NUMBERS, None, True, False, "", "a", "unifont-16", "../../x", "/etc/passwd", "x\0y", "\ud800", "NFC"),
    *("hexbox", [], {}, [8], [8, 20], [[8]]),
)


def no_text(rng: Random) -> Any:
    """Something that is no text."""
    return rng.choice(_NO_TEXTS)


def odd_number(rng: Random) -> Any:
    """A number out of every range, or none at all."""
    return rng.choice(_ODD_NUMBERS)


def odd_json(rng: Random, depth: int = 0) -> Any:
    """Any JSON value, wrong for whatever it is put in place of."""
    if depth < 2 and rng.random() < 0.3:
        inner = [odd_json(rng, depth + 1) for _ in range(rng.randint(0, 3))]
        return inner if rng.random() < 0.5 else {str(index): value for index, value in enumerate(inner)}
    return copy.deepcopy(rng.choice(_ODD_JSON))


__all__ = ["WORDS", "any_text", "no_text", "odd_json", "odd_number", "plain_text"]
