# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What a call of the processor takes, and whether a processor fits a model."""

import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np

from ..rendering.style import RenderStyle
from .settings import check_names


class PixelProcessorKwargs(TypedDict, total=False):
    """Options of `PixelProcessor.__call__`.

    Attributes:
        padding: `True` or `"longest"` (default): to the longest row of the batch; `"max_length"`: to `max_patches`
            (and `max_target_tokens`); `False` or `"do_not_pad"`: not at all, which needs `return_tensors=None` or rows
            of one length.
        padding_side: `"right"` or `"left"`, in this call. Default: the processor's `padding_side`.
        pad_to_multiple_of: rounds the number of patches of padded rows up. Default `None`.
        truncation: `False` (default): a row longer than `max_patches` is an error; `True` or `"longest_first"`:
            the longer segment is cut until the row fits, at a character border, keeping the EOS patch;
            `"only_first"`, `"only_second"`: that segment is cut. Any but `False` also cuts `target_text`.
        max_patches: most patches of a row, special patches included. Default: the processor's
            `model_max_patches`.
        max_length: another name of `max_patches`, as tokenizers call it.
        missing: what happens to characters no atlas covers, in this call: `"error"`, `"warn"` or `"hexbox"`. Default:
            the processor's `missing`.
        add_eos: whether an EOS patch follows the last segment. Default `True`.
        add_start: whether an EOS patch stands before the first segment, so that `log_likelihood` covers the first
            patch of the text as well. Default `False`.
        end_gap: moves the last segment right until exactly so many white columns are left between its end and a patch
            border, where the row then ends; needs `add_eos=False`. PIXAR prompts its models with `end_gap=3`, since
            their heads only write whole patches. Default `None`: the text stays where it is.
        target_first: whether the tokens of `target_text` stand before the patches. Default `False`.
        add_target_bos: whether `target_text` begins with the tokenizer's BOS token, where the tokenizer itself does not
            put it there. Default `False`.
        add_target_eos: likewise for the EOS token at the end.
        max_target_tokens: most tokens of a row, special tokens included. Default `None`: no limit.
        return_offsets_mapping: also return `offset_mapping` `[B, P, 2]`: for each patch, the (start, end) of the
            characters it shows, in the text as drawn (`processor.renderer.normalise(text)`); (0, 0) on special
            patches, images and padding.
        dtype: of `pixel_values`: `"float32"` (default, in [0, 1]) or `"uint8"` (0..255, a quarter of the memory).
            Models take either.
        as_row: whether a single text comes back as a row, without the axis of the batch: what `Dataset.map` without
            `batched=True` wants of its function. Default `False`.
        return_tensors: `"pt"`, `"np"` or `None` (lists).
        text_kwargs: any of the above, in the nested form of Transformers' processors.
        images_kwargs: likewise.
        common_kwargs: likewise.
    """

    padding: bool | str
    padding_side: str | None
    pad_to_multiple_of: int | None
    truncation: bool | str
    max_patches: int | None
    max_length: int | None
    missing: str | None
    add_eos: bool
    add_start: bool
    end_gap: int | None
    target_first: bool
    add_target_bos: bool
    add_target_eos: bool
    max_target_tokens: int | None
    return_offsets_mapping: bool
    dtype: Any
    as_row: bool
    return_tensors: str | None
    text_kwargs: dict
    images_kwargs: dict
    common_kwargs: dict


# Chat templates of transformers before 5.24 ask for it.
PixelProcessorKwargs._defaults = {}  # type: ignore[attr-defined]


def check_model(style: RenderStyle, patch_size: tuple[int, int], num_channels: int, config: Any) -> None:
    """Check a processor against a model's configuration; see `PixelProcessor.check_model`."""
    if tuple(config.patch_size) != tuple(patch_size):
        raise ValueError(
            f"the processor draws patches of {tuple(patch_size)}, the model reads patches of "
            f"{tuple(config.patch_size)}; set patch_size of one to that of the other."
        )
    if config.num_channels != num_channels:
        raise ValueError(
            f"the processor draws {num_channels} channels, the model reads {config.num_channels}; set num_channels of "
            "one to that of the other."
        )
    if config.patch_head in ("autoregressive", "dictionary") and style.has_levels:
        raise ValueError(
            f"patch_head={config.patch_head!r} writes 1-bit columns, but the processor draws mode={style.mode!r}; use "
            "a processor with mode='1' and num_channels=1, or a model with patch_head='regression' or 'flow' (levels "
            "and colours) or 'bernoulli'."
        )


_SWITCHES = (
    "add_eos",
    "add_start",
    "target_first",
    "add_target_bos",
    "add_target_eos",
    "return_offsets_mapping",
    "as_row",
)

MISSING = ("error", "warn", "hexbox")

NESTED_KWARGS = ("text_kwargs", "images_kwargs", "common_kwargs")

_PADDING = {
    True: "longest",
    False: "do_not_pad",
    "longest": "longest",
    "max_length": "max_length",
    "do_not_pad": "do_not_pad",
}

_TRUNCATION = {
    True: "longest_first",
    False: "do_not_truncate",
    "longest_first": "longest_first",
    "only_first": "only_first",
    "only_second": "only_second",
    "do_not_truncate": "do_not_truncate",
}


@dataclass(frozen=True)
class LayoutOptions:
    """The keyword arguments of one call of the processor, checked; see `PixelProcessorKwargs`."""

    padding: str = "longest"
    padding_side: str | None = None
    pad_to_multiple_of: int | None = None
    truncation: str = "do_not_truncate"
    max_patches: int | None = None
    missing: str | None = None
    add_eos: bool = True
    add_start: bool = False
    end_gap: int | None = None
    target_first: bool = False
    add_target_bos: bool = False
    add_target_eos: bool = False
    max_target_tokens: int | None = None
    return_offsets_mapping: bool = False
    dtype: str = "float32"
    as_row: bool = False
    return_tensors: str | None = None

    @classmethod
    def from_kwargs(
        cls, kwargs: Mapping[str, Any], default_max_patches: int | None, patch_width: int
    ) -> "LayoutOptions":
        """Merges flat and nested keyword arguments.

        Args:
            kwargs: as the caller wrote them, `text_kwargs` and its like included.
            default_max_patches: for calls that pass none.
            patch_width: w, which `end_gap` must stay below.

        Raises:
            TypeError: for an unknown argument, naming the known ones.
            ValueError: for an argument given twice with different values, a value out of range, or `end_gap` together
                with an EOS patch after the text.
        """
        merged = _merge(kwargs)
        check_names(merged, (*cls.__dataclass_fields__, "max_length"))
        if (alias := merged.pop("max_length", None)) is not None:
            if merged.get("max_patches") not in (None, alias):
                raise ValueError(
                    f"max_length={alias} is another name of max_patches, which is {merged['max_patches']} in this "
                    "call; pass one of them."
                )
            merged["max_patches"] = alias
        merged["padding"] = choose_padding(merged.get("padding", True))
        merged["truncation"] = _choose("truncation", merged.get("truncation", False), _TRUNCATION)
        merged["dtype"] = pixel_dtype(merged.get("dtype", "float32"))
        if merged.get("missing") not in (None, *MISSING):
            raise ValueError(
                f"missing must be one of {', '.join(map(repr, MISSING))}, got {merged['missing']!r}."
            )
        for name in ("max_patches", "max_target_tokens", "pad_to_multiple_of"):
            value = merged.get(name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, numbers.Integral)):
                raise TypeError(f"{name} must be an integer or None, got {value!r}.")
        for name in _SWITCHES:
            if not isinstance(merged.get(name, False), bool | np.bool_):
                raise TypeError(f"{name} must be True or False, got {merged[name]!r:.60}.")
        if merged.get("max_patches") is None:
            merged["max_patches"] = default_max_patches
        options = cls(**merged)
        options._check_gap(patch_width)
        limit = options.max_patches
        if options.max_target_tokens is not None and options.max_target_tokens < 1:
            raise ValueError(f"max_target_tokens must be at least 1, got {options.max_target_tokens}.")
        if options.pad_to_multiple_of is not None and options.pad_to_multiple_of < 1:
            raise ValueError(f"pad_to_multiple_of must be at least 1, got {options.pad_to_multiple_of}.")
        has_limit = limit is not None or options.max_target_tokens is not None
        if (options.padding == "max_length" or options.truncation != "do_not_truncate") and not has_limit:
            raise ValueError(
                'padding="max_length" and truncation need max_patches, and this processor sets none; pass one.'
            )
        if limit is not None and limit < 1:
            raise ValueError(f"max_patches must be at least 1, got {limit}.")
        return options

    def _check_gap(self, patch_width: int) -> None:
        gap = self.end_gap
        if gap is None:
            return
        if isinstance(gap, bool) or not isinstance(gap, int) or not 0 <= gap < patch_width:
            raise ValueError(
                f"end_gap counts the white columns between the text and the next patch border: 0 to "
                f"{patch_width - 1} for patches {patch_width} columns wide, got {gap!r}."
            )
        if self.add_eos:
            raise ValueError(
                f"end_gap={gap} moves a text that is to be continued up to a patch border, and an EOS patch would end "
                "it there: pass add_eos=False as well."
            )


def pixel_dtype(dtype: Any) -> str:
    """The name of a dtype for pixels: `"float32"` or `"uint8"`, from a name or a dtype of numpy or torch.

    Raises:
        ValueError: for another one.
    """
    name = dtype if isinstance(dtype, str) else str(getattr(dtype, "__name__", dtype)).removeprefix("torch.")
    if name not in ("float32", "uint8"):
        raise ValueError(
            f'dtype must be "float32" (in [0, 1]) or "uint8" (0..255), got {dtype!r}; models cast what they are given.'
        )
    return name


def _merge(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for key in NESTED_KWARGS:
        if not isinstance(kwargs.get(key) or {}, Mapping):
            raise TypeError(f"{key} must be a dictionary of options, got {kwargs[key]!r:.60}.")
    flat = {key: value for key, value in kwargs.items() if key not in NESTED_KWARGS}
    for group in [*(kwargs.get(key) or {} for key in NESTED_KWARGS), flat]:
        twice = sorted(key for key in group if key in merged and merged[key] != group[key])
        if twice:
            raise ValueError(f"{', '.join(twice)} was passed twice, with different values.")
        merged.update(group)
    return merged


def choose_padding(padding: bool | str) -> str:
    """`"longest"`, `"max_length"` or `"do_not_pad"`.

    Raises:
        ValueError: for anything that names none of them.
    """
    return _choose("padding", padding, _PADDING)


def _choose(name: str, value: Any, choices: dict[Any, str]) -> str:
    if isinstance(value, bool | str) and value in choices:
        return choices[value]
    raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}.")


__all__ = ["LayoutOptions", "PixelProcessorKwargs", "check_model", "choose_padding", "pixel_dtype"]
