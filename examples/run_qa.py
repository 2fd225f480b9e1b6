#!/usr/bin/env python
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Fine-tunes a pixel model to find the answer to a question in a text.

On questions that the script makes up:

    python examples/run_qa.py --output_dir runs/answers

On files in the format of SQuAD (the official nested json, or rows with `id`, `question`, `context`, `answers` as json,
jsonl or parquet; a csv has `answer_text` and `answer_start`), or a data set of `datasets` such as rajpurkar/squad_v2:

    python examples/run_qa.py --train_data train.json --validation_data dev.json --no_answers --output_dir runs/squad

Contexts that are too long are read in windows that overlap. A decoder meets the first word of an answer before the
rest of it, so it is behind an encoder on this task.
"""

import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import Dataset
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

from pixel_ar import PixelARForQuestionAnswering
from pixel_ar.metrics import squad
from pixel_ar.training import FiniteLossTrainer, QuestionAnsweringCollator, QuestionWindows, find_answers

OFFICES = ("governor", "mayor", "consul", "judge", "marshal", "printer")
PLACES = ("Boston", "Albany", "Richmond", "Texas", "Oregon", "Kansas", "Havana", "Lisbon")
NAMES = (
    "Adams",
    "Monroe",
    "Tyler",
    "Polk",
    "Pierce",
    "Grant",
    "Hayes",
    "Garfield",
    "Arthur",
    "Taft",
    "Clay",
    "Webster",
)
NO_ANSWERS: dict[str, list[Any]] = {"text": [], "answer_start": []}


@dataclass
class DataArguments:
    """Questions and texts."""

    train_data: str = field(default="", metadata={"help": "SQuAD json, jsonl or Hub id; default: made up."})
    validation_data: str | None = field(default=None, metadata={"help": "Likewise."})
    question_column: str = field(default="question", metadata={"help": "Column of the question."})
    context_column: str = field(default="context", metadata={"help": "Column of the text."})
    answers_column: str = field(
        default="answers",
        metadata={"help": "Column of the answers; a csv has answer_text and answer_start instead."},
    )
    stride: int = field(default=32, metadata={"help": "Patches that neighbouring windows have in common."})
    max_answer_patches: int = field(default=15, metadata={"help": "Longest answer that is given."})
    no_answers: bool = field(default=False, metadata={"help": "Some questions have no answer (SQuAD 2.0)."})
    null_threshold: float = field(
        default=0.0,
        metadata={"help": "With --no_answers: how much better none must score than the best one."},
    )


def read_squad(path: str | Path) -> Dataset | None:
    """The questions of a file in the official format; `None` for a file of rows.

    Raises:
        ValueError: for a file that is neither.
    """
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(content, dict) or "data" not in content:
        return None
    rows = []
    for article in content["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                answers = question.get("answers", [])
                rows.append(
                    {
                        "id": question["id"],
                        "question": question["question"],
                        "context": paragraph["context"],
                        "answers": {
                            "text": [answer["text"] for answer in answers],
                            "answer_start": [answer["answer_start"] for answer in answers],
                        },
                    }
                )
    return Dataset.from_list(rows)


def with_answers(rows: Dataset, data: DataArguments) -> Dataset:
    """Rows with `id`, `question`, `context` and `answers`, from columns of other names or those of a table.

    A table has no lists: the answer is a text and the place of its first character (-1, or no text: no answer).

    Raises:
        SystemExit: for a missing column.
    """
    names = {"question": data.question_column, "context": data.context_column}
    if missing := [name for name in names.values() if name not in rows.column_names]:
        raise SystemExit(f"no column {missing[0]!r}; there are {', '.join(rows.column_names)}")
    rows = rows.rename_columns({theirs: ours for ours, theirs in names.items() if ours != theirs})
    if "id" not in rows.column_names:
        rows = rows.add_column("id", [str(number) for number in range(len(rows))])
    if data.answers_column in rows.column_names:
        return (
            rows if data.answers_column == "answers" else rows.rename_column(data.answers_column, "answers")
        )
    if {"answer_text", "answer_start"} <= set(rows.column_names):
        answers = [
            {"text": [text], "answer_start": [int(start)]}
            if text and start is not None and start >= 0
            else NO_ANSWERS
            for text, start in zip(rows["answer_text"], rows["answer_start"], strict=True)
        ]
        return rows.remove_columns(["answer_text", "answer_start"]).add_column("answers", answers)
    raise SystemExit(
        f"no column {data.answers_column!r}, nor answer_text and answer_start; there are {', '.join(rows.column_names)}"
    )


def make_up(count: int, seed: int) -> Dataset:
    """Who holds which office where."""
    draw = random.Random(seed)
    rows: list[dict[str, Any]] = []
    for number in range(count):
        held = draw.sample([(office, place) for office in OFFICES for place in PLACES], 4)
        facts = [(*one, draw.choice(NAMES)) for one in held]
        context = " ".join(f"The {office} of {place} is {name}." for office, place, name in facts)
        office, place, name = draw.choice(facts)
        start = context.index(f"{office} of {place} is ") + len(f"{office} of {place} is ")
        answers = {"text": [name], "answer_start": [start]}
        question = f"Who is the {office} of {place}?"
        rows.append({"id": str(number), "question": question, "context": context, "answers": answers})
    return Dataset.from_list(rows)


def load_questions(data: DataArguments, split: str, most: int | None) -> Dataset:
    """`id`, `question`, `context` and `answers` of a split."""
    source = data.train_data if split == "train" or data.validation_data is None else data.validation_data
    if not source:
        return make_up(most or (2000 if split == "train" else 100), seed=len(split))
    if source.endswith(".json") and Path(source).is_file() and (rows := read_squad(source)) is not None:
        return rows if most is None else rows.select(range(min(most, len(rows))))
    return with_answers(load_data(source, None, split, most), data)


def main(words: list[str] | None = None) -> None:
    """Fine-tunes, answers the questions of the evaluation, and saves the model with its card."""
    defaults = {"max_steps": 200, "per_device_train_batch_size": 8}
    data, options, training = parse((DataArguments,), defaults, words)
    with plain_errors():
        processor = load_processor(options)
        questions = load_questions(data, "validation", options.max_eval_rows)
        windows = QuestionWindows(processor, options.max_patches, data.stride)
        train_rows = load_questions(data, "train", options.max_train_rows)
        train_rows = train_rows.map(windows, batched=True, remove_columns=train_rows.column_names)
        model = load_model(PixelARForQuestionAnswering, options, "QUESTION_ANS")
    collator = QuestionAnsweringCollator(processor, pad_to_multiple_of=options.pad_to_multiple_of)
    train_rows = with_lengths(train_rows, collator, training, options.max_patches)

    def cut_windows(rows: Dataset) -> Dataset:
        windows_of = rows.map(windows, batched=True, remove_columns=rows.column_names)
        return with_lengths(windows_of, collator, training, options.max_patches)

    # The question alone: noise in the context would move its answers.
    noisy_rows = noise(options, processor, ("question",), options.train_noise, training=True)(train_rows)
    trainer = FiniteLossTrainer(
        model=model,
        args=training,
        train_dataset=noisy_rows,
        eval_dataset=cut_windows(questions),
        data_collator=collator,
        processing_class=processor,
    )
    facts = train(trainer, options)
    facts |= {"windows learned": len(train_rows), "answers in no window": windows.num_uncovered}
    results = {}
    for strength in strengths(options):
        noisy = noise(options, processor, ("question",), strength, training=False)(questions)
        # Noise lengthens questions: the windows are cut anew.
        cut = cut_windows(Dataset.from_list([dict(row) for row in noisy]))
        start, end = trainer.predict(cut).predictions
        threshold = data.null_threshold if data.no_answers else None
        found = find_answers(cut, start, end, processor, data.max_answer_patches, null_threshold=threshold)
        references = [{"id": row["id"], "answers": row["answers"]} for row in questions]
        results[f"noise {strength:g}" if strength else "clean"] = squad(found, references)
    facts |= report_boxes(processor)
    task = data.train_data or "made-up questions"
    write_results(training.output_dir, options, task, "question-answering", facts, results, "f1")


if __name__ == "__main__":
    main()
