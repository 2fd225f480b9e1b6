# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A test fails when the package, or a script of the examples, calls something that its library calls deprecated.

pytest's own filters go by the module that a warning is attributed to, which is the library's where a decorator or
`nn.Module.__call__` stands between. Here the stack decides: of the frames that are the package's or the tests', the one
nearest to the warning made the call. Libraries also log such messages, transformers above all; they count as well.
"""

import logging
import sys
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from tools.paths import EXAMPLES, ROOT

import pixel_ar

PACKAGE = Path(pixel_ar.__file__).parent
# Code that an exported checkpoint folder carries is imported under this name.
EXPORTED = "transformers_modules"
CATEGORIES = (FutureWarning, DeprecationWarning, PendingDeprecationWarning)
WORDS = ("deprecated", "will be removed")
# Libraries that call transformers on their own account: what they call there is theirs to change.
BETWEEN = {"accelerate", "bitsandbytes", "datasets", "peft", "torchao"}
WARNINGS_MODULE = ("warnings.py", "_py_warnings.py")  # the standard library's, under any Python


def caller_in_package(frame: FrameType | None) -> str | None:
    """`file:line` of the call into a library that led to `frame`, if the package or an example made it, else None.

    None too where the package itself is what warns: that is a message to its users.
    """
    is_first = True
    while frame is not None:
        name = frame.f_code.co_filename
        path = Path(name)
        if path.is_relative_to(PACKAGE) or path.is_relative_to(EXAMPLES) or EXPORTED in path.parts:
            return None if is_first else f"{name}:{frame.f_lineno}"
        if path.is_relative_to(ROOT / "modeling_tests") or BETWEEN & set(path.parts):
            return None
        is_first = False
        frame = frame.f_back
    return None


class _Watch(logging.Handler):
    """Notes `place: message` of deprecated calls, warned of or logged. Of nested ones the innermost notes them."""

    open: list["_Watch"] = []

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def note(self, message: str) -> None:
        place = caller_in_package(_outside_of_watching(sys._getframe()))
        text = f"{place}: {message}"
        if place and self.open[-1] is self and text not in self.found:
            self.found.append(text)

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if any(word in message.lower() for word in WORDS) and not record.name.startswith("pixel_ar"):
            self.note(f"logged by {record.name}: {message}")


def _outside_of_watching(frame: FrameType | None) -> FrameType | None:
    """The first frame that is of neither this file, nor of `warnings`, nor of `logging`."""
    while frame is not None:
        name = frame.f_code.co_filename
        if name not in (__file__, logging.__file__) and Path(name).name not in WARNINGS_MODULE:
            break
        frame = frame.f_back
    return frame


@contextmanager
def watch_deprecations() -> Iterator[list[str]]:
    """Collects `place: message` of each deprecated call that the package makes while it is open.

    What a library or a test suppresses, or a test expects with `pytest.warns`, is not collected.
    """
    watch = _Watch()
    show = warnings.showwarning

    def showwarning(message: Warning | str, category: type[Warning], *rest: Any, **named: Any) -> None:
        if issubclass(category, CATEGORIES):
            watch.note(f"{category.__name__}: {message}")
        show(message, category, *rest, **named)

    warnings.showwarning = showwarning
    # transformers may hand on to the root logger or not, as the environment says.
    loggers = [logging.getLogger(), logging.getLogger("transformers")]
    # Each test sees what transformers says but once in a process.
    once = getattr(logging.Logger, "warning_once", None)
    if hasattr(once, "cache_clear"):
        once.cache_clear()
    for logger in loggers:
        logger.addHandler(watch)
    _Watch.open.append(watch)
    try:
        yield watch.found
    finally:
        _Watch.open.remove(watch)
        for logger in loggers:
            logger.removeHandler(watch)
        if warnings.showwarning is showwarning:
            warnings.showwarning = show


def _watch() -> Generator[None, Any, Any]:
    with watch_deprecations() as found:
        result = yield
    if found:
        pytest.fail("calls of what is deprecated:\n" + "\n".join(found), pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, Any, Any]:
    """The fixtures of a test, as the test itself."""
    return (yield from _watch())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, Any, Any]:
    """Fails a test of which `watch_deprecations` found something."""
    return (yield from _watch())
