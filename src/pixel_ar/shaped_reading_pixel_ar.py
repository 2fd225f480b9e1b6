# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Reading of shaped lines: units as templates, and characters from visual back to logical order.

Every unit the renderer has drawn, alone or in a text it was shown, is a template: its cell stands for its characters.
A cell that is a base with marks laid over it is taken apart even if it was never drawn before. What was read stands in
visual order; the Bidirectional Algorithm has no inverse in general, so the likeliest text is laid out again, and kept
if that gives the same order.
"""

import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np

from .bidi_pixel_ar import bidi_classes, embedding_levels, visual_order
from .glyph_classes_pixel_ar import GlyphClasses
from .joining_pixel_ar import letters_of_forms
from .shaped_fonts_pixel_ar import ShapedFont
from .shaping_pixel_ar import SURROUNDING, NeedsFontError, TextShaper, needs_shaping
from .unicode_data_pixel_ar import LEFT_VOWEL, mirror_map, property_table

# Units stand in a reading as characters of the private planes 15 and 16.
_FIRST_UNIT = 0xF0000
_MAX_UNITS = 0x20000
_UNIT_PRIOR = 6.0
_MAX_MARKS = 3
# Pe, che, zhe, gaf, tteh, ddal, rreh, noon ghunna, heh goal and doachashmee, yeh barree; Persian digits.
_ONLY_PERSIAN = frozenset("\u067e\u0686\u0698\u06af\u0679\u0688\u0691\u06ba\u06c1\u06be\u06d2") | frozenset(
    map(chr, range(0x6F0, 0x6FA))
)
_PERSIAN_TWINS = {0x643: 0x6A9, 0x649: 0x6CC, 0x64A: 0x6CC}


class UnitClasses(GlyphClasses):
    """The glyphs of a chain, and the units a shaper makes of them. Grows as units are added.

    Args:
        atlases: The chain.
        alphabet: Characters to prefer.
        shaper: Draws the units.

    Attributes:
        units: Characters of each unit, in the order of their private code points.
        twins: Private code point -> other characters drawn alike.
    """

    def __init__(self, atlases: Sequence, alphabet: str, shaper: TextShaper) -> None:
        super().__init__(atlases, alphabet)
        self.shaper = shaper
        self.units: list[str] = []
        self.twins: dict[int, list[str]] = {}
        self._num_drawn = 0
        self._parts: dict[int, tuple[list[str], np.ndarray]] = {}
        self.add(self._single_units())

    def _single_units(self) -> list[tuple[str, bytes]]:
        """Every character that is shaped, drawn alone, and the presentation forms of joined letters."""
        pairs = []
        forms = letters_of_forms()
        seen: set[int] = set()
        for source in self.shaper.sources:
            for code in source.code_points.tolist():
                char = chr(code)
                kind = unicodedata.category(char)
                if code in seen or not needs_shaping(char) or kind in ("Cf", "Cn"):
                    continue
                if kind[0] == "M" and isinstance(source, ShapedFont):  # with a dotted circle
                    continue
                seen.add(code)
                text = forms.get(char, char)
                if len(text) == 1 and not unicodedata.is_normalized("NFC", text):
                    continue
                cell = source.glyph(source.index(char))
                pairs.append((text, cell))
                if len(text) == 1 and unicodedata.category(char) == "Mc":
                    pairs.append((text, self.shaper._compose(" " + char, False, (source,)) or cell))
        pairs += [(letters, cell) for letters, cell in self._trimmed()]
        # Letters before marks and forms: of cells drawn alike, the first is read.
        preferred = set(self.alphabet)
        return sorted(
            pairs,
            key=lambda pair: (
                not preferred.issuperset(pair[0]),
                unicodedata.category(pair[0][0])[0] == "M",
                pair[0],
            ),
        )

    def _trimmed(self) -> Iterable[tuple[str, bytes]]:
        """Spacing vowels as they stand beside a consonant."""
        kinds = property_table("indic")
        for code in np.flatnonzero(kinds[:0x12000]).tolist():
            if unicodedata.category(chr(code)) == "Mc":
                cell = self.shaper._compose(chr(code), False, self.shaper.sources)
                if cell is not None:
                    yield chr(code), cell

    def add(self, pairs: Iterable[tuple[str, bytes]]) -> bool:
        """Add units; of cells drawn alike, the first stays.

        Args:
            pairs: Characters and packed columns of each unit.

        Returns:
            Whether there was a new one.
        """
        codes, known = self.codes.tolist(), len(self.units)
        for text, cell in pairs:
            is_new = cell and any(cell) and cell not in self.table
            if cell in self.table:
                self.twins.setdefault(int(codes[self.table[cell]]), []).append(text)
            if is_new and len(self.units) < _MAX_UNITS:
                code = _FIRST_UNIT + len(self.units)
                self.table[cell] = len(codes)
                self.members[code] = len(codes)
                codes.append(code)
                self.units.append(text)
        if len(self.units) == known:
            return False
        self.cells = list(self.table)
        self.codes = np.array(codes, np.uint32)
        self.chars = [*self.chars, *map(chr, codes[len(self.chars) :])]
        self.widths = np.array([len(cell) for cell in self.cells], np.int32) // (self.height // 8)
        added = np.full(len(codes) - len(self.priors), _UNIT_PRIOR, np.float32)
        self.priors = np.concatenate([self.priors, added])
        self.prior_list = self.priors.tolist()
        for name in ("byte_lengths", "prefixes", "uniform_keys", "common", "_twins"):
            self.__dict__.pop(name, None)
        return True

    def add_drawn(self) -> bool:
        """Add what the shaper has drawn since; return whether there was a new unit."""
        drawn = [*self.shaper.drawn.items()]
        if len(drawn) == self._num_drawn:
            return False
        pairs = [
            (texts if isinstance(texts, str) else texts[0], cell) for (texts, _, _), (cell, _, _) in drawn
        ]
        self._num_drawn = len(drawn)
        return self.add((text, cell) for text, cell in pairs if needs_shaping(text))

    def text_of(self, char: str) -> str:
        """Return the characters that a character of a reading stands for."""
        number = ord(char) - _FIRST_UNIT
        return self.units[number] if 0 <= number < len(self.units) else char

    def texts_of(self, chars: str) -> list[str]:
        """Return what the characters of a reading stand for; of those drawn alike, one of the line's script."""
        texts = [self.text_of(char) for char in chars]
        blocks = [ord(text[0]) >> 7 for text in texts if ord(text[0]) > 0x7F]
        if not blocks or not any(ord(char) in self.twins for char in chars):
            return texts
        block = max(set(blocks), key=blocks.count)
        for index, char in enumerate(chars):
            if ord(texts[index][0]) >> 7 != block:
                alike = [text for text in self.twins.get(ord(char), []) if _belongs_to(text, block)]
                texts[index] = alike[0] if alike else texts[index]
        return texts

    # ---- cells never seen before ----

    def explain(self, data: bytes, start: int, block: int = 0) -> bool:
        """Take the cell that begins at a column apart into a base and marks, and add it.

        Args:
            data: Packed columns.
            start: A column.
            block: Number of the 128 characters that are the likeliest.

        Returns:
            Whether a new unit was found.
        """
        size = self.height // 8
        for width in (8, 16):
            cell = data[start * size : (start + width) * size]
            if len(cell) == width * size and cell not in self.table:
                text = self._take_apart(cell, width, block)
                if text is not None and self.add([(text, cell)]):
                    return True
        return False

    def _take_apart(self, cell: bytes, width: int, block: int) -> str | None:
        bases, base_bits = self._candidates(width, False)
        marks, mark_bits = self._candidates(width, True)
        wanted = np.frombuffer(cell, np.uint8)
        inside = np.flatnonzero(~(mark_bits & ~wanted).any(axis=1))
        found = np.flatnonzero(~(base_bits & ~wanted).any(axis=1))
        # The base with most ink first: a small one with many marks explains almost anything.
        ink = np.unpackbits(base_bits[found], axis=1).sum(axis=1)
        foreign = np.array([ord(bases[index][0]) >> 7 != block for index in found.tolist()], bool)
        for index in found[np.lexsort((-ink.astype(int), foreign))].tolist():
            chosen = self._cover(wanted, base_bits[index], inside.tolist(), mark_bits, bases[index], marks)
            if chosen is not None:
                return chosen
        return None

    def _cover(
        self,
        wanted: np.ndarray,
        base: np.ndarray,
        inside: list[int],
        bits: np.ndarray,
        text: str,
        marks: list[str],
    ) -> str | None:
        """Find up to three marks of the base's script that together with it give the cell."""
        block = ord(text[0]) >> 8
        nearby = [i for i in inside if ord(marks[i]) >> 8 == block or 0x300 <= ord(marks[i]) < 0x370]
        nearby.sort(key=lambda i: ord(marks[i]) >> 7 != ord(text[0]) >> 7)
        layers: list[tuple[np.ndarray, str]] = [(base, "")]
        for _ in range(_MAX_MARKS):
            following = []
            for drawn, added in layers:
                for i in nearby:
                    if marks[i] in added or not (bits[i] & ~drawn).any():
                        continue
                    union = drawn | bits[i]
                    if (union == wanted).all():
                        ordered = "".join(sorted(added + marks[i], key=_typing_order))
                        return unicodedata.normalize("NFC", text + ordered)
                    following.append((union, added + marks[i]))
            layers = following[:256]
        return None

    def _candidates(self, width: int, is_mark: bool) -> tuple[list[str], np.ndarray]:
        """Characters drawn in cells of this width, and their bits uint8 `[n, width * height // 8]`."""
        key = width * 2 + is_mark
        if key not in self._parts:
            texts, rows = [], []
            size = self.height // 8
            pairs = list(self._parts_of(is_mark))
            for text, cell in pairs:
                if len(cell) > width * size:
                    continue
                before = (width - len(cell) // size) // 2 * size
                rows.append((bytes(before) + cell).ljust(width * size, b"\0"))
                texts.append(text)
            bits = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), width * size)
            self._parts[key] = (texts, bits)
        return self._parts[key]

    def _parts_of(self, is_mark: bool) -> Iterable[tuple[str, bytes]]:
        forms = letters_of_forms()
        seen: set[int] = set()
        for source in self.shaper.sources:
            for code in source.code_points.tolist():
                if code in seen or code >= 0x11000 or 0x2E80 <= code < 0xA640 or 0xAC00 <= code < 0xD7B0:
                    continue
                char = chr(code)
                seen.add(code)
                kind = unicodedata.category(char)
                lies_over = kind in ("Mn", "Me") or char in SURROUNDING
                if is_mark == lies_over and kind[0] in "LMNS":
                    yield forms.get(char, char), source.glyph(source.index(char))


def _belongs_to(text: str, block: int) -> bool:
    """Tell whether characters are of a block of 128, or dandas, which all Indic scripts share."""
    return ord(text[0]) >> 7 == block or (text in ("\u0964", "\u0965") and 0x12 <= block <= 0x1B)


def _typing_order(mark: str) -> tuple[int, int]:
    """Where a mark stands among those of a letter: nukta, medials, subjoined letters; vowel signs; bindus, visarga."""
    code = ord(mark)
    if unicodedata.combining(mark) == 7 or 0x103B <= code <= 0x103E or 0xF90 <= code <= 0xFBC:
        return 0, code
    is_bindu = (0x900 <= code < 0xE00 and code & 0x7F in (0, 1, 2, 3)) or code in (0x1036, 0x1037, 0x17C6)
    return 2 if is_bindu else 1, code


# ---- visual to logical order ----


def logical_text(units: Sequence[str], base: int | None = None) -> tuple[str, list[int]]:
    """Return the text of units in visual order, and for each of its characters the unit it comes from.

    Blanks at the end of the text are dropped.

    Args:
        units: Characters of each unit, from left to right.
        base: Direction of the line, 0 or 1 (right to left); None: the one that fits.
    """
    order, texts = _best_guess(units, base)
    order, texts = _move_left_vowels(order, texts)
    text, origins = "", []
    for position, piece in zip(order, texts, strict=True):
        text += piece
        origins += [position] * len(piece)
    composed = unicodedata.normalize("NFC", text)
    if composed != text:
        origins = _realign(text, composed, origins)
    length = len(composed.rstrip(" "))
    return composed[:length], origins[:length]


def as_persian(text: str) -> str:
    """Return a text with the letters that Persian, Urdu and their relatives use where Arabic has others like them.

    Most forms of these letters are drawn alike. Text without a letter that only those languages have stays as it is.
    """
    return text.translate(_PERSIAN_TWINS) if any(char in _ONLY_PERSIAN for char in text) else text


def _realign(text: str, composed: str, origins: list[int]) -> list[int]:
    """Carry the origins of characters over to their composed forms."""
    aligned, position = [], 0
    for char in composed:
        aligned.append(origins[min(position, len(origins) - 1)])
        parts = unicodedata.normalize("NFD", char)
        source = ""
        while position < len(text) and len(source) < len(parts):
            source += unicodedata.normalize("NFD", text[position])
            position += 1
    return aligned


def _move_left_vowels(order: list[int], texts: list[str]) -> tuple[list[int], list[str]]:
    """Put vowels that are drawn before their consonant after it."""
    kinds = property_table("indic")
    order, texts = list(order), list(texts)
    index = 0
    while index + 1 < len(texts):
        piece = texts[index]
        if (
            len(piece) == 1
            and kinds[ord(piece)] == LEFT_VOWEL
            and unicodedata.category(texts[index + 1][0])[0] == "L"
        ):
            order[index : index + 2] = order[index + 1], order[index]
            texts[index : index + 2] = texts[index + 1], texts[index]
            index += 1
        index += 1
    for index in range(1, len(texts)):
        # A bindu is drawn over the consonant, and typed after the vowel sign beside it.
        before, piece = texts[index - 1], texts[index]
        if (
            len(piece) == 1
            and len(before) > 1
            and unicodedata.category(piece) == "Mc"
            and _typing_order(before[-1])[0] == 2
        ):
            texts[index - 1 : index + 1] = before[:-1], piece + before[-1]
    return order, texts


def _best_guess(units: Sequence[str], base: int | None) -> tuple[list[int], list[str]]:
    """Order and texts for the base direction that is given or fits."""
    if not units:
        return [], []
    classes = bidi_classes("".join(unit[0] for unit in units))
    if base is None and not set(classes) & set("RA9"):
        return list(range(len(units))), list(units)
    # Where both directions give the same picture, the one of most letters.
    num_left = classes.count("L")
    bases: tuple[int, ...] = (
        (0, 1) if 2 * num_left > num_left + len([letter for letter in classes if letter in "RA"]) else (1, 0)
    )
    if base is not None:
        bases = (base,)
    guesses = [_invert(units, classes, each) for each in bases]
    for each, (order, texts) in zip(bases, guesses, strict=True):
        levels, found = embedding_levels("".join(text[0] for text in texts), base)
        if found == each and [order[i] for i in visual_order(levels)] == list(range(len(units))):
            return order, texts
    return guesses[0]


def _invert(units: Sequence[str], classes: str, base: int) -> tuple[list[int], list[str]]:
    """Undo the reordering of a line of one base direction."""
    mirrors = mirror_map()
    positions = list(range(len(units)))
    if base:
        positions.reverse()
        classes = classes[::-1]
    firsts = "".join(units[position][0] for position in positions)
    if base:
        firsts = "".join(mirrors.get(char, char) for char in firsts)
    levels, _ = embedding_levels(firsts, base, classes)
    # The line is turned round already, so only what runs against it is left.
    order = [
        positions[i] for i in visual_order([max(level, 0) - base if level > base else 0 for level in levels])
    ]
    level_of = dict(zip(positions, levels, strict=True))
    texts = []
    for position in order:
        unit = units[position]
        is_mirrored = level_of[position] & 1 and len(unit) == 1
        texts.append(mirrors.get(unit, unit) if is_mirrored else unit)
    return order, texts


def unit_pairs(shaper: TextShaper, texts: Iterable[str]) -> list[tuple[str, bytes]]:
    """Draw texts and return their units: what a reader is to know.

    Args:
        shaper: Of the renderer.
        texts: Normalised texts; those that cannot be drawn are passed over.
    """
    pairs: dict[bytes, str] = {}
    for text in texts:
        try:
            units = shaper.units(text)
        except NeedsFontError:
            continue
        for unit in units:
            pairs.setdefault(unit.cell, text[unit.start : unit.stop])
    return [(text, cell) for cell, text in pairs.items()]


__all__ = ["UnitClasses", "as_persian", "logical_text", "unit_pairs"]
