# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The page model by itself: what must not matter does not, what must be refused is, and it learns."""

from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError
from tools.page import TINY, random_pages, tiny_page_model
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForImageTextToText,
    DataCollatorForSeq2Seq,
    EncoderDecoderCache,
    StaticCache,
)

from pixel_ar import PixelPageConfig, PixelPageForConditionalGeneration
from pixel_ar.models.page.layers import RelativeBias

LABELS = torch.tensor([[5, 9, 12, 4, 1], [7, 2, 1, -100, -100]])
LIMIT = 1e-5


@torch.no_grad()
def test_cached_steps_equal_the_whole() -> None:
    model = tiny_page_model()
    patches, mask = random_pages()
    ids = torch.randint(0, 31, (2, 14), generator=torch.Generator().manual_seed(3))
    whole = model(patches, mask, decoder_input_ids=ids).logits
    encoded = model.encoder(patches, mask)
    cache, parts = None, []
    for piece in ids.split([3, 1, 1, 5, 4], 1):  # farther than the last class of distances
        out = model(
            attention_mask=mask, encoder_outputs=encoded, decoder_input_ids=piece, cache=cache, use_cache=True
        )
        cache = out.cache
        parts.append(out.logits)
    assert out.past_key_values is cache
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=LIMIT, rtol=0)


@torch.no_grad()
def test_caches_of_fixed_size() -> None:
    model = tiny_page_model()
    patches, mask = random_pages()
    config = model.config.get_text_config(decoder=True)
    cache = EncoderDecoderCache(StaticCache(config, 20), StaticCache(config, patches.shape[1]))
    ids = torch.tensor([[0, 4, 5], [0, 8, 8]])
    first = model(patches, mask, decoder_input_ids=ids[:, :2], cache=cache).logits
    second = model(patches, mask, decoder_input_ids=ids[:, 2:], cache=cache).logits
    whole = model(patches, mask, decoder_input_ids=ids).logits
    torch.testing.assert_close(torch.cat([first, second], 1), whole, atol=LIMIT, rtol=0)
    options = {"max_new_tokens": 8, "attention_mask": mask}
    expected = model.generate(patches, **options)
    assert torch.equal(model.generate(patches, cache_implementation="static", **options), expected)


@torch.no_grad()
def test_attention_functions_agree_and_eager_gives_its_weights() -> None:
    model = tiny_page_model(attn_implementation="eager")
    patches, mask = random_pages()
    asked = {"output_attentions": True, "output_hidden_states": True}
    eager = model(patches, mask, labels=LABELS, **asked)
    model.set_attn_implementation("sdpa")
    sdpa = model(patches, mask, labels=LABELS)
    torch.testing.assert_close(eager.logits, sdpa.logits, atol=LIMIT, rtol=0)
    shapes = [
        (eager.encoder_attentions, (2, 3, 5, 5)),
        (eager.decoder_attentions, (2, 4, 5, 5)),
        (eager.cross_attentions, (2, 4, 5, 5)),
    ]
    for weights, shape in shapes:
        assert [tuple(layer.shape) for layer in weights] == [shape, shape]
        torch.testing.assert_close(weights[0].sum(-1), torch.ones(shape[:3]))
    assert len(eager.decoder_hidden_states) == len(eager.encoder_hidden_states) == 3
    # Nothing looks at padding or ahead.
    assert not eager.cross_attentions[0][1, :, :, 3:].any()
    assert not eager.decoder_attentions[0].triu(1).any()


@torch.no_grad()
def test_padding_of_pages_changes_nothing() -> None:
    model = tiny_page_model()
    patches, mask = random_pages((5, 3))
    both = model(patches, mask, labels=LABELS).logits
    alone = model(patches[1:, :3], labels=LABELS[1:]).logits
    torch.testing.assert_close(both[1:], alone, atol=LIMIT, rtol=0)
    # Without a mask, the rows of the patches tell.
    torch.testing.assert_close(model(patches, labels=LABELS).logits, both, atol=0, rtol=0)
    answers = model.generate(flattened_patches=patches, max_new_tokens=6)
    assert torch.equal(answers, model.generate(patches, attention_mask=mask, max_new_tokens=6))
    assert (answers[:, 0] == 0).all()


@torch.no_grad()
def test_later_tokens_do_not_reach_earlier_ones() -> None:
    model = tiny_page_model()
    patches, mask = random_pages()
    ids = torch.tensor([[0, 4, 5, 6], [0, 8, 8, 9]])
    before = model(patches, mask, decoder_input_ids=ids).logits
    ids[:, 2] = 17
    after = model(patches, mask, decoder_input_ids=ids).logits
    torch.testing.assert_close(before[:, :2], after[:, :2], atol=0, rtol=0)
    assert not torch.allclose(before[:, 2:], after[:, 2:])


@torch.no_grad()
def test_every_patch_and_its_place_reach_the_answer() -> None:
    model = tiny_page_model()
    patches, _ = random_pages((4,))
    ids = torch.tensor([[0, 4]])
    before = model(patches, decoder_input_ids=ids).logits
    for changed in range(4):
        for part in (0, 1, 2):
            other = patches.clone()
            other[0, changed, part] += 1
            assert not torch.allclose(model(other, decoder_input_ids=ids).logits, before)


def test_loss_is_the_mean_over_labels_and_honours_accumulation() -> None:
    model = tiny_page_model()
    patches, mask = random_pages()
    out = model(patches, mask, labels=LABELS)
    expected = torch.nn.functional.cross_entropy(out.logits.flatten(0, 1), LABELS.flatten())
    torch.testing.assert_close(out.loss, expected)
    halves = [
        model(
            patches[row : row + 1], mask[row : row + 1], labels=LABELS[row : row + 1], num_items_in_batch=8
        ).loss
        for row in (0, 1)
    ]
    torch.testing.assert_close(sum(halves), expected)
    assert model(patches, mask, labels=torch.full_like(LABELS, -100)).loss == 0


def test_what_the_decoder_reads() -> None:
    model = tiny_page_model()
    assert model.prepare_decoder_input_ids_from_labels(LABELS).tolist() == [[0, 5, 9, 12, 4], [0, 7, 2, 1, 0]]
    patches, mask = random_pages()
    given = model(
        patches,
        mask,
        decoder_input_ids=model.prepare_decoder_input_ids_from_labels(LABELS),
        decoder_attention_mask=torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]),
    )
    torch.testing.assert_close(given.logits, model(patches, mask, labels=LABELS).logits)

    class Tokenizer:
        padding_side, pad_token_id = "right", 0

        def pad(self, features: list, **kwargs: object) -> dict:
            return {"flattened_patches": torch.stack([item["flattened_patches"] for item in features])}

    collate = DataCollatorForSeq2Seq(Tokenizer(), model=model)  # type: ignore[arg-type]
    rows = [{"flattened_patches": patches[row], "labels": LABELS[row].tolist()} for row in (0, 1)]
    batch = collate(rows)
    assert batch["decoder_input_ids"].tolist() == [[0, 5, 9, 12, 4], [0, 7, 2, 1, 0]]


def test_checkpointing_computes_the_same_gradients() -> None:
    patches, mask = random_pages()
    gradients = []
    for checkpointed in (False, True):
        model = tiny_page_model().train()
        if checkpointed:
            enable = getattr(model, "activation_checkpointing_enable", None)  # its name from 5.24 on
            (enable or model.gradient_checkpointing_enable)()
        out = model(patches, mask, labels=LABELS, use_cache=True)
        assert (out.cache is None) == checkpointed
        out.loss.backward()
        gradients.append({name: weight.grad for name, weight in model.named_parameters()})
    for name, gradient in gradients[0].items():
        assert gradient is not None and gradient.any(), f"{name} learns nothing"
        torch.testing.assert_close(gradient, gradients[1][name])


@pytest.mark.parametrize("tied", [False, True])
def test_save_and_load_through_the_auto_classes(tmp_path: Path, tied: bool) -> None:
    model = tiny_page_model(tie_word_embeddings=tied)
    model.save_pretrained(tmp_path)
    patches, mask = random_pages()
    expected = model(patches, mask, labels=LABELS).logits
    assert isinstance(AutoConfig.from_pretrained(tmp_path), PixelPageConfig)
    for auto_class in (AutoModel, AutoModelForImageTextToText, PixelPageForConditionalGeneration):
        loaded, report = auto_class.from_pretrained(tmp_path, output_loading_info=True)
        assert isinstance(loaded, PixelPageForConditionalGeneration)
        assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
        torch.testing.assert_close(loaded(patches, mask, labels=LABELS).logits, expected, atol=0, rtol=0)
        assert (loaded.lm_head.weight is loaded.decoder.embed_tokens.weight) == tied


def test_vocabulary_can_grow() -> None:
    model = tiny_page_model()
    model.resize_token_embeddings(40)
    assert model.config.vocab_size == model.lm_head.out_features == 40
    patches, mask = random_pages()
    assert model(patches, mask, labels=LABELS + 8 * (LABELS > 0)).logits.shape == (2, 5, 40)


def test_it_overfits_two_pages() -> None:
    model = tiny_page_model(hidden_size=48, decoder_head_dim=12).train()
    patches, mask = random_pages(hidden_size=48, decoder_head_dim=12)
    optimizer = torch.optim.AdamW(model.parameters(), 6e-3)
    for _ in range(30):
        loss = model(patches, mask, labels=LABELS).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
    answers = model.eval().generate(patches, attention_mask=mask, max_new_tokens=8)
    assert [row[1 : row.index(1, 1) + 1] for row in answers.tolist()] == [[5, 9, 12, 4, 1], [7, 2, 1]]


@pytest.mark.parametrize(("buckets", "distance"), [(32, 128), (8, 20), (5, 9), (2, 3)])
def test_classes_of_distances(buckets: int, distance: int) -> None:
    bias = RelativeBias(buckets, distance, 2)
    found = bias.buckets(torch.arange(-3, 3 * distance)).tolist()
    exact = buckets // 2
    assert found[:3] == [0, 0, 0]
    assert found[3 : 3 + exact] == list(range(exact))
    assert found[3:] == sorted(found[3:])
    assert set(found[3 + distance :]) == {buckets - 1}


def test_what_does_not_fit_is_refused() -> None:
    model = tiny_page_model()
    patches, mask = random_pages()
    refused = [
        ({"flattened_patches": patches[..., :-1], "labels": LABELS}, r"row, column, 24 pixel values"),
        ({"flattened_patches": patches, "attention_mask": mask[:, :3], "labels": LABELS}, "attention_mask"),
        ({"flattened_patches": patches, "labels": LABELS + 40}, "vocabulary of 31"),
        ({"flattened_patches": patches, "labels": LABELS[0]}, r"integers \[batch, tokens\]"),
        ({"flattened_patches": patches}, "Pass labels, or exactly one"),
        ({"labels": LABELS}, "Pass flattened_patches"),
        ({"flattened_patches": patches[:1], "labels": LABELS}, "1 pages, but 2 rows"),
        ({"flattened_patches": patches, "decoder_input_ids": LABELS}, "decoder_input_ids hold -100"),
    ]
    for inputs, message in refused:
        with pytest.raises(ValueError, match=message):
            model(**inputs)
    far = patches.clone()
    far[0, 0, 1] = 12
    with pytest.raises(ValueError, match="row or column 12, but max_grid_size is 12"):
        model(far, labels=LABELS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch_size": None}, "give patch_size, or patch_length"),
        ({"patch_length": 25}, r"patch_length \(25\) is not that of patches"),
        ({"patch_size": (0, 4)}, "two positive integers"),
        ({"encoder_layers": 0}, "encoder_layers must be positive"),
        ({"relative_attention_max_distance": 3}, "smaller than relative_attention_max_distance"),
        ({"eos_token_id": 31}, "eos_token_id"),
        ({"encoder_atention_heads": 3}, "did you mean 'encoder_attention_heads'"),
        ({"decoder_layers": 1 << 20}, "decoder_layers"),
        ({"hidden_size": 1 << 23, "vocab_size": 1 << 23}, "weights of the layers"),
    ],
)
def test_configurations_that_no_model_has(changes: dict, message: str) -> None:
    with pytest.raises(Exception, match=message):
        PixelPageConfig(**{**TINY, **changes})


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"flattened_patches": [[1.0]]}, TypeError, "flattened_patches must be a torch.Tensor, got list"),
        ({"flattened_patches": torch.zeros(0, 3, 26)}, ValueError, "hold no patch: give at least one page"),
        ({"attention_mask": "all"}, TypeError, "attention_mask must be a torch.Tensor, got str"),
        ({"labels": torch.zeros(2, 0).long()}, ValueError, "labels must hold one token or more per row"),
        ({"labels": torch.zeros(2, 2).bool()}, ValueError, "labels must be integers"),
        (
            {"labels": None, "decoder_input_ids": torch.zeros(2)},
            ValueError,
            "decoder_input_ids must be integ",
        ),
        ({"decoder_attention_mask": torch.ones(2)}, ValueError, "decoder_attention_mask has shape"),
        ({"encoder_outputs": 2}, TypeError, "encoder_outputs must be an output of model.encoder"),
        (
            {"labels": None, "decoder_inputs_embeds": torch.zeros(2, 1, 5)},
            ValueError,
            "must be .batch, tokens, 24",
        ),
    ],
)
def test_inputs_of_another_kind_are_named(
    changes: dict[str, Any], kind: type[Exception], message: str
) -> None:
    patches, mask = random_pages((3, 3))
    inputs = {
        "flattened_patches": patches,
        "attention_mask": mask,
        "labels": torch.ones(2, 2, dtype=torch.long),
    }
    with pytest.raises(kind, match=message):
        tiny_page_model()(**{**inputs, **changes})


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"num_beams": 0}, ValueError, "num_beams must be an integer from 1"),
        (
            {"decoder_start_token_id": 10**30},
            ValueError,
            "decoder_start_token_id must be a token from 0 to 30",
        ),
        (
            {"decoder_attention_mask": True},
            TypeError,
            "decoder_attention_mask must be a torch.Tensor, got bool",
        ),
        ({"encoder_outputs": b"states"}, TypeError, "encoder_outputs must be"),
    ],
)
def test_options_of_another_kind_are_named(
    options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    patches, _ = random_pages((3,))
    with pytest.raises(kind, match=message):
        tiny_page_model().generate(flattened_patches=patches, max_new_tokens=1, **options)


def test_an_activation_that_nobody_knows_is_refused_with_the_nearest() -> None:
    with pytest.raises(StrictDataclassClassValidationError, match=r"not known \(did you mean 'gelu_new'\?\)"):
        tiny_page_model(encoder_hidden_act="gelu_nw")
