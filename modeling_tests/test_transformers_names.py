# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What this package takes from transformers is documented, or stands in the ledger, `transformers_internals`."""

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import transformers

import pixel_ar
from pixel_ar import transformers_internals as ledger

PACKAGE = Path(pixel_ar.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
# Rooms that never load transformers.
WITHOUT = ("text/", "fonts/", "rendering/", "reading/")
# PyTorch's counter of changes in place, which its notes on autograd describe.
OF_TORCH = {"_version"}
PUBLIC = {name for name in dir(transformers) if not name.startswith("_")}


def relative_name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def undocumented_imports(path: Path) -> Iterator[str]:
    """Full names of what a file imports from transformers without a promise."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("transformers."))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "transformers":
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if alias.name not in PUBLIC and not name.startswith(ledger.DOCUMENTED):
                    yield name


def test_the_ledger_holds_the_undocumented_imports() -> None:
    names = {name.rpartition(".")[2] for name in undocumented_imports(PACKAGE / "transformers_internals.py")}
    assert {"create_causal_mask", "ACT2FN", "initialization"} <= names  # else this test sees nothing
    assert len(names) <= 8


@pytest.mark.parametrize("path", SOURCES, ids=relative_name)
def test_other_modules_import_documented_names(path: Path) -> None:
    if path.name == "transformers_internals.py":
        return
    found = set(undocumented_imports(path)) - set(ledger.ELSEWHERE)
    assert not found, (
        f"{relative_name(path)} imports {found}; take it from transformers_internals, with a reason"
    )


def defined_names() -> set[str]:
    names: set[str] = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                names.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.arg):
                names.add(node.arg)
    return names


def test_private_attributes_and_arguments_of_others_are_listed() -> None:
    own, used = defined_names(), set()
    for path in SOURCES:
        if relative_name(path).startswith(WITHOUT):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.attr if isinstance(node, ast.Attribute) else None
            name = node.arg if isinstance(node, ast.keyword) else name
            if name and name.startswith("_") and not name.startswith("__") and name not in own:
                used.add(name)
    assert used - OF_TORCH == set(ledger.ATTRIBUTES)


def test_overridden_private_names_are_listed() -> None:
    """No private method of transformers is replaced, but the hooks its documentation tells one to define."""
    importlib.import_module("pixel_ar.training")  # wherever this test runs in the suite
    found: set[str] = set()
    for module in [module for name, module in sys.modules.items() if name.startswith("pixel_ar")]:
        for cls in vars(module).values():
            if inspect.isclass(cls) and cls.__module__.startswith("pixel_ar."):
                theirs = [base for base in cls.__mro__ if base.__module__.startswith("transformers.")]
                found |= {
                    name
                    for name in vars(cls)
                    if name.startswith("_")
                    and not name.startswith(("__", "_abc_"))
                    and any(
                        name in vars(base) or name in vars(base).get("__annotations__", {}) for base in theirs
                    )
                }
    assert found == set(ledger.DECLARATIONS)
