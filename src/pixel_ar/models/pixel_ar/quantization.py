# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What stays in full precision when a model is loaded with a `quantization_config`.

The quantizers of Transformers keep the output embeddings of a language model by themselves. They cannot know where
pixels come in and go out: a patch embedding rounded to 4 bits loses its input (hidden states with a cosine of 0.1 to
those of the full model, where the quantised layers alone give 0.99).
"""

import copy
from typing import Any

# The layers where pixels and tokens come in and go out, small and read value by value, and the heads of tasks, which
# are trained. Names below the decoder and below a model with a head.
UNQUANTIZED_MODULES = (
    "embed_patches",
    "model.embed_patches",
    "patch_head",
    "token_head",
    "score",
    "qa_outputs",
)

# How the configurations of Transformers call the modules to leave alone: bitsandbytes, HQQ, and all others.
_SKIP_FIELDS = ("llm_int8_skip_modules", "skip_modules", "modules_to_not_convert")


def spare_inputs_and_outputs(quantization_config: Any) -> Any:
    """A quantisation's configuration in which the modules of `UNQUANTIZED_MODULES` are left in full precision too.

    Args:
        quantization_config: of Transformers, such as `BitsAndBytesConfig(load_in_4bit=True)`, or its dictionary.
            Modules that it leaves alone already stay so.

    Returns:
        A copy; a configuration without a field for such modules as it is.
    """
    if isinstance(quantization_config, dict):
        field = _field_of(quantization_config)
        return {**quantization_config, field: _joined(quantization_config.get(field))}
    for field in _SKIP_FIELDS:
        if hasattr(quantization_config, field):
            spared = copy.copy(quantization_config)
            setattr(spared, field, _joined(getattr(spared, field)))
            return spared
    return quantization_config


def _field_of(config: dict[str, Any]) -> str:
    if config.get("load_in_4bit") or config.get("load_in_8bit"):
        return _SKIP_FIELDS[0]
    return _SKIP_FIELDS[1] if config.get("quant_method") == "hqq" else _SKIP_FIELDS[2]


def _joined(skipped: Any) -> list[str]:
    """Their names once each, the caller's first."""
    return list(dict.fromkeys([*(skipped or []), *UNQUANTIZED_MODULES]))


__all__ = ["UNQUANTIZED_MODULES", "spare_inputs_and_outputs"]
