# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Words of joined letters drawn together, with letters whose cells tell what was asked for."""

import re

import pytest

from pixel_ar.rendering.joined_words import JoinedLetters
from pixel_ar.text.joining import join_letters, letter_form

CLUSTERS = re.compile("\u0644[\u0622\u0623\u0625\u0627][\u064b-\u0652]*|[^ ][\u064b-\u0652]+")
FORMS = "ifbm"  # alone, joined to what is before, to what is after, to both


class Letters:
    """Draws a letter as its first character and its form; keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def __call__(self, letters: str, form: int) -> bytes | None:
        self.asked.append((letters, form))
        assert is_plain(letters)
        if letters[0] == "x":
            return None
        cell = (letters[0] + str(len(letters)) + FORMS[form]).encode()
        return cell + b"--" if letters == "w" else cell.rjust(4)


def is_plain(letters: str) -> bool:
    return letters[0] != "y"


def drawn_forms(drawn: bytes) -> str:
    """The forms, first letter first."""
    return drawn.decode()[::-1].translate({ord(char): None for char in " 1234"})[::2]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("ب", "i"),
        ("بب", "bf"),
        ("ببب", "bmf"),
        ("دبب", "ibf"),
        ("بدب", "bfi"),
        ("بلا", "bf"),  # lam and alef are one letter
        ("لاب", "ii"),
        ("بَّبً", "bf"),  # marks change nothing
        ("(ب", "ii"),
        ("בב", "ii"),
    ],
)
def test_forms_follow_from_the_neighbours(word: str, expected: str) -> None:
    letters = Letters()
    drawn = JoinedLetters(CLUSTERS, is_plain, letters, 4).draw([word, "ب", word])
    assert drawn_forms(drawn[0]) == expected and drawn[0] == drawn[2]
    assert drawn_forms(drawn[1]) == "i"


def test_what_is_drawn_in_another_way_is_left_out() -> None:
    letters = Letters()
    joined = JoinedLetters(CLUSTERS, is_plain, letters, 4)
    words = ["بب", "بx", "", "yب", "𐤀", "w", "بلاً", "د"]
    first = joined.draw(words)
    assert sorted(first) == [0, 2, 6, 7] and first[2] == b""
    asked = len(letters.asked)
    assert joined.draw(words) == first and len(letters.asked) == asked  # drawn once, refused once
    assert joined.draw(["x"]) == joined.draw(["𐤀"]) == joined.draw([]) == {}


def test_more_clusters_than_can_be_told_apart() -> None:
    marks = [chr(code) for code in range(0x64B, 0x653)]
    clusters = [
        chr(0x628) + first + second + third + fourth
        for first in marks
        for second in marks
        for third in marks
        for fourth in marks
    ]
    drawn = JoinedLetters(CLUSTERS, is_plain, lambda letters, form: letters[1:].encode("utf-16-le"), 8).draw(
        clusters
    )
    assert 2000 < len(drawn) < 2100  # the stand-ins; the others are drawn in another way
    assert all(clusters[place][1:].encode("utf-16-le") == cell for place, cell in drawn.items())


@pytest.mark.parametrize("form", range(4))
def test_one_letter_has_the_form_it_has_in_a_word(form: int) -> None:
    before, after = form & 1, form >> 1
    for letters in ("ب", "ن", "د", "لا", "لأّ", "بَ", "ـ", "ܒ", "ߓ", "ء", "א", "("):
        if after and join_letters(letters + "ب")[0][-1] != join_letters("بب")[0][-1]:
            continue  # joins nothing after it
        drawn, unjoined = join_letters("\u0640" * before + letters + "\u0640" * after)
        inside = range(before, before + len(letters))
        expected = "".join([drawn[place] for place in inside]), any(place in unjoined for place in inside)
        assert letter_form(letters, form) == expected, (letters, form)
