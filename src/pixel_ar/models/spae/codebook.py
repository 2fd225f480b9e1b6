# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Codebooks: the words of a language model with their vectors (SPAE, arXiv 2306.17842), or learned vectors.

A lexical codebook is frozen: its vectors are those a language model has for its tokens, so that a picture becomes a
sequence of words which that model, or any other that knows the words, can read. Words are kept only if the tokenizer
gives a text of them back as the same ids; else a prompt that is shown as text would change its tokens.

Shapes: V entries, c values per vector.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from ...transformers_internals import init
from ..pixel_ar.checks import are_integers

Norm = Literal["sphere", "raw"]
# What stands before the first word of a text, so that it has the id that it has inside a sentence.
LEADS = ("", " ")
SEPARATOR = "\n"
BATCH = 256


class LexicalCodebook(nn.Module):
    """Words and their vectors, in buffers that are saved with a model and get no gradient.

    Args:
        vectors: `[V, c]`, any floating type (kept in float32, or float64 if given so).
        words: V words, no two alike, without spaces or line breaks.
        token_ids: their ids in the tokenizer; `None` where the vectors come without one, see [`token_ids_in`].
        norm: `"sphere"` scales each vector to the length sqrt(c), so that pixels are not judged by how frequent a word
            is; `"raw"` keeps them, as the paper does.
        tokenizer_sha256: [`hash_tokenizer`] of the tokenizer of `token_ids`.
        lead: what has to stand before a text of these words for the first to have its id: `""` or `" "`.

    Raises:
        TypeError: for vectors or ids that are no numbers, or words that are no texts.
        ValueError: for vectors that are not `[V, c]` and finite, a vector of zeros on the sphere, or other words
            than vectors.
    """

    vectors: torch.Tensor
    token_ids: torch.Tensor
    letters: torch.Tensor

    def __init__(
        self,
        vectors: torch.Tensor,
        words: Sequence[str],
        token_ids: Sequence[int] | torch.Tensor | None = None,
        norm: Norm = "sphere",
        tokenizer_sha256: str | None = None,
        lead: str = "",
    ) -> None:
        super().__init__()
        if lead not in LEADS:
            raise ValueError(f"lead must be one of {LEADS}, got {lead!r:.60}.")
        vectors = _as_tensor("vectors", vectors)
        if vectors.ndim != 2 or not vectors.is_floating_point() or not len(vectors):
            raise ValueError(
                f"vectors must be floating [words, c], got {vectors.dtype} {tuple(vectors.shape)}."
            )
        if not bool(torch.isfinite(vectors).all()):
            raise ValueError("the vectors hold NaN or infinity.")
        _check_words(words, len(vectors))
        vectors = vectors.detach().clone().to(torch.promote_types(vectors.dtype, torch.float32))
        self.norm = norm
        self.lead = lead
        self.tokenizer_sha256 = tokenizer_sha256
        self.register_buffer("vectors", _normalise(vectors, words, norm))
        ids = torch.full((len(words),), -1) if token_ids is None else _as_tensor("token_ids", token_ids)
        if not are_integers(ids):
            raise ValueError(f"token_ids must be integers, got {ids.dtype}.")
        if ids.shape != (len(words),):
            raise ValueError(f"token_ids has the shape {tuple(ids.shape)}, but there are {len(words)} words.")
        self.register_buffer("token_ids", ids.long())
        self.register_buffer("letters", _to_letters(words))
        self._words: tuple[str, ...] | None = tuple(words)
        self._ranks: dict[str, int] | None = None

    @classmethod
    def placeholder(cls, size: int, dim: int, num_letters: int, norm: Norm, lead: str) -> "LexicalCodebook":
        """One of the right shapes, for a checkpoint to fill; until then random vectors without words."""
        book = cls.__new__(cls)
        nn.Module.__init__(book)
        book.norm, book.lead, book.tokenizer_sha256 = norm, lead, None
        book.register_buffer("vectors", torch.zeros(size, dim))
        book.register_buffer("token_ids", torch.full((size,), -1))
        book.register_buffer("letters", torch.zeros(num_letters, dtype=torch.uint8))
        book._words, book._ranks = None, None
        return book

    @classmethod
    def from_pretrained(
        cls,
        folder: str | os.PathLike[str],
        words: str | Sequence[str] = "round_trip",
        layer: str | int = "input",
        limit: int | None = None,
        norm: Norm = "sphere",
        **kwargs: Any,
    ) -> "LexicalCodebook":
        """The words of a language model, with the vectors it has for them.

        Args:
            folder: or id of a model with its tokenizer.
            words: `"round_trip"` for all tokens that are whole words (letters alone) and come back from a text as the
                same ids; or a list of words, which all have to.
            layer: `"input"` embeddings, `"output"` embeddings (the head's rows), or a number: the hidden states after
                so many layers of the token alone.
            limit: at most so many words, the lowest ids first (in most vocabularies the most frequent).
            norm: see the class.
            kwargs: of `from_pretrained` of tokenizer and model, such as `revision` or `local_files_only`.

        Raises:
            ValueError: if no word comes back, or one of a given list does not; names those.
        """
        tokenizer = AutoTokenizer.from_pretrained(folder, **kwargs)
        if isinstance(words, str):
            if words != "round_trip":
                raise ValueError(f"words must be 'round_trip' or a list of words, got {words!r}.")
            found, lead = round_trip_words(tokenizer)
        else:
            found, lead = given_words(tokenizer, words)
        chosen = list(found)[:limit]
        ids = [found[word] for word in chosen]
        vectors = _model_vectors(folder, ids, layer, kwargs)
        return cls(vectors, chosen, ids, norm, hash_tokenizer(tokenizer), lead)

    @property
    def words(self) -> tuple[str, ...]:
        """The words.

        Raises:
            ValueError: for a model that was given none.
        """
        if self._words is None:
            if not len(self.letters):
                raise ValueError("this codebook has no words: build the model with a LexicalCodebook.")
            self._words = tuple(bytes(self.letters.cpu().tolist()).decode("utf-8").split(SEPARATOR))
        return self._words

    @property
    def size(self) -> int:
        """V."""
        return self.vectors.shape[0]

    @property
    def dim(self) -> int:
        """c."""
        return self.vectors.shape[1]

    def rank(self, word: str) -> int | None:
        """The entry of a word, `None` if it is not in the codebook."""
        if self._ranks is None:
            self._ranks = {known: index for index, known in enumerate(self.words)}
        return self._ranks.get(word)

    @property
    def sha256(self) -> str:
        """Over vectors (float32), words and ids."""
        digest = hashlib.sha256(self.vectors.detach().float().cpu().contiguous().numpy().tobytes())
        digest.update(self.token_ids.cpu().numpy().tobytes())
        digest.update(self.letters.cpu().numpy().tobytes())
        return digest.hexdigest()

    def config_fields(self) -> dict[str, Any]:
        """Fields of a [`SpaeConfig`] for a model with this codebook."""
        return {
            "codebook": "lexical",
            "codebook_size": self.size,
            "codebook_dim": self.dim,
            "codebook_norm": self.norm,
            "codebook_num_letters": len(self.letters),
            "codebook_lead": self.lead,
            "codebook_sha256": self.sha256,
            "tokenizer_sha256": self.tokenizer_sha256,
        }

    def token_ids_in(self, tokenizer: PreTrainedTokenizerBase) -> tuple[torch.Tensor, str]:
        """The id of every word in a tokenizer, and what has to stand before the first.

        The stored ids if it is the tokenizer they come from; else each word is looked up, so that words of one model
        can prompt another.

        Raises:
            ValueError: naming words that are not one token of their own there.
        """
        if self.tokenizer_sha256 is not None and hash_tokenizer(tokenizer) == self.tokenizer_sha256:
            return self.token_ids.clone(), self.lead
        found, lead = given_words(tokenizer, self.words)
        return torch.tensor([found[word] for word in self.words]), lead

    @torch.no_grad()
    def fill(self) -> None:
        """Gives a placeholder random vectors of its norm."""
        init.normal_(self.vectors)
        if self.norm == "sphere":
            scale = self.dim**0.5 / self.vectors.norm(dim=1, keepdim=True)
            init.copy_(self.vectors, self.vectors * scale)


class LearnedCodebook(nn.Module):
    """Vectors that follow what they stand for by exponential means; the plain alternative to words.

    Entries that nothing was assigned to for long begin again at a vector of the batch. Buffers without gradient: they
    are part of the model's state, but of no optimiser.

    Args:
        size: V.
        dim: c.
        decay: of the means.
    """

    vectors: torch.Tensor
    usage: torch.Tensor
    sums: torch.Tensor
    DEAD = 0.02

    def __init__(self, size: int, dim: int, decay: float = 0.99) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("vectors", torch.zeros(size, dim))
        self.register_buffer("usage", torch.zeros(size))
        self.register_buffer("sums", torch.zeros(size, dim))

    @property
    def size(self) -> int:
        """V."""
        return self.vectors.shape[0]

    @property
    def dim(self) -> int:
        """c."""
        return self.vectors.shape[1]

    @torch.no_grad()
    def fill(self) -> None:
        """Small random vectors, each with the use of one."""
        init.normal_(self.vectors, std=0.1)
        init.ones_(self.usage)
        init.copy_(self.sums, self.vectors)

    @torch.no_grad()
    def follow(self, queries: torch.Tensor, ids: torch.Tensor) -> None:
        """Moves the vectors towards the means of what was assigned to them.

        Args:
            queries: `[M, c]` latent vectors.
            ids: `[M]` the entries they were assigned to.
        """
        queries = queries.to(self.vectors.dtype)
        counts = torch.bincount(ids, minlength=self.size).to(self.usage.dtype)
        sums = torch.zeros_like(self.sums).index_add_(0, ids, queries)
        self.usage.lerp_(counts, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        dead = (self.usage < self.DEAD).nonzero()[:, 0][: len(queries)]
        if len(dead):
            fresh = queries[torch.randperm(len(queries), device=queries.device)[: len(dead)]]
            self.usage[dead] = 1.0
            self.sums[dead] = fresh
        self.vectors.copy_(self.sums / self.usage.clamp(min=1e-6)[:, None])


def hash_tokenizer(tokenizer: PreTrainedTokenizerBase) -> str:
    """sha256 over a tokenizer's tokens and ids, whatever file format they were read from."""
    entries = sorted(tokenizer.get_vocab().items(), key=lambda item: (item[1], item[0]))
    return hashlib.sha256(json.dumps(entries).encode("utf-8")).hexdigest()


def round_trip_words(tokenizer: PreTrainedTokenizerBase) -> tuple[dict[str, int], str]:
    """All tokens of a tokenizer that are words and survive a text.

    Returns:
        Words with their ids, by id, and what has to stand before a text of them.

    Raises:
        ValueError: if there are none.
    """
    special = set(tokenizer.all_special_ids)
    ids = [index for index in sorted(tokenizer.get_vocab().values()) if index not in special]
    texts = tokenizer.batch_decode([[index] for index in ids])
    candidates: dict[str, int] = {}
    for index, text in zip(ids, texts, strict=True):
        word = text.strip()
        if word.isalpha():
            candidates.setdefault(word, index)
    best = max(
        (_surviving(tokenizer, list(candidates), lead) for lead in LEADS), key=lambda item: len(item[0])
    )
    if not best[0]:
        raise ValueError("no token of this tokenizer is a word that comes back from a text as the same id.")
    return dict(sorted(best[0].items(), key=lambda item: item[1])), best[1]


def given_words(tokenizer: PreTrainedTokenizerBase, words: Sequence[str]) -> tuple[dict[str, int], str]:
    """The ids of given words.

    Raises:
        ValueError: naming those that do not come back from a text as one id.
    """
    best = max((_surviving(tokenizer, list(words), lead) for lead in LEADS), key=lambda item: len(item[0]))
    lost = [word for word in words if word not in best[0]]
    if lost:
        raise ValueError(
            f"{len(lost)} of {len(words)} words are not one token each in a text of this tokenizer: "
            f"{', '.join(map(repr, lost[:8]))}{' ...' if len(lost) > 8 else ''}; leave them out of `words`, or take "
            "LexicalCodebook.from_pretrained(folder), which finds those that are."
        )
    return best


def _surviving(tokenizer: PreTrainedTokenizerBase, words: list[str], lead: str) -> tuple[dict[str, int], str]:
    """Words whose ids are one each, alone, beside each other and in one text of all of them."""

    def encode(texts: list[str]) -> list[list[int]]:
        # Not verbose: a text of all words is longer than any model reads, and no model reads it.
        return tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"] if texts else []

    unknown = tokenizer.unk_token_id
    alone = encode([lead + word for word in words])
    kept = {
        word: ids[0] for word, ids in zip(words, alone, strict=True) if len(ids) == 1 and ids[0] != unknown
    }
    # Twice in a row: after another word a token may be another, or joined to it.
    doubled = encode([f"{lead}{word} {word}" for word in kept])
    kept = {
        word: index for (word, index), ids in zip(kept.items(), doubled, strict=True) if ids == [index, index]
    }
    return {word: kept[word] for word in _whole(encode, list(kept), kept, lead)}, lead


def _whole(
    encode: Callable[[list[str]], list[list[int]]], words: list[str], ids: dict[str, int], lead: str
) -> list[str]:
    """The words of a text that is encoded as their ids; one that is not is halved, down to words to leave out."""
    if not words:
        return []
    if encode([lead + " ".join(words)])[0] == [ids[word] for word in words]:
        return words
    if len(words) == 1:
        return []
    middle = len(words) // 2
    left, right = _whole(encode, words[:middle], ids, lead), _whole(encode, words[middle:], ids, lead)
    if encode([lead + " ".join(left + right)])[0] == [ids[word] for word in left + right]:
        return left + right
    return left if len(left) >= len(right) else right


@torch.no_grad()
def _model_vectors(
    folder: str | os.PathLike[str], ids: list[int], layer: str | int, kwargs: dict[str, Any]
) -> torch.Tensor:
    """What a model has for tokens, float32 `[V, c]`."""
    if layer == "output":
        head = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, **kwargs
        ).get_output_embeddings()
        if head is None:
            raise ValueError(f"{folder} has no output embeddings; take layer='input'.")
        return head.weight[ids]
    model = AutoModel.from_pretrained(folder, dtype=torch.float32, **kwargs).eval()
    if layer == "input":
        return model.get_input_embeddings().weight[ids]
    if not isinstance(layer, int):
        raise ValueError(f"layer must be 'input', 'output' or a number, got {layer!r}.")
    parts = []
    for start in range(0, len(ids), BATCH):
        batch = torch.tensor(ids[start : start + BATCH])[:, None]
        states = model(input_ids=batch, output_hidden_states=True).hidden_states
        if not -len(states) <= layer < len(states):
            raise ValueError(f"layer {layer}: {Path(folder).name} has the states 0 to {len(states) - 1}.")
        parts.append(states[layer][:, -1])
    return torch.cat(parts)


def _as_tensor(name: str, values: Any) -> torch.Tensor:
    try:
        return torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise TypeError(f"{name} must be numbers, got {type(values).__name__} ({error}).") from None


def _check_words(words: Sequence[str], count: int) -> None:
    if not isinstance(words, Sequence):
        raise TypeError(f"words must be a list of texts, got {type(words).__name__}.")
    if isinstance(words, str) or len(words) != count:
        raise ValueError(f"there are {count} vectors, but {len(words)} words.")
    for word in words:
        if not isinstance(word, str):
            raise TypeError(f"a word must be a str, got {type(word).__name__}.")
        if any("\ud800" <= char <= "\udfff" for char in word):
            raise ValueError(f"a word holds a lone surrogate, which is no character: {word!r}.")
        if not word or word.split() != [word]:
            raise ValueError(f"a word must not be empty or hold spaces or line breaks, got {word!r}.")
    if len(set(words)) != len(words):
        seen: set[str] = set()
        twice = next(word for word in words if word in seen or seen.add(word))  # type: ignore[func-returns-value]
        raise ValueError(f"the word {twice!r} stands twice in the codebook.")


def _normalise(vectors: torch.Tensor, words: Sequence[str], norm: Norm) -> torch.Tensor:
    if norm == "raw":
        return vectors
    if norm != "sphere":
        raise ValueError(f"norm must be 'sphere' or 'raw', got {norm!r}.")
    lengths = vectors.norm(dim=1, keepdim=True)
    if bool((lengths == 0).any()):
        word = words[int((lengths[:, 0] == 0).nonzero()[0])]
        raise ValueError(f"the vector of {word!r} is zero, which has no direction; leave the word out.")
    return vectors * (vectors.shape[1] ** 0.5 / lengths)


def _to_letters(words: Sequence[str]) -> torch.Tensor:
    return torch.tensor(list(SEPARATOR.join(words).encode("utf-8")), dtype=torch.uint8)


__all__ = ["LearnedCodebook", "LexicalCodebook", "given_words", "hash_tokenizer", "round_trip_words"]
