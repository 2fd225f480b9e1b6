# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The models: invariants that hold for any weights, and the one that shows it can learn."""

import copy

import pytest
import torch
from tools.tiny import GROUPED
from transformers import AutoModel, AutoModelForCausalLM, DynamicCache, StaticCache

from pixel_ar import PixelARConfig, PixelARForCausalLM, PixelARModel, PixelProcessor
from pixel_ar.models.pixel_ar.patching import patches_to_bytes, patchify

PATCHES = 7


def tiny_config(**overrides) -> PixelARConfig:
    """A configuration that runs in milliseconds."""
    fields = {
        **GROUPED,
        "head_hidden_size": 16,
        "head_num_layers": 1,
        "head_num_attention_heads": 2,
        "head_byte_embedding_size": 6,
        "head_byte_hidden_size": 8,
        # Weights large enough that a wrong mask or a wrong position shows in the logits.
        "initializer_range": 0.3,
    }
    return PixelARConfig(**{**fields, **overrides})


CONFIGS = {
    "8x20": {},
    "8x16": {"patch_size": (8, 16)},
    "16x16": {"patch_size": (16, 16)},
    "masked-mlp": {"head_num_layers": 0},
    "columns": {"head_group_columns": 1},
    "hidden-embedding": {"patch_embedding_hidden_size": 24},
    "pixelgpt-embedding": {"patch_embedding_norm": True, "pixel_mean": 0.0, "pixel_std": 1.0},
}


def build(name: str = "8x20", **overrides) -> PixelARForCausalLM:
    torch.manual_seed(0)
    return PixelARForCausalLM(tiny_config(**CONFIGS[name], **overrides)).eval()


def random_strips(
    model: PixelARForCausalLM, batch: int = 2, patches: int = PATCHES, seed: int = 1
) -> torch.Tensor:
    height, width = model.config.patch_size
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(batch, 1, height, patches * width, generator=generator) > 0.4).float()


@pytest.mark.parametrize("name", CONFIGS)
def test_loss_is_the_mean_negative_log_likelihood(name: str) -> None:
    model = build(name)
    strips = random_strips(model)
    labels = torch.zeros(2, PATCHES, dtype=torch.long)
    output = model(pixel_values=strips, labels=labels)
    expected = -model.log_likelihood(strips).sum() / (2 * (PATCHES - 1))
    torch.testing.assert_close(output.loss, expected, rtol=1e-5, atol=1e-5)
    assert output.patch_loss == output.loss
    assert output.token_loss is None
    assert output.logits.shape == (2, PATCHES, 256)


@pytest.mark.parametrize("name", CONFIGS)
def test_no_position_sees_a_later_patch(name: str) -> None:
    model = build(name)
    strips = random_strips(model)
    changed = strips.clone()
    width = model.config.patch_width
    changed[..., 4 * width :] = 1 - changed[..., 4 * width :]
    with torch.no_grad():
        before, after = model(pixel_values=strips).logits, model(pixel_values=changed).logits
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4:], after[:, 4:])


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("cache_kind", ["dynamic", "static"])
def test_cached_equals_uncached(attention: str, cache_kind: str) -> None:
    model = build(attn_implementation=attention)
    strips = random_strips(model)
    width = model.config.patch_width
    static = StaticCache(config=model.config, max_cache_len=PATCHES)
    cache = static if cache_kind == "static" else DynamicCache(config=model.config)
    with torch.no_grad():
        whole = model(pixel_values=strips).logits
        steps = [
            model(
                pixel_values=strips[..., t * width : (t + 1) * width], past_key_values=cache, use_cache=True
            ).logits
            for t in range(PATCHES)
        ]
    torch.testing.assert_close(torch.cat(steps, 1), whole, rtol=1e-4, atol=1e-5)


def test_right_padding_changes_nothing() -> None:
    model = build()
    strips = random_strips(model)
    width = model.config.patch_width
    mask = torch.tensor([[1] * PATCHES, [1] * 4 + [0] * 3])
    noise = strips.clone()
    noise[1, :, :, 4 * width :] = 1 - noise[1, :, :, 4 * width :]
    with torch.no_grad():
        alone = model(pixel_values=strips[1:, ..., : 4 * width]).logits
        padded = model(pixel_values=noise, attention_mask=mask).logits
        scores = model.log_likelihood(noise, mask)
        alone_score = model.log_likelihood(strips[1:, ..., : 4 * width])
    torch.testing.assert_close(padded[1:, :4], alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(scores[1:], alone_score, rtol=1e-5, atol=1e-4)
    assert torch.isfinite(padded).all()


def test_left_padding_changes_nothing() -> None:
    model = build()
    strips = random_strips(model, batch=1)
    width = model.config.patch_width
    padded = torch.cat([torch.ones(1, 1, 8, 3 * width), strips], dim=-1)
    mask = torch.tensor([[0] * 3 + [1] * PATCHES])
    with torch.no_grad():
        torch.testing.assert_close(
            model.log_likelihood(padded, mask), model.log_likelihood(strips), rtol=1e-5, atol=1e-4
        )


def test_loss_counts_labelled_and_attended_patches_only() -> None:
    model = build()
    strips = random_strips(model)
    labels = torch.zeros(2, PATCHES, dtype=torch.long)
    labels[1, 3:] = -100
    mask = torch.ones(2, PATCHES, dtype=torch.long)
    mask[0, 5:] = 0
    loss = model(pixel_values=strips, attention_mask=mask, labels=labels).loss
    width = model.config.patch_width
    first = -model.log_likelihood(strips[:1, ..., : 5 * width]).sum()
    second = -model.log_likelihood(strips[1:, ..., : 3 * width]).sum()
    torch.testing.assert_close(loss, (first + second) / (4 + 2), rtol=1e-5, atol=1e-5)


def test_four_accumulated_batches_equal_one_large_batch() -> None:
    model = build()
    strips = random_strips(model, batch=8)
    labels = torch.zeros(8, PATCHES, dtype=torch.long)
    labels[3, 2:] = -100  # unequal batches: a mean of means would be wrong
    items = (labels[:, 1:] != -100).sum()
    model(pixel_values=strips, labels=labels).loss.backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    for part in range(0, 8, 2):
        rows = slice(part, part + 2)
        model(pixel_values=strips[rows], labels=labels[rows], num_items_in_batch=items).loss.backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    model = build(name)
    model(pixel_values=random_strips(model), labels=torch.zeros(2, PATCHES, dtype=torch.long)).loss.backward()
    without = [
        key
        for key, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert without == []


def test_likelihood_of_a_prefix_and_its_rest_add_up() -> None:
    model = build()
    strips = random_strips(model, batch=1)
    width = model.config.patch_width
    with torch.no_grad():
        whole = model.log_likelihood(strips)
        prefix = model.log_likelihood(strips[..., : 3 * width])
        cut = model.log_likelihood(strips, num_columns=torch.tensor([3 * width]))
    torch.testing.assert_close(prefix, cut, rtol=1e-5, atol=1e-4)
    assert whole < prefix


def test_num_columns_stop_inside_a_patch() -> None:
    model = build()
    strips = random_strips(model, batch=1)
    width = model.config.patch_width
    changed = strips.clone()
    changed[..., 2 * width + 7 :] = 1 - changed[..., 2 * width + 7 :]
    columns = torch.tensor([2 * width + 7])
    with torch.no_grad():
        torch.testing.assert_close(
            model.log_likelihood(strips, num_columns=columns),
            model.log_likelihood(changed, num_columns=columns),
        )
        hidden = model.model(pixel_values=strips).last_hidden_state
        patches = patchify(strips, model.config.patch_size)
        logits = model.patch_head.byte_logits(
            hidden[:, 1], patches_to_bytes(patches[:, 2], model.config.patch_size)
        )
        partial = torch.log_softmax(logits, -1).gather(
            -1, patches_to_bytes(patches[:, 2], (8, 20))[..., None]
        )
        expected = model.log_likelihood(strips, num_columns=torch.tensor([2 * width])) + partial[0, :7].sum()
    torch.testing.assert_close(
        model.log_likelihood(strips, num_columns=columns), expected, rtol=1e-5, atol=1e-4
    )


def test_uint8_equals_float() -> None:
    model = build()
    strips = random_strips(model)
    with torch.no_grad():
        as_bytes = model(pixel_values=(strips * 255).to(torch.uint8)).logits
        assert torch.equal(as_bytes, model(pixel_values=strips).logits)


@pytest.mark.parametrize("name", ["8x20", "hidden-embedding", "masked-mlp"])
def test_save_and_load(name: str, tmp_path) -> None:
    model = build(name)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    base = AutoModel.from_pretrained(tmp_path)
    assert type(loaded) is PixelARForCausalLM
    assert type(base) is PixelARModel
    for (key, value), (other_key, other) in zip(
        [*model.named_parameters(), *model.named_buffers()],
        [*loaded.named_parameters(), *loaded.named_buffers()],
        strict=True,
    ):
        assert key == other_key
        assert torch.equal(value, other), key
    strips = random_strips(model)
    with torch.no_grad():
        assert torch.equal(model(pixel_values=strips).logits, loaded(pixel_values=strips).logits)
        expected = model.model(pixel_values=strips).last_hidden_state
        assert torch.equal(expected, base(pixel_values=strips).last_hidden_state)


def test_bfloat16_with_padding_is_finite() -> None:
    model = build().to(torch.bfloat16)
    strips = random_strips(model)
    mask = torch.tensor([[1] * PATCHES, [1] * 2 + [0] * 5])
    output = model(pixel_values=strips, attention_mask=mask, labels=torch.zeros(2, PATCHES, dtype=torch.long))
    output.loss.backward()
    assert torch.isfinite(output.loss)
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_gradient_checkpointing_gives_the_same_gradients() -> None:
    model = build().train()
    other = copy.deepcopy(model)
    other.gradient_checkpointing_enable()
    strips, labels = random_strips(model), torch.zeros(2, PATCHES, dtype=torch.long)
    model(pixel_values=strips, labels=labels).loss.backward()
    other(pixel_values=strips, labels=labels).loss.backward()
    for (name, parameter), twin in zip(model.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, twin.grad, rtol=1e-5, atol=1e-6, msg=name)


@pytest.mark.parametrize("name", CONFIGS)
def test_offloaded_weights_give_the_same_results(name: str) -> None:
    """Weights that exist only while their own module is called, as with a `device_map` that offloads."""
    accelerate = pytest.importorskip("accelerate")
    model = build(name)
    strips, labels = random_strips(model), torch.zeros(2, PATCHES, dtype=torch.long)
    offloaded = copy.deepcopy(model)
    accelerate.cpu_offload(offloaded, execution_device=torch.device("cpu"))
    assert {parameter.device.type for parameter in offloaded.parameters()} == {"meta"}
    columns = torch.full((2,), PATCHES * model.config.patch_width - 3)  # begins inside a patch
    with torch.no_grad():
        expected, output = (each(pixel_values=strips, labels=labels) for each in (model, offloaded))
        torch.testing.assert_close(output.logits, expected.logits)
        torch.testing.assert_close(output.loss, expected.loss)
        torch.testing.assert_close(offloaded.log_likelihood(strips), model.log_likelihood(strips))
        assert torch.equal(
            offloaded.generate(pixel_values=strips, num_columns=columns, max_new_patches=2),
            model.generate(pixel_values=strips, num_columns=columns, max_new_patches=2),
        )


def test_hidden_states_and_attentions_on_request() -> None:
    model = build(attn_implementation="eager")
    output = model(pixel_values=random_strips(model), output_hidden_states=True, output_attentions=True)
    assert len(output.hidden_states) == 3
    assert output.hidden_states[0].shape == (2, PATCHES, 32)
    assert output.attentions[0].shape == (2, 4, PATCHES, PATCHES)


def test_inputs_embeds_replace_pixels() -> None:
    model = build()
    strips = random_strips(model)
    with torch.no_grad():
        embedded = model.model.embed_patches(strips)
        assert torch.equal(model(inputs_embeds=embedded).logits, model(pixel_values=strips).logits)


def test_logits_to_keep() -> None:
    model = build()
    strips = random_strips(model)
    with torch.no_grad():
        whole = model(pixel_values=strips).logits
        torch.testing.assert_close(model(pixel_values=strips, logits_to_keep=1).logits, whole[:, -1:])


def test_one_rendered_line_is_learnt_and_written_again() -> None:
    torch.manual_seed(0)
    processor = PixelProcessor.from_preset("fixed-8")
    config = tiny_config(
        hidden_size=64, num_key_value_heads=4, head_byte_hidden_size=32, initializer_range=0.06
    )
    model = PixelARForCausalLM(config)
    line = "We the People write in pixels."
    inputs = processor(text=[line], return_tensors="pt")
    labels = torch.zeros_like(inputs["attention_mask"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(150):
        loss = model(**inputs, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 0.5  # nats per patch of four characters
    prompt = processor(text=["We the P"], add_eos=False, return_tensors="pt")
    written = model.eval().generate(**prompt, max_new_patches=12)
    assert processor.batch_decode(written) == [line]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_dynamically_quantised_layers_give_nearly_the_same_states() -> None:
    """Their `weight` is a method, and the pixels take the type of what is left."""
    model = build(hidden_size=64, intermediate_size=128)
    strips = random_strips(model)
    quantised = torch.ao.quantization.quantize_dynamic(copy.deepcopy(model), {torch.nn.Linear})
    with torch.no_grad():
        states, other = (each.model(pixel_values=strips).last_hidden_state for each in (model, quantised))
        assert torch.nn.functional.cosine_similarity(states, other, dim=-1).min() > 0.98
        scores = quantised.log_likelihood(strips)
        torch.testing.assert_close(scores, model.log_likelihood(strips), rtol=0.02, atol=1.0)
    assert quantised.generate(strips, max_new_patches=2).shape[-1] == (PATCHES + 2) * model.config.patch_width


class TestBadInput:
    """Each wrong input gives one error that names the value."""

    def check(self, words: list[str], **inputs) -> None:
        model = build()
        with pytest.raises(ValueError) as caught:
            model(**inputs)
        for word in words:
            assert word in str(caught.value)

    def test_channels(self) -> None:
        self.check(["3 channels", "1"], pixel_values=torch.ones(1, 3, 8, 40))

    def test_height(self) -> None:
        self.check(["16 pixels high", "8 pixels"], pixel_values=torch.ones(1, 1, 16, 40))

    def test_width(self) -> None:
        self.check(["30 pixels wide", "20"], pixel_values=torch.ones(1, 1, 8, 30))

    def test_shards_of_a_sequence(self) -> None:
        labels = torch.zeros(1, 2, dtype=torch.int64)
        strips = torch.ones(1, 1, 8, 40)
        self.check(["shift_labels", "FSDP"], pixel_values=strips, labels=labels, shift_labels=labels)

    def test_no_patch(self) -> None:
        self.check(["no patch"], pixel_values=torch.ones(1, 1, 8, 0))

    def test_rank(self) -> None:
        self.check(["(8, 40)"], pixel_values=torch.ones(8, 40))

    def test_integer_range(self) -> None:
        self.check(["torch.int64"], pixel_values=torch.ones(1, 1, 8, 40, dtype=torch.int64))

    def test_mask_length(self) -> None:
        mask = torch.ones(1, 5, dtype=torch.long)
        self.check(["5 patches", "hold 2"], pixel_values=torch.ones(1, 1, 8, 40), attention_mask=mask)

    def test_mask_shape(self) -> None:
        strips = torch.ones(2, 1, 8, 40)
        self.check(["(1, 2)", "2 rows"], pixel_values=strips, attention_mask=torch.ones(1, 2))
        self.check(["(2, 1, 2)"], pixel_values=strips, attention_mask=torch.ones(2, 1, 2))

    def test_float_labels(self) -> None:
        self.check(["torch.float32", "-100"], pixel_values=torch.ones(1, 1, 8, 40), labels=torch.ones(1, 2))

    def test_label_shape(self) -> None:
        labels = torch.ones(1, 3, dtype=torch.long)
        self.check(["(1, 3)", "(1, 2)"], pixel_values=torch.ones(1, 1, 8, 40), labels=labels)

    def test_no_input_and_two_inputs(self) -> None:
        self.check(["exactly one"])
        self.check(["exactly one"], pixel_values=torch.ones(1, 1, 8, 40), inputs_embeds=torch.ones(1, 2, 32))

    def test_unknown_head(self) -> None:
        with pytest.raises(ValueError, match=r"'oracle' is not registered.*autoregressive"):
            PixelARForCausalLM(tiny_config(patch_head="oracle"))
