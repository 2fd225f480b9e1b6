# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The README.md of a converted checkpoint: what it is, whose it is, how to use it."""

from collections.abc import Mapping
from typing import Any

from .families import CAUSAL_LM, CLASSIFIER, DISCRIMINATOR
from .family import Family
from .pix2struct import ARCHITECTURE as PAGE_MODEL

_LOADERS = {
    CAUSAL_LM: "AutoModelForCausalLM",
    CLASSIFIER: "AutoModelForSequenceClassification",
    DISCRIMINATOR: DISCRIMINATOR,
    PAGE_MODEL: "AutoModelForImageTextToText",
}

# What the projects say about their weights. Code and weights are different things: both repositories are MIT.
_ORIGIN = {
    "pixar": (
        "[PIXAR](https://arxiv.org/abs/2401.03321), `april-tools/pixar`",
        "The weights that PIXAR's authors put online carry no licence; their code is MIT. Without a licence, ask the "
        "authors before you pass the weights on or build on them.",
    ),
    "pixelgpt": (
        "[PixelGPT](https://arxiv.org/abs/2404.10710), `ernie-research/pixelgpt`",
        "The repository is MIT; the published weights name no licence of their own.",
    ),
    "pix2struct": (
        "[Pix2Struct](https://arxiv.org/abs/2210.03347), `google-research/pix2struct`",
        "The repository is Apache-2.0; what the card of these weights says of their licence holds for this copy too.",
    ),
}

_TEMPLATE = """---
license: other
license_name: unstated
library_name: transformers
tags:
  - pixel-language-model
  - pixel_ar
  - {kind}
---

# {title}, converted

Weights of {origin}, in the form that `pixel_ar` {version} reads:
a `{architecture}` of {parameters:,} parameters. The conversion renames and reorders values and changes none.

## Use

```python
{imports}

model = {loader}.from_pretrained(".")  # this folder
{processor}```

## Licence

{licence}

## Origin

| file | sha256 |
|---|---|
{files}

{drawing}

{notes}

The same is in `conversion.json`, for programs.
"""


def conversion_card(family: Family, record: Mapping[str, Any]) -> str:
    """The text of a README.md.

    Args:
        family: the kind of checkpoint.
        record: the content of `conversion.json`.
    """
    origin, licence = _ORIGIN[family.kind]
    loader = _LOADERS[record["architecture"]]
    has_processor = record["processor"] is not None
    names = ["AutoProcessor"] * has_processor
    imports = []
    if loader == DISCRIMINATOR:
        imports.append(f"from pixel_ar.training import {loader}")
    else:
        names.insert(0, loader)
    if names:
        imports.append(f"from transformers import {', '.join(names)}")
    files = record["source_files"].items()
    return _TEMPLATE.format(
        kind=family.kind,
        title=family.title,
        origin=origin,
        licence=licence,
        version=record["versions"]["pixel_ar"],
        architecture=record["architecture"],
        parameters=record["parameters"],
        imports="\n".join(["import pixel_ar  # registers the classes", *imports]),
        loader=loader,
        processor='processor = AutoProcessor.from_pretrained(".")\n' if has_processor else "",
        files="\n".join(f"| `{name}` | `{about['sha256']}` |" for name, about in files),
        drawing=_drawing(family, record["processor"]),
        notes="\n".join(f"- {note}." for note in record["notes"]) or "Nothing was left out.",
    )


def _drawing(family: Family, processor: Mapping[str, Any] | None) -> str:
    if processor is None:
        what = "text has to be drawn" if family.reads_strips else "pages have to be cut into patches"
        return f"No processor: {what} by other means."
    drawn = [*([processor["font"]] if "font" in processor else []), *processor["atlases"]]
    rows = "\n".join(f"| `{item['name']}` | `{item['sha256']}` |" for item in drawn)
    return f"| drawn with | sha256 |\n|---|---|\n{rows}"


__all__ = ["conversion_card"]
