# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""How much text a token of a small BPE holds, measured on the addresses that come with the repository."""

import gzip
import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

DATA = Path(__file__).resolve().parents[2] / "data"


def read_jsonl(path: Path, count: int | None = None) -> list[str]:
    """The `text` of the first rows of a gzipped file."""
    texts = []
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        for line in stream:
            texts.append(json.loads(line)["text"])
            if count is not None and len(texts) >= count:
                break
    return texts


def characters_per_token(is_quick: bool) -> float:
    """Of a byte-level BPE fitted to the training addresses, on the held-out ones."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512 if is_quick else 4096,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(read_jsonl(DATA / "sotu_train.jsonl.gz", 2 if is_quick else 60), trainer)
    held_out = read_jsonl(DATA / "sotu_validation.jsonl.gz", 1 if is_quick else 4)
    return sum(map(len, held_out)) / sum(len(bpe.encode(text).ids) for text in held_out)
