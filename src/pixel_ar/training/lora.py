# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What low-rank adapters (LoRA, arXiv 2106.09685) of PEFT adapt in these models.

PEFT knows default targets of the model types in its own tables alone and has no call to add one, so name them:

    LoraConfig(task_type="SEQ_CLS", target_modules=LORA_TARGETS)
"""

# The linear layers of attention and MLP, whose names are Llama's. The patch head has other names: it is small, and
# trained whole (`modules_to_save=["patch_head"]`) where it is trained; PEFT does so by itself for the heads of tasks.
LORA_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

__all__ = ["LORA_TARGETS"]
