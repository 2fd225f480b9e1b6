# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The README's snippets, run as a reader would run them.

Python blocks run in order and share their names. Of shell blocks, `pixel-ar` commands run (what the others are given
test_commands.py looks at). A block after the comment `<!-- not run: REASON -->` is only compiled.
"""

import re
import shlex
from pathlib import Path

import pytest
from tools.paths import ROOT

from pixel_ar import cli
from pixel_ar.hub import bundled_checkpoints

README = ROOT / "README.md"
BLOCK = re.compile(r"(?P<mark><!-- not run: .+? -->\n+)?```(?P<kind>\w+)\n(?P<code>.*?)```", re.DOTALL)

TEXT = README.read_text(encoding="utf-8") if README.is_file() else ""
BLOCKS = [(m["kind"], m["code"], m["mark"] is not None) for m in BLOCK.finditer(TEXT)]
PYTHON = [(code, skipped) for kind, code, skipped in BLOCKS if kind == "python"]
SHELL = [line for kind, code, skipped in BLOCKS if kind in ("bash", "sh", "shell", "console") and not skipped
         for line in code.replace("\\\n", " ").splitlines()]  # fmt: skip


def test_readme_has_snippets() -> None:
    assert PYTHON and SHELL


@pytest.mark.skipif(not bundled_checkpoints(), reason="no bundled checkpoint in this tree")
def test_python_snippets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for index, (code, skipped) in enumerate(PYTHON):
        compiled = compile(code, f"README.md, python block {index + 1}", "exec")
        if not skipped:
            exec(compiled, names)


@pytest.mark.skipif(not bundled_checkpoints(), reason="no bundled checkpoint in this tree")
def test_pixel_ar_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for line in SHELL:
        words = shlex.split(line, comments=True)
        if words[:1] == ["pixel-ar"]:
            assert cli.main(words[1:]) == 0, f"{line}: {capsys.readouterr().err}"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text):
        assert (ROOT / target).exists(), target


def test_contributing_names_what_is_there() -> None:
    """Its paths and make targets; words in capitals stand for a reader's own names."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for path in re.findall(r"`((?:src|modeling_tests|examples|requirements|model_cards|\.ci)/[^`]*)`", text):
        if not re.search(r"NAME|\*", path) and "tested-" not in path:
            assert (ROOT / path).exists(), path
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = set(re.findall(r"\bmake ([a-z-]+)", text)) - {"in"}
    assert named <= set(targets)
    folders = re.findall(r"^  ([a-z_]+)/ ", text, re.MULTILINE)
    assert folders and all((ROOT / "src" / "pixel_ar" / folder).is_dir() for folder in folders)
