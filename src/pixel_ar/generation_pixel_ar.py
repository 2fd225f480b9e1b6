# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""`generate` for models that write patches.

`GenerationMixin.generate` stays in charge: configuration, caches, lengths, processors and stopping criteria are
Transformers' own. It counts positions, so a placeholder id stands for each patch, and only what touches the patches
themselves is replaced here: what is read first ([`prompts_pixel_ar`]), what is fed per step, and how the next patch
is drawn.

Shapes: B rows, C channels, H strip height, W strip width, w patch width, T patches, P values per patch, S decisions
per patch (bytes, for the autoregressive head).
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers.generation import (
    CompileConfig,
    GenerateDecoderOnlyOutput,
    GenerationConfig,
    GenerationMixin,
    LogitsProcessorList,
    StoppingCriteriaList,
)
from transformers.generation.configuration_utils import GenerationMode
from transformers.generation.streamers import BaseStreamer
from transformers.utils import logging

from .patch_head_pixel_ar import Generators
from .patching_pixel_ar import unpatchify
from .prompts_pixel_ar import build_prompt, remember_rows
from .writing_pixel_ar import EosPatchCriteria, PatchIteratorStreamer, PatchWriter, PixelRequest

logger = logging.get_logger(__name__)

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


@dataclass
class PixelGenerateOutput(GenerateDecoderOnlyOutput):
    """What `generate` returns with `return_dict_in_generate=True`.

    Attributes:
        sequences: int64 `[B, T]` placeholder ids, 1 for a patch and 0 for padding.
        scores: with `output_scores`, one float32 `[B, S, 256]` per step: the scores each byte was drawn from, after
            processors and warpers.
        logits: with `output_logits`, likewise the raw logits.
        attentions: with `output_attentions`, one tuple per step.
        hidden_states: with `output_hidden_states`, one tuple per step.
        past_key_values: the cache. It holds all but the last patch of every row; pass it on together with
            `pixel_values` and `attention_mask` (or longer strips that begin with them) to continue.
        pixel_values: float32 `[B, C, H, W]`, prompt and continuation of each row without a gap, white after them.
        attention_mask: int64 `[B, T]`, 1 for the row's patches, its EOS patch included.
        num_columns: int64 `[B]`, pixel columns of each row.
    """

    pixel_values: torch.Tensor | None = None
    attention_mask: torch.Tensor | None = None
    num_columns: torch.Tensor | None = None


class PixelGenerationMixin(GenerationMixin):
    """`generate` on patches for models with a `patch_head`, a decoder as `base_model` and a `PixelARConfig`."""

    output_modalities = ("image",)
    _supported_generation_modes = [GenerationMode.GREEDY_SEARCH, GenerationMode.SAMPLE]

    @torch.no_grad()
    def generate(
        self,
        inputs: torch.Tensor | None = None,
        generation_config: GenerationConfig | None = None,
        logits_processor: LogitsProcessorList | None = None,
        stopping_criteria: StoppingCriteriaList | None = None,
        prefix_allowed_tokens_fn: Callable | None = None,
        synced_gpus: bool | None = None,
        assistant_model: Any = None,
        streamer: BaseStreamer | None = None,
        negative_prompt_ids: torch.Tensor | None = None,
        negative_prompt_attention_mask: torch.Tensor | None = None,
        custom_generate: str | Callable | None = None,
        generator: Generators | None = None,
        **kwargs: Any,
    ) -> torch.Tensor | PixelGenerateOutput:
        r"""Continues strips of rendered text.

        Everything in `GenerationConfig` that counts tokens counts patches: `max_new_tokens` (or `max_new_patches`),
        `min_new_tokens` (or `min_new_patches`), `max_length`, `min_length` (both with the longest prompt of the
        batch). Temperature, `top_k`, `top_p`, `min_p` and your own processors act on every byte: one column of
        eight pixels, given all bytes before it. Note that `top_k` is 50 unless set, Transformers' default; a byte
        has 256 values, so `top_k=0` samples from the whole distribution. Greedy search takes the likeliest byte each
        time, which need not give the likeliest patch.

        A row stops at its EOS patch (all ink), which is part of the result, unless fewer than `min_new_patches` were
        drawn: then it cannot be drawn at all. A prompt that ends with an EOS patch (the processor's `add_eos=True`)
        is continued with a new document after it.

        With `num_columns`, a prompt that ends inside a patch is continued from that very column: the patch is
        completed, its written columns stay as they are, and it does not count as new. Without it all columns of the
        attended patches are taken as written. A row without a single whole patch, and a call without
        `pixel_values`, begins a document: the model then reads an EOS patch first, which is not in the result.

        Args:
            inputs: the strips, in place of `pixel_values`.
            generation_config: base configuration; `kwargs` override it.
            logits_processor: called with the bytes `[B, n]` of the patch drawn so far and the scores `[B, 256]` of
                the next one, before temperature and the other warpers.
            stopping_criteria: called with placeholder ids `[B, T]` and the patches just drawn, `[B, C, H, w]`.
            prefix_allowed_tokens_fn: not supported.
            synced_gpus: as in Transformers.
            assistant_model: not supported.
            streamer: its `put` gets every patch as float32 `[B, C, H, w]` on the CPU, the completed patch of an
                unfinished prompt first, the prompt itself not; then `end` is called.
            negative_prompt_ids: not supported.
            negative_prompt_attention_mask: not supported.
            custom_generate: as in Transformers; a callable gets the strips left-padded.
            generator: source of randomness in place of torch's global one; a list gives each row (each of its
                `num_return_sequences`) its own, and then a row does not depend on the batch around it.
            kwargs: `pixel_values` `[B, C, H, W]`, `attention_mask` `[B, T]` (padding on either side),
                `num_columns` `[B]`, `past_key_values` (with whole strips: what the cache holds is not read
                again), `max_new_patches`, `min_new_patches` and all options of `GenerationConfig`.

        Returns:
            float32 strips `[B, C, H, W]`, 1 = background: each row's prompt, its continuation after it without a gap,
            and white up to the longest row. Or a [`PixelGenerateOutput`] with `return_dict_in_generate=True`.

        Raises:
            ValueError: for strips, masks or lengths that do not fit, unknown arguments, and modes or options that
                have no meaning for patches (beam search, assisted generation, token ids, ...).
        """
        if isinstance(custom_generate, str):
            return super().generate(
                inputs=inputs,
                generation_config=generation_config,
                logits_processor=logits_processor,
                stopping_criteria=stopping_criteria,
                streamer=streamer,
                custom_generate=custom_generate,
                **kwargs,
            )
        try:
            unsupported = {
                "prefix_allowed_tokens_fn": prefix_allowed_tokens_fn,
                "assistant_model": assistant_model,
                "negative_prompt_ids": negative_prompt_ids,
                "negative_prompt_attention_mask": negative_prompt_attention_mask,
            }
            request = self._make_request(inputs, unsupported, kwargs)
            request.streamer, request.generator = streamer, generator
            return super().generate(
                generation_config=generation_config,
                logits_processor=logits_processor,
                stopping_criteria=stopping_criteria,
                synced_gpus=synced_gpus,
                streamer=None if custom_generate is None else streamer,
                custom_generate=custom_generate,
                pixel_request=request,
                **kwargs,
            )
        except BaseException as error:
            if isinstance(streamer, PatchIteratorStreamer):
                streamer.fail(error)
            raise

    def generate_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Continuous batching needs token ids.

        Raises:
            ValueError: always.
        """
        raise ValueError("Continuous batching (generate_batch, paged caches) is not supported: use generate.")

    def prepare_inputs_for_generation(
        self,
        input_ids: torch.Tensor,
        next_sequence_length: int | None = None,
        past_key_values: Any = None,
        attention_mask: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        is_first_iteration: bool | None = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Inputs of one forward pass: as in Transformers, with strips in place of ids.

        Args:
            input_ids: `[B, T]` placeholder ids, one per position so far.
            next_sequence_length: how many of the last positions are read; `None` for all.
            past_key_values: the cache.
            attention_mask: `[B, T]`.
            pixel_values: strips whose last `next_sequence_length` patches are read.
            is_first_iteration: whether this is the prefill.
            kwargs: passed on.
        """
        model_inputs = super().prepare_inputs_for_generation(
            input_ids,
            next_sequence_length=next_sequence_length,
            past_key_values=past_key_values,
            attention_mask=attention_mask,
            is_first_iteration=is_first_iteration,
            **kwargs,
        )
        model_inputs.pop("input_ids", None)
        if pixel_values is not None:
            if next_sequence_length is not None:
                pixel_values = pixel_values[..., -next_sequence_length * self.config.patch_size[1] :]
            model_inputs["pixel_values"] = pixel_values
        return model_inputs

    def _make_request(
        self, inputs: torch.Tensor | None, unsupported: dict[str, Any], kwargs: dict[str, Any]
    ) -> PixelRequest:
        """Turns the arguments about prompts into a [`PixelRequest`] and what the parent class understands."""
        for name in ("input_ids", "inputs_embeds", "position_ids", "prefill_chunk_size"):
            unsupported[name] = kwargs.pop(name, None)
        if kwargs.get("cache_implementation") == "paged":
            unsupported["cache_implementation='paged'"] = True
        given = [name for name, value in unsupported.items() if value is not None]
        if given:
            raise ValueError(
                f"{', '.join(given)}: not supported by {type(self).__name__}.generate, which continues strips; pass "
                "what the processor returns (pixel_values, attention_mask, num_columns)."
            )
        for alias, name in PATCH_ALIASES.items():
            value = _same_option(alias, kwargs.pop(alias, None), name, kwargs.get(name))
            if value is not None:
                kwargs[name] = value
        pixel_values = kwargs.pop("pixel_values", None)
        if inputs is not None and pixel_values is not None:
            raise ValueError("Pass the strips either as inputs or as pixel_values, not both.")
        device = self.device
        if device.type == "meta":
            device = torch.device("cpu")  # offloaded weights; Transformers moves the inputs
        prompt = build_prompt(
            inputs if pixel_values is None else pixel_values,
            kwargs.pop("attention_mask", None),
            kwargs.pop("num_columns", None),
            kwargs.get("past_key_values"),
            (self.config.patch_size[0], self.config.patch_size[1]),
            self.config.num_channels,
            device,
        )
        if prompt.length > self.config.max_position_embeddings:
            logger.warning_once(
                f"The prompt has {prompt.length} patches, more than the {self.config.max_position_embeddings} "
                "(max_position_embeddings) the model was made for; the continuation may suffer."
            )
        kwargs["pixel_values"] = unpatchify(prompt.fed, self.patch_head.patch_size, self.config.num_channels)
        kwargs["attention_mask"] = prompt.attention_mask
        is_eos = (prompt.fed[:, -1] < 0.5).all(-1) & (prompt.num_patches > 0) & (prompt.prefix_columns == 0)
        if bool(is_eos.any()):
            logger.warning_once(
                "A prompt ends with an EOS patch, so that a new document follows it. To continue its text, call the "
                "processor with add_eos=False."
            )
        return PixelRequest(prompt)

    def _prepare_generation_config(
        self, generation_config: GenerationConfig | None, **kwargs: Any
    ) -> tuple[GenerationConfig, dict[str, Any]]:
        """Resolves the aliases that a configuration may hold, and refuses what patches do not have."""
        request = kwargs.pop("pixel_request", None)
        if generation_config is not None:
            generation_config = _resolve_aliases(generation_config)
        generation_config, model_kwargs = super()._prepare_generation_config(generation_config, **kwargs)
        for alias, name in PATCH_ALIASES.items():  # from the model's own configuration
            if getattr(generation_config, name) is None:
                setattr(generation_config, name, getattr(generation_config, alias, None))
        mode = generation_config.get_generation_mode()
        if mode not in self._supported_generation_modes:
            raise ValueError(
                f"{type(self).__name__} cannot generate by {mode.value.replace('_', ' ')}: patches are drawn greedily "
                "or sampled (do_sample=True), with num_beams=1 and without an assistant."
            )
        # 0, 1 and empty collections are the neutral values of these options.
        set_options = [(name, getattr(generation_config, name, None)) for name in TOKEN_OPTIONS]
        refused = [f"{name}={value}" for name, value in set_options if value and value != 1]
        if refused:
            raise ValueError(
                f"{', '.join(refused)}: not supported by {type(self).__name__}, which writes patches, not tokens. "
                "Use a logits processor (over the bytes of a patch) or a stopping criterion (over patches) instead."
            )
        # Set by habit or by Trainer, they would make Transformers look for ids.
        for name in ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id"):
            setattr(generation_config, name, None)
        generation_config._pixel_request = request
        return generation_config, model_kwargs

    def _prepare_model_inputs(
        self, inputs: torch.Tensor | None, bos_token_id: torch.Tensor | None, model_kwargs: dict[str, Any]
    ) -> tuple[torch.Tensor, str, dict[str, Any]]:
        """A placeholder id per position, cached ones included: from here on Transformers counts patches."""
        return model_kwargs["attention_mask"].clone(), "input_ids", model_kwargs

    def _prepare_generated_length(
        self, generation_config: GenerationConfig, **kwargs: Any
    ) -> GenerationConfig:
        """Lengths count the patches of the longest prompt, not the decoder's positions (hidden or masked ones)."""
        kwargs["input_ids_length"] = generation_config._pixel_request.prompt.length
        return super()._prepare_generated_length(generation_config=generation_config, **kwargs)

    def _validate_generated_length(
        self, generation_config: GenerationConfig, input_ids_length: int, has_default_max_length: bool
    ) -> None:
        """Checks lengths, then turns them into positions of the decoder."""
        request = generation_config._pixel_request
        length = request.prompt.length
        if length >= generation_config.max_length:
            raise ValueError(
                f"The longest prompt has {length} patches, which leaves nothing to generate: the limit is "
                f"{generation_config.max_length} (max_length). Set max_new_patches instead, or a larger max_length."
            )
        super()._validate_generated_length(generation_config, length, has_default_max_length)
        request.max_new_patches = generation_config.max_length - length
        request.min_new_patches = max((generation_config.min_length or 0) - length, 0)
        num_steps = request.max_new_patches + (request.prompt.prefix is not None)
        generation_config.max_length = input_ids_length + num_steps

    def _prepare_cache_for_generation(
        self, generation_config: GenerationConfig, model_kwargs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> None:
        """Adds the checks of a cache that the caller brings."""
        if model_kwargs.get("past_key_values") is not None and generation_config.use_cache is False:
            raise ValueError("past_key_values need use_cache=True: without it, all patches are read again.")
        super()._prepare_cache_for_generation(generation_config, model_kwargs, *args, **kwargs)
        layers = getattr(model_kwargs.get("past_key_values"), "layers", None)
        capacity = getattr(layers[0], "max_cache_len", None) if layers else None
        needed = generation_config.max_length - 1  # the last patch is drawn, not read
        if capacity is not None and capacity < needed:
            raise ValueError(
                f"past_key_values have room for {capacity} patches, but {needed} are needed; make the static cache "
                "larger (max_cache_len) or max_new_patches smaller."
            )

    def _get_stopping_criteria(
        self,
        generation_config: GenerationConfig,
        stopping_criteria: StoppingCriteriaList | None,
        **kwargs: Any,
    ) -> StoppingCriteriaList:
        criteria = super()._get_stopping_criteria(
            generation_config=generation_config, stopping_criteria=stopping_criteria, **kwargs
        )
        criteria.append(EosPatchCriteria())
        return criteria

    def _sample(
        self,
        input_ids: torch.Tensor,
        logits_processor: LogitsProcessorList,
        stopping_criteria: StoppingCriteriaList,
        generation_config: GenerationConfig,
        synced_gpus: bool = False,
        streamer: BaseStreamer | None = None,
        **model_kwargs: Any,
    ) -> torch.Tensor | PixelGenerateOutput:
        """The loop over patches, greedy or sampled."""
        request: PixelRequest = generation_config._pixel_request
        prompt = request.prompt.repeat(input_ids.shape[0] // request.prompt.num_patches.shape[0])
        writer = PatchWriter(self.patch_head, request, prompt, logits_processor, generation_config)
        decode = self._decoder_call(generation_config, model_kwargs)
        model_kwargs.pop("logits_to_keep", None)  # the decoder is called without its head's logits
        attentions: list[Any] = []
        hidden_states: list[Any] = []
        is_first, all_finished = True, False
        while self._has_unfinished_sequences(all_finished, synced_gpus, device=input_ids.device):
            num_read = model_kwargs["pixel_values"].shape[-1] // self.patch_head.patch_size[1]
            model_inputs = self.prepare_inputs_for_generation(
                input_ids, next_sequence_length=num_read, is_first_iteration=is_first, **model_kwargs
            )
            outputs = (self.base_model if is_first else decode)(**model_inputs, return_dict=True)
            is_first = False
            model_kwargs = self._update_model_kwargs_for_generation(outputs, model_kwargs)
            if synced_gpus and all_finished:
                continue  # the other devices still need this one's forward passes
            attentions.append(outputs.attentions)
            hidden_states.append(outputs.hidden_states)
            patch = writer.draw(outputs.last_hidden_state[:, -1])
            input_ids = torch.cat([input_ids, input_ids.new_ones(input_ids.shape[0], 1)], dim=1)
            all_finished = writer.stop(stopping_criteria(input_ids, patch))
            if not model_kwargs["use_cache"]:
                model_kwargs["pixel_values"] = torch.cat([model_kwargs["pixel_values"], patch], dim=-1)
            else:
                model_kwargs["pixel_values"] = patch
            if request.streamer is not None:
                request.streamer.put(patch.to("cpu", copy=True))
        if request.streamer is not None:
            request.streamer.end()
        cache = model_kwargs.get("past_key_values")
        if cache is not None:
            remember_rows(cache, prompt, writer.num_drawn)
        return self._result(writer, cache, attentions, hidden_states)

    def _result(
        self, writer: PatchWriter, cache: Any, attentions: list[Any], hidden_states: list[Any]
    ) -> torch.Tensor | PixelGenerateOutput:
        config = writer.config
        pixel_values, attention_mask = writer.strips()
        if not config.return_dict_in_generate:
            return pixel_values
        return PixelGenerateOutput(
            sequences=attention_mask.clone(),
            scores=tuple(writer.scores) if config.output_scores else None,
            logits=tuple(writer.logits) if config.output_logits else None,
            attentions=tuple(attentions) if config.output_attentions else None,
            hidden_states=tuple(hidden_states) if config.output_hidden_states else None,
            past_key_values=cache,
            pixel_values=pixel_values,
            attention_mask=attention_mask,
            num_columns=attention_mask.sum(-1) * self.patch_head.patch_size[1],
        )

    def _decoder_call(self, generation_config: GenerationConfig, model_kwargs: dict[str, Any]) -> Callable:
        """The decoder for single patches, compiled where Transformers would compile it (static caches on GPUs)."""
        if not self._valid_auto_compile_criteria(model_kwargs, generation_config):
            return self.base_model
        compile_config = generation_config.compile_config or CompileConfig()
        compiled = getattr(self, "_compiled_decoder", None)
        if compiled is None or compiled[0] != compile_config:
            compiled = (compile_config, torch.compile(self.base_model.__call__, **compile_config.to_dict()))
            self._compiled_decoder = compiled
        return compiled[1]


def _same_option(alias: str, alias_value: int | None, name: str, value: int | None) -> int | None:
    """The value of an option with two names."""
    if alias_value is not None and value is not None and alias_value != value:
        raise ValueError(
            f"{alias}={alias_value} and {name}={value} are the same option: set only one of them."
        )
    return value if alias_value is None else alias_value


def _resolve_aliases(generation_config: GenerationConfig) -> GenerationConfig:
    """A copy in which [`PATCH_ALIASES`] stand under Transformers' names."""
    generation_config = copy.deepcopy(generation_config)
    for alias, name in PATCH_ALIASES.items():
        value = _same_option(
            alias, getattr(generation_config, alias, None), name, getattr(generation_config, name)
        )
        setattr(generation_config, name, value)
    return generation_config


__all__ = ["PatchIteratorStreamer", "PixelGenerateOutput", "PixelGenerationMixin"]
