# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Where things lie in a clone."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
DATA = EXAMPLES / "data"
FIXTURES = ROOT / "modeling_tests" / "fixtures"

__all__ = ["DATA", "EXAMPLES", "FIXTURES", "ROOT"]
