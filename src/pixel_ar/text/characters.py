# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What becomes of each Unicode character before a glyph is looked up.

Every code point has a defined result; nothing is cut off or lost unseen:

- Line breaks of every kind (LF, CR LF, CR, VT, FF, NEL, U+2028, U+2029): one space (`newline="space"`) or `↵`
  U+21B5 (`"symbol"`).
- Tab: one space (`tab="space"`) or `tab` spaces. No tab stops, so that a text never depends on what stands
  before it.
- Invisible format characters (soft hyphen, ZWSP, ZWNJ, ZWJ, BOM, word joiner, LRM, variation selectors, ...):
  absent from the normalised text; they have no shape in left-to-right text. In shaped text those that have a meaning
  for the characters around them stay.
- Right-to-left and shaped scripts, combining marks that NFC does not join to a letter, right-to-left controls: drawn
  as `rendering.shaper` describes (`unsupported="shape"` or `"cells"`, which differ in what cannot be conjoined);
  `UnsupportedScriptError` (`"error"`); or missing characters (`"missing"`).
- Other control characters (NUL, ESC, C1), private use, unassigned code points: missing unless an atlas has a
  glyph.
- Lone surrogates: missing under `missing="error"`, else U+FFFD.
- Everything else: its glyph, or missing.

A missing character raises `MissingGlyphError` (`missing="error"`), or is drawn as a box with its hexadecimal
digits (`"hexbox"`; `"warn"` also warns once per renderer).
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .invisible import INVISIBLE, MEANINGFUL, TURNING
from .normalization import nfc
from .properties import bidirectional, category, is_mark

# Blocks whose text needs reordering, joining or stacking (Unicode 15.0 Blocks.txt; blocks never change once encoded).
_UNSUPPORTED_BLOCKS = (
    "590-5FF Hebrew;600-6FF Arabic;700-74F Syriac;750-77F Arabic;780-7BF Thaana;7C0-7FF N'Ko;800-83F Samaritan;"
    "840-85F Mandaic;860-86F Syriac;870-8FF Arabic;900-97F Devanagari;980-9FF Bengali;A00-A7F Gurmukhi;"
    "A80-AFF Gujarati;B00-B7F Oriya;B80-BFF Tamil;C00-C7F Telugu;C80-CFF Kannada;D00-D7F Malayalam;D80-DFF Sinhala;"
    "E00-E7F Thai;E80-EFF Lao;F00-FFF Tibetan;1000-109F Myanmar;1100-11FF Hangul conjoining Jamo;1700-171F Tagalog;"
    "1720-173F Hanunoo;1740-175F Buhid;1760-177F Tagbanwa;1780-17FF Khmer;1800-18AF Mongolian;1900-194F Limbu;"
    "1A00-1A1F Buginese;1A20-1AAF Tai Tham;1B00-1B7F Balinese;1B80-1BBF Sundanese;1BC0-1BFF Batak;1C00-1C4F Lepcha;"
    "1CD0-1CFF Vedic;A800-A82F Syloti Nagri;A840-A87F Phags-pa;A880-A8DF Saurashtra;A8E0-A8FF Devanagari;"
    "A930-A95F Rejang;A960-A97F Hangul conjoining Jamo;A980-A9DF Javanese;A9E0-A9FF Myanmar;AA00-AA5F Cham;"
    "AA60-AA7F Myanmar;AA80-AADF Tai Viet;AAE0-AAFF Meetei Mayek;ABC0-ABFF Meetei Mayek;"
    "D7B0-D7FF Hangul conjoining Jamo;FB1D-FB4F Hebrew;FB50-FDCF Arabic;FDF0-FDFF Arabic;FE70-FEFE Arabic;"
    "10800-1083F Cypriot;10840-1085F Imperial Aramaic;10860-1087F Palmyrene;10880-108AF Nabataean;108E0-108FF Hatran;"
    "10900-1091F Phoenician;10920-1093F Lydian;10980-109FF Meroitic;10A00-10A5F Kharoshthi;"
    "10A60-10A7F Old South Arabian;10A80-10A9F Old North Arabian;10AC0-10AFF Manichaean;10B00-10B3F Avestan;"
    "10B40-10B5F Inscriptional Parthian;10B60-10B7F Inscriptional Pahlavi;10B80-10BAF Psalter Pahlavi;"
    "10C00-10C4F Old Turkic;10C80-10CFF Old Hungarian;10D00-10D3F Hanifi Rohingya;10E60-10E7F Rumi numeral;"
    "10E80-10EBF Yezidi;10EC0-10EFF Arabic;10F00-10F2F Old Sogdian;10F30-10F6F Sogdian;10F70-10FAF Old Uyghur;"
    "10FB0-10FDF Chorasmian;10FE0-10FFF Elymaic;11000-1107F Brahmi;11080-110CF Kaithi;110D0-110FF Sora Sompeng;"
    "11100-1114F Chakma;11150-1117F Mahajani;11180-111DF Sharada;111E0-111FF Sinhala;11200-1124F Khojki;"
    "11280-112AF Multani;112B0-112FF Khudawadi;11300-1137F Grantha;11400-1147F Newa;11480-114DF Tirhuta;"
    "11580-115FF Siddham;11600-1165F Modi;11660-1167F Mongolian;11680-116CF Takri;11700-1174F Ahom;11800-1184F Dogra;"
    "118A0-118FF Warang Citi;11900-1195F Dives Akuru;119A0-119FF Nandinagari;11A00-11A4F Zanabazar Square;"
    "11A50-11AAF Soyombo;11B00-11B5F Devanagari;11C00-11C6F Bhaiksuki;11C70-11CBF Marchen;11D00-11D5F Masaram Gondi;"
    "11D60-11DAF Gunjala Gondi;11EE0-11EFF Makasar;11F00-11F5F Kawi;13430-1345F Egyptian hieroglyph format control;"
    "16F00-16F9F Miao;1BC00-1BC9F Duployan;1D800-1DAAF Sutton SignWriting;1E800-1E8DF Mende Kikakui;1E900-1E95F Adlam;"
    "1EC70-1ECBF Indic Siyaq;1ED00-1ED4F Ottoman Siyaq;1EE00-1EEFF Arabic"
)
_LINE_BREAKS = "\n\r\v\f\x85\u2028\u2029"
# What normalisation treats by more than form NFC, as the inside of a character class.
SPECIAL = f"\t{_LINE_BREAKS}{INVISIBLE}\ud800-\udfff"
_SPECIAL = re.compile(f"\r\n|[{SPECIAL}]")
_INVISIBLE_PATTERN = re.compile(f"[{INVISIBLE}]")
# Joiners, selectors and directional controls have a meaning in shaped text.
_KEPT = re.compile(f"[{MEANINGFUL}]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_CATEGORY_NAMES = {"Cc": "control", "Cs": "lone surrogate", "Co": "private use", "Cn": "unassigned"}


def _parse_blocks() -> tuple[list[int], list[int], list[str]]:
    firsts, lasts, scripts = [], [], []
    for entry in _UNSUPPORTED_BLOCKS.split(";"):
        span, script = entry.split(" ", 1)
        first, last = span.split("-")
        firsts.append(int(first, 16))
        lasts.append(int(last, 16))
        scripts.append(script)
    return firsts, lasts, scripts


_FIRSTS, _LASTS, _SCRIPTS = _parse_blocks()


def unsupported_script(char: str) -> str | None:
    """Name the script (or kind of mark) that keeps `char` from being drawn one glyph after another.

    Args:
        char: One character.

    Returns:
        A name such as `"Arabic"`, `"combining mark"` or `"right-to-left control"`; None for a character that stands
        alone. Currency signs inside an unsupported block (`฿`, `৳`) stand alone.
    """
    if char in TURNING:
        return "right-to-left control"
    index = bisect_right(_FIRSTS, ord(char)) - 1
    if index >= 0 and ord(char) <= _LASTS[index]:
        currency = category(char) == "Sc" and bidirectional(char) == "ET"
        return None if currency else _SCRIPTS[index]
    if is_mark(char) and not _INVISIBLE_PATTERN.match(char):
        return "combining mark"
    return None


def drawable_mask(code_points: np.ndarray) -> np.ndarray:
    """Tell which glyphs of an atlas the renderer may draw.

    Args:
        code_points: Integers `[G]`.

    Returns:
        Booleans `[G]`: False for unsupported scripts, marks, and characters that normalisation removes.
    """
    codes = np.asarray(code_points)
    mask = np.ones(len(codes), dtype=bool)
    # Nearly all glyphs of a large atlas are ideographs and Hangul syllables: not worth a look each.
    plain = (
        ((codes >= 0x3400) & (codes <= 0xA63F)) | ((codes >= 0xAC00) & (codes <= 0xD7A3)) | (codes >> 17 == 1)
    )
    for index in np.flatnonzero(~plain).tolist():
        char = chr(int(codes[index]))
        mask[index] = unsupported_script(char) is None and not _SPECIAL.match(char)
    return mask


def describe(char: str) -> str:
    """Return the code point as `U+0041 NAME`, with the kind in angle brackets for a character that has no name."""
    kind = _CATEGORY_NAMES.get(category(char), "unnamed")
    return f"U+{ord(char):04X} {unicodedata.name(char, f'<{kind}>')}"


class MissingGlyphError(ValueError):
    """A text holds characters that no atlas of the renderer covers.

    Attributes:
        characters: The missing characters, sorted.
        atlases: Names of the atlases that were searched.
    """

    def __init__(self, characters: Iterable[str], atlases: Iterable[str] = ()) -> None:
        self.characters = tuple(sorted(set(characters)))
        self.atlases = tuple(atlases)
        shown = ", ".join(describe(char) for char in self.characters[:5])
        more = f" and {len(self.characters) - 5} more" if len(self.characters) > 5 else ""
        super().__init__(
            f"no glyph for {shown}{more} in atlas {', '.join(self.atlases)}. Ways out: missing='hexbox' draws each as "
            "a box with its hexadecimal code; a font file that has it, added to the chain (atlases=(..., 'font.ttf')); "
            "or take it out of the text."
        )

    def __reduce__(self) -> tuple:
        return type(self), (self.characters, self.atlases)


class UnsupportedScriptError(ValueError):
    """A text needs right-to-left layout, joining or shaping, which drawing glyph after glyph would get wrong.

    Attributes:
        character: The first such character.
        script: Its script, or `"combining mark"` / `"right-to-left control"`.
    """

    def __init__(self, character: str, script: str) -> None:
        self.character, self.script = character, script
        need = (
            "its base letter (NFC has no composed form)"
            if script == "combining mark"
            else "shaping or reordering"
        )
        super().__init__(
            f"{describe(character)} ({script}) needs {need}, which this renderer does not do; drawing it glyph by "
            "glyph would be wrong. Ways out: pass unsupported='shape' to have it shaped; take such text out; or pass "
            "unsupported='missing' to treat these characters as missing ones (with missing='hexbox' each becomes a "
            "box with its code)."
        )

    def __reduce__(self) -> tuple:
        return type(self), (self.character, self.script)


@dataclass(frozen=True)
class CharacterPolicy:
    """How characters without a plain glyph are treated; see the table at the top of this module.

    Attributes:
        missing: `"error"`, `"warn"` or `"hexbox"`.
        newline: `"space"` or `"symbol"`.
        tab: `"space"`, or a number of spaces from 1 to 16.
        normalize: `"NFC"`, or None for text that is to be drawn as it is.
        unsupported: `"error"`, `"missing"`, `"shape"` or `"cells"`.
    """

    missing: str = "error"
    newline: str = "space"
    tab: str | int = "space"
    normalize: str | None = "NFC"
    unsupported: str = "error"

    def __post_init__(self) -> None:
        choices = {
            "missing": ("error", "warn", "hexbox"),
            "newline": ("space", "symbol"),
            "normalize": ("NFC", None),
            "unsupported": ("error", "missing", "shape", "cells"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(map(repr, allowed))}, got {getattr(self, name)!r}"
                )
        number = isinstance(self.tab, int) and not isinstance(self.tab, bool) and 1 <= self.tab <= 16
        if self.tab != "space" and not number:
            raise ValueError(f"tab must be 'space' or a number of spaces from 1 to 16, got {self.tab!r}")

    @property
    def shapes(self) -> bool:
        """Whether text that needs shaping is shaped."""
        return self.unsupported in ("shape", "cells")

    def normalise(self, text: str, keep_joiners: bool = False) -> str:
        """Return the text that is drawn; applying it twice changes nothing more.

        Format characters go before NFC, so that none of them can keep a letter and its mark apart. `normalise(a + b)`
        begins with `normalise(a)` unless `b` starts with a combining mark or conjoining Jamo that NFC joins to the end
        of `a`.

        Args:
            text: Any text.
            keep_joiners: Whether joiners, selectors and directional controls stay.
        """
        if text.isascii() and text.isprintable():
            return text
        if _SPECIAL.search(text):
            replace = _replacements(self.newline, self.tab, self.missing)

            def treat(match: "re.Match[str]") -> str:
                char = match.group()
                return char if keep_joiners and _KEPT.match(char) else replace(char)

            text = _SPECIAL.sub(treat, text)
        return text if self.normalize is None else nfc(text)


def has_surrogates(text: str) -> bool:
    """Tell whether `text` holds a lone surrogate (U+D800 to U+DFFF)."""
    return _SURROGATES.search(text) is not None


@lru_cache(maxsize=64)
def _replacements(newline: str, tab: str | int, missing: str) -> Callable[[str], str]:
    """Build the function from one match of `_SPECIAL` to its replacement."""
    table = dict.fromkeys(["\r\n", *_LINE_BREAKS], " " if newline == "space" else "\u21b5")
    table["\t"] = " " if isinstance(tab, str) else " " * tab

    def replace(match: str) -> str:
        if "\ud800" <= match <= "\udfff":
            return match if missing == "error" else "\ufffd"
        return table.get(match, "")

    return replace
