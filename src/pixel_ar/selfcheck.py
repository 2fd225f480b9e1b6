# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A checkpoint's own test: figures stored beside its weights, and whether this machine reproduces them.

New releases of torch or transformers change results now and then, and a model that has lost its context still writes
something. So the folder of a checkpoint holds `selftest.json`: bits per character of a fixed line, and what the model
writes after a fixed prompt; of a classifier, what it makes of the line. Its processor must read back what it draws,
and generating must not depend on the cache.
"""

import contextlib
import json
import math
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

from . import atomic
from .models.pixel_ar.patching import patches_to_bytes, patchify
from .processing.processing_pixel_ar import PixelProcessor
from .transformers_internals import versions

FILE = "selftest.json"
LINE = "We the People of the United States write 1,787 words, and read them again."
PROMPT = "The people of the United Sta"
NEW_PATCHES = 16
BITS_TOLERANCE = 1e-3
LOGIT_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Check:
    """One line of a self-test.

    Attributes:
        name: what was checked.
        passed: whether it held.
        detail: figures found and expected.
    """

    name: str
    passed: bool
    detail: str

    def __str__(self) -> str:
        return f"{'ok    ' if self.passed else 'FAILED'} {self.name}: {self.detail}"


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
    processor = PixelProcessor.from_pretrained(folder)
    checks = [_run("reading back", lambda: _check_reading(processor, expected["line"]))]
    if "class_logits" in expected:
        checks.append(_run("classes", lambda: _check_classes(folder, processor, expected)))
        return checks
    names = set(expected) & {"bits_per_character", "continuation"}
    if not names:
        return checks
    model = AutoModelForCausalLM.from_pretrained(folder, config=AutoConfig.from_pretrained(folder)).eval()
    if "bits_per_character" in names:
        checks.append(_run("bits/character", lambda: _check_bits(model, processor, expected)))
    if "continuation" in names:
        checks.append(_run("continuation", lambda: _check_continuation(model, processor, expected)))
        checks.append(_run("cache", lambda: _check_cache(model, processor, expected)))
    return checks


def write_selftest(model: Any, processor: PixelProcessor, folder: "str | os.PathLike[str]") -> dict[str, Any]:
    """Writes the figures of a checkpoint beside it.

    Args:
        model: any pixel_ar model; of one that neither writes nor classifies texts, only the reading of its strips is
            checked.
        processor: its processor.
        folder: of the checkpoint.

    Returns:
        What was written: `line`, the text drawn and read; `bits_per_character` of it, for heads with a likelihood; and
        `continuation`, the column bytes in hexadecimal that follow `prompt` greedily; of levels and colours, what
        is darker than half. Of a classifier of texts, `class_logits` of the line.
    """
    figures: dict[str, Any] = {"line": LINE, "versions": versions()}
    if type(model).__name__.endswith("ForSequenceClassification"):
        with _evaluating(model):
            figures["class_logits"] = [round(logit, 4) for logit in _class_logits(model, processor, LINE)]
    if getattr(model, "patch_head", None) is not None:
        with _evaluating(model), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a context shorter than the line
            # A head without a likelihood, or a model whose strips are of another kind: there is no such figure.
            with contextlib.suppress(ValueError):
                figures["bits_per_character"] = round(_bits(model, processor, LINE), 6)
            if model.config.patch_size[0] % 8 == 0:
                with contextlib.suppress(ValueError):
                    figures |= {
                        "continuation": _continue(model, processor, PROMPT, NEW_PATCHES),
                        "prompt": PROMPT,
                        "new_patches": NEW_PATCHES,
                    }
    atomic.write_text(Path(folder, FILE), json.dumps(figures, indent=2, sort_keys=True) + "\n")
    return figures


def _class_logits(model: Any, processor: PixelProcessor, line: str) -> list[float]:
    inputs = processor(text=[line], return_tensors="pt").to(model.device)
    with torch.no_grad():
        logits: list[float] = model(**inputs).logits[0].float().tolist()
    if not all(map(math.isfinite, logits)):
        raise ValueError(f"logits {logits}")
    return logits


def _bits(model: Any, processor: PixelProcessor, line: str) -> float:
    inputs = processor(text=[line], add_start=True, return_tensors="pt")
    with torch.no_grad():
        nats = -float(model.log_likelihood(**inputs.to(model.device))[0])
    bits = nats / math.log(2) / len(line)
    if not math.isfinite(bits):
        raise ValueError(f"{bits} bits/character")
    return bits


def _continue(model: Any, processor: PixelProcessor, prompt: str, count: int, use_cache: bool = True) -> str:
    """Column bytes of the new patches, hexadecimal; the patch completed first."""
    inputs = processor(text=[prompt], add_eos=False, return_tensors="pt")
    strips = model.generate(
        **inputs.to(model.device),
        output_modality="pixel",
        max_new_patches=count,
        do_sample=False,
        stop_at_eos=False,
        use_cache=use_cache,
    )
    size = (model.config.patch_size[0], model.config.patch_size[1])
    gray = strips.cpu().mean(1, keepdim=True)  # colours and levels as ink or none
    columns = patches_to_bytes(patchify(gray, size), size)
    return bytes(columns[0, -count:].flatten().tolist()).hex()


def _check_reading(processor: PixelProcessor, line: str) -> tuple[bool, str]:
    strips = processor(text=[line], return_tensors="pt")["pixel_values"]
    read = processor.batch_decode(strips)[0]
    return read == line, f"{read!r}" if read == line else f"{read!r}, drawn was {line!r}"


def _check_classes(
    folder: "str | os.PathLike[str]", processor: PixelProcessor, expected: dict[str, Any]
) -> tuple[bool, str]:
    config = AutoConfig.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, config=config).eval()
    found, stored = _class_logits(model, processor, expected["line"]), expected["class_logits"]
    furthest = max(abs(a - b) for a, b in zip(found, stored, strict=True))
    label = config.id2label[found.index(max(found))]
    return furthest <= LOGIT_TOLERANCE, f"{label}, logits differ from those stored by at most {furthest:.1e}"


def _check_bits(model: Any, processor: PixelProcessor, expected: dict[str, Any]) -> tuple[bool, str]:
    bits, stored = _bits(model, processor, expected["line"]), expected["bits_per_character"]
    return abs(bits - stored) <= BITS_TOLERANCE, f"{bits:.4f}, stored {stored:.4f}"


def _check_continuation(model: Any, processor: PixelProcessor, expected: dict[str, Any]) -> tuple[bool, str]:
    found = _continue(model, processor, expected["prompt"], expected["new_patches"])
    return _compare(found, expected["continuation"], "as stored")


def _check_cache(model: Any, processor: PixelProcessor, expected: dict[str, Any]) -> tuple[bool, str]:
    prompt, count = expected["prompt"], expected["new_patches"]
    cached = _continue(model, processor, prompt, count)
    return _compare(_continue(model, processor, prompt, count, use_cache=False), cached, "with as without")


def _compare(found: str, expected: str, words: str) -> tuple[bool, str]:
    if found == expected:
        return True, f"{len(found) // 2} bytes {words}"
    first = (
        next((i for i, pair in enumerate(zip(found, expected, strict=False)) if pair[0] != pair[1]), 0) // 2
    )
    return False, f"differs from byte {first} of {len(expected) // 2} on"


def _run(name: str, check: Callable[[], tuple[bool, str]]) -> Check:
    try:
        passed, detail = check()
    except Exception as error:
        # Whatever a changed library raises is the finding, and the other checks still say more.
        passed, detail = False, f"{type(error).__name__}: {error}"
    return Check(name, passed, detail if passed else f"{detail} ({versions()})")


@contextlib.contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


__all__ = ["Check", "selftest", "write_selftest"]
