# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Runs the cases of parts in forked processes, replaces those that die, and counts what came out."""

import json
import os
import platform
import select
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
import transformers
from fuzz.case import FINDINGS, OUTCOMES, Part, Result
from fuzz.worker import work

# A case that says nothing for so long waits for something that never comes: no processor time is counted then.
SILENCE_SECONDS = 240.0
_SHOWN = 5


@dataclass
class Tally:
    """The results of one part.

    Attributes:
        outcomes: how many cases had each outcome.
        seconds: processor time of all cases.
        slowest: processor time of the slowest case, and its number.
        largest: bytes that the largest case took, and its number.
        findings: (outcome, what kind, where) to the results, in the order of their numbers.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    slowest: tuple[float, int] = (0.0, -1)
    largest: tuple[int, int] = (0, -1)
    findings: dict[tuple[str, str, str], list[Result]] = field(default_factory=dict)

    def add(self, result: Result) -> None:
        """Counts a result."""
        self.outcomes[result.outcome] += 1
        self.seconds += result.seconds
        self.slowest = max(self.slowest, (result.seconds, result.number))
        self.largest = max(self.largest, (result.memory, result.number))
        if result.outcome in FINDINGS:
            kind = result.what.partition(":")[0]
            self.findings.setdefault((result.outcome, kind, result.where), []).append(result)


def run_part(part: Part, numbers: Iterable[int], seed: int, until: float | None = None) -> Iterator[Result]:
    """Runs cases of a part, some hundred to a process; a process that dies is replaced and the case counted.

    Args:
        part: the part.
        numbers: of the cases.
        seed: of the campaign.
        until: `time.monotonic()` after which no further process is started.

    Yields:
        A result for every case, in order.
    """
    part.prepare()
    waiting = list(numbers)
    while waiting and (until is None or time.monotonic() < until):
        batch = waiting[: part.batch]
        done = 0
        for result in _run_batch(part, batch, seed):
            done += 1
            yield result
        waiting = waiting[done:]


def _run_batch(part: Part, numbers: Sequence[int], seed: int) -> Iterator[Result]:
    """The results of a process, the last of which may be its death."""
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work_and_leave(part, numbers, seed, writing)
    os.close(writing)
    running: int | None = None
    is_silent = False
    for message in _messages(reading):
        if message is None:
            is_silent = True
            os.kill(child, signal.SIGKILL)
            break
        if "begin" in message:
            running = message["begin"]
        elif "broken" in message:
            raise RuntimeError(f"the campaign itself failed at {part.name}:{running}\n{message['broken']}")
        else:
            running = None
            yield Result(**message)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    if running is not None:
        yield _death(part, running, status, is_silent)


def _work_and_leave(part: Part, numbers: Sequence[int], seed: int, writing: int) -> None:
    """The child's whole life: nothing of the parent's is cleaned up in it."""
    code = 1
    try:
        with os.fdopen(writing, "wb") as answers:
            try:
                work(part, numbers, seed, answers)
                code = 0
            except BaseException:
                answers.write(json.dumps({"broken": traceback.format_exc()}).encode() + b"\n")
    finally:
        os._exit(code)


def _messages(reading: int) -> Iterator[dict[str, Any] | None]:
    """The lines of a child, and None where it is silent for too long."""
    rest = b""
    while True:
        if not select.select([reading], [], [], SILENCE_SECONDS)[0]:
            yield None
            return
        chunk = os.read(reading, 1 << 16)
        if not chunk:
            return
        *lines, rest = (rest + chunk).split(b"\n")
        yield from map(json.loads, lines)


def _death(part: Part, number: int, status: int, is_silent: bool) -> Result:
    if is_silent:
        return Result(part.name, number, "hang", what=f"waited for {SILENCE_SECONDS:g} s")
    code = os.waitstatus_to_exitcode(status)
    if -code == signal.SIGXCPU:
        return Result(part.name, number, "hang", what="took too long in compiled code")
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return Result(part.name, number, "crash", what=f"{name}: the process died")


# ---- reporting ----


def report(tallies: dict[str, Tally], seed: int) -> dict[str, Any]:
    """The campaign's result, ready for JSON."""
    total: Counter[str] = Counter()
    for tally in tallies.values():
        total.update(tally.outcomes)
    return {
        "seed": seed,
        "cases": sum(total.values()),
        "outcomes": {name: total[name] for name in OUTCOMES},
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "numpy": np.__version__,
        },
        "parts": {
            name: {
                "cases": sum(tally.outcomes.values()),
                "outcomes": {key: tally.outcomes[key] for key in OUTCOMES},
                "cpu_seconds": round(tally.seconds, 1),
                "slowest": {"cpu_seconds": tally.slowest[0], "number": tally.slowest[1]},
                "largest": {"bytes": tally.largest[0], "number": tally.largest[1]},
                "findings": [
                    {
                        "outcome": outcome,
                        "where": where,
                        "count": len(results),
                        "first": [asdict(result) for result in results[:_SHOWN]],
                    }
                    for (outcome, _, where), results in tally.findings.items()
                ],
            }
            for name, tally in tallies.items()
        },
    }


def table(tallies: dict[str, Tally]) -> str:
    """The campaign's result as a table, then the findings."""
    heads = ["part", "cases", *OUTCOMES, "cpu s", "slowest s", "most MiB"]
    rows = [
        [
            name,
            sum(tally.outcomes.values()),
            *(tally.outcomes[outcome] for outcome in OUTCOMES),
            f"{tally.seconds:.0f}",
            f"{tally.slowest[0]:.2f}",
            tally.largest[0] >> 20,
        ]
        for name, tally in tallies.items()
    ]
    sums = [sum(int(row[column]) for row in rows) for column in range(1, 2 + len(OUTCOMES))]
    rows.append(["all", *sums, "", "", ""])
    texts = [[str(cell) for cell in row] for row in [heads, *rows]]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in texts
    ]
    return "\n".join(lines + list(_finding_lines(tallies)))


def _finding_lines(tallies: dict[str, Tally]) -> Iterator[str]:
    for name, tally in tallies.items():
        for (outcome, _, where), results in tally.findings.items():
            numbers = ", ".join(str(result.number) for result in results[:_SHOWN])
            yield f"\n{name}: {outcome}, {len(results)} times, at {where or 'no line of the package'}"
            yield f"   cases {numbers}{', ...' if len(results) > _SHOWN else ''}"
            yield f"   {results[0].title}"
            yield f"   {results[0].what}"


__all__ = ["Tally", "report", "run_part", "table"]
