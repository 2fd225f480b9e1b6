# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The published models, numerically: the same weights and inputs give what the reference implementations gave.

Every test prints its largest deviation; `pytest -s` shows them.
"""

import pytest
import torch
from tools.fixture import (
    LLAMA_FIELDS,
    Fixture,
    deviation,
    load_fixture,
    pixar_config,
    pixar_weights,
    pixelgpt_config,
    pixelgpt_weights,
    relative_deviation,
    to_conv,
)
from transformers import LlamaConfig, LlamaModel

from pixel_ar import PixelARConfig, PixelARForCausalLM
from pixel_ar.models.pixel_ar.patching import patchify, unpatchify

LOGITS, LOSS, GRADIENT = 2e-5, 1e-5, 1e-4


def load_pixar(fixture: Fixture, **overrides: object) -> PixelARForCausalLM:
    config = pixar_config(fixture.about, **overrides)
    return load(config, pixar_weights(fixture.weights, config))


def load_pixelgpt(fixture: Fixture, **overrides: object) -> PixelARForCausalLM:
    return load(pixelgpt_config(fixture.about, **overrides), pixelgpt_weights(fixture.weights))


def load(config: PixelARConfig, weights: dict[str, torch.Tensor]) -> PixelARForCausalLM:
    model = PixelARForCausalLM(config).eval()
    model.load_state_dict(weights, strict=True)
    return model


def patch_labels(mask: torch.Tensor) -> torch.Tensor:
    return torch.where(mask != 0, 0, -100)


def check(name: str, figures: dict[str, tuple[float, float]]) -> None:
    print(f"\n{name}: " + ", ".join(f"{key} {value:.1e}" for key, (value, _) in figures.items()))
    for key, (value, limit) in figures.items():
        assert value <= limit, f"{name}: {key} deviates by {value:.2e}, more than {limit:.0e}"


@pytest.mark.parametrize("name", ["pixar_causal_A", "pixar_causal_A_rgb"])
def test_pixar_causal(name: str) -> None:
    fixture = load_fixture(name)
    model = load_pixar(fixture)
    pixels, mask = fixture.inputs["pixel_values"], fixture.inputs["attention_mask"]
    out = model(
        pixel_values=pixels, attention_mask=mask, labels=patch_labels(mask), output_hidden_states=True
    )
    out.loss.backward()
    size, channels = model.config.patch_size, model.config.num_channels
    images = unpatchify(out.patch_logits, size, channels)
    predicted = model.patch_head.to_pixels(out.patch_logits, "gray" if channels == 1 else "raw")
    expected = fixture.outputs
    conv = (channels, *size)
    head_gradient = model.patch_head.projection.weight.grad
    check(
        name,
        {
            "logits": (deviation(images, expected["logits"]), LOGITS),
            "hidden states": (
                deviation(out.hidden_states[-1], expected["last_hidden_state"]),
                LOGITS,
            ),
            "prediction": (deviation(unpatchify(predicted, size, channels), expected["prediction"]), LOGITS),
            "loss": (deviation(out.loss, expected["loss"]), LOSS),
            "gradient of q_proj": (
                relative_deviation(
                    model.model.layers[0].self_attn.q_proj.weight.grad,
                    expected["grad.layers.0.self_attn.q_proj.weight"],
                ),
                GRADIENT,
            ),
            "gradient of in_proj": (
                relative_deviation(
                    to_conv(model.model.embed_patches.projection.weight.grad, *conv),
                    expected["grad.in_proj.weight"],
                ),
                GRADIENT,
            ),
            "gradient of out_proj": (
                relative_deviation(to_conv(head_gradient.T, *conv), expected["grad.out_proj.weight"]),
                GRADIENT,
            ),
        },
    )


@pytest.mark.parametrize("name", ["pixar_causal_A", "pixelgpt_pixel_norm_A"])
def test_every_gradient_has_the_norm_of_the_reference(name: str) -> None:
    fixture = load_fixture(name)
    model = load_pixar(fixture) if name.startswith("pixar") else load_pixelgpt(fixture)
    mask = fixture.inputs["attention_mask"]
    model(
        pixel_values=fixture.inputs["pixel_values"], attention_mask=mask, labels=patch_labels(mask)
    ).loss.backward()
    norms = fixture.about["grad_norms"]
    names = {
        key: torch.zeros(1, 1, 1, 1) if "proj" in key and "layers" not in key else torch.zeros(1)
        for key in norms
    }
    names = {
        key: tensor if tensor.dim() == 4 and "bias" not in key else torch.zeros(1)
        for key, tensor in names.items()
    }
    renamed = pixar_weights(names, model.config) if name.startswith("pixar") else pixelgpt_weights(names)
    gradients = {key: parameter.grad for key, parameter in model.named_parameters()}
    worst = 0.0
    for (key, theirs), ours in zip(norms.items(), renamed, strict=True):
        assert gradients[ours] is not None, f"{key} got no gradient"
        worst = max(worst, abs(float(gradients[ours].norm()) / theirs - 1))
    print(f"\n{name}: {len(norms)} gradient norms, largest relative deviation {worst:.1e}")
    assert len(norms) > 15
    assert worst <= GRADIENT


def test_pixar_temperature() -> None:
    fixture = load_fixture("pixar_causal_A")
    model = load_pixar(fixture)
    logits = model(
        pixel_values=fixture.inputs["pixel_values"], attention_mask=fixture.inputs["attention_mask"]
    ).patch_logits
    ours = unpatchify(model.patch_head.to_pixels(logits / 0.7, "gray"), model.config.patch_size, 1)
    assert deviation(ours, fixture.outputs["prediction_temperature_0.7"]) <= LOGITS


@pytest.mark.parametrize("name", ["pixar_generate_A", "pixar_generate_A_rgb"])
@pytest.mark.parametrize("use_cache", [True, False])
def test_pixar_generation(name: str, use_cache: bool) -> None:
    """The reference feeds the whole canvas again for every patch; with or without a cache the pixels are the same."""
    fixture = load_fixture(name)
    model = load_pixar(fixture)
    width = model.config.patch_size[1]
    canvas, lengths = fixture.inputs["pixel_values"], fixture.inputs["num_text_patches"]
    steps = fixture.about["forwards"]
    # The reference counts the EOS patch, which its first new patch overwrites.
    mask = (torch.arange(canvas.shape[-1] // width) < lengths[:, None] - 1).long()
    out = model.generate(
        pixel_values=canvas,
        attention_mask=mask,
        max_new_patches=steps,
        stop_at_eos=False,
        pixel_sampler=None if model.config.num_channels == 1 else "raw",
        use_cache=use_cache,
        return_dict_in_generate=True,
        output_logits=True,
    )
    worst, expected = 0.0, fixture.outputs["generated"]
    for row, length in enumerate((lengths - 1 + steps).tolist()):
        ours = out.pixel_values[row, ..., : length * width]
        worst = max(worst, deviation(ours, expected[row, ..., : length * width].float()))
        assert int(out.attention_mask[row].sum()) == length
    predicted = model.patch_head.to_pixels(
        torch.stack(out.logits, 1), "gray" if model.config.num_channels == 1 else "raw"
    )
    shape = fixture.outputs["patch_predictions"].shape
    strips = unpatchify(predicted, model.config.patch_size, model.config.num_channels)
    strips = strips.unflatten(-1, (steps, width)).permute(0, 3, 1, 2, 4)
    assert strips.shape == shape
    figures = {"probabilities": (deviation(strips, fixture.outputs["patch_predictions"]), LOGITS)}
    figures["generated pixels"] = (worst, 0.0 if model.config.num_channels == 1 else LOGITS)
    check(f"{name}, {'cached' if use_cache else 'recomputed'}", figures)


@pytest.mark.parametrize("name", ["pixelgpt_pixel_norm_A", "pixelgpt_pixel_raw_A"])
def test_pixelgpt_pixels(name: str) -> None:
    fixture = load_fixture(name)
    model = load_pixelgpt(fixture)
    mask = fixture.inputs["attention_mask"]
    out = model(
        pixel_values=fixture.inputs["pixel_values"],
        attention_mask=mask,
        labels=patch_labels(mask),
        output_hidden_states=True,
    )
    out.loss.backward()
    expected = fixture.outputs
    check(
        name,
        {
            "logits": (deviation(out.patch_logits, expected["logits_pixel"]), LOGITS),
            "hidden states": (deviation(out.hidden_states[-1], expected["last_hidden_state"]), LOGITS),
            "loss": (deviation(out.loss, expected["loss"]), LOSS),
            **gradients(model, fixture),
        },
    )


def gradients(model: PixelARForCausalLM, fixture: Fixture) -> dict[str, tuple[float, float]]:
    """Deviations of the gradients that a PixelGPT fixture holds in full."""
    figures = {
        "gradient of q_proj": (
            relative_deviation(
                model.model.layers[0].self_attn.q_proj.weight.grad,
                fixture.outputs["grad.model.layers.0.self_attn.q_proj.weight"],
            ),
            GRADIENT,
        )
    }
    key = "grad.model.embed_patches.patch_embeddings.projection.weight"
    if key in fixture.outputs:
        conv = (model.config.num_channels, *model.config.patch_size)
        gradient = to_conv(model.model.embed_patches.projection.weight.grad, *conv)
        figures["gradient of the patch projection"] = (
            relative_deviation(gradient, fixture.outputs[key]),
            GRADIENT,
        )
    return figures


def test_pixelgpt_text() -> None:
    fixture = load_fixture("pixelgpt_text_A")
    model = load_pixelgpt(fixture)
    out = model(**fixture.inputs, output_hidden_states=True)
    out.loss.backward()
    assert out.patch_loss is None
    check(
        "pixelgpt_text_A",
        {
            "logits": (deviation(out.logits, fixture.outputs["logits_token"]), LOGITS),
            "hidden states": (deviation(out.hidden_states[-1], fixture.outputs["last_hidden_state"]), LOGITS),
            "loss": (deviation(out.loss, fixture.outputs["loss"]), LOSS),
            **gradients(model, fixture),
        },
    )


def test_pixelgpt_pairs() -> None:
    fixture = load_fixture("pixelgpt_pair_A")
    model = load_pixelgpt(fixture)
    inputs, expected = fixture.inputs, fixture.outputs
    patch_mask = inputs["patch_attention_mask"]
    out = model(
        pixel_values=inputs["pixel_values"],
        input_ids=inputs["input_ids"],
        attention_mask=torch.cat([patch_mask.long(), inputs["attention_mask"]], dim=1),
        labels=torch.cat([patch_labels(patch_mask), inputs["labels"]], dim=1),
        output_hidden_states=True,
    )
    out.loss.backward()
    count = patch_mask.shape[1]
    check(
        "pixelgpt_pair_A",
        {
            "token logits": (deviation(out.logits[:, count:], expected["logits_token"]), LOGITS),
            "patch logits": (deviation(out.patch_logits[:, :count], expected["logits_pixel"]), LOGITS),
            "hidden states": (deviation(out.hidden_states[-1], expected["last_hidden_state"]), LOGITS),
            "loss": (deviation(out.loss, expected["loss"]), LOSS),
            "sum of the losses": (deviation(out.patch_loss + out.token_loss, expected["loss"]), LOSS),
            **gradients(model, fixture),
        },
    )


def test_pixelgpt_text_generation() -> None:
    fixture = load_fixture("pixelgpt_textgen_A")
    model = load_pixelgpt(fixture)
    out = model.generate(
        **fixture.inputs,
        max_new_tokens=8,
        do_sample=False,
        return_dict_in_generate=True,
        output_logits=True,
    )
    assert torch.equal(out.sequences, fixture.outputs["sequences"])
    running = (fixture.outputs["sequences"][:, 6:] != model.config.pad_token_id).long().cumprod(-1).bool()
    ours, theirs = torch.stack(out.logits, 1), fixture.outputs["scores"]
    check("pixelgpt_textgen_A", {"logits": (deviation(ours[running], theirs[running]), LOGITS)})


def test_patches_are_what_a_convolution_reads() -> None:
    strips = torch.rand(2, 3, 8, 48)
    weight = torch.rand(5, 3, 8, 16)
    by_convolution = torch.nn.functional.conv2d(strips, weight, stride=(8, 16))[:, :, 0].transpose(1, 2)
    by_patches = patchify(strips, (8, 16)) @ weight.permute(0, 2, 3, 1).flatten(1).T
    assert deviation(by_patches, by_convolution) < 1e-4


class PixarReference(torch.nn.Module):
    """PIXAR written down anew from its description: convolution, Llama, transposed convolution."""

    def __init__(self, llama: LlamaConfig, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.backbone = LlamaModel(llama)
        self.size = (height, width)
        shape = (llama.hidden_size, channels, height, width)
        self.in_proj = torch.nn.Parameter(torch.randn(shape) / (channels * height * width) ** 0.5)
        self.out_proj = torch.nn.Parameter(torch.randn(shape) / llama.hidden_size**0.5)

    def forward(self, pixels: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        embedded = torch.nn.functional.conv2d(2 * pixels - 1, self.in_proj, stride=self.size)
        states = self.backbone(
            inputs_embeds=embedded[:, :, 0].transpose(1, 2), attention_mask=mask, use_cache=False
        ).last_hidden_state
        columns = states.transpose(1, 2)[:, :, None]
        return torch.nn.functional.conv_transpose2d(columns, self.out_proj, stride=self.size)

    def loss(self, pixels: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Mean over the attended pixels of a row, then over the rows."""
        width, logits = self.size[1], self(pixels, mask)
        values = torch.nn.functional.binary_cross_entropy_with_logits(
            logits[..., :-width], pixels[..., width:], reduction="none"
        )
        weights = mask[:, 1:].repeat_interleave(width, -1)[:, None, None].expand_as(values).double()
        return ((values * weights).sum((1, 2, 3)) / weights.sum((1, 2, 3))).mean()


@pytest.mark.parametrize(
    ("heads", "kv_heads", "patch_len", "channels", "theta", "eps", "lengths"),
    [
        (6, 2, 3, 1, 5000.0, 1e-5, [21, 13, 2]),
        (8, 8, 1, 1, 10000.0, 1e-6, [40, 2]),
        (4, 1, 2, 3, 10000.0, 1e-6, [200, 77]),
        (12, 3, 5, 1, 500.0, 1e-6, [9]),
    ],
)
def test_pixar_of_other_shapes(
    heads: int, kv_heads: int, patch_len: int, channels: int, theta: float, eps: float, lengths: list[int]
) -> None:
    """Nothing is made for the fixtures' shapes: random configurations against the description, in float64."""
    torch.manual_seed(heads)
    llama = LlamaConfig(
        hidden_size=24 * heads // 2,
        intermediate_size=80,
        num_hidden_layers=3,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        rms_norm_eps=eps,
        rope_parameters={"rope_type": "default", "rope_theta": theta},
        vocab_size=1,
    )
    reference = PixarReference(llama, channels, 8, 8 * patch_len).double()
    weights = {name.removeprefix("backbone."): tensor for name, tensor in reference.state_dict().items()}
    weights = {name: tensor for name, tensor in weights.items() if not name.startswith("embed_tokens")}
    weights = {
        f"{name}.weight" if name in ("in_proj", "out_proj") else name: w for name, w in weights.items()
    }
    about = {
        "config": {
            **{name: getattr(llama, name) for name in LLAMA_FIELDS if name != "attention_bias"},
            "rope_theta": theta,
            "patch_size": 8,
            "patch_len": patch_len,
            "num_channel": channels,
            "binary": True,
        }
    }
    config = pixar_config(about)
    model = PixelARForCausalLM(config).double().eval()
    model.load_state_dict(pixar_weights(weights, config), strict=True)
    count = max(lengths)
    pixels = torch.randint(0, 2, (len(lengths), channels, 8, count * 8 * patch_len)).double()
    mask = (torch.arange(count) < torch.tensor(lengths)[:, None]).long()
    out = model(pixel_values=pixels, attention_mask=mask, labels=patch_labels(mask))
    expected = reference.loss(pixels, mask)
    out.loss.backward()
    expected.backward()
    images = unpatchify(out.patch_logits, config.patch_size, channels)
    attended = mask.bool().repeat_interleave(8 * patch_len, -1)[:, None, None].expand_as(images)
    theirs = reference(pixels, mask)
    gradient = to_conv(model.model.embed_patches.projection.weight.grad, channels, *config.patch_size)
    check(
        f"heads {heads}/{kv_heads}, patch length {patch_len}, {channels} channels",
        {
            "logits": (deviation(images[attended], theirs[attended]), 2e-6),
            # Norms and losses are taken in float32, whatever the model's type.
            "loss": (deviation(out.loss, expected), 1e-6),
            "gradient of in_proj": (relative_deviation(gradient, reference.in_proj.grad), 1e-5),
        },
    )
