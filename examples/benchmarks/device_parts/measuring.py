# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Clocks, models and machine limits that the parts share.

On a device a time is that of the wall with the device's queue emptied before and after. On a CPU both the wall's and
the process's own time are given: on a shared machine only the second says something.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from pixel_ar import PixelARConfig, PixelARForCausalLM

from .texts import WordPatches, word_patches

# Columns of a character of the 5x8 atlas.
CHARACTER_COLUMNS = 5
BPE_TOKENS = 4096


@dataclass(frozen=True)
class Time:
    """Seconds of one call: the median of a few.

    Attributes:
        wall: by the clock on the wall.
        cpu: of this process, all threads together.
    """

    wall: float
    cpu: float


def synchronize(device: str) -> None:
    """Waits until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def time_calls(action: Callable[[], Any], device: str, repeats: int = 3, seconds: float = 20.0) -> Time:
    """The median time of a call, after one that does not count; fewer repeats when `seconds` are used up."""
    action()
    synchronize(device)
    walls, cpus = [], []
    begun = time.perf_counter()
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        action()
        synchronize(device)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
        if time.perf_counter() - begun > seconds:
            break
    return Time(statistics.median(walls), statistics.median(cpus))


def clock(device: str) -> str:
    """Which of the two times ratios are made of."""
    return "wall" if device == "cuda" else "cpu"


def tiny_pixel_config(**options: Any) -> PixelARConfig:
    """For a quick run."""
    return PixelARConfig(**{**_TINY, "patch_size": (8, 20), "max_position_embeddings": 512, **options})


_TINY: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "head_hidden_size": 32,
    "head_byte_hidden_size": 16,
}


def pixel_config(name: str, **options: Any) -> PixelARConfig:
    """`"tiny"`, `"tiny-words"`, or a preset of `PixelARConfig`; `NAME/2` for two words to a patch."""
    name, _, parts = name.partition("/")
    if parts:
        height, width = pixel_config(name).patch_size
        options |= {"patch_size": (height, int(parts) * width), "dictionary_parts": int(parts)}
    if name == "tiny":
        return tiny_pixel_config(**options)
    if name == "tiny-words":
        words = {
            "patch_head": "dictionary",
            "dictionary_size": 100,
            "head_num_layers": 1,
            "head_group_columns": 5,
            "head_num_glyphs": 50,
        }
        return tiny_pixel_config(**{"patch_size": (8, 40), **words, **options})
    return PixelARConfig.from_preset(name, **options)


def llama_like(config: PixelARConfig, vocab_size: int = BPE_TOKENS) -> LlamaConfig:
    """Transformers' own Llama with the same decoder, over tied tokens of a BPE."""
    return LlamaConfig(
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        num_key_value_heads=config.num_key_value_heads,
        head_dim=config.head_dim,
        max_position_embeddings=config.max_position_embeddings,
        rms_norm_eps=config.rms_norm_eps,
        vocab_size=vocab_size,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )


def build(config: Any, device: str, dtype: torch.dtype, attention: str = "sdpa") -> Any:
    """A model with random weights: they do not change the time."""
    torch.manual_seed(0)
    config._attn_implementation = attention
    with torch.device(device):
        model = (PixelARForCausalLM if isinstance(config, PixelARConfig) else LlamaForCausalLM)(config)
    if has_words(config):
        model.set_patch_dictionary(words_of(config).dictionary)
    return model.to(device=device, dtype=dtype).eval()


def has_words(config: Any) -> bool:
    """Whether patches are words of a dictionary."""
    return getattr(config, "patch_head", None) == "dictionary"


def words_of(config: PixelARConfig) -> WordPatches:
    """The dictionary of a model that has words, fitted to the addresses."""
    size, part = int(config.dictionary_size or 0), config.part_size
    return word_patches(part, size, config.head_num_glyphs, config.head_group_columns or part[1], size < 1000)


def count_parameters(model: torch.nn.Module) -> int:
    """All weights, tied ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def characters_per_patch(config: PixelARConfig) -> float:
    """Characters of the 5x8 atlas in a patch; with words, of held-out text."""
    if has_words(config):
        return words_of(config).characters * config.dictionary_parts
    return config.patch_size[1] / CHARACTER_COLUMNS


def bare_products(model: torch.nn.Module, rows: int, device: str, dtype: torch.dtype) -> Callable[[], None]:
    """A call that multiplies every matrix that a step needs with `rows` vectors, and nothing else."""
    pairs = []
    parts = getattr(model.config, "dictionary_parts", 1)
    if has_words(model.config):
        entries = torch.randn(
            model.config.dictionary_size, model.config.hidden_size, device=device, dtype=dtype
        )
        pairs += parts * [(torch.randn(rows, entries.shape[1], device=device, dtype=dtype), entries)]
    for name, module in model.named_modules():
        # An embedding is looked up, not multiplied; what spells a word that is no entry is not used for the others.
        if ".escape." in name:
            continue
        # Every part of a patch goes through these.
        times = (
            parts
            if name.endswith((".scores.query", "embed_patches.hidden", "embed_patches.projection"))
            else 1
        )
        if isinstance(module, torch.nn.Linear) and "embed_tokens" not in name:
            weight = module.weight.detach()
            pairs += times * [(torch.randn(rows, weight.shape[1], device=device, dtype=dtype), weight)]
        elif type(module).__name__ in ("SlotLinear", "CausalSlotLinear"):
            weight = (
                module.weight.detach().flatten(0, -2) if module.weight.dim() == 3 else module.weight.detach()
            )
            pairs.append((torch.randn(rows, weight.shape[-1], device=device, dtype=dtype), weight))

    def multiply() -> None:
        for states, weight in pairs:
            F.linear(states, weight)

    return multiply


def product_rate(device: str, dtype: torch.dtype, size: int, repeats: int = 10) -> float:
    """FLOP/s of a square matrix product."""
    first = torch.randn(size, size, device=device, dtype=dtype)
    second = torch.randn(size, size, device=device, dtype=dtype)

    def multiply() -> None:
        for _ in range(repeats):
            first @ second

    spent = time_calls(multiply, device)
    return 2 * size**3 * repeats / getattr(spent, clock(device))


def copy_rate(device: str, size: int) -> float:
    """Bytes read and written per second when `size` bytes are copied."""
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    spent = time_calls(lambda: target.copy_(source), device)
    return 2 * size / getattr(spent, clock(device))


def reset_memory(device: str) -> None:
    """Forgets the highest use of the device's memory so far."""
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_memory(device: str) -> int | None:
    """Bytes of the device's memory in use at most since [`reset_memory`]; `None` on a CPU."""
    return torch.cuda.max_memory_allocated() if device == "cuda" else None


__all__ = [
    "Time",
    "bare_products",
    "build",
    "characters_per_patch",
    "clock",
    "copy_rate",
    "count_parameters",
    "has_words",
    "llama_like",
    "peak_memory",
    "pixel_config",
    "product_rate",
    "reset_memory",
    "synchronize",
    "time_calls",
    "words_of",
]
