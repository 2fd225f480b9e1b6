# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Pages to the patches of the page model, as Pix2Struct (arXiv 2210.03347, section 2.2) cuts them.

A page keeps the proportion of its sides: it is resized so that as many patches as may be fit, and each patch carries
its row and column. No torchvision is needed.

Shapes: B pages, H, W rows and columns of pixels, C channels, S patches, P values of a patch.
"""

import os
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from transformers.feature_extraction_utils import BatchFeature

from ..limits import MAX_IMAGE_PIXELS, check_limit
from ..rendering.renderer import StripRenderer
from .images import list_images, no_image
from .page_headers import add_font_header, add_header, header_zoom

DeviationKind = Literal["unbiased", "population"]
DEVIATIONS = ("unbiased", "population")


class PagePatchMixin:
    """What `PixelProcessor` does with pages for the page model."""

    patch_size: tuple[int, int]
    page_patch_size: tuple[int, int] | None
    page_max_patches: int
    page_std: DeviationKind

    @property
    @abstractmethod
    def renderer(self) -> StripRenderer:
        """The strip renderer in use."""

    def page_patches(
        self,
        images: Any,
        max_patches: int | None = None,
        header: str | Iterable[str | None] | None = None,
        normalize: Literal["image"] | None = "image",
        patch_size: Sequence[int] | Mapping[str, int] | None = None,
        *,
        std: DeviationKind | None = None,
        resize: bool = True,
        header_font: str | os.PathLike | None = None,
        num_channels: int = 3,
        padding: Literal["max_length", "longest"] = "max_length",
        return_tensors: Literal["pt", "np"] = "pt",
    ) -> BatchFeature:
        """Cuts pages into patches for [`PixelPageForConditionalGeneration`].

        Args:
            images: a page or several: PIL images, or numpy arrays or torch tensors `[H, W]`, `[H, W, C]`, `[C, H, W]`
                of uint8, bool (True = background) or floating point in [0, 1]; also a batch of them in one array.
            max_patches: S, the most patches of a page; default: the setting `page_max_patches` (2048).
            header: a text printed above all pages, or one for each (`None`: no header there). By our renderer, at the
                width of the page, a black line below it; where the page will be made smaller the text is enlarged by
                as much, in whole steps, so that it stays legible.
            normalize: `"image"`: each page, header included, gets mean 0 and deviation 1; `None`: values 0 to 255.
            patch_size: (height, width) of a patch in pixels; default: the setting `page_patch_size`, or `patch_size`.
            std: `"unbiased"` divides squares by their number less one, as Pix2Struct's image processor does with
                torchvision; `"population"` by their number, as it does with PIL. Default: the setting `page_std`.
            resize: `False` keeps the pixels as they are, and fills up the last row and column of patches with white.
            header_font: a font file to print headers with as Pix2Struct does, instead.
            num_channels: C, 3 or 1 (gray).
            padding: rows of zeros up to `max_patches`, or up to the page with the most patches.
            return_tensors: `"pt"` or `"np"`.

        Returns:
            `BatchFeature` with
            - `flattened_patches`: float32 `[B, S, 2 + P]`: row and column from 1, then the values in the order (row,
              column, channel); zeros after the last patch.
            - `attention_mask`: float32 `[B, S]`, 1 = patch.

        Raises:
            ValueError: for images of unknown form or range, with their index; for a page that does not fit unless it
                is resized; for a header that cannot be drawn.
        """
        own_size = self.page_patch_size or self.patch_size
        size = _pair(own_size if patch_size is None else patch_size)
        limit = self.page_max_patches if max_patches is None else max_patches
        _check_options(limit, normalize, std, num_channels, padding, return_tensors)
        pages = [page_pixels(image, f"images[{index}]") for index, image in enumerate(list_images(images))]
        if not pages:
            raise ValueError("there are no pages: give at least one.")
        headers = _headers(header, len(pages))
        rows = []
        for index, (page, text) in enumerate(zip(pages, headers, strict=True)):
            try:
                if text is not None and header_font is not None:
                    page = add_font_header(page, text, header_font)
                elif text is not None:
                    zoom = header_zoom(page, limit, size) if resize else 1
                    page = add_header(page, text, self.renderer, zoom)
                pixels = _channels(page, num_channels)
                kind = None if normalize is None else std or self.page_std
                rows.append(flatten_page(pixels, limit, size, kind, resize))
            except ValueError as error:
                # The same error, of the same class, with the place in the batch.
                error.args = (f"images[{index}]: {error}", *error.args[1:])
                raise
        length = limit if padding == "max_length" else max(len(row) for row in rows)
        flattened = torch.stack([F.pad(row, (0, 0, 0, length - len(row))) for row in rows])
        data = {"flattened_patches": flattened, "attention_mask": (flattened[..., 0] != 0).float()}
        if return_tensors == "np":
            return BatchFeature({name: tensor.numpy() for name, tensor in data.items()}, tensor_type="np")
        return BatchFeature(data)


def page_pixels(image: Any, name: str) -> np.ndarray:
    """A page in any form as uint8 `[H, W, 3]`, or float32 of 0 to 255 where it was floating point.

    Args:
        image: see [`PagePatchMixin.page_patches`]; transparent pixels become white.
        name: what an error calls it.

    Raises:
        ValueError: for another form, range or number of channels.
    """
    if isinstance(image, Image.Image):
        check_limit(image.width * image.height, MAX_IMAGE_PIXELS, f"pixels of {name}")
        if image.mode in ("I", "F") or image.mode.startswith("I;"):
            raise ValueError(f'{name} has PIL mode {image.mode!r}; convert it first: image.convert("L").')
        if image.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        array = np.asarray(image.convert("RGB"))
    elif isinstance(image, torch.Tensor):
        tensor = image.detach().cpu()
        array = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    elif isinstance(image, np.ndarray):
        array = image
    else:
        raise no_image(image, name)
    values = _values(_channels_last(array, name), name)
    if not values.size:
        raise ValueError(f"{name} has no pixels (shape {array.shape}); leave it out of the batch.")
    check_limit(values.shape[0] * values.shape[1], MAX_IMAGE_PIXELS, f"pixels of {name}")
    if values.shape[2] == 4:
        opaque = values[:, :, 3:].astype(np.float32) / 255
        blended = values[:, :, :3] * opaque + 255 * (1 - opaque)
        return np.rint(blended).astype(np.uint8) if values.dtype == np.uint8 else blended.astype(np.float32)
    return np.broadcast_to(values, (*values.shape[:2], 3))


def _channels_last(array: np.ndarray, name: str) -> np.ndarray:
    if array.ndim == 2:
        return array[:, :, None]
    if array.ndim != 3:
        raise ValueError(f"{name} must be [H, W], [H, W, C] or [C, H, W], got shape {array.shape}.")
    is_first, is_last = array.shape[0] in (3, 4), array.shape[2] in (3, 4)
    if is_first == is_last:
        is_first, is_last = array.shape[0] in (1, 3, 4), array.shape[2] in (1, 3, 4)
    if is_first == is_last:
        reason = "either end could be the channels" if is_first else "neither end is 1, 3 or 4 channels"
        raise ValueError(f"{name} has shape {array.shape}: {reason}; pass a PIL image, or [H, W].")
    return np.moveaxis(array, 0, 2) if is_first else array


def _values(array: np.ndarray, name: str) -> np.ndarray:
    """uint8, or float32 of 0 to 255."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(
            f"{name} has dtype {array.dtype}, whose range is unknown; give uint8 in 0..255, bool, or floating point "
            "in [0, 1]."
        )
    # Written so that NaN fails too.
    if array.size and not (array.min() >= 0 and array.max() <= 1):
        raise ValueError(
            f"{name} has floating-point values from {array.min()} to {array.max()}; they must lie in [0, 1] "
            "(1 = white). Divide by 255, or pass uint8."
        )
    return array.astype(np.float32) * 255


def _channels(page: np.ndarray, num_channels: int) -> torch.Tensor:
    """`[H, W, 3]` to float32 `[C, H, W]`; gray by the weights of PIL's mode L."""
    pixels = torch.from_numpy(np.moveaxis(page, 2, 0).astype(np.float32))
    if num_channels == 3:
        return pixels
    if page.dtype == np.uint8:
        return torch.from_numpy(np.asarray(Image.fromarray(np.ascontiguousarray(page)).convert("L")).copy())[
            None
        ].float()
    return (pixels * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0, keepdim=True)


def grid_size(height: int, width: int, max_patches: int, patch_size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of patches that a page is resized to: as many as fit, in its own proportion.

    Args:
        height: H.
        width: W.
        max_patches: the most patches.
        patch_size: (height, width) of one.
    """
    # The order of these operations is that of the original: a quotient may lie a hair below a whole number.
    scale = (max_patches * (patch_size[0] / height) * (patch_size[1] / width)) ** 0.5
    rows = max(min(int(scale * height / patch_size[0]), max_patches), 1)
    columns = max(min(int(scale * width / patch_size[1]), max_patches), 1)
    return rows, columns


def flatten_page(
    pixels: torch.Tensor,
    max_patches: int,
    patch_size: tuple[int, int],
    std: DeviationKind | None,
    resize: bool,
) -> torch.Tensor:
    """One page to its patches.

    Args:
        pixels: float32 `[C, H, W]` of 0 to 255.
        max_patches: the most patches.
        patch_size: (height, width) of one.
        std: how the deviation is taken; `None`: no standardisation.
        resize: whether the page is brought to as many patches as fit.

    Returns:
        float32 `[patches, 2 + P]`.

    Raises:
        ValueError: for a page that does not fit and shall not be resized.
    """
    _, height, width = pixels.shape
    white = 255.0
    if std is not None:
        mean = pixels.mean()
        # One pixel has no unbiased deviation.
        spread = pixels.std(unbiased=std == "unbiased") if pixels.numel() > 1 else pixels.new_zeros(())
        divisor = torch.maximum(spread, torch.tensor(pixels.numel() ** -0.5))
        pixels = (pixels - mean) / divisor
        white = float((white - mean) / divisor)
    if resize:
        rows, columns = grid_size(height, width, max_patches, patch_size)
        pixels = F.interpolate(
            pixels[None],
            (rows * patch_size[0], columns * patch_size[1]),
            mode="bilinear",
            align_corners=False,
            antialias=True,
        )[0]
    else:
        rows, columns = -(-height // patch_size[0]), -(-width // patch_size[1])
        if rows * columns > max_patches:
            raise ValueError(
                f"the page of {height} x {width} pixels has {rows} x {columns} patches of {patch_size[0]} x "
                f"{patch_size[1]}, more than max_patches ({max_patches}); leave resize at True, or allow more."
            )
        below, beside = rows * patch_size[0] - height, columns * patch_size[1] - width
        pixels = F.pad(pixels, (0, beside, 0, below), value=white)
    cut = pixels.unflatten(2, (columns, patch_size[1])).unflatten(1, (rows, patch_size[0]))
    patches = cut.permute(1, 3, 2, 4, 0).reshape(rows * columns, -1)
    places = torch.cartesian_prod(torch.arange(1, rows + 1), torch.arange(1, columns + 1)).view(-1, 2)
    return torch.cat([places.float(), patches], dim=1)


def _pair(size: Any) -> tuple[int, int]:
    """(height, width), also from the form that image processors of transformers have, `{"height", "width"}`."""
    if isinstance(size, Mapping):
        size = (size.get("height"), size.get("width"))
    sides = tuple(size) if isinstance(size, Sequence) and not isinstance(size, str) else (size,)
    if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
        raise ValueError(f"patch_size must be two positive integers (height, width), got {size!r:.80}.")
    return sides[0], sides[1]


def _headers(header: Any, num_pages: int) -> list[str | None]:
    if header is not None and (isinstance(header, bytes) or not isinstance(header, Iterable)):
        raise ValueError(f"header must be a text, or one for each page, got {header!r:.60}.")
    headers = [header] * num_pages if header is None or isinstance(header, str) else list(header)
    if len(headers) != num_pages:
        raise ValueError(
            f"{len(headers)} headers for {num_pages} pages; give one text, or one for each page."
        )
    for index, text in enumerate(headers):
        if text is not None and (not isinstance(text, str) or not text.strip()):
            raise ValueError(f"header {index} is {text!r:.60}, not a text; pass None for a page without one.")
    return headers


def _check_options(limit: Any, normalize: Any, std: Any, channels: Any, padding: Any, tensors: Any) -> None:
    if type(limit) is not int or limit < 1:
        raise ValueError(f"max_patches must be a positive integer, got {limit!r:.60}.")
    for name, value, known in (
        ("normalize", normalize, ("image", None)),
        ("std", std, (*DEVIATIONS, None)),
        ("num_channels", channels, (1, 3)),
        ("padding", padding, ("max_length", "longest")),
        ("return_tensors", tensors, ("pt", "np")),
    ):
        if value not in known:
            raise ValueError(f"{name} must be one of {known}, got {value!r:.60}.")


__all__ = ["DEVIATIONS", "DeviationKind", "PagePatchMixin", "flatten_page", "grid_size", "page_pixels"]
