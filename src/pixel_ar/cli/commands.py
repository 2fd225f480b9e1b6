# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What the subcommands of `pixel-ar` do. Bad input leaves here as ValueError or OSError."""

import math
import os
import re
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..hub import bundled_checkpoint, bundled_checkpoints
from ..processing.images import list_strips
from ..processing.pictures import strip_page
from ..processing.processing_pixel_ar import PixelProcessor
from ..reading.prior import CharacterPrior


def render(args: Namespace) -> None:
    """`pixel-ar render`: text to the image of a strip, or of a page."""
    text = args.text
    if (args.file is None) == (text is None):
        raise ValueError("give either TEXT or --file.")
    if args.file is not None:
        text = _read_file(args.file)
    processor = _load_processor(args)
    if args.missing is not None:
        processor = _with_missing(processor, args.missing)
    if args.width is not None:
        pages = processor.render_pages(text, args.width, return_tensors="np")
        _save(processor.to_pil(pages, scale=args.scale)[0], args.output)
        rows, (height, width) = pages["line_layout"].shape[1], processor.patch_size
        print(
            f"{args.output}: {args.width * width} x {rows * height} pixels, {rows} lines of {args.width} patches"
        )
        return
    inputs = processor(text=text, add_eos=False, max_patches=sys.maxsize, return_tensors="np")
    columns, patches = int(inputs["num_columns"][0]), inputs["attention_mask"].shape[1]
    _save(processor.to_pil(inputs, scale=args.scale)[0], args.output)
    print(f"{args.output}: {columns} x {processor.patch_size[0]} pixels of text in {patches} patches")


def read(args: Namespace) -> None:
    """`pixel-ar read`: image of a strip or page to text."""
    settings = {} if args.prior is None else {"character_prior": CharacterPrior.load(args.prior)}
    processor = _load_processor(args, **settings)
    image = _open_image(args.image)
    if args.page:
        page = processor.read_pages(_reduce_page(image, processor.patch_size))[0]
        print(page.text)
        if args.confidence:
            lowest = min((value for line in page.lines for value in line.confidences), default=1.0)
            share = max((line.unreadable for line in page.lines), default=0.0)
            print(
                f"lowest confidence {lowest:.3f}, at most {share:.1%} of a line unreadable", file=sys.stderr
            )
        return
    image = _reduce(image, processor.patch_size[0])
    inputs = processor(images=image, add_eos=False, max_patches=sys.maxsize, return_tensors="np")
    result = processor.read(inputs)[0]
    print(result.text)
    if args.confidence:
        lowest = min(result.confidences, default=1.0)
        print(
            f"lowest confidence {lowest:.3f}, {result.unreadable:.1%} of the ink unreadable", file=sys.stderr
        )


def generate(args: Namespace) -> None:
    """`pixel-ar generate`: prompt to strip, text and picture."""
    if not args.prompt:
        raise ValueError("the prompt is empty; give at least one character.")
    model, processor = _load_model(args.model)
    inputs = processor(text=args.prompt, add_eos=False, return_tensors="pt")
    _check_room(model.config, inputs["attention_mask"].shape[1], args.max_new_patches)
    if args.seed is not None:
        torch.manual_seed(args.seed)
    # The regression head has one answer and no probabilities.
    has_likelihood = model.config.patch_head != "regression"
    greedy = args.greedy or not has_likelihood
    sampling = {"temperature": args.temperature, "top_p": args.top_p, "top_k": args.top_k}
    began = time.perf_counter()
    with torch.inference_mode():
        out = model.generate(
            **inputs,
            max_new_patches=args.max_new_patches,
            do_sample=not greedy,
            num_return_sequences=args.num_return_sequences,
            return_dict_in_generate=True,
            **({} if greedy else {key: value for key, value in sampling.items() if value is not None}),
        )
        seconds = time.perf_counter() - began
        nats = _continuation_nats(model, inputs, out) if has_likelihood else [None] * len(out.pixel_values)
    texts = processor.batch_decode(out)
    prompt_length = len(processor.renderer.normalise(args.prompt))
    for index, (text, cost) in enumerate(zip(texts, nats, strict=True)):
        print(f"{index + 1}: {text}" if len(texts) > 1 else text)
        count = len(text) - prompt_length
        if count <= 0:
            print("   [nothing written]")
        elif cost is not None:
            print(f"   [{_bits(cost, count)} over {count} new characters]")
    prompt_columns = int(inputs["num_columns"][0])
    page = strip_page(
        [
            strip[:, :, : int(count)]
            for strip, count in zip(list_strips(out.pixel_values), out.num_columns, strict=True)
        ],
        [prompt_columns] * len(texts),
        line_columns=max(480 // processor.patch_size[1], 1) * processor.patch_size[1],
    )
    _save(page, args.output)
    print(
        f"{args.output}: the strip, prompt tinted ({args.max_new_patches} patches at most, {seconds:.1f} s)"
    )


def score(args: Namespace) -> None:
    """`pixel-ar score`: nats and bits per character of texts."""
    texts = list(args.text)
    if args.file is not None:
        texts += [line for line in _read_file(args.file).splitlines() if line.strip()]
    if not texts:
        raise ValueError("nothing to score; give TEXT or --file with at least one line that is not blank.")
    if "" in texts:
        raise ValueError(f"text {texts.index('') + 1} is empty; give at least one character.")
    model, processor = _load_model(args.model)
    total, characters = 0.0, 0
    for text in texts:
        inputs = processor(
            text=text, add_start=True, max_patches=model.config.max_position_embeddings, return_tensors="pt"
        )
        with torch.inference_mode():
            nats = -float(model.log_likelihood(**inputs)[0])
        count = len(processor.renderer.normalise(text))
        print(f"{nats:10.2f} nats  {_bits(nats, count)}  {count} characters  {_shorten(text)}")
        total, characters = total + nats, characters + count
    if len(texts) > 1:
        print(
            f"{total:10.2f} nats  {_bits(total, characters)}  {characters} characters  in {len(texts)} texts"
        )


def convert(args: Namespace) -> None:
    """`pixel-ar convert`: a published checkpoint to a folder for the Auto classes."""
    from transformers.utils import logging

    from ..conversion.checkpoints import convert_checkpoint

    logging.disable_progress_bar()
    report = convert_checkpoint(
        args.source,
        args.target,
        args.kind,
        font=args.font,
        atlas=args.atlas,
        with_processor=not args.no_processor,
    )
    print(f"{report.target}: {report.architecture}, {report.num_parameters:,} parameters")
    print(f"   read: {', '.join(report.source_files)}")
    for note in report.notes:
        print(f"   {note}")


def info(args: Namespace) -> None:
    """`pixel-ar info`: what a checkpoint is."""
    folder = _resolve(args.model)
    config = _check_config(folder)
    processor = PixelProcessor.from_pretrained(folder)
    count, kinds = _count_parameters(Path(folder))
    height, width = config["patch_size"]
    atlases = [f"{atlas.name} (sha256 {atlas.sha256})" for atlas in processor.renderer.atlases]
    rows = {
        "checkpoint": folder,
        "class": ", ".join(config.get("architectures") or ["?"]),
        "parameters": f"{count:,} ({', '.join(kinds)})" if count else "no safetensors file in the folder",
        "backbone": f"{config['num_hidden_layers']} layers x {config['hidden_size']}, "
        f"{config['num_attention_heads']} heads, {config['max_position_embeddings']} patches of context",
        "patches": f"{height} x {width} pixels, {config['num_channels']} channel(s)",
        "patch head": config["patch_head"],
        "atlases": "; ".join(atlases),
        "card": _card_line(Path(folder)),
    }
    for name, value in rows.items():
        print(f"{name:<12}{value}")


COMMANDS: dict[str, Callable[[Namespace], None]] = {
    "render": render,
    "read": read,
    "generate": generate,
    "score": score,
    "convert": convert,
    "info": info,
}


# ---- models and processors ----


def _resolve(name: str) -> str:
    """A folder, the folder of a bundled checkpoint, or a Hub id."""
    if os.path.isdir(name):
        return name
    if name in bundled_checkpoints():
        return bundled_checkpoint(name)
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name) and not name.startswith("."):
        return name
    known = ", ".join(bundled_checkpoints()) or "none in this installation"
    raise ValueError(f"no checkpoint {name!r}: it is neither a folder nor a bundled checkpoint ({known}).")


def _check_config(folder: str) -> dict[str, Any]:
    """The configuration of a checkpoint folder, all defaults filled in, if it is one of ours."""
    from transformers import PreTrainedConfig

    from ..models.pixel_ar.configuration_pixel_ar import PixelARConfig

    if os.path.isdir(folder) and not os.path.isfile(os.path.join(folder, "config.json")):
        raise ValueError(f"{folder} is not a checkpoint: it has no config.json.")
    try:
        raw, _ = PreTrainedConfig.get_config_dict(folder)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from None
    if raw.get("model_type") != "pixel_ar":
        raise ValueError(f"{folder} holds a {raw.get('model_type', 'nameless')!r} model, not a pixel_ar one.")
    return PixelARConfig.from_dict(raw).to_dict()


def _load_model(name: str) -> tuple[Any, PixelProcessor]:
    """Model in eval mode and processor of a checkpoint; whatever is wrong with it comes out as one ValueError."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    folder = _resolve(name)
    _check_config(folder)
    processor = PixelProcessor.from_pretrained(folder)
    # The loading report of a damaged folder would bury the one line that this command prints.
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        model, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    except Exception as error:
        # A damaged file can fail in any library below: safetensors, json, torch.
        raise ValueError(f"cannot load the weights in {folder}: {type(error).__name__}: {error}") from None
    # Missing weights would be filled with random numbers and write noise.
    for problem in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        if keys := sorted(map(str, report.get(problem) or ())):
            kind = problem.removesuffix("_keys")
            raise ValueError(
                f"the weights in {folder} do not fit its config.json: {len(keys)} {kind}, first {keys[0]}."
            )
    processor.check_model(model.config)
    return model.eval(), processor


def _load_processor(args: Namespace, **settings: Any) -> PixelProcessor:
    return (
        PixelProcessor.from_preset(args.preset, **settings)
        if args.model is None
        else PixelProcessor.from_pretrained(_resolve(args.model), **settings)
    )


def _with_missing(processor: PixelProcessor, missing: str) -> PixelProcessor:
    settings = {
        key: getattr(processor, key)
        for key in ("patch_size", "num_channels", "newline", "tab", "normalize", "unsupported")
    }
    return PixelProcessor(processor.renderer.atlases, missing=missing, **settings)


def _check_room(config: Any, num_patches: int, num_new: int) -> None:
    room = config.max_position_embeddings
    if num_patches + num_new > room:
        raise ValueError(
            f"the prompt takes {num_patches} patches and --max-new-patches is {num_new}, together more than the "
            f"{room} the model reads; shorten one of them."
        )


def _continuation_nats(model: Any, inputs: Any, out: Any) -> list[float]:
    """Negative log-likelihood of what was generated, per sequence: that of the whole less that of the prompt."""
    whole = model.log_likelihood(
        pixel_values=out.pixel_values, attention_mask=out.attention_mask, num_columns=out.num_columns
    )
    return (model.log_likelihood(**inputs) - whole).tolist()


def _count_parameters(folder: Path) -> tuple[int, list[str]]:
    """Number and dtypes of the tensors in a folder's safetensors files, from their headers alone."""
    from safetensors import SafetensorError, safe_open

    count, kinds = 0, set()
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as tensors:
                for key in tensors.keys():  # noqa: SIM118 (safe_open is no mapping)
                    part = tensors.get_slice(key)
                    count += math.prod(part.get_shape())
                    kinds.add(part.get_dtype())
        except SafetensorError as error:
            raise ValueError(f"{path} is damaged: {error}") from None
    return count, sorted(kinds)


def _card_line(folder: Path) -> str:
    """The first sentence of a model card's text."""
    card = folder / "README.md"
    if not card.is_file():
        return "none"
    text = re.sub(r"\A---\n.*?\n---\n", "", card.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line and not line.startswith(("#", "!", "<", "|"))), "empty")


# ---- files and figures ----


def _read_file(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8 text: {error}") from None


def _open_image(name: str) -> Image.Image:
    try:
        image = Image.open(name)
        image.load()
    except FileNotFoundError:
        raise
    except Exception as error:
        # Pillow's decoders raise all kinds of exceptions for damaged files.
        raise ValueError(f"cannot read {name} as an image: {error}") from None
    return image


def _reduce(image: Image.Image, height: int) -> Image.Image:
    """Undoes `--scale`: an image a whole number of times too high is reduced to strip height."""
    factor = image.height // height
    if factor < 2 or image.height % height or image.width % factor:
        return image
    return image.resize((image.width // factor, height), Image.Resampling.NEAREST)


def _reduce_page(image: Image.Image, patch_size: tuple[int, int]) -> Image.Image:
    """Undoes `--scale` for a page: finds the side of the squares that the picture is made of."""
    pixels = np.asarray(image.convert("L"))
    height, width = pixels.shape
    for scale in range(64, 1, -1):
        if height % (scale * patch_size[0]) == 0 and width % (scale * patch_size[1]) == 0:
            small = pixels[::scale, ::scale]
            if (small.repeat(scale, axis=0).repeat(scale, axis=1) == pixels).all():
                return Image.fromarray(small)
    return image


def _save(image: Image.Image, name: str) -> None:
    try:
        image.save(name)
    except (ValueError, KeyError) as error:
        raise ValueError(f"cannot write {name}: {error}; use a name that ends in .png") from None


def _bits(nats: float, characters: int) -> str:
    return f"{nats / math.log(2) / max(characters, 1):.3f} bits/character"


def _shorten(text: str, width: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 3] + "..."


__all__ = ["COMMANDS"]
