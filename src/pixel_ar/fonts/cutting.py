# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Where a word may be cut so that its parts, shaped one by one, have the glyphs of the whole.

HarfBuzz tells where a text is safe to break: what stands before and after such a place can be shaped apart. Where it is
not, a font has looked across, often to no effect but kerning. So the parts are shaped and compared, and those that are
not as in the whole are joined with their neighbours, over the places that are not safe.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

# Parts that take in ever more of their neighbours become one with all of them from so many characters on: cutting takes
# time in proportion to the length of the text.
_MOST_JOINED = 32


@dataclass(frozen=True)
class ShapedText:
    """The glyphs of a text in the order of its characters.

    Attributes:
        glyphs: Numbers of the glyphs.
        clusters: Position of the first character of each glyph's cluster, ascending.
        is_safe: Whether the text may be cut before each glyph's cluster, whatever follows.
    """

    glyphs: tuple[int, ...]
    clusters: tuple[int, ...]
    is_safe: tuple[bool, ...]


def uncut_bounds(
    text: str, bounds: Sequence[int], whole: ShapedText, shape_alone: Callable[[str], tuple[int, ...]]
) -> set[int]:
    """Return where a text must not be cut.

    Args:
        text: A word that one font draws.
        bounds: Where it would be cut, ascending; begins with 0 and ends with its length.
        whole: The text, shaped.
        shape_alone: Returns the glyphs of a part of it, shaped by itself.

    Returns:
        Those of the bounds at which the parts would get other glyphs.
    """
    alone = [glyph for first, stop in pairwise(bounds) for glyph in shape_alone(text[first:stop])]
    if tuple(alone) == whole.glyphs:
        return set()
    safe = {cluster for cluster, is_safe in zip(whole.clusters, whole.is_safe, strict=True) if is_safe}
    clusters = set(whole.clusters)
    place_of = {cluster: place for place, cluster in reversed([*enumerate(whole.clusters)])}
    place_of[len(text)] = len(whole.glyphs)
    uncut = {bound for bound in bounds[1:-1] if bound not in clusters}
    kept = [bound for bound in bounds if bound not in uncut]

    def has_glyphs(first: int, stop: int) -> bool:
        return shape_alone(text[first:stop]) == whole.glyphs[place_of[first] : place_of[stop]]

    is_right = [has_glyphs(first, stop) for first, stop in pairwise(kept)]
    starts = [place for place, bound in enumerate(kept[:-1]) if place == 0 or bound in safe]
    stops = [*starts[1:], len(kept) - 1]
    if any(not is_right[first] for first, stop in zip(starts, stops, strict=True) if stop - first == 1):
        # Safe to break, and yet other glyphs (the final alaph of Syriac): any bound may be at fault.
        starts, stops = [0], [len(kept) - 1]
    for first, stop in zip(starts, stops, strict=True):
        uncut |= _join_parts(kept[first : stop + 1], is_right[first:stop], has_glyphs)
    return uncut


def _join_parts(
    bounds: Sequence[int], is_right: Sequence[bool], has_glyphs: Callable[[int, int], bool]
) -> set[int]:
    """The bounds between parts that are joined until every one has its own glyphs."""
    parts = [(first, stop, right) for (first, stop), right in zip(pairwise(bounds), is_right, strict=True)]
    place = 0
    while place < len(parts):
        if parts[place][2] or len(parts) == 1:
            place += 1
            continue
        # With the part before it, the one after it, or both.
        ways = [(max(place - 1, 0), place + 1), (place, place + 2), (max(place - 1, 0), place + 2)]
        ways = [(low, min(high, len(parts))) for low, high in ways]
        tried = [(low, high, parts[low][0], parts[high - 1][1]) for low, high in ways if high - low > 1]
        low, high, first, stop = next((way for way in tried if has_glyphs(*way[2:])), tried[-1])
        if stop - first > _MOST_JOINED:
            return set(bounds[1:-1])
        parts[low:high] = [(first, stop, has_glyphs(first, stop))]
        place = low
    return set(bounds[1:-1]) - {first for first, _, _ in parts}


__all__ = ["ShapedText", "uncut_bounds"]
