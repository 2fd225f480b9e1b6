# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What the fine-tuning examples share: options, models, noise, training, and a model card with the results."""

import importlib.util
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from options import (
    MISSING,
    NO_STEP_LIMIT,
    checkpoint_to_resume,
    laid_out,
    load_texts,
    parse_options,
    read_recipe,
    resolve_model,
    take_option,
)
from transformers import (
    BitsAndBytesConfig,
    EarlyStoppingCallback,
    PreTrainedModel,
    Trainer,
    TrainingArguments,
    set_seed,
)

import pixel_ar
from pixel_ar.training import LORA_TARGETS, MarkCheckpoints, TimeBudget, resume
from pixel_ar.training.noise import VISUAL_KINDS, NoiseTransform

# Minutes on two cores; a recipe and the command line go over them.
DEFAULTS = {
    "per_device_train_batch_size": 16,
    "per_device_eval_batch_size": 32,
    "learning_rate": 3e-4,
    "weight_decay": 0.01,
    "warmup_steps": 20,
    "lr_scheduler_type": "cosine",
    "optim": "adamw_torch_fused",
    "logging_steps": 20,
    "save_strategy": "no",
    "bf16": True,
    "seed": 1,
}


@dataclass
class FinetuningArguments:
    """What every example takes beside TrainingArguments."""

    model: str = field(
        default="pixel-ar-tiny", metadata={"help": "Folder, Hub id, or name of a bundled checkpoint."}
    )
    missing: str = field(default="hexbox", metadata={"help": MISSING})
    max_patches: int = field(
        default=256, metadata={"help": "Longer rows are cut (questions: windowed), and counted."}
    )
    lora: bool = field(default=False, metadata={"help": "Train low-rank adapters and the head alone."})
    lora_rank: int = field(default=2, metadata={"help": "Rank of the adapters, on all linear layers."})
    quantize: str = field(
        default="",
        metadata={
            "help": "With --lora: keep the frozen decoder in 4bit or 8bit (QLoRA); needs bitsandbytes."
        },
    )
    train_minutes: float = field(
        default=0, metadata={"help": "Minutes of training, in place of --max_steps; a cosine over them."}
    )
    train_clock: str = field(
        default="wall", metadata={"help": "Of --train_minutes: wall, or processor for the time of all cores."}
    )
    train_noise: float = field(
        default=0, metadata={"help": "Strength of the noise in training, new each time."}
    )
    eval_noise: str = field(
        default="", metadata={"help": "Strengths to evaluate at beside 0, such as 0.1,0.3."}
    )
    noise_kinds: str = field(default=",".join(VISUAL_KINDS), metadata={"help": "Kinds of pixel_ar.noise."})
    max_train_rows: int | None = field(default=None, metadata={"help": "Train on so many rows."})
    max_eval_rows: int | None = field(default=None, metadata={"help": "Evaluate on so many rows."})
    early_stopping_patience: int | None = field(
        default=None, metadata={"help": "Evaluations without a better --metric_for_best_model until the end."}
    )
    pad_to_multiple_of: int | None = field(default=None, metadata={"help": "Of patches, in every batch."})
    attention: str = field(default="sdpa", metadata={"help": "Attention kernel."})


def parse(
    kinds: Sequence[type], defaults: Mapping[str, Any], words: Sequence[str] | None = None
) -> tuple[Any, ...]:
    """Options of an example: defaults, over them those of `--recipe NAME [--task TASK]`, over them the command line.

    Args:
        kinds: dataclasses; `FinetuningArguments` and `TrainingArguments` are added.
        defaults: over `DEFAULTS`.
        words: the command line.

    Returns:
        One object per dataclass.

    Raises:
        SystemExit: for a recipe without the task.
    """
    words = list(sys.argv[1:] if words is None else words)
    given = {**DEFAULTS, **defaults}
    recipe, words = take_option(words, "recipe")
    if recipe is not None:
        given |= task_recipe(recipe, take_option(words, "task")[0])
    named = {word.lstrip("-").split("=")[0] for word in words if word.startswith("--")}
    if "max_steps" not in named and "num_train_epochs" in named:
        given.pop("max_steps", None)
    if "max_steps" in named:
        given.pop("train_minutes", None)
    parsed = parse_options((*kinds, FinetuningArguments, TrainingArguments), laid_out(given) + words)
    options, training = parsed[-2:]
    training.remove_unused_columns = False  # the columns are texts, which only the collator understands
    if options.train_minutes:
        training.max_steps = NO_STEP_LIMIT
    set_seed(training.seed)
    return parsed


def task_recipe(name: str, task: str | None) -> dict[str, Any]:
    """The options of a published recipe for a task.

    Raises:
        SystemExit: for an unknown recipe or task, listing the known ones.
    """
    recipe = read_recipe(name)
    tasks = recipe.get("tasks", {})
    if task not in tasks:
        known = (
            f"one of {', '.join(tasks)}; got {task}"
            if tasks
            else "but it is one of pretraining: see pretrain.py"
        )
        raise SystemExit(f"recipe {name!r} needs --task, {known}")
    return {**recipe["arguments"], **tasks[task]}


def load_processor(options: FinetuningArguments) -> pixel_ar.PixelProcessor:
    """The checkpoint's processor; by default it draws what it has no glyph for: data is not ours to choose.

    Scripts that are joined or stacked are drawn so where the glyphs are there, and letter by letter where not.
    """
    unsupported = "error" if options.missing == "error" else "cells"
    return pixel_ar.PixelProcessor.from_pretrained(
        resolve_model(options.model), missing=options.missing, unsupported=unsupported
    )


def load_model(
    kind: type[PreTrainedModel], options: FinetuningArguments, task_type: str, **config: Any
) -> Any:
    """A task model, with adapters if they are asked for.

    Args:
        kind: the task model's class.
        options: of the command line.
        task_type: PEFT's name of the task, such as `"SEQ_CLS"`.
        config: fields of the configuration, such as `id2label`.
    """
    if options.quantize:
        config["quantization_config"] = quantization(options)
    model = kind.from_pretrained(
        resolve_model(options.model), attn_implementation=options.attention, **config
    )
    model.config.use_cache = False
    if not options.lora:
        return model
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    if options.quantize:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)

    # PEFT trains and saves the new head whole.
    adapters = LoraConfig(
        task_type=task_type,
        r=options.lora_rank,
        lora_alpha=4 * options.lora_rank,
        target_modules=LORA_TARGETS,
    )
    return get_peft_model(model, adapters)


def quantization(options: FinetuningArguments) -> BitsAndBytesConfig:
    """How the frozen decoder is kept.

    Raises:
        SystemExit: for an unknown kind, weights that could not be trained, or bitsandbytes missing.
    """
    if options.quantize not in ("4bit", "8bit"):
        raise SystemExit(f"--quantize takes 4bit or 8bit, got {options.quantize!r}")
    if not options.lora:
        raise SystemExit("quantised weights cannot be trained: add --lora True")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise SystemExit("--quantize needs bitsandbytes: pip install bitsandbytes")
    if options.quantize == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def trainable_share(model: torch.nn.Module) -> float:
    """Share of the parameters that are trained."""
    counts = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(n for n, trained in counts if trained) / sum(n for n, _ in counts)


def load_data(name: str, config: str | None, split: str, most: int | None) -> Dataset:
    """A split of a Hub data set, or a local csv, tsv, json or jsonl file; its first `most` rows."""
    rows = load_texts(name, config, split, streaming=False)
    return rows if most is None else rows.select(range(min(most, len(rows))))


def noise(
    options: FinetuningArguments,
    processor: pixel_ar.PixelProcessor,
    columns: Sequence[str],
    strength: float,
    training: bool,
) -> Callable[[Dataset], Dataset]:
    """What puts noise into the text columns of a data set: new noise each time in training, else always the same."""
    if strength == 0:
        return lambda rows: rows
    transform = NoiseTransform(
        strength, options.noise_kinds.split(","), None if training else 0, columns, processor
    )
    return lambda rows: rows.with_transform(transform, columns=list(columns), output_all_columns=True)


def with_lengths(rows: Dataset, collator: Any, training: TrainingArguments, most: int) -> Dataset:
    """Rows with their lengths in patches, where `--train_sampling_strategy group_by_length` asks for them.

    Args:
        rows: what the collator takes.
        collator: knows the length of a row.
        training: names the column.
        most: rows are cut to so many patches.
    """
    if training.train_sampling_strategy != "group_by_length":
        return rows
    return rows.add_column(training.length_column_name, [min(collator.length(row), most) for row in rows])


def strengths(options: FinetuningArguments) -> list[float]:
    """Strengths of noise to evaluate at, 0 first."""
    return [0.0, *(float(part) for part in options.eval_noise.split(",") if part)]


def train(trainer: Trainer, options: FinetuningArguments) -> dict[str, Any]:
    """Trains, saves, and says what it took: `steps`, wall `minutes`, `parameters`, `trainable` (a share)."""
    if options.early_stopping_patience is not None:
        trainer.add_callback(EarlyStoppingCallback(options.early_stopping_patience))
    if options.train_minutes:
        warmup_steps = int(trainer.args.warmup_steps)
        TimeBudget(options.train_minutes, warmup_steps, options.train_clock).install(trainer)
    trainer.add_callback(MarkCheckpoints())
    output = resume(trainer, checkpoint_to_resume(trainer.args))
    trainer.save_model()
    trainer.save_state()
    budget = {"budget": f"{options.train_minutes:g} minutes of the {options.train_clock} clock"}
    return {
        **(budget if options.train_minutes else {}),
        "steps": trainer.state.global_step,
        "minutes": round(output.metrics["train_runtime"] / 60, 2),
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "trainable": round(trainable_share(trainer.model), 5),
        "cut": str(getattr(trainer.data_collator, "truncation", "nothing cut")),
    }


def write_results(
    folder: str | Path,
    options: FinetuningArguments,
    task: str,
    task_type: str,
    facts: Mapping[str, Any],
    results: Mapping[str, Mapping[str, float]],
    main_metric: str,
) -> None:
    """Writes results.json and a model card, and prints the results.

    Args:
        folder: of the trained model.
        options: of the command line.
        task: name of the task or data set.
        task_type: as the Hub names it, such as `"text-classification"`.
        facts: of [`train`].
        results: metrics under the name of what they were measured on (`"clean"`, `"noise 0.1"`, a language).
        main_metric: the one for the card's head.
    """
    folder = Path(folder)
    plain = {name: {key: float(value) for key, value in row.items()} for name, row in results.items()}
    report = {"task": task, "model": options.model, "lora": options.lora, **facts, "results": plain}
    (folder / "results.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    is_hub_id = options.model.count("/") == 1 and not Path(options.model).exists()
    head = ModelCardData(
        library_name="peft" if options.lora else "transformers",
        pipeline_tag=task_type,
        base_model=options.model if is_hub_id else None,
        tags=["pixel_ar", "text-as-pixels"],
        model_name=folder.name,
        eval_results=[
            EvalResult(
                task_type=task_type,
                dataset_type=task,
                dataset_name=task,
                metric_type=main_metric,
                metric_name=f"{main_metric} ({name})",
                metric_value=round(row[main_metric], 4),
            )
            for name, row in plain.items()
        ],
    )
    columns = list(next(iter(plain.values())))
    lines = [f"| evaluated on | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines += [
        f"| {name} | " + " | ".join(f"{row[key]:.4f}" for key in columns) + " |"
        for name, row in plain.items()
    ]
    table = "\n".join(lines)
    how = "\n".join(f"- {key}: {value}" for key, value in {"base model": options.model, **facts}.items())
    text = f"# {folder.name}\n\nA pixel language model of pixel-ar, fine-tuned on {task}.\n\n{table}\n"
    text += f"\n## Training\n\n{how}\n"
    ModelCard(f"---\n{head.to_yaml()}\n---\n\n{text}").save(folder / "README.md")
    print(table)


def report_boxes(processor: pixel_ar.PixelProcessor) -> dict[str, str]:
    """What a run has drawn as boxes, as a fact for the card, and said at once."""
    if (boxes := processor.replaced.report()) is None:
        return {}
    print(boxes)
    return {"characters without a glyph": boxes}


__all__ = [
    "FinetuningArguments",
    "load_data",
    "load_model",
    "load_processor",
    "noise",
    "parse",
    "report_boxes",
    "strengths",
    "train",
    "trainable_share",
    "with_lengths",
    "write_results",
]
