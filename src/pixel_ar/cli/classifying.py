# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""`pixel-ar classify`."""

import sys
from argparse import Namespace
from typing import Any

import torch

from ..processing.processing_pixel_ar import PixelProcessor
from .files import Output, check_output
from .loading import load_model
from .messages import report_line
from .writing import read_named_texts, shorten


def classify(args: Namespace) -> int:
    """`pixel-ar classify`: classes of texts, such as their language, and how likely they are."""
    check_output(args.output, args.force)
    texts = read_named_texts(args, "classify")
    model, processor = load_model(args, classifies=True)
    out = Output(args.output, args.json)
    code = 0
    for name, text in texts:
        try:
            found = _classify_one(model, processor, name, text)[: args.top]
        except ValueError as error:
            code = report_line("classify", name, error, is_only=len(texts) == 1)
            continue
        shown = "  ".join(f"{each['label']} {each['score']:.3f}" for each in found)
        out.add(f"{shown}  {shorten(text)}", {"text": text, "classes": found})
    out.close(single=len(texts) == 1)
    return code


def _classify_one(model: Any, processor: PixelProcessor, name: str, text: str) -> list[dict[str, Any]]:
    """Classes with their probabilities, the likeliest first."""
    limit = model.config.max_position_embeddings
    inputs = processor(text=text, max_patches=limit, truncation=True, return_tensors="pt")
    if processor.renderer.measure(text) > (limit - 1) * processor.patch_size[1]:  # one is the EOS patch
        print(
            f"pixel-ar classify: {name} is long; its first {limit} patches were looked at.", file=sys.stderr
        )
    with torch.inference_mode():
        scores = model(**inputs).logits[0].float().softmax(-1).tolist()
    ranked = sorted(enumerate(scores), key=lambda pair: -pair[1])
    return [{"label": model.config.id2label[index], "score": score} for index, score in ranked]


__all__ = ["classify"]
