# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Cutting strips into patches, and 1-bit strips into column bytes. Pure functions.

Shapes: B batch, C channels, H strip height, W strip width, T patches, P values per patch, S bytes per patch.
Pixel values: 1 = background, 0 = ink. Bytes: a set bit is ink, the most significant bit is the top row.
"""

import torch


def to_unit_range(pixel_values: torch.Tensor) -> torch.Tensor:
    """Brings pixel values to float in [0, 1].

    Args:
        pixel_values: any shape; uint8 0..255 or bool is scaled, floating point is returned as it is.

    Returns:
        Floating point tensor of the same shape.

    Raises:
        ValueError: for integer types other than uint8, whose range is unknown.
    """
    if pixel_values.is_floating_point():
        return pixel_values
    if pixel_values.dtype == torch.uint8:
        return pixel_values.to(torch.get_default_dtype()) / 255
    if pixel_values.dtype == torch.bool:
        return pixel_values.to(torch.get_default_dtype())
    raise ValueError(
        f"pixel_values must be floating point in [0, 1], uint8 in 0..255 or bool, got {pixel_values.dtype}; "
        "convert them before calling the model."
    )


def check_strip_shape(pixel_values: torch.Tensor, patch_size: tuple[int, int], num_channels: int) -> None:
    """Checks that a batch of strips can be cut into patches.

    Args:
        pixel_values: `[B, C, H, W]`.
        patch_size: (height, width) in pixels.
        num_channels: C as the model expects it.

    Raises:
        ValueError: naming the shape found, the shape needed and the way out.
    """
    height, width = patch_size
    shape = tuple(pixel_values.shape)
    if len(shape) != 4:
        raise ValueError(f"pixel_values must be [batch, channels, height, width], got shape {shape}.")
    if shape[1] != num_channels:
        raise ValueError(
            f"pixel_values have {shape[1]} channels, but the model expects {num_channels}; "
            "convert the images or use a checkpoint of that kind."
        )
    if shape[2] != height:
        raise ValueError(
            f"pixel_values are {shape[2]} pixels high, but the model reads strips of {height} pixels; "
            "render with the processor saved beside this model."
        )
    if shape[3] % width != 0:
        raise ValueError(
            f"pixel_values are {shape[3]} pixels wide, which is not a whole number of patches of {width} pixels; "
            "pad with background (1) as PixelProcessor does."
        )
    if shape[3] == 0:
        raise ValueError("pixel_values hold no patch (width 0): render some text first.")
    if shape[0] == 0:
        raise ValueError("pixel_values hold no rows: pass at least one strip, or none for an empty prompt.")


def patchify(pixel_values: torch.Tensor, patch_size: tuple[int, int]) -> torch.Tensor:
    """Cuts strips into patches, and pages into the patches of their rows, one row after the other.

    Args:
        pixel_values: `[B, C, R * height, W]`, W a whole number of patch widths; R rows of patches, 1 for strips.
        patch_size: (height, width) in pixels.

    Returns:
        `[B, T, height * width * C]`, T = R * W / width, row-major; each patch flattened as (row, column, channel), the
        layout of PIXEL and PixelGPT.

    Raises:
        ValueError: for pages that are no whole number of patches high or wide.
    """
    batch, channels, total_height, total_width = pixel_values.shape
    height, width = patch_size
    if total_height % height or total_width % width:
        raise ValueError(
            f"{total_height} x {total_width} pixels are no whole number of patches of {height} x {width}; pad them "
            "with background (1)."
        )
    rows, columns = total_height // height, total_width // width
    patches = pixel_values.reshape(batch, channels, rows, height, columns, width)
    return patches.permute(0, 2, 4, 3, 5, 1).reshape(batch, rows * columns, height * width * channels)


def unpatchify(
    patches: torch.Tensor, patch_size: tuple[int, int], num_channels: int, num_rows: int = 1
) -> torch.Tensor:
    """Joins patches into strips or pages, the inverse of [`patchify`].

    Args:
        patches: `[B, T, P]`, flattened as (row, column, channel).
        patch_size: (height, width) in pixels.
        num_channels: C.
        num_rows: R, rows of patches of a page.

    Returns:
        `[B, C, R * height, T / R * width]`.

    Raises:
        ValueError: for patches that do not fill the rows.
    """
    batch, count, _ = patches.shape
    height, width = patch_size
    if num_rows < 1 or count % num_rows:
        raise ValueError(f"{count} patches do not fill {num_rows} rows of equal length.")
    columns = count // num_rows
    pages = patches.reshape(batch, num_rows, columns, height, width, num_channels)
    return pages.permute(0, 5, 1, 3, 2, 4).reshape(batch, num_channels, num_rows * height, columns * width)


def split_patches(patches: torch.Tensor, patch_size: tuple[int, int], num_parts: int) -> torch.Tensor:
    """Cuts patches from top to bottom into parts of equal width, the left one first.

    Args:
        patches: `[..., H * width]`, single-channel, flattened as (row, column).
        patch_size: (height, width); the width is a multiple of `num_parts`.
        num_parts: M.

    Returns:
        `[..., M, H * width / M]`.
    """
    height, width = patch_size
    parts = patches.unflatten(-1, (height, num_parts, width // num_parts))
    return parts.transpose(-3, -2).flatten(-2)


def join_patches(parts: torch.Tensor, patch_size: tuple[int, int]) -> torch.Tensor:
    """Puts parts `[..., M, P / M]` side by side to patches `[..., P]`, the inverse of [`split_patches`]."""
    height, width = patch_size
    return parts.unflatten(-1, (height, width // parts.shape[-2])).transpose(-3, -2).flatten(-3)


def patches_to_bytes(patches: torch.Tensor, patch_size: tuple[int, int]) -> torch.Tensor:
    """Packs 1-bit patches into column bytes.

    Args:
        patches: `[..., H * width]` single-channel patches, flattened as (row, column); values below 0.5 are ink.
        patch_size: (height, width); the height is a multiple of 8.

    Returns:
        int64 `[..., S]`, S = width * H / 8: column after column, the upper eight rows first.
    """
    height, width = patch_size
    ink = (patches < 0.5).unflatten(-1, (height // 8, 8, width))
    bit_values = 2 ** torch.arange(7, -1, -1, device=patches.device)
    column_bytes = (ink.to(torch.int64) * bit_values[:, None]).sum(-2)  # [..., height // 8, width]
    return column_bytes.transpose(-1, -2).flatten(-2)


def bytes_to_patches(column_bytes: torch.Tensor, patch_size: tuple[int, int]) -> torch.Tensor:
    """Unpacks column bytes into 1-bit patches, the inverse of [`patches_to_bytes`].

    Args:
        column_bytes: integer `[..., S]`.
        patch_size: (height, width).

    Returns:
        float `[..., H * width]` of 0 (ink) and 1 (background), flattened as (row, column).
    """
    height, width = patch_size
    stacked = column_bytes.unflatten(-1, (width, height // 8)).transpose(-1, -2)  # [..., height // 8, width]
    shifts = torch.arange(7, -1, -1, device=column_bytes.device)
    ink = (stacked.unsqueeze(-2) >> shifts[:, None]) & 1  # [..., height // 8, 8, width]
    return (1 - ink).to(torch.get_default_dtype()).flatten(-3)


def pixels_to_bytes(pixel_values: torch.Tensor, patch_size: tuple[int, int]) -> torch.Tensor:
    """Packs 1-bit strips: `[B, 1, H, T * width]` in [0, 1] to int64 `[B, T, S]`."""
    return patches_to_bytes(patchify(pixel_values, patch_size), patch_size)


def bytes_to_pixels(column_bytes: torch.Tensor, patch_size: tuple[int, int]) -> torch.Tensor:
    """Unpacks `[B, T, S]` column bytes to 1-bit strips, float `[B, 1, H, T * width]`."""
    return unpatchify(bytes_to_patches(column_bytes, patch_size), patch_size, 1)


__all__ = [
    "bytes_to_patches",
    "bytes_to_pixels",
    "check_strip_shape",
    "join_patches",
    "patches_to_bytes",
    "patchify",
    "pixels_to_bytes",
    "split_patches",
    "to_unit_range",
    "unpatchify",
]
