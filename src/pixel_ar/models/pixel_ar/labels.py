# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Checks of labels: what a model or a task can be trained on."""

import torch

from ...modalities import IGNORED_LABEL
from .checks import require_tensors


def check_labels(labels: torch.Tensor, shape: torch.Size, shift_labels: torch.Tensor | None = None) -> None:
    """Checks labels for the causal model.

    Raises:
        ValueError: for floating point labels, another shape than `[B, T]`, or any `shift_labels`.
    """
    require_tensors(labels=labels)
    if shift_labels is not None:
        raise ValueError(
            "shift_labels: sequences split among devices (context or sequence parallelism) are not supported, since "
            "the last patch of a shard has its target in the next one; use data parallelism or FSDP."
        )
    if labels.is_floating_point():
        raise ValueError(
            f"labels must be integers [batch, patches] (-100 = no target), got {labels.dtype}; pixel targets are taken "
            "from pixel_values."
        )
    if labels.shape != shape:
        raise ValueError(
            f"labels have shape {tuple(labels.shape)}, but the strips hold {tuple(shape)} patches."
        )


def check_sequence_labels(
    labels: torch.Tensor, shape: torch.Size, problem_type: str | None = None
) -> torch.Tensor:
    """Checks labels of whole rows and gives them the shape and dtype their loss needs.

    Args:
        labels: see [`PixelARForSequenceClassification.forward`].
        shape: (B, N).
        problem_type: of the configuration; `None` to find it from the labels, as Transformers does.

    Returns:
        int64 `[B]` (one class), float32 `[B, N]` (several labels), float32 `[B]` (regression with N = 1) or `[B, N]`.

    Raises:
        ValueError: naming the offending shape or value.
    """
    require_tensors(labels=labels)
    batch, num_labels = shape
    if problem_type is None:
        is_class = not labels.is_floating_point() and labels.dtype != torch.bool
        several = "single_label_classification" if is_class else "multi_label_classification"
        problem_type = "regression" if num_labels == 1 else several
    if problem_type == "single_label_classification":
        if labels.is_floating_point():
            raise ValueError(
                f"single_label_classification needs integer labels, got {labels.dtype}; for several labels at once "
                'set problem_type="multi_label_classification", for numbers "regression".'
            )
        if labels.shape not in ((batch,), (batch, 1)):
            raise ValueError(
                f"labels have shape {tuple(labels.shape)}, but one class per row is [{batch}]; for several labels at "
                'once set problem_type="multi_label_classification".'
            )
        _check_range(labels, 0, num_labels - 1, "labels", f"num_labels is {num_labels}")
        return labels.reshape(batch).long()
    shapes: list[tuple[int, ...]] = [(batch, num_labels)]
    if problem_type == "regression" and num_labels == 1:
        shapes.append((batch,))
    if labels.shape not in shapes:
        raise ValueError(
            f"labels have shape {tuple(labels.shape)}, but {problem_type} with num_labels={num_labels} needs "
            f"{' or '.join(str(list(allowed)) for allowed in shapes)}."
        )
    labels = labels.float()
    if problem_type == "multi_label_classification":
        _check_range(labels, 0, 1, "labels", "each label is there (1) or not (0)")
    elif can_look_at(labels) and not bool(torch.isfinite(labels).all()):
        row = int((~torch.isfinite(labels.reshape(batch, -1)).all(-1)).nonzero()[0])
        raise ValueError(
            f"the target of row {row} is {labels[row].tolist()}; take rows without a number out of the data."
        )
    return labels.reshape(batch) if num_labels == 1 and problem_type == "regression" else labels


def check_position_labels(labels: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Checks labels of positions.

    Args:
        labels: integers `[B, T]` from 0 to N - 1, -100 = no label.
        shape: (B, T, N).

    Returns:
        int64 `[B, T]`.

    Raises:
        ValueError: naming the offending shape, dtype or value.
    """
    require_tensors(labels=labels)
    if labels.is_floating_point():
        raise ValueError(f"labels must be integers [batch, positions], got {labels.dtype}.")
    if labels.shape != shape[:2]:
        raise ValueError(
            f"labels have shape {tuple(labels.shape)}, but there are {tuple(shape[:2])} positions; give one label per "
            "patch and token (pixel_ar.training.label_patches), -100 where there is none."
        )
    real = torch.where(labels == IGNORED_LABEL, 0, labels)
    _check_range(real, 0, shape[2] - 1, "labels", f"num_labels is {shape[2]}, and -100 means no label")
    return labels.long()


def check_answer_positions(
    start: torch.Tensor, end: torch.Tensor, shape: torch.Size, attended: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Checks the positions of answers.

    Args:
        start: integers `[B]` or `[B, 1]`, -100 = no label.
        end: likewise, the last position included.
        shape: (B, T).
        attended: bool `[B, T]`, or `None` if no row is padded.

    Returns:
        Both as int64 `[B]`.

    Raises:
        ValueError: naming the row and its positions.
    """
    batch, length = shape
    for name, positions in (("start_positions", start), ("end_positions", end)):
        # Sizes may be symbols while a graph is traced: they are compared one by one.
        is_column = positions.ndim in (1, 2) and positions.shape[0] == batch == positions.numel()
        if positions.is_floating_point() or not is_column:
            raise ValueError(
                f"{name} must be integers [{batch}], got {positions.dtype} of shape {tuple(positions.shape)}."
            )
    start, end = start.reshape(batch).long(), end.reshape(batch).long().to(start.device)
    if not can_look_at(start):
        return start, end
    padded = None if attended is None else (~attended).tolist()
    for row, (first, last) in enumerate(zip(start.tolist(), end.tolist(), strict=True)):
        if first == last == IGNORED_LABEL:
            continue
        what = f"the answer of row {row} stands on positions {first} to {last}"
        if not (0 <= first < length and 0 <= last < length):
            raise ValueError(f"{what}, outside of 0 to {length - 1}; use -100 for both where there is none.")
        if last < first:
            raise ValueError(f"{what}: it ends before it starts.")
        if padded is not None and (padded[row][first] or padded[row][last]):
            raise ValueError(f"{what}, of which at least one is padding.")
    return start, end


def _check_range(values: torch.Tensor, lowest: int, highest: int, name: str, why: str) -> None:
    """Raises for values outside `lowest..highest`; NaN is outside."""
    if not can_look_at(values):
        return
    wrong = ~((values >= lowest) & (values <= highest))
    if bool(wrong.any()):
        raise ValueError(
            f"{name} must lie in {lowest} to {highest} ({why}), got {values[wrong][0].item()} "
            f"({int(wrong.sum())} such values)."
        )


def can_look_at(tensor: torch.Tensor) -> bool:
    """Whether values can be looked at: not while a graph is traced, and not on the meta device."""
    return not torch.compiler.is_compiling() and tensor.device.type != "meta"


__all__ = ["can_look_at", "check_labels"]
