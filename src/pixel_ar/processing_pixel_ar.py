# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The processor: texts and images to strips, strips to texts and images.

- A row is its segments (image, text, second text) one after the other, with EOS patches between them, after the
  last (`add_eos`) and before the first (`add_start`).
- Strips stay packed (one byte per eight rows of a column) until the whole batch is unpacked at once.
- The glyph atlases are saved beside the configuration and their hashes are checked at load: pixels are what the
  model was trained on, so a changed glyph is an error and not a detail.

Shapes: B rows, C channels, H strip height, W strip width, T patches of `patch_size = (H, w)`.
"""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np
import torch
from PIL import Image
from transformers.feature_extraction_utils import BatchFeature
from transformers.processing_utils import ProcessorMixin, Unpack
from transformers.utils import cached_file

from .imaging_pixel_ar import image_to_strip, list_images, list_strips, strip_to_pil, unpack_output
from .layout_pixel_ar import (
    LayoutOptions,
    Row,
    Segment,
    attention_mask,
    draw_rows,
    lay_out,
    list_texts,
    offset_mapping,
    too_long,
)
from .reading_pixel_ar import ReadResult, StripReader
from .rendering_pixel_ar import GlyphAtlas, StripRenderer

PRESETS: dict[str, dict[str, Any]] = {
    # Four 5x8 characters per patch: no glyph is cut by a patch border.
    "fixed-8": {"atlases": ("fixed-5x8",), "patch_size": (8, 20)},
    # One or two 8-pixel characters per patch, or one full-width character.
    "unifont-16": {"atlases": ("unifont-16",), "patch_size": (16, 16)},
}


class NoTokenizer(NamedTuple):
    """The special tokens of a processor that has no tokenizer: none.

    Attributes:
        eos_token_id: `None`.
        bos_token_id: `None`.
        pad_token_id: `None`.
    """

    eos_token_id: None = None
    bos_token_id: None = None
    pad_token_id: None = None


class PixelProcessorKwargs(TypedDict, total=False):
    """Options of `PixelProcessor.__call__`.

    Attributes:
        padding: `True` or `"longest"` (default): to the longest row of the batch; `"max_length"`: to `max_patches`;
            `False` or `"do_not_pad"`: not at all, which needs `return_tensors=None` or rows of one length.
        truncation: `False` (default): a row longer than `max_patches` is an error; `True` or `"longest_first"`:
            the longer segment is cut until the row fits, at a character border, keeping the EOS patch;
            `"only_first"`, `"only_second"`: that segment is cut.
        max_patches: most patches of a row, special patches included. Default: the processor's
            `model_max_patches`.
        add_eos: whether an EOS patch follows the last segment. Default `True`.
        add_start: whether an EOS patch stands before the first segment, so that `log_likelihood` covers the first
            patch of the text as well. Default `False`.
        return_offsets_mapping: also return `offset_mapping` `[B, T, 2]`: for each patch, the (start, end) of the
            characters it shows, in the text as drawn (`processor.renderer.normalise(text)`); (0, 0) on special
            patches, images and padding.
        return_tensors: `"pt"`, `"np"` or `None` (lists).
        text_kwargs: any of the above, in the nested form of Transformers' processors.
        images_kwargs: likewise.
        common_kwargs: likewise.
    """

    padding: bool | str
    truncation: bool | str
    max_patches: int | None
    add_eos: bool
    add_start: bool
    return_offsets_mapping: bool
    return_tensors: str | None
    text_kwargs: dict
    images_kwargs: dict
    common_kwargs: dict


class PixelProcessor(ProcessorMixin):
    r"""Texts and images to the strips a pixel model reads, and strips back to text and images.

    Args:
        atlases: glyph atlases in the order in which they are asked for a character: bundled names
            (`bundled_atlases()`), paths of `.npz` files, or `GlyphAtlas` objects; all as high as a patch.
        patch_size: (height, width) of a patch in pixels.
        num_channels: 1, or 3 for models that read colour; text is drawn alike in all channels.
        missing: what happens to a character no atlas covers: `"error"`, `"warn"` or `"hexbox"`.
        newline: how line breaks are drawn: `"space"` or `"symbol"`.
        tab: how tabs are drawn: `"space"` or a number of spaces.
        normalize: Unicode normalisation before drawing: `"NFC"` or `None`.
        unsupported: what happens to scripts that need shaping: `"error"`, or `"missing"` to treat them as `missing`.
        padding_side: `"right"` (training) or `"left"` (generation of several prompts at once).
        model_max_patches: the most patches the model reads, default of a call's `max_patches`; `None`: no limit.

    Raises:
        ValueError: for settings that do not fit each other, naming both values.
    """

    valid_processor_kwargs = PixelProcessorKwargs

    def __init__(
        self,
        atlases: Sequence[str | os.PathLike | GlyphAtlas] = ("fixed-5x8",),
        patch_size: Sequence[int] = (8, 20),
        num_channels: int = 1,
        missing: str = "error",
        newline: str = "space",
        tab: str | int = "space",
        normalize: str | None = "NFC",
        unsupported: str = "error",
        padding_side: str = "right",
        model_max_patches: int | None = 1024,
    ) -> None:
        if len(patch_size) != 2 or min(patch_size) < 1:
            raise ValueError(f"patch_size must be two positive integers (height, width), got {patch_size}.")
        if num_channels not in (1, 3):
            raise ValueError(f"num_channels must be 1 or 3, got {num_channels}.")
        if padding_side not in ("right", "left"):
            raise ValueError(f'padding_side must be "right" or "left", got {padding_side!r}.')
        self._renderer = StripRenderer(atlases, missing, newline, tab, normalize, unsupported)
        self._reader: StripReader | None = None
        # Names, not objects: this is what processor_config.json can hold.
        self.atlases = tuple(atlas.name for atlas in self._renderer.atlases)
        self.patch_size = (int(patch_size[0]), int(patch_size[1]))
        self.num_channels = int(num_channels)
        self.missing = missing
        self.newline = newline
        self.tab = tab
        self.normalize = normalize
        self.unsupported = unsupported
        self.padding_side = padding_side
        self.model_max_patches = model_max_patches
        self._check_atlases()
        super().__init__()

    def _check_atlases(self) -> None:
        if self._renderer.height != self.patch_size[0]:
            raise ValueError(
                f"patch_size {self.patch_size} asks for strips {self.patch_size[0]} pixels high, but atlas "
                f"{self.atlases[0]!r} is {self._renderer.height} pixels high; set patch_size to "
                f"({self._renderer.height}, width) or choose another atlas."
            )
        for name in self.atlases:
            _atlas_file(name)
        if len(set(self.atlases)) < len(self.atlases):
            raise ValueError(
                f"two atlases have the same name in {self.atlases}; they could not be saved side by side."
            )

    @classmethod
    def presets(cls) -> tuple[str, ...]:
        """The names [`from_preset`] knows."""
        return tuple(PRESETS)

    @classmethod
    def from_preset(cls, name: str, **overrides: Any) -> "PixelProcessor":
        """Builds a processor from a named set of settings.

        Args:
            name: `"fixed-8"` (5x8 glyphs, 8x20 patches) or `"unifont-16"` (GNU Unifont, 16x16 patches).
            overrides: arguments of the constructor that shall differ from the preset.

        Raises:
            ValueError: for an unknown name, listing the known ones.
        """
        if name not in PRESETS:
            raise ValueError(f"unknown preset {name!r}; known presets: {', '.join(PRESETS)}.")
        return cls(**{**PRESETS[name], **overrides})

    def __getstate__(self) -> dict[str, Any]:
        # The reader is rebuilt where it is needed; a pickle without it is small, and the same before and after reading.
        return {**self.__dict__, "_reader": None}

    @property
    def tokenizer(self) -> NoTokenizer:
        """A stand-in without special tokens: Trainer asks every processor for its tokenizer's."""
        return NoTokenizer()

    @property
    def renderer(self) -> StripRenderer:
        """The strip renderer in use."""
        return self._renderer

    @property
    def reader(self) -> StripReader:
        """The strip reader for these atlases, built at first use."""
        if self._reader is None:
            self._reader = StripReader(self._renderer.atlases)
        return self._reader

    @property
    def model_input_names(self) -> list[str]:
        return ["pixel_values", "attention_mask", "num_columns"]

    # ---- to strips ----

    def __call__(
        self,
        text: str | Iterable[str] | Iterable[tuple[str, str]] | None = None,
        text_pair: str | Iterable[str] | None = None,
        images: Any = None,
        target_text: str | Iterable[str] | None = None,
        **kwargs: Unpack[PixelProcessorKwargs],
    ) -> BatchFeature:
        """Draws texts, or takes images, and pads them to a batch of strips.

        Args:
            text: a text, or a list (tuple, dataset column) of texts; a list of (text, text) is a list of pairs.
            text_pair: second text of each row, after an EOS patch.
            images: strips of height H as PIL images, numpy arrays or torch tensors (`[H, W]`, `[C, H, W]`,
                `[H, W, C]`), or a list of these. With `text` as well, a row is the image, an EOS patch, the text.
            target_text: for models with a token head only; an error here.
            kwargs: see [`PixelProcessorKwargs`].

        Returns:
            `BatchFeature` with, always as a batch:
            - `pixel_values`: float32 `[B, C, H, T * w]` in [0, 1], 1 = background.
            - `attention_mask`: int64 `[B, T]`, 0 on padding.
            - `num_columns`: int64 `[B]`, pixel columns of the row from its first attended patch on; with `add_eos`
              a multiple of w, without it the column where the text ends and generation goes on.
            - `offset_mapping`: int64 `[B, T, 2]`, on request.

        Raises:
            ValueError: for an empty text (unless `add_start`), a row longer than `max_patches` (unless
                `truncation`), a character no atlas covers (unless `missing` says otherwise), an image of another
                shape; with the index of the row.
        """
        options = LayoutOptions.from_kwargs(kwargs, self.model_max_patches)
        if target_text is not None:
            raise ValueError(
                "target_text belongs to models with a token head, and this processor has no tokenizer; put the text "
                "into `text` or `text_pair`, or leave it out."
            )
        width = self.patch_size[1]
        rows = [lay_out(row, options, width) for row in self._segment_rows(text, text_pair, images, options)]
        return self._to_batch(rows, options)

    def _segment_rows(
        self, text: Any, text_pair: Any, images: Any, options: LayoutOptions
    ) -> list[list[Segment]]:
        """Draws or takes every segment, row by row."""
        texts, pairs = list_texts(text, text_pair)
        columns: list[list[Segment]] = []
        if images is not None:
            columns.append([self._take(f"images[{i}]", image) for i, image in enumerate(list_images(images))])
        # Only a start patch before it makes an empty text a row that a model can read.
        may_be_empty = options.add_start and pairs is None and images is None
        for name, values in (("text", texts), ("text_pair", pairs)):
            if values is not None:
                columns.append(
                    [self._draw(f"{name}[{i}]", t, options, may_be_empty) for i, t in enumerate(values)]
                )
        if not columns:
            raise ValueError("give at least one of text and images.")
        lengths = [len(column) for column in columns]
        if len(set(lengths)) > 1:
            raise ValueError(
                f"images, text and text_pair must be of one length where they are given, got {lengths}."
            )
        if lengths[0] == 0:
            raise ValueError("the batch is empty: give at least one text or image.")
        return [list(row) for row in zip(*columns, strict=True)]

    def _take(self, name: str, image: Any) -> Segment:
        strip = image_to_strip(image, self.patch_size[0], self.num_channels, name)
        return Segment(name, strip.shape[2], image=strip)

    def _draw(self, name: str, text: str, options: LayoutOptions, may_be_empty: bool) -> Segment:
        limit = options.max_patches if options.truncation == "do_not_truncate" else None
        if limit is not None and len(text) > limit * self.patch_size[1]:
            # Nearly every character has a column, so this text is far too long: count before drawing megabytes.
            num_patches = -(-self._renderer.measure(text) // self.patch_size[1])
            if num_patches > limit:
                raise too_long(name, num_patches, limit, f" for its {len(text)} characters")
        try:
            strip = self._renderer.render(text)
        except ValueError as error:
            # The same error, of the same class, with the place in the batch.
            error.args = (f"{name}: {error}", *error.args[1:])
            raise
        if strip.num_columns == 0 and not may_be_empty:
            raise ValueError(
                f"{name} is empty: {text!r} draws no pixels; leave it out, or pass add_start=True to begin with an "
                "EOS patch."
            )
        return Segment(name, strip.num_columns, strip=strip)

    def _to_batch(self, rows: list[Row], options: LayoutOptions) -> BatchFeature:
        longest = max(row.num_patches for row in rows)
        if options.padding == "do_not_pad":
            if options.return_tensors is not None and any(row.num_patches != longest for row in rows):
                raise ValueError(
                    "rows differ in length: pass padding=True, or return_tensors=None to get lists."
                )
            groups = [([row], row.num_patches) for row in rows]
        else:
            groups = [(rows, options.max_patches or longest if options.padding == "max_length" else longest)]
        data: dict[str, list[np.ndarray]] = {"pixel_values": [], "attention_mask": [], "num_columns": []}
        if options.return_offsets_mapping:
            data["offset_mapping"] = []
        for group, num_patches in groups:
            starts = [num_patches - row.num_patches if self.padding_side == "left" else 0 for row in group]
            data["pixel_values"].append(
                draw_rows(group, starts, num_patches, self.patch_size, self.num_channels)
            )
            data["attention_mask"].append(attention_mask(group, starts, num_patches))
            data["num_columns"].append(np.array([row.num_columns for row in group], np.int64))
            if options.return_offsets_mapping:
                data["offset_mapping"].append(offset_mapping(group, starts, num_patches, self.patch_size[1]))
        return _to_feature(data, options.return_tensors)

    # ---- from strips ----

    def read(self, strips: Any, attention_mask: Any = None, num_columns: Any = None) -> list[ReadResult]:
        """Reads the text of strips, with a confidence per character.

        A row is read from its first attended patch up to the first EOS patch; one EOS patch at its very start is
        passed over (`add_start`).

        Args:
            strips: the output of `model.generate` or of this processor, or pixels in any form [`to_pil`] takes.
                Where no attention mask tells padding from spaces, blank patches at the start of a row count as
                padding if `padding_side` is `"left"`, else as spaces.
            attention_mask: `[B, T]`; default: that of `strips`.
            num_columns: `[B]`; default: that of `strips`.

        Returns:
            One [`ReadResult`] per row.

        Raises:
            ValueError: for strips of another height, or masks of another length.
        """
        pixels, own_mask, own_columns = unpack_output(strips)
        strip_list = list_strips(pixels)
        masks = _rows_of(
            attention_mask if attention_mask is not None else own_mask, len(strip_list), "attention_mask"
        )
        counts = _rows_of(
            num_columns if num_columns is not None else own_columns, len(strip_list), "num_columns"
        )
        inks = [
            self._text_columns(strip, mask, count, index)
            for index, (strip, mask, count) in enumerate(zip(strip_list, masks, counts, strict=True))
        ]
        return self.reader.read_batch(inks)

    def _text_columns(self, strip: np.ndarray, mask: Any, count: Any, index: int) -> np.ndarray:
        """The part of a row that holds text, bool `[H, columns]`, False = ink."""
        height, width = self.patch_size
        if strip.shape[1] != height:
            raise ValueError(
                f"strip {index} is {strip.shape[1]} pixels high, but this processor reads strips of {height}."
            )
        ink = strip.mean(axis=0) < 0.5  # [H, W]
        num_patches = -(-ink.shape[1] // width)
        if mask is not None:
            if len(mask) != num_patches:
                raise ValueError(
                    f"attention_mask has {len(mask)} entries for strip {index} of {num_patches} patches."
                )
            attended = np.flatnonzero(mask)
            first, stop = (int(attended[0]), int(attended[-1]) + 1) if len(attended) else (0, 0)
            ink = ink[:, first * width : stop * width]
        elif self.padding_side == "left":
            inked = np.flatnonzero(ink.any(axis=0))
            ink = ink[:, (int(inked[0]) // width if len(inked) else 0) * width :]
        if count is not None:
            ink = ink[:, : int(count)]
        whole = ink[:, : ink.shape[1] // width * width].reshape(height, -1, width).all(axis=(0, 2))  # [T]
        start = int(len(whole) > 0 and whole[0])
        after = np.flatnonzero(whole[start:])
        stop = (start + int(after[0])) * width if len(after) else ink.shape[1]
        return ~ink[:, start * width : stop]

    def batch_decode(self, strips: Any, attention_mask: Any = None, num_columns: Any = None) -> list[str]:
        """The text of each row; [`read`] tells how sure it is.

        Args:
            strips: as for [`read`].
            attention_mask: as for [`read`].
            num_columns: as for [`read`].
        """
        return [result.text for result in self.read(strips, attention_mask, num_columns)]

    def decode(self, strips: Any, attention_mask: Any = None, num_columns: Any = None) -> str:
        """The text of a single strip, `[C, H, W]`, `[H, W]` or a batch of one.

        Raises:
            ValueError: for several strips.
        """
        texts = self.batch_decode(strips, attention_mask, num_columns)
        if len(texts) != 1:
            raise ValueError(f"decode reads one strip, got {len(texts)}; use batch_decode.")
        return texts[0]

    def to_pil(self, strips: Any, scale: int = 1) -> list[Image.Image]:
        """Strips as images, one per row, padding included.

        Args:
            strips: the output of `model.generate` or of this processor; `[B, C, H, W]`, `[C, H, W]` or `[H, W]`
                as torch tensor or numpy array, uint8 or in [0, 1]; a PIL image; or a list of these.
            scale: side of a pixel in the image.

        Returns:
            Images of mode L (one channel) or RGB.
        """
        if scale < 1:
            raise ValueError(f"scale must be at least 1, got {scale}.")
        return [strip_to_pil(strip, scale) for strip in list_strips(unpack_output(strips)[0])]

    def coverage(self, text: str | Iterable[str]) -> list[str]:
        """The characters of a text, or of several, that no atlas covers, sorted; empty if all can be drawn."""
        texts = [text] if isinstance(text, str) else text
        return sorted(set().union(*(self._renderer.coverage(item) for item in texts)))

    # ---- saving and loading ----

    def to_dict(self) -> dict[str, Any]:
        """The settings, and the hash of each atlas, as processor_config.json holds them."""
        settings = super().to_dict()
        settings["atlas_sha256"] = {atlas.name: atlas.sha256 for atlas in self._renderer.atlases}
        return settings

    def save_pretrained(
        self, save_directory: str | os.PathLike, push_to_hub: bool = False, **kwargs: Any
    ) -> list[str]:
        """Saves processor_config.json and, beside it, one `.npz` file per atlas.

        Args:
            save_directory: folder, made where it is missing.
            push_to_hub: whether to upload the folder's files afterwards.
            kwargs: `repo_id` and further arguments of `push_to_hub`.

        Returns:
            The paths of the files written.
        """
        files = list(super().save_pretrained(save_directory, push_to_hub=False))
        for atlas in self._renderer.atlases:
            path = os.path.join(save_directory, _atlas_file(atlas.name))
            atlas.save(path)
            files.append(path)
        if push_to_hub:
            # Not left to the parent class, which would upload before the atlases exist.
            self.push_to_hub(kwargs.pop("repo_id", Path(save_directory).name), **kwargs)
        return files

    @classmethod
    def get_processor_dict(
        cls, pretrained_model_name_or_path: str | os.PathLike, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The settings of a saved processor, with its atlases loaded and checked.

        Raises:
            ValueError: if there is no processor configuration, or it is that of another class; if an atlas is
                missing or is not the one that was saved.
        """
        where = str(pretrained_model_name_or_path)
        hub_kwargs = {
            key: kwargs[key]
            for key in (
                "cache_dir",
                "force_download",
                "proxies",
                "token",
                "local_files_only",
                "revision",
                "subfolder",
            )
            if kwargs.get(key) is not None
        }
        settings, unused = super().get_processor_dict(pretrained_model_name_or_path, **kwargs)
        if "atlases" not in settings:
            found = (
                f"holds the settings of a {settings['processor_class']}"
                if "processor_class" in settings
                else "is missing"
            )
            raise ValueError(
                f"{where} is not a pixel_ar checkpoint with its processor: processor_config.json {found}. "
                "Save one there with processor.save_pretrained, or start from PixelProcessor.from_preset."
            )
        hashes = settings.pop("atlas_sha256", {})
        if "atlases" not in kwargs:
            settings["atlases"] = tuple(
                _load_atlas(where, name, hashes.get(name), hub_kwargs) for name in settings["atlases"]
            )
        return settings, unused


def _to_feature(data: dict[str, list[np.ndarray]], return_tensors: str | None) -> BatchFeature:
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


def _rows_of(values: Any, count: int, name: str) -> list[Any]:
    """One entry per strip of a mask or a vector of column counts, `None` where there is none."""
    if values is None:
        return [None] * count
    rows = values.tolist() if isinstance(values, torch.Tensor | np.ndarray) else list(values)
    if len(rows) != count:
        raise ValueError(f"{name} has {len(rows)} rows for {count} strips.")
    return rows


def _atlas_file(name: str) -> str:
    # The name comes from a file that may be anyone's: it must not lead out of the checkpoint's folder.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise ValueError(f"atlas name {name!r} is no file name; use letters, digits, '-', '_' and '.'.")
    return f"{name}.npz"


def _load_atlas(where: str, name: str, sha256: str | None, hub_kwargs: dict[str, Any]) -> GlyphAtlas:
    """Loads an atlas saved beside processor_config.json and holds it against its recorded hash."""
    file_name = _atlas_file(name)
    if os.path.isfile(where):
        where = os.path.dirname(where)
    path = cached_file(where, file_name, _raise_exceptions_for_missing_entries=False, **hub_kwargs)
    if path is None:
        raise ValueError(
            f"{where} lacks {file_name}, the glyph atlas its processor draws with. Copy it there from the "
            "original checkpoint, or save the processor there again with save_pretrained."
        )
    atlas = GlyphAtlas.load(path)
    if atlas.sha256 != sha256:
        raise ValueError(
            f"{path} is not the glyph atlas this checkpoint was saved with: its sha256 is {atlas.sha256}, "
            f"processor_config.json records {sha256}. The model would see other glyphs than in training; restore "
            "the file from the original checkpoint, or, if the change is meant, save the processor there again."
        )
    return atlas


__all__ = ["PixelProcessor", "PixelProcessorKwargs"]
