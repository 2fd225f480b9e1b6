# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""PIXAR's second stage: patch-wise context-aware adversarial training (arXiv 2401.03321, section 3.3).

A stage-1 generator predicts the pixels of a patch independently, so its most likely patch is a blur. Here a
discriminator judges some of its predicted patches, each in the context of the real patches before it, and a few hundred
steps of the sum of both objectives sharpen them:

    generator:      L_rec + (ratio_t * r + 1e-8) * CE(D(predicted patch), real)
    discriminator:  (CE(D(real patch), real) + CE(D(predicted patch), fake)) / 2

r is the quotient of the mean absolute gradients of both objectives at the output layer, measured in the step before, so
that `ratio_t` says how loud the adversary speaks whatever the scale of its loss.

Shapes: B batch, T patches, P values per patch, N candidates per row, D hidden size.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import get_scheduler

from ..modalities import IGNORED_LABEL
from ..models.pixel_ar.heads.linear import LinearPatchHead
from ..models.pixel_ar.modeling_pixel_ar import PixelARForCausalLM
from .discriminator import PatchDiscriminator, judgement_loss, real_weights, select_positions
from .finite_loss import FiniteLossTrainer

# How a head's raw outputs become pixels that a gradient can pass through.
SOFT_SAMPLERS = {"bernoulli": "gray", "regression": "raw"}
DISCRIMINATOR_FOLDER = "discriminator"
STATE_FILE = "adversarial_state.pt"
EPSILON = 1e-8  # PIXAR's, in the weight and in the quotient of gradients


@dataclass
class AdversarialArguments:
    """Settings of the second stage; the defaults are PIXAR's best run (ratio 10, 200 steps).

    Raises:
        ValueError: for a setting out of its range.
    """

    gan_ratio: float = field(
        default=10.0,
        metadata={
            "help": "Size of the adversarial gradient at the output layer, in reconstruction gradients."
        },
    )
    num_samples: int = field(
        default=30, metadata={"help": "Predicted patches judged per strip and step; short strips have fewer."}
    )
    ratio_warmup_steps: int = field(
        default=100, metadata={"help": "Steps over which gan_ratio rises linearly from 0."}
    )
    discriminator_learning_rate: float = field(
        default=3e-5, metadata={"help": "Peak learning rate of the discriminator."}
    )

    def __post_init__(self) -> None:
        if self.gan_ratio < 0:
            raise ValueError(f"gan_ratio must not be negative, got {self.gan_ratio}.")
        if self.num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {self.num_samples}.")
        if self.ratio_warmup_steps < 0:
            raise ValueError(f"ratio_warmup_steps must not be negative, got {self.ratio_warmup_steps}.")
        if self.discriminator_learning_rate <= 0:
            raise ValueError(
                f"discriminator_learning_rate must be positive, got {self.discriminator_learning_rate}."
            )


def sample_positions(
    is_target: torch.Tensor, num_samples: int, seed: Sequence[int], first_row: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draws, for every row, positions whose prediction is judged, without repetition.

    A row's draw depends on `seed`, its number and its patches alone: not on how rows are grouped into batches or how
    far they are padded on the right, and a resumed run needs no saved generator.

    Args:
        is_target: bool `[B, T - 1]`; entry p tells whether patch p + 1 may be judged.
        num_samples: N; rows with fewer targets get them all.
        seed: non-negative integers.
        first_row: number of the first row.

    Returns:
        Positions int64 `[B, min(N, T - 1)]` in ascending order, and their weights float32 of the same shape: 0 fills up
        rows with fewer targets.
    """
    rows, length = is_target.shape
    keys = np.empty((rows, length), np.float32)
    for row in range(rows):
        keys[row] = np.random.default_rng([*seed, first_row + row]).random(length, np.float32)
    # Keys are below 1, so targets come first.
    order = torch.from_numpy(keys).to(is_target.device).masked_fill(~is_target, 2.0)
    positions = order.topk(min(num_samples, length), dim=-1, largest=False).indices.sort(-1).values
    return positions, is_target.gather(1, positions).float()


class AdversarialTrainer(FiniteLossTrainer):
    """Trains a stage-1 model against a discriminator, in the standard training loop.

    All of Trainer works: accumulation (the discriminator steps when the generator does), clipping of both, bf16,
    distributed data parallelism, saving, resuming both halves (`checkpoint-N/discriminator`). Evaluation reports the
    reconstruction loss; one that is not finite is an error ([`FiniteLossMixin`]). The first step changes no weight: it
    measures the gradients that the second one weighs.

    Beside Trainer's, the logs hold `reconstruction_loss`, `adversarial_loss`, `adversarial_weight`, `gradient_ratio`,
    `discriminator_loss`, `discriminator_real_accuracy`, `discriminator_fake_accuracy`, `discriminator_grad_norm` and
    `discriminator_learning_rate`, each a mean over the steps since the last log.

    Args:
        model: a stage-1 model with the `bernoulli` or the `regression` head.
        args: Trainer's.
        adversarial: settings of this stage.
        discriminator: one to go on with; `None` for a copy of the model's decoder with a new head.
        options: everything else goes to Trainer. Batches must hold `pixel_values` and `labels`, no tokens.

    Raises:
        TypeError: for a model that is no `PixelARForCausalLM`.
        ValueError: for a patch head whose outputs are no pixels, or a mode of Trainer that does not go with two models.
    """

    def __init__(
        self,
        model: PixelARForCausalLM,
        args: Any = None,
        adversarial: AdversarialArguments | None = None,
        discriminator: PatchDiscriminator | None = None,
        **options: Any,
    ) -> None:
        check_generator(model)
        super().__init__(model=model, args=args, **options)
        self._check_modes()
        self.adversarial = adversarial or AdversarialArguments()
        if discriminator is None:
            # From the seed, so that the new head is the same in every process and every run.
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.args.seed)
                discriminator = PatchDiscriminator.from_generator(model)
        self.discriminator = discriminator
        self.discriminator_optimizer: Any = None
        self.discriminator_scheduler: Any = None
        self._prepared_discriminator: Any = None
        self._gradient_ratio: torch.Tensor | None = None  # of the step before
        self._output_gradients: list[torch.Tensor] = []  # of this step: reconstruction, adversarial
        self._totals = torch.zeros(2)  # judged candidates and real patches of this step
        self._log_sums: dict[str, torch.Tensor] = {}
        self._log_steps = 0

    def _check_modes(self) -> None:
        args = self.args
        if args.fp16:
            raise ValueError("fp16=True scales one model's gradients at a time; use bf16=True, or float32.")
        if args.n_gpu > 1:
            raise ValueError(
                f"{args.n_gpu} GPUs in one process are not supported; start one process per GPU with torchrun, or "
                "choose one GPU with CUDA_VISIBLE_DEVICES."
            )
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            raise ValueError("FSDP and DeepSpeed hold one model per run; use torchrun without them (DDP).")
        if args.torch_compile:
            raise ValueError("torch_compile=True cannot take two gradients of one graph; leave it out.")

    # Preparing

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> Any:
        """The generator's schedule, and everything the discriminator needs: placement, optimizer, schedule."""
        if self.lr_scheduler is None:
            self.discriminator_scheduler = None  # `train` is called again
        scheduler = super().create_scheduler(num_training_steps, optimizer)
        if self._prepared_discriminator is None:
            self._mirror_checkpointing()
            self._prepared_discriminator, self.discriminator_optimizer = self.accelerator.prepare(
                self.discriminator, self._create_discriminator_optimizer()
            )
        if self.discriminator_scheduler is None:
            self.discriminator_scheduler = get_scheduler(
                self.args.lr_scheduler_type,
                optimizer=self.discriminator_optimizer,
                num_warmup_steps=self.args.get_warmup_steps(num_training_steps),
                num_training_steps=num_training_steps,
                scheduler_specific_kwargs=self.args.lr_scheduler_kwargs,
            )
        return scheduler

    def _create_discriminator_optimizer(self) -> torch.optim.Optimizer:
        """The generator's kind of optimizer and weight decay, at the discriminator's learning rate."""
        optimizer_class, options = self.get_optimizer_cls_and_kwargs(self.args, self.discriminator)
        options = {**options, "lr": self.adversarial.discriminator_learning_rate}
        decayed = set(self.get_decay_parameter_names(self.discriminator))
        groups: list[dict[str, Any]] = [
            {"params": [], "weight_decay": self.args.weight_decay},
            {"params": [], "weight_decay": 0.0},
        ]
        for name, parameter in self.discriminator.named_parameters():
            groups[0 if name in decayed else 1]["params"].append(parameter)
        return optimizer_class(groups, **options)

    def _mirror_checkpointing(self) -> None:
        """Recomputes activations of the discriminator where the generator's are."""
        if any(layer.gradient_checkpointing for layer in self.model.model.layers):
            self.discriminator.recompute_activations()

    # One step

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], Any]:
        """The batches of one step, each with the positions whose predictions are judged."""
        batches, num_items = super().get_batch_samples(epoch_iterator, num_batches, device)
        totals = torch.zeros(2, device=device)
        first_row = 0
        for batch in batches:
            is_target = self._judged_targets(batch)
            positions, weights = sample_positions(
                is_target[:, 1:],
                self.adversarial.num_samples,
                (self.args.seed, self.state.global_step, self.args.process_index),
                first_row,
            )
            batch["candidate_positions"], batch["candidate_weights"] = positions, weights
            batch["real_weights"] = is_target.float()
            totals += torch.stack((weights.sum(), is_target.sum())).to(device)
            first_row += len(positions)
        if batches and self.accelerator.num_processes > 1:
            # Gradients are averaged over processes.
            totals = self.accelerator.reduce(totals, "mean")
        self._totals = totals
        return batches, num_items

    def _judged_targets(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Bool `[B, T]`: patches that are targets of the reconstruction and follow a patch."""
        if "input_ids" in batch or "pixel_values" not in batch or "labels" not in batch:
            raise ValueError(
                f"a batch of stage 2 holds pixel_values and labels, and no tokens; this one has {sorted(batch)}."
            )
        labels = batch["labels"]
        if labels.shape[1] < 2:
            raise ValueError("strips of one patch have nothing to predict; collate longer texts.")
        mask = batch.get("attention_mask")
        attended = torch.ones_like(labels) if mask is None else mask.to(labels.device)
        return (real_weights(attended) != 0) & (labels != IGNORED_LABEL)

    def training_step(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """One batch: backward of both halves; at the end of an accumulated step, the discriminator's update.

        The generator's update is Trainer's own. The discriminator's graph never meets the generator's: predicted
        patches enter it as a leaf, and their gradient goes on into the generator. So the generator's backward pass
        leaves the discriminator without gradients, and one pass of the discriminator serves both objectives.

        Returns:
            The generator's objective, a scalar.
        """
        model.train()
        inputs = self._prepare_inputs(dict(inputs))
        positions, weights, real = (
            inputs.pop(name) for name in ("candidate_positions", "candidate_weights", "real_weights")
        )
        with self.compute_loss_context_manager():
            reconstruction, outputs = self.compute_loss(
                model,
                {**inputs, "skip_logits": False},
                return_outputs=True,
                num_items_in_batch=num_items_in_batch,
            )
        if not (self.model_accepts_loss_kwargs and num_items_in_batch is not None):
            reconstruction = reconstruction / self.current_gradient_accumulation_steps
        head = self.model.patch_head
        predicted = head.to_pixels(
            select_positions(outputs["patch_logits"], positions), SOFT_SAMPLERS[self.model.config.patch_head]
        )
        leaf = predicted.detach().requires_grad_()
        adversarial, gradient = self._judge(inputs, leaf, positions, weights, real)
        # Its value means nothing; its gradient is that of the adversarial loss.
        carrier = (predicted * gradient).sum()
        self._measure(reconstruction, carrier)
        weight = self._adversarial_weight()
        self.accelerator.backward(reconstruction + weight * carrier)
        self._record(reconstruction_loss=reconstruction, adversarial_loss=adversarial)
        if self.accelerator.sync_gradients:
            self._finish_step(model, weight)
        return (reconstruction + weight * adversarial).detach()

    def _judge(
        self,
        inputs: dict[str, torch.Tensor],
        predicted: torch.Tensor,
        positions: torch.Tensor,
        weights: torch.Tensor,
        real: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The discriminator's backward pass; and the adversarial loss of predicted patches `[B, N, P]`, a scalar, with
        its gradient of their shape.
        """
        discriminator = self._prepared_discriminator
        discriminator.train()
        candidate_total, real_total = self._totals
        # Trainer holds back only the generator's exchange of gradients between accumulated batches.
        synchronised = (
            contextlib.nullcontext()
            if self.accelerator.sync_gradients
            else self.accelerator.no_sync(model=discriminator)
        )
        with synchronised:
            verdicts = discriminator(
                inputs["pixel_values"], predicted, positions, inputs.get("attention_mask")
            )
            adversarial, _ = judgement_loss(verdicts["candidate_logits"], True, weights, candidate_total)
            (gradient,) = torch.autograd.grad(adversarial, predicted, retain_graph=True)
            fake_loss, fake_accuracy = judgement_loss(
                verdicts["candidate_logits"], False, weights, candidate_total
            )
            real_loss, real_accuracy = judgement_loss(verdicts["real_logits"], True, real, real_total)
            loss = (real_loss + fake_loss) / 2
            self.accelerator.backward(loss)
        self._record(
            discriminator_loss=loss,
            discriminator_real_accuracy=real_accuracy,
            discriminator_fake_accuracy=fake_accuracy,
        )
        return adversarial.detach(), gradient

    def _measure(self, reconstruction: torch.Tensor, carrier: torch.Tensor) -> None:
        """Adds up the gradients of both objectives at the output layer, over the accumulated batches."""
        weight = self.model.patch_head.projection.weight
        gradients = [
            torch.autograd.grad(objective, weight, retain_graph=True)[0]
            for objective in (reconstruction, carrier)
        ]
        if self._output_gradients:
            gradients = [sum_ + new for sum_, new in zip(self._output_gradients, gradients, strict=True)]
        self._output_gradients = gradients

    def _adversarial_weight(self) -> torch.Tensor:
        """Factor of the adversarial loss, a scalar; 0 before anything was measured."""
        if self._gradient_ratio is None:
            return torch.zeros((), device=self.args.device)
        warmup = self.adversarial.ratio_warmup_steps
        progress = min(1.0, self.state.global_step / warmup) if warmup else 1.0
        return self.adversarial.gan_ratio * progress * self._gradient_ratio + EPSILON

    def _finish_step(self, model: torch.nn.Module, weight: torch.Tensor) -> None:
        """The quotient of gradients for the next step, and the discriminator's update."""
        is_first = self._gradient_ratio is None
        gradients = torch.stack(self._output_gradients)
        if self.accelerator.num_processes > 1:
            gradients = self.accelerator.reduce(gradients, "mean")
        sizes = gradients.abs().flatten(1).mean(-1)
        self._gradient_ratio = sizes[0] / (sizes[1] + EPSILON)
        self._output_gradients = []
        parameters = list(self._prepared_discriminator.parameters())
        limit = self.args.max_grad_norm if self.args.max_grad_norm > 0 else float("inf")
        norm = self.accelerator.clip_grad_norm_(parameters, limit)
        learning_rate = torch.tensor(self.discriminator_scheduler.get_last_lr()[0])
        if is_first:  # optimizers leave weights without gradients alone
            model.zero_grad()
            self.discriminator_optimizer.zero_grad()
        self.discriminator_optimizer.step()
        self.discriminator_scheduler.step()
        self.discriminator_optimizer.zero_grad()
        self._record(
            adversarial_weight=weight,
            gradient_ratio=self._gradient_ratio,
            discriminator_grad_norm=norm,
            discriminator_learning_rate=learning_rate,
        )
        self._log_steps += 1

    # Logs and checkpoints

    def _record(self, **values: torch.Tensor) -> None:
        for name, value in values.items():
            value = value.detach().float().to(self.args.device)
            self._log_sums[name] = self._log_sums[name] + value if name in self._log_sums else value

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Adds the parts of both objectives to Trainer's logs of training."""
        if "loss" in logs and self._log_steps:
            means = torch.stack(list(self._log_sums.values())) / self._log_steps
            if self.accelerator.num_processes > 1:
                means = self.accelerator.reduce(means, "mean")
            logs.update(zip(self._log_sums, means.tolist(), strict=True))
            self._log_sums, self._log_steps = {}, 0
        super().log(logs, *args, **kwargs)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        super()._save_optimizer_and_scheduler(output_dir)
        if not self.args.should_save:
            return
        folder = Path(output_dir) / DISCRIMINATOR_FOLDER
        self.discriminator.save_pretrained(folder)
        state = {
            "optimizer": self.discriminator_optimizer.state_dict(),
            "scheduler": self.discriminator_scheduler.state_dict(),
            "gradient_ratio": self._gradient_ratio,
        }
        torch.save(state, folder / STATE_FILE)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is None:
            return
        folder = Path(checkpoint) / DISCRIMINATOR_FOLDER
        if not (folder / STATE_FILE).is_file():
            raise ValueError(
                f"{checkpoint} holds no discriminator: resume from a checkpoint of this stage saved without "
                "save_only_model, or begin stage 2 with that folder as the model."
            )
        saved = PatchDiscriminator.from_pretrained(folder).state_dict()
        self.discriminator.load_state_dict(saved)
        state = torch.load(folder / STATE_FILE, map_location=self.args.device, weights_only=True)
        self.discriminator_optimizer.load_state_dict(state["optimizer"])
        self.discriminator_scheduler.load_state_dict(state["scheduler"])
        self._gradient_ratio = state["gradient_ratio"]


def check_generator(model: Any) -> None:
    """Checks that a model can go through the second stage.

    Raises:
        TypeError: for another class.
        ValueError: for a patch head whose outputs are no pixels, or an output layer that is not trained.
    """
    if not isinstance(model, PixelARForCausalLM):
        raise TypeError(f"stage 2 trains a PixelARForCausalLM as it is, not a {type(model).__name__}.")
    head = model.patch_head
    if not isinstance(head, LinearPatchHead) or model.config.patch_head not in SOFT_SAMPLERS:
        raise ValueError(
            f"patch_head={model.config.patch_head!r} predicts no pixels that a discriminator could pass a gradient "
            f"to; stage 2 is for {' and '.join(SOFT_SAMPLERS)}."
        )
    if model.config.norm_pix_loss:
        raise ValueError(
            "norm_pix_loss=True predicts patches without their mean and contrast; nothing to judge."
        )
    if not head.projection.weight.requires_grad:
        raise ValueError("patch_head.projection is frozen, but the adversarial weight is measured there.")


__all__ = [
    "AdversarialArguments",
    "AdversarialTrainer",
    "sample_positions",
]
