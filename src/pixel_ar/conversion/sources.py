# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Checkpoint folders of other projects: finding their files and reading their tensors.

Nothing in such a folder is trusted: pickles are read with `weights_only=True`, which refuses everything but tensors,
and an index may name files of its own folder alone.
"""

import hashlib
import json
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from ..limits import MAX_JSON_BYTES
from .pickles import check_pickle, check_sizes

# In the order in which transformers prefers them.
SINGLE_FILES = ("model.safetensors", "pytorch_model.bin")
INDEX_FILES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")


@dataclass(frozen=True)
class SourceCheckpoint:
    """A checkpoint as its project wrote it.

    Attributes:
        folder: where its `config.json` and weights lie.
        config: the content of `config.json`.
        tensors: the weights by their names.
        files: every file that was read, `config.json` and an index with it.
    """

    folder: Path
    config: dict[str, Any]
    tensors: dict[str, torch.Tensor]
    files: tuple[Path, ...]


def read_checkpoint(
    folder: Path, own_file: str | None = None, settings_file: str | None = None
) -> SourceCheckpoint:
    """Reads `config.json` and the weights of a folder: one file or shards with an index, safetensors or pickled.

    Args:
        folder: the folder.
        own_file: a name of its own that the weight file has, looked for before the usual ones.
        settings_file: a further JSON file, which joins the configuration under its name where it is there.

    Raises:
        ValueError: if a file is missing, damaged, or holds anything but tensors.
    """
    config_file = folder / "config.json"
    if not config_file.is_file():
        raise ValueError(f"{folder} is not a checkpoint: it has no config.json.")
    settings_files: tuple[Path, ...] = (config_file,)
    config = read_json(config_file)
    if settings_file is not None and (folder / settings_file).is_file():
        config[settings_file] = read_json(folder / settings_file)
        settings_files = (config_file, folder / settings_file)
    own = () if own_file is None else (own_file,)
    for name in (*own, *SINGLE_FILES):
        if (folder / name).is_file():
            path = folder / name
            return SourceCheckpoint(folder, config, read_tensors(path), (*settings_files, path))
    for name in INDEX_FILES:
        if (folder / name).is_file():
            tensors, files = _read_shards(folder / name)
            return SourceCheckpoint(folder, config, tensors, (*settings_files, folder / name, *files))
    known = ", ".join((*own, *SINGLE_FILES, *INDEX_FILES))
    raise ValueError(f"{folder} holds no weights: none of {known} is in it.")


def _read_shards(index: Path) -> tuple[dict[str, torch.Tensor], list[Path]]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ValueError(f'{index} is damaged: it has no "weight_map".')
    tensors: dict[str, torch.Tensor] = {}
    files = []
    for name in sorted({str(value) for value in weight_map.values()}):
        # Two separators, since an index may have been written on either kind of system.
        if name in ("", ".", "..") or "/" in name or "\\" in name:
            raise ValueError(f"{index} names {name!r}; shards must lie in the same folder.")
        path = index.parent / name
        if not path.is_file():
            raise ValueError(f"{index} names the shard {name}, which is not there; fetch it again.")
        shard = read_tensors(path)
        if twice := sorted(set(shard) & set(tensors)):
            raise ValueError(f"{path} holds {twice[0]}, which another shard holds as well.")
        tensors |= shard
        files.append(path)
    if lost := sorted(set(weight_map) - set(tensors)):
        raise ValueError(f"the shards lack what {index} lists: {', '.join(lost)}.")
    return tensors, files


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Reads one weight file, on the CPU.

    Args:
        path: a safetensors file, or one written by `torch.save`.

    Raises:
        ValueError: for a damaged file, a pickle of anything but tensors, or a dictionary with other entries.
    """
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except OSError:
            raise
        except Exception as error:
            raise ValueError(f"{path} is damaged: {error}") from None
    try:
        check_pickle(path)
        # Mapped, so that a checkpoint and its converted copy do not both have to fit into memory.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        reason = " ".join(str(error).split()).split(". ")[-1][:200]
        raise ValueError(
            f"{path} holds more than tensors and is not opened, since such a file can run any code ({reason}); save "
            "its state dict as safetensors where you trust it."
        ) from None
    except OSError:
        raise
    except ValueError as error:
        raise ValueError(f"{path} is damaged, or made to do harm: {error}") from None
    except Exception as error:
        # What torch.load raises for cut or foreign files depends on where it stumbles.
        raise ValueError(f"{path} is damaged: {type(error).__name__}: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, not a dictionary of tensors.")
    others = sorted(str(name) for name, value in content.items() if not isinstance(value, torch.Tensor))
    if others:
        raise ValueError(
            f"{path} is no plain state dict: {', '.join(others[:5])} is no tensor; save the state dict alone."
        )
    try:
        check_sizes(content, path.stat().st_size)
    except ValueError as error:
        raise ValueError(f"{path} is damaged, or made to do harm: {error}") from None
    return {str(name): tensor for name, tensor in content.items()}


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        ValueError: for anything else, naming the file.
    """
    if path.stat().st_size > MAX_JSON_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes, too many for a file of settings.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a JSON {type(content).__name__}, not an object.")
    return content


def file_sha256(path: Path) -> str:
    """The sha256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


__all__ = ["SourceCheckpoint", "file_sha256", "read_checkpoint", "read_json", "read_tensors"]
