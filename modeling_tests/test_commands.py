# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Every command that README, cards and the pages of examples name is understood: its file, options and values.

Each script is started with the words of the page and stopped where its own parser has taken them, so an option that was
renamed fails here. Commands stand in blocks of shell code, and in the text between backquotes.
"""

import argparse
import re
import runpy
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from tools.paths import EXAMPLES, ROOT

from pixel_ar.cli.parser import build_parser

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "model_cards").glob("*.md")),
    *sorted(EXAMPLES.rglob("*.md")),
]
BLOCK = re.compile(r"^```(?:bash|sh|shell|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)
# In the text: whole commands, not the mere names of scripts.
INLINE = re.compile(r"`(python3? [^`\n]+|[\w./-]+\.py [^`\n]*--[^`\n]+|pixel-ar [^`\n]+|make [^`\n]+)`")
ASSIGNMENT = re.compile(r'^(\w+)="(.*)"$')
# What some scripts need beside the package and its extras; they say so.
NOT_INSTALLED = ("matplotlib", "fontTools", "pyarrow", "torchao")


class Parsed(BaseException):
    """The words were understood."""


def commands(text: str) -> list[str]:
    """The commands of a page: continued lines joined, shell variables filled in."""
    found = []
    for block in BLOCK.findall(text):
        variables: dict[str, str] = {}
        lines = re.sub(r'-c "[^"]*"', "-c CODE", block).replace("\\\n", " ").splitlines()
        for line in lines:
            for name, value in variables.items():
                line = line.replace(f"${name}", value)
            if match := ASSIGNMENT.match(line.strip()):
                variables[match[1]] = match[2]
            elif line.strip():
                found.append(line.strip())
    outside = BLOCK.sub("", text)
    return list(dict.fromkeys([*found, *INLINE.findall(outside)]))


CASES = [
    pytest.param(command, id=f"{path.relative_to(ROOT)}: {command[:90]}")
    for path in PAGES
    if path.is_file()
    for command in commands(path.read_text(encoding="utf-8"))
]


@pytest.fixture
def stop_when_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends a script as soon as its parser has taken all words; wrong ones end it as ever."""
    parse = argparse.ArgumentParser.parse_known_args

    def parse_and_stop(self: argparse.ArgumentParser, *args: Any, **kwargs: Any) -> Any:
        _, unknown = parse(self, *args, **kwargs)
        assert not unknown, f"unknown words {unknown}"
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", parse_and_stop)


def find_script(word: str) -> Path:
    """The file of a script: by its path from the root, or by its name among the examples."""
    if (ROOT / word).is_file():
        return ROOT / word
    named = [path for path in EXAMPLES.rglob("*.py") if path.match(word)]
    assert len(named) == 1, f"{word}: {len(named)} such files"
    return named[0]


def run_script(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = find_script(words[0])
    options = words[1:]
    if not options and "argument" not in path.read_text(encoding="utf-8"):
        return  # it takes none
    monkeypatch.setattr(sys, "argv", [str(path), *options])
    monkeypatch.syspath_prepend(str(path.parent))
    try:
        with pytest.raises(Parsed):
            runpy.run_path(str(path), run_name="__main__")
    except ModuleNotFoundError as error:
        if error.name in NOT_INSTALLED:
            pytest.skip(f"needs {error.name}")
        raise


def test_there_are_commands() -> None:
    assert len(CASES) > 80


@pytest.mark.usefixtures("stop_when_parsed")
@pytest.mark.parametrize("command", CASES)
def test_command_is_understood(command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    words = shlex.split(command, comments=True)
    words = words[: words.index(">")] if ">" in words else words
    program, rest = Path(words[0]).name, words[1:]
    monkeypatch.chdir(tmp_path)
    if program == "make":
        targets = re.findall(
            r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
        )
        assert {word for word in rest if "=" not in word} <= set(targets)
    elif program == "pixel-ar":
        with pytest.raises((Parsed, SystemExit)) as end:
            build_parser().parse_args(rest)
        assert end.type is Parsed or end.value.code == 0  # --version, --help
    elif program in ("python", "python3") and rest[0] == "-m":
        assert all((ROOT / word).exists() for word in rest[1:] if "/" in word)
    elif program in ("python", "python3") and rest[0] != "-c":
        run_script(rest, monkeypatch)
    elif program.endswith(".py"):
        run_script(words, monkeypatch)
    elif program == "torchrun":
        script = next(number for number, word in enumerate(words) if word.endswith(".py"))
        run_script(words[script:], monkeypatch)
    else:
        assert program in ("python", "pip", "pre-commit", "git"), f"{program}: what is that?"
