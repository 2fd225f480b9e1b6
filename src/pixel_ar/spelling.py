# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Names that nearly are known ones: configurations refuse them instead of keeping them without effect."""

import difflib
from collections.abc import Collection

from transformers import PreTrainedConfig


def nearest(name: str, known: Collection[str]) -> str:
    """`" (did you mean 'x'?)"`, or nothing where no known name is near."""
    found = difflib.get_close_matches(name, known, 1, cutoff=0.8)
    return f" (did you mean {found[0]!r}?)" if found else ""


def refuse_misspelt(given: Collection[str], config: PreTrainedConfig) -> None:
    """Refuses names that nearly are fields. Others become attributes, as in every configuration of Transformers.

    Raises:
        ValueError: naming the field that was probably meant.
    """
    fields = set(config.__dataclass_fields__)
    for name in given:
        guess = "" if hasattr(PreTrainedConfig, name) or name.startswith("_") else nearest(name, fields)
        if guess:
            raise ValueError(f"{type(config).__name__} has no field {name!r}{guess}.")


def refuse_unknown(name: str, value: str, known: Collection[str]) -> None:
    """Refuses a value that is none of the known ones.

    Raises:
        ValueError: naming the nearest known one, and all of them.
    """
    if value not in known:
        raise ValueError(
            f"{name}={value!r} is not known{nearest(value, known)}; choose one of {sorted(known)}."
        )


__all__ = ["nearest", "refuse_misspelt", "refuse_unknown"]
