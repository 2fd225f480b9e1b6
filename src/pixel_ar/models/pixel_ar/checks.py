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
from torch import nn

from ...installed import refuse_registration
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
        # Whatever has a shape may stand for a tensor: proxies while a graph is traced, masks of blocks.
        if value is not None and (isinstance(value, _NO_TENSORS) or not hasattr(value, "shape")):
            raise TypeError(
                f"{name} must be a torch.Tensor, got {type(value).__name__}: pass return_tensors='pt' to the "
                "processor, or torch.as_tensor(...)."
            )


def need_tensors(**inputs: Any) -> None:
    """Check that inputs are tensors, and given.

    Raises:
        TypeError: naming the first one that is something else.
    """
    for name, value in inputs.items():
        if value is None:
            raise TypeError(f"{name} must be a torch.Tensor, got None.")
    require_tensors(**inputs)


def are_integers(values: torch.Tensor) -> bool:
    """Whether a tensor holds integers, and neither truth values nor other numbers."""
    return not (values.is_floating_point() or values.is_complex() or values.dtype == torch.bool)


def check_item_count(num_items_in_batch: Any) -> None:
    """Check what a sum of losses is divided by, as Trainer passes it: a tensor, or a number of labels.

    Raises:
        TypeError: for anything else.
        ValueError: for a number that no labels have.
    """
    if num_items_in_batch is None or isinstance(num_items_in_batch, torch.Tensor):
        return
    if isinstance(num_items_in_batch, bool) or not isinstance(num_items_in_batch, int | float):
        raise TypeError(
            f"num_items_in_batch must be a number of labels, got {type(num_items_in_batch).__name__}."
        )
    if not 0 <= num_items_in_batch < 2**63:
        raise ValueError(f"num_items_in_batch must be a number of labels, got {num_items_in_batch!r:.60}.")


def refuse_nan_pixels(pixel_values: torch.Tensor) -> None:
    """Check that strips hold numbers, where that costs nothing: on the CPU, and not while a graph is traced.

    Raises:
        ValueError: for NaN and infinite pixels, naming the first row that has one.
    """
    if not pixel_values.is_floating_point() or not _can_check(pixel_values):
        return
    try:
        rows = torch.isfinite(pixel_values).flatten(1).all(1).tolist()
    except RuntimeError:
        return  # values under torch.func's transforms cannot be looked at
    if not all(rows):
        raise ValueError(
            f"pixel_values hold NaN or infinite pixels in row {rows.index(False)}: floating point strips lie in [0, 1] "
            "(1 = background)."
        )


def refuse_nan_scores(scores: torch.Tensor, module: nn.Module) -> None:
    """Check that scores `[B]` of rows are numbers, where that costs nothing.

    Raises:
        ValueError: for NaN, naming the row and the weights that are no numbers either.
    """
    if not _can_check(scores):
        return
    rows = torch.isnan(scores.detach()).tolist()
    if any(rows):
        raise ValueError(f"the score of row {rows.index(True)} is NaN. {broken_weights(module)}")


def broken_weights(module: nn.Module) -> str:
    """What to say of a model whose numbers are none: the first of its weights that is NaN or infinite, if one is."""
    for name, weight in module.named_parameters():
        if weight.is_floating_point() and weight.device.type != "meta" and not bool(weight.isfinite().all()):
            return f"The weights {name} are NaN or infinite: load a sound checkpoint."
    return "Its weights are finite, so numbers overflow on the way: load it with dtype=torch.float32."


def _can_check(tensor: torch.Tensor) -> bool:
    """Whether values can be looked at without waiting for a device, and are there at all."""
    return type(tensor) in (torch.Tensor, nn.Parameter) and (
        tensor.device.type == "cpu" and not torch.compiler.is_compiling()
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
        for file in ("config.json", "generation_config.json"):
            _check_json(os.path.join(where, file))
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


@contextmanager
def saving(where: Any) -> Iterator[None]:
    """Turns what the writer of weights raises into the error that all other files give.

    Args:
        where: folder that is written.

    Raises:
        OSError: for a full disk and the like.
    """
    try:
        yield
    except SafetensorError as error:
        raise OSError(f"{where}: the weights cannot be written: {error}") from error


class CheckpointMixin:
    """What all models of the package add to `PreTrainedModel` where files are read, written and registered."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """As in Transformers.

        Raises:
            ValueError: for damaged files, and a configuration that no model has; names the checkpoint.
        """
        with loading(pretrained_model_name_or_path):
            return super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)  # type: ignore[misc]

    def save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> None:
        """As in Transformers.

        Raises:
            OSError: where the files cannot be written, weights as any other.
        """
        with saving(save_directory):
            super().save_pretrained(save_directory, *args, **kwargs)  # type: ignore[misc]

    @classmethod
    def register_for_auto_class(cls, auto_class: str = "AutoModel") -> None:
        """As in Transformers, for classes outside the installed package; see `pixel_ar.export_remote_code`."""
        refuse_registration(cls)
        super().register_for_auto_class(auto_class)  # type: ignore[misc]


def _is_dtype(name: str) -> bool:
    return name == "auto" or isinstance(getattr(torch, name.removeprefix("torch."), None), torch.dtype)


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
    # Read by Transformers before any configuration checks its fields.
    for field, kinds in (("model_type", str), ("dtype", str | dict), ("torch_dtype", str | dict)):
        if content.get(field) is not None and not isinstance(content[field], kinds):
            raise ValueError(f"{path}: {field} is {content[field]!r:.60}, not a name.")
        name = content.get(field)
        if "dtype" in field and isinstance(name, str) and not _is_dtype(name):
            raise ValueError(f"{path}: {field} is {name!r:.60}, which is no type of tensors.")
    for field in ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"):
        ids = content.get(field)
        listed = ids if isinstance(ids, list) else [ids]
        if ids is not None and not all(type(each) is int for each in listed):
            raise ValueError(f"{path}: {field} is {ids!r:.60}, neither a token nor a list of tokens.")


__all__ = [
    "CheckpointMixin",
    "are_integers",
    "broken_weights",
    "check_item_count",
    "check_positions",
    "loading",
    "need_tensors",
    "refuse_nan_pixels",
    "refuse_nan_scores",
    "require_tensors",
    "saving",
]
