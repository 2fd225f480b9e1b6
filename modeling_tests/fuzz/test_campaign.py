# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The campaign judges rightly: every kind of fault is told from what is right, survived, and found again."""

import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from fuzz.campaign import Tally, report, run_part, table
from fuzz.case import FINDINGS, MEBIBYTE, OUTCOMES, Case, Part, expect, random_of
from fuzz.command import main
from fuzz.fontfile import doubling, groups, outlines, read_tables, square, with_tables
from fuzz.registry import PARTS
from tools.unicode import sample_font

from pixel_ar import GlyphAtlas

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="cases run in forked processes")


def _spin() -> None:
    while True:
        pass


def _take(count: int) -> None:
    held = bytearray(count)
    held[:: os.sysconf("SC_PAGESIZE")] = bytes(len(held[:: os.sysconf("SC_PAGESIZE")]))


def _hide_memory() -> None:
    """A loader that makes an error of its own of memory that ran out."""
    try:
        _take(1 << 33)
    except MemoryError as error:
        raise ValueError("the file is damaged") from error


def _refuse() -> None:
    """A documented error of the package."""
    GlyphAtlas("x", 7, [1], [1], [0])


def _stumble() -> None:
    """The right class, but from a library below that cannot know the way out."""
    GlyphAtlas("x", "seven", [1], [1], [0])  # type: ignore[arg-type]


def _mistype() -> None:
    raise RecursionError("too deep")


# What each case does, and what is to come of it.
FAULTS: tuple[tuple[str, Callable[[], object]], ...] = (
    ("ok", lambda: None),
    ("error", _refuse),
    ("stray", _stumble),
    ("wrong class", _mistype),
    ("wrong answer", lambda: expect(False, "two and two")),
    ("hang", _spin),
    ("hang", lambda: sum(itertools.repeat(0))),  # in compiled code, which no signal interrupts
    ("memory", lambda: _take(1 << 33)),
    ("memory", _hide_memory),
    ("memory", lambda: _take(40 * MEBIBYTE)),
    ("crash", lambda: os._exit(3)),
    ("crash", lambda: os.kill(os.getpid(), signal.SIGKILL)),
    ("wrong class", lambda: sys.exit(1)),
    ("ok", lambda: _take(4 * MEBIBYTE)),
)


def _make(rng: Random, number: int, folder: Path) -> Case:
    memory = 20 if FAULTS[number][0] != "crash" else 512
    return Case(f"case {number} {rng.random()}", FAULTS[number][1], seconds=0.2, memory=memory * MEBIBYTE)


def test_every_outcome_is_told_and_survived() -> None:
    part = Part("faults", _make, batch=5)
    results = list(run_part(part, range(len(FAULTS)), seed=1))
    assert [result.number for result in results] == list(range(len(FAULTS)))
    tells_memory = sys.platform == "linux"
    for result, (outcome, _) in zip(results, FAULTS, strict=True):
        if tells_memory or outcome != "memory":
            assert result.outcome == outcome, result
    tally = Tally()
    for result in results:
        tally.add(result)
    assert sum(tally.outcomes.values()) == len(FAULTS)
    assert {outcome for outcome, _, _ in tally.findings} <= set(FINDINGS)
    figures = report({"faults": tally}, seed=1)
    assert figures["cases"] == len(FAULTS)
    assert list(figures["outcomes"]) == list(OUTCOMES)
    text = table({"faults": tally})
    assert "faults: crash" in text and "RecursionError: too deep" in text


def test_cases_depend_on_seed_part_and_number_alone() -> None:
    part = Part("faults", _make)
    alone = [next(iter(run_part(part, [number], seed=7))).title for number in (0, 3)]
    together = [result.title for result in run_part(part, range(4), seed=7)]
    assert alone == [together[0], together[3]]
    assert random_of(1, "a", 2).random() == random_of(1, "a", 2).random() != random_of(2, "a", 2).random()


def test_until_a_time() -> None:
    part = Part("faults", lambda rng, number, folder: Case("nothing", lambda: None), batch=2)
    assert list(run_part(part, range(10), 0, until=time.monotonic() - 1)) == []


def test_fonts_made_by_hand() -> None:
    font = outlines([b"", square(500), square(700)])
    atlas = GlyphAtlas.from_font(font, 12, 16)
    assert atlas.code_points.tolist() == [0x41, 0x42]
    assert atlas.coverage(0).any()
    twice = GlyphAtlas.from_font(doubling(2), 12, 16)
    assert len(twice) == 3
    changed = with_tables(sample_font("Arabic"), cmap=groups([(0x61, 0x63, 3)]))
    assert set(read_tables(changed)) == set(read_tables(sample_font("Arabic").read_bytes()))
    assert GlyphAtlas.from_font(changed, 12, 16, overflow="cut").code_points.tolist() == [0x61, 0x62, 0x63]


def test_command_runs_a_case_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "chdir", lambda path: None)
    case = ["--case", "renderer:40", "--seed", "3"]
    shown = []
    for _ in range(2):
        main(case)
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1] and shown[0].startswith("renderer:40 ")
    with pytest.raises(SystemExit) as ended:
        main(["--parts", "nothing"])
    assert ended.value.code == 2 and "there are: renderer" in capsys.readouterr().err


def test_parts_have_names_and_shares() -> None:
    assert set(PARTS) >= {
        *(
            "renderer",
            "reader",
            "metamorphic",
            "inputs",
            "folders",
            "fonts",
            "converters",
            "models",
            "collators",
        ),
        *("command line", "saves"),
    }
    assert all(part.share >= 1 and part.batch >= 1 for part in PARTS.values())
