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
from .models.page.configuration_page import PixelPageConfig
from .models.page.modeling_page import PixelPageForConditionalGeneration
from .models.pixel_ar.configuration_pixel_ar import PixelARConfig
from .models.pixel_ar.modeling_pixel_ar import PixelARForCausalLM, PixelARModel
from .models.pixel_ar.tasks import (
    PixelARForQuestionAnswering,
    PixelARForSequenceClassification,
    PixelARForTokenClassification,
)
from .models.spae.configuration_spae import SpaeConfig
from .models.spae.modeling_spae import SpaeModel
from .processing.files import bundled_notices
from .processing.processing_pixel_ar import PixelProcessor
from .selfcheck import write_selftest

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
# And from a SPAE checkpoint.
SPAE_AUTO_CLASSES: dict[str, type] = {
    "AutoConfig": SpaeConfig,
    "AutoModel": SpaeModel,
    "AutoProcessor": PixelProcessor,
}
# And from one of a page model.
PAGE_AUTO_CLASSES: dict[str, type] = {
    "AutoConfig": PixelPageConfig,
    "AutoModel": PixelPageForConditionalGeneration,
    "AutoModelForImageTextToText": PixelPageForConditionalGeneration,
    "AutoProcessor": PixelProcessor,
}
EXPORTED_FAMILIES = {
    "pixel_ar": AUTO_CLASSES,
    "pixel_ar_spae": SPAE_AUTO_CLASSES,
    "pixel_page": PAGE_AUTO_CLASSES,
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
    model_type = getattr(getattr(model, "config", None), "model_type", None)
    if model_type not in EXPORTED_FAMILIES:
        raise ValueError(
            f"export_remote_code saves {' and '.join(EXPORTED_FAMILIES)} models, got a {type(model).__name__}."
        )
    classes = dict(EXPORTED_FAMILIES[model_type])
    if model_type == "pixel_ar_spae" and processor is None:
        del classes["AutoProcessor"]
    else:
        _check_processor(model, processor)
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
        if model_type == "pixel_ar":
            write_selftest(model, processor, stage)
        written = {path.name for path in stage.iterdir()}
    _remove_stale_weights(Path(folder), written)
    if push_to_hub:
        _upload(folder, kwargs)
    return list(sources)


def _check_processor(model: Any, processor: Any) -> None:
    if not hasattr(processor, "check_model"):
        raise ValueError(f"export_remote_code needs the model's processor, got a {type(processor).__name__}.")
    config = model.config
    if config.model_type == "pixel_ar":
        processor.check_model(config)
        return
    if config.model_type == "pixel_page":
        cuts = processor.page_patch_size or processor.patch_size
        if config.patch_size is not None and tuple(cuts) != tuple(config.patch_size):
            raise ValueError(
                f"the processor cuts pages into patches of {tuple(cuts)}, the model reads {tuple(config.patch_size)}; "
                f"pass processor.replace(page_patch_size={tuple(config.patch_size)})."
            )
        return
    draws, reads = (
        (processor.num_channels, processor.patch_size[0]),
        (config.num_channels, config.image_size[0]),
    )
    if draws != reads:
        raise ValueError(
            f"the processor draws {draws[0]} channels of {draws[1]} rows, the model reads {reads[0]} of {reads[1]}; "
            "take another processor, or None for a model of pictures."
        )


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


def model_card(model: Any, processor: Any) -> str:
    """A short card for a checkpoint that has none: how it loads, and what its glyphs are.

    `library_name` is `transformers`, which `pipeline` asks for and downloads are counted by; there is no
    `pipeline_tag`, since the Hub would offer a pipeline with a tokenizer.

    Args:
        model: the model.
        processor: its processor.

    Returns:
        Markdown with its metadata.
    """
    if model.config.model_type == "pixel_ar_spae":
        return _spae_card(model)
    if model.config.model_type == "pixel_page":
        return _page_card(model, processor)
    height, width = processor.patch_size
    glyphs = [
        f"- `{atlas.name}`, sha256 `{atlas.sha256}`"
        + (f", licence: {atlas.license}" if getattr(atlas, "license", "") else "")
        for atlas in processor.renderer.atlases
    ]
    notices = [f"- its notice: [{name}]({name})" for name in bundled_notices(processor.atlases)]
    return f"""---
library_name: transformers
tags:
- pixel_ar
- pixel-language-model
- custom_code
---

# {type(model).__name__}

A language model that reads and writes text as pixels: strips of {height} rows, cut into patches of {height} x {width}.

```python
import torch
from transformers import {_auto_class(model)}, AutoProcessor

path = "."  # this folder, or its id on the Hub
model = {_auto_class(model)}.from_pretrained(path, trust_remote_code=True).eval()
processor = AutoProcessor.from_pretrained(path, trust_remote_code=True)
```

With the package `pixel-ar` installed, leave `trust_remote_code` out and `import pixel_ar` instead.

## Glyphs

{chr(10).join([*glyphs, *notices])}
"""


def _page_card(model: Any, processor: Any) -> str:
    height, width = processor.page_patch_size or processor.patch_size
    return f"""---
library_name: transformers
pipeline_tag: image-text-to-text
tags:
- pixel_ar
- custom_code
---

# {type(model).__name__}

Reads pages cut into patches of {height} x {width} pixels, writes tokens.

```python
from transformers import AutoModelForImageTextToText, AutoProcessor

path = "."  # this folder, or its id on the Hub
model = AutoModelForImageTextToText.from_pretrained(path, trust_remote_code=True).eval()
processor = AutoProcessor.from_pretrained(path, trust_remote_code=True)
inputs = processor.page_patches(image, num_channels={model.config.num_channels})
ids = model.generate(**inputs, max_new_tokens=50)
```

With the package `pixel-ar` installed, leave `trust_remote_code` out and `import pixel_ar` instead.
"""


def _spae_card(model: Any) -> str:
    config = model.config
    words = f"{config.codebook_size:,} {'words' if config.codebook == 'lexical' else 'learned entries'}"
    return f"""---
library_name: transformers
tags:
- pixel_ar
- spae
- custom_code
---

# {type(model).__name__}

Pictures of {config.image_size[0]} x {config.image_size[1]} pixels as layers of {words}, {sum(config.num_tokens)} in all
(arXiv 2306.17842); any prefix of the layers decodes.

```python
from transformers import AutoModel

model = AutoModel.from_pretrained(".", trust_remote_code=True).eval()  # this folder, or its id on the Hub
ids = model.encode(pixel_values)  # [B, {config.num_channels}, {config.image_size[0]}, {config.image_size[1]}] in [0, 1]
pictures = model.decode(ids[:2])
```

With the package `pixel-ar` installed, leave `trust_remote_code` out and `import pixel_ar` instead.
"""


def _auto_class(model: Any) -> str:
    found = (name for name, cls in AUTO_CLASSES.items() if cls.__name__ == type(model).__name__)
    return next(found, "AutoModel")


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
