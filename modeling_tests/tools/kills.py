# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Kills training again and again, at any moment, and sees whether the scripts' own resume loses anything.

    PYTHONPATH=modeling_tests python modeling_tests/tools/kills.py --kills 50

Each of pretraining, fine-tuning and the adversarial stage first runs undisturbed. Then it is started again and again
with `--resume_from_checkpoint True` and killed (SIGKILL) after a random time, most often while it saves; when it gets
through, its weights must be those of the undisturbed run, to the bit, and another run begins. After every kill, what is
resumed from must be at most one save interval behind the step that was reached. Every start is a fork of one process
that has imported everything: a kill costs a second, not ten.
"""

import argparse
import hashlib
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tools.paths import EXAMPLES
from tools.tiny import BACKBONE, TINY

from pixel_ar import PixelARConfig, PixelARForCausalLM, PixelProcessor
from pixel_ar.training import MarkCheckpoints, checkpoint_fault, find_checkpoint

STEPS, SAVE_STEPS = 12, 3
COMMON = {
    "max_steps": STEPS,
    "save_steps": SAVE_STEPS,
    "save_strategy": "steps",
    "per_device_train_batch_size": 2,
    "disable_tqdm": True,
    "report_to": "none",
    "logging_steps": 1,
    "warmup_steps": 2,
    "learning_rate": 1e-3,
}
KINDS = {
    "pretraining": ("pretrain", {"block_patches": 8, "config_overrides": json.dumps(TINY)}),
    "fine-tuning": ("run_classification", {"bf16": False, "max_eval_rows": 2, "max_patches": 16}),
    "adversarial": ("adversarial", {"block_patches": 8, "num_samples": 2, "ratio_warmup_steps": 2}),
}


@dataclass
class Report:
    """What came of the kills of one kind of training.

    Attributes:
        kills: processes killed before they were done.
        finished: runs that got through.
        in_save: kills that left a checkpoint behind that is not whole.
        lost: steps that had to be done again, for every kill.
        wrong: what was not as it must be.
    """

    kills: int = 0
    finished: int = 0
    in_save: int = 0
    lost: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        most = max(self.lost, default=0)
        return (
            f"{self.kills} kills, {self.in_save} of them within a save; at most {most} steps done again, with a save "
            f"every {SAVE_STEPS}; {self.finished} runs finished, {len(self.wrong)} faults"
        )


def prepare(folder: Path) -> dict[str, dict[str, Any]]:
    """Data and models of the runs; the options of each kind."""
    rows = [{"text": f"Line {n} of a small corpus.", "label": n % 2} for n in range(40)]
    corpus = folder / "corpus.jsonl"
    corpus.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    for name, config in (
        ("classifier", PixelARConfig(**TINY)),
        ("stage-1", PixelARConfig(patch_head="bernoulli", **BACKBONE)),
    ):
        torch.manual_seed(0)
        PixelARForCausalLM(config).save_pretrained(folder / name)
        PixelProcessor.from_preset("fixed-8").save_pretrained(folder / name)
    options = {name: {**COMMON, **own, "train_data": corpus} for name, (_, own) in KINDS.items()}
    options["fine-tuning"] |= {"model": folder / "classifier", "validation_data": corpus}
    options["adversarial"] |= {"model": folder / "stage-1"}
    return options


def start(script: str, words: list[str], steps: Path) -> int:
    """Forks a process that runs a script; it writes the steps it has done into a file. Returns its id."""
    process = os.fork()
    if process:
        return process
    try:
        with open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
        MarkCheckpoints.on_step_end = lambda self, args, state, control, **rest: write(
            steps, state.global_step
        )
        sys.argv = [f"{script}.py", *words]
        importlib.import_module(script).main()
        os._exit(0)
    except BaseException as error:
        steps.with_suffix(".error").write_text(repr(error), encoding="utf-8")
        os._exit(1)


def write(path: Path, step: int) -> None:
    """The step, in a file that is never half written."""
    path.with_suffix(".new").write_text(str(step))
    path.with_suffix(".new").replace(path)


def wait(process: int, seconds: float) -> int | None:
    """The exit status of a process, or `None` if it had to be killed."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return None if status == -signal.SIGKILL else status


def result(folder: Path) -> dict[str, str]:
    """Hashes of what a finished run has learned."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.safetensors"))
        if path.parent == folder or path.parent.name == "discriminator"
        if "checkpoint-" not in str(path.relative_to(folder))
    }


def attack(
    script: str, options: dict[str, Any], folder: Path, kills: int, say: Callable[[str], None]
) -> Report:
    """Kills one kind of training so many times."""

    def words(output: Path) -> list[str]:
        given = {**options, "output_dir": output, "resume_from_checkpoint": True}
        return [part for name, value in given.items() for part in (f"--{name}", str(value))]

    report, steps, draw = Report(), folder / f"{script}.steps", random.Random(0)
    began = time.monotonic()
    if wait(start(script, words(folder / "whole"), steps), 600) != 0:
        report.wrong.append(f"the undisturbed run failed: {_error(steps)}")
        return report
    usual, expected = time.monotonic() - began, result(folder / "whole")
    say(f"undisturbed: {usual:.1f} s, {len(expected)} files")
    output = folder / "killed"
    while report.kills < kills and not report.wrong:
        steps.unlink(missing_ok=True)
        status = wait(start(script, words(output), steps), draw.uniform(0.05, 1.1) * usual)
        if status is None:
            report.kills += 1
            reached = int(steps.read_text()) if steps.is_file() else 0
            kept = find_checkpoint(output)
            lost = max(reached - (0 if kept is None else int(kept.rsplit("-", 1)[1])), 0)
            report.lost.append(lost)
            report.in_save += any(checkpoint_fault(path) is not None for path in output.glob("checkpoint-*"))
            if lost > SAVE_STEPS:
                report.wrong.append(f"kill {report.kills} lost {lost} steps")
        elif status != 0:
            report.wrong.append(f"a run ended with status {status}: {_error(steps)}")
        else:
            report.finished += 1
            if (found := result(output)) != expected:
                other = [name for name in expected if found.get(name) != expected[name]]
                report.wrong.append(f"run {report.finished} ended with other weights: {other}")
            shutil.rmtree(output)
    if not report.wrong and output.exists():
        # The last run goes on to its end.
        if wait(start(script, words(output), steps), 600) != 0 or result(output) != expected:
            report.wrong.append(f"the last run did not end with the same weights {_error(steps)}")
        report.finished += 1
    return report


def _error(steps: Path) -> str:
    path = steps.with_suffix(".error")
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def main(words: list[str] | None = None) -> int:
    """Prints a report for each kind; 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="of each kind")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=[*KINDS])
    given = parser.parse_args(words)
    torch.set_num_threads(1)  # a process with threads cannot be forked
    sys.path.insert(0, str(EXAMPLES))
    from transformers.utils import logging

    logging.set_verbosity_error()
    faults = 0
    with tempfile.TemporaryDirectory() as place:
        os.environ["HF_HOME"] = str(Path(place, "hf"))
        options = prepare(Path(place))
        for kind in given.kinds:
            importlib.import_module(KINDS[kind][0])
        for kind in given.kinds:
            folder = Path(place, kind)
            folder.mkdir()
            report = attack(
                KINDS[kind][0],
                options[kind],
                folder,
                given.kills,
                lambda text, kind=kind: print(f"{kind}: {text}", flush=True),
            )
            print(f"{kind}: {report}", *report.wrong, sep="\n  ", flush=True)
            faults += len(report.wrong)
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
