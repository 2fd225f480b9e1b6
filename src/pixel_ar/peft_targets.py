# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Default target modules for PEFT, so that `LoraConfig(task_type="SEQ_CLS")` is enough.

PEFT keeps its defaults by model type in dictionaries and has no call to add one. They are entered when PEFT is
imported, before or after this package: importing it from here would cost everyone a second.
"""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

CONSTANTS = "peft.utils.constants"
MODEL_TYPE = "pixel_ar"

# Attention and MLP of the decoder. The patch head has other names: it is small, and trained whole where it is trained.
LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def register_peft_targets() -> None:
    """Enters the defaults now if PEFT is imported already, or else as soon as it is. Harmless without PEFT."""
    constants = sys.modules.get(CONSTANTS)
    if constants is not None:
        _enter(constants)
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def _enter(constants: ModuleType) -> None:
    """All linear layers for LoRA; for every other method what it adapts in Llama, whose names ours are."""
    for name, table in vars(constants).items():
        if (
            not (name.startswith("TRANSFORMERS_MODELS_TO_") and isinstance(table, dict))
            or "llama" not in table
        ):
            continue
        is_lora = name == "TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING"
        table.setdefault(MODEL_TYPE, list(LORA_TARGETS) if is_lora else table["llama"])


class _Finder(importlib.abc.MetaPathFinder):
    """Waits for the import of PEFT's tables; finds nothing itself."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != CONSTANTS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return spec
        sys.meta_path.remove(self)
        spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    """Loads the module as its own loader does, then enters the defaults."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _enter(module)


__all__ = ["LORA_TARGETS", "register_peft_targets"]
