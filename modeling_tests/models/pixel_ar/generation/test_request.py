# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""`generate` on patches: its options, from stopping and sampling to streamers, and its errors."""

import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tools.generation import (
    SIZES,
    Recorder,
    always_eos,
    build_model,
    force_eos,
    is_eos,
    pad,
    random_strips,
)
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
    set_seed,
)

from pixel_ar import PixelARForCausalLM
from pixel_ar.models.pixel_ar.generation import generation_pixel_ar as generation
from pixel_ar.models.pixel_ar.generation.streamers import PatchIteratorStreamer
from pixel_ar.models.pixel_ar.patching import patchify, pixels_to_bytes


@pytest.fixture(scope="module")
def model() -> PixelARForCausalLM:
    """The 8x8 model, shared; tests that change a model take a copy."""
    return build_model()


# --- Stopping --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use_cache", [True, False])
def test_rows_stop_at_their_eos_patch(use_cache: bool) -> None:
    model, prompt = build_model(), random_strips(3, 2)
    free = model.generate(prompt, max_new_patches=9)
    force_eos(model, [1, None, 4])
    out = model.generate(prompt, max_new_patches=6, use_cache=use_cache, return_dict_in_generate=True)
    assert out.attention_mask.sum(-1).tolist() == [4, 8, 7]
    assert out.num_columns.tolist() == [32, 64, 56]
    assert is_eos(out.pixel_values[0, ..., 24:32])
    assert out.pixel_values[0, ..., 32:].eq(1).all()
    assert is_eos(out.pixel_values[2, ..., 48:56])
    assert out.pixel_values[2, ..., 56:].eq(1).all()
    assert torch.equal(out.pixel_values[1], free[1, ..., :64])
    assert torch.equal(out.pixel_values[2, ..., :48], free[2, ..., :48])


def test_generation_ends_when_all_rows_have_stopped() -> None:
    model, prompt = build_model(), random_strips(2, 2)
    force_eos(model, [0, 2])
    assert model.generate(prompt, max_new_patches=50).shape[-1] == 5 * 8


@pytest.mark.parametrize("patch_size", SIZES)
@pytest.mark.parametrize("name", ["min_new_patches", "min_new_tokens", "min_length"])
def test_min_new_patches_forbids_eos(patch_size: tuple[int, int], name: str) -> None:
    model, prompt, width = always_eos(patch_size), random_strips(2, 2, patch_size), patch_size[1]
    stopped = model.generate(prompt, max_new_patches=5)
    assert stopped.shape[-1] == 3 * width
    assert is_eos(stopped[..., 2 * width :])
    value = 5 if name == "min_length" else 3
    for do_sample in (False, True):
        strips = model.generate(prompt, max_new_patches=6, do_sample=do_sample, top_k=1, **{name: value})
        patches = patchify(strips, patch_size)[:, 2:]
        assert (patches == 0).all(-1).tolist() == [[False] * 3 + [True]] * 2
        # The patch differs from the EOS patch from its first byte on: no EOS patch with a hole.
        assert not pixels_to_bytes(strips, patch_size)[:, 2, 0].eq(255).any()


def test_forbidding_eos_leaves_the_distribution_of_all_other_patches() -> None:
    """Of two bytes: the scores of the first are those of its marginal, given that the patch is not all ink."""
    model, prompt = build_model((8, 2)), random_strips(3, 2, (8, 2))
    with torch.no_grad():
        model.patch_head.group_decoder.output.bias[:, 255] = 9.0
    options = {"output_scores": True, "return_dict_in_generate": True, "max_new_patches": 1}
    out = model.generate(prompt, min_new_patches=1, **options)
    free = model.generate(prompt, **options)
    assert is_eos(free.pixel_values[0, ..., -2:])
    assert not (out.pixel_values[..., -2:] == 0).flatten(1).all(-1).any()
    states = model.model(prompt).last_hidden_state[:, -1]
    eos = model.patch_head.log_prob(states, torch.zeros(3, 16)).exp()
    expected = free.scores[0][:, 0].softmax(-1)
    expected[:, 255] -= eos
    expected = expected / (1 - eos)[:, None]
    torch.testing.assert_close(
        out.scores[0][:, 0].softmax(-1), expected, atol=1e-4, rtol=0, check_dtype=False
    )


def test_min_new_patches_counts_rows_with_unfinished_patches() -> None:
    model, prompt = always_eos(), random_strips(2, 2)
    prompt[1, ..., 8:] = 0  # unfinished and all ink so far: completing it must not give an EOS patch either
    out = model.generate(
        prompt, num_columns=[16, 13], min_new_patches=2, max_new_patches=6, return_dict_in_generate=True
    )
    eos = (patchify(out.pixel_values, (8, 8)) == 0).all(-1)
    assert out.attention_mask.sum(-1).tolist() == [2 + 3, 2 + 3]
    assert eos.tolist() == [[False] * 4 + [True]] * 2


def test_unfinished_patch_may_become_eos() -> None:
    model, prompt = always_eos(), random_strips(1, 2)
    prompt[..., 8:] = 0
    strips = model.generate(prompt, num_columns=[13], max_new_patches=3)
    assert strips.shape[-1] == 16
    assert is_eos(strips[..., 8:])


def test_max_length_counts_prompt_patches(model: PixelARForCausalLM) -> None:
    prompt = random_strips(1, 4)
    assert model.generate(prompt, max_length=6).shape[-1] == 6 * 8
    assert model.generate(prompt, num_columns=[30], max_length=6).shape[-1] == 6 * 8
    rows, mask = pad([random_strips(1, 2), prompt], "right", extra=3)
    strips = model.generate(rows, attention_mask=mask, num_columns=[16, 27], max_length=6)
    assert strips.shape[-1] == 6 * 8
    with pytest.raises(ValueError, match="4 patches"):
        model.generate(prompt, max_length=4)


def test_default_length(model: PixelARForCausalLM) -> None:
    with pytest.warns(UserWarning, match="max_new_tokens"):
        assert model.generate(random_strips(1, 3)).shape[-1] == 23 * 8


def test_max_time(model: PixelARForCausalLM) -> None:
    assert model.generate(random_strips(2, 2), max_new_patches=50, max_time=0.0).shape[-1] == 3 * 8


def test_aliases(model: PixelARForCausalLM) -> None:
    prompt = random_strips(1, 2)
    expected = model.generate(prompt, max_new_tokens=3)
    assert torch.equal(model.generate(prompt, max_new_patches=3), expected)
    assert torch.equal(model.generate(prompt, max_new_patches=3, max_new_tokens=3), expected)
    assert torch.equal(model.generate(prompt, GenerationConfig(max_new_patches=3)), expected)
    with pytest.raises(ValueError, match="max_new_patches=3 and max_new_tokens=4"):
        model.generate(prompt, max_new_patches=3, max_new_tokens=4)
    with pytest.raises(ValueError, match="min_new_patches=1 and min_new_tokens=2"):
        model.generate(prompt, max_new_patches=3, min_new_patches=1, min_new_tokens=2)
    with pytest.raises(ValueError, match="same option"):
        model.generate(prompt, GenerationConfig(max_new_patches=3, max_new_tokens=4))
    with pytest.raises(ValueError, match="max_new_tokens"):
        model.generate(prompt, max_new_patches=0)


def test_custom_stopping_criterion_sees_patches(model: PixelARForCausalLM) -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    class Stop(StoppingCriteria):
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
            seen.append((input_ids, scores))
            return torch.tensor([input_ids.shape[1] >= 4, input_ids.shape[1] >= 5])

    out = model.generate(
        random_strips(2, 2),
        max_new_patches=9,
        stopping_criteria=StoppingCriteriaList([Stop()]),
        return_dict_in_generate=True,
    )
    assert out.attention_mask.sum(-1).tolist() == [4, 5]
    assert [ids.shape[1] for ids, _ in seen] == [3, 4, 5]
    assert torch.equal(seen[1][1], out.pixel_values[..., 24:32])


def test_custom_logits_processor_sees_bytes(model: PixelARForCausalLM) -> None:
    lengths: list[int] = []

    class NoInkInFirstColumns(LogitsProcessor):
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            lengths.append(input_ids.shape[1])
            if input_ids.shape[1] >= 3:
                return scores
            forced = torch.full_like(scores, float("-inf"))
            forced[:, 0] = 0
            return forced

    strips = model.generate(
        random_strips(2, 2),
        max_new_patches=2,
        do_sample=True,
        logits_processor=LogitsProcessorList([NoInkInFirstColumns()]),
    )
    assert lengths == list(range(8)) * 2
    patches = strips[..., 16:].unflatten(-1, (2, 8))
    assert patches[..., :3].eq(1).all()
    assert not patches[..., 3:].eq(1).all()


# --- Sampling --------------------------------------------------------------------------------------------------------


def test_limits_of_sampling_are_greedy(model: PixelARForCausalLM) -> None:
    prompt = random_strips(2, 3)
    greedy = model.generate(prompt, max_new_patches=5)
    for options in ({"temperature": 1e-5}, {"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}):
        assert torch.equal(model.generate(prompt, max_new_patches=5, do_sample=True, **options), greedy)


def test_generator_makes_sampling_repeatable(model: PixelARForCausalLM) -> None:
    prompt = random_strips(2, 3)
    options = {"pixel_values": prompt, "max_new_patches": 4, "do_sample": True}
    before = torch.get_rng_state()
    first = model.generate(**options, generator=torch.Generator().manual_seed(5))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(model.generate(**options, generator=torch.Generator().manual_seed(5)), first)
    assert not torch.equal(model.generate(**options, generator=torch.Generator().manual_seed(6)), first)
    set_seed(7)
    second = model.generate(**options)
    set_seed(7)
    assert torch.equal(model.generate(**options), second)
    assert torch.equal(
        model.generate(**options, use_cache=False, generator=torch.Generator().manual_seed(5)), first
    )


@pytest.mark.parametrize("given", [1, "seed", [1], [None]])
def test_a_generator_of_another_kind_is_named(model: PixelARForCausalLM, given: Any) -> None:
    with pytest.raises(TypeError, match=r"generator must be a torch\.Generator"):
        model.generate(random_strips(1, 2), max_new_patches=1, do_sample=True, generator=given)


def test_one_generator_per_row_makes_rows_independent(model: PixelARForCausalLM) -> None:
    rows = [random_strips(1, 2), random_strips(1, 4)]
    strips, mask = pad(rows, "right")
    columns = torch.tensor([16, 29])

    def seeded(seed: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed)

    options = {"max_new_patches": 5, "do_sample": True}
    batch = model.generate(
        strips, attention_mask=mask, num_columns=columns, generator=[seeded(0), seeded(1)], **options
    )
    for index, row in enumerate(rows):
        single = model.generate(
            row, num_columns=columns[index : index + 1], generator=[seeded(index)], **options
        )
        assert torch.equal(batch[index : index + 1, ..., : single.shape[-1]], single)
    with pytest.raises(ValueError, match="3 generators for 2 rows"):
        model.generate(strips, attention_mask=mask, generator=[seeded(0)] * 3, **options)


def test_num_return_sequences(model: PixelARForCausalLM) -> None:
    rows = [random_strips(1, 2), random_strips(1, 4)]
    strips, mask = pad(rows, "right")
    out = model.generate(
        strips,
        attention_mask=mask,
        num_columns=[13, 32],
        max_new_patches=4,
        do_sample=True,
        num_return_sequences=3,
        return_dict_in_generate=True,
        generator=torch.Generator().manual_seed(0),
    )
    assert out.pixel_values.shape == (6, 1, 8, 64)
    assert out.attention_mask.sum(-1).tolist() == [6, 6, 6, 8, 8, 8]
    for index in range(6):
        columns = [13, 32][index // 3]
        assert torch.equal(out.pixel_values[index, ..., :columns], strips[index // 3, ..., :columns])
        for other in range(index // 3 * 3, index):
            assert not torch.equal(out.pixel_values[index], out.pixel_values[other])


def test_samples_follow_the_model() -> None:
    model = build_model((8, 1))
    prompt = random_strips(1, 3, (8, 1))
    logits = model(prompt).logits[0, -1]
    count = 20_000
    strips = model.generate(
        prompt,
        max_new_patches=1,
        do_sample=True,
        top_k=0,
        num_return_sequences=count,
        generator=torch.Generator().manual_seed(0),
    )
    drawn = pixels_to_bytes(strips, (8, 1))[:, -1, 0]
    expected = logits.softmax(-1) * count
    observed = torch.bincount(drawn, minlength=256)
    kept = expected > 5
    chi_square = ((observed - expected) ** 2 / expected)[kept].sum()
    freedom = int(kept.sum()) - 1
    assert freedom > 8
    assert chi_square < freedom + 5 * (2 * freedom) ** 0.5


# --- Streaming -------------------------------------------------------------------------------------------------------


def test_streamer_gets_patches_in_order() -> None:
    model, prompt, streamer = build_model(), random_strips(2, 3), Recorder()
    force_eos(model, [1, None])
    strips = model.generate(prompt, max_new_patches=4, streamer=streamer)
    assert streamer.ends == 1
    assert [patch.shape for patch in streamer.patches] == [(2, 1, 8, 8)] * 4
    assert torch.equal(torch.cat(streamer.patches, dim=-1), strips[..., 24:])


def test_streamer_gets_the_completed_patch_first(model: PixelARForCausalLM) -> None:
    prompt, streamer = random_strips(1, 3), Recorder()
    strips = model.generate(prompt, num_columns=[20], max_new_patches=2, streamer=streamer)
    assert torch.equal(torch.cat(streamer.patches, dim=-1), strips[..., 16:])


def test_iterator_streamer(model: PixelARForCausalLM) -> None:
    prompt, streamer = random_strips(1, 3), PatchIteratorStreamer(timeout=20)
    options = {"pixel_values": prompt, "max_new_patches": 5}
    thread = threading.Thread(target=model.generate, kwargs={**options, "streamer": streamer})
    thread.start()
    patches = list(streamer)
    thread.join()
    assert torch.equal(torch.cat([prompt, *patches], dim=-1), model.generate(**options))


def test_iterator_streamer_passes_errors_on(model: PixelARForCausalLM) -> None:
    streamer = PatchIteratorStreamer(timeout=20)
    with pytest.raises(ValueError, match="wide"):
        model.generate(torch.ones(1, 1, 8, 9), streamer=streamer)
    with pytest.raises(ValueError, match="wide"):
        next(streamer)


# --- Errors and warnings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pixel_values": torch.ones(2, 3, 8, 16)}, "3 channels"),
        ({"pixel_values": torch.ones(2, 1, 16, 16)}, "16 pixels high"),
        ({"pixel_values": torch.ones(2, 1, 8, 17)}, "17 pixels wide"),
        ({"pixel_values": torch.ones(1, 8, 16)}, "shape"),
        ({"pixel_values": torch.ones(0, 1, 8, 16)}, "no rows"),
        ({"pixel_values": torch.full((2, 1, 8, 16), 255.0)}, "between 255 and 255"),
        ({"pixel_values": torch.full((2, 1, 8, 16), float("nan"))}, "nan"),
        ({"pixel_values": torch.ones(2, 1, 8, 16, dtype=torch.int64)}, "int64"),
        ({"pixel_values": [[1]]}, "torch tensor"),
        ({"attention_mask": torch.ones(2, 3)}, r"\(2, 3\)"),
        ({"attention_mask": torch.ones(3, 2)}, r"\(3, 2\)"),
        ({"num_columns": torch.tensor([16])}, "2 rows"),
        ({"num_columns": torch.tensor([16.0, 16.0])}, "integer"),
        ({"num_columns": torch.tensor([16, 17])}, r"num_columns\[1\] is 17"),
        ({"num_columns": torch.tensor([8, 16])}, r"num_columns\[0\] is 8.*between 9 and 16"),
        ({"num_columns": torch.tensor([-1, 16])}, r"num_columns\[0\] is -1"),
        ({"num_beams": 2}, "beam search"),
        ({"num_beams": 2, "do_sample": True}, "beam sample"),
        ({"penalty_alpha": 0.6, "top_k": 4}, "contrastive search"),
        ({"prompt_lookup_num_tokens": 3}, "assisted generation"),
        ({"assistant_model": object()}, "assistant_model"),
        ({"repetition_penalty": 1.2}, "repetition_penalty=1.2"),
        ({"no_repeat_ngram_size": 2}, "no_repeat_ngram_size=2"),
        ({"bad_words_ids": [[1]]}, "bad_words_ids"),
        ({"stop_strings": ["a"]}, "stop_strings"),
        ({"prefix_allowed_tokens_fn": print}, "prefix_allowed_tokens_fn"),
        ({"cache_implementation": "paged"}, "paged"),
        ({"inputs_embeds": torch.zeros(2, 2, 32)}, "inputs_embeds"),
        ({"input_ids": torch.zeros(2, 2)}, "input_ids"),
        ({"position_ids": torch.zeros(2, 2)}, "position_ids"),
        ({"inputs": torch.ones(2, 1, 8, 16)}, "not both"),
        ({"temprature": 0.7}, "temprature"),
    ],
)
def test_errors_name_the_value(model: PixelARForCausalLM, change: dict[str, Any], message: str) -> None:
    inputs = {"pixel_values": torch.ones(2, 1, 8, 16), "max_new_patches": 2, **change}
    with pytest.raises(ValueError, match=message):
        model.generate(**inputs)


def test_describing_a_missing_prompt_is_an_error(model: PixelARForCausalLM) -> None:
    with pytest.raises(ValueError, match="pass its pixel_values"):
        model.generate(attention_mask=torch.ones(1, 2), max_new_patches=2)


def test_transition_scores_of_patches_are_refused(model: PixelARForCausalLM) -> None:
    options = {"max_new_patches": 1, "output_scores": True, "return_dict_in_generate": True}
    out = model.generate(random_strips(1, 2), **options)
    with pytest.raises(ValueError, match="call log_likelihood"):
        model.compute_transition_scores(out.sequences, out.scores)


def test_continuous_batching_is_refused(model: PixelARForCausalLM) -> None:
    with pytest.raises(ValueError, match="Continuous batching"):
        model.generate_batch([[1]])


@pytest.fixture
def warnings_logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What generation warns about, however often it did before."""
    messages: list[str] = []
    monkeypatch.setattr(generation.logger, "warning_once", messages.append)
    yield messages


def test_warns_about_eos_prompt(model: PixelARForCausalLM, warnings_logged: list[str]) -> None:
    prompt = random_strips(2, 3)
    model.generate(prompt, max_new_patches=1)
    model.generate(max_new_patches=1)
    assert warnings_logged == []
    prompt[1, ..., 16:] = 0
    strips = model.generate(prompt, max_new_patches=3)
    assert strips.shape[-1] == 6 * 8  # the row goes on after the document boundary
    assert len(warnings_logged) == 1 and "add_eos=False" in warnings_logged[0]


def test_warns_beyond_the_trained_context() -> None:
    model = build_model(max_position_embeddings=4)
    with pytest.warns(UserWarning, match=r"5 patches and up to 1 new ones exceed the 4"):
        model.generate(random_strips(1, 5), max_new_patches=1)
    with pytest.warns(UserWarning, match=r"3 patches and up to 2 new ones exceed the 4"):
        model.generate(random_strips(1, 3), max_new_patches=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.generate(random_strips(1, 3), max_new_patches=1)


# --- Transformers around it ------------------------------------------------------------------------------------------


def test_generation_config_is_saved_and_used(tmp_path: Path) -> None:
    model, prompt = build_model(), random_strips(1, 2)
    assert model.can_generate()
    model.generation_config.max_new_tokens = 3
    model.save_pretrained(tmp_path)
    loaded = PixelARForCausalLM.from_pretrained(tmp_path)
    assert loaded.generation_config.max_new_tokens == 3
    assert loaded.generate(prompt).shape[-1] == 5 * 8
    assert loaded.generate(prompt, max_new_patches=1).shape[-1] == 3 * 8
    assert loaded.generate(prompt, GenerationConfig(max_new_patches=1)).shape[-1] == 3 * 8


def test_token_ids_set_by_habit_change_nothing(model: PixelARForCausalLM) -> None:
    prompt = random_strips(2, 3)
    expected = model.generate(prompt, max_new_patches=3)
    ids = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 1}
    assert torch.equal(model.generate(prompt, max_new_patches=3, **ids), expected)


def test_custom_generate(model: PixelARForCausalLM) -> None:
    def custom(model: PixelARForCausalLM, input_ids: torch.Tensor, **kwargs: Any) -> dict[str, Any]:
        return {"input_ids": input_ids, **kwargs}

    strips, mask = pad([random_strips(1, 2), random_strips(1, 4)], "right")
    got = model.generate(strips, attention_mask=mask, max_new_patches=2, custom_generate=custom)
    assert got["input_ids"].tolist() == [[0, 0, 1, 1], [1, 1, 1, 1]]
    assert torch.equal(got["pixel_values"][0, ..., 16:], strips[0, ..., :16])


def test_peft_model() -> None:
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(
        target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", init_lora_weights=False
    )
    prompt = random_strips(2, 3)
    plain = build_model().generate(prompt, max_new_patches=4)
    adapted = peft.get_peft_model(build_model(), config).eval()
    options = {"pixel_values": prompt, "num_columns": [24, 21], "max_new_patches": 4}
    strips = adapted.generate(**options)
    assert strips.shape[-1] == 7 * 8
    assert not torch.equal(strips, plain)
    assert torch.equal(adapted.generate(**options, use_cache=False), strips)
    assert torch.equal(adapted.merge_and_unload().generate(**options), strips)
