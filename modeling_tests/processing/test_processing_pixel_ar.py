# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The processor: every way in and out, saving and loading, and what it says about bad input."""

import copy
import json
import pickle
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader
from transformers import AutoProcessor, BatchFeature

from pixel_ar.processing.processing_pixel_ar import PixelProcessor

WIDTH = 20  # patch width of fixed-8: four characters of five columns
TEXT = "The people of the"
PAIR = ("We the People", "of the United States")


@pytest.fixture(scope="module")
def processor() -> PixelProcessor:
    return PixelProcessor.from_preset("fixed-8")


def ink_patches(pixels: torch.Tensor) -> list[int]:
    """The places of all-ink patches in a strip `[C, H, W]`."""
    patches = pixels.unflatten(-1, (-1, WIDTH)).amax(dim=(0, 1, 3))
    return torch.nonzero(patches == 0).flatten().tolist()


# ---- to strips ----


def test_single_text_is_a_batch_of_one(processor: PixelProcessor) -> None:
    inputs = processor(text=TEXT, return_tensors="pt")
    assert isinstance(inputs, BatchFeature)
    assert list(inputs) == processor.model_input_names == ["pixel_values", "attention_mask", "num_columns"]
    assert (
        inputs["pixel_values"].shape == (1, 1, 8, 6 * WIDTH) and inputs["pixel_values"].dtype == torch.float32
    )
    assert set(inputs["pixel_values"].unique().tolist()) == {0.0, 1.0}
    assert inputs["attention_mask"].tolist() == [[1] * 6] and inputs["attention_mask"].dtype == torch.int64
    assert inputs["num_columns"].tolist() == [6 * WIDTH] and inputs["num_columns"].dtype == torch.int64
    assert ink_patches(inputs["pixel_values"][0]) == [5]


def test_pixels_are_those_of_the_renderer(processor: PixelProcessor) -> None:
    pixels = processor(text=TEXT, add_eos=False, return_tensors="np")["pixel_values"][0, 0]
    drawn = processor.renderer.render(TEXT).to_array()
    assert np.array_equal(pixels[:, : drawn.shape[1]] * 255, drawn)
    assert (pixels[:, drawn.shape[1] :] == 1).all()


def test_num_columns_ends_where_an_open_text_ends(processor: PixelProcessor) -> None:
    inputs = processor(text=[TEXT, "ab"], add_eos=False, return_tensors="pt")
    assert inputs["num_columns"].tolist() == [17 * 5, 2 * 5]
    assert inputs["attention_mask"].sum(1).tolist() == [5, 1]


def test_start_patch(processor: PixelProcessor) -> None:
    inputs = processor(text=TEXT, add_start=True, return_tensors="pt")
    assert ink_patches(inputs["pixel_values"][0]) == [0, 6]
    plain = processor(text=TEXT, return_tensors="pt")
    assert torch.equal(inputs["pixel_values"][..., WIDTH:], plain["pixel_values"])


@pytest.mark.parametrize(
    "pair", [{"text": PAIR[0], "text_pair": PAIR[1]}, {"text": [PAIR]}, {"text": [list(PAIR)]}]
)
def test_pairs_have_an_eos_patch_between(processor: PixelProcessor, pair: dict) -> None:
    pixels = processor(**pair, return_tensors="pt")["pixel_values"][0]
    assert ink_patches(pixels) == [4, 10]
    assert processor.decode(pixels[..., : 4 * WIDTH]) == PAIR[0]
    assert processor.decode(pixels[..., 5 * WIDTH :]) == PAIR[1]


@pytest.mark.parametrize("kind", [list, tuple, iter, np.array])
def test_batches_of_any_sequence_type(processor: PixelProcessor, kind: type) -> None:
    inputs = processor(text=kind([TEXT, "ab"]), return_tensors="pt")
    assert inputs["attention_mask"].tolist() == [[1] * 6, [1, 1, 0, 0, 0, 0]]
    assert (inputs["pixel_values"][1, :, :, 2 * WIDTH :] == 1).all()


def test_padding(processor: PixelProcessor) -> None:
    texts = [TEXT, "ab"]
    longest = processor(text=texts, padding="max_length", max_patches=9, return_tensors="np")
    assert longest["pixel_values"].shape == (2, 1, 8, 9 * WIDTH)
    left = copy.deepcopy(processor)
    left.padding_side = "left"
    inputs = left(text=texts, add_eos=False, return_tensors="pt")
    assert inputs["attention_mask"].tolist() == [[1] * 5, [0, 0, 0, 0, 1]]
    assert inputs["num_columns"].tolist() == [85, 10]
    assert left.batch_decode(inputs) == texts == left.batch_decode(inputs["pixel_values"])


def test_without_tensors_rows_come_as_lists(processor: PixelProcessor) -> None:
    inputs = processor(text=[TEXT, "ab"], padding=False)
    assert [row.shape for row in inputs["pixel_values"]] == [(1, 8, 6 * WIDTH), (1, 8, 2 * WIDTH)]
    assert inputs["attention_mask"] == [[1] * 6, [1] * 2] and inputs["num_columns"] == [120, 40]
    assert processor.batch_decode(inputs) == [TEXT, "ab"]
    with pytest.raises(ValueError, match="padding=True"):
        processor(text=[TEXT, "ab"], padding=False, return_tensors="pt")


def test_colour_strips_repeat_the_text_in_every_channel() -> None:
    processor = PixelProcessor(num_channels=3)
    pixels = processor(text=TEXT, return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 3, 8, 120) and torch.equal(pixels[:, 0], pixels[:, 2])
    assert processor.decode(pixels) == TEXT and processor.to_pil(pixels)[0].mode == "RGB"


def test_sixteen_rows() -> None:
    processor = PixelProcessor.from_preset("unifont-16")
    text = "Straße, Ελλάδα, Москва 漢字"
    inputs = processor(text=text, return_tensors="pt")
    assert inputs["pixel_values"].shape[2] == 16
    assert processor.decode(inputs) == text


def test_offsets_name_the_characters_of_each_patch(processor: PixelProcessor) -> None:
    inputs = processor(text="abcdefghij", add_start=True, return_offsets_mapping=True, return_tensors="pt")
    assert inputs["offset_mapping"].tolist() == [[[0, 0], [0, 4], [4, 8], [8, 10], [0, 0]]]
    narrow = PixelProcessor(patch_size=(8, 8))(text="abcd", return_offsets_mapping=True)
    assert narrow["offset_mapping"] == [[[0, 2], [1, 4], [3, 4], [0, 0]]]


# ---- length ----


def test_too_long_text_is_an_error_that_counts(processor: PixelProcessor) -> None:
    with pytest.raises(ValueError, match=r"text\[1\] needs 6 patches.*max_patches is 5.*truncation=True"):
        processor(text=["ab", TEXT], max_patches=5)


def test_truncation_keeps_whole_characters_and_the_eos_patch(processor: PixelProcessor) -> None:
    inputs = processor(text=TEXT, max_patches=3, truncation=True, return_tensors="pt")
    assert inputs["pixel_values"].shape[-1] == 3 * WIDTH and ink_patches(inputs["pixel_values"][0]) == [2]
    assert processor.decode(inputs) == TEXT[:8].rstrip()
    narrow = PixelProcessor(patch_size=(8, 8))
    cut = narrow(text="abcd", max_patches=2, truncation=True, add_eos=False, return_tensors="pt")
    assert cut["num_columns"].tolist() == [15] and narrow.decode(cut) == "abc"


def test_truncation_of_pairs(processor: PixelProcessor) -> None:
    def lengths(**kwargs: object) -> list[int]:
        pixels = processor(text=[("a" * 12, "b" * 40)], return_tensors="pt", **kwargs)["pixel_values"][0]
        first, last = ink_patches(pixels)
        return [first, last - first - 1]

    assert lengths() == [3, 10]
    assert lengths(max_patches=9, truncation=True) == [3, 4]
    assert lengths(max_patches=6, truncation=True) == [2, 2]
    assert lengths(max_patches=14, truncation="only_first") == [2, 10]
    assert lengths(max_patches=6, truncation="only_second") == [3, 1]
    with pytest.raises(ValueError, match="leaves no room"):
        lengths(max_patches=12, truncation="only_first")


@pytest.mark.parametrize("text", ["a " * 500_000, "\n" * 1_000_000])
def test_a_megabyte_of_text_fails_fast(processor: PixelProcessor, text: str) -> None:
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"text\[0\] needs 250000 patches for its 1000000 characters"):
        processor(text=text)
    assert time.perf_counter() - start < 2


def test_no_room_beside_the_special_patches(processor: PixelProcessor) -> None:
    with pytest.raises(ValueError, match="leaves no room"):
        processor(text=TEXT, max_patches=1, truncation=True)
    with pytest.raises(ValueError, match="at least 1"):
        processor(text=TEXT, max_patches=0)


# ---- bad input ----


@pytest.mark.parametrize("text", ["", ["ab", ""], ["ab", "", "c"]])
def test_empty_text_is_an_error_with_its_index(processor: PixelProcessor, text: object) -> None:
    index = 0 if text == "" else 1
    with pytest.raises(ValueError, match=rf"text\[{index}\] is empty"):
        processor(text=text)
    assert processor(text="", add_start=True, add_eos=False, return_tensors="pt")["num_columns"].tolist() == [
        WIDTH
    ]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, "at least one of text and images"),
        ({"text": []}, "batch is empty"),
        ({"text": b"bytes"}, "got bytes"),
        ({"text": 3}, "got int"),
        ({"text": ["a", None]}, r"text\[1\] must be a string, got NoneType"),
        ({"text": ["a"], "text_pair": ["b", "c"]}, r"one length.*\[1, 2\]"),
        ({"text_pair": "a"}, "needs text"),
        ({"text": [PAIR], "text_pair": ["c"]}, "pairs already"),
        ({"text": ["a"], "text_pair": [""]}, r"text_pair\[0\] is empty"),
        ({"text": "a", "target_text": "b"}, "target_text belongs to models with a token head"),
        ({"text": "a", "padding": "sideways"}, "padding must be one of"),
        ({"text": "a", "truncation": "yes"}, "truncation must be one of"),
        ({"text": "a", "return_tensors": "tf"}, "tf"),
        ({"text": "a", "padding": True, "text_kwargs": {"padding": False}}, "padding was passed twice"),
        ({"text": ["a", "a \ud800 b"]}, r"text\[1\]: .*U\+D800"),
        ({"text": "a \x00 b"}, r"U\+0000"),
        ({"text": "漢"}, r"U\+6F22"),
    ],
)
def test_bad_input_is_one_clear_error(processor: PixelProcessor, kwargs: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        processor(**kwargs)


def test_unknown_arguments_are_named(processor: PixelProcessor) -> None:
    with pytest.raises(TypeError, match=r"max_patch; did you mean 'max_patches'.*truncation"):
        processor(text="a", max_patch=3)  # type: ignore[call-arg]
    assert processor(text="a", text_kwargs={"add_eos": False}, return_tensors="pt")[
        "num_columns"
    ].tolist() == [5]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"patch_size": (16, 16)}, r"16 pixels high.*'fixed-5x8' is 8"),
        ({"patch_size": (8,)}, "two positive integers"),
        ({"left_padding": 20}, "left_padding.*below the patch width 20, got 20"),
        ({"right_padding": -1}, "right_padding.*got -1"),
        ({"tokenizer": "some/folder"}, r"got str; load it: AutoTokenizer.from_pretrained\('some/folder'\)"),
        ({"num_channels": 2}, "1 or 3"),
        ({"padding_side": "top"}, "'top'"),
        ({"atlases": ("fixed-5x8", "fixed-5x8")}, "same name"),
    ],
)
def test_settings_that_do_not_fit(kwargs: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PixelProcessor(**kwargs)


def test_presets_and_unknown_atlases() -> None:
    assert PixelProcessor.presets() == ("fixed-8", "unifont-16", "pixar", "pixelgpt", "pixel")
    with pytest.raises(ValueError, match=r"'arial'.*fixed-8, unifont-16"):
        PixelProcessor.from_preset("arial")
    with pytest.raises((ValueError, OSError), match="fixed-5x8"):
        PixelProcessor(atlases=("no-such-font",))


# ---- images ----


def test_all_kinds_of_images_give_the_same_strip(processor: PixelProcessor) -> None:
    image = processor.to_pil(processor(text=TEXT, add_eos=False, return_tensors="pt"))[0].crop((0, 0, 85, 8))
    gray = np.asarray(image)
    kinds = [
        image,
        image.convert("1"),
        image.convert("RGB"),
        image.convert("RGBA"),
        image.convert("P"),
        gray,
        gray[None],
        gray[..., None],
        gray > 127,
        gray / 255,
        torch.tensor(gray),
        torch.tensor(gray[None] / 255, dtype=torch.bfloat16),
    ]
    expected = processor(text=TEXT, return_tensors="pt")
    for kind in kinds:
        inputs = processor(images=kind, return_tensors="pt")
        assert torch.equal(inputs["pixel_values"], expected["pixel_values"]), type(kind)
    batch = processor(images=kinds, add_eos=False, return_tensors="pt")
    assert batch["num_columns"].tolist() == [85] * len(kinds)
    assert processor.batch_decode(batch) == [TEXT] * len(kinds)
    assert processor(images=torch.ones(3, 1, 8, 40), return_tensors="pt")["pixel_values"].shape == (
        3,
        1,
        8,
        60,
    )


def test_transparent_pixels_are_background(processor: PixelProcessor) -> None:
    image = Image.new("RGBA", (20, 8), (0, 0, 0, 0))
    assert (processor(images=image, add_eos=False, return_tensors="pt")["pixel_values"] == 1).all()


def test_gray_images_stay_gray_and_colour_needs_three_channels() -> None:
    values = np.linspace(0, 1, 8 * 30, dtype=np.float32).reshape(8, 30)
    inputs = PixelProcessor(num_channels=3)(images=values, add_eos=False, return_tensors="np")
    assert np.array_equal(inputs["pixel_values"][0, :, :, :30], np.stack([values] * 3))
    assert (inputs["pixel_values"][0, :, :, 30:] == 1).all()


def test_an_image_and_a_text_share_a_row(processor: PixelProcessor) -> None:
    image = processor.to_pil(processor(text=PAIR[0], add_eos=False, return_tensors="pt"))[0]
    both = processor(images=[image], text=[PAIR[1]], return_tensors="pt")
    assert torch.equal(both["pixel_values"], processor(text=[PAIR], return_tensors="pt")["pixel_values"])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.ones((12, 40)), r"images\[0\] is 12 pixels high.*strips of 8"),
        (np.ones((12, 40, 1)), "12 pixels high"),
        (Image.new("L", (40, 9)), "9 pixels high"),
        (torch.ones(3, 8, 40), "has 3 channels"),
        (np.ones((8, 40, 4)), "has 4 channels"),
        (Image.new("RGB", (40, 8), "red"), "in colour"),
        (Image.new("I", (40, 8)), "mode 'I'"),
        (np.ones((8, 40)) * 255, "Divide by 255"),
        (np.full((8, 40), np.nan), "nan"),
        (np.ones((8, 40), np.int64), "dtype int64"),
        (np.ones((8, 0)), "0 pixels wide"),
        (np.ones(40), "shape"),
        ("strip.png", "PIL.Image.open"),
        (np.ones((8, 4000)), "needs 201 patches"),
    ],
)
def test_bad_images(processor: PixelProcessor, image: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        processor(images=image, max_patches=100)


# ---- from strips ----


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40), min_size=1)
)
def test_decoding_inverts_drawing(texts: list[str]) -> None:
    processor = PixelProcessor.from_preset("fixed-8")
    # Blanks at the end of a strip look like the strip's own end.
    drawn = [text.rstrip() for text in texts]
    for options in ({}, {"add_start": True}, {"add_eos": False}):
        inputs = processor(text=texts, return_tensors="pt", **options)
        assert processor.batch_decode(inputs) == drawn
        assert processor.batch_decode(inputs["pixel_values"]) == drawn


def test_forms_of_strips_to_decode(processor: PixelProcessor) -> None:
    inputs = processor(text=[TEXT], return_tensors="pt")
    pixels = inputs["pixel_values"]
    forms = [
        inputs,
        dict(inputs),
        SimpleNamespace(pixel_values=pixels),
        pixels,
        pixels[0],
        pixels[0, 0],
        pixels.numpy(),
        pixels.to(torch.bfloat16),
        (pixels * 255).to(torch.uint8),
        [pixels[0]],
        processor.to_pil(pixels),
        pixels * 1.2 - 0.1,
    ]
    for form in forms:
        assert processor.batch_decode(form) == [TEXT]
        assert processor.decode(form) == TEXT
    with pytest.raises(ValueError, match="batch_decode"):
        processor.decode(processor(text=["a", "b"], return_tensors="pt"))


def test_reading_stops_at_the_eos_patch_and_at_the_mask(processor: PixelProcessor) -> None:
    inputs = processor(text=[PAIR], return_tensors="pt")
    assert processor.batch_decode(inputs) == [PAIR[0]]
    masked = torch.tensor([[1, 1] + [0] * 9])
    assert processor.batch_decode(inputs["pixel_values"], attention_mask=masked) == [PAIR[0][:8].rstrip()]
    assert processor.decode(processor(text="ab", add_eos=False), num_columns=[5]) == "a"
    for empty in (torch.ones(1, 1, 8, 40), torch.zeros(1, 1, 8, 40), torch.ones(1, 1, 8, 0)):
        assert processor.decode(empty) == ""


def test_spaces_at_the_start_are_text_unless_padding_is_left(processor: PixelProcessor) -> None:
    pixels = processor(text="        code", return_tensors="pt")["pixel_values"]
    assert processor.decode(pixels) == "        code"


def test_read_tells_how_sure_it_is(processor: PixelProcessor) -> None:
    result = processor.read(processor(text=TEXT, return_tensors="pt"))[0]
    assert result.text == TEXT and len(result.confidences) == len(TEXT) and result.unreadable == 0
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(1, 1, 8, 200, generator=generator)
    assert processor.read(noise)[0].unreadable > 0.5


@pytest.mark.parametrize(
    ("strips", "kwargs", "message"),
    [
        (torch.ones(1, 1, 16, 40), {}, "16 pixels high"),
        (torch.ones(1, 1, 8, 40), {"attention_mask": torch.ones(1, 3)}, "3 entries.*2 patches"),
        (torch.ones(1, 1, 8, 40), {"attention_mask": torch.ones(2, 2)}, "2 rows for 1"),
        ("text", {}, "got str"),
        ({"sequences": torch.ones(1, 2)}, {}, "no pixel_values in this dict"),
        (torch.ones(8), {}, "shape"),
    ],
)
def test_bad_strips(processor: PixelProcessor, strips: object, kwargs: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        processor.read(strips, **kwargs)


def test_to_pil(processor: PixelProcessor) -> None:
    inputs = processor(text=[TEXT, "ab"], return_tensors="pt")
    images = processor.to_pil(inputs)
    assert [image.size for image in images] == [(120, 8)] * 2 and images[0].mode == "L"
    assert processor.to_pil(inputs, scale=3)[0].size == (360, 24)
    with pytest.raises(ValueError, match="scale"):
        processor.to_pil(inputs, scale=0)
    with pytest.raises(ValueError, match=r"1 or 3 channels, got the shape \(16, 16, 3\)"):
        processor.to_pil(np.zeros((16, 16, 3)))
    with pytest.raises(ValueError, match="pixels at scale"):
        processor.to_pil(inputs, scale=2**63)
    with pytest.raises(ValueError, match="has no pixels"):
        processor.to_pil(np.zeros((1, 8, 0)))


def test_coverage(processor: PixelProcessor) -> None:
    assert processor.coverage(TEXT) == []
    assert processor.coverage("a漢b字漢") == sorted("漢字") == processor.coverage(["a漢", "字"])


# ---- saving, loading, copying ----


@pytest.fixture
def saved(processor: PixelProcessor, tmp_path: Path) -> Path:
    processor.save_pretrained(tmp_path / "first")
    return tmp_path / "first"


def test_save_and_load(processor: PixelProcessor, saved: Path, tmp_path: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == ["fixed-5x8.npz", "processor_config.json"]
    moved = shutil.move(saved, tmp_path / "moved")
    loaded = PixelProcessor.from_pretrained(moved)
    assert loaded.to_dict() == processor.to_dict()
    assert torch.equal(
        loaded(text=TEXT, return_tensors="pt")["pixel_values"],
        processor(text=TEXT, return_tensors="pt")["pixel_values"],
    )
    loaded.save_pretrained(tmp_path / "again")
    for path in Path(moved).iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_auto_processor(saved: Path) -> None:
    assert type(AutoProcessor.from_pretrained(saved)) is PixelProcessor


def test_settings_survive_and_can_be_overridden(tmp_path: Path) -> None:
    processor = PixelProcessor(patch_size=(8, 16), missing="hexbox", padding_side="left", model_max_patches=7)
    processor.save_pretrained(tmp_path)
    loaded = PixelProcessor.from_pretrained(tmp_path)
    assert (loaded.patch_size, loaded.missing, loaded.padding_side) == ((8, 16), "hexbox", "left")
    assert loaded.model_max_patches == 7
    assert PixelProcessor.from_pretrained(tmp_path, padding_side="right").padding_side == "right"


def test_loading_without_the_atlas(saved: Path) -> None:
    (saved / "fixed-5x8.npz").unlink()
    with pytest.raises(ValueError, match=r"lacks fixed-5x8\.npz.*save_pretrained"):
        PixelProcessor.from_pretrained(saved)


def test_loading_with_another_atlas(saved: Path) -> None:
    from pixel_ar.fonts.atlas import GlyphAtlas

    GlyphAtlas.load("tiny5-8").save(saved / "fixed-5x8.npz")
    with pytest.raises(ValueError, match=r"fixed-5x8\.npz is not the glyph atlas.*sha256"):
        PixelProcessor.from_pretrained(saved)


def test_loading_a_damaged_atlas(saved: Path) -> None:
    (saved / "fixed-5x8.npz").write_bytes(b"not a font")
    with pytest.raises(ValueError, match=r"fixed-5x8\.npz"):
        PixelProcessor.from_pretrained(saved)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "is missing"),
        ('{"processor_class": "CLIPProcessor"}', "CLIPProcessor"),
        ("{", "not a valid JSON"),
    ],
)
def test_loading_a_foreign_folder(tmp_path: Path, config: str | None, message: str) -> None:
    if config is not None:
        (tmp_path / "processor_config.json").write_text(config)
    with pytest.raises((ValueError, OSError), match=message):
        PixelProcessor.from_pretrained(tmp_path)


def test_atlas_names_do_not_lead_out_of_the_folder(saved: Path) -> None:
    path = saved / "processor_config.json"
    config = json.loads(path.read_text())
    config["atlases"] = ["../first/fixed-5x8"]
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match="no file name"):
        PixelProcessor.from_pretrained(saved)


def test_push_to_hub_uploads_the_atlas(processor: PixelProcessor, tmp_path: Path) -> None:
    with mock.patch.object(PixelProcessor, "push_to_hub") as push:
        processor.save_pretrained(tmp_path, push_to_hub=True, repo_id="someone/something", private=True)
    push.assert_called_once_with("someone/something", private=True)
    assert (tmp_path / "fixed-5x8.npz").is_file()


def test_pickle_and_deepcopy(processor: PixelProcessor) -> None:
    processor.decode(processor(text="a"))  # with the reader built
    expected = processor(text=TEXT, return_tensors="pt")["pixel_values"]
    for copied in (pickle.loads(pickle.dumps(processor)), copy.deepcopy(processor), copy.copy(processor)):
        assert torch.equal(copied(text=TEXT, return_tensors="pt")["pixel_values"], expected)
        assert copied.decode(expected) == TEXT and repr(copied) == repr(processor)
    assert len(pickle.dumps(PixelProcessor.from_preset("unifont-16"))) < 4_000_000


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_data_loader_workers_draw_the_same(processor: PixelProcessor, context: str) -> None:
    texts = ["first row", "second", "third one"]
    loader = DataLoader(
        texts, batch_size=2, num_workers=1, multiprocessing_context=context, collate_fn=Collator(processor)
    )
    drawn = [batch["pixel_values"] for batch in loader]
    assert torch.equal(drawn[0], processor(text=texts[:2], return_tensors="pt")["pixel_values"])
    assert torch.equal(drawn[1], processor(text=texts[2:], return_tensors="pt")["pixel_values"])


class Collator:
    """At module level, for the workers that start anew."""

    def __init__(self, processor: PixelProcessor) -> None:
        self.processor = processor

    def __call__(self, texts: list[str]) -> BatchFeature:
        return self.processor(text=texts, return_tensors="pt")
