# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""A page before a sequence: who sees whom, and that caches, padding and both kinds of answers agree with the whole."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from pixel_ar import PixelARConfig, PixelARForCausalLM, PixelProcessor
from pixel_ar.models.pixel_ar.patching import unpatchify

ROWS, COLUMNS = 3, 2
LIMIT = 2e-5
MODES = ("causal", "bidirectional")


def tiny(mode: str = "bidirectional", **changes: Any) -> PixelARForCausalLM:
    torch.manual_seed(0)
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "patch_size": (8, 10),
        "vocab_size": 40,
        "bos_token_id": 3,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "page_positions": (4, 5),
        "prefix_attention": mode,
        "initializer_range": 0.3,
        **changes,
    }
    return PixelARForCausalLM(PixelARConfig(**sizes)).eval()


def pages(batch: int = 2, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(batch, 1, ROWS * 8, COLUMNS * 10, generator=generator) < 0.7).float()


IDS = torch.tensor([[3, 7, 9, 11], [3, 8, 30, 2]])


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("mode", MODES)
@torch.no_grad()
def test_who_sees_whom(mode: str, attention: str) -> None:
    model = tiny(mode)
    model.set_attn_implementation(attention)
    page = pages()
    before = model.model(page_values=page, input_ids=IDS)
    changed = page.clone()
    changed[:, :, -8:, -10:] = 1 - changed[:, :, -8:, -10:]
    after = model.model(page_values=changed, input_ids=IDS)
    # The last patch of the page reaches the first in one mode alone, and every token in both.
    reached = not torch.allclose(before.page_hidden_state[:, 0], after.page_hidden_state[:, 0], atol=1e-4)
    assert reached == (mode == "bidirectional")
    assert (before.last_hidden_state - after.last_hidden_state).abs().amax(-1).min() > 1e-4
    # Nothing after the page reaches the page, and no token an earlier one.
    ids = IDS.clone()
    ids[:, 2] = 20
    other = model.model(page_values=page, input_ids=ids)
    torch.testing.assert_close(other.page_hidden_state, before.page_hidden_state, atol=LIMIT, rtol=0)
    torch.testing.assert_close(
        other.last_hidden_state[:, :2], before.last_hidden_state[:, :2], atol=LIMIT, rtol=0
    )
    assert not torch.allclose(other.last_hidden_state[:, 2:], before.last_hidden_state[:, 2:])


@torch.no_grad()
def test_attention_functions_agree() -> None:
    model, page = tiny(), pages()
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
    found = []
    for attention in ("eager", "sdpa"):
        model.set_attn_implementation(attention)
        found.append(model(page_values=page, page_attention_mask=mask, input_ids=IDS).logits)
    torch.testing.assert_close(*found, atol=LIMIT, rtol=0)


@pytest.mark.parametrize("mode", MODES)
@torch.no_grad()
def test_cached_steps_equal_the_whole(mode: str) -> None:
    model, page = tiny(mode), pages()
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
    given = {"page_values": page, "page_attention_mask": mask}
    whole = model(**given, input_ids=IDS).logits
    cache, parts = None, []
    for piece in IDS.split([2, 1, 1], 1):
        out = model(**given, input_ids=piece, cache=cache, use_cache=True)
        cache = out.cache
        parts.append(out.logits)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=LIMIT, rtol=0)


@pytest.mark.parametrize("mode", MODES)
@torch.no_grad()
def test_padding_changes_nothing(mode: str) -> None:
    model, page = tiny(mode), pages()
    shorter = page[1:, :, :16]  # two rows of three
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
    both = model(page_values=page, page_attention_mask=mask, input_ids=IDS).logits
    alone = model(page_values=shorter, input_ids=IDS[1:]).logits
    torch.testing.assert_close(both[1:], alone, atol=LIMIT, rtol=0)
    left = torch.tensor([[3, 7, 9, 11], [0, 0, 3, 8]])
    padded = model(
        page_values=page, input_ids=left, attention_mask=torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1]])
    ).logits
    plain = model(page_values=page[1:], input_ids=left[1:, 2:]).logits
    torch.testing.assert_close(padded[1:, 2:], plain, atol=LIMIT, rtol=0)


@torch.no_grad()
def test_places_tell_patches_apart() -> None:
    model = tiny()
    page = torch.ones(1, 1, 24, 20)
    page[:, :, :8, :10] = 0
    moved = torch.ones(1, 1, 24, 20)
    moved[:, :, 16:, 10:] = 0
    first, second = (model(page_values=each, input_ids=IDS[:1]).logits for each in (page, moved))
    assert not torch.allclose(first, second, atol=1e-4)
    # One row of a page is a strip but for its places.
    strip = model.model(page_values=pages()[:, :, :8], input_ids=IDS).last_hidden_state
    for table in (model.model.page_positions.rows, model.model.page_positions.columns):
        table.weight.zero_()
    model.config.prefix_attention = "causal"
    bare = model.model(page_values=pages()[:, :, :8], input_ids=IDS).last_hidden_state
    as_strip = model.model(pixel_values=pages()[:, :, :8], input_ids=IDS).last_hidden_state[:, COLUMNS:]
    torch.testing.assert_close(bare, as_strip, atol=LIMIT, rtol=0)
    assert not torch.allclose(strip, bare)


@pytest.mark.parametrize("mode", MODES)
def test_tokens_after_a_page(mode: str) -> None:
    model, page = tiny(mode), pages()
    options = {"max_new_tokens": 6, "output_modality": "token", "eos_token_id": None}
    ids = model.generate(page_values=page, **options)
    expected = torch.full((2, 1), 3)
    for _ in range(6):
        with torch.no_grad():
            logits = model(page_values=page, input_ids=expected).logits
        expected = torch.cat([expected, logits[:, -1:].argmax(-1)], 1)
    assert ids.tolist() == expected.tolist()
    assert torch.equal(model.generate(page_values=page, use_cache=False, **options), expected)
    beams = [
        model.generate(page_values=page, num_beams=3, use_cache=cached, **options) for cached in (True, False)
    ]
    assert torch.equal(*beams)
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
    both = model.generate(page_values=page, page_attention_mask=mask, **options)
    alone = model.generate(page_values=page[1:, :, :16], **options)
    assert torch.equal(both[1:], alone)
    prompted = model.generate(page_values=page, input_ids=expected[:, :3], **{**options, "max_new_tokens": 4})
    assert torch.equal(prompted, expected)


@pytest.mark.parametrize("mode", MODES)
def test_patches_after_a_page(mode: str) -> None:
    model, page = tiny(mode, predict_across_modalities=False), pages()
    options = {"max_new_patches": 4, "stop_at_eos": False, "output_modality": "pixel"}
    strips = model.generate(page_values=page, **options)
    assert strips.shape == (2, 1, 8, 40)
    # The same without a cache, patch by patch: after an EOS patch, which begins a document.
    drawn = torch.zeros(2, 1, 8, 10)
    for _ in range(4):
        with torch.no_grad():
            states = model.model(page_values=page, pixel_values=drawn).last_hidden_state[:, -1]
            patch = model.patch_head.sample(states).patches
        drawn = torch.cat([drawn, unpatchify(patch[:, None], (8, 10), 1)], -1)
    assert torch.equal(drawn[..., 10:], strips)
    # A row of a batch, and with padding of its page, as alone.
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
    both = model.generate(page_values=page, page_attention_mask=mask, **options)
    assert torch.equal(both[1:], model.generate(page_values=page[1:, :, :16], **options))
    assert torch.equal(both[:1], strips[:1])
    other = model.generate(page_values=1 - page, **options)
    assert not torch.equal(other, strips)
    # Begun strips are gone on with.
    more = model.generate(
        page_values=page, pixel_values=strips[..., :20], **{**options, "max_new_patches": 2}
    )
    assert more.shape == strips.shape and torch.equal(more[..., :20], strips[..., :20])
    repeated = model.generate(
        page_values=page, num_return_sequences=2, do_sample=True, temperature=1e-4, **options
    )
    assert torch.equal(repeated, strips.repeat_interleave(2, 0))


def test_losses_and_gradients() -> None:
    model, page = tiny(reading_slots=2, dense_reading_weight=0.5).train(), pages()
    labels = torch.tensor([[-100, 7, 9, 11], [-100, 8, 30, -100]])
    reading = torch.full((2, 6, 2), -100)
    reading[:, 0] = 5
    out = model(page_values=page, input_ids=IDS, labels=labels, reading_targets=reading, skip_logits=False)
    expected = torch.nn.functional.cross_entropy(out.logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
    torch.testing.assert_close(out.token_loss, expected)
    torch.testing.assert_close(out.loss, out.token_loss + 0.5 * out.reading_loss)
    out.loss.backward()
    for name in (
        "model.page_positions.rows.weight",
        "reading_head.weight",
        "model.embed_patches.projection.weight",
    ):
        gradient = model.get_parameter(name).grad
        assert gradient is not None and gradient.any(), name
    strips = model(
        page_values=page, pixel_values=pages(seed=4)[:, :, :8], labels=torch.zeros(2, COLUMNS).long()
    )
    assert strips.patch_loss > 0 and strips.token_loss is None
    strips.loss.backward()


@torch.no_grad()
def test_answers_about_a_page_are_scored() -> None:
    model, page = tiny(), pages()
    scores = model.log_likelihood(page_values=page, input_ids=IDS)
    logits = model(page_values=page, input_ids=IDS).logits[:, :-1].log_softmax(-1)
    expected = logits.gather(-1, IDS[:, 1:, None])[..., 0].sum(-1)
    torch.testing.assert_close(scores, expected, atol=1e-4, rtol=1e-5)
    assert not torch.allclose(scores, model.log_likelihood(page_values=1 - page, input_ids=IDS))


def test_it_learns_to_answer_from_the_page() -> None:
    """Four pages that differ in one patch, four answers; without the page nothing tells them apart."""
    model = tiny(initializer_range=0.1).train()
    page = torch.ones(4, 1, 24, 20)
    for row in range(4):
        page[row, :, 8 * (row // 2) : 8 * (row // 2) + 8, 10 * (row % 2) : 10 * (row % 2) + 10] = 0
    ids = torch.tensor([[3, 10 + row, 2] for row in range(4)])
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(60):
        loss = model(page_values=page, input_ids=ids, labels=ids).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
    answers = model.eval().generate(page_values=page, output_modality="token", max_new_tokens=2)
    assert torch.equal(answers, ids)


def test_save_load_and_pages_of_the_processor(tmp_path: Path) -> None:
    model = tiny(reading_slots=2)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert loaded.config.page_positions == (4, 5) and loaded.config.prefix_attention == "bidirectional"
    sheets = PixelProcessor(patch_size=(8, 10)).render_pages(
        ["two lines of text", "one"], width_patches=5, return_tensors="pt"
    )
    given = {"page_values": sheets["pixel_values"], "page_attention_mask": sheets["attention_mask"]}
    with torch.no_grad():
        logits = [each(**given, input_ids=IDS).logits for each in (model, loaded)]
    torch.testing.assert_close(*logits, atol=0, rtol=0)


def test_what_is_refused() -> None:
    model, page = tiny(), pages()
    for inputs, message in (
        ({"page_values": page[:, :, :20], "input_ids": IDS}, r"rows \* 8"),
        (
            {"page_values": torch.ones(2, 1, 40, 20), "input_ids": IDS},
            r"5 x 2 patches, but config.page_positions",
        ),
        ({"page_values": page[:1], "input_ids": IDS}, "1 pages, but 2 rows"),
        (
            {"page_values": page, "page_attention_mask": torch.ones(2, 5), "input_ids": IDS},
            "page_attention_mask",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            model(**inputs)
    with pytest.raises(ValueError, match="need a model for pages"):
        tiny("causal", page_positions=None)(page_values=page, input_ids=IDS)
    with pytest.raises(ValueError, match="does not count the patches of a page"):
        model.generate(page_values=page, output_modality="token", cache_implementation="static")
    for changes, message in (
        ({"page_positions": None}, "are about pages"),
        ({"page_positions": (0, 4)}, "two positive integers"),
        ({"reading_slots": 2, "vocab_size": None}, "need a vocab_size"),
    ):
        with pytest.raises(Exception, match=message):
            tiny(**changes)
