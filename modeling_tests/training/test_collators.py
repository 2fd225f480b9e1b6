# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Batches of strips, of tokens and of both; rows of one modality brought together."""

import itertools
import pickle
from collections import Counter

import pytest
import torch
from tools.tokenizer import byte_tokenizer
from torch.utils.data import DataLoader

from pixel_ar import PixelARConfig, PixelARForCausalLM, PixelProcessor
from pixel_ar.training import (
    LanguageModelingCollator,
    MixedModalityCollator,
    ModalityGroups,
    PackedTextDataset,
)

ROWS = [{"text": "A short one."}, {"text": "A rather longer one, of many characters."}]
RATIOS = {"pixel": 4, "token": 4, "pair": 2}
BOS, EOS = 0, 1


@pytest.fixture(scope="module")
def processor() -> PixelProcessor:
    return PixelProcessor(tokenizer=byte_tokenizer())


def collate(processor: PixelProcessor, kind: str, rows: list[dict] = ROWS, **kwargs: object) -> dict:
    return MixedModalityCollator(processor, {kind: 1}, **kwargs)(rows)


def test_pixel_batches_are_those_of_the_plain_collator(processor: PixelProcessor) -> None:
    batch, plain = collate(processor, "pixel"), LanguageModelingCollator(processor)(ROWS)
    assert set(batch) == set(plain) == {"pixel_values", "attention_mask", "labels"}
    assert all(torch.equal(batch[key], plain[key]) for key in batch)
    assert batch["pixel_values"].dtype == torch.uint8


def test_token_batches(processor: PixelProcessor) -> None:
    batch = collate(processor, "token")
    assert set(batch) == {"input_ids", "attention_mask", "labels"}
    assert (batch["input_ids"][:, 0] == BOS).all() and batch["input_ids"][1, -1] == EOS
    assert processor.batch_decode(batch["labels"]) == [row["text"] for row in ROWS]
    attended = batch["attention_mask"] == 1
    assert torch.equal(batch["labels"][attended], batch["input_ids"][attended])
    assert (batch["labels"][~attended] == -100).all() and (~attended).any()


@pytest.mark.parametrize("target_first", [0.0, 1.0])
def test_pair_batches(processor: PixelProcessor, target_first: float) -> None:
    batch = collate(processor, "pair", target_first_ratio=target_first)
    assert {"pixel_values", "input_ids", "attention_mask", "modality_ids", "labels"} <= set(batch)
    kinds, labels, mask = batch["modality_ids"], batch["labels"], batch["attention_mask"]
    assert kinds.shape == labels.shape == mask.shape
    assert (kinds[:, 0] == (0 if target_first else 1)).all()
    pixel, token = collate(processor, "pixel"), collate(processor, "token")
    for row in range(2):
        assert torch.equal(labels[row][kinds[row] == 1], pixel["labels"][row])
        assert torch.equal(labels[row][kinds[row] == 0], token["labels"][row])
    assert torch.equal(batch["pixel_values"], pixel["pixel_values"])
    assert torch.equal(batch["input_ids"], token["input_ids"])
    assert ((labels == -100) == (mask == 0)).all()


def test_labels_where_the_pad_token_is_the_eos_token() -> None:
    batch = collate(PixelProcessor(tokenizer=byte_tokenizer(pad_token=None)), "token")
    ends = batch["input_ids"] == EOS
    assert ends.sum(1).tolist()[0] > 1
    assert (batch["labels"] == EOS).sum(1).tolist() == [1, 1]


def test_the_text_of_the_tokens_may_be_another(processor: PixelProcessor) -> None:
    rows = [{"text": "drawn", "target": "spoken"}]
    batch = collate(processor, "pair", rows, target_column="target")
    assert processor.batch_decode(batch["input_ids"]) == ["spoken"]
    assert processor.decode(batch["pixel_values"]) == "drawn"


def test_long_rows_are_cut(processor: PixelProcessor) -> None:
    batch = collate(processor, "pair", max_patches=5, max_target_tokens=6)
    assert batch["attention_mask"].shape == (2, 11)
    assert (batch["input_ids"][:, -1] == EOS).all()
    unlimited = PixelProcessor(tokenizer=byte_tokenizer(), model_max_patches=None)
    assert collate(unlimited, "token", max_target_tokens=6)["input_ids"].shape == (2, 6)
    assert collate(unlimited, "pixel")["attention_mask"].shape == (2, 12)


def test_shares_of_the_modalities(processor: PixelProcessor) -> None:
    collator = MixedModalityCollator(processor, RATIOS, target_first_ratio=0.5)
    batches = [collator([{"text": f"Text number {number}."}]) for number in range(400)]
    found = Counter(
        "pair" if "modality_ids" in batch else "token" if "input_ids" in batch else "pixel"
        for batch in batches
    )
    assert {kind: round(found[kind] / 40) for kind in RATIOS} == RATIOS
    first = [int(batch["modality_ids"][0, 0]) for batch in batches if "modality_ids" in batch]
    assert 0.3 < sum(first) / len(first) < 0.7


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_draws_depend_on_the_texts_and_the_seed_alone(processor: PixelProcessor) -> None:
    texts = [f"Text {number}." for number in range(40)]

    def kinds(seed: int, workers: int) -> list[list[str]]:
        collator = MixedModalityCollator(processor, RATIOS, text_column="text", seed=seed)
        rows = [{"text": text} for text in texts]
        loader = DataLoader(rows, batch_size=2, collate_fn=collator, num_workers=workers)
        return [sorted(batch) for batch in loader]

    assert kinds(0, 0) == kinds(0, 2)
    assert kinds(0, 0) != kinds(1, 0)


def test_a_column_names_the_modality(processor: PixelProcessor) -> None:
    collator = MixedModalityCollator(processor, modality_column="kind")
    rows = [{"text": "a", "kind": "token"}, {"text": "b", "kind": "token"}]
    assert "pixel_values" not in collator(rows)
    with pytest.raises(ValueError, match=r"several modalities \(pixel, token\).*ModalityGroups"):
        collator([*rows, {"text": "c", "kind": "pixel"}])
    with pytest.raises(ValueError, match="'kind' must be one of pixel, token, pair, got 'image'"):
        collator([{"text": "c", "kind": "image"}])
    with pytest.raises(KeyError, match=r"'kind'.*remove_unused_columns"):
        collator([{"text": "c"}])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, "either ratios"),
        ({"ratios": RATIOS, "modality_column": "kind"}, "either ratios"),
        ({"ratios": {"image": 1}}, "shares of pixel, token, pair"),
        ({"ratios": {"pixel": -1, "pair": 2}}, "none below 0"),
        ({"ratios": {"pixel": 0}}, "at least one"),
        ({"ratios": RATIOS, "target_first_ratio": 2}, r"\[0, 1\], got 2"),
    ],
)
def test_bad_settings(processor: PixelProcessor, kwargs: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MixedModalityCollator(processor, **kwargs)


def test_tokens_need_a_tokenizer() -> None:
    plain = PixelProcessor()
    for kwargs in ({"ratios": RATIOS}, {"modality_column": "kind"}):
        with pytest.raises(ValueError, match="need a tokenizer"):
            MixedModalityCollator(plain, **kwargs)
    assert set(collate(plain, "pixel")) == {"pixel_values", "attention_mask", "labels"}


def test_every_kind_of_batch_trains_a_dual_model(processor: PixelProcessor) -> None:
    torch.manual_seed(0)
    config = PixelARConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2, vocab_size=259
    )
    model = PixelARForCausalLM(config)
    losses = {
        kind: model(**pickle.loads(pickle.dumps(collate(processor, kind))))
        for kind in ("pixel", "token", "pair")
    }
    assert all(torch.isfinite(output.loss) and output.loss > 0 for output in losses.values())
    assert losses["pair"].patch_loss > 0 and losses["pair"].token_loss > 0


# ---- groups ----


class Documents:
    """A stream of numbered rows of three kinds."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.epochs: list[int] = []

    def set_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)

    def __iter__(self):
        kinds = ["pixel", "token", "token", "pair", "pixel"]
        return iter([{"text": str(n), "modality": kinds[n % 5]} for n in range(self.count)])


def test_groups_hold_one_modality_and_lose_no_row() -> None:
    groups = ModalityGroups(Documents(20), 4)
    rows = list(itertools.islice(groups, 40))
    for start in range(0, 40, 4):
        assert len({row["modality"] for row in rows[start : start + 4]}) == 1
    assert rows == list(itertools.islice(groups, 40))
    # Of two passes, only what waits for its group to fill is not there yet.
    seen = Counter(row["text"] for row in rows)
    assert set(seen.values()) <= {1, 2, 3} and sum(seen.values()) == 40 and len(seen) >= 16


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_of_groups(processor: PixelProcessor, workers: int) -> None:
    loader = DataLoader(
        ModalityGroups(Documents(30), 4),
        batch_size=4,
        num_workers=workers,
        collate_fn=MixedModalityCollator(processor, modality_column="modality"),
    )
    batches = list(itertools.islice(loader, 8))
    assert all(len(batch["labels"]) == 4 for batch in batches)
    assert len({tuple(sorted(batch)) for batch in batches}) == 3


def test_bad_groups() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        ModalityGroups(Documents(3), 0)
    with pytest.raises(ValueError, match="no documents"):
        next(iter(ModalityGroups(Documents(0), 2)))


# ---- margins and channels of packed blocks ----


def test_packed_blocks_have_the_margins_of_the_processor() -> None:
    processor = PixelProcessor(patch_size=(8, 16), num_channels=3, left_padding=2, right_padding=2)
    texts = ["abc", "A longer document that needs more than one block to hold it.", "xy"]

    class Texts(Documents):
        def __iter__(self):
            return iter([{"text": text} for text in texts])

    dataset = PackedTextDataset(Texts(3), processor.renderer, 16, 12, max_rewind=0, margins=(2, 2))
    blocks = list(itertools.islice(dataset, 3))
    batch = LanguageModelingCollator(processor, 12)(blocks)
    assert batch["pixel_values"].shape == (3, 3, 8, 12 * 16)
    assert torch.equal(batch["pixel_values"][:, 0], batch["pixel_values"][:, 2])
    first = processor(text=texts[0], return_tensors="pt")["pixel_values"] * 255
    assert first.shape[-1] == 3 * 16  # the margin moved the EOS patch
    assert torch.equal(batch["pixel_values"][0, :, :, : 3 * 16], first[0].to(torch.uint8))
    # The second text goes on in the next block with the character that the cut hit.
    shown = (12 - 3) * 16 - 2
    assert blocks[0]["segments"] == texts[:2] and not blocks[0]["is_complete"]
    assert blocks[1]["segments"][0] == texts[1][shown // 5 :]
    assert processor.decode(batch["pixel_values"][1]) == blocks[1]["segments"][0]


def test_single_texts_without_a_start_patch(processor: PixelProcessor) -> None:
    batch = LanguageModelingCollator(processor, add_start=False)(ROWS)
    assert torch.equal(
        batch["pixel_values"],
        (processor(text=[row["text"] for row in ROWS], return_tensors="pt")["pixel_values"] * 255).to(
            torch.uint8
        ),
    )
