# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A checkpoint's own test: figures stored beside its weights, and whether this machine reproduces them.

New releases of torch or transformers change results now and then, and a model that has lost its context still writes
something. So the folder of a checkpoint holds `selftest.json`: of a language model bits per character of a fixed line,
and what it writes after a fixed prompt; of a classifier, what it makes of the line; of a page model its answer to a
fixed page; of a SPAE model the words of a fixed picture. Its processor must read back what it draws, and generating
must not depend on the cache.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from . import atomic
from .families import FAMILIES, family_of
from .figures import LINE, Check, check_reading, run_check
from .processing.processing_pixel_ar import PixelProcessor
from .transformers_internals import versions

FILE = "selftest.json"


def selftest(folder: "str | os.PathLike[str]") -> list[Check]:
    """Checks a checkpoint against the figures stored beside it.

    Args:
        folder: with weights, processor and `selftest.json`, which `write_selftest` and `export_remote_code` write.

    Returns:
        One check per figure; an error of a check is a failed check.

    Raises:
        ValueError: for a folder without figures, naming the way to write them.
        OSError: for a folder that does not load.
    """
    path = Path(folder, FILE)
    if not path.is_file():
        raise ValueError(
            f"{folder} holds no {FILE}: write it where the checkpoint is known to be good, with "
            "pixel_ar.write_selftest(model, processor, folder)."
        )
    expected = json.loads(path.read_text(encoding="utf-8"))
    checks, processor = [], None
    if "line" in expected:
        processor = drawing = PixelProcessor.from_pretrained(folder)
        checks.append(run_check("reading back", lambda: check_reading(drawing, expected["line"])))
    family = FAMILIES[AutoConfig.from_pretrained(folder).model_type]
    return [*checks, *family.checks(folder, processor, expected)]


def write_selftest(
    model: Any, processor: PixelProcessor | None, folder: "str | os.PathLike[str]"
) -> dict[str, Any]:
    """Writes the figures of a checkpoint beside it.

    Args:
        model: any model of this package; of one that neither writes nor classifies texts, nor reads pages or pictures,
            only the reading of its strips is checked.
        processor: its processor; `None` for a SPAE model of pictures.
        folder: of the checkpoint.

    Returns:
        What was written: `line`, the text drawn and read, and the figures of the model's family.

    Raises:
        ValueError: for a model of another package.
    """
    figures: dict[str, Any] = {"versions": versions()}
    if processor is not None:
        figures["line"] = LINE
    with _evaluating(model):
        figures |= family_of(model).figures(model, processor)
    atomic.write_text(Path(folder, FILE), json.dumps(figures, indent=2, sort_keys=True) + "\n")
    return figures


@contextlib.contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


__all__ = ["Check", "selftest", "write_selftest"]
