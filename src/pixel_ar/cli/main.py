# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What the command `pixel-ar` does with its arguments, its streams and errors.

Exit codes: 0 done; 1 a self-test failed; 2 bad input, with one line on stderr; 3 a picture that could not be read;
130 interrupted.
"""

import argparse
import io
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress

from .parser import parse


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: arguments without the program's name; default: those of the process.

    Returns:
        The exit code.
    """
    return run(parse(None if argv is None else list(argv)))


def run(args: argparse.Namespace) -> int:
    """Runs a command whose arguments are parsed."""
    if sys.stderr is None:  # closed before the start
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (as long as the process)
    if sys.stdout is None:
        return _fail(args, "standard output is closed; results have nowhere to go.")
    for stream in (sys.stdout, sys.stderr):
        # What a model writes may hold any character; a terminal that lacks one gets its number, nothing is lost.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = _show_warning
    try:
        from .commands import COMMANDS
        from .messages import in_words_of_the_command_line

        try:
            code = COMMANDS[args.command](args)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader of our output (head, less) has seen enough.
            _silence_stdout()
            return 0
        except (ValueError, TypeError, OSError) as error:
            return _fail(args, in_words_of_the_command_line(error))
        except MemoryError:
            return _fail(
                args, "there is not enough memory for this; make the text, the picture or the batch smaller."
            )
        return code
    except KeyboardInterrupt:
        _silence_stdout()
        return 130
    except Exception as error:
        if os.environ.get("PIXEL_AR_DEBUG"):
            raise
        return _fail(
            args,
            f"unexpected {type(error).__name__}: {error} (PIXEL_AR_DEBUG=1 shows where; please report it)",
        )


def _fail(args: argparse.Namespace, message: str) -> int:
    """One line on stderr; what stdout could not take must not be tried again at exit."""
    line = " ".join(message.split())
    try:
        print(
            f"pixel-ar {args.command}: error: {line if len(line) <= 1000 else line[:997] + '...'}",
            file=sys.stderr,
        )
        sys.stderr.flush()
    except OSError:
        pass
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except (OSError, ValueError):
            _silence_stdout()
    return 2


def _silence_stdout() -> None:
    # Suppressed where it was replaced by an object that has no file.
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_warning(message: Warning | str, category: type[Warning], *args: object, **kwargs: object) -> None:
    """Warnings of this package in one line; those of libraries are for programmers."""
    if issubclass(category, UserWarning) and not issubclass(category, FutureWarning | DeprecationWarning):
        print(f"pixel-ar: warning: {' '.join(str(message).split())}", file=sys.stderr)


__all__ = ["main", "run"]
