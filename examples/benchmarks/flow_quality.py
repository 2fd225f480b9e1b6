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
import gzip
import json
import re
import time
from pathlib import Path

import torch

import pixel_ar
from pixel_ar.training import stack_strips

DATA = Path(__file__).parents[1] / "data"
CHARACTERS = "".join(map(chr, range(33, 127)))
END = "\0"
LEGIBLE = 0.01
LEAST_LETTERS = 3


class Cells:
    """The glyphs of a processor whose cells are all equally wide.

    Args:
        processor: draws them.
        width: columns of a cell.
    """

    def __init__(self, processor: pixel_ar.PixelProcessor, width: int) -> None:
        self.width = width
        drawn = processor(text=list(CHARACTERS), add_eos=False, return_tensors="pt")["pixel_values"]
        if set(processor(text=list(CHARACTERS), add_eos=False)["num_columns"]) != {width}:
            raise SystemExit(f"not all characters are {width} columns wide: see --cell")
        white, black = torch.ones_like(drawn[:1, ..., :width]), torch.zeros_like(drawn[:1, ..., :width])
        self.glyphs = torch.cat([drawn[..., :width], white, black]).flatten(1)
        self.characters = CHARACTERS + " " + END

    def read(self, strips: torch.Tensor) -> tuple[list[str], torch.Tensor]:
        """Nearest characters of strips `[B, C, H, W]`, and the error of each `[B, W / width]`."""
        cells = strips.unflatten(-1, (-1, self.width)).movedim(-2, 1).flatten(2)  # [B, n, C * H * width]
        errors = torch.cdist(cells, self.glyphs[None]).square() / cells.shape[-1]
        least = errors.min(-1)
        return ["".join(self.characters[i] for i in row) for row in least.indices.tolist()], least.values


def load_texts(name: str) -> list[str]:
    """The texts of a jsonl file, gzipped or not."""
    with (gzip.open if name.endswith(".gz") else open)(name, "rt", encoding="utf-8") as file:
        return [json.loads(line)["text"] for line in file]


def words_of(text: str) -> list[str]:
    """Words of at least three letters that are neither cut by the beginning nor by the end."""
    inner = re.findall(r"(?<=[^A-Za-z])[A-Za-z]+(?=[^A-Za-z])", text)
    return [word.lower() for word in inner if len(word) >= LEAST_LETTERS]


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
    written, errors = cells.read(strips[..., prompt.shape[-1] :])
    words = [word for row in written for word in words_of(row)]
    true, _ = cells.read(texts[..., prompt.shape[-1] :])
    true_words = [word for row in true for word in words_of(row)]
    states = model.model(texts).last_hidden_state[:, options.prompt - 1 : -1].flatten(0, 1)
    head = {**sampling, "do_sample": drawing["do_sample"]}
    drawn = model.patch_head.sample(states, generator=torch.Generator().manual_seed(0), **head).patches
    height = model.config.patch_size[0]
    first, forced = cells.read(drawn.view(-1, 1, height, width))
    per_patch = width // cells.width
    wanted = "".join(row[::per_patch] for row in true)
    found = {
        "roll legible": float((errors < LEGIBLE).float().mean()),
        "roll words": sum(word in vocabulary for word in words) / max(len(words), 1),
        "words": len(words),
        "true words": sum(word in vocabulary for word in true_words) / max(len(true_words), 1),
        "forced legible": float((forced < LEGIBLE).float().mean()),
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
