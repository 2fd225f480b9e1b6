# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Beside examples/run_classification.py --task era: a byte-level Llama classifier of the same size, from scratch.

Same paragraphs, classes, rows per step, characters per row, noise and minutes, one after the other on an idle machine:

    python examples/run_classification.py --task era --eval_noise 0.1,0.3 --train_minutes 20 --output_dir runs/era
    python examples/benchmarks/era_bytes.py --eval_noise 0.1,0.3 --train_minutes 20 --output_dir runs/era-bytes

It has not been pretrained, as no byte-level model of that size comes with the package: the comparison is between what a
person has in hand, not between pixels and bytes as such; for that, see byte_baseline.py.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForSequenceClassification, Trainer

sys.path.insert(0, str(Path(__file__).parents[1]))

from finetuning import load_processor, noise, parse, strengths, train, with_lengths, write_results
from run_classification import ERAS, load_era
from scores import SCORES

from pixel_ar.training import TruncationCounter

PAD = 0  # no text holds this byte


@dataclass
class ModelArguments:
    """The byte-level model; the defaults give 4,886,528 parameters, the pixel classifier has 4,887,296."""

    layers: int = field(default=6, metadata={"help": "Decoder layers."})
    hidden_size: int = field(default=256, metadata={"help": "Width."})
    intermediate_size: int = field(default=704, metadata={"help": "Width of the MLP."})
    characters_per_patch: int = field(
        default=4, metadata={"help": "Rows are cut to so many bytes per patch."}
    )


class ByteCollator:
    """Paragraphs as bytes; longer ones are cut and counted in `truncation`.

    Args:
        max_bytes: most bytes of a row.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.truncation = TruncationCounter()

    def length(self, row: dict[str, Any]) -> int:
        """Bytes of a row, uncut."""
        return len(row["text"].encode())

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Rows with `text` and `label` to `input_ids`, `attention_mask` `[B, L]` and `labels` `[B]`."""
        texts = [row["text"].encode() for row in rows]
        self.truncation.add(len(texts), sum(len(text) > self.max_bytes for text in texts))
        kept = [list(text[: self.max_bytes]) for text in texts]
        length = max(map(len, kept))
        ids = torch.tensor([row + [PAD] * (length - len(row)) for row in kept])
        labels = torch.tensor([row["label"] for row in rows])
        return {"input_ids": ids, "attention_mask": (ids != PAD).long(), "labels": labels}


def build(arguments: ModelArguments, max_bytes: int, attention: str) -> LlamaForSequenceClassification:
    """A new model."""
    config = LlamaConfig(
        vocab_size=256,
        hidden_size=arguments.hidden_size,
        intermediate_size=arguments.intermediate_size,
        num_hidden_layers=arguments.layers,
        num_attention_heads=4,
        max_position_embeddings=max(2048, max_bytes),
        initializer_range=0.06,
        pad_token_id=PAD,
        bos_token_id=None,
        eos_token_id=None,
        id2label=dict(enumerate(ERAS)),
        label2id={name: index for index, name in enumerate(ERAS)},
        use_cache=False,
    )
    config._attn_implementation = attention
    return LlamaForSequenceClassification(config)


def main(words: list[str] | None = None) -> None:
    """Trains, evaluates with and without noise, and writes results.json."""
    defaults = {"max_steps": 200, "learning_rate": 1e-3, "warmup_steps": 100, "adam_beta2": 0.98}
    arguments, options, training = parse((ModelArguments,), defaults, words)
    data = load_era(options)
    # Only for the noise: what the pixel model cannot be shown, the bytes are not shown either.
    processor = load_processor(options)
    options.model = "a new byte-level Llama"
    max_bytes = arguments.characters_per_patch * options.max_patches
    collator = ByteCollator(max_bytes)

    def compute(found: Any) -> dict[str, float]:
        classes = found.predictions.argmax(-1)
        return {name: SCORES[name](found.label_ids, classes) for name in ("accuracy", "f1")}

    rows = with_lengths(data.train, collator, training, max_bytes)
    validation = with_lengths(data.validation[""], collator, training, max_bytes)
    trainer = Trainer(
        model=build(arguments, max_bytes, options.attention),
        args=training,
        train_dataset=noise(options, processor, ("text",), options.train_noise, training=True)(rows),
        eval_dataset=validation,
        data_collator=collator,
        compute_metrics=compute,
    )
    facts = train(trainer, options)
    results = {}
    for strength in strengths(options):
        noisy = noise(options, processor, ("text",), strength, training=False)(validation)
        metrics = trainer.evaluate(noisy)
        results[f"noise {strength:g}" if strength else "clean"] = {
            key: metrics[f"eval_{key}"] for key in ("accuracy", "f1")
        }
    write_results(training.output_dir, options, "era", "text-classification", facts, results, "accuracy")


if __name__ == "__main__":
    main()
