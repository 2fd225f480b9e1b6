# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The parts of the campaign, in their order."""

from fuzz.case import Part
from fuzz.parts import (
    collators,
    command_line,
    converters,
    folders,
    fonts,
    inputs,
    metamorphic,
    models,
    pages,
    reader,
    renderer,
    saves,
    serving,
    spae,
)

PARTS: dict[str, Part] = {
    module.PART.name: module.PART
    for module in (
        *(renderer, reader, metamorphic, inputs, folders, fonts, converters, models, pages, spae),
        *(collators, serving, command_line, saves),
    )
}

__all__ = ["PARTS"]
