# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""`generate` for models that write patches.

`GenerationMixin.generate` stays in charge: configuration, caches, lengths, processors and stopping criteria are
Transformers' own. It counts positions, so a placeholder id stands for each patch, and only what touches the patches
themselves is replaced here: what is read first (`prompts`), what is fed per step, and how the next patch
is drawn. Where a model with tokens writes tokens, all of it is Transformers' own.

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

from ..heads.base import Generators
from ..patching import unpatchify
from .mixed_prompts import ends_with_patches, read_context, read_token_prompt
from .prompts import build_prompt, remember_rows
from .request import (
    OUTPUT_MODALITIES,
    PATCH_ALIASES,
    PIXEL_MODES,
    PIXEL_OPTIONS,
    are_ids,
    check_patch_options,
    pixel_processors,
    resolve_aliases,
    resolve_pixel_options,
    same_option,
    take_prompt,
)
from .single_row import split_single_rows
from .writer import EosPatchCriteria, PatchIteratorStreamer, PatchWriter, PixelRequest

logger = logging.get_logger(__name__)


@dataclass
class PixelGenerateOutput(GenerateDecoderOnlyOutput):
    """What `generate` returns with `return_dict_in_generate=True`.

    Attributes:
        sequences: int64 `[B, T]` placeholder ids, 1 for a patch and 0 for padding.
        scores: with `output_scores`, one float32 `[B, S, 256]` per step: the scores each byte was drawn from, after
            processors and warpers; `[B, P]` for heads that write all pixels at once.
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

    @property
    def _supported_generation_modes(self) -> list[GenerationMode]:
        token_modes = [GenerationMode.BEAM_SEARCH, GenerationMode.BEAM_SAMPLE]
        return [*PIXEL_MODES, *(token_modes if self.config.vocab_size is not None else [])]

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

        Heads that write all pixels of a patch at once (`bernoulli`, `regression`) draw them independently; of the
        options above temperature applies. `pixel_sampler` says how: `"threshold"` (bernoulli, default when greedy), at
        `pixel_threshold`, 0.5; `"bernoulli"` (default when sampling); `"gray"`, the probabilities themselves;
        `"clamp"` (regression, default), `"round"` at `pixel_threshold`, `"raw"`. With `stop_at_eos=False` every row
        gets all its patches, whatever it draws. PIXAR's published procedure (arXiv 2401.03321, section 4.1) is then
        one call, on a prompt that ends three white columns before a patch border: `model.generate(**processor(text,
        add_eos=False, end_gap=3, return_tensors="pt"), max_new_patches=4, stop_at_eos=False)`.

        With a static cache (`cache_implementation="static"`) the step is compiled on GPUs, as in Transformers, and
        on CPUs where a `compile_config` is passed. Compiling takes a while, once for each length of the cache.

        A model with tokens writes either kind after either kind: `output_modality="pixel"` or `"token"`; by default,
        the kind with which the prompt ends. Patches after tokens begin with an EOS patch, tokens after patches with
        `bos_token_id`, which are read but not in the result (with `predict_across_modalities` there is no
        `bos_token_id`). Tokens are written by Transformers' own `generate`, with its beams, processors and streamers;
        after a prompt with patches the result holds the new tokens alone.

        Args:
            inputs: the strips, in place of `pixel_values`, or token ids.
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
            kwargs: `pixel_values` `[B, C, H, W]`, `attention_mask` `[B, T]` (padding anywhere), `num_columns` `[B]`,
                `input_ids` `[B, L]`, `modality_ids` `[B, T]`, `output_modality`, `past_key_values` (with whole strips:
                what the cache holds is not read again), `max_new_patches`, `min_new_patches`, `pixel_sampler`,
                `pixel_threshold`, `stop_at_eos` and all options of `GenerationConfig`.

        Returns:
            float32 strips `[B, C, H, W]`, 1 = background: each row's prompt, its continuation after it without a gap,
            and white up to the longest row. Or a [`PixelGenerateOutput`] with `return_dict_in_generate=True`. Token
            ids `[B, L]`, or Transformers' own outputs, where tokens are written.

        Raises:
            ValueError: for strips, masks or lengths that do not fit, unknown arguments, and modes or options that
                have no meaning for patches (beam search, assisted generation, token ids, ...).
        """
        shared: dict[str, Any] = {
            "generation_config": generation_config,
            "logits_processor": logits_processor,
            "stopping_criteria": stopping_criteria,
            "custom_generate": custom_generate,
        }
        if isinstance(custom_generate, str):
            return super().generate(inputs=inputs, streamer=streamer, **shared, **kwargs)
        if inputs is not None and self.config.vocab_size is not None and are_ids(inputs):
            kwargs["input_ids"], inputs = inputs, None
        if self._output_modality(inputs, kwargs) == "token":
            return super().generate(
                prefix_allowed_tokens_fn=prefix_allowed_tokens_fn,
                synced_gpus=synced_gpus,
                assistant_model=assistant_model,
                streamer=streamer,
                **shared,
                **self._token_arguments(inputs, generator, kwargs),
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
                synced_gpus=synced_gpus,
                streamer=None if custom_generate is None else streamer,
                pixel_request=request,
                **shared,
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
        if pixel_values is not None:
            model_inputs.pop("input_ids", None)
            if next_sequence_length is not None:
                pixel_values = pixel_values[..., -next_sequence_length * self.config.patch_size[1] :]
            model_inputs["pixel_values"] = pixel_values
        return model_inputs

    def _make_request(
        self, inputs: torch.Tensor | None, unsupported: dict[str, Any], kwargs: dict[str, Any]
    ) -> PixelRequest:
        """Turns the arguments about prompts into a [`PixelRequest`] and what the parent class understands."""
        names = ["inputs_embeds", "position_ids", "prefill_chunk_size"]
        if self.config.vocab_size is None:
            names += ["input_ids", "modality_ids"]
        for name in names:
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
            value = same_option(alias, kwargs.pop(alias, None), name, kwargs.get(name))
            if value is not None:
                kwargs[name] = value
        device = self.device
        if device.type == "meta":
            device = torch.device("cpu")  # offloaded weights; Transformers moves the inputs
        mixed = take_prompt(inputs, kwargs)
        num_columns = kwargs.pop("num_columns", None)
        pixel_values, attention_mask = mixed.pixel_values, mixed.attention_mask
        if mixed.input_ids is not None:
            if kwargs.get("past_key_values") is not None:
                raise ValueError(
                    "past_key_values hold the tokens before the patches already: pass them with pixel_values alone."
                )
            pixel_values, attention_mask, num_columns, kwargs["past_key_values"] = read_context(
                self.base_model, mixed, num_columns, self.patch_head.patch_size, self.config.num_channels
            )
        prompt = build_prompt(
            pixel_values,
            attention_mask,
            num_columns,
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
        options = {name: kwargs.pop(name, None) for name in PIXEL_OPTIONS}
        return PixelRequest(prompt, has_context=mixed.input_ids is not None, **options)

    def _output_modality(self, inputs: torch.Tensor | None, kwargs: dict[str, Any]) -> str:
        """What is written: `"pixel"` or `"token"`."""
        modality = kwargs.pop("output_modality", None)
        if modality not in (None, *OUTPUT_MODALITIES):
            raise ValueError(f"output_modality must be one of {OUTPUT_MODALITIES}, got {modality!r}.")
        if self.config.vocab_size is None:
            if modality == "token":
                raise ValueError(
                    "output_modality='token' needs a model with tokens; config.vocab_size is None."
                )
            return "pixel"
        if modality is not None:
            return modality
        if kwargs.get("inputs_embeds") is not None:
            return "token"
        return "pixel" if ends_with_patches(take_prompt(inputs, dict(kwargs))) else "token"

    def _token_arguments(
        self, inputs: torch.Tensor | None, generator: Generators | None, kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Arguments of Transformers' own `generate` that continues a prompt with tokens."""
        given = [name for name in (*PATCH_ALIASES, *PIXEL_OPTIONS) if kwargs.get(name) is not None]
        given += ["generator"] if generator is not None else []
        if given:
            raise ValueError(
                f"{', '.join(given)}: options of patches, but this call writes tokens; use max_new_tokens and the "
                "like, torch.manual_seed for the draw, or output_modality='pixel'."
            )
        kwargs.pop("num_columns", None)
        if inputs is None and kwargs.get("pixel_values") is None:
            kwargs.pop("pixel_values", None)
            kwargs.pop("modality_ids", None)
            return kwargs
        mixed = take_prompt(inputs, kwargs)
        bos_token_id = None if self.config.predict_across_modalities else self.config.bos_token_id
        if bos_token_id is None and mixed.input_ids is None and not self.config.predict_across_modalities:
            raise ValueError(
                "config.bos_token_id is None: tokens after patches need a first token; set it, or pass input_ids."
            )
        kwargs["inputs_embeds"], kwargs["attention_mask"] = read_token_prompt(
            self.base_model, mixed, bos_token_id
        )
        return kwargs

    def _prepare_generation_config(
        self, generation_config: GenerationConfig | None, **kwargs: Any
    ) -> tuple[GenerationConfig, dict[str, Any]]:
        """Resolves the aliases that a configuration may hold, and refuses what patches do not have."""
        request = kwargs.pop("pixel_request", None)
        if generation_config is not None:
            generation_config = resolve_aliases(generation_config)
        generation_config, model_kwargs = super()._prepare_generation_config(generation_config, **kwargs)
        if request is None:
            return generation_config, model_kwargs  # tokens are written
        for alias, name in PATCH_ALIASES.items():  # from the model's own configuration
            if getattr(generation_config, name) is None:
                setattr(generation_config, name, getattr(generation_config, alias, None))
        check_patch_options(generation_config, type(self).__name__)
        # Set by habit or by Trainer, they would make Transformers look for ids.
        for name in ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id"):
            setattr(generation_config, name, None)
        generation_config._pixel_request = request
        resolve_pixel_options(generation_config, request, self.patch_head, self.config.patch_head)
        return generation_config, model_kwargs

    def _prepare_model_inputs(
        self, inputs: torch.Tensor | None, bos_token_id: torch.Tensor | None, model_kwargs: dict[str, Any]
    ) -> tuple[torch.Tensor, str, dict[str, Any]]:
        """A placeholder id per position, cached ones included: from here on Transformers counts patches."""
        if model_kwargs.get("pixel_values") is None:
            return self._prepare_token_inputs(inputs, bos_token_id, model_kwargs)
        return model_kwargs["attention_mask"].clone(), "input_ids", model_kwargs

    def _prepare_token_inputs(
        self, inputs: torch.Tensor | None, bos_token_id: torch.Tensor | None, model_kwargs: dict[str, Any]
    ) -> tuple[torch.Tensor, str, dict[str, Any]]:
        """As in Transformers for a model whose main input are token ids."""
        model_kwargs.pop("pixel_values", None)
        ids = model_kwargs.pop("input_ids", inputs)
        embeddings = model_kwargs.get("inputs_embeds")
        if embeddings is None:
            model_kwargs.pop("inputs_embeds", None)
            ids = self._maybe_initialize_input_ids_for_generation(ids, bos_token_id, model_kwargs)
            return ids, "input_ids", model_kwargs
        if ids is None:
            ids = torch.ones(len(embeddings), 0, dtype=torch.int64, device=embeddings.device)
        model_kwargs["input_ids"] = ids
        return embeddings, "inputs_embeds", model_kwargs

    def _prepare_generated_length(
        self, generation_config: GenerationConfig, **kwargs: Any
    ) -> GenerationConfig:
        """Lengths count the patches of the longest prompt, not the decoder's positions (hidden or masked ones)."""
        if _request(generation_config) is None:
            return super()._prepare_generated_length(generation_config=generation_config, **kwargs)
        kwargs["input_ids_length"] = generation_config._pixel_request.prompt.length
        return super()._prepare_generated_length(generation_config=generation_config, **kwargs)

    def _validate_generated_length(
        self, generation_config: GenerationConfig, input_ids_length: int, has_default_max_length: bool
    ) -> None:
        """Checks lengths, then turns them into positions of the decoder."""
        request = _request(generation_config)
        if request is None:
            super()._validate_generated_length(generation_config, input_ids_length, has_default_max_length)
            return
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
        request = _request(generation_config)
        if request is None:
            super()._prepare_cache_for_generation(generation_config, model_kwargs, *args, **kwargs)
            return
        if request.has_context and generation_config.num_return_sequences > 1:
            model_kwargs["past_key_values"].batch_repeat_interleave(generation_config.num_return_sequences)
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
        request = _request(generation_config)
        if request is not None and request.stop_at_eos:
            criteria.append(EosPatchCriteria())
        return criteria

    def _get_logits_processor(
        self, generation_config: GenerationConfig, *args: Any, **kwargs: Any
    ) -> LogitsProcessorList:
        """As in Transformers; heads that write all pixels at once know temperature alone."""
        if _request(generation_config) is None or self.patch_head.draws_bytes:
            return super()._get_logits_processor(generation_config, *args, **kwargs)
        return pixel_processors(generation_config, kwargs.get("logits_processor"), self.config.patch_head)

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
        """The loop over patches, greedy or sampled; the loop over tokens is Transformers' own."""
        request = _request(generation_config)
        if request is None:
            return super()._sample(
                input_ids,
                logits_processor,
                stopping_criteria,
                generation_config,
                synced_gpus,
                streamer,
                **model_kwargs,
            )
        prompt = request.prompt.repeat(input_ids.shape[0] // request.prompt.num_patches.shape[0])
        writer = PatchWriter(self.patch_head, request, prompt, logits_processor, generation_config)
        decode = self._decoder_call(generation_config, model_kwargs)
        model_kwargs.pop("logits_to_keep", None)  # the decoder is called without its head's logits
        attentions: list[Any] = []
        hidden_states: list[Any] = []
        on_all_threads = split_single_rows(input_ids.shape[0], input_ids.device)
        is_first, all_finished = True, False
        while self._has_unfinished_sequences(all_finished, synced_gpus, device=input_ids.device):
            num_read = model_kwargs["pixel_values"].shape[-1] // self.patch_head.patch_size[1]
            model_inputs = self.prepare_inputs_for_generation(
                input_ids, next_sequence_length=num_read, is_first_iteration=is_first, **model_kwargs
            )
            with on_all_threads:
                outputs = (self.base_model if is_first else decode)(**model_inputs, return_dict=True)
            is_first = False
            model_kwargs = self._update_model_kwargs_for_generation(outputs, model_kwargs)
            if synced_gpus and all_finished:
                continue  # the other devices still need this one's forward passes
            attentions.append(outputs.attentions)
            hidden_states.append(outputs.hidden_states)
            with on_all_threads:
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

    def _valid_auto_compile_criteria(
        self, model_kwargs: dict[str, Any], generation_config: GenerationConfig
    ) -> bool:
        """As in Transformers, and on a CPU too where a `compile_config` is passed: it cuts a step by a third."""
        if generation_config.compile_config is not None:
            generation_config = copy.copy(generation_config)
            generation_config.compile_config = copy.copy(generation_config.compile_config)
            generation_config.compile_config._compile_all_devices = True
        return super()._valid_auto_compile_criteria(model_kwargs, generation_config)

    def _decoder_call(self, generation_config: GenerationConfig, model_kwargs: dict[str, Any]) -> Callable:
        """The decoder for single patches, compiled where that is possible and wanted (static caches)."""
        if not self._valid_auto_compile_criteria(model_kwargs, generation_config):
            return self.base_model
        compile_config = generation_config.compile_config or CompileConfig()
        compiled = getattr(self, "_compiled_decoder", None)
        if compiled is None or compiled[0] != compile_config:
            compiled = (compile_config, torch.compile(self.base_model.__call__, **compile_config.to_dict()))
            self._compiled_decoder = compiled
        return compiled[1]


def _request(generation_config: GenerationConfig) -> PixelRequest | None:
    """What a call that writes patches left on its configuration; `None` where tokens are written."""
    return getattr(generation_config, "_pixel_request", None)


__all__ = ["PixelGenerateOutput", "PixelGenerationMixin"]
