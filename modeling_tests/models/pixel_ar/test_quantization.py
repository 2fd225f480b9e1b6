# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Loading with a quantisation of Transformers, with nothing else said: pixels come in and go out unharmed."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BitsAndBytesConfig, QuantoConfig, TorchAoConfig

import pixel_ar
from pixel_ar.models.pixel_ar.configuration_pixel_ar import PixelARConfig
from pixel_ar.models.pixel_ar.modeling_pixel_ar import PixelARForCausalLM, PixelARModel
from pixel_ar.models.pixel_ar.quantization import UNQUANTIZED_MODULES, spare_inputs_and_outputs
from pixel_ar.models.pixel_ar.tasks import (
    PixelARForQuestionAnswering,
    PixelARForSequenceClassification,
    PixelARForTokenClassification,
)

SIZES = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
MODELS: dict[str, tuple[type, dict[str, Any]]] = {
    "decoder": (PixelARModel, {}),
    "bytes": (PixelARForCausalLM, {"patch_embedding_hidden_size": 64, "patch_embedding_norm": True}),
    "groups": (PixelARForCausalLM, {"head_num_layers": 1, "patch_embedding_bias": False}),
    "bernoulli": (PixelARForCausalLM, {"patch_head": "bernoulli"}),
    "regression": (PixelARForCausalLM, {"patch_head": "regression"}),
    "tokens": (PixelARForCausalLM, {"vocab_size": 64, "tie_word_embeddings": True}),
    "rows": (PixelARForSequenceClassification, {"num_labels": 3, "classifier_bias": True}),
    "positions": (PixelARForTokenClassification, {"num_labels": 3}),
    "answers": (PixelARForQuestionAnswering, {}),
}


def needs(library: str) -> pytest.MarkDecorator:
    parent = library.partition(".")[0]
    found = importlib.util.find_spec(parent) and importlib.util.find_spec(library)
    return pytest.mark.skipif(found is None, reason=f"needs {library}")


def int8_weights() -> TorchAoConfig:
    from torchao.quantization import Int8WeightOnlyConfig

    return TorchAoConfig(Int8WeightOnlyConfig())


KINDS: dict[str, tuple[str, Any]] = {
    "bitsandbytes-4": ("bitsandbytes", lambda: BitsAndBytesConfig(load_in_4bit=True)),
    "bitsandbytes-8": ("bitsandbytes", lambda: BitsAndBytesConfig(load_in_8bit=True)),
    "dictionary": ("bitsandbytes", lambda: {"load_in_4bit": True}),
    "torchao-8": ("torchao", int8_weights),
    "quanto-4": ("optimum.quanto", lambda: QuantoConfig(weights="int4")),
}
# Four bits for every class; the others look at modules in the same way.
CASES = [
    pytest.param(name, kind, marks=needs(library))
    for kind, (library, _) in KINDS.items()
    for name in (
        MODELS if kind == "bitsandbytes-4" else ["bytes"] if kind == "dictionary" else ["tokens", "rows"]
    )
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_states_stay_nearly_the_same(name: str, kind: str, tmp_path: Path) -> None:
    model_class, settings = MODELS[name]
    torch.manual_seed(0)
    model = model_class(PixelARConfig(**SIZES, **settings)).eval()
    model.save_pretrained(tmp_path)
    quantised = model_class.from_pretrained(tmp_path, quantization_config=KINDS[kind][1]()).eval()
    inputs: dict[str, Any] = {"pixel_values": (torch.rand(2, 1, 8, 120) > 0.4).float()}
    if name == "tokens":
        inputs["input_ids"] = torch.arange(10).reshape(2, 5)
    with torch.no_grad():
        states, other = (each.base_model(**inputs).last_hidden_state for each in (model, quantised))
        outputs = quantised(**inputs)
    assert torch.nn.functional.cosine_similarity(states, other.float(), dim=-1).min() >= 0.98
    whole = [layer for path, layer in quantised.named_modules() if path.endswith(UNQUANTIZED_MODULES)]
    assert whole and all(
        type(part.weight) is torch.nn.Parameter and part.weight.is_floating_point()
        for layer in whole
        for part in layer.modules()
        if isinstance(part, torch.nn.Linear)
    )
    inner = quantised.base_model.layers[0].mlp.up_proj
    assert (
        type(inner) is not torch.nn.Linear or type(inner.weight.data) is not torch.Tensor
    )  # it was quantised
    if model_class is PixelARForCausalLM:
        assert quantised.generate(inputs["pixel_values"], max_new_patches=2).shape[-1] == 160
    else:
        assert torch.isfinite(outputs[0]).all()


@pytest.mark.filterwarnings("ignore")
@needs("bitsandbytes")
def test_a_trained_model_in_four_bits() -> None:
    """The likelihood of a text changes by less than two nats in twenty-four."""
    folder = pixel_ar.bundled_checkpoint("pixel-ar-tiny")
    strips = pixel_ar.PixelProcessor.from_pretrained(folder)(
        text="The people of the United States", return_tensors="pt"
    )
    four = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    models = [
        PixelARForCausalLM.from_pretrained(folder, **more).eval()
        for more in ({}, {"quantization_config": four})
    ]
    with torch.no_grad():
        states, other = (
            model.model(pixel_values=strips["pixel_values"]).last_hidden_state for model in models
        )
        nats = [model.log_likelihood(**strips).item() for model in models]
    assert torch.nn.functional.cosine_similarity(states, other, dim=-1).min() >= 0.98
    assert abs(nats[0] - nats[1]) < 2


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=["mine"]), "llm_int8_skip_modules"),
        (QuantoConfig(weights="int8", modules_to_not_convert=["mine"]), "modules_to_not_convert"),
    ],
)
def test_what_the_caller_skips_stays_skipped(config: Any, field: str) -> None:
    spared = spare_inputs_and_outputs(config)
    assert getattr(spared, field) == ["mine", *UNQUANTIZED_MODULES]
    assert getattr(config, field) == ["mine"]  # the caller's is as it was


def test_dictionaries_of_settings() -> None:
    assert spare_inputs_and_outputs({"load_in_4bit": True})["llm_int8_skip_modules"] == [*UNQUANTIZED_MODULES]
    assert spare_inputs_and_outputs({"quant_method": "hqq"})["skip_modules"] == [*UNQUANTIZED_MODULES]
    assert spare_inputs_and_outputs({"quant_method": "quanto"})["modules_to_not_convert"] == [
        *UNQUANTIZED_MODULES
    ]
