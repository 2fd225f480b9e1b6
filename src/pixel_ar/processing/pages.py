# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What the processor does with pages: texts to sheets, sheets to strips and back, sheets to texts.

Shapes: N sheets, B texts, C channels, R rows of patches of `patch_size = (H, w)`, W = P * w columns.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from transformers.feature_extraction_utils import BatchFeature

from ..reading.page_reader import PageReader, PageReadResult
from ..reading.reader import StripReader
from ..rendering.pages import (
    PageFormat,
    PageLayout,
    PageLine,
    PageOverflowError,
    draw_sheet,
    lay_out_page,
    page_to_strip,
    sheet_layout,
    sheet_offsets,
    strip_to_page,
)
from ..rendering.renderer import StripRenderer
from .images import list_strips
from .inputs import list_texts, rows_of, unpack_output
from .layout import unpack_columns

_PADDING = (True, False, "longest", "max_length", "do_not_pad")


class PageMixin:
    """The methods of `PixelProcessor` for pages."""

    patch_size: tuple[int, int]
    num_channels: int
    left_padding: int
    right_padding: int
    model_max_patches: int | None

    @property
    @abstractmethod
    def renderer(self) -> StripRenderer:
        """The strip renderer in use."""

    @property
    @abstractmethod
    def reader(self) -> StripReader:
        """The strip reader in use."""

    def page_format(
        self,
        width_patches: int,
        max_rows: int | None = None,
        margins: int | Sequence[int] = 0,
        line_spacing: int = 0,
    ) -> PageFormat:
        """The measures of a page in pixels.

        Args:
            width_patches: patches of a row, margins included.
            max_rows: most rows of patches of a sheet, margins and spacing included.
            margins: patches left blank on all sides, or (rows above and below, patches on either side).
            line_spacing: rows of patches left blank between two lines.

        Raises:
            ValueError: for measures that leave no room for text.
        """
        for name, number in (("width_patches", width_patches), ("max_rows", max_rows)):
            is_needed = number is not None or name == "width_patches"
            if is_needed and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
                raise ValueError(f"{name} must be a positive integer, got {number!r}.")
        sides = tuple(margins) if isinstance(margins, Sequence) else (margins, margins)
        counts = (*sides, line_spacing)
        if len(sides) != 2 or not all(
            isinstance(each, int) and not isinstance(each, bool) for each in counts
        ):
            raise ValueError(
                f"margins must be a number of patches or (rows, patches), and line_spacing a number of rows, got "
                f"{margins!r} and {line_spacing!r}."
            )
        width = self.patch_size[1]
        return PageFormat(
            width_patches * width,
            max_rows,
            (int(sides[0]), int(sides[1]) * width),
            line_spacing,
            (self.left_padding, self.right_padding),
        )

    def render_pages(
        self,
        text: str | Iterable[str],
        width_patches: int,
        max_rows: int | None = None,
        max_sheets: int | None = 1,
        truncation: bool = False,
        margins: int | Sequence[int] = 0,
        line_spacing: int = 0,
        padding: bool | str = True,
        return_offsets_mapping: bool = False,
        return_tensors: str | None = None,
    ) -> BatchFeature:
        """Draws texts as pages: lines wrapped to a width, each a row of patches.

        How text is wrapped: see `rendering.pages`. `patchify` cuts pages into patches row by row.

        Args:
            text: a text, or several; line breaks end paragraphs.
            width_patches: P, patches of a row.
            max_rows: most rows of a sheet; default: as many as the text needs.
            max_sheets: most sheets of a text, `None`: as many as it needs.
            truncation: whether a text that does not fit on its sheets is cut after the last line that does;
                `next_positions` then tells where it goes on.
            margins: patches left blank on all sides, or (rows above and below, patches on either side).
            line_spacing: rows of patches left blank between two lines.
            padding: `True` or `"longest"`: blank rows up to the highest sheet of the batch; `"max_length"`: up to
                `max_rows`; `False`: none, which needs `return_tensors=None` or sheets of equal height.
            return_offsets_mapping: also return `offset_mapping`.
            return_tensors: `"pt"`, `"np"` or `None` (lists).

        Returns:
            `BatchFeature` with
            - `pixel_values`: float32 `[N, C, R * H, W]` in [0, 1], 1 = background.
            - `attention_mask`: int64 `[N, R * P]`, row after row, 0 on the padding below a sheet.
            - `num_rows`: int64 `[N]`, rows of the sheet without padding.
            - `text_spans`: int64 `[N, R, 2]`, the (start, end) of each row's characters in the text as drawn,
              `page_text(renderer, text)`: normalised, with `\\n` for line breaks; (0, 0) on blank rows.
            - `line_layout`: int64 `[N, R, 4]`, what [`read_pages`] needs to be exact; see [`sheet_layout`].
            - `next_positions`: int64 `[N]`, the character that the next sheet of the text begins with; -1 on the last
              sheet of a text that is drawn to its end.
            - `overflow_to_sample_mapping`: int64 `[N]`, the index of the text that a sheet belongs to.
            - `offset_mapping`: int64 `[N, R * P, 2]`, on request: the characters that each patch shows.

        Raises:
            PageOverflowError: for a text that needs more rows or sheets (unless `truncation`), or a character wider
                than a line; with the index of the text.
            ValueError: for an empty text, one that cannot be drawn, an argument out of range, or a processor whose
                strips are not 1-bit and continuous.
        """
        self._check_page_options(max_rows, max_sheets, padding)
        page_format = self.page_format(width_patches, max_rows, margins, line_spacing)
        texts, _ = list_texts(text, None)
        if not texts:
            raise ValueError("the batch is empty: give at least one text.")
        sheets: list[tuple[PageLine, ...]] = []
        samples: list[int] = []
        following: list[int] = []
        for index, item in enumerate(texts):
            layout = self._lay_out(f"text[{index}]", item, page_format)
            found = layout.sheets(page_format)
            kept = found[:max_sheets]
            if len(kept) < len(found) and not truncation:
                raise _too_long(f"text[{index}]", layout, page_format, len(found), max_sheets)
            sheets += kept
            samples += [index] * len(kept)
            following += [sheet[-1].next for sheet in kept]
            if len(kept) == len(found):
                following[-1] = -1
        counts = [page_format.num_rows(len(sheet)) for sheet in sheets]
        heights = _padded_heights(counts, padding, max_rows, return_tensors)
        data: dict[str, list[Any]] = {}
        for sheet, count, height in zip(sheets, counts, heights, strict=True):
            parts = self._draw_page(sheet, page_format, count, height)
            if not return_offsets_mapping:
                del parts["offset_mapping"]
            for key, value in parts.items():
                data.setdefault(key, []).append(value)
        numbers = {"next_positions": following, "overflow_to_sample_mapping": samples, "num_rows": counts}
        return _page_batch(data, numbers, return_tensors)

    def _check_page_options(self, max_rows: int | None, max_sheets: int | None, padding: bool | str) -> None:
        style = getattr(self.renderer, "style", None)
        if style is not None and not style.is_plain:
            raise ValueError(
                f"pages are drawn in 1 bit, one cluster after the other, but this processor has {style}; use one with "
                'mode="1", strategy="continuous" and letter_spacing=0.'
            )
        if max_sheets is not None and (not isinstance(max_sheets, int) or max_sheets < 1):
            raise ValueError(f"max_sheets must be at least 1 or None, got {max_sheets!r:.60}.")
        if padding not in _PADDING or (padding == "max_length" and max_rows is None):
            raise ValueError(
                f'padding must be one of {_PADDING}, and "max_length" needs max_rows; got {padding!r}.'
            )

    def _lay_out(self, name: str, text: str, page_format: PageFormat) -> PageLayout:
        try:
            layout = lay_out_page(self.renderer, text, page_format.line_columns)
        except ValueError as error:
            # The same error, of the same class, with the place in the batch.
            error.args = (f"{name}: {error}", *error.args[1:])
            raise
        if not layout.text:
            raise ValueError(f"{name} is empty: {text!r} draws no pixels; leave it out.")
        return layout

    def _draw_page(
        self, lines: Sequence[PageLine], page_format: PageFormat, num_rows: int, padded_rows: int
    ) -> dict[str, np.ndarray]:
        height, width = self.patch_size
        packed = draw_sheet(lines, page_format, padded_rows, height // 8)
        # Rows as a batch of strips `[R, C, H, W]`, then below each other.
        strips = unpack_columns(packed, self.num_channels)
        pixels = strips.transpose(1, 0, 2, 3).reshape(self.num_channels, padded_rows * height, -1)
        spans, layout = sheet_layout(lines, page_format, padded_rows)
        mask = np.repeat(np.arange(padded_rows) < num_rows, page_format.width // width)
        return {
            "pixel_values": pixels,
            "attention_mask": mask.astype(np.int64),
            "text_spans": spans,
            "line_layout": layout,
            "offset_mapping": sheet_offsets(lines, page_format, padded_rows, width),
        }

    # ---- from pages ----

    def read_pages(
        self,
        pages: Any,
        margins: int | Sequence[int] = 0,
        line_spacing: int = 0,
        num_rows: Any = None,
    ) -> list[PageReadResult]:
        """Reads the text of sheets, line by line.

        Args:
            pages: the output of [`render_pages`], whose `line_layout` makes reading exact; or pixels
                `[N, C, R * H, W]`, `[C, R * H, W]` or `[R * H, W]` in any form [`to_pil`] takes. How the breaks between
                lines are then judged: see `reading.page_reader`.
            margins: those the pages were drawn with, where there is no `line_layout`.
            line_spacing: likewise.
            num_rows: `[N]`, rows in use; default: that of `pages`, or up to the last row with ink.

        Returns:
            One [`PageReadResult`] per sheet.

        Raises:
            ValueError: for pages that are no whole number of patches high and wide.
        """
        pixels, _, _ = unpack_output(pages)
        sheets = list_strips(pixels)
        if not sheets:
            raise ValueError("there are no pages: give at least one.")
        own = pages if isinstance(pages, Mapping) else {}
        layouts = rows_of(own.get("line_layout"), len(sheets), "line_layout")
        counts = rows_of(own.get("num_rows") if num_rows is None else num_rows, len(sheets), "num_rows")
        reader = PageReader(self.reader, self.renderer)
        height, width = self.patch_size
        results = []
        for index, (sheet, layout, count) in enumerate(zip(sheets, layouts, counts, strict=True)):
            if sheet.shape[1] % height or sheet.shape[2] % width or not sheet.size:
                raise ValueError(
                    f"page {index} has {sheet.shape[1]} x {sheet.shape[2]} pixels, which is no whole number of "
                    f"patches of {height} x {width}."
                )
            is_light = sheet.mean(axis=0) >= 0.5
            if layout is not None:
                results.append(reader.read_described(is_light, np.asarray(layout)))
            else:
                page_format = self.page_format(sheet.shape[2] // width, None, margins, line_spacing)
                results.append(reader.read_picture(is_light, page_format, count))
        return results

    def decode_pages(
        self,
        pages: Any,
        margins: int | Sequence[int] = 0,
        line_spacing: int = 0,
        num_rows: Any = None,
    ) -> list[str]:
        """The texts of pages; see [`read_pages`].

        Returns:
            One per text drawn, its sheets joined, if `pages` is the output of [`render_pages`]; else one per sheet.
        """
        results = self.read_pages(pages, margins, line_spacing, num_rows)
        samples = pages.get("overflow_to_sample_mapping") if isinstance(pages, Mapping) else None
        if samples is None:
            return [result.text for result in results]
        join = PageReader(self.reader, self.renderer).join
        groups: dict[int, list[tuple[str, int]]] = {}
        for result, sample in zip(results, rows_of(samples, len(results), "the mapping"), strict=True):
            groups.setdefault(int(sample), []).extend(zip(result.texts, result.breaks, strict=True))
        return [join(lines) for _, lines in sorted(groups.items())]

    def pages_to_strips(
        self, pages: Any, add_eos: bool = False, max_patches: int | None = None
    ) -> BatchFeature:
        """Pages as strips, one row behind the other, for models that read strips.

        Args:
            pages: the output of [`render_pages`], or pixels `[N, C, R * H, W]`.
            add_eos: whether an EOS patch follows the last row.
            max_patches: most patches of a strip; default: the processor's `model_max_patches`.

        Returns:
            `BatchFeature` with `pixel_values` `[N, C, H, T * w]`, `attention_mask` `[N, T]` and `num_columns` `[N]`, of
            the kind (tensors, arrays) that was passed in, else arrays.

        Raises:
            ValueError: for more patches than `max_patches`.
        """
        pixels, _, _ = unpack_output(pages)
        sheets = list_strips(pixels)
        if not sheets:
            raise ValueError("there are no pages: give at least one.")
        height, width = self.patch_size
        own = pages if isinstance(pages, Mapping) else {}
        counts = [
            sheet.shape[1] // height if count is None else int(count)
            for sheet, count in zip(
                sheets, rows_of(own.get("num_rows"), len(sheets), "num_rows"), strict=True
            )
        ]
        strips = [
            page_to_strip(sheet[:, : count * height], height)
            for sheet, count in zip(sheets, counts, strict=True)
        ]
        lengths = [strip.shape[2] // width + add_eos for strip in strips]
        limit = self.model_max_patches if max_patches is None else max_patches
        if limit is not None and max(lengths) > limit:
            raise ValueError(
                f"page {lengths.index(max(lengths))} makes a strip of {max(lengths)} patches, but max_patches is "
                f"{limit}; draw fewer or shorter rows, or pass a larger max_patches."
            )
        joined = np.ones((len(strips), strips[0].shape[0], height, max(lengths) * width), np.float32)
        mask = np.zeros((len(strips), max(lengths)), np.int64)
        for index, (strip, length) in enumerate(zip(strips, lengths, strict=True)):
            joined[index, :, :, : strip.shape[2]] = strip
            if add_eos:
                joined[index, :, :, strip.shape[2] : length * width] = 0
            mask[index, :length] = 1
        data = {
            "pixel_values": joined,
            "attention_mask": mask,
            "num_columns": np.array(lengths, np.int64) * width,
        }
        return BatchFeature(data, tensor_type="pt" if isinstance(pixels, torch.Tensor) else "np")

    def strips_to_pages(self, strips: Any, width_patches: int) -> Any:
        """Strips cut into rows, one below the other: the way back from [`pages_to_strips`].

        Args:
            strips: strips in any form [`to_pil`] takes, or the output of `model.generate`.
            width_patches: patches of a row. The last row is filled up with background.

        Returns:
            float32 `[N, C, R * H, W]`, a tensor if tensors were passed, else an array.
        """
        page_format = self.page_format(width_patches)
        pixels, _, _ = unpack_output(strips)
        items = list_strips(pixels)
        if not items:
            raise ValueError("there are no strips: give at least one.")
        longest = -(-max(strip.shape[2] for strip in items) // page_format.width) * page_format.width
        filled = np.stack(
            [
                np.pad(strip, ((0, 0), (0, 0), (0, longest - strip.shape[2])), constant_values=1)
                for strip in items
            ]
        )
        page = np.ascontiguousarray(strip_to_page(filled, page_format.width))
        return torch.from_numpy(page) if isinstance(pixels, torch.Tensor) else page


def _padded_heights(
    counts: list[int], padding: bool | str, max_rows: int | None, return_tensors: str | None
) -> list[int]:
    """Rows of every sheet with its padding, from its rows without."""
    if padding in (False, "do_not_pad"):
        if return_tensors is not None and len(set(counts)) > 1:
            raise ValueError(
                "sheets differ in height: pass padding=True, or return_tensors=None to get lists."
            )
        return counts
    highest = max_rows if padding == "max_length" and max_rows is not None else max(counts)
    return [highest] * len(counts)


def _page_batch(
    data: dict[str, list[Any]], numbers: dict[str, list[int]], return_tensors: str | None
) -> BatchFeature:
    """Arrays of every sheet, and numbers of every sheet, in the form that was asked for."""
    if return_tensors is None:
        lists = {key: [each.tolist() for each in rows] for key, rows in data.items() if key != "pixel_values"}
        return BatchFeature({"pixel_values": data["pixel_values"], **lists, **numbers})
    arrays = {key: np.stack(rows) for key, rows in data.items()}
    arrays.update({key: np.array(values, np.int64) for key, values in numbers.items()})
    return BatchFeature(arrays, tensor_type=return_tensors)


def _too_long(
    name: str, layout: PageLayout, page_format: PageFormat, num_sheets: int, max_sheets: int | None
) -> PageOverflowError:
    return PageOverflowError(
        f"{name} fills {len(layout.lines)} lines of {page_format.line_columns} columns, {num_sheets} sheets of "
        f"{page_format.max_rows} rows, but max_sheets is {max_sheets}; pass max_sheets=None for as many as it needs, a "
        "larger max_rows or width_patches, or truncation=True to keep what fits."
    )


__all__ = ["PageMixin"]
