# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The character prior: fitted, saved with the processor, and used where text is read."""

import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest

from pixel_ar.cli.main import main
from pixel_ar.processing.processing_pixel_ar import PixelProcessor
from pixel_ar.reading.prior import CharacterPrior
from pixel_ar.reading.reader import StripReader
from pixel_ar.rendering.renderer import StripRenderer

TEXTS = ["the house on the hill", "all the people of the world", "he told them all of it"] * 5


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_probabilities_sum_to_one(order: int) -> None:
    prior = CharacterPrior.fit(TEXTS, order=order)
    assert prior.order == order
    for before in ("", "t", "the", "zzz", "on the hi"):
        total = sum(math.exp(prior.log_probability(char, before)) for char in prior.characters)
        total += (0x10000 - len(prior.characters)) * math.exp(prior.log_probability("z", before))
        assert total == pytest.approx(1, abs=1e-6)


def test_context_decides() -> None:
    prior = CharacterPrior.fit(TEXTS, order=4)
    assert prior.log_probability("e", "th") > -0.7 > -3 > prior.log_probability("e", "ho")
    assert prior.log_probability("l", "hil") == prior.log_probability("l", "on the hil")
    assert prior.text_log_probability("the", " ") == pytest.approx(
        sum(prior.log_probability(char, " the"[: index + 1]) for index, char in enumerate("the"))
    )
    assert prior.characters[0] == " " and "h" in prior and "z" not in prior
    assert -30 < prior.log_probability("\u4e2d", "the") < -15, "never seen, but not impossible"
    longer = CharacterPrior.fit(["abab " * 30_000 + "abx"], order=4)
    assert longer.to_dict()["a"] == {"b": 60_001} and "x" not in longer.to_dict()["ab"]
    assert longer.to_dict()["b"]["x"] == 1, "only after two characters and more what is rare is forgotten"


def test_counts_are_checked() -> None:
    for counts in ({}, {"a": {"b": 1}}, {"": {}}, {"": {"a": 0}}, {"": {"a": 1.5}}, {"": {"ab": 1}}):
        with pytest.raises(ValueError, match="counts must"):
            CharacterPrior(counts)
    with pytest.raises(ValueError, match="7 characters at most"):
        CharacterPrior({"": {"a": 1}, "a" * 8: {"a": 1}})
    with pytest.raises(ValueError, match="no character"):
        CharacterPrior.fit(["", ""])
    with pytest.raises(ValueError, match="list of texts"):
        CharacterPrior.fit("one text")
    for arguments, message in (
        ((["a"], "x"), "order must be an integer, got 'x'"),
        ((["a"], 2, None), "min_count must be an integer, got None"),
        ((["a", 1],), r"texts\[1\] must be a string, got 1"),
        ((5,), "texts must be a list of texts, got 5"),
    ):
        with pytest.raises(TypeError, match=message):
            CharacterPrior.fit(*arguments)
    for order, min_count in ((0, 1), (9, 1), (2, 0)):
        with pytest.raises(ValueError, match="order must be 1 to 8"):
            CharacterPrior.fit(TEXTS, order=order, min_count=min_count)


def test_saved_and_loaded(tmp_path: Path) -> None:
    prior = CharacterPrior.fit([*TEXTS, "\u4e2d\u6587 \ud800"], order=3)
    path = tmp_path / "prior.json"
    prior.save(path)
    loaded = CharacterPrior.load(path)
    assert loaded == prior == pickle.loads(pickle.dumps(prior)) and hash(loaded) == hash(prior)
    assert loaded.sha256 == prior.sha256 and len(prior.sha256) == 64
    other = CharacterPrior.fit(TEXTS, order=3)
    assert other != prior and other.sha256 != prior.sha256
    assert repr(other) == "CharacterPrior(order 3, 17 characters, 365 counted)"
    for content in ("{}", "[]", "no JSON", json.dumps({"format": "another", "counts": {}})):
        path.write_text(content)
        with pytest.raises(ValueError, match="damaged or no character prior"):
            CharacterPrior.load(path)
    with pytest.raises(FileNotFoundError):
        CharacterPrior.load(tmp_path / "nowhere.json")


def test_the_processor_saves_it_and_reads_with_it(tmp_path: Path) -> None:
    prior = CharacterPrior.fit(TEXTS, order=4)
    processor = PixelProcessor(character_prior=prior)
    processor.save_pretrained(tmp_path)
    loaded = PixelProcessor.from_pretrained(tmp_path)
    assert loaded.to_dict()["character_prior_sha256"] == prior.sha256
    plain = PixelProcessor.from_pretrained(tmp_path, character_prior=None)
    assert "character_prior_sha256" not in plain.to_dict()
    wrong = {"fitted": 0, "loaded": 0, "plain": 0}
    rng = np.random.default_rng(0)
    for text in TEXTS:
        batch = processor(text=text, return_tensors="np")
        flips = rng.random(batch["pixel_values"].shape) < 0.08
        flips[..., int(batch["num_columns"][0]) - 20 :] = False
        batch["pixel_values"] = np.where(flips, 1 - batch["pixel_values"], batch["pixel_values"])
        for name, each in (("fitted", processor), ("loaded", loaded), ("plain", plain)):
            found = each.batch_decode(batch)[0].ljust(len(text))
            wrong[name] += sum(a != b for a, b in zip(found, text, strict=False))
            assert each.read(batch)[0].text == each.batch_decode(batch)[0]
    assert wrong["fitted"] == wrong["loaded"] <= 2 and wrong["plain"] > 10

    changed = json.loads((tmp_path / "character_prior.json").read_text())
    changed["counts"][""]["t"] += 1
    (tmp_path / "character_prior.json").write_text(json.dumps(changed))
    with pytest.raises(ValueError, match=r"not the character prior .* was saved with: its sha256"):
        PixelProcessor.from_pretrained(tmp_path)
    (tmp_path / "character_prior.json").unlink()
    with pytest.raises(ValueError, match=r"lacks character_prior\.json"):
        PixelProcessor.from_pretrained(tmp_path)
    assert PixelProcessor.from_pretrained(tmp_path, character_prior=prior).batch_decode(batch)


def test_the_command_line_reads_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    CharacterPrior.fit(TEXTS, order=4).save(tmp_path / "prior.json")
    pixels = StripRenderer().render(TEXTS[0]).to_array().copy()
    pixels ^= 255 * (np.random.default_rng(3).random(pixels.shape) < 0.1).astype(np.uint8)
    processor = PixelProcessor()
    processor.to_pil(pixels[None, None] / np.float32(255))[0].save(tmp_path / "strip.png")
    # Of so damaged a strip hardly any ink is an exact glyph, as the exit code says; the text is printed all the same.
    assert main(["read", str(tmp_path / "strip.png")]) == 3
    assert capsys.readouterr().out.strip() != TEXTS[0]
    assert main(["read", str(tmp_path / "strip.png"), "--prior", str(tmp_path / "prior.json")]) == 3
    assert capsys.readouterr().out.strip() == TEXTS[0]
    (tmp_path / "prior.json").write_text("{}")
    assert main(["read", str(tmp_path / "strip.png"), "--prior", str(tmp_path / "prior.json")]) == 2
    assert "no character prior" in capsys.readouterr().err


# ---- characters drawn alike ----

RUSSIAN = ["Все люди рождаются свободными и равными в своем достоинстве и правах. ДЛЯ ВАС."]


def test_it_decides_between_characters_drawn_alike() -> None:
    """A word of shared letters alone: no neighbour tells the script, the prior does."""
    for name in ("fixed-5x8", "unifont-16"):
        strip = StripRenderer([name]).render("ВАС")
        assert StripReader([name]).read(strip).text == "BAC"
        russian = StripReader([name], prior=CharacterPrior.fit(RUSSIAN, order=3))
        assert russian.read(strip).text == "ВАС"
        both = StripReader([name], prior=CharacterPrior.fit([*RUSSIAN * 3, *TEXTS, "in a CAB"], order=3))
        result = both.read(StripRenderer([name]).render("ВАС, all of the people"))
        assert result.text == "ВАС, all of the people"
        assert result.confidences.min() < 1, "it is a guess, and says so"


def test_it_decides_between_letters_of_one_shape() -> None:
    """Tiny5 draws I, l and | alike."""
    prior = CharacterPrior.fit([*TEXTS, "I told all. It is his Idea."], order=3)
    strip = StripRenderer(["tiny5-8"]).render("It is all of his Idea")
    plain, fitted = StripReader(["tiny5-8"]), StripReader(["tiny5-8"], prior=prior)
    assert plain.read(strip).text != "It is all of his Idea" == fitted.read(strip).text


def test_words_it_does_not_know_keep_their_script() -> None:
    english = StripReader(prior=CharacterPrior.fit(TEXTS, order=3))
    for text in ("he told слово and λόγος", "naïve 東"[:5]):
        assert english.read(StripRenderer(missing="hexbox").render(text)).text == text
