# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Strip to text: the inverse of the renderer.

A strip that the renderer drew is read exactly: every cell is looked up, nothing is estimated. Anything else
goes to `reading.noisy`. What pixels cannot tell is decided by rule (see `reading.glyph_classes`):
characters drawn alike are read as the canonical one, and blanks at the end of a strip are dropped. So
`read(render(text))` is `renderer.normalise(text)` up to these, and rendering the text that was read gives the
same pixels again.
"""

import math
import numbers
import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import RLock
from typing import Any

import numpy as np

from ..fonts.chain import cell_width, load_atlases
from ..fonts.hexbox import find_hex_boxes
from ..fonts.source import GlyphSource
from ..rendering.renderer import StripRenderer
from ..rendering.strip import PackedStrip
from .cell_index import FIRST_UNIT
from .eos import dense_cells, is_eos, nearly_full
from .exact import ExactRun, Reading, parse_exactly
from .glyph_classes import glyph_classes
from .joiners import likelier_letters, persian_hehs, restore_joiners
from .known import GlyphsOnly
from .letters import LetterChoice, bind_tshegs, find_languages
from .line_finder import find_line
from .logical_order import logical_text
from .noisy import NoisyReader
from .odds import GlyphOdds
from .prior import CharacterPrior
from .unit_classes import UnitClasses

# Where a parse is stuck, the unit it does not know may begin some units earlier.
_REACH_BACK = 8
# The most that is claimed of what cannot be drawn again.
_UNCHECKED = 0.99
# Of what is drawn again otherwise, and of a strip some of whose ink is no exact glyph.
_DIFFERS, _INEXACT = 0.5, 0.9999


@dataclass(frozen=True)
class ReadResult:
    """What a strip says.

    Attributes:
        text: The characters, without blanks at the end.
        confidences: float32 `[len(text)]`: the probability that the character stands there. In strips that are not
            clean it is the posterior of the forward-backward algorithm over all likely readings of the strip, also
            those that cut up its columns differently, for the noise that was given or estimated from the strip and
            with the prior, if there is one. It is calibrated by that and not fitted: of the characters read with
            confidence 0.9, nine of ten are right as far as pixels are wrong independently of each other and the
            prior fits the text; `examples/benchmarks/reading.py` measures it. In clean strips it is the probability
            against all others of its width on the same columns, if 1 % of pixels (or `noise`) were wrong.
        unreadable: Share of the columns with ink that are not exactly those of the glyph they were read as; 0 for a
            clean strip, NaN never (0 for a blank strip).
        char_columns: int32 `[len(text) + 1]`, the column where each character starts, then where the last one ends.
        eos_column: The column where an EOS run ended the reading, or None.
    """

    text: str
    confidences: np.ndarray = field(repr=False)
    unreadable: float
    char_columns: np.ndarray = field(repr=False)
    eos_column: int | None = None


class StripReader:
    """Reads strips drawn with a chain of atlases, or resembling them.

    Args:
        atlases: As given to the renderer: names, paths or atlases.
        alphabet: Characters to prefer where glyphs are alike or pixels are wrong, e.g. all letters of a language.
        slack_cost: Nats for a column too many or too few; None: estimated from the strip, from 3 to 9.
        noise: Share of pixels expected to be wrong in a strip that is not clean; None: estimated from the strip.
        eos_width: Reading stops where this many columns in a row are all ink. No text of the bundled atlases has
            more than a few: their U+2588 FULL BLOCK is not quite full. None: never stop.
        renderer: The renderer that drew the strips. If it shapes text, shaped text is read as well: what its atlases
            draw from cells always, what a font draws as far as it was drawn before or shown to [`learn`].
        prior: Probabilities of characters after others, fitted from text; see [`CharacterPrior`]. It decides where
            pixels are wrong, and between characters that are drawn alike.
        language: What the strips are written in, as tags of BCP 47 (`"uk"`, `["sr", "en"]`): of characters drawn alike,
            those of its alphabet are read. None: the language that a line fits, of some two hundred.

    Raises:
        ValueError: for a setting out of range, or a language whose letters are not known.
        TypeError: for a setting of another kind, naming it.
    """

    def __init__(
        self,
        atlases: "Sequence[str | bytes | os.PathLike[str] | GlyphSource]" = ("fixed-5x8",),
        alphabet: str = "",
        slack_cost: float | None = None,
        noise: float | None = None,
        eos_width: int | None = None,
        renderer: StripRenderer | None = None,
        prior: CharacterPrior | None = None,
        language: "str | Sequence[str] | None" = None,
    ) -> None:
        check_settings(alphabet, slack_cost, noise, eos_width, renderer, prior)
        self._atlases = load_atlases(atlases)
        self._renderer, self._prior = renderer, prior
        self._settings: dict[str, Any] = {
            "alphabet": alphabet,
            "slack_cost": slack_cost,
            "noise": noise,
            "eos_width": eos_width,
            "language": language,
        }
        self._languages = find_languages(language)
        self._eos_width = eos_width
        self._size = self._atlases[0].height // 8
        self._unit = cell_width(self._atlases) or 1
        self._odds: GlyphOdds | None = None
        # What a line adds to the units is taken back after it, so lines are read one after another.
        self._lock = RLock()

    @property
    def height(self) -> int:
        """Rows of the strips it reads."""
        return self._atlases[0].height

    @cached_property
    def _known(self) -> GlyphsOnly:
        """What can be told apart; worked out at first use."""
        glyphs = glyph_classes(self._atlases, self._settings["alphabet"])
        shaper = self._renderer.shaper if self._renderer is not None else None
        return GlyphsOnly(glyphs) if shaper is None else UnitClasses(glyphs, shaper, self._prior)

    @cached_property
    def _letters(self) -> LetterChoice:
        """Chooses between characters drawn alike; those of an alphabet that was given are chosen already."""
        alike = {} if self._settings["alphabet"] else self._known.glyphs.alike
        return LetterChoice(alike, self._languages)

    @property
    def _chances(self) -> GlyphOdds:
        """How likely glyphs are, worked out anew when there are more that stay known."""
        known = self._known
        if self._odds is None or self._odds.num_lasting != known.num_lasting:
            self._odds = GlyphOdds(known, self._settings["noise"], self._prior)
        return self._odds

    def learn(self, texts: Iterable[str]) -> None:
        """Make known what texts look like: every unit of theirs can be read afterwards.

        Args:
            texts: Any texts; those the renderer cannot draw are passed over.

        Raises:
            ValueError: without a renderer that shapes text.
        """
        normalise = self._renderer.normalise if self._renderer is not None else str
        with self._lock:
            self._known.learn([normalise(text) for text in texts])

    def score(self, strip: Any, candidates: Sequence[str], noise: float = 0.02) -> np.ndarray:
        """Tell how well texts explain a strip, by drawing each of them: for any script, shaped or not.

        Args:
            strip: As for [`read`].
            candidates: Texts, K of them.
            noise: Share of pixels that are expected to be wrong.

        Returns:
            float32 `[K]`: log-likelihood in nats of the pixels, if each is wrong with probability `noise`; 0 for a
            strip without a wrong pixel, less the longer a strip or text and the more of it differs.

        Raises:
            ValueError: for no candidates, or `noise` not between 0 and 0.5.
            MissingGlyphError: for a candidate that cannot be drawn.
        """
        if not 0 < noise < 0.5:
            raise ValueError(f"noise must lie between 0 and 0.5, got {noise}")
        if isinstance(candidates, str) or not len(candidates):
            raise ValueError(f"candidates must be a list of at least one text, got {candidates!r:.80}")
        renderer = self._renderer or self._drawer
        data = self._pack(strip, None)
        eos_column = self._find_eos(data)
        if eos_column is None:
            eos_column = self._find_damaged_eos(data)
        data = data if eos_column is None else data[: eos_column * self._size]
        cost = math.log((1 - noise) / noise)
        scores = []
        for candidate in candidates:
            drawn = renderer.render_bytes(candidate)
            length = max(len(drawn), len(data))
            both = int.from_bytes(drawn.ljust(length, b"\0"), "big") ^ int.from_bytes(
                data.ljust(length, b"\0"), "big"
            )
            scores.append(-cost * both.bit_count())
        return np.array(scores, np.float32)

    def canonical(self, text: str) -> str:
        """Return `text` with every character replaced by the canonical one of those drawn alike.

        Two texts are drawn alike if they are equal after this and `rstrip(" ")` (monospaced atlases; in proportional
        ones several narrow characters may also draw a wider one, as `''` draws `"` in Tiny5).
        """
        return self._known.canonical(text)

    def read(self, strip: Any, height: int | None = None, base: int | None = None) -> ReadResult:
        """Read one strip.

        Args:
            strip: A [`PackedStrip`], packed columns as bytes, or pixels `[H, W]` (leading axes of length 1 are
                dropped): bool (True = background), float in [0, 1] (ink below 0.5), or integers (ink below 128, or 0
                if there is no value above 1).
            height: Rows of a strip given as bytes; by default those of the atlases.
            base: Direction of the line, 0 or 1 (right to left), where it is known; None: the one that fits.

        Returns:
            The text with its confidences.

        Raises:
            ValueError: if the strip is not as high as the atlases.
        """
        data = self._pack(strip, height)
        eos_column = self._find_eos(data)
        if eos_column is not None:
            data = data[: eos_column * self._size]
        with self._lock:
            try:
                known = self._known.num_lasting
                result = self._read_columns(data, eos_column, base)
                if self._known.num_lasting != known:
                    # Units that were drawn became known on the way: what was read before them may need them, too.
                    self._known.forget_line()
                    result = self._read_columns(data, eos_column, base)
                return result
            finally:
                self._known.forget_line()

    def _read_columns(self, data: bytes, eos_column: int | None, base: int | None) -> ReadResult:
        """Read packed columns that hold no EOS patch, unless a damaged one."""
        clean = self._read_uniform(data)
        if clean is not None:
            return self._finish(clean, 0.0, eos_column, base)
        damaged = self._find_damaged_eos(data)
        if damaged is not None:
            return self._read_columns(data[: damaged * self._size], damaged, base)
        readings, position = [], 0
        for start, stop, char in find_hex_boxes(data, self.height, self._unit):
            if position < start:
                readings.append(self._read_piece(data, position, start, False))
            readings.append(_box_reading(start, stop, char))
            position = stop
        if position * self._size < len(data):
            readings.append(self._read_piece(data, position, len(data) // self._size, True))
        reading = Reading.join(readings)
        result = self._finish(reading, self._unreadable(data, reading), eos_column, base)
        is_put_together = position > 0 or bool((reading.codes >= FIRST_UNIT).any())
        return (
            self._checked(result, data, base)
            if is_put_together and result.unreadable == 0 and self._renderer is not None
            else result
        )

    def _checked(self, result: ReadResult, data: bytes, base: int | None) -> ReadResult:
        """Draw what was put together from units and boxes again: where that differs, it was not read."""
        drawn = self._draw(result.text, base)
        first = int(result.char_columns.min()) if result.text else 0
        return self._compared(result, data, None if drawn is None else bytes(first * self._size) + drawn)

    def _compared(self, result: ReadResult, data: bytes, drawn: bytes | None) -> ReadResult:
        """Lower the confidence of characters that are drawn otherwise; `drawn` is None for what cannot be drawn."""
        if drawn is None:  # by a renderer that is stricter than that of the strip
            return replace(result, confidences=np.minimum(result.confidences, _UNCHECKED))
        columns, length = result.char_columns, max(len(drawn), len(data))
        length += -length % self._size
        found, wanted = (
            np.frombuffer(each.ljust(length, b"\0"), np.uint8).reshape(-1, self._size)
            for each in (drawn, data)
        )
        differs = np.asarray((found != wanted).any(axis=1))
        if not differs.any():
            return result
        edges = np.append(np.unique(columns), len(differs))
        stops = edges[np.searchsorted(edges, columns[:-1], side="right")]
        sums = np.concatenate([[0], np.cumsum(differs)])
        is_wrong = sums[stops] > sums[columns[:-1]]
        # Ink that no character stands at belongs to all of them.
        is_wrong |= not is_wrong.any()
        has_ink = np.asarray(wanted.any(axis=1)) | differs
        return replace(
            result,
            confidences=np.where(is_wrong, np.minimum(result.confidences, _DIFFERS), result.confidences),
            unreadable=float(differs.sum() / has_ink.sum()),
        )

    def read_picture(self, picture: Any, warn_above: float = 0.5) -> ReadResult:
        """Read the line of text in a picture that is not exactly a strip.

        The line is found first: dark on light or light on dark, with a border or without, zoomed (1 to 8 times, halves
        among them), shifted, turned by up to two degrees, through the losses of JPEG.

        Args:
            picture: A PIL image; or pixels `[R, C]` or `[R, C, 3]`, uint8, bool or float in [0, 1].
            warn_above: Share of unreadable ink above which a warning says that the text is a guess.

        Returns:
            The text; `char_columns` count in the strip that was found.

        Raises:
            ValueError: for another shape, or values that are NaN or infinite.
        """
        pixels = np.asarray(picture.convert("RGB") if hasattr(picture, "convert") else picture)
        if (
            pixels.ndim not in (2, 3)
            or not pixels.size
            or (pixels.ndim == 3 and pixels.shape[2] not in (1, 3))
        ):
            raise ValueError(f"a picture has shape [R, C] or [R, C, 3], got {list(pixels.shape)}")
        values = pixels.astype(np.float32)
        check_finite(values)
        if pixels.dtype != bool and np.issubdtype(pixels.dtype, np.integer):
            values /= 255
        found = find_line(values if values.ndim == 2 else values.mean(axis=2), self.height, self._exact_share)
        if found is None:
            return StripReader.read(self, np.ones((self.height, 1), bool))
        result = StripReader.read(self, found.strip)
        if found.kept < 1:  # ink beside the line was not read
            most = np.minimum(result.confidences, np.float32(found.kept))
            result = replace(result, confidences=most, unreadable=max(result.unreadable, 1 - found.kept))
        if result.unreadable > warn_above:
            warnings.warn(
                f"{result.unreadable:.0%} of the ink is not that of any text drawn with {self._names()}: what was read "
                "is a guess. Read with the atlas that drew it.",
                UserWarning,
                stacklevel=2,
            )
        return result

    def _exact_share(self, strip: np.ndarray) -> float:
        """Share of the ink columns of a strip, bool `[H, W]`, that lie in stretches of exact glyphs."""
        data = StripReader._pack(self, strip, None)
        columns = np.frombuffer(data, np.uint8).reshape(-1, self._size)
        has_ink = np.asarray(columns.any(axis=1))
        if not has_ink.any():
            return 0.0
        reach = 2 * int(self._known.index.widths.max()) + 2
        padded = np.pad(columns, ((0, reach), (0, 0)))
        noisy = NoisyReader(self._chances, self._settings["slack_cost"], self._settings["noise"])
        return noisy.exact_share(padded, len(columns))

    def read_batch(self, strips: Iterable[Any], height: int | None = None) -> list[ReadResult]:
        """Read several strips: a list, or an array `[B, H, W]` or `[B, 1, H, W]`; see [`read`]."""
        return [self.read(strip, height) for strip in strips]

    # ---- pixels in ----

    def _pack(self, strip: Any, height: int | None) -> bytes:
        if isinstance(strip, PackedStrip):
            strip, height = strip.columns, strip.height
        if isinstance(strip, bytes | bytearray | memoryview):
            height = self.height if height is None else height
            if height != self.height:
                raise ValueError(f"the strip has {height} rows, but {self._names()} is read at {self.height}")
            if len(strip) % self._size:
                raise ValueError(f"{len(strip)} bytes are no whole number of columns of {self._size} bytes")
            return bytes(strip)
        pixels = strip_array(strip)
        while pixels.ndim > 2 and pixels.shape[0] == 1:
            pixels = pixels[0]
        if pixels.ndim != 2 or pixels.shape[0] != self.height:
            raise ValueError(
                f"a strip for {self._names()} has shape [{self.height}, W] (one channel), got {list(np.shape(strip))}"
            )
        if pixels.dtype == bool:
            ink = ~pixels
        elif np.issubdtype(pixels.dtype, np.floating):
            check_finite(pixels)
            ink = pixels < 0.5
        else:
            ink = pixels < 128 if pixels.size and pixels.max() > 1 else pixels == 0
        return np.packbits(ink, axis=0).T.tobytes()

    def _names(self) -> str:
        return ", ".join(atlas.name for atlas in self._atlases)

    def _find_eos(self, data: bytes) -> int | None:
        """Return the first column of the first EOS run, or None.

        A run may begin with ink columns of the last glyph: it then starts at a multiple of `eos_width`, if it covers
        a whole patch there.
        """
        width = self._eos_width
        if width is None or b"\xff" * (width * self._size) not in data:
            return None
        is_full = (np.frombuffer(data, np.uint8).reshape(-1, self._size) == 255).all(axis=1)
        edges = np.flatnonzero(np.diff(is_full.astype(np.int8), prepend=0, append=0))
        for start, stop in edges.reshape(-1, 2).tolist():
            if stop - start >= width:
                aligned = -(-start // width) * width
                return aligned if aligned + width <= stop else start
        return None

    def _find_damaged_eos(self, data: bytes) -> int | None:
        """Return the first column of a patch that was all ink before some pixels went wrong, or None.

        Of overlapping places the one at a multiple of `eos_width` is taken, or else that with the most ink.
        """
        width = self._eos_width
        if width is None or len(data) < width * self._size:
            return None
        packed = np.frombuffer(data, np.uint8).reshape(-1, self._size)
        ink = np.unpackbits(packed, axis=1).T.astype(bool)
        places = np.flatnonzero(nearly_full(ink, np.arange(ink.shape[1] - width + 1), width))
        for group in np.split(places, np.flatnonzero(np.diff(places) > 1) + 1):
            if len(group):
                aligned = group[group % width == 0]
                counts = [int(ink[:, place : place + width].sum()) for place in group.tolist()]
                place = int(aligned[0]) if len(aligned) else int(group[int(np.argmax(counts))])
                # A stretch of two patches and more is all the likelier text.
                stop = int(group[-1]) if group[-1] - group[0] >= width else place
                if is_eos(ink[:, place : stop + width], self._blocks):
                    return place
        return None

    @cached_property
    def _blocks(self) -> list[np.ndarray]:
        return dense_cells(self._known.glyphs.index)

    def eos_patches(self, ink: np.ndarray, width: int) -> np.ndarray:
        """Tell which patches end a text, some of whose pixels may be wrong.

        Args:
            ink: bool `[H, W]`, True = ink.
            width: Columns of a patch.

        Returns:
            bool `[W // width]`.
        """
        starts = np.arange(0, ink.shape[1] // width * width, width)
        found = nearly_full(ink, starts, width)
        numbers = np.flatnonzero(found)
        # Several in a row are all the likelier text.
        for row in np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1):
            if len(row):
                patches = ink[:, row[0] * width : (row[-1] + 1) * width]
                is_full = np.asarray(patches.reshape(len(ink), -1, width).all(axis=(0, 2)))
                found[row] = is_full if is_full.all() else is_full | is_eos(patches, self._blocks)
        return found

    # ---- text out ----

    def _finish(
        self, reading: Reading, unreadable: float, eos_column: int | None, base: int | None = None
    ) -> ReadResult:
        known = self._known
        units = known.texts_of(reading.codes)
        if known.is_shaped(units, base):
            return self._finish_shaped(reading, units, unreadable, eos_column, base)
        text = "".join(units).rstrip(" ")
        length = len(text)
        if unreadable > 0:
            reading = reading.without_certainty(_INEXACT)
        if isinstance(units, str) or all(len(unit) == 1 for unit in units):
            starts, stops, confidences = reading.starts, reading.stops, reading.confidences
        else:
            # The characters of a unit share place and confidence.
            places = np.repeat(np.arange(len(units)), [len(unit) for unit in units])
            starts, stops = reading.starts[places], reading.stops[places]
            confidences = reading.confidences[places]
        text = self._letters.resolve(text)
        text, confidences = self._chances.resolve_twins(text, confidences[:length])
        last = stops[length - 1 : length] if length else np.zeros(1, np.int32)
        bounds = np.concatenate([starts[:length], last])
        return ReadResult(text, confidences, unreadable, bounds, eos_column)

    def _finish_shaped(
        self,
        reading: Reading,
        units: Sequence[str],
        unreadable: float,
        eos_column: int | None,
        base: int | None = None,
    ) -> ReadResult:
        """Put units into logical order; their characters share place and confidence."""
        if unreadable > 0:
            reading = reading.without_certainty(_INEXACT)
        shaper = self._renderer.shaper if self._renderer is not None else None
        text, origins = logical_text(units, base, None if shaper is None else shaper.keeps_order)
        text, origins = restore_joiners(text, origins, self._known.masks_of(reading.codes))
        if not self._settings["alphabet"]:
            languages = self._languages if self._letters.is_narrow else ()
            text = likelier_letters(text, self._draw, self._prior, languages)
            text, origins = persian_hehs(text, origins, self._draw, languages)
        text = self._letters.resolve(text)
        if "\u0f0b" in text and not self._settings["alphabet"] and self.canonical("\u0f0c") == "\u0f0b":
            text = bind_tshegs(text)
        starts = reading.starts[origins]
        stop = reading.stops[max(origins)] if origins else 0
        bounds = np.append(starts, stop).astype(np.int32)
        confidences = (reading.confidences * self._known.shares_of(reading.codes))[origins]
        return ReadResult(text, confidences, unreadable, bounds, eos_column)

    def _draw(self, text: str, base: int | None = None) -> bytes | None:
        """Draw a text as the renderer does, without gaps between units; None if it cannot."""
        try:
            shaper = self._drawer.shaper
            if base is not None and shaper is not None:
                return b"".join([unit.cell for unit in shaper.pieces(self._drawer.normalise(text), base)])
            return StripRenderer.render_bytes(self._drawer, text)
        except ValueError:
            return None

    @cached_property
    def _drawer(self) -> StripRenderer:
        """A renderer like that of the strips: what is drawn while reading must not be known from then on."""
        if self._renderer is None:
            return StripRenderer(self._atlases)
        rebuild, arguments = self._renderer.__reduce__()[:2]
        return rebuild(*arguments)

    def _read_uniform(self, data: bytes) -> Reading | None:
        """Look up all cells of a monospaced strip at once; None unless each is a glyph."""
        index, width = self._known.index, self._unit
        keys_and_classes = index.uniform_keys
        if keys_and_classes is None:
            return None
        keys, classes = keys_and_classes
        data = data.rstrip(b"\0")
        data += bytes(-len(data) % self._size)
        blank = len(data) - len(data.lstrip(b"\0"))
        length = width * self._size
        for phase in range(min(blank // self._size, width - 1) + 1):
            shifted = data[phase * self._size :]
            shifted += bytes(-len(shifted) % length)
            padded = np.zeros((len(shifted) // length, 8), np.uint8)
            padded[:, :length] = np.frombuffer(shifted, np.uint8).reshape(-1, length)
            wanted = padded.view(np.uint64)[:, 0]
            found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            if (keys[found] == wanted).all():
                indices = classes[found]
                starts = np.arange(phase, phase + width * len(indices), width, dtype=np.int32)
                confidences = self._chances.clean_confidences(indices)
                wrong = np.zeros(len(indices), np.int32)
                return Reading(starts, starts + width, index.codes[indices], confidences, wrong)
        return None

    def _read_piece(self, data: bytes, first: int, stop: int, is_last: bool) -> Reading:
        """Read columns [first, stop), which hold no box; at the end of a strip its blank columns do not count."""
        size = self._size
        piece = data[first * size : stop * size]
        if is_last:
            piece = piece.rstrip(b"\0")
        num_columns = -(-len(piece) // size)
        reach = 2 * int(self._known.index.widths.max()) + 2
        padded = piece.ljust((num_columns + reach) * size, b"\0")
        reading = self._read_exactly(padded, num_columns, first == 0, is_last)
        if reading is None:
            columns = np.frombuffer(padded, np.uint8).reshape(-1, size)
            noisy = NoisyReader(self._chances, self._settings["slack_cost"], self._settings["noise"])
            reading = noisy.read(columns, num_columns, is_last)
        return reading.moved(first)

    def _read_exactly(self, padded: bytes, stop: int, is_first: bool, is_last: bool) -> Reading | None:
        """Parse a piece as glyphs only; None if there is no such parse."""
        known = self._known
        blank = (len(padded) - len(padded.lstrip(b"\0"))) // self._size
        # At the start of a strip a text may begin at any column.
        for start in range(min(blank, known.glyphs.space_width - 1) + 1 if is_first else 1):
            run = self._parse(padded, start, stop)
            if run.bounds[-1] < stop and known.add_drawn():
                run = self._parse(padded, start, stop)
            while run.bounds[-1] < stop:
                # Narrow units may have led it astray before.
                if not known.explain(padded, run.bounds[: -_REACH_BACK - 1 : -1], run.classes[-32:]):
                    break
                run = parse_exactly(known.index, padded, start, stop)
            if run.bounds[-1] == stop or (is_last and run.bounds[-1] > stop):
                return self._chances.exact_reading(run)
        return None

    def _parse(self, data: bytes, start: int, stop: int) -> ExactRun:
        """Parse with the letters with marks that a line holds, if it is shaped or does not parse without them."""
        known = self._known
        run = parse_exactly(known.index, data, start, stop)
        is_plain = run.bounds[-1] >= stop and not known.has_units(run.classes)
        if not is_plain and known.prepare(data, run.bounds[0], stop):
            run = parse_exactly(known.index, data, start, stop)
        return run

    def _unreadable(self, data: bytes, reading: Reading) -> float:
        """Return the share of the columns with ink that lie in no exactly drawn glyph."""
        has_ink = np.asarray(np.frombuffer(data, np.uint8).reshape(-1, self._size).any(axis=1))
        total = int(has_ink.sum())
        edges = np.zeros(len(has_ink) + 1, np.int32)
        np.add.at(edges, reading.starts[reading.is_exact], 1)
        np.add.at(edges, np.minimum(reading.stops[reading.is_exact], len(has_ink)), -1)
        is_explained = np.cumsum(edges)[:-1] > 0
        return int((has_ink & ~is_explained).sum()) / total if total else 0.0

    def __repr__(self) -> str:
        shown = {
            key: value for key, value in self._settings.items() if key != "language" or value is not None
        }
        settings = ", ".join(f"{key}={value!r}" for key, value in shown.items())
        return f"StripReader([{self._names()}], {settings})"

    def __reduce__(self) -> tuple:
        return _rebuild_reader, (
            self._atlases,
            {**self._settings, "renderer": self._renderer, "prior": self._prior},
        )


def check_settings(
    alphabet: Any, slack_cost: Any, noise: Any, eos_width: Any, renderer: Any, prior: Any
) -> None:
    """Check the settings of a reader.

    Raises:
        TypeError: for one of another kind.
        ValueError: for one out of range.
    """
    kinds: tuple[tuple[str, Any, Any, str], ...] = (
        ("alphabet", alphabet, str, "a string of characters"),
        ("slack_cost", slack_cost, numbers.Real, "a number or None"),
        ("noise", noise, numbers.Real, "a number or None"),
        ("eos_width", eos_width, numbers.Integral, "an integer or None"),
        ("renderer", renderer, StripRenderer, "a StripRenderer or None"),
        ("prior", prior, CharacterPrior, "a CharacterPrior or None"),
    )
    for name, value, kind, what in kinds:
        is_given = value is not None or kind is str
        if is_given and (not isinstance(value, kind) or isinstance(value, bool)):
            raise TypeError(f"{name} must be {what}, got {value!r:.80}")
    if noise is not None and not 0 < noise < 0.5:
        raise ValueError(f"noise must lie between 0 and 0.5, or be None, got {noise}")
    if slack_cost is not None and not 0 <= slack_cost < math.inf:
        raise ValueError(f"slack_cost must be at least 0 or None, got {slack_cost}")
    if eos_width is not None and eos_width < 1:
        raise ValueError(f"eos_width must be at least 1 or None, got {eos_width}")


def check_finite(pixels: np.ndarray) -> None:
    """Refuse pixels that are no numbers.

    Raises:
        ValueError: for NaN or infinite values.
    """
    if not np.isfinite(pixels).all():
        wrong = int(pixels.size - np.isfinite(pixels).sum())
        raise ValueError(
            f"the strip has {wrong} of {pixels.size} values that are NaN or infinite; pixels lie in [0, 1] "
            "(1 = background). If a model made them, look at its weights: it diverged."
        )


def _box_reading(start: int, stop: int, char: str) -> Reading:
    """Return a box that was recognised as a reading of one character."""
    place = np.array([[start], [stop], [0]], np.int32)
    return Reading(place[0], place[1], np.array([ord(char)], np.uint32), np.ones(1, np.float32), place[2])


def _rebuild_reader(atlases: tuple[GlyphSource, ...], settings: dict[str, Any]) -> StripReader:
    return StripReader(atlases, **settings)


def strip_array(strip: Any) -> np.ndarray:
    """The pixels of an array or a tensor, which may need gradients or lie on another device."""
    if hasattr(strip, "detach"):
        strip = strip.detach().cpu()
        strip = strip.float() if strip.is_floating_point() else strip  # numpy knows no bfloat16
    return np.asarray(strip)


__all__ = ["ReadResult", "StripReader", "check_finite", "strip_array"]
