# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Options of `generate`: this package's own, and those of Transformers that mean something else for patches."""

import copy
from typing import Any

import torch
from transformers.generation import GenerationConfig, LogitsProcessorList, TemperatureLogitsWarper
from transformers.generation.configuration_utils import GenerationMode

from ..heads.base import PatchHead
from .mixed_prompts import MixedPrompt
from .writer import PixelRequest

# Options of GenerationConfig about token ids or texts, which patches do not have.
TOKEN_OPTIONS = (
    "bad_words_ids",
    "begin_suppress_tokens",
    "encoder_no_repeat_ngram_size",
    "encoder_repetition_penalty",
    "exponential_decay_length_penalty",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "guidance_scale",
    "no_repeat_ngram_size",
    "repetition_penalty",
    "sequence_bias",
    "stop_strings",
    "suppress_tokens",
    "token_healing",
    "watermarking_config",
)


# Names of this package and what Transformers calls the same thing.
PATCH_ALIASES = {"max_new_patches": "max_new_tokens", "min_new_patches": "min_new_tokens"}
# Options of this package, in a call or in a generation configuration.
PIXEL_OPTIONS = ("pixel_sampler", "pixel_threshold", "stop_at_eos")
PIXEL_MODES = (GenerationMode.GREEDY_SEARCH, GenerationMode.SAMPLE)
OUTPUT_MODALITIES = ("pixel", "token")


def check_patch_options(generation_config: GenerationConfig, model: str) -> None:
    """Refuses what has no meaning for patches.

    Raises:
        ValueError: for beams and other modes, and for options about token ids, naming them.
    """
    mode = generation_config.get_generation_mode()
    if mode not in PIXEL_MODES:
        raise ValueError(
            f"{model} cannot generate by {mode.value.replace('_', ' ')}: patches are drawn greedily "
            "or sampled (do_sample=True), with num_beams=1 and without an assistant."
        )
    # 0, 1 and empty collections are the neutral values of these options.
    set_options = [(name, getattr(generation_config, name, None)) for name in TOKEN_OPTIONS]
    refused = [f"{name}={value}" for name, value in set_options if value and value != 1]
    if refused:
        raise ValueError(
            f"{', '.join(refused)}: not supported by {model}, which writes patches, not tokens. "
            "Use a logits processor (over the bytes of a patch) or a stopping criterion (over patches) instead."
        )


def resolve_pixel_options(
    generation_config: GenerationConfig, request: PixelRequest, head: PatchHead, name: str
) -> None:
    """Fills the request's options: those of the call, else of the configuration, else the defaults.

    Args:
        generation_config: may hold [`PIXEL_OPTIONS`] as attributes.
        request: of the call.
        head: which has to know the sampler.
        name: what errors call the head.

    Raises:
        ValueError: for a sampler or a threshold that the head does not have.
    """
    for option in PIXEL_OPTIONS:
        if getattr(request, option) is None:
            setattr(request, option, getattr(generation_config, option, None))
    if request.stop_at_eos is None:
        request.stop_at_eos = True
    if request.pixel_sampler is not None and request.pixel_sampler not in head.samplers:
        known = (
            f"choose one of {head.samplers}"
            if head.samplers
            else "it draws bytes; use do_sample and temperature"
        )
        raise ValueError(
            f"pixel_sampler={request.pixel_sampler!r} does not fit patch_head={name!r}: {known}."
        )
    threshold = request.pixel_threshold
    if threshold is not None and not (head.samplers and 0 < threshold < 1):
        raise ValueError(
            f"pixel_threshold={threshold}: a number between 0 and 1, for heads that write all pixels at once; this one "
            f"is {name!r}."
        )


def pixel_processors(
    generation_config: GenerationConfig, own: LogitsProcessorList | None, name_of_head: str
) -> LogitsProcessorList:
    """Processors for a head that writes all pixels at once: the caller's own, then temperature.

    Raises:
        ValueError: for options that leave values out, which two values do not allow.
    """
    for name in ("top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff"):
        value = getattr(generation_config, name, None)
        if value not in (None, 0, 1):
            raise ValueError(
                f"{name}={value}: the pixels of patch_head={name_of_head!r} have two values each, of which "
                "none can be left out; use temperature or pixel_threshold."
            )
    processors = LogitsProcessorList(own or [])
    if generation_config.temperature not in (None, 1):
        processors.append(TemperatureLogitsWarper(generation_config.temperature))
    return processors


def are_ids(inputs: Any) -> bool:
    """Whether inputs look like token ids `[B, L]`."""
    return isinstance(inputs, torch.Tensor) and inputs.dim() == 2 and not inputs.is_floating_point()


def take_prompt(inputs: torch.Tensor | None, kwargs: dict[str, Any]) -> MixedPrompt:
    """The prompt of a call, whose parts leave `kwargs`."""
    pixel_values = kwargs.pop("pixel_values", None)
    if inputs is not None and pixel_values is not None:
        raise ValueError("Pass the strips either as inputs or as pixel_values, not both.")
    return MixedPrompt(
        inputs if pixel_values is None else pixel_values,
        kwargs.pop("input_ids", None),
        kwargs.pop("modality_ids", None),
        kwargs.pop("attention_mask", None),
    )


def same_option(alias: str, alias_value: int | None, name: str, value: int | None) -> int | None:
    """The value of an option with two names."""
    if alias_value is not None and value is not None and alias_value != value:
        raise ValueError(
            f"{alias}={alias_value} and {name}={value} are the same option: set only one of them."
        )
    return value if alias_value is None else alias_value


def resolve_aliases(generation_config: GenerationConfig) -> GenerationConfig:
    """A copy in which [`PATCH_ALIASES`] stand under Transformers' names."""
    generation_config = copy.deepcopy(generation_config)
    for alias, name in PATCH_ALIASES.items():
        value = same_option(
            alias, getattr(generation_config, alias, None), name, getattr(generation_config, name)
        )
        setattr(generation_config, name, value)
    return generation_config


__all__ = [
    "OUTPUT_MODALITIES",
    "PATCH_ALIASES",
    "PIXEL_MODES",
    "PIXEL_OPTIONS",
    "are_ids",
    "check_patch_options",
    "pixel_processors",
    "resolve_aliases",
    "resolve_pixel_options",
    "same_option",
    "take_prompt",
]
