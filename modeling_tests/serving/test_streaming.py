# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Text that is printed while patches are drawn: the same text as that of the whole strip."""

import io
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, TextStreamer

from pixel_ar.processing.processing_pixel_ar import PixelProcessor
from pixel_ar.serving.streaming import PixelTextIteratorStreamer, PixelTextStreamer

TEXT = "The people of  the United States, in order to form"


def patches(processor: PixelProcessor, text: str, **options: Any) -> Iterator[torch.Tensor]:
    """The patches of a text one by one, as `generate` would draw them."""
    strip = processor(text, return_tensors="pt", **options)["pixel_values"]
    yield from strip.split(processor.patch_size[1], dim=-1)


def pieces(streamer: PixelTextStreamer, strip: Iterator[torch.Tensor]) -> list[str]:
    found: list[str] = []
    streamer.on_finalized_text = lambda text, stream_end=False: found.append(text)  # type: ignore[method-assign]
    for patch in strip:
        streamer.put(patch)
    streamer.end()
    return found


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"patch_size": (8, 7)},
        {"left_padding": 2, "right_padding": 2},
        {"strategy": "words"},
        {"num_channels": 3, "mode": "RGB", "text_color": "navy", "background_color": "ivory"},
        {"letter_spacing": 1},
        {"atlases": ("unifont-16",), "patch_size": (16, 16)},
    ],
)
def test_the_pieces_are_the_text(settings: dict) -> None:
    processor = PixelProcessor(**settings)
    found = pieces(PixelTextStreamer(processor), patches(processor, TEXT))
    assert "".join(found) == processor.decode(processor(TEXT, return_tensors="pt"))
    assert len(found) > 5 and all(piece.endswith(" ") for piece in found[:-1])


def test_what_runs_from_right_to_left_waits_for_its_end() -> None:
    processor = PixelProcessor(("unifont-16",), (16, 16))
    text = "שלום עולם, זה טקסט"
    found = pieces(PixelTextStreamer(processor), patches(processor, text))
    assert found == [text]


def test_a_prompt_is_continued_and_may_be_skipped() -> None:
    processor = PixelProcessor()
    prompt = TEXT[:9]  # ends inside a patch, inside a word
    inputs = processor(prompt, add_eos=False, return_tensors="pt")
    strip = list(patches(processor, TEXT))
    whole = len(prompt) * 5 // 20
    assert "".join(pieces(PixelTextStreamer(processor, inputs), iter(strip[whole:]))) == TEXT
    skipped = PixelTextStreamer(processor, inputs, skip_prompt=True)
    assert "".join(pieces(skipped, iter(strip[whole:]))) == TEXT[len(prompt) :]


def test_generate_prints_what_is_decoded(tiny_checkpoint: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_checkpoint).eval()
    processor = PixelProcessor.from_pretrained(tiny_checkpoint)
    inputs = processor("The people", add_eos=False, return_tensors="pt")
    printed = io.StringIO()
    strips = model.generate(
        **inputs,
        max_new_patches=6,
        do_sample=False,
        streamer=PixelTextStreamer(processor, inputs, file=printed),
    )
    assert printed.getvalue().endswith("\n")
    assert printed.getvalue()[:10] == processor.decode(strips)[:10] == "The people"
    ended, again = processor("The people", return_tensors="pt"), io.StringIO()
    options = {"max_new_patches": 6, "do_sample": False}
    model.generate(**ended, **options, streamer=PixelTextStreamer(processor, ended, file=again))
    assert again.getvalue() == printed.getvalue()


def test_a_loop_in_another_thread_gets_the_pieces() -> None:
    processor = PixelProcessor()
    streamer = PixelTextIteratorStreamer(processor, timeout=20)

    def draw() -> None:
        for patch in patches(processor, TEXT):
            streamer.put(patch)
        streamer.end()

    thread = Thread(target=draw)
    thread.start()
    assert "".join(streamer) == TEXT
    thread.join()


def test_what_it_refuses(tiny_checkpoint: Path) -> None:
    processor = PixelProcessor()
    streamer = PixelTextStreamer(processor)
    with pytest.raises(ValueError, match="one row at a time, got 2"):
        streamer.put(torch.ones(2, 1, 8, 20))
    with pytest.raises(ValueError, match="TextStreamer"):
        streamer.put(torch.tensor([[1, 2]]))
    with pytest.raises(ValueError, match="one row at a time, got inputs of 2"):
        PixelTextStreamer(processor, processor(["a", "b"], return_tensors="pt"))
    with pytest.raises(TypeError, match="TextStreamer"):
        PixelTextStreamer(None)  # type: ignore[arg-type]
    model = AutoModelForCausalLM.from_pretrained(tiny_checkpoint).eval()
    with pytest.raises(ValueError, match="PixelTextStreamer"):
        model.generate(
            **processor("a", add_eos=False, return_tensors="pt"),
            max_new_patches=2,
            streamer=TextStreamer(processor),
        )
