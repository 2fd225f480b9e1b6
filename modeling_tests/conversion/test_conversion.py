# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Converted checkpoints: each family in its original layout gives the reference's outputs through the Auto classes.

Every test of outputs prints its largest deviation; `pytest -s` shows them.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tools.conversion import original_config, write_original
from tools.fixture import Fixture, deviation, load_fixture, to_conv
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedModel

from pixel_ar import PixelARConfig, PixelARForCausalLM
from pixel_ar.conversion import ConversionReport, convert_checkpoint
from pixel_ar.models.pixel_ar.patching import unpatchify

LIMIT = 2e-5
FORMS = ("bin", "safetensors", "sharded bin", "sharded safetensors")
# A decoder unlike those of the fixtures: grouped queries, biases, another base of the rotary positions.
ODD_BACKBONE = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "attention_bias": True,
    "max_position_embeddings": 77,
    "initializer_range": 0.3,
}


def kind_of(name: str) -> str:
    return name.split("_")[0]


def convert(fixture: Fixture, kind: str, folder: Path, form: str = "bin", **options: Any) -> ConversionReport:
    source = write_original(folder / "source", fixture.weights, original_config(fixture), form)
    return convert_checkpoint(source, folder / "target", kind, **{"with_processor": False, **options})


def load(auto_class: Any, folder: Path) -> PreTrainedModel:
    model, report = auto_class.from_pretrained(folder, output_loading_info=True)
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), report
    return model.eval()


def check(name: str, **deviations: float) -> None:
    print(f"\n{name}: " + ", ".join(f"{key} {value:.1e}" for key, value in deviations.items()))
    for key, value in deviations.items():
        assert value <= LIMIT, f"{name}: {key} deviates by {value:.2e}"


# ---- outputs of the reference ----


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["pixar_causal_A", "pixar_causal_A_rgb"])
@torch.no_grad()
def test_pixar(name: str, form: str, tmp_path: Path) -> None:
    fixture = load_fixture(name)
    report = convert(fixture, "pixar", tmp_path, form)
    model = load(AutoModelForCausalLM, tmp_path / "target")
    mask = fixture.inputs["attention_mask"]
    labels = torch.where(mask != 0, 0, -100)
    out = model(fixture.inputs["pixel_values"], attention_mask=mask, labels=labels, skip_logits=False)
    images = unpatchify(out.patch_logits, model.config.patch_size, model.config.num_channels)
    check(
        f"{name}, {form}",
        logits=deviation(images, fixture.outputs["logits"]),
        loss=deviation(out.loss, fixture.outputs["loss"]),
    )
    assert report.architecture == "PixelARForCausalLM"
    assert report.num_parameters == sum(tensor.numel() for tensor in fixture.weights.values())


@pytest.mark.parametrize("name", ["pixar_generate_A", "pixar_generate_A_rgb"])
def test_pixar_first_generated_patch(name: str, tmp_path: Path) -> None:
    fixture = load_fixture(name)
    convert(fixture, "pixar", tmp_path)
    model = load(AutoModelForCausalLM, tmp_path / "target")
    strips, lengths = fixture.inputs["pixel_values"], fixture.inputs["num_text_patches"]
    width = model.config.patch_width
    # The reference counts the EOS patch, which its first new patch overwrites.
    mask = (torch.arange(strips.shape[-1] // width) < lengths[:, None] - 1).long()
    out = model.generate(
        pixel_values=strips,
        attention_mask=mask,
        max_new_patches=1,
        stop_at_eos=False,
        return_dict_in_generate=True,
        output_logits=True,
    )
    # What they show: probabilities, or RGB outputs in the range of the release.
    shown = model.patch_head.to_pixels(out.logits[0], "gray" if model.config.num_channels == 1 else "raw")
    strip = unpatchify(shown[:, None], model.config.patch_size, model.config.num_channels)
    check(name, prediction=deviation(strip, fixture.outputs["patch_predictions"][:, 0]))


@pytest.mark.parametrize("name", ["pixar_seqcls_A", "pixar_seqcls_A_rgb"])
@torch.no_grad()
def test_pixar_classifier(name: str, tmp_path: Path) -> None:
    fixture = load_fixture(name)
    report = convert(fixture, "pixar", tmp_path)
    model = load(AutoModelForSequenceClassification, tmp_path / "target")
    inputs = {key: fixture.inputs[key] for key in ("pixel_values", "attention_mask", "labels")}
    out = model(**inputs)
    check(
        name,
        logits=deviation(out.logits, fixture.outputs["logits"]),
        loss=deviation(out.loss, fixture.outputs["loss"]),
    )
    assert report.architecture == "PixelARForSequenceClassification"
    assert model.config.num_labels == 3


@pytest.mark.parametrize("name", ["pixar_discriminator_A", "pixar_discriminator_A_rgb"])
@torch.no_grad()
def test_pixar_discriminator(name: str, tmp_path: Path) -> None:
    from pixel_ar.training.discriminator import PatchDiscriminator

    fixture = load_fixture(name)
    source = tmp_path / "discriminator"
    write_original(source, fixture.weights, original_config(fixture), name="llama_discriminator.bin")
    report = convert_checkpoint(source, tmp_path / "target", "pixar", with_processor=False)
    assert report.architecture == "PatchDiscriminator"
    model = load(PatchDiscriminator, tmp_path / "target")
    out = model(fixture.inputs["pixel_values"])
    check(name, logits=deviation(out.real_logits, fixture.outputs["real.logits"]))


@pytest.mark.parametrize("form", FORMS)
@torch.no_grad()
def test_pixelgpt(form: str, tmp_path: Path) -> None:
    fixture = load_fixture("pixelgpt_pair_A")
    report = convert(fixture, "pixelgpt", tmp_path, form)
    model = load(AutoModelForCausalLM, tmp_path / "target")
    inputs, mask = fixture.inputs, fixture.inputs["patch_attention_mask"]
    out = model(
        pixel_values=inputs["pixel_values"],
        input_ids=inputs["input_ids"],
        attention_mask=torch.cat([mask.long(), inputs["attention_mask"]], dim=1),
        labels=torch.cat([torch.where(mask != 0, 0, -100), inputs["labels"]], dim=1),
        skip_logits=False,
    )
    count = mask.shape[1]
    check(
        f"pixelgpt_pair_A, {form}",
        patch_logits=deviation(out.patch_logits[:, :count], fixture.outputs["logits_pixel"]),
        token_logits=deviation(out.logits[:, count:], fixture.outputs["logits_token"]),
        loss=deviation(out.loss, fixture.outputs["loss"]),
    )
    assert report.num_parameters == sum(tensor.numel() for tensor in fixture.weights.values())


@pytest.mark.parametrize("name", ["pixelgpt_pixel_norm_A", "pixelgpt_pixel_raw_A", "pixelgpt_text_A"])
@torch.no_grad()
def test_pixelgpt_one_modality(name: str, tmp_path: Path) -> None:
    fixture = load_fixture(name)
    convert(fixture, "pixelgpt", tmp_path)
    model = load(AutoModelForCausalLM, tmp_path / "target")
    inputs = dict(fixture.inputs)
    if "pixel_values" in inputs:
        inputs["labels"] = torch.where(inputs["attention_mask"] != 0, 0, -100)
    out = model(**inputs, skip_logits=False)
    kind = "pixel" if "pixel_values" in inputs else "token"
    ours = out.patch_logits if kind == "pixel" else out.logits
    check(
        name,
        logits=deviation(ours, fixture.outputs[f"logits_{kind}"]),
        loss=deviation(out.loss, fixture.outputs["loss"]),
    )


def test_pixelgpt_text_generation(tmp_path: Path) -> None:
    fixture = load_fixture("pixelgpt_textgen_A")
    convert(fixture, "pixelgpt", tmp_path)
    model = load(AutoModelForCausalLM, tmp_path / "target")
    out = model.generate(**fixture.inputs, max_new_tokens=8, do_sample=False)
    assert torch.equal(out, fixture.outputs["sequences"])


@pytest.mark.parametrize(
    "name", ["pixelgpt_seqcls_text_A", "pixelgpt_seqcls_pixel_A", "pixelgpt_seqcls_pair_A"]
)
@torch.no_grad()
def test_pixelgpt_classifier(name: str, tmp_path: Path) -> None:
    fixture = load_fixture(name)
    report = convert(fixture, "pixelgpt", tmp_path)
    model = load(AutoModelForSequenceClassification, tmp_path / "target")
    inputs = dict(fixture.inputs)
    if "patch_attention_mask" in inputs:
        patch_mask = inputs.pop("patch_attention_mask").long()
        inputs["attention_mask"] = torch.cat([patch_mask, inputs["attention_mask"]], dim=1)
    out = model(**inputs)
    check(
        name,
        logits=deviation(out.logits, fixture.outputs["logits"]),
        loss=deviation(out.loss, fixture.outputs["loss"]),
    )
    assert report.architecture == "PixelARForSequenceClassification"


# ---- layouts ----


def test_pixar_training_folder(tmp_path: Path) -> None:
    """The folder around `backbone/`, and the backbone itself, give the same."""
    fixture = load_fixture("pixar_causal_A")
    source = tmp_path / "checkpoint"
    write_original(source / "backbone", fixture.weights, original_config(fixture))
    (source / "exp_config.json").write_text("{}", encoding="utf-8")
    convert_checkpoint(source, tmp_path / "whole", "pixar", with_processor=False)
    convert_checkpoint(source / "backbone", tmp_path / "backbone", "pixar", with_processor=False)
    files = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "backbone").iterdir())
    for name in files:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "backbone" / name).read_bytes()


def test_unused_tensors_are_dropped_and_reported(tmp_path: Path) -> None:
    """The table of PIXAR's first checkpoint, and frequencies that old versions of transformers saved."""
    fixture = load_fixture("pixar_causal_A")
    frequencies = 10000.0 ** -(torch.arange(0, 16, 2) / 16)
    fixture.weights["embed_tokens.weight"] = torch.rand(32000, 64)
    fixture.weights["layers.0.self_attn.rotary_emb.inv_freq"] = frequencies
    report = convert(fixture, "pixar", tmp_path)
    assert report.dropped == ("embed_tokens.weight", "layers.0.self_attn.rotary_emb.inv_freq")
    assert any("embed_tokens.weight was dropped" in note for note in report.notes)
    record = json.loads((tmp_path / "target" / "conversion.json").read_text(encoding="utf-8"))
    assert record["dropped_tensors"] == list(report.dropped)
    load(AutoModelForCausalLM, tmp_path / "target")


@pytest.mark.parametrize(
    ("config_ties", "kept"),
    [
        (True, "both"),
        (True, "model.embed_tokens.weight"),
        (False, "model.embed_tokens.weight"),
        (False, "lm_token_head.weight"),
    ],
)
def test_pixelgpt_with_one_table(config_ties: bool, kept: str, tmp_path: Path) -> None:
    fixture = load_fixture("pixelgpt_text_A")
    tables = ("model.embed_tokens.weight", "lm_token_head.weight")
    table = fixture.weights["model.embed_tokens.weight"]
    fixture.weights["lm_token_head.weight"] = table
    for name in tables:
        if kept not in ("both", name):
            del fixture.weights[name]
    config = original_config(fixture) | {"tie_word_embeddings": config_ties}
    write_original(tmp_path / "source", fixture.weights, config)
    report = convert_checkpoint(tmp_path / "source", tmp_path / "target", "pixelgpt", with_processor=False)
    model = load(AutoModelForCausalLM, tmp_path / "target")
    assert model.config.tie_word_embeddings
    assert torch.equal(model.token_head.weight, table)
    assert model.token_head.weight is model.model.embed_tokens.weight
    assert report.num_parameters == sum(p.numel() for p in model.parameters())
    assert any("one token table" in note for note in report.notes) is not config_ties


@torch.no_grad()
def test_a_classifier_of_a_tied_model(tmp_path: Path) -> None:
    """It has no token head to tie."""
    fixture = load_fixture("pixelgpt_seqcls_text_A")
    config = original_config(fixture) | {"tie_word_embeddings": True}
    write_original(tmp_path / "source", fixture.weights, config)
    convert_checkpoint(tmp_path / "source", tmp_path / "target", "pixelgpt", with_processor=False)
    model = load(AutoModelForSequenceClassification, tmp_path / "target")
    out = model(**fixture.inputs)
    check("pixelgpt_seqcls_text_A, tied", logits=deviation(out.logits, fixture.outputs["logits"]))


def test_two_different_tables_stay_two(tmp_path: Path) -> None:
    fixture = load_fixture("pixelgpt_text_A")
    convert(fixture, "pixelgpt", tmp_path)
    model = load(AutoModelForCausalLM, tmp_path / "target")
    assert torch.equal(model.token_head.weight, fixture.weights["lm_token_head.weight"])
    assert torch.equal(model.model.embed_tokens.weight, fixture.weights["model.embed_tokens.weight"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_precision_is_kept(dtype: torch.dtype, tmp_path: Path) -> None:
    fixture = load_fixture("pixar_causal_A")
    fixture.weights.update({name: tensor.to(dtype) for name, tensor in fixture.weights.items()})
    convert(fixture, "pixar", tmp_path)
    model = load(AutoModelForCausalLM, tmp_path / "target")
    assert model.dtype == dtype
    assert torch.equal(model.model.norm.weight, fixture.weights["norm.weight"])


@pytest.mark.parametrize(("length", "channels"), [(1, 3), (3, 1)])
def test_other_pixar_sizes(length: int, channels: int, tmp_path: Path) -> None:
    """Our own model, written as PIXAR would, comes back with the same configuration and weights."""
    torch.manual_seed(0)
    ours = PixelARConfig(
        **ODD_BACKBONE,
        rope_parameters={"rope_type": "default", "rope_theta": 5000.0},
        patch_size=(8, 8 * length),
        num_channels=channels,
        patch_embedding_bias=False,
        patch_head="bernoulli" if channels == 1 else "regression",
        regression_output_range="unit" if channels == 1 else "signed",
        classifier_bias=True,
    )
    model = PixelARForCausalLM(ours)
    conv = (channels, 8, 8 * length)
    weights = {
        "in_proj.weight": to_conv(model.model.embed_patches.projection.weight.data, *conv),
        "out_proj.weight": to_conv(model.patch_head.projection.weight.data.T, *conv),
    }
    for name, tensor in model.model.state_dict().items():
        if not name.startswith("embed_patches"):
            weights[name] = tensor
    original = {"model_type": "llama", "patch_size": 8, "patch_len": length, "num_channel": channels}
    original |= {"binary": channels == 1, "rope_theta": 5000.0, **ODD_BACKBONE}
    write_original(tmp_path / "source", weights, original)
    convert_checkpoint(tmp_path / "source", tmp_path / "target", "pixar", with_processor=False)
    assert_same(load(AutoModelForCausalLM, tmp_path / "target"), model)


def test_other_pixelgpt_sizes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    ours = PixelARConfig(
        **ODD_BACKBONE,
        rope_parameters={"rope_type": "default", "rope_theta": 5000.0},
        patch_size=(8, 8),
        num_channels=3,
        pixel_mean=0.0,
        pixel_std=1.0,
        patch_embedding_norm=True,
        patch_head="regression",
        norm_pix_loss=False,
        vocab_size=19,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=None,
    )
    model = PixelARForCausalLM(ours)
    for name, parameter in model.named_parameters():
        if "norm" in name:
            torch.nn.init.normal_(parameter)
    weights = dict(model.state_dict())
    weights["lm_pixel_head.weight"] = weights.pop("patch_head.projection.weight")
    weights["lm_token_head.weight"] = weights.pop("token_head.weight")
    prefix = "model.embed_patches."
    weights[f"{prefix}projection.weight"] = to_conv(weights[f"{prefix}projection.weight"], 3, 8, 8)
    for name in [name for name in weights if name.startswith(prefix)]:
        weights[name.replace(prefix, f"{prefix}patch_embeddings.")] = weights.pop(name)
    original = {"model_type": "ernie-pixel", "patch_size": 8, "num_channels": 3, "vocab_size": 19}
    original |= {"norm_pix_loss": False, "image_size": [8, 512], "rope_theta": 5000.0, **ODD_BACKBONE}
    write_original(tmp_path / "source", weights, original)
    convert_checkpoint(tmp_path / "source", tmp_path / "target", "pixelgpt", with_processor=False)
    assert_same(load(AutoModelForCausalLM, tmp_path / "target"), model)


def assert_same(ours: PreTrainedModel, theirs: PreTrainedModel) -> None:
    """The same weights under the same names, and the same configuration where it was not left to a default."""
    left, right = ours.state_dict(), theirs.state_dict()
    assert left.keys() == right.keys()
    for name in left:
        assert torch.equal(left[name], right[name]), name
    ignored = ("architectures", "dtype", "_name_or_path", "transformers_version")
    configs = [
        {key: value for key, value in model.config.to_dict().items() if key not in ignored}
        for model in (ours, theirs)
    ]
    assert configs[0] == configs[1]


# ---- what lies beside the model ----


def test_record_and_card(tmp_path: Path) -> None:
    fixture = load_fixture("pixar_causal_A")
    report = convert(fixture, "pixar", tmp_path, form="sharded bin")
    record = json.loads((tmp_path / "target" / "conversion.json").read_text(encoding="utf-8"))
    read = {path.name for path in (tmp_path / "source").iterdir()}
    assert set(record["source_files"]) == set(report.source_files) == read
    assert len(read) == 4
    for name, about in record["source_files"].items():
        content = (tmp_path / "source" / name).read_bytes()
        assert about == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    assert set(record["versions"]) == {"pixel_ar", "torch", "transformers", "safetensors"}
    assert str(tmp_path) not in json.dumps(record)
    card = (tmp_path / "target" / "README.md").read_text(encoding="utf-8")
    assert "carry no licence" in card
    for about in record["source_files"].values():
        assert about["sha256"] in card


def test_converting_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    fixture = load_fixture("pixelgpt_text_A")
    source = write_original(tmp_path / "source", fixture.weights, original_config(fixture))
    for name in ("first", "second"):
        convert_checkpoint(source, tmp_path / name, "pixelgpt", with_processor=False)
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes(), path.name


def test_an_empty_target_is_used_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    convert(load_fixture("pixar_causal_A"), "pixar", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]
    assert (tmp_path / "target").stat().st_mode & 0o777 == (tmp_path / "source").stat().st_mode & 0o777


def test_the_decoder_alone_loads(tmp_path: Path) -> None:
    fixture = load_fixture("pixar_causal_A")
    convert(fixture, "pixar", tmp_path)
    model = load(AutoModel, tmp_path / "target")
    with torch.no_grad():
        out = model(fixture.inputs["pixel_values"], attention_mask=fixture.inputs["attention_mask"])
    expected = fixture.outputs["last_hidden_state"]
    check("pixar_causal_A, decoder", states=deviation(out.last_hidden_state, expected))
