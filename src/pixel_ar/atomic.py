# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Files that are written whole or not at all.

What is new is written beside what is old, brought to the disk (fsync), and only then renamed over it. A full disk, a
signal or a power cut before that leaves the old files as they were.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: "str | os.PathLike[str]", mode: str = "wb", **options: Any) -> Iterator[Any]:
    """Opens a file to be written that takes the place of `path` when the block ends without an error.

    Args:
        path: the file; symbolic links are followed. Its permissions are kept if it exists.
        mode: `"w"` or `"wb"`.
        options: of `open`, such as `encoding`.

    Yields:
        The open file, which lies beside `path` under another name.
    """
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with open(beside, mode, **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, beside)
        os.replace(beside, target)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
    _sync_folder(target.parent)


def write_text(path: "str | os.PathLike[str]", text: str) -> None:
    """Writes a UTF-8 text file; see [`replacing`]."""
    with replacing(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


@contextmanager
def staged_folder(folder: "str | os.PathLike[str]", last: Sequence[str] = ()) -> Iterator[Path]:
    """Gives an empty folder whose files replace those of `folder` together when the block ends without an error.

    Args:
        folder: made where it is missing. Files of other names in it stay.
        last: names of files that are renamed after all others, in this order: those that refer to the others.

    Yields:
        A folder inside `folder`, to be filled.
    """
    target = Path(folder)
    is_new = not target.exists()
    target.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=".saving-", dir=target))
    try:
        yield stage
        files = [path.relative_to(stage) for path in sorted(stage.rglob("*")) if path.is_file()]
        for file in files:
            _sync_file(stage / file)
        for file in sorted(
            files, key=lambda file: (file.name in last and 1 + last.index(file.name), str(file))
        ):
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            os.replace(stage / file, os.path.realpath(target / file))
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        if is_new:
            with suppress(OSError):
                target.rmdir()  # succeeds only if nothing came into it
    _sync_folder(target)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    """Brings renames to the disk, where folders can be opened."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


__all__ = ["replacing", "staged_folder", "write_text"]
