# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The ledger: everything this package takes from transformers that its documentation does not promise.

A minor release may rename or drop such a name, so each stands here, with the reason, and nowhere else;
`modeling_tests/test_transformers_names.py` walks the source and fails on one used elsewhere. Documented, for that test,
is what `from transformers import name` gives, and the few modules in [`DOCUMENTED`]. All of it was run on the versions
in [`RUN_ON`].
"""

from typing import Any

import torch
import transformers
from transformers import Cache, PreTrainedConfig
from transformers import initialization as init  # initial values that leave loaded weights alone
from transformers.activations import ACT2FN  # `config.hidden_act` by Transformers' names
from transformers.generation import GenerateDecoderOnlyOutput
from transformers.generation.streamers import BaseStreamer  # what a caller's streamer is checked to be
from transformers.integrations import (
    is_deepspeed_zero3_enabled,  # weights in pieces: all processes step together
)
from transformers.masking_utils import create_causal_mask  # the mask each registered attention function needs
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.utils import (
    ModelOutput,
    cached_file,  # a file of a folder or of the Hub, as every loader finds it
)

RUN_ON = ("5.22.0", "5.23.0", "5.24.0")

# The documentation names these by their path: outputs, logging, and how to add a pipeline.
DOCUMENTED = (
    "transformers.utils.ModelOutput",
    "transformers.utils.logging",
    "transformers.modeling_outputs",
    "transformers.pipelines.PIPELINE_REGISTRY",
)
# Imported where it is used, since this module is loaded by every process and that one by training alone.
ELSEWHERE = {
    "transformers.trainer_callback.ExportableState": "state of a callback that a checkpoint keeps",
    "transformers.trainer_utils.TrainOutput": "what Trainer.train returns, as a type",
}
# Private attributes and arguments of transformers that are read or passed.
ATTRIBUTES = {
    "_attn_implementation": "which attention function a configuration asks for",
    "_prepare_inputs": "Trainer's batch on its device, for a second model in the same step",
    "_raise_exceptions_for_missing_entries": "of cached_file: a missing file is `None`",
}
# What classes declare for, or override of, transformers' own: its documented ways to add a model and a pipeline.
DECLARATIONS = {
    "_can_compile_fullgraph": "a step compiles as one graph",
    "_forward": "of a pipeline",
    "_init_weights": "initial values",
    "_input_embed_layer": "where the input embeddings are",
    "_keys_to_ignore_on_load_unexpected": "heads of another task in a checkpoint",
    "_load_optimizer_and_scheduler": "of Trainer: the second optimiser of the adversarial stage",
    "_load_feature_extractor": "of a pipeline: a PixelProcessor is no feature extractor",
    "_load_image_processor": "of a pipeline: likewise",
    "_load_processor": "of a pipeline",
    "_load_tokenizer": "of a pipeline: likewise",
    "_load_video_processor": "of a pipeline: likewise",
    "_no_split_modules": "what a device map keeps whole",
    "_sanitize_parameters": "of a pipeline",
    "_save_optimizer_and_scheduler": "of Trainer: likewise",
    "_skip_keys_device_placement": "caches are not moved",
    "_supports_attention_backend": "attention through the interface",
    "_supports_flash_attn": "likewise",
    "_supports_flex_attn": "likewise",
    "_supports_sdpa": "likewise",
    "_tied_weights_keys": "which weight is another's, where the configuration ties them",
}

# 5.24 renamed `past_key_values` to `cache`, in arguments and outputs. The name of the installed version:
CACHE_NAME = "cache" if "cache" in BaseModelOutputWithPast.__dataclass_fields__ else "past_key_values"


# What `generate` of any decoder returns, for isinstance. Before 5.24 its cache had the old name, as a field: then ours
# is an output of its own.
TokenOutput: Any = GenerateDecoderOnlyOutput if CACHE_NAME == "cache" else ModelOutput


def shards_weights(model: torch.nn.Module) -> bool:
    """Whether processes hold parts of the weights, so that all must call the model until the last has finished."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return False
    from torch.distributed.fsdp import FSDPModule, FullyShardedDataParallel

    is_fsdp = any(isinstance(module, FSDPModule | FullyShardedDataParallel) for module in model.modules())
    return (is_fsdp or is_deepspeed_zero3_enabled()) and torch.distributed.get_world_size() > 1


def causal_mask(
    config: PreTrainedConfig,
    inputs_embeds: torch.Tensor,
    attention_mask: torch.Tensor | None,
    cache: Cache | None,
    position_ids: torch.Tensor,
    or_rule: Any = None,
) -> Any:
    """What the configured attention function takes as its mask: `None`, a tensor, or a block mask.

    Args:
        config: says which attention function.
        inputs_embeds: `[B, T, D]`; only shape, dtype and device count.
        attention_mask: `[B, cached + T]`, 1 = attended; `None` if nothing is padded; a mask made before is returned.
        cache: of earlier positions, or `None`.
        position_ids: `[B or 1, T]`.
        or_rule: `(row, head, query, key)` to whether they see each other though the key is later.
    """
    return create_causal_mask(
        config=config,
        inputs_embeds=inputs_embeds,
        attention_mask=attention_mask,
        position_ids=position_ids,
        or_mask_function=or_rule,
        **{CACHE_NAME: cache},
    )


def versions() -> str:
    """For errors about what a release may have changed."""
    return f"transformers {transformers.__version__} (run on {', '.join(RUN_ON)}), torch {torch.__version__}"


__all__ = [
    "ACT2FN",
    "ATTRIBUTES",
    "CACHE_NAME",
    "DECLARATIONS",
    "DOCUMENTED",
    "ELSEWHERE",
    "RUN_ON",
    "BaseStreamer",
    "TokenOutput",
    "cached_file",
    "causal_mask",
    "init",
    "shards_weights",
    "versions",
]
