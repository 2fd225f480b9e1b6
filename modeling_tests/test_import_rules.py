# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The rules of the source tree, read from the source itself: who imports whom, sizes, headers, devices.

Files named `*_pixel_ar.py` are copied beside the weights when a model is uploaded, so they import only the standard
library, a fixed list of packages and each other; library files may import them, never the other way round.
"""

import ast
import re
import sys
from pathlib import Path

import pytest

import pixel_ar

PACKAGE = Path(pixel_ar.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
REMOTE = sorted(PACKAGE.glob("*_pixel_ar.py"))
REMOTE_PACKAGES = {"torch", "numpy", "PIL", "transformers", "huggingface_hub"}
# Renderer and reader run in processes that never load PyTorch.
WITHOUT_TORCH = (
    {
        "rendering",
        "reading",
        "noisy_reading",
        "glyph_classes",
        "characters",
        "hexbox",
        "fonts",
    }
    | {
        "atlases",
        "bidi",
        "character_prior",
        "graphemes",
        "joining",
        "damaged_strips",
        "exact_reading",
        "glyph_costs",
        "lattice",
        "mark_order",
        "cell_reading",
        "joined_reading",
        "shaped_fonts",
        "shaped_reading",
        "shaping",
        "unicode_data",
    }
    | {"line_breaking", "pages", "page_reading", "font_fitting"}
    | {"color_glyphs", "modes", "spacing", "strategies", "styled_reading", "styles"}
)
# Imported in a `try`, by the one file that needs it.
OPTIONAL = {"shaped_fonts": {"uharfbuzz"}, "color_glyphs": {"uharfbuzz"}}

# Lower layers first. A file imports from layers below its own, or from its own layer; never from above.
LAYERS = [
    {"configuration", "presets", "patching", "characters", "hexbox", "fonts", "imaging", "rendering"}
    | {
        "atlases",
        "unicode_data",
        "bidi",
        "graphemes",
        "joining",
        "mark_order",
        "shaped_fonts",
        "shaped_lines",
        "bounded_cache",
        "code_points",
        "joined_letters",
        "shaping",
        "character_prior",
    }
    | {"line_breaking", "pages", "font_fitting"}
    | {"color_glyphs", "modes", "spacing", "strategies", "styles"},
    {"glyph_classes", "patch_head", "autoregressive_head", "linear_heads", "heads", "layout", "modalities"}
    | {"tokens", "processing_files", "processing_options"},
    {"glyph_costs", "exact_reading", "lattice", "damaged_strips", "noisy_reading"}
    | {"shaped_reading", "cell_reading", "joined_reading"},
    {"reading", "styled_reading", "page_reading", "page_processing"},
    {
        "single_row",
        "prompts",
        "mixed_prompts",
        "writing",
        "generation_options",
        "generation",
    },
    {"modeling"},
    {"task_models"},
]
PROCESSING_USES = (
    {
        "character_prior",
        "configuration",
        "patching",
        "rendering",
        "reading",
        "imaging",
        "layout",
        "tokens",
    }
    | {
        "processing_files",
        "processing_options",
    }
    | {"modes", "page_processing", "styled_reading", "styles"}
)


def relative_name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imports(path: Path) -> list[tuple[int, str]]:
    """(level, module) of every import in a file, lazy ones included."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or node.module or path not in REMOTE, (
                f"{relative_name(path)}:{node.lineno}: `from . import x` is not copied with remote code; "
                "write `from .x_pixel_ar import name`"
            )
            found.append((node.level, node.module or ""))
    return found


def stem(module: str) -> str:
    return module.removesuffix("_pixel_ar")


def layer(name: str) -> int:
    ranks = [rank for rank, names in enumerate(LAYERS) if name in names]
    assert ranks, f"{name}_pixel_ar.py has no layer: give it one in LAYERS of this test"
    return ranks[0]


@pytest.mark.parametrize("path", REMOTE, ids=relative_name)
def test_remote_files_import_a_fixed_list(path: Path) -> None:
    allowed = REMOTE_PACKAGES | set(sys.stdlib_module_names) | OPTIONAL.get(stem(path.stem), set())
    if stem(path.stem) in WITHOUT_TORCH:
        allowed -= {"torch", "transformers", "huggingface_hub"}
    for level, module in imports(path):
        if level == 0:
            assert module.split(".")[0] in allowed, f"{relative_name(path)} imports {module}"
        else:
            assert level == 1 and (PACKAGE / f"{module}.py") in REMOTE, (
                f"{relative_name(path)} imports .{module}"
            )


@pytest.mark.parametrize(
    "path", [path for path in REMOTE if stem(path.stem) != "processing"], ids=relative_name
)
def test_arrows_run_one_way(path: Path) -> None:
    own = layer(stem(path.stem))
    for level, module in imports(path):
        if level == 1:
            assert stem(module) != "processing", f"{relative_name(path)} imports the processor"
            assert layer(stem(module)) <= own, f"{relative_name(path)} imports {module}, which is above it"


def test_the_processor_does_not_import_the_model() -> None:
    path = PACKAGE / "processing_pixel_ar.py"
    assert {stem(module) for level, module in imports(path) if level == 1} <= PROCESSING_USES


def test_no_import_runs_in_a_circle() -> None:
    arrows = {stem(p.stem): {stem(module) for level, module in imports(p) if level == 1} for p in REMOTE}
    while arrows:
        free = [name for name, targets in arrows.items() if not targets & set(arrows)]
        assert free, f"circle among {sorted(arrows)}"
        arrows = {name: targets for name, targets in arrows.items() if name not in free}


@pytest.mark.parametrize("path", SOURCES, ids=relative_name)
def test_sizes(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 600, f"{relative_name(path)} wants splitting by meaning"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            limit = 60 + _docstring_length(node)
            assert length <= limit, f"{relative_name(path)}:{node.lineno}: {node.name} has {length} lines"


def _docstring_length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's docstring; a contract well described does not make a function long."""
    first = node.body[0]
    is_docstring = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    return (first.end_lineno or first.lineno) - first.lineno + 1 if is_docstring else 0


@pytest.mark.parametrize("path", SOURCES, ids=relative_name)
def test_headers_devices_and_marks(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.startswith(
        "# Copyright 2026 The pixel-ar authors.\n# Licensed under the Apache License, Version 2.0;"
    )
    assert not re.search(r"\.cuda\(|device=[\"']cuda", source), "take the device from a tensor"
    if path in REMOTE:
        future = "from __future__ import annotations"
        assert future not in source, "it makes config_class a string in transformers"


def test_importing_the_package_needs_no_extra() -> None:
    """Optional packages are imported where they are used, never at the top of a file that `import pixel_ar` reaches."""
    extras = {"datasets", "accelerate", "evaluate", "peft", "hypothesis", "pytest"}
    for path in [
        *REMOTE,
        *(PACKAGE / name for name in ("__init__.py", "hub.py", "cli.py", "cli_commands.py")),
    ]:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            assert not extras & {name.split(".")[0] for name in names}, relative_name(path)
