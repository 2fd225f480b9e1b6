# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What low-rank adapters (LoRA, arXiv 2106.09685) of PEFT adapt in these models, and what is quantised under them.

PEFT knows default targets of the model types in its own tables alone and has no call to add one, so name them:

    LoraConfig(task_type="SEQ_CLS", target_modules=LORA_TARGETS)
"""

# The linear layers of attention and MLP, whose names are Llama's. The patch head has other names: it is small, and
# trained whole (`modules_to_save=["patch_head"]`) where it is trained; PEFT does so by itself for the heads of tasks.
LORA_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

# What stays in full precision when the decoder is quantised (QLoRA, arXiv 2305.14314): the layers where pixels come in
# and go out, small and read value by value, and the new heads of tasks, which are trained.
#
#     BitsAndBytesConfig(load_in_4bit=True, llm_int8_skip_modules=QUANTIZATION_SKIPS)
QUANTIZATION_SKIPS = [
    "embed_patches",
    "model.embed_patches",
    "patch_head",
    "token_head",
    "score",
    "qa_outputs",
]

__all__ = ["LORA_TARGETS", "QUANTIZATION_SKIPS"]
