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

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, Unpack

from PIL import Image
from transformers import PreTrainedTokenizerBase, ProcessorMixin
from transformers.feature_extraction_utils import BatchFeature

from ..atomic import staged_folder
from ..fonts.source import GlyphSource
from ..installed import refuse_registration
from ..reading.prior import CharacterPrior
from ..reading.reader import ReadResult, StripReader
from ..reading.styled_reader import build_reader
from ..rendering.renderer import StripRenderer
from ..rendering.style import RenderStyle
from ..rendering.styled_renderer import build_renderer
from ..text.characters import CharacterPolicy
from .drawing import RowDrawer
from .files import (
    PROCESSOR_FILE,
    check_chain,
    check_settings,
    drawing_settings,
    hub_arguments,
    load_members,
    load_prior,
    load_tokenizer,
    reading_file,
    save_members,
)
from .images import list_strips
from .inputs import (
    check_language,
    check_prior,
    is_image,
    is_single,
    list_targets,
    rows_of,
    unpack_output,
)
from .layout import Row, text_part
from .options import LayoutOptions, PixelProcessorKwargs, check_model
from .padding import RowPadder
from .page_patches import DeviationKind, PagePatchMixin
from .pages import PageMixin
from .pictures import strip_to_pil
from .presets import PROCESSOR_PRESETS, preset_settings
from .replaced import ReplacedCharacters
from .settings import (
    PARTS,
    PageSettings,
    ProcessorSettings,
    ProcessorSettingsKwargs,
    StripGeometry,
    check_names,
    is_near,
    setting_names,
)
from .tokens import (
    NoTokenizer,
    check_tokenizer,
    decode_tokens,
    encode_targets,
    find_token_ids,
    pad_token_id,
    patch_mask,
)

# What is asked of a tokenizer by those who are given a processor in its place.
TOKENIZER_ATTRIBUTES = frozenset(
    (
        "pad_token",
        "pad_token_id",
        "eos_token",
        "eos_token_id",
        "bos_token",
        "bos_token_id",
        "vocab_size",
        "get_vocab",
        "encode",
        "tokenize",
        "convert_ids_to_tokens",
        "convert_tokens_to_ids",
        "all_special_ids",
        "model_max_length",
    )
)

# Arguments of the constructor that are no settings.
_OBJECTS = ("atlases", "tokenizer", "character_prior", "language")


def _setting(name: str, part: str) -> Any:
    """A property that reads a setting, and applies what it is set to at once."""

    def get(processor: "PixelProcessor") -> Any:
        return getattr(getattr(processor._settings, part), name)

    def change(processor: "PixelProcessor", value: Any) -> None:
        processor._configure(processor._renderer.atlases, processor._settings.replace({name: value}))

    return property(get, change, doc=f"`{name}` of [`ProcessorSettingsKwargs`]; setting it acts at once.")


class PixelProcessor(PageMixin, PagePatchMixin, ProcessorMixin):
    r"""Texts and images to the strips a pixel model reads, and strips back to text and images.

    Every setting can be given as a keyword argument, read as an attribute (`processor.missing`), set there, which acts
    at once, or changed in a copy (`processor.replace(missing="hexbox")`).

    Args:
        atlases: glyph atlases in the order in which they are asked for a character: bundled names
            (`bundled_atlases()`), paths of `.npz` files, or `GlyphAtlas` objects; all as high as a patch.
        patch_size: (height, width) of a patch in pixels; default (8, 20).
        geometry: sizes and margins, a [`StripGeometry`].
        policy: what becomes of characters without a plain glyph, a [`CharacterPolicy`].
        style: levels, colours, spacing and units, a [`RenderStyle`].
        page: patches of whole pages, a [`PageSettings`].
        tokenizer: for models with a token head (`PixelARConfig.vocab_size`): any tokenizer of transformers. It is
            saved and loaded with the processor. Where it has no pad token, its EOS token fills short rows.
        character_prior: what the reader knows of the language: `CharacterPrior.fit(texts)`, or `.load(file)`. `read`,
            `decode` and `batch_decode` use it where pixels leave a character open. Saved with the processor.
        language: what strips are written in, tags of BCP 47 (`"uk"`, `["sr", "en"]`): of letters drawn alike, such as
            Latin and Cyrillic `A`, those of its alphabet are read. Saved with the processor. Default `None`: the
            language that a line fits.
        settings: single settings, see [`ProcessorSettingsKwargs`]; they change those of the three objects.

    Raises:
        TypeError: for an unknown argument, with the one it resembles.
        ValueError: for settings that do not fit each other, naming both values.
    """

    valid_processor_kwargs = PixelProcessorKwargs

    def __init__(  # type: ignore[misc] # `patch_size` is a setting too, but has a place of its own
        self,
        atlases: Sequence[str | bytes | os.PathLike | GlyphSource] = ("fixed-5x8",),
        patch_size: Sequence[int] | None = None,
        *,
        geometry: StripGeometry | None = None,
        policy: CharacterPolicy | None = None,
        style: RenderStyle | None = None,
        page: PageSettings | None = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
        character_prior: CharacterPrior | None = None,
        language: str | Sequence[str] | None = None,
        **settings: Unpack[ProcessorSettingsKwargs],
    ) -> None:
        if patch_size is not None:
            settings["patch_size"] = patch_size
        changes = {"geometry": geometry, "policy": policy, "style": style, "page": page, **settings}
        self._tokenizer = check_tokenizer(tokenizer)
        self._prior = check_prior(character_prior)
        self._language = check_language(language)
        self._replaced = ReplacedCharacters()
        self._notices: dict[str, str] = {}
        self._configure(atlases, ProcessorSettings().replace(changes))
        super().__init__()

    def _configure(self, atlases: Any, settings: ProcessorSettings) -> None:
        """Takes on glyphs and settings, all or none of them."""
        renderer = self._build_renderer(atlases, settings)
        check_chain([atlas.name for atlas in renderer.atlases], renderer.height, settings.geometry.patch_size)
        self._settings, self._renderer = settings, renderer
        self._reader: StripReader | None = None
        self._variants: dict[str, StripRenderer] = {}

    @staticmethod
    def _build_renderer(atlases: Any, settings: ProcessorSettings) -> StripRenderer:
        return build_renderer(atlases, settings.style, settings.unit_width, **asdict(settings.policy))

    patch_size: tuple[int, int] = _setting("patch_size", "geometry")
    num_channels: int = _setting("num_channels", "geometry")
    padding_side: str = _setting("padding_side", "geometry")
    model_max_patches: int | None = _setting("model_max_patches", "geometry")
    left_padding: int = _setting("left_padding", "geometry")
    right_padding: int = _setting("right_padding", "geometry")
    missing: str = _setting("missing", "policy")
    newline: str = _setting("newline", "policy")
    tab: str | int = _setting("tab", "policy")
    normalize: str | None = _setting("normalize", "policy")
    unsupported: str = _setting("unsupported", "policy")
    mode: str = _setting("mode", "style")
    text_color: Any = _setting("text_color", "style")
    background_color: Any = _setting("background_color", "style")
    letter_spacing: int = _setting("letter_spacing", "style")
    strategy: str = _setting("strategy", "style")
    unit_width: int | None = _setting("unit_width", "style")
    page_patch_size: tuple[int, int] | None = _setting("page_patch_size", "page")
    page_max_patches: int = _setting("page_max_patches", "page")
    page_std: DeviationKind = _setting("page_std", "page")

    @property
    def settings(self) -> ProcessorSettings:
        """Geometry, policy, style and pages."""
        return self._settings

    @property
    def atlases(self) -> tuple[str, ...]:
        """The names of the atlases and fonts, in the order in which they are asked; set as in the constructor."""
        return tuple(atlas.name for atlas in self._renderer.atlases)

    @atlases.setter
    def atlases(self, atlases: Any) -> None:
        self._configure(atlases, self._settings)

    def replace(self, **changes: Any) -> "PixelProcessor":
        """A processor like this one but for some arguments of the constructor.

        Args:
            changes: `atlases`, `tokenizer`, `character_prior`, `language`, `geometry`, `policy`, `style`, or single
                settings.

        Raises:
            TypeError: for an unknown argument.
            ValueError: as the constructor.
        """
        given = {
            "atlases": self._renderer.atlases,
            "tokenizer": self._tokenizer,
            "character_prior": self._prior,
            "language": self._language,
            **{part: getattr(self._settings, part) for part in PARTS},
        }
        processor = type(self)(**{**given, **changes})
        processor._notices = dict(self._notices)
        return processor

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
        return {**self.__dict__, "_reader": None, "_variants": {}}

    def __getattr__(self, name: str) -> Any:
        # Only called for what is not there; `hasattr` stays False.
        if name in TOKENIZER_ATTRIBUTES:
            raise AttributeError(
                f"{type(self).__name__} is no tokenizer and has no {name}: for pipelines use the tasks "
                "'pixel-text-generation', 'pixel-text-classification', 'pixel-token-classification' and "
                "'pixel-question-answering', pipeline(task, folder); for printing while writing PixelTextStreamer."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase | NoTokenizer:
        """The tokenizer, or a stand-in without special tokens: Trainer asks every processor for its tokenizer's."""
        return NoTokenizer() if self._tokenizer is None else self._tokenizer

    @tokenizer.setter
    def tokenizer(self, tokenizer: PreTrainedTokenizerBase | None) -> None:
        self._tokenizer = check_tokenizer(tokenizer)

    @property
    def character_prior(self) -> CharacterPrior | None:
        """What the reader knows of the language."""
        return self._prior

    @character_prior.setter
    def character_prior(self, prior: CharacterPrior | None) -> None:
        self._prior, self._reader = check_prior(prior), None

    @property
    def language(self) -> str | list[str] | None:
        """What strips are read as; set as in the constructor."""
        return self._language

    @language.setter
    def language(self, language: str | Sequence[str] | None) -> None:
        self._language, self._reader = check_language(language), None

    @property
    def replaced(self) -> ReplacedCharacters:
        """How many characters without a glyph were drawn as boxes, by calls and [`count_replaced`].

        `processor.replaced.report()` is a sentence for the end of a run, or `None`. Workers of a `DataLoader` count
        too.
        """
        return self._replaced

    def count_replaced(self, texts: Iterable[str]) -> None:
        """Adds to [`replaced`] what `renderer` has drawn of these texts, for who calls it past the processor."""
        if self._settings.policy.missing != "error":
            self._replaced.count(texts, self._renderer)

    @property
    def renderer(self) -> StripRenderer:
        """The strip renderer in use."""
        return self._renderer

    @property
    def reader(self) -> StripReader:
        """The strip reader for these atlases, built at first use."""
        if self._reader is None:
            self._reader = build_reader(self._renderer, prior=self._prior, language=self._language)
        return self._reader

    def check_model(self, config: Any) -> None:
        """Check that a model can read and write the strips of this processor.

        Args:
            config: a [`PixelARConfig`].

        Raises:
            ValueError: where they differ, or gray strips meet an autoregressive head (1-bit); names the way out.
        """
        check_model(self._settings.style, self.patch_size, self.num_channels, config)

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
            text: a text, or a list (tuple, dataset column) of texts; a list of (text, text) is a list of pairs. Images
                in first place are taken for `images`, and what follows them for the text.
            text_pair: second text of each row, after an EOS patch.
            images: strips of height H as PIL images, numpy arrays or torch tensors (`[H, W]`, `[C, H, W]`,
                `[H, W, C]`), or a list of these. With `text` as well, a row is the image, an EOS patch, the text.
            target_text: texts to be tokenised, one for each row; alone, or beside `text` or `images`. Needs a
                tokenizer.
            kwargs: see [`PixelProcessorKwargs`].

        Returns:
            `BatchFeature` with, always as a batch (unless `as_row`; then without the axis B):
            - `pixel_values`: float32 `[B, C, H, P * w]` in [0, 1], 1 = background; or uint8, see `dtype`.
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
        text, text_pair, images = _images_last(text, text_pair, images)
        options = LayoutOptions.from_kwargs(kwargs, self.model_max_patches, self.patch_size[1])
        if options.end_gap is not None and self.strategy != "continuous":
            raise ValueError(
                f"end_gap={options.end_gap} would move the units of strategy={self.strategy!r} off their patch "
                "borders; leave it out."
            )
        renderer = self._variant(options.missing)
        drawer = RowDrawer(self._padded(options.padding_side), renderer, options, self._tokenizer)
        tokens = None
        if target_text is not None:
            tokens = encode_targets(self._tokenizer, list_targets(target_text), options)
        has_rows = tokens is None or not (text is None and text_pair is None and images is None)
        rows = drawer.rows(text, text_pair, images) if has_rows else []
        if tokens is not None and rows and len(tokens) != len(rows):
            raise ValueError(f"{len(tokens)} target texts for {len(rows)} rows; give one for each row.")
        if renderer.policy.missing != "error":
            self._replaced.count(drawn_texts(rows), renderer)
        batch = drawer.batch(rows, tokens)
        if not options.as_row:
            return batch
        if not is_single(text, images, target_text):
            raise ValueError("as_row=True is for a single text or image, but this call has a batch.")
        return BatchFeature({key: values[0] for key, values in batch.items()})

    def _padded(self, side: str | None) -> ProcessorSettings:
        """The settings of a call that pads on a side of its own."""
        return self._settings if side is None else self._settings.replace({"padding_side": side})

    def _variant(self, missing: str | None) -> StripRenderer:
        """The renderer for a call that treats missing glyphs in a way of its own."""
        if missing is None or missing == self.missing:
            return self._renderer
        if missing not in self._variants:
            settings = self._settings.replace({"missing": missing})
            self._variants[missing] = self._build_renderer(self._renderer.atlases, settings)
        return self._variants[missing]

    def pad(
        self,
        features: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Brings rows of this processor to one length, as tokenizers do: what `DataCollatorWithPadding` calls.

        Args:
            features: rows, each as a call with `as_row=True` returns it or as a batch of one, also after a data set
                has turned it into lists; or one mapping with the columns of all rows. `pixel_values` are `[C, H, W]`,
                uint8 or in [0, 1]. `labels` and whatever else has an entry per position are padded with -100, single
                numbers become a vector.
            padding: `True` or `"longest"`; `"max_length"`; `False`: rows must be of one length already.
            max_length: patches of every row under `"max_length"`; default: `model_max_patches`.
            pad_to_multiple_of: rounds the number of patches up.
            padding_side: default: that of the processor.
            return_tensors: `"pt"`, `"np"` or `None` (lists).
            kwargs: `verbose` and `return_attention_mask` are taken and have no effect.

        Returns:
            `BatchFeature` as a call returns it. Pixels are uint8 if those of all rows are.

        Raises:
            TypeError: for features that are no mappings, or an unknown argument.
            ValueError: for rows that do not fit each other, with the index of the row and the name of the column.
        """
        check_names(set(kwargs) - {"verbose", "return_attention_mask"}, ("padding", "max_length"))
        padder = RowPadder(
            self._padded(padding_side),
            None if self._tokenizer is None else pad_token_id(self._tokenizer),
        )
        return padder.pad(features, padding, max_length, pad_to_multiple_of, return_tensors)

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
            text_part(
                strip, self._settings.style, geometry, is_left, mask, count, index, self.reader.eos_patches
            )
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
        if isinstance(scale, bool) or not isinstance(scale, int) or scale < 1:
            raise ValueError(f"scale must be an integer of at least 1, got {scale!r:.60}.")
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
        settings = {
            **self._settings.flat,
            "atlases": list(self.atlases),
            "processor_class": type(self).__name__,
        }
        if hasattr(self, "auto_map"):
            settings["auto_map"] = self.auto_map
        settings.update(drawing_settings(self._renderer))
        if self._prior is not None:
            settings["character_prior_sha256"] = self._prior.sha256
        if self._language is not None:
            settings["language"] = self._language
        if self._tokenizer is not None:
            settings["has_tokenizer"] = True
        return settings

    def save_pretrained(
        self, save_directory: str | os.PathLike, push_to_hub: bool = False, **kwargs: Any
    ) -> list[str]:
        """Saves processor_config.json and, beside it, one `.npz` file per atlas and the tokenizer's files.

        All files are written beside the old ones and take their place together, so that a full disk or a kill leaves an
        older processor as it was. The licence notices of bundled fonts are saved with them.

        Args:
            save_directory: folder, made where it is missing.
            push_to_hub: whether to upload the folder's files afterwards.
            kwargs: `repo_id` and further arguments of `push_to_hub`.

        Returns:
            The paths of the files written.

        Raises:
            OSError: where the files cannot be written.
        """
        with staged_folder(save_directory, last=[PROCESSOR_FILE]) as stage:
            super().save_pretrained(stage, push_to_hub=False)
            save_members(stage, self._renderer, self._prior, self._notices)
            if self._tokenizer is not None:
                self._tokenizer.save_pretrained(stage)
            names = [path.relative_to(stage) for path in sorted(stage.rglob("*")) if path.is_file()]
        if push_to_hub:
            # Not left to the parent class, which would upload before the atlases exist.
            self.push_to_hub(kwargs.pop("repo_id", Path(save_directory).name), **kwargs)
        return [str(Path(save_directory, name)) for name in names]

    @classmethod
    def register_for_auto_class(cls, auto_class: str = "AutoProcessor") -> None:
        """Makes `save_pretrained` write code beside the processor; for classes outside the installed package.

        Raises:
            ValueError: for the installed class, naming `export_remote_code`.
        """
        refuse_registration(cls)
        super().register_for_auto_class(auto_class)

    @classmethod
    def from_args_and_dict(cls, args: Any, processor_dict: dict[str, Any], **kwargs: Any) -> Any:
        """Builds a processor from its saved settings; see `ProcessorMixin`.

        Raises:
            TypeError: for an argument that is none but resembles one.
        """
        is_rest_wanted = kwargs.pop("return_unused_kwargs", False)
        known = (*_OBJECTS, *PARTS, *setting_names())
        for name in kwargs:
            # Loaders pass on what they have no use for; a mistyped setting must not be lost among it.
            if name not in known and is_near(name, known):
                check_names([name], known)
        given = {**processor_dict, **kwargs}
        notices, source = given.pop("notices", {}), given.pop("source", PROCESSOR_FILE)
        arguments = {name: given.pop(name) for name in known if name in given}
        # An argument of the caller's is no fault of the file's.
        with nullcontext() if set(kwargs) & set(known) else reading_file(source):
            processor = cls(*args, **arguments)
        processor._notices = notices
        return (processor, given) if is_rest_wanted else processor

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
        source = where if os.path.isfile(where) else os.path.join(where, PROCESSOR_FILE)
        with reading_file(source):
            settings, unused = super().get_processor_dict(pretrained_model_name_or_path, **kwargs)
            check_settings(settings, source)
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
            settings["notices"] = load_members(where, settings, "atlases" not in kwargs, hub_kwargs)
            prior_sha256 = settings.pop("character_prior_sha256", None)
            if prior_sha256 is not None and "character_prior" not in kwargs:
                settings["character_prior"] = load_prior(where, prior_sha256, hub_kwargs)
        if settings.pop("has_tokenizer", False) and "tokenizer" not in kwargs:
            settings["tokenizer"] = load_tokenizer(where, kwargs.get("trust_remote_code"), hub_kwargs)
        settings["source"] = source
        return settings, unused


def _images_last(text: Any, text_pair: Any, images: Any) -> tuple[Any, Any, Any]:
    """`(text, text_pair, images)` of a call that names the images first, as other processors take them."""
    if images is None and is_image(text):
        return text_pair, None, text
    return text, text_pair, images


def drawn_texts(rows: list[Row]) -> Iterator[str]:
    """The texts of rows, as far as they were drawn."""
    for row in rows:
        for _, segment in row.segments:
            if segment.strip is not None:
                yield segment.strip.text


__all__ = ["PixelProcessor"]
