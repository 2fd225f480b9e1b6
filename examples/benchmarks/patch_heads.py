# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The inner form of the autoregressive patch head: bits per character and milliseconds per patch at equal time.

Every form gets the same backbone, data, optimiser and minutes. Run it on an idle machine:

    python examples/benchmarks/patch_heads.py --minutes 2.5

The GRU lives here and not in the package because it lost; it also shows what a new head takes: one class and one
entry in PATCH_HEADS.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from datasets import load_dataset
from torch import nn
from transformers import Trainer, TrainingArguments, set_seed

from pixel_ar import PATCH_HEADS, PatchHead, PixelARConfig, PixelARForCausalLM, PixelProcessor
from pixel_ar.metrics import score_texts
from pixel_ar.models.pixel_ar.heads.base import PatchSample
from pixel_ar.models.pixel_ar.patching import bytes_to_patches, patches_to_bytes
from pixel_ar.training import LanguageModelingCollator, PackedTextDataset, TimeBudget

DATA = Path(__file__).parents[1] / "data"
BYTE_VALUES = 256

FORMS: dict[str, dict[str, Any]] = {
    "grouped transformer, 1 layer": {"head_num_layers": 1},
    "grouped transformer, 2 layers (5 in the backbone)": {"head_num_layers": 2, "num_hidden_layers": 5},
    "masked MLP": {
        "head_num_layers": 0,
        "head_group_columns": 20,
        "head_hidden_size": 256,
        "head_byte_hidden_size": 48,
        "head_byte_embedding_size": 16,
    },
    "transformer over columns": {
        "head_num_layers": 1,
        "head_group_columns": 1,
        "head_hidden_size": 128,
        "head_byte_hidden_size": 128,
    },
    "GRU": {"patch_head": "gru", "head_hidden_size": 256},
}


class GRUPatchHead(PatchHead):
    """One GRU over the bytes of a patch, started from the hidden state."""

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__(config)
        self.num_bytes = config.patch_size[1] * config.patch_size[0] // 8
        self.embedding = nn.Embedding(BYTE_VALUES + 1, config.head_byte_embedding_size)
        self.start = nn.Linear(config.hidden_size, config.head_hidden_size)
        self.condition = nn.Linear(config.hidden_size, config.head_byte_embedding_size)
        self.cell = nn.GRU(config.head_byte_embedding_size, config.head_hidden_size, batch_first=True)
        self.output = nn.Linear(config.head_hidden_size, BYTE_VALUES)

    def _byte_logits(self, hidden_states: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
        inputs = self.embedding(previous) + self.condition(hidden_states)[:, None]
        states, _ = self.cell(inputs, torch.tanh(self.start(hidden_states))[None].to(inputs.dtype))
        return self.output(states).float()

    def logits(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Logits of the first byte."""
        flat = hidden_states.reshape(-1, hidden_states.shape[-1])
        first = torch.full((flat.shape[0], 1), BYTE_VALUES, device=flat.device)
        return self._byte_logits(flat, first)[:, 0].reshape(*hidden_states.shape[:-1], BYTE_VALUES)

    def log_prob(
        self, hidden_states: torch.Tensor, patches: torch.Tensor, num_columns: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Exact log-probability of whole patches."""
        column_bytes = patches_to_bytes(patches, self.patch_size)
        logits = self._byte_logits(hidden_states, F.pad(column_bytes[:, :-1], (1, 0), value=BYTE_VALUES))
        nats = F.cross_entropy(logits.flatten(0, 1), column_bytes.flatten(), reduction="none")
        return -nats.view_as(column_bytes).sum(-1)

    def sample(self, hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> PatchSample:
        """Most likely patch, byte after byte."""
        written = torch.full((hidden_states.shape[0], 1), BYTE_VALUES, device=hidden_states.device)
        state = torch.tanh(self.start(hidden_states))[None]
        condition = self.condition(hidden_states)[:, None]
        logits = []
        for _ in range(self.num_bytes):
            output, state = self.cell(self.embedding(written[:, -1:]) + condition, state)
            logits.append(self.output(output[:, 0]))
            written = torch.cat([written, logits[-1].argmax(-1, keepdim=True)], dim=1)
        stacked = torch.stack(logits, dim=1)
        return PatchSample(bytes_to_patches(written[:, 1:], self.patch_size), stacked, stacked)


def train(form: str, minutes: float, seed: int, learning_rate: float) -> tuple[PixelARForCausalLM, int]:
    """A model with one form of the head, trained for so many minutes; and the number of its steps."""
    set_seed(seed)
    processor = PixelProcessor.from_preset("fixed-8", missing="hexbox")
    base: dict[str, Any] = {
        "hidden_size": 256,
        "intermediate_size": 672,
        "num_hidden_layers": 6,
        "num_attention_heads": 4,
        "patch_embedding_hidden_size": 512,
        "head_byte_hidden_size": 64,
        "initializer_range": 0.06,
    }
    config = PixelARConfig(**{**base, **FORMS[form]})
    config._attn_implementation = "eager"
    stream = load_dataset("json", data_files=str(DATA / "sotu_train.jsonl.gz"), split="train", streaming=True)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=PixelARForCausalLM(config),
            args=TrainingArguments(
                output_dir=folder,
                max_steps=10_000_000,
                per_device_train_batch_size=8,
                learning_rate=learning_rate,
                weight_decay=0.1,
                adam_beta2=0.98,
                optim="adamw_torch_fused",
                bf16=True,
                use_cpu=not torch.accelerator.is_available(),
                remove_unused_columns=False,
                save_strategy="no",
                logging_strategy="no",
                report_to="none",
                disable_tqdm=True,
                seed=seed,
            ),
            train_dataset=PackedTextDataset(
                stream.shuffle(seed=seed, buffer_size=20_000), processor.renderer, 20, 128, seed=seed
            ),
            data_collator=LanguageModelingCollator(processor, 128),
        )
        TimeBudget(minutes, warmup_steps=50).install(trainer)
        trainer.train()
    return trainer.model, trainer.state.global_step


@torch.no_grad()
def milliseconds_per_patch(model: PixelARForCausalLM, patches: int = 64) -> float:
    """Time of the head alone to write one patch of one row."""
    hidden = torch.randn(1, model.config.hidden_size)
    model.patch_head.sample(hidden)
    start = time.perf_counter()
    for _ in range(patches):
        model.patch_head.sample(hidden)
    return (time.perf_counter() - start) / patches * 1000


def main() -> None:
    """Trains every form and prints a Markdown table."""
    parser = argparse.ArgumentParser(description="Forms of the autoregressive patch head at equal time.")
    parser.add_argument("--minutes", type=float, default=2.5, help="training of each form")
    parser.add_argument("--forms", nargs="*", choices=list(FORMS), default=list(FORMS))
    parser.add_argument("--texts", type=int, default=100, help="held-out texts scored")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    options = parser.parse_args()
    PATCH_HEADS["gru"] = GRUPatchHead
    validation = load_dataset("json", data_files=str(DATA / "sotu_validation.jsonl.gz"), split="train")
    texts = validation["text"][:: max(1, len(validation) // options.texts)]
    processor = PixelProcessor.from_preset("fixed-8")
    print(f"{options.minutes} minutes each, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print("| form | parameters | of the head | steps | bits/character | ms/patch of the head |")
    print("|---|---|---|---|---|---|")
    for form in options.forms:
        model, steps = train(form, options.minutes, options.seed, options.learning_rate)
        figure = score_texts(model, processor, list(texts)).bits_per_character
        total = sum(parameter.numel() for parameter in model.parameters())
        head = sum(parameter.numel() for parameter in model.patch_head.parameters())
        speed = milliseconds_per_patch(model)
        print(f"| {form} | {total:,} | {head:,} | {steps} | {figure:.3f} | {speed:.2f} |", flush=True)


if __name__ == "__main__":
    main()
