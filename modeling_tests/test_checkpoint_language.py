# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The embedded classifier of languages: its files, seventeen sentences, damage it reads past, each way to load it."""

import hashlib
import json
import random
from pathlib import Path

import pytest
import torch
from tools.paths import EXAMPLES
from transformers import AutoModelForSequenceClassification, AutoProcessor, pipeline

import pixel_ar
from pixel_ar.cli.main import main

NAME = "pixel-ar-language"
pytestmark = pytest.mark.skipif(
    NAME not in pixel_ar.bundled_checkpoints(), reason="no such checkpoint in this tree"
)

SENTENCES = {
    "ar": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق.",
    "cs": "Všichni lidé se rodí svobodní a sobě rovní co do důstojnosti a práv.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "el": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    "en": "All human beings are born free and equal in dignity and rights.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "hi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "hu": "Minden emberi lény szabadon születik és egyenlő méltósága és joga van.",
    "it": "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti.",
    "ja": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "ko": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "pl": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.",
    "pt": "Todos os seres humanos nascem livres e iguais em dignidade e em direitos.",
    "ru": "Все люди рождаются свободными и равными в своём достоинстве и правах.",
    "sr": "Сва људска бића рађају се слободна и једнака у достојанству и правима.",
    "uk": "Всі люди народжуються вільними і рівними у своїй гідності та правах.",
    "zh": "人人生而自由,在尊严和权利上一律平等。",
}


@pytest.fixture(scope="module")
def pair() -> tuple[pixel_ar.PixelARForSequenceClassification, pixel_ar.PixelProcessor]:
    folder = pixel_ar.bundled_checkpoint(NAME)
    return AutoModelForSequenceClassification.from_pretrained(folder).eval(), AutoProcessor.from_pretrained(
        folder
    )


@torch.no_grad()
def languages(pair: tuple, texts: list[str], flips: float = 0.0) -> list[str]:
    model, processor = pair
    inputs = processor(text=texts, return_tensors="pt")
    pixels = inputs["pixel_values"]
    turned = torch.rand(pixels.shape, generator=torch.Generator().manual_seed(0)) < flips
    logits = model(torch.where(turned, 1 - pixels, pixels), inputs["attention_mask"]).logits
    return [model.config.id2label[label] for label in logits.argmax(-1).tolist()]


def test_files_are_the_recorded_ones_and_small() -> None:
    folder = Path(pixel_ar.bundled_checkpoint(NAME))
    digests = json.loads((folder / "sha256.json").read_text(encoding="utf-8"))
    assert {"model.safetensors", "config.json", "processor_config.json", "unifont-16.npz"} <= set(digests)
    for name, digest in digests.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 6_500_000


def test_the_languages_of_a_sentence(pair: tuple) -> None:
    """The first article of the Universal Declaration of Human Rights."""
    assert set(SENTENCES) == set(pair[0].config.label2id)
    found = languages(pair, list(SENTENCES.values()))
    assert dict(zip(SENTENCES, found, strict=True)) == {language: language for language in SENTENCES}


def test_damage_changes_little(pair: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels, look-alikes, typing errors: at most one of the sentences is taken for another language."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from damage import CONDITIONS

    for name, damage in CONDITIONS.items():
        generator = random.Random(0)
        texts = [damage.of_text(text, generator) for text in SENTENCES.values()]
        found = languages(pair, texts, damage.flips)
        assert sum(a != b for a, b in zip(SENTENCES, found, strict=True)) <= 1, (name, found)


def test_pipeline_command_and_self_test(capsys: pytest.CaptureFixture[str]) -> None:
    classify = pipeline("pixel-text-classification", pixel_ar.bundled_checkpoint(NAME), device="cpu")
    best = classify(SENTENCES["fr"] + " 😀")
    assert best["label"] == "fr" and best["score"] > 0.5
    capsys.readouterr()
    assert main(["classify", SENTENCES["de"]]) == 0
    assert capsys.readouterr().out.startswith("de ")
    assert main(["selftest", NAME]) == 0
    assert "ok     classes: en" in capsys.readouterr().out


def test_the_training_texts_are_credited() -> None:
    card = (Path(pixel_ar.bundled_checkpoint(NAME)) / "README.md").read_text(encoding="utf-8")
    for source in (
        "OpenStax",
        "African Storybook",
        "Pratham",
        "Standard Ebooks",
        "ELTeC",
        "Common Voice",
        "Aozora",
    ):
        assert source in card
