# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Pages: what a processor cuts into patches, and what the page model reads and is asked to write."""

import functools
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from fuzz.case import Case, Part, expect
from fuzz.configs import configuration_case
from fuzz.parts.inputs import processors
from fuzz.tensors import are_in_range, generator_of, shown, spoiled
from fuzz.texts import any_text, no_text, odd_number, plain_text
from PIL import Image
from tools.page import TINY, random_pages, tiny_page_model

from pixel_ar import (
    MissingGlyphError,
    PixelPageConfig,
    PixelPageForConditionalGeneration,
    UnsupportedScriptError,
)

ERRORS = (ValueError, TypeError, MissingGlyphError, UnsupportedScriptError)
_SLOTS = 2


@functools.cache
def models() -> dict[str, Any]:
    """Tiny page models: one that only answers, one that also says what each patch shows."""
    return {"plain": tiny_page_model(), "reading": tiny_page_model(reading_slots=_SLOTS)}


def prepare() -> None:
    models()
    processors()


def make(rng: Random, number: int, folder: Path) -> Case:
    kind = rng.random()
    if kind < 0.1:
        return configuration_case(rng, PixelPageConfig, PixelPageForConditionalGeneration, TINY)
    if kind < 0.5:
        return _patches(rng)
    name = rng.choice(list(models()))
    inputs = _inputs(rng, is_forward=kind < 0.8)
    if kind < 0.8:
        return Case(f"{name}({shown(inputs)})", lambda: _check_forward(name, inputs), ERRORS)
    options = _options(rng)
    return Case(
        f"{name}.generate({shown(inputs)}, {options!r:.150})",
        lambda: _check_generate(name, inputs, options),
        ERRORS,
    )


def _inputs(rng: Random, is_forward: bool) -> dict[str, Any]:
    """Mostly one thing wrong."""
    rows = rng.choice((1, 1, 2, 3))
    counts = tuple(rng.choice((1, 2, 4)) for _ in range(rows))
    patches, mask = random_pages(counts, seed=rng.randrange(2**31))
    inputs: dict[str, Any] = {"flattened_patches": patches.clamp(-1, 1) if rng.random() < 0.5 else patches}
    if rng.random() < 0.6:
        inputs["attention_mask"] = mask
    if is_forward:
        tokens = torch.randint(0, TINY["vocab_size"], (rows, rng.choice((1, 3))), generator=generator_of(rng))
        name = rng.choice(("labels", "labels", "decoder_input_ids"))
        inputs[name] = tokens
        if rng.random() < 0.2:
            inputs["decoder_attention_mask"] = torch.ones_like(tokens)
        if rng.random() < 0.3:
            shape = (*patches.shape[:2], _SLOTS)
            inputs["reading_targets"] = torch.randint(
                0, TINY["vocab_size"], shape, generator=generator_of(rng)
            )
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        key = rng.choice([*inputs, "attention_mask", "decoder_attention_mask", "encoder_outputs", "extra"])
        value = inputs.get(key)
        if isinstance(value, torch.Tensor) and value.numel() and rng.random() < 0.8:
            inputs[key] = spoiled(rng, value)
        elif key in inputs and rng.random() < 0.3:
            del inputs[key]
        else:
            inputs[key] = rng.choice((no_text(rng), odd_number(rng)))
    return inputs


def _check_forward(name: str, inputs: dict[str, Any]) -> None:
    with torch.no_grad():
        output = models()[name](**inputs)
    if are_in_range(inputs, most=99.0):
        for key in ("logits", "loss", "reading_loss", "encoder_last_hidden_state"):
            value = getattr(output, key, None)
            if isinstance(value, torch.Tensor) and value.numel():
                expect(value.isfinite().all(), f"{key} is not finite")


def _options(rng: Random) -> dict[str, Any]:
    options: dict[str, Any] = {"max_new_tokens": rng.choice((1, 2, 3))}
    choices: dict[str, tuple[Any, ...]] = {
        "num_beams": (2, odd_number(rng)),
        "do_sample": (True,),
        "num_return_sequences": (2, 0),
        "temperature": (0.7, odd_number(rng)),
        "use_cache": (False,),
        "output_modality": ("token", "pixel"),
        "return_dict_in_generate": (True,),
        "max_length": (1, 4, odd_number(rng)),
        "decoder_start_token_id": (1, odd_number(rng)),
        "nothing": (1,),
    }
    for key in rng.sample(list(choices), rng.choice((0, 0, 1, 2))):
        options[key] = rng.choice(choices[key])
    # Many beams are what was asked for, not a fault.
    if isinstance(options.get("num_beams"), int) and 4 < options["num_beams"] < 2**31:
        options["num_beams"] = 4
    return options


def _check_generate(name: str, inputs: dict[str, Any], options: dict[str, Any]) -> None:
    ids = models()[name].generate(**inputs, **options)
    ids = ids if isinstance(ids, torch.Tensor) else ids.sequences
    expect(bool(((ids >= 0) & (ids < TINY["vocab_size"])).all()), "a token outside the vocabulary")


def _patches(rng: Random) -> Case:
    name = rng.choice(("fixed", "unifont", "color", "gray"))
    images = _images(rng)
    options: dict[str, Any] = {"max_patches": rng.choice((1, 4, 20)), "padding": "longest"}
    choices: dict[str, tuple[Any, ...]] = {
        "max_patches": (0, 3, odd_number(rng)),
        "header": (plain_text(rng), any_text(rng, 20), no_text(rng), [plain_text(rng)], ["a", None]),
        "normalize": ("image", None, odd_number(rng)),
        "patch_size": ((4, 6), (1, 1), {"height": 3, "width": 2}, (0, 1), odd_number(rng), no_text(rng)),
        "std": ("unbiased", "population", odd_number(rng)),
        "resize": (True, False, odd_number(rng)),
        "num_channels": (1, 3, 2, odd_number(rng)),
        "padding": ("max_length", "longest", True, odd_number(rng)),
        "return_tensors": ("np", "tf", odd_number(rng)),
        "header_font": ("nowhere.ttf", odd_number(rng)),
    }
    for key in rng.sample(list(choices), rng.choice((0, 1, 1, 2))):
        options[key] = rng.choice(choices[key])
    # Room for a billion patches is what was asked for.
    if isinstance(options["max_patches"], int) and options["max_patches"] > 4096:
        options["max_patches"] = 4096
    return Case(
        f"{name}.page_patches({images!r:.100}, {options!r:.150})",
        lambda: _check_patches(name, images, options),
        (*ERRORS, OSError),
        seconds=20,
    )


def _images(rng: Random) -> Any:
    one = rng.choice((_image, _image, _image, lambda rng: rng.choice((no_text(rng), odd_number(rng)))))
    if rng.random() < 0.3:
        return [one(rng) for _ in range(rng.choice((0, 1, 2, 3)))]
    return one(rng)


def _image(rng: Random) -> Any:
    height, width = rng.choice((1, 5, 16, 40)), rng.choice((1, 3, 7, 24, 90))
    draw = np.random.default_rng(rng.randrange(2**32))
    shape = rng.choice(
        (
            (height, width),
            (height, width, 3),
            (3, height, width),
            (height, width, 4),
            (height, width, 2),
            (1, height, width),
            (0, width),
            (2, 3, height, width),
            (height,),
        )
    )
    pixels = draw.integers(0, 256, shape, dtype=np.uint8)
    kind = rng.random()
    if kind < 0.3 and shape == (height, width):
        mode = rng.choice(("L", "1", "RGB", "RGBA", "P", "LA", "I", "F", "CMYK"))
        return Image.fromarray(pixels).convert(mode)
    if kind < 0.5:
        return pixels
    if kind < 0.65:
        return torch.from_numpy(pixels).float() / rng.choice((255, 1))
    if kind < 0.8:
        return pixels.astype(rng.choice((np.float32, np.int64, np.bool_, np.float64, np.complex64)))
    return np.full(shape, rng.choice((np.nan, np.inf, -1.0, 0.5)), np.float32)


def _check_patches(name: str, images: Any, options: dict[str, Any]) -> None:
    found = processors()[name].page_patches(images, **options)
    patches, mask = (torch.as_tensor(found[key]) for key in ("flattened_patches", "attention_mask"))
    expect(patches.dim() == 3 and mask.shape == patches.shape[:2], "patches and mask differ")
    expect(bool(patches.isfinite().all()), "patches that are no numbers")
    expect(bool((mask.sum(1) >= 1).all()), "a page without a patch")


PART = Part("pages", make, share=6, prepare=prepare, batch=500)
__all__ = ["PART"]
