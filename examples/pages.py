#!/usr/bin/env python
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Trains a page model on pages that are laid out on the way: pages in, JSON or an answer out.

Half of the forms are to be parsed to JSON, half carry a question in a header. Values are random, those of the
evaluation unseen; `--to_pixels blank` is the baseline that cannot look, `--dense_reading_weight 0` leaves out the loss
that asks each patch which characters it shows, `--architecture prefix` reads the page in the decoder itself, which may
answer in pixels (`--answer pixels`):

    python examples/pages.py --output_dir runs/pages --train_minutes 40

`--task charts` turns bar charts into tables, `--task screenshots --screenshots FOLDER` web pages into HTML
(`data/screenshots.py` makes the folder). `--crossed_out 0.5` hides half of the texts of a form, `--warmup_minutes 5`
lets the model read snippets of `--warmup_data` first, `--model FOLDER` goes on from another run. Every option of
TrainingArguments works. Figures go to OUTPUT_DIR/scores.json, some pages to OUTPUT_DIR/pages.png.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from options import laid_out, load_texts, parse_options, plain_errors
from PIL import Image
from torch.utils.data import Dataset, Subset
from transformers import ByT5Tokenizer, Trainer, TrainingArguments, set_seed

from pixel_ar import (
    PixelARConfig,
    PixelARForCausalLM,
    PixelPageConfig,
    PixelPageForConditionalGeneration,
    PixelProcessor,
)
from pixel_ar.training import (
    ChartPages,
    FormPages,
    PageCollator,
    PagePixelCollator,
    PagePrefixCollator,
    ScreenshotPages,
    SnippetPages,
    TimeBudget,
    TrainingPage,
    score_pages,
)
from pixel_ar.training.pages.forms import Task

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
    answer: str = field(default="tokens", metadata={"help": "Of prefix: tokens or pixels."})
    task: str = field(default="forms", metadata={"help": "forms, charts or screenshots."})
    crossed_out: float = field(
        default=0.0, metadata={"help": "Share of the texts of forms that are crossed out."}
    )
    screenshots: str = field(default="", metadata={"help": "Folder of examples/data/screenshots.py."})
    max_target: int = field(default=512, metadata={"help": "Most characters of the HTML of a screenshot."})
    warmup_minutes: float = field(
        default=0.0, metadata={"help": "Time of reading snippets of texts before that."}
    )
    warmup_data: str = field(
        default=str(Path(__file__).parent / "data" / "sotu_train.jsonl.gz"),
        metadata={"help": "Texts that are read then."},
    )
    model: str = field(default="", metadata={"help": "Folder of a run to go on from; default: a new model."})
    prefix_attention: str = field(default="bidirectional", metadata={"help": "Of prefix: or causal."})
    hidden_size: int = field(default=96, metadata={"help": "Width of the model; heads are 24 wide."})
    layers: int = field(default=2, metadata={"help": "Layers of the encoder, and of the decoder."})
    patch_width: int = field(
        default=10, metadata={"help": "Columns of a patch; its rows are those of a glyph."}
    )
    values: int = field(default=3, metadata={"help": "Characters of a value."})
    aligned: bool = field(default=False, metadata={"help": "Texts begin at borders of patches."})
    question_share: float = field(
        default=0.5,
        metadata={
            "help": "Share of questions among training pages, in quarters; an answer has a tenth of the tokens of a "
            "parse, so they count for little in the loss. Of the unseen pages half are questions."
        },
    )
    dense_reading_weight: float = field(
        default=1.0, metadata={"help": "Factor of the reading loss; 0 for none."}
    )
    to_pixels: str = field(default="shown", metadata={"help": "shown, or blank for the baseline."})
    evaluation_pages: int = field(default=500, metadata={"help": "Unseen pages at the end."})


def build(arguments: PageArguments) -> tuple[Any, PixelProcessor, PageCollator]:
    """Model, processor and collator."""
    kinds = {
        "architecture": ("encoder", "prefix"),
        "answer": ("tokens", "pixels"),
        "task": ("forms", "charts", "screenshots"),
    }
    for name, known in kinds.items():
        if getattr(arguments, name) not in known:
            raise ValueError(f"--{name} must be one of {known}, got {getattr(arguments, name)!r}.")
    is_resized, in_pixels = arguments.task == "screenshots", arguments.answer == "pixels"
    unfit = in_pixels if arguments.architecture == "encoder" else is_resized
    if unfit:
        raise ValueError(
            "--answer pixels needs --architecture prefix, --task screenshots --architecture encoder."
        )
    slots = -(-arguments.patch_width // 5) if arguments.dense_reading_weight > 0 and not is_resized else 0
    to_pixels = np.ones_like if arguments.to_pixels == "blank" else None
    tokenizer = ByT5Tokenizer(extra_ids=0)
    if arguments.architecture == "prefix":
        processor = PixelProcessor(patch_size=(8, arguments.patch_width), page_max_patches=512)
        one = build_prefix_model(arguments, slots, len(tokenizer))
        if in_pixels:
            return one, processor, PagePixelCollator(processor, tokenizer, slots, to_pixels)
        end = int(tokenizer.eos_token_id)
        return one, processor, PagePrefixCollator(processor, tokenizer, end, slots, to_pixels)
    processor = PixelProcessor(page_patch_size=(8, arguments.patch_width), page_max_patches=512)
    channels = 3 if is_resized else 1
    collator = PageCollator(processor, tokenizer, channels, slots, to_pixels, resize=is_resized)
    return build_encoder_model(arguments, slots, len(tokenizer), channels), processor, collator


def build_prefix_model(arguments: PageArguments, slots: int, vocab_size: int) -> Any:
    """One decoder that reads the page and writes."""
    if arguments.model:
        return PixelARForCausalLM.from_pretrained(arguments.model)
    tokenizer = ByT5Tokenizer(extra_ids=0)
    config = PixelARConfig(
        patch_size=(8, arguments.patch_width),
        hidden_size=arguments.hidden_size,
        intermediate_size=2 * arguments.hidden_size,
        num_attention_heads=arguments.hidden_size // 24,
        num_hidden_layers=2 * arguments.layers,
        vocab_size=vocab_size,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        patch_head="autoregressive" if arguments.answer == "pixels" else "bernoulli",
        page_positions=(32, 32),
        prefix_attention=arguments.prefix_attention,
        reading_slots=slots,
        dense_reading_weight=arguments.dense_reading_weight,
    )
    return PixelARForCausalLM(config)


def build_encoder_model(arguments: PageArguments, slots: int, vocab_size: int, channels: int) -> Any:
    """An encoder of the page and a decoder."""
    if arguments.model:
        return PixelPageForConditionalGeneration.from_pretrained(arguments.model)
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
        num_channels=channels,
        max_grid_size=512 if channels == 3 else 32,
        hidden_size=arguments.hidden_size,
        vocab_size=vocab_size,
        reading_slots=slots,
        dense_reading_weight=arguments.dense_reading_weight,
        decoder_dropout=0.0,
        **sizes,
    )
    return PixelPageForConditionalGeneration(config)


def tasks_of(question_share: float) -> list[Task]:
    """Tasks in equal shares of a quarter each."""
    questions = round(4 * question_share)
    if not 0 <= questions <= 4 or questions != 4 * question_share:
        raise ValueError(f"--question_share must be 0, .25, .5, .75 or 1, got {question_share}.")
    return ["question"] * questions + ["parse"] * (4 - questions)


def build_pages(
    arguments: PageArguments, processor: PixelProcessor, seed: int
) -> tuple[Dataset, Sequence[TrainingPage]]:
    """Pages to train on, and unseen ones."""
    count = arguments.evaluation_pages
    if arguments.task == "screenshots":
        whole = ScreenshotPages(
            arguments.screenshots, arguments.max_target, crossed_out=arguments.crossed_out
        )
        if len(whole) <= count:
            raise ValueError(
                f"{len(whole)} pages, of which {count} shall be unseen: shoot more, or keep fewer."
            )
        kept = len(whole) - count
        return Subset(whole, range(kept)), [whole[index] for index in range(kept, len(whole))]
    if arguments.task == "charts":
        charts = ChartPages(processor.renderer, seed=seed)
        return charts, list(ChartPages(processor.renderer, count, seed=seed, first=len(charts)))
    options: dict[str, Any] = {
        "value_length": (arguments.values, arguments.values),
        "jitter": jitter(arguments),
        "seed": seed,
        "crossed_out": arguments.crossed_out,
    }
    forms = FormPages(processor.renderer, tasks=tasks_of(arguments.question_share), **options)
    return forms, list(FormPages(processor.renderer, count, first=len(forms), **options))


def jitter(arguments: PageArguments) -> tuple[int, int]:
    """Rows and columns of whose multiples texts begin at."""
    return (8, arguments.patch_width) if arguments.aligned else (1, 1)


def train(
    model: Any,
    training: TrainingArguments,
    collator: PageCollator,
    pages: Dataset,
    minutes: float,
    clock: str,
    warmup: int,
) -> int:
    """Trains for a time; returns the steps."""
    trainer = Trainer(model, training, data_collator=collator, train_dataset=pages)
    TimeBudget(minutes, warmup, clock).install(trainer)
    trainer.train()
    return int(trainer.state.global_step)


@torch.no_grad()
def answer(model: Any, collator: PageCollator, pages: Sequence[TrainingPage]) -> tuple[list[str], float]:
    """What the model writes about pages, and the share of characters that its reading head gets right."""
    answers, right, asked = [], 0, 0
    for first in range(0, len(pages), 50):
        batch = {name: value.to(model.device) for name, value in collator(pages[first : first + 50]).items()}
        reading = batch.pop("reading_targets", None)
        length = batch.pop("labels").shape[1] + 2
        is_prefix = "page_values" in batch
        if is_prefix:
            batch = {"page_values": batch["page_values"]}
        if isinstance(collator, PagePixelCollator):
            start = collator.blank_patch(len(batch["page_values"])).to(model.device)
            strips = model.generate(start, **batch, output_modality="pixel", max_new_patches=length)
            answers += collator.processor.batch_decode(strips[..., start.shape[-1] :])
        else:
            limits = {"max_new_tokens": length, **({"output_modality": "token"} if is_prefix else {})}
            answers += collator.tokenizer.batch_decode(
                model.generate(**batch, **limits), skip_special_tokens=True
            )
        if reading is not None and model.reading_head is not None:
            states = model.model(**batch).page_hidden_state if is_prefix else model.encoder(**batch)[0]
            guess = model.reading_head(states).unflatten(-1, (reading.shape[-1], -1)).argmax(-1)
            is_asked = reading > 0
            right, asked = right + int((guess == reading)[is_asked].sum()), asked + int(is_asked.sum())
    return answers, right / max(asked, 1)


def draw(pages: Sequence[TrainingPage], path: Path, scale: int = 3) -> None:
    """Writes some pages below each other."""
    edges = [(2, 2), (2, 2)]
    framed = [
        np.pad(page.pixels, [*edges, *[(0, 0)] * (page.pixels.ndim - 2)], constant_values=128)
        for page in pages
    ]
    image = Image.fromarray(np.concatenate(framed))
    image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST).save(path)


def main() -> None:
    """Trains, evaluates and saves."""
    arguments, training = parse_options((PageArguments, TrainingArguments), laid_out(DEFAULTS) + sys.argv[1:])
    training.remove_unused_columns = False
    set_seed(training.seed)
    clock = (arguments.train_clock, arguments.warmup)
    with plain_errors():
        model, processor, collator = build(arguments)
        pages, unseen = build_pages(arguments, processor, training.seed)
        if arguments.warmup_minutes:
            texts = load_texts(arguments.warmup_data, None, "train", streaming=False)["text"]
            snippets = SnippetPages(processor.renderer, texts, jitter=jitter(arguments), seed=training.seed)
            train(model, training, collator, snippets, arguments.warmup_minutes, *clock)
        steps = train(model, training, collator, pages, arguments.train_minutes, *clock)
    answers, reading = answer(model.eval(), collator, unseen)
    scores = {**score_pages(answers, unseen), "reading_accuracy": reading, "steps": steps}
    folder = Path(training.output_dir)
    model.save_pretrained(folder)
    processor.replace(tokenizer=collator.tokenizer).save_pretrained(folder)
    (folder / "scores.json").write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
    draw(unseen[:6], folder / "pages.png")
    for text, page in list(zip(answers, unseen, strict=True))[:6]:
        print(f"{page.target!r} <- {text!r}")
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
