# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""How much a foreign file may ask for. What is declared is checked against these before anything is made of it.

The numbers leave room for every font and atlas that is in use (the widest covers 65,535 glyphs) and keep what a small
file can make of itself below a gigabyte of memory and some seconds of time.
"""

import math
import os
import time
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

# Bytes of a font or atlas file, and of all arrays of an atlas or table of characters once inflated.
MAX_FILE_BYTES = 256 << 20
MAX_INFLATED_BYTES = 512 << 20
# Rows of a strip and columns of a text drawn as one.
MAX_HEIGHT = 4096
# Characters that a font may cover, and references to other glyphs in one glyph.
MAX_CHARACTERS = 300_000
MAX_COMPONENTS = 4096
# Points of one glyph's outlines, with those of its components; real ones have some hundreds, ornaments some thousands.
MAX_POINTS = 1 << 17
# Processor time for drawing the characters of one font.
MAX_FONT_SECONDS = 120.0
# How far outlines may reach from the pen, in ems.
MAX_EMS = 64.0
# Pixels of a bitmap in a font, of an image file, and of one drawn glyph.
MAX_BITMAP_PIXELS = 1 << 22
MAX_IMAGE_PIXELS = 1 << 28
MAX_GLYPH_PIXELS = 1 << 24
# Pixels of a patch, and atlases and fonts of a chain.
MAX_PATCH_PIXELS = 1 << 20
MAX_CHAIN = 256

# Bytes of a file of settings, any size in a model's configuration (vocabularies end at some millions), and classes.
MAX_JSON_BYTES = 1 << 26
MAX_CONFIG_SIZE = 1 << 24
MAX_LABELS = 1 << 17
# Decoder layers, and weights of all layers together.
MAX_LAYERS = 1 << 12
MAX_PARAMETERS = 1 << 40
# How often the tensors of a weight file may share its bytes: tied tables are two of one storage.
MAX_TENSOR_COPIES = 4


def check_limit(value: float, limit: float, what: str) -> None:
    """Check what a file declares.

    Args:
        value: What it asks for.
        limit: The most.
        what: What is counted, for the message: `"columns of the image"`.

    Raises:
        ValueError: beyond the limit.
    """
    if value > limit:
        # Integers beyond every float are shown by their size.
        is_short = isinstance(value, float) or value < 1e18
        shown = f"{value:,.0f}" if is_short else f"over 2 ** {int(value).bit_length() - 1}"
        raise ValueError(f"{what}: {shown}, more than the limit of {limit:,.0f} (see pixel_ar.limits)")


def require_numbers(is_whole: bool = False, **settings: Any) -> None:
    """Check that settings are numbers, before they are compared with anything.

    Args:
        is_whole: Whether they must be whole.
        settings: By their names.

    Raises:
        TypeError: for anything else.
        ValueError: for NaN, an infinite number, or a fraction where they must be whole.
    """
    for name, value in settings.items():
        if not isinstance(value, Real):
            raise TypeError(f"{name} must be a number, got {type(value).__name__}: {value!r:.40}")
        if isinstance(value, Integral):
            check_limit(abs(int(value)), 1 << 53, name)
        elif not math.isfinite(value) or (is_whole and float(value) % 1):
            raise ValueError(f"{name} must be a {'whole' if is_whole else 'finite'} number, got {value!r}")


class TimeBudget:
    """The processor time of this thread that foreign data may take, counted from here.

    What a file declares tells how much memory it takes, but not always how long: a font may lead every character to an
    outline that takes a millisecond. Work on such data stands in loops that ask after each step.

    Args:
        what: What takes the time, for the message, with the way out.
        seconds: The most; None: `MAX_FONT_SECONDS`.
    """

    def __init__(self, what: str, seconds: float | None = None) -> None:
        self.what, self.seconds = what, MAX_FONT_SECONDS if seconds is None else seconds
        self._began = time.thread_time()

    def check(self) -> None:
        """Check how much of it is gone.

        Raises:
            ValueError: if that is more than there was.
        """
        if time.thread_time() - self._began > self.seconds:
            raise ValueError(
                f"more than {self.seconds:g} seconds of processor time for {self.what} (see pixel_ar.limits)"
            )


def check_classes(given: Mapping[str, Any], config: Any) -> None:
    """Check what a configuration says of classes, before Transformers makes names of them.

    Args:
        given: the arguments that are no fields.
        config: with the fields that are known already.

    Raises:
        ValueError: for names that are no dictionary, or too many classes.
    """
    for name in ("id2label", "label2id"):
        names = given.get(name, getattr(config, name, None))
        if names is not None and not isinstance(names, dict):
            raise ValueError(f"{name} must be a dictionary of class numbers and names, got {names!r:.80}.")
    if type(count := given.get("num_labels")) is int:
        check_limit(count, MAX_LABELS, "num_labels")


def read_limited(path: "str | os.PathLike[str]", limit: int = MAX_FILE_BYTES) -> bytes:
    """Read a file that is no longer than a limit.

    Raises:
        ValueError: for a longer file.
        OSError: if it cannot be read.
    """
    check_limit(os.path.getsize(path), limit, f"bytes of {os.fspath(path)}")
    with open(path, "rb") as file:
        return file.read(limit)


__all__ = [
    "MAX_BITMAP_PIXELS",
    "MAX_CHAIN",
    "MAX_CHARACTERS",
    "MAX_COMPONENTS",
    "MAX_CONFIG_SIZE",
    "MAX_EMS",
    "MAX_FILE_BYTES",
    "MAX_FONT_SECONDS",
    "MAX_GLYPH_PIXELS",
    "MAX_HEIGHT",
    "MAX_IMAGE_PIXELS",
    "MAX_INFLATED_BYTES",
    "MAX_JSON_BYTES",
    "MAX_LABELS",
    "MAX_LAYERS",
    "MAX_PARAMETERS",
    "MAX_PATCH_PIXELS",
    "MAX_POINTS",
    "MAX_TENSOR_COPIES",
    "TimeBudget",
    "check_classes",
    "check_limit",
    "read_limited",
    "require_numbers",
]
