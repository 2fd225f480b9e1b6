#!/usr/bin/env python
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Fine-tunes a pixel model to label words: names (NER), parts of speech.

On sentences that the script makes up:

    python examples/run_token_classification.py --output_dir runs/names

On CoNLL files (a word and its tag per line, white space between, an empty line after a sentence):

    python examples/run_token_classification.py --train_data train.conll --validation_data dev.conll --tag_place -1 \
        --output_dir runs/ner

On a data set of `datasets` with lists of words and tags: `--train_data ID --words_column tokens --label_column
ner_tags`. A csv has both as texts with white space between words and between tags. Tags that begin with B- and I- are
scored as entities (F1), others by accuracy.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset
from finetuning import (
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
from options import plain_errors
from sklearn.metrics import accuracy_score

from pixel_ar import PixelARForTokenClassification
from pixel_ar.metrics import entity_f1
from pixel_ar.training import FiniteLossTrainer, TokenClassificationCollator
from pixel_ar.training.columns import usual_column

CONLL = (".conll", ".txt", ".bio", ".iob", ".iob2")

# Names of the made-up sentences; those of the evaluation are not in the training.
FIRST = (
    "George",
    "John",
    "Thomas",
    "James",
    "Andrew",
    "Martin",
    "William",
    "Abraham",
    "Ulysses",
    "Rutherford",
    "Grover",
    "Theodore",
)
LAST = (
    "Adams",
    "Monroe",
    "Tyler",
    "Polk",
    "Pierce",
    "Lincoln",
    "Grant",
    "Hayes",
    "Garfield",
    "Arthur",
    "Harrison",
    "Taft",
)
PLACES = (
    "Boston",
    "Albany",
    "Richmond",
    "Texas",
    "Oregon",
    "Cuba",
    "Mexico",
    "Spain",
    "Panama",
    "Alaska",
    "Virginia",
    "Kansas",
)
SENTENCES = (
    "{person} spoke in {place} .",
    "The people of {place} sent a letter to {person} .",
    "On Monday {person} left {place} for {place} .",
    "A treaty with {place} was signed by {person} and {person} .",
    "Congress has not yet answered {person} .",
)


@dataclass
class DataArguments:
    """Which words are labelled."""

    train_data: str = field(default="", metadata={"help": "CoNLL file, Hub id or json(l); default: made up."})
    validation_data: str | None = field(default=None, metadata={"help": "Likewise."})
    dataset_config: str | None = field(default=None, metadata={"help": "Configuration of a Hub data set."})
    words_column: str = field(default="tokens", metadata={"help": "Column of the words."})
    label_column: str = field(default="tags", metadata={"help": "Column of their tags."})
    tag_place: int = field(default=-1, metadata={"help": "Place of the tag in a line of a CoNLL file."})


def read_conll(path: str | Path, tag_place: int = -1) -> Dataset:
    """Sentences of a CoNLL file: `tokens` and `tags`.

    Raises:
        SystemExit: for a line without a tag, naming it.
    """
    sentences: list[dict[str, list[str]]] = []
    words: list[str] = []
    tags: list[str] = []
    for number, line in enumerate([*Path(path).read_text(encoding="utf-8").splitlines(), ""], 1):
        parts = line.split()
        if not parts or parts[0] == "-DOCSTART-":
            if words:
                sentences.append({"tokens": words, "tags": tags})
            words, tags = [], []
        elif not line.startswith("# "):
            if len(parts) < 2:
                raise SystemExit(f"{path}, line {number}: no tag beside {parts[0]!r}")
            words.append(parts[0])
            tags.append(parts[tag_place])
    return Dataset.from_list(sentences)


def make_up(count: int, training: bool) -> Dataset:
    """Sentences with names of persons (PER) and places (LOC)."""
    draw = random.Random(int(training))
    half = slice(None, 9) if training else slice(9, None)
    rows = []
    for _ in range(count):
        words: list[str] = []
        tags: list[str] = []
        for word in draw.choice(SENTENCES).split():
            if word == "{person}":
                words += [draw.choice(FIRST[half]), draw.choice(LAST[half])]
                tags += ["B-PER", "I-PER"]
            elif word == "{place}":
                words.append(draw.choice(PLACES[half]))
                tags.append("B-LOC")
            else:
                words.append(word)
                tags.append("O")
        rows.append({"tokens": words, "tags": tags})
    return Dataset.from_list(rows)


def load_words(data: DataArguments, split: str, most: int | None) -> Dataset:
    """A split with the columns of words and tags."""
    source = data.train_data if split == "train" or data.validation_data is None else data.validation_data
    if not source:
        return make_up(most or (1000 if split == "train" else 100), split == "train")
    if source.endswith(CONLL):
        rows = read_conll(source, data.tag_place)
        rows = (
            rows.rename_columns({"tokens": data.words_column, "tags": data.label_column})
            if (data.words_column != "tokens" or data.label_column != "tags")
            else rows
        )
        return rows if most is None else rows.select(range(min(most, len(rows))))
    rows = load_data(source, data.dataset_config, split, most)
    return rows.map(split_texts, fn_kwargs={"columns": columns_of(rows, data)}) if len(rows) else rows


def columns_of(rows: Dataset, data: DataArguments) -> list[str]:
    """The columns of words and of tags, under the names asked for or usual ones.

    Raises:
        SystemExit: if one is not there.
    """
    found = [
        usual_column(dict.fromkeys(rows.column_names), name)
        for name in (data.words_column, data.label_column)
    ]
    if missing := [name for name in found if name not in rows.column_names]:
        raise SystemExit(f"no column {missing[0]!r}; there are {', '.join(rows.column_names)}")
    return found


def split_texts(row: dict[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """Words and tags of a table, which has no lists: texts with white space between them."""
    return {name: row[name].split() for name in columns if isinstance(row[name], str)}


def tag_names(rows: Dataset, column: str) -> list[str]:
    """The names of the tags, in the order of their numbers."""
    inner = getattr(rows.features[column], "feature", None)
    if isinstance(inner, ClassLabel):
        return list(inner.names)
    found = {tag for tags in rows[column] for tag in tags}
    if all(isinstance(tag, int) for tag in found):
        return [str(number) for number in range(max(found, default=0) + 1)]
    return sorted(map(str, found))


def score(names: list[str], predictions: Any, labels: Any) -> dict[str, float]:
    """Entity F1 for tags such as B-PER, else accuracy; of the words that have a label."""
    rows = [row != -100 for row in labels]
    theirs = [[names[i] for i in row[kept]] for row, kept in zip(labels, rows, strict=True)]
    ours = [[names[i] for i in row[kept]] for row, kept in zip(predictions.argmax(-1), rows, strict=True)]
    tags = ([tag for row in side for tag in row] for side in (theirs, ours))
    flat = {"accuracy": float(accuracy_score(*tags))}
    if not any(name.startswith("B-") for name in names):
        return flat
    scores = entity_f1(ours, theirs)
    return {name: float(scores[f"overall_{name}"]) for name in ("f1", "precision", "recall")} | flat


def main(words: list[str] | None = None) -> None:
    """Fine-tunes, evaluates with and without noise, and saves the model with its card."""
    data, options, training = parse((DataArguments,), {"max_steps": 200}, words)
    with plain_errors():
        processor = load_processor(options)
        train_rows = load_words(data, "train", options.max_train_rows)
        test_rows = load_words(data, "validation", options.max_eval_rows)
    words_column, label_column = columns_of(train_rows, data)
    names = tag_names(train_rows, label_column)
    label2id = {name: index for index, name in enumerate(names)}
    with plain_errors():
        model = load_model(
            PixelARForTokenClassification,
            options,
            "TOKEN_CLS",
            id2label=dict(enumerate(names)),
            label2id=label2id,
        )
    collator = TokenClassificationCollator(
        processor,
        words_column,
        label_column,
        label2id,
        max_patches=options.max_patches,
        pad_to_multiple_of=options.pad_to_multiple_of,
    )
    train_rows = with_lengths(train_rows, collator, training, options.max_patches)
    test_rows = with_lengths(test_rows, collator, training, options.max_patches)
    columns = (words_column,)
    trainer = FiniteLossTrainer(
        model=model,
        args=training,
        train_dataset=noise(options, processor, columns, options.train_noise, training=True)(train_rows),
        eval_dataset=test_rows,
        data_collator=collator,
        processing_class=processor,
        compute_metrics=lambda found: score(names, found.predictions, found.label_ids),
    )
    facts = train(trainer, options)
    results = {}
    for strength in strengths(options):
        collator.words.reset()
        metrics = trainer.evaluate(noise(options, processor, columns, strength, training=False)(test_rows))
        name = f"noise {strength:g}" if strength else "clean"
        keys = [key for key in ("f1", "precision", "recall", "accuracy") if f"eval_{key}" in metrics]
        results[name] = {key: metrics[f"eval_{key}"] for key in keys}
        facts[f"words without a label ({name})"] = str(collator.words)
    facts |= report_boxes(processor)
    first = next(iter(results["clean"]))
    task = data.train_data or "made-up names"
    write_results(training.output_dir, options, task, "token-classification", facts, results, first)


if __name__ == "__main__":
    main()
