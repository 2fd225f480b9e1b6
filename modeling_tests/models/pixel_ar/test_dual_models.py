# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Models of patches and tokens: mixed sequences, their losses, and writing either kind after either kind."""

from typing import Any

import pytest
import torch
from tools.tiny import GROUPED

from pixel_ar import PixelARConfig, PixelARForCausalLM
from pixel_ar.modalities import PATCH, TOKEN

VOCABULARY, BOS, EOS, PAD = 23, 1, 2, 0


def build(seed: int = 0, **options: Any) -> PixelARForCausalLM:
    """A tiny dual-head model in float64, since tests compare decisions made along different ways."""
    torch.manual_seed(seed)
    fields: dict[str, Any] = {
        **GROUPED,
        "patch_size": (8, 8),
        "head_hidden_size": 16,
        "head_num_layers": 1,
        "head_num_attention_heads": 2,
        "vocab_size": VOCABULARY,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "pad_token_id": PAD,
        "initializer_range": 0.3,
    }
    config = PixelARConfig(**{**fields, **options})
    return PixelARForCausalLM(config).eval().to(torch.float64)


def strips(rows: int, patches: int, seed: int = 1, channels: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 2, (rows, channels, 8, 8 * patches), generator=generator).double()


def ids(rows: int, tokens: int, seed: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, VOCABULARY, (rows, tokens), generator=generator)


def pair_labels(patches: int, tokens: torch.Tensor) -> torch.Tensor:
    return torch.cat([torch.zeros(len(tokens), patches, dtype=torch.int64), tokens], dim=1)


HEADS = [
    {"patch_head": "autoregressive"},
    {"patch_head": "bernoulli"},
    {"patch_head": "regression", "num_channels": 3},
]
head_names = pytest.mark.parametrize("head", HEADS, ids=lambda head: head["patch_head"])


class TestForward:
    def test_explicit_modalities_equal_the_default_order(self) -> None:
        model, pixels, tokens = build(), strips(2, 4), ids(2, 3)
        order = torch.tensor([[PATCH] * 4 + [TOKEN] * 3] * 2)
        plain = model(pixel_values=pixels, input_ids=tokens, labels=pair_labels(4, tokens))
        named = model(
            pixel_values=pixels, input_ids=tokens, modality_ids=order, labels=pair_labels(4, tokens)
        )
        for field in ("loss", "patch_loss", "token_loss", "logits", "patch_logits"):
            assert torch.equal(plain[field], named[field]), field

    def test_interleaved_positions_take_the_next_patch_and_token(self) -> None:
        model, pixels, tokens = build(), strips(2, 3), ids(2, 3)
        order = torch.tensor(
            [[PATCH, TOKEN, TOKEN, PATCH, PATCH, TOKEN], [TOKEN, PATCH, TOKEN, PATCH, TOKEN, PATCH]]
        )
        merged, resolved = model.model.embed(pixels, tokens, order)
        patch_states, token_states = model.model.embed(pixels)[0], model.model.embed(input_ids=tokens)[0]
        assert torch.equal(resolved, order)
        for row in range(2):
            taken = {PATCH: iter(patch_states[row]), TOKEN: iter(token_states[row])}
            for position, kind in enumerate(order[row].tolist()):
                assert torch.equal(merged[row, position], next(taken[kind]))

    @head_names
    def test_losses_are_those_of_the_parts(self, head: dict) -> None:
        """A row of one modality has the loss it has in a pair whose other half comes later."""
        model = build(**head)
        pixels, tokens = strips(2, 5, channels=model.config.num_channels), ids(2, 4)
        pair = model(pixel_values=pixels, input_ids=tokens, labels=pair_labels(5, tokens))
        alone = model(pixel_values=pixels, labels=torch.zeros(2, 5, dtype=torch.int64))
        torch.testing.assert_close(pair.patch_loss, alone.patch_loss)
        assert alone.token_loss is None
        order = torch.tensor([[TOKEN] * 4 + [PATCH] * 5] * 2)
        turned = model(
            pixel_values=pixels,
            input_ids=tokens,
            modality_ids=order,
            labels=torch.cat([tokens, torch.zeros(2, 5, dtype=torch.int64)], dim=1),
        )
        text = model(input_ids=tokens, labels=tokens)
        torch.testing.assert_close(turned.token_loss, text.token_loss)
        assert text.patch_loss is None and text.patch_logits is None
        torch.testing.assert_close(pair.loss, pair.patch_loss + pair.token_loss)

    def test_weights_of_the_losses(self) -> None:
        model = build(patch_loss_weight=0.25, token_loss_weight=3.0)
        tokens = ids(2, 4)
        out = model(pixel_values=strips(2, 3), input_ids=tokens, labels=pair_labels(3, tokens))
        torch.testing.assert_close(out.loss, 0.25 * out.patch_loss + 3 * out.token_loss)

    def test_the_border_between_modalities_is_a_target_only_on_request(self) -> None:
        tokens = ids(1, 3)
        labels = pair_labels(2, tokens)
        only_first = labels.clone()
        only_first[:, :2], only_first[:, 3:] = -100, -100
        for across in (False, True):
            model = build(predict_across_modalities=across)
            loss = model(pixel_values=strips(1, 2), input_ids=tokens, labels=only_first).token_loss
            assert (float(loss.detach()) > 0) is across

    def test_padding_changes_nothing(self) -> None:
        model, pixels, tokens = build(), strips(2, 4), ids(2, 3)
        plain = model(pixel_values=pixels, input_ids=tokens, labels=pair_labels(4, tokens))
        padded_ids = torch.cat([tokens, torch.full((2, 2), PAD)], dim=1)
        mask = torch.tensor([[1] * 7 + [0] * 2] * 2)
        padded = model(
            pixel_values=pixels,
            input_ids=padded_ids,
            attention_mask=mask,
            labels=pair_labels(4, padded_ids),
        )
        torch.testing.assert_close(padded.loss, plain.loss)
        torch.testing.assert_close(padded.logits[:, :7], plain.logits)

    def test_a_cache_holds_both_kinds(self) -> None:
        model, pixels, tokens = build(), strips(2, 4), ids(2, 3)
        whole = model(pixel_values=pixels, input_ids=tokens)
        first = model(pixel_values=pixels, use_cache=True)
        second = model(input_ids=tokens, past_key_values=first.past_key_values, use_cache=True)
        torch.testing.assert_close(second.logits, whole.logits[:, 4:])

    def test_tied_tables_are_one(self, tmp_path: Any) -> None:
        model = build(tie_word_embeddings=True)
        assert model.token_head.weight is model.model.embed_tokens.weight
        model.save_pretrained(tmp_path)
        again = PixelARForCausalLM.from_pretrained(tmp_path, dtype=torch.float64)
        assert again.token_head.weight is again.model.embed_tokens.weight
        assert torch.equal(again.token_head.weight, model.token_head.weight)

    def test_resizing_the_vocabulary(self) -> None:
        model = build()
        model.resize_token_embeddings(VOCABULARY + 4)
        assert model.token_head.out_features == VOCABULARY + 4 == model.config.vocab_size
        assert model(input_ids=torch.tensor([[VOCABULARY + 3]])).logits.shape == (1, 1, VOCABULARY + 4)

    def test_a_vocabulary_that_is_not_there_is_not_resized(self) -> None:
        with pytest.raises(ValueError, match="vocab_size is None"):
            build(vocab_size=None, bos_token_id=None, eos_token_id=None).resize_token_embeddings(4)


class TestLikelihood:
    def test_of_tokens(self) -> None:
        model, tokens = build(), ids(2, 5)
        by_loss = -4 * torch.stack([model(input_ids=row[None], labels=row[None]).loss for row in tokens])
        torch.testing.assert_close(model.log_likelihood(input_ids=tokens), by_loss.float(), atol=1e-4, rtol=0)

    def test_of_a_pair_is_the_sum(self) -> None:
        model, pixels, tokens = build(), strips(2, 4), ids(2, 3)
        mask = torch.tensor([[1] * 7, [0, 1, 1, 1, 1, 1, 0]])
        both = model.log_likelihood(pixel_values=pixels, input_ids=tokens, attention_mask=mask)
        out = model(pixel_values=pixels, input_ids=tokens, attention_mask=mask)
        log_probs = out.logits.log_softmax(-1)
        for row, (first, last) in enumerate([(0, 7), (1, 6)]):
            hidden = model.model(pixels, mask, input_ids=tokens).last_hidden_state[row]
            patches = pixels[row].reshape(8, 4, 8).transpose(0, 1).reshape(4, 64)
            expected = model.patch_head.log_prob(hidden[first:3], patches[first + 1 : 4]).sum()
            for position in range(4, last - 1):
                expected = expected + log_probs[row, position, tokens[row, position + 1 - 4]]
            torch.testing.assert_close(both[row], expected.float(), atol=1e-4, rtol=0)


class TestGeneration:
    @head_names
    def test_patches_after_tokens(self, head: dict) -> None:
        """What is written equals drawing from the hidden states of the whole mixed sequence."""
        model, tokens = build(**head), ids(2, 5)
        sampler = "round" if head["patch_head"] == "regression" else None
        out = model.generate(
            input_ids=tokens,
            output_modality="pixel",
            max_new_patches=4,
            stop_at_eos=False,
            pixel_sampler=sampler,
            return_dict_in_generate=True,
        )
        assert out.pixel_values.shape == (2, model.config.num_channels, 8, 32)
        start = torch.zeros(2, model.config.num_channels, 8, 8, dtype=torch.float64)
        whole = torch.cat([start, out.pixel_values.double()], dim=-1)
        order = torch.tensor([[TOKEN] * 5 + [PATCH] * 5] * 2)
        states = model.model(pixel_values=whole, input_ids=tokens, modality_ids=order).last_hidden_state
        for step in range(4):
            options = {} if sampler is None else {"sampler": sampler}
            drawn = model.patch_head.sample(states[:, 5 + step], **options).patches
            written = out.pixel_values[..., step * 8 : (step + 1) * 8].permute(0, 2, 3, 1).flatten(1)
            assert torch.equal(drawn.double(), written.double())

    def test_rows_of_a_batch_equal_single_rows(self) -> None:
        model = build()
        tokens = ids(2, 5)
        mask = torch.tensor([[1] * 5, [0, 0, 1, 1, 1]])
        options = {"output_modality": "pixel", "max_new_patches": 3, "stop_at_eos": False}
        both = model.generate(input_ids=tokens, attention_mask=mask, **options)
        single = model.generate(input_ids=tokens[1:, 2:], **options)
        assert torch.equal(both[1:], single)

    def test_patches_after_tokens_and_patches(self) -> None:
        """A strip that has begun after tokens is continued, whatever way it got there."""
        model, tokens = build(), ids(1, 4)
        options = {"output_modality": "pixel", "stop_at_eos": False}
        longer = model.generate(input_ids=tokens, max_new_patches=5, **options)
        strip = torch.cat([torch.zeros(1, 1, 8, 8), longer[..., :16]], dim=-1)
        order = torch.tensor([[TOKEN] * 4 + [PATCH] * 3])
        again = model.generate(
            pixel_values=strip, input_ids=tokens, modality_ids=order, max_new_patches=3, **options
        )
        assert torch.equal(again[..., 8:], longer)

    def test_a_returned_cache_is_continued_without_the_tokens(self) -> None:
        model, tokens = build(), ids(2, 4)
        options = {"stop_at_eos": False, "return_dict_in_generate": True}
        longer = model.generate(input_ids=tokens, output_modality="pixel", max_new_patches=6, **options)
        first = model.generate(input_ids=tokens, output_modality="pixel", max_new_patches=2, **options)
        rest = model.generate(
            pixel_values=first.pixel_values,
            past_key_values=first.past_key_values,
            max_new_patches=4,
            **options,
        )
        assert torch.equal(rest.pixel_values, longer.pixel_values)

    def test_several_sequences_per_prompt(self) -> None:
        model, tokens = build(), ids(2, 4)
        options = {"output_modality": "pixel", "max_new_patches": 2, "stop_at_eos": False}
        once = model.generate(input_ids=tokens, **options)
        twice = model.generate(input_ids=tokens, num_return_sequences=2, do_sample=True, top_k=1, **options)
        assert torch.equal(twice, once.repeat_interleave(2, 0))

    @pytest.mark.parametrize("beams", [1, 3])
    def test_tokens_after_patches(self, beams: int) -> None:
        model, pixels = build(), strips(2, 4)
        out = model.generate(
            pixel_values=pixels,
            output_modality="token",
            max_new_tokens=5,
            num_beams=beams,
            eos_token_id=-1,
            pad_token_id=PAD,
            do_sample=False,
        )
        assert out.shape == (2, 5)
        tokens = torch.cat([torch.full((2, 1), BOS), out], dim=1)
        logits = model(pixel_values=pixels, input_ids=tokens).logits[:, 4:-1]
        greedy = logits.argmax(-1)
        if beams == 1:
            assert torch.equal(out, greedy)
        else:
            log_probs = logits.log_softmax(-1).gather(2, out[..., None]).sum((1, 2))
            plain = model.generate(
                pixel_values=pixels, output_modality="token", max_new_tokens=5, eos_token_id=-1
            )
            plain_ids = torch.cat([torch.full((2, 1), BOS), plain], dim=1)
            plain_logits = model(pixel_values=pixels, input_ids=plain_ids).logits[:, 4:-1].log_softmax(-1)
            assert bool((log_probs >= plain_logits.gather(2, plain[..., None]).sum((1, 2)) - 1e-9).all())

    def test_tokens_after_padded_patches_equal_single_rows(self) -> None:
        model, pixels = build(), strips(2, 4)
        mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
        options = {"output_modality": "token", "max_new_tokens": 4, "eos_token_id": -1}
        both = model.generate(pixel_values=pixels, attention_mask=mask, **options)
        single = model.generate(pixel_values=pixels[1:, ..., :16], **options)
        assert torch.equal(both[1:], single)

    def test_a_pair_is_continued_with_tokens(self) -> None:
        model, pixels, tokens = build(), strips(1, 3), torch.tensor([[BOS, 5, 6]])
        out = model.generate(pixel_values=pixels, input_ids=tokens, max_new_tokens=3, eos_token_id=-1)
        logits = model(pixel_values=pixels, input_ids=torch.cat([tokens, out], dim=1)).logits
        assert torch.equal(out, logits[:, 5:-1].argmax(-1))

    def test_texts_keep_the_habits_of_transformers(self) -> None:
        model, tokens = build(), ids(2, 4)
        plain = model.generate(tokens, max_new_tokens=4, eos_token_id=-1)
        named = model.generate(input_ids=tokens, max_new_tokens=4, eos_token_id=-1, use_cache=False)
        assert torch.equal(plain[:, :4], tokens)
        assert torch.equal(plain, named)
        torch.manual_seed(0)
        sampled = model.generate(tokens, max_new_tokens=4, do_sample=True, num_return_sequences=3)
        assert sampled.shape[0] == 6

    def test_pixel_generation_of_a_dual_model_is_that_of_its_pixels(self) -> None:
        model, pixels = build(), strips(2, 4)
        alone = build(vocab_size=None, bos_token_id=None, eos_token_id=None, pad_token_id=None)
        alone.load_state_dict({k: v for k, v in model.state_dict().items() if "token" not in k}, strict=True)
        assert torch.equal(
            model.generate(pixel_values=pixels, max_new_patches=3),
            alone.generate(pixel_values=pixels, max_new_patches=3),
        )


class TestBadInput:
    def test_errors_name_the_way_out(self) -> None:
        model, pixels, tokens = build(), strips(1, 3), ids(1, 3)
        alone = build(vocab_size=None, bos_token_id=None, eos_token_id=None, pad_token_id=None)
        with pytest.raises(ValueError, match="vocab_size is None"):
            alone(input_ids=tokens)
        with pytest.raises(ValueError, match="vocab_size is None"):
            alone.generate(pixel_values=pixels, output_modality="token")
        with pytest.raises(ValueError, match="input_ids: not supported"):
            alone.generate(pixel_values=pixels, input_ids=tokens)
        with pytest.raises(ValueError, match="4 tokens in one row, but 3 are given"):
            model(pixel_values=pixels, input_ids=tokens, modality_ids=torch.tensor([[0, 0, 0, 0, 1, 1]]))
        with pytest.raises(ValueError, match=r"0 .token. or 1 .patch."):
            model(pixel_values=pixels, input_ids=tokens, modality_ids=torch.tensor([[0, 0, 0, 2, 1, 1]]))
        with pytest.raises(ValueError, match="label 99 on a token position"):
            model(input_ids=tokens, labels=torch.tensor([[3, 99, 3]]))
        with pytest.raises(ValueError, match="input_ids hold 23, which is no id of the vocabulary of 23"):
            model(input_ids=torch.tensor([[3, 23]]))
        with pytest.raises(ValueError, match="input_ids are empty"):
            model(input_ids=torch.zeros(1, 0, dtype=torch.int64))
        with pytest.raises(ValueError, match="'text'"):
            model.generate(pixel_values=pixels, output_modality="text")
        with pytest.raises(ValueError, match="max_new_patches"):
            model.generate(pixel_values=pixels, output_modality="token", max_new_patches=3)
        with pytest.raises(ValueError, match="3 rows, but input_ids 1"):
            model(pixel_values=strips(3, 2), input_ids=tokens)
        with pytest.raises(ValueError, match="beam"):
            model.generate(pixel_values=pixels, num_beams=2, max_new_patches=2)
        with pytest.raises(ValueError, match="pixel_sampler='gray'"):
            model.generate(pixel_values=pixels, pixel_sampler="gray", max_new_patches=2)
        with pytest.raises(ValueError, match="bos_token_id is None"):
            build(bos_token_id=None).generate(pixel_values=pixels, output_modality="token")

    def test_a_row_of_padding_alone(self) -> None:
        with pytest.raises(ValueError, match="row 0 of the prompt"):
            build().generate(
                pixel_values=strips(1, 2),
                attention_mask=torch.zeros(1, 2, dtype=torch.int64),
                output_modality="token",
            )


def test_a_shorter_call_takes_a_static_cache_as_long_as_the_one_before() -> None:
    """Transformers keeps that length, and a compiled step, from call to call, so that nothing is compiled again."""
    model = build()
    options: dict[str, Any] = {"cache_implementation": "static", "return_dict_in_generate": True}
    lengths = []
    for new in (9, 4):
        output = model.generate(input_ids=ids(2, 3), max_new_tokens=new, min_new_tokens=new, **options)
        cache = output["cache"] if "cache" in output else output["past_key_values"]  # before 5.24
        lengths.append(cache.layers[0].max_cache_len)
    assert lengths[0] == lengths[1]
    assert model.main_input_name == "pixel_values"


def test_embedding_and_head_are_split_both_or_neither() -> None:
    plan = build(tie_word_embeddings=True).tp_plan
    assert ("token_head" in plan) == ("model.embed_tokens" in plan)
