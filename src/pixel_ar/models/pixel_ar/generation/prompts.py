# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What generation starts from: strips as a processor gives them, turned into what the decoder reads first.

- Rows may be padded left, right or not at all: their patches are moved together, and those still to be read end at
  the same position, so that a row of a batch gives what it gives alone.
- A last patch that `num_columns` cuts short is not read. It is kept as a prefix, which the patch head completes.
- A row without a whole patch is read as the start of a document: after an EOS patch, which is not part of the result.
- Patches that a cache holds already are not read again.

Shapes: B rows, C channels, H strip height, W strip width, T patches, P values per patch, L cached positions.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from transformers import Cache

from ..checks import are_integers, require_tensors
from ..patching import check_strip_shape, patchify, to_unit_range

_CACHED_ROWS = "_pixel_ar_cached_rows"


@dataclass(frozen=True)
class MixedPrompt:
    """A prompt as a caller gives it.

    Attributes:
        pixel_values: `[B, C, H, W]`, or `None`.
        input_ids: `[B, L]`, or `None`.
        modality_ids: `[B, T]`, or `None` for patches then tokens.
        attention_mask: `[B, T]`, or `None` if every position counts.
        num_columns: `[B]`, pixel columns of a row from its first attended patch on; `None` for all of them.
        page_values: `[B, C, R * H, W]`, a page before all of this, or `None`.
        page_attention_mask: `[B, S]`, of its patches.
    """

    pixel_values: torch.Tensor | None = None
    input_ids: torch.Tensor | None = None
    modality_ids: torch.Tensor | None = None
    attention_mask: torch.Tensor | None = None
    num_columns: torch.Tensor | list[int] | None = None
    page_values: torch.Tensor | None = None
    page_attention_mask: torch.Tensor | None = None

    @classmethod
    def take(cls, inputs: torch.Tensor | None, kwargs: dict[str, Any], has_tokens: bool) -> "MixedPrompt":
        """The prompt of a call, whose parts leave `kwargs`.

        Args:
            inputs: strips, or ids for a model with tokens.
            kwargs: of the call.
            has_tokens: whether the model reads tokens.

        Raises:
            TypeError: for ids or pages that are no tensors.
            ValueError: for a prompt that is given twice.
        """
        parts = {field.name: kwargs.pop(field.name, None) for field in fields(cls)}
        are_ids = isinstance(inputs, torch.Tensor) and inputs.dim() == 2 and not inputs.is_floating_point()
        name = "input_ids" if has_tokens and are_ids else "pixel_values"
        if inputs is not None and parts[name] is not None:
            raise ValueError(f"Pass the prompt either as inputs or as {name}, not both.")
        for needed in ("input_ids", "modality_ids", "page_values", "page_attention_mask"):
            require_tensors(**{needed: parts[needed]})
        return cls(**{**parts, name: parts[name] if inputs is None else inputs})

    def read_mask(self, resolved: torch.Tensor) -> torch.Tensor:
        """Bool `[B, T]`.

        Raises:
            ValueError: for a mask of another shape than the sequence.
        """
        if self.attention_mask is None:
            return torch.ones_like(resolved, dtype=torch.bool)
        mask = as_tensor(self.attention_mask, "attention_mask", resolved.device)
        if mask.shape != resolved.shape:
            raise ValueError(
                f"attention_mask has shape {tuple(mask.shape)}, but patches and tokens make a sequence "
                f"of shape {tuple(resolved.shape)}; it must cover both, in the order of the sequence."
            )
        return mask != 0


@dataclass
class CachedRows:
    """Which positions of a cache hold patches of which row; `generate` leaves it on the cache it returns.

    Attributes:
        mask: bool `[B, L]`, True where the position holds a patch of the row.
        num_hidden: int64 `[B]`, how many positions at the row's beginning are not part of its strip: its context, and 1
            for the EOS patch before a row that began a document.
        num_context: int64 `[B]`, how many of them came before the strip: tokens, and patches before tokens.
    """

    mask: torch.Tensor
    num_hidden: torch.Tensor
    num_context: torch.Tensor


@dataclass
class PixelPrompt:
    """A batch of prompts.

    Attributes:
        patches: float32 `[B, T, P]`, the whole patches of each row from the first on, then white ones.
        num_patches: int64 `[B]`, how many are whole.
        fed: float32 `[B, K, P]`, what the decoder reads first, padded on the left.
        attention_mask: int64 `[B, L + K]`, over cached positions and those of `fed`.
        num_hidden: int64 `[B]`, see [`CachedRows`].
        num_context: int64 `[B]`, likewise.
        prefix: `[B, P]` last patches of which only some columns are written, or `None` if no row has one.
        prefix_columns: int64 `[B]`, how many columns of it; 0 in rows that have none.
        length: patches of the longest row, unfinished ones included.
    """

    patches: torch.Tensor
    num_patches: torch.Tensor
    fed: torch.Tensor
    attention_mask: torch.Tensor
    num_hidden: torch.Tensor
    num_context: torch.Tensor
    prefix: torch.Tensor | None
    prefix_columns: torch.Tensor
    length: int

    def repeat(self, times: int) -> "PixelPrompt":
        """Every row `times` times, neighbours equal (`num_return_sequences`)."""
        if times == 1:
            return self
        values: dict[str, Any] = {
            name: value.repeat_interleave(times, 0) if isinstance(value, torch.Tensor) else value
            for name, value in vars(self).items()
        }
        return replace(self, **values)


def build_prompt(
    prompt: MixedPrompt,
    cache: Cache | None,
    patch_size: tuple[int, int],
    num_channels: int,
    device: torch.device,
) -> PixelPrompt:
    """Prepares the prompts of one `generate` call.

    Args:
        prompt: of patches alone, or of nothing: one row that begins a document.
        cache: cache of the first patches of every row, or `None`.
        patch_size: (height, width) in pixels.
        num_channels: C.
        device: where the decoder runs.

    Raises:
        ValueError: naming the value that does not fit and the way out.
    """
    num_columns = prompt.num_columns
    height, width = patch_size
    if prompt.pixel_values is None:
        if prompt.attention_mask is not None or num_columns is not None or _num_cached(cache):
            raise ValueError(
                "attention_mask, num_columns and past_key_values describe a prompt; pass its pixel_values too."
            )
        patches = torch.ones(1, 0, height * width * num_channels, device=device)
    else:
        patches = _read_patches(prompt.pixel_values, patch_size, num_channels, device)
    mask = _read_mask(prompt.attention_mask, patches, cache)
    lengths = mask.sum(-1)
    # A stable sort moves the attended patches to the front of their row and keeps their order.
    order = torch.argsort(mask.logical_not().to(torch.uint8), dim=1, stable=True)
    compact = _take(patches, order)
    if num_columns is not None and cache is None:
        lengths, num_columns = _without_own_eos(compact, lengths, num_columns, patch_size, num_channels)
    prefix_columns = _prefix_columns(num_columns, lengths, width)
    num_patches = lengths - (prefix_columns > 0).to(torch.int64)
    prefix = None
    if bool((prefix_columns > 0).any()):
        prefix = _take(compact, num_patches.clamp(max=compact.shape[1] - 1)[:, None])[:, 0]
    whole = torch.arange(compact.shape[1], device=device) < num_patches[:, None]
    compact = compact.where(whole[..., None], 1.0)
    cached = _cached_rows(cache, mask, lengths)
    fed, full_mask, num_hidden = _feed(compact, num_patches, cached)
    return PixelPrompt(
        patches=compact,
        num_patches=num_patches,
        fed=fed,
        attention_mask=full_mask,
        num_hidden=num_hidden,
        num_context=cached.num_context,
        prefix=prefix,
        prefix_columns=prefix_columns,
        length=int(lengths.max()),
    )


def _without_own_eos(
    patches: torch.Tensor,
    lengths: torch.Tensor,
    num_columns: Any,
    patch_size: tuple[int, int],
    num_channels: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Opens rows that are one text with an EOS patch after it: what a processor draws when it is not told otherwise.

    Generation goes on one blank column after the last ink, where the last letter surely ends; what is left of its cell
    the model draws itself. Rows with an EOS patch between two texts stay as they are, for the second was ended on
    purpose.

    Args:
        patches: `[B, T, P]`, attended patches first.
        lengths: int64 `[B]`.
        num_columns: `[B]`.
        patch_size: (height, width) in pixels.
        num_channels: C.

    Returns:
        Lengths and columns of the opened rows.
    """
    height, width = patch_size
    columns = as_tensor(num_columns, "num_columns", lengths.device).clone().reshape(-1)
    if patches.shape[1] < 2 or len(columns) != len(lengths) or columns.is_floating_point():
        return lengths, num_columns  # what is wrong is said by who reads them
    is_ink = patches < 0.5
    place = torch.arange(patches.shape[1], device=lengths.device)
    is_eos = is_ink.all(-1) & (place < lengths[:, None])
    ends = is_eos.gather(1, (lengths - 1).clamp(min=0)[:, None])[:, 0]
    # The first patch may be the EOS patch before the text (`add_start`).
    is_own = ends & (is_eos[:, 1:].sum(1) == 1) & (lengths > 1 + is_eos[:, 0].to(torch.int64))
    is_own &= columns == lengths * width  # else the last patch is not finished yet
    if not bool(is_own.any()):
        return lengths, num_columns
    last = _take(is_ink.to(patches.dtype), (lengths - 2).clamp(min=0)[:, None])[:, 0] > 0
    inked = last.reshape(len(last), height, width, num_channels).any(-1).any(1)
    ink_end = width - inked.flip(1).to(torch.uint8).argmax(1)
    ink_end = torch.where(inked.any(1), (ink_end + 1).clamp(max=width), width)
    lengths = lengths - is_own.to(torch.int64)
    return lengths, torch.where(is_own, (lengths - 1) * width + ink_end, columns.to(lengths.dtype))


def remember_rows(cache: Cache, prompt: PixelPrompt, num_generated: torch.Tensor) -> None:
    """Leaves on a cache which of its positions hold patches of which row.

    Args:
        cache: the cache after generation.
        prompt: what generation started from.
        num_generated: `[B]` patches drawn per row. The last of a row is left out even if the decoder has read it, so
            that every row has something to read when it is continued.
    """
    total = _num_cached(cache)
    drawn = torch.arange(max(total - prompt.attention_mask.shape[1], 0), device=num_generated.device)
    mask = torch.cat([prompt.attention_mask.bool(), drawn < num_generated[:, None] - 1], dim=1)
    keep_rows(cache, CachedRows(mask[:, :total], prompt.num_hidden, prompt.num_context))


def keep_rows(cache: Cache, rows: CachedRows) -> None:
    """Leaves a note of its rows on a cache, for the call that continues it."""
    setattr(cache, _CACHED_ROWS, rows)


def _num_cached(cache: Cache | None) -> int:
    return 0 if cache is None else int(cache.get_seq_length())


def _take(patches: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Patches `[B, n, P]` of each row at positions `[B, n]`."""
    return patches.gather(1, index[..., None].expand(*index.shape, patches.shape[-1]))


def _read_patches(
    pixel_values: torch.Tensor, patch_size: tuple[int, int], num_channels: int, device: torch.device
) -> torch.Tensor:
    """`[B, T, P]` in [0, 1] and float32, whatever type the strips have."""
    if not isinstance(pixel_values, torch.Tensor):
        raise ValueError(
            f"pixel_values must be a torch tensor, got {type(pixel_values).__name__}; "
            'call the processor with return_tensors="pt".'
        )
    check_strip_shape(pixel_values, patch_size, num_channels)
    if pixel_values.shape[0] == 0:
        raise ValueError("pixel_values hold no rows: pass at least one strip, or none for an empty prompt.")
    strips = to_unit_range(pixel_values.to(device)).to(torch.float32)
    low, high = (float(value) for value in strips.aminmax())
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"pixel_values lie between {low:g} and {high:g}; a floating point strip must lie in [0, 1] "
            "(1 = background): divide by 255, or pass uint8."
        )
    return patchify(strips, patch_size)


def _read_mask(
    attention_mask: torch.Tensor | None, patches: torch.Tensor, cache: Cache | None
) -> torch.Tensor:
    """Bool `[B, T]`."""
    shape = patches.shape[:2]
    if attention_mask is None:
        return torch.ones(shape, dtype=torch.bool, device=patches.device)
    attention_mask = as_tensor(attention_mask, "attention_mask", patches.device)
    if attention_mask.shape != shape:
        hint = "PixelProcessor returns a fitting mask"
        if _num_cached(cache):
            hint = "with past_key_values, pass whole strips and masks, the cached patches included"
        raise ValueError(
            f"attention_mask has shape {tuple(attention_mask.shape)}, but the strips hold {tuple(shape)} "
            f"patches (rows, patches); {hint}."
        )
    return attention_mask != 0


def as_tensor(values: Any, name: str, device: torch.device) -> torch.Tensor:
    """Numbers that may come as a list."""
    try:
        return torch.as_tensor(values, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} must be a tensor of integers, got {values!r:.80}.") from error


def _prefix_columns(
    num_columns: torch.Tensor | list[int] | None, lengths: torch.Tensor, width: int
) -> torch.Tensor:
    """Written columns of an unfinished last patch, int64 `[B]`; 0 where the last patch is whole."""
    if num_columns is None:
        return torch.zeros_like(lengths)
    columns = as_tensor(num_columns, "num_columns", lengths.device)
    if columns.shape != lengths.shape or not are_integers(columns):
        raise ValueError(
            f"num_columns must be one integer for each of the {len(lengths)} rows, got "
            f"{columns.dtype} of shape {tuple(columns.shape)}."
        )
    fits = (columns <= lengths * width) & (columns > (lengths - 1) * width) & (columns >= 0)
    if not bool(fits.all()):
        row = int(fits.logical_not().nonzero()[0, 0])
        most = int(lengths[row]) * width
        raise ValueError(
            f"num_columns[{row}] is {int(columns[row])}, but row {row} has {int(lengths[row])} attended patches "
            f"of {width} columns, the last of them at least begun: it must lie between "
            f"{max(most - width + 1, 0)} and {most}. Pass the processor's num_columns together with its strips."
        )
    unfinished = columns - (lengths - 1) * width
    return torch.where((unfinished < width) & (lengths > 0), unfinished, 0).to(torch.int64)


def _cached_rows(cache: Cache | None, mask: torch.Tensor, lengths: torch.Tensor) -> CachedRows:
    """What the cache holds of every row.

    A cache that `generate` did not leave is taken to hold the first positions of the strips, as Transformers does.
    """
    count = _num_cached(cache)
    rows = getattr(cache, _CACHED_ROWS, None)
    if rows is not None:
        if rows.mask.shape[0] not in (1, len(mask)):
            raise ValueError(
                f"past_key_values were filled for {rows.mask.shape[0]} rows, but there are {len(mask)} strips."
            )
        # Positions added since by plain forward passes hold a patch of every row.
        added = rows.mask.new_ones(rows.mask.shape[0], max(count - rows.mask.shape[1], 0))
        cached = torch.cat([rows.mask[:, :count], added], dim=1).to(mask.device).expand(len(mask), -1)
        hidden = rows.num_hidden.to(mask.device).expand(len(mask))
        context = rows.num_context.to(mask.device).expand(len(mask))
    else:
        if count > mask.shape[1]:
            raise ValueError(
                f"past_key_values hold {count} patches, but the strips only {mask.shape[1]}; pass the whole "
                "strips, the cached patches included, or crop the cache."
            )
        cached, hidden, context = mask[:, :count], torch.zeros_like(lengths), torch.zeros_like(lengths)
    excess = cached.sum(-1) - hidden > lengths
    if bool(excess.any()):
        row = int(excess.nonzero()[0, 0])
        raise ValueError(
            f"past_key_values hold {int(cached[row].sum() - hidden[row])} patches of row {row}, but its strip only "
            f"{int(lengths[row])}; pass the whole strips, the cached patches included."
        )
    return CachedRows(cached, hidden, context)


def _feed(
    patches: torch.Tensor, num_patches: torch.Tensor, cached: CachedRows
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What the decoder still has to read, the mask over cached and new positions, and the hidden patches per row."""
    num_hidden = cached.num_hidden.where(num_patches > 0, cached.num_context + 1)
    totals = num_hidden + num_patches
    # A row that is cached to its end has its last patch read once more, since something must be read. The position
    # that held it is masked; where a row's patches lie in a cache does not matter, their positions are counted.
    used = torch.minimum(cached.mask.sum(-1), totals - 1)
    cached_mask = cached.mask & (cached.mask.cumsum(-1) <= used[:, None])
    counts = totals - used
    offset = torch.arange(int(counts.max()), device=patches.device) - counts.max()
    is_read = offset >= -counts[:, None]
    eos = patches.new_zeros(patches.shape[0], 1, patches.shape[2])
    with_eos = torch.cat([eos, patches], dim=1)
    index = (totals[:, None] + offset - num_hidden[:, None] + 1).clamp(min=0)
    fed = _take(with_eos, index).where(is_read[..., None], 1.0)
    return fed, torch.cat([cached_mask, is_read], dim=1).to(torch.int64), num_hidden


__all__ = [
    "CachedRows",
    "MixedPrompt",
    "PixelPrompt",
    "as_tensor",
    "build_prompt",
    "keep_rows",
    "remember_rows",
]
