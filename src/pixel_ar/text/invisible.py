# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Characters without a shape of their own, by what they do. Every list of them is made of these.

Each constant is the inside of a character class of a regular expression: characters, and ranges with a hyphen.
"""

import re

import numpy as np

# Keep the letters on both sides from joining, or make them join.
JOINERS = "\u200c\u200d"
# Have a direction, and nothing else.
MARKS_OF_DIRECTION = "\u061c\u200e\u200f"
# Open and close a stretch of text of another direction (UAX #9, sections 2.1 to 2.5).
EMBEDDINGS, ISOLATES = "\u202a-\u202e", "\u2066-\u2069"
CONTROLS = MARKS_OF_DIRECTION + EMBEDDINGS + ISOLATES
# Choose between forms of the character before them; the supplement is for ideographs.
SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
# Name the region of a flag.
TAGS = "\U000e0020-\U000e007f"
# Have no shape even in shaped text, and change nothing of a font's: the grapheme joiner, zero-width spaces, the word
# joiner, operators that are understood.
SILENT = "\u034f\u200b\u2060-\u2064"
# No glyph is looked up for these.
IGNORABLE = SILENT + JOINERS + CONTROLS + SELECTORS + TAGS
# A font need not have these to draw a cluster. Without tags it would draw the flag of another region.
OPTIONAL_IN_FONTS = SILENT + JOINERS + CONTROLS + SELECTORS
# Those of the above that normalisation leaves in shaped text.
MEANINGFUL = JOINERS + CONTROLS + SELECTORS + TAGS
# All that normalisation takes out of a text with nothing to shape: assigned default-ignorable format characters
# (DerivedCoreProperties.txt) that are not part of a script that is shaped.
INVISIBLE = (
    "\u00ad\u034f\u200b-\u200e\u202a\u202c\u202d\u2060-\u2064\u2066\u2068-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f\U000e0100-\U000e01ef"
)
# Controls that turn the direction of the text around them.
TURNING = "\u061c\u200f\u202b\u202e\u2067"
# Hold the place of a jamo; choose between the forms of a Mongolian letter.
FILLERS, MONGOLIAN_SELECTORS = "\u115f\u1160", "\u180b-\u180f"


def class_mask(characters: str) -> np.ndarray:
    """Return which code points are in the inside of a character class, booleans `[0x110000]`."""
    mask = np.zeros(0x110000, bool)
    for first, last, single in re.findall("(.)-(.)|(.)", characters, re.DOTALL):
        mask[ord(first or single) : ord(last or single) + 1] = True
    return mask


__all__ = [
    "CONTROLS",
    "EMBEDDINGS",
    "FILLERS",
    "IGNORABLE",
    "INVISIBLE",
    "ISOLATES",
    "JOINERS",
    "MARKS_OF_DIRECTION",
    "MEANINGFUL",
    "MONGOLIAN_SELECTORS",
    "OPTIONAL_IN_FONTS",
    "SELECTORS",
    "SILENT",
    "TAGS",
    "TURNING",
    "class_mask",
]
