# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A decoder over BPE tokens, or bytes, beside the pixel model: same text, size, optimiser, context and processor time.

Bits per character on the pieces of held_out.py, each beginning after a boundary and paying for the one that ends it; of
a tokenizer's cuts of a text only its own is counted. At equal time, one after the other on an idle machine (word pieces
first):

    python examples/pretrain.py --recipe pixel-ar-words --train_data TRAIN --train_minutes 40 --output_dir runs/words
    python examples/benchmarks/held_out.py runs/words --data HELD_OUT
    python examples/benchmarks/token_baseline.py --vocabulary 16384 --train TRAIN --validation HELD_OUT --minutes 40

The time is the processor's. An interrupted run goes on with the same command; one that is finished is measured again.
"""

import argparse
import json
import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from datasets import load_dataset
from held_out import read_held_out
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.utils.data import IterableDataset
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments, set_seed

import pixel_ar
from pixel_ar.training import MarkCheckpoints, MuonAdamW, TimeBudget, find_checkpoint, muon_groups, resume

BOUNDARY = 0
TOKENIZER = "tokenizer.json"
FACTS = "baseline.json"


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


class Shape(NamedTuple):
    """What a decoder is made of.

    Attributes:
        layers: how many.
        intermediate: width of their multilayer perceptrons.
    """

    layers: int
    intermediate: int


def decoder_shape(parameters: int, vocabulary: int, width: int) -> Shape:
    """The decoder with a tied table that comes nearest to a number of parameters.

    Its layers are as many as fit if their perceptrons are about three times as wide as the states; the perceptrons then
    take up the rest, in steps of eight.

    Raises:
        SystemExit: where the table leaves less than one layer.
    """
    attention, per_unit = 4 * width * width + 2 * width, 3 * width
    left = parameters - vocabulary * width - width
    layers = round(left / (attention + per_unit * 3 * width))
    if layers < 1:
        raise SystemExit(f"{parameters:,} parameters hold no layer beside a table of {vocabulary} tokens")
    return Shape(layers, round((left / layers - attention) / per_unit / 8) * 8)


class TokenBatches(IterableDataset):
    """Batches of blocks of tokens without end: documents shuffled anew each pass, a boundary after each.

    Args:
        documents: tokens.
        block: of a row.
        rows: how many a batch has, asked before each.
        seed: of the order.
    """

    def __init__(self, documents: list[list[int]], block: int, rows: Callable[[], int], seed: int) -> None:
        self.documents, self.block, self.rows, self.seed = documents, block, rows, seed

    def _blocks(self) -> Iterator[list[int]]:
        order = random.Random(self.seed)
        buffer: list[int] = []
        while True:
            for document in order.sample(self.documents, len(self.documents)):
                buffer += [*document, BOUNDARY]
                while len(buffer) >= self.block:
                    yield buffer[: self.block]
                    buffer = buffer[self.block :]

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        blocks = self._blocks()
        while True:
            ids = torch.tensor([next(blocks) for _ in range(self.rows())])
            yield {"input_ids": ids, "labels": ids}


@torch.no_grad()
def score_tokens(model: LlamaForCausalLM, tokenizer: Tokenizer, texts: list[str]) -> list[float]:
    """Nats of each text and of the boundary after it, after a boundary.

    Raises:
        ValueError: for a text that the tokenizer does not give back.
    """
    model.eval()
    nats = []
    for text in texts:
        tokens = tokenizer.encode(text).ids
        if tokenizer.decode(tokens) != text:
            raise ValueError(f"the tokenizer does not give {text!r:.60} back")
        ids = torch.tensor([BOUNDARY, *tokens, BOUNDARY])
        logits = model(input_ids=ids[None, :-1], use_cache=False).logits[0].float()
        nats.append(F.cross_entropy(logits, ids[1:], reduction="sum").item())
    return nats


def build_model(options: argparse.Namespace) -> LlamaForCausalLM:
    """A new decoder of the size asked for."""
    shape = decoder_shape(options.parameters, options.vocabulary, options.width)
    config = LlamaConfig(
        vocab_size=options.vocabulary,
        hidden_size=options.width,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
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
    return model


def parse_arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Command line; the defaults are those of pixel-ar-words: size, rates, context, batches."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--train", required=True, help="jsonl file with a column text")
    parser.add_argument("--validation", required=True)
    parser.add_argument("--vocabulary", type=int, default=16384, help="tokens; 257 for bytes")
    parser.add_argument("--minutes", type=float, default=40, help="of processor time")
    parser.add_argument("--parameters", type=int, default=9_400_000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--context", type=int, default=1100, help="characters of a block, about")
    parser.add_argument("--batch-size", type=int, default=4, help="blocks of a batch at first")
    parser.add_argument("--growth", type=float, default=0.35, help="share of the time after which it doubles")
    parser.add_argument("--muon-learning-rate", type=float, default=0.02)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--memory-learning-rate", type=float, default=3e-3, help="of the table of tokens")
    parser.add_argument("--decay-share", type=float, default=0.4)
    parser.add_argument("--documents", type=int, default=4000, help="training documents to read")
    parser.add_argument("--validation-documents", type=int, default=10**9)
    parser.add_argument("--characters", type=int, default=1000, help="of a held-out piece, at most")
    parser.add_argument("--save-steps", type=int, default=100)
    parser.add_argument("--output-dir", default="runs/tokens")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(words)


def main() -> None:
    """Trains, if that is not done, and prints the figure."""
    options = parse_arguments()
    folder = Path(options.output_dir)
    facts = read_facts(folder)
    if facts.get("minutes") != options.minutes:
        facts = train(options, folder)
    print(json.dumps(facts), flush=True)
    report(options, folder)


def train(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Trains and saves tokenizer, model and what it took, which is returned."""
    set_seed(options.seed)
    texts = read_texts(options.train, options.documents)
    if (folder / TOKENIZER).is_file():
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    else:
        tokenizer = fit_tokenizer(texts, options.vocabulary)
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(folder / TOKENIZER))
    documents = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    per_character = sum(map(len, documents)) / sum(map(len, texts))
    block = round(options.context * per_character)
    model = build_model(options)
    budget = TimeBudget(options.minutes, 100, "processor", options.decay_share)

    def rows() -> int:
        grown = budget.seconds_used > 60 * options.minutes * options.growth
        return options.batch_size * (2 if grown else 1)

    def unwrap(batches: list[Any]) -> Any:
        return batches[0]

    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=options.output_dir,
            max_steps=10_000_000,
            per_device_train_batch_size=1,  # a batch of TokenBatches
            use_cpu=not torch.accelerator.is_available(),
            logging_steps=50,
            save_steps=options.save_steps,
            save_total_limit=2,
            report_to="none",
            disable_tqdm=True,
            seed=options.seed,
        ),
        train_dataset=TokenBatches(documents, block, rows, options.seed),
        data_collator=unwrap,
        callbacks=[MarkCheckpoints()],
    )
    trainer.optimizer = MuonAdamW(
        muon_groups(model, options.muon_learning_rate, options.learning_rate, options.memory_learning_rate)
    )
    budget.install(trainer)
    resume(trainer, find_checkpoint(options.output_dir))
    trainer.save_model()
    facts = {
        "vocabulary": options.vocabulary,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "layers": model.config.num_hidden_layers,
        "intermediate_size": model.config.intermediate_size,
        "minutes": options.minutes,
        "steps": trainer.state.global_step,
        "tokens_per_block": block,
        "characters_per_token": round(1 / per_character, 3),
    }
    (folder / FACTS).write_text(json.dumps(facts) + "\n", encoding="utf-8")
    return facts


def read_facts(folder: Path) -> dict[str, Any]:
    """What a finished run wrote of itself; nothing for one that is not."""
    path = folder / FACTS
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def report(options: argparse.Namespace, folder: Path) -> None:
    """Prints bits per character of the held-out texts, by collection and of all of them."""
    model = LlamaForCausalLM.from_pretrained(folder)
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    processor = pixel_ar.PixelProcessor.from_preset("fixed-8")  # knows what pixel-ar-words has no glyph for
    held_out = read_held_out(options.validation, processor, options.validation_documents, options.characters)
    nats = score_tokens(model, tokenizer, held_out.pieces)
    figure = sum(nats) / math.log(2) / sum(map(len, held_out.pieces))
    print("\n".join(held_out.table(nats, [len(piece) for piece in held_out.pieces])))
    print(f"{figure:.4f} bits/character on {len(held_out.sources)} held-out texts")


if __name__ == "__main__":
    main()
