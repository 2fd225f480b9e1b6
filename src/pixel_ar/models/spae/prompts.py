# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Prompts in which pictures are words, for any frozen causal language model (SPAE, arXiv 2306.17842, 3.3 and 4).

A prompt is built of ids: those of its fixed texts and those of the codebook's words, which the tokenizer gives back for
them. Special tokens that the tokenizer puts before a text stand before a prompt too.

A picture is the ids of one row: of each layer `[h, w]`, or `[1, h, w]`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from ..pixel_ar.checks import are_integers, need_tensors
from .codebook import LexicalCodebook

Picture = Sequence[torch.Tensor]
# A picture, or a text such as its caption.
Condition = Picture | str
FIRST_RATIO, LAST_RATIO = 0.5, 0.2


@dataclass(frozen=True)
class ClassificationPrompt:
    """A prompt that a label shall follow.

    Attributes:
        input_ids: of the prompt.
        labels: the candidates.
        label_ids: the ids that each candidate would add.
        text: the prompt as text.
    """

    input_ids: list[int]
    labels: list[str]
    label_ids: list[list[int]]
    text: str


@dataclass(frozen=True)
class PicturePrompt:
    """A prompt that a picture shall follow, layer by layer.

    Attributes:
        prompt: composes it.
        examples: conditions as ids, with the pictures that follow them.
        query: the condition as ids whose picture is asked for.
    """

    prompt: "LexicalPrompt"
    examples: list[tuple[list[int], Picture]]
    query: list[int]

    def first(self, layers: int) -> list[int]:
        """Ids of a prompt for the first layers together."""
        pairs = [(given, self.prompt.tokens(picture, layers)) for given, picture in self.examples]
        return self.prompt.compose(pairs, self.query)

    def segment(self, upper: Picture, start: int, stop: int) -> list[int]:
        """Ids of a prompt for some tokens of a further layer, given the layers above it alone.

        Args:
            upper: the layers of the asked picture that are known.
            start: first token of the segment.
            stop: the one after the last.
        """
        depth = len(upper)
        pairs = []
        for _, picture in self.examples:
            following = self.prompt.layer_tokens(picture, depth)[start:stop]
            pairs.append((self.prompt.tokens(picture, depth), following))
        return self.prompt.compose(pairs, self.prompt.tokens(upper, depth))


class LexicalPrompt:
    """Prompts of words for one codebook and one tokenizer.

    Args:
        codebook: of the SPAE model.
        tokenizer: of the language model; another than the codebook's may be used if it has every word as one token.
        layers: how many layers of a picture a prompt shows.
        before: text before each input.
        between: text between input and output.
        after: text after each output.

    Raises:
        ValueError: for words that are not one token there, or a fixed text that the tokenizer does not know.
    """

    def __init__(
        self,
        codebook: LexicalCodebook,
        tokenizer: PreTrainedTokenizerBase,
        layers: int = 2,
        before: str = "Input:",
        between: str = "\nOutput:",
        after: str = "\n",
    ) -> None:
        if layers < 1:
            raise ValueError(f"a prompt shows at least one layer, got layers={layers}.")
        self.codebook = codebook
        self.tokenizer = tokenizer
        self.layers = layers
        self.token_ids, self.lead = codebook.token_ids_in(tokenizer)
        self.before, self.between, self.after = (self.encode(text) for text in (before, between, after))
        self.start = self._special_start()

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without special tokens.

        Raises:
            ValueError: for a text with parts that the tokenizer does not know.
        """
        ids = list(self.tokenizer(text, add_special_tokens=False)["input_ids"]) if text else []
        if self.tokenizer.unk_token_id is not None and self.tokenizer.unk_token_id in ids:
            raise ValueError(
                f"this tokenizer does not know all of {text!r}; choose other words (the fixed texts of a prompt: "
                "before, between and after)."
            )
        return ids

    def tokens(self, picture: Picture, layers: int | None = None) -> list[int]:
        """Ids of a picture's first layers in the tokenizer, layer by layer, row by row."""
        layers = self.layers if layers is None else layers
        return [token for layer in range(layers) for token in self.layer_tokens(picture, layer)]

    def layer_tokens(self, picture: Picture, layer: int) -> list[int]:
        """Ids of one layer of a picture.

        Raises:
            TypeError: for what is no picture.
            ValueError: for a picture with fewer layers, more than one picture, or ids outside the codebook.
        """
        if not isinstance(picture, list | tuple):
            raise TypeError(
                f"a picture must be a list of the ids of its layers, got {type(picture).__name__}; encode makes them."
            )
        need_tensors(**{f"ids of layer {index + 1}": ids for index, ids in enumerate(picture)})
        if layer >= len(picture):
            raise ValueError(f"layer {layer + 1} is asked for of a picture with {len(picture)} layers.")
        ids = picture[layer]
        if ids.ndim == 3 and len(ids) != 1:
            raise ValueError(
                f"pass one picture at a time: the ids of layer {layer + 1} hold {len(ids)} rows."
            )
        flat = ids.flatten().cpu()
        if not are_integers(flat) or (
            len(flat) and not 0 <= int(flat.min()) <= int(flat.max()) < len(self.token_ids)
        ):
            raise ValueError(
                f"the ids of layer {layer + 1} must be entries of the codebook, integers from 0 to "
                f"{len(self.token_ids) - 1}."
            )
        return self.token_ids[flat.long()].tolist()

    def compose(self, pairs: Sequence[tuple[list[int], list[int]]], query: list[int]) -> list[int]:
        """Ids of inputs with outputs, and of the input whose output shall follow."""
        ids = list(self.start)
        for given, wanted in pairs:
            ids += [*self.before, *given, *self.between, *wanted, *self.after]
        return [*ids, *self.before, *query, *self.between]

    def classification(
        self, support: Sequence[tuple[Picture, str]], query: Picture, labels: Sequence[str]
    ) -> ClassificationPrompt:
        """A few-shot classification.

        Args:
            support: pictures with their labels, in the order in which they are shown.
            query: the picture whose label is asked for.
            labels: the candidates.

        Raises:
            TypeError: for pictures or labels of another kind.
            ValueError: for no candidates, a label that is none of them, or one that the tokenizer does not know.
        """
        if not isinstance(labels, list | tuple) or not all(isinstance(label, str) for label in labels):
            raise TypeError(f"labels must be a list of texts, got {labels!r:.80}.")
        if not labels:
            raise ValueError("name the labels to choose from.")
        if not isinstance(support, list | tuple) or not all(
            isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[1], str) for pair in support
        ):
            raise TypeError("support must be a list of pairs (picture, label), the label a text.")
        encoded = {label: self.encode(self._spaced(label)) for label in labels}
        pairs = []
        for picture, label in support:
            if label not in encoded:
                raise ValueError(f"the label {label!r} is not among {list(labels)}.")
            pairs.append((self.tokens(picture), encoded[label]))
        ids = self.compose(pairs, self.tokens(query))
        return ClassificationPrompt(ids, list(labels), [encoded[label] for label in labels], self.decode(ids))

    def classify(
        self, model: Any, support: Sequence[tuple[Picture, str]], query: Picture, labels: Sequence[str]
    ) -> dict[str, float]:
        """Labels with their summed log-probabilities in nats, the likeliest first.

        Args:
            model: any causal language model of the tokenizer.
            support: see [`classification`].
            query: likewise.
            labels: likewise.

        Raises:
            ValueError: as `classification`, and for a prompt longer than the model can read.
        """
        return rank_labels(model, self.classification(support, query, labels))

    def generation(self, examples: Sequence[tuple[Condition, Picture]], query: Condition) -> PicturePrompt:
        """Pictures that follow a condition (a text, or another picture), and the condition of the one asked for."""
        pairs = [(self._condition(given), picture) for given, picture in examples]
        return PicturePrompt(self, pairs, self._condition(query))

    def denoising(
        self,
        clean: Sequence[Picture],
        ratios: Sequence[float] | None = None,
        query: Condition | None = None,
        generator: torch.Generator | None = None,
    ) -> PicturePrompt:
        """Pictures after versions of themselves with fewer and fewer wrong words, as the paper prompts for pictures.

        Args:
            clean: the pictures.
            ratios: of each, the share of words that are replaced by random ones; `None` for even steps from 0.5 to 0.2.
            query: what the asked picture follows; `None` for the last picture, with the last ratio.
            generator: of the random words.

        Raises:
            ValueError: for no pictures, or another number of ratios, or ratios outside 0 to 1.
        """
        if not clean:
            raise ValueError("denoising needs at least one clean picture.")
        if ratios is None:
            ratios = torch.linspace(FIRST_RATIO, LAST_RATIO, len(clean)).tolist()
        if len(ratios) != len(clean) or not all(0 <= ratio <= 1 for ratio in ratios):
            raise ValueError(
                f"there are {len(clean)} pictures; pass as many ratios in 0 to 1, got {list(ratios)}."
            )
        pairs = [
            (self.corrupt(picture, ratio, generator), picture)
            for picture, ratio in zip(clean, ratios, strict=True)
        ]
        last = self.corrupt(clean[-1], ratios[-1], generator) if query is None else self._condition(query)
        return PicturePrompt(self, pairs, last)

    def corrupt(self, picture: Picture, ratio: float, generator: torch.Generator | None = None) -> list[int]:
        """Ids of a picture in which a share of the words is replaced by random words of the codebook."""
        tokens = torch.tensor(self.tokens(picture))
        count = round(ratio * len(tokens))
        places = torch.randperm(len(tokens), generator=generator)[:count]
        tokens[places] = self.token_ids[torch.randint(self.codebook.size, (count,), generator=generator)]
        return tokens.tolist()

    def decode(self, ids: Sequence[int]) -> str:
        """A prompt as text."""
        return self.tokenizer.decode(list(ids))

    def _condition(self, given: Condition) -> list[int]:
        return self.encode(self._spaced(given)) if isinstance(given, str) else self.tokens(given)

    def _spaced(self, text: str) -> str:
        """A text as it stands after another."""
        return f"{self.lead}{text}"

    def _special_start(self) -> list[int]:
        """What the tokenizer puts before a text."""
        word = self.codebook.words[0]
        bare = self.encode(self._spaced(word))
        whole = list(self.tokenizer(self._spaced(word))["input_ids"])
        for start in range(len(whole) - len(bare) + 1):
            if whole[start : start + len(bare)] == bare:
                return whole[:start]
        return []


def rank_labels(model: Any, prompt: ClassificationPrompt) -> dict[str, float]:
    """Labels with their summed log-probabilities, the likeliest first; see [`LexicalPrompt.classify`]."""
    check_length(model, len(prompt.input_ids), max(map(len, prompt.label_ids)))
    rows = [prompt.input_ids + ids for ids in prompt.label_ids]
    width = max(map(len, rows))
    input_ids = torch.tensor([row + row[-1:] * (width - len(row)) for row in rows])
    attended = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    device = model.get_input_embeddings().weight.device
    with torch.no_grad():
        logits = model(input_ids=input_ids.to(device), attention_mask=attended.to(device)).logits
    start = len(prompt.input_ids)
    log_probs = logits[:, start - 1 : -1].float().log_softmax(-1)
    scores = {}
    for row, (label, ids) in enumerate(zip(prompt.labels, prompt.label_ids, strict=True)):
        chosen = log_probs[row, torch.arange(len(ids)), torch.tensor(ids)]
        scores[label] = float(chosen.sum())
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


def check_length(model: Any, prompt: int, new: int) -> None:
    """Check that a prompt and what follows it fit a model.

    Raises:
        ValueError: with both numbers.
    """
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if isinstance(limit, int) and 0 < limit < prompt + new:
        raise ValueError(
            f"the prompt has {prompt} tokens and {new} shall follow, but the model reads {limit}; show fewer examples, "
            "or fewer layers of each."
        )


__all__ = ["ClassificationPrompt", "LexicalPrompt", "PicturePrompt", "check_length", "rank_labels"]
