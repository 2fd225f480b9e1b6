# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Text that is not one glyph after another: right-to-left, joined, stacked or with marks.

A line is cut into units: grapheme clusters, conjuncts, joined letters. Each is drawn alone by the first member of the
chain that covers all of it, and the drawings are put side by side in visual order. So a strip is as wide as the sum of
its units, a unit looks the same wherever it stands, and a reader can look it up.

A glyph atlas draws a unit by laying the marks over their base, in the way GNU Unifont is made for; left-hand vowels go
before their consonant, Arabic letters take their presentation forms. What cells cannot conjoin (conjuncts, subjoined
letters, letters that join without a presentation form) needs a font in the chain.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache, partial
from itertools import pairwise
from typing import Any

import numpy as np

from ..fonts.cutting import uncut_bounds
from ..fonts.source import GlyphSource
from ..fonts.spacing import joined_forms
from ..text.bidi import bidi_classes, embedding_levels, visual_order
from ..text.characters import CharacterPolicy, UnsupportedScriptError, describe, unsupported_script
from ..text.graphemes import drawn_bounds
from ..text.invisible import CONTROLS, FILLERS, IGNORABLE, JOINERS, SELECTORS, TAGS
from ..text.joining import join_letters, joining_types, joins
from ..text.marks import Keeps, normalise_marks
from ..text.normalization import nfd
from ..text.properties import (
    BIDI_CLASSES,
    CONSONANT,
    GRAPHEME_CLASSES,
    LEFT_VOWEL,
    LINKER,
    SUBJOINED,
    category,
    code_points,
    is_mark,
    mirror_map,
    property_table,
)
from .cache import BoundedCache
from .line_drawer import LineDrawer
from .pieces import Piece

_IGNORABLE = re.compile(f"[{IGNORABLE}]")
# Without a font, one form of a character is as good as another.
_SELECTOR = re.compile(f"[{SELECTORS}{TAGS}]")
_JOINER = re.compile(f"[{JOINERS}]+")
_CONTROL = re.compile(f"[{CONTROLS}]")
# Scripts that cells draw as they should be drawn; of the others only some clusters, so that a font, which draws all
# of them alike, goes first wherever it stands in the chain.
_CELL_SCRIPTS = frozenset(
    [
        "Hebrew",
        "Arabic",
        "Thaana",
        "Samaritan",
        "Thai",
        "Lao",
        "Hangul conjoining Jamo",
        "combining mark",
        "right-to-left control",
        "Cypriot",
        "Imperial Aramaic",
        "Palmyrene",
        "Nabataean",
        "Hatran",
        "Phoenician",
        "Lydian",
        "Meroitic",
        "Old South Arabian",
        "Old North Arabian",
        "Avestan",
        "Inscriptional Parthian",
        "Inscriptional Pahlavi",
        "Old Turkic",
        "Old Hungarian",
        "Rumi numeral",
        "Yezidi",
        "Elymaic",
        "Tai Viet",
        "Miao",
    ]
)
# What fonts draw below a mark that cannot stand where it does.
_CIRCLE = "\u25cc"
# Armenian and Tifinagh: one letter after another in cells, but not in fonts.
_LIGATED = ((0x531, 0x587), (0x2D30, 0x2D7F))
# Myanmar medial ra runs around its base.
SURROUNDING = frozenset("\u103c")


class NeedsFontError(UnsupportedScriptError):
    """A cluster must be drawn as one shape, and the chain has no font that does it.

    Attributes:
        cluster: The characters that belong together.
    """

    def __init__(self, cluster: str, script: str) -> None:
        self.cluster, self.character, self.script = cluster, cluster[0], script
        ValueError.__init__(
            self,
            f"{cluster!r} ({describe(cluster[0])}, {script}) is drawn as one shape, which glyph atlases cannot make. "
            "Ways out: add a font of the script to the chain, e.g. atlases=('unifont-16', "
            "'NotoSansDevanagari-Regular.ttf') (with the package uharfbuzz installed); or unsupported='cells' to draw "
            "the letters side by side, with visible viramas.",
        )

    def __reduce__(self) -> tuple:
        return type(self), (self.cluster, self.script)


@cache
def _complex_table() -> np.ndarray:
    """uint8: 1 for characters that are not simply one glyph after another, 2 for those that only fonts join."""
    grapheme = property_table("grapheme") & 127
    kinds = [GRAPHEME_CLASSES.index(name) for name in ("Extend", "SpacingMark", "Prepend", "L", "V", "T")]
    moved = [BIDI_CLASSES.index(name) for name in ("R", "AL", "AN", "RLE", "RLO", "RLI", "FSI")]
    mask = np.isin(grapheme, kinds) | np.isin(property_table("bidi"), moved)
    mask |= property_table("indic") != 0
    for code in (
        *range(0x590, 0x1D00),
        *range(0xA800, 0xAC00),
        *range(0x10800, 0x12000),
        *range(0x1E800, 0x1F000),
    ):
        mask[code] |= unsupported_script(chr(code)) is not None
    table = mask.astype(np.uint8)
    for first, last in (
        (0x200B, 0x200F),
        (0xFE00, 0xFE0F),
        (0xE0020, 0xE007F),
        (0xE0100, 0xE01EF),
        (0x34F, 0x34F),
    ):
        table[first : last + 1] = 2
    table[0x200F] = table[0x61C] = 1
    for first, last in _LIGATED:
        table[first : last + 1][table[first : last + 1] == 0] = 2
    return table


@cache
def _font_table() -> np.ndarray:
    """As [`_complex_table`], with 1 for letters that only fonts join."""
    table = _complex_table().copy()
    for first, last in _LIGATED:
        table[first : last + 1] = 1
    return table


def needs_shaping(text: str, has_fonts: bool = False) -> bool:
    """Tell whether a text holds anything but characters that are drawn one after another.

    Args:
        text: Any text.
        has_fonts: Whether joiners and selectors between emoji count, and letters of which fonts make ligatures.
    """
    if text.isascii():
        return False
    kinds = _complex_table()[code_points(text)]
    return bool((kinds > 0).any() if has_fonts else (kinds == 1).any())


class TextShaper:
    """Draws lines with a chain of atlases and fonts.

    Args:
        sources: The chain, in the order in which its members are asked.
        policy: Treatment of characters; `unsupported` is `"shape"` or `"cells"`.
        draw_missing: Draws a character that no member covers, or raises.

    Attributes:
        fonts: The members of the chain that are fonts.
        font_of: The font that draws a part of a word, or None if an atlas does.
        glyphs_alone: The glyphs of a part of a word, shaped by itself.
        lines: Draws whole lines from remembered words.
        drawn: The units drawn lately: (characters, or these and their forms, whether right to left, whether unjoined)
            -> (packed columns, name of the source, whether letters that belong together stand apart).
    """

    def __init__(
        self, sources: Sequence[GlyphSource], policy: CharacterPolicy, draw_missing: Callable[[str], bytes]
    ) -> None:
        self.sources, self.policy, self.draw_missing = tuple(sources), policy, draw_missing
        self.fonts = tuple(source for source in self.sources if source.shapes_clusters)
        self.has_fonts = bool(self.fonts)
        self.size = self.sources[0].height // 8
        self.drawn = BoundedCache(self._draw_unit)
        self.font_of = lru_cache(maxsize=20_000)(self._find_font)
        self.glyphs_alone = lru_cache(maxsize=20_000)(self._shape_alone)
        self._order_makes_circle = lru_cache(maxsize=20_000)(self._find_circle)
        self.lines = LineDrawer(self, policy.normalize, _font_table if self.has_fonts else _complex_table)

    def normalise(self, text: str) -> str:
        """Return the text that is drawn: like [`CharacterPolicy.normalise`], but joiners and controls that have a
        meaning for the characters around them stay.
        """
        text = self.policy.normalise(text, keep_joiners=True)
        if not self.has_fonts:
            text = _SELECTOR.sub("", text)
        bare = _CONTROL.sub("", text)
        if bare != text and not re.search("[RA9]", bidi_classes(bare)):
            text = bare
        if "\u200c" in text or "\u200d" in text:
            text = _JOINER.sub(lambda match: match[0][0] if self._keeps_joiner(text, match) else "", text)
        if self.policy.normalize is not None:
            # What stood between a letter and its mark may be gone.
            text = self.order_marks(text)
        return text

    def order_marks(self, text: str) -> str:
        """Return a text in form NFC with its marks in order, but where only that makes a font draw a dotted circle."""
        return normalise_marks(text, self.keeps_order)

    @property
    def keeps_order(self) -> Keeps | None:
        """Tells whether the marks of a letter stay in the order in which they were typed; None: never."""
        return self._order_makes_circle if self.has_fonts else None

    def _find_circle(self, typed: str, ordered: str) -> bool:
        """Tell whether a font puts more dotted circles below marks in order than below them as they were typed."""
        font = self.font_of(typed)
        if font is None or not font.covers(_CIRCLE):
            return False
        is_right = bidi_classes(typed)[:1] in ("R", "A")
        (circle,) = font.glyph_numbers(_CIRCLE, False)
        before, after = (font.glyph_numbers(text, is_right).count(circle) for text in (typed, ordered))
        return after > before

    def _keeps_joiner(self, text: str, match: "re.Match[str]") -> bool:
        """Tell whether a joiner changes the shape of what stands around it."""
        if match.start() == 0:
            return False
        before, after, joiner = text[match.start() - 1], text[match.end() : match.end() + 1], match[0][0]
        if self.has_fonts and after and joiner == "\u200d" and _ends_in_pictograph(text, match.start()):
            return True
        if _complex_table()[ord(before)] == 1 and not 0x300 <= ord(before) < 0x370:
            return not 0x1100 <= ord(before) <= 0x11FF and _shapes_differ(before, after, joiner)
        return False

    # ---- lines ----

    def columns(self, text: str) -> bytes:
        """Draw a normalised line."""
        return self.lines.columns(text)

    def draw_run(self, text: str, level: int) -> bytes:
        """Draw text whose characters all stand at one level of direction."""
        levels = [-1 if letter == "b" else level for letter in bidi_classes(text)]
        return b"".join([piece.cell for piece in self._pieces(text, levels, level)])

    def pieces(self, text: str, base: int | None = None) -> list[Piece]:
        """Draw a normalised line as pieces from left to right.

        Args:
            text: In logical order.
            base: Direction of the line: 0, 1 (right to left), or None for that of its first strong character.

        Raises:
            NeedsFontError: for letters that the chain cannot conjoin, under `unsupported="shape"`.
        """
        if not text:
            return []
        return self._pieces(text, *embedding_levels(text, base))

    def _pieces(self, text: str, levels: list[int], base: int) -> list[Piece]:
        if not text:
            return []
        kinds = joining_types(text)
        drawn, unjoined = join_letters(text) if set(kinds) & set("DRL") else (list(text), [])
        lost = set(unjoined)
        bounds = self._unit_bounds(text, kinds, drawn, levels)
        parts: list[tuple[int, int, int]] = []
        current = next((level for level in levels if level >= 0), base)
        for start, stop in pairwise(bounds):
            # What rule X9 removes has no level, and must not give the line another one.
            current = next((level for level in levels[start:stop] if level >= 0), current)
            parts.append((start, stop, current))
        pieces = []
        for index in visual_order([level for _, _, level in parts]):
            start, stop, level = parts[index]
            chars = text[start:stop]
            shapes = drawn[start] if start + 1 == stop else "".join(drawn[start:stop])
            is_unjoined = bool(lost) and not lost.isdisjoint(range(start, stop))
            key = chars if shapes == chars else (chars, shapes)
            is_right = level & 1 == 1
            cell, source, is_split = self.drawn[key, is_right, is_unjoined]
            pieces.append(Piece(start, stop, cell, source, is_right, is_split))
        return pieces

    def _unit_bounds(self, text: str, kinds: str, drawn: list[str], levels: list[int]) -> list[int]:
        """Where units begin, then the length of the text."""
        bounds = drawn_bounds(text)
        kept = [0]
        joined: _JoinedRun | None = None  # of the letters since the last bound that was kept
        for bound in bounds[1:-1]:
            if not drawn[bound]:  # an alef inside its lam
                continue
            if (
                self.has_fonts
                and kinds[bound] in "DRC"
                and levels[bound] == levels[bound - 1]
                and joins(text, kinds, bound)
            ):
                if joined is None:
                    joined = _JoinedRun(self.sources, text, kept[-1])
                if joined.is_drawn_by_font(bound + 1):
                    continue
            kept.append(bound)
            joined = None
        kept.append(len(text))
        return self._uncut(text, kept, levels) if self.has_fonts else kept

    def _uncut(self, text: str, bounds: list[int], levels: list[int]) -> list[int]:
        """Take out the bounds over which a font looks: parts that it would draw otherwise alone stay together."""
        uncut: set[int] = set()
        for font, first, stop, is_right in self._font_runs(text, bounds, levels):
            start = bounds[first]
            run = text[start : bounds[stop]]
            inside = [bound - start for bound in bounds[first : stop + 1]]
            alone = partial(self.glyphs_alone, font, is_right)
            uncut |= {start + bound for bound in uncut_bounds(run, inside, font.shape(run, is_right), alone)}
        return [bound for bound in bounds if bound not in uncut] if uncut else bounds

    def _font_runs(
        self, text: str, bounds: list[int], levels: list[int]
    ) -> Iterator[tuple[GlyphSource, int, int, bool]]:
        """Runs of two or more parts of a word that one font draws in one direction.

        Yields:
            The font, the places of the first bound and of the last among the bounds, and whether it runs to the left.
        """
        font, level, first = None, -1, 0
        for place, (start, stop) in enumerate([*pairwise(bounds), (len(text), len(text))]):
            found = self.font_of(text[start:stop]) if start < stop else None
            # What rule X9 removes has no level of its own, nor any shape.
            reached = next((each for each in levels[start:stop] if each >= 0), level)
            is_apart = (
                font is not None
                and start < stop
                and self._stand_apart(text[bounds[place - 1] : start], text[start:stop])
            )
            if found is font and reached == level and not is_apart:
                continue
            if font is not None and place - first > 1:
                yield font, first, place, level & 1 == 1
            font, level, first = found, reached, place

    def _find_font(self, part: str) -> GlyphSource | None:
        """The font that draws a part of a word; None for what an atlas draws, and for blanks."""
        part = _without_controls(part)
        visible = _IGNORABLE.sub("", part)
        if not visible or visible.isspace():
            return None
        is_split = _is_conjunct(part)
        for source in self._sources_for(part, visible):
            if source.shapes_clusters:
                if source.covers(part):
                    return source
            elif not is_split and self._compose(part, False, (source,)) is not None:
                return None
        return None

    def _shape_alone(self, font: GlyphSource, is_right: bool, part: str) -> tuple[int, ...]:
        return font.glyph_numbers(part, is_right)

    def looks_across(self, parts: Sequence[str], is_right: bool) -> bool:
        """Tell whether a font draws some parts of a word otherwise than each by itself.

        Args:
            parts: Clusters, one after another, of one word that runs in one direction.
            is_right: Whether it runs to the left.
        """
        if not self.has_fonts or len(parts) < 2:
            return False
        runs: list[tuple[GlyphSource | None, list[str]]] = []
        for part in parts:
            font = self.font_of(part)
            if runs and runs[-1][0] is font and not self._stand_apart(runs[-1][1][-1], part):
                runs[-1][1].append(part)
            else:
                runs.append((font, [part]))
        for font, clusters in runs:
            if font is not None and len(clusters) > 1:
                alone = [self.glyphs_alone(font, is_right, cluster) for cluster in clusters]
                if font.glyph_numbers("".join(clusters), is_right) != sum(alone, ()):
                    return True
        return False

    def _stand_apart(self, part: str, following: str) -> bool:
        """Tell whether two parts of a word are drawn one after the other, whatever a font makes of them together.

        A line of nothing but such characters is not shaped, and what a word looks like must not depend on the line.
        """
        return not needs_shaping(part + following, True)

    # ---- units ----

    def _draw_unit(self, key: tuple[Any, bool, bool]) -> tuple[bytes, str, bool]:
        """(packed columns, name of the source, whether letters that belong together stand apart)."""
        texts, is_right, is_unjoined = key
        text, shapes = (texts, texts) if isinstance(texts, str) else texts
        text, shapes = _without_controls(text), _without_controls(shapes)
        visible = _IGNORABLE.sub("", text)
        if not visible:
            return b"", self.sources[0].name, False
        is_split = is_unjoined or _is_conjunct(text)
        for source in self._sources_for(text, visible):
            if source.shapes_clusters:
                cell = source.draw(text, is_right) if source.covers(text) else None
                if cell is not None:
                    return cell, source.name, False
            elif not is_split:
                cell = self._compose(shapes, is_right, (source,))
                if cell is not None:
                    return cell, source.name, False
        return self._draw_apart(text, visible, shapes, is_right, is_split)

    def _sources_for(self, text: str, visible: str) -> tuple[GlyphSource, ...]:
        """The chain in the order in which it is asked for a unit."""
        sources = self.sources
        if self.has_fonts and (unsupported_script(visible[0]) or "Hebrew") not in _CELL_SCRIPTS:
            sources = self.fonts + self.sources
        if "\ufe0f" in text:  # asks for an emoji in colour (UTS #51, section 1.4.3)
            sources = tuple(sorted(sources, key=lambda source: not source.has_colors))
        return sources

    def _draw_apart(
        self, text: str, visible: str, shapes: str, is_right: bool, is_split: bool
    ) -> tuple[bytes, str, bool]:
        """Draw a unit that no member draws as a whole."""
        cell = self._compose(shapes, is_right, self.sources)
        if cell is None:
            cells = []
            for char in _IGNORABLE.sub("", shapes):
                part = self._compose(char, is_right, self.sources)
                cells.append(part if part is not None else self.draw_missing(char))
            return b"".join(cells[::-1] if is_right else cells), "", False
        if is_split and self.policy.unsupported == "shape":
            if self.policy.missing == "error":
                raise NeedsFontError(text, unsupported_script(text[0]) or "joined script")
            return b"".join(map(self.draw_missing, visible)), "", True
        return cell, self.sources[0].name, is_split

    def _compose(self, text: str, is_right: bool, sources: Sequence[GlyphSource]) -> bytes | None:
        """Draw characters as cells, with marks laid over them; None if a glyph is missing."""
        cells: list[bytes] = []
        base = -1  # position of the cell that marks are laid over
        mirrors = mirror_map() if is_right else {}
        indic, grapheme = property_table("indic"), property_table("grapheme")
        for char in text:
            if _IGNORABLE.match(char):
                continue
            char = mirrors.get(char, char)
            parts = nfd(char) if indic[ord(char)] and char != "\u0dda" else char
            for part in parts if len(parts) > 1 and is_mark(char) else char:
                cell = _find(part, sources)
                if cell is None:
                    return None
                kind = category(part)
                is_jamo_end = GRAPHEME_CLASSES[grapheme[ord(part)] & 127] in ("V", "T")
                if part in FILLERS:
                    # A filler holds the place of a jamo: a blank cell for a consonant, nothing for a vowel.
                    if part == FILLERS[0] or text == part:
                        cells.append(bytes(16 * self.size))
                        base = len(cells) - 1
                    continue
                is_spacing = kind == "Mc" and indic[ord(part)] and part not in SURROUNDING
                if base >= 0 and (kind in ("Mn", "Me") or part in SURROUNDING or is_jamo_end):
                    # Marks belong to the letter, also after a vowel sign that stands beside it.
                    cells[base] = _overlay(cells[base], cell, self.size)
                elif is_spacing and base >= 0 and indic[ord(part)] == LEFT_VOWEL:
                    cells.insert(base, _trim(cell, self.size, True))
                    base += 1
                else:
                    cells.append(_trim(cell, self.size, False) if is_spacing else cell)
                    base = base if is_spacing and base >= 0 else len(cells) - 1
        return b"".join(cells[::-1] if is_right else cells)

    # ---- what can be drawn ----

    def missing(self, text: str) -> list[str]:
        """Return, sorted, the characters that no member of the chain has a glyph for."""
        return sorted(
            {char for char in text if not _IGNORABLE.match(char) and _find(char, self.sources) is None}
        )


def _shapes_differ(before: str, after: str, joiner: str) -> bool:
    """Tell whether a joiner between two characters of a shaped script asks for something they would not do without.

    After a virama, ZWNJ keeps it visible before a consonant and ZWJ asks for a half form or a chillu. Between letters
    that join, ZWNJ keeps them apart; beside one that has nothing to join, ZWJ makes it join. Before a vowel sign or
    virama, both keep a ligature from forming.
    """
    indic = property_table("indic")
    if indic[ord(before)] == LINKER or before == "\u0dca":
        return joiner == "\u200d" or (bool(after) and bool(indic[ord(after)] == CONSONANT))
    kinds = joining_types(before + (after or " "))
    if set(kinds) - set("UT"):
        # Marks between the letters are rare: what they stand on is taken to join.
        reaches, meets = kinds[0] in "DLCT", kinds[1] in "DRC"
        return bool(after) and (reaches and meets if joiner == "\u200c" else reaches != meets)
    return bool(after) and is_mark(after) and 0x900 <= ord(before) < 0x1900


def _ends_in_pictograph(text: str, stop: int) -> bool:
    """Tell whether a pictograph ends before `stop`, with selectors and a tone of skin after it if need be (GB11)."""
    kinds, extend = property_table("grapheme"), GRAPHEME_CLASSES.index("Extend")
    while stop > 0 and kinds[ord(text[stop - 1])] == extend:
        stop -= 1
    return stop > 0 and bool(kinds[ord(text[stop - 1])] >= 128)


class _JoinedRun:
    """Letters that join, taken in one by one: whether a font draws all of them as one, and no atlas before it.

    Args:
        sources: The chain.
        text: In logical order.
        start: Position of the first letter.
    """

    def __init__(self, sources: Sequence[GlyphSource], text: str, start: int) -> None:
        self._text, self._stop = text, start
        # Up to the first font: an atlas with presentation forms joins the letters itself, one cell a letter.
        fonts = [place for place, source in enumerate(sources) if source.shapes_clusters]
        self._atlases, self._font = list(sources[: fonts[0]]), sources[fonts[0]]
        self._is_covered = True

    def is_drawn_by_font(self, stop: int) -> bool:
        """Take in the characters before `stop`. What a source lacks, no later character gives back."""
        added, self._stop = self._text[self._stop : stop], stop
        self._atlases = [atlas for atlas in self._atlases if _joins_cells(atlas, added)]
        self._is_covered = self._is_covered and self._font.covers(added)
        return self._is_covered and not self._atlases


def _joins_cells(atlas: GlyphSource, letters: str) -> bool:
    return all(
        atlas.index(char) >= 0 and (unsupported_script(char) or "Arabic") in _CELL_SCRIPTS for char in letters
    )


def _find(char: str, sources: Sequence[GlyphSource]) -> bytes | None:
    for source in sources:
        index = source.index(char)
        if index >= 0:
            return source.glyph(index)
    return None


def _without_controls(text: str) -> str:
    return _CONTROL.sub("", text)


@cache
def _indic_bytes() -> bytes:
    # A cluster is a few characters: looking them up one by one is faster than an array.
    return property_table("indic").tobytes()


def _is_conjunct(text: str) -> bool:
    """Tell whether a cluster joins consonants into one shape."""
    table = _indic_bytes()
    kinds = [table[ord(char)] for char in text]
    if SUBJOINED in kinds:
        return True
    return LINKER in kinds and CONSONANT in kinds[kinds.index(LINKER) :]


def _trim(cell: bytes, size: int, is_left: bool) -> bytes:
    """Cut the blank half off a spacing vowel 16 columns wide, so that it stands at its consonant.

    Cells stay multiples of 8 columns wide: a reader can then tell where they begin.
    """
    half = 8 * size
    first, second = cell[:half], cell[half:]
    if len(cell) != 2 * half:
        return cell
    if is_left:
        return second if not any(first) and any(second) else cell
    return first if not any(second) and any(first) else cell


def _overlay(base: bytes, mark: bytes, size: int) -> bytes:
    """Lay one cell over another; the narrower one stands in the middle."""
    wide, narrow = (base, mark) if len(base) >= len(mark) else (mark, base)
    before = (len(wide) - len(narrow)) // size // 2 * size
    padded = (bytes(before) + narrow).ljust(len(wide), b"\0")
    return (int.from_bytes(wide, "big") | int.from_bytes(padded, "big")).to_bytes(len(wide), "big")


class SpacedShaper(TextShaper):
    """Shapes text with a spaced chain: marks are laid over letters before the blanks are added."""

    def _compose(self, text: str, is_right: bool, sources: Sequence[GlyphSource]) -> bytes | None:
        cell = super()._compose(text, is_right, [source.tight for source in sources])
        if not cell or text[:1] in joined_forms():
            return cell
        spacing = max((source.spacing for source in sources), default=0)
        return cell + bytes(spacing * self.size)


__all__ = ["NeedsFontError", "SpacedShaper", "TextShaper", "needs_shaping"]
