# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Settings as objects, as keyword arguments and as attributes: all three say the same, and act."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pixel_ar.processing.processing_pixel_ar import PixelProcessor
from pixel_ar.processing.settings import PageSettings, ProcessorSettings, StripGeometry, setting_names
from pixel_ar.rendering.style import RenderStyle
from pixel_ar.text.characters import CharacterPolicy

FLAT: dict[str, Any] = {
    "patch_size": (8, 16),
    "num_channels": 3,
    "padding_side": "left",
    "model_max_patches": 77,
    "left_padding": 0,
    "right_padding": 2,
    "missing": "hexbox",
    "newline": "symbol",
    "tab": 3,
    "normalize": None,
    "unsupported": "cells",
    "mode": "RGB",
    "text_color": "navy",
    "background_color": "#fffff0",
    "letter_spacing": 1,
    "strategy": "words",
    "unit_width": 8,
    "page_patch_size": (8, 12),
    "page_max_patches": 77,
    "page_std": "population",
}
OBJECTS: dict[str, Any] = {
    "geometry": StripGeometry((8, 16), 3, "left", 77, 0, 2),
    "policy": CharacterPolicy("hexbox", "symbol", 3, None, "cells"),
    "style": RenderStyle("RGB", "navy", "#fffff0", 1, "words", 8),
    "page": PageSettings((8, 12), 77, "population"),
}


def test_objects_and_keyword_arguments_make_the_same_processor() -> None:
    assert set(FLAT) == set(setting_names())
    flat, objects = PixelProcessor(**FLAT), PixelProcessor(**OBJECTS)
    assert flat.settings == objects.settings == ProcessorSettings(**OBJECTS)
    assert flat.to_dict() == objects.to_dict()
    assert flat.renderer.fingerprint() == objects.renderer.fingerprint()
    changed = PixelProcessor(
        **{**OBJECTS, "policy": CharacterPolicy()},
        **{key: FLAT[key] for key in ("missing", "newline", "tab", "normalize", "unsupported")},
    )
    assert changed.settings == flat.settings


def test_replace_keeps_everything_else() -> None:
    processor = PixelProcessor(**FLAT)
    assert processor.replace().to_dict() == processor.to_dict()
    other = processor.replace(missing="error", tab="space")
    differing = {key for key, value in other.to_dict().items() if processor.to_dict()[key] != value}
    assert {"missing", "tab"} <= differing <= {"missing", "tab", "fingerprint"}
    assert processor.missing == "hexbox" and other.missing == "error"
    higher = PixelProcessor().replace(atlases=("unifont-16",), patch_size=(16, 16))
    assert higher.atlases == ("unifont-16",) and higher.decode(higher("é", return_tensors="np")) == "é"


@pytest.mark.parametrize(("name", "value"), [("missing", "hexbox"), ("tab", 2), ("left_padding", 3)])
def test_a_setting_acts_when_it_is_set(name: str, value: Any) -> None:
    processor, expected = PixelProcessor(), PixelProcessor(**{name: value})
    text = "a\tb漢" if name == "missing" else "a\tb"
    setattr(processor, name, value)
    assert getattr(processor, name) == value
    pixels = [each(text, return_tensors="np")["pixel_values"] for each in (processor, expected)]
    assert np.array_equal(*pixels)


def test_a_setting_that_does_not_fit_changes_nothing() -> None:
    processor = PixelProcessor()
    before = processor.to_dict()
    for name, value in (("mode", "RGB"), ("missing", "no"), ("patch_size", (16, 16)), ("padding_side", "up")):
        with pytest.raises(ValueError, match=name if name != "mode" else "num_channels"):
            setattr(processor, name, value)
    with pytest.raises(ValueError, match="16 pixels high"):
        processor.atlases = ("unifont-16",)
    assert processor.to_dict() == before and processor.decode(processor("ab", return_tensors="np")) == "ab"


def test_mistyped_settings_are_named() -> None:
    for build in (
        PixelProcessor,
        PixelProcessor().replace,
        lambda **k: PixelProcessor.from_preset("fixed-8", **k),
    ):
        with pytest.raises(TypeError, match="did you mean 'missing'"):
            build(mising="hexbox")
    with pytest.raises(TypeError, match="character_prior must be"):
        PixelProcessor(character_prior="prior.json")


def test_from_pretrained_takes_settings_and_names_mistyped_ones(tmp_path: Path) -> None:
    PixelProcessor(tab=2).save_pretrained(tmp_path)
    loaded = PixelProcessor.from_pretrained(tmp_path, missing="hexbox")
    assert (loaded.missing, loaded.tab) == ("hexbox", 2)
    assert PixelProcessor.from_pretrained(tmp_path, policy=CharacterPolicy("warn")).missing == "error"
    with pytest.raises(TypeError, match="did you mean 'missing'"):
        PixelProcessor.from_pretrained(tmp_path, mising="hexbox")


def test_older_configurations_load(tmp_path: Path) -> None:
    """Files from before there were styles, margins and hashes of engines."""
    PixelProcessor().save_pretrained(tmp_path)
    path = tmp_path / "processor_config.json"
    settings = json.loads(path.read_text())
    newer = (
        "mode",
        "text_color",
        "background_color",
        "letter_spacing",
        "strategy",
        "left_padding",
        "right_padding",
    )
    for name in (*newer, "engine", "fingerprint"):
        settings.pop(name)
    path.write_text(json.dumps(settings))
    assert PixelProcessor.from_pretrained(tmp_path).settings == ProcessorSettings()


def test_a_pickle_is_equal() -> None:
    processor = PixelProcessor(**FLAT)
    again = pickle.loads(pickle.dumps(processor))
    assert again.to_dict() == processor.to_dict() and again.renderer.render_bytes(
        "x"
    ) == processor.renderer.render_bytes("x")


# ---- the language that is read ----

CYRILLIC = "\u0410\u0412\u0421 \u0421\u041e\u0422"  # drawn like "ABC COT"


def test_a_language_chooses_between_letters_drawn_alike(tmp_path: Path) -> None:
    processor = PixelProcessor.from_preset("unifont-16", language="uk")
    strips = processor(text=CYRILLIC, add_eos=False, return_tensors="pt")
    assert processor.decode(strips) == CYRILLIC
    processor.language = ["en"]  # acts at once
    assert processor.decode(strips) == "ABC COT"
    processor.save_pretrained(tmp_path)
    assert PixelProcessor.from_pretrained(tmp_path).language == ["en"]
    assert PixelProcessor.from_pretrained(tmp_path, language="uk").language == "uk"
    assert processor.replace(missing="hexbox").language == ["en"]
    assert "language" not in PixelProcessor().to_dict()


@pytest.mark.parametrize(
    ("language", "error", "message"),
    [
        ("klingon", ValueError, "no letters of a language 'klingon' are known"),
        (3, TypeError, "language must be a tag such as 'uk', several of them, or None, got 3"),
        ([], TypeError, "language must be a tag"),
        (["uk", 3], TypeError, "language must be a tag"),
    ],
)
def test_languages_that_are_none(language: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        PixelProcessor(language=language)


# ---- padding in a call ----


def test_a_call_pads_as_it_says() -> None:
    processor, texts = PixelProcessor(), ["a", "a longer line of text"]
    left = processor(text=texts, padding_side="left", pad_to_multiple_of=8, return_tensors="pt")
    assert left["attention_mask"].tolist() == [[0] * 6 + [1] * 2, [0] + [1] * 7]
    assert processor.batch_decode(left) == texts
    assert processor.padding_side == "right"
    right = processor(text=texts, return_tensors="pt")
    assert right["attention_mask"].tolist() == [[1] * 2 + [0] * 5, [1] * 7]
    rows = [processor(text=text, as_row=True) for text in texts]
    padded = processor.pad(rows, padding_side="left", pad_to_multiple_of=8, return_tensors="pt")
    assert all(torch.equal(padded[name], left[name]) for name in left)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"padding_side": "top"}, ValueError, 'padding_side must be "right" or "left", got \'top\''),
        ({"pad_to_multiple_of": 0}, ValueError, "pad_to_multiple_of must be at least 1, got 0"),
        ({"pad_to_multiple_of": "8"}, TypeError, "pad_to_multiple_of must be an integer or None, got '8'"),
    ],
)
def test_paddings_that_are_none(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        PixelProcessor()(text="a", **options)


@pytest.mark.parametrize("name", ["add_eos", "add_start", "target_first", "return_offsets_mapping", "as_row"])
def test_switches_are_true_or_false(name: str) -> None:
    for value in (None, "no", 1):
        with pytest.raises(TypeError, match=f"{name} must be True or False, got {value!r}"):
            PixelProcessor()(text="a", **{name: value})


def test_chat_templates() -> None:
    """A conversation is a text like any other once a template says how; without one, that is what is said."""
    processor, conversation = PixelProcessor(), [{"role": "user", "content": "hi"}]
    with pytest.raises(ValueError, match="does not have a chat template"):
        processor.apply_chat_template(conversation)
    template = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}{% endfor %}"
    assert processor.apply_chat_template(conversation, chat_template=template) == "user: hi"
