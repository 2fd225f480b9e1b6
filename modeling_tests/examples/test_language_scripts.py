# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Language identification: pieces, damage, training, export and the table, very small."""

import json
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from tools.paths import EXAMPLES
from tools.scripts import run_script
from transformers import pipeline

import pixel_ar

TEXTS = {
    "en": "the old man looked at the river and said that he would not go home again this evening ",
    "de": "der alte Mann sah auf den Fluss und sagte, dass er heute abend nicht nach Hause gehen werde ",
    "ru": "старик посмотрел на реку и сказал, что сегодня вечером он больше не пойдёт домой ",
    "ja": "老人は川を見て、今夜はもう家に帰らないと言った。",
}


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    rows = (
        {"text": text[number:] + text * 4, "language": language, "source": f"{kind}/{number}"}
        for language, text in TEXTS.items()
        for kind in ("prose", "web")
        for number in range(3)
    )
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


def train(corpus: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Path:
    small = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "patch_embedding_hidden_size": 32,
    }
    given = {
        "train_data": corpus,
        "validation_data": corpus,
        "output_dir": folder,
        "config_overrides": json.dumps(small),
        "per_device_train_batch_size": 4,
        "validation_pieces": 1,
        "train_minutes": 60,
        "save_steps": 2,
        "disable_tqdm": True,
        "report_to": "none",
        **options,
    }
    words = [str(part) for name, value in given.items() for part in (f"--{name}", value)]
    run_script("train_language.py", *words, monkeypatch=monkeypatch)
    return folder


@pytest.fixture(scope="module")
def trained(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as monkeypatch:
        return train(corpus, tmp_path_factory.mktemp("run") / "language", monkeypatch, max_steps=4)


class TestPieces:
    def test_a_piece_depends_on_seed_and_number_alone(self, corpus: Path) -> None:
        from language_data import LanguagePieces, read_languages

        texts = read_languages([corpus])
        one, other = (LanguagePieces(texts, 4, seed=1) for _ in range(2))
        assert [one[index] for index in (9, 2, 5)] == [other[index] for index in (9, 2, 5)]
        assert one[9] != LanguagePieces(texts, 4, seed=2)[9]

    def test_languages_are_alike_often_and_lengths_alike_in_a_batch(self, corpus: Path) -> None:
        from language_data import SPREAD, LanguagePieces, read_languages

        pieces = LanguagePieces(read_languages([corpus]), 4, seed=1, damage=False, longest=60)
        rows = [pieces[index] for index in range(800)]
        counts = Counter(row["label"] for row in rows)
        assert set(counts) == set(range(4)) and min(counts.values()) > 150
        spaced = [pieces.languages.index(language) for language in ("en", "de")]
        for start in range(0, 800, 4):
            lengths = [len(row["text"]) for row in rows[start : start + 4] if row["label"] not in spaced]
            if len(lengths) > 1:  # those without blanks at their ends
                assert max(lengths) - min(lengths) <= 2 * SPREAD * max(lengths) + 2
        assert all(row["flips"] == 0 for row in rows)

    def test_pieces_begin_with_a_word(self) -> None:
        from language_data import piece_at

        assert piece_at("one two three", 1, 5) == "two t"
        assert piece_at("one two three", 4, 3) == "two"
        assert piece_at("一二三四五", 1, 3) == "二三四"

    def test_held_out_pieces_are_spread(self, corpus: Path) -> None:
        from language_data import held_out_pieces, read_languages

        pieces = held_out_pieces(read_languages([corpus]), 20, 5)
        assert Counter(language for _, language in pieces) == dict.fromkeys(TEXTS, 5)
        assert all(18 < len(text) <= 20 for text, _ in pieces)

    def test_lines_without_a_language_are_named(self, tmp_path: Path) -> None:
        from language_data import read_languages

        path = tmp_path / "rows.jsonl"
        path.write_text('{"text": "a", "language": "en"}\n{"text": "b"}\n', encoding="utf-8")
        with pytest.raises(SystemExit, match=r"rows.jsonl, line 2: a line needs text and language"):
            read_languages([path])


class TestDamage:
    def test_none_changes_nothing(self) -> None:
        from damage import CONDITIONS

        assert CONDITIONS["clean"].of_text(TEXTS["ru"], random.Random(0)) == TEXTS["ru"]

    def test_look_alikes_go_both_ways_and_look_alike(self) -> None:
        """The commonest are the same pixels, so that a pixel model cannot be led astray by them."""
        from damage import LOOK_ALIKES, Damage

        assert "а" in LOOK_ALIKES["a"] and "a" in LOOK_ALIKES["а"]
        text = Damage(look_alikes=1.0).of_text("саре", random.Random(0))
        assert text != "саре" and len(text) == 4
        processor = pixel_ar.PixelProcessor.from_preset("unifont-16", missing="hexbox")
        cyrillic = processor(text=["аеорсх"], return_tensors="pt")["pixel_values"]
        latin = processor(text=["aeopcx"], return_tensors="pt")["pixel_values"]
        assert torch.equal(cyrillic, latin)

    def test_a_share_of_the_letters_and_pixels(self) -> None:
        from damage import Damage, turn_pixels

        text = TEXTS["en"] * 40
        damaged = Damage(typos=0.05).of_text(text, random.Random(0))
        assert damaged != text and abs(len(damaged) - len(text)) < 0.05 * len(text)
        strips = torch.full((2, 1, 16, 640), 255, dtype=torch.uint8)
        mask = torch.ones(2, 10, dtype=torch.int64)
        mask[1, 5:] = 0
        turned = turn_pixels(strips, [0.02, 0.5], mask, seed=0) == 0
        assert 0.015 < turned[0].float().mean() < 0.025
        assert 0.45 < turned[1, ..., :320].float().mean() < 0.55 and not turned[1, ..., 320:].any()

    def test_the_reader_reads_past_it(self) -> None:
        from damage import read_damaged

        processor = pixel_ar.PixelProcessor.from_preset("unifont-16")
        texts = [TEXTS["en"].strip(), "der Fluss"]
        assert read_damaged(processor, texts, 0.0) == texts
        read = read_damaged(processor, texts, 0.01)
        assert sum(a == b for a, b in zip(read[0], texts[0], strict=False)) > 0.9 * len(texts[0])


class TestTraining:
    def test_beginnings_are_what_shorter_texts_give(self, trained: Path) -> None:
        """The logits at a position are the model's of a text that ends there, if it had no EOS patch."""
        from train_language import prefix_loss

        model = pixel_ar.PixelARForSequenceClassification.from_pretrained(trained).eval()
        processor = pixel_ar.PixelProcessor.from_pretrained(trained)
        batch = processor(text=["the old man looked", "der"], return_tensors="pt")
        pixels, mask = batch["pixel_values"], batch["attention_mask"]
        with torch.no_grad():
            states = model.model(pixels, attention_mask=mask).last_hidden_state
            loss, logits = prefix_loss(model.score, states, mask, torch.tensor([0, 1]))
            assert torch.allclose(logits[0, 2], model(pixels[:1, ..., : 3 * 64]).logits[0], atol=1e-5)
            whole = model(pixels, mask).logits
        last = mask.sum(1) - 1
        assert torch.allclose(logits[torch.arange(2), last], whole, atol=1e-5)
        assert torch.isfinite(loss)

    def test_results_are_written(self, trained: Path) -> None:
        lines = (trained / "results.txt").read_text(encoding="utf-8").splitlines()
        assert lines[0].endswith(" parameters, 4 steps") and len(lines) == 11
        assert lines[1].startswith("200 characters, clean: ")

    def test_an_interrupted_run_ends_as_one_that_was_not(
        self, trained: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """But for the rate, which follows the clock: it is held here."""
        folder = train(corpus, tmp_path / "run", monkeypatch, max_steps=2)
        train(corpus, folder, monkeypatch, max_steps=4, resume_from_checkpoint=True)
        one = pixel_ar.PixelARForSequenceClassification.from_pretrained(trained).state_dict()
        other = pixel_ar.PixelARForSequenceClassification.from_pretrained(folder).state_dict()
        assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())

    def test_an_export_classifies_and_tests_itself(
        self, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "export"
        run_script("export_checkpoint.py", str(trained), str(folder), monkeypatch=monkeypatch)
        found = pipeline("pixel-text-classification", str(folder), device="cpu")(
            ["the old man 😀"], top_k=None
        )
        assert {each["label"] for each in found[0]} == set(TEXTS)
        checks = pixel_ar.selftest(folder)
        assert [check.name for check in checks] == ["reading back", "classes"]
        assert all(check.passed for check in checks)

    def test_texts_are_asked_for(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(SystemExit, match="--train_data"):
            run_script("train_language.py", "--output_dir", str(tmp_path), monkeypatch=monkeypatch)


def test_the_table_compares(
    trained: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])  # the script adds its neighbours' folder
    run_script(
        "benchmarks/language.py",
        *(str(trained), "--train", str(corpus), "--validation", str(corpus), "--most", "2"),
        *("--pieces", "100", "--byte-minutes", "0.001", "--output-dir", str(tmp_path), "--languages"),
        monkeypatch=monkeypatch,
    )
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if line.startswith(("| 200 |", "| 20 |"))]
    assert len(rows) == 10 and all(row.count("|") == 8 for row in rows)
    clean = next(row for row in rows if row.startswith("| 20 | clean"))
    assert "| 100.0 (100.0) of 8 |" in clean  # the n-grams have seen these very texts
    assert "byte transformer: " in printed and "| ja | " in printed
