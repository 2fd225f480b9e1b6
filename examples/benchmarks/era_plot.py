# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Draws accuracy over noise of several runs, and prints the table, from the results.json that each run wrote.

    pip install matplotlib
    python examples/benchmarks/era_plot.py "pixels, all weights=runs/era" "pixels, LoRA=runs/era-lora" \
        "bytes, from scratch=runs/era-bytes" --image examples/figures/era.png
"""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

STRENGTHS = {"clean": 0.0, "noise 0.1": 0.1, "noise 0.3": 0.3}


def main() -> None:
    """Reads, prints, draws."""
    parser = argparse.ArgumentParser(description="Accuracy of era classifiers under visual noise.")
    parser.add_argument("runs", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--image", required=True, help="PNG to write")
    options = parser.parse_args()
    figure, axes = plt.subplots(figsize=(6, 3.5), dpi=110)
    print("| run | " + " | ".join(STRENGTHS) + " |")
    print("|---" * (1 + len(STRENGTHS)) + "|")
    for run in options.runs:
        name, folder = run.split("=", 1)
        results = json.loads(Path(folder, "results.json").read_text(encoding="utf-8"))["results"]
        values = [100 * results[key]["accuracy"] for key in STRENGTHS]
        print(f"| {name} | " + " | ".join(f"{value:.1f} %" for value in values) + " |")
        axes.plot(list(STRENGTHS.values()), values, marker="o", label=name)
    axes.set(
        xlabel="visual noise (share of the characters)", ylabel="accuracy, %", xticks=list(STRENGTHS.values())
    )
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(options.image)


if __name__ == "__main__":
    main()
