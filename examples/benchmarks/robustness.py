# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What damage to a context costs: bits of the clean words that follow it, a pixel model's beside a token model's.

    python examples/benchmarks/robustness.py pixel-ar-words --tokens runs/tokens --data en_validation.jsonl.gz

`--tokens` is a folder of token_baseline.py. Held-out pieces are cut at a word: the first part, the context, is damaged,
the second is not, and each model is asked how likely the second is after the first. Printed are bits per character of
the second part, and how much of what the clean context brings is lost, in percent: 0 where damage does not matter, 100
where the model had better not have seen the context at all, more where it is led astray.

Where pixels are turned, the token model gets what the package's reader makes of the strip. Intervals: 95 % of 1,000
draws of documents with replacement.
"""

import argparse
import math
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from held_out import read_held_out
from token_baseline import BOUNDARY, TOKENIZER
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoProcessor, LlamaForCausalLM

import pixel_ar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from damage import CONDITIONS, Damage, read_damaged, turn_pixels

# A context and what follows it to nats of what follows; the share is that of the context's pixels that are turned.
Scorer = Callable[[str, str, float], float]


def pixel_scorer(model: pixel_ar.PixelARForCausalLM, processor: pixel_ar.PixelProcessor) -> Scorer:
    """Scores with a pixel model: the strips of both parts stand side by side, an EOS patch before them.

    Raises:
        SystemExit: for a processor that lets words begin inside a patch, where the parts share one.
    """
    if processor.strategy != "word_pieces":
        raise SystemExit(
            f"this needs a model of word_pieces, whose words begin with a patch: {processor.strategy!r}"
        )
    width = processor.patch_size[1]

    def strip(text: str) -> torch.Tensor:
        batch = processor(text=[text], add_eos=False, return_tensors="pt")
        columns = -(-int(batch["num_columns"][0]) // width) * width
        return batch["pixel_values"][..., :columns]

    @torch.no_grad()
    def score(context: str, rest: str, flips: float) -> float:
        start = processor(text=["x"], add_start=True, return_tensors="pt")["pixel_values"][..., :width]
        before = strip(context) if context else start[..., :0]
        if flips:
            mask = torch.ones(1, before.shape[-1] // width)
            before = turn_pixels(before, [flips], mask, len(context))
        given = torch.cat([start, before], -1)
        both = torch.cat([given, strip(f" {rest}")], -1)
        known = float(model.log_likelihood(given)[0]) if context else 0.0
        return known - float(model.log_likelihood(both)[0])

    return score


def token_scorer(model: LlamaForCausalLM, tokenizer: Tokenizer, reader: pixel_ar.PixelProcessor) -> Scorer:
    """Scores with a token model; turned pixels reach it through the reader."""

    @torch.no_grad()
    def score(context: str, rest: str, flips: float) -> float:
        given = read_damaged(reader, [context], flips)[0] if flips and context else context
        before = [BOUNDARY, *tokenizer.encode(given).ids]
        ids = torch.tensor([*before, *tokenizer.encode(f" {rest}").ids])
        logits = model(input_ids=ids[None, :-1], use_cache=False).logits[0].float()
        losses = F.cross_entropy(logits, ids[1:], reduction="none")
        return float(losses[len(before) - 1 :].sum())

    return score


def halves(piece: str, context: int) -> tuple[str, str]:
    """A piece cut at the first space after `context` characters; the second part is empty where there is none."""
    place = piece.find(" ", context)
    return (piece, "") if place < 0 else (piece[:place], piece[place + 1 :])


def interval(values: Callable[[np.ndarray], float], documents: int) -> tuple[float, float]:
    """95 % of a figure over draws of documents with replacement."""
    draws = np.random.default_rng(0).integers(0, documents, (1000, documents))
    low, high = np.quantile([values(draw) for draw in draws], [0.025, 0.975])
    return float(low), float(high)


def measure(
    scorer: Scorer, parts: Sequence[tuple[str, str]], damage: Damage | None
) -> tuple[list[float], str]:
    """Nats of the second part of each piece, and the last damaged context; without a context for `None`."""
    generator = random.Random(0)
    nats, shown = [], ""
    for context, rest in parts:
        shown = "" if damage is None else damage.of_text(context, generator)
        nats.append(scorer(shown, rest, 0.0 if damage is None else damage.flips))
    return nats, shown


def main() -> None:
    """Scores and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", help="folder, or the name of a bundled checkpoint")
    parser.add_argument("--tokens", help="folder of token_baseline.py")
    parser.add_argument("--data", required=True)
    parser.add_argument("--documents", type=int, default=10**9)
    parser.add_argument("--pieces", type=int, default=1, help="of a document")
    parser.add_argument("--context", type=int, default=400, help="characters")
    parser.add_argument("--rest", type=int, default=100, help="characters that follow it, about")
    options = parser.parse_args()
    folder = options.model if Path(options.model).is_dir() else pixel_ar.bundled_checkpoint(options.model)
    processor = AutoProcessor.from_pretrained(folder, missing="hexbox")
    scorers = {
        options.model: pixel_scorer(AutoModelForCausalLM.from_pretrained(folder).eval(), processor),
    }
    if options.tokens:
        tokens = LlamaForCausalLM.from_pretrained(options.tokens).eval()
        tokenizer = Tokenizer.from_file(str(Path(options.tokens, TOKENIZER)))
        scorers[options.tokens] = token_scorer(tokens, tokenizer, processor)
    held_out = read_held_out(options.data, processor, options.documents, options.context + options.rest)
    parts: list[tuple[str, str]] = []
    owners: list[int] = []
    for owner, piece in zip(held_out.owners, held_out.pieces, strict=True):
        first, second = halves(piece, options.context)
        if second and owners.count(owner) < options.pieces:
            parts.append((first, second))
            owners.append(owner)
    characters = np.array([len(rest) + 1 for _, rest in parts], dtype=float)
    print(f"{len(parts)} pieces of {len(set(owners))} documents, {int(characters.sum()):,} characters scored")
    print("| model | context | bits/character | lost, % | 95 % |\n|---|---|---|---|---|")
    numbers = [np.flatnonzero(np.array(owners) == owner) for owner in sorted(set(owners))]
    for name, scorer in scorers.items():
        none = np.array(measure(scorer, parts, None)[0])
        clean = np.array(measure(scorer, parts, Damage())[0])
        print(f"| {name} | none | {none.sum() / math.log(2) / characters.sum():.3f} | 100 | |", flush=True)
        for condition, damage in CONDITIONS.items():
            nats = np.array(measure(scorer, parts, damage)[0])

            def lost(
                draw: np.ndarray, nats: np.ndarray = nats, clean: np.ndarray = clean, none: np.ndarray = none
            ) -> float:
                rows = np.concatenate([numbers[index] for index in draw])
                return 100 * float((nats - clean)[rows].sum() / (none - clean)[rows].sum())

            value = lost(np.arange(len(numbers)))
            low, high = interval(lost, len(numbers))
            bits = nats.sum() / math.log(2) / characters.sum()
            print(
                f"| {name} | {condition} | {bits:.3f} | {value:.1f} | {low:.1f} to {high:.1f} |", flush=True
            )


if __name__ == "__main__":
    main()
