# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Files are whole or not there, whatever stops the writing."""

import os
import stat
from pathlib import Path

import pytest
from tools.full_disk import contents, full_disk

from pixel_ar.atomic import replacing, staged_folder, write_text


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with replacing(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert contents(tmp_path) == {"file": b"new"}
    path.chmod(0o640)
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert contents(tmp_path) == {"file": b"new"}
    write_text(path, "ü\n")
    assert contents(tmp_path) == {"file": "ü\n".encode()} and stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_text() == "new"


def test_files_of_a_folder_appear_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a" / "folder"
    order: list[str] = []
    replace = os.replace
    monkeypatch.setattr(
        os, "replace", lambda source, target: (order.append(Path(target).name), replace(source, target))
    )
    with staged_folder(folder, last=["config"]) as stage:
        (stage / "config").write_text("1")
        (stage / "deep").mkdir()
        (stage / "deep" / "z").write_text("2")
        assert contents(folder) == {f"{stage.name}/{name}": data for name, data in contents(stage).items()}
    assert contents(folder) == {"config": b"1", "deep/z": b"2"} and order == ["z", "config"]
    with pytest.raises(ValueError, match="stop"), staged_folder(folder) as stage:
        (stage / "config").write_text("3")
        raise ValueError("stop")
    assert contents(folder) == {"config": b"1", "deep/z": b"2"}
    with pytest.raises(ValueError, match="stop"), staged_folder(tmp_path / "b") as stage:
        raise ValueError("stop")
    assert not (tmp_path / "b").exists()


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "old")
    for limit in range(5):
        with full_disk(limit), pytest.raises(OSError, match="No space"):
            write_text(tmp_path / "file", "newer")
        assert contents(tmp_path) == {"file": b"old"}
