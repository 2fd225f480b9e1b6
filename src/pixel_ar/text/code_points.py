# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Texts as arrays, for tables with an entry for every code point."""

import numpy as np


def code_points(text: str) -> np.ndarray:
    """Return the code points of a text, lone surrogates among them, uint32 `[len(text)]`."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


__all__ = ["code_points"]
