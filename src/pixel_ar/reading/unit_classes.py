# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Reading of shaped lines: units as templates, and characters from visual back to logical order.

Every unit the renderer has drawn, alone or in a text it was shown, is a template: its cell stands for its characters.
A cell that is a base with marks laid over it is taken apart even if it was never drawn before. What was read stands in
visual order; the Bidirectional Algorithm has no inverse in general, so the likeliest text is laid out again, and kept
if that gives the same order.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Any

import numpy as np

from ..fonts.shaped_font import ShapedFont
from ..rendering.shaper import NeedsFontError, TextShaper, needs_shaping
from ..text.joining import joining_types, letters_of_forms
from ..text.normalization import is_nfc
from ..text.properties import LEFT_VOWEL, category, property_table
from .cells import CellParts, script_of
from .glyph_classes import GlyphClasses
from .joiners import Prior, form_mask

# Units stand in a reading as characters of the private planes 15 and 16.
_FIRST_UNIT = 0xF0000
_MAX_UNITS = 0x20000
# Nats for a unit; more for scripts of the upper planes and for marks with nothing below them, and for each mark of a
# cell that was taken apart, so that two plain letters are likelier than a wide one with two marks.
_UNIT_PRIOR, _RARE_PRIOR, _MARK_PRIOR = 6.0, 12.0, 5.0
_DANDAS = frozenset("\u0964\u0965")
_WITH_DANDAS = frozenset(
    ["Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala"]
)
# A line may mix scripts: those of this share of its cells.
_SHARE = 0.1


class UnitClasses(GlyphClasses):
    """The glyphs of a chain, and the units a shaper makes of them. Grows as units are added.

    Args:
        atlases: The chain.
        alphabet: Characters to prefer.
        shaper: Draws the units.
        prior: Tells which of several letters is the likeliest, where a cell leaves that open.

    Attributes:
        units: Characters of each unit, in the order of their private code points.
        twins: Code point -> other characters drawn alike.
        forms: Private code point -> the forms of a joined letter that its cell may be; see [`form_mask`].
    """

    def __init__(
        self, atlases: Sequence, alphabet: str, shaper: TextShaper, prior: Prior | None = None
    ) -> None:
        super().__init__(atlases, alphabet)
        self.shaper = shaper
        self.units: list[str] = []
        self.twins: dict[int, list[str]] = {}
        self.forms: dict[int, int] = {}
        self._num_drawn, self._num_glyphs = 0, len(self.cells)
        self._parts = CellParts(shaper.sources, alphabet, prior)
        self._unexplained: dict[bytes, set[str]] = {}
        self._same: dict[int, str] = {}
        # Arrays with room to grow; the public ones are views of what is filled.
        self._room = {name: getattr(self, name) for name in ("codes", "widths", "priors")}
        self.add(self._single_units())

    def _single_units(self) -> list[tuple[str, bytes, str]]:
        """Every character that is shaped, drawn alone, and the presentation forms of joined letters."""
        pairs = []
        forms = letters_of_forms()
        seen: set[int] = set()
        for source in self.shaper.sources:
            for code in source.code_points.tolist():
                char = chr(code)
                kind = category(char)
                if code in seen or not needs_shaping(char) or kind in ("Cf", "Cn"):
                    continue
                if kind[0] == "M" and isinstance(source, ShapedFont):  # with a dotted circle
                    continue
                seen.add(code)
                text = forms.get(char, char)
                if len(text) == 1 and not is_nfc(text):
                    continue
                cell = source.glyph(source.index(char))
                if len(text) == 1 and kind == "Mc":
                    cell = self._beside(char, source) or cell
                pairs.append((text, cell, char))
        pairs += [(letters, cell, "") for letters, cell in self._trimmed()]
        # Letters before marks and forms: of cells drawn alike, the first is read.
        preferred = set(self.alphabet)
        return sorted(
            pairs,
            key=lambda pair: (
                not preferred.issuperset(pair[0]),
                category(pair[0][0])[0] == "M",
                pair[0],
            ),
        )

    def _beside(self, char: str, source: Any) -> bytes | None:
        """Draw a spacing vowel as it stands beside a letter, without the blank columns it has alone."""
        if property_table("indic")[ord(char)] != LEFT_VOWEL:
            return self.shaper._compose(char, False, (source,))
        drawn = self.shaper._compose(" " + char, False, (source,))
        return drawn[: -len(self.space)] if drawn else None

    def _trimmed(self) -> Iterable[tuple[str, bytes]]:
        """Spacing vowels as they stand beside a consonant."""
        kinds = property_table("indic")
        for code in np.flatnonzero(kinds[:0x12000]).tolist():
            if category(chr(code)) == "Mc":
                cell = self.shaper._compose(chr(code), False, self.shaper.sources)
                if cell is not None:
                    yield chr(code), cell

    def add(self, pairs: Iterable[tuple[str, bytes, str]], prior: float = _UNIT_PRIOR) -> bool:
        """Add units; of cells drawn alike, the first stays.

        Args:
            pairs: Characters and packed columns of each unit, and the forms that its letter may have or "".
            prior: Nats that a unit costs before any pixel is seen.

        Returns:
            Whether there was a new one.
        """
        known = len(self.units)
        for text, cell, shapes in pairs:
            if not cell or (not any(cell) and not self._is_narrow_gap(text, cell)):
                continue
            index = self.table.get(cell, -1)
            if index < 0 and len(self.units) < _MAX_UNITS:
                index = self._append(text, cell, prior)
            elif index >= 0:
                alike = self.twins.setdefault(int(self.codes[index]), [])
                if text not in alike and text != self.text_of(self.chars[index]):
                    alike.append(text)
            code = int(self.codes[index])
            mask = reduce(or_, map(form_mask, shapes), 0)
            if mask and index >= 0 and self.text_of(chr(code)) == text:
                self.forms[code] = self.forms.get(code, 0) | mask
        return len(self.units) > known

    def _is_narrow_gap(self, text: str, cell: bytes) -> bool:
        """Tell whether a blank cell is a sign that is no space, such as the Mongolian vowel separator."""
        return bool(self.space) and not text.isspace() and len(cell) % len(self.space) != 0

    def _append(self, text: str, cell: bytes, prior: float) -> int:
        """Make a new class of a cell, and return its number."""
        index, code = len(self.cells), _FIRST_UNIT + len(self.units)
        lone_mark = category(text[0])[0] == "M" and category(text[0]) != "Mc"
        if lone_mark or ord(text[0]) >= 0x10000:
            prior += _RARE_PRIOR - _UNIT_PRIOR
        width = len(cell) // (self.height // 8)
        for name, value in (("codes", code), ("widths", width), ("priors", prior)):
            room = self._room[name]
            if index >= len(room):
                room = self._room[name] = np.concatenate([room, np.zeros(1024 + len(room) // 4, room.dtype)])
            room[index] = value
            setattr(self, name, room[: index + 1])
        self.units.append(text)
        self.cells.append(cell)
        self.chars.append(chr(code))
        self.prior_list.append(float(prior))
        self.table[cell] = self.members[code] = index
        self._index(cell, index)
        return index

    def _index(self, cell: bytes, index: int) -> None:
        """Keep what is derived from the cells up to date, rather than derive it anew."""
        known = self.__dict__
        lengths = known.get("byte_lengths", ())
        if len(cell) not in lengths:
            known.pop("byte_lengths", None)
            known.pop("uniform_keys", None)
            if not lengths or len(cell) < lengths[0]:
                known.pop("prefixes", None)
        if "prefixes" in known:
            shortest = self.byte_lengths[0]
            exact, longer = self.prefixes.get(cell[:shortest], (-1, ()))
            if len(cell) > shortest:
                longer = tuple(sorted({*longer, len(cell)}))
            self.prefixes[cell[:shortest]] = (index if len(cell) == shortest else exact, longer)
        for name in ("uniform_keys", "common"):
            known.pop(name, None)

    def add_drawn(self) -> bool:
        """Add what the shaper has drawn since; return whether there was a new unit."""
        drawn = [*self.shaper.drawn.items()]
        if len(drawn) == self._num_drawn:
            return False
        pairs = [
            (texts if isinstance(texts, str) else texts[0], cell) for (texts, _, _), (cell, _, _) in drawn
        ]
        self._num_drawn = len(drawn)
        return self.add((text, cell, "") for text, cell in pairs if needs_shaping(text))

    def text_of(self, char: str) -> str:
        """Return the characters that a character of a reading stands for."""
        number = ord(char) - _FIRST_UNIT
        return self.units[number] if 0 <= number < len(self.units) else char

    def texts_of(self, chars: str) -> list[str]:
        """Return what the characters of a reading stand for; of those drawn alike, one of the line's script.

        A mark is never chosen for what may be a character of its own: it would have nothing to stand on.
        """
        texts = [self.text_of(char) for char in chars]
        for index, text in enumerate(texts):
            if index and len(text) == 1 and category(text) in ("Mn", "Me"):
                # A mark after something else and with nothing below it stands on a space.
                texts[index] = " " + text
        if not any(ord(char) in self.twins for char in chars):
            return texts
        counts = Counter(script_of(text[0]) for text in texts if text[0].isalpha() and ord(text[0]) > 0x7F)
        script = counts.most_common(1)[0][0] if counts else ""
        if not script:
            return texts
        for index, char in enumerate(chars):
            neighbours = chars[max(index - 1, 0) : index] + chars[index + 1 : index + 2]
            is_latin = char.isascii() and char.isalnum() and any(_is_latin(other) for other in neighbours)
            if script_of(texts[index][0]) != script and not is_latin:
                is_mark = category(texts[index][0])[0] == "M"
                alike = [text for text in self.twins.get(ord(char), []) if _belongs_to(text, script, is_mark)]
                texts[index] = alike[0] if alike else texts[index]
        return texts

    def has_units(self, indices: Iterable[int]) -> bool:
        """Tell whether some of the classes of a reading are units."""
        return any(index >= self._num_glyphs for index in indices)

    def masks_of(self, chars: str) -> list[int]:
        """Return for each character of a reading the forms of a joined letter that it may be; see [`form_mask`]."""
        return [self.forms.get(ord(char), 0) for char in chars]

    def canonical(self, text: str) -> str:
        """As of all classes; of shaped characters drawn alike, the one that is read for them."""
        if not self._same:
            for code, alike in self.twins.items():
                first = self.text_of(chr(code))
                same = [other for other in alike if _are_alike(first, other)]
                self._same.update((ord(other), first) for other in same)
        return super().canonical(text).translate(self._same)

    # ---- cells never seen before ----

    def prepare(self, data: bytes, start: int, stop: int) -> bool:
        """Take apart the cells of a line that are not known yet, and add them.

        Args:
            data: Packed columns.
            start: Column of the first cell. The others begin at multiples of the narrowest cell's width from there.
            stop: Where the line ends.

        Returns:
            Whether a new unit was found.
        """
        size, widths = self.height // 8, self._parts.widths
        if not widths:
            return False
        cells = dict.fromkeys(
            data[column * size : (column + width) * size]
            for column in range(start, stop, widths[0])
            for width in widths
        )
        scripts = self._scripts_of(cells)
        found = [cell for cell in cells if self._explain(cell, scripts)]
        return len(found) > 0

    def _scripts_of(self, cells: Iterable[bytes]) -> list[str]:
        """The scripts that have some share of known cells, the most frequent first; all if there is none."""
        counts: Counter[str] = Counter()
        for cell in cells:
            index = self.table.get(cell, -1)
            if index >= 0:
                char = self.text_of(self.chars[index])[0]
                if ord(char) > 0x7F and category(char)[0] == "L":
                    counts[script_of(char)] += 1
        least = _SHARE * counts.total()
        return [script for script, count in counts.most_common() if count >= least] or self._parts.scripts

    def explain(self, data: bytes, starts: Sequence[int], texts: Sequence[str]) -> bool:
        """Take one of the cells apart that begin at some columns, and add it.

        Args:
            data: Packed columns.
            starts: Columns, the likeliest first.
            texts: What was read just before, to tell the script.

        Returns:
            Whether a new unit was found.
        """
        size = self.height // 8
        counts = Counter(script_of(text[0]) for text in texts if ord(text[0]) > 0x7F)
        scripts = [script for script, _ in counts.most_common(1)]
        for tried in (scripts, self._parts.scripts):
            for start in starts:
                for width in self._parts.widths:
                    cell = data[start * size : (start + width) * size]
                    if len(cell) == width * size and self._explain(cell, tried):
                        return True
        return False

    def _explain(self, cell: bytes, scripts: Sequence[str]) -> bool:
        if cell in self.table or not any(cell):
            return False
        tried = self._unexplained.setdefault(cell, set())
        left = [script for script in scripts if script not in tried]
        found = self._parts.explain(cell, left) if left else None
        if found is None:
            tried.update(left)
            return False
        del self._unexplained[cell]
        prior = _UNIT_PRIOR + _MARK_PRIOR * found.num_marks
        return self.add([(found.text, cell, found.shapes)], prior)


def _belongs_to(text: str, script: str, is_mark: bool) -> bool:
    """Tell whether characters are of a script (or dandas, which all Indic scripts share), and marks or not."""
    if (category(text[0])[0] == "M") != is_mark:
        return False
    return script_of(text[0]) == script or (text in _DANDAS and script in _WITH_DANDAS)


def _is_latin(char: str) -> bool:
    return char.isascii() and char.isalpha()


def _are_alike(first: str, other: str) -> bool:
    """Tell whether characters that have one cell are drawn alike wherever they stand: joined letters may not be."""
    if len(first) != 1 or len(other) != 1 or script_of(first) != script_of(other):
        return False
    are_marks = [category(char)[0] == "M" for char in (first, other)]
    return are_marks[0] == are_marks[1] and not set(joining_types(first + other)) & set("DRLC")


# ---- visual to logical order ----


def unit_pairs(shaper: TextShaper, texts: Iterable[str]) -> list[tuple[str, bytes, str]]:
    """Draw texts and return their units: what a reader is to know.

    Args:
        shaper: Of the renderer.
        texts: Normalised texts; those that cannot be drawn are passed over.
    """
    counts: dict[bytes, Counter[str]] = {}
    for text in texts:
        try:
            units = shaper.units(text)
        except NeedsFontError:
            continue
        for unit in units:
            counts.setdefault(unit.cell, Counter())[text[unit.start : unit.stop]] += 1
    # Of units drawn alike, the most frequent one.
    pairs = {cell: texts.most_common(1)[0][0] for cell, texts in counts.items()}
    return [(text, cell, "") for cell, text in pairs.items()]


__all__ = ["UnitClasses", "unit_pairs"]
