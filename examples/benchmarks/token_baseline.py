# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A decoder over BPE tokens, or bytes, beside the pixel model: same text, width, depth, optimiser and processor time.

Bits per character on the pieces of held_out.py, each beginning after a boundary and paying for the one that ends it; of
a tokenizer's cuts of a text only its own is counted. At equal time, one after the other on an idle machine (word pieces
first):

    python examples/pretrain.py --recipe pixel-ar-words --train_data TRAIN --train_minutes 20 --output_dir runs/words
    python examples/benchmarks/held_out.py runs/words --data HELD_OUT --documents 40
    python examples/benchmarks/token_baseline.py --vocabulary 16384 --train TRAIN --validation HELD_OUT --minutes 20
"""

import argparse
import math
import random
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from datasets import load_dataset
from held_out import cut
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.utils.data import IterableDataset
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments, set_seed

from pixel_ar.training import MuonAdamW, TimeBudget, muon_groups

BOUNDARY = 0


def read_texts(path: str, most: int) -> list[str]:
    """The first `most` texts of a jsonl file, gzipped or not."""
    rows = load_dataset("json", data_files=path, split="train", streaming=True).take(most)
    return [row["text"] for row in rows]


def fit_tokenizer(texts: list[str], size: int) -> Tokenizer:
    """Byte-level BPE: every text has tokens, and decoding gives it back. With 257 the bytes alone."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


class TokenBlocks(IterableDataset):
    """Blocks of tokens without end: documents shuffled anew each pass, a boundary after each."""

    def __init__(self, documents: list[list[int]], block: int, seed: int) -> None:
        self.documents, self.block, self.seed = documents, block, seed

    def __iter__(self) -> Iterator[dict[str, Any]]:
        order = random.Random(self.seed)
        buffer: list[int] = []
        while True:
            for document in order.sample(self.documents, len(self.documents)):
                buffer += [*document, BOUNDARY]
                while len(buffer) >= self.block:
                    ids = torch.tensor(buffer[: self.block])
                    yield {"input_ids": ids, "labels": ids.clone()}
                    buffer = buffer[self.block :]


@torch.no_grad()
def bits_per_character(model: LlamaForCausalLM, tokenizer: Tokenizer, texts: list[str]) -> float:
    """Bits over characters, boundaries included."""
    model.eval()
    nats = 0.0
    for text in texts:
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
        ids = torch.tensor([BOUNDARY, *tokenizer.encode(text).ids, BOUNDARY])
        logits = model(input_ids=ids[None, :-1], use_cache=False).logits[0].float()
        nats += F.cross_entropy(logits, ids[1:], reduction="sum").item()
    return nats / math.log(2) / sum(map(len, texts))


def parse_arguments() -> argparse.Namespace:
    """Command line; the defaults are the decoder of pixel-ar-words."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--train", required=True, help="jsonl file with a column text")
    parser.add_argument("--validation", required=True)
    parser.add_argument("--vocabulary", type=int, default=16384, help="tokens; 257 for bytes")
    parser.add_argument("--minutes", type=float, default=20, help="of processor time")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--block", type=int, default=256, help="tokens per block")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--muon-learning-rate", type=float, default=0.02)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--memory-learning-rate", type=float, default=3e-3)
    parser.add_argument("--decay-share", type=float, default=0.4)
    parser.add_argument("--documents", type=int, default=10_000, help="training documents to read")
    parser.add_argument("--validation-documents", type=int, default=40)
    parser.add_argument("--output-dir", default="runs/tokens")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Trains and prints the figure."""
    options = parse_arguments()
    set_seed(options.seed)
    texts = read_texts(options.train, options.documents)
    tokenizer = fit_tokenizer(texts, options.vocabulary)
    documents = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    config = LlamaConfig(
        vocab_size=options.vocabulary,
        hidden_size=options.width,
        intermediate_size=-(-8 * options.width // 3 // 32) * 32,
        num_hidden_layers=options.layers,
        num_attention_heads=options.width // 64,
        max_position_embeddings=2048,
        initializer_range=0.06,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=BOUNDARY,
    )
    model = LlamaForCausalLM(config)
    # The tied table is a softmax too: its logits must begin small.
    torch.nn.init.normal_(model.model.embed_tokens.weight, std=0.06)
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=options.output_dir,
            max_steps=10_000_000,
            per_device_train_batch_size=options.batch_size,
            use_cpu=not torch.accelerator.is_available(),
            logging_steps=100,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=options.seed,
        ),
        train_dataset=TokenBlocks(documents, options.block, options.seed),
    )
    trainer.optimizer = MuonAdamW(
        muon_groups(model, options.muon_learning_rate, options.learning_rate, options.memory_learning_rate)
    )
    TimeBudget(options.minutes, 100, "processor", options.decay_share).install(trainer)
    trainer.train()
    held_out = read_texts(options.validation, options.validation_documents)
    figure = bits_per_character(model, tokenizer, [piece for text in held_out for piece in cut(text)])
    parameters = sum(parameter.numel() for parameter in model.parameters())
    seen = trainer.state.global_step * options.batch_size * options.block
    characters = seen * sum(map(len, texts)) / sum(map(len, documents))
    print(f"{options.vocabulary} tokens, {parameters:,} parameters, {options.minutes} minutes")
    print(f"{trainer.state.global_step} steps, {characters / 1e6:.2f} million characters")
    print(f"{figure:.4f} bits/character on {len(held_out)} held-out texts")


if __name__ == "__main__":
    main()
