# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The processor: texts and images to strips, strips to texts and images.

- A row is its segments (image, text, second text) one after the other, with EOS patches between them, after the
  last (`add_eos`) and before the first (`add_start`).
- With a tokenizer, for models that have a token head too, a row may also hold the tokens of a `target_text`, after its
  patches or before them, or nothing but these.
- Strips stay packed (one byte per eight rows of a column) until the whole batch is unpacked at once.
- The glyph atlases are saved beside the configuration and their hashes are checked at load: pixels are what the
  model was trained on, so a changed glyph is an error and not a detail.

Shapes: B rows, C channels, H strip height, W strip width, P patches of `patch_size = (H, w)`, L tokens, T = P + L.
"""

import copy
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from transformers import PreTrainedTokenizerBase
from transformers.feature_extraction_utils import BatchFeature
from transformers.processing_utils import ProcessorMixin, Unpack

from ..fonts.atlas import GlyphAtlas
from ..reading.prior import CharacterPrior
from ..reading.reader import ReadResult, StripReader
from ..reading.styled_reader import build_reader
from ..rendering.renderer import StripRenderer
from ..rendering.strip import PackedStrip
from ..rendering.style import BLACK, WHITE, RenderStyle
from ..rendering.styled_renderer import build_renderer
from ..text.characters import CharacterPolicy
from .files import (
    check_chain,
    drawing_settings,
    hub_arguments,
    load_members,
    load_prior,
    load_tokenizer,
    save_members,
)
from .images import image_to_strip, list_images, list_strips
from .inputs import list_targets, list_texts, rows_of, unpack_output
from .layout import (
    Row,
    Segment,
    attention_mask,
    draw_rows,
    lay_out,
    offset_mapping,
    text_part,
    to_feature,
    too_long,
)
from .options import LayoutOptions, PixelProcessorKwargs, check_geometry, check_model, check_style
from .pages import PageMixin
from .pictures import strip_to_pil
from .presets import PROCESSOR_PRESETS, preset_settings
from .tokens import (
    NoTokenizer,
    check_tokenizer,
    decode_tokens,
    encode_targets,
    find_token_ids,
    join_parts,
    pad_token_id,
    pad_tokens,
    patch_mask,
)


class PixelProcessor(PageMixin, ProcessorMixin):
    r"""Texts and images to the strips a pixel model reads, and strips back to text and images.

    Args:
        atlases: glyph atlases in the order in which they are asked for a character: bundled names
            (`bundled_atlases()`), paths of `.npz` files, or `GlyphAtlas` objects; all as high as a patch.
        patch_size: (height, width) of a patch in pixels.
        num_channels: 1, or 3 for models that read colour; text is drawn alike in all channels.
        missing: what happens to a character no atlas covers: `"error"`, `"warn"` or `"hexbox"`.
        newline: how line breaks are drawn: `"space"` or `"symbol"`.
        tab: how tabs are drawn: `"space"` or a number of spaces.
        normalize: Unicode normalisation before drawing: `"NFC"` or `None`.
        unsupported: what happens to text that needs right-to-left layout, joining or stacking: `"shape"`, `"cells"`
            (letters that cannot be conjoined stand side by side), `"error"` or `"missing"`; see [`StripRenderer`].
        padding_side: `"right"` (training) or `"left"` (generation of several prompts at once).
        model_max_patches: the most patches the model reads, default of a call's `max_patches`; `None`: no limit.
        left_padding: white columns before every text, at least 0 and fewer than a patch has.
        right_padding: white columns at least between a text and the EOS patch after it. The PIXEL family's renderer
            leaves 2 on either side.
        tokenizer: for models with a token head (`PixelARConfig.vocab_size`): any tokenizer of transformers. It is
            saved and loaded with the processor. Where it has no pad token, its EOS token fills short rows.
        character_prior: what the reader knows of the language: `CharacterPrior.fit(texts)`, or `.load(file)`. `read`,
            `decode` and `batch_decode` use it where pixels leave a character open. Saved with the processor.
        mode: levels of the pixels: `"1"`, `"L"` (gray) or `"RGB"`; see [`RenderStyle`], as for the next four. A model
            with the autoregressive head needs `"1"`.
        text_color: of mode `"L"` or `"RGB"`.
        background_color: likewise, of the padding too. The EOS patch is black in every mode.
        letter_spacing: blank columns after every grapheme cluster.
        strategy: `"continuous"`, `"bigrams"`, `"mono"` or `"words"`; all but the first need `left_padding=0`.

    Raises:
        ValueError: for settings that do not fit each other, naming both values.
    """

    valid_processor_kwargs = PixelProcessorKwargs

    def __init__(
        self,
        atlases: Sequence[str | os.PathLike | GlyphAtlas] = ("fixed-5x8",),
        patch_size: Sequence[int] = (8, 20),
        num_channels: int = 1,
        missing: str = "error",
        newline: str = "space",
        tab: str | int = "space",
        normalize: str | None = "NFC",
        unsupported: str = "shape",
        padding_side: str = "right",
        model_max_patches: int | None = 1024,
        left_padding: int = 0,
        right_padding: int = 0,
        tokenizer: PreTrainedTokenizerBase | None = None,
        character_prior: CharacterPrior | None = None,
        mode: str = "1",
        text_color: Any = BLACK,
        background_color: Any = WHITE,
        letter_spacing: int = 0,
        strategy: str = "continuous",
    ) -> None:
        check_geometry(patch_size, num_channels, padding_side, left_padding, right_padding)
        self._tokenizer = check_tokenizer(tokenizer)
        self._style = RenderStyle(mode, text_color, background_color, letter_spacing, strategy)
        check_style(self._style, num_channels, left_padding)
        policy = CharacterPolicy(missing, newline, tab, normalize, unsupported)
        self._renderer = build_renderer(atlases, self._style, int(patch_size[1]), **asdict(policy))
        self._reader: StripReader | None = None
        self._prior = character_prior
        # Names, not objects: this is what processor_config.json can hold.
        self.atlases = tuple(atlas.name for atlas in self._renderer.atlases)
        self.patch_size = (int(patch_size[0]), int(patch_size[1]))
        self.num_channels = int(num_channels)
        self.missing = missing
        self.newline = newline
        self.tab = tab
        self.normalize = normalize
        self.unsupported = unsupported
        self.padding_side = padding_side
        self.model_max_patches = model_max_patches
        self.left_padding = left_padding
        self.right_padding = right_padding
        settings = self._style.settings()
        self.mode, self.strategy, self.letter_spacing = mode, strategy, letter_spacing
        self.text_color, self.background_color = settings["text_color"], settings["background_color"]
        check_chain(self.atlases, self._renderer.height, self.patch_size)
        super().__init__()

    @classmethod
    def presets(cls) -> tuple[str, ...]:
        """The names [`from_preset`] knows."""
        return tuple(PROCESSOR_PRESETS)

    @classmethod
    def from_preset(
        cls, name: str, font: str | os.PathLike | bytes | None = None, **overrides: Any
    ) -> "PixelProcessor":
        """Builds a processor from a named set of settings.

        `"pixel"` (16x16 patches, 529 of them, RGB; arXiv 2207.06991), `"pixelgpt"` (16x16, 1024, RGB; arXiv 2404.10710)
        and `"pixar"` (8x16, 360, 1 bit; arXiv 2401.03321) draw as those models were trained, but for two things. Their
        authors rendered with Pango and cairo (or pygame), with kerning, shaping and font fallback; here each character
        is drawn alone ([`GlyphAtlas.from_font`]), antialiased in mode RGB. And the line stands where the font loses
        least ink, which may be a row off. For shaped scripts and emoji in colour, give a chain as `atlases`.

        Args:
            name: `"fixed-8"` (5x8 glyphs, 8x20 patches), `"unifont-16"` (GNU Unifont, 16x16 patches), or `"pixar"`,
                `"pixelgpt"` or `"pixel"`, which need a font.
            font: path or contents of the font file the model was trained on: PixeloidSans-mLxMm.ttf (PIXAR) or
                GoNotoCurrent.ttf (the others). Characters higher than the strip are cut off, as they were in training,
                with a warning. The font's hash is saved in processor_config.json.
            overrides: arguments of the constructor that shall differ from the preset; `atlases` instead of `font`.

        Raises:
            ValueError: for an unknown name, listing the known ones, or a font missing or not wanted.
        """
        return cls(**preset_settings(name, font, overrides))

    @classmethod
    def get_attributes(cls) -> list[str]:
        """No sub-processors: transformers would demand the tokenizer, whose files this class reads and writes."""
        return []

    def __getstate__(self) -> dict[str, Any]:
        # The reader is rebuilt where it is needed; a pickle without it is small, and the same before and after reading.
        return {**self.__dict__, "_reader": None}

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase | NoTokenizer:
        """The tokenizer, or a stand-in without special tokens: Trainer asks every processor for its tokenizer's."""
        return NoTokenizer() if self._tokenizer is None else self._tokenizer

    @property
    def renderer(self) -> StripRenderer:
        """The strip renderer in use."""
        return self._renderer

    @property
    def reader(self) -> StripReader:
        """The strip reader for these atlases, built at first use."""
        if self._reader is None:
            self._reader = build_reader(self._renderer, prior=self._prior)
        return self._reader

    def check_model(self, config: Any) -> None:
        """Check that a model can read and write the strips of this processor.

        Args:
            config: a [`PixelARConfig`].

        Raises:
            ValueError: where they differ, or gray strips meet an autoregressive head (1-bit); names the way out.
        """
        check_model(self._style, self.patch_size, self.num_channels, config)

    @property
    def model_input_names(self) -> list[str]:
        names = ["pixel_values", "attention_mask", "num_columns"]
        return names if self._tokenizer is None else [*names, "input_ids", "modality_ids"]

    # ---- to strips ----

    def __call__(
        self,
        text: str | Iterable[str] | Iterable[tuple[str, str]] | None = None,
        text_pair: str | Iterable[str] | None = None,
        images: Any = None,
        target_text: str | Iterable[str] | None = None,
        **kwargs: Unpack[PixelProcessorKwargs],
    ) -> BatchFeature:
        """Draws texts, takes images, tokenises target texts, and pads them to a batch.

        Args:
            text: a text, or a list (tuple, dataset column) of texts; a list of (text, text) is a list of pairs.
            text_pair: second text of each row, after an EOS patch.
            images: strips of height H as PIL images, numpy arrays or torch tensors (`[H, W]`, `[C, H, W]`,
                `[H, W, C]`), or a list of these. With `text` as well, a row is the image, an EOS patch, the text.
            target_text: texts to be tokenised, one for each row; alone, or beside `text` or `images`. Needs a
                tokenizer.
            kwargs: see [`PixelProcessorKwargs`].

        Returns:
            `BatchFeature` with, always as a batch:
            - `pixel_values`: float32 `[B, C, H, P * w]` in [0, 1], 1 = background.
            - `attention_mask`: int64 `[B, T]`, 0 on padding. With `target_text` it covers the P patches and the L
              tokens in their order, each part padded by itself.
            - `num_columns`: int64 `[B]`, pixel columns of the row from its first attended patch on; with `add_eos` or
              `end_gap` a multiple of w, without them the column where the text ends and generation goes on.
            - `offset_mapping`: int64 `[B, P, 2]`, on request.
            - `input_ids`: int64 `[B, L]`, with `target_text`.
            - `modality_ids`: int64 `[B, T]`, 1 for patches, 0 for tokens, where there are both.
            With `target_text` alone: only `input_ids` and `attention_mask` `[B, L]`.

        Raises:
            ValueError: for an empty text (unless `add_start`), a row longer than `max_patches` (unless
                `truncation`), a character no atlas covers (unless `missing` says otherwise), an image of another
                shape; with the index of the row.
        """
        width = self.patch_size[1]
        options = LayoutOptions.from_kwargs(kwargs, self.model_max_patches, width)
        if options.end_gap is not None and self._style.strategy != "continuous":
            raise ValueError(
                f"end_gap={options.end_gap} would move the units of strategy={self._style.strategy!r} off their patch "
                "borders; leave it out."
            )
        tokens = None
        if target_text is not None:
            tokens = encode_targets(self._tokenizer, list_targets(target_text), options)
        rows: list[Row] = []
        if tokens is None or not (text is None and text_pair is None and images is None):
            margins = (self.left_padding, self.right_padding)
            segments = self._segment_rows(text, text_pair, images, options)
            rows = [lay_out(row, options, width, margins) for row in segments]
        if tokens is not None and rows and len(tokens) != len(rows):
            raise ValueError(f"{len(tokens)} target texts for {len(rows)} rows; give one for each row.")
        return self._to_batch(rows, tokens, options)

    def _segment_rows(
        self, text: Any, text_pair: Any, images: Any, options: LayoutOptions
    ) -> list[list[Segment]]:
        """Draws or takes every segment, row by row."""
        texts, pairs = list_texts(text, text_pair)
        columns: list[list[Segment]] = []
        if images is not None:
            columns.append([self._take(f"images[{i}]", image) for i, image in enumerate(list_images(images))])
        may_be_empty = options.add_start and pairs is None and images is None
        for name, values in (("text", texts), ("text_pair", pairs)):
            if values is not None:
                drawn = zip(values, self._render_all(values, options), strict=True)
                columns.append(
                    [self._draw(f"{name}[{i}]", *pair, options, may_be_empty) for i, pair in enumerate(drawn)]
                )
        if not columns:
            raise ValueError("give at least one of text and images (or target_text, with a tokenizer).")
        lengths = [len(column) for column in columns]
        if len(set(lengths)) > 1:
            raise ValueError(
                f"images, text and text_pair must be of one length where they are given, got {lengths}."
            )
        if lengths[0] == 0:
            raise ValueError("the batch is empty: give at least one text or image.")
        return [list(row) for row in zip(*columns, strict=True)]

    def _take(self, name: str, image: Any) -> Segment:
        strip = image_to_strip(image, self.patch_size[0], self.num_channels, name)
        return Segment(name, strip.shape[2], image=strip)

    def _render_all(self, texts: list[str], options: LayoutOptions) -> list[PackedStrip | None]:
        """Draws a batch; None for every text if one must be looked at by itself."""
        if max(map(len, texts), default=0) > options.most_characters(self.patch_size[1]):
            return [None] * len(texts)
        try:
            return list(self._renderer.render_batch(texts))
        except ValueError:
            return [None] * len(texts)

    def _draw(
        self, name: str, text: str, strip: PackedStrip | None, options: LayoutOptions, may_be_empty: bool
    ) -> Segment:
        if len(text) > options.most_characters(self.patch_size[1]):
            limit, num_patches = options.max_patches, -(-self._renderer.measure(text) // self.patch_size[1])
            if limit is not None and num_patches > limit:
                raise too_long(name, num_patches, limit, f" for its {len(text)} characters")
        try:
            strip = self._renderer.render(text) if strip is None else strip
        except ValueError as error:
            # The same error, of the same class, with the place in the batch.
            error.args = (f"{name}: {error}", *error.args[1:])
            raise
        if strip.num_columns == 0 and not may_be_empty:
            raise ValueError(
                f"{name} is empty: {text!r} draws no pixels; leave it out, or pass add_start=True to begin with an "
                "EOS patch."
            )
        return Segment(name, strip.num_columns, strip=strip)

    def _to_batch(
        self, rows: list[Row], tokens: list[list[int]] | None, options: LayoutOptions
    ) -> BatchFeature:
        """Pads and joins B rows of patches (or none), B rows of tokens (or `None`)."""
        lengths = [row.num_patches for row in rows], [len(ids) for ids in tokens or []]
        count = max(map(len, lengths))
        longest = [max(numbers, default=0) for numbers in lengths]
        groups = [list(range(count))]
        if options.padding == "do_not_pad":
            if options.return_tensors is not None and any(len(set(numbers)) > 1 for numbers in lengths):
                raise ValueError(
                    "rows differ in length: pass padding=True, or return_tensors=None to get lists."
                )
            groups = [[index] for index in range(count)]
        elif options.padding == "max_length":
            longest = [options.max_patches or longest[0], options.max_target_tokens or longest[1]]
        data: dict[str, list[np.ndarray]] = {}
        for group in groups:
            if len(groups) > 1:
                longest = [numbers[group[0]] if numbers else 0 for numbers in lengths]
            parts = self._draw_batch([rows[i] for i in group], longest[0], options) if rows else {}
            if tokens is not None:
                self._add_tokens(parts, [tokens[i] for i in group], longest[1], options)
            for key, values in parts.items():
                data.setdefault(key, []).append(values)
        return to_feature(data, options.return_tensors)

    def _draw_batch(self, rows: list[Row], num_patches: int, options: LayoutOptions) -> dict[str, np.ndarray]:
        starts = [num_patches - row.num_patches if self.padding_side == "left" else 0 for row in rows]
        parts = {
            "pixel_values": draw_rows(
                rows, starts, num_patches, self.patch_size, self.num_channels, self._background()
            ),
            "attention_mask": attention_mask(rows, starts, num_patches),
            "num_columns": np.array([row.num_columns for row in rows], np.int64),
        }
        if options.return_offsets_mapping:
            parts["offset_mapping"] = offset_mapping(rows, starts, num_patches, self.patch_size[1])
        return parts

    def _background(self) -> np.ndarray | None:
        """The colour around texts, `[C, 1, 1]`; None where pixels have no levels."""
        return self._style.background(self.num_channels) if self._style.has_levels else None

    def _add_tokens(
        self,
        parts: dict[str, np.ndarray],
        tokens: list[list[int]],
        num_tokens: int,
        options: LayoutOptions,
    ) -> None:
        """Puts the token part beside the patches of a batch, or in place of them."""
        pad_id = None if self._tokenizer is None else pad_token_id(self._tokenizer)
        parts["input_ids"], mask = pad_tokens(tokens, num_tokens, pad_id, self.padding_side)
        if "pixel_values" in parts:
            parts.update(join_parts(parts["attention_mask"], mask, options.target_first))
        else:
            parts["attention_mask"] = mask

    # ---- from strips ----

    def read(self, strips: Any, attention_mask: Any = None, num_columns: Any = None) -> list[ReadResult]:
        """Reads the text of strips, with a confidence per character.

        A row is read from its first attended patch up to the first EOS patch; one EOS patch at its very start is
        passed over (`add_start`).

        White columns that `end_gap` put before a text may be read as spaces; strip them.

        Args:
            strips: the output of `model.generate` or of this processor, or pixels in any form [`to_pil`] takes.
                Where no attention mask tells padding from spaces, blank patches at the start of a row count as
                padding if `padding_side` is `"left"`, else as spaces.
            attention_mask: over the patches, `[B, P]`; default: that of `strips`.
            num_columns: `[B]`; default: that of `strips`.

        Returns:
            One [`ReadResult`] per row.

        Raises:
            ValueError: for strips of another height, or masks of another length.
        """
        pixels, own_mask, own_columns = unpack_output(strips)
        strip_list = list_strips(pixels)
        own_mask = patch_mask(own_mask, strips.get("modality_ids") if isinstance(strips, Mapping) else None)
        masks = rows_of(
            attention_mask if attention_mask is not None else own_mask, len(strip_list), "attention_mask"
        )
        counts = rows_of(
            num_columns if num_columns is not None else own_columns, len(strip_list), "num_columns"
        )
        geometry, is_left = (*self.patch_size, self.left_padding), self.padding_side == "left"
        parts = [
            text_part(strip, self._style, geometry, is_left, mask, count, index)
            for index, (strip, mask, count) in enumerate(zip(strip_list, masks, counts, strict=True))
        ]
        return self.reader.read_batch(parts)

    def batch_decode(
        self,
        strips: Any,
        attention_mask: Any = None,
        num_columns: Any = None,
        skip_special_tokens: bool = True,
    ) -> list[str]:
        """The text of each row: read from strips ([`read`] tells how sure it is), or decoded from token ids.

        Args:
            strips: as for [`read`]; or token ids for the tokenizer: integers (but uint8, which are pixels) `[B, L]` or
                `[L]` as tensor, array or lists, or an output that holds no pixels but `sequences` or `input_ids`. Ids
                below 0, the -100 of labels, are left out.
            attention_mask: as for [`read`].
            num_columns: as for [`read`].
            skip_special_tokens: whether special tokens are left out of decoded texts.

        Raises:
            ValueError: for token ids, if there is no tokenizer; else as [`read`].
        """
        token_ids = find_token_ids(strips)
        if token_ids is not None:
            return decode_tokens(self._tokenizer, token_ids, skip_special_tokens)
        return [result.text for result in self.read(strips, attention_mask, num_columns)]

    def decode(
        self,
        strips: Any,
        attention_mask: Any = None,
        num_columns: Any = None,
        skip_special_tokens: bool = True,
    ) -> str:
        """The text of a single row: a strip `[C, H, W]` or `[H, W]`, token ids `[L]`, or a batch of one.

        Raises:
            ValueError: for several rows.
        """
        texts = self.batch_decode(strips, attention_mask, num_columns, skip_special_tokens)
        if len(texts) != 1:
            raise ValueError(f"decode reads one row, got {len(texts)}; use batch_decode.")
        return texts[0]

    def to_pil(self, strips: Any, scale: int = 1) -> list[Image.Image]:
        """Strips as images, one per row, padding included.

        Args:
            strips: the output of `model.generate` or of this processor; `[B, C, H, W]`, `[C, H, W]` or `[H, W]`
                as torch tensor or numpy array, uint8 or in [0, 1]; a PIL image; or a list of these.
            scale: side of a pixel in the image.

        Returns:
            Images of mode L (one channel) or RGB.
        """
        if scale < 1:
            raise ValueError(f"scale must be at least 1, got {scale}.")
        return [strip_to_pil(strip, scale) for strip in list_strips(unpack_output(strips)[0])]

    def coverage(self, text: str | Iterable[str]) -> list[str]:
        """The characters of a text, or of several, that no atlas covers, sorted; empty if all can be drawn."""
        texts = [text] if isinstance(text, str) else text
        return sorted(set().union(*(self._renderer.coverage(item) for item in texts)))

    # ---- saving and loading ----

    def to_dict(self) -> dict[str, Any]:
        """What processor_config.json holds: the settings, the hash of each atlas and of the font it was drawn from.

        `has_tokenizer` stands there if there is one.
        """
        # The parent class copies all it finds, and a vocabulary is large.
        without_tokenizer = copy.copy(self)
        without_tokenizer._tokenizer = without_tokenizer._prior = without_tokenizer._reader = None
        settings = super(PixelProcessor, without_tokenizer).to_dict()
        settings.update(drawing_settings(self._renderer))
        if self._prior is not None:
            settings["character_prior_sha256"] = self._prior.sha256
        if self._tokenizer is not None:
            settings["has_tokenizer"] = True
        return settings

    def save_pretrained(
        self, save_directory: str | os.PathLike, push_to_hub: bool = False, **kwargs: Any
    ) -> list[str]:
        """Saves processor_config.json and, beside it, one `.npz` file per atlas and the tokenizer's files.

        Args:
            save_directory: folder, made where it is missing.
            push_to_hub: whether to upload the folder's files afterwards.
            kwargs: `repo_id` and further arguments of `push_to_hub`.

        Returns:
            The paths of the files written.
        """
        files = list(super().save_pretrained(save_directory, push_to_hub=False))
        files += save_members(save_directory, self._renderer, self._prior)
        if self._tokenizer is not None:
            files += self._tokenizer.save_pretrained(save_directory)
        if push_to_hub:
            # Not left to the parent class, which would upload before the atlases exist.
            self.push_to_hub(kwargs.pop("repo_id", Path(save_directory).name), **kwargs)
        return files

    @classmethod
    def get_processor_dict(
        cls, pretrained_model_name_or_path: str | os.PathLike, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The settings of a saved processor, with its atlases loaded and checked, and its tokenizer loaded.

        Raises:
            ValueError: if there is no processor configuration, or it is that of another class; if an atlas is
                missing or is not the one that was saved; if the tokenizer is missing.
        """
        where = str(pretrained_model_name_or_path)
        hub_kwargs = hub_arguments(kwargs)
        settings, unused = super().get_processor_dict(pretrained_model_name_or_path, **kwargs)
        if "atlases" not in settings:
            found = (
                f"holds the settings of a {settings['processor_class']}"
                if "processor_class" in settings
                else "is missing"
            )
            raise ValueError(
                f"{where} is not a pixel_ar checkpoint with its processor: processor_config.json {found}. "
                "Save one there with processor.save_pretrained, or start from PixelProcessor.from_preset."
            )
        load_members(where, settings, "atlases" not in kwargs, hub_kwargs)
        prior_sha256 = settings.pop("character_prior_sha256", None)
        if prior_sha256 is not None and "character_prior" not in kwargs:
            settings["character_prior"] = load_prior(where, prior_sha256, hub_kwargs)
        if settings.pop("has_tokenizer", False) and "tokenizer" not in kwargs:
            settings["tokenizer"] = load_tokenizer(where, kwargs.get("trust_remote_code"), hub_kwargs)
        return settings, unused


__all__ = ["PixelProcessor"]
