# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The processor in every mode: batches, offsets, truncation, files, presets, and models that take them."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ImageFont
from tools.tiny import BACKBONE, TINY
from tools.unicode import FOLDER

from pixel_ar import GlyphAtlas, PixelARConfig, PixelARForCausalLM, PixelProcessor
from pixel_ar.training import LanguageModelingCollator

OUTLINES = ImageFont.load_default(10).font_bytes
TEXTS = ["The people of the", "ab", "x y"]
COLORS = {"text_color": "navy", "background_color": "#ffeecc"}
MODES = [
    {"mode": "1"},
    {"mode": "L"},
    {"mode": "L", "num_channels": 3, "text_color": 40, "background_color": 220},
    {"mode": "RGB", "num_channels": 3, **COLORS},
]
UNITS = ["bigrams", "mono", "words", "word_pieces"]
STRATEGIES = ["continuous", *UNITS]


@pytest.fixture(scope="module")
def atlas() -> GlyphAtlas:
    return GlyphAtlas.from_font(OUTLINES, 12, 16, map(chr, range(32, 127)), mode="L", name="outlines")


@pytest.mark.parametrize("settings", MODES)
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_batches_are_decoded(settings: dict, strategy: str, side: str, atlas: GlyphAtlas) -> None:
    processor = PixelProcessor(
        (atlas,),
        (16, 16),
        letter_spacing=1,
        strategy=strategy,
        padding_side=side,
        right_padding=2,
        **settings,
    )
    for options in ({}, {"add_start": True}, {"add_eos": False}):
        inputs = processor(text=TEXTS, return_tensors="pt", **options)
        pixels, mask = inputs["pixel_values"], inputs["attention_mask"]
        assert pixels.shape[:3] == (3, processor.num_channels, 16) and pixels.dtype == torch.float32
        assert processor.batch_decode(inputs) == TEXTS
        # Padding has the background's colour, the EOS patch is black.
        background = torch.tensor(processor.background_color[: processor.num_channels]) / 255
        patches = pixels.unflatten(3, (-1, 16)).movedim(3, 1)  # [B, T, C, H, w]
        assert torch.allclose(patches[mask == 0], background[:, None, None])
        if options.get("add_eos", True):
            last = -1 if side == "left" else int(mask[0].sum()) - 1
            assert (patches[0, last] == 0).all()
    image = processor.to_pil(inputs)[0]
    assert image.mode == ("RGB" if processor.num_channels == 3 else "L")


def test_gray_levels_reach_the_model(atlas: GlyphAtlas) -> None:
    gray, hard = (PixelProcessor((atlas,), (16, 16), mode=mode) for mode in ("L", "1"))
    soft = gray(text="quay", return_tensors="np")["pixel_values"]
    assert len(np.unique(soft)) > 10
    assert np.array_equal(np.where(soft < 0.5, 0, 1), hard(text="quay", return_tensors="np")["pixel_values"])


@pytest.mark.parametrize("strategy", UNITS)
def test_units_in_patches(strategy: str) -> None:
    processor = PixelProcessor(strategy=strategy)
    text = "ab cde fghij k"
    mapping = processor(text=text, return_offsets_mapping=True)["offset_mapping"][0]
    spans = [tuple(span) for span in mapping]
    expected = {
        "mono": [(i, i + 1) for i in range(len(text))],
        "bigrams": [(i, i + 2) for i in range(0, len(text), 2)],
        # Five letters and a space take two patches of 20 columns.
        "words": [(0, 3), (3, 7), (7, 11), (11, 13), (13, 14)],
        "word_pieces": [(0, 2), (2, 6), (6, 10), (10, 12), (12, 14)],
    }[strategy]
    assert spans == [*expected, (0, 0)]


@pytest.mark.parametrize("settings", MODES)
@pytest.mark.parametrize("strategy", UNITS)
def test_truncation_keeps_whole_units(settings: dict, strategy: str) -> None:
    processor = PixelProcessor(strategy=strategy, right_padding=1, **settings)
    text = "ab cdefgh ij klm"
    whole = processor(text=text, return_tensors="np")["pixel_values"][0]
    for room in range(4, 12):
        inputs = processor(text=text, truncation=True, max_patches=room, return_tensors="np")
        count = int(inputs["attention_mask"].sum())
        shown = processor.decode(inputs)
        assert text.startswith(shown) and shown and count <= room
        assert np.array_equal(
            inputs["pixel_values"][0][..., : 20 * (count - 1)], whole[..., : 20 * (count - 1)]
        )
        if strategy == "words":
            assert text[len(shown) :][:1] in ("", " ")
        if strategy == "bigrams":
            assert len(shown.ljust(len(shown) + len(shown) % 2)) % 2 == 0


def test_pairs_and_images_in_color() -> None:
    processor = PixelProcessor(mode="RGB", num_channels=3, **COLORS)
    image = np.full((8, 20, 3), 200, np.uint8)
    inputs = processor(text=["one"], text_pair=["two"], images=[image], return_tensors="np")
    pixels = inputs["pixel_values"][0]
    assert np.allclose(pixels[:, :, :20], 200 / 255)
    assert (pixels[:, :, 20:40] == 0).all() and (pixels[:, :, 60:80] == 0).all()
    assert np.allclose(pixels[:, 0, 39 + 20], np.array([255, 238, 204]) / 255)


# ---- files ----


@pytest.mark.parametrize(
    "settings",
    [
        *MODES,
        {"strategy": "bigrams", "letter_spacing": 2},
        {"mode": "RGB", "num_channels": 3, "strategy": "words", **COLORS},
    ],
)
def test_saved_processors_draw_the_same_bytes(settings: dict, atlas: GlyphAtlas, tmp_path: Path) -> None:
    processor = PixelProcessor(
        (atlas, FOLDER / "colors-layers.ttf", "fixed-5x8-x2"), (16, 16), missing="hexbox", **settings
    )
    processor.save_pretrained(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        loaded = PixelProcessor.from_pretrained(tmp_path)
    assert loaded.to_dict() == processor.to_dict()
    assert loaded.renderer.fingerprint() == processor.renderer.fingerprint()
    texts = ["Hello 🟥", "Zoë"]
    drawn = [item(text=texts, return_tensors="np")["pixel_values"] for item in (processor, loaded)]
    assert np.array_equal(*drawn)
    assert loaded.batch_decode(drawn[1]) == texts


def test_processors_saved_before_there_were_modes(tmp_path: Path) -> None:
    processor = PixelProcessor()
    processor.save_pretrained(tmp_path)
    path = tmp_path / "processor_config.json"
    config = json.loads(path.read_text())
    for name in ("mode", "text_color", "background_color", "letter_spacing", "strategy"):
        del config[name]
    path.write_text(json.dumps(config))
    assert PixelProcessor.from_pretrained(tmp_path).to_dict() == processor.to_dict()


def test_another_style_of_a_saved_processor_is_noticed(tmp_path: Path) -> None:
    PixelProcessor(strategy="mono").save_pretrained(tmp_path)
    path = tmp_path / "processor_config.json"
    path.write_text(path.read_text().replace('"mono"', '"words"'))
    with pytest.warns(UserWarning, match="fingerprint"):
        PixelProcessor.from_pretrained(tmp_path)


# ---- presets ----


@pytest.mark.parametrize(
    ("name", "patches", "size", "mode"),
    [("pixel", 529, 13.33, "RGB"), ("pixelgpt", 1024, 13.33, "RGB"), ("pixar", 360, 8.89, "1")],
)
def test_presets_of_published_models(name: str, patches: int, size: float, mode: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of characters that are cut
        processor = PixelProcessor.from_preset(name, font=OUTLINES)
    assert (processor.model_max_patches, processor.mode) == (patches, mode)
    assert processor.num_channels == (3 if mode == "RGB" else 1)
    assert (processor.left_padding, processor.right_padding, processor.strategy) == (2, 2, "continuous")
    atlas = processor.renderer.atlases[0]
    assert round(atlas.provenance["size"], 2) == size and (atlas.levels is not None) == (mode == "RGB")
    pixels = processor(text="ab", return_tensors="np")["pixel_values"]
    assert (len(np.unique(pixels)) > 5) == (mode == "RGB")
    assert np.array_equal(pixels[:, 0], pixels[:, -1])
    assert processor.decode(processor(text="The people", return_tensors="pt")) == "The people"


def test_presets_take_other_modes() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        processor = PixelProcessor.from_preset(
            "pixel", font=OUTLINES, mode="L", num_channels=1, strategy="bigrams", left_padding=0
        )
    assert processor.decode(processor(text="The people", return_tensors="pt")) == "The people"


# ---- contradictions ----


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "RGB"}, "mode='RGB' needs num_channels=3, got 1.*mode='L'"),
        ({"strategy": "mono", "left_padding": 2}, "left_padding=2 would move the units.*left_padding=0"),
        ({"text_color": "red"}, "use mode='RGB'"),
        ({"atlases": ("fixed-5x8-x3",)}, r"set patch_size to \(24, width\)"),
    ],
)
def test_contradictions(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PixelProcessor(**settings)


def test_units_cannot_be_moved_to_a_border() -> None:
    with pytest.raises(ValueError, match="end_gap=3 would move the units of strategy='mono'"):
        PixelProcessor(strategy="mono")(text="ab", end_gap=3, add_eos=False)


def test_models_that_do_not_fit() -> None:
    config = PixelARConfig(**TINY, patch_size=(8, 20))
    PixelProcessor().check_model(config)
    with pytest.raises(ValueError, match="writes 1-bit columns, but the processor draws mode='L'"):
        PixelProcessor(mode="L").check_model(config)
    with pytest.raises(ValueError, match="3 channels, the model reads 1"):
        PixelProcessor(mode="RGB", num_channels=3).check_model(config)
    with pytest.raises(ValueError, match=r"patches of \(8, 16\), the model reads patches of \(8, 20\)"):
        PixelProcessor(patch_size=(8, 16)).check_model(config)
    # The library wraps the error in one of its own.
    with pytest.raises(Exception, match=r"needs num_channels=1, got 3; use patch_head='regression'"):
        PixelARConfig(**TINY, num_channels=3)


# ---- models ----


@pytest.mark.parametrize("head", ["bernoulli", "regression", "flow"])
@pytest.mark.parametrize("settings", MODES)
@pytest.mark.parametrize("strategy", ["continuous", "bigrams"])
def test_models_take_every_mode(head: str, settings: dict, strategy: str) -> None:
    processor = PixelProcessor(strategy=strategy, **settings)
    config = PixelARConfig(**BACKBONE, patch_head=head, num_channels=processor.num_channels)
    processor.check_model(config)
    torch.manual_seed(0)
    model = PixelARForCausalLM(config)
    batch = LanguageModelingCollator(processor)([{"text": text} for text in TEXTS])
    assert batch["pixel_values"].dtype == torch.uint8
    loss = model(**batch).loss
    loss.backward()
    assert torch.isfinite(loss)
    prompt = processor(text="ab", add_eos=False, return_tensors="pt")
    out = model.eval().generate(**prompt, max_new_patches=2)
    assert out.shape[1] == processor.num_channels
    assert processor.to_pil(out)[0].height == 8


@pytest.mark.parametrize("rows", [24, 32])
def test_high_strips_with_the_autoregressive_head(rows: int) -> None:
    processor = PixelProcessor((f"fixed-5x8-x{rows // 8}",), (rows, 20))
    model = PixelARForCausalLM(PixelARConfig(**TINY, patch_size=(rows, 20)))
    inputs = processor(text=TEXTS, return_tensors="pt")
    assert torch.isfinite(model.log_likelihood(**inputs)).all()
    assert processor.batch_decode(inputs) == TEXTS


@pytest.mark.parametrize("settings", MODES)
def test_packed_blocks_in_every_mode(settings: dict, atlas: GlyphAtlas) -> None:
    processor = PixelProcessor((atlas,), (16, 16), left_padding=1, right_padding=2, **settings)
    collator = LanguageModelingCollator(processor, block_patches=9)
    long = "a text longer than its block, by far"
    blocks = [{"segments": [*first, long], "is_complete": False} for first in (["one"], [])]
    pixels = collator(blocks)["pixel_values"]
    assert pixels.shape == (2, processor.num_channels, 16, 144) and pixels.dtype == torch.uint8
    for block, texts in zip(pixels, ({"text": "one", "text_pair": long}, {"text": long}), strict=True):
        drawn = processor(**texts, return_tensors="pt")["pixel_values"][0, ..., :144]
        assert torch.equal(block, (drawn * 255).round().to(torch.uint8))
