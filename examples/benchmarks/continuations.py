# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Are generated strips readable, and are their words words?

Continues the first words of held-out paragraphs, reads the strips, and counts the words of three letters and more that
occur in the training text, and the share of ink that is no glyph. The last word of a strip that was cut by its length
is left out, and so is the word the prompt ends in.

    python examples/benchmarks/continuations.py
"""

import argparse
import re
import time

import torch
from texts import read_texts

import pixel_ar

WORD = re.compile(r"[A-Za-z]{3,}")


def new_words(prompt: str, text: str, is_complete: bool) -> list[str]:
    """Words of a continuation, without those cut by its beginning or its end."""
    continuation = text[len(prompt) :]
    if prompt[-1:].isalpha():
        continuation = re.sub(r"^[A-Za-z]*", "", continuation)
    if not is_complete:
        continuation = re.sub(r"[A-Za-z]*$", "", continuation)
    return WORD.findall(continuation)


def main() -> None:
    """Generates, reads, counts."""
    parser = argparse.ArgumentParser(description="Readability and real words of continuations.")
    parser.add_argument("--model", default=None, help="folder or Hub id; default: the embedded checkpoint")
    parser.add_argument(
        "--train-data",
        default="sotu_train.jsonl.gz",
        help="file whose words are known; a path, or in examples/data",
    )
    parser.add_argument("--train-texts", type=int, default=None, help="so many texts of it; default: all")
    parser.add_argument("--prompt-data", default="sotu_validation.jsonl.gz")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--new-patches", type=int, default=48)
    parser.add_argument("--prompt-words", type=int, default=4)
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=5, help="continuations printed")
    options = parser.parse_args()
    folder = options.model or pixel_ar.bundled_checkpoint("pixel-ar-tiny")
    model = pixel_ar.PixelARForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    processor = pixel_ar.PixelProcessor.from_pretrained(folder)
    texts = read_texts(options.train_data)[: options.train_texts]
    known = {word.lower() for text in texts for word in WORD.findall(text)}
    sources = read_texts(options.prompt_data)[: options.count]
    prompts = [" ".join(text.split()[: options.prompt_words]) for text in sources]
    generator = torch.Generator().manual_seed(options.seed)
    start = time.perf_counter()
    words: list[str] = []
    unreadable: list[float] = []
    for first in range(0, len(prompts), options.batch_size):
        batch = prompts[first : first + options.batch_size]
        inputs = processor(text=batch, add_eos=False, return_tensors="pt")
        output = model.generate(
            **inputs,
            max_new_patches=options.new_patches,
            do_sample=True,
            temperature=options.temperature,
            generator=generator,
            return_dict_in_generate=True,
        )
        results = processor.read(output)
        ends = strips_with_eos(output, processor.patch_size[1])
        for prompt, result, is_complete in zip(batch, results, ends, strict=True):
            words += new_words(prompt, result.text, is_complete)
            unreadable.append(result.unreadable)
        if first == 0:
            for result in results[: options.show]:
                print(f"  {result.text}")
    unknown = [word for word in words if word.lower() not in known]
    seconds = time.perf_counter() - start
    print(
        f"{len(prompts)} continuations of {options.new_patches} patches at temperature {options.temperature}"
    )
    print(f"{100 * (1 - len(unknown) / len(words)):.2f} % of {len(words)} words occur in the training text")
    print(
        f"{100 * sum(unreadable) / len(unreadable):.3f} % of the ink columns are unreadable; {seconds:.0f} s"
    )
    print("words that do not:", ", ".join(sorted(set(unknown))[:40]))


def strips_with_eos(output: pixel_ar.PixelGenerateOutput, patch_width: int) -> list[bool]:
    """Whether the last attended patch of each row is the EOS patch."""
    last = output.attention_mask.sum(-1).tolist()
    rows = zip(output.pixel_values, last, strict=True)
    return [not strip[..., (end - 1) * patch_width : end * patch_width].any() for strip, end in rows]


if __name__ == "__main__":
    main()
