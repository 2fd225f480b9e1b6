# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Checkpoints that were not written to their end are passed over."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tools.finetuning import build

from pixel_ar.training import MarkCheckpoints, checkpoint_fault, find_checkpoint, resume
from pixel_ar.training.checkpoints import MARK


@pytest.fixture(scope="module")
def saved(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps with a checkpoint every two."""
    folder = tmp_path_factory.mktemp("saved")
    options = {"save_strategy": "steps", "save_steps": 2}
    build("sequence", tiny_checkpoint, folder, callbacks=[MarkCheckpoints()], **options).train()
    return folder


@pytest.fixture
def run(saved: Path, tmp_path: Path) -> Path:
    """A copy of the run to damage."""
    for path in saved.iterdir():
        shutil.copytree(path, tmp_path / path.name)  # with the times of the original
    return tmp_path


def test_every_checkpoint_is_marked(saved: Path) -> None:
    assert {path.name for path in saved.iterdir()} == {f"checkpoint-{step}" for step in (2, 4, 6)}
    for path in saved.iterdir():
        assert (path / MARK).is_file() and checkpoint_fault(path) is None
    assert find_checkpoint(saved) == str(saved / "checkpoint-6")


def test_copies_are_whole(run: Path) -> None:
    assert checkpoint_fault(run / "checkpoint-6") is None
    for path in (run / "checkpoint-6").iterdir():
        os.utime(path)
    assert checkpoint_fault(run / "checkpoint-6") is None


def test_a_file_written_again_after_the_mark(run: Path) -> None:
    """As by a later run that was killed while it wrote the same step."""
    os.utime(run / "checkpoint-6" / "optimizer.pt")
    assert "optimizer.pt was written again" in (checkpoint_fault(run / "checkpoint-6") or "")


@pytest.mark.parametrize("marked", [True, False])
def test_wherever_a_save_ends_early_the_checkpoint_before_is_taken(
    run: Path, marked: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Every file cut in half, empty and missing: as many ends as a kill has."""
    newest = run / "checkpoint-6"
    if not marked:
        (newest / MARK).unlink()
        assert find_checkpoint(run) == str(newest)
    # What training resumes from; the processor and the arguments are not read again.
    names = ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"]
    for name in names:
        path = newest / name
        content = path.read_bytes()
        for part in (content[: len(content) // 2], b"", None):
            path.unlink(missing_ok=True)
            if part is not None:
                path.write_bytes(part)
            if name == "rng_state.pth" and part is None and not marked:
                continue  # runs of several processes have others
            caplog.clear()
            assert find_checkpoint(run) == str(run / "checkpoint-4"), (name, part)
            assert (
                f"passing over {newest}" in caplog.text
                and f"resuming from {run / 'checkpoint-4'}" in caplog.text
            )
        path.write_bytes(content)
    assert (find_checkpoint(run) == str(newest)) == (not marked)  # a mark knows that they were written again


def test_nothing_whole(run: Path, tmp_path: Path) -> None:
    for folder in run.glob("checkpoint-*"):
        (folder / "optimizer.pt").write_bytes(b"")
    (run / "checkpoint-8").mkdir()
    (run / "checkpoint-new").mkdir()
    assert find_checkpoint(run) is None
    assert find_checkpoint(tmp_path / "nowhere") is None


def test_a_run_resumes_from_the_one_before(run: Path, tiny_checkpoint: Path) -> None:
    (run / "checkpoint-6" / "model.safetensors").write_bytes(b"")
    trainer = build("sequence", tiny_checkpoint, run, callbacks=[MarkCheckpoints()])
    trainer.train(resume_from_checkpoint=find_checkpoint(run))
    assert trainer.state.global_step == 6


def test_a_finished_run_stays_as_it_is(run: Path, tiny_checkpoint: Path) -> None:
    """Trainer by itself takes one step more."""
    trainer = build("sequence", tiny_checkpoint, run)
    output = resume(trainer, find_checkpoint(run))
    saved = load_file(run / "checkpoint-6" / "model.safetensors")
    assert output.global_step == 6
    assert all(torch.equal(value, saved[name]) for name, value in trainer.model.state_dict().items())
    again = build("sequence", tiny_checkpoint, run)
    assert resume(again, str(run / "checkpoint-4")).global_step == 6
    assert all(torch.equal(value, saved[name]) for name, value in again.model.state_dict().items())
