# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What a family of published checkpoints is to the converter: its configuration and tensors in terms of ours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from ..models.page.configuration_page import PixelPageConfig
from ..models.pixel_ar.configuration_pixel_ar import PixelARConfig


@dataclass(frozen=True)
class TensorRule:
    """Where one of our tensors comes from.

    Attributes:
        source: its name in the checkpoint.
        shape: its shape there.
        convert: turns it into ours.
    """

    source: str
    shape: tuple[int, ...]
    convert: Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Mapped:
    """A checkpoint's configuration in our terms.

    Attributes:
        config: ours.
        architecture: name of our model class.
        ignored_fields: fields of the original that this package does not know.
        notes: what a user should know about the mapping.
    """

    config: PixelARConfig | PixelPageConfig
    architecture: str
    ignored_fields: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Family:
    """One kind of published checkpoint.

    Attributes:
        kind: its name on the command line.
        title: its name in sentences.
        model_types: what `model_type` its `config.json` carries.
        map_config: `(config.json, tensors)` to our configuration.
        source_name: the name that a tensor of ours has there.
        convolutions: our names of the tensors that are convolutions there, and the conversion.
        droppable: names that may be in a file and mean nothing, with the reason.
        subfolder: where a training folder of the project keeps the model.
        weight_file: a name of its own that the weights may have.
        has_tokenizer: whether tokenizer files beside the weights belong to the model.
        reads_strips: whether the model reads drawn text, so that it depends on a font; else it reads pages.
        settings_file: a JSON file beside `config.json` that belongs to the configuration; `map_config` finds it there
            under its name, where it is present.
        token_tables: our names of the token embedding and of the head that may be tied to it.
    """

    kind: str
    title: str
    model_types: tuple[str, ...]
    map_config: Callable[[Mapping[str, Any], Mapping[str, torch.Tensor]], Mapped]
    source_name: Callable[[str], str]
    convolutions: Mapping[str, Callable[[torch.Tensor], torch.Tensor]]
    droppable: Mapping[str, str] = field(default_factory=dict)
    subfolder: str | None = None
    weight_file: str | None = None
    has_tokenizer: bool = False
    reads_strips: bool = True
    settings_file: str | None = None
    token_tables: tuple[str, str] = ("model.embed_tokens.weight", "token_head.weight")


__all__ = ["Family", "Mapped", "TensorRule"]
