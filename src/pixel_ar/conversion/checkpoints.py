# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Published checkpoints to folders that load through the Auto classes.

A conversion either succeeds as a whole or leaves nothing: all is checked before the first byte is written, and the
folder is made beside the target and renamed at the end.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel

from ..models.page.configuration_page import PixelPageConfig
from .cards import conversion_card
from .families import (
    DISCRIMINATOR,
    FAMILIES,
    PIXAR_DISCRIMINATOR,
    tensor_rules,
)
from .family import Family, Mapped, TensorRule
from .processors import TOKENIZER_FILES, ProcessorChoice, build_processor, load_tokenizer
from .sources import SourceCheckpoint, file_sha256, read_checkpoint, read_json

RECORD = "conversion.json"


@dataclass(frozen=True)
class ConversionReport:
    """What a conversion did.

    Attributes:
        target: the folder written.
        architecture: name of the model class in it.
        num_parameters: parameters of the model.
        source_files: names of the files read.
        dropped: names of the tensors that the model has no use for.
        notes: what a user should know, a sentence each.
    """

    target: Path
    architecture: str
    num_parameters: int
    source_files: tuple[str, ...]
    dropped: tuple[str, ...]
    notes: tuple[str, ...]


def convert_checkpoint(
    source: str | os.PathLike,
    target: str | os.PathLike,
    kind: str,
    *,
    font: str | os.PathLike | None = None,
    atlas: str | None = None,
    with_processor: bool = True,
) -> ConversionReport:
    """Converts a checkpoint of PIXAR, PixelGPT or Pix2Struct.

    The target then loads with `AutoModelForCausalLM.from_pretrained` (`AutoModelForSequenceClassification` where the
    source is a classifier, `AutoModelForImageTextToText` where it is Pix2Struct, `PatchDiscriminator` where it is
    PIXAR's) and computes what the original computes. Beside
    the model it holds a processor, a `README.md` with origin and licence, and `conversion.json` with the hashes of all
    that was read.

    Args:
        source: a folder with `config.json` and `pytorch_model.bin` or `model.safetensors`, whole or in shards; for
            PIXAR also the folder around `backbone/`, and its `discriminator/`.
        target: a folder that does not exist yet, or is empty.
        kind: `"pixar"`, `"pixelgpt"` or `"pix2struct"`.
        font: the font file that the model was trained on, which cannot be shipped; its sha256 is recorded.
        atlas: draw with this bundled atlas instead. The model was not trained on its glyphs.
        with_processor: `False` for a folder without a processor.

    Returns:
        What was done.

    Raises:
        ValueError: with all tensors that are missing, unknown or of another shape; for fields of `config.json` that
            ask for another computation; for a damaged or unsafe file; for a processor without a font. Nothing is
            written then.
        OSError: if the target cannot be written.
    """
    if kind not in FAMILIES:
        raise ValueError(f"unknown kind of checkpoint {kind!r}; known kinds: {', '.join(FAMILIES)}.")
    family = FAMILIES[kind]
    choice = ProcessorChoice(None if font is None else Path(font), atlas, with_processor)
    choice.check(family)
    target = Path(target)
    check_target(target)
    family, folder = _find_model(Path(source), family)
    checkpoint = read_checkpoint(folder, family.weight_file, family.settings_file)
    mapped = _map_config(family, checkpoint)
    model, dropped = _build_model(family, mapped, checkpoint)
    _take_generation_settings(family, model, checkpoint.folder)
    tokenizer_files = _tokenizer_files(family, checkpoint.folder)
    tokenizer, tokenizer_notes = load_tokenizer(tokenizer_files, mapped.config)
    processor, processor_notes = build_processor(family, choice, mapped.config, checkpoint.config, tokenizer)
    notes = (*mapped.notes, *_drop_notes(family, dropped), *tokenizer_notes, *processor_notes)
    if mapped.ignored_fields:
        notes = (*notes, f"fields of config.json without effect: {', '.join(mapped.ignored_fields)}")
    count = sum(parameter.numel() for parameter in model.parameters())
    files = (*checkpoint.files, *tokenizer_files)
    record = {
        "kind": kind,
        "architecture": mapped.architecture,
        "parameters": count,
        "source_files": {path.name: _describe(path) for path in files},
        "dropped_tensors": sorted(dropped),
        "ignored_config_fields": list(mapped.ignored_fields),
        "processor": choice.describe(processor),
        "notes": list(notes),
        "versions": _versions(),
    }
    with staging(target) as folder:
        model.save_pretrained(folder)
        for path in tokenizer_files:
            # The processor writes its tokenizer itself; only the file it was once made from is not among those.
            if processor is None or tokenizer is None or path.suffix == ".model":
                shutil.copyfile(path, folder / path.name)
        if processor is not None:
            processor.save_pretrained(folder)
        write_json(folder / RECORD, record)
        (folder / "README.md").write_text(conversion_card(family, record), encoding="utf-8")
    return ConversionReport(
        target, mapped.architecture, count, tuple(path.name for path in files), tuple(sorted(dropped)), notes
    )


# ---- reading ----


def check_target(target: Path) -> None:
    """Raises `ValueError` unless a folder can be made there without touching anything."""
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise ValueError(f"{target} is not a folder; choose another target.")
    if target.is_dir() and any(target.iterdir()):
        raise ValueError(f"{target} is not empty; choose another target, or empty it first.")


def _find_model(source: Path, family: Family) -> tuple[Family, Path]:
    """The kind of model, and the folder with its `config.json`: the source, or where training keeps it there."""
    if not source.is_dir():
        raise ValueError(f"{source} is not a folder; give the folder of a {family.title} checkpoint.")
    if family.kind != "pixar":
        return family, source
    if (source / str(PIXAR_DISCRIMINATOR.weight_file)).is_file():
        return PIXAR_DISCRIMINATOR, source
    is_whole = not (source / "config.json").is_file() and family.subfolder is not None
    folder = source / str(family.subfolder) if is_whole else source
    if not (folder / "config.json").is_file():
        raise ValueError(
            f"{source} is not a checkpoint: neither it nor its subfolder {family.subfolder} has a config.json."
        )
    coder = (source if is_whole else source.parent) / "coder"
    if (is_whole or source.name == family.subfolder) and coder.is_dir() and any(coder.iterdir()):
        raise ValueError(
            f"{coder} holds an image compressor: the model predicts its latents, not pixels, and cannot be converted."
        )
    return family, folder


def _map_config(family: Family, checkpoint: SourceCheckpoint) -> Mapped:
    kind = checkpoint.config.get("model_type")
    if kind not in family.model_types:
        hint = next((f"; try {other.kind}" for other in FAMILIES.values() if kind in other.model_types), "")
        raise ValueError(
            f"{checkpoint.folder} holds a model of type {kind!r}, where {family.title} has "
            f"{family.model_types[0]!r}{hint}."
        )
    try:
        return family.map_config(checkpoint.config, checkpoint.tensors)
    except ValueError as error:
        raise ValueError(f"{checkpoint.folder}: {error}") from None
    except Exception as error:
        # A list where an object should stand, infinity for a number, no layer: what is raised depends on the field.
        raise ValueError(
            f"{checkpoint.folder / 'config.json'} is malformed: {type(error).__name__}: {error}"
        ) from None


def _tokenizer_files(family: Family, folder: Path) -> tuple[Path, ...]:
    if not family.has_tokenizer:
        return ()
    return tuple(folder / name for name in TOKENIZER_FILES if (folder / name).is_file())


# ---- the model ----


def _build_model(
    family: Family, mapped: Mapped, checkpoint: SourceCheckpoint
) -> tuple[PreTrainedModel, set[str]]:
    """Our model with the checkpoint's weights, and the names that were left over on purpose."""
    layers = mapped.config.num_hidden_layers
    if layers > len(checkpoint.tensors):
        raise ValueError(
            f"{checkpoint.folder / 'config.json'} asks for {layers:,} layers, but there are "
            f"{len(checkpoint.tensors)} tensors."
        )
    try:
        with torch.device("meta"):
            model = _model_class(mapped.architecture)(mapped.config)
    except Exception as error:
        raise ValueError(
            f"{checkpoint.folder / 'config.json'} describes a model that cannot be built: {error}"
        ) from None
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    rules = tensor_rules(family, mapped.config, shapes)
    tensors = dict(checkpoint.tensors)
    dropped = {name for name in tensors if name in family.droppable}
    dropped |= _buffers_of_old_versions(tensors, mapped)
    shared = _share_token_tables(family, tensors, mapped, rules)
    _check_tensors(checkpoint.folder, tensors, rules, dropped | shared)
    dtype = reduce(torch.promote_types, {tensors[rule.source].dtype for rule in rules.values()})
    weights = {name: rule.convert(tensors[rule.source]).to(dtype) for name, rule in rules.items()}
    model.load_state_dict(weights, assign=True)
    model.tie_weights()
    return model.eval(), dropped


def _take_generation_settings(family: Family, model: PreTrainedModel, folder: Path) -> None:
    """How the original writes answers (their length, above all), where `generate` is Transformers'."""
    if family.reads_strips or not (folder / "generation_config.json").is_file():
        return
    read_json(folder / "generation_config.json")
    settings = GenerationConfig.from_pretrained(folder)
    # The original turns its cache off, and computes the same with it.
    settings.use_cache = True
    model.generation_config = settings


def _model_class(name: str) -> type[PreTrainedModel]:
    if name == DISCRIMINATOR:
        from ..training.discriminator import PatchDiscriminator

        return PatchDiscriminator
    import pixel_ar

    return getattr(pixel_ar, name)


def _share_token_tables(
    family: Family, tensors: dict[str, torch.Tensor], mapped: Mapped, rules: Mapping[str, TensorRule]
) -> set[str]:
    """With tied tables, enters the one in the file under both names; returns the name that was entered.

    Raises:
        ValueError: if a file calls its tables tied and holds two that differ.
    """
    names = family.token_tables
    if not mapped.config.tie_word_embeddings or any(name not in rules for name in names):
        return set()
    present = [rules[name].source for name in names if rules[name].source in tensors]
    if len(present) == 2 and not torch.equal(tensors[present[0]], tensors[present[1]]):
        raise ValueError(
            f"config.json says that {present[0]} and {present[1]} are tied, but they differ; set tie_word_embeddings "
            "to false there to keep both."
        )
    if len(present) != 1:
        return set()
    (absent,) = {rules[name].source for name in names} - set(present)
    tensors[absent] = tensors[present[0]]
    return {absent}


def _buffers_of_old_versions(tensors: Mapping[str, torch.Tensor], mapped: Mapped) -> set[str]:
    """Rotary frequencies, which versions of transformers before 4.31 saved, where they are those of the config."""
    if isinstance(mapped.config, PixelPageConfig):
        return set()
    head_dim = mapped.config.head_dim or 1
    theta = float((mapped.config.rope_parameters or {})["rope_theta"])
    expected = theta ** -(torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    return {
        name
        for name, tensor in tensors.items()
        if name.endswith(".rotary_emb.inv_freq")
        and tensor.shape == expected.shape
        # Loosely, since they may have been rounded to half precision.
        and torch.allclose(tensor.float(), expected, rtol=1e-2, atol=1e-4)
    }


def _check_tensors(
    folder: Path, tensors: Mapping[str, torch.Tensor], rules: Mapping[str, TensorRule], accepted: set[str]
) -> None:
    """Raises one `ValueError` that lists every tensor that does not fit."""
    expected = {rule.source: rule.shape for rule in rules.values()}
    missing = sorted(set(expected) - set(tensors))
    unknown = sorted(set(tensors) - set(expected) - accepted)
    misshapen, not_dense = [], []
    for name in sorted(set(expected) & set(tensors)):
        if tuple(tensors[name].shape) != expected[name]:
            misshapen.append(f"{name} {list(tensors[name].shape)} instead of {list(expected[name])}")
        elif not tensors[name].is_floating_point() or tensors[name].layout != torch.strided:
            not_dense.append(f"{name} ({tensors[name].dtype}, {tensors[name].layout})")
    lists = {
        "missing": missing,
        "unknown": unknown,
        "of another shape": misshapen,
        "not dense floating point": not_dense,
    }
    problems = [f"{len(names)} {what}: {', '.join(names)}" for what, names in lists.items() if names]
    if problems:
        raise ValueError(
            f"the tensors in {folder} do not fit its config.json, and nothing was written. {'; '.join(problems)}."
        )


def _drop_notes(family: Family, dropped: set[str]) -> list[str]:
    notes = [
        f"{name} was dropped: {family.droppable[name]}" for name in sorted(dropped & set(family.droppable))
    ]
    if buffers := dropped - set(family.droppable):
        notes.append(
            f"{len(buffers)} buffers of rotary frequencies were dropped: they follow from rope_theta"
        )
    return notes


# ---- writing ----


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """A new folder beside the target, renamed to it at the end of the block, or removed after an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # One folder inside another: a temporary one is closed to other users, a checkpoint should not be.
    outer = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        folder = outer / "checkpoint"
        folder.mkdir()
        yield folder
        if target.is_dir():
            # Fails, as it should, if somebody has put something there in the meantime.
            target.rmdir()
        folder.rename(target)
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def _describe(path: Path) -> dict[str, Any]:
    return {"sha256": file_sha256(path), "bytes": path.stat().st_size}


def _versions() -> dict[str, str]:
    from pixel_ar import __version__

    return {"pixel_ar": __version__} | {
        name: version(name) for name in ("torch", "transformers", "safetensors")
    }


def write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


__all__ = ["ConversionReport", "check_target", "convert_checkpoint", "staging", "write_json"]
