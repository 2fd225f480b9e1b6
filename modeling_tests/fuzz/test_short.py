# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A short run of the campaign: named attacks and some drawn cases of the parts that are clean, the same in every run.

The other parts run by `make fuzz`; a part moves here once it has no finding left.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fuzz.registry import PARTS
from tools.paths import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="cases run in forked processes"),
]

CASES = 600
CLEAN = ("folders", "inputs", "models", "pages", "spae", "serving")


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of one run, in a process of its own: cases are forked from one that has a single thread."""
    report = tmp_path_factory.mktemp("fuzz") / "report.json"
    command = [
        sys.executable,
        "-m",
        "fuzz",
        "--n",
        str(CASES),
        "--parts",
        ",".join(CLEAN),
        "--output",
        str(report),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "modeling_tests")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert report.is_file(), done.stderr[-3000:]
    print(done.stdout)
    return json.loads(Path(report).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", CLEAN)
def test_nothing_is_found(name: str, figures: dict[str, Any]) -> None:
    part = figures["parts"][name]
    assert part["cases"] >= max(PARTS[name].attacks, 1)
    found = [
        f"{finding['outcome']} at {finding['where'] or 'no line of the package'}, {finding['count']} times; "
        f"case {first['number']}: {first['title']}: {first['what']}"
        for finding in part["findings"]
        for first in finding["first"][:1]
    ]
    assert not found, "\n".join(found)
