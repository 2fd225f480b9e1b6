# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Fields of configurations with values that no model has."""

import functools
from collections.abc import Callable
from random import Random
from typing import Any

from fuzz.case import Case
from fuzz.texts import no_text, odd_json, odd_number
from huggingface_hub.errors import StrictDataclassError
from transformers import PreTrainedConfig

_NOT_GIVEN = {"transformers_version", "architectures", "model_type", "dtype"}


@functools.cache
def fields_of(cls: type[PreTrainedConfig]) -> list[str]:
    """What a `config.json` of the class may say."""
    return sorted(set(cls().to_dict()) - _NOT_GIVEN)


@functools.cache
def _fields_of_transformers() -> frozenset[str]:
    return frozenset(PreTrainedConfig().to_dict())


def odd_fields(rng: Random, cls: type[PreTrainedConfig]) -> dict[str, Any]:
    """One or two fields with odd values; those of Transformers itself with what JSON can say.

    Sizes fit any machine or none: what is between is the user's own wish.
    """
    values: dict[str, Any] = {}
    for name in rng.sample(fields_of(cls), rng.randint(1, 2)):
        if name in _fields_of_transformers():
            value = odd_json(rng)
        else:
            value = odd_number(rng) if rng.random() < 0.7 else no_text(rng)
        is_size = isinstance(value, int) and not isinstance(value, bool)
        if not is_size or value <= 64 or value >= 10**9:
            values[name] = value
    return values


def built(cls: type[PreTrainedConfig], fields: dict[str, Any]) -> PreTrainedConfig | None:
    """The configuration, or `None` for what every configuration class of Transformers refuses by itself: a field of
    the wrong type."""
    try:
        return cls(**fields)
    except StrictDataclassError:
        return None


def configuration_case(
    rng: Random,
    cls: type[PreTrainedConfig],
    model: Callable[[PreTrainedConfig], Any],
    fields: dict[str, Any],
) -> Case:
    """A configuration of a small model with odd values among its fields, and the model, if there is one."""
    values = odd_fields(rng, cls)

    def build() -> None:
        config = built(cls, {**fields, **values})
        if config is not None:
            model(config)

    return Case(f"{cls.__name__}({values!r:.150})", build, (ValueError, TypeError), memory=256 << 20)


__all__ = ["built", "configuration_case", "fields_of", "odd_fields"]
