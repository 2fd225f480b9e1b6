# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Questions over windows: nothing is lost, answers come back as spans of the whole context."""

import itertools
import random

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from tools.directions import LANGUAGES, sentences

from pixel_ar import PixelProcessor
from pixel_ar.training import QuestionAnsweringCollator, QuestionWindows, find_answers
from pixel_ar.training.answers import context_windows
from pixel_ar.training.batches import patch_lengths

CONTEXT = (
    "In the year 1823 President James Monroe told Congress that the American continents were closed to "
    "colonization by any European powers. The message was written for the most part by his Secretary of State, "
    "John Quincy Adams, who would follow him in office."
)


@pytest.fixture(scope="module")
def processor() -> PixelProcessor:
    return PixelProcessor.from_preset("fixed-8", model_max_patches=64)


def question(text: str, answer: str | None, name: str = "q") -> dict:
    found = [] if answer is None else [answer]
    return {
        "id": name,
        "question": text,
        "context": CONTEXT,
        "answers": {"text": found, "answer_start": [CONTEXT.index(part) for part in found]},
    }


QUESTIONS = [
    question("Who told Congress?", "James Monroe", "a"),
    question("Who wrote it?", "John Quincy Adams", "b"),
    question("Why is that?", None, "c"),
]


def windows_of(processor: PixelProcessor, questions: list[dict], **options: int) -> Dataset:
    cut = QuestionWindows(processor, **{"max_patches": 24, "stride": 6, **options})
    data = Dataset.from_list(questions)
    return data.map(cut, batched=True, remove_columns=data.column_names)


class TestWindows:
    def test_fit_overlap_and_hold_every_word(self, processor: PixelProcessor) -> None:
        rows = windows_of(processor, QUESTIONS)
        lengths = patch_lengths(processor, rows["question"], rows["context"])
        assert max(lengths) <= 24
        for name in "abc":
            mine = [row for row in rows if row["id"] == name]
            assert len(mine) > 3
            covered = np.zeros(len(CONTEXT), dtype=int)
            for row in mine:
                start = row["window_start"]
                assert CONTEXT[start:].startswith(row["context"])
                covered[start : start + len(row["context"])] += 1
            assert all(covered[i] > 0 for i, char in enumerate(CONTEXT) if not char.isspace())
            assert (covered > 1).sum() >= (len(mine) - 1) * 6 * 3  # 4 characters to a patch, whole words

    def test_answers_move_with_their_window(self, processor: PixelProcessor) -> None:
        rows = windows_of(processor, QUESTIONS)
        for name, answer in (("a", "James Monroe"), ("b", "John Quincy Adams")):
            found = [row for row in rows if row["id"] == name and row["answer_start"] >= 0]
            assert found
            assert {row["context"][row["answer_start"] : row["answer_end"]] for row in found} == {answer}
        assert {row["answer_start"] for row in rows if row["id"] == "c"} == {-1}

    def test_long_answers_are_counted(self, processor: PixelProcessor) -> None:
        cut = QuestionWindows(processor, max_patches=24, stride=2)
        row = question("What was closed?", CONTEXT[:150])
        rows = cut({key: [value] for key, value in row.items()})
        assert cut.num_uncovered == 1 and set(rows["answer_start"]) == {-1}

    def test_without_answers_there_are_none(self, processor: PixelProcessor) -> None:
        rows = QuestionWindows(processor, 24, 6)({"question": ["Who?"], "context": [CONTEXT]})
        assert set(rows) == {"id", "question", "context", "window_start"} and rows["id"][0] == "0"

    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(st.text("abcdefgé", min_size=1, max_size=9), min_size=1, max_size=40),
        st.integers(7, 20),
        st.integers(1, 4),
    )
    def test_any_words(self, processor: PixelProcessor, words: list[str], most: int, stride: int) -> None:
        text = "  ".join(words)
        windows = context_windows("Q?", text, processor, most, stride)
        assert windows[0][0] == 0 and windows[-1][1] == len(text)
        parts = [text[start:end] for start, end in windows]
        assert max(patch_lengths(processor, ["Q?"] * len(parts), parts)) <= most
        for before, after in itertools.pairwise(windows):
            assert before[0] < after[0] and before[1] < after[1]  # each reaches new words
            assert not text[before[1] : after[0]].strip()  # none between two windows

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"context": "   "}, "question 'q': the context is empty"),
            ({"question": "long " * 20}, r"question 'q': the question takes \d+ of max_patches=24"),
            ({"context": "a " + "b" * 99}, "the word 'b+ needs 25 patches"),
            ({"answers": {"text": ["Monroe"], "answer_start": [3]}}, "'Monroe' is not at character 3"),
            ({"answers": {"text": ["x"], "answer_start": [9999]}}, "'x' is not at character 9999"),
        ],
    )
    def test_bad_rows_are_named(self, processor: PixelProcessor, changes: dict, message: str) -> None:
        row = {**question("Who?", "James Monroe"), **changes}
        with pytest.raises(ValueError, match=message):
            QuestionWindows(processor, 24, 6)({key: [value] for key, value in row.items()})

    def test_bad_options_are_named(self, processor: PixelProcessor) -> None:
        with pytest.raises(ValueError, match="got 24 and 24"):
            QuestionWindows(processor, 24, 24)
        with pytest.raises(KeyError, match="no column 'context'"):
            QuestionWindows(processor, 24, 6)({"question": ["x"]})


class TestCollator:
    def test_positions_show_the_answer(self, processor: PixelProcessor) -> None:
        rows = windows_of(processor, QUESTIONS)
        batch = QuestionAnsweringCollator(processor, pad_to_multiple_of=8)(list(rows))
        assert batch["pixel_values"].dtype == torch.uint8 and batch["attention_mask"].shape[1] == 24
        answered = 0
        for row, strip, mask, first, last in zip(
            rows,
            batch["pixel_values"],
            batch["attention_mask"],
            batch["start_positions"].tolist(),
            batch["end_positions"].tolist(),
            strict=True,
        ):
            if row["answer_start"] < 0:
                assert first == last == int(mask.sum()) - 1
                assert bool((strip[:, :, last * 20 : (last + 1) * 20] == 0).all())
                continue
            answered += 1
            shown = processor.decode(strip[:, :, first * 20 : (last + 1) * 20].float() / 255)
            assert row["context"][row["answer_start"] : row["answer_end"]] in shown
        assert answered == 2

    def test_prediction_has_no_labels(self, processor: PixelProcessor) -> None:
        batch = QuestionAnsweringCollator(processor)([{"question": "Who?", "context": "Monroe"}])
        assert set(batch) == {"attention_mask", "pixel_values"}

    def test_errors(self, processor: PixelProcessor) -> None:
        row = {"question": "Who?", "context": "Monroe", "answer_start": 3, "answer_end": 9}
        with pytest.raises(ValueError, match="answer of row 0: the span 3 to 9"):
            QuestionAnsweringCollator(processor)([row])
        with pytest.raises(ValueError, match="max_patches"):
            QuestionAnsweringCollator(processor)([{"question": "Who?", "context": "x" * 400}])
        with pytest.raises(ValueError, match="padding_side"):
            QuestionAnsweringCollator(PixelProcessor.from_preset("fixed-8", padding_side="left"))


class TestFindAnswers:
    def logits(self, processor: PixelProcessor, rows: Dataset) -> tuple[np.ndarray, np.ndarray]:
        """As a perfect model would score; padded as Trainer pads, with -100."""
        batch = QuestionAnsweringCollator(processor)(list(rows))
        shape = tuple(batch["attention_mask"].shape)
        start, end = np.full(shape, -100.0), np.full(shape, -100.0)
        generator = np.random.default_rng(0)
        for index, mask in enumerate(batch["attention_mask"].numpy()):
            for scores in (start, end):
                scores[index, : mask.sum()] = generator.normal(size=mask.sum())
            start[index, batch["start_positions"][index]] = 9
            end[index, batch["end_positions"][index]] = 9
        return start, end

    def test_gives_back_what_was_asked(self, processor: PixelProcessor) -> None:
        rows = windows_of(processor, QUESTIONS)
        found = find_answers(rows, *self.logits(processor, rows), processor, null_threshold=0.0)
        assert [answer["id"] for answer in found] == ["a", "b", "c"]
        texts = [answer["prediction_text"] for answer in found]
        assert texts[0] == "James Monroe" and texts[2] == ""
        assert texts[1].rstrip(",") == "John Quincy Adams"  # a patch may show the comma too
        for answer in found[:2]:
            assert CONTEXT[answer["start"] : answer["end"]] == answer["prediction_text"]
        assert found[2]["start"] == -1

    def test_always_answers_without_a_threshold(self, processor: PixelProcessor) -> None:
        rows = windows_of(processor, QUESTIONS)
        found = find_answers(rows, *self.logits(processor, rows), processor)
        assert all(answer["prediction_text"].strip() for answer in found)

    def test_answers_are_not_too_long(self, processor: PixelProcessor) -> None:
        rows = windows_of(processor, QUESTIONS[:1])
        start, end = np.zeros((2, len(rows), 24))
        start[:, 8], end[:, 18] = 5, 5  # eleven patches
        long = find_answers(rows, start, end, processor)[0]
        short = find_answers(rows, start, end, processor, max_answer_patches=3)[0]
        assert len(short["prediction_text"]) < len(long["prediction_text"])
        # One candidate each, the end before the start: still an answer.
        start, end = end, start
        assert find_answers(rows, start, end, processor, num_best=1)[0]["prediction_text"]

    def test_other_lengths_are_refused(self, processor: PixelProcessor) -> None:
        rows = windows_of(processor, QUESTIONS[:1])
        with pytest.raises(ValueError, match="windows, but logits for 1 and 1"):
            find_answers(rows, np.zeros((1, 24)), np.zeros((1, 24)), processor)


@pytest.fixture(scope="module")
def unifont() -> PixelProcessor:
    return PixelProcessor.from_preset("unifont-16", model_max_patches=64)


class TestDirections:
    """What holds in English holds in right-to-left text and in lines of both directions."""

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_every_answer_is_in_a_window_and_comes_back(self, unifont: PixelProcessor, language: str) -> None:
        draw = random.Random(language)
        exact = total = 0
        for words in sentences(language, count=6, most=160):
            context = " ".join(words)
            first = draw.randrange(len(words))
            gold = " ".join(words[first : first + draw.randint(1, 3)])
            start = len(" ".join(words[:first])) + (first > 0)
            answers = {"text": [gold], "answer_start": [start]}
            row = {"id": "q", "question": "מי?", "context": context, "answers": answers}
            cut = QuestionWindows(unifont, max_patches=64, stride=20)
            rows = Dataset.from_dict(cut({key: [value] for key, value in row.items()}))
            assert cut.num_uncovered == 0
            lengths = patch_lengths(unifont, rows["question"], rows["context"])
            drawn = unifont(text=list(rows["question"]), text_pair=list(rows["context"]), return_tensors="np")
            assert max(lengths) <= 64 and drawn["attention_mask"].sum(1).tolist() == lengths
            found = find_answers(rows, *perfect_logits(unifont, rows), unifont, max_answer_patches=64)[0]
            assert context[found["start"] : found["end"]] == found["prediction_text"]
            # A patch may show the end of the word before, or the beginning of the word after.
            assert found["start"] <= start and found["end"] >= start + len(gold)
            assert len(found["prediction_text"].split()) <= len(gold.split()) + 2
            exact += found["prediction_text"] == gold
            total += 1
        print(f"\n{language}: {exact} of {total} answers exactly")
        assert exact > total / 2

    def test_a_long_arabic_context(self, unifont: PixelProcessor) -> None:
        context = ("الناس أحرار متساوون في الكرامة والحقوق " * 20)[:600].strip()
        windows = context_windows("من؟", context, unifont, 64, 16)
        parts = [context[start:end] for start, end in windows]
        assert len(windows) > 4 and max(patch_lengths(unifont, ["من؟"] * len(parts), parts)) <= 64
        assert windows[0][0] == 0 and windows[-1][1] == len(context)


def perfect_logits(processor: PixelProcessor, rows: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """One-hot logits of the labels; windows without the answer say so."""
    batch = QuestionAnsweringCollator(processor)(list(rows))
    logits = np.zeros((2, *batch["attention_mask"].shape))
    for index, row in enumerate(rows):
        if row["answer_start"] >= 0:
            logits[0, index, batch["start_positions"][index]] = 9
            logits[1, index, batch["end_positions"][index]] = 9
    return logits[0], logits[1]
