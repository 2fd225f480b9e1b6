# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The registry of patch heads. A new head is one subclass of [`PatchHead`] and one entry here."""

from ..configuration_pixel_ar import PixelARConfig, declare_patch_heads
from .autoregressive import AutoregressivePatchHead
from .base import PatchHead
from .dictionary import DictionaryPatchHead
from .flow import FlowPatchHead
from .linear import BernoulliPatchHead, RegressionPatchHead
from .parts import PartsPatchHead

PATCH_HEADS: dict[str, type[PatchHead]] = {
    "autoregressive": AutoregressivePatchHead,
    "dictionary": DictionaryPatchHead,
    "bernoulli": BernoulliPatchHead,
    "regression": RegressionPatchHead,
    "flow": FlowPatchHead,
}
declare_patch_heads(PATCH_HEADS)


def build_patch_head(config: PixelARConfig) -> PatchHead:
    """Builds the head that `config.patch_head` names.

    Raises:
        ValueError: for a name that is not registered, listing those that are.
    """
    if config.patch_head not in PATCH_HEADS:
        raise ValueError(
            f"patch_head={config.patch_head!r} is not registered; choose one of {sorted(PATCH_HEADS)} or add a "
            "PatchHead subclass to PATCH_HEADS."
        )
    if config.dictionary_parts > 1:
        return PartsPatchHead(config)
    return PATCH_HEADS[config.patch_head](config)


__all__ = ["PATCH_HEADS", "build_patch_head"]
