# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Text to strips and strips to text: the scripts of this folder, whose lines are recorded as they print them."""

import contextlib
import importlib
import io
import time

from harness import Record, Settings

# Clean strips alone: what damaged ones cost is a longer story, which the scripts tell by themselves.
WORDS = {"rendering": [], "reading": ["--damaged"]}
SHORT = {
    "rendering": ["--texts", "4", "--characters", "40", "--pillow-texts", "2", "--repeats", "1"],
    "reading": ["--atlases", "fixed-5x8", "--damaged"],
}


def run(settings: Settings, record: Record) -> None:
    """See `harness`."""
    for name in ("rendering", "reading"):
        record.attempt(
            name, lambda name=name: run_script(name, (SHORT if settings.is_quick else WORDS)[name])
        )


def run_script(name: str, words: list[str]) -> dict[str, object]:
    """The lines that a script prints, and the processor time it took."""
    out = io.StringIO()
    start = time.process_time()
    with contextlib.redirect_stdout(out):
        try:
            code = importlib.import_module(name).main(words)
        except SystemExit as ended:
            code = ended.code
    if code:
        raise RuntimeError(f"{name}.py ended with {code}")
    return {
        "cpu_s": round(time.process_time() - start, 1),
        "printed": " // ".join(out.getvalue().splitlines()),
    }
