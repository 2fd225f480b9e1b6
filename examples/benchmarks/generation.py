# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Speed of generation: `generate` with its cache against recomputing the whole canvas for every patch.

PIXAR's reference implementation (arXiv 2401.03321) keeps a canvas of fixed width and runs the model over all of it for
each new patch, without a cache. Here the same model, with the same patch head, does both in one run:

- generate: greedy, 128 new patches after a prompt of 64, the time of the prompt included;
- compiled: the same with `cache_implementation="static"` and a `compile_config`, after one call that compiles;
- recompute: the decoder over all 360 patches of the canvas, then the head, for each of the first 8 new patches (every
  patch costs the same, so a few suffice; raise --recomputed to check).

The weights are random: they do not change the time. Run it on an idle machine:

    python examples/benchmarks/generation.py --require 15

It prints milliseconds per patch of each and the ratios, and fails if the best ratio is below --require. `--no-compile`
leaves the compiled form out, which needs a C++ compiler; `--compile-recompute` also compiles the recomputing decoder.
"""

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable

import torch
import transformers
from transformers.generation import CompileConfig

from pixel_ar import PixelARConfig, PixelARForCausalLM


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line; the defaults are the published measurement."""
    parser = argparse.ArgumentParser(description="Speed of generation, cached against recomputed.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--hidden-size", type=int, default=768)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--patch-size", type=int, nargs=2, default=(8, 20), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--prompt-patches", type=int, default=64)
    parser.add_argument("--new-patches", type=int, default=128)
    parser.add_argument("--canvas", type=int, default=360, help="patches of the recomputed canvas")
    parser.add_argument("--recomputed", type=int, default=8, help="patches drawn by recomputing")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each; the median counts")
    parser.add_argument("--no-compile", action="store_true", help="leave the compiled form out")
    parser.add_argument(
        "--compile-recompute", action="store_true", help="compile the recomputing decoder as well"
    )
    parser.add_argument("--require", type=float, default=0.0, help="fail below this ratio")
    options = parser.parse_args(arguments)
    if options.prompt_patches + max(options.new_patches, options.recomputed) > options.canvas:
        parser.error("--canvas must hold the prompt and the new patches")
    return options


def build_model(options: argparse.Namespace) -> PixelARForCausalLM:
    """A model of the given size with random weights, float32."""
    torch.manual_seed(0)
    config = PixelARConfig(
        hidden_size=options.hidden_size,
        intermediate_size=-(-8 * options.hidden_size // 3 // 64) * 64,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        patch_size=tuple(options.patch_size),
        max_position_embeddings=options.canvas,
    )
    return PixelARForCausalLM(config).eval()


def time_generate(
    model: PixelARForCausalLM, prompt: torch.Tensor, new_patches: int, is_compiled: bool = False
) -> float:
    """Seconds per patch of `generate`."""
    options = {"cache_implementation": "static", "compile_config": CompileConfig()} if is_compiled else {}
    start = time.perf_counter()
    model.generate(prompt, max_new_patches=new_patches, min_new_patches=new_patches, **options)
    return (time.perf_counter() - start) / new_patches


@torch.no_grad()
def time_recompute(
    model: PixelARForCausalLM,
    decoder: Callable,
    prompt: torch.Tensor,
    canvas_patches: int,
    new_patches: int,
) -> float:
    """Seconds per patch when `decoder`, the model's own or a compiled one, reads the whole canvas for each."""
    height, width = model.config.patch_size
    canvas = torch.ones(prompt.shape[0], 1, height, canvas_patches * width)
    canvas[..., : prompt.shape[-1]] = prompt
    first = prompt.shape[-1] // width
    start = time.perf_counter()
    for position in range(first, first + new_patches):
        states = decoder(pixel_values=canvas, use_cache=False).last_hidden_state
        patch = model.patch_head.sample(states[:, position - 1]).patches
        canvas[..., position * width : (position + 1) * width] = patch.view(-1, 1, height, width)
    return (time.perf_counter() - start) / new_patches


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints; the exit code says whether the ratio is high enough."""
    options = parse_arguments(arguments)
    torch.set_num_threads(options.threads)
    model = build_model(options)
    height, width = model.config.patch_size
    prompt = torch.randint(0, 2, (options.batch_size, 1, height, options.prompt_patches * width)).float()
    print(
        f"{options.layers} layers x {options.hidden_size}, patches {height}x{width}, batch {options.batch_size}, "
        f"float32, {options.threads} threads, {platform.machine()}, torch {torch.__version__}, "
        f"transformers {transformers.__version__}"
    )
    forms = [False] if options.no_compile else [False, True]
    decoder = torch.compile(model.model.__call__, dynamic=False) if options.compile_recompute else model.model
    for is_compiled in forms:  # warm-up, and compilation: the cache's length is part of what is compiled
        time_generate(model, prompt, options.new_patches if is_compiled else 2, is_compiled)
    time_recompute(model, decoder, prompt, options.canvas, 1)
    # Taken in turn, so that a change of the machine's speed meets all.
    cached: dict[bool, list[float]] = {form: [] for form in forms}
    recomputed = []
    for _ in range(options.repeats):
        for form in forms:
            cached[form].append(time_generate(model, prompt, options.new_patches, form))
        recomputed.append(time_recompute(model, decoder, prompt, options.canvas, options.recomputed))
    slow = statistics.median(recomputed)
    print(
        f"recompute: {1e3 * slow:.1f} ms/patch ({options.recomputed} patches on a canvas of {options.canvas})"
    )
    ratios = []
    for form, times in cached.items():
        ratios.append(slow / statistics.median(times))
        print(
            f"{'compiled' if form else 'generate'}: {1e3 * statistics.median(times):.1f} ms/patch "
            f"({options.new_patches} patches after {options.prompt_patches}, median of {options.repeats}), "
            f"ratio {ratios[-1]:.1f}x"
        )
    if max(ratios) < options.require:
        print(f"the best ratio is below {options.require:g}x", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
