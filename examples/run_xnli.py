#!/usr/bin/env python
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Fine-tunes on natural language inference in one language or in many, and evaluates in each (XNLI, arXiv 1809.05053).

On sentences that the script makes up in four languages (with tiny numbers it learns little; it shows the way):

    python examples/run_xnli.py --output_dir runs/xnli

XNLI itself, translate-train-all (trained on all fifteen languages at once) and cross-lingual (on English alone):

    python examples/run_xnli.py --data facebook/xnli --model FOLDER --output_dir runs/xnli-all
    python examples/run_xnli.py --data facebook/xnli --train_languages en --model FOLDER --output_dir runs/xnli-en

A folder with `train` and `validation` as csv, json, jsonl or parquet works, with columns `language`, `premise`,
`hypothesis` and `label` (0 to 2, or the names).
PixelGPT's settings (arXiv 2404.10710): `--recipe glue-pixelgpt --task xnli`. Take a checkpoint whose atlas covers the
languages (unifont-16); characters without a glyph are drawn as their code points.
"""

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import Dataset, concatenate_datasets
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
from options import KINDS, plain_errors
from sklearn.metrics import accuracy_score

from pixel_ar import PixelARForSequenceClassification
from pixel_ar.training import FiniteLossTrainer, SequenceClassificationCollator

LANGUAGES = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
LABELS = ("entailment", "neutral", "contradiction")
COLUMNS = ("premise", "hypothesis")

# Made-up data: (the, is, is not, things, places, colours), word by word.
WORDS = {
    "en": (
        "the {0} is {1} .",
        "the {0} is not {1} .",
        ["house", "tree", "horse", "book"],
        ["red", "green", "old", "new"],
    ),
    "de": (
        "das {0} ist {1} .",
        "das {0} ist nicht {1} .",
        ["Haus", "Tier", "Pferd", "Buch"],
        ["rot", "grün", "alt", "neu"],
    ),
    "es": (
        "el {0} es {1} .",
        "el {0} no es {1} .",
        ["libro", "perro", "gato", "barco"],
        ["rojo", "verde", "viejo", "nuevo"],
    ),
    "ru": (
        "{0} {1} .",
        "{0} не {1} .",
        ["дом", "стол", "лес", "мост"],
        ["красный", "зелёный", "старый", "новый"],
    ),
}


@dataclass
class DataArguments:
    """Which languages are learned and tested."""

    data: str = field(default="", metadata={"help": "Hub id or folder; default: sentences made up here."})
    task: str | None = field(default=None, metadata={"help": "xnli, to find it in a --recipe."})
    train_languages: str = field(default="all", metadata={"help": "Such as en,de; all: translate-train-all."})
    eval_languages: str = field(default="all", metadata={"help": "Such as en,de."})


def make_up(language: str, count: int, seed: int) -> Dataset:
    """Pairs of sentences: the same (entailment), of another thing (neutral), or with the opposite."""
    draw = random.Random(f"{language}{seed}")
    says, denies, things, colours = WORDS[language]
    rows: list[dict[str, Any]] = []
    for index in range(count):
        label = index % 3
        (thing, other), colour = draw.sample(things, 2), draw.choice(colours)
        premise = says.format(thing, colour)
        second = [premise, says.format(other, colour), denies.format(thing, colour)][label]
        rows.append({"language": language, "premise": premise, "hypothesis": second, "label": label})
    return Dataset.from_list(rows)


def load_language(data: str, language: str, split: str, most: int | None) -> Dataset:
    """One language of a split: `language`, `premise`, `hypothesis`, `label`."""
    if not data:
        return make_up(language, most or (600 if split == "train" else 60), seed=len(split))
    if Path(data).is_dir():
        files = [path for path in sorted(Path(data).glob(f"{split}.*")) if set(path.suffixes) & set(KINDS)]
        if len(files) != 1:
            raise SystemExit(
                f"{data} must hold one {split} file ({', '.join(KINDS)}), and holds {len(files)}"
            )
        rows = load_data(str(files[0]), None, split, None)
        if missing := {"language", *COLUMNS, "label"} - set(rows.column_names):
            raise SystemExit(
                f"{files[0]} has no column {', '.join(sorted(missing))}; there are {', '.join(rows.column_names)}"
            )
        rows = rows.filter(lambda row: row["language"] == language)
        rows = rows if most is None else rows.select(range(min(most, len(rows))))
        labels = [number_of(label) for label in rows["label"]]
        return rows.remove_columns("label").add_column("label", labels)
    rows = load_data(data, language, split, most)
    return rows.add_column("language", [language] * len(rows))


def number_of(label: Any) -> int:
    """The class of a label that may be a number or a name.

    Raises:
        SystemExit: for any other.
    """
    known = {**{name: number for number, name in enumerate(LABELS)}, **{i: i for i in range(len(LABELS))}}
    if label not in known:
        raise SystemExit(f"the label {label!r} is none of 0, 1, 2, {', '.join(LABELS)}")
    return known[label]


def chosen(names: str, data: str) -> list[str]:
    """The languages of an option.

    Raises:
        SystemExit: for languages that the data does not have.
    """
    known = list(LANGUAGES) if data else list(WORDS)
    languages = known if names == "all" else names.split(",")
    if unknown := [name for name in languages if name not in known]:
        raise SystemExit(f"no language {', '.join(unknown)}; there are {', '.join(known)}")
    return languages


def main(words: list[str] | None = None) -> None:
    """Fine-tunes on the training languages together and evaluates on each language."""
    data, options, training = parse((DataArguments,), {"max_steps": 200}, words)
    with plain_errors():
        processor = load_processor(options)
        train_rows = concatenate_datasets(
            [
                load_language(data.data, language, "train", options.max_train_rows)
                for language in chosen(data.train_languages, data.data)
            ]
        ).shuffle(seed=training.seed)
    config = {"id2label": dict(enumerate(LABELS)), "label2id": {name: i for i, name in enumerate(LABELS)}}
    with plain_errors():
        model = load_model(PixelARForSequenceClassification, options, "SEQ_CLS", **config)
    collator = SequenceClassificationCollator(
        processor, *COLUMNS, max_patches=options.max_patches, pad_to_multiple_of=options.pad_to_multiple_of
    )
    tests = {
        language: load_language(data.data, language, "validation", options.max_eval_rows)
        for language in chosen(data.eval_languages, data.data)
    }
    tests = {
        name: with_lengths(rows, collator, training, options.max_patches) for name, rows in tests.items()
    }
    train_rows = with_lengths(train_rows, collator, training, options.max_patches)
    trainer = FiniteLossTrainer(
        model=model,
        args=training,
        train_dataset=noise(options, processor, COLUMNS, options.train_noise, training=True)(train_rows),
        eval_dataset=concatenate_datasets(list(tests.values())),
        data_collator=collator,
        processing_class=processor,
        compute_metrics=lambda found: {
            "accuracy": accuracy_score(found.label_ids, found.predictions.argmax(-1))
        },
    )
    facts = train(trainer, options)
    facts["trained on"] = data.train_languages
    results: dict[str, dict[str, float]] = {}
    for strength in strengths(options):
        suffix = f", noise {strength:g}" if strength else ""
        for language, rows in tests.items():
            noisy = noise(options, processor, COLUMNS, strength, training=False)(rows)
            results[language + suffix] = {"accuracy": trainer.evaluate(noisy)["eval_accuracy"]}
        found = [results[language + suffix]["accuracy"] for language in tests]
        results["average" + suffix] = {"accuracy": sum(found) / len(found)}
    facts |= report_boxes(processor)
    write_results(
        training.output_dir,
        options,
        data.data or "made-up pairs",
        "text-classification",
        facts,
        results,
        "accuracy",
    )


if __name__ == "__main__":
    main()
