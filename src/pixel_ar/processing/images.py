# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Images of the user's world (PIL, numpy, torch) to strips, and strips to images. Pure functions.

A strip here is a float32 numpy array `[C, H, W]` in [0, 1]: 1 = background, 0 = ink.
Shapes: C channels, H strip height, W strip width.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers.feature_extraction_utils import BatchFeature

from ..rendering.style import RenderStyle


def image_to_strip(image: Any, height: int, num_channels: int, name: str = "image") -> np.ndarray:
    """Brings one image to a strip.

    Args:
        image: a PIL image; or a numpy array or torch tensor `[H, W]`, `[C, H, W]` or `[H, W, C]`, as uint8 0..255,
            bool (True = background) or floating point in [0, 1].
        height: strip height in pixels; images are not resized, since that would blur the glyphs.
        num_channels: C, 1 or 3. PIL images are converted where nothing is lost; arrays must have C channels or no
            such axis.
        name: what an error calls the image.

    Returns:
        float32 `[num_channels, height, W]`.

    Raises:
        ValueError: for another height or number of channels, a colour image where C is 1, values out of range, or
            a type that is not an image.
    """
    if isinstance(image, Image.Image):
        array = _pil_to_array(image, num_channels, name)
    elif isinstance(image, torch.Tensor):
        array = _tensor_to_array(image)
    elif isinstance(image, np.ndarray):
        array = image
    else:
        hint = " Open files with PIL.Image.open first." if isinstance(image, str | bytes) else ""
        raise ValueError(
            f"{name} must be a PIL image, a numpy array or a torch tensor, got {type(image).__name__}.{hint}"
        )
    strip = _channels_first(array, height, num_channels, name)
    if strip.shape[2] == 0:
        raise ValueError(f"{name} is 0 pixels wide; leave it out of the batch.")
    return _to_unit_float(strip, name)


def _pil_to_array(image: Image.Image, num_channels: int, name: str) -> np.ndarray:
    """uint8 `[H, W]` or `[H, W, 3]`, transparent pixels on background."""
    if image.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if image.mode in ("1", "L"):
        gray = np.asarray(image.convert("L"))
        return gray if num_channels == 1 else np.repeat(gray[:, :, None], num_channels, axis=2)
    if image.mode not in ("P", "RGB", "CMYK", "YCbCr", "HSV", "LAB"):
        raise ValueError(f'{name} has PIL mode {image.mode!r}; convert it first: image.convert("L").')
    colours = np.asarray(image.convert("RGB"))
    if num_channels == 3:
        return colours
    if (colours != colours[:, :, :1]).any():
        raise ValueError(
            f"{name} is in colour (PIL mode {image.mode!r}, 3 channels), but this processor makes strips of "
            f'{num_channels} channel; convert it first: image.convert("L").'
        )
    return colours[:, :, 0]


def _tensor_to_array(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.detach().cpu()
    # numpy knows neither bfloat16 nor gradients.
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def _channels_first(array: np.ndarray, height: int, num_channels: int, name: str) -> np.ndarray:
    """`[H, W]`, `[C, H, W]` or `[H, W, C]` to `[C, H, W]`."""
    if array.ndim == 2:
        array = np.broadcast_to(array, (num_channels, *array.shape))
    elif array.ndim != 3:
        raise ValueError(f"{name} must be [H, W], [C, H, W] or [H, W, C], got shape {array.shape}.")
    elif _is_channels_last(array.shape, height, num_channels):
        array = np.moveaxis(array, 2, 0)
    if array.shape[1] != height:
        raise ValueError(
            f"{name} is {array.shape[1]} pixels high, but this processor makes strips of {height} pixels; cut out "
            "single lines and scale them to that height, or use a processor with another patch_size."
        )
    if array.shape[0] != num_channels:
        raise ValueError(
            f"{name} has {array.shape[0]} channels, but this processor makes strips of {num_channels}; "
            "convert the image, or use a processor with another num_channels."
        )
    return array


def _is_channels_last(shape: tuple[int, ...], height: int, num_channels: int) -> bool:
    """Decides by the height, which is known, and where that does not tell by the number of channels."""
    first, second = shape[0] == height, shape[1] == height
    if first != second:
        return first
    return shape[2] in (num_channels, 1, 3, 4) and shape[0] not in (num_channels, 1, 3, 4)


def _to_unit_float(strip: np.ndarray, name: str) -> np.ndarray:
    if strip.dtype == np.uint8:
        return strip.astype(np.float32) / 255
    if strip.dtype == np.bool_:
        return strip.astype(np.float32)
    if not np.issubdtype(strip.dtype, np.floating):
        raise ValueError(
            f"{name} has dtype {strip.dtype}, whose range is unknown; give uint8 in 0..255, bool, or floating point "
            "in [0, 1]."
        )
    # Written so that NaN fails too.
    if not (strip.min() >= 0 and strip.max() <= 1):
        raise ValueError(
            f"{name} has floating-point values from {strip.min()} to {strip.max()}; they must lie in [0, 1] "
            "(1 = background). Divide by 255, or pass uint8."
        )
    return strip.astype(np.float32)


def list_images(images: Any) -> list[Any]:
    """One image, a batch array `[B, C, H, W]` or a sequence of images, as a list of images."""
    if isinstance(images, Image.Image | str | bytes):
        return [images]
    if isinstance(images, np.ndarray | torch.Tensor):
        return list(images) if images.ndim == 4 else [images]
    return list(images)


def list_strips(strips: Any) -> list[np.ndarray]:
    """Strips in any of the forms a caller may hold, as a list of float32 arrays `[C, H, W]`.

    Args:
        strips: `[B, C, H, W]`, `[C, H, W]` or `[H, W]` as torch tensor or numpy array; a PIL image; or a list of
            these. Values are clipped to [0, 1]: generated strips of continuous heads may overshoot.

    Raises:
        ValueError: for other shapes or types.
    """
    if isinstance(strips, Sequence) and not isinstance(strips, str | bytes):
        return [strip for item in strips for strip in list_strips(item)]
    if isinstance(strips, Image.Image):
        strips = _pil_to_array(strips, 1 if strips.mode in ("1", "L") else 3, "image")
        strips = strips if strips.ndim == 2 else np.moveaxis(strips, 2, 0)
    if isinstance(strips, torch.Tensor):
        strips = _tensor_to_array(strips)
    if not isinstance(strips, np.ndarray) or strips.ndim not in (2, 3, 4):
        found = f"shape {strips.shape}" if isinstance(strips, np.ndarray) else type(strips).__name__
        raise ValueError(
            f"strips must be a generate output, or pixels [B, C, H, W], [C, H, W] or [H, W] as tensor, array or "
            f"PIL image, or a list of these; got {found}."
        )
    values = (
        strips.astype(np.float32) / 255 if strips.dtype == np.uint8 else strips.astype(np.float32).clip(0, 1)
    )
    if values.ndim == 4:
        return list(values)
    return [values if values.ndim == 3 else values[None]]


def unpack_output(output: Any) -> tuple[Any, Any, Any]:
    """`(pixel_values, attention_mask, num_columns)` of a mapping or output; the last two may be `None`.

    Whatever holds no `pixel_values` is taken for the strips themselves.
    """
    if isinstance(output, Mapping) or hasattr(output, "pixel_values"):
        get = output.get if isinstance(output, Mapping) else lambda key: getattr(output, key, None)
        pixel_values = get("pixel_values")
        if pixel_values is None:
            raise ValueError(
                f"no pixel_values in this {type(output).__name__}; pass the output of model.generate."
            )
        return pixel_values, get("attention_mask"), get("num_columns")
    return output, None, None


def rows_of(values: Any, count: int, name: str) -> list[Any]:
    """One entry per strip of a mask or a vector of column counts, `None` where there is none."""
    if values is None:
        return [None] * count
    rows = values.tolist() if isinstance(values, torch.Tensor | np.ndarray) else list(values)
    if len(rows) != count:
        raise ValueError(f"{name} has {len(rows)} rows for {count} strips.")
    return rows


def strip_to_pil(strip: np.ndarray, scale: int = 1) -> Image.Image:
    """`[C, H, W]` in [0, 1] to an image of mode L (C = 1) or RGB (C = 3), enlarged `scale` times."""
    levels = np.rint(strip * 255).astype(np.uint8)
    image = Image.fromarray(
        levels[0] if len(levels) == 1 else np.ascontiguousarray(np.moveaxis(levels, 0, 2))
    )
    if scale == 1:
        return image
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def text_part(
    strip: np.ndarray,
    style: RenderStyle,
    geometry: tuple[int, int, int],
    is_left: bool,
    mask: Any,
    count: Any,
    index: int,
) -> np.ndarray:
    """The part of a row that holds text.

    Args:
        strip: float `[C, H, W]` in [0, 1].
        style: how it was drawn.
        geometry: height and width of a patch, columns of background before a text.
        is_left: whether blank patches at the start are padding where no mask tells.
        mask: over the patches, or None.
        count: pixel columns from the first attended patch on, or None.
        index: what an error calls the strip.

    Returns:
        bool `[H, columns]`, False = ink; of a style with levels the pixels, float `[C, H, columns]`.

    Raises:
        ValueError: for another height, or a mask of another length.
    """
    height, width, left_padding = geometry
    if strip.shape[1] != height:
        raise ValueError(
            f"strip {index} is {strip.shape[1]} pixels high, but this processor reads strips of {height}."
        )
    ink = np.asarray(style.ink(strip))  # [H, W]
    num_patches = -(-ink.shape[1] // width)
    begin, end = 0, ink.shape[1]
    if mask is not None:
        if len(mask) != num_patches:
            raise ValueError(
                f"attention_mask has {len(mask)} entries for strip {index} of {num_patches} patches."
            )
        attended = np.flatnonzero(mask)
        if len(attended):
            begin, end = int(attended[0]) * width, min(end, (int(attended[-1]) + 1) * width)
        else:
            end = 0
    elif is_left:
        inked = np.flatnonzero(ink.any(axis=0))
        begin = (int(inked[0]) // width if len(inked) else 0) * width
    if count is not None:
        end = min(end, begin + int(count))
    ink = ink[:, begin:end]
    # The EOS patch is black, whatever the colour of the text.
    black = ink if not style.has_levels else strip[:, :, begin:end].mean(axis=0) < 0.5
    whole = np.all(black[:, : ink.shape[1] // width * width].reshape(height, -1, width), axis=(0, 2))
    start = int(len(whole) > 0 and whole[0])
    after = np.flatnonzero(whole[start:])
    stop = (start + int(after[0])) * width if len(after) else ink.shape[1]
    first = start * width
    if not ink[:, first : first + left_padding].any():
        first += left_padding
    stop = max(stop, first)
    if style.has_levels:
        return strip[:, :, begin + first : begin + stop]
    return ~ink[:, first:stop]


def to_feature(data: dict[str, list[np.ndarray]], return_tensors: str | None) -> BatchFeature:
    """Joins the groups of a batch; lists of rows where no tensors are asked for."""
    if return_tensors is not None:
        # One group is the usual case, and pixels are megabytes: no copy.
        arrays = {
            key: groups[0] if len(groups) == 1 else np.concatenate(groups) for key, groups in data.items()
        }
        return BatchFeature(arrays, tensor_type=return_tensors)
    lists: dict[str, Any] = {}
    for key, groups in data.items():
        rows = [row for group in groups for row in group]
        lists[key] = rows if key == "pixel_values" else [row.tolist() for row in rows]
    return BatchFeature(lists)


__all__ = [
    "image_to_strip",
    "list_images",
    "list_strips",
    "rows_of",
    "strip_to_pil",
    "text_part",
    "to_feature",
    "unpack_output",
]
