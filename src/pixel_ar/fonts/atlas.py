# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Glyph atlases: pre-rasterised 1-bit glyphs of one font at one size, with their hash, and gray levels if wanted.

Columns stay packed, eight rows a byte: bit set = ink, most significant bit = top row, `height // 8` bytes per column,
column after column.
"""

import hashlib
import json
import os
import re
import struct
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import read_arrays
from ..atomic import replacing
from ..limits import MAX_HEIGHT
from ..text.properties import mirror_map
from .outlines import draw_font
from .source import GlyphSource

ATLAS_FOLDER = Path(__file__).parent / "atlases"
_ATLAS_FORMAT = "pixel_ar glyph atlas 1"
_SCALED_NAME = re.compile(r"(.+)-x(\d{1,2})")


def bundled_atlases() -> tuple[str, ...]:
    """Return the names of the atlases that come with the package, sorted."""
    return tuple(sorted(path.stem for path in ATLAS_FOLDER.glob("*.npz")))


class GlyphAtlas(GlyphSource):
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
        levels: uint8 `[sum(widths) * height]`, the coverage (255 = all ink) of each pixel, column after column, for
            gray and coloured strips; None: a pixel is covered or not, as `columns` says.

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
        levels: Any = None,
    ) -> None:
        self.name, self.height, self.license, self.source = str(name), int(height), str(license), str(source)
        self.provenance = dict(provenance or {})
        self.code_points = np.array(code_points, dtype=np.uint32)
        self.widths = np.array(widths, dtype=np.uint8)
        self.columns = np.array(columns, dtype=np.uint8)
        self.levels = None if levels is None else np.array(levels, dtype=np.uint8)
        self._check()
        self.offsets = np.concatenate([[0], np.cumsum(self.widths, dtype=np.int64)]).astype(np.uint32)
        for array in (self.code_points, self.widths, self.columns, self.offsets):
            array.setflags(write=False)
        digest = hashlib.sha256(_ATLAS_FORMAT.encode() + struct.pack("<II", self.height, len(self)))
        for array in (self.code_points.astype("<u4"), self.widths, self.columns):
            digest.update(array.tobytes())
        if self.levels is not None:
            self.levels.setflags(write=False)
            digest.update(b"levels" + self.levels.tobytes())
        self.sha256 = digest.hexdigest()

    def _check(self) -> None:
        if not 8 <= self.height <= MAX_HEIGHT or self.height % 8:
            raise ValueError(
                f"atlas {self.name!r}: height must be a multiple of 8 from 8 to {MAX_HEIGHT}, got {self.height}"
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
        if self.levels is not None and len(self.levels) != 8 * expected:
            raise ValueError(
                f"atlas {self.name!r}: {len(self.levels)} levels, one for each of {8 * expected} pixels are needed"
            )

    @classmethod
    def load(cls, name_or_path: "str | os.PathLike[str]") -> "GlyphAtlas":
        """Load a bundled atlas by name (with `-x2` and the like scaled), or any atlas by the path of its `.npz` file.

        Raises:
            FileNotFoundError: if there is neither; lists the bundled names.
            ValueError: if the file is damaged or is not a glyph atlas.
        """
        if str(name_or_path) in bundled_atlases():
            return _load_bundled(str(name_or_path))
        scaled = _SCALED_NAME.fullmatch(str(name_or_path))
        if scaled and scaled[1] in bundled_atlases():
            return _load_scaled(scaled[1], int(scaled[2]))
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
        mode: str = "1",
    ) -> "GlyphAtlas":
        """Draw an atlas from an outline font: proportional, unkerned, all glyphs on one baseline.

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
            mode: `"1"`, or `"L"` to keep the antialiased levels as well, for strips of mode `"L"` or `"RGB"`; drawn by
                Pillow and kept in the atlas, so another version of Pillow does not change them later.

        Returns:
            An atlas whose `provenance` holds the font's name and sha256, size, baseline, threshold, the overflowing and
            the faint characters, and the versions of Pillow and FreeType.

        Raises:
            ValueError: for a font that cannot be read, a character it lacks, overflowing characters, or an argument out
                of range.
            FileNotFoundError: for a path that leads to no file.
        """
        if mode not in ("1", "L"):
            raise ValueError(f"mode must be '1' or 'L' (colours are made of levels later), got {mode!r}")
        drawn = draw_font(font, size, height, characters, baseline, threshold, overflow, mode == "L")
        facts = drawn.provenance
        source = f"{facts['font']}, {facts['size']:g} pixels, sha256 {facts['font_sha256']}"
        arrays = (drawn.code_points, drawn.widths, np.frombuffer(drawn.columns, np.uint8))
        levels = np.frombuffer(drawn.levels, np.uint8) if mode == "L" else None
        return cls(name or drawn.name, height, *arrays, license, source, facts, levels)

    def scaled(self, factor: int) -> "GlyphAtlas":
        """Return the atlas with every pixel as a square of `factor` by `factor`; its name gets the suffix `-xFACTOR`.

        Sixteen rows become 32, eight become 24 or 32. [`load`] knows `"unifont-16-x2"` as well.

        Raises:
            ValueError: for a factor that is no integer from 1 to 16, or glyphs that get too wide.
        """
        if isinstance(factor, bool) or not isinstance(factor, int) or not 1 <= factor <= 16:
            raise ValueError(f"factor must be an integer from 1 to 16, got {factor!r}")
        if int(self.widths.max()) * factor > 255:
            raise ValueError(
                f"atlas {self.name!r}: glyphs of {int(self.widths.max())} columns are too wide at {factor} times their "
                "size (255 columns); use a smaller factor"
            )
        bits = np.unpackbits(self.columns.reshape(-1, self.height // 8), axis=1)
        columns = np.packbits(bits.repeat(factor, axis=1), axis=1).repeat(factor, axis=0).ravel()
        levels = None
        if self.levels is not None:
            levels = (
                self.levels.reshape(-1, self.height).repeat(factor, axis=1).repeat(factor, axis=0).ravel()
            )
        return type(self)(
            f"{self.name}-x{factor}",
            self.height * factor,
            self.code_points,
            self.widths * np.uint8(factor),
            columns,
            self.license,
            self.source,
            {**self.provenance, "scaled": factor},
            levels,
        )

    @classmethod
    def _read(cls, path: Path) -> "GlyphAtlas":
        data: dict[str, Any] = dict(read_arrays(path))
        try:
            metadata = json.loads(data["metadata"].tobytes())
            if metadata["format"] != _ATLAS_FORMAT:
                raise ValueError(f"its format is {metadata['format']!r}, not {_ATLAS_FORMAT!r}")
            fields = {key: metadata[key] for key in ("name", "height", "license", "source")}
            fields["provenance"] = metadata.get("provenance")
            fields["levels"] = data.get("levels")
            atlas = cls(**fields, **{key: data[key] for key in ("code_points", "widths", "columns")})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
            raise ValueError(f"{path} is damaged or not a glyph atlas: {error}") from error
        if atlas.sha256 != metadata.get("sha256"):
            raise ValueError(
                f"{path} is damaged: its glyphs have sha256 {atlas.sha256}, its metadata say {metadata.get('sha256')}"
            )
        return atlas

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Write the atlas as an `.npz` file; the same atlas gives the same bytes (with the same zlib).

        The file is whole or not there: what was under this name stays until then.
        """
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
        if self.levels is not None:
            members["levels"] = self.levels
        # np.savez would stamp the members with the current time.
        with (
            replacing(path) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        ):
            for key, array in members.items():
                buffer = BytesIO()
                np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
                info = zipfile.ZipInfo(f"{key}.npy", (1980, 1, 1, 0, 0, 0))
                info.create_system, info.external_attr = 3, 0o644 << 16  # else they depend on the platform
                archive.writestr(info, buffer.getvalue(), zipfile.ZIP_DEFLATED, 9)

    @cached_property
    def _places(self) -> np.ndarray:
        """int32 `[0x10000]`: the position of each glyph of the BMP, or -1."""
        places = np.full(0x10000, -1, np.int32)
        count = int(self.code_points.searchsorted(np.uint32(len(places))))
        places[self.code_points[:count]] = np.arange(count)
        return places

    def index(self, char: str) -> int:
        """Return the position of a character's glyph, or -1."""
        code = ord(char)
        if code < len(self._places):
            return int(self._places.item(code))
        # Of the type of the array, which would be converted as a whole otherwise.
        index = int(self.code_points.searchsorted(np.uint32(code)))
        return index if index < len(self) and int(self.code_points[index]) == code else -1

    def glyph(self, index: int) -> bytes:
        """Return the packed columns of the glyph at `index`."""
        size = self.height // 8
        return self.columns[int(self.offsets[index]) * size : int(self.offsets[index + 1]) * size].tobytes()

    def coverage(self, index: int) -> np.ndarray:
        """Return the coverage of the glyph at `index`, uint8 `[height, width]`, 255 = all ink."""
        first, stop = int(self.offsets[index]), int(self.offsets[index + 1])
        if self.levels is None:
            size = self.height // 8
            packed = self.columns[first * size : stop * size].reshape(-1, size)
            return np.unpackbits(packed, axis=1).T * np.uint8(255)
        return self.levels[first * self.height : stop * self.height].reshape(-1, self.height).T

    @property
    def has_levels(self) -> bool:
        """Whether glyphs have gray levels."""
        return self.levels is not None

    @cached_property
    def cell_width(self) -> int | None:
        """Columns of every glyph, or None if they differ."""
        first = int(self.widths[0])
        return first if (self.widths == first).all() else None

    def glyphs(self, code_points: np.ndarray) -> Iterator[tuple[int, bytes]]:
        """See [`GlyphSource.glyphs`]."""
        raw, size = self.columns.tobytes(), self.height // 8
        bounds = (self.offsets * size).tolist()
        for index in self.code_points.searchsorted(code_points.astype(np.uint32)).tolist():
            yield int(self.code_points[index]), raw[bounds[index] : bounds[index + 1]]

    def covers(self, cluster: str) -> bool:
        """Tell whether there is a glyph for every character."""
        return all(self.index(char) >= 0 for char in cluster)

    def draw(self, cluster: str, is_right_to_left: bool) -> bytes | None:
        """Draw a character, or its mirror image; None for several, which are put together from cells."""
        index = self._index_in_run(cluster, is_right_to_left)
        return self.glyph(index) if index >= 0 else None

    def draw_levels(
        self, cluster: str, is_right_to_left: bool
    ) -> tuple[np.ndarray, np.ndarray | None] | None:
        """Draw a character with its levels; see [`GlyphSource.draw_levels`]."""
        index = self._index_in_run(cluster, is_right_to_left)
        return (self.coverage(index), None) if index >= 0 else None

    def _index_in_run(self, cluster: str, is_right_to_left: bool) -> int:
        if len(cluster) != 1:
            return -1
        return self.index(mirror_map().get(cluster, cluster) if is_right_to_left else cluster)

    def __len__(self) -> int:
        return len(self.code_points)

    def __repr__(self) -> str:
        return f"GlyphAtlas({self.name!r}, height={self.height}, {len(self)} glyphs, sha256={self.sha256[:12]}...)"

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
            self.levels,
        )
        return type(self), arguments


@cache
def _load_scaled(name: str, factor: int) -> GlyphAtlas:
    return _load_bundled(name).scaled(factor)


@cache
def _load_bundled(name: str) -> GlyphAtlas:
    return GlyphAtlas._read(ATLAS_FOLDER / f"{name}.npz")


__all__ = ["ATLAS_FOLDER", "GlyphAtlas", "bundled_atlases"]
