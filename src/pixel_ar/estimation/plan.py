# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Memory of each device, speed and days of a training run, for each way to share the work among devices.

- `ddp`: every device holds the whole model; gradients are added up through buckets as large as they are.
- `fsdp`: weights, gradients and the optimiser's state are split evenly; a layer is gathered while it runs, and the next
  one while it does.
- `tp`: the matrices of `config.base_model_tp_plan` are split, and with them what flows between them; the rest is whole
  on every device, and all devices work on the same strips.

What is counted is what the arithmetic needs. An allocator's gaps, the context of a device and the buffers of its
libraries come on top: leave a tenth, and about a gigabyte.
"""

import copy
import fnmatch
import math
from dataclasses import dataclass
from typing import Any

import torch

from ..models.pixel_ar.configuration_pixel_ar import PixelARConfig
from .trace import build_on_meta, layer_cost, training_cost

WAYS = ("ddp", "fsdp", "tp")
# Bytes per weight: (weights that are trained, copy that is multiplied, gradients).
PRECISIONS = {"mixed": (4, 2, 4), "bf16": (2, 0, 2), "float32": (4, 0, 4)}
# float32 values of state per weight. Muon keeps one for each matrix of the layers and AdamW's two for the rest.
ADAMW_VALUES, MUON_VALUES = 2, 1
SECONDS_PER_DAY = 86_400
# Characters per second that one process packs and draws for a collator, 5x8 atlas (examples/benchmarks/README.md).
RENDER_RATE = 4.8e6
# The same for words of the strategy `word_pieces`, and the characters of such a patch of English.
WORDS_RENDER_RATE, WORD_CHARACTERS = 0.9e6, 4.6
CHARACTER_COLUMNS = {8: 5.0, 16: 8.0}
# Patches that the published runs read. PIXAR: 1,000,000 steps of 384 strips of 360 patches (arXiv 2401.03321 and its
# code); PixelGPT and DualGPT: about 200 billion patches and tokens (arXiv 2404.10710).
PUBLISHED_PATCHES = {
    "pixar-85m": 384 * 360 * 1_000_000,
    "pixar-113m": 384 * 360 * 1_000_000,
    "pixelgpt-317m": 200_000_000_000,
    "dualgpt-350m": 200_000_000_000,
}


@dataclass(frozen=True)
class Memory:
    """Bytes on one device.

    Attributes:
        way: one of [`WAYS`].
        weights: that are trained.
        copy: of the weights in the type that is multiplied.
        gradients: of the weights.
        optimizer: its state.
        activations: kept from the forward pass for the backward pass, at their most.
        exchange: buffers between devices.
    """

    way: str
    weights: int
    copy: int
    gradients: int
    optimizer: int
    activations: int
    exchange: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.copy + self.gradients + self.optimizer + self.activations + self.exchange


@dataclass(frozen=True)
class Speed:
    """What a run costs in time.

    Attributes:
        flops_per_patch: forward and backward pass of one patch; what is recomputed does not count.
        patches_per_second: of all devices together.
        render_workers: processes that must draw text for one device.
        patches: of the whole run, or `None`.
        days: of the whole run, or `None`.
    """

    flops_per_patch: float
    patches_per_second: float
    render_workers: int
    patches: int | None
    days: float | None


@dataclass(frozen=True)
class Run:
    """A training run to be estimated.

    Attributes:
        config: of the model.
        devices: how many.
        batch: strips per device and step (with `tp`, per group of devices).
        length: patches of a strip.
        precision: a key of [`PRECISIONS`]: `"mixed"`, float32 weights that are multiplied in bf16.
        optimizer: `"adamw"` or `"muon"`.
        recomputes: whether layers are computed again in the backward pass (activation checkpointing).

    Raises:
        ValueError: for a number that is not positive, or an unknown name.
    """

    config: PixelARConfig
    devices: int = 1
    batch: int = 8
    length: int = 360
    precision: str = "mixed"
    optimizer: str = "adamw"
    recomputes: bool = False

    def __post_init__(self) -> None:
        for name in ("devices", "batch", "length"):
            if getattr(self, name) < (2 if name == "length" else 1):
                raise ValueError(
                    f"{name} must be at least {2 if name == 'length' else 1}, got {getattr(self, name)}."
                )
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}.")
        if self.optimizer not in ("adamw", "muon"):
            raise ValueError(f"optimizer must be adamw or muon, got {self.optimizer!r}.")

    @property
    def dtype(self) -> torch.dtype:
        """Of the activations."""
        return torch.float32 if self.precision == "float32" else torch.bfloat16


def count_weights(config: PixelARConfig) -> dict[str, int]:
    """Weights by the parts of the model: `embedding`, `layers`, `norm`, `patch head` and, with tokens, `tokens`.

    A weight that two parts share counts once.
    """
    counts: dict[str, int] = {}
    for name, parameter in build_on_meta(config).named_parameters():
        part = next(
            (part for start, part in _PARTS.items() if name.startswith(start)),
            "other",
        )
        counts[part] = counts.get(part, 0) + parameter.numel()
    return counts


_PARTS = {
    "model.embed_patches": "embedding",
    "model.embed_tokens": "tokens",
    "token_head": "tokens",
    "model.layers": "layers",
    "model.norm": "norm",
    "patch_head": "patch head",
}


def memory(run: Run, way: str) -> Memory:
    """Bytes of one device.

    Args:
        run: what is trained.
        way: one of [`WAYS`].

    Raises:
        ValueError: for an unknown way, or a model that does not split into so many parts.
    """
    if way not in WAYS:
        raise ValueError(f"way must be one of {', '.join(WAYS)}, got {way!r}.")
    shapes = {name: parameter.shape for name, parameter in build_on_meta(run.config).named_parameters()}
    counts = {name: math.prod(shape) for name, shape in shapes.items()}
    shares = {name: _share(run, way, name) for name in counts}
    own = {name: math.ceil(count / shares[name]) for name, count in counts.items()}
    trained, multiplied, gradient = PRECISIONS[run.precision]
    held = sum(own.values())
    values = 0
    for name, count in own.items():
        is_muon = run.optimizer == "muon" and len(shapes[name]) == 2 and name.startswith("model.layers.")
        values += (MUON_VALUES if is_muon else ADAMW_VALUES) * count
    exchange, copied = 0, multiplied * held
    if way == "ddp" and run.devices > 1:
        exchange = gradient * held
    if way == "fsdp" and run.devices > 1:
        layer = sum(count for name, count in counts.items() if name.startswith("model.layers.0."))
        rest = sum(count for name, count in counts.items() if not name.startswith("model.layers."))
        # A layer and the next one in the type that is multiplied, and what is no layer; gradients before the split.
        exchange = (multiplied or trained) * (2 * layer + rest) + gradient * layer
        copied = 0
    return Memory(
        way=way,
        weights=trained * held,
        copy=copied,
        gradients=gradient * held,
        optimizer=4 * values,
        activations=round(_activations(run, _split(run) if way == "tp" else run.config)),
        exchange=exchange,
    )


def speed(
    run: Run,
    flops_per_device: float,
    utilisation: float,
    patches: int | None,
    render_rate: float | None = None,
) -> Speed:
    """Time of a run.

    Args:
        run: what is trained.
        flops_per_device: what a device can do at most, FLOP/s.
        utilisation: the share of it that training reaches, 0 to 1.
        patches: of the whole run, or `None`.
        render_rate: characters per second that one process packs and draws; `None` for what one core was measured at
            (`examples/benchmarks/packing.py`), which is less where patches are words.

    Raises:
        ValueError: for a number outside its range.
    """
    has_words = run.config.patch_head == "dictionary"
    if render_rate is None:
        render_rate = WORDS_RENDER_RATE if has_words else RENDER_RATE
    if flops_per_device <= 0 or not 0 < utilisation <= 1 or render_rate <= 0:
        raise ValueError(
            f"FLOP/s ({flops_per_device:g}) and render rate ({render_rate:g}) must be positive and the utilisation "
            f"({utilisation:g}) lie in 0 to 1."
        )
    cost = training_cost(run.config, 1, run.length, run.dtype)
    flops = (cost.forward_flops + cost.backward_flops) / run.length
    rate = run.devices * flops_per_device * utilisation / flops
    height, width = run.config.patch_size
    per_patch = width / CHARACTER_COLUMNS.get(height, height / 2)
    if has_words:
        per_patch = WORD_CHARACTERS * run.config.dictionary_parts
    characters = rate / run.devices * per_patch
    days = None if patches is None else patches / rate / SECONDS_PER_DAY
    return Speed(flops, rate, math.ceil(characters / render_rate), patches, days)


def _share(run: Run, way: str, name: str) -> int:
    """Into how many parts a weight is split."""
    if way == "fsdp":
        return run.devices
    if way == "tp":
        plan: dict[str, Any] = run.config.base_model_tp_plan or {}
        inner = name.removeprefix("model.").rsplit(".", 1)[0]
        if any(fnmatch.fnmatchcase(inner, pattern) for pattern in plan):
            return run.devices
    return 1


def _split(run: Run) -> PixelARConfig:
    """The model of one device with tensor parallelism: fewer heads, a narrower inner layer."""
    split = copy.deepcopy(run.config)
    for name in ("num_attention_heads", "num_key_value_heads", "intermediate_size"):
        value = int(getattr(split, name))
        if value % run.devices:
            raise ValueError(
                f"{name} ({value}) does not split among {run.devices} devices; choose a divisor, or fsdp."
            )
        setattr(split, name, value // run.devices)
    return split


def _activations(run: Run, config: PixelARConfig) -> float:
    saved = training_cost(config, run.batch, run.length, run.dtype).saved_bytes
    if not run.recomputes:
        return saved
    # The input of every layer is kept, and all of the one that is computed again.
    layer = layer_cost(config, run.batch, run.length, run.dtype).saved_bytes
    width = torch.finfo(run.dtype).bits // 8
    inputs = run.batch * run.length * config.hidden_size * width
    return saved + layer - config.num_hidden_layers * (layer - inputs)


__all__ = [
    "PRECISIONS",
    "PUBLISHED_PATCHES",
    "RENDER_RATE",
    "WAYS",
    "Memory",
    "Run",
    "Speed",
    "count_weights",
    "memory",
    "speed",
]
