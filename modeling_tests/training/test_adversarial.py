# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Stage 2: a step is what the formulas say, however it is batched, padded, interrupted or computed."""

import itertools
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tools.distributed import leave
from tools.finetuning import RECOMPUTATION
from tools.tiny import BACKBONE
from torch.utils.data import IterableDataset
from transformers import TrainingArguments

from pixel_ar import PixelARConfig, PixelARForCausalLM
from pixel_ar.models.pixel_ar.patching import patchify
from pixel_ar.training import AdversarialArguments, AdversarialTrainer, PatchDiscriminator
from pixel_ar.training.adversarial import sample_positions
from pixel_ar.training.discriminator import select_positions

PATCH = (8, 4)
NUM_PATCHES = 10
LOGGED = {
    "reconstruction_loss",
    "adversarial_loss",
    "adversarial_weight",
    "gradient_ratio",
    "discriminator_loss",
    "discriminator_real_accuracy",
    "discriminator_fake_accuracy",
    "discriminator_grad_norm",
    "discriminator_learning_rate",
}


def build_model(**overrides: object) -> PixelARForCausalLM:
    torch.manual_seed(0)
    options = {
        **BACKBONE,
        "patch_size": PATCH,
        "patch_head": "bernoulli",
        "initializer_range": 0.1,
    }
    return PixelARForCausalLM(PixelARConfig(**{**options, **overrides}))


def build_rows(lengths: list[int], padding: int = 0) -> list[dict[str, torch.Tensor]]:
    """Strips of random ink, each with so many patches, white and unlabelled up to a common width."""
    generator = torch.Generator().manual_seed(1)
    rows = []
    for length in lengths:
        pixels = torch.randint(0, 2, (1, 8, 4 * NUM_PATCHES), generator=generator).float()
        pixels[..., 4 * length :] = 1
        mask = (torch.arange(NUM_PATCHES + padding) < length).to(torch.int64)
        rows.append(
            {
                "pixel_values": F.pad(pixels, (0, 4 * padding), value=1.0),
                "attention_mask": mask,
                "labels": torch.where(mask == 1, 0, -100),
            }
        )
    return rows


LENGTHS = [10, 4, 9, 2, 7, 10, 10, 6] * 2


class InOrder(IterableDataset):
    """Rows again and again, never shuffled."""

    def __init__(self, rows: list[dict[str, torch.Tensor]]) -> None:
        self.rows = rows

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        return itertools.cycle(self.rows)


def build_trainer(
    folder: Path,
    rows: list[dict[str, torch.Tensor]] | None = None,
    model: PixelARForCausalLM | None = None,
    kind: Callable[..., AdversarialTrainer] = AdversarialTrainer,
    discriminator: PatchDiscriminator | None = None,
    **options: Any,
) -> AdversarialTrainer:
    defaults = {
        "max_steps": 4,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-3,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "prediction_loss_only": True,
    }
    return kind(
        model=model or build_model(),
        args=TrainingArguments(output_dir=str(folder), **{**defaults, **options}),
        adversarial=AdversarialArguments(
            gan_ratio=0.5, num_samples=5, ratio_warmup_steps=2, discriminator_learning_rate=1e-2
        ),
        discriminator=discriminator,
        train_dataset=InOrder(rows or build_rows(LENGTHS)),
        eval_dataset=build_rows(LENGTHS[:4]),
    )


def logs(trainer: AdversarialTrainer) -> list[dict[str, float]]:
    """The entries of training, without what a clock measures."""
    return [entry for entry in trainer.state.log_history if "loss" in entry]


def distance(first: torch.nn.Module, second: torch.nn.Module) -> float:
    """The largest difference of a weight."""
    theirs = second.state_dict()
    return max((weight - theirs[name]).abs().max().item() for name, weight in first.state_dict().items())


class PlainSteps:
    """The two objectives written out: full graph through the discriminator, one backward pass each, plain SGD."""

    def __init__(self, trainer: AdversarialTrainer, rows: list[dict[str, torch.Tensor]]) -> None:
        self.settings = trainer.adversarial
        self.generator = build_model()
        self.discriminator = PatchDiscriminator.from_generator(self.generator)
        self.discriminator.load_state_dict(trainer.discriminator.state_dict())
        self.seed = trainer.args.seed
        self.batch = {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
        self.ratio: float | None = None

    def losses(self, step: int) -> tuple[torch.Tensor, ...]:
        """Reconstruction, adversarial and discriminator loss."""
        pixels, mask = self.batch["pixel_values"], self.batch["attention_mask"]
        out = self.generator(**self.batch, skip_logits=False)
        positions, weights = sample_positions(
            mask[:, 1:] == 1, self.settings.num_samples, (self.seed, step, 0)
        )
        fake = select_positions(out.patch_logits.sigmoid(), positions)
        judged = self.discriminator(pixels, fake, positions, mask).candidate_logits
        adversarial = (
            F.cross_entropy(judged.mT, torch.ones_like(positions), reduction="none") * weights
        ).sum()
        judged = self.discriminator(pixels, fake.detach(), positions, mask).candidate_logits
        fakes = (F.cross_entropy(judged.mT, torch.zeros_like(positions), reduction="none") * weights).sum()
        # The first patch is never predicted, so it is not judged.
        real = self.discriminator(pixels).real_logits[:, 1:]
        nats = F.cross_entropy(real.mT, torch.ones(real.shape[:2], dtype=torch.int64), reduction="none")
        real_loss = (nats * mask[:, 1:]).sum() / mask[:, 1:].sum()
        return out.loss, adversarial / weights.sum(), (real_loss + fakes / weights.sum()) / 2

    def step(self, number: int, learning_rate: float) -> None:
        """One update of both, none in the first."""
        reconstruction, adversarial, judging = self.losses(number)
        output = self.generator.patch_head.projection.weight
        sizes = [
            torch.autograd.grad(loss, output, retain_graph=True)[0].abs().mean()
            for loss in (reconstruction, adversarial)
        ]
        if self.ratio is not None:
            warm = min(1.0, number / self.settings.ratio_warmup_steps)
            weight = self.settings.gan_ratio * warm * self.ratio + 1e-8
            mine, theirs = list(self.generator.parameters()), list(self.discriminator.parameters())
            mine_gradients = torch.autograd.grad(
                reconstruction + weight * adversarial, mine, retain_graph=True
            )
            their_gradients = torch.autograd.grad(judging, theirs)
            with torch.no_grad():
                for parameter, gradient in zip(mine, mine_gradients, strict=True):
                    parameter -= learning_rate * gradient
                for parameter, gradient in zip(theirs, their_gradients, strict=True):
                    parameter -= self.settings.discriminator_learning_rate * gradient
        self.ratio = (sizes[0] / (sizes[1] + 1e-8)).item()


@pytest.mark.parametrize("options", [{}, {RECOMPUTATION: True}], ids=["", "recomputed"])
def test_steps_are_what_the_formulas_say(tmp_path: Path, options: dict[str, Any]) -> None:
    rows = build_rows([10, 4, 9, 2])
    trainer = build_trainer(
        tmp_path,
        rows,
        optim="sgd",
        learning_rate=0.1,
        lr_scheduler_type="constant",
        max_grad_norm=0.0,
        **options,
    )
    plain = PlainSteps(trainer, rows)
    trainer.train()
    for number in range(4):
        plain.step(number, 0.1)
    untrained = build_model()
    assert distance(plain.generator, untrained) > 1e-3
    assert distance(trainer.model, plain.generator) < 1e-6
    assert distance(trainer.discriminator, plain.discriminator) < 1e-6
    assert logs(trainer)[-1]["gradient_ratio"] == pytest.approx(plain.ratio, rel=1e-4)


def test_the_first_step_measures_and_changes_nothing(tmp_path: Path) -> None:
    trainer = build_trainer(tmp_path, max_steps=1)
    before = {name: weight.clone() for name, weight in trainer.discriminator.state_dict().items()}
    trainer.train()
    assert distance(trainer.model, build_model()) == 0
    after = trainer.discriminator.state_dict()
    assert all(torch.equal(after[name], weight) for name, weight in before.items())
    entry = logs(trainer)[0]
    assert entry["adversarial_weight"] == 0
    assert entry["gradient_ratio"] > 0


def test_logs_hold_every_part(tmp_path: Path) -> None:
    trainer = build_trainer(tmp_path, logging_steps=2)
    trainer.train()
    entries = logs(trainer)
    assert len(entries) == 2
    for entry in entries:
        assert set(entry) >= LOGGED
        assert 0 <= entry["discriminator_real_accuracy"] <= 1
        assert 0 <= entry["discriminator_fake_accuracy"] <= 1
    single = build_trainer(tmp_path)
    single.train()
    last = logs(single)[-1]
    total = last["reconstruction_loss"] + last["adversarial_weight"] * last["adversarial_loss"]
    assert last["loss"] == pytest.approx(total, rel=1e-5)
    means = [(logs(single)[2][name] + logs(single)[3][name]) / 2 for name in sorted(LOGGED)]
    assert [entries[1][name] for name in sorted(LOGGED)] == pytest.approx(means, rel=1e-5)
    assert set(trainer.evaluate()) & LOGGED == set()


@pytest.mark.parametrize("reduction", ["sample", "patch"])
def test_accumulated_batches_equal_one_large_batch(tmp_path: Path, reduction: str) -> None:
    same = {"optim": "sgd", "learning_rate": 0.1}
    large = build_trainer(
        tmp_path, model=build_model(patch_loss_reduction=reduction), per_device_train_batch_size=8, **same
    )
    small = build_trainer(
        tmp_path,
        model=build_model(patch_loss_reduction=reduction),
        per_device_train_batch_size=2,
        gradient_accumulation_steps=4,
        **same,
    )
    large.train()
    small.train()
    assert distance(large.model, build_model()) > 1e-3
    assert distance(large.model, small.model) < 1e-6
    assert distance(large.discriminator, small.discriminator) < 1e-6
    for ours, theirs in zip(logs(small), logs(large), strict=True):
        for name in LOGGED:
            assert ours[name] == pytest.approx(theirs[name], rel=1e-4, abs=1e-6)


def test_padding_changes_nothing(tmp_path: Path) -> None:
    same = {"optim": "sgd", "learning_rate": 0.1}
    trainer = build_trainer(tmp_path, **same)
    padded = build_trainer(tmp_path, build_rows(LENGTHS, padding=6), **same)
    trainer.train()
    padded.train()
    assert distance(trainer.model, padded.model) < 1e-6
    assert distance(trainer.discriminator, padded.discriminator) < 1e-6


def test_resume_is_bit_equal(tmp_path: Path) -> None:
    options = {
        "save_strategy": "steps",
        "save_steps": 3,
        "max_steps": 6,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "warmup_steps": 2,
    }
    whole = build_trainer(tmp_path, model=build_model(attention_dropout=0.1), **options)
    whole.train()
    torch.manual_seed(5)  # what happens in between must not matter
    resumed = build_trainer(tmp_path, model=build_model(attention_dropout=0.1), **options)
    with torch.no_grad():
        resumed.discriminator.head.weight.zero_()
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
    assert len(logs(resumed)) == len(logs(whole)) == 6
    for ours, theirs in zip(logs(resumed), logs(whole), strict=True):
        assert {name: ours[name] for name in LOGGED} == {name: theirs[name] for name in LOGGED}
        assert ours["loss"] == theirs["loss"]
    assert distance(resumed.model, whole.model) == 0
    assert distance(resumed.discriminator, whole.discriminator) == 0
    saved = PatchDiscriminator.from_pretrained(tmp_path / "checkpoint-6" / "discriminator")
    assert distance(whole.discriminator, saved) == 0


def test_resume_needs_both_halves(tmp_path: Path) -> None:
    options = {"save_strategy": "steps", "save_steps": 1, "max_steps": 1}
    build_trainer(tmp_path, **options).train()
    (tmp_path / "checkpoint-1" / "discriminator" / "adversarial_state.pt").unlink()
    with pytest.raises(ValueError, match="holds no discriminator"):
        build_trainer(tmp_path, **options).train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))


def test_the_generator_leaves_the_discriminator_without_gradients(tmp_path: Path) -> None:
    class Watching(AdversarialTrainer):
        """Takes the discriminator's gradients away before the generator's backward pass, and looks afterwards."""

        watched = 0

        def _judge(self, *args: Any) -> tuple[torch.Tensor, torch.Tensor]:
            judgement = super()._judge(*args)
            assert all(parameter.grad is not None for parameter in self.discriminator.parameters())
            assert all(parameter.grad is None for parameter in self.model.parameters())
            self.discriminator.zero_grad()
            return judgement

        def _finish_step(self, *args: Any) -> None:
            assert all(parameter.grad is None for parameter in self.discriminator.parameters())
            assert all(parameter.grad is not None for parameter in self.model.parameters())
            self.watched += 1
            super()._finish_step(*args)

    trainer = build_trainer(tmp_path, kind=Watching, max_steps=2)
    trainer.train()
    assert trainer.watched == 2


def run_rank(rank: int, folder: str, port: int) -> None:
    """One of two processes: half of every batch; rank 0 writes what came out."""
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    torch.set_num_threads(1)
    trainer = build_distributed(Path(folder), rows=4)
    trainer.train()
    assert type(trainer._prepared_discriminator).__name__ == "DistributedDataParallel"
    if rank == 0:
        torch.save((trainer.model.state_dict(), trainer.discriminator.state_dict()), f"{folder}/both.pt")
    leave(rank, 2, Path(folder))


def build_distributed(folder: Path, rows: int) -> AdversarialTrainer:
    """A trainer that judges every patch, so that no draw depends on the process."""
    trainer = build_trainer(
        folder,
        optim="sgd",
        learning_rate=0.1,
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=2,
    )
    trainer.adversarial.num_samples = NUM_PATCHES
    return trainer


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    torch.multiprocessing.spawn(run_rank, args=(str(tmp_path), port), nprocs=2)
    generator, discriminator = torch.load(tmp_path / "both.pt", weights_only=True)
    alone = build_distributed(tmp_path / "alone", rows=8)
    alone.train()
    for ours, theirs in ((alone.model, generator), (alone.discriminator, discriminator)):
        gaps = [(weight - theirs[name]).abs().max().item() for name, weight in ours.state_dict().items()]
        assert max(gaps) < 1e-6


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_bf16_stays_near_float32(tmp_path: Path, attention: str) -> None:
    model, other = build_model(), build_model()
    for each in (model, other):
        each.set_attn_implementation(attention)
    trainer = build_trainer(tmp_path, model=model, bf16=True)
    exact = build_trainer(tmp_path, model=other)
    trainer.train()
    exact.train()
    assert next(trainer.model.parameters()).dtype == torch.float32
    assert distance(trainer.model, build_model()) > 1e-3
    for ours, theirs in zip(logs(trainer), logs(exact), strict=True):
        for name in ("reconstruction_loss", "adversarial_loss", "discriminator_loss"):
            assert ours[name] == pytest.approx(theirs[name], rel=0.03)
            assert ours[name] != theirs[name]


def test_both_are_clipped(tmp_path: Path) -> None:
    options = {"max_steps": 2, "optim": "sgd", "learning_rate": 1.0, "lr_scheduler_type": "constant"}
    trainer = build_trainer(tmp_path, max_grad_norm=1e-3, **options)
    before = {name: weight.clone() for name, weight in trainer.discriminator.state_dict().items()}
    trainer.train()
    norms = [
        sum((weight - old[name]).square().sum() for name, weight in new.items()).sqrt().item()
        for new, old in (
            (trainer.model.state_dict(), build_model().state_dict()),
            (trainer.discriminator.state_dict(), before),
        )
    ]
    # One update each, of a gradient of that norm, at the learning rates 1 and 0.01.
    assert norms == pytest.approx([1e-3, 1e-5], rel=1e-2)


def test_a_dual_head_model_on_pixels_alone(tmp_path: Path) -> None:
    trainer = build_trainer(tmp_path, model=build_model(vocab_size=11), max_steps=2)
    tokens = trainer.model.token_head.weight.clone()
    trainer.train()
    assert distance(trainer.model, build_model(vocab_size=11)) > 1e-4
    assert torch.equal(trainer.model.token_head.weight, tokens)
    rows = [{**row, "input_ids": torch.zeros(3, dtype=torch.int64)} for row in build_rows(LENGTHS)]
    with pytest.raises(ValueError, match=r"no tokens; this one has .*input_ids"):
        build_trainer(tmp_path, rows, model=build_model(vocab_size=11)).train()


def test_an_rgb_model_in_a_given_game(tmp_path: Path) -> None:
    model = build_model(patch_head="regression", num_channels=3, regression_output_range="signed")
    discriminator = PatchDiscriminator.from_generator(model)
    rows = build_rows(LENGTHS[:16])
    for row in rows:
        row["pixel_values"] = row["pixel_values"].expand(3, -1, -1)
    trainer = build_trainer(tmp_path, rows, model=model, discriminator=discriminator)
    assert trainer.discriminator is discriminator
    trainer.train()
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


class TestSamplePositions:
    """Which predictions are judged."""

    def test_targets_alone_count_and_none_comes_twice(self) -> None:
        is_target = torch.rand(40, 30, generator=torch.Generator().manual_seed(0)) < 0.5
        is_target[0] = False
        is_target[1] = True
        positions, weights = sample_positions(is_target, 12, (0, 0))
        assert positions.shape == weights.shape == (40, 12)
        assert torch.equal(weights.sum(-1), is_target.sum(-1).clamp(max=12).float())
        assert torch.equal(is_target.gather(1, positions), weights == 1)
        assert all(len(set(row.tolist())) == 12 for row in positions)
        assert weights[0].sum() == 0

    def test_every_position_has_the_same_chance(self) -> None:
        positions, _ = sample_positions(torch.ones(4000, 10, dtype=torch.bool), 3, (7, 1))
        counts = positions.flatten().bincount(minlength=10)
        assert ((counts - 1200).abs() < 6 * 1200**0.5).all()

    def test_a_draw_depends_on_seed_row_and_patches_alone(self) -> None:
        is_target = torch.ones(4, 20, dtype=torch.bool)
        positions, _ = sample_positions(is_target, 5, (0, 3))
        later, _ = sample_positions(is_target[2:], 5, (0, 3), first_row=2)
        padded, _ = sample_positions(F.pad(is_target, (0, 9)), 5, (0, 3))
        assert torch.equal(positions[2:], later)
        assert torch.equal(positions, padded)
        assert not torch.equal(positions, sample_positions(is_target, 5, (0, 4))[0])
        assert len({tuple(row) for row in positions.tolist()}) > 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gan_ratio": -1.0}, "gan_ratio must not be negative, got -1"),
        ({"num_samples": 0}, "num_samples must be at least 1, got 0"),
        ({"ratio_warmup_steps": -5}, "ratio_warmup_steps must not be negative, got -5"),
        ({"discriminator_learning_rate": 0.0}, "must be positive, got 0"),
    ],
)
def test_arguments_are_checked(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        AdversarialArguments(**options)


def test_models_and_modes_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="patch_head='autoregressive' predicts no pixels"):
        build_trainer(tmp_path, model=build_model(patch_head="autoregressive"))
    with pytest.raises(ValueError, match="norm_pix_loss"):
        build_trainer(tmp_path, model=build_model(patch_head="regression", norm_pix_loss=True))
    with pytest.raises(TypeError, match="not a PixelARModel"):
        build_trainer(tmp_path, model=build_model().model)  # type: ignore[arg-type]
    frozen = build_model()
    frozen.patch_head.requires_grad_(False)
    with pytest.raises(ValueError, match="frozen"):
        build_trainer(tmp_path, model=frozen)
    with pytest.raises(ValueError, match="torch_compile"):
        build_trainer(tmp_path, torch_compile=True)
    unlabelled = [{"pixel_values": row["pixel_values"]} for row in build_rows(LENGTHS)]
    with pytest.raises(ValueError, match=r"this one has \['pixel_values'\]"):
        build_trainer(tmp_path, unlabelled).train()


def test_predictions_reach_the_discriminator_as_probabilities(tmp_path: Path) -> None:
    seen: list[torch.Tensor] = []

    class Watching(AdversarialTrainer):
        """Keeps what the discriminator is shown."""

        def _judge(self, inputs: dict[str, torch.Tensor], predicted: torch.Tensor, *rest: Any) -> Any:
            seen.append(predicted.detach())
            return super()._judge(inputs, predicted, *rest)

    rows = build_rows([10, 10, 10, 10])
    trainer = build_trainer(tmp_path, rows, kind=Watching, max_steps=1)
    trainer.train()
    batch = torch.stack([row["pixel_values"] for row in rows])
    expected = build_model()(pixel_values=batch).patch_logits.sigmoid().detach()
    positions, _ = sample_positions(torch.ones(4, 9, dtype=torch.bool), 5, (trainer.args.seed, 0, 0))
    assert torch.allclose(seen[0], select_positions(expected, positions), atol=1e-6)
    assert torch.cdist(seen[0].flatten(0, 1), patchify(batch, PATCH).flatten(0, 1)).min() > 0.5
