#!/usr/bin/env python
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Pretrains a pixel-autoregressive model on any text data set with the standard Trainer.

Two minutes on the State of the Union addresses that come with the repository:

    python examples/pretrain.py --train_data examples/data/sotu_train.jsonl.gz \
        --validation_data examples/data/sotu_validation.jsonl.gz --output_dir runs/first --max_steps 100

The embedded checkpoint pixel-ar-tiny (its card has the figures):

    python examples/pretrain.py --recipe pixel-ar-tiny --output_dir runs/pixel-ar-tiny

A Hub data set is streamed: `--train_data wikimedia/wikipedia --dataset_config 20231101.en`. Every option of
TrainingArguments works (`--bf16`, `--gradient_accumulation_steps`, `--resume_from_checkpoint`, `--torch_compile`, ...).

On a CPU a caching allocator saves about a quarter of the step time (glibc returns every large tensor to the system):
`LD_PRELOAD=libjemalloc.so.2 MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1 python examples/pretrain.py ...`
"""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, IterableDataset, load_dataset
from transformers import HfArgumentParser, Trainer, TrainingArguments, set_seed

import pixel_ar
from pixel_ar.training import (
    BitsPerCharacterCallback,
    LanguageModelingCollator,
    PackedTextDataset,
    SampleStripsCallback,
    TimeBudget,
)

NO_STEP_LIMIT = 10_000_000
RECIPES = Path(__file__).parent / "recipes"


@dataclass
class ModelArguments:
    """Which model is trained."""

    model: str | None = field(
        default=None, metadata={"help": "Folder or Hub id to go on from; default: a new one."}
    )
    config_overrides: str = field(
        default="{}", metadata={"help": "JSON of PixelARConfig fields of a new model."}
    )
    preset: str = field(default="fixed-8", metadata={"help": "PixelProcessor preset of a new model."})
    attention: str = field(
        default="sdpa", metadata={"help": "Attention kernel; eager is fastest on most CPUs."}
    )


@dataclass
class DataArguments:
    """What it is trained on."""

    train_data: str = field(default="", metadata={"help": "Hub id or local json(l)/csv/txt/parquet file."})
    validation_data: str | None = field(
        default=None, metadata={"help": "Held-out texts, local file or Hub id."}
    )
    dataset_config: str | None = field(
        default=None, metadata={"help": "Configuration name of a Hub data set."}
    )
    text_column: str = field(default="text", metadata={"help": "Column of the text."})
    block_patches: int = field(default=256, metadata={"help": "Patches per packed training strip."})
    max_rewind: int = field(
        default=7, metadata={"help": "Characters repeated at most when a cut document resumes."}
    )
    shuffle_buffer: int = field(default=20_000, metadata={"help": "Documents in the shuffle buffer."})
    max_validation_texts: int = field(default=400, metadata={"help": "Texts scored per evaluation."})
    sample_prompts: str = field(
        default="",
        metadata={"help": "Prompts, separated by |, continued at every evaluation; written as PNG."},
    )


@dataclass
class BudgetArguments:
    """How long it is trained, where steps are not the measure."""

    train_minutes: float = field(
        default=0,
        metadata={
            "help": "Minutes of training, in place of --max_steps; the schedule is a cosine over them."
        },
    )


def load_texts(name: str, config: str | None, split: str, streaming: bool) -> Dataset | IterableDataset:
    """Loads a local file by its ending, or a Hub data set by its id."""
    kinds = {
        ".jsonl": "json",
        ".json": "json",
        ".csv": "csv",
        ".tsv": "csv",
        ".txt": "text",
        ".parquet": "parquet",
    }
    suffixes = [suffix for suffix in Path(name).suffixes if suffix in kinds]
    if Path(name).exists() and suffixes:
        options: dict[str, Any] = {"delimiter": "\t"} if suffixes[-1] == ".tsv" else {}
        return load_dataset(
            kinds[suffixes[-1]], data_files=name, split="train", streaming=streaming, **options
        )
    if Path(name).exists():
        raise ValueError(
            f"{name}: unknown kind of file; use one of {', '.join(sorted(kinds))}, gzipped or not."
        )
    return load_dataset(name, config, split=split, streaming=streaming)


def build_model_and_processor(
    arguments: ModelArguments,
) -> tuple[pixel_ar.PixelARForCausalLM, pixel_ar.PixelProcessor]:
    """A new pair from a preset and overrides, or a saved one."""
    if arguments.model is not None:
        model = pixel_ar.PixelARForCausalLM.from_pretrained(
            arguments.model, attn_implementation=arguments.attention
        )
        return model, pixel_ar.PixelProcessor.from_pretrained(arguments.model)
    overrides = json.loads(arguments.config_overrides)
    # Training text is not ours to choose: what the atlas lacks is drawn as its code point, and nothing is dropped.
    settings: dict[str, Any] = {"missing": "hexbox"}
    if "patch_size" in overrides:
        settings["patch_size"] = tuple(overrides["patch_size"])
    processor = pixel_ar.PixelProcessor.from_preset(arguments.preset, **settings)
    config = pixel_ar.PixelARConfig(
        **{"patch_size": processor.patch_size, "num_channels": processor.num_channels, **overrides}
    )
    config._attn_implementation = arguments.attention
    return pixel_ar.PixelARForCausalLM(config), processor


def build_packed_dataset(
    data: DataArguments, processor: pixel_ar.PixelProcessor, seed: int
) -> PackedTextDataset:
    """Streams, shuffles and packs the training documents."""
    documents = load_texts(data.train_data, data.dataset_config, "train", streaming=True)
    documents = documents.shuffle(seed=seed, buffer_size=data.shuffle_buffer)
    return PackedTextDataset(
        documents,
        processor.renderer,
        processor.patch_size[1],
        data.block_patches,
        data.text_column,
        data.max_rewind,
        seed,
    )


def parse_arguments() -> tuple[ModelArguments, DataArguments, BudgetArguments, TrainingArguments]:
    """Command line, or a recipe file with the command line's options laid over it."""
    parser = HfArgumentParser((ModelArguments, DataArguments, BudgetArguments, TrainingArguments))
    words = sys.argv[1:]
    if "--recipe" in words:
        place = words.index("--recipe")
        name = words[place + 1]
        path = Path(name) if Path(name).is_file() else RECIPES / f"{name}.json"
        recipe = json.loads(path.read_text(encoding="utf-8"))["arguments"]
        given = [part for key, value in recipe.items() for part in (f"--{key}", str(value))]
        words = given + words[:place] + words[place + 2 :]
    if "--use_cpu" not in words and not torch.accelerator.is_available():
        words += ["--use_cpu", "True"]  # Trainer refuses bf16 on a CPU it was not told to use
    return parser.parse_args_into_dataclasses(words)


def main() -> None:
    """Trains, evaluates and saves."""
    model_arguments, data, budget, training = parse_arguments()
    if not data.train_data:
        raise SystemExit("name a training set with --train_data, or a recipe with --recipe")
    set_seed(training.seed)
    # Features are raw text that only the collator understands; Trainer would drop the columns.
    training.remove_unused_columns = False
    training.prediction_loss_only = True
    model, processor = build_model_and_processor(model_arguments)
    if training.max_steps < 0 and not budget.train_minutes:
        raise SystemExit("packed blocks come without end: set --max_steps or --train_minutes")
    if training.max_steps < 0:
        training.max_steps = NO_STEP_LIMIT
    train_dataset = build_packed_dataset(data, processor, training.data_seed or training.seed)

    callbacks: list[Any] = []
    validation = None
    if data.validation_data:
        validation = load_texts(data.validation_data, data.dataset_config, "validation", streaming=False)
        validation = validation.select(range(min(len(validation), data.max_validation_texts)))
        texts = [row[data.text_column] for row in validation]
        callbacks.append(BitsPerCharacterCallback(processor, texts, training.per_device_eval_batch_size))
    if data.sample_prompts:
        prompts = data.sample_prompts.split("|")
        callbacks.append(SampleStripsCallback(processor, prompts, Path(training.output_dir) / "samples"))

    trainer = Trainer(
        model=model,
        args=training,
        train_dataset=train_dataset,
        eval_dataset=validation,
        data_collator=LanguageModelingCollator(processor, data.block_patches, data.text_column),
        processing_class=processor,
        callbacks=callbacks,
    )
    if budget.train_minutes:
        TimeBudget(budget.train_minutes, int(training.warmup_steps)).install(trainer)
    trainer.train(resume_from_checkpoint=training.resume_from_checkpoint)
    if validation is not None:
        metrics = trainer.evaluate()
        trainer.save_metrics("eval", metrics)
    trainer.save_model()
    trainer.save_state()


if __name__ == "__main__":
    main()
