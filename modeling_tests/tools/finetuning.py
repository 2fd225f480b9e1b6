# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Small fine-tuning runs of each task; run under torchrun, this file trains in several processes.

torchrun --nproc_per_node 2 modeling_tests/tools/finetuning.py CHECKPOINT OUTPUT
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from safetensors.torch import save_file
from tools.distributed import leave
from tools.paths import EXAMPLES
from transformers import Trainer, TrainingArguments, set_seed

from pixel_ar import (
    PixelARForQuestionAnswering,
    PixelARForSequenceClassification,
    PixelARForTokenClassification,
    PixelProcessor,
)
from pixel_ar.training import (
    QuestionAnsweringCollator,
    SequenceClassificationCollator,
    TokenClassificationCollator,
)

FSDP = EXAMPLES / "configs" / "fsdp.json"
# Transformers 5.22 knows the older name only.
RECOMPUTATION = next(
    name
    for name in ("activation_checkpointing", "gradient_checkpointing")
    if hasattr(TrainingArguments, name)
)
COLOURS = ("red", "green", "old")


def rows(task: str, count: int = 48) -> Dataset:
    """Rows of different lengths, whose label can be read in them."""
    made: list[dict[str, Any]] = []
    for number in range(count):
        colour = COLOURS[number % 3]
        words = [*["very"] * (number % 4), colour, "house"]
        text = " ".join(words)
        start = text.index(colour)
        made.append(
            {
                "sequence": {"text": text, "label": number % 3},
                "words": {"tokens": words, "tags": [COLOURS.index(w) if w in COLOURS else 0 for w in words]},
                "answers": {
                    "question": "Which?",
                    "context": text,
                    "answer_start": start,
                    "answer_end": start + len(colour),
                },
            }[task]
        )
    return Dataset.from_list(made)


TASKS: dict[str, tuple[type, type]] = {
    "sequence": (PixelARForSequenceClassification, SequenceClassificationCollator),
    "words": (PixelARForTokenClassification, TokenClassificationCollator),
    "answers": (PixelARForQuestionAnswering, QuestionAnsweringCollator),
}


def build(task: str, checkpoint: Path | str, folder: Path | str, **options: Any) -> Trainer:
    """A trainer of six steps; `options` are arguments of Trainer (callbacks, ...) or of TrainingArguments."""
    model_class, collator_class = TASKS[task]
    set_seed(0)  # the head is new
    labels = {} if task == "answers" else {"num_labels": 3}
    of_trainer = {
        name: options.pop(name)
        for name in ("callbacks", "compute_metrics", "train_dataset")
        if name in options
    }
    processor = PixelProcessor.from_pretrained(checkpoint)
    defaults = {
        "max_steps": 6,
        "per_device_train_batch_size": 4,
        "per_device_eval_batch_size": 4,
        "learning_rate": 1e-3,
        "logging_steps": 1,
        "save_strategy": "no",
        "remove_unused_columns": False,
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
    }
    return Trainer(
        model=model_class.from_pretrained(checkpoint, **labels),
        args=TrainingArguments(output_dir=str(folder), **{**defaults, **options}),
        **{"train_dataset": rows(task), **of_trainer},
        eval_dataset=rows(task, 10),
        data_collator=collator_class(processor),
        processing_class=processor,
    )


def deviation(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    """The largest difference of two state dicts, which must have the same names."""
    assert first.keys() == second.keys()
    return max(float((first[name].float() - second[name].float()).abs().max()) for name in first)


def train_sharded(checkpoint: str, folder: Path) -> None:
    """Trains sequences under FSDP2, sharded as `FSDP` says. Accelerate shards on accelerators alone, so by hand.

    Plain SGD on the rows of this rank: with two ranks, the mean of their gradients is that of the whole batch.
    """
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import DTensor

    settings = json.loads(FSDP.read_text(encoding="utf-8"))
    trainer = build("sequence", checkpoint, folder)
    model = trainer.model.train()
    for module in [*model.modules()]:
        if type(module).__name__ in settings["transformer_layer_cls_to_wrap"]:
            fully_shard(module, reshard_after_forward=settings["reshard_after_forward"])
    fully_shard(model)
    assert all(isinstance(parameter, DTensor) for parameter in model.parameters())
    rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    descend(trainer, model, slice(rank, None, world))
    whole = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous() for name, value in whole.items()}, folder / "model.safetensors")


def descend(trainer: Trainer, model: torch.nn.Module, mine: slice) -> None:
    """Three steps of SGD on those of eight rows."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batch = trainer.data_collator(list(rows("sequence", 8)))
    for _ in range(3):
        optimizer.zero_grad()
        model(**{name: value[mine] for name, value in batch.items()}).loss.backward()
        optimizer.step()


def main() -> None:
    """Trains every task under DDP, one under FSDP, and saves the weights of each run."""
    from accelerate.state import AcceleratorState

    checkpoint, output = sys.argv[1:3]
    torch.set_num_threads(1)
    for task in TASKS:
        AcceleratorState._reset_state(reset_partial_state=False)
        trainer = build(task, checkpoint, Path(output) / task)
        assert trainer.args.world_size == torch.distributed.get_world_size() > 1
        trainer.train()
        trainer.save_model()
    train_sharded(checkpoint, Path(output) / "fsdp")
    leave(torch.distributed.get_rank(), torch.distributed.get_world_size(), Path(output))


if __name__ == "__main__":
    main()
