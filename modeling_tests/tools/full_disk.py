# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A disk that is full after so many bytes, for what Python itself writes."""

import builtins
import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def full_disk(num_bytes: int) -> Iterator[list[int]]:
    """Lets files opened for writing take `num_bytes` together, then raises as a full disk does.

    Yields:
        A list whose one item is the number of bytes written so far.
    """
    written = [0]
    really_open = builtins.open

    def limited(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        opened = really_open(file, mode, *args, **kwargs)
        if not set(mode) & set("wxa+"):
            return opened
        really_write = opened.write

        def write(data: Any) -> int:
            written[0] += len(data)
            if written[0] > num_bytes:
                raise OSError(errno.ENOSPC, "No space left on device")
            return really_write(data)

        opened.write = write
        return opened

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builtins, "open", limited)
        patch.setattr(io, "open", limited)
        yield written


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
