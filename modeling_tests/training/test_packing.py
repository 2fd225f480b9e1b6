# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Packing: every character of every document arrives, in order, in blocks of one length."""

import itertools

import numpy as np
import pytest
from datasets import Dataset

from pixel_ar import PixelProcessor
from pixel_ar.training import LanguageModelingCollator, PackedTextDataset

TEXTS = [
    "A short one.",
    "A longer document that certainly needs more than one block of eight patches to be written down.",
    "x",
    "Exactly thirty-two characters..!",  # eight patches: its EOS patch does not fit in the block
    "The last of them, of middling length.",
]


class Documents:
    """An unshuffled stream; remembers the epochs it was asked for."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts
        self.epochs: list[int] = []

    def set_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)

    def __iter__(self):
        return iter([{"text": text} for text in self.texts])


@pytest.fixture(scope="module", params=["fixed-8", "unifont-16"])
def processor(request) -> PixelProcessor:
    return PixelProcessor.from_preset(request.param)


def packed(
    processor: PixelProcessor, texts: list[str], blocks: int, max_rewind: int = 0, size: int = 8
) -> list[dict]:
    dataset = PackedTextDataset(
        Documents(texts), processor.renderer, processor.patch_size[1], size, max_rewind=max_rewind
    )
    return list(itertools.islice(dataset, blocks))


@pytest.mark.parametrize("max_rewind", [0, 3, 7])
def test_every_document_arrives_whole(processor: PixelProcessor, max_rewind: int) -> None:
    """Glueing the pieces at their overlaps gives the documents back."""
    pieces = [piece for block in packed(processor, TEXTS, 60, max_rewind) for piece in block["segments"]]
    position = 0
    for text in TEXTS:
        assert pieces[position] == text
        rest, seen = text, len(text)
        while (
            position + 1 < len(pieces)
            and text.endswith(pieces[position + 1])
            and pieces[position + 1] not in TEXTS
        ):
            position += 1
            assert len(pieces[position]) < seen, "a resumed document must move on"
            rest, seen = pieces[position], len(pieces[position])
        assert text.endswith(rest)
        position += 1


def test_collated_blocks_are_full_and_read_back(processor: PixelProcessor) -> None:
    blocks = packed(processor, TEXTS, 6)
    batch = LanguageModelingCollator(processor, block_patches=8)(blocks)
    height, width = processor.patch_size
    assert batch["pixel_values"].shape == (6, 1, height, 8 * width)
    assert batch["pixel_values"].dtype.is_floating_point is False
    assert batch["labels"].shape == batch["attention_mask"].shape == (6, 8)
    first = processor(text=[TEXTS[0]], return_tensors="np")["pixel_values"][0] * 255
    np.testing.assert_array_equal(batch["pixel_values"][0, :, :, : first.shape[-1]].numpy(), first)


def test_cut_text_resumes_at_the_character_the_cut_hit(processor: PixelProcessor) -> None:
    text = "abcdefghijklmnopqrstuvwxyz" * 4
    first, second = packed(processor, [text], 2)
    columns = processor.renderer.render(text).char_columns
    cut = 8 * processor.patch_size[1]
    resumed = len(text) - len(second["segments"][0])
    assert first["segments"] == [text]
    assert not first["is_complete"]
    assert columns[resumed] <= cut < columns[resumed + 1]


class TestShapedText:
    """Documents whose end comes first in the strip."""

    TEXT = " ".join(f"كلمة {number} في جملة طويلة من النص العربي" for number in range(12))

    @pytest.fixture
    def unifont(self) -> PixelProcessor:
        return PixelProcessor.from_preset("unifont-16")

    def test_pieces_fit_and_follow_each_other(self, unifont: PixelProcessor) -> None:
        blocks = packed(unifont, ["Latin first.", self.TEXT], 60, size=16)
        segments = [piece for block in blocks for piece in block["segments"]]
        assert segments[0] == "Latin first."
        assert "".join(segments[1:]).startswith(self.TEXT)
        assert all(unifont.renderer.measure(piece) <= 16 * 16 for piece in segments)
        assert not blocks[1]["is_complete"]
        assert all(piece.endswith(" ") for piece in blocks[1]["segments"])

    def test_blocks_show_their_pieces(self, unifont: PixelProcessor) -> None:
        blocks = packed(unifont, [self.TEXT], 3, size=16)
        batch = LanguageModelingCollator(unifont, block_patches=16)(blocks)
        assert batch["pixel_values"].shape == (3, 1, 16, 256)
        assert batch["attention_mask"].sum() < 48  # a piece leaves room at the end of its block
        assert ((batch["labels"] == 0) == (batch["attention_mask"] == 1)).all()
        for block, pixels, mask in zip(blocks, batch["pixel_values"], batch["attention_mask"], strict=True):
            (piece,) = block["segments"]
            drawn = unifont.renderer.render(piece).to_array()
            assert np.array_equal(pixels[0, :, : drawn.shape[1]], drawn)
            assert mask.sum() == -(-drawn.shape[1] // 16)

    def test_rewound_pieces_begin_with_a_word(self, unifont: PixelProcessor) -> None:
        blocks = packed(unifont, [self.TEXT], 40, max_rewind=7, size=16)
        pieces = [piece for block in blocks for piece in block["segments"]]
        words = self.TEXT.split(" ")
        assert {word for piece in pieces for word in piece.split()} == set(words)
        assert sum(map(len, pieces)) > len(self.TEXT)

    def test_a_block_that_cannot_hold_a_cluster(self, unifont: PixelProcessor) -> None:
        dataset = PackedTextDataset(Documents(["كلمة"]), unifont.renderer, 2, 2)
        with pytest.raises(ValueError, match="wider than a block of 2 patches"):
            next(iter(dataset))


def test_order_depends_on_the_seed_alone(processor: PixelProcessor) -> None:
    assert packed(processor, TEXTS, 20, 7) == packed(processor, TEXTS, 20, 7)


def test_documents_are_reshuffled_every_pass(processor: PixelProcessor) -> None:
    documents = Documents(["some text"])
    dataset = PackedTextDataset(documents, processor.renderer, processor.patch_size[1], 8)
    list(itertools.islice(dataset, 4))
    assert documents.epochs == list(range(len(documents.epochs)))
    assert len(documents.epochs) > 2


def test_an_empty_data_set_is_an_error(processor: PixelProcessor) -> None:
    with pytest.raises(ValueError, match="no documents"):
        packed(processor, [], 1)


def test_blank_documents_only_is_an_error_not_an_endless_loop(processor: PixelProcessor) -> None:
    with pytest.raises(ValueError, match="no documents with text"):
        packed(processor, ["", "  "], 1)


def test_tiny_blocks_are_refused(processor: PixelProcessor) -> None:
    with pytest.raises(ValueError, match=r"at least 2.*got 1"):
        PackedTextDataset(Documents(TEXTS), processor.renderer, 20, 1)


def test_streamed_hub_data_sets_fit(processor: PixelProcessor) -> None:
    stream = Dataset.from_dict({"text": TEXTS}).to_iterable_dataset().shuffle(seed=3, buffer_size=10)
    dataset = PackedTextDataset(stream, processor.renderer, processor.patch_size[1], 8)
    assert len(list(itertools.islice(dataset, 5))) == 5


class TestCollator:
    """Single texts."""

    def test_texts_are_padded_and_labelled(self, processor: PixelProcessor) -> None:
        batch = LanguageModelingCollator(processor)([{"text": TEXTS[0]}, {"text": TEXTS[1]}])
        mask = batch["attention_mask"]
        assert mask[0].sum() < mask[1].sum()
        assert batch["labels"][mask == 1].eq(0).all()
        assert batch["labels"][mask == 0].eq(-100).all()
        width = processor.patch_size[1]
        assert batch["pixel_values"][:, :, :, :width].eq(0).all()  # the start patch is ink
        assert batch["pixel_values"][0, :, :, mask[0].sum() * width :].eq(255).all()

    def test_missing_column(self, processor: PixelProcessor) -> None:
        with pytest.raises(KeyError, match=r"'text'.*'body'.*remove_unused_columns"):
            LanguageModelingCollator(processor)([{"body": "x"}])

    def test_blocks_need_their_length(self, processor: PixelProcessor) -> None:
        with pytest.raises(ValueError, match="block_patches"):
            LanguageModelingCollator(processor)([{"segments": ["x"], "is_complete": True}])


@pytest.mark.parametrize(
    "words", ["plain words of English", "कखगघ चछजझ", "\u0634\u062c\u0631\u0629 \u0648", "漢字仮名交じり文"]
)
def test_what_is_drawn_grows_with_the_document(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the text, at most about twice the characters drawn; counted, not timed."""
    processor = PixelProcessor(("unifont-16",), patch_size=(16, 16), unsupported="cells")
    renderer = processor.renderer
    drawn = []
    for name in ("render", "measure"):
        draw = getattr(renderer, name)
        monkeypatch.setattr(renderer, name, lambda text, draw=draw: drawn.append(len(text)) or draw(text))
    counts = []
    for size in (8000, 16000):
        drawn.clear()
        text = (words + " ") * (size // len(words))
        blocks = packed(processor, [text], 16, 0)
        pieces = []
        for block in blocks:
            pieces += block["segments"]
            if block["is_complete"]:
                break
        counts.append(sum(drawn))
        assert max(drawn) < 2000
    assert counts[1] < 2.2 * counts[0]


@pytest.mark.parametrize("strategy", ["word_pieces", "words", "mono"])
def test_text_in_units_is_cut_between_them(strategy: str) -> None:
    processor = PixelProcessor(patch_size=(8, 40), strategy=strategy, newline="symbol")
    texts = [
        "The internationalisation of the people, said he.\nAnd 123456 more  words than one block." * 3,
        "Ab.",
    ]
    dataset = PackedTextDataset(Documents(texts), processor.renderer, 40, 12)
    blocks = [block["segments"] for block in itertools.islice(dataset, 6)]
    shown = "".join(text for segments in blocks for text in segments)
    normal = "".join(processor.renderer.normalise(text) for text in texts)
    assert (normal * 9).startswith(shown)
    for segments in blocks[:3]:
        used = sum(-(-processor.renderer.measure(text) // 40) for text in segments) + len(segments) - 1
        assert used in (11, 12)
