# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What a case of the campaign is, and how what came out of it is judged."""

import linecache
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any

import pixel_ar

PACKAGE = str(Path(pixel_ar.__file__).parent)
MEBIBYTE = 1 << 20

# What may come out of a case. The first two are right, the rest are findings.
OUTCOMES = ("ok", "error", "stray", "wrong class", "wrong answer", "hang", "memory", "crash")
FINDINGS = OUTCOMES[2:]

# Allocations that fail are MemoryError in Python and NumPy, and RuntimeError with one of these words in PyTorch.
_NO_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "cannot allocate memory",
    "bad_alloc",
    "unable to mmap",
)


class WrongAnswer(AssertionError):
    """The package gave an answer that it must not give."""


class Hang(BaseException):
    """The case took more processor time than it may. No Exception, so that no `except Exception` holds it."""


def expect(condition: Any, message: str) -> None:
    """Raise [`WrongAnswer`] unless a condition holds."""
    if not condition:
        raise WrongAnswer(message)


@dataclass(frozen=True)
class Case:
    """One thing that is tried.

    Attributes:
        title: what is done, in a line.
        run: does it. Returning is right, and so is one of the documented errors.
        errors: the documented classes of errors; subclasses of the library below are none of them.
        names: what the message of an error must hold one of: names of the damaged file.
        seconds: processor time it may take.
        memory: bytes it may take beyond what the process held before.
    """

    title: str
    run: Callable[[], object]
    errors: tuple[type[BaseException], ...] = (ValueError,)
    names: tuple[str, ...] = ()
    seconds: float = 10.0
    memory: int = 512 * MEBIBYTE


@dataclass(frozen=True)
class Part:
    """A family of cases.

    Attributes:
        name: of the part.
        make: `(random numbers of this case, its number, an empty folder)` to the case. Cases below `attacks` are
            attacks with names, one each; the rest are drawn.
        attacks: how many there are.
        share: cases of this part among those of all parts, in any unit.
        prepare: makes what all cases share, once, before processes are forked.
        batch: cases in one process, one after the other.
    """

    name: str
    make: Callable[[Random, int, Path], Case]
    attacks: int = 0
    share: int = 1
    prepare: Callable[[], object] = lambda: None
    batch: int = 500


@dataclass(frozen=True)
class Result:
    """What came out of a case.

    Attributes:
        part: name of the part.
        number: of the case in the part.
        outcome: one of `OUTCOMES`.
        title: what was done.
        what: class and message of the error, or what is wrong.
        where: the innermost line of the package.
        memory: bytes that the process grew by at most, 0 where the system does not tell.
        seconds: processor time.
    """

    part: str
    number: int
    outcome: str
    title: str = ""
    what: str = ""
    where: str = ""
    memory: int = 0
    seconds: float = 0.0


def random_of(seed: int, part: str, number: int) -> Random:
    """The random numbers of one case: the same on every machine, whichever cases ran before."""
    return Random(f"{seed} {part} {number}")


def judge(case: Case, error: BaseException | None) -> tuple[str, str, str]:
    """Outcome, what and where of a case that raised `error`, or nothing."""
    if error is None:
        return "ok", "", ""
    what = f"{type(error).__name__}: {shorten(str(error))}"
    where = _place(error.__traceback__)
    if isinstance(error, Hang):
        return "hang", "took too long", where
    if isinstance(error, WrongAnswer):
        return "wrong answer", shorten(str(error)), where
    # Also where a loader has made an error of its own of it: without the limit, the memory would have been taken.
    if any(_is_memory(link) for link in _chain(error)):
        return "memory", what, where
    if not _is_documented(case, error):
        return "wrong class", what, where
    if not _is_deliberate(error):
        return "stray", f"{what} (raised by the library below)", where
    if case.names and not isinstance(error, OSError) and not any(name in str(error) for name in case.names):
        return "stray", f"{what} (does not name {case.names[0]})", where
    return "error", what, where


def _is_documented(case: Case, error: BaseException) -> bool:
    if type(error).__module__.startswith("pixel_ar"):
        return isinstance(error, case.errors)
    # The classes that Python itself has for files belong to OSError's documentation.
    is_file_error = OSError in case.errors and isinstance(error, OSError)
    return type(error) in case.errors or (is_file_error and type(error).__module__ == "builtins")


def _is_deliberate(error: BaseException) -> bool:
    """Whether somebody wrote `raise` for it, here or in Transformers, rather than a library stumbling."""
    if isinstance(error, OSError | KeyboardInterrupt | SystemExit):
        return True
    frames = _frames(error.__traceback__)
    if not frames:
        return False
    file, line, _ = frames[-1]
    if not _place(error.__traceback__):
        # Python's own answer to an argument that a public function does not have.
        return isinstance(error, TypeError) and "unexpected keyword argument" in str(error)
    is_ours = file.startswith(PACKAGE) or "/transformers/" in file
    return is_ours and linecache.getline(file, line).strip().startswith("raise")


def _place(trace: TracebackType | None) -> str:
    """`file:line function` of the innermost frame of the package."""
    ours = [frame for frame in _frames(trace) if frame[0].startswith(PACKAGE)]
    if not ours:
        return ""
    file, line, function = ours[-1]
    return f"{file[len(PACKAGE) + 1 :]}:{line} {function}"


def _frames(trace: TracebackType | None) -> list[tuple[str, int, str]]:
    """File, line and function of each frame. `traceback` would look at every file again, which costs more than most
    cases do."""
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append((code.co_filename, trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    return frames


def _chain(error: BaseException) -> list[BaseException]:
    links: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in links:
        links.append(link)
        link = link.__cause__ or link.__context__
    return links


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError | OSError) and any(
        word in str(error).lower() for word in _NO_MEMORY
    )


def shorten(text: str, length: int = 300) -> str:
    """A text on one line that any terminal shows."""
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in " ".join(text.split()))
    line = shown.encode("utf-8", "backslashreplace").decode()
    return line if len(line) <= length else f"{line[:length]}..."


__all__ = [
    "FINDINGS",
    "MEBIBYTE",
    "OUTCOMES",
    "Case",
    "Hang",
    "Part",
    "Result",
    "WrongAnswer",
    "expect",
    "judge",
    "random_of",
    "shorten",
]
