# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Text read from patches while they are drawn.

Shapes: B rows, C channels, H strip height, w patch width.
"""

import sys
from collections.abc import Iterator, Mapping
from queue import Queue
from typing import Any, TextIO

import numpy as np
import torch

from ..processing.images import list_strips
from ..processing.inputs import rows_of, unpack_output
from ..processing.layout import text_part
from ..processing.processing_pixel_ar import PixelProcessor
from ..text.bidi import has_right_to_left
from ..transformers_internals import BaseStreamer


class PixelTextStreamer(BaseStreamer):
    """Prints text as it is read from new patches: `model.generate(**inputs, streamer=PixelTextStreamer(processor))`.

    Whole words are printed, as soon as a blank follows them: a glyph may stand on two patches, and what follows it may
    tell what it is. A line that runs from right to left is printed when it is complete. In strips that are not clean,
    the text of `processor.decode`, which reads the whole strip at once, may differ in a character.

    Args:
        processor: of the model.
        inputs: what `generate` is given, where the prompt ends inside a patch: that patch comes again, completed. The
            text of the prompt is then known too.
        skip_prompt: whether the text of `inputs` is left out. Default `False`, as in Transformers.
        file: where to print; default: standard output.

    Raises:
        ValueError: for several rows.

    Example:
        ```python
        inputs = processor("The people of the", add_eos=False, return_tensors="pt")
        model.generate(**inputs, streamer=PixelTextStreamer(processor, inputs), max_new_patches=48)
        ```
    """

    def __init__(
        self,
        processor: PixelProcessor,
        inputs: Mapping[str, Any] | None = None,
        skip_prompt: bool = False,
        file: TextIO | None = None,
    ) -> None:
        if not isinstance(processor, PixelProcessor):
            raise TypeError(
                f"PixelTextStreamer reads strips with a PixelProcessor, got {type(processor).__name__}; for a "
                "tokenizer use TextStreamer."
            )
        self.processor = processor
        self.file = file
        self._parts: list[np.ndarray] = []
        self._num_printed = 0
        self._has_ended = False
        # Units that begin at patch borders and margins do not survive a cut inside the line.
        plain = processor.strategy == "continuous" and not processor.left_padding
        self._may_forget = plain and not processor.letter_spacing
        if inputs is not None:
            self._begin(inputs, skip_prompt)

    def _begin(self, inputs: Mapping[str, Any], skip_prompt: bool) -> None:
        pixels, mask, counts = unpack_output(inputs)
        strips = list_strips(pixels)
        if len(strips) != 1:
            raise ValueError(f"text is streamed for one row at a time, got inputs of {len(strips)} rows.")
        count, attended = rows_of(counts, 1, "num_columns")[0], rows_of(mask, 1, "attention_mask")[0]
        part = self._text_part(strips[0], attended, count)
        prompt = self.processor.reader.read_batch([part])[0].text
        width, margin = self.processor.patch_size[1], self.processor.left_padding
        length = part.shape[-1] + margin
        if _has_ended(strips[0], attended, width):
            # `generate` opens it one blank column after its last ink.
            inked = np.flatnonzero((part < 0.5).any(axis=tuple(range(part.ndim - 1))))
            length = min(int(inked[-1]) + 2 + margin, length) if len(inked) else length
        # The patch in which the prompt ends comes again.
        self._parts = [part[..., : max(length // width * width - margin, 0)]]
        if skip_prompt:
            self._num_printed = len(prompt)

    def _text_part(self, strip: np.ndarray, mask: Any, count: Any) -> np.ndarray:
        processor = self.processor
        geometry = (*processor.patch_size, processor.left_padding)
        is_left = processor.padding_side == "left"
        find_eos = processor.reader.eos_patches
        return text_part(strip, processor.settings.style, geometry, is_left, mask, count, 0, find_eos)

    def put(self, value: torch.Tensor) -> None:
        """Called by `generate` with every patch, `[1, C, H, w]`.

        Raises:
            ValueError: for several rows, or what is no patch.
        """
        height, width = self.processor.patch_size
        if value.ndim != 4 or value.shape[-2:] != (height, width):
            raise ValueError(
                f"PixelTextStreamer takes patches [1, C, {height}, {width}], got shape {list(value.shape)}; tokens are "
                "streamed by TextStreamer."
            )
        if len(value) != 1:
            raise ValueError(f"text is streamed for one row at a time, got {len(value)}; generate one.")
        if self._has_ended:
            return
        strip = list_strips(value)[0]
        style = self.processor.settings.style
        if (strip.mean(axis=0) < 0.5).all():
            self._has_ended = True  # the EOS patch
            return
        self._parts.append(strip if style.has_levels else ~np.asarray(style.ink(strip)))
        self._print(False)

    def end(self) -> None:
        """Called by `generate` after the last patch."""
        self._print(True)
        self._parts, self._num_printed, self._has_ended = [], 0, False

    def _print(self, is_end: bool) -> None:
        strip = np.concatenate(self._parts, axis=-1) if self._parts else None
        if strip is None or not strip.shape[-1]:
            if is_end:
                self.on_finalized_text("", True)
            return
        self._parts = [strip]
        found = self.processor.reader.read_batch([strip])[0]
        text, stop = found.text, len(found.text)
        if not is_end:
            blanks = [
                place
                for place in range(len(text) - 1)
                if text[place].isspace() and not text[place + 1].isspace()
            ]
            stop = blanks[-1] + 1 if blanks and not has_right_to_left(text) else 0
        if stop > self._num_printed or is_end:
            self.on_finalized_text(text[self._num_printed : stop], is_end)
        self._num_printed = max(self._num_printed, stop)
        if self._may_forget and not is_end and 0 < stop <= self._num_printed:
            # What is printed need not be read again.
            cut = int(found.char_columns[stop])
            self._parts, self._num_printed = [strip[..., cut:]], self._num_printed - stop

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Prints a piece of text; override it to do something else.

        Args:
            text: whole words.
            stream_end: whether this is the last piece.
        """
        print(text, end="\n" if stream_end else "", file=self.file or sys.stdout, flush=True)


def _has_ended(strip: np.ndarray, mask: Any, width: int) -> bool:
    """Whether the last attended patch of a strip `[C, H, W]` is an EOS patch."""
    places = np.arange(strip.shape[2] // width) if mask is None else np.flatnonzero(mask)
    if not len(places):
        return False
    last = int(places[-1])
    return bool((strip[:, :, last * width : (last + 1) * width].mean(axis=0) < 0.5).all())


class PixelTextIteratorStreamer(PixelTextStreamer):
    """As [`PixelTextStreamer`], for a loop in another thread: iterates over pieces of text.

    Args:
        processor: see [`PixelTextStreamer`], as for the next two.
        inputs: likewise.
        skip_prompt: likewise.
        timeout: longest wait for a piece in seconds; after it, `queue.Empty` is raised. `None` waits for ever.
    """

    def __init__(
        self,
        processor: PixelProcessor,
        inputs: Mapping[str, Any] | None = None,
        skip_prompt: bool = False,
        timeout: float | None = None,
    ) -> None:
        super().__init__(processor, inputs, skip_prompt)
        self.timeout = timeout
        self._pieces: Queue[str | None] = Queue()

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Hands a piece of text to the loop."""
        if text:
            self._pieces.put(text)
        if stream_end:
            self._pieces.put(None)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        piece = self._pieces.get(timeout=self.timeout)
        if piece is None:
            raise StopIteration
        return piece


__all__ = ["PixelTextIteratorStreamer", "PixelTextStreamer"]
