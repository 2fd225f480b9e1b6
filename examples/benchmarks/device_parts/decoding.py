# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Decoding: `generate` of a pixel model and of Transformers' own Llama with the same decoder, in one process.

Prompt and patches are timed apart: the time of a call for one patch is that of the prompt, what n more patches cost is
the difference. Each is set against the bare products of the same weights, which is what a machine must do at least.
A patch of 8x20 holds four characters of the 5x8 atlas, a patch of words and a token of a BPE of 4,096 what `texts`
measures. Random weights never mean a word that is no entry of the dictionary; what such words cost is measured apart
and counted as often as they stand in held-out text (`escapes`).
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from harness import Record, Settings
from transformers.generation import CompileConfig

from pixel_ar.models.pixel_ar.heads.parts import entry_head

from .measuring import (
    bare_products,
    build,
    characters_per_patch,
    clock,
    count_parameters,
    has_words,
    llama_like,
    peak_memory,
    pixel_config,
    reset_memory,
    time_calls,
    words_of,
)
from .texts import characters_per_token


def run(settings: Settings, record: Record) -> None:
    """See `harness`."""
    device = settings.device
    on_device = device == "cuda"
    sizes = settings.options.get("sizes") or ["pixel-ar-113m", "pixel-ar-words-113m", "pixel-ar-words-113m/2"]
    sizes = ["tiny", "tiny-words", "tiny-words/2"] if settings.is_quick else sizes
    batches = [1, 2] if settings.is_quick else ([1, 32, 256] if on_device else [1, 16])
    dtypes = [torch.bfloat16, torch.float32] if on_device else [torch.float32]
    new = 4 if settings.is_quick else (128 if on_device else 32)
    prompt = 4 if settings.is_quick else 64
    token_characters = characters_per_token(settings.is_quick)
    record("bpe", tokens=4096 if not settings.is_quick else 512, characters_per_token=token_characters)
    if not on_device:  # there a whole canvas costs little, and nobody would wait for it
        record.attempt(
            "published procedure",
            lambda: measure_reference(sizes[0], device, dtypes[0], 1, 8 if settings.is_quick else 360),
            model=sizes[0],
            batch=1,
        )
    for dtype in dtypes:  # the device's own type first, should the time not do for both
        for size in sizes:
            for batch in batches:
                if settings.seconds_left() < (1 if settings.is_quick else 15):
                    record("decode", size=size, batch=batch, dtype=_short(dtype), skipped="no time left")
                    continue
                kinds = ["dynamic", "static compiled"] if on_device else ["dynamic", "static"]
                if settings.options.get("compile") and not on_device:
                    kinds.append("static compiled")
                for kind in kinds:
                    record.attempt(
                        "decode",
                        lambda size=size, kind=kind, batch=batch, dtype=dtype: measure_pixels(
                            size, device, dtype, batch, prompt, new, kind
                        ),
                        model=size,
                        batch=batch,
                        dtype=_short(dtype),
                        cache=kind,
                    )
                if "words" in size and len(sizes) > 1:
                    continue  # the Llama of the same decoder was measured
                record.attempt(
                    "decode",
                    lambda size=size, batch=batch, dtype=dtype: measure_llama(
                        size, device, dtype, batch, prompt, new, token_characters, on_device
                    ),
                    model=f"Llama like {size}",
                    batch=batch,
                    dtype=_short(dtype),
                    cache="static compiled" if on_device else "dynamic",
                )


def measure_pixels(
    size: str, device: str, dtype: torch.dtype, batch: int, prompt: int, new: int, kind: str
) -> dict[str, Any]:
    """A pixel model's prefill and decode."""
    config = pixel_config(size)
    model = build(config, device, dtype)
    height, width = config.patch_size
    strips = torch.randint(0, 2, (batch, 1, height, prompt * width), device=device).float()
    options: dict[str, Any] = {"stop_at_eos": False}
    if kind != "dynamic":
        options["cache_implementation"] = "static"
        options["max_cache_len"] = prompt + new
        if kind == "static":
            options["disable_compile"] = True
        elif device == "cpu":
            options["compile_config"] = CompileConfig()

    def generate(count: int) -> None:
        model.generate(strips, max_new_patches=count, **options)

    values = _figures(model, generate, device, dtype, batch, new, characters_per_patch(config))
    return values | _head_figures(model, device, dtype, batch, values)


def _head_figures(
    model: Any, device: str, dtype: torch.dtype, batch: int, values: dict[str, Any]
) -> dict[str, Any]:
    """The head's part of a step; for words, the step with what is spelled."""
    states = torch.randn(batch, model.config.hidden_size, device=device, dtype=dtype)
    which, head = clock(device), model.patch_head

    def draw() -> None:
        for _ in range(8):
            head.sample(states)

    # A call of `generate` draws the entries' vectors once, which counts to the prompt.
    with torch.no_grad(), head.drawing():
        seconds = getattr(time_calls(draw, device), which) / 8
    found: dict[str, Any] = {"head_ms": 1e3 * seconds, "head_share": 1e3 * seconds / values["step_ms"]}
    if not has_words(model.config):
        return found
    words, parts = words_of(model.config), model.config.dictionary_parts
    escape = entry_head(head).escape
    spelled = max(1, round(batch * words.escapes))

    def spell() -> None:
        with torch.no_grad():
            escape.sample_weighed(states[:spelled], False, None, None, None, None, None)

    spelling = getattr(time_calls(spell, device), which)
    # How often in a step some row spells.
    often = parts * (1 - (1 - words.escapes) ** batch)
    step = values["step_ms"] / 1e3 + often * spelling
    return found | {
        "escapes": words.escapes,
        "spelling_ms": 1e3 * spelling,
        "characters_per_s_with_spelling": batch * parts * words.characters / step,
    }


def measure_reference(size: str, device: str, dtype: torch.dtype, batch: int, canvas: int) -> dict[str, Any]:
    """The published procedure, PIXAR's: for each patch the whole canvas is read anew."""
    config = pixel_config(size)
    model = build(config, device, dtype)
    height, width = config.patch_size
    strips = torch.zeros(batch, 1, height, canvas * width, device=device)

    def read() -> None:
        with torch.no_grad():
            model(pixel_values=strips, return_dict=True)

    seconds = getattr(time_calls(read, device, 2), clock(device))
    return {
        "parameters": count_parameters(model),
        "clock": clock(device),
        "step_ms": 1e3 * seconds,
        "characters_per_s": batch * characters_per_patch(config) / seconds,
    }


def measure_llama(
    size: str,
    device: str,
    dtype: torch.dtype,
    batch: int,
    prompt: int,
    new: int,
    characters: float,
    is_compiled: bool,
) -> dict[str, Any]:
    """The same of Transformers' Llama."""
    model = build(llama_like(pixel_config(size)), device, dtype)
    ids = torch.randint(1, model.config.vocab_size, (batch, prompt), device=device)
    options: dict[str, Any] = {"cache_implementation": "static"} if is_compiled else {}

    def generate(count: int) -> None:
        model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=count,
            min_new_tokens=count,
            do_sample=False,
            **options,
        )

    return _figures(model, generate, device, dtype, batch, new, characters)


def _figures(
    model: Any, generate: Any, device: str, dtype: torch.dtype, batch: int, new: int, characters: float
) -> dict[str, Any]:
    which = clock(device)
    reset_memory(device)
    products = getattr(time_calls(bare_products(model, batch, device, dtype), device, 10), which)
    generate(new)  # compiles, for the length of the cache that is timed
    first = getattr(time_calls(lambda: generate(1), device), which)
    whole = getattr(time_calls(lambda: generate(new), device), which)
    step = (whole - first) / (new - 1)
    values = {
        "parameters": count_parameters(model),
        "clock": which,
        "prefill_ms": 1e3 * first,
        "step_ms": 1e3 * step,
        "products_ms": 1e3 * products,
        "step_over_products": step / products,
        "steps_per_s": batch / step,
        "characters_per_s": batch * characters / step,
    }
    if (peak := peak_memory(device)) is not None:
        values["peak_gib"] = peak / 2**30
    if device == "cuda":
        values["waits_per_step"] = (count_waits(lambda: generate(new)) - count_waits(lambda: generate(1))) / (
            new - 1
        )
    return values


def count_waits(action: Callable[[], Any]) -> int:
    """How often the host waits for the device."""
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            action()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing" in str(warning.message) for warning in caught)


def _short(dtype: torch.dtype) -> str:
    return {torch.bfloat16: "bf16", torch.float32: "f32"}[dtype]
