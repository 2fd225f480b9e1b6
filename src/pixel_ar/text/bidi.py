# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The Unicode Bidirectional Algorithm (UAX #9, revision 46): the order in which a line's characters are seen.

Classes are strings of one letter a character, so that most rules are one substitution. Strips are single lines:
everything is one paragraph, and a paragraph separator inside counts as one for rule L1 only.
"""

import re
from collections.abc import Sequence
from functools import cache

import numpy as np

from .properties import BIDI_CLASSES, bracket_pairs, code_points, property_table

# One letter for each of BIDI_CLASSES.
_LETTERS = dict(zip(BIDI_CLASSES, "LRA1+%9,nbPSwoedfghijkm", strict=True))
_EXPLICIT = re.compile("[defghijkm]")
_RIGHT = re.compile("[RA9fgjk]")
_STRONG = re.compile("[LRA]")
# Rules W1 to W7.
_MARKS = re.compile("n+")
_AFTER = dict.fromkeys("ijkm", "o")
_AFTER_ARABIC = re.compile("A[^LR]*")
_BETWEEN_NUMBERS = re.compile("1[+,](?=1)")
_BETWEEN_ARABIC_NUMBERS = re.compile("9,(?=9)")
_BESIDE_NUMBERS = re.compile("(?<=1)%+|%+(?=1)")
_OTHER = str.maketrans("+,%", "ooo")
_AFTER_LATIN = re.compile("L[^R]*")
# Rules N1 and I1, I2 for a line of one embedding.
_IN_RIGHT = re.compile("[R19][owPS]+(?=[R19])")
_IN_LEFT = re.compile("L[owPS]+(?=L)")
_TRAILING = re.compile("w*[PS]|w+$")
_LEVELS = (
    str.maketrans("LR19owPS", "01220000"),
    str.maketrans("LR19owPS", "21221111"),
)
_MAX_DEPTH = 125
_MAX_BRACKETS = 63
_AS_STRONG = {"L": "L", "R": "R", "1": "R", "9": "R"}
_CANONICAL = {"\u2329": "\u3008", "\u232a": "\u3009"}


@cache
def _letter_table() -> np.ndarray:
    letters = np.frombuffer("".join(_LETTERS.values()).encode(), np.uint8)
    return letters[property_table("bidi")]


@cache
def _brackets() -> tuple[dict[str, str], frozenset[str]]:
    """(opening -> canonical closing, canonical closing) brackets."""
    opening = {char: _CANONICAL.get(other, other) for char, other in bracket_pairs().items()}
    return opening, frozenset(opening.values())


@cache
def _bracket_expression() -> re.Pattern[str]:
    opening, closing = _brackets()
    return re.compile("[" + re.escape("".join([*opening, *closing, *_CANONICAL])) + "]")


def class_letters(classes: "list[str]") -> str:
    """Turn names of bidirectional classes (`"AL"`, `"EN"`) into the letters used here."""
    return "".join(_LETTERS[name] for name in classes)


def bidi_classes(text: str) -> str:
    """Return the class of each character as a letter, `len(text)` letters."""
    return _letter_table()[code_points(text)].tobytes().decode("ascii")


def base_level(classes: str) -> int:
    """Return 1 if the first strong class outside isolates is right-to-left, else 0 (rules P2 and P3).

    Args:
        classes: Letters, as of [`bidi_classes`].
    """
    return _first_strong(classes, 0, len(classes))


def _first_strong(classes: str, first: int, stop: int) -> int:
    depth = 0
    for letter in classes[first:stop]:
        if letter in "ijk":
            depth += 1
        elif letter == "m":
            depth = max(0, depth - 1)
        elif depth == 0 and letter in "LRA":
            return int(letter != "L")
    return 0


def embedding_levels(text: str, base: int | None = None, classes: str | None = None) -> tuple[list[int], int]:
    """Resolve the embedding level of every character of a line.

    Args:
        text: The line, in logical order.
        base: Level of the paragraph, 0 or 1; by default that of its first strong character.
        classes: Letters in place of those of the text, for tests.

    Returns:
        The levels after rule L1, -1 for characters that rule X9 removes, and the level of the paragraph.

    Raises:
        ValueError: for another `base`.
    """
    if base not in (None, 0, 1):
        raise ValueError(f"base must be 0 (left to right), 1 (right to left) or None, got {base!r}")
    letters = bidi_classes(text) if classes is None else classes
    base = base_level(letters) if base is None else base
    if base == 0 and not _RIGHT.search(letters) and not _EXPLICIT.search(letters):
        return [0 if letter != "b" else -1 for letter in letters], 0
    if _EXPLICIT.search(letters):
        kinds, levels = _explicit_levels(letters, base)
    else:
        kinds, levels = list(letters), [-1 if letter == "b" else base for letter in letters]
    matches = _isolate_matches(letters)
    explicit = list(levels)
    for sequence in _sequences(letters, explicit, matches):
        kinds_of_ends = _sequence_ends(letters, explicit, sequence, base, matches)
        resolved = _resolve_sequence(text, letters, kinds, explicit[sequence[0]], sequence, kinds_of_ends)
        for index, level in zip(sequence, resolved, strict=True):
            levels[index] = level
    return _reset_whitespace(letters, levels, base), base


def _explicit_levels(letters: str, base: int) -> tuple[list[str], list[int]]:
    """Rules X1 to X9: classes after overrides, and levels (-1 = removed)."""
    kinds, levels = list(letters), [base] * len(letters)
    matches = _isolate_matches(letters)
    stack: list[tuple[int, str, bool]] = [(base, "", False)]
    lost_isolates = lost_embeddings = open_isolates = 0
    for index, letter in enumerate(letters):
        level, override, _ = stack[-1]
        if letter in "defg":
            levels[index] = -1
            new = (level + 1) | 1 if letter in "fg" else (level + 2) & ~1
            if new <= _MAX_DEPTH and not lost_isolates and not lost_embeddings:
                stack.append((new, {"g": "R", "d": "L"}.get(letter, ""), False))
            elif not lost_isolates:
                lost_embeddings += 1
        elif letter in "ijk":
            levels[index] = level
            kinds[index] = override or letter
            stop = matches.get(index, len(letters))
            right = letter == "j" or (letter == "k" and _first_strong(letters, index + 1, stop) == 1)
            new = (level + 1) | 1 if right else (level + 2) & ~1
            if new <= _MAX_DEPTH and not lost_isolates and not lost_embeddings:
                open_isolates += 1
                stack.append((new, "", True))
            else:
                lost_isolates += 1
        elif letter == "m":
            if lost_isolates:
                lost_isolates -= 1
            elif open_isolates:
                lost_embeddings = 0
                while not stack[-1][2]:
                    stack.pop()
                stack.pop()
                open_isolates -= 1
            level, override, _ = stack[-1]
            levels[index] = level
            kinds[index] = override or letter
        elif letter == "h":
            levels[index] = -1
            if lost_isolates:
                continue
            if lost_embeddings:
                lost_embeddings -= 1
            elif not stack[-1][2] and len(stack) > 1:
                stack.pop()
        elif letter == "b":
            levels[index] = -1
        elif letter == "P":
            levels[index] = base
        else:
            levels[index] = level
            kinds[index] = override or letter
    return kinds, levels


def _isolate_matches(letters: str) -> dict[int, int]:
    """Isolate initiator -> its PDI (rule BD9)."""
    matches: dict[int, int] = {}
    open_ones: list[int] = []
    for index, letter in enumerate(letters) if "m" in letters else ():
        if letter in "ijk":
            open_ones.append(index)
        elif letter == "m" and open_ones:
            matches[open_ones.pop()] = index
    return matches


def _sequences(letters: str, levels: list[int], matches: dict[int, int]) -> list[list[int]]:
    """Isolating run sequences (rule BD13) as lists of character positions."""
    runs: list[list[int]] = []
    for index, level in enumerate(levels):
        if level < 0:
            continue
        if runs and levels[runs[-1][-1]] == level:
            runs[-1].append(index)
        else:
            runs.append([index])
    if not matches:
        return runs
    begins = {run[0]: run for run in runs}
    closing = set(matches.values())
    sequences = []
    for run in runs:
        if letters[run[0]] == "m" and run[0] in closing:
            continue  # goes on where its initiator stands
        sequence = list(run)
        while _is_isolate(letters, sequence[-1]) and matches.get(sequence[-1]) in begins:
            sequence += begins[matches[sequence[-1]]]
        sequences.append(sequence)
    return sequences


def _is_isolate(letters: str, index: int) -> bool:
    return letters[index] in "ijk"


def _sequence_ends(
    letters: str, levels: list[int], sequence: list[int], base: int, matches: dict[int, int]
) -> tuple[str, str]:
    """The classes that stand for what comes before and after a sequence (rule X10)."""
    level, last = levels[sequence[0]], sequence[-1]
    before = next((levels[i] for i in range(sequence[0] - 1, -1, -1) if levels[i] >= 0), base)
    after = base
    if not (_is_isolate(letters, last) and last not in matches):
        after = next((levels[i] for i in range(last + 1, len(levels)) if levels[i] >= 0), base)
    return "LR"[max(level, before) & 1], "LR"[max(level, after) & 1]


def _resolve_sequence(
    text: str, letters: str, kinds: list[str], level: int, sequence: list[int], ends: tuple[str, str]
) -> list[int]:
    """Rules W1 to I2: the levels of an isolating run sequence."""
    embedding = "LR"[level & 1]
    resolved = _weak_types(ends[0] + "".join([kinds[index] for index in sequence]))
    if text:
        resolved = _paired_brackets(text, letters, sequence, resolved, embedding)
    resolved = _neutral_types(resolved + ends[1], embedding)[1:-1]
    raised = {"R": 0, "L": 1, "1": 1, "9": 1} if level & 1 else {"L": 0, "R": 1, "1": 2, "9": 2}
    return [level + raised[kind] for kind in resolved]


def _weak_types(kinds: str) -> str:
    """Rules W1 to W7; the first letter is the start of the sequence."""
    for letter in "ARL":  # what most marks stand on, one on each: the others are left to the expression
        kinds = kinds.replace(letter + "n", letter * 2)
    if "n" in kinds:
        kinds = _MARKS.sub(
            lambda m: _AFTER.get(kinds[m.start() - 1], kinds[m.start() - 1]) * len(m[0]), kinds
        )
    if "A" in kinds:
        if "1" in kinds:
            kinds = _AFTER_ARABIC.sub(lambda m: m[0].replace("1", "9"), kinds)
        kinds = kinds.replace("A", "R")
    if "1" in kinds:
        kinds = _BETWEEN_NUMBERS.sub("11", kinds)
    if "9" in kinds:
        kinds = _BETWEEN_ARABIC_NUMBERS.sub("99", kinds)
    if "%" in kinds and "1" in kinds:
        kinds = _BESIDE_NUMBERS.sub(lambda m: "1" * len(m[0]), kinds)
    kinds = kinds.translate(_OTHER)
    if "1" in kinds and "L" in kinds:
        kinds = _AFTER_LATIN.sub(lambda m: m[0].replace("1", "L"), kinds)
    return kinds


def _paired_brackets(text: str, letters: str, sequence: Sequence[int], resolved: str, embedding: str) -> str:
    """Rule N0; `resolved` begins with the start of the sequence."""
    opening, closing = _brackets()
    if len(sequence) == len(text):
        places = [match.start() for match in _bracket_expression().finditer(text)]
    else:
        places = [place for place, index in enumerate(sequence) if _bracket_expression().match(text, index)]
    pairs: list[tuple[int, int]] = []
    stack: list[tuple[str, int]] = []
    for place, char in [(place + 1, text[sequence[place]]) for place in places]:
        if resolved[place] != "o":
            continue
        if char in opening:
            if len(stack) == _MAX_BRACKETS:
                break
            stack.append((opening[char], place))
        elif _CANONICAL.get(char, char) in closing:
            wanted = _CANONICAL.get(char, char)
            depth = next((d for d in range(len(stack) - 1, -1, -1) if stack[d][0] == wanted), -1)
            if depth >= 0:
                pairs.append((stack[depth][1], place))
                del stack[depth:]
    if not pairs:
        return resolved
    kinds = list(resolved)
    for first, last in sorted(pairs):
        inside = {_AS_STRONG[kind] for kind in set(kinds[first + 1 : last]) if kind in _AS_STRONG}
        if embedding in inside:
            chosen = embedding
        elif inside:
            context = next(_AS_STRONG[kinds[i]] for i in range(first - 1, -1, -1) if kinds[i] in _AS_STRONG)
            chosen = context if context != embedding else embedding
        else:
            continue
        for place in (first, last):
            kinds[place] = chosen
            # Marks on a bracket go with it.
            for follower in range(place + 1, len(kinds)):
                if letters[sequence[follower - 1]] != "n":
                    break
                kinds[follower] = chosen
    return "".join(kinds)


def _neutral_types(kinds: str, embedding: str) -> str:
    """Rules N1 and N2; the first and last letters are the ends of the sequence."""

    def resolve(match: "re.Match[str]") -> str:
        before, after = _AS_STRONG[kinds[match.start() - 1]], _AS_STRONG[kinds[match.end()]]
        return (before if before == after else embedding) * len(match[0])

    return re.sub("[oPSwijkmb]+", resolve, kinds)


def _reset_whitespace(letters: str, levels: list[int], base: int) -> list[int]:
    """Rule L1: separators, and the blanks before them and at the end of the line, get the paragraph's level."""
    for match in re.finditer("([wbdefghijkm]*)([PS]|$)", letters):
        for index in range(match.start(), match.end()):
            if levels[index] >= 0:
                levels[index] = base
    return levels


def plain_levels(text: str, classes: str, base: int) -> str:
    """Resolve the levels of a line without embeddings, overrides, isolates and controls, as [`embedding_levels`] does.

    Args:
        text: The line, in logical order.
        classes: Of its characters, as of [`bidi_classes`]; boundary neutrals (`b`) get the level of what they follow.
        base: Level of the line, 0 or 1.

    Returns:
        A digit for each character.
    """
    embedding = "LR"[base]
    if "b" in classes:
        kept = [index for index, letter in enumerate(classes) if letter != "b"]
        levels = plain_levels("".join([text[i] for i in kept]), classes.replace("b", ""), base)
        found = iter(levels)
        current = str(base)
        return "".join([current := current if letter == "b" else next(found) for letter in classes])
    kinds = _weak_types(embedding + classes)
    if _bracket_expression().search(text):
        kinds = _paired_brackets(text, classes, range(len(text)), kinds, embedding)
    # Where two characters of the other direction enclose neutral ones, these go with them; all others with the line.
    enclosed = _IN_RIGHT if base == 0 else _IN_LEFT
    kinds = enclosed.sub(lambda match: match[0][0] + "RL"[base] * (len(match[0]) - 1), kinds[1:])
    levels = kinds.translate(_LEVELS[base])
    if classes[-1:] in ("w", "P", "S") or "P" in classes or "S" in classes:
        for match in _TRAILING.finditer(classes):
            levels = levels[: match.start()] + str(base) * len(match[0]) + levels[match.end() :]
    return levels


def visual_order(levels: "list[int]") -> list[int]:
    """Return the positions of the characters from left to right (rule L2), without those at level -1."""
    order = [index for index, level in enumerate(levels) if level >= 0]
    highest = max(levels, default=0)
    lowest_odd = min((level for level in levels if level & 1 and level > 0), default=highest + 1)
    for level in range(highest, lowest_odd - 1, -1):
        start = 0
        while start < len(order):
            if levels[order[start]] < level:
                start += 1
                continue
            stop = start
            while stop < len(order) and levels[order[stop]] >= level:
                stop += 1
            order[start:stop] = order[start:stop][::-1]
            start = stop
    return order


def has_right_to_left(text: str) -> bool:
    """Tell whether a text has characters that the algorithm could move."""
    return not text.isascii() and _RIGHT.search(bidi_classes(text)) is not None


__all__ = [
    "base_level",
    "bidi_classes",
    "class_letters",
    "embedding_levels",
    "has_right_to_left",
    "plain_levels",
    "visual_order",
]
