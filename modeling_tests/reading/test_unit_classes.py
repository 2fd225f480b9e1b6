# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Reading of shaped lines, candidates scored, and the character prior."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from tools.unicode import declarations, sample_font

from pixel_ar.processing.processing_pixel_ar import PixelProcessor
from pixel_ar.reading.logical_order import logical_text
from pixel_ar.reading.prior import CharacterPrior
from pixel_ar.reading.reader import StripReader
from pixel_ar.rendering.renderer import StripRenderer

ENGLISH = [
    "the house on the hill",
    "all the people of the world",
    "one of them is there",
    "he told them all of it",
]


@pytest.mark.parametrize(("name", "code"), [("Devanagari", "hin"), ("Arabic", "arb"), ("Khmer", "khm")])
def test_fonts_are_read_as_far_as_they_were_seen(name: str, code: str) -> None:
    chain = [sample_font(name), "fixed-5x8"] if name == "" else ["unifont-16", sample_font(name)]
    if name == "Arabic":
        chain.reverse()
    drawer = StripRenderer(chain, missing="hexbox")
    reader = StripReader(chain, renderer=StripRenderer(chain, missing="hexbox"))
    reader.learn(declarations()[code])
    for text in declarations()[code]:
        assert reader.read(drawer.render_bytes(text)).text == drawer.normalise(text)


@pytest.mark.parametrize(
    ("visual", "text"),
    [
        (["ג", "ב", "א"], "אבג"),
        (list("12 בא"), "אב 12"),
        (list("abc (בא) d"), "abc (אב) d"),
        (list("x 1 בא"), "אב x 1"),
        (list("10 בא"), "אב 10"),
        (["क", "े", "ं"], "कें"),
        (["ေ", "က", "ျ"], "ကျေ"),
        (list("(ג) בא"), "אב (ג)"),
        (["ि", "क"], "कि"),
        (["ெ", "க", "ா"], "கொ"),
        (list("plain"), "plain"),
        ([], ""),
    ],
)
def test_visual_to_logical_order(visual: list[str], text: str) -> None:
    found, origins = logical_text(visual)
    assert found == text and len(origins) == len(text)


def test_a_noisy_hebrew_line(drawer: StripRenderer, reader: StripReader) -> None:
    text = declarations()["heb"][0]
    bits = np.unpackbits(np.frombuffer(drawer.render_bytes(text), np.uint8))
    flips = np.random.default_rng(0).random(bits.size) < 0.002
    found = reader.read(np.packbits(bits ^ flips).tobytes())
    same = sum(a == b for a, b in zip(found.text, text, strict=False))
    assert same > 0.9 * len(text) and 0 < found.unreadable < 0.5
    assert found.confidences.min() >= 0 and found.confidences.max() <= 1


def test_candidates_are_scored() -> None:
    renderer = StripRenderer(["unifont-16", sample_font("Devanagari")])
    reader = StripReader(renderer.atlases, renderer=renderer)
    texts = [text[:40] for text in declarations()["hin"]]
    bits = np.unpackbits(np.frombuffer(renderer.render_bytes(texts[1]), np.uint8))
    flips = np.random.default_rng(0).random(bits.size) < 0.05
    scores = reader.score(np.packbits(bits ^ flips).tobytes(), texts)
    assert scores.dtype == np.float32 and scores.argmax() == 1 and (scores < 0).all()
    assert reader.score(renderer.render(texts[0]), texts)[0] == 0
    with pytest.raises(ValueError, match="list of at least one"):
        reader.score(renderer.render("a"), "abc")
    with pytest.raises(ValueError, match=r"got 0\.7"):
        reader.score(renderer.render("a"), ["abc"], noise=0.7)
    with pytest.raises(ValueError, match="renderer that shapes"):
        StripReader().learn(["abc"])


def test_a_prior_decides_what_pixels_leave_open() -> None:
    prior = CharacterPrior.fit(ENGLISH)
    renderer = StripRenderer()
    plain, fitted = StripReader(), StripReader(prior=prior)
    wrong = [0, 0]
    generator = np.random.default_rng(0)
    for text in ENGLISH * 3:
        bits = np.unpackbits(np.frombuffer(renderer.render_bytes(text), np.uint8))
        data = np.packbits(bits ^ (generator.random(bits.size) < 0.08)).tobytes()
        for index, each in enumerate((plain, fitted)):
            found = each.read(data).text.ljust(len(text))
            wrong[index] += sum(a != b for a, b in zip(found, text, strict=False))
    assert wrong[1] < 0.6 * wrong[0] and wrong[0] > 5
    assert fitted.read(renderer.render(ENGLISH[0])).text == ENGLISH[0]
    assert pickle.loads(pickle.dumps(fitted)).read(data).text == fitted.read(data).text


def test_prior_is_saved(tmp_path: Path) -> None:
    prior = CharacterPrior.fit(ENGLISH)
    prior.save(tmp_path / "prior.json")
    assert CharacterPrior.load(tmp_path / "prior.json") == prior == pickle.loads(pickle.dumps(prior))
    total = sum(np.exp(prior.log_probability(char, "t")) for char in map(chr, range(0x10000)))
    assert 0.5 < total <= 1.0001
    assert prior.log_probability("h", "t") > prior.log_probability("z", "t")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(ValueError, match="no character prior"):
        CharacterPrior.load(tmp_path / "bad.json")
    with pytest.raises(ValueError, match="counts"):
        CharacterPrior({})


def test_the_processor_keeps_fonts_engine_and_prior(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    font = sample_font("Devanagari")
    prior = CharacterPrior.fit(declarations()["hin"])
    processor = PixelProcessor(("unifont-16", font), patch_size=(16, 16), character_prior=prior)
    text = declarations()["hin"][1]
    processor.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "processor_config.json",
        "unifont-16.npz",
        "LICENSE-unifont.txt",
        f"{font.stem}.ttf",
        "character_prior.json",
    }
    loaded = PixelProcessor.from_pretrained(tmp_path)
    batch = processor(text=[text, "abc"], return_tensors="np")
    assert (loaded(text=[text, "abc"], return_tensors="np")["pixel_values"] == batch["pixel_values"]).all()
    assert loaded.batch_decode(batch) == [text, "abc"]
    assert loaded.to_dict() == processor.to_dict() and "HarfBuzz" in loaded.to_dict()["engine"]
    monkeypatch.setattr("pixel_ar.rendering.renderer.shaping_engine", lambda: "HarfBuzz 1.0")
    with pytest.warns(UserWarning, match=r"saved with Unicode .*fingerprint .*HarfBuzz 1.0 here"):
        PixelProcessor.from_pretrained(tmp_path)
    (tmp_path / f"{font.stem}.ttf").write_bytes(sample_font("Khmer").read_bytes())
    with pytest.raises(ValueError, match="is not the font"):
        PixelProcessor.from_pretrained(tmp_path)


def test_right_to_left_rows() -> None:
    """Truncation keeps the beginning of the text, at the right end; offsets are those of the text."""
    processor = PixelProcessor(("unifont-16",), patch_size=(16, 16))
    text = declarations()["heb"][1]
    row = processor(
        text=text, truncation=True, max_patches=6, return_offsets_mapping=True, return_tensors="np"
    )
    assert processor.batch_decode(row)[0] == text[:10].rstrip()
    offsets = row["offset_mapping"][0]
    assert offsets.tolist() == [[8, 10], [6, 8], [4, 6], [2, 4], [0, 2], [0, 0]]
