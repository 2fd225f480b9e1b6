# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What models with the flow head write: legible cells, real words, next characters, by steps and guidance scale.

The models read strips whose cells are all equally wide, a whole number of them to a patch. A cell is legible if its
squared error to the nearest glyph is below .01, about half of what lies between two glyphs. `roll` continues held-out
prompts; `next` draws one patch after true text and looks at its first character:

    python examples/benchmarks/flow_quality.py --models runs/flow runs/flow-guided runs/flow-few/steps-1 \
        --steps 16 4 1 --scales 1 3 --picture strips.png

Without `--steps`, every model runs at the number it was made for.
"""

import argparse
import time
from pathlib import Path

import torch
from drawn_glyphs import DATA, Cells, load_texts, words_of

import pixel_ar
from pixel_ar.training import stack_strips


@torch.no_grad()
def measure(
    model: pixel_ar.PixelARForCausalLM,
    cells: Cells,
    texts: torch.Tensor,
    vocabulary: set[str],
    options: argparse.Namespace,
    **sampling: float,
) -> tuple[dict[str, float], torch.Tensor]:
    """Figures of one way to draw, and the strips of the roll."""
    width = model.config.patch_size[1]
    seeds = [torch.Generator().manual_seed(row) for row in range(len(texts))]
    prompt, new = texts[..., : options.prompt * width], options.new
    drawing = {"do_sample": bool(sampling["temperature"]), **sampling}
    if not drawing["do_sample"]:
        drawing.pop("temperature")
    began = time.process_time()
    strips = model.generate(prompt, max_new_patches=new, stop_at_eos=False, generator=seeds, **drawing)
    seconds = time.process_time() - began
    written, is_legible = cells.read(strips[..., prompt.shape[-1] :])
    words = [word for row in written for word in words_of(row)]
    true, _ = cells.read(texts[..., prompt.shape[-1] :])
    true_words = [word for row in true for word in words_of(row)]
    states = model.model(texts).last_hidden_state[:, options.prompt - 1 : -1].flatten(0, 1)
    head = {**sampling, "do_sample": drawing["do_sample"]}
    drawn = model.patch_head.sample(states, generator=torch.Generator().manual_seed(0), **head).patches
    height = model.config.patch_size[0]
    first, is_forced_legible = cells.read(drawn.view(-1, 1, height, width))
    per_patch = width // cells.width
    wanted = "".join(row[::per_patch] for row in true)
    found = {
        "roll legible": float(is_legible.float().mean()),
        "roll words": sum(word in vocabulary for word in words) / max(len(words), 1),
        "words": len(words),
        "true words": sum(word in vocabulary for word in true_words) / max(len(true_words), 1),
        "forced legible": float(is_forced_legible.float().mean()),
        "next": sum(a[0] == b for a, b in zip(first, wanted, strict=True)) / len(wanted),
        "ms": 1000 * seconds / (len(texts) * new),
    }
    return found, strips


def main() -> None:
    """Prints a table, and draws the first rows of every way to draw."""
    parser = argparse.ArgumentParser(description="What models with the flow head write.")
    parser.add_argument("--models", nargs="+", required=True, help="folders")
    parser.add_argument("--steps", type=int, nargs="*", default=[0], help="pixel_steps; 0 for a model's own")
    parser.add_argument("--scales", type=float, nargs="*", default=[1.0], help="guidance_scale")
    parser.add_argument("--temperatures", type=float, nargs="*", default=[1.0], help="0 for do_sample=False")
    parser.add_argument("--train_data", default=str(DATA / "sotu_train.jsonl.gz"), help="for the vocabulary")
    parser.add_argument("--validation_data", default=str(DATA / "sotu_validation.jsonl.gz"))
    parser.add_argument("--rows", type=int, default=48, help="held-out texts")
    parser.add_argument("--prompt", type=int, default=24, help="patches of a prompt")
    parser.add_argument("--new", type=int, default=24, help="patches that are written")
    parser.add_argument("--cell", type=int, default=8, help="columns of a character")
    parser.add_argument("--picture", help="PNG of the strips")
    parser.add_argument("--shown", type=int, default=2, help="strips of every way to draw in the picture")
    options = parser.parse_args()

    vocabulary = {word for text in load_texts(options.train_data) for word in words_of(f" {text} ")}
    length = options.prompt + options.new
    pictures = []
    print(
        "| model | steps | scale | noise | legible | real words | legible after true text | next character | CPU ms |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for folder in options.models:
        model = pixel_ar.PixelARForCausalLM.from_pretrained(folder).eval()
        processor = pixel_ar.PixelProcessor.from_pretrained(folder, missing="hexbox")
        cells, width = Cells(processor, options.cell), model.config.patch_size[1]
        count = length * width // options.cell
        chosen = [text[:count] for text in load_texts(options.validation_data) if len(text) > count]
        texts = processor(text=chosen[: options.rows], add_eos=False, return_tensors="pt")["pixel_values"]
        texts = texts[..., : length * width].float()
        for steps in options.steps:
            for scale in options.scales:
                for temperature in options.temperatures:
                    steps_taken = steps or model.config.flow_steps
                    found, strips = measure(
                        model,
                        cells,
                        texts,
                        vocabulary,
                        options,
                        pixel_steps=steps_taken,
                        guidance_scale=scale,
                        temperature=temperature,
                    )
                    name = "/".join(Path(folder).parts[-2:])
                    print(
                        f"| {name} | {steps_taken} | {scale:g} | {temperature:g} | {found['roll legible']:.3f} | "
                        f"{found['roll words']:.3f} of {found['words']} | {found['forced legible']:.3f} | "
                        f"{found['next']:.3f} | {found['ms']:.1f} |",
                        flush=True,
                    )
                    pictures += processor.to_pil(strips[: options.shown])
        print(f"Of the words of the true texts, {found['true words']:.3f} are real by this count.")
    if options.picture:
        stack_strips(pictures, 2).save(options.picture)


if __name__ == "__main__":
    main()
