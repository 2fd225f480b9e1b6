# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The token part of a processor's rows: texts to token ids, ids beside patches in one sequence, ids back to texts.

In a mixed batch every row has the same number of patch positions, P, and of token positions, L: each part is padded by
itself, as PixelGPT does for its pairs (2404.10710, section 3), and `attention_mask` is 0 on the padding of either.
`modality_ids` says which positions are which: 1 for patches, 0 for tokens.

Shapes: B rows, P patch positions, L token positions, T = P + L.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from ..modalities import PATCH, TOKEN
from ..text.characters import has_surrogates
from .options import LayoutOptions


class NoTokenizer(NamedTuple):
    """The special tokens of a processor that has no tokenizer: none.

    Attributes:
        eos_token_id: `None`.
        bos_token_id: `None`.
        pad_token_id: `None`.
        bos_token: `None`.
    """

    eos_token_id: None = None
    bos_token_id: None = None
    pad_token_id: None = None
    bos_token: None = None

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """Empty; a chat template sees it."""
        return {}


def check_tokenizer(tokenizer: Any) -> PreTrainedTokenizerBase | None:
    """Returns the tokenizer, or `None`.

    Raises:
        ValueError: for anything else, such as a path.
    """
    if tokenizer is None or isinstance(tokenizer, PreTrainedTokenizerBase):
        return tokenizer
    hint = f"; load it: AutoTokenizer.from_pretrained({tokenizer!r})" if isinstance(tokenizer, str) else ""
    raise ValueError(
        f"tokenizer must be a tokenizer of transformers or None, got {type(tokenizer).__name__}{hint}."
    )


def encode_targets(
    tokenizer: PreTrainedTokenizerBase | None, texts: list[str], options: LayoutOptions
) -> list[list[int]]:
    """Tokenises the target texts of a call.

    Args:
        tokenizer: of the processor. It decides about special tokens, as when it is called itself; `add_target_bos` and
            `add_target_eos` add those it left out.
        texts: B texts.
        options: of the call.

    Returns:
        B lists of token ids.

    Raises:
        ValueError: without a tokenizer, or for a text without tokens, one that is too long, or a special token that the
            tokenizer does not have.
    """
    if tokenizer is None:
        raise ValueError(
            "target_text belongs to models with a token head, and this processor has no tokenizer; put the text "
            "into `text` or `text_pair`, or build the processor with PixelProcessor(..., tokenizer=...)."
        )
    wanted = {"bos": options.add_target_bos, "eos": options.add_target_eos}
    ends = {kind: getattr(tokenizer, f"{kind}_token_id") for kind in wanted}
    for kind, is_wanted in wanted.items():
        if is_wanted and ends[kind] is None:
            raise ValueError(
                f"add_target_{kind} needs a tokenizer with a {kind} token; set tokenizer.{kind}_token, or leave "
                f"add_target_{kind} out."
            )
    for index, text in enumerate(texts):
        if has_surrogates(text):
            raise ValueError(
                f"target_text[{index}] holds half a surrogate pair, which no tokenizer takes: {text!r:.60}; repair it "
                'with text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").'
            )
    # Lengths are checked below, so the tokenizer need not warn about them.
    rows = tokenizer(texts, padding=False, truncation=False, return_attention_mask=False, verbose=False)[
        "input_ids"
    ]
    encoded = []
    for index, ids in enumerate(rows):
        ids = list(ids)
        if options.add_target_bos and ids[:1] != [ends["bos"]]:
            ids.insert(0, ends["bos"])
        if options.add_target_eos and ids[-1:] != [ends["eos"]]:
            ids.append(ends["eos"])
        encoded.append(_fit(ids, index, options, ends["eos"]))
    return encoded


def _fit(ids: list[int], index: int, options: LayoutOptions, eos_token_id: int | None) -> list[int]:
    limit = options.max_target_tokens
    if not ids:
        raise ValueError(
            f"target_text[{index}] is empty: the tokenizer gives it no tokens; leave the row out."
        )
    if limit is None or len(ids) <= limit:
        return ids
    if options.truncation == "do_not_truncate":
        raise ValueError(
            f"target_text[{index}] has {len(ids)} tokens, but max_target_tokens is {limit}; pass truncation=True to "
            "cut it, or a larger max_target_tokens."
        )
    keeps_end = options.add_target_eos and limit > 1 and eos_token_id is not None
    return [*ids[: limit - 1], eos_token_id] if keeps_end and eos_token_id is not None else ids[:limit]


def pad_token_id(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The id that fills short rows: of the pad token, or where there is none of the EOS token."""
    return tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id


def pad_tokens(
    rows: list[list[int]], num_tokens: int, pad_id: int | None, padding_side: str
) -> tuple[np.ndarray, np.ndarray]:
    """Brings rows of ids to one length.

    Args:
        rows: B rows of at most `num_tokens` ids.
        num_tokens: L.
        pad_id: fills short rows; `None` if no row may be short.
        padding_side: `"left"` or `"right"`.

    Returns:
        `input_ids` and `attention_mask`, int64 `[B, L]`.

    Raises:
        ValueError: if a row is short and there is no `pad_id`.
    """
    if pad_id is None and any(len(ids) < num_tokens for ids in rows):
        raise ValueError(
            "rows differ in length, and the tokenizer has neither a pad token nor an EOS token to fill them with: set "
            "tokenizer.pad_token, or pass padding=False."
        )
    input_ids = np.full((len(rows), num_tokens), pad_id or 0, np.int64)
    mask = np.zeros((len(rows), num_tokens), np.int64)
    for ids, row, marks in zip(rows, input_ids, mask, strict=True):
        place = slice(num_tokens - len(ids), None) if padding_side == "left" else slice(len(ids))
        row[place], marks[place] = ids, 1
    return input_ids, mask


def join_parts(patch_mask: np.ndarray, token_mask: np.ndarray, target_first: bool) -> dict[str, np.ndarray]:
    """The sequence of a mixed batch.

    Args:
        patch_mask: int64 `[B, P]`.
        token_mask: int64 `[B, L]`.
        target_first: whether the tokens stand before the patches.

    Returns:
        `attention_mask` and `modality_ids`, int64 `[B, T]`.
    """
    masks = [patch_mask, token_mask]
    kinds = [np.full_like(patch_mask, PATCH), np.full_like(token_mask, TOKEN)]
    if target_first:
        masks.reverse()
        kinds.reverse()
    return {"attention_mask": np.concatenate(masks, 1), "modality_ids": np.concatenate(kinds, 1)}


def patch_mask(attention_mask: Any, modality_ids: Any) -> Any:
    """The part of a mixed batch's attention mask that is about its patches, a list of arrays `[P]`."""
    if attention_mask is None or modality_ids is None:
        return attention_mask
    rows = zip(_to_numpy(attention_mask), _to_numpy(modality_ids), strict=True)
    return [np.asarray(mask)[np.asarray(kinds) == PATCH] for mask, kinds in rows]


def find_token_ids(output: Any) -> list[Any] | None:
    """The token ids a caller wants decoded, or `None` where the object is about strips.

    Args:
        output: integers (but uint8, which are pixels) of one or two axes as tensor, array or lists; or an output or
            mapping with `sequences` or `input_ids` and no `pixel_values`.

    Returns:
        One list of ids per row.
    """
    if isinstance(output, Mapping) or hasattr(output, "sequences") or hasattr(output, "input_ids"):
        get = output.get if isinstance(output, Mapping) else lambda key: getattr(output, key, None)
        if get("pixel_values") is not None:
            return None
        output = get("sequences") if get("sequences") is not None else get("input_ids")
    if isinstance(output, Sequence) and not isinstance(output, str | bytes):
        if not output:
            return None
        if all(isinstance(item, int | np.integer) and not isinstance(item, bool) for item in output):
            return [[int(item) for item in output]]
        rows = [find_token_ids(item) for item in output]
        return [ids[0] for ids in rows if ids] if all(row and len(row) == 1 for row in rows) else None
    if not isinstance(output, torch.Tensor | np.ndarray) or output.ndim not in (1, 2):
        return None
    if isinstance(output, torch.Tensor) and output.is_floating_point():
        return None
    array = _to_numpy(output)
    if not np.issubdtype(array.dtype, np.integer) or array.dtype == np.uint8:
        return None
    return [row.tolist() for row in np.atleast_2d(array)]


def decode_tokens(
    tokenizer: PreTrainedTokenizerBase | None, rows: list[Any], skip_special_tokens: bool
) -> list[str]:
    """Token ids to texts; ids below 0, such as the -100 of labels, are left out.

    Raises:
        ValueError: without a tokenizer.
    """
    if tokenizer is None:
        raise ValueError(
            "these are token ids (integers), and this processor has no tokenizer to decode them with; pass strips, or "
            "build the processor with PixelProcessor(..., tokenizer=...)."
        )
    kept = [[int(token) for token in ids if token >= 0] for ids in rows]
    return tokenizer.batch_decode(kept, skip_special_tokens=skip_special_tokens)


def _to_numpy(values: Any) -> Any:
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values


__all__ = [
    "NoTokenizer",
    "check_tokenizer",
    "decode_tokens",
    "encode_targets",
    "find_token_ids",
    "join_parts",
    "pad_token_id",
    "pad_tokens",
    "patch_mask",
]
