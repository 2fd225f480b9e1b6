# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Saves over something older that are cut short: what is there afterwards is the old state or the new one, whole.

A file size limit stands for the full disk: a write beyond it fails as on a full disk (with SIGXFSZ ignored, as Python
does) or ends the process in the middle of the write (without). Besides, processes kill themselves at the n-th file
operation of a save: nothing is cleaned up then.
"""

import functools
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import torch
from fuzz.case import Case, Part, WrongAnswer, expect
from fuzz.damage import clone
from tools.tiny import TINY
from tools.tokenizer import byte_tokenizer

from pixel_ar import GlyphAtlas, PixelARConfig, PixelARForCausalLM, PixelProcessor, export_remote_code
from pixel_ar.reading.prior import CharacterPrior

_POINTS = 20
# Events by which Python tells that a file is about to change.
_EVENTS = (
    "open",
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.truncate",
    "shutil.rmtree",
    "os.chmod",
)
_KINDS = ("processor", "atlas", "prior", "export")
_WAYS = ("full disk", "killed in a write", "killed before a file operation")


@functools.cache
def states() -> tuple[dict[str, Any], dict[str, Any]]:
    """Two states of everything that is saved, and which differ in every file."""
    states = []
    for seed, words in (
        (0, "The people of the United States"),
        (1, "Fourscore and seven years ago, our fathers"),
    ):
        torch.manual_seed(seed)
        model = PixelARForCausalLM(PixelARConfig(max_position_embeddings=64 + seed, **TINY)).eval()
        atlas = _atlas(seed)
        prior = CharacterPrior.fit([words], order=2)
        processor = PixelProcessor(
            atlases=[atlas, "fixed-5x8"],
            character_prior=prior,
            tokenizer=byte_tokenizer(),
            model_max_patches=64 + seed,
        )
        states.append({"model": model, "atlas": atlas, "prior": prior, "processor": processor})
    return states[0], states[1]


def _atlas(seed: int) -> GlyphAtlas:
    """A hundred glyphs drawn by chance, under one name."""
    rng = Random(seed)
    codes = list(range(0x100, 0x100 + 2000))
    return GlyphAtlas("drawn", 8, codes, [8] * len(codes), list(rng.randbytes(8 * len(codes))))


def _save(kind: str, state: dict[str, Any], folder: Path) -> None:
    if kind == "processor":
        state["processor"].save_pretrained(folder)
    elif kind == "export":
        export_remote_code(state["model"], state["processor"], folder)
    else:
        state[kind].save(folder / f"{kind}.file")


def _load(kind: str, folder: Path) -> Any:
    """What is there, in a form that can be compared."""
    if kind == "atlas":
        return GlyphAtlas.load(folder / "atlas.file").sha256
    if kind == "prior":
        return CharacterPrior.load(folder / "prior.file").sha256
    processor = PixelProcessor.from_pretrained(folder)
    content = (
        processor.renderer.fingerprint(),
        processor.model_max_patches,
        processor._prior and processor._prior.sha256,
    )
    if kind == "processor":
        return content
    model = PixelARForCausalLM.from_pretrained(folder)
    return (
        *content,
        model.config.max_position_embeddings,
        float(sum(p.detach().sum() for p in model.parameters())),
    )


@functools.cache
def saved() -> dict[str, tuple[Path, Any, Any, int, int]]:
    """For each kind: a folder of the old state, what both states load as, the largest file and the operations."""
    root = Path(tempfile.mkdtemp(prefix="fuzz-saves-"))
    found = {}
    for kind in _KINDS:
        contents = []
        for number, state in enumerate(states()):
            folder = root / f"{kind}-{number}"
            folder.mkdir()
            _save(kind, state, folder)
            contents.append(_load(kind, folder))
        largest = max(path.stat().st_size for path in (root / f"{kind}-1").rglob("*") if path.is_file())
        found[kind] = (
            root / f"{kind}-0",
            contents[0],
            contents[1],
            largest,
            _count_operations(kind, root / "count"),
        )
    return found


def make(rng: Random, number: int, folder: Path) -> Case:
    ways = [(kind, way) for kind in _KINDS for way in _WAYS]
    kind, way = ways[number % len(ways)]
    # Twenty points spread over the save come first, then drawn ones.
    point = (number // len(ways) + 0.5) / _POINTS if number < len(ways) * _POINTS else rng.random()
    return Case(
        f"{kind} over an older one: {way}, {point:.1%} of the way",
        lambda: _check(kind, way, point, folder),
        seconds=30,
    )


def _check(kind: str, way: str, point: float, folder: Path) -> None:
    source, old, new, largest, operations = saved()[kind]
    target = clone(source, folder / "target")
    limit = max(int(point * point * largest), 1)
    if way == "full disk":
        ended = _in_child(
            lambda: _save(kind, states()[1], target), lambda: _limit_files(limit, signal.SIG_IGN)
        )
    elif way == "killed in a write":
        ended = _in_child(
            lambda: _save(kind, states()[1], target), lambda: _limit_files(limit, signal.SIG_DFL)
        )
    else:
        ended = _in_child(lambda: _save(kind, states()[1], target), lambda: _kill_at(int(point * operations)))
    try:
        found = _load(kind, target)
    except Exception as error:
        raise WrongAnswer(f"{ended}; what is left cannot be loaded: {error}") from error
    expect(found in (old, new), f"{ended}; what is left is neither the old state nor the new")
    if ended == "saved":
        expect(found == new, "saved without an error, but the old state is there")
    if ended not in ("saved", "failed: OSError", "killed"):
        expect(False, f"{ended}, where an OSError is due")
    if way == "full disk":
        left = {path.name for path in target.rglob("*")} - {path.name for path in source.rglob("*")}
        expect(
            ended == "saved" or not {name for name in left if not name.endswith((".py", ".json"))},
            f"left {sorted(left)}",
        )


def _in_child(save: Callable[[], None], limit: Callable[[], None]) -> str:
    """Runs a save in a process of its own; returns how that ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        answer = b"saved"
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            limit()
            save()
        except BaseException as error:
            kind = OSError if isinstance(error, OSError) else type(error)
            answer = f"failed: {kind.__name__}".encode()
        finally:
            os.write(writing, answer)
            os._exit(0)
    os.close(writing)
    answer = os.read(reading, 1000).decode()
    os.close(reading)
    _, status = os.waitpid(child, 0)
    return answer if os.waitstatus_to_exitcode(status) == 0 else "killed"


def _limit_files(limit: int, action: Any) -> None:
    signal.signal(signal.SIGXFSZ, action)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


def _kill_at(operation: int) -> None:
    """Ends this process before the n-th operation on files, as a power cut does."""
    count = 0

    def watch(event: str, arguments: tuple) -> None:
        nonlocal count
        if event in _EVENTS and _is_change(event, arguments):
            count += 1
            if count > operation:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def _is_change(event: str, arguments: tuple) -> bool:
    if event != "open":
        return True
    # (path, mode, flags); `mode` is None where os.open was called.
    flags = arguments[2] if isinstance(arguments[2], int) else 0
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))


def _count_operations(kind: str, folder: Path) -> int:
    """How many operations on files a save has."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        count = 0

        def watch(event: str, arguments: tuple) -> None:
            nonlocal count
            count += event in _EVENTS and _is_change(event, arguments)

        try:
            folder.mkdir()
            sys.addaudithook(watch)
            _save(kind, states()[1], folder)
        finally:
            os.write(writing, str(count).encode())
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    shutil.rmtree(folder, ignore_errors=True)
    return int(os.read(reading, 100))


PART = Part("saves", make, len(_KINDS) * len(_WAYS), share=1, prepare=saved, batch=60)
__all__ = ["PART"]
