# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What a pickled weight file declares, read before anything is made of it.

`torch.load(weights_only=True)` runs no code, but it makes what the file asks for: `bytearray(2**31)` from forty bytes,
or tensors a million times as large as the file, by strides of 0. So the instructions are read first: they may name
nothing but what tensors are rebuilt from, and no number beyond the bytes of the file.
"""

import pickle
import pickletools
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import torch

from ..limits import MAX_TENSOR_COPIES

# Names that a state dict is made of. `torch.save` writes no others for tensors and parameters.
_NAMES = frozenset(
    {
        "collections OrderedDict",
        "torch Size",
        "torch.serialization _get_layout",
        "torch.storage UntypedStorage",
        "torch.storage TypedStorage",
        "torch._utils _rebuild_tensor",
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_tensor_v3",
        "torch._utils _rebuild_parameter",
        "torch._utils _rebuild_sparse_tensor",
    }
)
# Before the object, files of torch before 1.6 hold a magic number, a version and facts about the machine; after it the
# keys of the storages, and then the bytes of these.
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PICKLES = 5
_SMALL = 1 << 26
_TINY = 1 << 16  # versions of the format are numbers too


def check_pickle(path: Path) -> None:
    """Looks at a file written by `torch.save` without making anything of it.

    Args:
        path: the file, in either of torch's formats.

    Raises:
        pickle.UnpicklingError: if it names anything but tensors.
        ValueError: if it declares more than it holds, is compressed, or cannot be read.
    """
    size = path.stat().st_size
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            for _ in range(_LEGACY_PICKLES):
                _check_instructions(file, size)
        return
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("its parts are compressed, as torch.save never writes them")
        if sum(entry.file_size for entry in entries) > size:
            raise ValueError("its parts together are longer than the file")
        for entry in entries:
            if entry.filename.endswith(".pkl"):
                with archive.open(entry) as file:
                    _check_instructions(file, size)


def _check_instructions(file: IO[bytes], size: int) -> None:
    for name, value in _instructions(file):
        if name == "GLOBAL" and not _is_known(value):
            raise pickle.UnpicklingError(f"it names {str(value).replace(' ', '.')}")
        if name in ("STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"):
            raise pickle.UnpicklingError(f"it names things in a way that torch.save does not ({name})")
        if isinstance(value, int) and abs(value) > max(size, _TINY) and value != _LEGACY_MAGIC:
            raise ValueError(f"it declares {value:,} of something, with {size:,} bytes in all")


def _instructions(file: IO[bytes]) -> Iterator[tuple[str, object]]:
    for opcode, value, _ in pickletools.genops(file):
        yield opcode.name, value


def _is_known(name: object) -> bool:
    module, _, attribute = str(name).partition(" ")
    is_storage_or_type = attribute.endswith("Storage") or isinstance(
        getattr(torch, attribute, None), torch.dtype
    )
    return name in _NAMES or (module == "torch" and is_storage_or_type)


def check_sizes(tensors: Mapping[str, torch.Tensor], size: int) -> None:
    """Checks that tensors hold what a file of `size` bytes can.

    Raises:
        ValueError: for a tensor larger than its storage (one value expanded to many), or tensors that are many times
            the file together.
    """
    total = 0
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided:
            continue  # refused later, with its name
        count = tensor.numel() * tensor.element_size()
        if count > tensor.untyped_storage().nbytes():
            raise ValueError(
                f"{name} is expanded: {list(tensor.shape)} from a storage of {tensor.untyped_storage().nbytes()} bytes"
            )
        total += count
    if total > MAX_TENSOR_COPIES * size + _SMALL:
        raise ValueError(f"its tensors share storages and are {total:,} bytes, from a file of {size:,}")


__all__ = ["check_pickle", "check_sizes"]
