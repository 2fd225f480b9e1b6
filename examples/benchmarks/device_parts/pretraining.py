# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Trains the embedded model from a packed file for so many minutes; goes on where an earlier run in the folder stopped.

Architecture, optimiser and schedule are those of the recipe `pixel-ar-words`, over which `--train-config` (JSON of
`PixelARConfig` fields) and `--train-batch` are laid. A checkpoint is saved every minute, so a run that is cut off loses
that much; one that is resumed reads the documents in another order instead of those it has seen. The model lies in
`model/` at the end, in pieces of at most 15 MB.
"""

import json
import math
import os
import time
from pathlib import Path
from typing import Any

import torch
from harness import Record, Settings
from packed_text import PackedDocuments, read_rows
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from pixel_ar import PatchDictionary, PixelARConfig, PixelARForCausalLM, PixelProcessor, write_selftest
from pixel_ar.metrics import score_texts
from pixel_ar.training import (
    FiniteLossTrainer,
    LanguageModelingCollator,
    MarkCheckpoints,
    MuonAdamW,
    PackedTextDataset,
    TimeBudget,
    find_checkpoint,
    muon_groups,
    resume,
)

EXAMPLES = Path(__file__).resolve().parents[2]
SAVE_SECONDS = 60.0
SHARD = "15MB"
# What is left of the part's time for saving, scoring and the first steps.
RESERVE_SECONDS = 45.0


class Progress(TrainerCallback):
    """Records the loss, and saves once a minute.

    Args:
        record: gets the losses.
        positions: patches of a step.
    """

    def __init__(self, record: Record, positions: int) -> None:
        self.record, self.positions = record, positions
        self.start = self.saved = time.monotonic()
        self.first_step = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Starts the clock."""
        self.start = self.saved = time.monotonic()
        self.first_step = state.global_step

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """One record."""
        if logs and "loss" in logs:
            seconds = time.monotonic() - self.start
            done = (state.global_step - self.first_step) * self.positions
            self.record(
                "loss",
                step=state.global_step,
                seconds=round(seconds, 1),
                loss=float(logs["loss"]),
                patches_per_s=done / max(seconds, 1e-9),
            )

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Asks for a checkpoint when a minute has passed."""
        if time.monotonic() - self.saved > SAVE_SECONDS:
            self.saved = time.monotonic()
            control.should_save = True
        return control


def run(settings: Settings, record: Record) -> None:
    """See `harness`."""
    options = settings.options
    on_device = settings.device == "cuda"
    minutes = float(options["train_minutes"])
    if not settings.is_quick:
        minutes = min(minutes, (settings.seconds_left() - RESERVE_SECONDS) / 60)
    recipe = json.loads((EXAMPLES / "recipes" / "pixel-ar-words.json").read_text(encoding="utf-8"))[
        "arguments"
    ]
    folder = settings.folder / "training"
    checkpoint = find_checkpoint(str(folder)) if folder.is_dir() else None
    step = 0 if checkpoint is None else int(checkpoint.rsplit("-", 1)[1])
    documents = PackedDocuments(Path(options["train_data"]), seed=step)
    record(
        "data", documents=len(documents.texts), characters=sum(map(len, documents.texts)), resumed_from=step
    )
    model, processor = build(recipe, documents, settings)
    length = 16 if settings.is_quick else int(options.get("train_length") or recipe["block_patches"])
    batch = 2 if settings.is_quick else int(options.get("train_batch") or (128 if on_device else 4))
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=10_000_000,
        per_device_train_batch_size=batch,
        learning_rate=recipe["learning_rate"],
        max_grad_norm=recipe["max_grad_norm"],
        logging_steps=1 if settings.is_quick else 20,
        save_strategy="steps",
        save_steps=2 if settings.is_quick else 10_000_000,
        save_total_limit=2,
        bf16=on_device,
        torch_compile=bool(options.get("compile")) and not settings.is_quick,
        use_cpu=not on_device,
        dataloader_num_workers=max(min(12, (os.cpu_count() or 2) - 2), 1) if on_device else 0,
        dataloader_pin_memory=on_device,
        remove_unused_columns=False,
        ignore_data_skip=True,
        disable_tqdm=True,
        report_to="none",
        seed=1,
    )
    dataset = PackedTextDataset(
        documents,
        processor.renderer,
        processor.patch_size[1],
        length,
        max_rewind=recipe["max_rewind"],
        seed=step,
        margins=(processor.left_padding, processor.right_padding),
    )
    trainer = FiniteLossTrainer(
        model=model,
        args=arguments,
        train_dataset=dataset,
        data_collator=LanguageModelingCollator(processor, length),
        processing_class=processor,
        callbacks=[Progress(record, batch * length), MarkCheckpoints()],
    )
    trainer.optimizer = MuonAdamW(
        muon_groups(
            model,
            recipe["muon_learning_rate"],
            recipe["learning_rate"],
            recipe["memory_learning_rate"],
            recipe["weight_decay"],
        )
    )
    TimeBudget(
        minutes, 2 if settings.is_quick else recipe["warmup_steps"], "wall", recipe["decay_share"]
    ).install(trainer)
    output = resume(trainer, checkpoint)
    record("trained", steps=output.global_step, loss=float(output.training_loss), minutes=minutes)
    target = settings.folder / "model"
    trained = trainer.accelerator.unwrap_model(trainer.model).float()
    trained.save_pretrained(target, max_shard_size=SHARD)
    processor.save_pretrained(target)
    record("saved", folder=str(target), bytes=sum(path.stat().st_size for path in target.iterdir()))
    record.attempt("held out", lambda: score(trained, processor, settings))
    record.attempt("selftest", lambda: _selftest(trained, processor, target))


def build(
    recipe: dict[str, Any], documents: PackedDocuments, settings: Settings
) -> tuple[PixelARForCausalLM, PixelProcessor]:
    """The recipe's model with a dictionary fitted to the documents."""
    processor = PixelProcessor.from_preset(
        recipe["preset"], missing="hexbox", **_pairs(json.loads(recipe["processor_overrides"]))
    )
    overrides = json.loads(recipe["config_overrides"])
    size, glyphs, count = recipe["dictionary_size"], recipe["dictionary_glyphs"], 20_000
    if settings.is_quick:
        overrides |= {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
        }
        overrides |= {"patch_embedding_hidden_size": 32, "head_hidden_size": 16, "head_num_layers": 1}
        size, glyphs, count = 64, 16, 3
    overrides |= json.loads(settings.options.get("train_config") or "{}")
    height, width = processor.patch_size
    # The head of a long document is as good as all of it, and the fit waits for no book.
    texts = (text[:20_000] for text in documents.texts[:count])
    dictionary = PatchDictionary.fit(
        (processor.renderer.render_bytes(text) for text in texts),
        (height, width),
        size,
        glyphs,
        overrides.get("head_group_columns", 5),
    )
    config = PixelARConfig(**overrides | dictionary.config_fields())
    config._attn_implementation = "sdpa"
    torch.manual_seed(1)
    model = PixelARForCausalLM(config)
    model.set_patch_dictionary(dictionary)
    return model, processor


def score(model: PixelARForCausalLM, processor: PixelProcessor, settings: Settings) -> dict[str, Any]:
    """Bits per character of held-out texts, as many as there is time for."""
    path = settings.options.get("train_validation") or EXAMPLES / "data" / "sotu_validation.jsonl.gz"
    rows = [row["text"][:3000] for row in read_rows(Path(path))][: 1 if settings.is_quick else 200]
    texts = [text[:100] for text in rows] if settings.is_quick else rows
    scored: list[str] = []
    nats = characters = 0.0
    for start in range(0, len(texts), 16):
        if scored and settings.seconds_left() < RESERVE_SECONDS / 2:
            break
        part = texts[start : start + 16]
        found = score_texts(model, processor, part)
        nats += sum(found.nats)
        characters += sum(found.num_characters)
        scored += part
    return {
        "texts": len(scored),
        "characters": characters,
        "bits_per_character": nats / characters / math.log(2),
    }


def _selftest(model: PixelARForCausalLM, processor: PixelProcessor, folder: Path) -> dict[str, Any]:
    write_selftest(model.eval(), processor, folder)
    return {"written": "selftest.json"}


def _pairs(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
