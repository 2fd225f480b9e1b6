# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Damaged folders and odd inputs: one documented error, with the name of the file or of the row."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tools.tokenizer import byte_tokenizer

from pixel_ar.processing.processing_pixel_ar import PixelProcessor
from pixel_ar.reading.prior import CharacterPrior

ODD = [
    "null",
    "[]",
    "{}",
    '"x"',
    "-1",
    "1e999",
    "NaN",
    "[null]",
    '[["a"]]',
    '{"a": {"b": 1}}',
    "9" * 400,
    "true",
]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    PixelProcessor(
        character_prior=CharacterPrior.fit(["a text"]), tokenizer=byte_tokenizer()
    ).save_pretrained(folder)
    return folder


def copy(folder: Path, target: Path) -> Path:
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target / "processor_config.json"


def test_every_setting_replaced_by_nonsense(saved: Path, tmp_path: Path) -> None:
    path = copy(saved, tmp_path)
    text = path.read_text()
    settings = json.loads(text)
    refused = 0
    for key in settings:
        for value in ODD:
            marked = json.dumps({**settings, key: "@@"})
            path.write_text(marked.replace('"@@"', value))
            try:
                PixelProcessor.from_pretrained(tmp_path)
            except ValueError as error:
                refused += 1
                assert str(tmp_path) in str(error), (key, value, error)
    assert refused > 100


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"3",
        b'"x"',
        b"{",
        b"\xff\xfe",
        b"[" * 5000,
        b'{"a":' * 5000,
        b"\x00" * 100,
        b"{}",
    ],
)
def test_a_damaged_configuration(content: bytes, saved: Path, tmp_path: Path) -> None:
    copy(saved, tmp_path).write_bytes(content)
    with pytest.raises((ValueError, OSError), match="processor_config"):
        PixelProcessor.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "name", ["fixed-5x8.npz", "character_prior.json", "tokenizer.json", "tokenizer_config.json"]
)
def test_damaged_files_beside_it(name: str, saved: Path, tmp_path: Path) -> None:
    copy(saved, tmp_path)
    whole = (tmp_path / name).read_bytes()
    rng = np.random.default_rng(0)
    for damage in range(30):
        cut = whole[: int(rng.integers(len(whole)))]
        flipped = bytearray(whole)
        flipped[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        (tmp_path / name).write_bytes(cut if damage % 2 else bytes(flipped))
        try:
            PixelProcessor.from_pretrained(tmp_path)
        except ValueError as error:
            assert str(tmp_path) in str(error)
    for content in (b"null", b"[]", b"[" * 5000, b""):
        (tmp_path / name).write_bytes(content)
        if name != "tokenizer_config.json":
            with pytest.raises(ValueError, match=str(tmp_path)):
                PixelProcessor.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a", 3], r"text\[1\] must be a string, got int: 3; convert it"),
        (["a", b"b"], r"text\[1\] must be a string, got bytes.*decode"),
        (["a", None], r"text\[1\].*leave the row out"),
        ([["a", "b", "c"]], r"text\[0\].*join words"),
        ([], "batch is empty"),
        (3, "text must be a string or a list"),
        (b"a", "text must be a string or a list"),
        ([float("nan")], r"text\[0\].*float"),
    ],
)
def test_texts_that_are_none(texts: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PixelProcessor()(texts)


def test_pages_and_strips_of_nothing() -> None:
    processor = PixelProcessor()
    with pytest.raises(ValueError, match="no pages"):
        processor.pages_to_strips([])
    with pytest.raises(ValueError, match="no strips"):
        processor.strips_to_pages([], 3)
    with pytest.raises(TypeError, match="attention_mask must be"):
        processor.read(torch.ones(1, 1, 8, 20), attention_mask=3.5)


@pytest.mark.parametrize("settings", [{}, {"mode": "L"}, {"mode": "RGB", "num_channels": 3}])
def test_strips_that_need_gradients_are_read(settings: dict) -> None:
    processor = PixelProcessor(**settings)
    inputs = processor("a text", return_tensors="pt")
    pixels = inputs["pixel_values"].clone().requires_grad_()
    assert processor.decode(pixels) == "a text"
    assert processor.reader.read(pixels[0]).text.startswith("a text")
    for dtype in (torch.uint8, torch.bfloat16):
        levels = pixels.detach() * 255 if dtype == torch.uint8 else pixels
        assert processor.reader.read(levels[0].to(dtype)).text.startswith("a text")


@pytest.mark.parametrize("text", ["مرحبا بالعالم " * 40_000, "many words " * 60_000, "漢字" * 100_000])
def test_what_is_cut_off_is_not_drawn(text: str) -> None:
    """The row of a long text is that of its beginning, and what it costs follows the limit."""
    processor = PixelProcessor(("unifont-16",), (16, 16), model_max_patches=64)
    options = {"truncation": True, "return_offsets_mapping": True, "return_tensors": "np"}
    found = processor(text, **options)
    expected = processor(text[:4000], **options)
    for key, values in expected.items():
        assert np.array_equal(found[key], values), key
    drawn: list[int] = []
    renderer = processor.renderer
    measure, render = renderer.measure, renderer.render
    renderer.measure = lambda part: (drawn.append(len(part)), measure(part))[1]  # type: ignore[method-assign]
    renderer.render = lambda part: (drawn.append(len(part)), render(part))[1]  # type: ignore[method-assign]
    processor(text, **options)
    with pytest.raises(ValueError, match="characters, but max_patches is 64"):
        processor(text)
    assert max(drawn) < 10_000
