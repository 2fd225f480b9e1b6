#!/usr/bin/env python
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Decoding on a CPU with the decoder's weights in int8: how fast, and whether the same is written.

PyTorch's dynamic quantisation stores each matrix in int8 with one scale for all of it, and rounds activations to int8
as they come. The patch head stays in float32.

    python examples/benchmarks/int8_weights.py --prompts 100
    python examples/benchmarks/int8_weights.py --preset pixel-ar-113m --prompts 0

It prints the processor's time of a step in both types, and after how many prompts all bytes are the same, greedily.
"""

import argparse
import copy
import gzip
import json
import statistics
import sys
import time
import warnings
from pathlib import Path

import torch
from torch import nn

import pixel_ar
from pixel_ar import PixelARConfig, PixelARForCausalLM, PixelProcessor

DATA = Path(__file__).resolve().parents[1] / "data" / "sotu_validation.jsonl.gz"


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line; the defaults are the published measurement."""
    parser = argparse.ArgumentParser(description="Decoding with the decoder's weights in int8.")
    parser.add_argument("--model", default="pixel-ar-tiny", help="folder or bundled checkpoint")
    parser.add_argument("--preset", help="time a model of this size with random weights instead")
    parser.add_argument("--prompts", type=int, default=100, help="prompts whose continuations are compared")
    parser.add_argument("--new-patches", type=int, default=8)
    parser.add_argument("--timed-patches", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args(arguments)


def quantised(model: PixelARForCausalLM) -> PixelARForCausalLM:
    """A copy whose decoder layers hold int8."""
    model = copy.deepcopy(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # says that this way to quantise moves to another package
        model.model.layers = torch.ao.quantization.quantize_dynamic(
            model.model.layers, {nn.Linear}, torch.qint8
        )
    return model


def step_seconds(model: PixelARForCausalLM, count: int, repeats: int = 3) -> float:
    """Processor time of a step after the prompt, greedy, one row."""
    height, width = model.config.patch_size
    strip = (torch.rand(1, 1, height, 32 * width, generator=torch.Generator().manual_seed(0)) > 0.2).float()

    def spent(patches: int) -> float:
        start = time.process_time()
        model.generate(strip, max_new_patches=patches, stop_at_eos=False)
        return time.process_time() - start

    spent(2)
    return statistics.median((spent(count) - spent(1)) / (count - 1) for _ in range(repeats))


def continuations(
    model: PixelARForCausalLM, processor: PixelProcessor, prompts: list[str], new: int
) -> list[torch.Tensor]:
    """What is written after each prompt."""
    written = []
    for prompt in prompts:
        inputs = processor(text=[prompt], add_eos=False, return_tensors="pt")
        written.append(model.generate(**inputs, max_new_patches=new, do_sample=False))
    return written


def read_prompts(count: int) -> list[str]:
    """Beginnings of paragraphs of held-out addresses."""
    prompts = []
    with gzip.open(DATA, "rt", encoding="utf-8") as stream:
        for line in stream:
            for paragraph in json.loads(line)["text"].split("\n"):
                if len(paragraph) > 60:
                    prompts.append(paragraph[:40].rsplit(" ", 1)[0])
    if len(prompts) < count:
        raise SystemExit(f"the data holds {len(prompts)} prompts; ask for no more")
    return prompts[:count]


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints."""
    options = parse_arguments(arguments)
    torch.set_num_threads(options.threads)
    if options.preset:
        torch.manual_seed(0)
        model = PixelARForCausalLM(PixelARConfig.from_preset(options.preset)).eval()
        name = options.preset
    else:
        name = options.model
        folder = pixel_ar.bundled_checkpoint(name) if name in pixel_ar.bundled_checkpoints() else name
        model = PixelARForCausalLM.from_pretrained(folder).eval()
    small = quantised(model)
    exact, rounded = (step_seconds(each, options.timed_patches) for each in (model, small))
    print(
        f"{name}, one row, {options.threads} thread(s), torch {torch.__version__}: {1e3 * exact:.2f} ms of processor "
        f"time per patch in float32, {1e3 * rounded:.2f} with int8: {exact / rounded:.2f} times as fast"
    )
    if options.prompts and not options.preset:
        processor = PixelProcessor.from_pretrained(folder)
        prompts = read_prompts(options.prompts)
        pairs = zip(
            *(continuations(each, processor, prompts, options.new_patches) for each in (model, small)),
            strict=True,
        )
        same = sum(torch.equal(first, second) for first, second in pairs)
        print(
            f"{same} of {len(prompts)} prompts are continued alike, all bytes of {options.new_patches} patches"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
