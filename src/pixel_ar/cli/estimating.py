# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""`pixel-ar estimate`."""

import json
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..models.pixel_ar.configuration_pixel_ar import PixelARConfig
from ..models.pixel_ar.presets import CONFIG_PRESETS
from .files import Output
from .loading import check_config, resolve

GIB = 2**30


def run_estimate(args: Namespace) -> int:
    """`pixel-ar estimate`: what training a model costs on paper."""
    from ..estimation.plan import PUBLISHED_PATCHES, WAYS, Run, count_weights, memory, speed

    config = read_config(args.config)
    length = args.seq or config.max_position_embeddings
    run = Run(config, args.gpus, args.batch, length, args.precision, args.optimizer, args.checkpointing)
    counts = count_weights(config)
    patches = PUBLISHED_PATCHES.get(args.config) if args.patches is None else int(args.patches)
    pace = speed(run, args.tflops * 1e12, args.utilisation, patches, args.render_rate)
    result: dict[str, Any] = {
        "config": args.config,
        "parameters": sum(counts.values()),
        "parts": counts,
        "gpus": args.gpus,
        "batch": args.batch,
        "seq": length,
        "precision": args.precision,
        "optimizer": args.optimizer,
        "checkpointing": args.checkpointing,
        "tflops": args.tflops,
        "utilisation": args.utilisation,
        **asdict(pace),
        "memory": {},
    }
    lines = [
        f"{args.config}: {sum(counts.values()):,} parameters "
        f"({', '.join(f'{name} {count:,}' for name, count in counts.items())})",
        f"{args.gpus} device(s), {args.batch} strips of {length} patches each, {args.precision}, {args.optimizer}"
        + (", activations computed again" if args.checkpointing else ""),
        f"{pace.flops_per_patch / 1e6:,.0f} MFLOP per patch, forward and backward",
        "",
        f"{'GiB per device':<16}{'weights':>10}{'copy':>10}{'gradients':>10}{'optimizer':>10}{'activations':>12}"
        f"{'exchange':>10}{'total':>10}",
    ]
    for way in WAYS:
        try:
            found = memory(run, way)
        except ValueError as error:
            lines.append(f"{way:<16}{error}")
            result["memory"][way] = {"error": str(error)}
            continue
        result["memory"][way] = {**asdict(found), "total": found.total}
        sizes = (found.weights, found.copy, found.gradients, found.optimizer)
        lines.append(
            f"{way:<16}"
            + "".join(f"{size / GIB:>10.2f}" for size in sizes)
            + f"{found.activations / GIB:>12.2f}{found.exchange / GIB:>10.2f}{found.total / GIB:>10.2f}"
        )
    lines += [
        "",
        f"at {args.utilisation:.0%} of {args.tflops:g} TFLOP/s per device (assumed, not measured): "
        f"{pace.patches_per_second:,.0f} patches/s, {pace.render_workers} process(es) that draw text for each device",
    ]
    if pace.days is not None:
        lines.append(f"{patches:,} patches: {pace.days:,.2f} days")
    out = Output(None, args.json)
    for index, line in enumerate(lines):
        out.add(line, result if index == 0 else None)
    out.close(single=True)
    return 0


def read_config(name: str) -> PixelARConfig:
    """The configuration of a preset, a checkpoint or a `config.json`.

    Raises:
        ValueError: for a name that is none of them, or a file that holds none.
    """
    if name in CONFIG_PRESETS:
        return PixelARConfig.from_preset(name)
    if not Path(name).is_file():
        try:
            folder = resolve(name)
        except ValueError as error:
            raise ValueError(f"{error} Presets of PixelARConfig: {', '.join(CONFIG_PRESETS)}.") from None
        return PixelARConfig.from_dict(check_config(folder))
    try:
        values = json.loads(Path(name).read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError(f"a JSON object is needed, got {type(values).__name__}")
        return PixelARConfig.from_dict(values)
    except Exception as error:
        # Validators of several libraries look at a configuration, each with errors of its own.
        raise ValueError(f"{name} holds no configuration: {type(error).__name__}: {error}") from None


__all__ = ["read_config", "run_estimate"]
