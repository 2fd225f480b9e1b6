# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Images of the user's world (PIL, numpy, torch) to strips, and strips to images. Pure functions.

A strip here is a float32 numpy array `[C, H, W]` in [0, 1]: 1 = background, 0 = ink.
Shapes: C channels, H strip height, W strip width.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image


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
        raise no_image(image, name)
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
    """One image, a batch array `[B, C, H, W]` or a sequence of images, as a list of images.

    Raises:
        ValueError: for what is none of these.
    """
    if isinstance(images, Image.Image | str | bytes):
        return [images]
    if isinstance(images, np.ndarray | torch.Tensor):
        return list(images) if images.ndim == 4 else [images]
    if not isinstance(images, Iterable):
        raise no_image(images, "images")
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


def no_image(image: Any, name: str) -> ValueError:
    """The error for what is no image at all."""
    hint = " Open files with PIL.Image.open first." if isinstance(image, str | bytes) else ""
    return ValueError(
        f"{name} must be a PIL image, a numpy array or a torch tensor, got {type(image).__name__}.{hint}"
    )


__all__ = ["image_to_strip", "list_images", "list_strips", "no_image"]
