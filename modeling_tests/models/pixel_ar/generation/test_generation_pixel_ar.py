# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""`generate` on patches: what is continued, from where, and that no shortcut changes the result."""

import copy
import pickle
from typing import Any

import pytest
import torch
from tools.generation import SIZES, build_model, continue_from, counted, force_eos, pad, random_strips
from transformers import CompileConfig, DynamicCache, StaticCache

from pixel_ar import PixelARForCausalLM
from pixel_ar.models.pixel_ar.generation.decoding import ContextLostError
from pixel_ar.models.pixel_ar.generation.generation_pixel_ar import PixelGenerateOutput
from pixel_ar.models.pixel_ar.layers import Attention
from pixel_ar.models.pixel_ar.patching import patchify, pixels_to_bytes, unpatchify


@pytest.fixture(scope="module")
def model() -> PixelARForCausalLM:
    """The 8x8 model, shared; tests that change a model take a copy."""
    return build_model()


# --- What comes back -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("patch_size", SIZES)
def test_returns_prompt_and_continuation(patch_size: tuple[int, int]) -> None:
    model, prompt = build_model(patch_size), random_strips(2, 3, patch_size)
    strips = model.generate(pixel_values=prompt, max_new_patches=4)
    assert strips.shape == (2, 1, patch_size[0], 7 * patch_size[1])
    assert strips.dtype == torch.float32
    assert set(strips.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(strips[..., : prompt.shape[-1]], prompt)
    drawn = strips[..., prompt.shape[-1] :]
    assert not torch.equal(drawn[0], drawn[1])  # a model whose output ignores its input would pass most tests
    assert not torch.equal(drawn[..., : patch_size[1]], drawn[..., patch_size[1] : 2 * patch_size[1]])


def test_output_dict(model: PixelARForCausalLM) -> None:
    out = model.generate(
        random_strips(2, 3),
        max_new_tokens=4,
        return_dict_in_generate=True,
        output_scores=True,
        output_logits=True,
        output_hidden_states=True,
    )
    assert isinstance(out, PixelGenerateOutput)
    assert out.pixel_values.shape == (2, 1, 8, 56)
    assert out.attention_mask.tolist() == [[1] * 7] * 2
    assert out.sequences.shape == (2, 7)
    assert out.num_columns.tolist() == [56, 56]
    assert len(out.scores) == len(out.logits) == len(out.hidden_states) == 4
    assert out.scores[0].shape == out.logits[0].shape == (2, 8, 256)
    assert [state.shape for state in out.hidden_states[0]] == [(2, 3, 32)] * 3
    assert [state.shape for state in out.hidden_states[1]] == [(2, 1, 32)] * 3
    assert out.past_key_values.get_seq_length() == 6
    assert out.attentions is None


def test_attentions_of_eager_model() -> None:
    model = build_model(attn_implementation="eager")
    out = model.generate(
        random_strips(2, 3), max_new_patches=2, output_attentions=True, return_dict_in_generate=True
    )
    assert [layer.shape for layer in out.attentions[0]] == [(2, 2, 3, 3)] * 2
    assert [layer.shape for layer in out.attentions[1]] == [(2, 2, 1, 4)] * 2


def test_greedy_takes_the_likeliest_bytes(model: PixelARForCausalLM) -> None:
    prompt = random_strips(2, 3)
    strips = model.generate(prompt, max_new_patches=5)
    states = model.model(pixel_values=strips).last_hidden_state[:, 2:-1]
    drawn = pixels_to_bytes(strips, (8, 8))[:, 3:]
    logits = model.patch_head.byte_logits(states.flatten(0, 1), drawn.flatten(0, 1))
    assert torch.equal(logits.argmax(-1), drawn.flatten(0, 1))


def test_scores_are_processed_logits(model: PixelARForCausalLM) -> None:
    out = model.generate(
        random_strips(1, 2),
        max_new_patches=2,
        do_sample=True,
        temperature=0.5,
        top_k=3,
        output_scores=True,
        output_logits=True,
        return_dict_in_generate=True,
        generator=torch.Generator().manual_seed(0),
    )
    kept = torch.isfinite(out.scores[0])
    assert kept.sum(-1).eq(3).all()
    assert torch.allclose(out.scores[0][kept], out.logits[0][kept] / 0.5)
    drawn = pixels_to_bytes(out.pixel_values, (8, 8))[:, 2]
    assert torch.isfinite(out.scores[0].gather(-1, drawn[..., None])).all()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.float64])
def test_prompt_types(model: PixelARForCausalLM, dtype: torch.dtype) -> None:
    prompt = random_strips(2, 3)
    other = prompt * 255 if dtype == torch.uint8 else prompt
    expected = model.generate(prompt, max_new_patches=2)
    assert torch.equal(model.generate(other.to(dtype), max_new_patches=2), expected)


def test_bfloat16_model() -> None:
    strips = build_model().to(torch.bfloat16).generate(random_strips(2, 3), max_new_patches=2, do_sample=True)
    assert strips.dtype == torch.float32
    assert strips.shape[-1] == 40


def test_works_in_inference_mode(model: PixelARForCausalLM) -> None:
    prompt = random_strips(2, 3)
    expected = model.generate(prompt, max_new_patches=3)
    with torch.inference_mode():
        assert torch.equal(model.generate(prompt, max_new_patches=3), expected)
    assert not expected.requires_grad


# --- Same result by another way --------------------------------------------------------------------------------------


@pytest.mark.parametrize("patch_size", SIZES)
@pytest.mark.parametrize("options", [{"use_cache": False}, {"cache_implementation": "static"}])
def test_caches_change_nothing(patch_size: tuple[int, int], options: dict[str, Any]) -> None:
    model, prompt = build_model(patch_size), random_strips(3, 4, patch_size)
    columns = torch.tensor([4, 4, 4]) * patch_size[1] - torch.tensor([0, 1, 5])
    for num_columns in (None, columns):
        inputs = {"pixel_values": prompt, "num_columns": num_columns, "max_new_patches": 9}
        assert torch.equal(model.generate(**inputs), model.generate(**inputs, **options))


def test_own_caches(model: PixelARForCausalLM) -> None:
    prompt = random_strips(2, 3)
    expected = model.generate(prompt, max_new_patches=5)
    for cache in (DynamicCache(config=model.config), StaticCache(config=model.config, max_cache_len=12)):
        assert torch.equal(model.generate(prompt, max_new_patches=5, past_key_values=cache), expected)
        assert cache.get_seq_length() == 7


def test_compiled_decoder() -> None:
    graphs: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Any:
        graphs.append(len(inputs))
        return graph.forward

    model, prompt = build_model(), random_strips(2, 3)
    options = {
        "max_new_patches": 4,
        "cache_implementation": "static",
        "compile_config": CompileConfig(backend=backend, fullgraph=True, mode=None),
    }
    assert torch.equal(model.generate(prompt, **options), model.generate(prompt, max_new_patches=4))
    assert len(graphs) == 1  # the decoder's step with the head's patch
    model.generate(prompt, **options)
    assert len(graphs) == 1  # the cache, and with it the compiled code, serves the next call
    # Nothing compiled is bound to the model: a copy draws with its own weights, and both can be pickled.
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.model.layers[0].mlp.up_proj.weight.mul_(-1)
    expected = other.generate(prompt, max_new_patches=4)
    assert not torch.equal(expected, model.generate(prompt, max_new_patches=4))
    assert torch.equal(other.generate(prompt, **options), expected)
    model.model = other.model
    swapped = pickle.loads(pickle.dumps(model)).generate(prompt, max_new_patches=4)
    assert torch.equal(model.generate(prompt, **options), swapped)


def test_a_lost_context_is_an_error(model: PixelARForCausalLM, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a release passes the cache under another name, and no layer fills it."""
    forward = Attention.forward
    monkeypatch.setattr(
        Attention, "forward", lambda self, *args, **kwargs: forward(self, *args[:3], **kwargs)
    )
    with pytest.raises(ContextLostError, match=r"holds 0 positions, but 3 were read.*transformers 5\."):
        model.generate(random_strips(2, 3), max_new_patches=2)
    assert model.generate(random_strips(2, 3), max_new_patches=2, use_cache=False).shape[-1] == 40


@pytest.mark.parametrize("patch_size", SIZES)
def test_float32(patch_size: tuple[int, int]) -> None:
    model, width = build_model(patch_size).float(), patch_size[1]
    rows = [random_strips(1, count, patch_size, seed=count) for count in (2, 4)]
    strips, mask = pad(rows, "right", width)
    inputs = {"pixel_values": strips, "attention_mask": mask, "max_new_patches": 4}
    out = model.generate(**inputs, output_logits=True, return_dict_in_generate=True)
    for logits in out.logits:
        best = logits.topk(2).values
        assert (best[..., 0] - best[..., 1]).min() > 3e-4  # else this seed says nothing
    for options in ({"use_cache": False}, {"cache_implementation": "static"}):
        assert torch.equal(model.generate(**inputs, **options), out.pixel_values)
    for index, row in enumerate(rows):
        single = model.generate(row, max_new_patches=4)
        assert torch.equal(single, out.pixel_values[index : index + 1, ..., : single.shape[-1]])


@pytest.mark.parametrize("side", ["left", "right", "middle"])
@pytest.mark.parametrize("use_cache", [True, False])
def test_batch_equals_single_rows(model: PixelARForCausalLM, side: str, use_cache: bool) -> None:
    rows = [random_strips(1, count, seed=count) for count in (1, 3, 6, 4)]
    strips, mask = pad(rows, side, extra=1)
    # Whole last patches and unfinished ones in one batch, among them a row that is nothing but an unfinished patch.
    num_columns = torch.tensor([3, 24, 48 - 5, 32])
    options = {"max_new_patches": 7, "use_cache": use_cache}
    out = model.generate(
        strips, attention_mask=mask, num_columns=num_columns, return_dict_in_generate=True, **options
    )
    assert out.pixel_values.shape[-1] == (6 + 7) * 8
    for index, row in enumerate(rows):
        single = model.generate(row, num_columns=num_columns[index : index + 1], **options)
        length = single.shape[-1]
        assert length == row.shape[-1] + 7 * 8
        assert torch.equal(out.pixel_values[index : index + 1, ..., :length], single)
        assert out.pixel_values[index, ..., length:].eq(1).all()
        assert out.attention_mask[index].tolist() == [1] * (length // 8) + [0] * (13 - length // 8)
        assert out.num_columns[index] == length


def test_eager_attention_equals_sdpa() -> None:
    strips, mask = pad([random_strips(1, 2), random_strips(1, 4)], "right")
    inputs = {"pixel_values": strips, "attention_mask": mask, "num_columns": [13, 32], "max_new_patches": 1}
    options = {"output_logits": True, "return_dict_in_generate": True}
    # float32: Transformers' eager attention computes its softmax in it, which float64's masks overflow.
    sdpa, eager = (
        build_model(attn_implementation=name).float().generate(**inputs, **options).logits[0]
        for name in ("sdpa", "eager")
    )
    assert torch.allclose(eager, sdpa, atol=1e-4)


def test_padding_content_does_not_matter(model: PixelARForCausalLM) -> None:
    strips, mask = pad([random_strips(1, 2), random_strips(1, 4)], "right")
    expected = model.generate(strips, attention_mask=mask, max_new_patches=3)
    strips[0, ..., 16:] = 0
    assert torch.equal(model.generate(strips, attention_mask=mask, max_new_patches=3), expected)


# --- Unfinished last patch -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("patch_size", SIZES)
def test_unfinished_patch_is_completed_in_place(patch_size: tuple[int, int]) -> None:
    model, width = build_model(patch_size), patch_size[1]
    prompt = random_strips(2, 3, patch_size)
    num_columns = torch.tensor([2 * width + 3, 2 * width + 1])
    strips = model.generate(prompt, num_columns=num_columns, max_new_patches=2)
    assert strips.shape[-1] == 5 * width  # the completed patch is not a new one
    for row, columns in enumerate(num_columns.tolist()):
        assert torch.equal(strips[row, ..., :columns], prompt[row, ..., :columns])
    # The same as asking the head to continue the prefix from the state before it.
    states = model.model(pixel_values=prompt[..., : 2 * width]).last_hidden_state[:, -1]
    prefix = patchify(prompt, patch_size)[:, 2]
    sample = model.patch_head.sample(states, prefix=prefix, prefix_columns=num_columns - 2 * width)
    completed = unpatchify(sample.patches[:, None], patch_size, 1)
    assert torch.equal(strips[..., 2 * width : 3 * width], completed)
    # What lies behind the written columns is not read.
    changed = prompt.clone()
    for row, columns in enumerate(num_columns.tolist()):
        changed[row, ..., columns:] = 0
    assert torch.equal(model.generate(changed, num_columns=num_columns, max_new_patches=2), strips)


def test_completing_is_the_same_for_every_seed_only_if_greedy(model: PixelARForCausalLM) -> None:
    prompt = random_strips(1, 2)
    drawn = {
        tuple(
            model.generate(
                prompt,
                num_columns=[11],
                max_new_patches=1,
                do_sample=True,
                top_k=0,
                generator=torch.Generator().manual_seed(seed),
            )
            .flatten()
            .tolist()
        )
        for seed in range(4)
    }
    assert len(drawn) == 4


def test_gray_prefix_is_kept(model: PixelARForCausalLM) -> None:
    prompt = random_strips(1, 2) * 0.5 + 0.125
    strips = model.generate(prompt, num_columns=[12], max_new_patches=1)
    assert torch.equal(strips[..., :12], prompt[..., :12])


# --- Beginning of a document -----------------------------------------------------------------------------------------


def test_without_prompt_a_document_begins(model: PixelARForCausalLM) -> None:
    strips = model.generate(max_new_patches=4)
    assert strips.shape == (1, 1, 8, 32)
    eos = torch.zeros(1, 1, 8, 8)
    assert torch.equal(model.generate(eos, max_new_patches=4)[..., 8:], strips)
    many = model.generate(
        max_new_patches=2, num_return_sequences=3, do_sample=True, generator=torch.Generator().manual_seed(0)
    )
    assert many.shape == (3, 1, 8, 16)


def test_unfinished_first_patch_begins_a_document(model: PixelARForCausalLM) -> None:
    prompt = random_strips(1, 1)
    strips = model.generate(prompt, num_columns=[5], max_new_patches=3)
    assert strips.shape[-1] == 32
    with_eos = torch.cat([torch.zeros(1, 1, 8, 8), prompt], dim=-1)
    assert torch.equal(model.generate(with_eos, num_columns=[13], max_new_patches=3)[..., 8:], strips)


def test_empty_row_in_a_batch(model: PixelARForCausalLM) -> None:
    strips, mask = torch.ones(2, 1, 8, 16), torch.tensor([[0, 0], [1, 1]])
    strips[1] = random_strips(1, 2)
    out = model.generate(strips, attention_mask=mask, num_columns=[0, 16], max_new_patches=3)
    assert torch.equal(out[:1, ..., :24], model.generate(max_new_patches=3))
    assert torch.equal(out[1:], model.generate(strips[1:], max_new_patches=3))


# --- Continuing from a cache -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("static", [False, True])
def test_continue_from_cache(model: PixelARForCausalLM, static: bool) -> None:
    prompt = random_strips(2, 4)
    cache = StaticCache(config=model.config, max_cache_len=20) if static else None
    out = model.generate(prompt, max_new_patches=3, past_key_values=cache, return_dict_in_generate=True)
    reads, remove = counted(model)
    strips = continue_from(model, out, max_new_patches=4)
    remove()
    assert reads == [1] * 4  # nothing was read twice
    assert torch.equal(strips, model.generate(prompt, max_new_patches=7))


def test_continue_ragged_rows_from_cache() -> None:
    rows = [random_strips(1, count, seed=count) for count in (2, 5, 1)]
    strips, mask = pad(rows, "right")
    columns = [16, 36, 6]
    model = build_model()
    force_eos(model, [2, None, None])  # the first row stops early and is continued after its EOS patch
    out = model.generate(
        strips, attention_mask=mask, num_columns=columns, max_new_patches=5, return_dict_in_generate=True
    )
    assert out.attention_mask.sum(-1).tolist() == [5, 10, 6]
    model = build_model()
    reads, remove = counted(model)
    both = continue_from(model, out, max_new_patches=6)
    remove()
    assert reads == [1] * 6
    for index, length in enumerate(out.num_columns.tolist()):
        start = out.pixel_values[index : index + 1, ..., :length]
        # The last row began a document, so the EOS patch before it is still part of its context.
        hidden = [torch.zeros(1, 1, 8, 8)] if index == 2 else []
        expected = model.generate(torch.cat([*hidden, start], dim=-1), max_new_patches=6)[
            ..., 8 * len(hidden) :
        ]
        assert torch.equal(both[index : index + 1, ..., : length + 48], expected)


def test_continue_with_more_text(model: PixelARForCausalLM) -> None:
    rows = [random_strips(1, 3, seed=3), random_strips(1, 5, seed=5)]
    strips, mask = pad(rows, "right")
    out = model.generate(strips, attention_mask=mask, max_new_patches=3, return_dict_in_generate=True)
    longer = [
        torch.cat(
            [out.pixel_values[index : index + 1, ..., : (count + 3) * 8], random_strips(1, more, seed=9)],
            dim=-1,
        )
        for index, (count, more) in enumerate([(3, 4), (5, 1)])
    ]
    for side in ("right", "left"):
        strips, mask = pad(longer, side)
        columns = [longer[0].shape[-1] - 3, longer[1].shape[-1]]
        options = {"attention_mask": mask, "num_columns": columns, "max_new_patches": 4}
        cached = model.generate(strips, past_key_values=copy.deepcopy(out.past_key_values), **options)
        assert torch.equal(cached, model.generate(strips, **options))


def test_prefix_cache_of_a_forward_pass(model: PixelARForCausalLM) -> None:
    prompt = random_strips(2, 6)
    expected = model.generate(prompt, max_new_patches=3)
    for cached in (3, 5, 6):  # 6: the last patch must be read again
        cache = model(prompt[..., : cached * 8], use_cache=True).past_key_values
        assert torch.equal(model.generate(prompt, past_key_values=cache, max_new_patches=3), expected)
    cache = model(prompt, use_cache=True).past_key_values
    options = {"num_columns": [45, 48], "max_new_patches": 3}
    assert torch.equal(
        model.generate(prompt, past_key_values=cache, **options), model.generate(prompt, **options)
    )


def test_prefix_cache_of_padded_rows(model: PixelARForCausalLM) -> None:
    strips, mask = pad([random_strips(1, 3), random_strips(1, 5)], "left")
    cache = model(
        strips[..., :32],
        attention_mask=mask[:, :4],
        use_cache=True,
        position_ids=(mask.cumsum(-1) - 1).clamp(0)[:, :4],
    )
    out = model.generate(
        strips, attention_mask=mask, past_key_values=cache.past_key_values, max_new_patches=3
    )
    assert torch.equal(out, model.generate(strips, attention_mask=mask, max_new_patches=3))


def test_cache_errors(model: PixelARForCausalLM) -> None:
    prompt = random_strips(2, 4)
    out = model.generate(prompt, max_new_patches=3, return_dict_in_generate=True)
    with pytest.raises(ValueError, match="pass the whole strips"):
        model.generate(prompt[..., :8], past_key_values=out.past_key_values, max_new_patches=1)
    with pytest.raises(ValueError, match="filled for 2 rows, but there are 3"):
        model.generate(random_strips(3, 9), past_key_values=out.past_key_values, max_new_patches=1)
    with pytest.raises(ValueError, match="pass its pixel_values"):
        model.generate(past_key_values=out.past_key_values, max_new_patches=1)
    with pytest.raises(ValueError, match="room for 5 patches, but 6 are needed"):
        cache = StaticCache(config=model.config, max_cache_len=5)
        model.generate(prompt, past_key_values=cache, max_new_patches=3)
    with pytest.raises(ValueError, match="use_cache=True"):
        model.generate(prompt, past_key_values=DynamicCache(), use_cache=False, max_new_patches=1)
    plain = model(prompt, use_cache=True).past_key_values
    with pytest.raises(ValueError, match="hold 4 patches, but the strips only 2"):
        model.generate(prompt[..., :16], past_key_values=plain, max_new_patches=1)
