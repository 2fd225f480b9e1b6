# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What a call of the processor is given, checked and listed."""

import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..reading.letters import find_languages
from ..reading.prior import CharacterPrior


def list_targets(target_text: Any) -> list[str]:
    """The texts of the token part, as a list.

    Args:
        target_text: a string or an iterable of strings.

    Raises:
        ValueError: for what is not a string, with its index, or an empty batch.
    """
    targets = [target_text] if isinstance(target_text, str) else _to_list(target_text, "target_text")
    if not targets:
        raise ValueError("the batch is empty: give at least one target_text.")
    return _check(targets, "target_text")


def list_texts(text: Any, text_pair: Any) -> tuple[list[str] | None, list[str] | None]:
    """Every way to pass texts and pairs, as two lists; `None` for what is not there.

    Args:
        text: a string, an iterable of strings, or an iterable of (string, string).
        text_pair: a string or an iterable of strings.

    Raises:
        ValueError: for what is not a string, with its index.
    """
    if text is None:
        if text_pair is not None:
            raise ValueError("text_pair needs text.")
        return None, None
    texts: list[Any] = [text] if isinstance(text, str) else _to_list(text, "text")
    if texts and all(isinstance(item, tuple | list) and len(item) == 2 for item in texts):
        if text_pair is not None:
            raise ValueError("text holds pairs already; pass either pairs or text_pair.")
        return _check([a for a, _ in texts], "text"), _check([b for _, b in texts], "text_pair")
    if text_pair is None:
        return _check(texts, "text"), None
    pairs = [text_pair] if isinstance(text_pair, str) else _to_list(text_pair, "text_pair")
    return _check(texts, "text"), _check(pairs, "text_pair")


def _to_list(values: Any, name: str) -> list[Any]:
    if isinstance(values, bytes | dict) or not isinstance(values, Iterable):
        raise ValueError(f"{name} must be a string or a list of strings, got {type(values).__name__}.")
    return list(values)


def _check(texts: list[Any], name: str) -> list[str]:
    for index, item in enumerate(texts):
        if not isinstance(item, str):
            shown = repr(item)[:80]
            raise ValueError(
                f"{name}[{index}] must be a string, got {type(item).__name__}: {shown}; {_way_out(item)}."
            )
    return texts


def _way_out(item: Any) -> str:
    """What to do with an item that is no string."""
    if item is None:
        return "leave the row out"
    if isinstance(item, bytes | bytearray):
        return 'decode it, value.decode("utf-8")'
    if isinstance(item, list | tuple):
        return "join words by spaces; pairs have two texts in every row"
    return "convert it, str(value)"


def is_image(value: Any) -> bool:
    """Whether a value is an image, a batch of images or a list of images."""
    if isinstance(value, list | tuple) and value:
        return all(is_image(item) for item in value)
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "bfiu" and value.ndim >= 2
    return isinstance(value, Image.Image | torch.Tensor)


def is_single(text: Any, images: Any, target_text: Any) -> bool:
    """Whether a call was given one row and not a batch of rows."""
    if text is not None:
        return isinstance(text, str)
    if images is not None:
        return isinstance(images, Image.Image) or getattr(images, "ndim", 0) in (2, 3)
    return isinstance(target_text, str)


def check_prior(prior: Any) -> CharacterPrior | None:
    """Returns the prior, or `None`.

    Raises:
        TypeError: for anything else, such as a path.
    """
    if prior is None or isinstance(prior, CharacterPrior):
        return prior
    hint = f"; load it: CharacterPrior.load({prior!r})" if isinstance(prior, str) else ""
    raise TypeError(f"character_prior must be a CharacterPrior or None, got {type(prior).__name__}{hint}.")


def check_language(language: Any) -> str | list[str] | None:
    """Returns the language or languages to read, or `None`.

    Raises:
        TypeError: for anything but tags.
        ValueError: for a language whose letters are not known.
    """
    if language is None or isinstance(language, str):
        find_languages(language)
        return language
    if (
        not isinstance(language, Sequence)
        or not language
        or not all(isinstance(tag, str) for tag in language)
    ):
        raise TypeError(
            f"language must be a tag such as 'uk', several of them, or None, got {language!r:.80}."
        )
    find_languages(language)
    return list(language)


def unpack_output(output: Any) -> tuple[Any, Any, Any]:
    """`(pixel_values, attention_mask, num_columns)` of a mapping or output; the last two may be `None`.

    Whatever holds no `pixel_values` is taken for the strips themselves.
    """
    if isinstance(output, Mapping) or hasattr(output, "pixel_values"):
        get = output.get if isinstance(output, Mapping) else lambda key: getattr(output, key, None)
        pixel_values = get("pixel_values")
        if pixel_values is None:
            raise ValueError(
                f"no pixel_values in this {type(output).__name__}; pass the output of model.generate."
            )
        return pixel_values, get("attention_mask"), get("num_columns")
    return output, None, None


def rows_of(values: Any, count: int, name: str) -> list[Any]:
    """One entry per strip of a mask or a vector of column counts, `None` where there is none.

    A single strip may come with its entry alone, without the axis of the batch.
    """
    if values is None:
        return [None] * count
    if isinstance(values, torch.Tensor | np.ndarray):
        values = values.tolist()
    if isinstance(values, numbers.Integral):
        values = [values]
    if not isinstance(values, Iterable) or isinstance(values, str | bytes):
        raise TypeError(f"{name} must be a tensor, array or list, got {type(values).__name__}.")
    rows = list(values)
    if name == "attention_mask" and rows and isinstance(rows[0], numbers.Integral):
        rows = [rows]
    if len(rows) != count:
        raise ValueError(f"{name} has {len(rows)} rows for {count} strips.")
    return rows


__all__ = [
    "check_prior",
    "is_image",
    "is_single",
    "list_targets",
    "list_texts",
    "rows_of",
    "unpack_output",
]
