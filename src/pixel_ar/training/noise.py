# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Noise for text: look-alike characters, typing errors, leetspeak, letter spacing, diacritics.

For training on noisy text, and for measuring what a model withstands:

    noise("The people", strength=0.3, seed=1)
    dataset.map(NoiseTransform(0.3, columns=["text"]))                  # the same noise each time: evaluation
    dataset.with_transform(NoiseTransform(0.1, seed=None))              # new noise each time: training

Noise is nested: with one seed, the characters changed at 0.1 are changed at 0.3, and others with them.

What a pixel model sees of it depends on the font. Many confusables are drawn alike, pixel for pixel (Latin and Cyrillic
`a` in each of our atlases), so that nothing at all has changed for it; report the kinds one by one, beside the sum.
"""

import hashlib
import random
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..processing.processing_pixel_ar import PixelProcessor


def _parse(entries: str) -> dict[str, str]:
    """Reads a table: in each entry a character, then what may stand in its place."""
    return {entry[0]: entry[1:] for entry in entries.split()}


# Look-alikes that both bundled atlases of text (fixed-5x8 and unifont-16) cover.
CONFUSABLES = _parse(
    "AΑА BΒВ CС EΕЕ HΗН IΙІl JЈ KΚК MΜМ NΝИ OΟО0 PΡР RЯ SЅ TΤТ WШ XΧХ YΥҮ ZΖ aаα bЬ cсϲ eе hһ iіı jј kкκ "
    "lI1| mм nпη oоοσ pрρ rг sѕ tтτ uυμ vν wωш xхχ yуγ 0OО 1lI 3З 4Ч 6б -‐– '’ \"”"
)
# More of them, from scripts that only unifont-16 covers; full-width forms of ASCII join them below.
WIDE_CONFUSABLES = _parse(
    "AᎪꓮ BᏴꓐ CᏟꓚ DᎠꓓ EᎬꓰ FꓝϜ GԌꓖ HᎻꓧ IӀⅼ JᎫꓙ KᏦꓗ LᏞꓡ MᎷꓟ Nꓠ OՕꓳ PᏢꓑ QԚ Rꓣ SՏꓢ TᎢꓔ UՍꓴ Vꓦ WᎳꓪ Xꓫ Yꓬ ZᏃꓜ aɑ "
    "bƅ cⅽ dԁⅾ fƒ gɡց hհ iⅰɩ jϳ lⅼӏ mⅿʍ nո oօ qԛգ rɼ sꜱ tƭ uսʋ vⅴѵ wԝա xⅹ yყү zʐ 4Ꮞ ?ʔ !ǃ :։"
)
LEET = _parse("a4@ b8 e3 g9 i1! l1| o0 s5$ t7+ z2 A4@ B8 E3 G6 I1! O0 S5$ T7+ Z2")
KEYBOARD = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
# Grave, acute, circumflex, tilde, macron, breve, dot above, diaeresis, ring, caron, cedilla, ogonek.
MARKS = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030c\u0327\u0328"

VISUAL_KINDS = ("confusables", "leet", "spacing", "diacritics")
KINDS = (*VISUAL_KINDS, "typos")  # what every bundled atlas of text can draw
ALL_KINDS = (*KINDS, "wide_confusables")


class Change(NamedTuple):
    """What becomes of a character.

    Attributes:
        text: what stands in its place.
        taken: how many characters of the original it replaces.
    """

    text: str
    taken: int = 1


def noise(
    text: str,
    strength: float,
    kinds: Sequence[str] = KINDS,
    seed: int = 0,
    generator: random.Random | None = None,
    processor: PixelProcessor | None = None,
) -> str:
    """A noisy copy of a text.

    Each character is changed with probability `strength`, by one of the kinds that apply to it, each as likely as the
    others; a character none applies to (white space, most punctuation) stays. The kinds:

    - `"confusables"`: a character that looks alike, of ASCII, Greek or Cyrillic.
    - `"wide_confusables"`: also of Armenian, Cherokee, Lisu and full-width forms; needs unifont-16.
    - `"leet"`: a digit or sign in place of the letter.
    - `"spacing"`: a space between it and the next letter of its word.
    - `"diacritics"`: the letter with a mark that Latin scripts of Europe use.
    - `"typos"`: a neighbour on the keyboard, two letters swapped, one left out (never the first of a word) or doubled.

    Args:
        text: any text.
        strength: 0 (the text itself) to 1.
        kinds: of `ALL_KINDS`.
        seed: with the text, decides everything: equal arguments give equal noise, in every process.
        generator: source of randomness in place of the seed.
        processor: only what it can draw is put in; without, what the atlas named above can.

    Raises:
        ValueError: for a strength outside 0 to 1, or unknown or no kinds.
    """
    return NoiseTransform(strength, kinds, seed, processor=processor).apply(text, generator)


class NoiseTransform:
    """[`noise`] for data sets: a function for `map` and `with_transform` of `datasets`, and for single texts.

    Args:
        strength: see [`noise`].
        kinds: see [`noise`].
        seed: see [`noise`]; `None`: new noise each time, from Python's `random`, which data loaders seed per worker.
        columns: texts of an example (or lists of texts: batches, words) that get noise.
        processor: see [`noise`].

    Raises:
        ValueError: for a strength outside 0 to 1, or unknown or no kinds.
    """

    def __init__(
        self,
        strength: float,
        kinds: Sequence[str] = KINDS,
        seed: int | None = 0,
        columns: Sequence[str] = ("text",),
        processor: PixelProcessor | None = None,
    ) -> None:
        if not isinstance(strength, int | float) or not 0 <= strength <= 1:
            raise ValueError(f"strength must be a number from 0 to 1, got {strength!r}.")
        is_list = isinstance(kinds, Sequence) and not isinstance(kinds, str)
        if not is_list or not kinds or any(kind not in ALL_KINDS for kind in kinds):
            raise ValueError(f"kinds must be some of {', '.join(map(repr, ALL_KINDS))}, got {kinds!r}.")
        self.strength = float(strength)
        self.kinds = tuple(kinds)
        self.seed = seed
        self.columns = (columns,) if isinstance(columns, str) else tuple(columns)
        self._tables = {kind: _table(kind, processor) for kind in self.kinds if kind in _TABLES}
        self._neighbours = _drawable(_NEIGHBOURS, processor)

    def __call__(self, example: dict[str, Any]) -> dict[str, Any]:
        """An example, or a batch of them, with noise in its text columns.

        Raises:
            KeyError: for a missing column, naming those there are.
            TypeError: for a column that holds something else than texts.
        """
        changed = dict(example)
        for column in self.columns:
            if column not in changed:
                raise KeyError(f"no column {column!r} among {sorted(changed)}: name the text columns.")
            changed[column] = self._apply_all(changed[column])
        return changed

    def _apply_all(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.apply(value)
        if not isinstance(value, Sequence):
            raise TypeError(
                f"noise is for texts and lists of texts, got {value!r}; take empty rows out first."
            )
        return [self._apply_all(item) for item in value]

    def apply(self, text: str, generator: random.Random | None = None) -> str:
        """A noisy copy of one text.

        Args:
            text: any text.
            generator: source of randomness in place of the seed.
        """
        if self.strength == 0:
            return text
        draw = self._source(text, generator)
        parts: list[str] = []
        taken = 0
        for place, char in enumerate(text):
            # Three numbers for every character, used or not: the noise of a character does not depend on its strength.
            chance, kind, choice = draw(), draw(), draw()
            if taken > 0:
                taken -= 1
                continue
            change = self._change(text, place, kind, choice) if chance < self.strength else None
            parts.append(change.text if change else char)
            taken = change.taken - 1 if change else 0
        return "".join(parts)

    def _source(self, text: str, generator: random.Random | None) -> Callable[[], float]:
        if generator is not None:
            return generator.random
        if self.seed is None:
            return random.random
        digest = hashlib.sha256(f"{self.seed}:".encode() + text.encode("utf-8", "surrogatepass")).digest()
        return random.Random(int.from_bytes(digest[:8], "big")).random

    def _change(self, text: str, place: int, kind: float, choice: float) -> Change | None:
        """The change of one character; `kind` and `choice` in [0, 1) decide."""
        changes: list[Change] = []
        for name in self.kinds:
            if name == "spacing":
                change = _spaced(text, place)
            elif name == "typos":
                change = self._typo(text, place, choice)
            else:
                options = self._tables[name].get(text[place])
                change = Change(_pick(options, choice)) if options else None
            if change is not None:
                changes.append(change)
        return changes[int(kind * len(changes))] if changes else None

    def _typo(self, text: str, place: int, choice: float) -> Change | None:
        char, following = text[place], text[place + 1 : place + 2]
        if not char.isalnum():
            return None
        which, rest = divmod(choice * 4, 1)
        if which == 0 and char.lower() in self._neighbours:
            neighbour = _pick(self._neighbours[char.lower()], rest)
            return Change(neighbour.upper() if char.isupper() else neighbour)
        if which == 1 and following.isalnum() and following != char:
            return Change(following + char, taken=2)
        if which == 2 and place > 0 and text[place - 1].isalnum():
            return Change("")
        return Change(char * 2)


def _spaced(text: str, place: int) -> Change | None:
    pair = text[place : place + 2]
    return Change(f"{text[place]} ") if len(pair) == 2 and pair.isalnum() else None


def _pick(options: str, choice: float) -> str:
    return options[int(choice * len(options))]


def _keyboard_neighbours() -> dict[str, str]:
    """Keys beside and diagonally below or above each key; each row stands half a key to the right of the one above."""
    neighbours = {}
    for number, row in enumerate(KEYBOARD):
        for place, key in enumerate(row):
            beside = row[max(place - 1, 0) : place] + row[place + 1 : place + 2]
            above = KEYBOARD[number - 1][place : place + 2] if number > 0 else ""
            below = KEYBOARD[number + 1][max(place - 1, 0) : place + 1] if number + 1 < len(KEYBOARD) else ""
            neighbours[key] = beside + above + below
    return neighbours


def _with_marks() -> dict[str, str]:
    """The letters of ASCII with each mark that makes one character of Latin-1 or Latin Extended-A with them."""
    table = {}
    for char in map(chr, range(128)):
        joined = (unicodedata.normalize("NFC", char + mark) for mark in MARKS) if char.isalpha() else ()
        options = "".join(letter for letter in joined if len(letter) == 1 and ord(letter) < 0x180)
        if options:
            table[char] = options
    return table


def _wide() -> dict[str, str]:
    chars = map(chr, range(0x21, 0x7F))
    return {c: CONFUSABLES.get(c, "") + WIDE_CONFUSABLES.get(c, "") + chr(ord(c) + 0xFEE0) for c in chars}


_NEIGHBOURS = _keyboard_neighbours()
_TABLES: dict[str, dict[str, str]] = {
    "confusables": CONFUSABLES,
    "wide_confusables": _wide(),
    "leet": LEET,
    "diacritics": _with_marks(),
}


def _table(kind: str, processor: PixelProcessor | None) -> dict[str, str]:
    return _drawable(_TABLES[kind], processor)


def _drawable(table: dict[str, str], processor: PixelProcessor | None) -> dict[str, str]:
    """The part of a table that a processor can draw."""
    if processor is None:
        return table
    missing = set(processor.coverage("".join(table.values())))
    kept = {char: "".join(c for c in options if c not in missing) for char, options in table.items()}
    return {char: options for char, options in kept.items() if options}


__all__ = ["ALL_KINDS", "KINDS", "VISUAL_KINDS", "NoiseTransform", "noise"]
