# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Does a model of patches and tokens carry a text from one to the other?

Held-out pieces of text are given as tokens, and the model writes them as pixels, which the reader reads; and the other
way round. Both are greedy. The figure is the share of characters that are right (1 - character error rate). Chance is
the same output held against the text of another piece: what knowing English, but not this text, is worth.

    python examples/pretrain.py --recipe dualgpt-tiny --output_dir runs/dualgpt-tiny
    python examples/benchmarks/dual_generation.py --model runs/dualgpt-tiny
"""

import argparse
import sys
from pathlib import Path

import torch
from texts import read_texts

import pixel_ar
from pixel_ar.metrics import character_error_rate

sys.path.insert(0, str(Path(__file__).parents[1]))
from pretrain import split_texts


def write_pixels(
    model: pixel_ar.PixelARForCausalLM, processor: pixel_ar.PixelProcessor, texts: list[str], width: int
) -> tuple[list[str], torch.Tensor]:
    """Texts given as tokens, written as strips and read: the readings, and the strips `[B, C, H, W]`."""
    inputs = processor(target_text=texts, add_target_bos=True, add_target_eos=True, return_tensors="pt")
    strips = model.generate(**inputs, output_modality="pixel", max_new_patches=width, do_sample=False)
    return [text.strip() for text in processor.batch_decode(strips)], strips


def write_tokens(
    model: pixel_ar.PixelARForCausalLM, processor: pixel_ar.PixelProcessor, texts: list[str], length: int
) -> list[str]:
    """Texts given as strips, written as tokens and decoded."""
    inputs = processor(text=texts, add_start=True, return_tensors="pt")
    ids = model.generate(**inputs, output_modality="token", max_new_tokens=length, do_sample=False)
    return [text.strip() for text in processor.batch_decode(ids)]


def share_right(outputs: list[str], texts: list[str]) -> float:
    """Share of right characters."""
    return 1 - character_error_rate(predictions=outputs, references=texts)["cer"]


def main() -> None:
    """Generates in both directions and prints both figures."""
    parser = argparse.ArgumentParser(description="Pixels after tokens and tokens after pixels.")
    parser.add_argument("--model", required=True, help="folder of a dual-head model")
    parser.add_argument("--count", type=int, default=200, help="held-out pieces")
    parser.add_argument("--piece-characters", type=int, default=24)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--show", type=int, default=5)
    parser.add_argument("--image", default=None, help="PNG of the first strips written after tokens")
    options = parser.parse_args()
    model = pixel_ar.PixelARForCausalLM.from_pretrained(options.model, dtype=torch.float32).eval()
    processor = pixel_ar.PixelProcessor.from_pretrained(options.model)
    pieces = split_texts(read_texts("sotu_validation.jsonl.gz"), options.piece_characters)
    step = max(1, len(pieces) // options.count)
    texts = pieces[::step][: options.count]
    width = -(-6 * options.piece_characters // processor.patch_size[1]) + 2
    drawn: list[str] = []
    read: list[str] = []
    for first in range(0, len(texts), options.batch_size):
        batch = texts[first : first + options.batch_size]
        outputs, strips = write_pixels(model, processor, batch, width)
        if options.image and not drawn:
            processor.to_pil(strips[:1])[0].save(options.image)
        drawn += outputs
        read += write_tokens(model, processor, batch, 2 * options.piece_characters)
    for text, after_tokens, after_pixels in list(zip(texts, drawn, read, strict=True))[: options.show]:
        print(f"text {text!r}\n  written as pixels {after_tokens!r}\n  written as tokens {after_pixels!r}")
    for name, outputs in (("pixels after tokens", drawn), ("tokens after pixels", read)):
        right, chance = share_right(outputs, texts), share_right(outputs, texts[1:] + texts[:1])
        exact = sum(a == b for a, b in zip(outputs, texts, strict=True))
        print(
            f"{name}: {right:.1%} of the characters right (chance {chance:.1%}), "
            f"{exact} of {len(texts)} pieces without an error"
        )


if __name__ == "__main__":
    main()
