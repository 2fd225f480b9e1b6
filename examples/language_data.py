# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Pieces of texts with their language, for training and measuring language identification."""

import gzip
import json
import math
import random
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from damage import Damage
from torch.utils.data import Dataset

# A length is drawn for a batch and varied for its rows by so much either way, so that little of a batch is padding.
SPREAD = 0.15
# How far from a random place the beginning of a word is looked for.
LONGEST_WORD = 30


def draw_damage(generator: random.Random) -> Damage:
    """What a piece of the training text suffers: half of them nothing, others up to more than is measured."""
    if generator.random() < 0.5:
        return Damage()
    return Damage(*(most * max(generator.uniform(-1, 1), 0) for most in (0.1, 0.3, 0.03)))


def read_languages(paths: Iterable[str | Path], most: int | None = None) -> dict[str, dict[str, list[str]]]:
    """Texts by language, and within it by collection.

    Args:
        paths: jsonl files, gzipped or not, with `text`, `language` and perhaps `source` ("collection/document").
        most: characters of a collection; what comes after them is passed over.

    Raises:
        SystemExit: for a line without a text or a language.
    """
    texts: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    read: dict[str, int] = defaultdict(int)
    for path in paths:
        opened = gzip.open if str(path).endswith(".gz") else open
        with opened(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                row = json.loads(line)
                if not row.get("text") or not row.get("language"):
                    raise SystemExit(
                        f"{path}, line {number}: a line needs text and language, has {sorted(row)}"
                    )
                collection = str(row.get("source", "")).split("/")[0]
                if most is None or read[collection] < most:
                    read[collection] += len(row["text"])
                    texts[row["language"]][collection].append(row["text"])
    return {language: dict(found) for language, found in sorted(texts.items())}


def piece_at(text: str, place: int, length: int) -> str:
    """About `length` characters of a text, from the first word that begins at a place or soon after it."""
    if place > 0:
        space = text.find(" ", place - 1, place + LONGEST_WORD)
        place = place if space < 0 else space + 1
    return text[place : place + length].strip()


class LanguagePieces(Dataset[dict[str, Any]]):
    """Random pieces of texts, languages alike often; a piece depends on the seed and its number alone.

    So a run that was interrupted goes on with the very pieces it would have seen: pass
    `train_sampling_strategy="sequential"` to TrainingArguments.

    Args:
        texts: of [`read_languages`].
        batch_size: so many pieces in a row are of like length.
        seed: of everything.
        shortest: characters of the shortest piece; lengths are drawn evenly on a logarithmic scale.
        longest: and of the longest.
        damage: whether pieces are damaged, see [`draw_damage`].
        count: of the pieces.
    """

    def __init__(
        self,
        texts: dict[str, dict[str, list[str]]],
        batch_size: int,
        seed: int,
        shortest: int = 8,
        longest: int = 240,
        damage: bool = True,
        count: int = 1_000_000_000,
    ) -> None:
        self.languages = tuple(sorted(texts))
        self.batch_size, self.seed, self.damage, self.count = batch_size, seed, damage, count
        self.shortest, self.longest = shortest, longest
        self.collections = [list(texts[language].values()) for language in self.languages]
        # Large collections are read more often than small ones, but not so much more that these are not heard.
        self.shares = [
            [math.sqrt(sum(map(len, documents))) for documents in collections]
            for collections in self.collections
        ]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        """`text`, `label` (number of the language) and `flips`, the share of pixels to turn."""
        scale = self.longest / self.shortest
        batch = random.Random(f"{self.seed}:{index // self.batch_size}")
        length = self.shortest * scale ** batch.random()
        generator = random.Random(f"{self.seed}/{index}")
        label = generator.randrange(len(self.languages))
        damage = draw_damage(generator) if self.damage else Damage()
        text = ""
        while not text:
            documents = generator.choices(self.collections[label], self.shares[label])[0]
            document = generator.choice(documents)
            own = max(round(length * generator.uniform(1 - SPREAD, 1 + SPREAD)), 1)
            place = generator.randrange(max(len(document) - own, 0) + 1)
            text = damage.of_text(piece_at(document, place, own), generator).strip()
        return {"text": text, "label": label, "flips": damage.flips}


def held_out_pieces(texts: dict[str, dict[str, list[str]]], length: int, most: int) -> list[tuple[str, str]]:
    """Pieces of one length with their language: at most `most` of each, spread evenly over its held-out texts.

    Args:
        texts: of [`read_languages`].
        length: characters; pieces end there, inside a word or not, and begin with a word.
        most: pieces of a language; one with little text has fewer.
    """
    pieces = []
    for language, collections in texts.items():
        found = [
            piece
            for documents in collections.values()
            for document in documents
            for place in range(0, len(document) - length, length)
            if len(piece := piece_at(document, place, length)) > 0.9 * length
        ]
        step = max(len(found) / most, 1)
        pieces += [(found[int(i * step)], language) for i in range(min(most, len(found)))]
    return pieces


__all__ = [
    "LanguagePieces",
    "draw_damage",
    "held_out_pieces",
    "piece_at",
    "read_languages",
]
