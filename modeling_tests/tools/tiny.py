# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The very small model of most tests."""

BACKBONE = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
# The same with grouped queries.
GROUPED = {**BACKBONE, "num_attention_heads": 4, "num_key_value_heads": 2}
TINY = {
    **BACKBONE,
    "head_hidden_size": 32,
    "head_num_layers": 1,
    "head_num_attention_heads": 2,
    "head_byte_embedding_size": 8,
    "head_byte_hidden_size": 16,
}

__all__ = ["BACKBONE", "GROUPED", "TINY"]
