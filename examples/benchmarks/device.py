#!/usr/bin/env python
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Everything that is to be seen on a CUDA device, as one command of at most eight minutes, without a network.

    python examples/benchmarks/device.py --wheels                    what this machine lacks, as a requirements file
    python examples/benchmarks/device.py --wheelhouse wheels         all checks; packages it lacks come from that folder
    python examples/benchmarks/device.py --train-data english.jsonl.xz --train-minutes 5
    python examples/benchmarks/device.py --device cpu --quick        the same on a CPU, very small: a rehearsal

Nothing is installed: wheels are unpacked into the output folder. torch is the machine's own. Each part runs in a
process and within a budget of its own (`harness`); one that fails or hangs is recorded and the rest goes on. Results
lie in the output folder as they come: results.json, results.md (tables), run.log, and JSON lines of each part.

- environment: what the device is; its products and copies.
- tests: those marked `cuda` (modeling_tests/device).
- decode, train: beside Transformers' own Llama with the same decoder.
- memory: beside what `pixel-ar estimate` says.
- pretrain: with `--train-minutes`, the embedded model from a packed file (`packed_text.py` makes one).

The exit code is 1 if a part failed.
"""

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "src")]

import harness  # noqa: E402  (found by the line above)

MINUTES = 8.0
PARTS = {
    "environment": harness.Part("environment", "device_parts.environment", 40),
    "tests": harness.Part("tests", "device_parts.device_tests", 170),
    "decode": harness.Part("decode", "device_parts.decoding", 150),
    "train": harness.Part("train", "device_parts.training_step", 110),
    "memory": harness.Part("memory", "device_parts.memory", 45),
}
# Loading, fitting the dictionary, the last checkpoint and the score, besides the minutes of training.
PRETRAIN_SECONDS = 100.0


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Checks and measures this package on a CUDA device.")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="very small sizes, to see that all of it runs")
    parser.add_argument("--output", type=Path, default=Path("runs/device"), help="default: %(default)s")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of all checks together (default: 8)")
    parser.add_argument(
        "--parts", help=f"default: all of {','.join(PARTS)}, and pretrain with --train-minutes"
    )
    parser.add_argument(
        "--sizes", help="presets of PixelARConfig to decode and train (default: pixel-ar-113m)"
    )
    parser.add_argument("--tests", help="run only these tests (an expression of pytest -k)")
    parser.add_argument(
        "--compile", action="store_true", help="compile on a CPU as well, and the pretraining"
    )
    parser.add_argument("--wheels", action="store_true", help="print what this machine lacks, and end")
    parser.add_argument("--wheelhouse", type=Path, help="folder of wheels to take that from")
    parser.add_argument("--train-minutes", type=float, default=0.0, help="train the embedded model so long")
    parser.add_argument("--train-data", help="packed file of texts (packed_text.py)")
    parser.add_argument(
        "--train-validation", help="held-out JSON lines (default: the addresses of the repository)"
    )
    parser.add_argument("--train-config", help="JSON of PixelARConfig fields over those of the recipe")
    parser.add_argument("--train-batch", type=int, help="strips of a step")
    parser.add_argument("--train-length", type=int, help="patches of a strip")
    parser.add_argument("--start-method", choices=("spawn", "fork"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    known = [*PARTS, "pretrain"]
    options.parts = (options.parts or ",".join(PARTS) + (",pretrain" if options.train_minutes else "")).split(
        ","
    )
    if unknown := [name for name in options.parts if name not in known]:
        parser.error(f"unknown part {unknown[0]!r}; there are {', '.join(known)}")
    if "pretrain" in options.parts and not (options.train_minutes > 0 and options.train_data):
        parser.error("pretrain needs --train-minutes and --train-data")
    if options.train_data and not Path(options.train_data).is_file():
        parser.error(f"no file {options.train_data}")
    if options.train_config:
        try:
            json.loads(options.train_config)
        except ValueError as error:
            parser.error(f"--train-config is no JSON: {error}")
    return options


def prepare(options: argparse.Namespace) -> int:
    """Puts what the machine lacks where it is found; 2 if something is still missing."""
    import wheels

    if options.wheels:
        print("\n".join(wheels.missing()) or "# nothing is missing")
        return 0
    if options.wheelhouse is not None:
        try:
            taken = wheels.use_wheelhouse(options.wheelhouse, options.output / "wheels")
        except ValueError as error:
            print(f"device.py: {error}", file=sys.stderr)
            return 2
        print(f"from {options.wheelhouse}: {', '.join(taken) or 'nothing'}")
    missing = [line for line in wheels.missing() if not line.startswith("#")]
    if missing:
        print(
            "device.py: this machine lacks, and --wheelhouse has not:", *missing, sep="\n  ", file=sys.stderr
        )
        return 2
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Runs the parts and writes what they found."""
    options = parse_arguments(arguments)
    if (code := prepare(options)) or options.wheels:
        return code
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    paths = [str(HERE), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    # A rehearsal is not to fail because the machine is busy.
    patience = 10.0 if options.device == "cpu" and options.quick else 1.0
    parts = [
        replace(PARTS[name], seconds=patience * PARTS[name].seconds)
        for name in options.parts
        if name in PARTS
    ]
    seconds = patience * 60 * options.minutes if parts else 0.0
    if "pretrain" in options.parts:
        budget = 60 * options.train_minutes + patience * PRETRAIN_SECONDS
        parts.append(harness.Part("pretrain", "device_parts.pretraining", budget))
        seconds += budget
    # A device is not to be touched before its process is there. On a CPU there is nothing to touch, and one import of
    # the libraries serves all parts.
    method = options.start_method or ("spawn" if options.device == "cuda" else "fork")
    if method == "fork":
        import pixel_ar.training  # noqa: F401
    given = {**vars(options), "sizes": options.sizes.split(",") if options.sizes else None}
    given = {name: str(value) if isinstance(value, Path) else value for name, value in given.items()}
    results = harness.run_parts(parts, options.output, options.device, options.quick, given, seconds, method)
    (options.output / "results.md").write_text(harness.table(results), encoding="utf-8")
    print(f"results: {options.output / 'results.json'}, {options.output / 'results.md'}")
    return 0 if all(part["status"] == "ok" for part in results["parts"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
