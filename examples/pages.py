#!/usr/bin/env python
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Trains a page model on forms that are laid out on the way: pages in, JSON or an answer out.

Half of the pages are to be parsed to JSON, half carry a question in a line above the form. Values are random, those of
the evaluation unseen; `--to_pixels blank` is the baseline that cannot look, `--dense_reading_weight 0` leaves out the
loss that asks each patch which characters it shows, `--architecture prefix` reads the page in the decoder itself:

    python examples/pages.py --output_dir runs/pages --train_minutes 40

Every option of TrainingArguments works. Figures go to OUTPUT_DIR/scores.json, some pages to
OUTPUT_DIR/pages.png.
"""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from options import laid_out, parse_options, plain_errors
from PIL import Image
from transformers import ByT5Tokenizer, Trainer, TrainingArguments, set_seed

from pixel_ar import (
    PixelARConfig,
    PixelARForCausalLM,
    PixelPageConfig,
    PixelPageForConditionalGeneration,
    PixelProcessor,
)
from pixel_ar.training import FormPages, PageCollator, PagePrefixCollator, TimeBudget, score_pages

DEFAULTS = {
    "learning_rate": 2e-3,
    "per_device_train_batch_size": 32,
    "adam_beta2": 0.98,
    "max_grad_norm": 1.0,
    "logging_steps": 100,
    "save_strategy": "no",
    "max_steps": 1_000_000,
}


@dataclass
class PageArguments:
    """Pages, model and time."""

    train_minutes: float = field(default=10.0, metadata={"help": "Time of training."})
    train_clock: str = field(default="processor", metadata={"help": "processor or wall."})
    warmup: int = field(default=100, metadata={"help": "Steps until the full learning rate."})
    architecture: str = field(
        default="encoder",
        metadata={"help": "encoder (and decoder, as Pix2Struct), or prefix: one decoder for all."},
    )
    prefix_attention: str = field(default="bidirectional", metadata={"help": "Of prefix: or causal."})
    hidden_size: int = field(default=96, metadata={"help": "Width of the model; heads are 24 wide."})
    layers: int = field(default=2, metadata={"help": "Layers of the encoder, and of the decoder."})
    patch_width: int = field(
        default=10, metadata={"help": "Columns of a patch; its rows are those of a glyph."}
    )
    values: int = field(default=3, metadata={"help": "Characters of a value."})
    aligned: bool = field(default=False, metadata={"help": "Texts begin at borders of patches."})
    dense_reading_weight: float = field(
        default=1.0, metadata={"help": "Factor of the reading loss; 0 for none."}
    )
    to_pixels: str = field(default="shown", metadata={"help": "shown, or blank for the baseline."})
    evaluation_pages: int = field(default=500, metadata={"help": "Unseen pages at the end."})


def build(arguments: PageArguments) -> tuple[Any, PixelProcessor, PageCollator]:
    """Model, processor and collator."""
    if arguments.architecture not in ("encoder", "prefix"):
        raise ValueError(f"--architecture must be encoder or prefix, got {arguments.architecture!r}.")
    processor = PixelProcessor(page_patch_size=(8, arguments.patch_width), page_max_patches=512)
    tokenizer = ByT5Tokenizer(extra_ids=0)
    slots = -(-arguments.patch_width // 5) if arguments.dense_reading_weight > 0 else 0
    to_pixels = np.ones_like if arguments.to_pixels == "blank" else None
    if arguments.architecture == "prefix":
        one = PixelARConfig(
            patch_size=(8, arguments.patch_width),
            hidden_size=arguments.hidden_size,
            intermediate_size=2 * arguments.hidden_size,
            num_attention_heads=arguments.hidden_size // 24,
            num_hidden_layers=2 * arguments.layers,
            vocab_size=len(tokenizer),
            bos_token_id=tokenizer.eos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            patch_head="bernoulli",
            page_positions=(32, 32),
            prefix_attention=arguments.prefix_attention,
            reading_slots=slots,
            dense_reading_weight=arguments.dense_reading_weight,
        )
        collator = PagePrefixCollator(processor, tokenizer, tokenizer.eos_token_id, slots, to_pixels)
        return PixelARForCausalLM(one), processor, collator
    sizes = {
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in {
            "layers": arguments.layers,
            "attention_heads": arguments.hidden_size // 24,
            "head_dim": 24,
            "intermediate_size": 2 * arguments.hidden_size,
        }.items()
    }
    config = PixelPageConfig(
        patch_size=(8, arguments.patch_width),
        num_channels=1,
        max_grid_size=32,
        hidden_size=arguments.hidden_size,
        vocab_size=len(tokenizer),
        reading_slots=slots,
        dense_reading_weight=arguments.dense_reading_weight,
        decoder_dropout=0.0,
        **sizes,
    )
    collator = PageCollator(processor, tokenizer, reading_slots=slots, to_pixels=to_pixels)
    return PixelPageForConditionalGeneration(config), processor, collator


@torch.no_grad()
def answer(model: Any, collator: PageCollator, pages: list) -> tuple[list[str], float]:
    """What the model writes about pages, and the share of characters that its reading head gets right."""
    answers, right, asked = [], 0, 0
    for first in range(0, len(pages), 50):
        batch = {name: value.to(model.device) for name, value in collator(pages[first : first + 50]).items()}
        reading = batch.pop("reading_targets", None)
        length = batch.pop("labels").shape[1] + 2
        if "page_values" in batch:
            batch = {"page_values": batch["page_values"]}
            ids = model.generate(**batch, output_modality="token", max_new_tokens=length)
        else:
            ids = model.generate(**batch, max_new_tokens=length)
        answers += collator.tokenizer.batch_decode(ids, skip_special_tokens=True)
        if reading is not None and model.reading_head is not None:
            is_prefix = "page_values" in batch
            states = model.model(**batch).page_hidden_state if is_prefix else model.encoder(**batch)[0]
            guess = model.reading_head(states).unflatten(-1, (reading.shape[-1], -1)).argmax(-1)
            is_asked = reading > 0
            right, asked = right + int((guess == reading)[is_asked].sum()), asked + int(is_asked.sum())
    return answers, right / max(asked, 1)


def draw(pages: list, path: Path, scale: int = 3) -> None:
    """Writes some pages below each other."""
    sheet = np.concatenate([np.pad(page.pixels, 2, constant_values=128) for page in pages])
    image = Image.fromarray(sheet)
    image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST).save(path)


def main() -> None:
    """Trains, evaluates and saves."""
    arguments, training = parse_options((PageArguments, TrainingArguments), laid_out(DEFAULTS) + sys.argv[1:])
    training.remove_unused_columns = False
    set_seed(training.seed)
    with plain_errors():
        model, processor, collator = build(arguments)
        jitter = (8, arguments.patch_width) if arguments.aligned else (1, 1)
        options = {
            "value_length": (arguments.values, arguments.values),
            "jitter": jitter,
            "seed": training.seed,
        }
        pages = FormPages(processor.renderer, **options)
        budget = TimeBudget(arguments.train_minutes, arguments.warmup, arguments.train_clock)
        trainer = Trainer(model, training, data_collator=collator, train_dataset=pages)
        budget.install(trainer)
    trainer.train()
    held_out = FormPages(processor.renderer, arguments.evaluation_pages, first=len(pages), **options)
    unseen = [held_out[index] for index in range(len(held_out))]
    answers, reading = answer(model.eval(), collator, unseen)
    scores = {**score_pages(answers, unseen), "reading_accuracy": reading, "steps": trainer.state.global_step}
    folder = Path(training.output_dir)
    trainer.save_model(str(folder))
    processor.replace(tokenizer=collator.tokenizer).save_pretrained(folder)
    (folder / "scores.json").write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
    draw(unseen[:6], folder / "pages.png")
    for text, page in list(zip(answers, unseen, strict=True))[:6]:
        print(f"{page.target!r} <- {text!r}")
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
