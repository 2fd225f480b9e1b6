# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Coloured strips written by a small model as PixelGPT's, with its head of squared errors and with the flow head.

The text is proportional, antialiased, in patches of 16x16 pixels and three channels (arXiv 2404.10710) that cut letters
anywhere; some words are followed by their emoji. Both models are the same but for the head, read the same strips and
train for the same processor time, and continue the same held-out prompts:

    python examples/benchmarks/flow_colours.py --font DejaVuSans.ttf --emoji NotoColorEmoji.ttf \
        --output_dir runs/colours --minutes 4

The fonts are those of Debian's fonts-dejavu-core and fonts-noto-color-emoji. Columns count as written that a glyph
explains, emoji where one follows its word. With `--draw_only` trained folders are drawn again.
"""

import argparse
import json
import re
import time
import warnings
from pathlib import Path

import torch
from datasets import Dataset
from drawn_glyphs import DATA, Runs, load_texts, words_of
from PIL import Image
from transformers import TrainingArguments, set_seed

import pixel_ar
from pixel_ar.fonts.shaped_font import ShapedFont
from pixel_ar.training import (
    FiniteLossTrainer,
    LanguageModelingCollator,
    PackedTextDataset,
    TimeBudget,
)

# Emoji of frequent words.
EMOJI = {
    "states": "⭐",
    "government": "🏛\ufe0f",
    "congress": "📜",
    "people": "👥",
    "year": "📅",
    "war": "⚔\ufe0f",
    "law": "⚖\ufe0f",
    "peace": "🕊\ufe0f",
    "world": "🌍",
    "money": "💰",
}
SIZES = {
    "patch_size": (16, 16),
    "num_channels": 3,
    "hidden_size": 192,
    "intermediate_size": 512,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "patch_embedding_hidden_size": 384,
    "initializer_range": 0.06,
}
# PixelGPT's own loss is of standardised patches, whose values no picture can be made of.
HEADS = {
    "regression": {"patch_head": "regression", "norm_pix_loss": False, "regression_output_range": "unit"},
    "flow": {"patch_head": "flow", "head_hidden_size": 256, "head_num_layers": 3, "flow_draws": 2},
}
ROW, GAP, MARGIN, ZOOM = 20, 10, 8, 2


def with_emoji(text: str) -> str:
    """The text, each word of `EMOJI` followed by its own."""
    words = "|".join(EMOJI)
    return re.sub(rf"\b({words})\b", lambda match: f"{match[0]} {EMOJI[match[0].lower()]}", text, flags=re.I)


def build_processor(options: argparse.Namespace) -> pixel_ar.PixelProcessor:
    """RGB strips in the two fonts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what overflows is cut, as the published strips did
        letters = pixel_ar.GlyphAtlas.from_font(
            options.font, 12, 16, map(chr, range(32, 127)), name="letters", overflow="cut", mode="L"
        )
    chain = (letters, ShapedFont(options.emoji, 16))
    return pixel_ar.PixelProcessor(
        atlases=chain, mode="RGB", num_channels=3, patch_size=(16, 16), missing="hexbox"
    )


def train(head: str, options: argparse.Namespace) -> None:
    """Trains one model for the time and saves it with its processor."""
    set_seed(options.seed)
    processor = build_processor(options)
    model = pixel_ar.PixelARForCausalLM(pixel_ar.PixelARConfig(**SIZES, **HEADS[head]))
    texts = Dataset.from_dict({"text": [with_emoji(text) for text in load_texts(options.train_data)]})
    documents = texts.to_iterable_dataset().shuffle(seed=options.seed, buffer_size=10_000)
    packed = PackedTextDataset(documents, processor.renderer, 16, options.patches, seed=options.seed)
    folder = str(Path(options.output_dir, head))
    training = TrainingArguments(
        folder,
        learning_rate=options.learning_rate,
        per_device_train_batch_size=options.batch_size,
        weight_decay=0.05,
        adam_beta2=0.98,
        max_grad_norm=1.0,
        logging_steps=25,
        save_strategy="no",
        max_steps=10**9,
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
        use_cpu=options.cpu,
        seed=options.seed,
    )
    trainer = FiniteLossTrainer(
        model=model,
        args=training,
        train_dataset=packed,
        data_collator=LanguageModelingCollator(processor, options.patches),
        processing_class=processor,
    )
    TimeBudget(options.minutes, warmup_steps=100, clock="processor").install(trainer)
    trainer.train()
    trainer.save_model()
    steps = {"steps": trainer.state.global_step, "minutes": options.minutes}
    Path(folder, "trained.json").write_text(json.dumps(steps) + "\n", encoding="utf-8")


@torch.no_grad()
def write(
    head: str, options: argparse.Namespace, texts: list[str]
) -> tuple[dict[str, float], list[Image.Image]]:
    """Figures of what a model writes after prompts, and the strips."""
    folder = Path(options.output_dir, head)
    model = pixel_ar.PixelARForCausalLM.from_pretrained(folder).eval()
    processor = pixel_ar.PixelProcessor.from_pretrained(folder, missing="hexbox")
    pixels = processor(text=texts, add_eos=False, return_tensors="pt")["pixel_values"].float()
    prompt = 16 * options.prompt
    drawing = {}
    if head == "flow":
        drawing = {
            "do_sample": True,
            "pixel_steps": options.steps,
            "guidance_scale": options.scale,
            "temperature": options.temperature,
            "generator": [torch.Generator().manual_seed(row) for row in range(len(texts))],
        }
    began = time.process_time()
    new = options.new
    strips = model.generate(pixels[..., :prompt], max_new_patches=new, stop_at_eos=False, **drawing)
    seconds = time.process_time() - began
    reader = Runs(processor, list(EMOJI.values()))
    written, is_read = reader.read(strips, prompt)
    vocabulary = {word for text in load_texts(options.train_data) for word in words_of(f" {text} ")}
    words = [word for text in written for word in words_of(text)]
    asked, right, drawn = emoji_of(written)
    found = {
        **json.loads((folder / "trained.json").read_text(encoding="utf-8")),
        "columns": float(is_read.float().mean()),
        "real_words": sum(word in vocabulary for word in words) / max(len(words), 1),
        "words": len(words),
        "emoji": drawn,
        "words_with_an_emoji": asked,
        "followed_by_theirs": right,
        "ms_per_patch": 1000 * seconds / (len(texts) * new),
    }
    (folder / "scores.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return found, processor.to_pil(strips[: options.shown])


def emoji_of(texts: list[str]) -> tuple[int, int, int]:
    """How many words that have an emoji texts hold, how many are followed by it, and how many emoji there are."""
    words = "|".join(EMOJI)
    asked = [match for text in texts for match in re.finditer(rf"(?i)\b({words})\b ?(.{{2}})", text)]
    right = sum(EMOJI[match[1].lower()].startswith(match[2][0]) for match in asked)
    drawn = sum(text.count(emoji) for text in texts for emoji in set(EMOJI.values()))
    return len(asked), right, drawn


def sheet(blocks: list[list[Image.Image]]) -> Image.Image:
    """Blocks of strips below each other, enlarged."""
    width = max(strip.width for block in blocks for strip in block) + 2 * MARGIN
    height = MARGIN + sum(ROW * len(block) + GAP for block in blocks)
    page, top = Image.new("RGB", (width, height), "white"), MARGIN
    for block in blocks:
        for strip in block:
            page.paste(strip.convert("RGB"), (MARGIN, top))
            top += ROW
        top += GAP
    return page.resize((page.width * ZOOM, page.height * ZOOM), Image.Resampling.NEAREST)


def main() -> None:
    """Trains both, prints their figures, and draws what they write."""
    parser = argparse.ArgumentParser(description="Coloured strips: squared errors against the flow head.")
    parser.add_argument("--font", help="a Latin font")
    parser.add_argument("--emoji", help="a font with emoji in colour")
    parser.add_argument("--output_dir", required=True)
    parser.add_argument("--minutes", type=float, default=4.0, help="of processor time, for each")
    parser.add_argument("--heads", nargs="+", default=list(HEADS), choices=list(HEADS))
    parser.add_argument("--draw_only", action="store_true", help="of folders that are trained")
    parser.add_argument("--train_data", default=str(DATA / "sotu_train.jsonl.gz"))
    parser.add_argument("--validation_data", default=str(DATA / "sotu_validation.jsonl.gz"))
    parser.add_argument("--learning_rate", type=float, default=2e-3)
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--patches", type=int, default=64, help="of a training strip")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--rows", type=int, default=32, help="held-out prompts")
    parser.add_argument("--prompt", type=int, default=20, help="patches")
    parser.add_argument("--new", type=int, default=28, help="patches")
    parser.add_argument("--steps", type=int, default=16, help="of the flow")
    parser.add_argument("--scale", type=float, default=2.0, help="guidance")
    parser.add_argument("--temperature", type=float, default=1.0, help="of the noise")
    parser.add_argument("--shown", type=int, default=4, help="strips of each in the picture")
    options = parser.parse_args()
    if not options.draw_only:
        if not options.font or not options.emoji:
            parser.error("name the fonts with --font and --emoji")
        for head in options.heads:
            train(head, options)
    long = [text for text in load_texts(options.validation_data) if len(text) > 100]
    # Those that have an emoji before long come first, so that there is something to see.
    texts = sorted((with_emoji(text)[:100] for text in long), key=lambda text: not text[30:70].isascii())
    blocks = []
    for head in options.heads:
        found, strips = write(head, options, texts[: options.rows])
        print(head, json.dumps(found), flush=True)
        blocks.append(strips)
    sheet(blocks).save(Path(options.output_dir, "strips.png"), optimize=True)


if __name__ == "__main__":
    main()
