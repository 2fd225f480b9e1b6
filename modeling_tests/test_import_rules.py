# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The rules of the source tree, read from the source itself: who imports whom, headers, devices.

Packages are rooms in one order; what `export_remote_code` copies beside the weights imports only the standard library,
a fixed list of packages and each other.
"""

import ast
import re
import sys
from pathlib import Path

import pytest

import pixel_ar
from pixel_ar.families import FAMILIES
from pixel_ar.hub import flatten_sources

PACKAGE = Path(pixel_ar.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))

# Which rooms a room may import from, besides itself.
TEXT_TO_PIXELS = ("text", "fonts", "rendering", "reading", "processing")
ORDER: dict[str, set[str]] = {
    **{room: set(TEXT_TO_PIXELS[:rank]) for rank, room in enumerate(TEXT_TO_PIXELS)},
    "models": set(),
    "cards": {"processing", "models"},
    "figures": {"processing", "models"},
    "families": {"processing", "models", "cards", "figures"},
    "selfcheck": {"processing", "families", "figures"},
    "hub": {"families", "selfcheck"},
    "metrics": {"processing", "models"},
    "estimation": {"models"},
}
# Small modules that both wings import; they import nothing else of this package.
SHARED = {"modalities", "arrays", "atomic", "limits", "installed", "spelling", "transformers_internals"}
# Hands on what transformers does not document, by design.
LEDGER = "transformers_internals"
LIBRARY = {"training", "evaluation", "serving", "conversion"}

REMOTE_PACKAGES = {"torch", "numpy", "PIL", "transformers", "huggingface_hub", "safetensors"}
# Renderer and reader run in processes that never load PyTorch.
WITHOUT_TORCH = {"text", "fonts", "rendering", "reading"}
# Imported in a `try`, by the files that need it.
OPTIONAL = {"uharfbuzz": {"fonts/sfnt.py", "fonts/shaped_font.py", "fonts/color.py"}}


def relative_name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imports(path: Path) -> list[tuple[str, str]]:
    """(outside package or "", inside module) of every import in a file, lazy ones included."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    found: list[tuple[str, str]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name.split(".")[0], "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append(((node.module or "").split(".")[0], ""))
        elif isinstance(node, ast.ImportFrom):
            base = parts[: len(parts) - node.level]
            found.append(("", ".".join([*base, *(node.module or "").split(".")])))
    return found


EXPORTED = {
    "configuration_pixel_ar.py": "models/pixel_ar",
    "modeling_pixel_ar.py": "models/pixel_ar",
    "generation_pixel_ar.py": "models/pixel_ar/generation",
    "processing_pixel_ar.py": "processing",
}


def exported_paths() -> list[Path]:
    names = {name for family in FAMILIES.values() for name in flatten_sources(family.classes.values())}
    return [
        path
        for path in SOURCES
        if path.name in EXPORTED or "_".join(path.relative_to(PACKAGE).parts) in names
    ]


@pytest.mark.parametrize("path", exported_paths(), ids=relative_name)
def test_exported_files_import_a_fixed_list(path: Path) -> None:
    allowed = REMOTE_PACKAGES | set(sys.stdlib_module_names)
    allowed |= {name for name, files in OPTIONAL.items() if relative_name(path) in files}
    if room(path) in WITHOUT_TORCH:
        allowed -= {"torch", "transformers", "huggingface_hub"}
    for outside, _ in imports(path):
        assert not outside or outside in allowed, f"{relative_name(path)} imports {outside}"


@pytest.mark.parametrize("path", SOURCES, ids=relative_name)
def test_rooms_stand_in_order(path: Path) -> None:
    own = room(path)
    for outside, inside in imports(path):
        target = inside.split(".")[0]
        if outside or not target or target == own or target in SHARED:
            continue
        if own in {"__init__", "__main__", "cli"}:
            continue
        if own in LIBRARY:
            assert target not in {"cli"}, f"{relative_name(path)} imports {inside}"
        else:
            assert target in ORDER[own], f"{relative_name(path)} imports {inside}, which is not below it"


def test_systems_of_models_stand_on_the_first_one_alone() -> None:
    """`models/pixel_ar` knows no other system, and the others know it and nothing of each other."""
    for path in SOURCES:
        own = path.relative_to(PACKAGE).parts[:2]
        if own[0] != "models" or len(own) < 2:
            continue
        for outside, inside in imports(path):
            target = tuple(inside.split(".")[:2])
            if not outside and target[0] == "models":
                assert target in {own, ("models", "pixel_ar")}, f"{relative_name(path)} imports {inside}"


def test_spae_knows_no_decoder() -> None:
    """Of `models/pixel_ar` it takes the checks of inputs and damaged files alone, which are alike for all models."""
    for path in (PACKAGE / "models" / "spae").glob("*.py"):
        taken = {inside for _, inside in imports(path) if inside.startswith("models.pixel_ar")}
        assert taken <= {"models.pixel_ar.checks"}, f"{relative_name(path)} imports {taken}"


def test_folders_that_are_exported_have_empty_init_files() -> None:
    for path in exported_paths():
        for folder in path.relative_to(PACKAGE).parents:
            if folder.parts:
                source = (PACKAGE / folder / "__init__.py").read_text(encoding="utf-8")
                assert not ast.parse(source).body, f"{folder}/__init__.py cannot be exported with its code"


def test_no_import_runs_in_a_circle() -> None:
    def name(path: Path) -> str:
        return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)

    arrows = {name(path): {inside for _, inside in imports(path) if inside} for path in SOURCES}
    while arrows:
        free = [name for name, targets in arrows.items() if not targets & set(arrows)]
        assert free, f"circle among {sorted(arrows)}"
        arrows = {name: targets for name, targets in arrows.items() if name not in free}


def test_names_come_from_the_module_that_defines_them() -> None:
    """A name is not taken from a module that itself only imports it; packages' `__init__` hand on by design."""
    for path in SOURCES:
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[-1] == "__init__":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level and node.module:
                target = PACKAGE.joinpath(*parts[: len(parts) - node.level], *node.module.split("."))
                if target.is_dir() or target.name == LEDGER:
                    continue
                handed_on = _imported_names(target.with_suffix(".py"))
                for alias in node.names:
                    assert alias.name not in handed_on, (
                        f"{relative_name(path)} takes {alias.name} from {node.module}"
                    )


def _imported_names(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}


@pytest.mark.parametrize("path", SOURCES, ids=relative_name)
def test_headers_devices_and_marks(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.startswith(
        "# Copyright 2026 The pixel-ar authors.\n# Licensed under the Apache License, Version 2.0;"
    )
    assert not re.search(r"\.cuda\(|device=[\"']cuda", source), "take the device from a tensor"
    future = "from __future__ import annotations"
    assert future not in source, "it makes config_class a string in transformers"


def test_importing_the_package_needs_no_extra() -> None:
    """Optional packages are imported where they are used, never at the top of a file that `import pixel_ar` reaches."""
    extras = {"datasets", "accelerate", "peft", "hypothesis", "pytest", "sklearn", "scipy"}
    reached = [path for path in SOURCES if room(path) not in LIBRARY | {"metrics"}]
    for path in reached:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            assert not extras & {name.split(".")[0] for name in names}, relative_name(path)
