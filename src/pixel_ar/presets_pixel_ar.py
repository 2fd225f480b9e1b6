# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Configurations of the published models, and of ours at the same sizes."""

from typing import Any

CONFIG_PRESETS: dict[str, dict[str, Any]] = {}

__all__ = ["CONFIG_PRESETS"]
