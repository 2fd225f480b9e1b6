#!/usr/bin/env python
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Distils a model with the flow head: guidance in one evaluation, then 16 steps down to 1 (arXiv 2210.03142).

The model comes from examples/pretrain.py. Its head evaluates its network 16 times per patch, twice as often with
guidance. The first stage makes the scale an input, the second halves the steps; the decoder stays as it is:

    python examples/flow.py --model runs/flow --output_dir runs/flow-guided --stage guidance --iterations 500 \
        --train_data examples/data/sotu_train.jsonl.gz

    python examples/flow.py --model runs/flow-guided --output_dir runs/flow-few --stage halving --iterations 350 \
        --train_data examples/data/sotu_train.jsonl.gz

The second writes runs/flow-few/steps-8, steps-4, steps-2 and steps-1, each a checkpoint that generates at its own
number of steps. Hidden states are computed once (`--cache_states`), so the batch size counts patches. Every option of
TrainingArguments works; `--resume_from_checkpoint True` goes on from the newest whole checkpoint.
"""

import sys
from dataclasses import dataclass, field

from options import (
    MISSING,
    checkpoint_to_resume,
    laid_out,
    parse_options,
    plain_errors,
    resolve_model,
)
from pretrain import DataArguments, build_packed_dataset
from transformers import TrainingArguments, set_seed

import pixel_ar
from pixel_ar.training import (
    FlowDistillationArguments,
    FlowDistillationTrainer,
    LanguageModelingCollator,
    MarkCheckpoints,
    resume,
)

DEFAULTS = {
    "block_patches": 64,
    "cache_states": 5000,
    "learning_rate": 1e-3,
    "per_device_train_batch_size": 512,
    "adam_beta2": 0.98,
    "max_grad_norm": 1.0,
    "logging_steps": 50,
    "save_steps": 500,
}


@dataclass
class ModelArguments:
    """Which model is distilled."""

    model: str = field(default="", metadata={"help": "Folder or Hub id of a model with the flow head."})
    missing: str = field(default="hexbox", metadata={"help": MISSING})
    attention: str = field(
        default="sdpa", metadata={"help": "Attention kernel; eager is fastest on most CPUs."}
    )


def parse_arguments() -> tuple[ModelArguments, DataArguments, FlowDistillationArguments, TrainingArguments]:
    """The command line, laid over the defaults."""
    kinds = (ModelArguments, DataArguments, FlowDistillationArguments, TrainingArguments)
    return parse_options(kinds, laid_out(DEFAULTS) + sys.argv[1:])


def main() -> None:
    """Trains one stage and saves it."""
    arguments, data, distillation, training = parse_arguments()
    if not arguments.model or not data.train_data:
        raise SystemExit("name a model with --model and a training set with --train_data")
    set_seed(training.seed)
    with plain_errors():
        source = resolve_model(arguments.model)
        model = pixel_ar.PixelARForCausalLM.from_pretrained(source, attn_implementation=arguments.attention)
        processor = pixel_ar.PixelProcessor.from_pretrained(source, missing=arguments.missing)
        documents = build_packed_dataset(data, processor, training.data_seed or training.seed)
        trainer = FlowDistillationTrainer(
            model=model,
            args=training,
            distillation=distillation,
            train_dataset=documents,
            data_collator=LanguageModelingCollator(processor, data.block_patches, data.text_column),
            processing_class=processor,
            callbacks=[MarkCheckpoints()],
        )
    with plain_errors():
        resume(trainer, checkpoint_to_resume(training))
    trainer.save_model()
    trainer.save_state()
    pixel_ar.write_selftest(trainer.model, processor, training.output_dir)
    print(f"model and processor: {training.output_dir}")


if __name__ == "__main__":
    main()
