# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Metrics of pixel models; plain functions, nothing is fetched."""

from .likelihood import TextLikelihood, score_texts

__all__ = ["TextLikelihood", "score_texts"]
