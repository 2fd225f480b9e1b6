#!/usr/bin/env python
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Pretrains a pixel-autoregressive model on any text data set with the standard Trainer.

A hundred steps on the State of the Union addresses that come with the repository, with the settings of the embedded
checkpoint (the README says what comes out):

    python examples/pretrain.py --recipe pixel-ar-tiny --max_steps 100 --warmup_steps 20 --output_dir runs/first

The embedded checkpoint pixel-ar-tiny itself (its card has the figures):

    python examples/pretrain.py --recipe pixel-ar-tiny --output_dir runs/pixel-ar-tiny

The embedded checkpoint of English words, pixel-ar-words, on any English (its card names the text); a recipe that holds
its learning rate and lets it fall at the end. `--decay_share 0` leaves it held, to go on with `--model` another day:

    python examples/pretrain.py --recipe pixel-ar-words --train_data english.jsonl.gz --train_minutes 600 \
        --output_dir runs/pixel-ar-words

The published systems (recipes name their optimiser and schedule; sizes are presets of PixelARConfig). PIXAR's stage 1
needs the authors' font, or another atlas; what follows it is examples/adversarial.py:

    python examples/pretrain.py --recipe pixar-113m --font PixeloidSans-mLxMm.ttf --output_dir runs/pixar-113m

Models of patches and tokens take a mix of strips, tokens and pairs: TextGPT is `--mix token=1`, MonoGPT
`--mix pixel=1,token=1`, DualGPT `--mix pixel=4,token=4,pair=2`. A small one, on this data, in minutes:

    python examples/pretrain.py --recipe dualgpt-tiny --output_dir runs/dualgpt-tiny

A Hub data set is streamed: `--train_data wikimedia/wikipedia --dataset_config 20231101.en`, and so are files that a
pattern names: `--train_data 'texts/part-*.jsonl.gz'`. Every option of
TrainingArguments works (`--bf16`, `--gradient_accumulation_steps`, `--resume_from_checkpoint`, `--torch_compile`, ...).

On a CPU a caching allocator saves about a quarter of the step time (glibc returns every large tensor to the system),
and `--torch_compile True` another quarter (0.61 to 0.46 s per step of the embedded checkpoint's recipe on two cores),
after a first step of a minute and a half:

    LD_PRELOAD=libjemalloc.so.2 MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1 python examples/pretrain.py ...

Leave that allocator out with --mix: with batches of ever new shapes it kept 22 GB after ten minutes, glibc's 2 GB.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import Dataset, IterableDataset
from options import (
    MISSING,
    NO_STEP_LIMIT,
    checkpoint_to_resume,
    laid_out,
    load_texts,
    parse_options,
    plain_errors,
    read_recipe,
    resolve_model,
    take_option,
)
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoTokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import TrainOutput

import pixel_ar
from pixel_ar.training import (
    BitsPerCharacterCallback,
    FiniteLossTrainer,
    LanguageModelingCollator,
    MarkCheckpoints,
    MixedModalityCollator,
    MuonAdamW,
    PackedTextDataset,
    SampleStripsCallback,
    TimeBudget,
    muon_groups,
    resume,
)


@dataclass
class ModelArguments:
    """Which model is trained."""

    model: str | None = field(
        default=None,
        metadata={"help": "Folder, Hub id or bundled checkpoint to go on from; default: a new one."},
    )
    config_preset: str | None = field(
        default=None, metadata={"help": "PixelARConfig preset of a new model, such as pixar-113m."}
    )
    config_overrides: str = field(
        default="{}", metadata={"help": "JSON of PixelARConfig fields of a new model."}
    )
    preset: str = field(default="fixed-8", metadata={"help": "PixelProcessor preset of a new model."})
    processor_overrides: str = field(
        default="{}",
        metadata={"help": "JSON of PixelProcessor arguments of a new model, such as its strategy."},
    )
    dictionary_size: int | None = field(
        default=None,
        metadata={
            "help": "Fit a dictionary of so many patches to the training data, for patch_head=dictionary."
        },
    )
    dictionary_glyphs: int = field(default=256, metadata={"help": "Glyphs of that dictionary's escape."})
    dictionary_documents: int = field(
        default=20_000, metadata={"help": "Documents that the dictionary is fitted to."}
    )
    font: str | None = field(
        default=None, metadata={"help": "Font file, for the presets pixar and pixelgpt."}
    )
    # Training text is not ours to choose: what the atlas lacks is drawn all the same, and nothing is dropped.
    missing: str = field(default="hexbox", metadata={"help": MISSING})
    tokenizer: str | None = field(
        default=None, metadata={"help": "Folder or Hub id of the tokenizer of a new model with tokens."}
    )
    new_tokenizer_size: int | None = field(
        default=None,
        metadata={
            "help": "Fit a byte-level BPE of so many tokens to the training data instead (at least 259)."
        },
    )
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
    mix: str | None = field(
        default=None,
        metadata={"help": "Shares of batches, such as pixel=4,token=4,pair=2; default: packed strips alone."},
    )
    piece_characters: int = field(
        default=400,
        metadata={"help": "With --mix, documents are split at spaces into pieces up to this long."},
    )
    target_first_ratio: float = field(
        default=0.5, metadata={"help": "With --mix, share of the pairs in which the tokens come first."}
    )
    max_validation_texts: int = field(default=400, metadata={"help": "Texts scored per evaluation."})
    sample_prompts: str = field(
        default="",
        metadata={
            "help": "Prompts, separated by |, continued at every evaluation and written as PNG; default: the first "
            "words of two validation texts."
        },
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
    train_clock: str = field(
        default="wall", metadata={"help": "Of --train_minutes: wall, or processor for the time of all cores."}
    )
    decay_share: float | None = field(
        default=None,
        metadata={
            "help": "Hold the learning rate and let it fall over this last share of --train_minutes (0: never), in "
            "place of a cosine; a held run can be gone on with."
        },
    )


@dataclass
class OptimizerArguments:
    """Muon for the decoder's matrices, in place of the optimiser that TrainingArguments name."""

    muon_learning_rate: float | None = field(
        default=None,
        metadata={"help": "Use MuonAdamW with this rate for matrices; --learning_rate is that of the rest."},
    )
    memory_learning_rate: float = field(
        default=3e-3, metadata={"help": "With Muon: rate of what is remembered of patches and tokens."}
    )


def build_model_and_processor(
    arguments: ModelArguments, data: DataArguments
) -> tuple[pixel_ar.PixelARForCausalLM, pixel_ar.PixelProcessor]:
    """A new pair from a preset and overrides, or a saved one."""
    if arguments.model is not None:
        folder = resolve_model(arguments.model)
        model = pixel_ar.PixelARForCausalLM.from_pretrained(folder, attn_implementation=arguments.attention)
        return model, pixel_ar.PixelProcessor.from_pretrained(folder, missing=arguments.missing)
    overrides = json_object("config_overrides", arguments.config_overrides)
    settings = {
        "missing": arguments.missing,
        **json_object("processor_overrides", arguments.processor_overrides),
    }
    if "patch_size" in overrides:
        settings["patch_size"] = tuple(overrides["patch_size"])
    if arguments.font is not None:
        settings["font"] = arguments.font
    tokenizer = build_tokenizer(arguments, data)
    if tokenizer is not None:
        settings["tokenizer"] = tokenizer
        names = ("pad_token_id", "bos_token_id", "eos_token_id")
        overrides = {
            "vocab_size": len(tokenizer),
            **{name: getattr(tokenizer, name) for name in names},
            **overrides,
        }
    processor = pixel_ar.PixelProcessor.from_preset(arguments.preset, **settings)
    dictionary = fit_dictionary(arguments, data, processor, overrides)
    if dictionary is not None:
        # With `unit_width` a patch holds several words.
        overrides |= dictionary.config_fields(processor.patch_size[1] // processor.settings.unit_width)
    overrides = {"patch_size": processor.patch_size, "num_channels": processor.num_channels, **overrides}
    if arguments.config_preset is None:
        config = pixel_ar.PixelARConfig(**overrides)
    else:
        config = pixel_ar.PixelARConfig.from_preset(arguments.config_preset, **overrides)
    config._attn_implementation = arguments.attention
    model = pixel_ar.PixelARForCausalLM(config)
    if dictionary is not None:
        model.set_patch_dictionary(dictionary)
    return model, processor


def json_object(name: str, text: str) -> dict[str, Any]:
    """An option that holds a JSON object."""
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise SystemExit(f"--{name} must be a JSON object: {error}") from None


def fit_dictionary(
    arguments: ModelArguments,
    data: DataArguments,
    processor: pixel_ar.PixelProcessor,
    overrides: dict[str, Any],
) -> pixel_ar.PatchDictionary | None:
    """The most frequent patches of the training data, if the new model shall know them."""
    if arguments.dictionary_size is None:
        return None
    documents = load_texts(data.train_data, data.dataset_config, "train", streaming=True)
    texts = (row[data.text_column] for row in documents.take(arguments.dictionary_documents))
    return pixel_ar.PatchDictionary.fit(
        (processor.renderer.render_bytes(text) for text in texts),
        (processor.patch_size[0], processor.settings.unit_width),
        arguments.dictionary_size,
        arguments.dictionary_glyphs,
        overrides.get("head_group_columns", 5),
    )


def build_tokenizer(arguments: ModelArguments, data: DataArguments) -> PreTrainedTokenizerBase | None:
    """The tokenizer of a new model: a given one, one fitted to the training data, or none."""
    if arguments.tokenizer is not None:
        return AutoTokenizer.from_pretrained(arguments.tokenizer)
    if arguments.new_tokenizer_size is None:
        return None
    documents = load_texts(data.train_data, data.dataset_config, "train", streaming=True)
    # Byte-level: every text has tokens, and decoding gives it back.
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=arguments.new_tokenizer_size,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator((row[data.text_column] for row in documents), trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token="<pad>", bos_token="<s>", eos_token="</s>")


def parse_mix(mix: str) -> dict[str, float]:
    """`pixel=4,token=4,pair=2` as a dictionary."""
    try:
        return {name: float(share) for name, share in (part.split("=") for part in mix.split(","))}
    except ValueError:
        raise SystemExit(f"--mix {mix!r}: write shares as pixel=4,token=4,pair=2") from None


def split_texts(texts: list[str], most: int) -> list[str]:
    """Pieces of at most `most` characters that together hold every word; longer words are cut, nothing is dropped."""
    pieces = []
    for text in texts:
        piece = ""
        for word in text.split():
            parts = [word[i : i + most] for i in range(0, len(word), most)]
            for part in parts:
                if piece and len(piece) + 1 + len(part) > most:
                    pieces.append(piece)
                    piece = ""
                piece = f"{piece} {part}" if piece else part
        if piece:
            pieces.append(piece)
    return pieces


def split_documents(documents: Dataset | IterableDataset, data: DataArguments) -> Dataset | IterableDataset:
    """Documents as short pieces, for mixed batches."""

    def split(rows: dict[str, list[str]]) -> dict[str, list[str]]:
        return {data.text_column: split_texts(rows[data.text_column], data.piece_characters)}

    return documents.map(split, batched=True, remove_columns=documents.column_names)


def build_mixed_dataset(data: DataArguments, seed: int) -> IterableDataset:
    """Streams and shuffles pieces of the training documents, pass after pass."""
    documents = load_texts(data.train_data, data.dataset_config, "train", streaming=True)
    pieces = split_documents(documents.shuffle(seed=seed, buffer_size=1000), data)
    return pieces.shuffle(seed=seed, buffer_size=data.shuffle_buffer).repeat(None)


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
        margins=(processor.left_padding, processor.right_padding),
    )


def parse_arguments() -> tuple[
    ModelArguments, DataArguments, BudgetArguments, OptimizerArguments, TrainingArguments
]:
    """Command line, or a recipe file with the command line's options laid over it."""
    name, words = take_option(sys.argv[1:], "recipe")
    given = {} if name is None else read_recipe(name)["arguments"]
    if any(word.split("=")[0] == "--max_steps" for word in words):
        given.pop("train_minutes", None)  # one measure of length is enough
    # A loss every few seconds on two cores; Trainer's own default is every 500 steps.
    words = laid_out({"logging_steps": 20, **given}) + words
    kinds = (ModelArguments, DataArguments, BudgetArguments, OptimizerArguments, TrainingArguments)
    return parse_options(kinds, words)


def main() -> None:
    """Trains, evaluates and saves."""
    model_arguments, data, budget, rates, training = parse_arguments()
    if not data.train_data:
        raise SystemExit("name a training set with --train_data, or a recipe with --recipe")
    set_seed(training.seed)
    # Features are raw text that only the collator understands; Trainer would drop the columns.
    training.remove_unused_columns = False
    training.prediction_loss_only = True
    with plain_errors():
        model, processor = build_model_and_processor(model_arguments, data)
        processor.check_model(model.config)
    if training.max_steps < 0 and not budget.train_minutes:
        raise SystemExit("packed blocks come without end: set --max_steps or --train_minutes")
    if training.max_steps < 0:
        training.max_steps = NO_STEP_LIMIT
    seed = training.data_seed or training.seed
    if data.mix is None:
        with plain_errors():
            train_dataset = build_packed_dataset(data, processor, seed)
        collator: Any = LanguageModelingCollator(processor, data.block_patches, data.text_column)
    else:
        train_dataset = build_mixed_dataset(data, seed)
        collator = MixedModalityCollator(
            processor,
            parse_mix(data.mix),
            text_column=data.text_column,
            target_first_ratio=data.target_first_ratio,
            seed=seed,
        )

    callbacks: list[Any] = [MarkCheckpoints()]
    validation = None
    prompts = data.sample_prompts.split("|") if data.sample_prompts else []
    if data.validation_data:
        with plain_errors():
            validation = load_texts(data.validation_data, data.dataset_config, "validation", streaming=False)
        validation = validation.select(range(min(len(validation), data.max_validation_texts)))
        if data.mix is not None:
            validation = split_documents(validation, data)
        texts = [row[data.text_column] for row in validation][: data.max_validation_texts]
        # Squared errors are no likelihoods, and a model that never saw a strip has none worth reporting.
        if model.patch_head.has_likelihood and "pixel" in (data.mix or "pixel"):
            callbacks.append(BitsPerCharacterCallback(processor, texts, training.per_device_eval_batch_size))
        prompts = prompts or [" ".join(text.split()[:4]) for text in texts[:2]]
    if (prompts and model.patch_head.can_sample and data.mix is None) or data.sample_prompts:
        callbacks.append(SampleStripsCallback(processor, prompts, Path(training.output_dir) / "samples"))

    trainer = FiniteLossTrainer(
        model=model,
        args=training,
        train_dataset=train_dataset,
        eval_dataset=validation,
        data_collator=collator,
        processing_class=processor,
        callbacks=callbacks,
    )
    if rates.muon_learning_rate is not None:
        trainer.optimizer = MuonAdamW(
            muon_groups(
                model,
                rates.muon_learning_rate,
                training.learning_rate,
                rates.memory_learning_rate,
                training.weight_decay,
            )
        )
    if budget.train_minutes:
        with plain_errors():
            clock = TimeBudget(
                budget.train_minutes, int(training.warmup_steps), budget.train_clock, budget.decay_share
            )
        clock.install(trainer)
    output = resume(trainer, checkpoint_to_resume(training))
    metrics = {} if validation is None else trainer.evaluate()
    if metrics:
        trainer.save_metrics("eval", metrics)
    trainer.save_model()
    trainer.save_state()
    if trainer.is_world_process_zero():
        if not trainer.is_fsdp_enabled:  # a shard of a model has no figures
            pixel_ar.write_selftest(
                trainer.accelerator.unwrap_model(trainer.model), processor, training.output_dir
            )
        strips = (
            training.train_batch_size
            * training.gradient_accumulation_steps
            * trainer.accelerator.num_processes
        )
        step_patches = strips * data.block_patches if data.mix is None else None
        print(summary(training.output_dir, output, metrics, processor, step_patches))


def summary(
    folder: str,
    output: TrainOutput,
    metrics: Mapping[str, float],
    processor: pixel_ar.PixelProcessor,
    step_patches: int | None,
) -> str:
    """What a person wants to know at the end of a run, and to compare: what was read counts, not the minutes.

    Args:
        folder: of the run.
        output: of the training.
        metrics: of the last evaluation.
        processor: of the model.
        step_patches: patches read in a step; `None` where batches differ.
    """
    steps, seconds = output.global_step, output.metrics["train_runtime"]
    read = "" if step_patches is None else f" ({steps * step_patches:,} patches read)"
    loss = f"loss {output.training_loss:.3f} nats per position (mean)"
    lines = [f"{steps} steps{read} in {seconds / 60:.1f} minutes, {loss}"]
    if "eval_bits_per_character" in metrics:
        lines.append(f"{metrics['eval_bits_per_character']:.3f} bits/character on held-out texts")
    if samples := sorted(Path(folder, "samples").glob("*.png")):
        lines.append(f"written by the model: {samples[-1]}")
    if boxes := processor.replaced.report():
        lines.append(boxes)
    return "\n".join([*lines, f"model and processor: {folder}"])


if __name__ == "__main__":
    main()
