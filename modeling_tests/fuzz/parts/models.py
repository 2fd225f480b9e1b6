# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Inputs of models: other shapes, types and values than a model reads, and options of `generate`."""

import functools
from pathlib import Path
from random import Random
from typing import Any

import torch
from fuzz.case import Case, Part, expect
from fuzz.configs import configuration_case
from fuzz.tensors import are_in_range, generator_of, shown, spoiled
from fuzz.texts import no_text, odd_number
from tools.tiny import TINY

from pixel_ar import (
    PixelARConfig,
    PixelARForCausalLM,
    PixelARForQuestionAnswering,
    PixelARForSequenceClassification,
    PixelARForTokenClassification,
    PixelARModel,
)

ERRORS = (ValueError, TypeError)
_VOCABULARY = 50
_FLOW: dict[str, Any] = {"patch_head": "flow", "flow_steps": 2}
_LENGTHS = ("max_new_patches", "max_new_tokens", "max_length", "min_new_patches", "num_beams")
_CAUSAL = ("causal", "dual", "bernoulli", "regression", "flow", "guided", "page")
_TOKENS = {"vocab_size": _VOCABULARY, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}


@functools.cache
def models() -> dict[str, Any]:
    """Tiny models of every kind; 8 x 8 patches."""
    torch.manual_seed(0)
    size: dict[str, Any] = {**TINY, "patch_size": (8, 8), "max_position_embeddings": 16}
    plain = PixelARConfig(**size)
    built = {
        "causal": PixelARForCausalLM(plain),
        "dual": PixelARForCausalLM(PixelARConfig(**size, **_TOKENS)),
        "bernoulli": PixelARForCausalLM(PixelARConfig(**size, patch_head="bernoulli", num_channels=3)),
        "regression": PixelARForCausalLM(PixelARConfig(**size, patch_head="regression")),
        "flow": PixelARForCausalLM(PixelARConfig(**size, **_FLOW, num_channels=3)),
        "guided": PixelARForCausalLM(PixelARConfig(**size, **_FLOW, flow_guided=True)),
        "page": PixelARForCausalLM(
            PixelARConfig(**size, **_TOKENS, page_positions=(3, 4), prefix_attention="bidirectional")
        ),
        "base": PixelARModel(plain),
        "sequence": PixelARForSequenceClassification(PixelARConfig(**size, num_labels=3)),
        "token": PixelARForTokenClassification(PixelARConfig(**size, num_labels=3)),
        "answer": PixelARForQuestionAnswering(plain),
    }
    return {name: model.eval() for name, model in built.items()}


def make(rng: Random, number: int, folder: Path) -> Case:
    kind = rng.random()
    if kind < 0.12:
        return configuration_case(rng, PixelARConfig, PixelARForCausalLM, {**TINY, "patch_size": (8, 8)})
    name = rng.choice(list(models()))
    is_causal = name in _CAUSAL
    inputs = _inputs(rng, name)
    if is_causal and kind < 0.3:
        return Case(
            f"{name}.log_likelihood({shown(inputs)})", lambda: _check_likelihood(name, inputs), ERRORS
        )
    if is_causal and kind < 0.6:
        options = _options(rng, name)
        return Case(
            f"{name}.generate({shown(inputs)}, {options!r:.200})",
            lambda: _check_generate(name, inputs, options),
            ERRORS,
        )
    if rng.random() < 0.5:
        inputs |= _labels(rng, inputs)
    return Case(f"{name}({shown(inputs)})", lambda: _check_forward(name, inputs), ERRORS)


def _inputs(rng: Random, name: str) -> dict[str, Any]:
    """Mostly one thing wrong, so that the rest of the model is reached."""
    channels = models()[name].config.num_channels
    rows, patches = rng.choice((1, 1, 2, 3)), rng.choice((1, 2, 3, 5))
    pixels = (torch.rand(rows, channels, 8, 8 * patches, generator=generator_of(rng)) > 0.5).float()
    if rng.random() < 0.3:
        pixels = (pixels * 255).to(torch.uint8)
    inputs: dict[str, Any] = {"pixel_values": pixels}
    length = patches
    if name == "page" and rng.random() < 0.9:
        size = (rng.choice((1, 2, 3, 4)), rng.choice((1, 2, 4, 5)))
        inputs["page_values"] = (
            torch.rand(rows, channels, 8 * size[0], 8 * size[1], generator=generator_of(rng)) > 0.5
        ).float()
        if rng.random() < 0.4:
            inputs["page_attention_mask"] = torch.ones(rows, size[0] * size[1], dtype=torch.long)
    if name in ("dual", "page") and rng.random() < 0.6:
        tokens = rng.choice((1, 2, 4))
        inputs["input_ids"] = torch.randint(0, _VOCABULARY, (rows, tokens), generator=generator_of(rng))
        if rng.random() < 0.4:
            del inputs["pixel_values"]
            length = 0
        length += tokens
    if rng.random() < 0.6:
        mask = torch.ones(rows, length, dtype=torch.long)
        if rng.random() < 0.5:
            mask[0, : rng.randint(0, length)] = 0
        if rng.random() < 0.3:
            mask[-1, rng.randint(0, length) :] = 0
        inputs["attention_mask"] = mask
    if rng.random() < 0.3 and "pixel_values" in inputs and "input_ids" not in inputs:
        inputs["num_columns"] = torch.tensor([rng.randint(1, 8 * patches) for _ in range(rows)])
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        _spoil(rng, inputs, rows, length)
    return inputs


def _spoil(rng: Random, inputs: dict[str, Any], rows: int, length: int) -> None:
    """Makes one input wrong."""
    name = rng.choice(
        [*inputs, "input_ids", "modality_ids", "position_ids", "attention_mask", "num_columns", "extra"]
    )
    value = inputs.get(name)
    if isinstance(value, torch.Tensor) and value.numel() and rng.random() < 0.8:
        inputs[name] = spoiled(rng, value)
    elif name in ("input_ids", "modality_ids", "position_ids"):
        shape = rng.choice(
            ((rows, length), (rows, length + 1), (rows, 0), (length,), (1, 1, length), (rows + 1, length))
        )
        high = {"input_ids": 60, "modality_ids": 3, "position_ids": 10**6}[name]
        inputs[name] = torch.randint(-2, high, shape, generator=generator_of(rng))
    else:
        inputs[name] = rng.choice((no_text(rng), odd_number(rng)))


def _labels(rng: Random, inputs: dict[str, Any]) -> dict[str, Any]:
    rows = len(inputs["attention_mask"]) if isinstance(inputs.get("attention_mask"), torch.Tensor) else 1
    shapes = ((rows,), (rows, 1), (rows, 3), (rows, 5), (), (0,), (rows, 1, 1))
    labels = torch.randint(-100, 4, rng.choice(shapes), generator=generator_of(rng))
    kind = rng.random()
    if kind < 0.2:
        labels = labels.float()
    elif kind < 0.3:
        return {"labels": odd_number(rng)}
    elif kind < 0.4:
        return {"start_positions": labels, "end_positions": labels}
    elif kind < 0.5:
        return {"labels": labels, "num_items_in_batch": odd_number(rng)}
    return {"labels": labels}


def _check_forward(name: str, inputs: dict[str, Any]) -> None:
    with torch.no_grad():
        output = models()[name](**inputs)
    _check_finite(output, inputs, ("logits", "patch_logits", "last_hidden_state", "loss", "start_logits"))


def _check_finite(output: Any, inputs: dict[str, Any], keys: tuple[str, ...]) -> None:
    """From finite inputs comes nothing else; NaN in is for the caller to see."""
    if not are_in_range(inputs):
        return
    for key in keys:
        value = getattr(output, key, None)
        if isinstance(value, torch.Tensor) and value.numel():
            # Without any label there is no mean.
            if key == "loss" and not value.isfinite():
                continue
            expect(value.isfinite().all(), f"{key} is not finite")


def _check_likelihood(name: str, inputs: dict[str, Any]) -> None:
    with torch.no_grad():
        nats = models()[name].log_likelihood(**inputs)
    expect(not nats.isnan().any(), "a likelihood that is no number")
    expect((nats <= 1e-3).all(), f"a log likelihood above 0: {nats}")


def _options(rng: Random, name: str) -> dict[str, Any]:
    options: dict[str, Any] = {"max_new_patches": rng.choice((1, 2, 3))}
    choices: dict[str, tuple[Any, ...]] = {
        "max_new_patches": (0, 1, 15, odd_number(rng)),
        "max_new_tokens": (1, odd_number(rng)),
        "max_length": (1, 5, odd_number(rng)),
        "min_new_patches": (1, 3, odd_number(rng)),
        "do_sample": (True, False),
        "temperature": (0.7, 0, odd_number(rng)),
        "top_k": (1, 5, odd_number(rng)),
        "top_p": (0.5, odd_number(rng)),
        "num_beams": (2, odd_number(rng)),
        "num_return_sequences": (2, 0, -1),
        "output_modality": ("pixel", "token", "sound", None),
        "stop_at_eos": (True, False),
        "pixel_sampler": ("threshold", "beam", None),
        "pixel_threshold": (0.5, odd_number(rng)),
        "return_dict_in_generate": (True,),
        "output_logits": (True,),
        "output_scores": (True,),
        "cache_implementation": ("static", "dynamic", "paper"),
        "bad_words_ids": ([[1]],),
        "repetition_penalty": (1.2,),
        "nothing": (1,),
        "generator": (torch.Generator().manual_seed(1), 1),
        "use_cache": (True, False),
        "pixel_steps": (1, 3, odd_number(rng)),
        "guidance_scale": (1.5, 3, odd_number(rng)),
        "assistant_model": (None, "small", odd_number(rng)),
    }
    for key in rng.sample(list(choices), rng.choice((0, 1, 1, 2, 3))):
        options[key] = rng.choice(choices[key])
    if name in ("flow", "guided") and rng.random() < 0.5:
        key = rng.choice(("pixel_steps", "guidance_scale", "temperature", "pixel_sampler", "top_k"))
        options[key] = rng.choice((*choices[key], "clamp", "round", "raw"))
    # Many steps, patches and strips are what was asked for, not a fault.
    for key, most in (("pixel_steps", 50), *dict.fromkeys(_LENGTHS, 15).items()):
        if isinstance(options.get(key), int) and most < options[key] < 2**31:
            options[key] = most
    return options


def _check_generate(name: str, inputs: dict[str, Any], options: dict[str, Any]) -> None:
    output = models()[name].generate(**inputs, **options)
    strips = output if isinstance(output, torch.Tensor) else getattr(output, "pixel_values", None)
    if isinstance(strips, torch.Tensor) and strips.dim() == 4 and strips.is_floating_point():
        expect(strips.isfinite().all(), "pixels that are no numbers")
        expect(strips.shape[-1] % 8 == 0, f"{strips.shape[-1]} columns are no whole patches")


PART = Part("models", make, share=14, prepare=models, batch=500)
__all__ = ["PART"]
