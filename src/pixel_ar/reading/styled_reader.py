# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Reading strips of every style: each is brought to the continuous 1-bit strip of the same text, which is then read.

- Levels and colours: a pixel nearer to the text's colour than to the background's is ink. That is the 1-bit strip
  exactly (see `rendering.style`), antialiased fonts included.
- Coloured glyphs: pixels off the line between these two colours are looked up among the glyphs the renderer has in
  colour, the nearest is taken.
- Units: the blanks between them are taken out (see `join_units`).
- Letter spacing: letters are looked up with their blanks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from ..fonts.hexbox import draw_hex_box, find_hex_boxes
from ..fonts.source import GlyphSource
from ..rendering.strip import PackedStrip, lay_over
from ..rendering.styled_renderer import StyledRenderer
from ..text.graphemes import grapheme_bounds
from .exact import ExactRun, parse_exactly
from .reader import ReadResult, StripReader, check_finite, strip_array
from .units import UnitReading, join_units

# Pixels further than this from every mixture of text and background have a colour of their own.
_OWN_COLOR = 0.1
# Mean difference, of 1, up to which pixels pass for a glyph.
_LARGEST_DIFFERENCE = 0.08
# The same as a share of its own distance to the background, for a glyph without a colour of its own.
_GRAY_DIFFERENCE = 0.15
_MAX_CACHED = 50_000
_REGIONAL_INDICATORS = range(0x1F1E6, 0x1F200)


class StyledReader(StripReader):
    """Reads strips of a [`StyledRenderer`], or resembling them.

    Args:
        renderer: The renderer whose strips are read.
        settings: As for [`StripReader`], but atlases and renderer.
    """

    def __init__(self, renderer: StyledRenderer, **settings: Any) -> None:
        super().__init__(renderer.spaced_atlases, renderer=renderer, **settings)
        self._styled, self._arguments = renderer, settings
        self._unit_readings: dict[tuple[bytes, bool], UnitReading | None] = {}
        # Ink of a glyph without the blanks after it -> (is historic, cost, columns) of the likeliest such glyph.
        self._inks: dict[bytes, tuple[bool, float, int]] = {}
        self._num_inks = 0
        self._grays: list[tuple[np.ndarray, np.ndarray, bytes, str]] = []
        self._templates: tuple[int, list[tuple[np.ndarray, int, bytes, str]]] = (-1, [])
        if renderer.style.letter_spacing and renderer.shaper is not None:
            # A flag is two glyphs without the blanks between them: what no single glyph looks like.
            super().learn(_flags(renderer.atlases))

    def learn(self, texts: Iterable[str]) -> None:
        """Make known what texts look like, sequences of coloured emoji included; see [`StripReader.learn`]."""
        texts = list(texts)
        super().learn(texts)
        for text in texts:
            try:
                self._styled.render(text)
            except ValueError:
                continue

    def read(self, strip: Any, height: int | None = None, base: int | None = None) -> ReadResult:
        """Read one strip.

        Args:
            strip: A [`PackedStrip`], packed columns as bytes, or pixels `[C, H, W]` or `[H, W]`:
                float in [0, 1], uint8, or bool (True = background).
            height: Rows of a strip given as bytes.
            base: Direction of the line, see [`StripReader.read`].

        Returns:
            The text; `char_columns` count in the strip as given.

        Raises:
            ValueError: if the strip is not as high as the atlases.
        """
        regions: dict[int, str] = {}
        if not _is_packed(strip):
            strip, regions = self._binarise(strip)
        data = self._pack(strip, height)
        style, eos_column = self._styled.style, self._find_eos(data)
        if eos_column is None and style.strategy != "continuous":
            eos_column = self._find_damaged_eos(data)
        if eos_column is not None:
            data = data[: eos_column * self._size]
        places, whole = None, data
        if style.strategy != "continuous":
            self._known.add_drawn()
            geometry = self.height, int(self._styled.patch_width or 1)
            space = self._styled._table[" "]
            data, places = join_units(data, style.strategy, geometry, space, self._read_unit, self._widths())
        result = super().read(data, base=base)
        columns = (
            result.char_columns if places is None else places[result.char_columns.clip(0, len(places) - 1)]
        )
        if eos_column is None and places is None:
            eos_column = result.eos_column
        result = replace(result, char_columns=columns, eos_column=eos_column)
        if places is not None and result.unreadable == 0:
            result = self._compared(result, whole, self._draw_units(result.text))
        return _with_clusters(result, regions) if regions else result

    def _draw_units(self, text: str) -> bytes | None:
        """Draw a text with its units on patch borders; None if it cannot be drawn."""
        try:
            return self._drawer.render_bytes(text)
        except ValueError:
            return None

    def _widths(self) -> list[int]:
        """Columns that glyphs may have, ascending, those of a box among them."""
        return sorted({32, *np.unique(self._known.index.widths).tolist()})

    def _read_unit(self, data: bytes, is_exact: bool) -> UnitReading | None:
        """Read the columns of what may be one unit; None if they must be exact glyphs, and are not."""
        data = data.rstrip(b"\0")
        data += bytes(-len(data) % self._size)
        if not data:
            return UnitReading(0, 0, 0.0)
        if (data, is_exact) not in self._unit_readings:
            if len(self._unit_readings) >= _MAX_CACHED:
                self._unit_readings.clear()
            found = self._read_exact_unit(data) if is_exact else self._read_damaged_unit(data)
            self._unit_readings[data, is_exact] = found
        return self._unit_readings[data, is_exact]

    def _read_exact_unit(self, data: bytes) -> UnitReading | None:
        num_glyphs, text, stop, position = 0, "", 0, 0
        boxes = find_hex_boxes(data, self.height, self._unit)
        for start, end, char in [*boxes, (len(data) // self._size, 0, "")]:
            if position < start:
                run = self._parse_unit(data, position, start, not end)
                if run is None:
                    return None
                num_glyphs += len(run.classes)
                text += "".join(map(self._known.text_of, run.classes))
                stop = self._narrowest_stop(data, *run.bounds[-2:])
            if end:
                # The blank columns at its end may have been cut off with those after the unit.
                stop = start + len(draw_hex_box(char, self.height, self._unit)) // self._size
                num_glyphs, text, position = num_glyphs + 1, text + char, end
        # Several glyphs may be one cluster (flags), several clusters one unit (joined letters).
        return UnitReading(min(num_glyphs, len(grapheme_bounds(text)) - 1), stop, 0.0)

    def _parse_unit(self, data: bytes, first: int, stop: int, is_last: bool) -> ExactRun | None:
        """The glyphs of columns without a box; None if they are not all glyphs."""
        known = self._known
        padded = data[: stop * self._size] + bytes((2 * int(known.index.widths.max()) + 2) * self._size)
        run = parse_exactly(known.index, padded, first, stop)
        is_whole = run.bounds[-1] == stop or (is_last and run.bounds[-1] > stop)
        return run if run.classes and is_whole else None

    def _read_damaged_unit(self, data: bytes) -> UnitReading:
        result = super().read(data)
        columns = result.char_columns
        starts = sorted({int(columns[bound]) for bound in grapheme_bounds(result.text)[:-1]})
        stop = int(columns[-1]) if starts else 0
        blanks = [int(columns[i]) for i, char in enumerate(result.text) if char == " " and columns[i] > 0]
        stops = (*starts[1:], stop) if starts else ()
        return UnitReading(len(starts), stop, result.unreadable, stops, min(blanks, default=None))

    def _narrowest_stop(self, data: bytes, start: int, stop: int) -> int:
        """Where the last glyph of a unit ends: of those with this ink, the likeliest.

        Blanks after a unit hide how wide its last glyph is. Letters in use go before historic ones (which are encoded
        outside the Basic Multilingual Plane), then what the reader thinks more frequent.
        """
        known, cells = self._known, self._known.index
        for index in range(self._num_inks, known.num_lasting):
            text = known.text_of(index)
            rank = ord(text[0]) > 0xFFFF, cells.prior_list[index], int(cells.widths[index])
            ink = cells.cells[index].rstrip(b"\0")
            self._inks[ink] = min(self._inks.get(ink, rank), rank)
        self._num_inks = known.num_lasting
        ink = data[start * self._size :].rstrip(b"\0")
        return start + self._inks[ink][2] if ink in self._inks else stop

    # ---- levels and colours ----

    def _pack(self, strip: Any, height: int | None) -> bytes:
        if isinstance(strip, np.ndarray) and strip.dtype != bool:
            strip, _ = self._binarise(strip)
        return super()._pack(strip, height)

    def _binarise(self, strip: Any) -> tuple[np.ndarray, dict[int, str]]:
        """(bool `[H, W]`, True = background; first column -> cluster of each coloured glyph found)."""
        pixels = strip.to_array() if isinstance(strip, PackedStrip) else strip_array(strip)
        while pixels.ndim > 3 and pixels.shape[0] == 1:
            pixels = pixels[0]
        pixels = pixels[None] if pixels.ndim == 2 else pixels
        if pixels.ndim != 3 or pixels.shape[1] != self.height or pixels.shape[0] not in (1, 3):
            raise ValueError(
                f"a strip for {self._names()} has shape [C, {self.height}, W] with 1 or 3 channels, got "
                f"{list(pixels.shape)}"
            )
        values = pixels.astype(np.float32)
        if pixels.dtype != bool and not np.issubdtype(pixels.dtype, np.floating):
            values /= 255
        check_finite(values)
        ink = self._styled.style.ink(values)
        regions: dict[int, str] = {}
        if len(values) == 3:
            for start, cell, cluster in self._find_colored(values):
                bits = np.unpackbits(np.frombuffer(cell, np.uint8).reshape(-1, self._size), axis=1).T
                ink[:, start : start + bits.shape[1]] = bits
                regions[start] = cluster
        if len(regions) and any(len(cluster) > 1 for cluster in regions.values()):
            super().learn(regions.values())
        return ~ink, regions

    def _find_colored(self, values: np.ndarray) -> list[tuple[int, bytes, str]]:
        """(first column, packed columns, cluster) of the coloured glyphs in pixels `[3, H, W]`."""
        known = self._styled.colored_clusters()
        if not known:
            return []
        if self._templates[0] != len(known):
            drawn = [item for item in known.items() if not self._is_private(item[0])]
            templates = [self._template(*item) for item in drawn]
            self._templates = (len(known), [template for template in templates if template])
            grays = [item for item, template in zip(drawn, templates, strict=True) if template is None]
            self._grays = [self._gray_template(*item) for item in grays]
        own = _own_color_columns(self._styled.style, values)
        found: list[tuple[int, bytes, str]] = []
        position = 0
        while position < len(own):
            step = int(own[position:].argmax())
            if not own[position + step]:
                break
            position += step
            best: tuple[float, int, int, bytes, str] | None = None
            for image, offset, cell, cluster in self._templates[1]:
                start, width = position - offset, image.shape[2]
                if start < (found[-1][0] if found else 0) or start + width > values.shape[2]:
                    continue
                difference = float(np.abs(values[:, :, start : start + width] - image).mean())
                if difference < _LARGEST_DIFFERENCE and (best is None or difference < best[0]):
                    best = difference, start, width, cell, cluster
            if best is None:
                position += 1
                continue
            found.append((best[1], best[3], best[4]))
            position = best[1] + best[2]
        return found + self._find_grays(values, found)

    def _find_grays(
        self, values: np.ndarray, colored: list[tuple[int, bytes, str]]
    ) -> list[tuple[int, bytes, str]]:
        """The same of glyphs of a colour font that have no colour but that of text (`©️`): by their levels."""
        if not self._grays:
            return []
        background = np.array(self._styled.style.background_color, np.float32)[:, None, None] / 255
        profile = np.abs(values - background).mean(axis=(0, 1))
        is_free = np.ones(len(profile), bool)
        for start, cell, _ in colored:
            is_free[start : start + len(cell) // self._size] = False
        found: list[tuple[float, int, bytes, str]] = []
        for image, darkness, cell, cluster in self._grays:
            width = image.shape[2]
            if width > len(profile) or not darkness.any():
                continue
            most = _GRAY_DIFFERENCE * float(darkness.mean())
            windows = np.lib.stride_tricks.sliding_window_view(profile, width)
            for start in np.flatnonzero(np.abs(windows - darkness).mean(axis=1) < most).tolist():
                difference = float(np.abs(values[:, :, start : start + width] - image).mean())
                if difference < most and is_free[start : start + width].all():
                    found.append((difference / most, start, cell, cluster))
        chosen = []
        for _, start, cell, cluster in sorted(found):
            place = slice(start, start + len(cell) // self._size)
            if is_free[place].all():
                is_free[place] = False
                chosen.append((start, cell, cluster))
        return chosen

    def _is_private(self, cluster: str) -> bool:
        """Tell whether it is a font's own name of what text writes otherwise: one of the private planes."""
        return len(cluster) == 1 and ord(cluster) >= 0xF0000 and cluster not in self._settings["alphabet"]

    def _gray_template(
        self, cluster: str, drawn: tuple[bytes, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, bytes, str]:
        """(pixels `[3, H, w]`, mean distance of each column to the background, packed columns, cluster)."""
        cell, rgba = drawn
        image = lay_over(self._styled.style, rgba).astype(np.float32) / 255
        background = np.array(self._styled.style.background_color, np.float32)[:, None, None] / 255
        return image, np.abs(image - background).mean(axis=(0, 1)), cell, cluster

    def _template(
        self, cluster: str, drawn: tuple[bytes, np.ndarray]
    ) -> tuple[np.ndarray, int, bytes, str] | None:
        """(pixels `[3, H, w]`, first column with a colour of its own, packed columns, cluster)."""
        cell, rgba = drawn
        image = lay_over(self._styled.style, rgba).astype(np.float32) / 255
        own = _own_color_columns(self._styled.style, image)
        return (image, int(own.argmax()), cell, cluster) if own.any() else None

    def __reduce__(self) -> tuple:
        return _rebuild, (self._styled, self._arguments)


def _own_color_columns(style: Any, values: np.ndarray) -> np.ndarray:
    """Bool `[W]`: columns of `[3, H, W]` with a pixel that is no mixture of text and background."""
    background = np.array(style.background_color, np.float32)[:, None, None] / 255
    way = np.array(style.text_color, np.float32)[:, None, None] / 255 - background
    share = ((values - background) * way).sum(axis=0) / float((way * way).sum())
    rest = values - background - way * share.clip(0, 1)
    return (np.abs(rest).max(axis=0) > _OWN_COLOR).any(axis=0)


def _with_clusters(result: ReadResult, regions: dict[int, str]) -> ReadResult:
    """Put in the clusters that were recognised by their colours, in place of what was read there in 1 bit."""
    parts: list[str] = []
    origins: list[int] = []
    columns = result.char_columns[:-1].tolist()
    for index, char in enumerate(result.text):
        is_first = index == 0 or columns[index] != columns[index - 1]
        cluster = regions.get(columns[index])
        piece = char if cluster is None else cluster if is_first else ""
        parts.append(piece)
        origins += [index] * len(piece)
    return replace(
        result,
        text="".join(parts),
        confidences=result.confidences[origins],
        char_columns=np.append(result.char_columns[origins], result.char_columns[-1:]).astype(np.int32),
    )


def _flags(sources: Sequence[GlyphSource]) -> list[str]:
    """The pairs of regional indicators that the atlases of a chain draw; what fonts draw is learned when it is met."""
    chars = [chr(code) for code in _REGIONAL_INDICATORS]
    atlases = [source for source in sources if not source.shapes_clusters]
    known = [char for char in chars if any(char in atlas for atlas in atlases)]
    return ["".join(pair) for pair in product(known, repeat=2)]


def _is_packed(strip: Any) -> bool:
    """Whether a strip comes in 1 bit, so that no levels or colours are looked at."""
    if isinstance(strip, PackedStrip):
        return strip.levels is None
    return isinstance(strip, bytes | bytearray | memoryview)


def _rebuild(renderer: StyledRenderer, settings: dict[str, Any]) -> StyledReader:
    return StyledReader(renderer, **settings)


def build_reader(renderer: Any, **settings: Any) -> StripReader:
    """Return the reader for a renderer: the plain one for the plain renderer."""
    if isinstance(renderer, StyledRenderer):
        return StyledReader(renderer, **settings)
    return StripReader(renderer.atlases, renderer=renderer, **settings)


__all__ = ["StyledReader", "build_reader"]
