# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What low-rank adapters (LoRA, arXiv 2106.09685) of PEFT adapt in these models, and what is quantised under them.

PEFT knows default targets of the model types in its own tables alone and has no call to add one, so name them:

    LoraConfig(task_type="SEQ_CLS", target_modules=LORA_TARGETS)

Its methods that change layers (LoRA, IA3 and their kin) work here. Those that put learned positions before a prompt
(prompt tuning, prefix tuning, P-tuning) ask for `input_ids`, which strips do not have: PEFT then says "You have to
provide either input_ids or inputs_embeds".
"""

from ..models.pixel_ar.quantization import UNQUANTIZED_MODULES

# The linear layers of attention and MLP, whose names are Llama's. The patch head has other names: it is small, and
# trained whole (`modules_to_save=["patch_head"]`) where it is trained; PEFT does so by itself for the heads of tasks.
LORA_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

# What stays in full precision when the decoder is quantised (QLoRA, arXiv 2305.14314). `from_pretrained` leaves these
# alone by itself; for quantisers of other libraries, which are given a model and a list.
QUANTIZATION_SKIPS = list(UNQUANTIZED_MODULES)

__all__ = ["LORA_TARGETS", "QUANTIZATION_SKIPS"]
