# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The files beside processor_config.json: glyph atlases, checked against their recorded hashes, and a tokenizer."""

import os
import re
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils import cached_file

from .rendering_pixel_ar import GlyphAtlas

_HUB_ARGUMENTS = (
    "cache_dir",
    "force_download",
    "proxies",
    "token",
    "local_files_only",
    "revision",
    "subfolder",
)


def hub_arguments(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Those arguments of `from_pretrained` that say where a file is found."""
    return {key: kwargs[key] for key in _HUB_ARGUMENTS if kwargs.get(key) is not None}


def atlas_file(name: str) -> str:
    """The file name of an atlas.

    Raises:
        ValueError: for a name that is none.
    """
    # The name comes from a file that may be anyone's: it must not lead out of the checkpoint's folder.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise ValueError(f"atlas name {name!r} is no file name; use letters, digits, '-', '_' and '.'.")
    return f"{name}.npz"


def load_atlas(where: str, name: str, sha256: str | None, hub_kwargs: dict[str, Any]) -> GlyphAtlas:
    """Loads an atlas saved beside processor_config.json.

    Args:
        where: folder, repository, or path of the processor_config.json.
        name: of the atlas.
        sha256: its recorded hash.
        hub_kwargs: see [`hub_arguments`].

    Raises:
        ValueError: if the atlas is missing or is not the one that was saved.
    """
    path = cached_file(
        _folder(where), atlas_file(name), _raise_exceptions_for_missing_entries=False, **hub_kwargs
    )
    if path is None:
        raise ValueError(
            f"{_folder(where)} lacks {atlas_file(name)}, the glyph atlas its processor draws with. Copy it there from "
            "the original checkpoint, or save the processor there again with save_pretrained."
        )
    atlas = GlyphAtlas.load(path)
    if atlas.sha256 != sha256:
        raise ValueError(
            f"{path} is not the glyph atlas this checkpoint was saved with: its sha256 is {atlas.sha256}, "
            f"processor_config.json records {sha256}. The model would see other glyphs than in training; restore "
            "the file from the original checkpoint, or, if the change is meant, save the processor there again."
        )
    return atlas


def load_tokenizer(
    where: str, trust_remote_code: bool | None, hub_kwargs: dict[str, Any]
) -> PreTrainedTokenizerBase:
    """Loads the tokenizer saved beside processor_config.json.

    Raises:
        ValueError: if its files are missing or damaged.
    """
    try:
        return AutoTokenizer.from_pretrained(
            _folder(where), trust_remote_code=bool(trust_remote_code), **hub_kwargs
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{_folder(where)} holds a processor with a tokenizer, but the tokenizer cannot be loaded from there "
            f"({error}). Copy tokenizer.json and tokenizer_config.json there from the original checkpoint, or pass "
            "tokenizer=... to from_pretrained."
        ) from error


def _folder(where: str) -> str:
    return os.path.dirname(where) if os.path.isfile(where) else where


__all__ = ["atlas_file", "hub_arguments", "load_atlas", "load_tokenizer"]
