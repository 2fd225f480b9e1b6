# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What the second stage does to samples: the same prompts continued by several models, and how much of it is readable.

PIXAR's procedure (arXiv 2401.03321, section 4.1): prompts that end three white columns before a patch border, a fixed
number of new patches, the likelier value of every pixel. Of the new columns alone it counts those with ink, those that
are exactly columns of the glyph they are read as, and the words of three letters and more that the training text knows.

    python examples/benchmarks/stages.py runs/stage-1 runs/stage-2 --image stages.png
"""

import argparse
import re

import torch
from texts import read_texts

import pixel_ar
from pixel_ar.processing.pictures import strip_page

WORD = re.compile(r"[A-Za-z]{3,}")


def continue_prompts(folder: str, prompts: list[str], num_new: int, batch_size: int) -> list[torch.Tensor]:
    """Strips `[1, C, H, W]` of all prompts, each with its `num_new` new patches at the end."""
    model = pixel_ar.PixelARForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    processor = pixel_ar.PixelProcessor.from_pretrained(folder)
    width = processor.patch_size[1]
    strips = []
    for first in range(0, len(prompts), batch_size):
        inputs = processor(
            text=prompts[first : first + batch_size], add_eos=False, end_gap=3, return_tensors="pt"
        )
        output = model.generate(
            **inputs, max_new_patches=num_new, stop_at_eos=False, return_dict_in_generate=True
        )
        lengths = output.attention_mask.sum(-1).tolist()
        strips += [row[None, ..., : n * width] for row, n in zip(output.pixel_values, lengths, strict=True)]
    return strips


def measure(
    processor: pixel_ar.PixelProcessor, new: list[torch.Tensor], known: set[str]
) -> tuple[float, float, float, list[str]]:
    """Of new columns: share with ink, share of those that are readable, share of known words; and the texts."""
    results = [processor.read(strip)[0] for strip in new]
    inked = [float((strip.amin((0, 1, 2)) < 0.5).float().sum()) for strip in new]
    columns = sum(strip.shape[-1] for strip in new)
    readable = sum(ink * (1 - result.unreadable) for ink, result in zip(inked, results, strict=True))
    words = [word for result in results for word in WORD.findall(result.text)]
    right = sum(word.lower() in known for word in words)
    return (
        sum(inked) / columns,
        readable / max(sum(inked), 1),
        right / max(len(words), 1),
        [r.text for r in results],
    )


def main() -> None:
    """Continues, measures, draws."""
    parser = argparse.ArgumentParser(description="Readability of continuations, model by model.")
    parser.add_argument("models", nargs="+", help="folders of models with the same processor")
    parser.add_argument("--count", type=int, default=100, help="prompts: held-out paragraphs")
    parser.add_argument("--prompt-words", type=int, default=12)
    parser.add_argument("--new-patches", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument(
        "--image", default=None, help="PNG: the first prompts, each as every model continues it"
    )
    parser.add_argument("--shown", type=int, default=5, help="prompts in the picture")
    options = parser.parse_args()
    known = {word.lower() for text in read_texts("sotu_train.jsonl.gz") for word in WORD.findall(text)}
    texts = read_texts("sotu_validation.jsonl.gz")
    prompts = [" ".join(text.split()[: options.prompt_words]) for text in texts[: options.count]]
    drawn = []
    for folder in options.models:
        processor = pixel_ar.PixelProcessor.from_pretrained(folder)
        strips = continue_prompts(folder, prompts, options.new_patches, options.batch_size)
        drawn.append(strips)
        new = [strip[..., -options.new_patches * processor.patch_size[1] :] for strip in strips]
        ink, readable, right, read = measure(processor, new, known)
        print(
            f"{folder}: {ink:.1%} of the new columns hold ink, {readable:.1%} of those are readable, "
            f"{right:.1%} of the words are known; such as {read[:4]}"
        )
    if options.image:
        shown = [strips[index][0].numpy() for index in range(options.shown) for strips in drawn]
        width = options.new_patches * processor.patch_size[1]
        given = [strip.shape[-1] - width for strip in shown]
        strip_page(shown, given, max(strip.shape[-1] for strip in shown)).save(options.image)


if __name__ == "__main__":
    main()
