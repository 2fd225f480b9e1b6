# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Collators of the tasks: what reaches the model, what is cut and counted, what is refused."""

import pickle
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from tools.tokenizer import byte_tokenizer
from torch.utils.data import DataLoader

from pixel_ar import PixelARForSequenceClassification, PixelProcessor
from pixel_ar.training import (
    QuestionAnsweringCollator,
    SequenceClassificationCollator,
    TokenClassificationCollator,
    TruncationCounter,
    word_labels_from_patches,
)
from pixel_ar.training.batches import padded_length, patch_lengths
from pixel_ar.training.sequence_collator import sequence_labels
from pixel_ar.training.words import label_patches

ROWS = [
    {"text": "short", "other": "the second text of the row", "label": 1},
    {"text": "a text that is a good deal longer", "other": "tail", "label": 0},
    {"text": "middle sized text", "other": "x", "label": 2},
]


@pytest.fixture(scope="module")
def processor() -> PixelProcessor:
    return PixelProcessor.from_preset("fixed-8", model_max_patches=64)


@pytest.fixture(scope="module")
def dual() -> PixelProcessor:
    return PixelProcessor.from_preset("fixed-8", model_max_patches=64, tokenizer=byte_tokenizer())


def as_pixels(batch: dict[str, torch.Tensor]) -> torch.Tensor:
    return batch["pixel_values"].float() / 255


class TestSequences:
    @pytest.mark.parametrize("pair", [None, "other"])
    @pytest.mark.parametrize("multiple", [None, 8])
    def test_is_what_the_processor_draws(
        self, processor: PixelProcessor, pair: str | None, multiple: int | None
    ) -> None:
        collator = SequenceClassificationCollator(
            processor, text_pair_column=pair, pad_to_multiple_of=multiple
        )
        batch = collator(ROWS)
        expected = processor(
            text=[row["text"] for row in ROWS],
            text_pair=None if pair is None else [row[pair] for row in ROWS],
            return_tensors="pt",
        )
        length = expected["attention_mask"].shape[1]
        assert batch["pixel_values"].dtype == torch.uint8
        assert batch["attention_mask"].shape[1] == (length if multiple is None else -(-length // 8) * 8)
        torch.testing.assert_close(as_pixels(batch)[..., : 20 * length], expected["pixel_values"])
        assert bool((batch["pixel_values"][..., 20 * length :] == 255).all())
        torch.testing.assert_close(batch["attention_mask"][:, :length], expected["attention_mask"])
        assert batch["attention_mask"].sum() == expected["attention_mask"].sum()
        assert batch["labels"].tolist() == [1, 0, 2]
        assert [collator.length(row) for row in ROWS] == expected["attention_mask"].sum(-1).tolist()
        assert (collator.truncation.total, collator.truncation.cut) == (3, 0)

    def test_what_is_cut_is_counted(self, processor: PixelProcessor) -> None:
        collator = SequenceClassificationCollator(processor, max_patches=6)
        batch = collator(ROWS)
        assert batch["attention_mask"].sum(-1).tolist() == [3, 6, 6]
        assert repr(collator.truncation) == "1 of 3 rows cut"
        assert bool((as_pixels(batch)[1, :, :, -20:] == 0).all())  # the EOS patch is kept
        collator.truncation.reset()
        assert collator.truncation.total == 0

    def test_too_long_is_an_error_unless_asked_for(self, processor: PixelProcessor) -> None:
        rows = [*ROWS, {"text": "long " * 60, "label": 0}]
        with pytest.raises(ValueError, match=r"row 3 .* needs \d+ patches.*is 64; pass max_patches=64"):
            SequenceClassificationCollator(processor)(rows)
        assert (
            SequenceClassificationCollator(processor, max_patches=64)(rows)["attention_mask"].shape[1] == 64
        )

    def test_workers_count_too(self, processor: PixelProcessor) -> None:
        collator = SequenceClassificationCollator(processor, max_patches=6)
        loader = DataLoader(Dataset.from_list(ROWS * 4), batch_size=2, collate_fn=collator, num_workers=2)
        assert sum(len(batch["labels"]) for batch in loader) == 12
        assert (collator.truncation.total, collator.truncation.cut) == (12, 4)

    def test_pickles(self, processor: PixelProcessor) -> None:
        collator = pickle.loads(pickle.dumps(SequenceClassificationCollator(processor, max_patches=6)))
        torch.testing.assert_close(
            collator(ROWS)["pixel_values"],
            SequenceClassificationCollator(processor, max_patches=6)(ROWS)["pixel_values"],
        )

    def test_tokens_and_pairs_of_modalities(self, dual: PixelProcessor) -> None:
        tokens = SequenceClassificationCollator(dual, text_pair_column="other", modality="token")(ROWS)
        assert "pixel_values" not in tokens
        texts = dual.tokenizer.batch_decode(tokens["input_ids"], skip_special_tokens=True)
        assert texts[2] == "middle sized text\nx"
        pair = SequenceClassificationCollator(
            dual, modality="pair", pad_to_multiple_of=4, max_tokens=20, max_patches=6
        )
        batch = pair(ROWS)
        num_patches = batch["pixel_values"].shape[-1] // 20
        assert num_patches == 6 and batch["input_ids"].shape[1] == 20
        assert batch["modality_ids"].sum(-1).tolist() == [6, 6, 6]
        for mask, positions in zip(batch["attention_mask"], batch["position_ids"], strict=True):
            assert positions[mask == 1].tolist() == list(range(int(mask.sum())))
        assert pair.truncation.cut == 1

    def test_rows_cut_in_tokens_alone_do_not_hide_long_strips(self, dual: PixelProcessor) -> None:
        collator = SequenceClassificationCollator(dual, modality="pair", max_tokens=5)
        with pytest.raises(ValueError, match="model_max_patches is 64"):
            collator([{"text": "long " * 60}])

    def test_left_padding_reaches_the_model(self, tiny_checkpoint: Path) -> None:
        """The class does not depend on the side of the padding, nor on how much there is."""
        model = PixelARForSequenceClassification.from_pretrained(tiny_checkpoint, num_labels=3).eval()
        logits = []
        for side in ("right", "left"):
            processor = PixelProcessor.from_pretrained(tiny_checkpoint, padding_side=side)
            for multiple in (None, 32):
                batch = SequenceClassificationCollator(processor, pad_to_multiple_of=multiple)(ROWS)
                positions = (batch["attention_mask"].cumsum(-1) - 1).clamp(min=0)
                with torch.no_grad():
                    logits.append(model(**batch, position_ids=positions).logits)
        deviation = max(float((other - logits[0]).abs().max()) for other in logits[1:])
        print(f"\nlogits deviate by {deviation:.1e} over padding sides and lengths")
        assert deviation < 1e-5

    def test_noise_reaches_the_strip(self, processor: PixelProcessor) -> None:
        def shout(row: dict) -> dict:
            return {**row, "text": row["text"].upper()}

        batch = SequenceClassificationCollator(processor, transform=shout)(ROWS)
        assert processor.batch_decode(as_pixels(batch))[0] == "SHORT"
        assert ROWS[0]["text"] == "short"

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ({"text": "  ", "label": 0}, "'text' of row 1 is empty"),
            ({"text": 5, "label": 0}, "'text' of row 1 must be a text, got int"),
            ({"text": None, "label": 0}, "row 1 of the batch has no 'text'"),
            ({"text": "x", "label": None}, "row 1 of the batch has no 'label'"),
            ({"text": "x", "label": "good"}, "row 1 is 'good'; map names to numbers"),
            ({"text": "x", "label": float("nan")}, "row 1 is nan; take rows without a finite target out"),
            ({"text": "x", "label": [1, 0]}, "different number of labels"),
            ({"text": "x", "label": []}, "'label' of row 1 is an empty list"),
        ],
    )
    def test_bad_rows_are_named(self, processor: PixelProcessor, row: dict, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            SequenceClassificationCollator(processor)([ROWS[0], row])

    def test_bad_columns_and_options_are_named(self, processor: PixelProcessor) -> None:
        with pytest.raises(KeyError, match=r"no column 'sentence' among .*remove_unused_columns"):
            SequenceClassificationCollator(processor, text_column="sentence")(ROWS)
        with pytest.raises(ValueError, match="need a tokenizer"):
            SequenceClassificationCollator(processor, modality="pair")
        with pytest.raises(ValueError, match="got 'sound'"):
            SequenceClassificationCollator(processor, modality="sound")
        with pytest.raises(ValueError, match="pad_to_multiple_of must be at least 1, got 0"):
            SequenceClassificationCollator(processor, pad_to_multiple_of=0)

    def test_kinds_of_labels(self) -> None:
        assert sequence_labels([1, 0]).dtype == torch.int64
        assert sequence_labels([1.0, 0.5]).dtype == torch.float32
        assert sequence_labels([[1, 0], [0, 1]]).tolist() == [[1.0, 0.0], [0.0, 1.0]]

    def test_no_labels_no_key(self, processor: PixelProcessor) -> None:
        assert "labels" not in SequenceClassificationCollator(processor)([{"text": "x"}])


def test_lengths_are_those_of_the_processor() -> None:
    """With margins, start patches and pairs: measuring equals drawing."""
    texts = ["a", "twelve chars", "x" * 37, "four"]
    for margins in ((0, 0), (2, 2), (0, 7)):
        processor = PixelProcessor.from_preset(
            "fixed-8", left_padding=margins[0], right_padding=margins[1], model_max_patches=99
        )
        for start in (False, True):
            for eos in (False, True):
                for pairs in (None, texts[::-1]):
                    batch = processor(
                        text=texts, text_pair=pairs, add_start=start, add_eos=eos, return_tensors="pt"
                    )
                    columns = [texts] if pairs is None else [texts, pairs]
                    measured = patch_lengths(processor, *columns, add_start=start, add_eos=eos)
                    assert measured == batch["attention_mask"].sum(-1).tolist()


def test_padded_length() -> None:
    assert padded_length([3, 9], None, None) == 9
    assert padded_length([3, 9], 12, 8) == 12  # never beyond the limit
    assert padded_length([3, 9], 16, 8) == 16
    assert padded_length([3, 90], 16, None) == 16


def test_counter_names_its_unit() -> None:
    counter = TruncationCounter("words")
    counter.add(5, 2)
    assert repr(counter) == "2 of 5 words cut"


WORDS = [
    {"tokens": ["President", "Monroe", "spoke", "in", "Washington"], "tags": ["O", "PER", "O", "O", "LOC"]},
    {"tokens": ["No", "."], "tags": ["O", "O"]},
]
LABEL2ID = {"O": 0, "PER": 1, "LOC": 2}


class TestWords:
    @pytest.mark.parametrize("policy", ["last", "first", "all"])
    def test_labels_stand_on_the_patches_of_their_words(self, processor: PixelProcessor, policy: str) -> None:
        collator = TokenClassificationCollator(
            processor, label2id=LABEL2ID, policy=policy, pad_to_multiple_of=4
        )
        batch = collator(WORDS)
        assert batch["labels"].shape == batch["attention_mask"].shape
        assert batch["labels"].shape[1] % 4 == 0
        for row, labels in zip(WORDS, batch["labels"], strict=True):
            numbers = [LABEL2ID[tag] for tag in row["tags"]]
            places = label_patches(row["tokens"], numbers, processor, policy).word_patches
            assert word_labels_from_patches(labels, places, policy) == numbers
        if policy != "all":
            assert batch["labels"][0][batch["labels"][0] >= 0].tolist() == [0, 1, 0, 0, 2]
        assert repr(collator.words) == "0 of 7 words cut"

    def test_cut_words_are_counted_and_have_no_label(self, processor: PixelProcessor) -> None:
        collator = TokenClassificationCollator(processor, label2id=LABEL2ID, max_patches=6)
        batch = collator(WORDS)
        assert batch["attention_mask"].sum(-1).tolist() == [6, 3]
        assert (batch["labels"] >= 0).sum().item() == 7 - collator.words.cut
        assert collator.words.cut == 3 and repr(collator.truncation) == "1 of 2 rows cut"
        assert collator.length(WORDS[0]) > 6

    def test_left_padding_moves_the_labels(self) -> None:
        left = PixelProcessor.from_preset("fixed-8", padding_side="left")
        batch = TokenClassificationCollator(left, label2id=LABEL2ID)(WORDS)
        assert batch["attention_mask"][1].tolist()[-3:] == [1, 1, 1]
        assert batch["labels"][1].tolist()[-3:] == [0, 0, -100]

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ({"tokens": [], "tags": []}, "row 1 of the batch: words must be a list with at least one word"),
            ({"tokens": ["a", "b"], "tags": ["O"]}, "row 1 of the batch: there are 2 words, but 1 labels"),
            ({"tokens": ["a"], "tags": ["ORG"]}, "unknown label 'ORG'; known labels: O, PER, LOC"),
            ({"tokens": ["a"], "tags": [0.5]}, "must be integers or names, got 0.5"),
            ({"tokens": ["a", " "], "tags": ["O", "O"]}, "word 1 is ' '"),
            ({"tokens": ["word"] * 80, "tags": ["O"] * 80}, "row 1 of the batch: .*max_patches is 64"),
        ],
    )
    def test_bad_rows_are_named(self, processor: PixelProcessor, row: dict, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            TokenClassificationCollator(processor, label2id=LABEL2ID)([WORDS[0], row])

    def test_names_need_numbers(self, processor: PixelProcessor) -> None:
        with pytest.raises(ValueError, match="pass label2id"):
            TokenClassificationCollator(processor)(WORDS)
        with pytest.raises(ValueError, match="got 'middle'"):
            TokenClassificationCollator(processor, policy="middle")


class TestColumns:
    """Data sets name their columns in a few usual ways; what is not found is named, and never left out silently."""

    @pytest.mark.parametrize("name", ["tags", "ner_tags", "pos_tags", "labels"])
    @pytest.mark.parametrize("words", ["tokens", "words"])
    def test_words(self, processor: PixelProcessor, words: str, name: str) -> None:
        row = {words: ["a", "word"], name: [1, 2]}
        batch = TokenClassificationCollator(processor)([row])
        assert batch["labels"][batch["labels"] != -100].tolist() == [1, 2]
        assert TokenClassificationCollator(processor).length(row) == batch["labels"].shape[1]

    def test_words_of_other_names(self, processor: PixelProcessor) -> None:
        row = {"tokens": ["a", "word"], "chunks": [1, 2]}
        with pytest.raises(KeyError, match=r"no column 'tags', but 'chunks' has a value for each word"):
            TokenClassificationCollator(processor)([row])
        with pytest.raises(ValueError, match="'ner_tags' and 'pos_tags': name the one to take"):
            TokenClassificationCollator(processor)([{"tokens": ["a"], "ner_tags": [1], "pos_tags": [2]}])
        assert "labels" not in TokenClassificationCollator(processor)([{"tokens": ["a"], "id": "1"}])

    def test_texts(self, processor: PixelProcessor) -> None:
        for text, label in (("text", "label"), ("sentence", "labels"), ("content", "label")):
            batch = SequenceClassificationCollator(processor)([{text: "some words", label: 1}])
            assert batch["labels"].tolist() == [1]
        with pytest.raises(KeyError, match="is it 'class_name'"):
            SequenceClassificationCollator(processor)([{"text": "some words", "class_name": 1}])
        assert "labels" not in SequenceClassificationCollator(processor)([{"text": "some words", "idx": 1}])

    def test_rows_of_squad(self, processor: PixelProcessor) -> None:
        answers = {"text": ["Monroe"], "answer_start": [6]}
        row = {"id": "1", "question": "Who?", "context": "James Monroe spoke.", "answers": answers}
        plain = {"question": "Who?", "context": row["context"], "answer_start": 6, "answer_end": 12}
        none = {**row, "answers": {"text": [], "answer_start": []}}
        batch = QuestionAnsweringCollator(processor)([row, none])
        expected = QuestionAnsweringCollator(processor)([plain])
        assert batch["start_positions"][0] == expected["start_positions"][0]
        assert batch["end_positions"][0] == expected["end_positions"][0]
        assert batch["start_positions"][1] == batch["attention_mask"][1].sum() - 1
        with pytest.raises(ValueError, match="answers of row 0: the answer 'Monroe' is not at character 5"):
            QuestionAnsweringCollator(processor)([{**row, "answers": {**answers, "answer_start": [5]}}])
        with pytest.raises(KeyError, match="is it 'answer_text'"):
            QuestionAnsweringCollator(processor)([{"question": "Q", "context": "C", "answer_text": "C"}])
        with pytest.raises(ValueError, match=r"row 1 needs .*QuestionWindows"):
            QuestionAnsweringCollator(processor)([plain, {"question": "Q", "context": "word " * 90}])


class TestBatchesThatTeachNothing:
    def test_words(self, processor: PixelProcessor) -> None:
        collator = TokenClassificationCollator(processor, max_patches=3)
        rows = [{"tokens": ["Washingtonian"], "tags": [1]}, {"tokens": ["a"], "tags": [-100]}]
        with pytest.raises(ValueError, match="row 0: 1 of 1 words cut, row 1: 0 of 1 words cut"):
            collator(rows)
        assert collator([rows[0], {"tokens": ["a"], "tags": [1]}])["labels"].max() == 1

    def test_texts(self, processor: PixelProcessor) -> None:
        with pytest.raises(ValueError, match="no label in any of the 2 rows"):
            SequenceClassificationCollator(processor)([{"text": "a", "label": -100}] * 2)
