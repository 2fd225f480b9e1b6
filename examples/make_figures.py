# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Draws the pictures of the README: a generated strip, and a strip cut into patches.

python examples/make_figures.py
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import pixel_ar
from pixel_ar.processing.pictures import strip_page

FOLDER = Path(__file__).parent / "figures"
BORDER = (214, 84, 56)


def generated_strip(prompt: str, patches: int, temperature: float, seed: int) -> Image.Image:
    """A continuation by the embedded checkpoint, the prompt tinted."""
    folder = pixel_ar.bundled_checkpoint("pixel-ar-tiny")
    model = pixel_ar.PixelARForCausalLM.from_pretrained(folder).eval()
    processor = pixel_ar.PixelProcessor.from_pretrained(folder)
    inputs = processor(text=[prompt], add_eos=False, return_tensors="pt")
    strips = model.generate(
        **inputs,
        max_new_patches=patches,
        do_sample=True,
        temperature=temperature,
        generator=torch.Generator().manual_seed(seed),
    )
    print(processor.batch_decode(strips)[0])
    return strip_page([strips[0].numpy()], [int(inputs["num_columns"][0])], line_columns=400, scale=2)


def cut_strip(text: str, scale: int = 6, gap: int = 3) -> Image.Image:
    """A strip above, its patches below, the EOS patch last."""
    processor = pixel_ar.PixelProcessor.from_preset("fixed-8")
    strip = processor(text=[text], return_tensors="np")["pixel_values"][0, 0]
    height, width = processor.patch_size
    count = strip.shape[1] // width
    sheet = np.full((2 * height + 3 * gap, count * (width + gap) + gap, 3), 255, np.uint8)
    grey = (strip * 255).astype(np.uint8)[..., None].repeat(3, -1)
    sheet[gap : gap + height, gap : gap + strip.shape[1]] = grey
    top = 2 * gap + height
    for index in range(count):
        left = gap + index * (width + gap)
        sheet[top - 1 : top + height + 1, left - 1 : left + width + 1] = BORDER
        sheet[top : top + height, left : left + width] = grey[:, index * width : (index + 1) * width]
    picture = Image.fromarray(sheet)
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def main() -> None:
    """Writes both pictures."""
    parser = argparse.ArgumentParser(description="Pictures of the README.")
    parser.add_argument("--prompt", default="The people of the United States")
    parser.add_argument("--patches", type=int, default=48)
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    cut_strip("Text is pixels.").save(FOLDER / "patches.png")
    picture = generated_strip(options.prompt, options.patches, options.temperature, options.seed)
    picture.save(FOLDER / "generated.png")


if __name__ == "__main__":
    main()
