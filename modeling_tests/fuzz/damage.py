# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Files made wrong: cut at every byte, bits turned, JSON with other values, archives that lie about their sizes."""

import copy
import io
import json
import os
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fuzz.texts import odd_json

# Longer than any recursion of a parser goes.
_DEEP = 100_000


def damage(path: Path, rng: Random) -> str:
    """Makes one file wrong; returns how."""
    changes: list[Callable[[Path, Random], str]] = [_cut, _cut, _turn_bits, _insert, _replace]
    if path.suffix == ".json":
        changes += [_change_json] * 8
    if path.suffix in (".npz", ".bin", ".zip"):
        changes += [_change_archive] * 4
    return rng.choice(changes)(path, rng)


def cut_at(path: Path, length: int) -> str:
    """Cuts a file after so many bytes."""
    with path.open("r+b") as file:
        file.truncate(length)
    return f"{path.name} cut after {length} bytes"


def _cut(path: Path, rng: Random) -> str:
    return cut_at(path, rng.randrange(max(path.stat().st_size, 1)))


def _turn_bits(path: Path, rng: Random) -> str:
    data = bytearray(path.read_bytes() or b"\0")
    places = [rng.randrange(len(data)) for _ in range(rng.choice((1, 1, 2, 16)))]
    for place in places:
        data[place] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    return f"{path.name} with bits turned at {places[:4]}"


def _insert(path: Path, rng: Random) -> str:
    data = path.read_bytes()
    place, junk = rng.randint(0, len(data)), rng.randbytes(rng.choice((1, 4, 64)))
    path.write_bytes(data[:place] + junk + data[place:])
    return f"{path.name} with {len(junk)} bytes inserted at {place}"


def _replace(path: Path, rng: Random) -> str:
    kind = rng.choice(
        ("missing", "empty", "a folder", "a dangling link", "a loop of links", "not UTF-8", "zeros", "deep")
    )
    path.unlink()
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a dangling link":
        path.symlink_to("nowhere")
    elif kind == "a loop of links":
        path.symlink_to(path.name)
    elif kind == "not UTF-8":
        path.write_bytes(b'\xff\xfe{"a": "\xe4"}')
    elif kind == "zeros":
        path.write_bytes(bytes(4096))
    elif kind == "deep":
        path.write_text(deep_json(rng), encoding="utf-8")
    return f"{path.name} is {kind}"


def deep_json(rng: Random) -> str:
    """JSON nested deeper than parsers go."""
    return rng.choice(("[" * _DEEP, '{"a":' * _DEEP, '{"a": ' + "[" * _DEEP + "]" * _DEEP + "}"))


def _change_json(path: Path, rng: Random) -> str:
    """One value anywhere in a JSON file becomes another, or goes, or the whole does."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return _cut(path, rng)
    changed, how = change_value(content, rng)
    # As Python writes it: Infinity, NaN and half surrogates are in what Python reads, too.
    path.write_text(json.dumps(changed), encoding="utf-8", errors="surrogatepass")
    return f"{path.name} with {how}"


def change_value(content: Any, rng: Random) -> tuple[Any, str]:
    """One value anywhere in a JSON value becomes another, or goes; returns the value and how."""
    content = copy.deepcopy(content)
    places = list(_places(content, ""))
    if not places or rng.random() < 0.05:
        value = odd_json(rng)
        return value, f"{value!r:.40} in place of all"
    holder, key, where = rng.choice(places)
    if rng.random() < 0.2:
        if isinstance(holder, dict) and rng.random() < 0.5:
            name = f"{key}{rng.choice('sx ')}"
            holder[name] = holder.pop(key)
            return content, f"{where} renamed to {name!r}"
        del holder[key]
        return content, f"no {where}"
    holder[key] = odd_json(rng)
    return content, f"{where} = {holder[key]!r:.60}"


def _places(content: Any, where: str) -> Any:
    items = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    for key, value in list(items)[:60]:
        yield content, key, f"{where}[{key!r}]"
        yield from _places(value, f"{where}[{key!r}]")


# ---- archives ----


def array_file(shape: str, dtype: str, data: bytes) -> bytes:
    """A `.npy` file whose header says what it likes."""
    header = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + data


def read_members(path: Path) -> dict[str, bytes]:
    """The members of an archive."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> None:
    """An archive of these members."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def write_bomb(path: Path, members: dict[str, bytes], name: str, shape: int, dtype: str = "'|u1'") -> None:
    """An archive one member of which is an array of zeros, `shape` bytes that take a thousandth on the disk."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for other, data in members.items():
            if other != name:
                archive.writestr(other, data)
        with archive.open(name, "w", force_zip64=True) as file:
            file.write(array_file(f"({shape},)", dtype, b""))
            block = bytes(1 << 20)
            for _ in range(shape >> 20):
                file.write(block)


def _change_archive(path: Path, rng: Random) -> str:
    try:
        members = read_members(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return _cut(path, rng)
    name = rng.choice(list(members))
    how = rng.choice(
        ("gone", "renamed", "cut", "bits", "header", "type", "shape", "twice", "stored", "long name")
    )
    data = members[name]
    if how == "gone":
        del members[name]
    elif how == "renamed":
        members[rng.choice(("../" + name, "x.npy", name.upper(), "/" + name))] = members.pop(name)
    elif how == "cut":
        members[name] = data[: rng.randrange(len(data) + 1)]
    elif how == "bits":
        changed = bytearray(data)
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        members[name] = bytes(changed)
    elif how == "header":
        members[name] = data[:10] + rng.randbytes(20) + data[30:]
    elif how == "type":
        dtype = rng.choice(
            ("'|O'", "'<f8'", "'<U9'", "[('a', '<i4')]", "'<M8[s]'", "'<i8'", "'|b1'", "'|V3'", "'<c16'", "1")
        )
        members[name] = array_file(f"({rng.choice((0, 1, 3, 100))},)", dtype, data[-800:])
    elif how == "shape":
        shape = rng.choice(
            (
                "()",
                "(0,)",
                "(-1,)",
                "(1, 1)",
                "(10**12,)",
                "(2**62, 4)",
                "(1,) * 40",
                "(True,)",
                "(1.5,)",
                "None",
            )
        )
        members[name] = array_file(shape, "'|u1'", data[-100:])
    elif how == "twice":
        members = {**members, f"{name} ": data}
    elif how == "long name":
        members["x" * 60_000] = b""
    write_members(path, members, zipfile.ZIP_STORED if how == "stored" else zipfile.ZIP_DEFLATED)
    return f"{path.name} with member {name} {how}"


# ---- folders ----


def copy_folder(source: Path, target: Path) -> Path:
    """A copy whose files are links to the same bytes until one is damaged: see [`own`]."""
    target.mkdir(parents=True)
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir()
        else:
            os.link(path, place)
    return target


def own(path: Path) -> Path:
    """Makes a linked file one of its own, so that damage stays in this case."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    return path


def plant_code(folder: Path, canary: Path) -> None:
    """Puts code that leaves a trace beside a checkpoint, and names it wherever a loader may look for code."""
    code = (
        f"import pathlib\npathlib.Path({str(canary)!r}).touch()\n"
        "from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast, ProcessorMixin\n"
        "class Config(PreTrainedConfig):\n    model_type = 'planted'\n"
        "class Model(PreTrainedModel):\n    config_class = Config\n"
        "class Tokenizer(PreTrainedTokenizerFast):\n    pass\n"
        "class Processor(ProcessorMixin):\n    pass\n"
    )
    kinds = (
        "AutoModel",
        "AutoModelForCausalLM",
        "AutoModelForSequenceClassification",
        "AutoModelForTokenClassification",
    )
    auto_map: dict[str, Any] = {"AutoConfig": "planted.Config", "AutoProcessor": "planted.Processor"}
    auto_map |= dict.fromkeys((*kinds, "AutoModelForQuestionAnswering"), "planted.Model")
    auto_map["AutoTokenizer"] = ["planted.Tokenizer", "planted.Tokenizer"]
    (folder / "planted.py").write_text(code, encoding="utf-8")
    for name in ("config.json", "processor_config.json", "preprocessor_config.json", "tokenizer_config.json"):
        path = folder / name
        content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        content["auto_map"] = auto_map
        content.setdefault("tokenizer_class", "Tokenizer")
        if path.exists():
            path.unlink()
        path.write_text(json.dumps(content), encoding="utf-8")


def png(width: int, height: int, mode: str = "L") -> bytes:
    """A blank PNG of any size; a large one takes little on the disk."""
    import zlib

    channels = {"L": (0, 1), "RGB": (2, 3), "RGBA": (6, 4)}[mode]
    row = b"\0" + bytes(width * channels[1])
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, channels[0], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def savez(**arrays: np.ndarray) -> bytes:
    """An `.npz` file of arrays."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def clone(source: Path, target: Path) -> Path:
    """A full copy of a folder."""
    return Path(shutil.copytree(source, target))


__all__ = [
    "array_file",
    "change_value",
    "clone",
    "copy_folder",
    "cut_at",
    "damage",
    "deep_json",
    "own",
    "plant_code",
    "png",
    "read_members",
    "savez",
    "write_bomb",
    "write_members",
]
