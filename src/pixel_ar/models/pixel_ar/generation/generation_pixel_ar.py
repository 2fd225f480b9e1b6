# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""`generate` for models that write patches: a loop of its own over patches, Transformers' own over tokens.

A call is parsed once (`request`), its prompts are brought into one form (`prompts`, `context`), the decoder reads them
and then patch after patch (`decoding`), the patch head draws (`writer`).

Shapes: B rows, C channels, H strip height, W strip width, w patch width, T patches, P values per patch, S decisions
per patch (bytes, for the autoregressive head).
"""

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.distributed
from transformers import (
    Cache,
    GenerationConfig,
    GenerationMixin,
    LogitsProcessorList,
    StoppingCriteriaList,
    logging,
)

from ....transformers_internals import CACHE_NAME, TokenOutput, shards_weights
from ..checks import broken_weights
from ..heads.base import Generators
from ..outputs import CacheUnderBothNames
from ..pages import page_mask
from ..patching import unpatchify
from .context import ends_with_patches, read_context, read_page, read_token_prompt
from .decoding import Decoding
from .prompts import MixedPrompt, PixelPrompt, build_prompt, remember_rows
from .ranges import check_ranges
from .request import PixelRequest, parse_request, refuse_patch_options
from .single_row import split_single_rows
from .speculative import Speculation, check_draft
from .streamers import PatchIteratorStreamer, PatchStreamer, check_streamer
from .writer import PatchWriter

logger = logging.get_logger(__name__)

OUTPUT_MODALITIES = ("pixel", "token")

# What Transformers' `generate` leaves for the next call, such as a compiled step and the length of its static cache.
# Not on the model: a copy of it would run the step with the first one's weights.
_KEPT: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()


@dataclass
class PixelGenerateOutput(CacheUnderBothNames, TokenOutput):
    """What `generate` returns with `return_dict_in_generate=True`.

    Attributes:
        sequences: int64 `[B, T]` placeholder ids, 1 for a patch and 0 for padding.
        scores: with `output_scores`, one float32 `[B, S, 256]` per step: the scores each byte was drawn from, after
            processors and warpers; `[B, P]` for heads that write all pixels at once.
        logits: with `output_logits`, likewise the raw logits.
        attentions: with `output_attentions`, one tuple per step.
        hidden_states: with `output_hidden_states`, one tuple per step.
        cache: the cache, also as `past_key_values`. It holds all but the last patch of every row; pass it on together
            with `pixel_values` and `attention_mask` (or longer strips that begin with them) to continue.
        pixel_values: float32 `[B, C, H, W]`, prompt and continuation of each row without a gap, white after them.
        attention_mask: int64 `[B, T]`, 1 for the row's patches, its EOS patch included.
        num_columns: int64 `[B]`, pixel columns of each row.
    """

    sequences: torch.Tensor | None = None
    scores: tuple[torch.Tensor, ...] | None = None
    logits: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[Any, ...] | None = None
    hidden_states: tuple[Any, ...] | None = None
    cache: Cache | None = None
    pixel_values: torch.Tensor | None = None
    attention_mask: torch.Tensor | None = None
    num_columns: torch.Tensor | None = None


class PixelGenerationMixin(GenerationMixin):
    """`generate` on patches for models with a `patch_head`, a decoder as `base_model` and a `PixelARConfig`."""

    output_modalities = ("image",)

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
        streamer: PatchStreamer | None = None,
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
        drawn: then it cannot be drawn at all. A prompt of one text with an EOS patch after it, as the processor draws
        it by default, is continued as if it had none, one blank column after its last ink (with `num_columns` and
        without a cache); any other prompt that ends with an EOS patch is continued with a new document after it.

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
            assistant_model: a small model of the same patches, which drafts `num_assistant_tokens` of them (4 unless
                set) that this one reads at once and corrects: the distribution stays this model's, exactly
                (`speculative`). One row, `autoregressive` heads without glyphs.
            streamer: its `put` gets every patch as float32 `[B, C, H, w]` on the CPU, the completed patch of an
                unfinished prompt first, the prompt itself not; then `end` is called.
            negative_prompt_ids: not supported.
            negative_prompt_attention_mask: not supported.
            custom_generate: as in Transformers; a callable gets the strips left-padded.
            generator: source of randomness in place of torch's global one; a list gives each row (each of its
                `num_return_sequences`) its own, and then a row does not depend on the batch around it.
            kwargs: `pixel_values` `[B, C, H, W]`, `attention_mask` `[B, T]` (padding anywhere), `num_columns` `[B]`,
                `input_ids` `[B, L]`, `modality_ids` `[B, T]`, `page_values` `[B, C, R * H, W]` and
                `page_attention_mask` `[B, S]` of a page before all of them, `output_modality`, `past_key_values` (with
                whole strips: what the cache holds is not read again), `max_new_patches`, `min_new_patches`,
                `pixel_sampler`, `pixel_threshold`, `pixel_steps` and `guidance_scale` (of a head that refines noise),
                `stop_at_eos` and all options of `GenerationConfig`.

        Returns:
            float32 strips `[B, C, H, W]`, 1 = background: each row's prompt, its continuation after it without a gap,
            and white up to the longest row. Or a [`PixelGenerateOutput`] with `return_dict_in_generate=True`. Token
            ids `[B, L]`, or Transformers' own outputs, where tokens are written.

        Raises:
            ValueError: for strips, masks or lengths that do not fit, unknown arguments, options outside of their
                range, and modes or options that have no meaning for patches (beam search, assisted generation, token
                ids, ...); for a model that computes NaN.
        """
        arguments: dict[str, Any] = {
            "generation_config": generation_config,
            "logits_processor": logits_processor,
            "stopping_criteria": stopping_criteria,
            "prefix_allowed_tokens_fn": prefix_allowed_tokens_fn,
            "synced_gpus": synced_gpus,
            "assistant_model": assistant_model,
            "streamer": streamer,
            "negative_prompt_ids": negative_prompt_ids,
            "negative_prompt_attention_mask": negative_prompt_attention_mask,
        }
        if isinstance(custom_generate, str):  # a repository's own loop
            return super().generate(inputs, custom_generate=custom_generate, **arguments, **kwargs)
        try:
            prompt = MixedPrompt.take(inputs, kwargs, self.config.vocab_size is not None)
            if self._output_modality(kwargs.pop("output_modality", None), prompt, kwargs) == "token":
                refuse_patch_options({**kwargs, "generator": generator})
                return self._write_tokens(prompt, {**arguments, "custom_generate": custom_generate}, kwargs)
            check_streamer(streamer)
            arguments["generator"] = generator
            request = parse_request(prompt, kwargs, arguments, self, custom_generate)
            with self.patch_head.drawing():
                return self._write_patches(request, custom_generate)
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

    def compute_transition_scores(
        self, sequences: torch.Tensor, scores: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Of tokens, as in Transformers. Patches have no ids: `log_likelihood` has what they cost.

        Raises:
            ValueError: for scores of patches, and without scores.
        """
        has_scores = isinstance(scores, tuple | list) and scores and isinstance(scores[0], torch.Tensor)
        if self.config.vocab_size is None or not has_scores or scores[0].dim() != 2:
            raise ValueError(
                "compute_transition_scores needs token ids and their scores, from generate(..., output_scores=True, "
                "return_dict_in_generate=True); for patches, call log_likelihood."
            )
        return super().compute_transition_scores(sequences, scores, *args, **kwargs)

    def _output_modality(self, asked: str | None, prompt: MixedPrompt, options: dict[str, Any]) -> str:
        """What is written: `"pixel"` or `"token"`."""
        if asked not in (None, *OUTPUT_MODALITIES):
            raise ValueError(f"output_modality must be one of {OUTPUT_MODALITIES}, got {asked!r}.")
        if self.config.vocab_size is None:
            if asked == "token":
                raise ValueError(
                    "output_modality='token' needs a model with tokens; config.vocab_size is None."
                )
            return "pixel"
        if asked is not None:
            return asked
        if options.get("inputs_embeds") is not None:
            return "token"
        return "pixel" if ends_with_patches(prompt) else "token"

    def _write_tokens(
        self, prompt: MixedPrompt, arguments: dict[str, Any], options: dict[str, Any]
    ) -> torch.Tensor | Any:
        """Transformers' own `generate` over tokens, after whatever prompt."""
        options = {**options, **self._page_of(prompt, options)}
        if prompt.page_values is not None and prompt.pixel_values is None and prompt.input_ids is None:
            first = self._first_tokens(len(prompt.page_values))
            # With a mask, so that a first token that is the pad token too counts.
            prompt = replace(prompt, input_ids=first, attention_mask=torch.ones_like(first))
        if prompt.pixel_values is not None:
            starts = not self.config.predict_across_modalities
            bos_token_id = self.config.bos_token_id if starts else None
            if starts and bos_token_id is None and prompt.input_ids is None:
                raise ValueError(
                    "config.bos_token_id is None: tokens after patches need a first token; set it, or pass input_ids."
                )
            embeddings, mask = read_token_prompt(self.base_model, prompt, bos_token_id)
            options = {**options, "inputs_embeds": embeddings, "attention_mask": mask}
        else:
            options = {**options, "input_ids": prompt.input_ids, "attention_mask": prompt.attention_mask}
        given = {name: value for name, value in options.items() if value is not None}
        configured = arguments["generation_config"] or self.generation_config
        check_ranges({**vars(configured), **given})
        # The same model, but one whose main input are ids: a copy of the object shares modules and weights.
        writer = copy.copy(self)
        writer.main_input_name = "input_ids"
        writer.__dict__.update(_KEPT.get(self, {}))
        try:
            return super(PixelGenerationMixin, writer).generate(**arguments, **given)
        finally:
            _KEPT[self] = {
                name: value
                for name, value in vars(writer).items()
                if name not in (*vars(self), "main_input_name")
            }

    def _page_of(self, prompt: MixedPrompt, options: dict[str, Any]) -> dict[str, torch.Tensor]:
        """What every step is told of a page."""
        if prompt.page_values is None:
            return {}
        if options.get("cache_implementation") not in (None, "dynamic"):
            raise ValueError(
                f"cache_implementation={options['cache_implementation']!r} does not count the patches of a page; leave "
                "it out."
            )
        mask = page_mask(prompt.page_values, prompt.page_attention_mask, self.config.patch_size)
        return {"page_values": prompt.page_values, "page_attention_mask": mask}

    def _first_tokens(self, rows: int) -> torch.Tensor:
        """The token that begins a text, `[B, 1]`."""
        if self.config.bos_token_id is None:
            raise ValueError(
                "config.bos_token_id is None: tokens after a page need a first token; set it, or pass input_ids."
            )
        return torch.full((rows, 1), self.config.bos_token_id, device=self.device)

    def _write_patches(
        self, request: PixelRequest, custom_generate: Callable | None
    ) -> torch.Tensor | PixelGenerateOutput:
        """The loop over patches, greedy or sampled."""
        prompt, cache = self._read_prompt(request)
        most, least = request.new_patches(prompt.length, self.config.max_position_embeddings)
        prompt = prompt.repeat(request.config.num_return_sequences or 1)
        if custom_generate is not None:
            return self._hand_over(request, prompt, cache, custom_generate)
        if request.draft is not None:
            check_draft(self, request, prompt, cache is not None)
        num_steps = most + (prompt.prefix is not None)
        decoding = Decoding(self, request.config, prompt, cache, num_steps)
        writer = PatchWriter(self.patch_head, request, prompt, most, least, decoding.is_compiled)
        attentions: list[Any] = []
        hidden_states: list[Any] = []
        if request.draft is not None:
            return self._write_speculatively(request, Speculation(self, request, prompt, decoding, writer))
        on_all_threads = split_single_rows(len(prompt.fed), prompt.fed.device)
        patches, is_finished = prompt.fed, False
        synced = shards_weights(self) if request.synced_gpus is None else request.synced_gpus
        while _goes_on(is_finished, synced, prompt.fed.device):
            with on_all_threads:
                outputs, drawn = decoding.read_and_draw(patches, None if is_finished else writer.drawing())
                if is_finished:
                    continue  # the other devices still need this one's forward passes
                states = outputs.last_hidden_state[:, -1]
                patches = writer.draw(states, drawn)[:, None]
            if len(writer.patches) == 1:
                self._check_numbers(states, writer)
            attentions.append(outputs.attentions)
            hidden_states.append(outputs.hidden_states)
            is_finished = writer.stop()
            if request.streamer is not None:
                request.streamer.put(writer.last_strip().to("cpu", copy=True))
        self._check_numbers(states, writer)
        if request.streamer is not None:
            request.streamer.end()
        returns_all = bool(request.config.return_dict_in_generate)
        cache = decoding.release(returned=returns_all)
        if cache is not None:
            remember_rows(cache, prompt, writer.num_drawn)
        pixel_values, attention_mask = writer.strips()
        if not returns_all:
            return pixel_values
        config = request.config
        return PixelGenerateOutput(
            sequences=attention_mask.clone(),
            scores=tuple(writer.scores) if config.output_scores else None,
            logits=tuple(writer.logits) if config.output_logits else None,
            attentions=tuple(attentions) if config.output_attentions else None,
            hidden_states=tuple(hidden_states) if config.output_hidden_states else None,
            cache=cache,
            pixel_values=pixel_values,
            attention_mask=attention_mask,
            num_columns=attention_mask.sum(-1) * self.patch_head.patch_size[1],
        )

    def _check_numbers(self, states: torch.Tensor, writer: PatchWriter) -> None:
        """Looks once after the first patch and once after the last: what is NaN stays so, through the cache.

        Raises:
            ValueError: where the states `[B, D]` or the logits drawn from are no numbers.
        """
        if not bool(states.isfinite().all()) or bool(writer.last_logits.isnan().any()):
            raise ValueError(f"What the model computes is NaN or infinite. {broken_weights(self)}")

    def _write_speculatively(
        self, request: PixelRequest, speculation: Speculation
    ) -> torch.Tensor | PixelGenerateOutput:
        """The loop over patches of which a draft proposes some."""
        writer, is_finished = speculation.writer, False
        while not is_finished:
            for patch in speculation.next_patches():
                writer.add(patch[None])
                is_finished = writer.stop()
                if request.streamer is not None:
                    request.streamer.put(writer.last_strip().to("cpu", copy=True))
                if is_finished:
                    break  # what was drafted after the end
        self._check_numbers(speculation.states, writer)
        if request.streamer is not None:
            request.streamer.end()
        pixel_values, attention_mask = writer.strips()
        if not request.config.return_dict_in_generate:
            return pixel_values
        return PixelGenerateOutput(
            sequences=attention_mask.clone(),
            pixel_values=pixel_values,
            attention_mask=attention_mask,
            num_columns=attention_mask.sum(-1) * self.patch_head.patch_size[1],
        )

    def _read_prompt(self, request: PixelRequest) -> tuple[PixelPrompt, Cache | None]:
        """The prompt in one form, and a cache of what comes before its strips or was read already."""
        given, cache = request.prompt, request.cache
        if given.page_values is not None:
            if cache is not None or given.input_ids is not None:
                raise ValueError(
                    "patches after a page follow it alone or after strips: pass page_values without input_ids and "
                    "without a cache (which holds the page already)."
                )
            given, cache = read_page(self.base_model, given)
        if given.input_ids is not None:
            if cache is not None:
                raise ValueError(
                    "past_key_values hold the tokens before the patches already: pass them with pixel_values alone."
                )
            given, cache = read_context(self.base_model, given)
        # Offloaded weights have no device of their own; accelerate moves what they read.
        device = torch.device("cpu") if self.device.type == "meta" else self.device
        height, width = self.config.patch_size
        prompt = build_prompt(given, cache, (height, width), self.config.num_channels, device)
        is_eos = (prompt.fed[:, -1] < 0.5).all(-1) & (prompt.num_patches > 0) & (prompt.prefix_columns == 0)
        if bool(is_eos.any()):
            logger.warning_once(
                "A prompt ends with an EOS patch, so that a new document follows it. To continue its last text, call "
                "the processor with add_eos=False."
            )
        times = request.config.num_return_sequences or 1
        if times > 1 and cache is not None and int(cache.get_seq_length()):
            cache.batch_repeat_interleave(times)
        return prompt, cache

    def _hand_over(
        self, request: PixelRequest, prompt: PixelPrompt, cache: Cache | None, custom_generate: Callable
    ) -> Any:
        """Calls a caller's own loop, with what Transformers would hand it."""
        options = {"synced_gpus": request.synced_gpus, "streamer": request.streamer, CACHE_NAME: cache}
        accepted = inspect.signature(custom_generate).parameters
        takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values())
        return custom_generate(
            self,
            prompt.attention_mask.clone(),
            logits_processor=request.processors,
            stopping_criteria=request.criteria,
            generation_config=request.config,
            pixel_values=unpatchify(prompt.fed, self.patch_head.patch_size, self.config.num_channels),
            attention_mask=prompt.attention_mask,
            **{name: value for name, value in options.items() if value is not None},
            **{name: value for name, value in request.extra.items() if takes_all or name in accepted},
        )


def _goes_on(is_finished: bool, synced: bool, device: torch.device) -> bool:
    """Whether this process, or with sharded weights any, has patches left to draw."""
    if not synced:
        return not is_finished
    unfinished = torch.tensor(0.0 if is_finished else 1.0, device=device)
    torch.distributed.all_reduce(unfinished)
    return bool(unfinished.item())


__all__ = ["PixelGenerateOutput", "PixelGenerationMixin"]
