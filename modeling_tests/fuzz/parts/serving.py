# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Pipelines: any text, what is no text, options that nobody means."""

import functools
import math
from pathlib import Path
from random import Random
from typing import Any

import torch
from fuzz.case import Case, Part, expect
from fuzz.texts import any_text, no_text, odd_number, plain_text
from tools.tiny import TINY

from pixel_ar import (
    PixelARConfig,
    PixelARForCausalLM,
    PixelARForQuestionAnswering,
    PixelARForSequenceClassification,
    PixelARForTokenClassification,
    PixelProcessor,
)
from pixel_ar.serving.pipelines import (
    PixelQuestionAnsweringPipeline,
    PixelTextClassificationPipeline,
    PixelTextGenerationPipeline,
    PixelTokenClassificationPipeline,
)

ERRORS = (ValueError, TypeError)
_LENGTH = 48
_OPTIONS: dict[str, tuple[str, ...]] = {
    "generate": (
        "max_new_patches",
        "min_new_patches",
        "temperature",
        "top_p",
        "top_k",
        "num_return_sequences",
    ),
    "classify": ("top_k", "function_to_apply", "max_patches", "padding", "truncation"),
    "words": ("ignore_labels", "aggregation_strategy", "label_policy"),
    "answer": ("max_patches", "stride", "max_answer_patches"),
}


@functools.cache
def pipelines() -> dict[str, Any]:
    """One pipeline of every task, with tiny models."""
    torch.manual_seed(0)
    size: dict[str, Any] = {**TINY, "max_position_embeddings": _LENGTH}
    processor = PixelProcessor(model_max_patches=_LENGTH, missing="hexbox")
    return {
        "generate": PixelTextGenerationPipeline(
            model=PixelARForCausalLM(PixelARConfig(**size)), processor=processor
        ),
        "classify": PixelTextClassificationPipeline(
            model=PixelARForSequenceClassification(PixelARConfig(**size, num_labels=3)), processor=processor
        ),
        "words": PixelTokenClassificationPipeline(
            model=PixelARForTokenClassification(PixelARConfig(**size, num_labels=3)), processor=processor
        ),
        "answer": PixelQuestionAnsweringPipeline(
            model=PixelARForQuestionAnswering(PixelARConfig(**size)), processor=processor
        ),
    }


def make(rng: Random, number: int, folder: Path) -> Case:
    task = rng.choice(list(pipelines()))
    given = _input(rng, task)
    if rng.random() < 0.25:
        given = [given, _input(rng, task)] if rng.random() < 0.8 else []
    options: dict[str, Any] = {"max_new_patches": 2} if task == "generate" else {}
    if rng.random() < 0.4:
        options[rng.choice((*_OPTIONS[task], "batch_size", "colour"))] = odd_number(rng)
    # Many sequences and patches are what was asked for, not a fault.
    for name in ("max_new_patches", "num_return_sequences"):
        if isinstance(options.get(name), int | float) and 8 < options[name] < 2**31:
            options[name] = 3
    return Case(
        f"{task}({given!r:.120}, {options!r:.80})", lambda: _check(task, given, options), ERRORS, seconds=20
    )


def _input(rng: Random, task: str) -> Any:
    kind = rng.random()
    text = no_text(rng) if kind < 0.2 else plain_text(rng) if kind < 0.6 else any_text(rng, 20)
    if task == "answer":
        row = {"question": plain_text(rng, 20) if rng.random() < 0.8 else text, "context": text}
        return row if rng.random() < 0.9 else no_text(rng)
    if task == "words" and rng.random() < 0.3 and isinstance(text, str):
        return text.split()
    if task == "classify" and rng.random() < 0.3:
        return rng.choice(({"text": text, "text_pair": plain_text(rng)}, {"text": text}, {"words": text}))
    return text


def _check(task: str, given: Any, options: dict[str, Any]) -> None:
    found = pipelines()[task](given, **options)
    if isinstance(given, list) and task != "words" and all(isinstance(each, str) for each in given):
        expect(len(found) == len(given), f"{len(found)} results for {len(given)} inputs")
    for result in _leaves(found):
        score = result.get("score", 0.0)
        expect(isinstance(score, float) and math.isfinite(score), f"a score of {score!r}")
        if task == "words" and isinstance(given, str):
            shown = given[result["start"] : result["end"]]
            expect(shown.split() == result["word"].split(), f"the word {result['word']!r} at {shown!r}")
        if task == "answer" and isinstance(given, dict):
            shown = given["context"][result["start"] : result["end"]]
            expect(result["answer"] == shown, f"the answer {result['answer']!r} at {shown!r}")


def _leaves(found: Any) -> list[dict[str, Any]]:
    if isinstance(found, dict):
        return [found]
    return [leaf for each in found for leaf in _leaves(each)] if isinstance(found, list) else []


PART = Part("serving", make, share=4, prepare=pipelines, batch=300)
__all__ = ["PART"]
