#!/usr/bin/env python
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Fine-tunes low-rank adapters (LoRA, arXiv 2106.09685) and loads and merges what it saved.

A few minutes; with the defaults (rank 2 on all linear layers of the decoder, and the new head) 1.2 % of the parameters
of pixel-ar-tiny are trained:

    python examples/run_lora.py --task era --output_dir runs/era-lora

With the frozen decoder in 4 bits (QLoRA, arXiv 2305.14314; `pip install bitsandbytes`, which runs on CPUs too):

    python examples/run_lora.py --task era --quantize 4bit --output_dir runs/era-qlora

It takes the options of run_classification.py. The adapters are in the output folder, the merged model, which loads
without PEFT, in its folder `merged`.
"""

from pathlib import Path

import torch
from finetuning import parse, trainable_share
from peft import AutoPeftModelForSequenceClassification
from run_classification import DataArguments, run
from transformers import Trainer

from pixel_ar import PixelARForSequenceClassification


def main(words: list[str] | None = None) -> None:
    """Trains adapters, loads them again, merges them, and checks that all three agree."""
    defaults = {"max_steps": 200, "learning_rate": 2e-3, "lora": True}
    data, options, training = parse((DataArguments,), defaults, words)
    trainer = run(data, options, training)
    share = trainable_share(trainer.model)
    print(f"{100 * share:.2f} % of the parameters were trained")
    compare_saved(trainer, Path(training.output_dir))


@torch.no_grad()
def compare_saved(trainer: Trainer, folder: Path) -> None:
    """Prints how far the logits of the loaded and of the merged model are from those of the trained one.

    Raises:
        SystemExit: if they are not the same model.
    """
    # Without the wrapper in which Trainer computes in bf16.
    model = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False).eval().cpu()
    rows = [trainer.eval_dataset[index] for index in range(min(8, len(trainer.eval_dataset)))]
    batch = trainer.data_collator(rows)
    batch.pop("labels")
    expected = model(**batch).logits
    # Adapters of a quantised model are merged into full weights, which are not quite those they were trained beside.
    quantized = getattr(model.config, "quantization_config", None) is not None
    labels = {"num_labels": expected.shape[-1]}
    loaded = AutoPeftModelForSequenceClassification.from_pretrained(folder, **labels).eval()
    merged = loaded.merge_and_unload()
    merged.config.id2label = model.config.id2label
    merged.config.label2id = model.config.label2id
    merged.save_pretrained(folder / "merged")
    trainer.processing_class.save_pretrained(folder / "merged")
    again = PixelARForSequenceClassification.from_pretrained(folder / "merged").eval()
    deviation = float((again(**batch).logits - expected).abs().max())
    print(f"merged and loaded again: logits deviate by {deviation:.1e}")
    if deviation > 1e-3 and not quantized:
        raise SystemExit("the merged model is not the trained one")
    if quantized:
        agreed = (again(**batch).logits.argmax(-1) == expected.argmax(-1)).float().mean()
        print(
            f"in full precision the merged model decides alike in {100 * float(agreed):.0f} % of {len(rows)} rows"
        )


if __name__ == "__main__":
    main()
