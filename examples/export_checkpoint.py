# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Turns a training run into a folder to ship: bfloat16 weights, processor, model card, hashes.

    python examples/export_checkpoint.py runs/pixel-ar-tiny src/pixel_ar/checkpoints/pixel-ar-tiny \
        --card model_cards/pixel-ar-tiny.md

A model that writes or scores refuses what it has no glyph for; one that classifies keeps what the run did, which draws
it as its code point: a single emoji shall not keep the language of a text from being told.
"""

import argparse
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

import pixel_ar


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def model_class(run: Path) -> type[PreTrainedModel]:
    """The class that a run trained.

    Raises:
        SystemExit: for a folder of something else.
    """
    names = json.loads((run / "config.json").read_text(encoding="utf-8")).get("architectures") or ["none"]
    found = getattr(pixel_ar, names[0], None)
    if found is None:
        raise SystemExit(f"{run}: {names[0]} is no model of this package")
    return found


def export(run: Path, folder: Path, preset: str | None) -> None:
    """Writes model and processor as a user loads them."""
    kind = model_class(run)
    model = kind.from_pretrained(run, dtype=torch.float32)
    processor = pixel_ar.PixelProcessor.from_pretrained(run)
    # Trainer switches the cache off; generation wants it.
    model.config.use_cache = True
    settings: dict[str, Any] = {
        "patch_size": processor.patch_size,
        "model_max_patches": model.config.max_position_embeddings,
    }
    if kind is pixel_ar.PixelARForCausalLM:
        # Training draws what the atlas lacks as its code point; a user shall hear of it.
        settings["missing"] = "error"
    model.save_pretrained(folder)
    if preset is None:
        shipped = processor.replace(**settings)
    else:
        shipped = pixel_ar.PixelProcessor.from_preset(preset, **settings)
    shipped.save_pretrained(folder)
    # The file is bfloat16, half the size; the configuration says float32, which is what it loads as.
    weights = folder / "model.safetensors"
    # Dictionaries are bytes and numbers, which stay what they are.
    halved = {
        name: tensor.to(torch.bfloat16) if tensor.is_floating_point() else tensor
        for name, tensor in load_file(weights).items()
    }
    save_file(halved, weights, metadata={"format": "pt"})
    rounded = kind.from_pretrained(folder).eval()
    pixel_ar.write_selftest(rounded, shipped, folder)


def main() -> None:
    """Exports and prints what was written."""
    parser = argparse.ArgumentParser(description="Training run to shipped checkpoint.")
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--preset", help="take the atlases of this preset as they are bundled now, not the run's"
    )
    parser.add_argument("--card", type=Path, help="Markdown file copied as README.md")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    export(options.run, options.folder, options.preset)
    if options.card is not None:
        shutil.copyfile(options.card, options.folder / "README.md")
    files = sorted(path for path in options.folder.iterdir() if path.name != "sha256.json")
    digests = {path.name: sha256(path) for path in files if path.suffix != ".md"}
    (options.folder / "sha256.json").write_text(json.dumps(digests, indent=2) + "\n", encoding="utf-8")
    for path in files:
        print(f"{path.stat().st_size:>12,}  {path.name}")


if __name__ == "__main__":
    main()
