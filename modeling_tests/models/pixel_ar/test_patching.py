# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Cutting strips into patches and packing columns into bytes: order, inverses, errors."""

import pytest
import torch

from pixel_ar.models.pixel_ar.patching import (
    bytes_to_patches,
    bytes_to_pixels,
    check_strip_shape,
    patches_to_bytes,
    patchify,
    pixels_to_bytes,
    to_unit_range,
    unpatchify,
)

SIZES = [(8, 1), (8, 8), (8, 20), (16, 16), (24, 3)]


def random_strips(
    patch_size: tuple[int, int], rows: int = 2, patches: int = 3, channels: int = 1
) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (rows, channels, patch_size[0], patches * patch_size[1])
    return torch.randint(0, 2, shape, generator=generator).float()


def test_patch_order_is_row_column_channel() -> None:
    strip = torch.arange(2 * 3 * 4, dtype=torch.float32).reshape(1, 2, 3, 4)  # 2 channels, 3 rows, 4 columns
    patches = patchify(strip, (3, 2))
    assert patches.shape == (1, 2, 12)
    expected = [
        strip[0, channel, row, 2 + column] for row in range(3) for column in range(2) for channel in range(2)
    ]
    assert patches[0, 1].tolist() == [float(value) for value in expected]


@pytest.mark.parametrize("patch_size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_unpatchify_is_the_inverse(patch_size: tuple[int, int], channels: int) -> None:
    strips = random_strips(patch_size, channels=channels)
    assert torch.equal(unpatchify(patchify(strips, patch_size), patch_size, channels), strips)


@pytest.mark.parametrize("patch_size", SIZES)
def test_bytes_are_exact(patch_size: tuple[int, int]) -> None:
    strips = random_strips(patch_size)
    column_bytes = pixels_to_bytes(strips, patch_size)
    assert column_bytes.dtype == torch.int64
    assert column_bytes.shape == (2, 3, patch_size[1] * patch_size[0] // 8)
    assert torch.equal(bytes_to_pixels(column_bytes, patch_size), strips)


@pytest.mark.parametrize("patch_size", SIZES)
def test_every_byte_value(patch_size: tuple[int, int]) -> None:
    count = patch_size[1] * patch_size[0] // 8
    column_bytes = (torch.arange(256)[:, None] + 37 * torch.arange(count)) % 256
    assert torch.equal(patches_to_bytes(bytes_to_patches(column_bytes, patch_size), patch_size), column_bytes)


def test_byte_order() -> None:
    strip = torch.ones(1, 1, 16, 2)
    strip[0, 0, 0, 0] = 0  # top row of the first column: the highest bit of its upper byte
    strip[0, 0, 15, 0] = 0  # bottom row: the lowest bit of its lower byte
    strip[0, 0, 9, 1] = 0
    assert pixels_to_bytes(strip, (16, 2)).tolist() == [[[0x80, 0x01, 0x00, 0x40]]]


def test_blank_and_eos_bytes() -> None:
    assert pixels_to_bytes(torch.ones(1, 1, 8, 4), (8, 4)).tolist() == [[[0x00] * 4]]
    assert pixels_to_bytes(torch.zeros(1, 1, 8, 4), (8, 4)).tolist() == [[[0xFF] * 4]]


def test_packing_thresholds_at_one_half() -> None:
    patch = torch.tensor([0.49, 0.5, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    assert patches_to_bytes(patch, (8, 1)).tolist() == [0b10100000]


def test_packing_keeps_leading_dimensions() -> None:
    assert patches_to_bytes(torch.ones(2, 3, 4, 16), (8, 2)).shape == (2, 3, 4, 2)
    assert bytes_to_patches(torch.zeros(2, 3, 4, 2, dtype=torch.int64), (8, 2)).shape == (2, 3, 4, 16)


def test_to_unit_range() -> None:
    assert to_unit_range(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist() == pytest.approx([0, 0.2, 1])
    assert to_unit_range(torch.tensor([True, False])).tolist() == [1.0, 0.0]
    half = torch.tensor([0.5], dtype=torch.float16)
    assert to_unit_range(half) is half
    with pytest.raises(ValueError, match="int64"):
        to_unit_range(torch.tensor([1]))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 8, 20), r"\[batch, channels, height, width\]"),
        ((1, 3, 8, 20), "3 channels"),
        ((1, 1, 16, 20), "16 pixels high"),
        ((1, 1, 8, 30), "30 pixels wide"),
        ((1, 1, 8, 0), "no patch"),
    ],
)
def test_shape_errors(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_strip_shape(torch.ones(shape), (8, 20), 1)
    check_strip_shape(torch.ones(2, 1, 8, 40), (8, 20), 1)
