#!/usr/bin/env python
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Trains a model that tells the language of a text from its pixels, through typos, look-alikes and damage.

The embedded checkpoint pixel-ar-language (its card names the text and has the figures), from jsonl files with `text`,
`language` and perhaps `source`; 25 minutes of one core:

    python examples/train_language.py --train_data en_train.jsonl.gz,multi_train.jsonl.gz \
        --validation_data en_validation.jsonl.gz,multi_validation.jsonl.gz --output_dir runs/language
    python examples/export_checkpoint.py runs/language FOLDER --card model_cards/pixel-ar-language.md

`--resume_from_checkpoint True` goes on with an interrupted run. `benchmarks/language.py` measures the model beside
others.
"""

import json
import random
import statistics
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from damage import CONDITIONS, turn_pixels
from language_data import LanguagePieces, held_out_pieces, read_languages
from options import NO_STEP_LIMIT, checkpoint_to_resume, laid_out, parse_options
from transformers import TrainingArguments, set_seed

import pixel_ar
from pixel_ar.training import (
    FiniteLossTrainer,
    MarkCheckpoints,
    MuonAdamW,
    TimeBudget,
    muon_groups,
    resume,
)
from pixel_ar.training.batches import patch_lengths

DEFAULTS = {
    "per_device_train_batch_size": 64,
    "learning_rate": 1e-3,
    "weight_decay": 0.1,
    "warmup_steps": 100,
    "logging_steps": 50,
    "save_steps": 500,
    "save_total_limit": 2,
    "seed": 1,
}


@dataclass
class LanguageArguments:
    """What is learned from what, and how large the model is."""

    train_data: str = field(default="", metadata={"help": "jsonl files with text and language, by commas."})
    validation_data: str = field(default="", metadata={"help": "Held-out files, by commas."})
    collection_characters: int = field(
        default=8_000_000, metadata={"help": "Characters read of a collection at most."}
    )
    train_minutes: float = field(default=25, metadata={"help": "Minutes of training."})
    train_clock: str = field(default="processor", metadata={"help": "Of --train_minutes: wall or processor."})
    decay_share: float = field(default=0.4, metadata={"help": "Last share of the time: the rates fall."})
    muon_learning_rate: float = field(default=0.02, metadata={"help": "Of the decoder's matrices."})
    damage: bool = field(default=True, metadata={"help": "Damage half of the pieces, texts and pixels."})
    strategy: str = field(default="word_pieces", metadata={"help": "How text is laid out in patches."})
    patch_width: int = field(default=64, metadata={"help": "Columns; a letter has 8, an ideograph 16."})
    config_overrides: str = field(default="{}", metadata={"help": "JSON object of PixelARConfig fields."})
    validation_pieces: int = field(default=40, metadata={"help": "Of each language and length, at the end."})


class StripCollator:
    """Pieces of [`LanguagePieces`] as a batch, the strips damaged as their rows say.

    A batch is as long as half of its rows need, and longer rows are cut: languages differ in the characters that a
    patch holds, and a third of a batch would be padding.

    Args:
        processor: draws.
    """

    def __init__(self, processor: pixel_ar.PixelProcessor) -> None:
        self.processor = processor

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """`pixel_values` `[B, 1, H, W]`, `attention_mask` `[B, T]` and `labels` `[B]`; pixels depend on texts alone."""
        texts = [row["text"] for row in rows]
        limit = int(statistics.median(patch_lengths(self.processor, texts)))
        batch = self.processor(text=texts, max_patches=limit, truncation=True, return_tensors="pt")
        pixels, mask = batch["pixel_values"], batch["attention_mask"]
        flips = [row["flips"] for row in rows]
        if any(flips):
            pixels = turn_pixels(pixels, flips, mask, zlib.crc32("".join(texts).encode()))
        labels = torch.tensor([row["label"] for row in rows])
        return {"pixel_values": pixels, "attention_mask": mask, "labels": labels}


def prefix_loss(
    score: torch.nn.Module, states: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross entropy of every beginning of a text, not only of the whole of it.

    The states of a causal decoder are those of the beginnings, too: the mean over the first t of them is what the model
    pools of a text that ends there, but for the EOS patch. One pass so gives as many lessons as a row has positions.

    Args:
        score: classifies a pooled state.
        states: `[B, T, D]`.
        mask: `[B, T]`, 0 = padding, on the right.
        labels: `[B]`.

    Returns:
        The mean over the positions of a row, then over rows, and the logits `[B, T, N]`.
    """
    counts = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    logits = score(states.cumsum(1) / counts[:, None])
    losses = F.cross_entropy(
        logits.transpose(1, 2).float(), labels[:, None].expand_as(mask), reduction="none"
    )
    return ((losses * mask).sum(1) / mask.sum(1)).mean(), logits


class PrefixTrainer(FiniteLossTrainer):
    """Trains with [`prefix_loss`]."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **kwargs: Any
    ) -> Any:
        """The loss of a batch of [`StripCollator`]."""
        inner = self.accelerator.unwrap_model(model)
        mask = inputs["attention_mask"]
        states = inner.model(inputs["pixel_values"], attention_mask=mask).last_hidden_state
        loss, logits = prefix_loss(inner.score, states, mask, inputs["labels"])
        return (loss, {"logits": logits}) if return_outputs else loss


def build(
    options: LanguageArguments, languages: Sequence[str]
) -> tuple[pixel_ar.PixelARForSequenceClassification, pixel_ar.PixelProcessor]:
    """A new model of 2.4 million parameters and its processor."""
    processor = pixel_ar.PixelProcessor.from_preset(
        "unifont-16",
        patch_size=(16, options.patch_width),
        strategy=options.strategy,
        newline="symbol",
        missing="hexbox",
        unsupported="cells",
        model_max_patches=512,
    )
    settings = {
        "patch_size": processor.patch_size,
        "hidden_size": 192,
        "intermediate_size": 512,
        "num_hidden_layers": 4,
        "num_attention_heads": 3,
        "max_position_embeddings": 512,
        "patch_embedding_hidden_size": 512,
        "initializer_range": 0.06,
        "pixel_mean": 0.9,
        "pixel_std": 0.3,
        "classifier_pooling": "mean",
        "classifier_bias": True,
        "use_cache": False,
        "num_labels": len(languages),
        "id2label": dict(enumerate(languages)),
        "label2id": {language: index for index, language in enumerate(languages)},
        "problem_type": "single_label_classification",
    }
    config = pixel_ar.PixelARConfig(**{**settings, **json.loads(options.config_overrides)})
    return pixel_ar.PixelARForSequenceClassification(config), processor


@torch.no_grad()
def predict(
    model: pixel_ar.PixelARForSequenceClassification,
    processor: pixel_ar.PixelProcessor,
    texts: Sequence[str],
    flips: float = 0.0,
    batch_size: int = 64,
) -> list[str]:
    """The likeliest language of each text, a share of whose pixels is turned."""
    model.eval()
    found: list[str] = [""] * len(texts)
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    for start in range(0, len(order), batch_size):
        part = order[start : start + batch_size]
        batch = processor(text=[texts[index] for index in part], return_tensors="pt")
        pixels = batch["pixel_values"]
        if flips:
            pixels = turn_pixels(pixels, [flips] * len(part), batch["attention_mask"], start)
        logits = model(pixels.to(model.device), batch["attention_mask"].to(model.device)).logits
        for index, label in zip(part, logits.argmax(-1).tolist(), strict=True):
            found[index] = model.config.id2label[label]
    return found


def report(
    model: pixel_ar.PixelARForSequenceClassification,
    processor: pixel_ar.PixelProcessor,
    texts: dict[str, dict[str, list[str]]],
    most: int,
) -> list[str]:
    """Accuracy on held-out pieces, one line for each length and damage."""

    lines = []
    for length in (200, 20):
        pieces = held_out_pieces(texts, length, most)
        for name, damage in CONDITIONS.items():
            generator = random.Random(0)
            damaged = [damage.of_text(text, generator) for text, _ in pieces]
            found = predict(model, processor, damaged, damage.flips)
            right = sum(a == b for a, (_, b) in zip(found, pieces, strict=True))
            lines.append(f"{length} characters, {name}: {100 * right / len(pieces):.2f} % of {len(pieces)}")
    return lines


def main(words: Sequence[str] | None = None) -> None:
    """Trains, saves and measures."""
    words = [*laid_out(DEFAULTS), *(sys.argv[1:] if words is None else words)]
    options, training = parse_options((LanguageArguments, TrainingArguments), words)
    if not options.train_data:
        raise SystemExit("name texts with --train_data: jsonl files with text and language")
    set_seed(training.seed)
    training.remove_unused_columns = False  # the columns are texts, which only the collator understands
    training.train_sampling_strategy = "sequential"  # the pieces are random already
    if training.max_steps < 0:
        training.max_steps = NO_STEP_LIMIT
    pieces = LanguagePieces(
        read_languages(options.train_data.split(","), options.collection_characters),
        training.per_device_train_batch_size,
        training.seed,
        damage=options.damage,
    )
    model, processor = build(options, pieces.languages)
    trainer = PrefixTrainer(
        model=model,
        args=training,
        train_dataset=pieces,
        data_collator=StripCollator(processor),
        processing_class=processor,
        callbacks=[MarkCheckpoints()],
    )
    trainer.optimizer = MuonAdamW(
        muon_groups(
            model, options.muon_learning_rate, training.learning_rate, weight_decay=training.weight_decay
        )
    )
    TimeBudget(
        options.train_minutes, int(training.warmup_steps), options.train_clock, options.decay_share
    ).install(trainer)
    output = resume(trainer, checkpoint_to_resume(training))
    trainer.save_model()
    trainer.save_state()
    lines = [f"{sum(p.numel() for p in model.parameters()):,} parameters, {output.global_step} steps"]
    if options.validation_data:
        texts = read_languages(options.validation_data.split(","))
        lines += report(model, processor, texts, options.validation_pieces)
    Path(training.output_dir, "results.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
