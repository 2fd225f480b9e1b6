# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Draws what models with the flow head write after the same prompts with the same noise, one below the other.

Each way to draw is a folder, a number of steps, a guidance scale and a caption:

    python examples/benchmarks/flow_picture.py --image flow.png "runs/mono:16:1:16 steps" "runs/few/steps-1:1:3:one"
"""

import argparse

import torch
from drawn_glyphs import DATA, load_texts
from PIL import Image

import pixel_ar

ROW, GAP, MARGIN, ZOOM = 18, 7, 8, 2


@torch.no_grad()
def draw(way: str, texts: list[str], prompt: int, new: int) -> list[Image.Image]:
    """The caption and the strips of one way to draw."""
    folder, steps, scale, caption = way.split(":", 3)
    model = pixel_ar.PixelARForCausalLM.from_pretrained(folder).eval()
    processor = pixel_ar.PixelProcessor.from_pretrained(folder, missing="hexbox")
    pixels = processor(text=texts, add_eos=False, return_tensors="pt")["pixel_values"].float()
    strips = model.generate(
        pixels[..., : prompt * model.config.patch_size[1]],
        max_new_patches=new,
        stop_at_eos=False,
        do_sample=True,
        pixel_steps=int(steps),
        guidance_scale=float(scale),
        generator=[torch.Generator().manual_seed(row) for row in range(len(texts))],
    )
    title = processor.to_pil(processor(text=[caption], add_eos=False, return_tensors="pt")["pixel_values"])
    pale = title[0].convert("L").point(lambda value: 128 + value // 2)
    return [pale, *(strip.convert("L") for strip in processor.to_pil(strips))]


def main() -> None:
    """Writes the picture."""
    parser = argparse.ArgumentParser(description="What models with the flow head write, as a picture.")
    parser.add_argument("ways", nargs="+", help="FOLDER:STEPS:SCALE:CAPTION")
    parser.add_argument("--image", required=True, help="PNG")
    parser.add_argument("--validation_data", default=str(DATA / "sotu_validation.jsonl.gz"))
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--prompt", type=int, default=20, help="patches")
    parser.add_argument("--new", type=int, default=32, help="patches")
    options = parser.parse_args()
    texts = [text for text in load_texts(options.validation_data) if len(text) > 96][1 : 1 + options.rows]
    blocks = [draw(way, texts, options.prompt, options.new) for way in options.ways]
    width = max(image.width for block in blocks for image in block) + 2 * MARGIN
    page = Image.new("L", (width, MARGIN + sum(ROW * len(block) + GAP for block in blocks)), 255)
    top = MARGIN
    for block in blocks:
        for image in block:
            page.paste(image, (MARGIN, top))
            top += ROW
        top += GAP
    page = page.resize((page.width * ZOOM, page.height * ZOOM), Image.Resampling.NEAREST)
    page.quantize(16).save(options.image, optimize=True)


if __name__ == "__main__":
    main()
