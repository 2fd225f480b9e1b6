#!/usr/bin/env python
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""PIXAR's second stage (arXiv 2401.03321, section 3.3): sharpens a stage-1 model against a discriminator.

The first stage is a model with the bernoulli head:

    python examples/pretrain.py --config_overrides '{"patch_head": "bernoulli"}' --output_dir runs/stage-1 \
        --train_data examples/data/sotu_train.jsonl.gz --max_steps 2000

    python examples/adversarial.py --model runs/stage-1 --output_dir runs/stage-2 \
        --train_data examples/data/sotu_train.jsonl.gz --validation_data examples/data/sotu_validation.jsonl.gz \
        --sample_prompts "The people of|My fellow citizens"

The defaults are the published run: 200 steps, both learning rates 3e-5 after 100 steps of warm-up, betas 0.9 and 0.95,
weight decay 0.1, an adversarial gradient of ten times the reconstruction's, 30 judged patches per strip; set the batch
size to what the machine holds (published: 128, with `--gradient_accumulation_steps`). It is a short walk: readability
rises within some hundred steps, and likelihood falls. Keep the first stage.

Every option of TrainingArguments works; `--resume_from_checkpoint True` goes on with both halves from the
newest whole checkpoint.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from options import (
    MISSING,
    checkpoint_to_resume,
    laid_out,
    load_texts,
    parse_options,
    plain_errors,
    resolve_model,
)
from pretrain import DataArguments, build_packed_dataset
from transformers import TrainingArguments, set_seed

import pixel_ar
from pixel_ar.training import (
    AdversarialArguments,
    AdversarialTrainer,
    BitsPerCharacterCallback,
    LanguageModelingCollator,
    MarkCheckpoints,
    PatchDiscriminator,
    SampleStripsCallback,
    resume,
)

PUBLISHED = {
    "learning_rate": 3e-5,
    "lr_scheduler_type": "constant_with_warmup",
    "warmup_steps": 100,
    "max_steps": 200,
    "adam_beta1": 0.9,
    "adam_beta2": 0.95,
    "weight_decay": 0.1,
    "max_grad_norm": 1.0,
    "logging_steps": 10,
    "save_steps": 100,
}


@dataclass
class ModelArguments:
    """Which models play against each other."""

    model: str = field(default="", metadata={"help": "Folder or Hub id of the stage-1 model."})
    discriminator: str | None = field(
        default=None,
        metadata={"help": "Folder of one to go on with; default: a copy of the model's decoder."},
    )
    missing: str = field(default="hexbox", metadata={"help": MISSING})
    attention: str = field(
        default="sdpa", metadata={"help": "Attention kernel; eager is fastest on most CPUs."}
    )


def parse_arguments() -> tuple[ModelArguments, DataArguments, AdversarialArguments, TrainingArguments]:
    """The command line, laid over the published settings."""
    kinds = (ModelArguments, DataArguments, AdversarialArguments, TrainingArguments)
    return parse_options(kinds, laid_out(PUBLISHED) + sys.argv[1:])


def main() -> None:
    """Trains, evaluates before and after, and saves both halves."""
    arguments, data, adversarial, training = parse_arguments()
    if not arguments.model or not data.train_data:
        raise SystemExit("name a stage-1 model with --model and a training set with --train_data")
    set_seed(training.seed)
    # Features are raw text that only the collator understands; Trainer would drop the columns.
    training.remove_unused_columns = False
    training.prediction_loss_only = True
    discriminator = None
    with plain_errors():
        source = resolve_model(arguments.model)
        model = pixel_ar.PixelARForCausalLM.from_pretrained(source, attn_implementation=arguments.attention)
        processor = pixel_ar.PixelProcessor.from_pretrained(source, missing=arguments.missing)
        if arguments.discriminator:
            discriminator = PatchDiscriminator.from_pretrained(
                arguments.discriminator, attn_implementation=arguments.attention
            )
        documents = build_packed_dataset(data, processor, training.data_seed or training.seed)

    callbacks: list[Any] = [MarkCheckpoints()]
    validation = None
    if data.validation_data:
        with plain_errors():
            validation = load_texts(data.validation_data, data.dataset_config, "validation", streaming=False)
        validation = validation.select(range(min(len(validation), data.max_validation_texts)))
        texts = [row[data.text_column] for row in validation]
        if model.config.patch_head == "bernoulli":
            callbacks.append(BitsPerCharacterCallback(processor, texts, training.per_device_eval_batch_size))
    if data.sample_prompts:
        folder = Path(training.output_dir) / "samples"
        # The most likely pixels, as published: drawing each by itself would add noise to what is compared here.
        callbacks.append(
            SampleStripsCallback(processor, data.sample_prompts.split("|"), folder, temperature=None)
        )

    with plain_errors():
        trainer = AdversarialTrainer(
            model=model,
            args=training,
            adversarial=adversarial,
            discriminator=discriminator,
            train_dataset=documents,
            eval_dataset=validation,
            data_collator=LanguageModelingCollator(processor, data.block_patches, data.text_column),
            processing_class=processor,
            callbacks=callbacks,
        )
    checkpoint = checkpoint_to_resume(training)
    if validation is not None and checkpoint is None:
        trainer.save_metrics("before", trainer.evaluate(metric_key_prefix="before"), combined=False)
    resume(trainer, checkpoint)
    if validation is not None:
        trainer.save_metrics("eval", trainer.evaluate(), combined=False)
    trainer.save_model()
    trainer.save_state()
    if trainer.is_world_process_zero():
        trainer.discriminator.save_pretrained(Path(training.output_dir) / "discriminator")
        if boxes := processor.replaced.report():
            print(boxes)


if __name__ == "__main__":
    main()
