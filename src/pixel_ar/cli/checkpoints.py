# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""`pixel-ar convert` and `pixel-ar info`."""

import re
from argparse import Namespace
from pathlib import Path

from ..processing.processing_pixel_ar import PixelProcessor
from .files import Output, check_output
from .loading import check_config, count_parameters, resolve


def convert(args: Namespace) -> int:
    """`pixel-ar convert`: a published checkpoint to a folder for the Auto classes, or a page model back."""
    from transformers.utils import logging

    from ..conversion.checkpoints import convert_checkpoint
    from ..conversion.export import export_pix2struct

    logging.disable_progress_bar()
    if args.to is not None:
        report = export_pix2struct(args.source, args.target, with_processor=not args.no_processor)
    else:
        report = convert_checkpoint(
            args.source,
            args.target,
            args.kind,
            font=args.font,
            atlas=args.atlas,
            with_processor=not args.no_processor,
        )
    out = Output(None, args.json)
    result = {
        "folder": str(report.target),
        "class": report.architecture,
        "parameters": report.num_parameters,
        "read": [str(file) for file in report.source_files],
        "notes": list(report.notes),
    }
    out.add(f"{report.target}: {report.architecture}, {report.num_parameters:,} parameters", result)
    out.add(f"   read: {', '.join(report.source_files)}")
    for note in report.notes:
        out.add(f"   {note}")
    out.close(single=True)
    return 0


def info(args: Namespace) -> int:
    """`pixel-ar info`: what a checkpoint is."""
    check_output(args.output, args.force)
    folder = resolve(args.model)
    config = check_config(folder)
    processor = PixelProcessor.from_pretrained(folder)
    count, kinds = count_parameters(Path(folder))
    height, width = config["patch_size"]
    atlases = [f"{atlas.name} (sha256 {atlas.sha256})" for atlas in processor.renderer.atlases]
    rows = {
        "checkpoint": folder,
        "class": ", ".join(config.get("architectures") or ["?"]),
        "parameters": f"{count:,} ({', '.join(kinds)})" if count else "no safetensors file in the folder",
        "backbone": f"{config['num_hidden_layers']} layers x {config['hidden_size']}, "
        f"{config['num_attention_heads']} heads, {config['max_position_embeddings']} patches of context",
        "patches": f"{height} x {width} pixels, {config['num_channels']} channel(s)",
        "patch head": config["patch_head"],
        "atlases": "; ".join(atlases),
        "card": _card_line(Path(folder)),
    }
    out = Output(args.output, args.json)
    for index, (name, value) in enumerate(rows.items()):
        out.add(f"{name:<12}{value}", dict(rows) if index == 0 else None)
    out.close(single=True)
    return 0


def _card_line(folder: Path) -> str:
    """The first sentence of a model card's text."""
    card = folder / "README.md"
    if not card.is_file():
        return "none"
    text = re.sub(
        r"\A---\n.*?\n---\n", "", card.read_text(encoding="utf-8", errors="replace"), flags=re.DOTALL
    )
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line and not line.startswith(("#", "!", "<", "|"))), "empty")


__all__ = ["convert", "info"]
