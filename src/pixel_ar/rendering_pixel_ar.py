# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Text to strip: glyph atlases and the renderer (first working version; the interface is final, the rest grows)."""

import hashlib
import json
import struct
import unicodedata
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np


class MissingGlyphError(ValueError):
    """A character that no atlas covers."""


class GlyphAtlas:
    """Pre-rasterised 1-bit glyphs of one font at one size."""

    def __init__(self, name, height, code_points, widths, columns, license="", source=""):
        self.name, self.height, self.license, self.source = name, int(height), license, source
        self.code_points = np.ascontiguousarray(code_points, dtype=np.uint32)
        self.widths = np.ascontiguousarray(widths, dtype=np.uint8)
        self.columns = np.ascontiguousarray(columns, dtype=np.uint8)
        self.offsets = np.concatenate([[0], np.cumsum(self.widths, dtype=np.int64)]).astype(np.uint32)
        digest = hashlib.sha256(b"pixel_ar atlas 1\0" + struct.pack("<II", self.height, len(self.code_points)))
        for array, kind in ((self.code_points, "<u4"), (self.widths, "u1"), (self.columns, "u1")):
            digest.update(array.astype(kind).tobytes())
        self.sha256 = digest.hexdigest()

    def __contains__(self, char: str) -> bool:
        i = int(np.searchsorted(self.code_points, ord(char)))
        return i < len(self.code_points) and int(self.code_points[i]) == ord(char)

    @classmethod
    def load(cls, name_or_path: "str | Path") -> "GlyphAtlas":
        bundled = Path(__file__).parent / "atlases" / f"{name_or_path}.npz"
        path = bundled if bundled.is_file() else Path(name_or_path)
        with np.load(path, allow_pickle=False) as data:
            meta = json.loads(bytes(data["metadata"]))
            return cls(meta["name"], meta["height"], data["code_points"], data["widths"], data["columns"],
                       meta["license"], meta["source"])

    def save(self, path: "str | Path") -> None:
        meta = {"name": self.name, "height": self.height, "license": self.license, "source": self.source}
        members = {
            "metadata": np.frombuffer(json.dumps(meta, sort_keys=True).encode(), np.uint8),
            "code_points": self.code_points.astype("<u4"), "widths": self.widths, "columns": self.columns,
        }
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for key, array in members.items():
                buffer = BytesIO()
                np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{key}.npy", (1980, 1, 1, 0, 0, 0)), buffer.getvalue(),
                                 zipfile.ZIP_DEFLATED, 9)


@dataclass(frozen=True)
class PackedStrip:
    """One rendered line; bit set = ink, top row = most significant bit, column after column."""

    columns: bytes
    height: int
    num_columns: int
    text: str
    char_columns: np.ndarray

    def to_array(self) -> np.ndarray:
        """Return the pixels, uint8 ``[H, W]``, 255 = background, 0 = ink."""
        packed = np.frombuffer(self.columns, np.uint8).reshape(self.num_columns, self.height // 8)
        return np.ascontiguousarray(255 - 255 * np.unpackbits(packed, axis=1).T)


class StripRenderer:
    """Text to packed columns over a chain of glyph atlases."""

    def __init__(self, atlases: "Sequence[str | GlyphAtlas | Path]" = ("fixed-5x8",), missing: str = "error") -> None:
        self.atlases = tuple(a if isinstance(a, GlyphAtlas) else GlyphAtlas.load(a) for a in atlases)
        self.height = self.atlases[0].height
        self.missing = missing
        table: dict[str, bytes] = {}
        step = self.height // 8
        for atlas in reversed(self.atlases):
            raw = atlas.columns.tobytes()
            for code, start, stop in zip(atlas.code_points, atlas.offsets[:-1], atlas.offsets[1:], strict=True):
                table[chr(code)] = raw[start * step : stop * step]
        self._table = table

    def normalise(self, text: str) -> str:
        text = unicodedata.normalize("NFC", text)
        return text.replace("\r\n", " ").replace("\n", " ").replace("\r", " ").replace("\t", " ")

    def render_bytes(self, text: str) -> bytes:
        text = self.normalise(text)
        try:
            return b"".join(map(self._table.__getitem__, text))
        except KeyError as error:
            raise MissingGlyphError(f"no atlas covers {error.args[0]!r}") from None

    def measure(self, text: str) -> int:
        return len(self.render_bytes(text)) * 8 // self.height

    def render(self, text: str) -> PackedStrip:
        columns = self.render_bytes(text)
        text = self.normalise(text)
        starts = np.concatenate([[0], np.cumsum([len(self._table[c]) * 8 // self.height for c in text])])
        return PackedStrip(columns, self.height, len(columns) * 8 // self.height, text, starts.astype(np.int32))
