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

import numpy as np

from ..fonts.source import GlyphSource
from ..limits import TimeBudget
from ..rendering.shaper import NeedsFontError, TextShaper, needs_shaping
from ..text.joining import joining_types, letters_of_forms
from ..text.normalization import is_nfc
from ..text.properties import LEFT_VOWEL, bidirectional, category, is_letter, property_table
from .cell_index import FIRST_UNIT
from .cells import CellParts, Explanation, script_of
from .glyph_classes import GlyphClasses
from .joiners import Prior, form_mask
from .known import GlyphsOnly

_MAX_UNITS = 0x20000
# Combining marks; what stands before them is Latin, and one glyph after another.
_FIRST_SHAPED = 0x300
# Nats for a unit; more for scripts of the upper planes and for marks with nothing below them, and for each mark of a
# cell that was taken apart, so that two plain letters are likelier than a wide one with two marks.
_UNIT_PRIOR, _RARE_PRIOR, _MARK_PRIOR = 6.0, 12.0, 5.0
_DANDAS = frozenset("\u0964\u0965")
_WITH_DANDAS = frozenset(
    ["Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala"]
)
# A line may mix scripts: those of this share of its cells.
_SHARE = 0.1
_MAX_EXPLANATIONS = 100_000


class UnitClasses(GlyphsOnly):
    """The glyphs of a chain, and the units a shaper makes of them.

    Units that were drawn or learned stay known. Those that were found by taking the cells of a line apart are known for
    that line only, so that what is read does not depend on what was read before.

    Args:
        glyphs: The classes of the chain.
        shaper: Draws the units.
        prior: Tells which of several letters is the likeliest, where a cell leaves that open.

    Attributes:
        units: Characters of each unit, in the order of their codes, which begin at `FIRST_UNIT`.
        twins: Code -> other characters drawn alike.
        forms: Code -> the forms of a joined letter that its cell may be; see [`form_mask`].
        shares: Code -> how likely its characters are among all that are drawn alike, where that is less than 1.
    """

    def __init__(self, glyphs: GlyphClasses, shaper: TextShaper, prior: Prior | None = None) -> None:
        super().__init__(glyphs)
        self.index = glyphs.index.copy()
        self.shaper = shaper
        self.units: list[str] = []
        self.twins: dict[int, list[str]] = {}
        self.forms: dict[int, int] = {}
        self.shares: dict[int, float] = {}
        self._num_drawn, self._num_glyphs = 0, len(self.index)
        self._parts = CellParts(shaper.sources, glyphs.alphabet, prior)
        self._explanations: dict[tuple[bytes, tuple[str, ...]], Explanation | None] = {}
        self._same: dict[int, str] = {}
        self._num_lasting = self._num_glyphs
        self.add(self._single_units())

    @property
    def num_lasting(self) -> int:
        """Cells that are known whatever the line."""
        return self._num_lasting

    def forget_line(self) -> None:
        """Drop what was found by taking the cells of one line apart."""
        for code in self.index.codes[self._num_lasting :].tolist():
            self.forms.pop(code, None)
            self.shares.pop(code, None)
        self.index.truncate(self._num_lasting)
        del self.units[self._num_lasting - self._num_glyphs :]

    def _single_units(self) -> list[tuple[str, bytes, str]]:
        """Every character that is shaped, drawn alone, and the presentation forms of joined letters."""
        pairs = []
        forms = letters_of_forms()
        seen: set[int] = set()
        for source in self.shaper.sources:
            budget = TimeBudget(f"the {len(source.code_points)} characters of {source.name!r}")
            for code in source.code_points.tolist():
                char = chr(code)
                kind = category(char)
                if code in seen or not needs_shaping(char) or kind in ("Cf", "Cn"):
                    continue
                if kind[0] == "M" and source.shapes_clusters:  # with a dotted circle
                    continue
                budget.check()
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
        preferred = set(self.glyphs.alphabet)
        return sorted(
            pairs,
            key=lambda pair: (
                not preferred.issuperset(pair[0]),
                category(pair[0][0])[0] == "M",
                pair[0],
            ),
        )

    def _beside(self, char: str, source: GlyphSource) -> bytes | None:
        """Draw a spacing vowel as it stands beside a letter, without the blank columns it has alone."""
        if property_table("indic")[ord(char)] != LEFT_VOWEL:
            return self.shaper._compose(char, False, (source,))
        drawn = self.shaper._compose(" " + char, False, (source,))
        return drawn[: -len(self.glyphs.space)] if drawn else None

    def _trimmed(self) -> Iterable[tuple[str, bytes]]:
        """Spacing vowels as they stand beside a consonant."""
        kinds = property_table("indic")
        for code in np.flatnonzero(kinds[:0x12000]).tolist():
            if category(chr(code)) == "Mc":
                cell = self.shaper._compose(chr(code), False, self.shaper.sources)
                if cell is not None:
                    yield chr(code), cell

    def add(self, pairs: Iterable[tuple[str, bytes, str]]) -> bool:
        """Add units that stay known; of cells drawn alike, the first stays.

        Args:
            pairs: Characters and packed columns of each unit, and the forms that its letter may have or "".

        Returns:
            Whether there was a new one.
        """
        self.forget_line()
        self._same.clear()
        known = len(self.units)
        for text, cell, shapes in pairs:
            if not cell or (not any(cell) and not self._is_narrow_gap(text, cell)):
                continue
            index = self.index.table.get(cell, -1)
            if index < 0 and len(self.units) < _MAX_UNITS:
                index = self._append(text, cell, _UNIT_PRIOR)
            elif index >= 0:
                alike = self.twins.setdefault(int(self.index.codes[index]), [])
                if text not in alike and text != self.text_of(index):
                    alike.append(text)
            if index >= 0:
                self._note_forms(index, text, shapes)
        self._num_lasting = len(self.index)
        return len(self.units) > known

    def _note_forms(self, index: int, text: str, shapes: str) -> None:
        """Keep which forms of its letter a unit may be."""
        code, mask = int(self.index.codes[index]), reduce(or_, map(form_mask, shapes), 0)
        if mask and self.text_of(index) == text:
            self.forms[code] = self.forms.get(code, 0) | mask

    def _is_narrow_gap(self, text: str, cell: bytes) -> bool:
        """Tell whether a blank cell is a sign that is no space, such as the Mongolian vowel separator."""
        space = self.glyphs.space
        return bool(space) and not text.isspace() and len(cell) % len(space) != 0

    def _append(self, text: str, cell: bytes, prior: float) -> int:
        """Make a new class of a cell, and return its number."""
        lone_mark = category(text[0])[0] == "M" and category(text[0]) != "Mc"
        if lone_mark or ord(text[0]) >= 0x10000:
            prior += _RARE_PRIOR - _UNIT_PRIOR
        self.units.append(text)
        return self.index.append(cell, FIRST_UNIT + len(self.units) - 1, prior)

    def learn(self, texts: Iterable[str]) -> None:
        """Make known what texts look like: normalised texts; those that cannot be drawn are passed over."""
        self.add(unit_pairs(self.shaper, texts))

    def add_drawn(self) -> bool:
        """Add what the shaper has drawn since; return whether there was a new unit."""
        drawn = [*self.shaper.drawn.items()]
        if len(drawn) == self._num_drawn:
            return False
        pairs = [
            (texts if isinstance(texts, str) else texts[0], cell) for (texts, _, _), (cell, _, _) in drawn
        ]
        self._num_drawn = len(drawn)
        has_fonts = self.shaper.has_fonts
        return self.add((text, cell, "") for text, cell in pairs if needs_shaping(text, has_fonts))

    def text_of(self, index: int) -> str:
        """Return the characters that a class stands for."""
        return self.units[index - self._num_glyphs] if index >= self._num_glyphs else self.glyphs.chars[index]

    def _text_of_code(self, code: int) -> str:
        return self.units[code - FIRST_UNIT] if code >= FIRST_UNIT else chr(code)

    def texts_of(self, codes: np.ndarray) -> Sequence[str]:
        """Return what the codes of a reading stand for; of those drawn alike, one of the line's script.

        A mark is never chosen for what may be a character of its own: it would have nothing to stand on.
        """
        if codes.max(initial=0) < _FIRST_SHAPED:
            return super().texts_of(codes)
        each = codes.tolist()
        texts = [self._text_of_code(code) for code in each]
        # Marks with nothing below them, but for those in boxes.
        lone = [
            index
            for index, text in enumerate(texts)
            if each[index] >= FIRST_UNIT and len(text) == 1 and category(text) in ("Mn", "Me")
        ]
        if lone:
            kinds = {bidirectional(text[0]) for text in texts}
            beginning = len(texts) - 1 if "L" not in kinds and kinds & {"R", "AL"} else 0
            for index in lone:
                # After something else they stand on a space.
                texts[index] = texts[index] if index == beginning else " " + texts[index]
        if self.twins.keys().isdisjoint(each):
            return texts
        counts: Counter[str] = Counter()
        for char, count in Counter([text[0] for text in texts]).items():
            if ord(char) > 0x7F and is_letter(char):
                counts[script_of(char)] += count
        script = counts.most_common(1)[0][0] if counts else ""
        if not script:
            return texts
        are_latin = [code < 0x80 and chr(code).isalpha() for code in each]
        for index, code in enumerate(each):
            is_latin = (
                code < 0x80
                and chr(code).isalnum()
                and any(are_latin[max(index - 1, 0) : index] + are_latin[index + 1 : index + 2])
            )
            if script_of(texts[index][0]) != script and not is_latin:
                is_mark = category(texts[index][0])[0] == "M"
                alike = [text for text in self.twins.get(code, []) if _belongs_to(text, script, is_mark)]
                texts[index] = alike[0] if alike else texts[index]
        return texts

    def is_shaped(self, texts: Sequence[str], base: int | None) -> bool:
        """Tell whether what was read stands in visual order and must be put into logical order."""
        return base == 1 or needs_shaping("".join(texts))

    def has_units(self, indices: Iterable[int]) -> bool:
        """Tell whether some of the classes of a reading are units."""
        return any(index >= self._num_glyphs for index in indices)

    def masks_of(self, codes: np.ndarray) -> list[int]:
        """Return for each code of a reading the forms of a joined letter that it may be; see [`form_mask`]."""
        return [self.forms.get(code, 0) for code in codes.tolist()]

    def shares_of(self, codes: np.ndarray) -> np.ndarray:
        """Return for each code of a reading how likely its characters are among all that are drawn alike."""
        return np.array([self.shares.get(code, 1.0) for code in codes.tolist()], np.float32)

    def canonical(self, text: str) -> str:
        """As of all classes; of shaped characters drawn alike, the one that is read for them."""
        if not self._same:
            for code, alike in self.twins.items():
                first = self._text_of_code(code)
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
        size, widths = self.glyphs.height // 8, self._parts.widths
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
            index = self.index.table.get(cell, -1)
            if 0 <= index < self._num_lasting:
                char = self.text_of(index)[0]
                if ord(char) > 0x7F and category(char)[0] == "L":
                    counts[script_of(char)] += 1
        least = _SHARE * counts.total()
        return [script for script, count in counts.most_common() if count >= least] or self._parts.scripts

    def explain(self, data: bytes, starts: Sequence[int], indices: Sequence[int]) -> bool:
        """Take one of the cells apart that begin at some columns, and add it for this line.

        Args:
            data: Packed columns.
            starts: Columns, the likeliest first.
            indices: Classes that were read just before, to tell the script.

        Returns:
            Whether a new unit was found.
        """
        size = self.glyphs.height // 8
        texts = map(self.text_of, indices)
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
        """Take a cell apart with the letters of the first script that does it; return whether one does."""
        if cell in self.index.table or not any(cell):
            return False
        key = cell, tuple(scripts)
        if key not in self._explanations:
            if len(self._explanations) >= _MAX_EXPLANATIONS:
                self._explanations.clear()
            self._explanations[key] = self._parts.explain(cell, scripts)
        found = self._explanations[key]
        if found is not None:
            index = self._append(found.text, cell, _UNIT_PRIOR + _MARK_PRIOR * found.num_marks)
            self._note_forms(index, found.text, found.shapes)
            if found.share < 1:
                self.shares[int(self.index.codes[index])] = found.share
        return found is not None


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
            units = shaper.pieces(text)
        except NeedsFontError:
            continue
        for unit in units:
            counts.setdefault(unit.cell, Counter())[text[unit.start : unit.stop]] += 1
    # Of units drawn alike, the most frequent one.
    pairs = {cell: texts.most_common(1)[0][0] for cell, texts in counts.items()}
    return [(text, cell, "") for cell, text in pairs.items()]


__all__ = ["UnitClasses", "unit_pairs"]
