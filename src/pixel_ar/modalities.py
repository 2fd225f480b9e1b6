# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The kinds of positions in a sequence, and the label that asks for no loss."""

TOKEN, PATCH = 0, 1

IGNORED_LABEL = -100


__all__ = ["IGNORED_LABEL", "PATCH", "TOKEN"]
