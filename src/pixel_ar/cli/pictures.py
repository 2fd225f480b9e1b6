# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""`pixel-ar render` and `pixel-ar read`: text to pictures and back."""

import sys
from argparse import Namespace
from typing import Any

import numpy as np
from PIL import Image

from ..limits import MAX_IMAGE_PIXELS
from ..processing.inputs import check_language
from ..processing.pictures import strip_to_pil, strips_of_page
from ..processing.processing_pixel_ar import PixelProcessor
from ..reading.prior import CharacterPrior
from ..reading.reader import ReadResult
from .files import Output, check_output, note_of, open_image, read_text, save_image, unscale
from .loading import load_processor
from .messages import in_words_of_the_command_line

# Above this share of unreadable ink a picture was not read but guessed.
_TOO_UNREADABLE = 0.5


def drawing_note(processor: PixelProcessor, kind: str, scale: int, **more: Any) -> dict[str, Any]:
    """How a picture was drawn, for `read`: its glyphs and settings, and how its strips lie."""
    return {
        "kind": kind,
        "scale": scale,
        "atlases": list(processor.atlases),
        "settings": processor.settings.flat,
        **more,
    }


def render(args: Namespace) -> int:
    """`pixel-ar render`: text to the image of a strip, or of a page."""
    check_output(args.output, args.force, is_image=True)
    text = read_text(args.file or "-") if args.file is not None or args.text == "-" else args.text
    processor = load_processor(args)
    out = Output(None if args.output != "-" else "/dev/null", args.json)
    height, width = processor.patch_size
    if args.width is not None:
        pages = processor.render_pages(text, args.width, return_tensors="np")
        rows = pages["line_layout"].shape[1]
        _check_size(args.width * width * args.scale, rows * height * args.scale)
        picture = processor.to_pil(pages, scale=args.scale)[0]
        save_image(
            picture,
            args.output,
            drawing_note(processor, "page", args.scale, lines=pages["line_layout"][0].tolist()),
        )
        line = f"{args.output}: {args.width * width} x {rows * height} pixels, {rows} lines of {args.width} patches"
        out.add(
            line, {"output": args.output, "width": args.width * width, "height": rows * height, "lines": rows}
        )
    else:
        # The line has all the room it needs, and a byte is enough for a pixel.
        inputs = processor(
            text=text, add_eos=False, max_patches=sys.maxsize, dtype="uint8", return_tensors="np"
        )
        columns, patches = int(inputs["num_columns"][0]), inputs["attention_mask"].shape[1]
        strip = inputs["pixel_values"][0]
        _check_size(strip.shape[2] * args.scale, height * args.scale)
        picture = strip_to_pil(strip, args.scale)
        save_image(picture, args.output, drawing_note(processor, "strip", args.scale, num_columns=columns))
        out.add(
            f"{args.output}: {columns} x {height} pixels of text in {patches} patches",
            {"output": args.output, "num_columns": columns, "height": height, "num_patches": patches},
        )
    if args.output != "-":
        out.close(single=True)
    if (report := processor.replaced.report()) is not None:
        print(f"pixel-ar: {report}", file=sys.stderr)
    return 0


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_IMAGE_PIXELS:
        raise ValueError(
            f"the picture would have {width:,} x {height:,} pixels, more than {MAX_IMAGE_PIXELS:,}; give a smaller "
            "--scale, less text, or --width for lines below each other."
        )


def read(args: Namespace) -> int:
    """`pixel-ar read`: images of strips or pages to text."""
    check_output(args.output, args.force)
    known: dict[str, Any] = {}
    if args.prior is not None:
        known["character_prior"] = CharacterPrior.load(args.prior)
    if args.language is not None:
        known["language"] = check_language(args.language)
    out = Output(args.output, args.json)
    code = 0
    for name in args.images:
        try:
            result = _read_one(name, args, known)
        except (ValueError, OSError) as error:
            if len(args.images) == 1:
                raise
            message = " ".join(in_words_of_the_command_line(error).split())
            where = "" if name in message else f"{name}: "
            print(f"pixel-ar read: error: {where}{message}", file=sys.stderr)
            code = 2
            continue
        out.add(
            result["text"] if len(args.images) == 1 else f"{name}: {result['text']}",
            {"image": name, **result},
        )
        if args.confidence:
            where = "" if len(args.images) == 1 else f"{name}: "
            share = "at most {:.1%} of a line" if args.page else "{:.1%} of the ink"
            shown = share.format(result["unreadable"])
            print(f"{where}lowest confidence {result['confidence']:.3f}, {shown} unreadable", file=sys.stderr)
        if result["unreadable"] > _TOO_UNREADABLE:
            print(
                f"pixel-ar read: {name}: {result['unreadable']:.0%} of the ink is not that of any text drawn with "
                f"{', '.join(result['atlases'])}; the text above is a guess. Give --preset, --model or --atlas as it "
                "was drawn.",
                file=sys.stderr,
            )
            code = code or 3
    out.close(single=len(args.images) == 1)
    return code


def _read_one(name: str, args: Namespace, known: dict[str, Any]) -> dict[str, Any]:
    image = open_image(name, MAX_IMAGE_PIXELS)
    note = note_of(image)
    processor = load_processor(args, note, **known)
    shown: dict[str, Any] = {"atlases": list(processor.atlases)}
    kind = "page" if args.page else note.get("kind")
    height = processor.patch_size[0]
    if kind == "page":
        page = processor.read_pages(_page(image, processor.patch_size))[0]
        lines = list(page.lines)
        confidences = [value for line in lines for value in line.confidences]
        unreadable = max((line.unreadable for line in lines), default=0.0)
        return {"text": page.text, **_sure(confidences, unreadable), **shown}
    if kind is None and (found := _read_any(image, processor)) is not None:
        return {"text": found.text, **_sure(list(found.confidences), found.unreadable), **shown}
    strips: list[Any] = [_strip(image, height)]
    if kind == "strips":
        strips = strips_of_page(np.asarray(image.convert("RGB")), note, height, processor.num_channels)
    texts, confidences, unreadable = [], [], 0.0
    for strip in strips:
        inputs = processor(images=strip, add_eos=False, max_patches=sys.maxsize, return_tensors="np")
        result = processor.read(inputs)[0]
        texts.append(result.text)
        confidences += list(result.confidences)
        unreadable = max(unreadable, result.unreadable)
    return {"text": "\n".join(texts), **_sure(confidences, unreadable), **shown}


def _read_any(image: Image.Image, processor: PixelProcessor) -> ReadResult | None:
    """Reads the line in a picture that says nothing of how it was drawn; None for a strip as the processor makes it."""
    small, height = _strip(image, processor.patch_size[0]), processor.patch_size[0]
    if small.height == height and not processor.settings.style.is_plain:
        return None
    if small.height == height:
        try:
            strip = small.convert("L") if processor.num_channels == 1 else small
            inputs = processor(images=strip, add_eos=False, max_patches=sys.maxsize, return_tensors="np")
            if processor.read(inputs)[0].unreadable == 0:
                return None
        except ValueError:
            pass
    found = processor.reader.read_picture(image, warn_above=1.0)
    # Without a line, what is wrong with the picture as a strip says more.
    return found if found.text else None


def _sure(confidences: list[Any], unreadable: float) -> dict[str, float]:
    return {"confidence": float(min(confidences, default=1.0)), "unreadable": float(unreadable)}


def _strip(image: Image.Image, height: int) -> Image.Image:
    """Undoes `--scale`: an image a whole number of times too high is reduced to strip height."""
    factor = image.height // height
    if factor < 2 or image.height % height or image.width % factor:
        return image
    return image.resize((image.width // factor, height), Image.Resampling.NEAREST)


def _page(image: Image.Image, patch_size: tuple[int, int]) -> Image.Image:
    pixels = np.asarray(image.convert("L"))
    height, width = pixels.shape
    small = unscale(
        pixels, lambda side: height % (side * patch_size[0]) == 0 and width % (side * patch_size[1]) == 0
    )
    return Image.fromarray(np.ascontiguousarray(small))


__all__ = ["drawing_note", "read", "render"]
