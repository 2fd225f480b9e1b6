# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The settings of a processor: as the objects they belong to, and flat, as keyword arguments and JSON have them."""

import dataclasses
import difflib
import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypedDict

from ..limits import MAX_PATCH_PIXELS, check_limit
from ..rendering.style import RenderStyle
from ..text.characters import CharacterPolicy


class ProcessorSettingsKwargs(TypedDict, total=False):
    """The settings of `PixelProcessor` as keyword arguments.

    Attributes:
        patch_size: (height, width) of a patch in pixels.
        num_channels: 1, or 3 for models that read colour; text is drawn alike in all channels.
        padding_side: `"right"` (training) or `"left"` (generation of several prompts at once).
        model_max_patches: the most patches the model reads, default of a call's `max_patches`; `None`: no limit.
        left_padding: white columns before every text, at least 0 and fewer than a patch has.
        right_padding: white columns at least between a text and the EOS patch after it. The PIXEL family's renderer
            leaves 2 on either side.
        missing: what happens to a character no atlas covers: `"error"`, `"warn"` or `"hexbox"`.
        newline: how line breaks are drawn: `"space"` or `"symbol"`.
        tab: how tabs are drawn: `"space"` or a number of spaces.
        normalize: Unicode normalisation before drawing: `"NFC"` or `None`.
        unsupported: what happens to text that needs right-to-left layout, joining or stacking: `"shape"`, `"cells"`
            (letters that cannot be conjoined stand side by side), `"error"` or `"missing"`; see [`StripRenderer`].
        mode: levels of the pixels: `"1"`, `"L"` (gray) or `"RGB"`; see [`RenderStyle`], as for the next four. A model
            with the autoregressive head needs `"1"`.
        text_color: of mode `"L"` or `"RGB"`.
        background_color: likewise, of the padding too. The EOS patch is black in every mode.
        letter_spacing: blank columns after every grapheme cluster.
        strategy: `"continuous"`, `"bigrams"`, `"mono"`, `"words"` or `"word_pieces"`; all but the first need
            `left_padding=0`.
        unit_width: columns of a unit of such a strategy, a divisor of the patch width; `None` for the patch width.
        page_patch_size: (height, width) of the patches of `page_patches`; `None`: `patch_size`.
        page_max_patches: the most patches of a page.
        page_std: which deviation pages are divided by, `"unbiased"` or `"population"`.
    """

    patch_size: Sequence[int]
    num_channels: int
    padding_side: str
    model_max_patches: int | None
    left_padding: int
    right_padding: int
    missing: str
    newline: str
    tab: str | int
    normalize: str | None
    unsupported: str
    mode: str
    text_color: Any
    background_color: Any
    letter_spacing: int
    strategy: str
    unit_width: int | None
    page_patch_size: Sequence[int] | None
    page_max_patches: int
    page_std: str


@dataclass(frozen=True)
class StripGeometry:
    """The sizes of strips, and what stands around their text.

    Attributes:
        patch_size: (height, width) of a patch in pixels.
        num_channels: 1 or 3.
        padding_side: `"right"` or `"left"`.
        model_max_patches: the most patches the model reads; `None`: no limit.
        left_padding: white columns before every text.
        right_padding: white columns at least between a text and the EOS patch after it.

    Raises:
        ValueError: for a value out of range.
    """

    patch_size: tuple[int, int] = (8, 20)
    num_channels: int = 1
    padding_side: str = "right"
    model_max_patches: int | None = 1024
    left_padding: int = 0
    right_padding: int = 0

    def __post_init__(self) -> None:
        size = self.patch_size
        is_pair = isinstance(size, Sequence) and not isinstance(size, str) and len(size) == 2
        if not is_pair or not all(_is_integer(side) and side >= 1 for side in size):
            raise ValueError(f"patch_size must be two positive integers (height, width), got {size!r}.")
        object.__setattr__(self, "patch_size", (int(size[0]), int(size[1])))
        check_limit(size[0] * size[1], MAX_PATCH_PIXELS, "pixels of a patch (patch_size)")
        if self.num_channels not in (1, 3):
            raise ValueError(f"num_channels must be 1 or 3, got {self.num_channels!r}.")
        if self.padding_side not in ("right", "left"):
            raise ValueError(f'padding_side must be "right" or "left", got {self.padding_side!r}.')
        limit = self.model_max_patches
        if limit is not None and not (_is_integer(limit) and limit >= 1):
            raise ValueError(f"model_max_patches must be a positive integer or None, got {limit!r}.")
        for name in ("left_padding", "right_padding"):
            columns = getattr(self, name)
            if not (_is_integer(columns) and 0 <= columns < size[1]):
                raise ValueError(
                    f"{name} must be a number of columns below the patch width {size[1]}, got {columns!r}."
                )


@dataclass(frozen=True)
class PageSettings:
    """How pages are cut for the page model; see `page_patches`.

    Attributes:
        page_patch_size: (height, width) of a patch; `None`: that of strips.
        page_max_patches: the most patches of a page.
        page_std: `"unbiased"` or `"population"`.

    Raises:
        ValueError: for a value out of range.
    """

    page_patch_size: tuple[int, int] | None = None
    page_max_patches: int = 2048
    page_std: str = "unbiased"

    def __post_init__(self) -> None:
        size = self.page_patch_size
        if size is not None:
            # The same conditions as for strips.
            StripGeometry(patch_size=size)
            object.__setattr__(self, "page_patch_size", (int(size[0]), int(size[1])))
        if not (_is_integer(self.page_max_patches) and self.page_max_patches >= 1):
            raise ValueError(f"page_max_patches must be a positive integer, got {self.page_max_patches!r}.")
        if self.page_std not in ("unbiased", "population"):
            raise ValueError(f'page_std must be "unbiased" or "population", got {self.page_std!r}.')


@dataclass(frozen=True)
class ProcessorSettings:
    """All settings of a processor but its glyphs, tokenizer and prior.

    Attributes:
        geometry: sizes and margins.
        policy: characters without a plain glyph.
        style: levels, colours, spacing and units.
        page: patches of pages.

    Raises:
        ValueError: for objects that do not fit each other, naming both values.
    """

    geometry: StripGeometry = field(default_factory=StripGeometry)
    policy: CharacterPolicy = field(default_factory=lambda: CharacterPolicy(unsupported="shape"))
    style: RenderStyle = field(default_factory=RenderStyle)
    page: PageSettings = field(default_factory=PageSettings)

    def __post_init__(self) -> None:
        geometry, style = self.geometry, self.style
        for name, kind in PARTS.items():
            if not isinstance(getattr(self, name), kind):
                raise TypeError(
                    f"{name} must be a {kind.__name__}, got {type(getattr(self, name)).__name__}."
                )
        if style.mode == "RGB" and geometry.num_channels != 3:
            raise ValueError(
                f"mode='RGB' needs num_channels=3, got {geometry.num_channels}; pass num_channels=3, or mode='L' for "
                "gray strips of one channel."
            )
        if style.strategy != "continuous" and geometry.left_padding:
            raise ValueError(
                f"left_padding={geometry.left_padding} would move the units of strategy={style.strategy!r} off their "
                "patch borders; use left_padding=0."
            )
        if geometry.patch_size[1] % self.unit_width:
            raise ValueError(
                f"unit_width={self.unit_width} does not divide the patch width ({geometry.patch_size[1]}): units would "
                "not begin with patches."
            )

    @property
    def unit_width(self) -> int:
        """Columns on whose multiples the units of a strategy begin."""
        return self.style.unit_width or self.geometry.patch_size[1]

    def replace(self, changes: Mapping[str, Any]) -> "ProcessorSettings":
        """The settings with changes.

        Args:
            changes: whole objects (`geometry`, `policy`, `style`; `None` leaves the one there is) and single settings,
                which change those of the objects.

        Raises:
            TypeError: for a name that is no setting, with the one it resembles.
            ValueError: as the objects themselves.
        """
        check_names(changes, (*PARTS, *setting_names()))
        parts = {}
        for name in PARTS:
            given = changes.get(name)
            part = getattr(self, name) if given is None else given
            own = {key: changes[key] for key in _fields(PARTS[name]) if key in changes}
            parts[name] = dataclasses.replace(part, **own) if own else part
        return ProcessorSettings(**parts)

    @cached_property
    def flat(self) -> dict[str, Any]:
        """Every setting by its name, ready for JSON; those of pages only where they are not the default."""
        values = {**dataclasses.asdict(self.geometry), **dataclasses.asdict(self.policy)}
        if self.page != PageSettings():
            values |= dataclasses.asdict(self.page)
        return {**values, "patch_size": list(self.geometry.patch_size), **self.style.settings()}


PARTS: dict[str, type] = {
    "geometry": StripGeometry,
    "policy": CharacterPolicy,
    "style": RenderStyle,
    "page": PageSettings,
}


def setting_names() -> tuple[str, ...]:
    """The names of all single settings."""
    return tuple(name for kind in PARTS.values() for name in _fields(kind))


def check_names(given: Iterable[str], known: Sequence[str], what: str = "argument") -> None:
    """Check that names are known.

    Raises:
        TypeError: naming the unknown ones, and what they resemble or what there is.
    """
    unknown = sorted(set(given) - set(known))
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise TypeError(
            f"unknown {what} {', '.join(unknown)}; {hint}PixelProcessor knows {', '.join(sorted(known))}."
        )


def is_near(name: str, known: Sequence[str]) -> bool:
    """Whether a name is probably one of the known ones, mistyped."""
    return bool(difflib.get_close_matches(name, known, 1, cutoff=0.8))


def _fields(kind: Any) -> tuple[str, ...]:
    return tuple(each.name for each in dataclasses.fields(kind))


def _is_integer(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


__all__ = [
    "PARTS",
    "PageSettings",
    "ProcessorSettings",
    "ProcessorSettingsKwargs",
    "StripGeometry",
    "check_names",
    "is_near",
    "setting_names",
]
