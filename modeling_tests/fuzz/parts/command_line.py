# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Command lines: whatever is given, a command does its work or says in one line why not; never a traceback.

Most run `main` in the case's process. Closed streams and Ctrl-C need a command of its own, and are few.
"""

import contextlib
import functools
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from fuzz.case import MEBIBYTE, Case, Part, expect
from fuzz.damage import copy_folder, damage, own, png
from fuzz.parts.converters import bases as originals
from fuzz.parts.folders import bases
from fuzz.texts import any_text, plain_text
from PIL import Image

from pixel_ar.cli.main import main
from pixel_ar.reading.prior import CharacterPrior

# Exit codes that are documented.
_DONE, _REFUSED, _INTERRUPTED = 0, 2, 130


def _closed(arguments: Sequence[str], descriptors: Sequence[int]) -> None:
    """A command that starts with some of its streams closed."""
    closing = " ".join(f"{number}{'<' if number == 0 else '>'}&-" for number in descriptors)
    line = f'exec "$0" -m pixel_ar "$@" {closing}'
    done = subprocess.run(
        ["bash", "-c", line, sys.executable, *arguments], capture_output=True, timeout=200, check=False
    )
    _check_end(done.returncode, done.stdout.decode(), done.stderr.decode())


def _interrupted(arguments: Sequence[str], seconds: float) -> None:
    """`pixel-ar` that gets Ctrl-C some time after its start (under `python -m`, the package is imported by Python)."""
    command = [sys.executable, "-m", "pixel_ar_command", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=200)
    # In the first moments Python itself is not ready for it: it ends by the signal as every program does, or says where
    # it was (with 1 where it could not even begin) when nothing of this package had been read.
    if process.returncode in (-signal.SIGINT, 1) and b"pixel_ar/" not in err:
        return
    _check_end(process.returncode, out.decode(), err.decode())


def _full(arguments: Sequence[str]) -> None:
    """A command whose output goes to a device that is full."""
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "pixel_ar", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=200, check=False)
    expect(done.returncode == _REFUSED, f"exit code {done.returncode} though nothing could be written")
    _check_end(done.returncode, "", done.stderr.decode())


def _cut_pipe(arguments: Sequence[str]) -> None:
    """A command whose reader goes away at once."""
    line = 'set -o pipefail; "$0" -m pixel_ar "$@" | true'
    done = subprocess.run(
        ["bash", "-c", line, sys.executable, *arguments], capture_output=True, timeout=200, check=False
    )
    _check_end(done.returncode, done.stdout.decode(), done.stderr.decode())


def _check_end(code: int, out: str, err: str) -> None:
    expect("Traceback" not in err + out, f"a traceback: {err[-300:]}")
    expect(code in (_DONE, _REFUSED, _INTERRUPTED), f"exit code {code}: {err[-200:]}")
    if code == _REFUSED:
        lines = [line for line in err.splitlines() if line]
        expect(len(lines) <= 1, f"{len(lines)} lines instead of one: {err[:300]}")


_RENDER = ("render", "abc", "-o", "strip.png")
PROCESSES: tuple[tuple[str, Callable[[], None]], ...] = (
    *(
        (
            f"{' '.join(arguments)} without streams {descriptors}",
            functools.partial(_closed, arguments, descriptors),
        )
        for arguments, descriptors in (
            (("render", "--file", "-"), (0,)),
            (_RENDER, (1,)),
            (("info",), (1,)),
            (_RENDER, (0, 1, 2)),
            (("render", "\u0915\u094d\u0937"), (2,)),
            (("score", "abc"), (1, 2)),
            (("--version",), (1,)),
        )
    ),
    *(
        (f"Ctrl-C after {seconds} s", functools.partial(_interrupted, ("info",), seconds))
        for seconds in (0.05, 0.4, 1, 2, 4)
    ),
    ("Ctrl-C while a text is read", functools.partial(_interrupted, ("render", "--file", "/dev/stdin"), 3)),
    ("info to a full device", functools.partial(_full, ("info",))),
    ("read to a pipe that is cut", functools.partial(_cut_pipe, ("info",))),
)


_HUGE: tuple[tuple[str, ...], ...] = (
    ("render", "abc", "--width", "100000000"),
    ("render", "abc", "--width", "10000000000000000000000"),
    ("render", "x" * 100_000, "--scale", "64"),
    ("render", "--file", "large.txt"),
    ("render", "--file", "large.txt", "--width", "8"),
    ("render", "--file", "/dev/zero"),
    ("render", "--file", "."),
    ("render", "abc", "-o", "/nowhere/strip.png"),
    ("render", "abc", "-o", "."),
    ("render", "abc", "-o", "strip.xyz"),
    ("render", "abc", "-o", "strip"),
    ("render", "abc", "-o", ""),
    ("render", "abc", "-o", "/dev/full.png"),
    ("render", "abc", "--scale", "nan"),
    ("read", "bomb.png"),
    ("read", "bomb.png", "--page"),
    ("read", "wide.png"),
    ("read", "/dev/null"),
    ("read", "."),
    ("read", ""),
    ("read", "strip.png", "--prior", "large.txt"),
    ("generate", "abc", "--num-return-sequences", "500000", "--model", "model"),
    ("generate", "abc", "--max-new-patches", "100000000", "--model", "model"),
    ("generate", "abc", "--max-new-patches", "9" * 5000, "--model", "model"),
    ("generate", "abc", "--seed", "9" * 400, "--model", "model"),
    ("generate", "abc", "--temperature", "1e-300", "--model", "model"),
    ("generate", "abc", "--temperature", "inf", "--model", "model"),
    ("generate", "abc", "--temperature", "nan", "--model", "model"),
    ("generate", "abc", "--top-k", "9" * 30, "--model", "model"),
    ("generate", "x" * 100_000, "--model", "model"),
    ("score", "x" * 100_000, "--model", "model"),
    ("score", "--file", "large.txt", "--model", "model"),
    ("info", "../x/y/z"),
    ("info", "a/b"),
    ("info", "\0"),
    ("info", "x" * 10_000),
)


def make(rng: Random, number: int, folder: Path) -> Case:
    if number < len(_HUGE):
        _write_files(folder)
        arguments = _HUGE[number]
        return _command(arguments, "", seconds=60, memory=1024 * MEBIBYTE)
    number -= len(_HUGE)
    if number < len(PROCESSES):
        title, run = PROCESSES[number]
        return Case(title, run, seconds=60)
    _write_small(rng, folder)
    return _command(_arguments(rng, folder), plain_text(rng, 20), 20, 512 * MEBIBYTE)


def _command(arguments: Sequence[str], given: str, seconds: float, memory: int) -> Case:
    shown = " ".join(
        argument if len(argument) < 60 else f"{argument[:40]}... ({len(argument)})" for argument in arguments
    )
    return Case(
        f"pixel-ar {shown}", functools.partial(_run, arguments, given), seconds=seconds, memory=memory
    )


def _run(arguments: Sequence[str], given: str) -> None:
    """`main` with its streams caught; its arguments as a shell hands them over."""
    out, err = io.StringIO(), io.StringIO()
    before, sys.stdin = sys.stdin, io.StringIO(given)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code: Any = main(arguments)
            except SystemExit as error:
                code = error.code
    finally:
        sys.stdin = before
    _check_end(int(code or 0), out.getvalue(), err.getvalue())
    if code == _REFUSED:
        expect(err.getvalue().startswith("pixel-ar"), f"refused with {err.getvalue()[:100]!r}")


def _write_files(folder: Path) -> None:
    (folder / "large.txt").write_text("The people of the United States. " * 60_000, encoding="utf-8")
    (folder / "bomb.png").write_bytes(png(20_000, 20_000))
    (folder / "wide.png").write_bytes(png(1_000_000, 8))
    Image.new("1", (40, 8), 1).save(folder / "strip.png")
    copy_folder(bases()["model"], folder / "model")


def _write_small(rng: Random, folder: Path) -> None:
    """A text, a picture, a prior, a model and an original, each sound or damaged."""
    (folder / "text.txt").write_text(any_text(rng, 60), encoding="utf-8", errors="surrogatepass")
    height = rng.choice((8, 8, 16, 24, 7))
    Image.new(rng.choice(("1", "L", "RGB", "RGBA", "P")), (rng.choice((1, 40, 100)), height), 1).save(
        folder / "strip.png"
    )
    CharacterPrior.fit(["abc"], order=1).save(folder / "prior.json")
    copy_folder(bases()["model"], folder / "model")
    copy_folder(originals()["pixar safetensors"], folder / "original")
    if rng.random() < 0.5:
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        damage(own(rng.choice(files)), rng)


def _arguments(rng: Random, folder: Path) -> list[str]:
    text = any_text(rng, 30) if rng.random() < 0.5 else plain_text(rng, 30)
    # A shell hands over bytes: what is not UTF-8 arrives as lone surrogates, and no argument holds a zero byte.
    text = text.replace("\0", "").encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
    numbers = ("0", "1", "2", "-1", "3.5", "nan", "inf", "1e9", "x", "", "0x10", "١", "9" * 30, "64", "8")
    number = functools.partial(rng.choice, numbers)
    model = (
        "--model",
        rng.choice(("model", "model", "original", ".", "text.txt", "nothing", "pixel-ar-tiny/")),
    )
    draw = rng.choice(((), model, ("--preset", rng.choice(("fixed-8", "unifont-16", "pixar", "x")))))
    kind = rng.choice(("render", "render", "read", "read", "generate", "score", "convert", "info", "other"))
    if kind == "render":
        given = rng.choice(
            ((text,), ("--file", "text.txt"), ("--file", "-"), (), (text, "--file", "text.txt"))
        )
        arguments = [
            "render",
            *given,
            *draw,
            "-o",
            rng.choice(("out.png", "out.png", "out.gif", "model", "strip.png")),
        ]
        options: tuple[tuple[str, Callable[[], str]], ...] = (
            ("--width", number),
            ("--scale", number),
            ("--missing", lambda: rng.choice(("error", "warn", "hexbox", "x"))),
        )
    elif kind == "read":
        arguments = [
            "read",
            rng.choice(("strip.png", "strip.png", "text.txt", "model", "nothing.png")),
            *draw,
        ]
        arguments += rng.choice(((), ("--page",), ("--confidence",), ("--page", "--confidence")))
        options = (("--prior", lambda: rng.choice(("prior.json", "text.txt", "strip.png"))),)
    elif kind == "generate":
        arguments = ["generate", text, *model, "--max-new-patches", rng.choice(("1", "2", number()))]
        options = tuple(
            (name, number)
            for name in ("--temperature", "--top-p", "--top-k", "--seed", "--num-return-sequences")
        )
        options = (*options, ("--output", lambda: rng.choice(("out.png", "model/x/y.png"))))
    elif kind == "score":
        arguments = [
            "score",
            *rng.choice(((text,), (text, "abc"), ("--file", "text.txt"), ("--file", "-"), ())),
            *model,
        ]
        options = ()
    elif kind == "convert":
        arguments = ["convert", rng.choice(("original", "original", "model", "nothing", "text.txt"))]
        arguments += [
            rng.choice(("new", "model", "text.txt", "a/b/c")),
            "--from",
            rng.choice(("pixar", "pixelgpt", "x")),
        ]
        arguments += rng.choice(
            (("--no-processor",), ("--atlas", "fixed-5x8"), ("--font", "text.txt"), ("--atlas", "x"), ())
        )
        options = ()
    elif kind == "info":
        arguments, options = ["info", model[1]], ()
    else:
        arguments = [
            rng.choice(("--help", "--version", "", "renders", "--", "-x", text))
            for _ in range(rng.randint(0, 3))
        ]
        options = ()
    for name, value in rng.sample(options, rng.randint(0, len(options))):
        arguments += [name, value()]
    # Five hundred sequences are what was asked for, and only take long.
    if "--num-return-sequences" in arguments and arguments[-1] == "64":
        arguments[-1] = "2"
    return arguments


def _prepare() -> None:
    bases()
    originals()
    os.environ.setdefault("COLUMNS", "80")
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        main(["info", str(bases()["model"])])


PART = Part("command line", make, len(_HUGE) + len(PROCESSES), share=6, prepare=_prepare, batch=100)
__all__ = ["PART"]
