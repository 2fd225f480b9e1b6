# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What the published models need of the processor: white margins, prompts moved to a patch border, presets."""

import hashlib
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageFont

from pixel_ar import GlyphAtlas, PixelProcessor

FONT = ImageFont.load_default(10).font_bytes
WIDTH = 16
TEXTS = ["The people of the", "ab", "x"]


@pytest.fixture(scope="module")
def processor() -> PixelProcessor:
    return PixelProcessor(patch_size=(8, WIDTH), left_padding=2, right_padding=2)


def inked_columns(pixels: torch.Tensor) -> list[int]:
    return torch.nonzero((pixels < 0.5).flatten(0, -2).any(0)).flatten().tolist()


# ---- margins ----


def test_text_stands_between_its_margins(processor: PixelProcessor) -> None:
    plain = PixelProcessor(patch_size=(8, WIDTH))
    for text in TEXTS:
        pixels = processor(text=text, add_eos=False, return_tensors="pt")
        width = 5 * len(text)
        assert pixels["num_columns"].tolist() == [2 + width]
        drawn = plain(text=text, add_eos=False, return_tensors="pt")["pixel_values"]
        assert (pixels["pixel_values"][..., :2] == 1).all()
        assert torch.equal(pixels["pixel_values"][..., 2 : 2 + width], drawn[..., :width])
        # The EOS patch stands at the first border that is two columns away (PIXEL's renderers).
        ended = processor(text=text, return_tensors="pt")
        border = -(-(2 + width + 2) // WIDTH) * WIDTH
        assert ended["num_columns"].tolist() == [border + WIDTH]
        assert (ended["pixel_values"][..., border:] == 0).all()


def test_right_padding_moves_the_eos_patch_alone() -> None:
    text = "abc"  # 15 columns: one is left in the first patch
    tight, loose = (PixelProcessor(patch_size=(8, WIDTH), right_padding=n) for n in (1, 2))
    assert tight(text=text, return_tensors="pt")["attention_mask"].shape == (1, 2)
    assert loose(text=text, return_tensors="pt")["attention_mask"].shape == (1, 3)
    assert loose(text=text, add_eos=False, return_tensors="pt")["attention_mask"].shape == (1, 1)


def test_pairs_have_margins_on_both_texts(processor: PixelProcessor) -> None:
    inputs = processor(text=[("ab", "cd")], add_start=True, return_offsets_mapping=True, return_tensors="pt")
    patches = inputs["pixel_values"][0, 0].unflatten(-1, (-1, WIDTH))
    assert [patch for patch in range(5) if (patches[:, patch] == 0).all()] == [0, 2, 4]
    assert (patches[:, 1, :2] == 1).all() and (patches[:, 3, :2] == 1).all()
    assert inputs["offset_mapping"].tolist() == [[[0, 0], [0, 2], [0, 0], [0, 2], [0, 0]]]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30), min_size=1
    ),
    st.integers(0, 15),
    st.integers(0, 15),
    st.sampled_from(["left", "right"]),
)
def test_margins_are_not_text(texts: list[str], left: int, right: int, side: str) -> None:
    processor = PixelProcessor(
        patch_size=(8, WIDTH), left_padding=left, right_padding=right, padding_side=side
    )
    # Blanks at either end of a strip look like its margins where the columns do not tell them apart.
    drawn = [text.rstrip() for text in texts]
    for options in ({}, {"add_start": True}, {"add_eos": False}):
        assert processor.batch_decode(processor(text=texts, return_tensors="pt", **options)) == drawn


@pytest.mark.parametrize("options", [{}, {"add_eos": False}])
def test_offsets_count_the_margin(processor: PixelProcessor, options: dict) -> None:
    mapping = processor(text="abcdef", return_offsets_mapping=True, **options)["offset_mapping"][0]
    # Columns 2 to 31: the third letter, columns 12 to 16, is in both patches.
    assert mapping[:2] == [[0, 3], [2, 6]]
    late = PixelProcessor(patch_size=(8, 4), left_padding=3)
    assert late(text="ab", return_offsets_mapping=True, add_eos=False)["offset_mapping"] == [
        [[0, 1], [0, 1], [1, 2], [1, 2]]
    ]


def test_truncation_leaves_room_for_the_margins(processor: PixelProcessor) -> None:
    inputs = processor(text="a" * 50, truncation=True, max_patches=4, return_tensors="pt")
    assert inputs["attention_mask"].sum() == 4
    assert processor.decode(inputs) == "a" * ((3 * WIDTH - 4) // 5)
    with pytest.raises(ValueError, match="leaves no room"):
        PixelProcessor(patch_size=(8, 8), left_padding=2, right_padding=2)(
            text="ab", truncation=True, max_patches=2
        )


def test_images_bring_their_own_margins(processor: PixelProcessor) -> None:
    image = np.zeros((8, WIDTH), np.uint8)
    inputs = processor(images=image, return_tensors="pt")
    assert (inputs["pixel_values"][..., :WIDTH] == 0).all() and inputs["num_columns"].tolist() == [32]


# ---- prompts that end before a border ----


@pytest.mark.parametrize("gap", [0, 3, 15])
@pytest.mark.parametrize("side", ["left", "right"])
def test_end_gap_ends_a_text_before_a_border(gap: int, side: str) -> None:
    processor = PixelProcessor(patch_size=(8, WIDTH), left_padding=2, padding_side=side)
    texts = ["W" * length for length in range(1, 12)]  # W has ink in its first and its last but one column
    inputs = processor(text=texts, end_gap=gap, add_eos=False, return_tensors="pt")
    assert (inputs["num_columns"] % WIDTH == 0).all()
    assert torch.equal(inputs["num_columns"], inputs["attention_mask"].sum(1) * WIDTH)
    for row, text in enumerate(texts):
        strip = inputs["pixel_values"][row]
        if side == "left":
            strip = strip[..., strip.shape[-1] - int(inputs["num_columns"][row]) :]
        strip = strip[..., : int(inputs["num_columns"][row])]
        columns = inked_columns(strip)
        assert columns[-1] == strip.shape[-1] - gap - 1 - 1
        assert columns[0] == strip.shape[-1] - gap - 5 * len(text) >= 2
        assert columns[0] - 2 < WIDTH  # moved by less than a patch
    assert [text.strip() for text in processor.batch_decode(inputs)] == texts


def test_end_gap_only_moves_what_is_last(processor: PixelProcessor) -> None:
    inputs = processor(text=[("ab", "cd")], end_gap=3, add_eos=False, return_tensors="pt")
    ended = processor(text=[("ab", "cd")], return_tensors="pt")
    assert torch.equal(inputs["pixel_values"][..., : 2 * WIDTH], ended["pixel_values"][..., : 2 * WIDTH])
    assert inked_columns(inputs["pixel_values"][..., 2 * WIDTH :])[-1] < WIDTH - 3


def test_end_gap_after_truncation(processor: PixelProcessor) -> None:
    inputs = processor(
        text="W" * 50, end_gap=3, add_eos=False, truncation=True, max_patches=2, return_tensors="pt"
    )
    assert inputs["num_columns"].tolist() == [2 * WIDTH]
    columns = inked_columns(inputs["pixel_values"])
    assert columns[-1] == 2 * WIDTH - 3 - 2 and columns[0] == 2 * WIDTH - 3 - 25


def test_end_gap_offsets(processor: PixelProcessor) -> None:
    inputs = processor(text="abc", end_gap=3, add_eos=False, return_offsets_mapping=True)
    # 15 columns that end at 29 begin at 14: the first letter is in both patches.
    assert inputs["offset_mapping"] == [[[0, 1], [0, 3]]]
    far = processor(text="ab", end_gap=15, add_eos=False, return_offsets_mapping=True)
    assert far["offset_mapping"] == [[[0, 2], [1, 2]]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"end_gap": 3}, "end_gap=3.*pass add_eos=False"),
        ({"end_gap": 16, "add_eos": False}, "0 to 15.*16 columns wide, got 16"),
        ({"end_gap": -1, "add_eos": False}, "got -1"),
        ({"end_gap": True, "add_eos": False}, "got True"),
    ],
)
def test_bad_end_gaps(processor: PixelProcessor, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        processor(text="a", **options)


# ---- presets ----


@pytest.fixture(scope="module", params=["pixar", "pixelgpt"])
def published(request: pytest.FixtureRequest) -> PixelProcessor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the characters that are cut
        return PixelProcessor.from_preset(request.param, font=FONT)


def test_settings_of_the_published_models(published: PixelProcessor) -> None:
    is_pixar = published.patch_size == (8, 16)
    assert published.patch_size == ((8, 16) if is_pixar else (16, 16))
    assert (published.num_channels, published.model_max_patches) == ((1, 360) if is_pixar else (3, 1024))
    assert (published.left_padding, published.right_padding) == (2, 2)
    facts = published.renderer.atlases[0].provenance
    assert round(facts["size"], 2) == (8.89 if is_pixar else 13.33) and facts["overflow"] == "cut"
    inputs = published(text=TEXTS, return_tensors="pt")
    channels, height = inputs["pixel_values"].shape[1:3]
    assert (channels, height) == (published.num_channels, published.patch_size[0])
    assert published.batch_decode(inputs) == TEXTS


def test_the_font_is_recorded_and_travels(published: PixelProcessor, tmp_path: Path) -> None:
    published.save_pretrained(tmp_path)
    name = published.atlases[0]
    config = json.loads((tmp_path / "processor_config.json").read_text())
    assert config["font_sha256"] == {name: hashlib.sha256(FONT).hexdigest()}
    loaded = PixelProcessor.from_pretrained(tmp_path)
    assert loaded.to_dict() == published.to_dict()
    expected = published(text=TEXTS, return_tensors="pt")["pixel_values"]
    assert torch.equal(loaded(text=TEXTS, return_tensors="pt")["pixel_values"], expected)


def test_cut_characters_are_named() -> None:
    with pytest.warns(UserWarning, match="gjpqy"):
        PixelProcessor.from_preset("pixar", font=FONT)


@pytest.mark.parametrize(
    ("name", "font"), [("pixar", "PixeloidSans-mLxMm.ttf"), ("pixelgpt", "GoNotoCurrent.ttf")]
)
def test_a_preset_without_its_font_names_it(name: str, font: str) -> None:
    with pytest.raises(ValueError, match=rf"needs font=PATH.*{font}.*atlases="):
        PixelProcessor.from_preset(name)


def test_other_glyphs_can_stand_in_for_the_font() -> None:
    processor = PixelProcessor.from_preset("pixar", atlases=("fixed-5x8",))
    assert processor.atlases == ("fixed-5x8",) and processor.left_padding == 2
    mine = GlyphAtlas.from_font(FONT, 7, 8, name="mine")
    assert PixelProcessor.from_preset("pixar", atlases=(mine,)).atlases == ("mine",)
    with pytest.raises(ValueError, match="no use here: the call also passes atlases"):
        PixelProcessor.from_preset("pixar", font=FONT, atlases=("fixed-5x8",))
    with pytest.raises(ValueError, match="no use here: preset 'fixed-8' draws with"):
        PixelProcessor.from_preset("fixed-8", font=FONT)


def test_processors_saved_before_there_were_margins(tmp_path: Path) -> None:
    processor = PixelProcessor()
    processor.save_pretrained(tmp_path)
    path = tmp_path / "processor_config.json"
    config = json.loads(path.read_text())
    assert "font_sha256" not in config and "has_tokenizer" not in config
    del config["left_padding"], config["right_padding"]
    path.write_text(json.dumps(config))
    assert PixelProcessor.from_pretrained(tmp_path).to_dict() == processor.to_dict()
