#!/usr/bin/env python
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A frozen language model classifies and completes pictures that it only ever sees as words.

First a small Llama is trained on few-shot TEXT: captions of five words with made-up labels, and captions with wrong
words before right ones. It never sees a picture, nor the words of one:

    python examples/spae_in_context.py --spae runs/spae --language_model runs/spae-lm --budget 5

Then it is frozen and reads the words of held-out pictures. A folder that is there already is not trained: any causal
language model with its tokenizer will do, if it has the codebook's words.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from data.shapes import COLORS, COLUMNS, ROWS, SHAPES, SIZES, WORDS, ShapesDataset
from options import NO_STEP_LIMIT
from PIL import Image, ImageDraw
from spae_scores import EPISODES, HELD_OUT, episodes, overlap_accuracy
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    TrainingArguments,
    set_seed,
)

from pixel_ar import LexicalCodebook, LexicalPrompt, ProgressiveDecoder, SpaeModel
from pixel_ar.training import FiniteLossTrainer, MarkCheckpoints, TimeBudget, find_checkpoint, resume

KINDS = (list(COLORS), list(SHAPES), list(SIZES), list(ROWS), list(COLUMNS))
FIXED = ("Input:", "Output:")
SPECIAL = ("<unk>", "<s>", "</s>")
SHOTS = 3
TEXT_ERRORS = 0.15
DENOISING_SHARE = 0.3
# Of the classifications, how many have the values themselves as labels; the others have words that mean nothing.
NAMED_SHARE = 0.6


class FewShotText(torch.utils.data.IterableDataset):
    """Endless few-shot tasks of text: six labelled captions and a seventh, or captions with wrong words before right.

    Args:
        tokenizer: of words.
        words: for errors and labels.
        seed: of the tasks.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, words: Sequence[str], seed: int = 0) -> None:
        ids = tokenizer.get_vocab()
        self.start = ids["<s>"]
        self.before, self.between = (ids[text] for text in FIXED)
        self.words = np.array([ids[word] for word in words])
        self.labels = np.array([ids[word] for word in label_words(words)])
        self.kinds = [np.array([ids[word] for word in kind]) for kind in KINDS]
        self.seed = seed

    def __iter__(self):  # type: ignore[no-untyped-def]
        """Rows of `input_ids` and `labels`."""
        random = np.random.default_rng(self.seed)
        while True:
            yield self.denoising(random) if random.random() < DENOISING_SHARE else self.classification(random)

    def classification(self, random: np.random.Generator) -> dict[str, list[int]]:
        """Two values of one kind of word, six captions with them in mixed order, and one more."""
        kind = 0 if random.random() < 0.6 else int(random.integers(len(KINDS)))
        values = random.permutation(self.kinds[kind])[:2]
        is_named = random.random() < NAMED_SHARE
        labels = values if is_named else random.permutation(self.labels)[:2]
        which = np.append(random.permutation([0, 1] * SHOTS), random.integers(2))
        captions = self.captions(len(which), random)
        captions[:, kind] = values[which]
        given = self.with_errors(self.shuffled(captions, random), np.full(len(which), TEXT_ERRORS), random)
        return self.row(given, labels[which][:, None])

    def denoising(self, random: np.random.Generator) -> dict[str, list[int]]:
        """Captions in any order of words with fewer and fewer wrong ones, each before itself in the same order."""
        ratios = np.linspace(0.5, 0.2, 4)
        captions = self.shuffled(self.captions(len(ratios), random), random)
        return self.row(self.with_errors(captions, ratios, random), captions)

    def captions(self, count: int, random: np.random.Generator) -> np.ndarray:
        """Ids of one word of each kind, `[count, 5]`."""
        return np.stack([kind[random.integers(len(kind), size=count)] for kind in self.kinds], 1)

    def with_errors(
        self, captions: np.ndarray, shares: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        """A share of the words replaced by any others."""
        wrong = random.random(captions.shape) < shares[:, None]
        return np.where(wrong, self.words[random.integers(len(self.words), size=captions.shape)], captions)

    def shuffled(self, captions: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """The words of each caption in any order."""
        return np.take_along_axis(captions, random.random(captions.shape).argsort(1), 1)

    def row(self, given: np.ndarray, wanted: np.ndarray) -> dict[str, list[int]]:
        """Ids of inputs and outputs; labels on the outputs alone."""
        count = len(given)
        before = np.hstack([np.full((count, 1), self.before), given, np.full((count, 1), self.between)])
        ids = [self.start, *np.hstack([before, wanted]).ravel().tolist()]
        labels = [-100, *np.hstack([np.full_like(before, -100), wanted]).ravel().tolist()]
        return {"input_ids": ids, "labels": labels}


class OutputsTrainer(FiniteLossTrainer):
    """Scores the vocabulary where there is something to say, which is a tenth of the places."""

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        **kwargs: object,
    ) -> torch.Tensor:
        """Mean cross-entropy of the outputs, nats."""
        bare = self.accelerator.unwrap_model(model)
        states = bare.model(input_ids=inputs["input_ids"]).last_hidden_state[:, :-1]
        labels = inputs["labels"][:, 1:]
        said = labels != -100
        return torch.nn.functional.cross_entropy(bare.lm_head(states[said]), labels[said])


def label_words(words: Sequence[str]) -> list[str]:
    """Words that serve as labels: frequent ones that say nothing of a picture."""
    return [word for word in words[100:140] if word not in WORDS]


def collate(rows: Sequence[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    """Rows padded to one length; what is padded has no loss and, at the right, is seen by nothing."""
    width = max(len(row["input_ids"]) for row in rows)
    return {
        name: torch.tensor([row[name] + [filler] * (width - len(row[name])) for row in rows])
        for name, filler in (("input_ids", 0), ("labels", -100))
    }


def train_language_model(folder: Path, codebook: LexicalCodebook, budget: float, seed: int = 0) -> None:
    """A small Llama of the codebook's words, trained on text alone; goes on where it was cut off."""
    set_seed(seed)
    tokens = [*SPECIAL, *FIXED, *codebook.words]
    backend = Tokenizer(
        models.WordLevel({token: index for index, token in enumerate(tokens)}, unk_token="<unk>")
    )
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokens),
            hidden_size=96,
            intermediate_size=256,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=512,
            bos_token_id=1,
            eos_token_id=2,
            tie_word_embeddings=True,
        )
    )
    runs = folder.parent / f"{folder.name}-training"
    arguments = TrainingArguments(
        str(runs), max_steps=NO_STEP_LIMIT, per_device_train_batch_size=32, learning_rate=2e-3, weight_decay=0.01,
        logging_steps=100, save_steps=500, save_total_limit=1, report_to="none",
        use_cpu=not torch.accelerator.is_available(),
        disable_tqdm=True, remove_unused_columns=False, seed=seed,
        # The tasks are drawn anew; to draw the old ones again only to pass over them takes time and gives nothing.
        ignore_data_skip=True,
    )  # fmt: skip
    checkpoint = find_checkpoint(runs)
    first = 0 if checkpoint is None else int(checkpoint.rpartition("-")[2])
    trainer = OutputsTrainer(
        model=model,
        args=arguments,
        train_dataset=FewShotText(tokenizer, codebook.words, seed + first),
        data_collator=collate,
        callbacks=[MarkCheckpoints()],
    )
    TimeBudget(budget, 100, clock="processor").install(trainer)
    resume(trainer, checkpoint)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def classify(
    spae: SpaeModel, model: torch.nn.Module, prompt: LexicalPrompt, data: ShapesDataset, kind: str, count: int
) -> dict[str, float]:
    """Accuracy of the language model on few-shot tasks, and of counting shared tokens.

    The labels are the values' own names (`named`) or words that mean nothing (`arbitrary`).
    """
    layers = spae.encode(torch.from_numpy(data.images))
    names = [getattr(shape, kind) for shape in data.shapes]
    pool = label_words(prompt.codebook.words)
    random = np.random.default_rng(1)
    hits: dict[str, list[bool]] = {"named": [], "arbitrary": []}
    for support, query, label in episodes(names)[:count]:
        values = sorted({name for _, name in support})
        asked = tuple(layer[query] for layer in layers)
        for form, texts in (("named", values), ("arbitrary", random.choice(pool, 2, replace=False).tolist())):
            labels = dict(zip(values, texts, strict=True))
            shown = [(tuple(layer[index] for layer in layers), labels[name]) for index, name in support]
            ranked = prompt.classify(model, shown, asked, texts)
            hits[form].append(next(iter(ranked)) == labels[label])
    sequences = torch.cat([layer.flatten(1) for layer in layers], 1)
    tokens = sum(layer[0].numel() for layer in layers[: prompt.layers])
    return {
        **{f"in_context_{kind}_{form}": float(np.mean(found)) for form, found in hits.items()},
        f"overlap_{kind}_{tokens}": overlap_accuracy(sequences[:, :tokens], names),
        f"overlap_{kind}_21": overlap_accuracy(sequences[:, :21], names),
    }


def complete(
    spae: SpaeModel,
    model: torch.nn.Module,
    prompt: LexicalPrompt,
    data: ShapesDataset,
    count: int,
    scale: int = 4,
) -> Image.Image:
    """Pictures whose words were partly replaced, and what the language model makes of them: drawn, with the words."""
    layers = spae.encode(torch.from_numpy(data.images))
    draw = torch.Generator().manual_seed(0)
    decoder = ProgressiveDecoder(spae)
    examples = [tuple(layer[index] for layer in layers) for index in range(count, count + 3)]
    side, margin, label = data.images.shape[2] * scale, 6, 130
    rows = ["picture", "its first 5 words", "two words replaced", "completed by the LM"]
    canvas = Image.new("RGB", (label + count * (side + margin), len(rows) * (side + margin + 66)), "white")
    pen = ImageDraw.Draw(canvas)
    for column in range(count):
        own = tuple(layer[column] for layer in layers)
        asked = prompt.generation(
            [(broken(prompt, example, draw), example) for example in examples], broken(prompt, own, draw)
        )
        written = decoder.generate(model, asked, layers=2, do_sample=False)
        given = to_picture(prompt, spae, asked.query)
        pictures = [
            (torch.from_numpy(data.images[column]) / 255, ""),
            (
                spae.decode([layer[None] for layer in own[:2]])[0],
                words_of(spae, [layer[None] for layer in own[:2]]),
            ),
            (spae.decode(given)[0], words_of(spae, given)),
            (spae.decode(written)[0], words_of(spae, written)),
        ]
        for row, (picture, words) in enumerate(pictures):
            array = (picture.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
            left, top = label + column * (side + margin), row * (side + margin + 66)
            canvas.paste(Image.fromarray(array).resize((side, side), Image.Resampling.NEAREST), (left, top))
            pen.multiline_text((left, top + side + 1), words, fill="black", spacing=1)
    for row, name in enumerate(rows):
        pen.text((4, row * (side + margin + 66) + side // 2), name, fill="black")
    return canvas


def broken(
    prompt: LexicalPrompt, picture: tuple[torch.Tensor, ...], draw: torch.Generator
) -> tuple[torch.Tensor, ...]:
    """A picture two of whose first five words are others."""
    tokens = torch.cat([layer.flatten() for layer in picture[:2]])
    places = torch.randperm(len(tokens), generator=draw)[:2]
    tokens[places] = torch.randint(prompt.codebook.size, (2,), generator=draw)
    return (tokens[:1].view(1, 1), tokens[1:].view(picture[1].shape))


def to_picture(prompt: LexicalPrompt, spae: SpaeModel, tokens: list[int]) -> tuple[torch.Tensor, ...]:
    """Codebook entries of five tokens of the language model."""
    entries = torch.tensor([int((prompt.token_ids == token).nonzero()[0]) for token in tokens])
    return (entries[:1].view(1, 1, 1), entries[1:].view(1, *spae.config.pyramid[1]))


def words_of(spae: SpaeModel, layers: Sequence[torch.Tensor]) -> str:
    """The words below a picture."""
    return "\n".join(word for layer in spae.to_words(layers)[0] for word in layer)


def main() -> None:
    """Trains the language model where there is none, and shows what it does with pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spae", required=True, help="folder of a SPAE of shapes")
    parser.add_argument(
        "--language_model", required=True, type=Path, help="folder; trained if it is not there"
    )
    parser.add_argument("--budget", type=float, default=5.0, help="minutes of processor time to train it")
    parser.add_argument("--episodes", type=int, default=300, help=f"few-shot tasks, at most {EPISODES}")
    parser.add_argument("--image", help="where to write completed pictures")
    arguments = parser.parse_args()
    spae = SpaeModel.from_pretrained(arguments.spae).eval()
    if not isinstance(spae.codebook, LexicalCodebook):
        raise SystemExit(f"{arguments.spae} learned its codebook; it has no words to read")
    if not (arguments.language_model / "config.json").is_file():
        train_language_model(arguments.language_model, spae.codebook, arguments.budget)
    model = AutoModelForCausalLM.from_pretrained(arguments.language_model).eval().requires_grad_(False)
    tokenizer = AutoTokenizer.from_pretrained(arguments.language_model)
    prompt = LexicalPrompt(spae.codebook, tokenizer)
    data = ShapesDataset(600, HELD_OUT)
    figures: dict[str, float] = {}
    for kind in ("color", "shape"):
        figures |= classify(spae, model, prompt, data, kind, arguments.episodes)
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))
    if arguments.image:
        complete(spae, model, prompt, data, count=8).save(arguments.image)


if __name__ == "__main__":
    main()
