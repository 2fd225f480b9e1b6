# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Cases in a forked process: each under a limit of address space and of processor time.

The process writes a line of JSON when a case begins and one when it ends, so that the parent knows of which it died.
Needs fork and `resource`: Linux or macOS (which does not keep limits of address space, nor tells the peak).
"""

import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

import numpy as np
import torch
from fuzz.case import Case, Hang, Part, Result, judge, random_of, shorten

_STATUS, _PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# After the soft limit of time has raised an error that nobody let through, the system ends the process.
_GRACE = 2


def work(part: Part, numbers: Sequence[int], seed: int, answers: BinaryIO) -> None:
    """Runs cases one after the other and writes what came of them."""
    signal.signal(signal.SIGPROF, _raise_hang)
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _silence()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    root = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        for number in numbers:
            folder = root / str(number)
            folder.mkdir()
            _write(answers, {"begin": number})
            _write(answers, asdict(run_case(part, number, seed, folder)))
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.chdir("/")
        shutil.rmtree(root, ignore_errors=True)


def run_case(part: Part, number: int, seed: int, folder: Path) -> Result:
    """Runs one case in this process, under its limits."""
    # Libraries that draw for themselves draw the same in every run.
    random.seed(number)
    np.random.seed(number % 2**32)
    # The generator itself: `torch.manual_seed` also formats a stack for each kind of device that is not there.
    torch.default_generator.manual_seed(number)
    os.chdir(folder)
    case = part.make(random_of(seed, part.name, number), number, folder)
    before = _resident()
    _reset_peak()
    began = time.process_time()
    error = _run_limited(case)
    seconds = time.process_time() - began
    grown = max(_peak() - before, 0)
    outcome, what, where = judge(case, error)
    if outcome in ("ok", "error") and grown > case.memory:
        outcome, what = "memory", f"took {grown >> 20} MiB, may take {case.memory >> 20}"
    return Result(part.name, number, outcome, shorten(case.title), what, where, grown, round(seconds, 4))


def _run_limited(case: Case) -> BaseException | None:
    """The error of a case, or None; the limits are lifted again before it is looked at."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    stop = int(spent.ru_utime + spent.ru_stime + case.seconds) + 1 + _GRACE
    space = _address_space()
    resource.setrlimit(resource.RLIMIT_CPU, (stop, resource.RLIM_INFINITY))
    if space:
        resource.setrlimit(resource.RLIMIT_AS, (space + case.memory, resource.RLIM_INFINITY))
    signal.setitimer(signal.ITIMER_PROF, case.seconds, 1)
    try:
        case.run()
    except BaseException as error:
        return error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return None


def _raise_hang(number: int, frame: FrameType | None) -> None:
    raise Hang


def _silence() -> None:
    """What the package and the libraries below print is not looked at here."""
    sys.stdout.flush()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)


def _write(answers: BinaryIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message).encode() + b"\n")
    answers.flush()


# ---- memory, where the system tells ----


def _address_space() -> int:
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return 0


def _resident() -> int:
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    return 0


def _reset_peak() -> None:
    with suppress(OSError):
        _PEAK.write_text("5")


def _peak() -> int:
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


__all__ = ["run_case", "work"]
