#!/usr/bin/env python
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Fine-tunes a pixel model to classify texts or pairs of texts, or to predict a number from them.

From a paragraph of a State of the Union address, tell its era (before 1865, 1865 to 1932, after 1932); a few minutes:

    python examples/run_classification.py --task era --eval_noise 0.1,0.3 --output_dir runs/era

For twenty minutes on the clock, with adapters alone: `--train_minutes 20 --lora`. On several GPUs start it with
`torchrun --nproc_per_node N`; `--fsdp True --fsdp_config examples/configs/fsdp.json` shards the model over them.

GLUE, with the published settings of PIXAR (arXiv 2401.03321) or PixelGPT (arXiv 2404.10710); these need a GPU:

    python examples/run_classification.py --recipe glue-pixar --task mnli --model FOLDER --output_dir runs/mnli

Any other data: a Hub data set or local csv, tsv, json, jsonl or parquet files, with one or two text columns. Labels may
be integers, names, or numbers with a fraction (regression):

    python examples/run_classification.py --train_data train.csv --validation_data test.csv --text_column review \
        --label_column stars --output_dir runs/stars
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from datasets import ClassLabel, Dataset
from finetuning import (
    FinetuningArguments,
    load_data,
    load_model,
    load_processor,
    noise,
    parse,
    report_boxes,
    strengths,
    train,
    with_lengths,
    write_results,
)
from options import EXAMPLES, plain_errors
from scores import SCORES
from transformers import Trainer, TrainingArguments

from pixel_ar import PixelARForSequenceClassification
from pixel_ar.training import FiniteLossTrainer, SequenceClassificationCollator


class Task(NamedTuple):
    """A built-in data set.

    Attributes:
        columns: of the texts.
        metrics: names in `scores.SCORES`, the most important first.
        splits: for evaluation.
    """

    columns: tuple[str, ...]
    metrics: tuple[str, ...] = ("accuracy",)
    splits: tuple[str, ...] = ("validation",)


GLUE = {
    "cola": Task(("sentence",), ("matthews_correlation", "accuracy")),
    "mnli": Task(("premise", "hypothesis"), splits=("validation_matched", "validation_mismatched")),
    "mrpc": Task(("sentence1", "sentence2"), ("f1", "accuracy")),
    "qnli": Task(("question", "sentence")),
    "qqp": Task(("question1", "question2"), ("f1", "accuracy")),
    "rte": Task(("sentence1", "sentence2")),
    "sst2": Task(("sentence",)),
    "stsb": Task(("sentence1", "sentence2"), ("pearsonr", "spearmanr")),
    "wnli": Task(("sentence1", "sentence2")),
}
ERAS = ("before 1865", "1865-1932", "after 1932")


@dataclass
class DataArguments:
    """What is classified."""

    task: str | None = field(default=None, metadata={"help": f"era, or of GLUE: {', '.join(GLUE)}."})
    train_data: str | None = field(default=None, metadata={"help": "Hub id or local file."})
    validation_data: str | None = field(
        default=None, metadata={"help": "Local file; default: of the Hub id."}
    )
    dataset_config: str | None = field(default=None, metadata={"help": "Configuration of a Hub data set."})
    text_column: str = field(default="text", metadata={"help": "Column of the text."})
    text_pair_column: str | None = field(default=None, metadata={"help": "Column of the second text."})
    label_column: str = field(default="label", metadata={"help": "Column of the label."})
    metrics: str | None = field(
        default=None, metadata={"help": f"Of {', '.join(SCORES)}; the main one first."}
    )
    pooling: str | None = field(default=None, metadata={"help": "classifier_pooling of the configuration."})


class Data(NamedTuple):
    """Rows to learn from and to evaluate on.

    Attributes:
        name: of the task.
        train: rows with the text columns and `label`.
        validation: rows by name of the split.
        columns: of the texts.
        labels: names of the classes; none for regression.
        metrics: names, the main one first.
    """

    name: str
    train: Dataset
    validation: dict[str, Dataset]
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    metrics: tuple[str, ...]


def era_of(year: int) -> int:
    """0 before 1865, 1 from 1865 to 1932, 2 after 1932."""
    return int(year >= 1865) + int(year > 1932)


def load_era(options: FinetuningArguments) -> Data:
    """Paragraphs of State of the Union addresses; no address is in both files."""
    rows = [
        load_data(str(EXAMPLES / "data" / f"sotu_{split}.jsonl.gz"), None, split, None)
        for split in ("train", "validation")
    ]
    rows = [part.add_column("label", [era_of(year) for year in part["year"]]) for part in rows]
    rows = [part.shuffle(seed=0) for part in rows]  # the files are in the order of the years
    chosen = [
        part if most is None else part.select(range(min(most, len(part))))
        for part, most in zip(rows, (options.max_train_rows, options.max_eval_rows), strict=True)
    ]
    return Data("era", chosen[0], {"": chosen[1]}, ("text",), ERAS, ("accuracy", "f1"))


def load_task(data: DataArguments, options: FinetuningArguments) -> Data:
    """The data of the command line.

    Raises:
        SystemExit: if none are named.
    """
    if data.task == "era":
        return load_era(options)
    if data.task is not None and data.task not in GLUE:
        raise SystemExit(f"unknown task {data.task!r}; there are era, {', '.join(GLUE)}")
    columns = tuple(filter(None, (data.text_column, data.text_pair_column)))
    metrics = tuple(data.metrics.split(",")) if data.metrics else ()
    if unknown := [name for name in metrics if name not in SCORES]:
        raise SystemExit(f"no metric {unknown[0]!r}; there are {', '.join(SCORES)}")
    if data.task is not None:
        task = GLUE[data.task]
        source = data.train_data or "nyu-mll/glue"
        train_rows = load_data(source, data.task, "train", options.max_train_rows)
        splits = {
            name if len(task.splits) > 1 else "": load_data(source, data.task, name, options.max_eval_rows)
            for name in task.splits
        }
        columns, metrics = task.columns, metrics or task.metrics
    elif data.train_data is None:
        raise SystemExit("name a --task, or --train_data")
    else:
        train_rows = load_data(data.train_data, data.dataset_config, "train", options.max_train_rows)
        source = data.validation_data or data.train_data
        splits = {"": load_data(source, data.dataset_config, "validation", options.max_eval_rows)}
    return number_labels(data, train_rows, splits, columns, metrics)


def number_labels(
    data: DataArguments,
    train_rows: Dataset,
    splits: dict[str, Dataset],
    columns: tuple[str, ...],
    metrics: tuple[str, ...],
) -> Data:
    """Gives classes their numbers, those of the training rows; numbers with a fraction stay as they are.

    Raises:
        SystemExit: for a missing column, or classes of the validation rows that are not learned.
    """
    name = data.task or data.train_data or ""
    for rows in (train_rows, *splits.values()):
        if missing := {*columns, data.label_column} - set(rows.column_names):
            raise SystemExit(
                f"{name} has no column {', '.join(sorted(missing))}; there are {', '.join(rows.column_names)}"
            )
    for rows in (train_rows, *splits.values()):
        if empty := [i for i, value in enumerate(rows[data.label_column]) if value is None]:
            raise SystemExit(f"{name}: row {empty[0]} (and {len(empty) - 1} more) has no {data.label_column}")
    feature = train_rows.features[data.label_column]
    values = [] if isinstance(feature, ClassLabel) else sorted(set(train_rows[data.label_column]), key=str)
    if values and all(isinstance(value, float) for value in values):
        parts = {key: with_labels(rows, rows[data.label_column][:]) for key, rows in splits.items()}
        learned = with_labels(train_rows, train_rows[data.label_column][:])
        return Data(name, learned, parts, columns, (), metrics or ("pearsonr", "spearmanr"))
    labels = tuple(feature.names) if isinstance(feature, ClassLabel) else tuple(map(str, values))
    numbers: dict[Any, int] = {value: index for index, value in enumerate(values or range(len(labels)))}
    parts = {key: numbered(rows, data.label_column, numbers, labels) for key, rows in splits.items()}
    learned = numbered(train_rows, data.label_column, numbers, labels)
    return Data(name, learned, parts, columns, labels, metrics or ("accuracy",))


def numbered(rows: Dataset, column: str, numbers: dict[Any, int], labels: Sequence[str]) -> Dataset:
    """Rows with the number of their class in the column `label`.

    Raises:
        SystemExit: for a class that has no number.
    """
    values = rows[column][:]
    if unknown := [value for value in values if value not in numbers]:
        raise SystemExit(f"the label {unknown[0]!r} is not among the training rows' {tuple(labels)}")
    return with_labels(rows, [numbers[value] for value in values])


def with_labels(rows: Dataset, labels: Sequence[float]) -> Dataset:
    """Rows with these labels in the column `label`, whatever was there: a column keeps its type when it is mapped."""
    rows = rows.remove_columns("label") if "label" in rows.column_names else rows
    return rows.add_column("label", [*labels])


def metric_function(data: Data) -> Any:
    """What Trainer computes from logits `[N, classes]` and labels `[N]`."""

    def compute(prediction: Any) -> dict[str, float]:
        scores = prediction.predictions
        found = scores.argmax(-1) if data.labels else scores.reshape(-1)
        return {name: float(SCORES[name](prediction.label_ids, found)) for name in data.metrics}

    return compute


def main(words: list[str] | None = None) -> Trainer:
    """Fine-tunes, evaluates with and without noise, and saves the model with its card."""
    defaults = {"max_steps": 200}
    data_arguments, options, training = parse((DataArguments,), defaults, words)
    return run(data_arguments, options, training)


def run(data_arguments: DataArguments, options: FinetuningArguments, training: TrainingArguments) -> Trainer:
    """As [`main`], with parsed options."""
    with plain_errors():
        data = load_task(data_arguments, options)
        processor = load_processor(options)
    config: dict[str, Any] = {"num_labels": len(data.labels) or 1}
    if data.labels:
        config["id2label"] = dict(enumerate(data.labels))
        config["label2id"] = {name: index for index, name in enumerate(data.labels)}
    config["problem_type"] = "single_label_classification" if data.labels else "regression"
    if data_arguments.pooling:
        config["classifier_pooling"] = data_arguments.pooling
    with plain_errors():
        model = load_model(PixelARForSequenceClassification, options, "SEQ_CLS", **config)
    collator = SequenceClassificationCollator(
        processor,
        data.columns[0],
        data.columns[1] if len(data.columns) == 2 else None,
        max_patches=options.max_patches,
        pad_to_multiple_of=options.pad_to_multiple_of,
    )
    splits = {
        name: with_lengths(rows, collator, training, options.max_patches)
        for name, rows in data.validation.items()
    }
    rows = with_lengths(data.train, collator, training, options.max_patches)
    trainer = FiniteLossTrainer(
        model=model,
        args=training,
        train_dataset=noise(options, processor, data.columns, options.train_noise, training=True)(rows),
        eval_dataset=next(iter(splits.values())),
        data_collator=collator,
        processing_class=processor,
        compute_metrics=metric_function(data),
    )
    facts = train(trainer, options)
    results = {}
    for split, validation in splits.items():
        for strength in strengths(options):
            noisy = noise(options, processor, data.columns, strength, training=False)(validation)
            collator.truncation.reset()
            name = " ".join(part for part in (split, f"noise {strength:g}" if strength else "clean") if part)
            metrics = trainer.evaluate(noisy, metric_key_prefix="eval")
            results[name] = {key: metrics[f"eval_{key}"] for key in metric_names(data, metrics)}
            facts[f"cut in evaluation ({name})"] = str(collator.truncation)
    if data.labels:
        counts = np.bincount(next(iter(data.validation.values()))["label"], minlength=len(data.labels))
        facts["share of the largest class"] = round(float(counts.max() / counts.sum()), 4)
    facts |= report_boxes(processor)
    first = next(iter(next(iter(results.values()))))
    write_results(training.output_dir, options, data.name, "text-classification", facts, results, first)
    return trainer


def metric_names(data: Data, metrics: dict[str, float]) -> list[str]:
    """The names of the metrics among what an evaluation returns, in the order of the task."""
    known = {
        "eval_loss",
        "eval_runtime",
        "eval_samples_per_second",
        "eval_steps_per_second",
        "eval_model_preparation_time",
    }
    return [key.removeprefix("eval_") for key in metrics if key.startswith("eval_") and key not in known]


if __name__ == "__main__":
    main()
