# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Figures of a checkpoint that another machine must reproduce, for each kind of model.

Of each kind there is a function that computes figures, to be stored, and one that compares them with those found.
Compared is within what machines may differ by: probabilities and pixels within a tolerance, what is written greedily
to the byte or token, words of pictures up to a few near ties.
"""

import contextlib
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForSequenceClassification,
)

from .models.pixel_ar.patching import patches_to_bytes, patchify
from .processing.processing_pixel_ar import PixelProcessor
from .transformers_internals import versions

LINE = "We the People of the United States write 1,787 words, and read them again."
PROMPT = "The people of the United Sta"
NEW_PATCHES = 16
BITS_TOLERANCE = 1e-3
LOGIT_TOLERANCE = 1e-2
# Of a page: pixels, patches that it is cut into at most, and tokens of the answer.
PAGE_SIZE, PAGE_PATCHES, NEW_TOKENS = (48, 160), 24, 8
# Of a picture: the share of its words that must be those stored, and how far its mean may be away.
SAME_WORDS, PIXEL_TOLERANCE = 0.9, 1e-2


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


def language_model_figures(model: Any, processor: PixelProcessor) -> dict[str, Any]:
    """`bits_per_character` of the line, for heads with a likelihood; and `continuation`, the column bytes in
    hexadecimal that follow `prompt` greedily; of levels and colours, what is darker than half. Of a classifier of
    texts, `class_logits` of the line."""
    figures: dict[str, Any] = {}
    if type(model).__name__.endswith("ForSequenceClassification"):
        figures["class_logits"] = [round(logit, 4) for logit in _class_logits(model, processor, LINE)]
    if getattr(model, "patch_head", None) is not None:
        with warnings.catch_warnings():
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
    return figures


def language_model_checks(
    folder: "str | os.PathLike[str]", processor: PixelProcessor | None, expected: dict[str, Any]
) -> list[Check]:
    """Of what [`language_model_figures`] computes."""
    if processor is None:
        return []
    if "class_logits" in expected:
        return [run_check("classes", lambda: _check_classes(folder, processor, expected))]
    names = set(expected) & {"bits_per_character", "continuation"}
    if not names:
        return []
    model = AutoModelForCausalLM.from_pretrained(folder, config=AutoConfig.from_pretrained(folder)).eval()
    checks = []
    if "bits_per_character" in names:
        checks.append(run_check("bits/character", lambda: _check_bits(model, processor, expected)))
    if "continuation" in names:
        checks.append(run_check("continuation", lambda: _check_continuation(model, processor, expected)))
        checks.append(run_check("cache", lambda: _check_cache(model, processor, expected)))
    return checks


def page_figures(model: Any, processor: PixelProcessor) -> dict[str, Any]:
    """`answer`: the tokens that follow a page of stripes greedily; nothing where the size of patches is unknown."""
    if model.config.patch_size is None:
        return {}
    return {"answer": _answer(model, processor)}


def page_checks(
    folder: "str | os.PathLike[str]", processor: PixelProcessor | None, expected: dict[str, Any]
) -> list[Check]:
    """Of what [`page_figures`] computes."""
    if "answer" not in expected or processor is None:
        return []
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()

    def compare(found: list[int], stored: list[int], words: str) -> tuple[bool, str]:
        return found == stored, f"{found} {words}" if found == stored else f"{found}, not {stored}"

    def check_cache() -> tuple[bool, str]:
        cached, uncached = (_answer(model, processor, use_cache) for use_cache in (True, False))
        return compare(uncached, cached, "without as with")

    return [
        run_check("answer", lambda: compare(_answer(model, processor), expected["answer"], "as stored")),
        run_check("cache", check_cache),
    ]


def spae_figures(model: Any, processor: PixelProcessor | None) -> dict[str, Any]:
    """`words`: entries of a striped picture, layer behind layer; `prefixes`: the mean of what each prefix of the
    layers decodes to."""
    words, means = _words_of_picture(model)
    return {"words": words, "prefixes": [round(mean, 4) for mean in means]}


def spae_checks(
    folder: "str | os.PathLike[str]", processor: PixelProcessor | None, expected: dict[str, Any]
) -> list[Check]:
    """Of what [`spae_figures`] computes."""
    if "words" not in expected:
        return []
    model = AutoModel.from_pretrained(folder).eval()

    def check_words() -> tuple[bool, str]:
        found, stored = _words_of_picture(model)[0], expected["words"]
        same = sum(a == b for a, b in zip(found, stored, strict=True))
        return same >= SAME_WORDS * len(stored), f"{same} of {len(stored)} as stored"

    def check_prefixes() -> tuple[bool, str]:
        ids = [layer.to(model.device) for layer in _as_layers(model, expected["words"])]
        found = _means(model, ids)
        furthest = max(abs(a - b) for a, b in zip(found, expected["prefixes"], strict=True))
        return furthest <= PIXEL_TOLERANCE, f"means at most {furthest:.1e} from those stored"

    return [run_check("words", check_words), run_check("prefixes", check_prefixes)]


def check_reading(processor: PixelProcessor, line: str) -> tuple[bool, str]:
    """Whether a processor reads what it draws."""
    strips = processor(text=[line], return_tensors="pt")["pixel_values"]
    read = processor.batch_decode(strips)[0]
    return read == line, f"{read!r}" if read == line else f"{read!r}, drawn was {line!r}"


def run_check(name: str, check: Callable[[], tuple[bool, str]]) -> Check:
    """A check's result; whatever it raises is the finding, and other checks still say more."""
    try:
        passed, detail = check()
    except Exception as error:
        passed, detail = False, f"{type(error).__name__}: {error}"
    return Check(name, passed, detail if passed else f"{detail} ({versions()})")


def stripes(shape: tuple[int, ...]) -> np.ndarray:
    """A picture that is the same everywhere: slanting stripes, uint8 of `shape` (two or three sizes)."""
    places = np.indices(shape)
    slanted = np.tensordot(np.array((29, 7, 13))[: len(shape)], places, axes=1)
    return (slanted % 64 * 4).astype(np.uint8)


def _answer(model: Any, processor: PixelProcessor, use_cache: bool = True) -> list[int]:
    inputs = processor.page_patches(
        stripes(PAGE_SIZE),
        max_patches=PAGE_PATCHES,
        patch_size=model.config.patch_size,
        num_channels=model.config.num_channels,
        padding="longest",
    ).to(model.device)
    ids = model.generate(
        **inputs, max_new_tokens=NEW_TOKENS, do_sample=False, num_beams=1, use_cache=use_cache
    )
    answer: list[int] = ids[0].tolist()
    return answer


def _words_of_picture(model: Any) -> tuple[list[int], list[float]]:
    pixels = torch.from_numpy(stripes((model.config.num_channels, *model.config.image_size)))
    ids = model.encode(pixels[None].to(model.device))
    return [word for layer in ids for word in layer.flatten().tolist()], _means(model, ids)


def _means(model: Any, ids: Any) -> list[float]:
    return [float(model.decode(list(ids[: count + 1])).mean()) for count in range(len(ids))]


def _as_layers(model: Any, words: list[int]) -> list[torch.Tensor]:
    """Words of one picture, layer behind layer, as ids of each layer `[1, h, w]`."""
    parts = torch.tensor(words).split(list(model.config.num_tokens))
    return [part.view(1, *shape) for part, shape in zip(parts, model.config.pyramid, strict=True)]


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


__all__ = [
    "LINE",
    "Check",
    "check_reading",
    "language_model_checks",
    "language_model_figures",
    "page_checks",
    "page_figures",
    "run_check",
    "spae_checks",
    "spae_figures",
]
