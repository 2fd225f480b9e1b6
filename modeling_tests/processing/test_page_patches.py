# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Pages to patches: as transformers' own image processor cuts them, and headers that need nothing from outside."""

import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tools.fixture import Fixture, load_fixture
from transformers import Pix2StructImageProcessorPil

from pixel_ar import PixelProcessor
from pixel_ar.processing.page_headers import add_font_header, add_header, header_zoom
from pixel_ar.processing.page_patches import grid_size

DEJAVU = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
PATCHES = {"max_patches": 24, "patch_size": (16, 16)}
LIMIT = 1e-5
# Rows, columns, most patches, patch: slivers, pages of one pixel, and quotients that are whole numbers.
ODD_PAGES = [
    (9, 300, 24, (16, 16)),
    (200, 31, 45, (8, 16)),
    (300, 9, 7, (16, 16)),
    (1, 1, 1, (16, 16)),
    (1, 500, 4, (16, 16)),
    (64, 96, 24, (16, 16)),
    (37, 53, 2048, (3, 7)),
]


@pytest.fixture(scope="module")
def fixture() -> Fixture:
    return load_fixture("pix2struct_A")


@pytest.fixture(scope="module")
def processor() -> PixelProcessor:
    return PixelProcessor()


def random_page(height: int, width: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return noise


@pytest.mark.parametrize(
    ("key", "options"),
    [
        ("flattened_patches", {}),
        ("flattened_patches_pil", {"std": "population"}),
        ("flattened_patches_raw", {"normalize": None}),
    ],
)
def test_patches_of_the_reference(
    fixture: Fixture, processor: PixelProcessor, key: str, options: dict
) -> None:
    images = [fixture.inputs[f"image_{index}"] for index in range(3)]
    batch = processor.page_patches(images, **PATCHES, **options)
    worst = float((batch["flattened_patches"] - fixture.outputs[key]).abs().max())
    print(f"\n{key}: {worst:.1e}")
    assert worst <= LIMIT
    assert torch.equal(batch["attention_mask"], fixture.outputs["patch_mask"])


@pytest.mark.parametrize(("height", "width", "max_patches", "patch_size"), ODD_PAGES)
def test_odd_pages_as_transformers_cuts_them(
    processor: PixelProcessor, height: int, width: int, max_patches: int, patch_size: tuple[int, int]
) -> None:
    page = random_page(height, width)
    theirs = Pix2StructImageProcessorPil(
        patch_size={"height": patch_size[0], "width": patch_size[1]}, max_patches=max_patches
    )
    expected = theirs(Image.fromarray(page), return_tensors="pt")
    ours = processor.page_patches(page, max_patches, patch_size=patch_size, std="population")
    for name in ("flattened_patches", "attention_mask"):
        torch.testing.assert_close(ours[name], expected[name], atol=LIMIT, rtol=1e-5)


def test_all_forms_of_an_image_are_one(processor: PixelProcessor) -> None:
    page = random_page(40, 56)
    forms = [
        Image.fromarray(page),
        torch.from_numpy(page.copy()),
        np.moveaxis(page, 2, 0),
        page.astype(np.float64) / 255,
        torch.from_numpy(page.copy()).float() / 255,
        np.dstack([page, np.full(page.shape[:2], 255, np.uint8)]),
    ]
    first = processor.page_patches(page, **PATCHES)["flattened_patches"]
    batch = processor.page_patches(forms, **PATCHES)["flattened_patches"]
    for row in batch:
        torch.testing.assert_close(row, first[0], atol=1e-4, rtol=0)
    size = {"height": 16, "width": 16}
    assert torch.equal(processor.page_patches(page, 24, patch_size=size)["flattened_patches"], first)
    stacked = processor.page_patches(np.stack([page, page]), **PATCHES)["flattened_patches"]
    assert torch.equal(stacked, torch.cat([first, first]))


def test_gray_pages_and_pages_of_one_colour(processor: PixelProcessor) -> None:
    gray = random_page(16, 32)[:, :, 0]
    in_three = processor.page_patches(gray, 2, patch_size=(16, 16), normalize=None)["flattened_patches"]
    in_one = processor.page_patches(gray, 2, patch_size=(16, 16), normalize=None, num_channels=1)
    assert torch.equal(in_one["flattened_patches"][..., 2:], in_three[..., 2::3])
    assert torch.equal(
        in_one["flattened_patches"][0, 0, 2:].view(16, 16), torch.from_numpy(gray[:, :16]).float()
    )
    blank = processor.page_patches(np.full((20, 20, 3), 7, np.uint8), 4, patch_size=(8, 8))
    assert torch.isfinite(blank["flattened_patches"]).all()
    # Rows and columns mark patches, even where all pixels cancel out.
    assert blank["attention_mask"].tolist() == [[1, 1, 1, 1]]
    assert not blank["flattened_patches"][..., 2:].any()


def test_native_pixels(processor: PixelProcessor) -> None:
    page = random_page(20, 33)
    batch = processor.page_patches(page, 9, patch_size=(8, 16), resize=False, normalize=None)
    patches = batch["flattened_patches"][0]
    assert patches[:, :2].tolist() == [[r, c] for r in (1, 2, 3) for c in (1, 2, 3)]
    grid = patches[:, 2:].reshape(3, 3, 8, 16, 3).permute(0, 2, 1, 3, 4).reshape(24, 48, 3)
    assert np.array_equal(grid[:20, :33].numpy(), page)
    assert (grid[20:] == 255).all() and (grid[:, 33:] == 255).all()
    standard = processor.page_patches(page, 9, patch_size=(8, 16), resize=False)["flattened_patches"][0]
    values = standard[:, 2:].reshape(3, 3, 8, 16, 3).permute(0, 2, 1, 3, 4).reshape(24, 48, 3)[:20, :33]
    assert abs(float(values.mean())) < 1e-5 and abs(float(values.std()) - 1) < 1e-5
    with pytest.raises(ValueError, match=r"images\[0\]: the page of 20 x 33 pixels has 3 x 3 patches"):
        processor.page_patches(page, 8, patch_size=(8, 16), resize=False)


def test_grids_never_hold_more_than_allowed() -> None:
    generator = np.random.default_rng(5)
    for height, width, limit, rows, columns in generator.integers(1, 400, (3000, 5)).tolist():
        found = grid_size(height, width, limit, (rows, columns))
        assert min(found) >= 1 and found[0] * found[1] <= limit


# ---- headers ----


def test_header_by_our_renderer_reads_back(processor: PixelProcessor) -> None:
    page = random_page(30, 120)
    text = "What is the total of the second row?"
    whole = add_header(page, text, processor.renderer)
    height = processor.renderer.height
    lines = (len(whole) - 30) // height - 1
    assert lines == 2 and np.array_equal(whole[-30:], page)
    assert not whole[lines * height : (lines + 1) * height].any()  # the EOS line
    strips = [whole[row * height : (row + 1) * height, :, 0] / 255 for row in range(lines)]
    read = " ".join(processor.decode(strip[None].astype(np.float32)).strip() for strip in strips)
    assert read == text
    twice = add_header(np.repeat(np.repeat(page, 2, 0), 2, 1), text, processor.renderer, zoom=2)
    assert np.array_equal(twice[::2, ::2], whole) and np.array_equal(twice[1::2, 1::2], whole)


def test_headers_grow_with_pages_that_shrink() -> None:
    assert header_zoom(np.zeros((64, 64, 3), np.uint8), 2048, (16, 16)) == 1
    assert header_zoom(np.zeros((2000, 1600, 3), np.uint8), 500, (16, 16)) == 5


def test_header_as_pix2struct_draws_it(fixture: Fixture) -> None:
    if not DEJAVU.is_file():
        pytest.skip("DejaVu Sans is not installed")
    page = fixture.inputs["image_0"].numpy()
    whole = add_font_header(page, fixture.about["header"], DEJAVU)
    assert np.array_equal(whole.transpose(2, 0, 1), fixture.outputs["header_image"].numpy())


def test_headers_reach_the_patches(processor: PixelProcessor, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a header must need nothing from outside")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    page = random_page(48, 200)
    options = {"max_patches": 60, "patch_size": (8, 20), "resize": False}
    plain = processor.page_patches(page, padding="longest", normalize=None, **options)
    raw = processor.page_patches(
        [page, page],
        header=["How many?", None],
        padding="longest",
        normalize=None,
        **{**options, "max_patches": 80},
    )
    assert raw["attention_mask"].sum(1).tolist() == [80, 60]
    # One row of patches with the text, one of EOS patches, then the page.
    first = raw["flattened_patches"][0]
    assert not first[10:20, 2:].any()
    assert torch.equal(first[20:, 2:], plain["flattened_patches"][0, :, 2:])
    strip = first[:10, 2:].view(10, 8, 20, 3)[..., 0].permute(1, 0, 2).reshape(8, 200) / 255
    assert processor.decode(strip).strip() == "How many?"


def test_settings_of_pages_are_saved(tmp_path: Path) -> None:
    processor = PixelProcessor(page_patch_size=(8, 16), page_max_patches=30, page_std="population")
    processor.save_pretrained(tmp_path)
    loaded = PixelProcessor.from_pretrained(tmp_path)
    assert (loaded.page_patch_size, loaded.page_max_patches, loaded.page_std) == ((8, 16), 30, "population")
    page = random_page(50, 60)
    assert torch.equal(
        loaded.page_patches(page)["flattened_patches"],
        PixelProcessor().page_patches(page, 30, patch_size=(8, 16), std="population")["flattened_patches"],
    )
    assert "page_std" not in PixelProcessor().to_dict()  # files of other processors stay as they were


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_patches": 0}, "max_patches must be a positive integer"),
        ({"normalize": "mean"}, "normalize must be one of"),
        ({"std": "sample"}, "std must be one of"),
        ({"patch_size": (16,)}, "patch_size must be two positive integers"),
        ({"header": ["a", "b"]}, "2 headers for 1 pages"),
        ({"header": "  "}, "header 0 is '  ', not a text"),
        ({"images": np.zeros((3, 20, 3), np.uint8)}, "either end could be the channels"),
        ({"header": "Wide", "images": np.zeros((20, 2), np.uint8)}, r"images\[0\]: "),
        ({"images": np.zeros((4, 4), np.int32)}, "whose range is unknown"),
        ({"images": np.full((4, 4), 3.0)}, r"must lie in \[0, 1\]"),
        ({"images": []}, "there are no pages"),
        ({"images": "page.png"}, "Open files with PIL.Image.open first"),
        ({"images": np.zeros((0, 4), np.uint8)}, "has no pixels"),
    ],
)
def test_what_is_refused(processor: PixelProcessor, options: dict, message: str) -> None:
    images = options.pop("images", random_page(20, 30))
    with pytest.raises(ValueError, match=message):
        processor.page_patches(images, **{**PATCHES, **options})


def test_a_header_font_must_be_a_font(processor: PixelProcessor, tmp_path: Path) -> None:
    (tmp_path / "no.ttf").write_bytes(b"no font")
    with pytest.raises(ValueError, match="is no font that can be read"):
        processor.page_patches(random_page(20, 30), header="a", header_font=tmp_path / "no.ttf", **PATCHES)
