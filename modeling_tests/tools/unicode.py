# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Sample texts and fonts of the tests of shaped text."""

import functools
import json
from pathlib import Path

from tools.paths import FIXTURES

FOLDER = FIXTURES / "unicode"


@functools.cache
def declarations() -> dict[str, list[str]]:
    """Three articles of the Universal Declaration of Human Rights, by language code."""
    return json.loads((FOLDER / "declarations.json").read_text(encoding="utf-8"))


def sample_font(name: str) -> Path:
    """A Noto font cut down to the letters of the samples."""
    return FOLDER / f"NotoSans{name}-sample.ttf"
