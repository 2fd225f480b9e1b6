# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Speed of a step of stage 2: all candidates in one pass against PIXAR's loop over them.

PIXAR's reference implementation (arXiv 2401.03321) judges every sampled patch in a forward pass of its own, over the
cache of the real strip cut back to its prefix, once for the generator and once for the discriminator, and reads the
real strip a third time. Here the same trainer, on the same model, batch and positions, does both in one run:

- one pass: `AdversarialTrainer` as it is;
- loop: the same trainer with the reference's order of passes, written below.

A step is everything: both models forward and backward, clipping and both AdamW updates. The weights are random: they
do not change the time. Both trainers end with the same weights up to rounding, which is checked. Run it on an idle
machine:

    python examples/benchmarks/adversarial.py --require 2.5

It prints milliseconds per step of both and their ratio, and fails if the ratio is below --require.
"""

import argparse
import itertools
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import torch
import transformers
from torch.utils.data import IterableDataset
from transformers import DynamicCache, TrainerCallback, TrainingArguments

from pixel_ar import PixelARConfig, PixelARForCausalLM
from pixel_ar.models.pixel_ar.patching import unpatchify
from pixel_ar.training import AdversarialArguments, AdversarialTrainer
from pixel_ar.training.discriminator import judgement_loss, select_positions


class LoopTrainer(AdversarialTrainer):
    """The reference's way through a step, for full batches without padding or accumulation.

    The generator's objective runs through the discriminator, whose weights get gradients nobody wants; they are thrown
    away, and the discriminator's own objective is computed afresh.
    """

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, torch.Tensor], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Generator: reconstruction and a loop. Discriminator: the real strip, and a second loop."""
        model.train()
        inputs = self._prepare_inputs(dict(inputs))
        positions, _, _ = (
            inputs.pop(name) for name in ("candidate_positions", "candidate_weights", "real_weights")
        )
        discriminator = self._prepared_discriminator.train()
        real = inputs["pixel_values"]
        reconstruction, outputs = self.compute_loss(
            model, {**inputs, "skip_logits": False}, return_outputs=True
        )
        predicted = select_positions(outputs["patch_logits"], positions).sigmoid()
        weights = torch.ones(positions.shape)
        adversarial, _ = judgement_loss(self._loop(real, predicted, positions), True, weights)
        self._measure(reconstruction, adversarial)
        weight = self._adversarial_weight()
        self.accelerator.backward(reconstruction + weight * adversarial)
        discriminator.zero_grad()
        fake_loss, _ = judgement_loss(self._loop(real, predicted.detach(), positions), False, weights)
        verdicts = discriminator(real)["real_logits"][:, 1:]
        real_loss, _ = judgement_loss(verdicts, True, torch.ones(verdicts.shape[:2]))
        self.accelerator.backward((real_loss + fake_loss) / 2)
        self._finish_step(model, weight)
        return (reconstruction + weight * adversarial).detach()

    def _loop(self, real: torch.Tensor, candidates: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Logits `[B, N, 2]`: the strip once for its keys and values, then one forward pass per candidate."""
        discriminator = self.discriminator
        config = discriminator.config
        cache = DynamicCache(config=config)
        discriminator.model(pixel_values=real, past_key_values=cache, use_cache=True)
        logits = []
        # Positions are those of the first row: the reference draws one set per batch.
        for number, position in enumerate(positions[0].tolist()):
            prefix = DynamicCache(config=config)
            for index, layer in enumerate(cache.layers):
                prefix.update(layer.keys[:, :, : position + 1], layer.values[:, :, : position + 1], index)
            strip = unpatchify(
                candidates[:, number : number + 1], discriminator.patch_size, config.num_channels
            )
            states = discriminator.model(pixel_values=strip, past_key_values=prefix, use_cache=True)
            logits.append(discriminator.head(states.last_hidden_state))
        return torch.cat(logits, 1)


class StepTimes(TrainerCallback):
    """Seconds of every step, the optimizers' included."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._start = 0.0

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        """Starts the clock."""
        self._start = time.perf_counter()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        """Stops it."""
        self.seconds.append(time.perf_counter() - self._start)


class OneBatch(IterableDataset):
    """The same row over and over."""

    def __init__(self, row: dict[str, torch.Tensor]) -> None:
        self.row = row

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        return itertools.repeat(self.row)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line; the defaults are the published measurement."""
    parser = argparse.ArgumentParser(description="Speed of stage 2, one pass against a loop.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--hidden-size", type=int, default=768)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--patch-size", type=int, nargs=2, default=(8, 16), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--patches", type=int, default=360)
    parser.add_argument("--samples", type=int, default=30, help="judged patches per strip")
    parser.add_argument("--steps", type=int, default=3, help="timed steps of each; the median counts")
    parser.add_argument("--require", type=float, default=0.0, help="fail below this ratio")
    options = parser.parse_args(arguments)
    if options.samples >= options.patches:
        parser.error("--samples must be below --patches")
    return options


def build_trainer(
    kind: type[AdversarialTrainer], options: argparse.Namespace, folder: str
) -> AdversarialTrainer:
    """A trainer of random weights on one strip, float32; the first step only measures, the second warms up."""
    torch.manual_seed(0)
    config = PixelARConfig(
        hidden_size=options.hidden_size,
        intermediate_size=4 * options.hidden_size,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        patch_size=tuple(options.patch_size),
        max_position_embeddings=options.patches + 1,
        patch_head="bernoulli",
        patch_embedding_bias=False,
    )
    height, width = options.patch_size
    row = {
        "pixel_values": torch.randint(0, 2, (1, height, options.patches * width)).float(),
        "labels": torch.zeros(options.patches, dtype=torch.int64),
    }
    trainer = kind(
        model=PixelARForCausalLM(config),
        args=TrainingArguments(
            output_dir=folder,
            max_steps=options.steps + 2,
            per_device_train_batch_size=1,
            learning_rate=3e-5,
            lr_scheduler_type="constant",
            weight_decay=0.1,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
        ),
        adversarial=AdversarialArguments(num_samples=options.samples, ratio_warmup_steps=2),
        train_dataset=OneBatch(row),
    )
    trainer.add_callback(StepTimes())
    return trainer


def median_milliseconds(trainer: AdversarialTrainer) -> float:
    """Trains, and the median time of the steps after the first two."""
    trainer.train()
    times = next(each for each in trainer.callback_handler.callbacks if isinstance(each, StepTimes))
    return 1e3 * statistics.median(times.seconds[2:])


def largest_difference(first: AdversarialTrainer, second: AdversarialTrainer) -> float:
    """The largest mean difference of a weight matrix of either half, in learning rates."""
    pairs = [
        (ours, theirs)
        for one, other in ((first.model, second.model), (first.discriminator, second.discriminator))
        for ours, theirs in zip(one.parameters(), other.parameters(), strict=True)
    ]
    rate = first.args.learning_rate
    return max((ours - theirs).abs().mean().item() for ours, theirs in pairs) / rate


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints; the exit code says whether the ratio is high enough."""
    options = parse_arguments(arguments)
    torch.set_num_threads(options.threads)
    height, width = options.patch_size
    print(
        f"{options.layers} layers x {options.hidden_size}, 1 x {options.patches} patches {height}x{width}, "
        f"{options.samples} samples, float32, {options.threads} threads, {platform.machine()}, "
        f"torch {torch.__version__}, transformers {transformers.__version__}"
    )
    with tempfile.TemporaryDirectory() as folder:
        one_pass = build_trainer(AdversarialTrainer, options, folder)
        fast = median_milliseconds(one_pass)
        loop = build_trainer(LoopTrainer, options, folder)
        slow = median_milliseconds(loop)
    print(f"one pass: {fast:.0f} ms/step (median of {options.steps})")
    print(f"loop: {slow:.0f} ms/step")
    print(f"ratio: {slow / fast:.2f}x")
    gap = largest_difference(one_pass, loop)
    print(f"largest mean difference of a weight matrix afterwards: {gap:.1e} learning rates")
    if gap > 0.01:
        print("the two trainers do not compute the same", file=sys.stderr)
        return 1
    if slow / fast < options.require:
        print(f"the ratio is below {options.require:g}x", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
