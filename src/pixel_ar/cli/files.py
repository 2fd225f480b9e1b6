# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What the commands read and write: texts, pictures, and the note in a picture of how it was drawn."""

import json
import os
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from ..atomic import replacing

_NOTE = "pixel_ar"
_MAX_NOTE = 1 << 16


def read_text(name: str) -> str:
    """The text of a file; `-` is standard input.

    Raises:
        ValueError: if it is not UTF-8, or standard input is closed.
        OSError: if it cannot be read.
    """
    try:
        if name != "-":
            return Path(name).read_text(encoding="utf-8")
        stdin = _stdin()
        raw = getattr(stdin, "buffer", None)
        return stdin.read() if raw is None else raw.read().decode("utf-8")
    except UnicodeDecodeError as error:
        shown = "standard input" if name == "-" else name
        raise ValueError(f"{shown} is not UTF-8 text: {error}") from None


def _stdin() -> Any:
    if sys.stdin is None or getattr(sys.stdin, "closed", False):
        raise ValueError("standard input is closed; there is nothing to read from -.")
    return sys.stdin


def open_image(name: str, max_pixels: int) -> Image.Image:
    """A picture, loaded; `-` is standard input.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, no picture, or larger than the limit.
    """
    shown = "standard input" if name == "-" else name
    source: Any = name
    if name == "-":
        stdin = _stdin()
        source = BytesIO(getattr(stdin, "buffer", stdin).read())
    elif os.path.isdir(name):
        raise ValueError(f"{name} is a folder, not a picture.")
    try:
        # Looks at the header; its size is judged before anything is unpacked.
        with Image.open(source) as image:
            if image.width * image.height > max_pixels:
                raise ValueError(f"{image.width} x {image.height} pixels, more than {max_pixels:,}")
            image.load()
            return image.copy() if image.format is None else _keep_info(image)
    except FileNotFoundError:
        raise
    except Exception as error:
        # Pillow's decoders raise all kinds of exceptions for damaged files.
        raise ValueError(f"cannot read {shown} as an image: {error}") from None


def _keep_info(image: Image.Image) -> Image.Image:
    copied = image.copy()
    copied.info = dict(image.info)
    return copied


def note_of(image: Image.Image) -> dict[str, Any]:
    """How a picture says it was drawn; empty for pictures from elsewhere."""
    raw = image.info.get(_NOTE)
    if not isinstance(raw, str) or len(raw) > _MAX_NOTE:
        return {}
    try:
        note = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) else {}


def check_output(name: str | None, force: bool, is_image: bool = False) -> None:
    """Check before any work that a file can be written.

    Raises:
        ValueError: for a file that exists (unless `force`), a folder that does not, or the name of no kind of picture.
    """
    if name is None or name == "-":
        return
    path = Path(name)
    if is_image and path.suffix.lower() not in Image.registered_extensions():
        raise ValueError(
            f"cannot write {name}: {path.suffix or 'no ending'!r} is no kind of picture; use a name that ends in .png"
        )
    if path.is_dir():
        raise ValueError(f"{name} is a folder; name a file.")
    parent = path.parent
    if not parent.is_dir():
        raise ValueError(f"cannot write {name}: there is no folder {parent}.")
    if not os.access(parent, os.W_OK):
        raise ValueError(f"cannot write {name}: the folder {parent} may not be written to.")
    if path.exists() and not force:
        raise ValueError(f"{name} exists; pass --force to overwrite it, or another name with -o.")


def save_image(image: Image.Image, name: str, note: dict[str, Any]) -> None:
    """Writes a picture, whole or not at all; a PNG says how it was drawn.

    Raises:
        ValueError: if this kind of picture cannot hold it.
    """
    kind = "PNG" if name == "-" else Image.registered_extensions()[Path(name).suffix.lower()]
    info = PngImagePlugin.PngInfo()
    info.add_itxt(_NOTE, json.dumps(note, sort_keys=True))
    buffer = BytesIO()
    try:
        image.save(buffer, kind, **({"pnginfo": info} if kind == "PNG" else {}))
    except (ValueError, KeyError, OSError) as error:
        raise ValueError(f"cannot write {name}: {error}; use a name that ends in .png") from None
    if name == "-":
        out = getattr(sys.stdout, "buffer", None)
        if out is None:
            raise ValueError("standard output takes no bytes here; name a file with -o.")
        out.write(buffer.getvalue())
        out.flush()
        return
    with replacing(name) as file:
        file.write(buffer.getvalue())


class Output:
    """Where the lines of a command go: standard output, or a file that appears when the command is done.

    Args:
        name: the file; None or `-`: standard output.
        as_json: whether results are collected and written as one JSON value in place of lines.
    """

    def __init__(self, name: str | None, as_json: bool = False) -> None:
        self.name = None if name == "-" else name
        self.as_json = as_json
        self._lines: list[str] = []
        self._results: list[dict[str, Any]] = []

    def add(self, line: str, result: dict[str, Any] | None = None) -> None:
        """Adds a line, and what it says as a mapping."""
        if result is not None:
            self._results.append(result)
        if self.as_json:
            return
        if self.name is None:
            print(line)
        else:
            self._lines.append(line)

    def close(self, single: bool = False) -> None:
        """Writes what was collected.

        Args:
            single: whether JSON is the only result instead of a list.
        """
        text = "".join(f"{line}\n" for line in self._lines)
        if self.as_json:
            value: Any = self._results[0] if single and self._results else self._results
            text = json.dumps(value, ensure_ascii=False, indent=2) + "\n"
            if self.name is None:
                print(text, end="")
        if self.name is not None:
            with replacing(self.name, "w", encoding="utf-8", errors="surrogatepass", newline="") as file:
                file.write(text)


def unscale(pixels: np.ndarray, is_whole: Callable[[int], bool]) -> np.ndarray:
    """Undoes `--scale`: finds the side of the squares that a picture is made of.

    Args:
        pixels: `[H, W]` or `[H, W, C]`.
        is_whole: whether a side fits the size of the picture.

    Returns:
        The picture with one pixel for each square; itself if it is made of none.
    """
    for side in range(64, 1, -1):
        if is_whole(side) and not (pixels.shape[0] % side or pixels.shape[1] % side):
            small = pixels[::side, ::side]
            if (small.repeat(side, axis=0).repeat(side, axis=1) == pixels).all():
                return small
    return pixels


__all__ = ["Output", "check_output", "note_of", "open_image", "read_text", "save_image", "unscale"]
