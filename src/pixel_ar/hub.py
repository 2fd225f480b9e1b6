# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Checkpoint folders: the ones inside the package, and the ones that load where the package is not installed.

The source lies in folders by subject; code beside a checkpoint must lie flat. So an export follows the relative
imports from the classes of the `auto_map` to their closure, gives each file a flat name (`text.bidi` becomes
`text_bidi.py`; `*_pixel_ar` files keep theirs) and rewrites the module of each relative import, nothing else.
"""

import ast
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from .atomic import staged_folder, write_text
from .families import Family, family_of
from .selfcheck import write_selftest

PACKAGE = Path(__file__).parent
CHECKPOINTS = PACKAGE / "checkpoints"

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
        ValueError: for an unknown name, listing the known ones; for a file that is not the one that was packaged.
    """
    names = bundled_checkpoints()
    if name not in names:
        raise ValueError(
            f"no bundled checkpoint is called {name!r}; there are: {', '.join(names) or 'none'}."
        )
    folder = CHECKPOINTS / name
    check_recorded_files(folder)
    return str(folder)


@cache
def check_recorded_files(folder: Path) -> None:
    """Check the files of a folder against its `sha256.json`, once per process; a folder without one is passed over.

    Raises:
        ValueError: naming the file that differs or is missing.
    """
    record = folder / "sha256.json"
    if not record.is_file():
        return
    for name, expected in json.loads(record.read_text(encoding="utf-8")).items():
        path = folder / name
        if not path.is_file():
            raise ValueError(f"{folder} lacks {name}, which belongs to it; install the package again.")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != expected:
            raise ValueError(
                f"{path} is damaged: its sha256 is {found}, {record.name} records {expected}; install the package "
                "again."
            )


def export_remote_code(
    model: Any, processor: Any, folder: str | os.PathLike, push_to_hub: bool = False, **kwargs: Any
) -> list[str]:
    """Saves a checkpoint together with the code it needs.

    The folder loads with `trust_remote_code=True` where `pixel_ar` is not installed, through every Auto class; where
    it is installed, the installed package is used and no code of the folder is run. All files are written beside the
    old ones and take their place together: a full disk leaves an older checkpoint in the folder as it was.

    Args:
        model: any pixel_ar model, a SPAE model or a page model.
        processor: its processor; its atlases are saved too. `None` for a SPAE model of pictures, which needs none.
        folder: made where it is missing.
        push_to_hub: whether to upload the folder afterwards, code, glyphs and card with it.
        kwargs: `repo_id` (default: the folder's name), `token`, `private`, `revision`, `commit_message`.

    Returns:
        The names of the code files written.

    Raises:
        ValueError: for a model of another kind, or a processor that does not fit it.
    """
    family = family_of(model)
    classes = dict(family.classes)
    if processor is None and not family.needs_processor:
        del classes["AutoProcessor"]
    else:
        _check_processor(family, model, processor)
    sources = flatten_sources(classes.values())
    with staged_folder(folder, last=["config.json"]) as stage:
        model.save_pretrained(stage)
        # Not `register_for_auto_class`: it would enter the saved class alone, and look for code in nested files.
        references = {auto_class: _reference(cls) for auto_class, cls in classes.items()}
        if processor is not None:
            processor.save_pretrained(stage)
            _add_auto_map(stage / "processor_config.json", {"AutoProcessor": references.pop("AutoProcessor")})
        _add_auto_map(stage / "config.json", references)
        for name, text in sources.items():
            (stage / name).write_text(text, encoding="utf-8")
        if not Path(folder, "README.md").exists():
            (stage / "README.md").write_text(model_card(model, processor), encoding="utf-8")
        write_selftest(model, processor, stage)
        written = {path.name for path in stage.iterdir()}
    _remove_stale_weights(Path(folder), written)
    if push_to_hub:
        _upload(folder, kwargs)
    return list(sources)


def _check_processor(family: Family, model: Any, processor: Any) -> None:
    if not hasattr(processor, "check_model"):
        raise ValueError(f"export_remote_code needs the model's processor, got a {type(processor).__name__}.")
    family.check_processor(model.config, processor)


def model_card(model: Any, processor: Any) -> str:
    """A short card for a checkpoint that has none: how it loads, and what its glyphs are.

    Args:
        model: the model.
        processor: its processor.

    Returns:
        Markdown with its metadata.
    """
    family = family_of(model)
    return family.card(model, processor, family.auto_class(model))


def _remove_stale_weights(folder: Path, written: set[str]) -> None:
    """Removes weights of an older save, which loaders would take for those of this one."""
    for path in folder.glob("model*.safetensors*"):
        if path.name not in written:
            path.unlink()


def _upload(folder: str | os.PathLike, options: dict[str, Any]) -> None:
    from huggingface_hub import HfApi

    api = HfApi(token=options.get("token"))
    repo_id = options.get("repo_id") or Path(folder).name
    repo_id = api.create_repo(repo_id, private=options.get("private"), exist_ok=True).repo_id
    api.upload_folder(
        repo_id=repo_id,
        folder_path=folder,
        revision=options.get("revision"),
        commit_message=options.get("commit_message", "Upload model, processor and code"),
    )


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
    write_text(path, json.dumps(settings, indent=2, sort_keys=True) + "\n")


__all__ = ["bundled_checkpoint", "bundled_checkpoints", "export_remote_code", "flatten_sources", "model_card"]
