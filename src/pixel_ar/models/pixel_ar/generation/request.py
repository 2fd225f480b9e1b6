# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A call of `generate`, parsed once into one frozen request; what has no meaning for patches is refused here."""

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    Cache,
    EpsilonLogitsWarper,
    EtaLogitsWarper,
    GenerationConfig,
    InfNanRemoveLogitsProcessor,
    LogitNormalization,
    LogitsProcessorList,
    MaxTimeCriteria,
    MinPLogitsWarper,
    StoppingCriteriaList,
    TemperatureLogitsWarper,
    TopHLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from ..heads.base import Generators, PatchHead
from ..outputs import one_cache
from .prompts import MixedPrompt
from .ranges import CUTS, PATCH_ALIASES, check_ranges, is_number
from .streamers import PatchStreamer

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
# Options of this package, in a call or in a generation configuration.
PIXEL_OPTIONS = ("pixel_sampler", "pixel_steps", "pixel_threshold", "stop_at_eos")
# Arguments of Transformers' `generate` that a continued strip has no use for.
UNSUPPORTED = ("inputs_embeds", "position_ids", "prefill_chunk_size", "tokenizer", "assistant_tokenizer")
# What Transformers takes for options that nobody has set.
DEFAULT_TOP_K, DEFAULT_NEW_PATCHES = 50, 20


@dataclass(frozen=True)
class PixelRequest:
    """What one call of `generate` asks for.

    Attributes:
        prompt: as the caller gave it.
        config: the call's options over its `generation_config` over the model's; aliases resolved.
        cache: of the caller, or `None`.
        processors: acting on every decision of a patch.
        criteria: besides length and EOS patch.
        streamer: gets the patches.
        generator: source of randomness, `None` for torch's.
        synced_gpus: whether all devices go on until the last has finished; `None` to find out.
        draft: a model whose patches are checked, or `None`; see `speculative`.
        pixel_sampler: how a linear head turns logits into pixels; `None` for its own choice.
        pixel_threshold: probability of background from which a pixel is background.
        stop_at_eos: whether a row ends with its EOS patch.
        head_options: what this kind of patch head takes besides.
        extra: what is left, for a `custom_generate`.
    """

    prompt: MixedPrompt
    config: GenerationConfig
    cache: Cache | None
    processors: LogitsProcessorList
    criteria: StoppingCriteriaList
    streamer: PatchStreamer | None
    generator: Generators | None
    synced_gpus: bool | None
    draft: Any
    pixel_sampler: str | None
    pixel_threshold: float
    stop_at_eos: bool
    head_options: dict[str, Any]
    extra: dict[str, Any]

    def new_patches(self, prompt_length: int, trained_length: int) -> tuple[int, int]:
        """How many patches at most and at least follow the longest prompt, unfinished ones counted with it.

        Raises:
            ValueError: if nothing is left to generate.
        """
        config = self.config
        most, least = config.max_new_tokens, config.min_new_tokens
        if most is None and config.max_length is not None:
            most = config.max_length - prompt_length
        elif most is None:
            most = min(DEFAULT_NEW_PATCHES, trained_length - prompt_length)
            warnings.warn(
                f"Neither max_new_patches (max_new_tokens) nor max_length is set; {most} patches follow.",
                UserWarning,
                stacklevel=5,
            )
        if most <= 0:
            raise ValueError(
                f"The longest prompt has {prompt_length} patches, which leaves nothing to generate: the limit is "
                f"{prompt_length + most} (max_length). Set max_new_patches instead, or a larger max_length."
            )
        if least is None:
            least = max((config.min_length or 0) - prompt_length, 0)
        if least > most:
            warnings.warn(
                f"At least {least} new patches are asked for, but at most {most}.", UserWarning, stacklevel=5
            )
        if prompt_length + most > trained_length:
            warnings.warn(
                f"The prompt of {prompt_length} patches and up to {most} new ones exceed the {trained_length} "
                "(max_position_embeddings) the model was made for; what lies beyond may suffer.",
                UserWarning,
                stacklevel=5,
            )
        return most, least


def parse_request(
    prompt: MixedPrompt,
    options: dict[str, Any],
    arguments: dict[str, Any],
    model: Any,
    custom_generate: Callable | None = None,
) -> PixelRequest:
    """Parses a call that writes patches.

    Args:
        prompt: taken from the call.
        options: the call's other keyword arguments.
        arguments: of `generate` by name.
        model: a `PixelARForCausalLM`.
        custom_generate: takes arguments of its own.

    Raises:
        ValueError: for unknown arguments, and modes or options that have no meaning for patches.
    """
    name = type(model).__name__
    cache = one_cache(options.pop("cache", None), options.pop("past_key_values", None))
    _refuse_unsupported(prompt, options, arguments, model)
    if model.patch_head.draws_from_noise:
        _refuse_logit_options(options, arguments, model)
    config, options = resolve_config(model.generation_config, arguments["generation_config"], options)
    _check_config(config, cache, model)
    if custom_generate is None and any(value is not None for value in options.values()):
        unknown = [option for option, value in options.items() if value is not None]
        raise ValueError(f"{', '.join(unknown)}: unknown arguments of {name}.generate; are they misspelt?")
    sampler, threshold = _check_sampler(config, model.patch_head, model.config.patch_head)
    own = LogitsProcessorList(arguments["logits_processor"] or [])
    stop_at_eos = getattr(config, "stop_at_eos", None)
    return PixelRequest(
        prompt=prompt,
        config=config,
        cache=cache,
        processors=_processors(config, own, model),
        criteria=_criteria(config, arguments["stopping_criteria"]),
        streamer=arguments["streamer"],
        generator=_checked_generator(arguments["generator"]),
        synced_gpus=arguments["synced_gpus"],
        draft=arguments["assistant_model"],
        pixel_sampler=sampler,
        pixel_threshold=0.5 if threshold is None else threshold,
        stop_at_eos=True if stop_at_eos is None else bool(stop_at_eos),
        head_options=model.patch_head.read_options(config),
        extra=options,
    )


def resolve_config(
    of_model: GenerationConfig, given: GenerationConfig | None, options: dict[str, Any]
) -> tuple[GenerationConfig, dict[str, Any]]:
    """Options of the call over those of its configuration over the model's.

    Returns:
        The configuration, and the options that it does not know.

    Raises:
        ValueError: if an option and its alias are both set and differ, or for values that do not fit.
    """
    config = copy.deepcopy(of_model)
    known = {*vars(GenerationConfig()), *vars(of_model), *PATCH_ALIASES, *PIXEL_OPTIONS}
    called = {name: value for name, value in options.items() if name in known}
    # One after the other, so that a name and its alias from different places do not clash.
    for layer in (vars(of_model), vars(given) if given is not None else {}, called):
        for name, value in _resolve_aliases(layer, keeps_none=layer is called).items():
            setattr(config, name, value)
    if config.top_k is None and "top_k" not in called:
        config.top_k = DEFAULT_TOP_K
    check_ranges(vars(config))
    config.validate()
    return config, {name: value for name, value in options.items() if name not in known}


def _checked_generator(given: Any) -> Generators | None:
    """One generator, or a sequence of them with one for each row."""
    each = given if isinstance(given, Sequence) else [given]
    if given is not None and not all(isinstance(one, torch.Generator) for one in each):
        raise TypeError(
            "generator must be a torch.Generator, such as torch.Generator().manual_seed(1), or a list with one for "
            f"each row, got {given!r:.60}."
        )
    return given


def refuse_patch_options(options: dict[str, Any]) -> None:
    """Refuses options of patches in a call that writes tokens.

    Raises:
        ValueError: naming them.
    """
    given = [name for name in (*PATCH_ALIASES, *PIXEL_OPTIONS, "generator") if options.get(name) is not None]
    if given:
        raise ValueError(
            f"{', '.join(given)}: options of patches, but this call writes tokens; use max_new_tokens and the "
            "like, torch.manual_seed for the draw, or output_modality='pixel'."
        )


def _resolve_aliases(layer: dict[str, Any], keeps_none: bool) -> dict[str, Any]:
    """The values set in one place, by Transformers' names."""
    values = {name: value for name, value in layer.items() if not name.startswith("_")}
    for alias, name in PATCH_ALIASES.items():
        alias_value, value = values.pop(alias, None), values.get(name)
        if alias_value is not None and value is not None and alias_value != value:
            raise ValueError(
                f"{alias}={alias_value} and {name}={value} are the same option: set only one of them."
            )
        if alias_value is not None:
            values[name] = alias_value
    return {name: value for name, value in values.items() if value is not None or keeps_none}


def _refuse_unsupported(
    prompt: MixedPrompt, options: dict[str, Any], arguments: dict[str, Any], model: Any
) -> None:
    names = (
        "prefix_allowed_tokens_fn",
        "negative_prompt_ids",
        "negative_prompt_attention_mask",
    )
    given = [name for name in names if arguments[name] is not None]
    given += [name for name in UNSUPPORTED if options.pop(name, None) is not None]
    if model.config.vocab_size is None:
        given += [name for name in ("input_ids", "modality_ids") if getattr(prompt, name) is not None]
    if options.get("cache_implementation") == "paged":
        given.append("cache_implementation='paged'")
    if given:
        raise ValueError(
            f"{', '.join(given)}: not supported by {type(model).__name__}.generate, which continues strips; pass "
            "what the processor returns (pixel_values, attention_mask, num_columns)."
        )


def _refuse_logit_options(options: dict[str, Any], arguments: dict[str, Any], model: Any) -> None:
    """Refuses what acts on logits where the head refines noise; looks before defaults are filled in.

    Raises:
        ValueError: naming the options and what there is instead.
    """
    places = (
        options,
        vars(arguments["generation_config"] or GenerationConfig()),
        vars(model.generation_config),
    )
    given = [
        f"{name}={place[name]}"
        for name in ("top_k", *CUTS)
        for place in places
        if place.get(name) not in (None, 0) and (place[name] != 1 or name == "top_k")
    ]
    if arguments["logits_processor"]:
        given.append("logits_processor")
    if given:
        raise ValueError(
            f"{', '.join(dict.fromkeys(given))}: patch_head={model.config.patch_head!r} refines noise and has no "
            "logits of which some could be left out or changed; use temperature (the size of the noise), "
            "guidance_scale and pixel_steps."
        )


def _check_config(config: GenerationConfig, cache: Cache | None, causal_lm: Any) -> None:
    model, head = type(causal_lm).__name__, causal_lm.patch_head
    mode = str(config.get_generation_mode().value)
    if mode not in ("greedy_search", "sample"):
        raise ValueError(
            f"{model} cannot generate by {mode.replace('_', ' ')}: patches are drawn greedily "
            "or sampled (do_sample=True), with num_beams=1 and without an assistant."
        )
    # 0, 1 and empty collections are the neutral values of these options.
    options = [name for name in TOKEN_OPTIONS if name not in head.generation_options]
    set_options = [(name, getattr(config, name, None)) for name in options]
    refused = [f"{name}={value}" for name, value in set_options if value and value != 1]
    if refused:
        raise ValueError(
            f"{', '.join(refused)}: not supported by {model}, which writes patches, not tokens. "
            "Use a logits processor (over the bytes of a patch) or a stopping criterion (over patches) instead."
        )
    steps = getattr(config, "pixel_steps", None)
    if steps is not None and "pixel_steps" not in head.generation_options:
        raise ValueError(
            f"pixel_steps={steps}: an option of heads that refine noise, such as 'flow'; this one is "
            f"{causal_lm.config.patch_head!r}."
        )
    if cache is not None and config.use_cache is False:
        raise ValueError("past_key_values need use_cache=True: without it, all patches are read again.")
    if cache is not None and config.cache_implementation is not None:
        raise ValueError(
            f"cache_implementation={config.cache_implementation!r} and past_key_values: pass only one of them."
        )


def _check_sampler(config: GenerationConfig, head: PatchHead, name: str) -> tuple[str | None, float | None]:
    sampler, threshold = getattr(config, "pixel_sampler", None), getattr(config, "pixel_threshold", None)
    if sampler is not None and not (isinstance(sampler, str) and sampler in head.samplers):
        known = f"choose one of {head.samplers}" if head.samplers else "use do_sample and temperature"
        raise ValueError(f"pixel_sampler={sampler!r} does not fit patch_head={name!r}: {known}.")
    fits = head.samplers and is_number(threshold) and 0 < threshold < 1
    if threshold is not None and not fits:
        raise ValueError(
            f"pixel_threshold={threshold!r:.80}: a number between 0 and 1, for heads that write all pixels at once; "
            f"this one is {name!r}."
        )
    return sampler, threshold


def _processors(config: GenerationConfig, own: LogitsProcessorList, model: Any) -> LogitsProcessorList:
    """The caller's processors, then what the options ask for, in Transformers' order."""
    if model.patch_head.draws_from_noise:  # `own` is empty, temperature the head's
        return LogitsProcessorList()
    temperature = [] if config.temperature in (None, 0, 1) else [TemperatureLogitsWarper(config.temperature)]
    if model.patch_head.samplers:  # two values per decision
        values = {name: getattr(config, name, None) for name in CUTS}
        cuts = [f"{name}={value}" for name, value in values.items() if value not in (None, 0, 1)]
        if cuts:
            raise ValueError(
                f"{', '.join(cuts)}: the pixels of patch_head={model.config.patch_head!r} have two values each, of "
                "which none can be left out; use temperature or pixel_threshold."
            )
        return LogitsProcessorList([*own, *temperature])
    invalid = [InfNanRemoveLogitsProcessor()] if config.remove_invalid_values else []
    warpers = [*temperature, *_cuts(config, model.device)] if config.do_sample else []
    last = [LogitNormalization()] if config.renormalize_logits else []
    return LogitsProcessorList([*invalid, *own, *warpers, *last])


def _cuts(config: GenerationConfig, device: torch.device) -> list[Any]:
    """Warpers that leave unlikely values out."""
    warpers: list[Any] = []
    if getattr(config, "top_h", None) is not None:
        warpers.append(TopHLogitsWarper(config.top_h))
    if config.top_k:
        warpers.append(TopKLogitsWarper(config.top_k))
    if config.top_p is not None and config.top_p < 1:
        warpers.append(TopPLogitsWarper(config.top_p))
    if config.min_p is not None:
        warpers.append(MinPLogitsWarper(config.min_p))
    if config.typical_p is not None and config.typical_p < 1:
        warpers.append(TypicalLogitsWarper(config.typical_p))
    if config.epsilon_cutoff:
        warpers.append(EpsilonLogitsWarper(config.epsilon_cutoff))
    if config.eta_cutoff:
        warpers.append(EtaLogitsWarper(config.eta_cutoff, device=str(device)))
    return warpers


def _criteria(config: GenerationConfig, own: StoppingCriteriaList | None) -> StoppingCriteriaList:
    limit = [] if config.max_time is None else [MaxTimeCriteria(config.max_time)]
    return StoppingCriteriaList([*limit, *(own or [])])


__all__ = [
    "PIXEL_OPTIONS",
    "PixelRequest",
    "parse_request",
    "refuse_patch_options",
    "resolve_config",
]
