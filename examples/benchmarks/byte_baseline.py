# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A byte-level Llama beside the pixel model: same data, size, optimiser, characters per step and minutes.

Both figures are bits per character on the held-out addresses, each paragraph scored as a document of its own, its end
included. For equal time, run this and the pixel recipe one after the other on an idle machine:

    python examples/pretrain.py --recipe pixel-ar-tiny --train_minutes 8 --output_dir runs/pixels
    python examples/benchmarks/byte_baseline.py --minutes 8 --output-dir runs/bytes
"""

import argparse
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from texts import read_texts
from torch.utils.data import IterableDataset
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments, set_seed

from pixel_ar.training import TimeBudget

BOUNDARY = 0  # ends a document, as the EOS patch does; no text holds this byte


def read_bytes(name: str) -> list[bytes]:
    """All texts of a file of the repository, UTF-8."""
    return [text.encode() for text in read_texts(name)]


class ByteBlocks(IterableDataset):
    """Blocks of bytes without end: documents shuffled anew each pass, a boundary after each."""

    def __init__(self, texts: list[bytes], block: int, seed: int) -> None:
        self.texts, self.block, self.seed = texts, block, seed

    def __iter__(self) -> Iterator[dict[str, Any]]:
        rng = np.random.default_rng(self.seed)
        buffer = b""
        while True:
            for index in rng.permutation(len(self.texts)):
                buffer += self.texts[index] + bytes([BOUNDARY])
                while len(buffer) >= self.block:
                    ids = torch.frombuffer(bytearray(buffer[: self.block]), dtype=torch.uint8).long()
                    yield {"input_ids": ids, "labels": ids.clone()}
                    buffer = buffer[self.block :]


@torch.no_grad()
def bits_per_character(model: LlamaForCausalLM, texts: list[bytes], batch_size: int = 16) -> float:
    """Bits over characters, every byte and the final boundary counted."""
    model.eval()
    nats, characters = 0.0, sum(len(text.decode()) for text in texts)
    ordered = sorted(texts, key=len)
    for start in range(0, len(ordered), batch_size):
        rows = [[BOUNDARY, *text, BOUNDARY] for text in ordered[start : start + batch_size]]
        length = max(map(len, rows))
        ids = torch.tensor([row + [-100] * (length - len(row)) for row in rows])
        logits = model(input_ids=ids.clamp(min=0), use_cache=False).logits[:, :-1].float()
        nats += F.cross_entropy(
            logits.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=-100, reduction="sum"
        ).item()
    return nats / characters / math.log(2)


def parse_arguments() -> argparse.Namespace:
    """Command line; the defaults are the size of pixel-ar-tiny."""
    parser = argparse.ArgumentParser(description="Byte-level decoder of the size of pixel-ar-tiny.")
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--output-dir", required=True)
    parser.add_argument("--layers", type=int, default=7)
    parser.add_argument("--intermediate-size", type=int, default=704)
    parser.add_argument(
        "--block", type=int, default=1024, help="bytes per block; 256 patches hold 1024 characters"
    )
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", help="weights of an earlier run, for a second phase")
    parser.add_argument("--compile", action="store_true", help="torch.compile")
    return parser.parse_args()


def build_model(options: argparse.Namespace) -> LlamaForCausalLM:
    """A model of the given size, with random weights or those of an earlier run."""
    if options.model:
        return LlamaForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    config = LlamaConfig(
        vocab_size=256,
        hidden_size=256,
        intermediate_size=options.intermediate_size,
        num_hidden_layers=options.layers,
        num_attention_heads=4,
        max_position_embeddings=2048,
        initializer_range=0.06,
        bos_token_id=None,
        eos_token_id=BOUNDARY,
    )
    config._attn_implementation = "sdpa"  # faster than eager at 1024 positions
    return LlamaForCausalLM(config)


def main() -> None:
    """Trains and prints the figure."""
    options = parse_arguments()
    set_seed(options.seed)
    trainer = Trainer(
        model=build_model(options),
        args=TrainingArguments(
            output_dir=options.output_dir,
            max_steps=10_000_000,
            per_device_train_batch_size=options.batch_size,
            learning_rate=options.learning_rate,
            weight_decay=0.1,
            adam_beta2=0.98,
            optim="adamw_torch_fused",
            bf16=True,
            use_cpu=not torch.accelerator.is_available(),
            logging_steps=50,
            torch_compile=options.compile,
            save_steps=500,  # a long run that is interrupted leaves its weights
            save_total_limit=1,
            report_to="none",
            disable_tqdm=True,
            seed=options.seed,
        ),
        train_dataset=ByteBlocks(read_bytes("sotu_train.jsonl.gz"), options.block, options.seed),
    )
    TimeBudget(options.minutes, warmup_steps=150).install(trainer)
    trainer.train()
    trainer.save_model()
    figure = bits_per_character(trainer.model, read_bytes("sotu_validation.jsonl.gz"))
    parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
    print(
        f"byte-level decoder: {parameters:,} parameters, {options.minutes} minutes, {trainer.state.global_step} steps"
    )
    print(f"{figure:.4f} bits/character on the held-out addresses")


if __name__ == "__main__":
    main()
