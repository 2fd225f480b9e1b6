# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""`pixel-ar generate` and `pixel-ar score`: what models write, and what they think of texts."""

import math
import sys
import time
from argparse import Namespace
from typing import Any

import numpy as np
import torch

from ..processing.images import list_strips
from ..processing.pictures import strip_page
from ..processing.processing_pixel_ar import PixelProcessor
from ..serving.streaming import PixelTextStreamer
from .files import Output, check_output, read_text, save_image
from .loading import load_model
from .messages import report_line
from .pictures import drawing_note


class _Live(PixelTextStreamer):
    """Keeps the patches, so that they are not lost when generation is interrupted; prints text if it may."""

    def __init__(self, processor: PixelProcessor, inputs: Any, prints: bool) -> None:
        super().__init__(processor, inputs)
        self.patches: list[torch.Tensor] = []
        self._prints = prints

    def put(self, value: torch.Tensor) -> None:
        self.patches.append(value)
        if self._prints:
            super().put(value)

    def end(self) -> None:
        if self._prints:
            super().end()


def generate(args: Namespace) -> int:
    """`pixel-ar generate`: prompt to strip, text and picture."""
    check_output(args.output, args.force, is_image=True)
    prompt = read_text("-").strip("\n") if args.prompt == "-" else args.prompt
    if not prompt:
        raise ValueError("the prompt is empty; give at least one character.")
    model, processor = load_model(args)
    inputs = processor(text=prompt, add_eos=False, return_tensors="pt")
    _check_room(model.config, inputs["attention_mask"].shape[1], args.max_new_patches)
    if args.seed is not None:
        torch.manual_seed(args.seed)
    has_likelihood = model.patch_head.has_likelihood
    greedy = args.greedy or not model.patch_head.can_sample
    temperature = 0.7 if args.temperature is None else args.temperature
    sampling = {"temperature": temperature, "top_p": args.top_p, "top_k": args.top_k}
    out = Output(None, args.json)
    is_single = args.num_return_sequences == 1
    live = _Live(processor, inputs, prints=is_single and not args.json)
    began = time.perf_counter()
    try:
        with torch.inference_mode():
            found = model.generate(
                **inputs,
                max_new_patches=args.max_new_patches,
                do_sample=not greedy,
                num_return_sequences=args.num_return_sequences,
                return_dict_in_generate=True,
                streamer=live,
                **({} if greedy else {key: value for key, value in sampling.items() if value is not None}),
            )
            seconds = time.perf_counter() - began
            nats = (
                _continuation_nats(model, inputs, found)
                if has_likelihood
                else [None] * len(found.pixel_values)
            )
    except KeyboardInterrupt:
        _save_interrupted(args, processor, inputs, live.patches)
        return 130
    texts = processor.batch_decode(found)
    prompt_length = len(processor.renderer.normalise(prompt))
    for index, (text, cost) in enumerate(zip(texts, nats, strict=True)):
        count = len(text) - prompt_length
        result = {"text": text, "num_new_characters": max(count, 0)}
        if not is_single or args.json:
            out.add(f"{index + 1}: {text}", result)
        if count <= 0:
            out.add("   [nothing written]")
        elif cost is not None:
            result.update(nats=cost, bits_per_character=cost / math.log(2) / count)
            out.add(f"   [{_bits(cost, count)} over {count} new characters]")
    strips = [
        strip[:, :, : int(count)]
        for strip, count in zip(list_strips(found.pixel_values), found.num_columns, strict=True)
    ]
    _save_strips(args, processor, strips, int(inputs["num_columns"][0]))
    out.add(
        f"{args.output}: the strip, prompt tinted ({args.max_new_patches} patches at most, {seconds:.1f} s)"
    )
    out.close(single=is_single)
    return 0


def _save_strips(
    args: Namespace, processor: PixelProcessor, strips: list[np.ndarray], prompt_columns: int
) -> None:
    width = processor.patch_size[1]
    line = max(480 // width, 1) * width
    page = strip_page(strips, [prompt_columns] * len(strips), line_columns=line)
    columns = [strip.shape[2] for strip in strips]
    note = drawing_note(
        processor, "strips", 3, line_columns=line, num_columns=columns, prompt_columns=prompt_columns
    )
    save_image(page, args.output, note)


def _save_interrupted(
    args: Namespace, processor: PixelProcessor, inputs: Any, patches: list[torch.Tensor]
) -> None:
    """Saves what was drawn before Ctrl-C."""
    if not patches:
        print("\npixel-ar generate: interrupted before the first patch; nothing is saved.", file=sys.stderr)
        return
    width, columns = processor.patch_size[1], int(inputs["num_columns"][0])
    before = list_strips(inputs["pixel_values"])[0][:, :, : columns // width * width]
    new = torch.cat(patches, dim=-1)
    strips = [np.concatenate([before, strip], axis=2) for strip in list_strips(new)]
    _save_strips(args, processor, strips, columns)
    print(
        f"\npixel-ar generate: interrupted; {len(patches)} patches are saved in {args.output}.",
        file=sys.stderr,
    )


def score(args: Namespace) -> int:
    """`pixel-ar score`: nats and bits per character of texts."""
    check_output(args.output, args.force)
    texts = read_named_texts(args, "score")
    model, processor = load_model(args)
    out = Output(args.output, args.json)
    total, characters, scored, code = 0.0, 0, 0, 0
    try:
        for name, text in texts:
            try:
                nats, count = _score_one(model, processor, text)
            except ValueError as error:
                code = report_line("score", name, error, is_only=len(texts) == 1)
                continue
            out.add(
                f"{nats:10.2f} nats  {_bits(nats, count)}  {count} characters  {shorten(text)}",
                {
                    "text": text,
                    "nats": nats,
                    "characters": count,
                    "bits_per_character": _per_character(nats, count),
                },
            )
            total, characters, scored = total + nats, characters + count, scored + 1
    except KeyboardInterrupt:
        code = 130
        print(f"\npixel-ar score: interrupted after {scored} of {len(texts)} texts.", file=sys.stderr)
    if scored > 1:
        out.add(f"{total:10.2f} nats  {_bits(total, characters)}  {characters} characters  in {scored} texts")
    out.close(single=len(texts) == 1)
    if (report := processor.replaced.report()) is not None:
        print(f"pixel-ar: {report}", file=sys.stderr)
    return code


def read_named_texts(args: Namespace, what: str) -> list[tuple[str, str]]:
    """The texts of a command with TEXT and `--file`, each with a name for messages.

    Raises:
        ValueError: for no texts, or an empty one.
    """
    texts = [(f"text {index}", text) for index, text in enumerate(args.text, 1) if text != "-"]
    source = "-" if "-" in args.text else args.file
    if source is not None:
        lines = enumerate(read_text(source).splitlines(), 1)
        texts += [(f"line {number}", line) for number, line in lines if line.strip()]
    if not texts:
        raise ValueError(f"nothing to {what}; give TEXT or --file with at least one line that is not blank.")
    empty = next((name for name, text in texts if not text), None)
    if empty is not None:
        raise ValueError(f"{empty} is empty; give at least one character.")
    return texts


def _score_one(model: Any, processor: PixelProcessor, text: str) -> tuple[float, int]:
    limit = model.config.max_position_embeddings
    inputs = processor(text=text, add_start=True, max_patches=limit, return_tensors="pt")
    with torch.inference_mode():
        nats = -float(model.log_likelihood(**inputs)[0])
    return nats, len(processor.renderer.normalise(text))


def _check_room(config: Any, num_patches: int, num_new: int) -> None:
    room = config.max_position_embeddings
    if num_patches + num_new > room:
        raise ValueError(
            f"the prompt takes {num_patches} patches and --max-new-patches is {num_new}, together more than the "
            f"{room} the model reads; shorten one of them."
        )


def _continuation_nats(model: Any, inputs: Any, found: Any) -> list[float]:
    """Negative log-likelihood of what was generated, per sequence: that of the whole less that of the prompt."""
    whole = model.log_likelihood(
        pixel_values=found.pixel_values, attention_mask=found.attention_mask, num_columns=found.num_columns
    )
    return (model.log_likelihood(**inputs) - whole).tolist()


def _per_character(nats: float, characters: int) -> float:
    return nats / math.log(2) / max(characters, 1)


def _bits(nats: float, characters: int) -> str:
    return f"{_per_character(nats, characters):.3f} bits/character"


def shorten(text: str, width: int = 60) -> str:
    """A text on one line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 3] + "..."


__all__ = ["generate", "read_named_texts", "score", "shorten"]
