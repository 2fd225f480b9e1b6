# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Scripts of examples/, run as Python runs them."""

import runpy
import sys

import pytest
from tools.paths import EXAMPLES


def run_script(script: str, *words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a script with a command line, in this process."""
    path = EXAMPLES / script
    monkeypatch.setattr(sys, "argv", [str(path), *words])
    monkeypatch.syspath_prepend(str(path.parent))  # as Python does for a script
    runpy.run_path(str(path), run_name="__main__")


__all__ = ["run_script"]
