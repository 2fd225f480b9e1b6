# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A loss that is not a number ends training, before it becomes weights that are none.

Trainer itself goes on, and its log leaves such losses out (`logging_nan_inf_filter`): a run looks well until its model
is used.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from transformers import Trainer

from ..modalities import IGNORED_LABEL

# A mixin's methods call those of the Trainer it is mixed into.
_Base: Any = Trainer if TYPE_CHECKING else object


class NonFiniteLossError(ValueError):
    """A loss was NaN or infinite.

    Attributes:
        step: updates before it.
        rows: rows of the batch whose own loss is not finite; none if only their sum is not.
    """

    def __init__(self, message: str, step: int, rows: tuple[int, ...]) -> None:
        super().__init__(message)
        self.step = step
        self.rows = rows


class FiniteLossMixin(_Base):
    """Refuses losses that are not finite; put it before any Trainer: `class MyTrainer(FiniteLossMixin, Trainer)`.

    It overrides `compute_loss`, which Trainer documents for that, so evaluation is watched too. On an accelerator,
    looking at the loss waits for the step to be computed.
    """

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **kwargs: Any
    ) -> Any:
        """The loss of a batch, as Trainer computes it.

        Raises:
            NonFiniteLossError: naming the rows.
        """
        found = super().compute_loss(model, inputs, return_outputs=return_outputs, **kwargs)
        loss = found[0] if return_outputs else found
        if not bool(torch.isfinite(loss.detach()).all()):
            raise self._describe(model, inputs, float(loss.detach().float().mean()))
        return found

    def _describe(self, model: Any, inputs: dict[str, Any], value: float) -> NonFiniteLossError:
        step = int(self.state.global_step)
        bare = self.accelerator.unwrap_model(model)
        spoiled = next((n for n, p in bare.named_parameters() if not bool(torch.isfinite(p).all())), None)
        where = f"the loss of a batch after step {step} is {value}"
        if spoiled is not None:
            message = f"{where}: the weights hold NaN or infinity ({spoiled})"
            return NonFiniteLossError(f"{message}; lower learning_rate, or set max_grad_norm.", step, ())
        rows = self._bad_rows(bare, inputs)
        described = "; ".join(f"row {row}: {_look(inputs, row)}" for row in rows[:8])
        message = f"{where}: {described or 'every row by itself is finite'}."
        return NonFiniteLossError(message, step, tuple(rows))

    @torch.no_grad()
    def _bad_rows(self, model: Any, inputs: dict[str, Any]) -> list[int]:
        """Rows whose loss is not finite when they are alone."""
        tensors = {name: value for name, value in inputs.items() if isinstance(value, torch.Tensor)}
        count = max((len(value) for value in tensors.values() if value.dim()), default=0)
        rows = []
        for row in range(count):
            alone = {
                name: value[row : row + 1] if name in tensors and len(value) == count else value
                for name, value in inputs.items()
            }
            with self.compute_loss_context_manager():
                loss = super().compute_loss(model, alone)
            if not bool(torch.isfinite(loss).all()):
                rows.append(row)
        # A mean over no label is NaN for the batch, but a model may call it 0 for the row.
        return rows or [row for row in range(count) if _has_no_label(inputs, row)]


def _look(inputs: Mapping[str, Any], row: int) -> str:
    """What is wrong with a row, as far as its tensors tell."""
    for name, value in inputs.items():
        if isinstance(value, torch.Tensor) and value.is_floating_point() and value.dim():
            wrong = int((~torch.isfinite(value[row])).sum())
            if wrong:
                return f"{wrong} values of {name} are not finite"
    return "all of its labels are -100" if _has_no_label(inputs, row) else "its values and labels are finite"


def _has_no_label(inputs: Mapping[str, Any], row: int) -> bool:
    labels = inputs.get("labels")
    if not isinstance(labels, torch.Tensor) or labels.is_floating_point() or not labels.dim():
        return False
    return bool((labels[row] == IGNORED_LABEL).all())


class FiniteLossTrainer(FiniteLossMixin, Trainer):
    """The standard Trainer, which ends where a loss is not finite."""


__all__ = ["FiniteLossMixin", "FiniteLossTrainer", "NonFiniteLossError"]
