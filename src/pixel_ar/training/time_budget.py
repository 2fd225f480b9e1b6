# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Training for a fixed time instead of a fixed number of steps.

Comparisons at equal time, and machines whose speed one does not know, need a learning rate that reaches its end when
the time does.
"""

import math
import time
from typing import Any

from torch.optim.lr_scheduler import LambdaLR
from tqdm.auto import tqdm
from transformers import (
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_callback import ExportableState

CLOCKS = {"wall": time.monotonic, "processor": time.process_time}


class TimeBudget(TrainerCallback, ExportableState):
    """Stops training after so many minutes and lets the learning rate fall until then.

    Evaluation and saving count: it is the time a person waits. The time used is saved with every checkpoint, so a
    resumed run spends what is left.

    Args:
        minutes: the budget.
        warmup_steps: steps of linear warm-up.
        clock: a name of `CLOCKS`: `"wall"`, or `"processor"` for the time this process spent on all its cores together,
            which keeps comparisons on a CPU fair while other work runs beside them.
        decay_share: `None` for a cosine over the whole time. A number: the rate is held, and falls linearly over this
            last share of the time; 0 holds it to the end, for a run that shall be gone on with (a second cosine would
            throw away what the end of the first has brought).

    Raises:
        ValueError: for a budget that is not positive, an unknown clock, or a share outside [0, 1].
    """

    def __init__(
        self, minutes: float, warmup_steps: int = 100, clock: str = "wall", decay_share: float | None = None
    ) -> None:
        if minutes <= 0:
            raise ValueError(f"the time budget must be positive, got {minutes} minutes.")
        if clock not in CLOCKS:
            raise ValueError(f"clock must be one of {', '.join(CLOCKS)}, got {clock!r}.")
        if decay_share is not None and not 0 <= decay_share <= 1:
            raise ValueError(f"decay_share must lie in [0, 1], got {decay_share}.")
        self.decay_share = decay_share
        self.clock = clock
        self.minutes = minutes
        self.warmup_steps = warmup_steps
        self.seconds_used = 0.0
        self._origin: float | None = None

    def install(self, trainer: Trainer) -> None:
        """Gives a trainer this budget: its stop, its schedule, and a progress bar of the time."""
        trainer.add_callback(self)
        if not trainer.args.disable_tqdm:
            # Trainer's own bar counts steps, of which nobody knows the number.
            trainer.remove_callback(ProgressCallback)
            trainer.add_callback(TimeProgress(self))
        optimizer = trainer.create_optimizer()
        trainer.lr_scheduler = LambdaLR(optimizer, self.factor)

    def factor(self, step: int) -> float:
        """Factor of the learning rate at a step, from the time used so far."""
        progress = min(1.0, self.seconds_used / (60 * self.minutes))
        warmup = min(1.0, (step + 1) / max(1, self.warmup_steps))
        if self.decay_share is None:
            return warmup * 0.5 * (1 + math.cos(math.pi * progress))
        left = 1 - progress
        return warmup * (left / self.decay_share if left < self.decay_share else 1.0)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Starts the clock, at the time an interrupted run had used."""
        saved = state.stateful_callbacks.get(type(self).__name__)
        if isinstance(saved, list):
            saved = saved[0]
        if state.global_step and saved:
            self.seconds_used = saved["attributes"]["seconds_used"]
        self._origin = CLOCKS[self.clock]() - self.seconds_used
        if self.seconds_used >= 60 * self.minutes:
            control.should_training_stop = True

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Reads the clock and stops when the time is up."""
        if self._origin is not None:
            self.seconds_used = CLOCKS[self.clock]() - self._origin
        if self.seconds_used >= 60 * self.minutes:
            control.should_training_stop = True
        return control

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "args": {
                "minutes": self.minutes,
                "warmup_steps": self.warmup_steps,
                "clock": self.clock,
                "decay_share": self.decay_share,
            },
            "attributes": {"seconds_used": self.seconds_used},
        }


class TimeProgress(TrainerCallback):
    """A progress bar of the time used, with the step and the last loss.

    Args:
        budget: whose time it shows.
    """

    def __init__(self, budget: TimeBudget) -> None:
        self.budget = budget
        self._bar: Any = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Opens the bar."""
        if state.is_world_process_zero:
            layout = "{percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s{postfix}"
            self._bar = tqdm(total=60 * self.budget.minutes, bar_format=layout, dynamic_ncols=True)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Moves it."""
        if self._bar is not None:
            self._bar.n = min(self.budget.seconds_used, self._bar.total)
            self._bar.set_postfix_str(f"step {state.global_step}", refresh=False)
            self._bar.refresh()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Writes the figures above it."""
        if self._bar is not None and logs:
            figures = {name: value for name, value in logs.items() if name not in ("total_flos", "epoch")}
            shown = ", ".join(
                f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                for name, value in figures.items()
            )
            self._bar.write(f"step {state.global_step}: {shown}")

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Closes it."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


__all__ = ["TimeBudget", "TimeProgress"]
