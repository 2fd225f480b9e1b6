# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""SPAE: an autoencoder whose code is layers of words that a frozen language model knows (arXiv 2306.17842).

No code of the authors was ever released; this follows the paper, with two changes that were measured (model card): a
weight of the pixels against the commitment loss, and captions whose words are matched to places. The adversarial and
the perceptual loss of the paper are left out (there are no weights to judge pictures by offline), the latter with a
hook, `perceptual_loss`.

Shapes: B rows, C channels, Y x X pixels, c values of a word, H x W places, V words, n words of a caption.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from ...modalities import IGNORED_LABEL
from ...transformers_internals import init
from ..pixel_ar.checks import (
    CheckpointMixin,
    are_integers,
    loading,
    need_tensors,
    refuse_nan_pixels,
    require_tensors,
)
from .codebook import LearnedCodebook, LexicalCodebook
from .configuration_spae import SpaeConfig
from .networks import SpaeDecoder, SpaeEncoder
from .quantizer import LexicalQuantizer, LexicalQuantizerOutput
from .semantics import match_loss, pool_loss


@dataclass
class SpaeOutput(ModelOutput):
    """Output of [`SpaeModel`].

    Attributes:
        loss: weighted sum; with `return_loss`.
        reconstruction_loss: mean squared error of pixel values in [0, 1], unweighted.
        commitment_loss: of the quantiser, unweighted.
        semantic_loss: nats per word, unweighted; `None` without words.
        ids: of each layer `[B, h, w]`, entries of the codebook.
        pixel_values: `[B, C, Y, X]` in [0, 1]: all layers decoded; in training with a loss, for some rows a prefix.
    """

    loss: torch.Tensor | None = None
    reconstruction_loss: torch.Tensor | None = None
    commitment_loss: torch.Tensor | None = None
    semantic_loss: torch.Tensor | None = None
    ids: tuple[torch.Tensor, ...] | None = None
    pixel_values: torch.Tensor | None = None


class SpaePreTrainedModel(CheckpointMixin, PreTrainedModel):
    """Loading, saving and initialisation."""

    config: SpaeConfig
    base_model_prefix = "model"
    main_input_name = "pixel_values"
    input_modalities = ("image",)
    _no_split_modules = ["ResidualBlock", "Mixing"]

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """As in Transformers; a checkpoint whose codebook is not the one its configuration names is refused.

        Raises:
            ValueError: for damaged files, a configuration that no model has, or another codebook; names the checkpoint.
        """
        with loading(pretrained_model_name_or_path):
            loaded = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
            (loaded[0] if isinstance(loaded, tuple) else loaded).check_codebook()
        return loaded

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            fan_in = module.weight[0].numel()
            if isinstance(module, nn.ConvTranspose2d):
                # Each output pixel sees this many inputs, not the whole kernel.
                area = module.kernel_size[0] * module.kernel_size[1]
                fan_in = module.in_channels * max(1, area // (module.stride[0] * module.stride[1]))
            init.normal_(module.weight, mean=0.0, std=fan_in**-0.5)
            init.zeros_(module.bias)
        elif isinstance(module, LexicalCodebook | LearnedCodebook):
            module.fill()


class SpaeModel(SpaePreTrainedModel):
    """Pictures, pages or strips to layers of words, and any prefix of the layers back to pixels.

    Args:
        config: its `codebook_*` fields come from `codebook.config_fields()`.
        codebook: the words. Without one, random vectors stand in its place until a checkpoint is loaded.

    Attributes:
        perceptual_loss: `None`, or a function of decoded and true pixels `[B, C, Y, X]` in [0, 1] to a scalar, which is
            added with `config.perceptual_weight`. It is not saved.

    Raises:
        ValueError: for a codebook of another size or norm than the configuration's.
    """

    # The loss is a mean over rows with a weight of its own: it has no divisor that Trainer could pass.
    accepts_loss_kwargs = False

    def __init__(self, config: SpaeConfig, codebook: LexicalCodebook | None = None) -> None:
        super().__init__(config)
        book: LexicalCodebook | LearnedCodebook
        if config.codebook == "learned":
            book = LearnedCodebook(config.codebook_size, config.codebook_dim, config.codebook_decay)
        else:
            book = LexicalCodebook.placeholder(
                config.codebook_size,
                config.codebook_dim,
                config.codebook_num_letters,
                config.codebook_norm,
                config.codebook_lead,
            )
            book.tokenizer_sha256 = config.tokenizer_sha256
        self.encoder = SpaeEncoder(config)
        self.quantizer = LexicalQuantizer(book, config.grid, config.pyramid, config.quantization, config.fill)
        self.decoder = SpaeDecoder(config)
        self.perceptual_loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None
        self.post_init()
        if codebook is not None:
            self.set_codebook(codebook)

    @property
    def codebook(self) -> LexicalCodebook | LearnedCodebook:
        """The quantiser's."""
        return self.quantizer.codebook

    def set_codebook(self, codebook: LexicalCodebook) -> None:
        """Gives a new model its words.

        Raises:
            ValueError: for a learned codebook, or one that the configuration does not describe.
        """
        if self.config.codebook != "lexical":
            raise ValueError("this model learns its codebook; build it with SpaeConfig(codebook='lexical').")
        given = codebook.config_fields()
        ours = {name: getattr(self.config, name) for name in given}
        described = ("codebook_size", "codebook_dim", "codebook_norm")
        if any(given[name] != ours[name] for name in described):
            raise ValueError(
                f"the codebook has {', '.join(f'{name} {given[name]}' for name in described)}, but the configuration "
                f"{', '.join(str(ours[name]) for name in described)}; build it with "
                "SpaeConfig(**codebook.config_fields(), ...)."
            )
        for name, value in given.items():
            setattr(self.config, name, value)
        self.quantizer.codebook = codebook.to(device=self.device, dtype=torch.float32)

    def check_codebook(self) -> None:
        """Checks the codebook against the configuration's hash; nothing where there is none, or no weights are there.

        Raises:
            ValueError: for another codebook.
        """
        book, wanted = self.codebook, self.config.codebook_sha256
        if not isinstance(book, LexicalCodebook) or wanted is None or book.vectors.device.type == "meta":
            return
        if book.vectors.dtype != torch.float32:
            raise ValueError(
                f"the codebook is {book.vectors.dtype}, in which words are no longer told apart exactly; load the "
                "model in float32, then convert model.encoder and model.decoder."
            )
        found = book.sha256
        if found != wanted:
            raise ValueError(
                f"the codebook has the sha256 {found[:12]}..., but the configuration names {wanted[:12]}...; weights "
                "and config.json belong to different models, or one was changed."
            )

    def save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> Any:
        """As in Transformers.

        Raises:
            ValueError: for a codebook that was changed, such as by `model.half()`; it could not be loaded again.
        """
        self.check_codebook()
        return super().save_pretrained(save_directory, *args, **kwargs)

    def forward(
        self,
        pixel_values: torch.Tensor,
        word_ids: torch.Tensor | None = None,
        word_scores: torch.Tensor | None = None,
        return_loss: bool = True,
        return_dict: bool | None = None,
    ) -> SpaeOutput | tuple[Any, ...]:
        """Encodes, quantises and decodes.

        Args:
            pixel_values: `[B, C, Y, X]` in [0, 1], or uint8.
            word_ids: `[B, n]` entries of the codebook that are in each caption, the rarest first, padded with -100; for
                `pool_assignment="match"`.
            word_scores: `[B, V]` relevance of each entry to each picture in [0, 1]; for `pool_assignment="pools"`.
            return_loss: `False` to encode and decode alone.
            return_dict: `False` for a tuple.

        Raises:
            TypeError: for inputs that are no tensors.
            ValueError: for pictures of another shape, or words outside the codebook.
        """
        need_tensors(pixel_values=pixel_values)
        require_tensors(word_ids=word_ids, word_scores=word_scores)
        pixels = self._to_unit(pixel_values)
        quantized = self._quantize(pixels)
        book = self.codebook
        if self.training and isinstance(book, LearnedCodebook):
            self._follow(book, quantized)
        if return_loss:
            semantic = self._semantic_loss(quantized, word_ids, word_scores)
            output = self._with_losses(pixels, quantized, semantic)
        else:
            output = SpaeOutput(
                ids=quantized.ids, pixel_values=self._decode(quantized.quantized[-1]).clamp(0, 1)
            )
        keeps_names = self.config.return_dict if return_dict is None else return_dict
        return output if keeps_names else output.to_tuple()

    @torch.no_grad()
    def encode(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Pictures `[B, C, Y, X]` to ids, of each layer `[B, h, w]`.

        Raises:
            TypeError: for what is no tensor.
            ValueError: for pictures of another shape, or with NaN.
        """
        need_tensors(pixel_values=pixel_values)
        return self._quantize(self._to_unit(pixel_values)).ids

    @torch.no_grad()
    def decode(self, ids: Sequence[torch.Tensor]) -> torch.Tensor:
        """The ids of the first layers, one or more, to pictures `[B, C, Y, X]` in [0, 1]."""
        return self._decode(self.quantizer.from_ids(ids)).clamp(0, 1)

    def to_words(self, ids: Sequence[torch.Tensor]) -> list[list[list[str]]]:
        """See [`LexicalQuantizer.to_words`]."""
        return self.quantizer.to_words(ids)

    def from_words(self, words: Sequence[Sequence[Sequence[str]]]) -> tuple[torch.Tensor, ...]:
        """See [`LexicalQuantizer.from_words`]."""
        return self.quantizer.from_words(words)

    def _quantize(self, pixels: torch.Tensor) -> LexicalQuantizerOutput:
        return self.quantizer(self.encoder((2 * pixels - 1).to(_dtype(self.encoder))))

    def _decode(self, quantized: torch.Tensor) -> torch.Tensor:
        return (self.decoder(quantized.to(_dtype(self.decoder))) + 1) / 2

    def _with_losses(
        self, pixels: torch.Tensor, quantized: LexicalQuantizerOutput, semantic: torch.Tensor | None
    ) -> SpaeOutput:
        config = self.config
        decoded = self._decode(self._choose_prefix(quantized.quantized))
        reconstruction = (decoded - pixels).square().mean()
        loss = (
            config.reconstruction_weight * reconstruction
            + config.commitment_weight * quantized.commitment_loss
        )
        if self.perceptual_loss is not None:
            loss = loss + config.perceptual_weight * self.perceptual_loss(decoded, pixels)
        if semantic is not None and config.semantic_weight:
            balance = (loss / semantic.clamp(min=max(config.semantic_floor, 1e-6))).detach()
            loss = loss + config.semantic_weight * balance * semantic
        return SpaeOutput(
            loss=loss,
            reconstruction_loss=reconstruction.detach(),
            commitment_loss=quantized.commitment_loss.detach(),
            semantic_loss=None if semantic is None else semantic.detach(),
            ids=quantized.ids,
            pixel_values=decoded.detach().clamp(0, 1),
        )

    def _choose_prefix(self, prefixes: Sequence[torch.Tensor]) -> torch.Tensor:
        """In training a prefix for each row: all layers for a share of them, else any number of layers."""
        if not self.training:
            return prefixes[-1]
        rows, device = len(prefixes[0]), prefixes[0].device
        last = torch.full((rows,), len(prefixes) - 1, device=device)
        drawn = torch.randint(len(prefixes), (rows,), device=device)
        chosen = torch.where(torch.rand(rows, device=device) < self.config.full_stack_share, last, drawn)
        return torch.stack(list(prefixes))[chosen, torch.arange(rows, device=device)]

    def _semantic_loss(
        self,
        quantized: LexicalQuantizerOutput,
        word_ids: torch.Tensor | None,
        word_scores: torch.Tensor | None,
    ) -> torch.Tensor | None:
        config = self.config
        queries = quantized.queries[: config.semantic_layers]
        if config.pool_assignment == "match":
            if word_ids is None or not queries:
                return None
            self._check_words(word_ids, len(queries[0]))
            return match_loss(queries, self.quantizer.scores, word_ids)
        if word_scores is None or not queries:
            return None
        if word_scores.shape != (len(queries[0]), self.codebook.size):
            raise ValueError(
                f"word_scores must be [{len(queries[0])}, {self.codebook.size}] (rows, codebook), got "
                f"{tuple(word_scores.shape)}."
            )
        if not word_scores.is_floating_point():
            raise ValueError(f"word_scores must be floating point in [0, 1], got {word_scores.dtype}.")
        return pool_loss(
            queries, self.quantizer.scores, word_scores, config.semantic_thresholds[: len(queries)]
        )

    def _check_words(self, word_ids: torch.Tensor, rows: int) -> None:
        if word_ids.ndim != 2 or len(word_ids) != rows or not are_integers(word_ids):
            raise ValueError(
                f"word_ids must be integers [{rows}, words], got {word_ids.dtype} {tuple(word_ids.shape)}."
            )
        given = word_ids[word_ids != IGNORED_LABEL]
        if given.numel() and not 0 <= int(given.min()) <= int(given.max()) < self.codebook.size:
            raise ValueError(
                f"word_ids lie in {int(given.min())} to {int(given.max())}; they are entries of the codebook, 0 to "
                f"{self.codebook.size - 1}, not token ids (-100 pads)."
            )

    @torch.no_grad()
    def _follow(self, codebook: LearnedCodebook, quantized: LexicalQuantizerOutput) -> None:
        queries = torch.cat([query.flatten(0, 1) for query in quantized.queries])
        ids = torch.cat([layer.flatten() for layer in quantized.ids])
        codebook.follow(queries.detach(), ids)

    def _to_unit(self, pixel_values: torch.Tensor) -> torch.Tensor:
        expected = (self.config.num_channels, *self.config.image_size)
        if pixel_values.ndim != 4 or pixel_values.shape[1:] != expected:
            raise ValueError(
                f"pixel_values must be [B, {', '.join(map(str, expected))}] (channels, height, width), got "
                f"{tuple(pixel_values.shape)}."
            )
        if not len(pixel_values):
            raise ValueError("pixel_values hold no picture: give at least one.")
        if pixel_values.is_complex():
            raise ValueError(
                f"pixel_values must be real numbers in [0, 1] or uint8, got {pixel_values.dtype}."
            )
        refuse_nan_pixels(pixel_values)
        if pixel_values.dtype == torch.uint8:
            return pixel_values.float() / 255
        return pixel_values.float()


def _dtype(network: nn.Module) -> torch.dtype:
    return next(network.parameters()).dtype


__all__ = ["SpaeModel", "SpaeOutput", "SpaePreTrainedModel"]
