# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Configuration: derived fields, round trip, and one clear error per impossible combination."""

import pytest
from transformers import AutoConfig

from pixel_ar import PixelARConfig


def test_derived_fields() -> None:
    config = PixelARConfig(hidden_size=96, num_attention_heads=6, head_hidden_size=96, patch_size=[8, 20])
    assert config.num_key_value_heads == 6
    assert config.head_dim == 16
    assert config.patch_size == (8, 20)
    assert config.head_intermediate_size == 256
    assert config.head_group_columns == 20
    assert config.patch_length == 160


@pytest.mark.parametrize(
    ("hidden_size", "head", "per_byte"),
    [
        (768, 512, 128),
        (256, 256, 128),
        (64, 64, 64),
        (38, 36, 36),
    ],
)
def test_default_head_is_not_wider_than_the_decoder(hidden_size: int, head: int, per_byte: int) -> None:
    config = PixelARConfig(hidden_size=hidden_size, num_attention_heads=1)
    assert (config.head_hidden_size, config.head_byte_hidden_size) == (head, per_byte)
    layered = PixelARConfig(hidden_size=hidden_size, num_attention_heads=1, head_num_layers=2)
    assert (layered.head_hidden_size, layered.head_byte_hidden_size) == (min(head, 192), per_byte)
    other = PixelARConfig(hidden_size=hidden_size, num_attention_heads=1, head_hidden_size=192)
    assert (other.head_hidden_size, other.head_byte_hidden_size) == (192, 128)


@pytest.mark.parametrize(("width", "columns"), [(20, 5), (16, 4), (7, 1), (6, 3), (25, 5)])
def test_default_group_is_the_largest_divisor_up_to_five(width: int, columns: int) -> None:
    assert PixelARConfig(patch_size=(8, width), head_num_layers=1).head_group_columns == columns


def test_masked_mlp_spans_the_patch_by_default() -> None:
    assert PixelARConfig(patch_size=(8, 16)).head_group_columns == 16


def test_round_trip(tmp_path) -> None:
    config = PixelARConfig(
        patch_size=(16, 16), rope_parameters={"rope_type": "default", "rope_theta": 5000.0}
    )
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert loaded.to_diff_dict() == config.to_diff_dict()
    assert loaded.patch_size == (16, 16)
    assert isinstance(loaded, PixelARConfig)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"hidden_size": 100, "num_attention_heads": 3}, ["100", "3"]),
        ({"num_attention_heads": 8, "num_key_value_heads": 3}, ["8", "3"]),
        ({"patch_size": (8, 0)}, ["(8, 0)"]),
        ({"patch_size": (8, 8, 8)}, ["patch_size"]),
        ({"patch_size": (12, 8)}, ["multiple of 8", "12"]),
        ({"num_channels": 3}, ["num_channels=1", "3"]),
        ({"head_group_columns": 7}, ["7", "20"]),
        ({"head_num_layers": 0, "head_group_columns": 5}, ["head_group_columns", "20"]),
        ({"head_hidden_size": 50, "head_num_attention_heads": 4}, ["50", "4"]),
        ({"pixel_std": 0.0}, ["pixel_std", "0.0"]),
        ({"vocab_size": 61, "bos_token_id": 61}, ["bos_token_id", "61"]),
        ({"vocab_size": 0}, ["vocab_size", "0"]),
        ({"tie_word_embeddings": True}, ["tie_word_embeddings", "vocab_size"]),
        ({"patch_head": "bernoulli", "norm_pix_loss": True}, ["norm_pix_loss", "bernoulli"]),
        ({"num_channels": 2, "patch_head": "regression"}, ["num_channels", "2"]),
    ],
)
def test_impossible_combinations_name_their_values(fields: dict, words: list[str]) -> None:
    with pytest.raises(Exception) as caught:
        PixelARConfig(**fields)
    message = f"{caught.value} {caught.value.__cause__}"
    for word in words:
        assert word in message


def test_misspelt_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"'hiden_size' .did you mean 'hidden_size'"):
        PixelARConfig(hiden_size=64)
    with pytest.raises(ValueError, match=r"'autoregresive' is not registered .did you mean 'autoregressive'"):
        PixelARConfig(patch_head="autoregresive")
    with pytest.raises(ValueError, match=r"'nope' is not registered; choose one of"):
        PixelARConfig(patch_head="nope")
    assert PixelARConfig(note_of_mine="kept").note_of_mine == "kept"
