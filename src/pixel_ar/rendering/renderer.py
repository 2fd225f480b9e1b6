# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Text to strip: glyph atlases and the strip renderer.

A strip is the glyph columns of its characters, joined. Nothing is hinted, kerned or anti-aliased, so the same
text gives the same bytes on every machine, and a strip costs a table lookup. Columns stay packed, eight rows a
byte, until somebody needs pixels: bit set = ink, most significant bit = top row, `height // 8` bytes per
column, column after column.

What happens to each character before its glyph is looked up: see `text.characters`. Text that is not simply one
glyph after another (right-to-left, joined, with marks) goes to `rendering.shaper`, and changes nothing for the rest.
"""

import hashlib
import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from ..fonts.chain import cell_width, load_atlases
from ..fonts.hexbox import draw_hex_box
from ..fonts.shaped_font import shaping_engine
from ..fonts.source import GlyphSource
from ..text.bidi import embedding_levels
from ..text.characters import (
    CharacterPolicy,
    MissingGlyphError,
    UnsupportedScriptError,
    describe,
    has_surrogates,
    unsupported_script,
)
from ..text.properties import tables_digest
from ..text.unicode_data import UNICODE_VERSION
from .pieces import Piece
from .shaper import TextShaper, needs_shaping
from .strip import PackedStrip

# Counts the changes of what shaped text looks like: where it is cut into units, and how these are put together.
LAYOUT = 2


class _CellTable(dict[str, bytes]):
    """Packed columns of each character, looked up in the atlases at first use; the loop over a text stays in C."""

    def __init__(self, atlases: tuple[GlyphSource, ...], policy: CharacterPolicy) -> None:
        super().__init__()
        self.atlases, self.policy = atlases, policy
        self.box_unit = cell_width(atlases) or 1
        self.has_warned = False
        self.boxes: set[str] = set()

    def __missing__(self, char: str) -> bytes:
        cell = self.find(char)
        if cell is None:
            if self.policy.missing == "error":
                raise MissingGlyphError([char], [atlas.name for atlas in self.atlases])
            self.warn(char)
            self.boxes.add(char)
            cell = draw_hex_box(char, self.atlases[0].height, self.box_unit)
        self[char] = cell
        return cell

    def find(self, char: str) -> bytes | None:
        """Return the columns of a character's own glyph; None if it has none.

        Raises:
            UnsupportedScriptError: if the character needs shaping, unless `unsupported="missing"`.
        """
        script = None if self.policy.shapes else unsupported_script(char)
        if script is not None:
            if self.policy.unsupported == "error":
                raise UnsupportedScriptError(char, script)
            return None
        for atlas in self.atlases:
            index = atlas.index(char)
            if index >= 0:
                return atlas.glyph(index)
        return None

    def warn(self, char: str) -> None:
        """Say once that boxes are being drawn."""
        if self.policy.missing == "warn" and not self.has_warned:
            self.has_warned = True
            warnings.warn(
                f"no glyph for {describe(char)} in atlas {', '.join(atlas.name for atlas in self.atlases)}: it and "
                "other such characters are drawn as boxes or U+FFFD (said once per renderer; see coverage)",
                UserWarning,
                stacklevel=2,
            )


@dataclass(frozen=True)
class _UniformCells:
    """Cells of one width as array items, so that a text is drawn by one `take`.

    Attributes:
        index: `[characters]`, position in `cells` of each code point below its length; 0 = not here.
        cells: `[cells]` of a void type as long as a packed cell; item 0 is unused.
        width: Columns of a cell.
    """

    index: np.ndarray
    cells: np.ndarray
    width: int

    @classmethod
    def build(cls, table: _CellTable, limit: int, width: int) -> "_UniformCells":
        """Collect the glyphs of `width` columns below code point `limit`."""
        height = table.atlases[0].height
        index = np.zeros(limit, np.uint16)
        cells = [bytes(width * height // 8)]
        codes = np.unique(
            np.concatenate([atlas.code_points[atlas.code_points < limit] for atlas in table.atlases])
        )
        for code in codes.tolist():
            if unsupported_script(chr(code)) is None:
                cell = table.find(chr(code))
                if cell is not None and len(cell) == len(cells[0]):
                    index[code] = len(cells)
                    cells.append(cell)
        return cls(index, np.frombuffer(b"".join(cells), f"V{len(cells[0])}"), width)


class StripRenderer:
    """Draws texts as packed strips with a chain of glyph atlases. Immutable, cheap to build, picklable.

    Args:
        atlases: Atlases (or names, or paths) and fonts ([`ShapedFont`], or a .ttf, .otf or .ttc file as path or
            bytes), asked for a character, or a cluster of them, in this order; all of one height.
        missing: What to do with a character no atlas covers: `"error"`, `"hexbox"` (draw its code in a box) or
            `"warn"` (the same, with one warning).
        newline: `"space"` or `"symbol"` (`↵`), for line and paragraph breaks of every kind.
        tab: `"space"`, or a number of spaces from 1 to 16.
        normalize: `"NFC"`, or None to draw the text as it is.
        unsupported: What to do with text that needs right-to-left layout, joining or stacking: `"shape"`, `"cells"`
            (the same, but letters that the chain cannot conjoin are drawn side by side, with visible viramas, where
            `"shape"` raises), `"error"`, or `"missing"` to treat its characters as missing ones.

    Raises:
        ValueError: for an unknown setting, no atlas, or atlases of different heights.
    """

    def __init__(
        self,
        atlases: "Sequence[str | bytes | os.PathLike[str] | GlyphSource]" = ("fixed-5x8",),
        missing: str = "error",
        newline: str = "space",
        tab: str | int = "space",
        normalize: str | None = "NFC",
        unsupported: str = "shape",
    ) -> None:
        self._policy = CharacterPolicy(missing, newline, tab, normalize, unsupported)
        self._atlases = load_atlases(atlases)
        self._table = _CellTable(self._atlases, self._policy)
        self._shaper: TextShaper | None = None
        if self._policy.shapes:
            self._shaper = TextShaper(self._atlases, self._policy, self._table.__getitem__)
        # Built at first use, because a renderer is often made only to be sent to another process.
        self._uniform: _UniformCells | None = None
        self._ascii: np.ndarray | None = None

    @property
    def atlases(self) -> tuple[GlyphSource, ...]:
        """The glyph atlases, in the order in which they are asked."""
        return self._atlases

    @property
    def policy(self) -> CharacterPolicy:
        """The treatment of characters without a plain glyph."""
        return self._policy

    @property
    def boxed(self) -> frozenset[str]:
        """The characters it has drawn as boxes so far, having no glyph for them."""
        return frozenset(self._table.boxes)

    @property
    def height(self) -> int:
        """Rows of every strip."""
        return self._atlases[0].height

    def fingerprint(self) -> str:
        """Return a sha256 over the glyphs and all settings: equal fingerprints draw equal pixels."""
        parts: dict[str, Any] = {"atlases": [atlas.sha256 for atlas in self._atlases], **asdict(self._policy)}
        parts["characters"] = tables_digest()
        if self._policy.shapes:
            parts["engine"] = self.engine
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def engine(self) -> str:
        """What shapes text here: versions of Unicode, of the rules of layout, and of HarfBuzz if there is a font."""
        has_fonts = self._shaper is not None and self._shaper.has_fonts
        return f"Unicode {UNICODE_VERSION}, layout {LAYOUT}" + (f", {shaping_engine()}" if has_fonts else "")

    @property
    def shaper(self) -> TextShaper | None:
        """What draws text that needs shaping; None unless `unsupported` is `"shape"` or `"cells"`."""
        return self._shaper

    def normalise(self, text: str) -> str:
        """Return the text that is drawn for `text`; see [`CharacterPolicy.normalise`]."""
        _check_text(text)
        if self._is_shaped(text):
            return self._shaper.normalise(text)  # type: ignore[union-attr]
        return self._policy.normalise(text)

    def _is_shaped(self, text: str) -> bool:
        return self._shaper is not None and needs_shaping(text, self._shaper.has_fonts)

    def coverage(self, text: str) -> list[str]:
        """Return, sorted, the characters of `text` that have no glyph to be drawn with.

        Characters of unsupported scripts are among them. Empty: the text can be drawn.
        """
        normal = self.normalise(text)
        if self._is_shaped(normal):
            return self._shaper.missing(normal)  # type: ignore[union-attr]
        unsupported = self._policy.unsupported if self._policy.shapes else "missing"
        finder = _CellTable(self._atlases, CharacterPolicy(unsupported=unsupported))
        return [char for char in sorted(set(normal)) if finder.find(char) is None]

    def substitutions(self, text: str) -> dict[str, list[str]]:
        """Tell which parts of a text are not drawn by the first member of the chain, or not as they should be.

        Returns:
            Name of an atlas or font -> the clusters it draws in place of the first one, sorted; `"(box)"` -> what no
            member covers; `"(apart)"` -> clusters whose letters stand side by side though they belong together.
        """
        found: dict[str, set[str]] = {}
        text = self.normalise(text)
        if self._is_shaped(text):
            for piece in self._shaper.pieces(text):  # type: ignore[union-attr]
                name = "(apart)" if piece.is_unjoined else piece.source or "(box)"
                found.setdefault(name, set()).add(text[piece.start : piece.stop])
        else:
            for char in set(text):
                names = [atlas.name for atlas in self._atlases if atlas.index(char) >= 0]
                found.setdefault(names[0] if names else "(box)", set()).add(char)
        found.pop(self._atlases[0].name, None)
        return {name: sorted(clusters) for name, clusters in sorted(found.items())}

    def render_bytes(self, text: str) -> bytes:
        """Draw a text.

        Args:
            text: Any text; line breaks, tabs and invisible characters are normalised away.

        Returns:
            Packed columns, `height // 8` bytes each; empty if nothing is drawn.

        Raises:
            MissingGlyphError: for characters no atlas covers, under `missing="error"`.
            UnsupportedScriptError: for text that needs shaping or right-to-left layout.
            TypeError: if `text` is not a str.
        """
        _check_text(text)
        if text.isascii() and text.isprintable():
            cells = self._ascii if self._ascii is not None else self._prepare_cells()
            if len(cells):
                return cells.take(np.frombuffer(text.encode(), np.uint8)).tobytes()
            return self._join(text)
        columns = self._draw_line(text)
        return self._draw(self._normalise(text)) if columns is None else columns

    def _draw_line(self, text: str) -> bytes | None:
        """Draw a text that needs shaping and nothing else, word by word; None for any other."""
        if self._shaper is None:
            return None
        try:
            return self._shaper.lines.draw(text)
        except MissingGlyphError:
            raise self._all_missing(text) from None

    def remember(self, texts: Sequence[str]) -> None:
        """Draw the new words of several texts together, which takes less time than one by one.

        What is drawn later is the same with and without. [`render_batch`] calls it.

        Args:
            texts: Texts that will be drawn; what cannot be drawn in this way is left alone.
        """
        if self._shaper is not None:
            self._shaper.lines.remember(
                [text for text in texts if isinstance(text, str) and not text.isascii()]
            )

    def render(self, text: str) -> PackedStrip:
        """Draw a text, with the column of every character; see [`render_bytes`]."""
        return self.render_batch([text])[0]

    def render_batch(self, texts: Sequence[str]) -> list[PackedStrip]:
        """Draw texts, with the column of every character; what the processor calls.

        Args:
            texts: See [`render_bytes`], which names the errors as well.

        Returns:
            A strip for each text, in their order. Where the characters of shaped text stand is worked out when a strip
            is asked for it.
        """
        self.remember(texts)
        return [self._render_one(text) for text in texts]

    def _render_one(self, text: str) -> PackedStrip:
        if isinstance(text, str) and not text.isascii():
            columns = self._draw_line(text)
            if columns is None and self._is_shaped(text):
                columns = self._draw(self._normalise(text))
            if columns is not None:
                return PackedStrip.deferred(columns, self.height, partial(self._render_whole, text))
        if isinstance(text, str) and text.isascii() and text.isprintable():
            cells = self._ascii if self._ascii is not None else self._prepare_cells()
            if len(cells):
                width = cells.itemsize * 8 // self.height
                starts = np.arange(0, len(text) * width + 1, width, dtype=np.int32)
                return PackedStrip(self.render_bytes(text), self.height, len(text) * width, text, starts)
        return self._render_whole(text)

    def _render_whole(self, text: str) -> PackedStrip:
        """Draw a text and find the column of every character."""
        _check_text(text)
        text = self._normalise(text)
        size = self.height // 8
        if self._is_shaped(text):
            return self._render_shaped(text)
        columns = self._draw(text)
        num_columns = len(columns) // size
        width = self._uniform.width if self._uniform is not None else 0
        if width and num_columns == width * len(text):
            starts = np.arange(0, num_columns + 1, width, dtype=np.int32)
        else:
            lengths = np.fromiter(map(len, map(self._table.__getitem__, text)), np.int32, len(text))
            starts = np.concatenate([[0], np.cumsum(lengths // size)]).astype(np.int32)
        return PackedStrip(columns, self.height, num_columns, text, starts)

    def _render_shaped(self, text: str) -> PackedStrip:
        pieces = self._shaped_pieces(text)
        size = self.height // 8
        spans = np.zeros((len(text), 2), np.int32)
        position = 0
        for piece in pieces:
            width = len(piece.cell) // size
            spans[piece.start : piece.stop] = position, position + width
            position += width
        starts = np.append(spans[:, 0], np.int32(position))
        is_right = embedding_levels(text)[1] == 1
        columns = b"".join([piece.cell for piece in pieces])
        return PackedStrip(columns, self.height, position, text, starts, spans, is_right)

    def _shaped_pieces(self, text: str) -> list[Piece]:
        try:
            return self._shaper.pieces(text)  # type: ignore[union-attr]
        except MissingGlyphError:
            raise self._all_missing(text) from None

    def _all_missing(self, text: str) -> MissingGlyphError:
        """The error that names every character of a text without a glyph, not the first alone."""
        return MissingGlyphError(self.coverage(text), [atlas.name for atlas in self._atlases])

    def measure(self, text: str) -> int:
        """Return the number of pixel columns of a text."""
        return len(self.render_bytes(text)) * 8 // self.height

    def _normalise(self, text: str) -> str:
        normal = self.normalise(text)
        if self._policy.missing == "warn" and normal is not text and has_surrogates(text):
            self._table.warn(next(char for char in text if has_surrogates(char)))
        return normal

    def _draw(self, text: str) -> bytes:
        """Draw a text that is normalised already."""
        if self._ascii is None:
            self._prepare_cells()
        uniform = self._uniform
        if uniform is not None:
            try:
                codes = np.frombuffer(text.encode("utf-16-le"), "<u2")
            except UnicodeEncodeError:  # a lone surrogate
                return self._join(text)
            # Above U+FFFF there are surrogate pairs here, which have no cells and lead to the join below.
            index = uniform.index.take(codes)
            if index.all():
                return uniform.cells.take(index).tobytes()
        if self._is_shaped(text):
            try:
                return self._shaper.columns(text)  # type: ignore[union-attr]
            except MissingGlyphError:
                raise self._all_missing(text) from None
        return self._join(text)

    def _join(self, text: str) -> bytes:
        try:
            return b"".join(map(self._table.__getitem__, text))
        except MissingGlyphError:
            is_error = self._policy.unsupported == "error"
            missing = [char for char in self.coverage(text) if not (is_error and unsupported_script(char))]
            raise MissingGlyphError(missing, [atlas.name for atlas in self._atlases]) from None

    def _prepare_cells(self) -> np.ndarray:
        """Build the cells for drawing with one `take`; return those of ASCII (none if their widths differ)."""
        width = cell_width(self._atlases)
        if width is not None:
            self._uniform = _UniformCells.build(self._table, 0x10000, width)
        printable = [self._table.find(chr(code)) for code in range(32, 127)]
        size = len(printable[0] or b"")
        if size and all(cell is not None and len(cell) == size for cell in printable):
            joined = bytes(32 * size) + b"".join(cell or b"" for cell in printable) + bytes(129 * size)
            ascii_cells = np.frombuffer(joined, f"V{size}")
        else:
            ascii_cells = np.zeros(0, "V1")
        self._ascii = ascii_cells
        return ascii_cells

    def __repr__(self) -> str:
        settings = ", ".join(f"{key}={value!r}" for key, value in asdict(self._policy).items())
        return f"StripRenderer({[atlas.name for atlas in self._atlases]}, {settings})"

    def __reduce__(self) -> tuple:
        return _rebuild_renderer, (self._atlases, asdict(self._policy))


def _check_text(text: Any) -> None:
    if not isinstance(text, str):
        raise TypeError(f"text must be a str, got {type(text).__name__}")


def _rebuild_renderer(atlases: tuple[GlyphSource, ...], settings: dict[str, Any]) -> StripRenderer:
    return StripRenderer(atlases, **settings)


__all__ = ["StripRenderer"]
