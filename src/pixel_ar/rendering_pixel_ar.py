# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Text to strip: glyph atlases and the strip renderer.

A strip is the glyph columns of its characters, joined. Nothing is hinted, kerned or anti-aliased, so the same
text gives the same bytes on every machine, and a strip costs a table lookup. Columns stay packed, eight rows a
byte, until somebody needs pixels: bit set = ink, most significant bit = top row, `height // 8` bytes per
column, column after column.

What happens to each character before its glyph is looked up: see `characters_pixel_ar`.
"""

import hashlib
import json
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .characters_pixel_ar import (
    CharacterPolicy,
    MissingGlyphError,
    UnsupportedScriptError,
    describe,
    has_surrogates,
    unsupported_script,
)
from .fonts_pixel_ar import draw_font
from .hexbox_pixel_ar import draw_hex_box

_ATLAS_FOLDER = Path(__file__).parent / "atlases"
_ATLAS_FORMAT = "pixel_ar glyph atlas 1"


def bundled_atlases() -> tuple[str, ...]:
    """Return the names of the atlases that come with the package, sorted."""
    return tuple(sorted(path.stem for path in _ATLAS_FOLDER.glob("*.npz")))


class GlyphAtlas:
    """Pre-rasterised 1-bit glyphs of one font at one size. Immutable.

    Args:
        name: Name of the atlas; a file name without suffix.
        height: Rows of every glyph, a multiple of 8.
        code_points: `[G]`, strictly ascending.
        widths: `[G]`, columns of each glyph, 1 to 255.
        columns: uint8 `[sum(widths) * height // 8]`, the packed columns of all glyphs in turn.
        license: Licence of the font.
        source: Package and version the glyphs were taken from.
        provenance: How they were made, as JSON values; see [`from_font`].

    Raises:
        ValueError: if the arrays do not fit together.
    """

    def __init__(
        self,
        name: str,
        height: int,
        code_points: Any,
        widths: Any,
        columns: Any,
        license: str = "",
        source: str = "",
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        self.name, self.height, self.license, self.source = str(name), int(height), str(license), str(source)
        self.provenance = dict(provenance or {})
        self.code_points = np.array(code_points, dtype=np.uint32)
        self.widths = np.array(widths, dtype=np.uint8)
        self.columns = np.array(columns, dtype=np.uint8)
        self._check()
        self.offsets = np.concatenate([[0], np.cumsum(self.widths, dtype=np.int64)]).astype(np.uint32)
        for array in (self.code_points, self.widths, self.columns, self.offsets):
            array.setflags(write=False)
        digest = hashlib.sha256(_ATLAS_FORMAT.encode() + struct.pack("<II", self.height, len(self)))
        for array in (self.code_points.astype("<u4"), self.widths, self.columns):
            digest.update(array.tobytes())
        self.sha256 = digest.hexdigest()

    def _check(self) -> None:
        if self.height < 8 or self.height % 8:
            raise ValueError(
                f"atlas {self.name!r}: height must be a positive multiple of 8, got {self.height}"
            )
        if not len(self.code_points):
            raise ValueError(f"atlas {self.name!r} has no glyphs")
        if (np.diff(self.code_points.astype(np.int64)) <= 0).any() or self.code_points[-1] > 0x10FFFF:
            raise ValueError(f"atlas {self.name!r}: code_points must ascend strictly and end below U+110000")
        expected = int(self.widths.sum(dtype=np.int64)) * self.height // 8
        if (
            self.widths.shape != self.code_points.shape
            or (self.widths == 0).any()
            or len(self.columns) != expected
        ):
            raise ValueError(
                f"atlas {self.name!r}: {len(self.code_points)} code points, {len(self.widths)} widths (all must be at "
                f"least 1) and {len(self.columns)} bytes of columns (expected {expected}) do not fit together"
            )

    @classmethod
    def load(cls, name_or_path: "str | os.PathLike[str]") -> "GlyphAtlas":
        """Load a bundled atlas by name, or any atlas by the path of its `.npz` file.

        Raises:
            FileNotFoundError: if there is neither; lists the bundled names.
            ValueError: if the file is damaged or is not a glyph atlas.
        """
        if str(name_or_path) in bundled_atlases():
            return _load_bundled(str(name_or_path))
        path = Path(name_or_path)
        if not path.is_file():
            raise FileNotFoundError(
                f"no glyph atlas {str(name_or_path)!r}: give the path of an .npz file or one of the bundled names "
                f"{', '.join(bundled_atlases()) or '(none installed)'}"
            )
        return cls._read(path)

    @classmethod
    def from_font(
        cls,
        font: "str | os.PathLike[str] | bytes",
        size: float,
        height: int,
        characters: Iterable[str] | None = None,
        name: str | None = None,
        baseline: int | None = None,
        threshold: float = 0.5,
        overflow: str = "error",
        license: str = "",
    ) -> "GlyphAtlas":
        """Draw an atlas from an outline font: proportional, unkerned, 1 bit a pixel, all glyphs on one baseline.

        The same font, arguments and Pillow give the same bytes. A large font takes some seconds; save the atlas.

        Args:
            font: Path or contents of a .ttf, .otf or .ttc (its first font) file.
            size: Pixels per em, fractions allowed; points times dpi / 72.
            height: Rows of the strip, a multiple of 8.
            characters: The characters to draw, as strings; by default all that the font has and that can be drawn one
                glyph after another.
            name: Name of the atlas; by default that of the font and the size.
            baseline: Rows above the baseline; by default those that lose the least ink, of ASCII before all.
            threshold: Share of a pixel that must be covered to make it ink. A character too thin for it is cut at half
                its own strongest coverage, so that none vanishes.
            overflow: What becomes of characters higher than the strip: `"error"`; `"cut"`, cut off, as the published
                models saw them, or `"drop"`, left out, both with a warning that names them. Ink wider than the advance
                widens the glyph instead.
            license: Licence of the font. The atlas holds its shapes and is saved with every processor that uses it.

        Returns:
            An atlas whose `provenance` holds the font's name and sha256, size, baseline, threshold, the overflowing and
            the faint characters, and the versions of Pillow and FreeType.

        Raises:
            ValueError: for a font that cannot be read, a character it lacks, overflowing characters, or an argument out
                of range.
            FileNotFoundError: for a path that leads to no file.
        """
        drawn = draw_font(font, size, height, characters, baseline, threshold, overflow)
        facts = drawn.provenance
        source = f"{facts['font']}, {facts['size']:g} pixels, sha256 {facts['font_sha256']}"
        arrays = (drawn.code_points, drawn.widths, np.frombuffer(drawn.columns, np.uint8))
        return cls(name or drawn.name, height, *arrays, license, source, facts)

    @classmethod
    def _read(cls, path: Path) -> "GlyphAtlas":
        try:
            with np.load(path, allow_pickle=False) as data:
                metadata = json.loads(data["metadata"].tobytes())
                if metadata["format"] != _ATLAS_FORMAT:
                    raise ValueError(f"its format is {metadata['format']!r}, not {_ATLAS_FORMAT!r}")
                fields = {key: metadata[key] for key in ("name", "height", "license", "source")}
                fields["provenance"] = metadata.get("provenance")
                atlas = cls(**fields, **{key: data[key] for key in ("code_points", "widths", "columns")})
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            EOFError,
            OSError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise ValueError(f"{path} is damaged or not a glyph atlas: {error}") from error
        if atlas.sha256 != metadata.get("sha256"):
            raise ValueError(
                f"{path} is damaged: its glyphs have sha256 {atlas.sha256}, its metadata say {metadata.get('sha256')}"
            )
        return atlas

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Write the atlas as an `.npz` file; the same atlas gives the same bytes (with the same zlib)."""
        metadata = {key: getattr(self, key) for key in ("name", "height", "license", "source", "sha256")}
        if self.provenance:
            metadata["provenance"] = self.provenance
        text = json.dumps({"format": _ATLAS_FORMAT, **metadata}, sort_keys=True)
        members = {
            "metadata": np.frombuffer(text.encode(), np.uint8),
            "code_points": self.code_points.astype("<u4"),
            "widths": self.widths,
            "columns": self.columns,
        }
        # np.savez would stamp the members with the current time.
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for key, array in members.items():
                buffer = BytesIO()
                np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
                info = zipfile.ZipInfo(f"{key}.npy", (1980, 1, 1, 0, 0, 0))
                info.create_system, info.external_attr = 3, 0o644 << 16  # else they depend on the platform
                archive.writestr(info, buffer.getvalue(), zipfile.ZIP_DEFLATED, 9)

    def index(self, char: str) -> int:
        """Return the position of a character's glyph, or -1."""
        index = int(np.searchsorted(self.code_points, np.uint32(ord(char))))
        return index if index < len(self) and int(self.code_points[index]) == ord(char) else -1

    def glyph(self, index: int) -> bytes:
        """Return the packed columns of the glyph at `index`."""
        size = self.height // 8
        return self.columns[int(self.offsets[index]) * size : int(self.offsets[index + 1]) * size].tobytes()

    def __contains__(self, char: object) -> bool:
        return isinstance(char, str) and len(char) == 1 and self.index(char) >= 0

    def __len__(self) -> int:
        return len(self.code_points)

    def __repr__(self) -> str:
        return f"GlyphAtlas({self.name!r}, height={self.height}, {len(self)} glyphs, sha256={self.sha256[:12]}...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GlyphAtlas) and (self.name, self.sha256) == (other.name, other.sha256)

    def __hash__(self) -> int:
        return hash((self.name, self.sha256))

    def __copy__(self) -> "GlyphAtlas":
        return self

    def __deepcopy__(self, memo: dict) -> "GlyphAtlas":
        return self

    def __reduce__(self) -> tuple:
        arguments = (
            self.name,
            self.height,
            self.code_points,
            self.widths,
            self.columns,
            self.license,
            self.source,
            self.provenance,
        )
        return type(self), arguments


@cache
def _load_bundled(name: str) -> GlyphAtlas:
    return GlyphAtlas._read(_ATLAS_FOLDER / f"{name}.npz")


@dataclass(frozen=True)
class PackedStrip:
    """One rendered line, packed.

    Attributes:
        columns: `num_columns * height // 8` bytes; bit set = ink, most significant bit = top row.
        height: Rows.
        num_columns: Pixel columns.
        text: The normalised text that is drawn.
        char_columns: int32 `[len(text) + 1]`, the column where each character starts, then `num_columns`.
    """

    columns: bytes
    height: int
    num_columns: int
    text: str
    char_columns: np.ndarray = field(compare=False, repr=False)

    def to_array(self) -> np.ndarray:
        """Return the pixels as uint8 `[H, W]`: 255 = background, 0 = ink."""
        packed = np.frombuffer(self.columns, np.uint8).reshape(self.num_columns, self.height // 8)
        # Inverting the packed bytes touches an eighth of the data.
        return np.ascontiguousarray(np.unpackbits(~packed, axis=1).T) * np.uint8(255)

    def to_pil(self) -> Image.Image:
        """Return the strip as an image of mode `L`."""
        return Image.fromarray(self.to_array())


class _CellTable(dict[str, bytes]):
    """Packed columns of each character, looked up in the atlases at first use; the loop over a text stays in C."""

    def __init__(self, atlases: tuple[GlyphAtlas, ...], policy: CharacterPolicy) -> None:
        super().__init__()
        self.atlases, self.policy = atlases, policy
        self.box_unit = cell_width(atlases) or 1
        self.has_warned = False

    def __missing__(self, char: str) -> bytes:
        cell = self.find(char)
        if cell is None:
            if self.policy.missing == "error":
                raise MissingGlyphError([char], [atlas.name for atlas in self.atlases])
            self.warn(char)
            cell = draw_hex_box(char, self.atlases[0].height, self.box_unit)
        self[char] = cell
        return cell

    def find(self, char: str) -> bytes | None:
        """Return the columns of a character's own glyph; None if it has none.

        Raises:
            UnsupportedScriptError: if the character needs shaping, unless `unsupported="missing"`.
        """
        script = unsupported_script(char)
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


def cell_width(atlases: tuple[GlyphAtlas, ...]) -> int | None:
    """Return the width of every glyph, or None if they differ."""
    widths = {int(atlas.widths[0]) for atlas in atlases}
    is_uniform = len(widths) == 1 and all((atlas.widths == atlas.widths[0]).all() for atlas in atlases)
    return widths.pop() if is_uniform else None


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
        atlases: Atlases (or names, or paths), asked for a glyph in this order; all of one height.
        missing: What to do with a character no atlas covers: `"error"`, `"hexbox"` (draw its code in a box) or
            `"warn"` (the same, with one warning).
        newline: `"space"` or `"symbol"` (`↵`), for line and paragraph breaks of every kind.
        tab: `"space"`, or a number of spaces from 1 to 16.
        normalize: `"NFC"`, or None to draw the text as it is.
        unsupported: `"error"`, or `"missing"` to treat characters that need shaping as missing ones.

    Raises:
        ValueError: for an unknown setting, no atlas, or atlases of different heights.
    """

    def __init__(
        self,
        atlases: "Sequence[str | os.PathLike[str] | GlyphAtlas]" = ("fixed-5x8",),
        missing: str = "error",
        newline: str = "space",
        tab: str | int = "space",
        normalize: str | None = "NFC",
        unsupported: str = "error",
    ) -> None:
        self._policy = CharacterPolicy(missing, newline, tab, normalize, unsupported)
        self._atlases = load_atlases(atlases)
        self._table = _CellTable(self._atlases, self._policy)
        # Built at first use, because a renderer is often made only to be sent to another process.
        self._uniform: _UniformCells | None = None
        self._ascii: np.ndarray | None = None

    @property
    def atlases(self) -> tuple[GlyphAtlas, ...]:
        """The glyph atlases, in the order in which they are asked."""
        return self._atlases

    @property
    def policy(self) -> CharacterPolicy:
        """The treatment of characters without a plain glyph."""
        return self._policy

    @property
    def height(self) -> int:
        """Rows of every strip."""
        return self._atlases[0].height

    def fingerprint(self) -> str:
        """Return a sha256 over the glyphs and all settings: equal fingerprints draw equal pixels."""
        parts = {"atlases": [atlas.sha256 for atlas in self._atlases], **asdict(self._policy)}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def normalise(self, text: str) -> str:
        """Return the text that is drawn for `text`; see [`CharacterPolicy.normalise`]."""
        return self._policy.normalise(text)

    def coverage(self, text: str) -> list[str]:
        """Return, sorted, the characters of `text` that have no glyph to be drawn with.

        Characters of unsupported scripts are among them. Empty: the text can be drawn.
        """
        finder = _CellTable(self._atlases, CharacterPolicy(unsupported="missing"))
        return [char for char in sorted(set(self.normalise(text))) if finder.find(char) is None]

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
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, got {type(text).__name__}")
        if text.isascii() and text.isprintable():
            cells = self._ascii if self._ascii is not None else self._prepare_cells()
            if len(cells):
                return cells.take(np.frombuffer(text.encode(), np.uint8)).tobytes()
            return self._join(text)
        return self._draw(self._normalise(text))

    def render(self, text: str) -> PackedStrip:
        """Draw a text, with the column of every character; see [`render_bytes`]."""
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, got {type(text).__name__}")
        text = self._normalise(text)
        columns = self._draw(text)
        size = self.height // 8
        num_columns = len(columns) // size
        width = self._uniform.width if self._uniform is not None else 0
        if width and num_columns == width * len(text):
            starts = np.arange(0, num_columns + 1, width, dtype=np.int32)
        else:
            lengths = np.fromiter(map(len, map(self._table.__getitem__, text)), np.int32, len(text))
            starts = np.concatenate([[0], np.cumsum(lengths // size)]).astype(np.int32)
        return PackedStrip(columns, self.height, num_columns, text, starts)

    def measure(self, text: str) -> int:
        """Return the number of pixel columns of a text."""
        return len(self.render_bytes(text)) * 8 // self.height

    def _normalise(self, text: str) -> str:
        normal = self._policy.normalise(text)
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


def _rebuild_renderer(atlases: tuple[GlyphAtlas, ...], settings: dict[str, Any]) -> StripRenderer:
    return StripRenderer(atlases, **settings)


def load_atlases(atlases: "Sequence[str | os.PathLike[str] | GlyphAtlas]") -> tuple[GlyphAtlas, ...]:
    """Load what is not loaded yet and check that all heights agree.

    Raises:
        ValueError: for no atlas, or atlases of different heights.
    """
    if isinstance(atlases, str | os.PathLike | GlyphAtlas):
        atlases = [atlases]
    loaded = tuple(atlas if isinstance(atlas, GlyphAtlas) else GlyphAtlas.load(atlas) for atlas in atlases)
    if not loaded:
        raise ValueError("at least one glyph atlas is needed, got none")
    if len({atlas.height for atlas in loaded}) > 1:
        heights = ", ".join(f"{atlas.name} {atlas.height}" for atlas in loaded)
        raise ValueError(f"all atlases of a renderer must have the same height, got {heights}")
    return loaded


__all__ = [
    "CharacterPolicy",
    "GlyphAtlas",
    "MissingGlyphError",
    "PackedStrip",
    "StripRenderer",
    "UnsupportedScriptError",
    "bundled_atlases",
]
