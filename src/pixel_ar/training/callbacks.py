# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Trainer callbacks: exact bits per character, and sample strips one can look at."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.utils import logging

from ..metrics.likelihood import score_texts
from ..models.pixel_ar.modeling_pixel_ar import PixelARForCausalLM
from ..processing.pictures import stack_strips
from ..processing.processing_pixel_ar import PixelProcessor

logger = logging.get_logger(__name__)


class BitsPerCharacterCallback(TrainerCallback):
    """Adds `eval_bits_per_character` to every evaluation.

    Trainer's own `eval_loss` is a mean over batches in nats per patch, which compares neither across patch sizes nor
    across batch sizes; this scores each held-out text as a document of its own.

    Args:
        processor: draws the texts.
        texts: held-out texts.
        batch_size: texts per forward pass.
    """

    def __init__(self, processor: PixelProcessor, texts: Sequence[str], batch_size: int = 16) -> None:
        self.processor = processor
        self.texts = list(texts)
        self.batch_size = batch_size

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        model: PixelARForCausalLM | None = None,
        **kwargs: Any,
    ) -> None:
        """Scores the texts and enters the figure in `metrics` and in the trainer's log history."""
        if model is None:
            return
        device_type = model.device.type
        autocast = torch.autocast(device_type, torch.bfloat16) if args.bf16 else nullcontext()
        with autocast:
            likelihood = score_texts(model, self.processor, self.texts, self.batch_size)
        figure = likelihood.bits_per_character
        if metrics is not None:
            metrics["eval_bits_per_character"] = figure
        state.log_history.append({"eval_bits_per_character": figure, "step": state.global_step})
        if state.is_world_process_zero:
            logger.warning(
                f"step {state.global_step}: {figure:.4f} bits/character on {len(self.texts)} held-out texts"
            )


class SampleStripsCallback(TrainerCallback):
    """Writes generated strips as PNG after every evaluation, and to TensorBoard where it is installed.

    Args:
        processor: draws the prompts.
        prompts: one strip each.
        folder: where `step-<n>.png` goes.
        max_new_patches: length of the continuation.
        temperature: of the sampling; `None` to draw nothing and take the most likely values.
        scale: zoom of the PNG.
    """

    def __init__(
        self,
        processor: PixelProcessor,
        prompts: Sequence[str],
        folder: str | Path,
        max_new_patches: int = 32,
        temperature: float | None = 0.7,
        scale: int = 2,
    ) -> None:
        self.processor = processor
        self.prompts = list(prompts)
        self.folder = Path(folder)
        self.max_new_patches = max_new_patches
        self.temperature = temperature
        self.scale = scale

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: PixelARForCausalLM | None = None,
        **kwargs: Any,
    ) -> None:
        """Generates from every prompt and writes the strips below each other."""
        if model is None or not self.prompts:
            return
        was_training = model.training
        model.eval()
        inputs = self.processor(text=self.prompts, add_eos=False, return_tensors="pt").to(model.device)
        # Own generator: sampling must not change the random numbers training sees.
        generator = torch.Generator(model.device).manual_seed(args.seed)
        sampling: dict[str, Any] = {"do_sample": False}
        if self.temperature is not None:
            sampling = {"do_sample": True, "temperature": self.temperature, "generator": generator}
        strips = model.generate(**inputs, max_new_patches=self.max_new_patches, **sampling)
        model.train(was_training)
        if not state.is_world_process_zero:
            return  # all processes draw, as sharded weights need, and one writes
        picture = stack_strips(self.processor.to_pil(strips), self.scale)
        self.folder.mkdir(parents=True, exist_ok=True)
        picture.save(self.folder / f"step-{state.global_step:07d}.png")
        for text in self.processor.batch_decode(strips):
            logger.warning(f"step {state.global_step} sample: {text}")
        self._write_to_tensorboard(args, state, picture)

    def _write_to_tensorboard(
        self, args: TrainingArguments, state: TrainerState, picture: Image.Image
    ) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        import numpy as np

        writer = SummaryWriter(str(self.folder.parent / "runs" / "samples"))
        writer.add_image("samples", np.asarray(picture)[None], state.global_step)
        writer.close()


__all__ = ["BitsPerCharacterCallback", "SampleStripsCallback"]
