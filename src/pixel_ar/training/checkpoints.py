# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Resuming from the newest checkpoint that was written to its end.

Trainer writes a checkpoint file by file into its folder, so one that was cut off by a kill, a power cut or a full disk
stands there like any other, and `resume_from_checkpoint=True` takes it, since it is the newest. [`MarkCheckpoints`]
leaves a mark in each checkpoint after all of it is on the disk; [`find_checkpoint`] takes the newest one that is whole,
marked or not, and says what it passed over:

    trainer = Trainer(..., callbacks=[MarkCheckpoints()])
    resume(trainer, find_checkpoint(arguments.output_dir))
"""

import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import TrainOutput
from transformers.utils import logging

from ..atomic import write_text

logger = logging.get_logger(__name__)

MARK = "complete.json"
STATE = "trainer_state.json"
# Without these, in one of the forms, Trainer would go on with a new optimizer and say nothing.
WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "adapter_model.safetensors",
    "pytorch_model.bin",
)
NEEDED = ("optimizer.pt", "scheduler.pt")
_FOLDER = re.compile(r"checkpoint-(\d+)")


class MarkCheckpoints(TrainerCallback):
    """Marks each checkpoint that is whole: all of its files are on the disk, not only in the system's memory.

    The mark, `complete.json`, lists the files with their size and time of change.
    """

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Brings the checkpoint to the disk and marks it."""
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.barrier()  # every process writes files of its own
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if args.should_save and folder.is_dir():
            mark_complete(folder)


class _IsFinished(Exception):
    """Nothing is left to train."""


class _StopWhereFinished(TrainerCallback):
    """Ends training before its first step where the checkpoint is that of the last one."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.global_step and (state.global_step >= state.max_steps or control.should_training_stop):
            raise _IsFinished


def resume(trainer: Trainer, checkpoint: str | None) -> TrainOutput:
    """`trainer.train(resume_from_checkpoint=checkpoint)`, which leaves a finished run as it is.

    Trainer looks whether it is done only after a step: resumed from the checkpoint of its last step, as after a kill
    between that and the final save, it trains one step more and ends with other weights.

    Args:
        trainer: of the run.
        checkpoint: of [`find_checkpoint`]; `None`: from the beginning.
    """
    guard = _StopWhereFinished()
    trainer.add_callback(guard)  # last, so that others have said whether it shall stop
    try:
        return trainer.train(resume_from_checkpoint=checkpoint)
    except _IsFinished:
        logger.warning(f"{checkpoint} is the end of the run: nothing is left to train")
        return TrainOutput(trainer.state.global_step, float("nan"), {"train_runtime": 0.0})
    finally:
        trainer.remove_callback(guard)


def mark_complete(folder: str | os.PathLike[str]) -> None:
    """Writes the mark of a checkpoint that is whole, after bringing its files to the disk."""
    folder = Path(folder)
    files = {}
    for path in _files(folder):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        files[path.relative_to(folder).as_posix()] = _stamp(path)
    write_text(folder / MARK, json.dumps({"files": files}, indent=1) + "\n")


def find_checkpoint(output_dir: str | os.PathLike[str]) -> str | None:
    """The newest whole checkpoint of a run, to pass to `trainer.train(resume_from_checkpoint=...)`.

    Logs which one is taken and which were passed over, with the reason.

    Args:
        output_dir: of the run.

    Returns:
        Its folder, or `None` if there is none: training then begins at the beginning.
    """
    root = Path(output_dir)
    found = [
        (int(match[1]), path) for path in root.glob("checkpoint-*") if (match := _FOLDER.fullmatch(path.name))
    ]
    for _, path in sorted(found, reverse=True):
        fault = checkpoint_fault(path)
        if fault is None:
            logger.warning(f"resuming from {path}")
            return str(path)
        logger.warning(f"passing over {path}, which was not written to its end: {fault}")
    logger.warning(f"no whole checkpoint in {root}: beginning at the beginning")
    return None


def checkpoint_fault(folder: str | os.PathLike[str]) -> str | None:
    """Why a checkpoint cannot be resumed from, or `None` if it is whole.

    A marked checkpoint is whole if its files are those of the mark. Without a mark, or after it was copied, its files
    are looked at: the state must be readable, the weights as long as their header says, pickles not cut.

    Args:
        folder: `checkpoint-N`.
    """
    folder = Path(folder)
    mark = folder / MARK
    if mark.is_file():
        try:
            files = dict(json.loads(mark.read_text(encoding="utf-8"))["files"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            return f"{MARK} is damaged ({error})"
        stamps = {name: _stamp(folder / name) for name in files if (folder / name).is_file()}
        if lost := sorted(set(files) - set(stamps)):
            return f"{lost[0]} is gone"
        if other := sorted(name for name in files if stamps[name][0] != files[name][0]):
            return (
                f"{other[0]} has {stamps[other[0]][0]} bytes, not the {files[other[0]][0]} it was marked with"
            )
        changed = [name for name in files if stamps[name][1] != files[name][1]]
        if not changed:
            return None
        if len(changed) < len(files):  # in a copy all are new
            return f"{sorted(changed)[0]} was written again after it was marked, and other files were not"
    return _content_fault(folder)


def _content_fault(folder: Path) -> str | None:
    try:
        step = json.loads((folder / STATE).read_text(encoding="utf-8"))["global_step"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return f"{STATE} cannot be read ({type(error).__name__})"
    if _FOLDER.fullmatch(folder.name) and f"checkpoint-{step}" != folder.name:
        return f"{STATE} is of step {step}"
    if not any((folder / name).is_file() for name in WEIGHTS):
        return "it has no weights"
    for name in NEEDED:
        if not (folder / name).is_file():
            return f"it has no {name}"
    for path in _files(folder):
        try:
            if path.suffix == ".safetensors":
                with safe_open(path, framework="pt") as file:
                    file.keys()
            elif path.suffix in (".pt", ".pth", ".bin") and path.name != "training_args.bin":
                with zipfile.ZipFile(path):
                    pass
            elif path.name.endswith(".index.json"):
                shards = set(json.loads(path.read_text(encoding="utf-8"))["weight_map"].values())
                if lost := sorted(name for name in shards if not (folder / name).is_file()):
                    return f"the shard {lost[0]} is missing"
        except (SafetensorError, zipfile.BadZipFile, OSError, ValueError, KeyError, RecursionError) as error:
            return f"{path.relative_to(folder)} is cut or damaged ({error})"
    return None


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MARK)


def _stamp(path: Path) -> list[int]:
    """Size in bytes and time of change in nanoseconds."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]


__all__ = ["MarkCheckpoints", "checkpoint_fault", "find_checkpoint", "mark_complete", "resume"]
