# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Flow heads that need few evaluations: guidance becomes an input, then steps are halved (arXiv 2210.03142).

A guided flow head evaluates its network twice a step. Stage 1 ("guidance") teaches a head that takes the scale as an
input to predict what guidance makes of two predictions. Stage 2 ("halving") teaches it, time after time, to go in one
step where it went in two (progressive distillation, arXiv 2202.00512). Only the head learns; the decoder, which reads
the text, stays as it is, so its hidden states can be computed once.

Shapes: B batch, T patches, N states, D hidden size, P values per patch.
"""

import copy
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Dataset
from transformers import (
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    default_data_collator,
)

from ..models.pixel_ar.heads.flow import FlowPatchHead, advance
from ..models.pixel_ar.modeling_pixel_ar import PixelARForCausalLM
from ..models.pixel_ar.patching import patchify, to_unit_range
from ..models.pixel_ar.sequences import target_mask
from .finite_loss import FiniteLossMixin

STAGES = ("guidance", "halving")
# Weight of an error at time t: the signal-to-noise ratio (t / (1 - t))^2 within these bounds (arXiv 2202.00512).
LEAST_WEIGHT, MOST_WEIGHT = 1.0, 10.0
LEAST_REMAINDER = 1e-3


@dataclass
class FlowDistillationArguments:
    """Settings of one stage.

    Raises:
        ValueError: for a setting out of its range.
    """

    stage: str = field(
        default="guidance",
        metadata={"help": "guidance: the scale becomes an input; halving: half the steps, time after time."},
    )
    start_steps: int = field(
        default=16, metadata={"help": "Of halving: steps of the first teacher, end_steps times a power of 2."}
    )
    end_steps: int = field(default=1, metadata={"help": "Of halving: steps of the last student."})
    scale_range: list[float] = field(
        default_factory=lambda: [1.0, 4.0],
        metadata={"help": "Of guidance: the smallest and the largest scale that is learned."},
    )
    iterations: int = field(
        default=500, metadata={"help": "Optimiser steps of stage guidance, or of every halving."}
    )
    cache_states: int = field(
        default=0,
        metadata={
            "help": "Compute so many hidden states once and train on them alone; the batch size then counts states. 0: "
            "run the decoder for every batch."
        },
    )

    def __post_init__(self) -> None:
        if self.stage not in STAGES:
            raise ValueError(f"stage must be one of {STAGES}, got {self.stage!r}.")
        if self.iterations < 1 or self.cache_states < 0:
            raise ValueError(
                f"iterations ({self.iterations}) must be positive, cache_states ({self.cache_states}) not negative."
            )
        if self.end_steps < 1 or self.start_steps < 2 * self.end_steps:
            raise ValueError(
                f"start_steps ({self.start_steps}) must be at least twice end_steps ({self.end_steps})."
            )
        if self.end_steps * 2**self.num_halvings != self.start_steps:
            raise ValueError(
                f"start_steps ({self.start_steps}) must be end_steps ({self.end_steps}) times a power of 2."
            )
        low, high = (*self.scale_range, math.nan, math.nan)[:2]
        if len(self.scale_range) != 2 or not 0 <= low < high < math.inf:
            raise ValueError(
                f"scale_range must be two rising numbers that are not negative, got {self.scale_range}."
            )

    @property
    def num_halvings(self) -> int:
        """How often steps are halved."""
        return int(math.log2(self.start_steps // self.end_steps))

    @property
    def num_phases(self) -> int:
        """Students that are trained one after the other."""
        return self.num_halvings if self.stage == "halving" else 1

    def student_steps(self, phase: int) -> int:
        """Steps of the student of a halving, counted from 0."""
        return int(self.start_steps // 2 ** (phase + 1))


class _DistillationLoss(Trainer):
    """What a batch costs: the objective of the stage, on states of the frozen decoder."""

    distillation: FlowDistillationArguments
    teacher: FlowPatchHead
    lr_scheduler: Any

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        **kwargs: Any,
    ) -> Any:
        """The squared error between student and teacher, weighted by time; a scalar."""
        bare = self.accelerator.unwrap_model(model)
        states, patches = _states_and_patches(bare, inputs)
        objective = self._guidance_loss if self.distillation.stage == "guidance" else self._halving_loss
        loss = objective(bare.patch_head, states, bare.patch_head.standardise(patches))
        return (loss, {"loss": loss}) if return_outputs else loss

    def _guidance_loss(
        self, student: FlowPatchHead, states: torch.Tensor, clean: torch.Tensor
    ) -> torch.Tensor:
        times = student.draw_times(len(clean), clean.device)
        noisy = _add_noise(clean, times)
        low, high = self.distillation.scale_range
        scales = low + (high - low) * torch.rand_like(times)
        with torch.no_grad():
            wanted = self.teacher.guide(noisy, times, self.teacher.network.contexts(states), scales)
        found = student.predict(noisy, times, student.network.contexts(states), scales)
        return _weighted_error(found, wanted, times)

    def _halving_loss(
        self, student: FlowPatchHead, states: torch.Tensor, clean: torch.Tensor
    ) -> torch.Tensor:
        steps = student.config.flow_steps
        times = torch.randint(steps, (len(clean),), device=clean.device) / steps
        middle, later = times + 0.5 / steps, times + 1 / steps
        noisy = _add_noise(clean, times)
        scales = None
        if student.config.flow_guided:
            low, high = student.config.flow_scale_range
            scales = low + (high - low) * torch.rand_like(times)
        with torch.no_grad():
            contexts, teacher = self.teacher.network.contexts(states), self.teacher
            halfway = advance(noisy, teacher.guide(noisy, times, contexts, scales), times, middle)
            reached = advance(halfway, teacher.guide(halfway, middle, contexts, scales), middle, later)
            # The patch that one step would have to predict to reach the same.
            kept = ((1 - later) / (1 - times))[:, None]
            wanted = (reached - kept * noisy) / (1 - kept)
        found = student.predict(noisy, times, student.network.contexts(states), scales)
        return _weighted_error(found, wanted, times)


class FlowDistillationTrainer(FiniteLossMixin, _DistillationLoss):
    """Trains the flow head of a model to need fewer evaluations, in the standard training loop.

    The model is changed in place: its decoder is frozen, its head becomes the student. After stage `"halving"`, and in
    the folder `steps-N` of the output after every halving, `config.flow_steps` says how many steps it was made for, and
    `generate` takes them by default. Saving, resuming and logging are Trainer's; resume with the model that the run
    began with. The learning rate falls as a cosine in every phase, whatever `lr_scheduler_type` says, and `max_steps`
    follows from `iterations`.

    Args:
        model: with the flow head; for stage `"halving"` usually after stage `"guidance"`.
        args: Trainer's.
        distillation: settings of the stage.
        train_dataset: texts or packed blocks.
        data_collator: makes batches of `pixel_values`, `attention_mask` and `labels` of them.
        options: everything else goes to Trainer.

    Raises:
        TypeError: for a model that is no `PixelARForCausalLM`.
        ValueError: for another head, a head that takes the scale already, or several processes or GPUs.
    """

    def __init__(
        self,
        model: PixelARForCausalLM,
        args: TrainingArguments | None = None,
        distillation: FlowDistillationArguments | None = None,
        train_dataset: Any = None,
        data_collator: Any = None,
        **options: Any,
    ) -> None:
        settings = distillation or FlowDistillationArguments()
        head = _check_model(model, settings)
        # The caller's own stay as they are.
        args = TrainingArguments("flow_distillation") if args is None else copy.copy(args)
        if args.world_size > 1 or args.n_gpu > 1:
            raise ValueError(
                "distillation of a head runs in one process on one device; start it without torchrun, and choose one "
                "GPU with CUDA_VISIBLE_DEVICES."
            )
        args.max_steps = settings.iterations * settings.num_phases
        args.remove_unused_columns = False
        args.prediction_loss_only = True
        self.distillation = settings
        self.teacher = copy.deepcopy(head).eval().requires_grad_(False).to(args.device)
        _make_student(model, settings)
        if settings.cache_states and train_dataset is not None:
            model.to(args.device)
            train_dataset = cache_states(
                model, train_dataset, data_collator, settings.cache_states, args.per_device_eval_batch_size
            )
            data_collator = _either(data_collator)
        super().__init__(
            model=model, args=args, train_dataset=train_dataset, data_collator=data_collator, **options
        )
        self.model_accepts_loss_kwargs = False  # the loss is a mean over its batch
        self.add_callback(_Phases(self))

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> Any:
        """A cosine over every phase."""
        if self.lr_scheduler is None:
            self.lr_scheduler = LambdaLR(optimizer or self.optimizer, self._learning_rate_factor)
        return self.lr_scheduler

    def _learning_rate_factor(self, step: int) -> float:
        iterations = self.distillation.iterations
        return 0.5 * (1 + math.cos(math.pi * (step % iterations) / iterations))

    def begin_phase(self, phase: int) -> None:
        """Takes up the teacher of a halving, counted from 0: what a resumed run had reached.

        Raises:
            ValueError: if the folder that an earlier halving wrote is gone.
        """
        if self.distillation.stage != "halving":
            return
        last = min(phase, self.distillation.num_phases - 1)
        self.model.config.flow_steps = self.distillation.student_steps(last)
        if phase:
            folder = self._folder(phase - 1)
            if not folder.is_dir():
                raise ValueError(
                    f"{folder} is gone, which holds the teacher of the halving to be resumed. Begin again without "
                    "resume_from_checkpoint."
                )
            taught = PixelARForCausalLM.from_pretrained(folder)
            self.teacher.load_state_dict(taught.patch_head.state_dict())

    def end_phase(self, phase: int) -> None:
        """Saves the student of a halving, which becomes the teacher of the next."""
        if self.distillation.stage != "halving":
            return
        self.save_model(str(self._folder(phase)))
        if phase + 1 < self.distillation.num_phases:
            self.teacher.load_state_dict(self.model.patch_head.state_dict())
            self.model.config.flow_steps = self.distillation.student_steps(phase + 1)

    def _folder(self, phase: int) -> Path:
        return Path(str(self.args.output_dir)) / f"steps-{self.distillation.student_steps(phase)}"


class _Phases(TrainerCallback):
    """Tells a trainer where a halving begins and ends."""

    def __init__(self, trainer: FlowDistillationTrainer) -> None:
        self.trainer = trainer

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Goes on in the halving that a checkpoint was in."""
        self.trainer.begin_phase(state.global_step // self.trainer.distillation.iterations)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Before a checkpoint of this step is written."""
        phase, left = divmod(state.global_step, self.trainer.distillation.iterations)
        if left == 0:
            self.trainer.end_phase(phase - 1)


class CachedStates(Dataset[dict[str, torch.Tensor]]):
    """Dictionaries of `hidden_states` `[D]` and of the `patches` `[P]` that follow them.

    Args:
        hidden_states: `[N, D]`.
        patches: `[N, P]` in [0, 1].
    """

    def __init__(self, hidden_states: torch.Tensor, patches: torch.Tensor) -> None:
        self.hidden_states = hidden_states
        self.patches = patches

    def __len__(self) -> int:
        """N."""
        return len(self.hidden_states)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """One state and its patch."""
        return {"hidden_states": self.hidden_states[index], "patches": self.patches[index]}


@torch.no_grad()
def cache_states(
    model: PixelARForCausalLM, dataset: Any, collator: Any, count: int, batch_size: int
) -> "CachedStates":
    """Hidden states of a frozen decoder, and the patches that follow them.

    Args:
        model: reads the strips.
        dataset: texts or packed blocks, with or without an end.
        collator: makes batches of `pixel_values`, `attention_mask` and `labels`.
        count: so many states; fewer if the data set ends before.
        batch_size: rows read at a time.

    Returns:
        On the CPU.

    Raises:
        ValueError: for a data set without targets.
    """
    states: list[torch.Tensor] = []
    patches: list[torch.Tensor] = []
    for batch in DataLoader(dataset, batch_size, collate_fn=collator):
        on_device = {name: value.to(model.device) for name, value in batch.items()}
        found = _states_and_patches(model, on_device)
        states.append(found[0].cpu())
        patches.append(found[1].cpu())
        if sum(map(len, states)) >= count:
            break
    if not sum(map(len, states)):
        raise ValueError("the training data hold no patch to predict.")
    return CachedStates(torch.cat(states)[:count], torch.cat(patches)[:count])


def _states_and_patches(
    model: PixelARForCausalLM, inputs: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """States `[N, D]` and the patches `[N, P]` that follow them: given, or of the labelled patches of a batch."""
    if "hidden_states" in inputs:
        return inputs["hidden_states"], inputs["patches"]
    if "input_ids" in inputs or not {"pixel_values", "labels"} <= set(inputs):
        raise ValueError(
            f"a batch of distillation holds pixel_values and labels, and no tokens; this one has {sorted(inputs)}."
        )
    mask = inputs.get("attention_mask")
    decoder = model.model.eval()  # frozen, and without dropout
    with torch.no_grad():
        states = decoder(pixel_values=inputs["pixel_values"], attention_mask=mask, use_cache=False)
    patches = patchify(to_unit_range(inputs["pixel_values"]), model.patch_head.patch_size)
    is_target = target_mask(inputs["labels"], mask, None, model.config.predict_across_modalities)
    return states.last_hidden_state[:, :-1][is_target], patches[:, 1:][is_target]


def _add_noise(clean: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Patches `[N, P]` at times `[N]` on their way from new noise."""
    return times[:, None] * clean + (1 - times[:, None]) * torch.randn_like(clean)


def _weighted_error(found: torch.Tensor, wanted: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    ratio = (times / (1 - times).clamp(min=LEAST_REMAINDER)).square()
    return (ratio.clamp(LEAST_WEIGHT, MOST_WEIGHT) * (found - wanted).square().mean(-1)).mean()


def _make_student(model: PixelARForCausalLM, settings: FlowDistillationArguments) -> None:
    """Freezes all but the head, and gives it an input for the scale that changes nothing yet."""
    if settings.stage == "guidance":
        model.config.flow_guided = True
        model.config.flow_scale_range = tuple(settings.scale_range)
        old = model.patch_head
        parameter = next(old.parameters())
        student = FlowPatchHead(model.config).to(parameter.device, parameter.dtype)
        student.load_state_dict(old.state_dict(), strict=False)
        model.patch_head = student
    else:
        model.config.flow_steps = settings.student_steps(0)
    model.requires_grad_(False)
    model.patch_head.requires_grad_(True)


def _either(collator: Any) -> Any:
    """Collates cached states, and batches of evaluation as before."""

    def collate(features: list[Any]) -> dict[str, torch.Tensor]:
        if "hidden_states" in features[0]:
            return default_data_collator(features)
        return collator(features)

    return collate


def _check_model(model: Any, settings: FlowDistillationArguments) -> FlowPatchHead:
    if not isinstance(model, PixelARForCausalLM):
        raise TypeError(f"distillation takes a PixelARForCausalLM as it is, not a {type(model).__name__}.")
    if not isinstance(model.patch_head, FlowPatchHead):
        raise ValueError(
            f"patch_head={model.config.patch_head!r} has no steps to distil; this is for patch_head='flow'."
        )
    if settings.stage == "guidance" and model.config.flow_guided:
        raise ValueError("the head takes the guidance scale already (flow_guided=True); use stage='halving'.")
    return model.patch_head


__all__ = ["CachedStates", "FlowDistillationArguments", "FlowDistillationTrainer", "cache_states"]
