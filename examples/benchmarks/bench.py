#!/usr/bin/env python
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""All benchmarks of this machine in one run: decode, train, memory, render, read. `make bench` calls it.

    python examples/benchmarks/bench.py --threads 2

Each figure is set against a named alternative measured in the same process: Transformers' own Llama with the same
decoder and a BPE of 4,096, the bare products of the same weights, a square product, Pillow, the nearest glyph. On a CPU
ratios are made of the processor's time, so that they hold on a shared machine; they are best on an idle one.

Tables with machine, versions and date go to OUTPUT/results.md; the run is appended to --append as one line of JSON.
"""

import argparse
import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE)]

import device  # noqa: E402  (found by the line above)
import harness  # noqa: E402

SECONDS = {"decode": 900.0, "train": 900.0, "memory": 300.0, "scripts": 900.0}
MODULES = {name: device.PARTS[name].module for name in ("decode", "train", "memory")}
MODULES["scripts"] = "device_parts.scripts"


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Runs all benchmarks of this machine.")
    parser.add_argument("--parts", default=",".join(SECONDS), help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (default: 1)")
    parser.add_argument(
        "--sizes", help="presets of PixelARConfig to decode and train (default: pixel-ar-113m)"
    )
    parser.add_argument(
        "--compile", action="store_true", help="also the compiled forms, which need a C++ compiler"
    )
    parser.add_argument("--quick", action="store_true", help="very small sizes, to see that all of it runs")
    parser.add_argument("--output", type=Path, default=Path("runs/bench"), help="default: %(default)s")
    parser.add_argument("--append", type=Path, help="file of JSON lines (default: OUTPUT/runs.jsonl)")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts.split(",")) - set(SECONDS):
        parser.error(f"unknown part {min(unknown)!r}; there are {', '.join(SECONDS)}")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Runs, and writes the table and the line."""
    options = parse_arguments(arguments)
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import torch

    torch.set_num_threads(options.threads)
    import pixel_ar.training  # noqa: F401  (one import of the libraries serves all parts)

    names = options.parts.split(",")
    parts = [harness.Part(name, MODULES[name], SECONDS[name]) for name in names]
    given = {
        "sizes": options.sizes.split(",") if options.sizes else None,
        "compile": options.compile,
        "threads": options.threads,
    }
    seconds = sum(part.seconds for part in parts)
    results = harness.run_parts(parts, options.output, "cpu", options.quick, given, seconds, "fork")
    (options.output / "results.md").write_text(harness.table(results), encoding="utf-8")
    append = options.append or options.output / "runs.jsonl"
    with append.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({**results, "threads": options.threads}, default=str) + "\n")
    print(f"tables: {options.output / 'results.md'}; the run as a line of {append}")
    return 0 if all(part["status"] == "ok" for part in results["parts"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
