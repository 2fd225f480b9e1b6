# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Checkpoint folders: the ones inside the package, and the ones that load where the package is not installed."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent
CHECKPOINTS = PACKAGE / "checkpoints"

# The Auto class and the model class it stands for; those that a version does not build yet are left out.
MODEL_CLASSES = {
    "AutoModel": "PixelARModel",
    "AutoModelForCausalLM": "PixelARForCausalLM",
    "AutoModelForSequenceClassification": "PixelARForSequenceClassification",
    "AutoModelForTokenClassification": "PixelARForTokenClassification",
    "AutoModelForQuestionAnswering": "PixelARForQuestionAnswering",
}


def bundled_checkpoints() -> tuple[str, ...]:
    """The names of the checkpoints inside this installation."""
    return tuple(sorted(path.parent.name for path in CHECKPOINTS.glob("*/config.json")))


def bundled_checkpoint(name: str) -> str:
    """The folder of a checkpoint that comes with the package.

    Args:
        name: such as `"pixel-ar-tiny"`.

    Returns:
        A path for `from_pretrained`.

    Raises:
        ValueError: for an unknown name, listing the known ones.
    """
    names = bundled_checkpoints()
    if name not in names:
        raise ValueError(
            f"no bundled checkpoint is called {name!r}; there are: {', '.join(names) or 'none'}."
        )
    return str(CHECKPOINTS / name)


def export_remote_code(model: Any, processor: Any, folder: str | os.PathLike) -> list[str]:
    """Saves a checkpoint together with the code it needs.

    The folder loads with `trust_remote_code=True` where `pixel_ar` is not installed, through every Auto class; where
    it is installed, the installed package is used and no code of the folder is run.

    Args:
        model: any pixel_ar model.
        processor: its processor; its atlases are saved too.
        folder: made where it is missing.

    Returns:
        The names of the code files written.

    Raises:
        ValueError: for a model of another kind.
    """
    if getattr(model.config, "model_type", None) != "pixel_ar":
        raise ValueError(f"export_remote_code saves pixel_ar models, got a {type(model).__name__}.")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    # Not `register_for_auto_class`: it would enter the saved class alone, and make every later save ship code.
    _add_auto_map(Path(folder, "config.json"), _model_auto_map(model.config))
    _add_auto_map(Path(folder, "processor_config.json"), {"AutoProcessor": _reference(type(processor))})
    sources = sorted(PACKAGE.glob("*_pixel_ar.py"))
    for source in sources:
        shutil.copyfile(source, Path(folder, source.name))
    return [source.name for source in sources]


def _model_auto_map(config: Any) -> dict[str, str]:
    import pixel_ar

    auto_map = {"AutoConfig": _reference(type(config))}
    for auto_class, name in MODEL_CLASSES.items():
        if hasattr(pixel_ar, name):
            auto_map[auto_class] = _reference(getattr(pixel_ar, name))
    return auto_map


def _reference(cls: type) -> str:
    """`module.Class` as an auto_map writes it: the file's name alone, since the files lie flat in the folder."""
    return f"{cls.__module__.rsplit('.', 1)[-1]}.{cls.__name__}"


def _add_auto_map(path: Path, auto_map: dict[str, str]) -> None:
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["auto_map"] = auto_map
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")


__all__ = ["bundled_checkpoint", "bundled_checkpoints", "export_remote_code"]
