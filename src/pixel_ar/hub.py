# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Checkpoint folders: the ones inside the package, and the ones that load where the package is not installed.

The source lies in folders by subject; code beside a checkpoint must lie flat. So an export follows the relative
imports from the classes of the `auto_map` to their closure, gives each file a flat name (`text.bidi` becomes
`text_bidi.py`; `*_pixel_ar` files keep theirs) and rewrites the module of each relative import, nothing else.
"""

import ast
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .models.pixel_ar.configuration_pixel_ar import PixelARConfig
from .models.pixel_ar.modeling_pixel_ar import PixelARForCausalLM, PixelARModel
from .models.pixel_ar.tasks import (
    PixelARForQuestionAnswering,
    PixelARForSequenceClassification,
    PixelARForTokenClassification,
)
from .processing.processing_pixel_ar import PixelProcessor

PACKAGE = Path(__file__).parent
CHECKPOINTS = PACKAGE / "checkpoints"

# What each Auto class builds from a pixel_ar checkpoint.
AUTO_CLASSES: dict[str, type] = {
    "AutoConfig": PixelARConfig,
    "AutoModel": PixelARModel,
    "AutoModelForCausalLM": PixelARForCausalLM,
    "AutoModelForSequenceClassification": PixelARForSequenceClassification,
    "AutoModelForTokenClassification": PixelARForTokenClassification,
    "AutoModelForQuestionAnswering": PixelARForQuestionAnswering,
    "AutoProcessor": PixelProcessor,
}

_RELATIVE_IMPORT = re.compile(r"from\s+(\.+[\w.]*)\s+import\b")


def bundled_checkpoints() -> tuple[str, ...]:
    """The names of the checkpoints inside this installation."""
    return tuple(sorted(path.parent.name for path in CHECKPOINTS.glob("*/config.json")))


def bundled_checkpoint(name: str) -> str:
    """The folder of a checkpoint that comes with the package.

    Args:
        name: such as `"pixel-ar-tiny"`.

    Returns:
        A path for `from_pretrained`.

    Raises:
        ValueError: for an unknown name, listing the known ones.
    """
    names = bundled_checkpoints()
    if name not in names:
        raise ValueError(
            f"no bundled checkpoint is called {name!r}; there are: {', '.join(names) or 'none'}."
        )
    return str(CHECKPOINTS / name)


def export_remote_code(model: Any, processor: Any, folder: str | os.PathLike) -> list[str]:
    """Saves a checkpoint together with the code it needs.

    The folder loads with `trust_remote_code=True` where `pixel_ar` is not installed, through every Auto class; where
    it is installed, the installed package is used and no code of the folder is run.

    Args:
        model: any pixel_ar model.
        processor: its processor; its atlases are saved too.
        folder: made where it is missing.

    Returns:
        The names of the code files written.

    Raises:
        ValueError: for a model of another kind.
    """
    if getattr(model.config, "model_type", None) != "pixel_ar":
        raise ValueError(f"export_remote_code saves pixel_ar models, got a {type(model).__name__}.")
    sources = flatten_sources(AUTO_CLASSES.values())
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    # Not `register_for_auto_class`: it would enter the saved class alone, and look for code in nested files.
    references = {auto_class: _reference(cls) for auto_class, cls in AUTO_CLASSES.items()}
    processors = {"AutoProcessor": references.pop("AutoProcessor")}
    _add_auto_map(Path(folder, "config.json"), references)
    _add_auto_map(Path(folder, "processor_config.json"), processors)
    for name, text in sources.items():
        Path(folder, name).write_text(text, encoding="utf-8")
    return list(sources)


def flatten_sources(classes: Iterable[type]) -> dict[str, str]:
    """The code that classes of this package need, as files that lie side by side.

    Args:
        classes: the entries; their modules and all that these import relatively, lazy imports included, are taken.

    Returns:
        The text of each file by its flat name, sorted by name.

    Raises:
        ValueError: for a relative import that cannot be flattened (`from . import x`, a sub-package, a file outside
            the package), or two modules with one flat name.
    """
    waiting = [_module_parts(cls) for cls in classes]
    modules: dict[tuple[str, ...], str] = {}
    while waiting:
        module = waiting.pop()
        if module not in modules:
            text = _source_file(module).read_text(encoding="utf-8")
            modules[module] = text
            waiting += [target for _, target in _relative_imports(module, text)]
    files: dict[str, str] = {}
    for module, text in sorted(modules.items(), key=lambda item: flat_name(item[0])):
        name = f"{flat_name(module)}.py"
        if name in files:
            raise ValueError(f"two modules would both be exported as {name}; rename {'.'.join(module)}.")
        files[name] = _flatten(module, text)
    return files


def flat_name(module: tuple[str, ...]) -> str:
    """The name of a module where all files lie side by side: `("text", "bidi")` becomes `text_bidi`.

    The last part alone where it ends in `_pixel_ar`, as the files of a model are called by convention.
    """
    return module[-1] if module[-1].endswith("_pixel_ar") else "_".join(module)


def _module_parts(cls: type) -> tuple[str, ...]:
    """The module of a class, from this package downwards."""
    root = __name__.rpartition(".")[0] + "."
    if not cls.__module__.startswith(root):
        raise ValueError(f"{cls.__module__}.{cls.__name__} is not a class of {root[:-1]}.")
    return tuple(cls.__module__.removeprefix(root).split("."))


def _source_file(module: tuple[str, ...]) -> Path:
    path = PACKAGE.joinpath(*module).with_suffix(".py")
    if not path.is_file():
        raise ValueError(f"{'.'.join(module)} is no module of the package, so it cannot be exported.")
    return path


def _relative_imports(module: tuple[str, ...], text: str) -> Iterator[tuple[ast.ImportFrom, tuple[str, ...]]]:
    """Each relative import of a module, and the module it names."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            where = f"{'/'.join(module)}.py:{node.lineno}"
            if not node.module:
                raise ValueError(
                    f"{where}: `from . import` cannot be exported; write `from .module import name`."
                )
            if node.level > len(module):
                raise ValueError(f"{where}: the import leaves the package.")
            yield node, module[: len(module) - node.level] + tuple(node.module.split("."))


def _flatten(module: tuple[str, ...], text: str) -> str:
    """A module's text with the module of each relative import replaced by its flat name."""
    lines = text.splitlines(keepends=True)
    for node, target in _relative_imports(module, text):
        # The columns of `ast` count UTF-8 bytes, but nothing except blanks stands before an import statement.
        before, line = lines[node.lineno - 1][: node.col_offset], lines[node.lineno - 1][node.col_offset :]
        match = _RELATIVE_IMPORT.match(line)
        if match is None:
            raise ValueError(f"{'/'.join(module)}.py:{node.lineno}: write `from .module import` on one line.")
        lines[node.lineno - 1] = f"{before}{line[: match.start(1)]}.{flat_name(target)}{line[match.end(1) :]}"
    return "".join(lines)


def _reference(cls: type) -> str:
    """`file.Class` as an auto_map writes it."""
    return f"{flat_name(_module_parts(cls))}.{cls.__name__}"


def _add_auto_map(path: Path, auto_map: dict[str, str]) -> None:
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["auto_map"] = auto_map
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")


__all__ = ["bundled_checkpoint", "bundled_checkpoints", "export_remote_code", "flatten_sources"]
