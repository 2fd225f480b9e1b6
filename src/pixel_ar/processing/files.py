# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The files beside processor_config.json: glyph atlases and fonts, checked against their recorded hashes, a tokenizer,
and the frequencies of characters.
"""

import os
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from ..fonts.atlas import ATLAS_FOLDER, GlyphAtlas
from ..fonts.shaped_font import ShapedFont
from ..limits import MAX_CHAIN, check_limit
from ..reading.prior import CharacterPrior
from ..rendering.renderer import StripRenderer
from ..rendering.style import RenderStyle
from ..rendering.styled_renderer import build_renderer
from ..transformers_internals import cached_file

_HUB_ARGUMENTS = (
    "cache_dir",
    "force_download",
    "proxies",
    "token",
    "local_files_only",
    "revision",
    "subfolder",
)


PROCESSOR_FILE = "processor_config.json"
_PRIOR_FILE = "character_prior.json"
# Licences that ask to be copied with the glyphs: beginning of an atlas's name -> file beside the bundled atlases.
_NOTICES = {"unifont": "LICENSE-unifont.txt", "tiny5": "LICENSE-tiny5.txt"}
_SAVE_AGAIN = "save the processor there again with save_pretrained"


# What a damaged file makes the libraries below raise, besides ValueError and OSError.
_DAMAGE = (
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    MemoryError,
    AssertionError,
    NotImplementedError,
    UnicodeError,
)


@contextmanager
def reading_file(path: str) -> Iterator[None]:
    """Turns whatever a damaged file leads to into one kind of error.

    Args:
        path: of the file, for the message.

    Raises:
        ValueError: naming the file and the way out, in place of all other errors but OSError.
    """
    try:
        yield
    except _DAMAGE as error:
        raise ValueError(
            f"{path} is damaged ({type(error).__name__}: {str(error)[:300]}); restore it from the original checkpoint, "
            "or save the processor there again with save_pretrained."
        ) from error
    except ValueError as error:
        if type(error) is not ValueError or os.path.dirname(path) in str(error):
            raise
        raise ValueError(f"{path}: {error}") from error


def check_settings(settings: Any, path: str) -> None:
    """Check that a processor_config.json holds what the loader takes for granted.

    Raises:
        ValueError: naming the file and the key.
    """
    if not isinstance(settings, dict):
        raise ValueError(f"{path} is damaged: it holds a {type(settings).__name__}, not settings by name.")
    kinds = {
        "atlases": list,
        "atlas_sha256": dict,
        "shaped_fonts": dict,
        "font_sha256": dict,
        "patch_size": list,
    }
    for name, kind in kinds.items():
        if name in settings and not isinstance(settings[name], kind):
            raise ValueError(
                f"{path} is damaged: {name} must be a {kind.__name__}, got {settings[name]!r:.80}; restore it from the "
                "original checkpoint."
            )
    names = settings.get("atlases", ["x"])
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{path} is damaged: atlases must be names, got {names!r:.80}.")


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
    path = _require_file(
        where, atlas_file(name), "the glyph atlas its processor draws with", _SAVE_AGAIN, hub_kwargs
    )
    atlas = GlyphAtlas.load(path)
    if atlas.sha256 != sha256:
        raise ValueError(
            f"{path} is not the glyph atlas this checkpoint was saved with: its sha256 is {atlas.sha256}, "
            f"processor_config.json records {sha256}. The model would see other glyphs than in training; restore "
            "the file from the original checkpoint, or, if the change is meant, save the processor there again."
        )
    return atlas


def check_chain(names: Sequence[str], height: int, patch_size: Sequence[int]) -> None:
    """Checks that atlases are as high as a patch, and can be saved side by side.

    Raises:
        ValueError: naming what differs.
    """
    if height != patch_size[0]:
        raise ValueError(
            f"patch_size {tuple(patch_size)} asks for strips {patch_size[0]} pixels high, but atlas {names[0]!r} is "
            f"{height} pixels high; set patch_size to ({height}, width) or choose another atlas."
        )
    for name in names:
        atlas_file(name)
    if len(set(names)) < len(names):
        raise ValueError(
            f"two atlases have the same name in {tuple(names)}; they could not be saved side by side."
        )


def font_file(name: str) -> str:
    """The file name of a shaped font."""
    return atlas_file(name).removesuffix(".npz") + ".ttf"


def drawing_settings(renderer: StripRenderer) -> dict[str, Any]:
    """What processor_config.json records of the chain: hashes, settings of fonts, engine and fingerprint."""
    members = renderer.atlases
    settings: dict[str, Any] = {"atlas_sha256": {member.name: member.sha256 for member in members}}
    fonts = {member.name: member.provenance.get("font_sha256") for member in members}
    if any(fonts.values()):
        settings["font_sha256"] = {name: sha256 for name, sha256 in fonts.items() if sha256}
    shaped = {member.name: member.settings for member in members if member.settings}
    if shaped:
        settings["shaped_fonts"] = shaped
    if renderer.policy.shapes:
        settings["engine"], settings["fingerprint"] = renderer.engine, renderer.fingerprint()
    return settings


def save_members(
    folder: "str | os.PathLike[str]",
    renderer: StripRenderer,
    prior: CharacterPrior | None,
    notices: dict[str, str],
) -> None:
    """Writes the atlases and fonts of a chain, the licence notices of bundled fonts, and the prior.

    Args:
        folder: exists.
        renderer: draws with the chain.
        prior: or `None`.
        notices: text of the notices that the chain was loaded with, by file name.
    """
    for member in renderer.atlases:
        file = (font_file if member.settings else atlas_file)(member.name)
        member.save(os.path.join(folder, file))
    for name, text in {**bundled_notices(member.name for member in renderer.atlases), **notices}.items():
        Path(folder, name).write_text(text, encoding="utf-8")
    if prior is not None:
        prior.save(os.path.join(folder, _PRIOR_FILE))


def notice_file(name: str) -> str | None:
    """The file with the licence of a bundled atlas, by the atlas's name; None where it needs none (public domain)."""
    return next((file for start, file in _NOTICES.items() if name.startswith(start)), None)


def bundled_notices(names: Iterable[str]) -> dict[str, str]:
    """Texts of the licences of bundled atlases that lie in this installation, by file name."""
    files = {file for name in names if (file := notice_file(name)) is not None}
    found = {file: ATLAS_FOLDER / file for file in sorted(files)}
    return {file: path.read_text(encoding="utf-8") for file, path in found.items() if path.is_file()}


def load_members(
    where: str, settings: dict[str, Any], is_wanted: bool, hub_kwargs: dict[str, Any]
) -> dict[str, str]:
    """Replaces the names under `atlases` by what was saved, and removes what only describes it.

    Warns if the engine that shapes text is another than the one the processor was saved with.

    Args:
        where: folder, repository, or path of the processor_config.json.
        settings: its content; changed in place.
        is_wanted: whether the saved chain is to be used.
        hub_kwargs: see [`hub_arguments`].

    Returns:
        The texts of the licence notices that were saved with the chain, by file name.

    Raises:
        ValueError: if a member is missing or is not the one that was saved.
    """
    hashes, shaped = settings.pop("atlas_sha256", {}), settings.pop("shaped_fonts", {})
    engine, fingerprint = settings.pop("engine", None), settings.pop("fingerprint", None)
    settings.pop("font_sha256", None)
    if not is_wanted:
        return {}
    check_limit(len(settings["atlases"]), MAX_CHAIN, "atlases and fonts of a processor")
    settings["atlases"] = tuple(
        _load_font(where, name, shaped[name], hashes.get(name), hub_kwargs)
        if name in shaped
        else load_atlas(where, name, hashes.get(name), hub_kwargs)
        for name in settings["atlases"]
    )
    if fingerprint is not None:
        names = ("missing", "newline", "tab", "normalize", "unsupported")
        looks = {name: settings[name] for name in RenderStyle.__dataclass_fields__ if name in settings}
        renderer = build_renderer(
            settings["atlases"],
            RenderStyle(**looks),
            looks.get("unit_width") or settings.get("patch_size", (0, 0))[1],
            **{name: settings[name] for name in names if name in settings},
        )
        if renderer.fingerprint() != fingerprint:
            warnings.warn(
                f"{_folder(where)} was saved with {engine} (fingerprint {fingerprint}), and text is drawn with "
                f"{renderer.engine} here (fingerprint {renderer.fingerprint()}): shaped scripts may look different "
                "from what the model was trained on. Install the version of uharfbuzz it was saved with, or save the "
                "processor there again if the difference is meant.",
                UserWarning,
                stacklevel=2,
            )
    return _load_notices(where, [member.name for member in settings["atlases"]], hub_kwargs)


def _load_notices(where: str, names: list[str], hub_kwargs: dict[str, Any]) -> dict[str, str]:
    notices = {}
    for file in sorted({file for name in names if (file := notice_file(name)) is not None}):
        path = cached_file(_folder(where), file, _raise_exceptions_for_missing_entries=False, **hub_kwargs)
        if path is not None:
            notices[file] = Path(path).read_text(encoding="utf-8", errors="replace")
    return notices


def _load_font(
    where: str, name: str, options: dict[str, Any], sha256: str | None, hub_kwargs: dict[str, Any]
) -> ShapedFont:
    path = _require_file(where, font_file(name), "a font its processor draws with", _SAVE_AGAIN, hub_kwargs)
    font = ShapedFont(path, **options)
    if font.sha256 != sha256:
        raise ValueError(
            f"{path} is not the font this checkpoint was saved with: with its size its sha256 is {font.sha256}, "
            f"processor_config.json records {sha256}. Restore the file from the original checkpoint."
        )
    return font


def load_prior(where: str, sha256: str | None, hub_kwargs: dict[str, Any]) -> CharacterPrior:
    """Loads the frequencies of characters saved beside processor_config.json.

    Args:
        where: folder, repository, or path of the processor_config.json.
        sha256: its recorded hash.
        hub_kwargs: see [`hub_arguments`].

    Raises:
        ValueError: if the file is missing, damaged, or not the one that was saved.
    """
    way_out = "pass character_prior=None to from_pretrained"
    path = _require_file(where, _PRIOR_FILE, "which its processor reads with", way_out, hub_kwargs)
    prior = CharacterPrior.load(path)
    if prior.sha256 != sha256:
        raise ValueError(
            f"{path} is not the character prior this processor was saved with: its sha256 is {prior.sha256}, "
            f"processor_config.json records {sha256}. Restore the file from the original checkpoint, or pass "
            "character_prior=CharacterPrior.load(path) to from_pretrained and save the processor again."
        )
    return prior


def _require_file(where: str, file: str, use: str, way_out: str, hub_kwargs: dict[str, Any]) -> str:
    """The path of a file of the checkpoint; an error says what it is for, and how to do without."""
    path = cached_file(_folder(where), file, _raise_exceptions_for_missing_entries=False, **hub_kwargs)
    if path is None:
        raise ValueError(
            f"{_folder(where)} lacks {file}, {use}. Copy it there from the original checkpoint, or {way_out}."
        )
    return path


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
    except Exception as error:
        # Tokenizers of many kinds, each with errors of its own; those in Rust raise `Exception` itself.
        raise ValueError(
            f"{_folder(where)} holds a processor with a tokenizer, but the tokenizer cannot be loaded from there "
            f"({error}). Copy tokenizer.json and tokenizer_config.json there from the original checkpoint, or pass "
            "tokenizer=... to from_pretrained."
        ) from error


def _folder(where: str) -> str:
    return os.path.dirname(where) if os.path.isfile(where) else where


__all__ = [
    "PROCESSOR_FILE",
    "atlas_file",
    "bundled_notices",
    "check_chain",
    "check_settings",
    "drawing_settings",
    "font_file",
    "hub_arguments",
    "load_atlas",
    "load_members",
    "load_prior",
    "load_tokenizer",
    "reading_file",
    "save_members",
]
