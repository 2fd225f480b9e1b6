# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Checkpoints that cannot be converted: one clear error each, and nothing is written."""

import contextlib
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tools.conversion import original_config, write_original
from tools.fixture import Fixture, load_fixture

from pixel_ar.conversion import CHECKPOINT_KINDS, convert_checkpoint

Weights = dict[str, torch.Tensor]


@pytest.fixture
def pixar() -> Fixture:
    return load_fixture("pixar_causal_A")


@pytest.fixture
def pixelgpt() -> Fixture:
    return load_fixture("pixelgpt_text_A")


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every path below a folder, with the contents of files."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def refuse(source: Path, target: Path, kind: str, *parts: str, **options: Any) -> str:
    """Converts what must fail, and returns the message; nothing may have changed on the disk."""
    root = target.parent
    before = tree(root)
    with pytest.raises(ValueError) as caught:
        convert_checkpoint(source, target, kind, **{"with_processor": False, **options})
    assert tree(root) == before
    message = str(caught.value)
    for part in parts:
        assert part in message, message
    return message


# ---- tensors ----


def test_all_tensors_that_do_not_fit_are_listed(pixar: Fixture, tmp_path: Path) -> None:
    weights = pixar.weights
    del weights["layers.1.mlp.up_proj.weight"], weights["norm.weight"]
    weights["layers.2.mlp.up_proj.weight"] = torch.zeros(128, 64)
    weights["surprise"] = torch.zeros(3)
    weights["in_proj.weight"] = torch.zeros(64, 3, 8, 16)
    weights["layers.0.mlp.down_proj.weight"] = torch.zeros(64, 64)
    weights["layers.0.input_layernorm.weight"] = torch.zeros(64, dtype=torch.int64)
    weights["layers.1.input_layernorm.weight"] = torch.zeros(64).to_sparse()
    source = write_original(tmp_path / "source", weights, original_config(pixar))
    refuse(
        source,
        tmp_path / "target",
        "pixar",
        "2 missing: layers.1.mlp.up_proj.weight, norm.weight",
        "2 unknown: layers.2.mlp.up_proj.weight, surprise",
        "2 of another shape: in_proj.weight [64, 3, 8, 16] instead of [64, 1, 8, 16], "
        "layers.0.mlp.down_proj.weight [64, 64] instead of [64, 128]",
        "2 not dense floating point: layers.0.input_layernorm.weight (torch.int64, torch.strided), "
        "layers.1.input_layernorm.weight (torch.float32, torch.sparse_coo)",
        "nothing was written",
    )


@pytest.mark.parametrize("name", sorted(load_fixture("pixelgpt_seqcls_pair_A").weights))
def test_any_missing_tensor_of_a_classifier(name: str, tmp_path: Path) -> None:
    fixture = load_fixture("pixelgpt_seqcls_pair_A")
    config = original_config(fixture)
    del fixture.weights[name]
    source = write_original(tmp_path / "source", fixture.weights, config)
    refuse(source, tmp_path / "target", "pixelgpt", f"1 missing: {name}")


@pytest.mark.parametrize("name", ["out_proj.weight", "in_proj.weight", "layers.1.self_attn.q_proj.weight"])
def test_missing_tensors_of_pixar(name: str, pixar: Fixture, tmp_path: Path) -> None:
    del pixar.weights[name]
    source = write_original(tmp_path / "source", pixar.weights, original_config(pixar))
    refuse(source, tmp_path / "target", "pixar", f"1 missing: {name}")


def test_no_token_table_at_all(pixelgpt: Fixture, tmp_path: Path) -> None:
    del pixelgpt.weights["model.embed_tokens.weight"], pixelgpt.weights["lm_token_head.weight"]
    source = write_original(tmp_path / "source", pixelgpt.weights, original_config(pixelgpt))
    refuse(
        source, tmp_path / "target", "pixelgpt", "2 missing: lm_token_head.weight, model.embed_tokens.weight"
    )


def test_tied_tables_that_differ(pixelgpt: Fixture, tmp_path: Path) -> None:
    config = original_config(pixelgpt) | {"tie_word_embeddings": True}
    source = write_original(tmp_path / "source", pixelgpt.weights, config)
    refuse(source, tmp_path / "target", "pixelgpt", "they differ", "tie_word_embeddings to false")


def test_frequencies_of_another_base_are_unknown(pixar: Fixture, tmp_path: Path) -> None:
    """A saved buffer that contradicts the configuration is not dropped in silence."""
    pixar.weights["layers.0.self_attn.rotary_emb.inv_freq"] = 500.0 ** -(torch.arange(0, 16, 2) / 16)
    source = write_original(tmp_path / "source", pixar.weights, original_config(pixar))
    refuse(source, tmp_path / "target", "pixar", "1 unknown: layers.0.self_attn.rotary_emb.inv_freq")


# ---- configurations ----


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"model_type": "gpt2"}, "model of type 'gpt2', where PIXAR has 'llama'"),
        ({"model_type": "ernie-pixel"}, "try pixelgpt"),
        ({"model_type": None}, "model of type None"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling is {'type': 'linear'"),
        (
            {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}},
            "rope_parameters is {'rope_type': 'yarn'",
        ),
        ({"rope_theta": -1}, "rope_theta is -1"),
        ({"pretraining_tp": 2}, "pretraining_tp is 2, where only 1 is known"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ({"compressor": "cnn"}, "compressor is 'cnn'"),
        ({"mlp_bias": True}, "mlp_bias is True"),
        ({"quantization_config": {"bits": 4}}, "quantization_config is {'bits': 4}"),
        ({"head_dim": 32}, "head_dim is 32"),
        ({"binary": None}, "binary is missing"),
        ({"binary": "yes"}, "binary is 'yes'"),
        ({"patch_len": None}, "patch_len is missing"),
        ({"hidden_size": "64"}, "hidden_size is '64', not a positive integer"),
        ({"num_attention_heads": 0}, "num_attention_heads is 0"),
        ({"num_attention_heads": 5}, "num_attention_heads"),
        ({"num_channel": 2}, "num_channels must be 1 or 3, got 2"),
        ({"rms_norm_eps": "small"}, "rms_norm_eps"),
    ],
)
def test_configurations_of_another_computation(
    change: dict[str, Any], part: str, pixar: Fixture, tmp_path: Path
) -> None:
    source = write_original(tmp_path / "source", pixar.weights, original_config(pixar) | change)
    refuse(source, tmp_path / "target", "pixar", part)


def test_all_problems_of_a_configuration_are_listed(pixelgpt: Fixture, tmp_path: Path) -> None:
    config = original_config(pixelgpt) | {"pretraining_tp": 2, "hidden_act": "relu", "patch_size": [16, 8]}
    source = write_original(tmp_path / "source", pixelgpt.weights, config)
    refuse(source, tmp_path / "target", "pixelgpt", "pretraining_tp is 2", "hidden_act is 'relu'", "[16, 8]")


def test_a_malformed_configuration(tmp_path: Path) -> None:
    fixture = load_fixture("pixelgpt_seqcls_text_A")
    config = original_config(fixture) | {"id2label": 3}
    source = write_original(tmp_path / "source", fixture.weights, config)
    refuse(source, tmp_path / "target", "pixelgpt", "config.json is malformed")


def test_a_checkpoint_of_the_other_kind(pixar: Fixture, pixelgpt: Fixture, tmp_path: Path) -> None:
    pixar_source = write_original(tmp_path / "pixar", pixar.weights, original_config(pixar))
    pixelgpt_source = write_original(tmp_path / "pixelgpt", pixelgpt.weights, original_config(pixelgpt))
    refuse(pixar_source, tmp_path / "target", "pixelgpt", "try pixar")
    refuse(pixelgpt_source, tmp_path / "target", "pixar", "try pixelgpt")


def test_fields_without_effect_are_reported(pixar: Fixture, tmp_path: Path) -> None:
    config = original_config(pixar) | {"favourite_colour": "green"}
    source = write_original(tmp_path / "source", pixar.weights, config)
    report = convert_checkpoint(source, tmp_path / "target", "pixar", with_processor=False)
    assert any("favourite_colour" in note for note in report.notes)


# ---- files ----


class RunsCode:
    """Makes a folder when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_with_code_is_not_run(
    zipped: bool, pixar: Fixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = write_original(tmp_path / "source", {}, original_config(pixar))
    torch.save(
        {"norm.weight": torch.zeros(1), "x": RunsCode()},
        source / "pytorch_model.bin",
        _use_new_zipfile_serialization=zipped,
    )
    refuse(
        source, tmp_path / "target", "pixar", "pytorch_model.bin holds more than tensors", "can run any code"
    )


def test_a_bare_pickle_with_code_is_not_run(
    pixar: Fixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = write_original(tmp_path / "source", {}, original_config(pixar))
    (source / "pytorch_model.bin").write_bytes(pickle.dumps(RunsCode(), protocol=2))
    refuse(source, tmp_path / "target", "pixar", "pytorch_model.bin")


def damage_by_cutting(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage_by_emptying(path: Path) -> None:
    path.write_bytes(b"")


def damage_by_nesting(path: Path) -> None:
    torch.save({"state_dict": {"norm.weight": torch.zeros(1)}, "step": 3}, path)


def damage_by_listing(path: Path) -> None:
    torch.save([torch.zeros(1)], path)


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        (damage_by_cutting, "is damaged"),
        (damage_by_emptying, "is damaged"),
        (damage_by_nesting, "is no plain state dict: state_dict, step"),
        (damage_by_listing, "holds a list"),
    ],
)
def test_damaged_pickles(damage: Callable[[Path], None], part: str, pixar: Fixture, tmp_path: Path) -> None:
    source = write_original(tmp_path / "source", pixar.weights, original_config(pixar))
    damage(source / "pytorch_model.bin")
    refuse(source, tmp_path / "target", "pixar", "pytorch_model.bin", part)


@pytest.mark.parametrize("damage", [damage_by_cutting, damage_by_emptying])
def test_damaged_safetensors(damage: Callable[[Path], None], pixar: Fixture, tmp_path: Path) -> None:
    source = write_original(tmp_path / "source", pixar.weights, original_config(pixar), "safetensors")
    damage(source / "model.safetensors")
    refuse(source, tmp_path / "target", "pixar", "model.safetensors is damaged")


def test_shards(pixar: Fixture, tmp_path: Path) -> None:
    source = write_original(tmp_path / "source", pixar.weights, original_config(pixar), "sharded bin")
    target, index = tmp_path / "target", source / "pytorch_model.bin.index.json"
    shard = source / "pytorch_model-00002-of-00002.bin"
    original, content = json.loads(index.read_text(encoding="utf-8")), shard.read_bytes()

    def rewrite(weight_map: Any) -> None:
        index.write_text(json.dumps({"weight_map": weight_map}), encoding="utf-8")

    shard.unlink()
    refuse(source, target, "pixar", "names the shard pytorch_model-00002-of-00002.bin, which is not there")
    shard.write_bytes(content)
    rewrite({**original["weight_map"], "norm.weight": "../elsewhere.bin"})
    refuse(source, target, "pixar", "'../elsewhere.bin'", "same folder")
    rewrite({**original["weight_map"], "lost.weight": shard.name})
    refuse(source, target, "pixar", "the shards lack", "lost.weight")
    rewrite({})
    refuse(source, target, "pixar", 'no "weight_map"')
    rewrite(original["weight_map"])
    torch.save({"norm.weight": torch.zeros(64), "in_proj.weight": torch.zeros(1)}, shard)
    refuse(source, target, "pixar", "another shard holds as well")
    shard.write_bytes(content)
    convert_checkpoint(source, target, "pixar", with_processor=False)


def test_no_configuration(pixar: Fixture, pixelgpt: Fixture, tmp_path: Path) -> None:
    for kind, fixture in (("pixar", pixar), ("pixelgpt", pixelgpt)):
        source = write_original(tmp_path / kind, fixture.weights, original_config(fixture))
        (source / "config.json").unlink()
        refuse(source, tmp_path / "target", kind, "is not a checkpoint", "config.json")
    (source / "config.json").write_text("{not json", encoding="utf-8")
    refuse(source, tmp_path / "target", "pixelgpt", "config.json is not JSON")
    (source / "config.json").write_text("[]", encoding="utf-8")
    refuse(source, tmp_path / "target", "pixelgpt", "config.json holds a JSON list")


def test_no_weights(pixar: Fixture, tmp_path: Path) -> None:
    source = write_original(tmp_path / "source", pixar.weights, original_config(pixar))
    (source / "pytorch_model.bin").unlink()
    refuse(source, tmp_path / "target", "pixar", "holds no weights", "model.safetensors, pytorch_model.bin")


def test_latent_models(pixar: Fixture, tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_original(source / "backbone", pixar.weights, original_config(pixar))
    (source / "coder").mkdir()
    (source / "coder" / "config.json").write_text("{}", encoding="utf-8")
    for folder in (source, source / "backbone"):
        refuse(folder, tmp_path / "target", "pixar", "image compressor")


# ---- targets and arguments ----


def test_targets_in_use(pixar: Fixture, tmp_path: Path) -> None:
    source = write_original(tmp_path / "source", pixar.weights, original_config(pixar))
    target = tmp_path / "target"
    target.mkdir()
    (target / "precious.txt").write_text("mine", encoding="utf-8")
    refuse(source, target, "pixar", "target is not empty")
    refuse(source, source, "pixar", "source is not empty")
    refuse(source, target / "precious.txt", "pixar", "precious.txt is not a folder")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    refuse(source, tmp_path / "link", "pixar", "link is not a folder")


def test_sources_that_are_none(tmp_path: Path) -> None:
    refuse(tmp_path / "nothing", tmp_path / "target", "pixar", "nothing is not a folder")
    (tmp_path / "file").write_text("", encoding="utf-8")
    refuse(tmp_path / "file", tmp_path / "target", "pixelgpt", "file is not a folder")


def test_arguments(pixar: Fixture, tmp_path: Path) -> None:
    source = write_original(tmp_path / "source", pixar.weights, original_config(pixar))
    target = tmp_path / "target"
    refuse(source, target, "gpt2", "unknown kind of checkpoint 'gpt2'", *CHECKPOINT_KINDS)
    refuse(source, target, "pixar", "PixeloidSans-mLxMm.ttf", "--no-processor", with_processor=True)
    refuse(source, target, "pixar", "no font file", with_processor=True, font=tmp_path / "none.ttf")
    refuse(source, target, "pixar", "no bundled atlas", "fixed-5x8", with_processor=True, atlas="gothic")
    refuse(source, target, "pixar", "only one of", atlas="fixed-5x8")
    refuse(source, target, "pixar", "only one of", atlas="fixed-5x8", font="a.ttf", with_processor=True)


def test_a_write_that_fails_leaves_nothing(
    pixar: Fixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pixel_ar.conversion import checkpoints

    def fail(*args: Any) -> str:
        raise OSError("disk full")

    source = write_original(tmp_path / "source", pixar.weights, original_config(pixar))
    before = tree(tmp_path)
    monkeypatch.setattr(checkpoints, "conversion_card", fail)
    with pytest.raises(OSError, match="disk full"):
        convert_checkpoint(source, tmp_path / "target", "pixar", with_processor=False)
    assert tree(tmp_path) == before


# ---- files made to do harm ----


class Inflated:
    """Asks whoever reads its pickle for so many bytes."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __reduce__(self) -> tuple[Any, ...]:
        return bytearray, (self.size,)


@pytest.mark.parametrize("old_format", [False, True])
@pytest.mark.parametrize("size", [2**31, 1000])
def test_pickles_that_inflate_are_not_loaded(
    old_format: bool, size: int, pixar: Fixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_original(tmp_path / "source", pixar.weights, original_config(pixar))
    harm = {**pixar.weights, "harm": Inflated(size)}
    torch.save(harm, source / "pytorch_model.bin", _use_new_zipfile_serialization=not old_format)
    monkeypatch.setattr(torch, "load", None)  # must not be reached
    refuse(source, tmp_path / "target", "pixar", "pytorch_model.bin holds more than tensors", "bytearray")


def test_the_old_format_still_loads(pixar: Fixture, tmp_path: Path) -> None:
    source = write_original(tmp_path / "source", pixar.weights, original_config(pixar))
    torch.save(pixar.weights, source / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    assert convert_checkpoint(source, tmp_path / "target", "pixar", with_processor=False).num_parameters > 0


def test_expanded_tensors(pixar: Fixture, tmp_path: Path) -> None:
    """One value that says it is a matrix of five gigabytes, and a hundred that are each the whole file."""
    source = write_original(tmp_path / "source", pixar.weights, original_config(pixar))
    file = source / "pytorch_model.bin"
    torch.save({**pixar.weights, "norm.weight": torch.zeros(1).expand(40_000, 32_000)}, file)
    refuse(source, tmp_path / "target", "pixar", "norm.weight is expanded: [40000, 32000]")
    large = torch.zeros(1 << 22)
    torch.save({f"copy{n}": large.view(-1) for n in range(40)}, file)
    refuse(source, tmp_path / "target", "pixar", "its tensors share storages and are 671,088,640 bytes")
    torch.save({"one": torch.zeros(1).expand(2**40)}, file)
    refuse(source, tmp_path / "target", "pixar", "it declares 1,099,511,627,776 of something")


def test_compressed_parts(pixar: Fixture, tmp_path: Path) -> None:
    source = write_original(tmp_path / "source", pixar.weights, original_config(pixar))
    file = source / "pytorch_model.bin"
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    refuse(source, tmp_path / "target", "pixar", "pytorch_model.bin is damaged", "compressed")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1,000,000,000, more than"),
        ({"num_hidden_layers": 10**6}, "num_hidden_layers: 1,000,000, more than the limit of 4,096"),
        ({"hidden_size": 2**40}, "hidden_size is 1,099,511,627,776, more than"),
        ({"num_attention_heads": 10**6}, ""),
        ({"rms_norm_eps": float("inf")}, ""),
        ({"rope_theta": 10**400}, ""),
        ({"max_position_embeddings": -1}, ""),
        ({"id2label": [1]}, ""),
        ({"num_labels": 10**9}, ""),
        ({"architectures": {"a": 1}}, ""),
        ({"patch_size": 0}, ""),
        ({"patch_size": 10**20}, "patch_size is 100,000,000,000,000,000,000, more than"),
    ],
)
def test_configurations_that_ask_for_too_much(
    fields: dict[str, Any], message: str, pixar: Fixture, tmp_path: Path
) -> None:
    """Each is converted or refused with a `ValueError`, and refused before anything of that size is made."""
    source = write_original(tmp_path / "source", pixar.weights, original_config(pixar) | fields)
    if message:
        refuse(source, tmp_path / "target", "pixar", message)
        return
    with contextlib.suppress(ValueError):
        convert_checkpoint(source, tmp_path / "target", "pixar", with_processor=False)


@pytest.mark.parametrize(
    "content", ["[1]", "null", "Infinity", "[" * 100_000, '{"model_type": ' * 50_000, "\udc80"]
)
@pytest.mark.parametrize("name", ["config.json", "pytorch_model.bin.index.json"])
def test_damaged_json(name: str, content: str, pixar: Fixture, tmp_path: Path) -> None:
    source = write_original(tmp_path / "source", pixar.weights, original_config(pixar), "sharded bin")
    (source / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    refuse(source, tmp_path / "target", "pixar", name)


def test_a_strangers_tokenizer_runs_no_code(
    pixelgpt: Fixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An `auto_map` wherever one can stand; the question whether to run it is not even asked."""
    monkeypatch.setattr("builtins.input", lambda *words: pytest.fail("asked"))
    auto_map = dict.fromkeys(
        ("AutoConfig", "AutoModel", "AutoModelForCausalLM", "AutoProcessor"), "evil.Evil"
    )
    auto_map["AutoTokenizer"] = ["evil.Evil", "evil.Evil"]
    config = original_config(pixelgpt) | {"auto_map": auto_map, "tokenizer_class": "Evil"}
    source = write_original(tmp_path / "source", pixelgpt.weights, config)
    settings = {"auto_map": auto_map, "tokenizer_class": "Evil", "model_type": "pixel_ar"}
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"):
        (source / name).write_text(json.dumps(settings), encoding="utf-8")
    for name in ("processor_config.json", "preprocessor_config.json", "generation_config.json"):
        (source / name).write_text(json.dumps(settings), encoding="utf-8")
    marker = tmp_path / "ran"
    (source / "evil.py").write_text(f"open({str(marker)!r}, 'w')\nclass Evil: pass\n", encoding="utf-8")
    report = convert_checkpoint(source, tmp_path / "target", "pixelgpt", with_processor=False)
    assert not marker.exists() and any("could not be loaded here" in note for note in report.notes)
    written = [json.loads(path.read_text()) for path in (tmp_path / "target").glob("config.json")]
    assert written and all("auto_map" not in content for content in written)
