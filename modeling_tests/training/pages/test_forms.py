# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Forms on pages: what is said of a page is what stands on it, and a model can learn from it."""

import json

import numpy as np
import pytest
import torch
from tools.page import TINY
from transformers import ByT5Tokenizer

from pixel_ar import (
    PixelARConfig,
    PixelARForCausalLM,
    PixelPageConfig,
    PixelPageForConditionalGeneration,
    PixelProcessor,
)
from pixel_ar.training import FormPages, PageCollator, PagePrefixCollator, score_pages
from pixel_ar.training.pages.forms import LAYOUTS
from pixel_ar.training.pages.page import shown_characters


@pytest.fixture(scope="module")
def processor() -> PixelProcessor:
    return PixelProcessor(page_patch_size=(8, 10), page_max_patches=100)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_page_says_what_its_target_says(processor: PixelProcessor, layout: str) -> None:
    pages = FormPages(processor.renderer, 30, layouts=[layout], alphabet="abc0123", value_length=(1, 4))
    tasks = set()
    for index in range(len(pages)):
        page = pages[index]
        tasks.add(page.task)
        expected = dict(page.fields)
        if page.task == "parse":
            assert json.loads(page.target) == expected
        else:
            asked = next(text for text in page.texts if tag_of(text) == "question")
            assert page.target == expected[asked.text.removesuffix("?")]
        keys = [text.text.removesuffix(":") for text in page.texts if tag_of(text) == "key"]
        values = [text.text for text in page.texts if tag_of(text) == "value"]
        assert dict(zip(keys, values, strict=True)) == expected
        # Each text can be read at the place that is said, and nothing else is drawn.
        rest = page.pixels.copy()
        if page.task == "question":
            assert not rest[8:16].any()
            rest[8:16] = 255
        for text in page.texts:
            rows, columns = (
                slice(text.top, text.top + 8),
                slice(text.left, text.left + int(text.spans[-1, 1])),
            )
            assert processor.decode((page.pixels[rows, columns] / 255).astype(np.float32)[None]) == text.text
            rest[rows, columns] = 255
        assert (rest == 255).all()
    assert tasks == {"parse", "question"}


def tag_of(text: object) -> str:
    return text.tag  # type: ignore[attr-defined, no-any-return]


def test_pages_are_the_same_every_time_and_differ_from_those_held_out(processor: PixelProcessor) -> None:
    first, again = (FormPages(processor.renderer, 20, seed=4) for _ in range(2))
    later = FormPages(processor.renderer, 20, seed=4, first=20)
    assert all(np.array_equal(first[i].pixels, again[i].pixels) for i in range(20))
    targets = {first[i].target for i in range(20)}
    assert not targets & {later[i].target for i in range(20) if later[i].task == "parse"}
    with pytest.raises(IndexError):
        first[20]


def test_patches_know_their_characters(processor: PixelProcessor) -> None:
    page = FormPages(processor.renderer, 1, seed=2)[0]
    shown = shown_characters(page, (8, 10))
    assert len(shown) == 8 * 12
    assert sorted("".join(map("".join, shown))) == sorted("".join(text.text for text in page.texts))
    tokenizer = ByT5Tokenizer(extra_ids=0)
    batch = PageCollator(processor, tokenizer, reading_slots=2)([page])
    assert batch["flattened_patches"].shape == (1, 96, 82)
    for labels, characters in zip(batch["reading_targets"][0].tolist(), shown, strict=True):
        assert tokenizer.decode([label for label in labels if label]) == "".join(characters)
    assert tokenizer.decode(batch["labels"][0].tolist(), skip_special_tokens=True) == page.target


def test_a_header_is_what_the_processor_prints(processor: PixelProcessor) -> None:
    """A user asks a form by `header=` and gives the model what it was trained on."""
    pages = [page for page in FormPages(processor.renderer, 12, seed=5) if page.task == "question"]
    assert pages
    options = {"resize": False, "num_channels": 1}
    bodies, headers = [page.body for page in pages], [page.header for page in pages]
    asked = processor.page_patches(bodies, header=headers, **options)
    trained = processor.page_patches([page.pixels for page in pages], **options)
    assert torch.equal(asked["flattened_patches"], trained["flattened_patches"])


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3)])
def test_a_renderer_of_levels_draws_the_same_forms(
    processor: PixelProcessor, mode: str, channels: int
) -> None:
    pages, gray = (
        FormPages(renderer, 6, seed=5) for renderer in (processor.renderer, PixelProcessor(mode="L").renderer)
    )
    assert {page.task for page in pages} == {"parse", "question"}
    for page, other in zip(pages, gray, strict=True):
        assert np.array_equal(page.pixels, other.pixels) and page.target == other.target


def test_what_is_crossed_out_is_told_and_not_shown(processor: PixelProcessor) -> None:
    options = {"tasks": ["parse"], "layouts": ["lines"], "seed": 1}
    plain = FormPages(processor.renderer, 20, **options)
    crossed = FormPages(processor.renderer, 20, crossed_out=0.5, **options)
    shares = []
    for page, whole in zip(crossed, plain, strict=True):
        assert page.target == whole.target
        hidden = [text for text in page.texts if text.is_crossed_out]
        assert {text.text.removesuffix(":") for text in hidden} & set(page.fields) <= page.crossed_out
        for text in page.texts:
            place = (slice(text.top, text.top + 8), slice(text.left, text.left + int(text.spans[-1, 1])))
            same = np.array_equal(page.pixels[place], whole.pixels[place])
            assert same is not text.is_crossed_out
        seen = "".join(map("".join, shown_characters(page, (8, 10))))
        assert sorted(seen) == sorted("".join(text.text for text in page.texts if not text.is_crossed_out))
        shares.append(len(hidden) / len(page.texts))
    assert 0.35 < sum(shares) / len(shares) < 0.65
    # Whoever reads the visible and guesses nothing is told so.
    answers = [
        json.dumps({key: value for key, value in page.fields.items() if key not in page.crossed_out})
        for page in crossed
    ]
    scores = score_pages(answers, list(crossed))
    assert scores["visible_recall"] == 1 and scores["crossed_out_recall"] == 0
    with pytest.raises(ValueError, match="crossed_out must lie"):
        FormPages(processor.renderer, crossed_out=-1)


def test_the_reading_loss_joins_the_other_and_is_asked_for(
    processor: PixelProcessor,
) -> None:
    tokenizer = ByT5Tokenizer(extra_ids=0)
    sizes = {**TINY, "patch_size": (8, 10), "max_grid_size": 16, "vocab_size": len(tokenizer)}
    torch.manual_seed(0)
    config = PixelPageConfig(**sizes, reading_slots=2, dense_reading_weight=0.5)
    model = PixelPageForConditionalGeneration(config).eval()
    pages = FormPages(processor.renderer, 4)
    batch = PageCollator(processor, tokenizer, reading_slots=2)([pages[index] for index in range(4)])
    out = model(**batch)
    plain = model(**{name: value for name, value in batch.items() if name != "reading_targets"})
    torch.testing.assert_close(out.loss, plain.loss + 0.5 * out.reading_loss)
    torch.testing.assert_close(out.logits, plain.logits)
    assert plain.reading_loss is None
    # Accumulated batches together weigh as one.
    count = int((batch["labels"] != -100).sum())
    torch.testing.assert_close(model(**batch, num_items_in_batch=2 * count).loss, out.loss / 2)
    with pytest.raises(ValueError, match="expected"):
        model(**{**batch, "reading_targets": batch["reading_targets"][:, :, :1]})
    headless = PixelPageForConditionalGeneration(PixelPageConfig(**sizes))
    with pytest.raises(ValueError, match=r"set config\.reading_slots"):
        headless(**batch)


def test_a_page_before_a_decoder(processor: PixelProcessor) -> None:
    tokenizer = ByT5Tokenizer(extra_ids=0)
    collate = PagePrefixCollator(processor, tokenizer, 1, reading_slots=2)
    pages = [FormPages(processor.renderer, 3)[index] for index in range(3)]
    batch = collate(pages)
    assert batch["page_values"].shape == (3, 1, 64, 120) and batch["page_values"].dtype == torch.uint8
    for row, page in enumerate(pages):
        count = int(batch["attention_mask"][row].sum())
        assert batch["input_ids"][row, 0] == 1 and batch["labels"][row, 0] == -100
        assert torch.equal(batch["input_ids"][row, 1:count], batch["labels"][row, 1:count])
        assert tokenizer.decode(batch["input_ids"][row, 1:count], skip_special_tokens=True) == page.target
    plain = PageCollator(processor, tokenizer, reading_slots=2)(pages)
    assert torch.equal(batch["reading_targets"], plain["reading_targets"])
    config = PixelARConfig(
        patch_size=(8, 10), hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=4,
        vocab_size=len(tokenizer), bos_token_id=1, page_positions=(8, 12), reading_slots=2, patch_head="bernoulli",
    )  # fmt: skip
    out = PixelARForCausalLM(config)(**batch)
    torch.testing.assert_close(out.loss, out.token_loss + out.reading_loss)
    with pytest.raises(ValueError, match="not all alike, gray, and whole patches"):
        collate([FormPages(processor.renderer, 1, size=(64, 125))[0]])


def test_patches_learn_to_read(processor: PixelProcessor) -> None:
    """The dense loss alone teaches a small encoder which characters patches show."""
    tokenizer = ByT5Tokenizer(extra_ids=0)
    torch.manual_seed(0)
    sizes = {
        **TINY,
        "patch_size": (8, 10),
        "max_grid_size": 16,
        "vocab_size": len(tokenizer),
        "hidden_size": 48,
    }
    model = PixelPageForConditionalGeneration(PixelPageConfig(**sizes, reading_slots=2))
    pages = FormPages(processor.renderer, 16, jitter=(8, 10))
    batch = PageCollator(processor, tokenizer, reading_slots=2)([pages[index] for index in range(16)])
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    losses = []
    for _ in range(60):
        loss = model(**batch).reading_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]


def test_scores(processor: PixelProcessor) -> None:
    pages = [FormPages(processor.renderer, 12, seed=3)[index] for index in range(12)]
    perfect = score_pages([page.target for page in pages], pages)
    assert set(perfect.values()) == {1.0} and "question_exact" in perfect
    parses = [page for page in pages if page.task == "parse"]
    swapped = [json.dumps(dict.fromkeys(page.fields, "?")) for page in parses]
    scores = score_pages(swapped, parses)
    assert scores == {"field_f1": 0.0, "key_f1": 1.0, "parse_exact": 0.0, "parsed": 1.0}
    assert score_pages(['{"a":', "[1]"] + ["x"] * (len(parses) - 2), parses)["parsed"] == 0
    with pytest.raises(ValueError, match="1 answers for"):
        score_pages(["a"], pages)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layouts": ["cards"]}, "layouts must be some of"),
        ({"tasks": []}, "tasks must be some of"),
        ({"fields": (2, 9)}, r"1 to 8 \(the keys\)"),
        ({"size": (40, 120)}, "may need 64 x"),
        ({"value_length": (3, 30)}, "but pages have 64 x 120"),
    ],
)
def test_forms_that_do_not_fit_are_refused(processor: PixelProcessor, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FormPages(processor.renderer, **options)
