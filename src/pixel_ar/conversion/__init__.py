# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Checkpoints of the published pixel language models, converted to this package's classes.

`convert_checkpoint(source, target, kind)` reads what PIXAR (arXiv 2401.03321) and PixelGPT (arXiv 2404.10710) write;
and Pix2Struct (arXiv 2210.03347) in transformers; on the command line it is `pixel-ar convert --from
pixar|pixelgpt|pix2struct SRC DST`. `export_pix2struct(source, target)` (`--to pix2struct`) is the way back of the last.
"""

from .checkpoints import ConversionReport, convert_checkpoint
from .export import export_pix2struct
from .families import FAMILIES

CHECKPOINT_KINDS = tuple(FAMILIES)

__all__ = ["CHECKPOINT_KINDS", "ConversionReport", "convert_checkpoint", "export_pix2struct"]
