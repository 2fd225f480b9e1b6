# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Whole lines of shaped text, drawn from words that are remembered.

What a unit looks like depends on nothing but its characters, the direction it runs in and whether its neighbours join
it. None of these reaches over a space, so a line is cut into runs of one direction, a run into words, and a word is
looked up. A word that is new is cut into clusters by one regular expression, and these are looked up.

The bytes are those of [`TextShaper.pieces`], which is asked wherever a word or a line is out of the ordinary. Which
words are remembered changes how long a line takes, never what it looks like.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache, cached_property, partial
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from ..text.bidi import (
    base_level,
    bidi_classes,
    embedding_levels,
    has_right_to_left,
    plain_levels,
    visual_order,
)
from ..text.characters import SPECIAL, MissingGlyphError, UnsupportedScriptError, has_surrogates
from ..text.invisible import FILLERS, JOINERS, MARKS_OF_DIRECTION, MONGOLIAN_SELECTORS, class_mask
from ..text.joining import letter_form
from ..text.normalization import unsettled_characters
from ..text.patterns import (
    BEGINNING,
    edges,
    joined_through_control,
    joining_letters,
    joins_across,
    left_expressions,
    letter_clusters,
    prefix,
    right_expressions,
)
from ..text.properties import BIDI_CLASSES, CATEGORIES, GRAPHEME_CLASSES, code_points, property_table
from .cache import LONGEST_WORD, BoundedCache
from .joined_words import JoinedLetters
from .pieces import Piece

# What a line holds, one bit each: see `line_flags`.
NORMALISED, COMPLEX, EUROPEAN_NUMBER, ARABIC_LETTER, RIGHT, ARABIC_NUMBER, LEFT, HARD = (
    1 << i for i in range(8)
)
MOVED = ARABIC_LETTER | RIGHT | ARABIC_NUMBER
_LONGEST_LINE = 4000
# New words are drawn together if there are so many, and so large a share of the words, in one text of so many.
_MANY_WORDS, _NEW_SHARE, _SAMPLED = 12, 0.05, 8


class _NotAloneError(Exception):
    """A word cannot be drawn apart from what stands beside it."""


class Shaper(Protocol):
    """What lines are drawn with; [`TextShaper`] is one."""

    drawn: Any
    fonts: Any
    has_fonts: bool
    font_of: Any

    def normalise(self, text: str) -> str:
        """Return the text that is drawn."""

    def order_marks(self, text: str) -> str:
        """Return a text with its marks in the order in which they are drawn."""

    def pieces(self, text: str, base: int | None = None) -> list[Piece]:
        """Draw a line as pieces from left to right."""

    def draw_run(self, text: str, level: int) -> bytes:
        """Draw text that runs in one direction."""

    def looks_across(self, parts: Sequence[str], is_right: bool) -> bool:
        """Tell whether a font draws parts of a word otherwise than each by itself."""


@cache
def flag_table(complex_table: Callable[[], np.ndarray]) -> np.ndarray:
    """Return what each code point adds to the flags of a line.

    Args:
        complex_table: Returns integers `[0x110000]`, 1 for characters that are not simply one glyph after another.

    Returns:
        uint8 `[0x110000]`.
    """
    bidi, grapheme = property_table("bidi"), property_table("grapheme") & 127
    table = np.zeros(len(bidi), np.uint8)

    def mark(flag: int, *names: str) -> None:
        table[np.isin(bidi, [BIDI_CLASSES.index(name) for name in names])] |= flag

    mark(LEFT, "L")
    mark(RIGHT, "R")
    mark(ARABIC_LETTER, "AL")
    mark(EUROPEAN_NUMBER, "EN")
    mark(ARABIC_NUMBER, "AN")
    mark(HARD, "BN", "B", "S", "LRE", "LRO", "RLE", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    hard = [GRAPHEME_CLASSES.index(name) for name in ("CR", "LF", "Control")]
    table[np.isin(grapheme, hard)] |= HARD
    table[0xD800:0xE000] |= HARD
    table[[ord(char) for char in JOINERS + MARKS_OF_DIRECTION]] &= 0xFF ^ HARD
    table[complex_table() == 1] |= COMPLEX
    controls = property_table("category") == CATEGORIES.index("Cc")
    special = class_mask(SPECIAL + MARKS_OF_DIRECTION + FILLERS + MONGOLIAN_SELECTORS)
    table[controls | special | unsettled_characters()] |= NORMALISED
    return table


_RUN = re.compile("|".join(f"{digit}+" for digit in range(10)))
_EMBEDDING = re.compile("[\u202a-\u202c]")


def _right_words_of(texts: Sequence[str]) -> set[str]:
    """The words of the texts that hold letters from right to left."""
    return set().union(*[text.split(" ") for text in texts if has_right_to_left(text)])


def _whole_word(word: str) -> str:
    """Return a word as it is drawn, unless it cannot be drawn apart from the space before or after it."""
    if word[0] == BEGINNING:
        return word[1:]
    # Marks join a space before them, and a prefixed sign one after it.
    if edges()[0].match(word) or prefix().match(word, len(word) - 1):
        raise _NotAloneError
    return word


class LineDrawer:
    """Draws lines of shaped text from remembered words.

    Args:
        shaper: Draws units, and whatever is out of the ordinary.
        normalize: `"NFC"`, or None.
        complex_table: See [`flag_table`].

    Attributes:
        left_words: Words from left to right -> packed columns.
        right_words: Words from right to left, after an Arabic letter if they hold numbers -> packed columns.
    """

    def __init__(
        self, shaper: Shaper, normalize: str | None, complex_table: Callable[[], np.ndarray]
    ) -> None:
        self.shaper, self._complex_table = shaper, complex_table
        self.normalize: Any = normalize
        self.left_words = BoundedCache(self._draw_left_word)
        self.right_words = BoundedCache(self._draw_right_word)
        self._left_clusters = BoundedCache(lambda cluster: shaper.drawn[cluster, False, False][0])
        self._joined = BoundedCache(self._draw_joined)
        # Only lines that take longer than their words.
        self._unusual = BoundedCache(self._draw_unusual, _LONGEST_LINE)
        self._lines = BoundedCache(self._draw_line, _LONGEST_LINE)
        self._forms = tuple(BoundedCache(partial(self._draw_form, form=form)) for form in range(4))
        self._joined_letters: JoinedLetters | None = None

    @cached_property
    def _fonts_join(self) -> bool:
        """Whether joined letters may be drawn by a font, which shapes them as a whole."""
        return any(char in font for font in self.shaper.fonts for char in joining_letters())

    def draw(self, text: str) -> bytes | None:
        """Draw a text that may not be normalised yet.

        Args:
            text: Any text.

        Returns:
            Packed columns; None for a text that has nothing to shape.
        """
        flags = self._flags(text)
        if flags & (NORMALISED | HARD | COMPLEX) == COMPLEX:
            return self._draw(text, flags)
        return self._unusual[text] if flags & COMPLEX else None

    def _draw_unusual(self, text: str) -> bytes | None:
        """Draw a line that needs more than NFC to be normalised."""
        if has_surrogates(text):
            return None  # the renderer warns of them
        normal = self.shaper.normalise(text)
        flags = self._flags(normal)
        return self._draw(normal, flags) if flags & COMPLEX else None

    def columns(self, text: str) -> bytes:
        """Draw a normalised line."""
        return self._draw(text, self._flags(text))

    def _draw(self, text: str, flags: int) -> bytes:
        is_right = flags & MOVED and self._is_right_line(text, flags)
        if flags & HARD or (flags & MOVED and not is_right):
            return self._lines[text]
        try:
            return self._draw_words(text, bool(is_right), True, self._space(text))
        except _NotAloneError:
            return self._lines[text]

    def _space(self, text: str) -> bytes:
        return self._left_clusters[" "] if " " in text else b""

    def _draw_line(self, text: str) -> bytes:
        """Draw a line of several directions, or one that is out of the ordinary."""
        if self.normalize is not None:
            text = self.shaper.order_marks(text)
        try:
            return self._draw_embedded(text) if self._flags(text) & HARD else self._draw_runs(text)
        except _NotAloneError:
            return b"".join([piece.cell for piece in self.shaper.pieces(text)])

    def _is_right_line(self, text: str, flags: int) -> bool:
        """Tell whether the words of a line stand one after another from right to left, whatever is in them.

        It has no other strong direction, so that blanks and punctuation all get the level of the line. Numbers come
        after an Arabic letter, or there are none: they would be handled otherwise after a Hebrew one (rule W2).
        """
        if flags & LEFT or not flags & (ARABIC_LETTER | RIGHT):
            return False
        if not flags & (EUROPEAN_NUMBER | ARABIC_NUMBER):
            return True
        if flags & RIGHT:
            return False
        kinds = self._table().take(code_points(text)) & (EUROPEAN_NUMBER | ARABIC_LETTER)
        return bool(kinds[(kinds != 0).argmax()] & ARABIC_LETTER)

    def _table(self) -> np.ndarray:
        return flag_table(self._complex_table)

    def _flags(self, text: str) -> int:
        """The flags of all characters of a text together."""
        return int(np.bitwise_or.reduce(self._table().take(code_points(text)))) if text else 0

    def _draw_runs(self, text: str) -> bytes:
        """Draw a line run by run, each of one direction."""
        classes = bidi_classes(text)
        base = base_level(classes)
        return self._draw_levels(text, plain_levels(text, classes, base), base)

    def _draw_embedded(self, text: str) -> bytes:
        """Draw a line with embeddings, and no other controls: an override makes letters of digits."""
        if not _EMBEDDING.search(text) or self._flags(_EMBEDDING.sub("", text)) & HARD:
            raise _NotAloneError
        found, base = embedding_levels(text)
        places = [place for place, char in enumerate(text) if not _EMBEDDING.match(char)]
        levels: list[int] = []
        for place in places:
            # Joiners have the level of what they follow.
            levels.append(found[place] if found[place] >= 0 else levels[-1] if levels else base)
        # What a control keeps apart must not come together.
        parted = [text[before] + text[after] for before, after in pairwise(places) if after > before + 1]
        comes_together = any(joining_letters().issuperset(pair) or edges()[1].match(pair) for pair in parted)
        if comes_together or max(levels, default=10) > 9:
            raise _NotAloneError
        return self._draw_levels("".join([text[i] for i in places]), "".join(map(str, levels)), base)

    def _draw_levels(self, text: str, levels: str, base: int) -> bytes:
        """Draw a line of which every character has a level, one digit each."""
        has_controls = any(control in text for control in MARKS_OF_DIRECTION)
        if has_controls and joined_through_control().search(text):
            raise _NotAloneError
        space = self._space(text)
        drawn: list[bytes] = []
        numbers: list[int] = []
        for match in _RUN.finditer(levels):
            first, stop = match.span()
            numbers.append(int(levels[first]))
            if first and text[first] != " " != text[first - 1]:  # a run begins inside a word
                if joins_across(text, first) or edges()[1].match(text, first - 1):
                    raise _NotAloneError
                if numbers[-1] & numbers[-2] & 1:  # letters join from one embedding to another
                    raise _NotAloneError
            drawn.append(self._draw_words(text[first:stop], numbers[-1] & 1 == 1, first == 0, space))
        if base == 0 or max(numbers) > 2:
            return b"".join([drawn[index] for index in visual_order(numbers)])
        return b"".join(drawn[::-1])

    def _draw_words(self, text: str, is_right: bool, is_first: bool, space: bytes) -> bytes:
        """Draw words of one direction."""
        if is_first and edges()[0].match(text):
            text = BEGINNING + text
        known = self.right_words if is_right else self.left_words
        if " " not in text:
            return known[text]
        words = text.split(" ")
        return space.join(map(known.__getitem__, words[::-1] if is_right else words))

    # ---- words ----

    def remember(self, texts: Sequence[str]) -> None:
        """Draw the new words from right to left of several texts together, which takes less time than one by one.

        Args:
            texts: Texts that will be drawn.
        """
        if self._fonts_join:
            return
        # Looking through texts that hold nothing new would take as long as drawing them.
        words = _right_words_of(texts[::_SAMPLED])
        if len(self._new_words(words)) < max(_MANY_WORDS, _NEW_SHARE * len(words)):
            return
        new = self._new_words(_right_words_of(texts))
        joined = " ".join(new)
        text = joined if self.normalize is None else self.shaper.order_marks(joined)
        normal = text.split(" ")
        if self._joined_letters is None:
            size = len(self._space(" "))
            self._joined_letters = JoinedLetters(
                letter_clusters(), self._is_plain_letter, self._draw_letter, size
            )
        drawn = self._joined_letters.draw(normal)
        self.right_words.keep_all({new[place]: columns for place, columns in drawn.items()})
        if text != joined:
            # A line of several directions is normalised as a whole, before it is cut into words.
            changed = [place for place in drawn if normal[place] != new[place]]
            self.right_words.keep_all({normal[place]: drawn[place] for place in changed})

    def _new_words(self, words: set[str]) -> list[str]:
        known, left = self.right_words, self.left_words
        return [
            word for word in words if word not in known and word not in left and len(word) <= LONGEST_WORD
        ]

    def _is_plain_letter(self, letters: str) -> bool:
        is_settled = self.normalize is None or self.shaper.order_marks(letters) == letters
        return is_settled and not right_expressions(False)[0].search(letters)

    def _draw_letter(self, letters: str, form: int) -> bytes | None:
        """Draw a letter, or what is drawn as one; None where a glyph is missing."""
        try:
            return self._draw_form(letters, form)
        except (MissingGlyphError, UnsupportedScriptError):
            return None

    def _draw_left_word(self, word: str) -> bytes:
        if self.normalize is not None:
            word = self.shaper.order_marks(word)
        odd, cluster = left_expressions()
        if odd.search(word):
            return self.shaper.draw_run(_whole_word(word), 0)
        clusters = cluster.findall(word)
        if self.shaper.looks_across(clusters, False):
            return self.shaper.draw_run(word, 0)
        return b"".join(map(self._left_clusters.__getitem__, clusters))

    def _draw_right_word(self, word: str) -> bytes:
        if word.isascii() and word.isdigit():
            return self.left_words[word]
        if self.normalize is not None:
            word = self.shaper.order_marks(word)
        odd, mark, joined, joined_with_marks, single = right_expressions(self._fonts_join)
        if odd.search(word):
            word = _whole_word(word)
            if self._flags(word) & (EUROPEAN_NUMBER | ARABIC_NUMBER):
                # An Arabic letter mark has no shape, and makes the numbers after it Arabic ones.
                marked = "\u061c" + word
                return self._draw_levels(word, plain_levels(marked, bidi_classes(marked), 1)[1:], 1)
            return self.shaper.draw_run(word, 1)
        letters = (joined_with_marks if mark.search(word) else joined).findall(word)
        # Letters that join may have different sources.
        fonts = self.shaper.has_fonts and [self.shaper.font_of(letter) for letter in single.findall(word)]
        if fonts and len(fonts) > 1 and any(font is not None for font in fonts):
            return self.shaper.draw_run(word, 1)
        return b"".join(map(self._joined.__getitem__, letters[::-1]))

    def _draw_joined(self, letters: str) -> bytes:
        """Draw letters that are joined to each other and to nothing else, or one that is never joined."""
        if letters[0] not in joining_letters():
            return self.shaper.drawn[letters, True, False][0]
        if self._fonts_join:
            return self.shaper.draw_run(letters, 1)
        clusters = right_expressions(False)[4].findall(letters)
        isolated, final, initial, medial = self._forms
        if len(clusters) == 1:
            return isolated[letters]
        cells = [final[clusters[-1]], *map(medial.__getitem__, clusters[-2:0:-1]), initial[clusters[0]]]
        return b"".join(cells)

    def _draw_form(self, letters: str, form: int) -> bytes:
        """Draw a letter, with its marks, as it stands between others."""
        shapes, is_unjoined = letter_form(letters, form)
        key = letters if shapes == letters else (letters, shapes)
        return self.shaper.drawn[key, True, is_unjoined][0]


__all__ = ["LineDrawer", "flag_table"]
