# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Options of `generate` that are numbers, and their ranges."""

import math
import numbers
from collections.abc import Mapping
from typing import Any, TypeGuard

# Options that leave values of a decision out: two values do not allow it.
CUTS = ("top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff")
# Options that count something, and the least of it; what is more than any memory holds is a mistake.
COUNTS = {
    "max_new_tokens": 1,
    "min_new_tokens": 0,
    "max_length": 1,
    "min_length": 0,
    "num_return_sequences": 1,
    "num_beams": 1,
    "top_k": 0,
}
MOST_COUNTED = 2**31 - 1
# Names of this package and what Transformers calls the same thing.
PATCH_ALIASES = {"max_new_patches": "max_new_tokens", "min_new_patches": "min_new_tokens"}


def check_ranges(options: Mapping[str, Any]) -> None:
    """Checks numbers of a generation configuration, which Transformers in part ignores where they have no meaning.

    Raises:
        ValueError: for one outside of its range, naming it and the range.
    """
    called = {of: f"{alias} ({of})" for alias, of in PATCH_ALIASES.items()}
    for name, least in COUNTS.items():
        value = options.get(name)
        fits = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        if value is not None and not (fits and least <= value <= MOST_COUNTED):
            raise ValueError(
                f"{called.get(name, name)} must be an integer from {least} to {MOST_COUNTED}, got {value!r:.80}."
            )
    for name in CUTS:
        value = options.get(name)
        if value is not None and not (is_number(value) and 0 <= value <= 1):
            raise ValueError(f"{name} must be a number from 0 to 1, got {value!r:.80}.")
    temperature, time = options.get("temperature"), options.get("max_time")
    fits = is_number(temperature) and 0 <= temperature < math.inf
    if temperature is not None and (not fits or (temperature == 0 and options.get("do_sample"))):
        raise ValueError(
            f"temperature must be a number above 0, got {temperature!r:.80}; for the likeliest values, set "
            "do_sample=False."
        )
    if time is not None and not (is_number(time) and time >= 0):
        raise ValueError(f"max_time must be a number of seconds, at least 0, got {time!r:.80}.")


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a real number, and not a truth value."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


__all__ = ["COUNTS", "CUTS", "PATCH_ALIASES", "check_ranges", "is_number"]
