# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Folders of processors and models that are damaged, or made to do harm."""

import functools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import torch
from fuzz.case import MEBIBYTE, Case, Part, expect
from fuzz.damage import (
    array_file,
    change_value,
    copy_folder,
    cut_at,
    damage,
    deep_json,
    own,
    plant_code,
    read_members,
    write_bomb,
    write_members,
)
from huggingface_hub.errors import StrictDataclassError
from tools.page import tiny_page_model
from tools.spae import small_spae
from tools.tiny import TINY
from tools.tokenizer import byte_tokenizer
from tools.unicode import sample_font
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoProcessor

from pixel_ar import (
    GlyphAtlas,
    PixelARConfig,
    PixelARForCausalLM,
    PixelARForSequenceClassification,
    PixelPageForConditionalGeneration,
    PixelProcessor,
    ShapedFont,
    SpaeModel,
)
from pixel_ar.reading.prior import CharacterPrior

# Folders that hold weights.
_MODELS: dict[str, Any] = {
    "model": PixelARForCausalLM,
    "page": PixelPageForConditionalGeneration,
    "spae": SpaeModel,
}
# A folder that is no checkpoint, or lacks a file, is an OSError in Transformers.
ERRORS = (ValueError, OSError)


@functools.cache
def bases() -> dict[str, Path]:
    """Good folders, which cases damage copies of."""
    root = Path(tempfile.mkdtemp(prefix="fuzz-folders-"))
    prior = CharacterPrior.fit(["The people of the United States."], order=2)
    processors: dict[str, PixelProcessor] = {
        "plain": PixelProcessor.from_preset("fixed-8"),
        "full": PixelProcessor(
            atlases=["fixed-5x8"],
            tokenizer=byte_tokenizer(),
            character_prior=prior,
            missing="hexbox",
            model_max_patches=64,
        ),
        "font": PixelProcessor(
            atlases=[_small_atlas(), ShapedFont(sample_font("Arabic"), 16)], patch_size=(16, 16)
        ),
    }
    for name, processor in processors.items():
        processor.save_pretrained(root / name)
    torch.manual_seed(0)
    model = PixelARForCausalLM(PixelARConfig(max_position_embeddings=64, **TINY)).eval()
    model.save_pretrained(root / "model")
    processors["plain"].save_pretrained(root / "model")
    reader = tiny_page_model()
    reader.save_pretrained(root / "page")
    processors["plain"].replace(page_patch_size=reader.config.patch_size).save_pretrained(root / "page")
    small_spae().eval().save_pretrained(root / "spae")
    _warm(root)
    return {path.name: path for path in sorted(root.iterdir())}


def _small_atlas() -> GlyphAtlas:
    return GlyphAtlas.from_font(
        sample_font("Devanagari"), 12, 16, characters="अआइकखग", overflow="cut", mode="L"
    )


def _warm(root: Path) -> None:
    """Loads all there is once, so that no case pays for what libraries read at first use."""
    for name in ("plain", "full", "font"):
        AutoProcessor.from_pretrained(root / name)
    for name in _MODELS:
        _load_model(root / name, name)


# ---- attacks ----


def _zeros(folder: Path, name: str, shape: int) -> str:
    path = own(folder / "fixed-5x8.npz")
    write_bomb(path, read_members(path), f"{name}.npy", shape)
    return f"{shape >> 20} MiB of zeros as {name} of an atlas of {path.stat().st_size >> 10} KiB"


def _lie(folder: Path, shape: str) -> str:
    path = own(folder / "fixed-5x8.npz")
    write_members(path, {**read_members(path), "columns.npy": array_file(shape, "'|u1'", bytes(100))})
    return f"an array that says it has shape {shape}"


def _big_metadata(folder: Path) -> str:
    path = own(folder / "fixed-5x8.npz")
    text = b"[" * 5_000_000
    write_members(path, {**read_members(path), "metadata.npy": array_file(f"({len(text)},)", "'|u1'", text)})
    return "metadata of five million brackets"


def _config(folder: Path, **values: Any) -> str:
    path = folder / "config.json"
    content = {**json.loads(path.read_text(encoding="utf-8")), **values}
    own(path).write_text(json.dumps(content), encoding="utf-8")
    return f"config.json with {values}"


def _processor_config(folder: Path, **values: Any) -> str:
    path = folder / "processor_config.json"
    content = {**json.loads(path.read_text(encoding="utf-8")), **values}
    own(path).write_text(json.dumps(content), encoding="utf-8")
    return f"processor_config.json with {values!r:.100}"


def _deep(folder: Path, name: str) -> str:
    own(folder / name).write_text(deep_json(Random(0)), encoding="utf-8")
    return f"{name} nested a hundred thousand times"


def _traversal(folder: Path, name: str) -> str:
    (folder.parent / "outside.npz").write_bytes((folder / "fixed-5x8.npz").read_bytes())
    config = json.loads((folder / "processor_config.json").read_text(encoding="utf-8"))
    hashes = dict.fromkeys([name], next(iter(config["atlas_sha256"].values())))
    _processor_config(folder, atlases=[name], atlas_sha256=hashes)
    return f"an atlas called {name!r}"


def _big_prior(folder: Path) -> str:
    counts = {"": {chr(0x4E00 + index): 1 for index in range(20_000)}}
    counts |= {chr(0x4E00 + index): {"a": 10**30} for index in range(20_000)}
    text = json.dumps({"format": "pixel_ar character prior 2", "counts": counts})
    own(folder / "character_prior.json").write_text(text, encoding="utf-8")
    return "a prior that is not the one that was saved"


def _safetensors_header(folder: Path, header: bytes) -> str:
    own(folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    return f"model.safetensors with the header {header[:80]!r}"


_NAMES = (
    "../outside",
    "/etc/passwd",
    "..",
    "a/../../outside",
    "con\0",
    "~/x",
    "http://x/y",
    "",
    "x" * 5000,
    ".hidden",
)
_LAYERS = {"num_hidden_layers": 10**9}
_SIZES = {"hidden_size": 2**20, "intermediate_size": 2**22}
ATTACKS: tuple[tuple[str, Callable[[Path], str]], ...] = (
    *(
        ("plain", functools.partial(_zeros, name=name, shape=2 << 30))
        for name in ("columns", "metadata", "widths", "levels")
    ),
    ("plain", functools.partial(_zeros, name="extra", shape=2 << 30)),
    ("plain", functools.partial(_zeros, name="columns", shape=510 << 20)),
    *(("plain", functools.partial(_lie, shape=shape)) for shape in ("(10**12,)", "(2**62, 4)", "(4 << 30,)")),
    ("plain", functools.partial(_lie, shape="(4294967296,)")),
    ("plain", _big_metadata),
    *(("plain", functools.partial(_traversal, name=name)) for name in _NAMES),
    ("plain", functools.partial(_processor_config, patch_size=[8, 10**9])),
    ("plain", functools.partial(_processor_config, model_max_patches=float("inf"))),
    ("plain", functools.partial(_processor_config, letter_spacing=10**9)),
    ("plain", functools.partial(_processor_config, atlases=["fixed-5x8"] * 100_000)),
    *(
        ("full", functools.partial(_deep, name=name))
        for name in ("processor_config.json", "character_prior.json")
    ),
    *(("full", functools.partial(_deep, name=name)) for name in ("tokenizer.json", "tokenizer_config.json")),
    ("full", _big_prior),
    ("model", functools.partial(_deep, name="config.json")),
    ("model", functools.partial(_config, **_LAYERS)),
    ("model", functools.partial(_config, num_hidden_layers=10**5)),
    ("model", functools.partial(_config, **_SIZES)),
    ("model", functools.partial(_config, patch_size=[8, 10**9], head_group_columns=10**9)),
    ("model", functools.partial(_config, max_position_embeddings=2**62)),
    ("model", functools.partial(_config, head_num_layers=10**8)),
    ("model", functools.partial(_config, vocab_size=2**40)),
    ("model", functools.partial(_config, num_labels=10**9)),
    ("model", functools.partial(_safetensors_header, header=b"[" * 50_000)),
    (
        "model",
        functools.partial(
            _safetensors_header, header=b'{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,0]}}'
        ),
    ),
)


# ---- cases ----


def make(rng: Random, number: int, folder: Path) -> Case:
    if number < len(ATTACKS):
        base, attack = ATTACKS[number]
        copied = copy_folder(bases()[base], folder / "checkpoint")
        title = attack(copied)
        loader = _loader(copied, base)
        # What an atlas may declare is inflated, and held twice at most.
        return Case(title, loader, ERRORS, ("checkpoint",), memory=1280 * MEBIBYTE)
    base = rng.choice(("plain", "full", "full", "font", "model", "model", "page", "spae"))
    copied = copy_folder(bases()[base], folder / "checkpoint")
    if rng.random() < 0.05:
        canary = folder / "canary"
        plant_code(copied, canary)
        return Case(
            f"code planted in a {base} folder", lambda: _check_planted(rng, copied, base, canary), ERRORS
        )
    file = rng.choice([path for path in sorted(copied.iterdir()) if path.is_file()])
    if number % 3 == 0 and file.stat().st_size:
        # Number after number, every byte of every file is a place to cut at.
        title = cut_at(own(file), number // 3 % file.stat().st_size)
    else:
        title = damage(own(file), rng)
    if base in _MODELS and rng.random() < 0.3:
        title = f"{title}; {_damage_config(copied, rng)}"
    load = _loader(copied, base)
    if file.suffix == ".npz" and rng.random() < 0.5:
        load = lambda: _check_atlas(file)  # noqa: E731
    elif file.name == "character_prior.json" and rng.random() < 0.5:
        load = lambda: CharacterPrior.load(file).log_probability("a")  # noqa: E731
    return Case(f"{base}: {title}", load, ERRORS, ("checkpoint",), memory=256 * MEBIBYTE)


def _damage_config(folder: Path, rng: Random) -> str:
    path = folder / "config.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError):
        return "config.json as it is"
    changed, how = change_value(content, rng)
    own(path).write_text(json.dumps(changed), encoding="utf-8", errors="surrogatepass")
    return f"config.json with {how}"


def _loader(folder: Path, base: str) -> Callable[[], object]:
    if base in _MODELS:
        return functools.partial(_load_model, folder, base)
    return functools.partial(_load_processor, folder)


def _load_processor(folder: Path) -> None:
    processor = PixelProcessor.from_pretrained(folder)
    expect(isinstance(processor, PixelProcessor), f"loaded a {type(processor).__name__}")
    # One patch at most: a folder may say that there is no room for more.
    letter = chr(processor.renderer.atlases[0].code_points[0])
    drawn = processor(text=letter, add_eos=False, return_tensors="np")
    expect(drawn["pixel_values"].shape[2] == processor.patch_size[0], "draws strips of another height")


def _load_model(folder: Path, base: str) -> None:
    """Loads a model and uses it."""
    try:
        model = _MODELS[base].from_pretrained(folder)
    except StrictDataclassError:
        # What every configuration class of Transformers says of a field of the wrong type.
        return
    except RuntimeError as error:
        # What Transformers says of weights that do not fit a configuration.
        if "ignore_mismatched_sizes" in str(error):
            return
        raise
    config = model.config
    with torch.no_grad():
        if base == "page":
            patches = torch.ones(1, 2, 2 + config.patch_length)
            model(flattened_patches=patches, decoder_input_ids=torch.zeros(1, 1, dtype=torch.long))
        elif base == "spae":
            model.decode(model.encode(torch.ones(1, config.num_channels, *config.image_size))[:1])
        else:
            height, width = config.patch_size
            model(pixel_values=torch.ones(1, config.num_channels, height, 2 * width))


def _check_atlas(path: Path) -> None:
    atlas = GlyphAtlas.load(path)
    expect(atlas.height > 0 and len(atlas) > 0, "an atlas of nothing")
    atlas.glyph(0)


def _check_planted(rng: Random, folder: Path, base: str, canary: Path) -> None:
    """Code in a stranger's folder does not run, whichever class loads it."""
    loaders: list[Callable[[Path], object]] = [PixelProcessor.from_pretrained, AutoProcessor.from_pretrained]
    if base in _MODELS:
        loaders = [
            AutoConfig.from_pretrained,
            AutoModel.from_pretrained,
        ]
        if base == "model":
            loaders += [
                AutoModelForCausalLM.from_pretrained,
                PixelARForSequenceClassification.from_pretrained,
            ]
    try:
        rng.choice(loaders)(folder)
    finally:
        expect(not canary.exists(), "the planted code ran")


PART = Part("folders", make, len(ATTACKS), share=10, prepare=bases, batch=200)
__all__ = ["PART", "bases"]
