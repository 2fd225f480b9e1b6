# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The texts that the benchmarks measure on."""

import gzip
import json
from pathlib import Path

DATA = Path(__file__).parents[1] / "data"


def read_texts(name: str) -> list[str]:
    """All texts of a file in examples/data, such as `sotu_validation.jsonl.gz`."""
    with gzip.open(DATA / name, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]
