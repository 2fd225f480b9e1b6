# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Damaged strips: costs of alignments, posteriors, error rates with a prior, calibration, shaped scripts."""

import functools
import gzip
import itertools
import json
import math

import numpy as np
import pytest
from tools.paths import DATA
from tools.unicode import declarations

from pixel_ar.fonts.atlas import GlyphAtlas
from pixel_ar.metrics import edit_distance
from pixel_ar.reading.costs import GlyphGroup, Prices, count_wrong, to_words
from pixel_ar.reading.glyph_classes import glyph_classes
from pixel_ar.reading.lattice import decode
from pixel_ar.reading.prior import CharacterPrior
from pixel_ar.reading.reader import StripReader
from pixel_ar.rendering.renderer import StripRenderer

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="examples/data is not here")


@functools.cache
def texts_of(name: str, count: int) -> list[str]:
    with gzip.open(DATA / f"sotu_{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in itertools.islice(lines, count)]


@functools.cache
def english() -> CharacterPrior:
    return CharacterPrior.fit(texts_of("train", 2500), order=4)


def damaged(renderer: StripRenderer, text: str, flips: float, drift: float, seed: int) -> bytes:
    """Packed columns with wrong pixels and doubled or lost columns."""
    rng = np.random.default_rng(seed)
    ink = renderer.render(text).to_array() == 0
    ink = ink ^ (rng.random(ink.shape) < flips)
    dice = rng.random(ink.shape[1])
    ink = np.repeat(ink, np.where(dice < drift / 2, 0, np.where(dice > 1 - drift / 2, 2, 1)), axis=1)
    return np.packbits(ink, axis=0).T.tobytes()


# ---- costs ----


def cheapest_alignment(cell: np.ndarray, columns: np.ndarray, prices: Prices) -> int:
    """The same as the program finds, by trying everything."""

    @functools.cache
    def best(at: int, used: int) -> int:
        if at == len(cell):
            return 0 if used == len(columns) else 10**6

        def wrong(column: int) -> int:
            return prices.flip * int(np.unpackbits(cell[at] ^ columns[column]).sum())

        ways = [10**6]
        if used - at > -2:
            ways.append(prices.slack + best(at + 1, used))
        if used < len(columns):
            ways.append(wrong(used) + best(at + 1, used + 1))
        if used + 1 < len(columns) and used - at < 2:
            ways.append(wrong(used) + wrong(used + 1) + prices.slack + best(at + 1, used + 2))
        return min(ways)

    return best(0, 0)


@pytest.mark.parametrize("name", ["fixed-5x8", "unifont-16"])
def test_alignments_cost_least(name: str) -> None:
    classes = glyph_classes((GlyphAtlas.load(name),))
    indices = np.array([classes.members[code] for code in b"aAl. W"], np.int32)
    group, prices = GlyphGroup(classes.index, indices, classes.index.priors, True), Prices(40, 96)
    columns = np.random.default_rng(0).integers(0, 256, (40, classes.height // 8)).astype(np.uint8)
    starts = np.array([0, 1, 7, 18])
    for length, costs in group.costs(columns, starts, prices):
        for row, start in enumerate(starts.tolist()):
            for number, cell in enumerate(classes.index.bits(indices)):
                expected = cheapest_alignment(cell, columns[start : start + length], prices)
                assert costs[row, number] == expected + group.priors[number]
    dense = dict(group.costs(columns, np.arange(20), prices))
    sparse = dict(group.costs(columns, starts, prices))
    assert all((dense[length][starts] == sparse[length]).all() for length in sparse) and len(sparse) == 5
    plain = group.plain_costs(columns, starts, prices.flip)
    assert (sparse[group.width] <= plain).all() and (plain >= group.priors).all()


def test_wrong_pixels_are_counted() -> None:
    cells = np.random.default_rng(1).integers(0, 256, (6, 13)).astype(np.uint8)
    expected = [[int(np.unpackbits(one ^ other).sum()) for other in cells] for one in cells]
    assert count_wrong(to_words(cells), to_words(cells)).tolist() == expected


# ---- posteriors ----


@pytest.mark.parametrize("order", [0, 1, 3])
def test_posteriors_are_those_of_all_ways(order: int) -> None:
    prior = CharacterPrior.fit(["abba baab ab", "cab a back"], order=order) if order else None
    rng = np.random.default_rng(order)
    segments = []  # two widths and columns that belong to nothing
    for start in range(6):
        segments += [(start, start + 2, char) for char in "abc"] + [
            (start, start + 3, "ab"),
            (start, start + 1, ""),
        ]
    starts, stops, texts = zip(*segments, strict=True)
    costs = (rng.random(len(segments)) * 3).tolist()
    ways: list[tuple[float, tuple[int, ...]]] = []

    def walk(column: int, text: str, score: float, taken: tuple[int, ...]) -> None:
        if column >= 6:
            ways.append((score, taken))
            return
        for number in range(len(segments)):
            if starts[number] == column:
                gain = prior.text_log_probability(texts[number], text) if prior else 0.0
                walk(stops[number], text + texts[number], score + gain - costs[number], (*taken, number))

    walk(0, "      ", 0.0, ())
    total = sum(math.exp(score) for score, _ in ways)
    expected = np.zeros(len(segments))
    for score, taken in ways:
        expected[list(taken)] += math.exp(score) / total
    found = decode(starts, stops, texts, costs, prior, 6)
    assert len(ways) > 100 and np.abs(found.posteriors - expected).max() < 2e-3  # unlikely states are dropped
    assert tuple(found.path) == max(ways)[1]


def test_no_way() -> None:
    with pytest.raises(ValueError, match=r"no way .* to column 9"):
        decode([0], [2], ["a"], [0.0], None, 9)


# ---- error rates ----

CASES = [
    (0.0, 0.0, 0.0),
    (0.01, 0.0, 0.002),
    (0.05, 0.0, 0.012),
    (0.10, 0.0, 0.035),
    (0.0, 0.005, 0.002),
    (0.01, 0.02, 0.01),
    (0.05, 0.02, 0.025),
]


@needs_data
@pytest.mark.parametrize("name", ["fixed-5x8", "unifont-16"])
@pytest.mark.parametrize(("flips", "drift", "limit"), CASES)
def test_error_rates_with_a_prior(name: str, flips: float, drift: float, limit: float) -> None:
    renderer, reader = StripRenderer([name]), StripReader([name], prior=english())
    wrong = number = 0
    for seed, text in enumerate(texts_of("validation", 90)[::15]):
        text = text[:150].rstrip()
        result = reader.read(damaged(renderer, text, flips, drift, seed))
        wrong, number = wrong + edit_distance(result.text, text), number + len(text)
        assert len(result.confidences) == len(result.text) == len(result.char_columns) - 1
        assert (np.diff(result.char_columns) > 0).all()
    assert number > 700 and wrong / number <= limit, f"{wrong} errors in {number} characters"


@needs_data
@pytest.mark.parametrize("given", [0.1, None])
def test_confidences_are_calibrated(given: float | None) -> None:
    """Of the characters read with some confidence, that share is right; also where the noise is estimated."""
    renderer, reader = StripRenderer(), StripReader(noise=given)
    confidences, is_right = [], []
    for seed, text in enumerate(texts_of("validation", 120)[::10]):
        text = text[:150].rstrip()
        result = reader.read(damaged(renderer, text, 0.1, 0.0, seed))
        if len(result.text) == len(text):  # else characters do not stand beside each other
            confidences += result.confidences.tolist()
            is_right += [one == other for one, other in zip(result.text, text, strict=True)]
    confidence, right = np.array(confidences), np.array(is_right)
    assert len(right) > 1000 and 0.85 < right.mean() < 0.97
    assert abs(confidence.mean() - right.mean()) < 0.03
    bins = np.digitize(confidence, [0.6, 0.8, 0.95])
    shares = [(right[bins == number].mean(), confidence[bins == number].mean()) for number in range(4)]
    assert [share for share, _ in shares] == sorted(share for share, _ in shares)
    assert sum((bins == number).mean() * abs(a - b) for number, (a, b) in enumerate(shares)) < 0.05
    assert shares[3][0] > 0.97 and shares[0][0] < 0.7


@needs_data
def test_characters_the_prior_has_never_seen() -> None:
    reader, renderer = StripReader(prior=english()), StripRenderer()
    text = "the naïve people of Ελλάδα and Россия told them of the house"
    pixels = renderer.render(text).to_array().copy()
    pixels[4, 282] ^= 255
    result = reader.read(pixels)
    assert result.text == text and 0 < result.unreadable < 0.1


def test_classes_drawn_alike_by_alphabet_and_neighbours() -> None:
    """With wrong pixels too."""
    renderer = StripRenderer()
    cyrillic = "АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдежзийклмнопрстуфхцчшщъыьэюя "
    data = damaged(renderer, "МАМА РАМА НАША СОРОКА", 0.01, 0.0, 5)
    assert StripReader(alphabet=cyrillic).read(data).text == "МАМА РАМА НАША СОРОКА"
    text = "Мама мыла раму, и все они тоже мыли рамы"
    unifont = StripRenderer(["unifont-16"])
    assert StripReader(["unifont-16"]).read(damaged(unifont, text, 0.03, 0.0, 6)).text == text
    prior = CharacterPrior.fit([*declarations()["rus"], "мама мыла раму"], order=3)
    found = StripReader(prior=prior).read(damaged(renderer, text, 0.03, 0.0, 6)).text
    assert edit_distance(found, text) <= 3 and not set(found) & set("abcehkmopuxyABCEHKMOPTXY")


# ---- shaped scripts ----


def test_a_prior_reads_right_to_left() -> None:
    texts = declarations()["heb"]
    prior = CharacterPrior.fit(texts, order=3)
    renderer = StripRenderer(["unifont-16"])
    readers = [StripReader(["unifont-16"], renderer=renderer, prior=each) for each in (None, prior)]
    text = renderer.normalise(texts[1])[:40].rstrip()
    data = damaged(renderer, text, 0.12, 0.0, 0)
    alone, fitted = (edit_distance(reader.read(data).text, text) for reader in readers)
    assert alone >= 2 and fitted < alone / 2


@pytest.mark.parametrize("code", ["arb", "hin", "tha", "khm", "heb", "jpn"])
def test_candidates_of_any_script_are_scored(code: str) -> None:
    renderer = StripRenderer(["unifont-16"], missing="hexbox", unsupported="cells")
    reader = StripReader(["unifont-16"], renderer=renderer)
    text = declarations()[code][1][:40]
    # One letter exchanged, left out, or the words turned round: near misses.
    middle = len(text) // 2
    candidates = [text, text[:middle] + text[middle + 1 :], " ".join(reversed(text.split())), text[::-1]]
    candidates += [other[:40] for other in declarations()[code][2:4]]
    candidates = list(dict.fromkeys(candidates))
    order = np.random.default_rng(0).permutation(len(candidates))
    scores = reader.score(damaged(renderer, text, 0.05, 0.0, 1), [candidates[number] for number in order])
    drawn = [renderer.render_bytes(candidates[number]).rstrip(b"\0") for number in order]
    assert len(set(drawn)) > 2 and scores.dtype == np.float32 and (scores < 0).all()
    assert drawn[int(scores.argmax())] == renderer.render_bytes(text).rstrip(b"\0")
    assert sorted(scores)[-1] - sorted(scores)[-2] > 10
