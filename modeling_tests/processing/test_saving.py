# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Saving a processor: whole or not at all, licences beside their glyphs, no code asked to run."""

import json
from pathlib import Path

import pytest
from tools.full_disk import contents, full_disk
from tools.tokenizer import byte_tokenizer

import pixel_ar
from pixel_ar.fonts.atlas import GlyphAtlas
from pixel_ar.processing.processing_pixel_ar import PixelProcessor
from pixel_ar.reading.prior import CharacterPrior

TEXTS = ["The people of the United States"] * 3


def test_a_full_disk_leaves_the_older_processor_as_it_was(tmp_path: Path) -> None:
    old = PixelProcessor(tab=2, tokenizer=byte_tokenizer(), character_prior=CharacterPrior.fit(TEXTS))
    old.save_pretrained(tmp_path)
    before = contents(tmp_path)
    new = PixelProcessor(("tiny5-8",), missing="hexbox", character_prior=CharacterPrior.fit(["other"]))
    with full_disk(10**9) as written:
        new.save_pretrained(tmp_path / "elsewhere")
    after = contents(tmp_path / "elsewhere")
    for name in after:
        (tmp_path / "elsewhere" / name).unlink()
    (tmp_path / "elsewhere").rmdir()
    for step in range(20):
        with full_disk(written[0] * step // 20), pytest.raises(OSError, match="No space"):
            new.save_pretrained(tmp_path)
        assert contents(tmp_path) == before
    assert PixelProcessor.from_pretrained(tmp_path).to_dict() == old.to_dict()
    new.save_pretrained(tmp_path)
    assert contents(tmp_path) == {**before, **after}


@pytest.mark.parametrize("kind", ["atlas", "prior"])
def test_a_full_disk_leaves_older_atlases_and_priors(kind: str, tmp_path: Path) -> None:
    old, new = (
        (GlyphAtlas.load("fixed-5x8"), GlyphAtlas.load("tiny5-8"))
        if kind == "atlas"
        else (CharacterPrior.fit(TEXTS), CharacterPrior.fit(["other"]))
    )
    path = tmp_path / "file.npz"
    old.save(path)
    before = path.read_bytes()
    new.save(tmp_path / "new")
    size = (tmp_path / "new").stat().st_size
    for step in range(20):
        with full_disk(size * step // 20), pytest.raises(OSError, match="No space"):
            new.save(path)
        assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("atlases", "notice"),
    [
        (("unifont-16",), "LICENSE-unifont.txt"),
        (("unifont-16-x2",), "LICENSE-unifont.txt"),
        (("tiny5-8",), "LICENSE-tiny5.txt"),
        (("fixed-5x8",), None),
    ],
)
def test_licences_travel_with_their_glyphs(
    atlases: tuple[str, ...], notice: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    height = GlyphAtlas.load(atlases[0]).height
    processor = PixelProcessor(atlases, (height, 16))
    files = processor.save_pretrained(tmp_path / "one")
    notices = [Path(file).name for file in files if "LICENSE" in file]
    assert notices == ([notice] if notice else [])
    assert all(Path(file).is_file() for file in files)
    # Also where the package's own files are not at hand, as in a folder with code.
    from pixel_ar.processing import files as module

    monkeypatch.setattr(module, "ATLAS_FOLDER", tmp_path / "nowhere")
    again = PixelProcessor.from_pretrained(tmp_path / "one").replace(tab=2)
    again.save_pretrained(tmp_path / "two")
    if notice:
        assert (tmp_path / "two" / notice).read_bytes() == (tmp_path / "one" / notice).read_bytes()


def test_installed_classes_cannot_save_their_code_file_by_file() -> None:
    for cls in (PixelProcessor, pixel_ar.PixelARConfig, pixel_ar.PixelARForCausalLM):
        with pytest.raises(ValueError, match="export_remote_code"):
            cls.register_for_auto_class()


def test_a_foreign_processor_configuration_runs_no_code(tmp_path: Path) -> None:
    """An auto_map in any file of a folder leaves nothing behind: the installed classes read settings and no code."""
    PixelProcessor(tokenizer=byte_tokenizer()).save_pretrained(tmp_path)
    trap = tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nclass Trap: pass\n")
    for name in ("processor_config.json", "tokenizer_config.json"):
        settings = json.loads((tmp_path / name).read_text())
        settings["auto_map"] = {"AutoProcessor": "trap.Trap", "AutoTokenizer": ["trap.Trap", "trap.Trap"]}
        (tmp_path / name).write_text(json.dumps(settings))
    PixelProcessor.from_pretrained(tmp_path)
    assert not (tmp_path / "ran").exists()
