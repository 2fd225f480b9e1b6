# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""`.npz` files of a stranger: what their arrays declare is checked before anything is inflated."""

import os
import tokenize
import zipfile
import zlib
from typing import Any

import numpy as np

from .limits import MAX_FILE_BYTES, MAX_INFLATED_BYTES, check_limit

# What NumPy and zipfile raise for damaged files, MemoryError and RecursionError for hostile headers among them.
_DAMAGE = (
    *(ValueError, KeyError, TypeError, AttributeError, EOFError, OSError, SyntaxError, MemoryError),
    *(RecursionError, OverflowError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error),
    tokenize.TokenError,
)
_LONGEST_HEADER = 10_000


def read_arrays(path: "str | os.PathLike[str]") -> dict[str, np.ndarray]:
    """Read the arrays of an `.npz` file.

    Args:
        path: Of the file. Arrays of Python objects are refused.

    Returns:
        Name -> array.

    Raises:
        ValueError: for a damaged file, or one whose arrays together exceed `MAX_INFLATED_BYTES`.
        FileNotFoundError: for a path that leads to no file.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"there is no file {os.fspath(path)!r}")
    try:
        check_limit(os.path.getsize(path), MAX_FILE_BYTES, "bytes")
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            # zipfile never inflates more than a member declares.
            check_limit(sum(member.file_size for member in members), MAX_INFLATED_BYTES, "bytes inflated")
            return {member.filename.removesuffix(".npy"): _read(archive, member) for member in members}
    except _DAMAGE as error:
        raise ValueError(f"{os.fspath(path)} is damaged: {error or type(error).__name__}") from error


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        header: Any = np.lib.format
        version = header.read_magic(file)
        read_header = {(1, 0): header.read_array_header_1_0, (2, 0): header.read_array_header_2_0}[version]
        shape, is_fortran, dtype = read_header(file, max_header_size=_LONGEST_HEADER)
        count = 1
        for size in shape:
            if size < 0:
                raise ValueError(f"array {member.filename} has the shape {shape}")
            count *= size
        if dtype.hasobject or is_fortran or count * dtype.itemsize > member.file_size:
            raise ValueError(f"array {member.filename} of {dtype} and shape {shape} does not fit its member")
        data = file.read()
        if len(data) != count * dtype.itemsize:
            raise ValueError(f"array {member.filename} has {len(data)} bytes, its header declares {shape}")
        return np.frombuffer(data, dtype).reshape(shape)


__all__ = ["read_arrays"]
