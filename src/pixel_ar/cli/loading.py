# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Models and processors by the names that the command line knows. Whatever is wrong leaves here as ValueError."""

import math
import os
import re
from argparse import Namespace
from pathlib import Path
from typing import Any

from ..fonts.chain import load_atlases
from ..hub import bundled_checkpoint, bundled_checkpoints
from ..processing.processing_pixel_ar import PixelProcessor
from ..processing.settings import setting_names


def resolve(name: str) -> str:
    """A folder, the folder of a bundled checkpoint, or a Hub id.

    Raises:
        ValueError: for a name that is none of them.
    """
    if os.path.isdir(name):
        return name
    if name in bundled_checkpoints():
        return bundled_checkpoint(name)
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name) and not name.startswith("."):
        return name
    known = ", ".join(bundled_checkpoints()) or "none in this installation"
    raise ValueError(
        f"no checkpoint {name!r:.200}: it is neither a folder nor a bundled checkpoint ({known})."
    )


def check_config(folder: str) -> dict[str, Any]:
    """The configuration of a checkpoint folder, all defaults filled in, if it is one of ours.

    Raises:
        ValueError: naming the folder.
    """
    from transformers import PreTrainedConfig

    from ..models.pixel_ar.configuration_pixel_ar import PixelARConfig

    if os.path.isdir(folder) and not os.path.isfile(os.path.join(folder, "config.json")):
        raise ValueError(f"{folder} is not a checkpoint: it has no config.json.")
    try:
        raw, _ = PreTrainedConfig.get_config_dict(folder)
        if raw.get("model_type") == "pixel_ar":
            return PixelARConfig.from_dict(raw).to_dict()
    except OSError as error:
        raise ValueError(f"{folder}: {error}") from None
    except Exception as error:
        # Validators of several libraries look at a configuration, each with errors of its own.
        raise ValueError(f"the config.json of {folder} is damaged: {type(error).__name__}: {error}") from None
    raise ValueError(f"{folder} holds a {raw.get('model_type', 'nameless')!r:.80} model, not a pixel_ar one.")


def load_model(args: Namespace, classifies: bool = False) -> tuple[Any, PixelProcessor]:
    """Model in eval mode and processor of a checkpoint, with `--missing`, `--atlas` and `--font`.

    No code of the folder is run.

    Args:
        args: with `model` and the options of its glyphs.
        classifies: whether it shall be a classifier of texts, not a language model.

    Raises:
        ValueError: for a folder that is damaged or incomplete, or holds a model of another kind.
    """
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
    from transformers.utils import logging

    folder = resolve(args.model)
    _check_kind(args.model, check_config(folder), classifies)
    processor = with_glyphs(PixelProcessor.from_pretrained(folder), args)
    # The loading report of a damaged folder would bury the one line that this command prints.
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        kind = AutoModelForSequenceClassification if classifies else AutoModelForCausalLM
        model, report = kind.from_pretrained(folder, output_loading_info=True, trust_remote_code=False)
    except Exception as error:
        # A damaged file can fail in any library below: safetensors, json, torch.
        raise ValueError(f"cannot load the weights in {folder}: {type(error).__name__}: {error}") from None
    # Missing weights would be filled with random numbers and write noise.
    for problem in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        if keys := sorted(map(str, report.get(problem) or ())):
            kind = problem.removesuffix("_keys")
            raise ValueError(
                f"the weights in {folder} do not fit its config.json: {len(keys)} {kind}, first {keys[0]}."
            )
    processor.check_model(model.config)
    return model.eval(), processor


def _check_kind(name: str, config: dict[str, Any], classifies: bool) -> None:
    """Raises ValueError for a checkpoint that says it is of the other kind; one that says nothing may be of any."""
    found = [str(each) for each in config.get("architectures") or ()]
    is_classifier = any(each.endswith("ForSequenceClassification") for each in found)
    if classifies and found and not is_classifier:
        raise ValueError(
            f"{name} is a {found[0]} and knows no classes; name a checkpoint that was trained to classify."
        )
    if is_classifier and not classifies:
        raise ValueError(f"{name} is a {found[0]}, which writes and scores nothing; see `pixel-ar classify`.")


def load_processor(args: Namespace, note: dict[str, Any] | None = None, **settings: Any) -> PixelProcessor:
    """The processor of `--model`, of a picture's own note, or of `--preset`, with its glyphs.

    Args:
        args: of `render` or `read`.
        note: of the picture that is to be read.
        settings: arguments of the processor.
    """
    if args.model is not None:
        return with_glyphs(PixelProcessor.from_pretrained(resolve(args.model), **settings), args)
    if note and args.preset is None and not args.atlas:
        noted = _from_note(note, args, settings)
        if noted is not None:
            return noted
    if not args.atlas and not args.font:
        processor = PixelProcessor.from_preset(args.preset or "fixed-8", **settings)
        return processor if args.missing is None else processor.replace(missing=args.missing)
    preset = PixelProcessor.from_preset(args.preset or "fixed-8", **settings)
    chain = load_atlases(
        [*(args.atlas or ([] if args.preset is None else preset.renderer.atlases)), *args.font]
    )
    height, width = preset.patch_size
    size = (height, width) if chain[0].height == height else (chain[0].height, chain[0].height)
    changes = {} if args.missing is None else {"missing": args.missing}
    return preset.replace(atlases=chain, patch_size=size, **changes)


def _from_note(note: dict[str, Any], args: Namespace, settings: dict[str, Any]) -> PixelProcessor | None:
    """The processor that drew a picture; None if its glyphs are not at hand."""
    drawn = note.get("settings")
    atlases = note.get("atlases")
    if not isinstance(drawn, dict) or not isinstance(atlases, list):
        return None
    known = {key: value for key, value in drawn.items() if key in setting_names()}
    try:
        chain = [str(name) for name in atlases if re.fullmatch(r"[\w.-]+", str(name))]
        processor = PixelProcessor(load_atlases([*chain, *args.font]), **{**known, **settings})
    except (ValueError, TypeError, OSError):
        return None
    return processor if args.missing is None else processor.replace(missing=args.missing)


def with_glyphs(processor: PixelProcessor, args: Namespace) -> PixelProcessor:
    """A checkpoint's processor with `--missing`, and `--atlas` and `--font` after its own glyphs."""
    changes: dict[str, Any] = {} if args.missing is None else {"missing": args.missing}
    if args.atlas or args.font:
        changes["atlases"] = [*processor.renderer.atlases, *args.atlas, *args.font]
    return processor.replace(**changes) if changes else processor


def count_parameters(folder: Path) -> tuple[int, list[str]]:
    """Number and dtypes of the tensors in a folder's safetensors files, from their headers alone.

    Raises:
        ValueError: for a damaged file.
    """
    from safetensors import SafetensorError, safe_open

    count, kinds = 0, set()
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as tensors:
                for key in tensors.keys():  # noqa: SIM118 (safe_open is no mapping)
                    part = tensors.get_slice(key)
                    count += math.prod(part.get_shape())
                    kinds.add(part.get_dtype())
        except SafetensorError as error:
            raise ValueError(f"{path} is damaged: {error}") from None
    return count, sorted(kinds)


__all__ = ["check_config", "count_parameters", "load_model", "load_processor", "resolve"]
