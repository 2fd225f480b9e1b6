# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Language identification: the pixel model beside character n-grams and a byte transformer, on damaged pieces.

    python examples/benchmarks/language.py pixel-ar-language --train en_train.jsonl.gz,multi_train.jsonl.gz \
        --validation en_validation.jsonl.gz,multi_validation.jsonl.gz

All models learn from random pieces of the same texts, drawn alike (`language_data.LanguagePieces`), with damage and
without. The n-grams are hashed sequences of one to four characters in a linear model (scikit-learn), on `--pieces`
pieces. The byte transformer (`--byte-minutes`, of processor time) is the pixel model's decoder over UTF-8, with its
pooling and optimiser, and lessons from every beginning.

Pixels can only be damaged in a picture. The models of text have no answer there, or (`--read N`) that to what the
package's reader makes of the pictures of N pieces of each language, which takes it half a second each.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier
from transformers import (
    AutoModelForSequenceClassification,
    AutoProcessor,
    LlamaConfig,
    LlamaModel,
    TrainingArguments,
    set_seed,
)

import pixel_ar
from pixel_ar.training import FiniteLossTrainer, MuonAdamW, TimeBudget, muon_groups

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from damage import CONDITIONS, Damage, read_damaged
from language_data import LanguagePieces, held_out_pieces, read_languages
from train_language import predict, prefix_loss

Texts = dict[str, dict[str, list[str]]]
Classifier = Callable[[Sequence[str]], Sequence[str]]
LENGTHS = (200, 20)
# Strips for the reader: it is several times faster where cells follow each other without padding.
READING = "unifont-16"
LENIENT: dict[str, Any] = {"missing": "hexbox", "unsupported": "cells", "newline": "symbol"}


def train_ngrams(texts: Texts, pieces: int, damage: bool, seed: int) -> Classifier:
    """A linear model of hashed character n-grams: one pass of stochastic gradient descent in random order, averaged."""
    source = LanguagePieces(texts, 64, seed, damage=damage)
    rows = [source[index] for index in range(pieces)]
    vectorizer = HashingVectorizer(
        analyzer="char", ngram_range=(1, 4), n_features=2**20, alternate_sign=False, lowercase=False
    )
    features = vectorizer.transform(row["text"] for row in rows)
    model = SGDClassifier(loss="log_loss", alpha=1e-7, max_iter=5, tol=None, random_state=seed, average=True)
    model.fit(features, [source.languages[row["label"]] for row in rows])
    return lambda given: model.predict(vectorizer.transform(given)).tolist()


class ByteClassifier(torch.nn.Module):
    """A Llama decoder over the bytes of a text; a language is told from the mean of its states.

    Args:
        classes: languages.
        most: bytes of a text at most; the rest is cut.
    """

    PAD = 256

    def __init__(self, classes: Sequence[str], most: int = 720) -> None:
        super().__init__()
        self.classes, self.most = list(classes), most
        config = LlamaConfig(
            vocab_size=self.PAD + 1,
            hidden_size=192,
            intermediate_size=640,  # as many parameters as the pixel model: its patch embedding is larger
            num_hidden_layers=4,
            num_attention_heads=3,
            max_position_embeddings=1024,
            initializer_range=0.06,
            pad_token_id=self.PAD,
            bos_token_id=None,
            eos_token_id=None,
            use_cache=False,
        )
        self.model = LlamaModel(config)
        self.score = torch.nn.Linear(config.hidden_size, len(classes))

    def encode(self, texts: Sequence[str], limit: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Bytes and mask, `[B, T]`."""
        rows = [text.encode()[: limit or self.most] for text in texts]
        length = max(map(len, rows))
        ids = torch.full((len(rows), length), self.PAD)
        for row, data in zip(ids, rows, strict=True):
            row[: len(data)] = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        return ids, (ids != self.PAD).long()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor) -> Any:
        """The loss over all beginnings, as the pixel model's trainer has it."""
        states = self.model(input_ids, attention_mask=attention_mask).last_hidden_state
        return {"loss": prefix_loss(self.score, states, attention_mask, labels)[0]}

    @torch.no_grad()
    def classify(self, texts: Sequence[str], batch_size: int = 64) -> list[str]:
        """The likeliest language of each text."""
        found = [""] * len(texts)
        order = sorted(range(len(texts)), key=lambda index: len(texts[index].encode()))
        for start in range(0, len(order), batch_size):
            part = order[start : start + batch_size]
            ids, mask = self.encode([texts[index] for index in part])
            states = self.model(ids, attention_mask=mask).last_hidden_state
            pooled = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            for index, label in zip(part, self.score(pooled).argmax(-1).tolist(), strict=True):
                found[index] = self.classes[label]
        return found


def train_bytes(texts: Texts, minutes: float, damage: bool, seed: int, folder: str) -> ByteClassifier:
    """Trains the byte transformer for a time of the processor, with the pixel model's optimiser and schedule."""
    set_seed(seed)
    pieces = LanguagePieces(texts, 64, seed, damage=damage)
    model = ByteClassifier(pieces.languages)

    def collate(rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        lengths = sorted(len(row["text"].encode()) for row in rows)
        ids, mask = model.encode([row["text"] for row in rows], min(lengths[len(rows) // 2], model.most))
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "labels": torch.tensor([row["label"] for row in rows]),
        }

    trainer = FiniteLossTrainer(
        model=model,
        args=TrainingArguments(
            output_dir=folder,
            max_steps=10_000_000,
            per_device_train_batch_size=64,
            train_sampling_strategy="sequential",
            remove_unused_columns=False,
            use_cpu=not torch.accelerator.is_available(),
            logging_steps=50,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=seed,
        ),
        train_dataset=pieces,
        data_collator=collate,
    )
    trainer.optimizer = MuonAdamW(muon_groups(model))
    TimeBudget(minutes, 100, "processor", 0.4).install(trainer)
    trainer.train()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"byte transformer: {parameters:,} parameters, {trainer.state.global_step} steps", flush=True)
    return model.eval()


def accuracy(found: Sequence[str], pieces: Sequence[tuple[str, str]]) -> tuple[float, float]:
    """Shares that are right: of all pieces, and the mean over languages."""
    right: dict[str, list[bool]] = {}
    for guess, (_, language) in zip(found, pieces, strict=True):
        right.setdefault(language, []).append(guess == language)
    everything = [hit for hits in right.values() for hit in hits]
    return sum(everything) / len(everything), sum(sum(h) / len(h) for h in right.values()) / len(right)


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", help="folder, or the name of a bundled checkpoint")
    parser.add_argument(
        "--train", default="", help="jsonl files, by commas; without them the pixel model alone"
    )
    parser.add_argument("--validation", required=True, help="jsonl files, by commas")
    parser.add_argument("--most", type=int, default=100, help="pieces of a language and length")
    parser.add_argument("--pieces", type=int, default=60_000, help="the n-grams learn from")
    parser.add_argument("--byte-minutes", type=float, default=0, help="0: no byte transformer")
    parser.add_argument("--collection-characters", type=int, default=8_000_000)
    parser.add_argument("--read", type=int, default=0, help="pieces of a language that the reader reads")
    parser.add_argument("--output-dir", default="runs/language-bytes")
    parser.add_argument(
        "--languages", action="store_true", help="the pixel model's accuracy by language, too"
    )
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Trains what is trained here and prints the table."""
    options = parse_arguments()
    folder = options.model if Path(options.model).is_dir() else pixel_ar.bundled_checkpoint(options.model)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    processor = AutoProcessor.from_pretrained(folder)
    others: dict[str, Classifier] = {}
    if options.train:
        texts = read_languages(options.train.split(","), options.collection_characters)
        for name, damage in (("n-grams", False), ("n-grams, trained with damage", True)):
            start = time.process_time()
            others[name] = train_ngrams(texts, options.pieces, damage, options.seed)
            print(f"{name}: {time.process_time() - start:.0f} s of processor time", flush=True)
        if options.byte_minutes:
            learned = train_bytes(texts, options.byte_minutes, True, options.seed, options.output_dir)
            others["byte transformer, trained with damage"] = learned.classify
    held_out = read_languages(options.validation.split(","))
    names = [options.model, *others]
    print(f"| characters | damage | pieces | {' | '.join(names)} |\n|{'---|' * (3 + len(names))}")
    for length in LENGTHS:
        pieces = held_out_pieces(held_out, length, options.most)
        few = held_out_pieces(held_out, length, options.read) if options.read else []
        for condition, damage in CONDITIONS.items():
            cells = [shown(predict(model, processor, damaged(pieces, damage), damage.flips), pieces)]
            asked = few if damage.flips else pieces
            given = damaged(asked, damage)
            if damage.flips and asked:
                reader = pixel_ar.PixelProcessor.from_preset(READING, **LENIENT)
                given = read_damaged(reader, given, damage.flips)
            cells += [shown(other(given), asked) if asked else "" for other in others.values()]
            print(f"| {length} | {condition} | {len(pieces)} | {' | '.join(cells)} |", flush=True)
    if options.languages:
        print_languages(model, processor, held_out, options.most)


def damaged(pieces: Sequence[tuple[str, str]], damage: Damage) -> list[str]:
    """The texts of pieces with the damage that text can take, the same for every model."""
    generator = random.Random(0)
    return [damage.of_text(text, generator) for text, _ in pieces]


def shown(found: Sequence[str], pieces: Sequence[tuple[str, str]]) -> str:
    """Accuracy as a cell of the table: of all pieces, and in brackets the mean over languages."""
    everything, by_language = accuracy(found, pieces)
    few = f" of {len(pieces)}" if len(pieces) < 100 else ""
    return f"{100 * everything:.1f} ({100 * by_language:.1f}){few}"


def print_languages(model: Any, processor: pixel_ar.PixelProcessor, texts: Texts, most: int) -> None:
    """The pixel model's accuracy by language, clean, and what it takes the others for."""
    print("| language | 200 characters | 20 characters | most often taken for |\n|---|---|---|---|")
    found = {length: held_out_pieces(texts, length, most) for length in LENGTHS}
    guesses = {length: predict(model, processor, [text for text, _ in found[length]]) for length in LENGTHS}
    for language in texts:
        cells, wrong = [], []
        for length in LENGTHS:
            own = [g for g, (_, true) in zip(guesses[length], found[length], strict=True) if true == language]
            wrong += [guess for guess in own if guess != language]
            cells.append(f"{100 * own.count(language) / len(own):.1f} of {len(own)}" if own else "none")
        common = max(sorted(set(wrong)), key=wrong.count) if wrong else ""
        print(f"| {language} | {' | '.join(cells)} | {common} |")


if __name__ == "__main__":
    main()
