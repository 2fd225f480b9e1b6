# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The families of models in this package: what each is made of, and what goes with a checkpoint of it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedConfig

from .cards import language_model_card, page_card, spae_card
from .figures import (
    Check,
    language_model_checks,
    language_model_figures,
    page_checks,
    page_figures,
    spae_checks,
    spae_figures,
)
from .models.page.configuration_page import PixelPageConfig
from .models.page.modeling_page import PixelPageForConditionalGeneration
from .models.pixel_ar.configuration_pixel_ar import PixelARConfig
from .models.pixel_ar.modeling_pixel_ar import PixelARForCausalLM, PixelARModel
from .models.pixel_ar.tasks import (
    PixelARForQuestionAnswering,
    PixelARForSequenceClassification,
    PixelARForTokenClassification,
)
from .models.spae.configuration_spae import SpaeConfig
from .models.spae.modeling_spae import SpaeModel
from .processing.processing_pixel_ar import PixelProcessor


@dataclass(frozen=True)
class Family:
    """One family of models.

    Attributes:
        config: the class of its configurations; its `model_type` is the family's name.
        models: what each Auto class of models builds from a checkpoint.
        check_processor: whether a processor fits a configuration.
        card: of a model, its processor and the Auto class that loads it.
        figures: what another machine must reproduce.
        checks: of these figures.
        needs_processor: whether a model is of no use without one.
    """

    config: type[PreTrainedConfig]
    models: dict[str, type]
    check_processor: Callable[[Any, PixelProcessor], None]
    card: Callable[[Any, Any, str], str]
    figures: Callable[[Any, Any], dict[str, Any]]
    checks: Callable[["str | os.PathLike[str]", PixelProcessor | None, dict[str, Any]], list[Check]]
    needs_processor: bool = True

    @property
    def name(self) -> str:
        """`model_type` of its configurations."""
        return self.config.model_type

    @property
    def classes(self) -> dict[str, type]:
        """What each Auto class builds, configuration and processor too."""
        return {"AutoConfig": self.config, **self.models, "AutoProcessor": PixelProcessor}

    def auto_class(self, model: Any) -> str:
        """The Auto class that builds a model of this class."""
        found = [name for name, cls in self.models.items() if cls.__name__ == type(model).__name__]
        return found[-1] if found else "AutoModel"


def family_of(model: Any) -> Family:
    """The family of a model.

    Raises:
        ValueError: for a model of another package.
    """
    name = getattr(getattr(model, "config", None), "model_type", None)
    if name not in FAMILIES:
        raise ValueError(f"expected a model of {', '.join(FAMILIES)}, got a {type(model).__name__}.")
    return FAMILIES[name]


def _check_strips(config: Any, processor: PixelProcessor) -> None:
    processor.check_model(config)


def _check_pages(config: Any, processor: PixelProcessor) -> None:
    cuts = processor.page_patch_size or processor.patch_size
    if config.patch_size is not None and tuple(cuts) != tuple(config.patch_size):
        raise ValueError(
            f"the processor cuts pages into patches of {tuple(cuts)}, the model reads {tuple(config.patch_size)}; "
            f"pass processor.replace(page_patch_size={tuple(config.patch_size)})."
        )


def _check_pictures(config: Any, processor: PixelProcessor) -> None:
    draws = (processor.num_channels, processor.patch_size[0])
    reads = (config.num_channels, config.image_size[0])
    if draws != reads:
        raise ValueError(
            f"the processor draws {draws[0]} channels of {draws[1]} rows, the model reads {reads[0]} of {reads[1]}; "
            "take another processor, or None for a model of pictures."
        )


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            PixelARConfig,
            {
                "AutoModel": PixelARModel,
                "AutoModelForCausalLM": PixelARForCausalLM,
                "AutoModelForSequenceClassification": PixelARForSequenceClassification,
                "AutoModelForTokenClassification": PixelARForTokenClassification,
                "AutoModelForQuestionAnswering": PixelARForQuestionAnswering,
            },
            _check_strips,
            language_model_card,
            language_model_figures,
            language_model_checks,
        ),
        Family(
            SpaeConfig,
            {"AutoModel": SpaeModel},
            _check_pictures,
            spae_card,
            spae_figures,
            spae_checks,
            needs_processor=False,
        ),
        Family(
            PixelPageConfig,
            {
                "AutoModel": PixelPageForConditionalGeneration,
                "AutoModelForImageTextToText": PixelPageForConditionalGeneration,
            },
            _check_pages,
            page_card,
            page_figures,
            page_checks,
        ),
    )
}

__all__ = ["FAMILIES", "Family", "family_of"]
