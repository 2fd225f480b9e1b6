# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Where a line may begin. `|` stands where UAX #14 (in the simple form documented) allows it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixel_ar.text.graphemes import grapheme_bounds
from pixel_ar.text.line_breaking import break_opportunities, is_space


@pytest.mark.parametrize(
    "marked",
    [
        "one |two  |three",
        "  indented |text ",
        "well-|known |-5 |1990-2000 |a |- |b |--long",
        "yes |—|no",
        "no\u00a0break |5\u202fkg |U+2011\u2011hyphen",
        "quoi ? |Oui !",
        "( a) |f(x) |(y)",
        "say |'yes |it |is'",
        "人|人|生|而|自|由,|在|尊|严。|他|们",
        "「引|用」|と|（注）|ね、|ちょっ|と|スー|パー！",
        "中|English |word|字|12|个",
        "모든 |인간은 |자유",
        "བཀྲ་|ཤིས་|བདེ་|ལེགས།",
        "ሰላም፡|ዓለም",
        "है। |यह",
        "한자|漢|字",
        "👍🏽|👨\u200d👩\u200d👧|🇩🇪",
        "か\u3099|き",
        "",
        "   ",
    ],
)
def test_places(marked: str) -> None:
    text = marked.replace("|", "")
    places, expected = break_opportunities(text), []
    for part in marked.split("|")[:-1]:
        expected.append(len(part) + (expected[-1] if expected else 0))
    assert places == expected


@given(st.text(st.characters(exclude_categories=()), max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_breaks_between_clusters(text: str) -> None:
    places = break_opportunities(text)
    assert places == sorted(set(places)) and set(places) <= set(grapheme_bounds(text)[1:-1])
    # Never before a space: it hangs over the end of the line before.
    assert not any(is_space(text[place]) for place in places)


def test_spaces() -> None:
    assert all(map(is_space, " \u2003\u3000")) and not any(
        map(is_space, ["\u00a0", "", "  a", "a", "\u2060"])
    )
