# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What a model is given: tensors where tensors are due, and checkpoint files that can be read at all."""

import json
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError

from ...limits import MAX_JSON_BYTES, check_limit

# What the readers of weights and of JSON raise for damaged files.
_DAMAGE = (SafetensorError, pickle.UnpicklingError, RecursionError, EOFError, UnicodeDecodeError)
_NO_TENSORS = (np.ndarray, np.generic, list, tuple, range, str, bytes, int, float, dict)


def require_tensors(**inputs: Any) -> None:
    """Check that inputs are tensors, or not given.

    Raises:
        TypeError: naming the first one that is something else.
    """
    for name, value in inputs.items():
        if value is not None and isinstance(value, _NO_TENSORS):
            raise TypeError(
                f"{name} must be a torch.Tensor, got {type(value).__name__}: pass return_tensors='pt' to the "
                "processor, or torch.as_tensor(...)."
            )


def check_positions(position_ids: torch.Tensor | None, shape: torch.Size) -> None:
    """Check positions against embeddings `[B, T, D]`.

    Raises:
        ValueError: for floating point positions, or another shape than `[B, T]` or `[1, T]`.
    """
    if position_ids is None:
        return
    fits = (
        position_ids.dim() == 2
        and position_ids.shape[0] in (1, shape[0])
        and position_ids.shape[1] == shape[1]
    )
    if not fits or position_ids.is_floating_point():
        raise ValueError(
            f"position_ids must be integers [{shape[0]}, {shape[1]}] (rows, positions), got "
            f"{position_ids.dtype} of shape {tuple(position_ids.shape)}."
        )


@contextmanager
def loading(where: Any) -> Iterator[None]:
    """Turns what readers of files raise while a checkpoint is loaded into one error that names it.

    Args:
        where: folder or repository of the checkpoint.

    Raises:
        ValueError: for damaged files, and for settings that no model has.
    """
    name = str(where)
    if isinstance(where, str | os.PathLike) and os.path.isdir(where):
        _check_json(os.path.join(where, "config.json"))
    try:
        yield
    except _DAMAGE as error:
        raise ValueError(
            f"{name} is damaged: {type(error).__name__}: {str(error)[:300]}. Get its files again."
        ) from error
    except ValueError as error:
        if type(error) is not ValueError or name in str(error):
            raise
        raise ValueError(f"{name}: {error}") from error


def _check_json(path: str) -> None:
    if not os.path.isfile(path):
        return
    check_limit(os.path.getsize(path), MAX_JSON_BYTES, f"bytes of {path}")
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged or no JSON: {type(error).__name__}: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a JSON {type(content).__name__}, not the settings of a model.")


__all__ = ["check_positions", "loading", "require_tensors"]
