# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Checkpoints of other projects that are damaged, or made to do harm. Failed conversions leave nothing behind."""

import functools
import json
import os
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import torch
from fuzz.case import MEBIBYTE, Case, Part, expect
from fuzz.damage import change_value, copy_folder, cut_at, damage, deep_json, own, plant_code
from tools.conversion import original_config, write_original
from tools.fixture import load_fixture
from tools.tokenizer import byte_tokenizer

from pixel_ar.conversion.checkpoints import convert_checkpoint

ERRORS = (ValueError, OSError)
_FORMS = ("bin", "safetensors", "sharded bin", "sharded safetensors")


@functools.cache
def bases() -> dict[str, Path]:
    """Good checkpoints of both projects in every form, one with a tokenizer."""
    root = Path(tempfile.mkdtemp(prefix="fuzz-originals-"))
    for kind, name in (("pixar", "pixar_generate_A"), ("pixelgpt", "pixelgpt_textgen_A")):
        fixture = load_fixture(name)
        for form in _FORMS:
            write_original(root / f"{kind} {form}", fixture.weights, original_config(fixture), form)
        byte_tokenizer().save_pretrained(root / f"{kind} bin")
    return {path.name: path for path in sorted(root.iterdir())}


class _Harm:
    """Unpickled, it calls something."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple:
        return self.call


def _pickled(folder: Path, harm: Any, is_zip: bool) -> str:
    """A weight file that is a pickle of something else, plain or as `torch.save` packs it."""
    path = own(folder / "pytorch_model.bin")
    data = pickle.dumps({"in_proj.weight": harm}, protocol=2)
    if is_zip:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", data)
            archive.writestr("archive/version", "3\n")
            archive.writestr("archive/byteorder", "little")
    else:
        path.write_bytes(data)
    return f"{'zip' if is_zip else 'plain'} pickle of {getattr(harm, 'call', (type(harm).__name__,))!r:.80}"


def _call(folder: Path, function: Callable[..., Any], arguments: tuple, is_zip: bool = True) -> str:
    return _pickled(folder, _Harm(function, *arguments), is_zip)


def _touch(folder: Path, function: Callable[..., Any], template: str, is_zip: bool) -> str:
    return _call(folder, function, (template.format(folder.parent / "canary"),), is_zip)


def _expanded(folder: Path, shape: tuple[int, ...]) -> str:
    """Every weight a view of a single number: small on the disk, as large as it likes in memory."""
    path = own(folder / "pytorch_model.bin")
    weights = torch.load(path, weights_only=True)
    torch.save({name: torch.zeros(1).expand(shape) for name in weights}, path)
    return f"{len(weights)} tensors {shape} expanded from a number, {path.stat().st_size >> 10} KiB"


def _expanded_right(folder: Path) -> str:
    """The same with the shapes that config.json asks for, which are very large."""
    path = own(folder / "pytorch_model.bin")
    weights = torch.load(path, weights_only=True)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    factor = 1 << 8
    for key in ("hidden_size", "intermediate_size"):
        config[key] *= factor
    own(folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    torch.save(
        {
            name: torch.zeros(1).expand([size * factor for size in value.shape])
            for name, value in weights.items()
        },
        path,
    )
    return f"tensors of terabytes expanded from a number, {path.stat().st_size >> 10} KiB"


def _sparse(folder: Path) -> str:
    path = own(folder / "pytorch_model.bin")
    tensor = torch.sparse_coo_tensor(torch.tensor([[0], [0]]), torch.tensor([1.0]), (10**6, 10**6))
    torch.save({"in_proj.weight": tensor}, path)
    return "a sparse tensor of 4 TB"


def _config(folder: Path, **values: Any) -> str:
    path = own(folder / "config.json")
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")
    return f"config.json with {values!r:.100}"


def _deep(folder: Path, name: str) -> str:
    path = folder / name
    if path.exists():
        own(path)
    path.write_text(deep_json(Random(1)), encoding="utf-8")
    return f"{name} nested a hundred thousand times"


def _index(folder: Path, name: str) -> str:
    outside = folder.parent / "outside.bin"
    torch.save({"in_proj.weight": torch.zeros(1)}, outside)
    path = own(folder / "pytorch_model.bin.index.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    content["weight_map"] = dict.fromkeys(content["weight_map"], name)
    path.write_text(json.dumps(content), encoding="utf-8")
    return f"an index that names the shard {name!r:.60}"


def _link(folder: Path) -> str:
    own(folder / "pytorch_model.bin").unlink()
    (folder / "pytorch_model.bin").symlink_to("/dev/zero")
    return "weights that are a link to an endless device"


def _pipe(folder: Path) -> str:
    own(folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")
    return "a config.json that is a pipe nobody writes to"


def _bomb(folder: Path) -> str:
    path = own(folder / "pytorch_model.bin")
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("archive/data.pkl", "w") as file,
    ):
        for _ in range(1 << 10):
            file.write(bytes(1 << 20))
    return f"a pickle of 1 GiB of zeros, {path.stat().st_size >> 10} KiB"


ATTACKS: tuple[tuple[str, Callable[[Path], str]], ...] = (
    *(
        ("pixar bin", functools.partial(_touch, function=function, template=template, is_zip=is_zip))
        for function, template in ((os.system, "touch {}"), (eval, "open({!r}, 'w')"), (os.mkdir, "{}"))
        for is_zip in (False, True)
    ),
    ("pixar bin", functools.partial(_call, function=bytearray, arguments=(2**31,))),
    ("pixar bin", functools.partial(_call, function=bytearray, arguments=(2**31,), is_zip=False)),
    ("pixelgpt bin", functools.partial(_call, function=torch.zeros, arguments=((2**31,),))),
    ("pixar bin", functools.partial(_pickled, harm="text", is_zip=True)),
    ("pixar bin", functools.partial(_pickled, harm=list(range(10)), is_zip=False)),
    *(
        ("pixar bin", functools.partial(_expanded, shape=shape))
        for shape in ((2**31,), (2**16, 2**16), (2**40,))
    ),
    ("pixar bin", _expanded_right),
    ("pixelgpt bin", _expanded_right),
    ("pixar bin", _sparse),
    ("pixar bin", _bomb),
    ("pixar bin", _link),
    ("pixar bin", _pipe),
    *(
        ("pixar safetensors", functools.partial(_config, num_hidden_layers=count))
        for count in (10**9, 10**5, -1, True)
    ),
    ("pixar safetensors", functools.partial(_config, hidden_size=2**30)),
    ("pixar safetensors", functools.partial(_config, max_position_embeddings=2**62)),
    ("pixar safetensors", functools.partial(_config, intermediate_size=2**40)),
    ("pixelgpt safetensors", functools.partial(_config, vocab_size=2**40)),
    ("pixar safetensors", functools.partial(_config, id2label={str(index): "x" for index in range(100_000)})),
    *((f"pixar {form}", functools.partial(_deep, name="config.json")) for form in ("bin", "safetensors")),
    ("pixar sharded bin", functools.partial(_deep, name="pytorch_model.bin.index.json")),
    ("pixar bin", functools.partial(_deep, name="tokenizer.json")),
    ("pixar bin", functools.partial(_deep, name="tokenizer_config.json")),
    *(
        ("pixar sharded bin", functools.partial(_index, name=name))
        for name in (
            "../outside.bin",
            "/etc/passwd",
            "..",
            "",
            "a\\b",
            "config.json",
            "x\0y",
            "pytorch_model.bin.index.json",
        )
    ),
)


def make(rng: Random, number: int, folder: Path) -> Case:
    if number < len(ATTACKS):
        base, attack = ATTACKS[number]
        source = copy_folder(bases()[base], folder / "checkpoint")
        title = attack(source)
        return _case(f"{base}: {title}", source, folder, base)
    base = rng.choice(list(bases()))
    source = copy_folder(bases()[base], folder / "checkpoint")
    if rng.random() < 0.05:
        plant_code(source, folder / "canary")
        return _case(f"{base}: code planted", source, folder, base)
    file = rng.choice(sorted(source.iterdir()))
    if number % 3 == 0 and file.stat().st_size:
        title = cut_at(own(file), number // 3 % file.stat().st_size)
    elif number % 3 == 1:
        config = own(source / "config.json")
        content, how = change_value(json.loads(config.read_text(encoding="utf-8")), rng)
        config.write_text(json.dumps(content), encoding="utf-8", errors="surrogatepass")
        title = f"config.json with {how}"
    else:
        title = damage(own(file), rng)
    return _case(f"{base}: {title}", source, folder, base)


def _case(title: str, source: Path, folder: Path, base: str) -> Case:
    run = functools.partial(_convert, source, folder, base.split()[0])
    return Case(title, run, ERRORS, ("checkpoint", "config.json"), seconds=20, memory=256 * MEBIBYTE)


def _convert(source: Path, folder: Path, kind: str) -> None:
    target, canary = folder / "converted", folder / "canary"
    before = {path.name for path in folder.iterdir()}
    try:
        convert_checkpoint(source, target, kind, atlas="fixed-5x8" if kind == "pixar" else "unifont-16")
    except BaseException:
        left = {path.name for path in folder.iterdir()} - before
        expect("canary" not in left, "the planted code ran")
        expect(not left, f"a failed conversion left {sorted(left)}")
        raise
    expect(not canary.exists(), "the planted code ran")
    expect((target / "conversion.json").is_file(), "converted without a record")


def _prepare() -> None:
    bases()
    with tempfile.TemporaryDirectory() as folder:
        convert_checkpoint(bases()["pixelgpt bin"], Path(folder, "first"), "pixelgpt", atlas="unifont-16")


PART = Part("converters", make, len(ATTACKS), share=4, prepare=_prepare, batch=100)
__all__ = ["PART"]
