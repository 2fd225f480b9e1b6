# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What the training scripts share before training: options, recipes, data files, models by name, resuming."""

import difflib
import glob
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NoReturn

import torch
from datasets import Dataset, IterableDataset, load_dataset
from datasets.exceptions import DatasetNotFoundError
from transformers import HfArgumentParser, TrainingArguments

import pixel_ar
from pixel_ar.training import checkpoint_fault, find_checkpoint

NO_STEP_LIMIT = 10_000_000
EXAMPLES = Path(__file__).parent
RECIPES = EXAMPLES / "recipes"

# Kinds of data files, as `datasets` calls them.
KINDS = {
    ".jsonl": "json",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "text",
    ".parquet": "parquet",
}
MISSING = (
    "What becomes of characters without a glyph: hexbox (their code point in a box, counted), warn, or error."
)


class ScriptParser(HfArgumentParser):
    """Tells what is wrong with a command line in one line: `TrainingArguments` alone makes a usage of four pages."""

    def error(self, message: str) -> NoReturn:
        """Ends the script with status 2."""
        self.exit(2, f"{Path(self.prog).name}: {message} (--help lists all options)\n")


@dataclass
class FolderArguments:
    """What becomes of an older run in the output folder."""

    overwrite_output_dir: bool = field(
        default=False,
        metadata={"help": "Begin anew in a folder that holds a run; its checkpoints are removed."},
    )


def parse_options(kinds: Sequence[type], words: Sequence[str]) -> tuple[Any, ...]:
    """Objects of dataclasses from a command line.

    Where [`TrainingArguments`] are among them, `--overwrite_output_dir` is known too, see [`take_folder`].

    Raises:
        SystemExit: with status 2 and one line on stderr, for an unknown option (with the nearest known one), a value
            that its option does not take, or an output folder that holds a run.
    """
    trains = TrainingArguments in kinds
    kinds = (*kinds, FolderArguments) if trains else tuple(kinds)
    parser = ScriptParser(kinds)
    for_this_machine = name_the_cpu(words)
    try:
        *parsed, unknown = parser.parse_args_into_dataclasses(for_this_machine, return_remaining_strings=True)
    except (ValueError, TypeError) as error:
        parser.error(" ".join(str(error).split()))
    if unknown:
        known = [f"--{option.name}" for kind in kinds for option in fields(kind)]
        near = difflib.get_close_matches(unknown[0].split("=")[0], known, 1)
        parser.error(f"unknown option {unknown[0]}" + (f"; do you mean {near[0]}?" if near else ""))
    if asks_for_bf16(words) and not asks_for_bf16(for_this_machine):
        print("this CPU has no bf16 instructions: computing in float32", file=sys.stderr)
    if trains:
        folder = parsed.pop()
        training = next(each for each in parsed if isinstance(each, TrainingArguments))
        if (fault := take_folder(training, folder.overwrite_output_dir)) is not None:
            parser.error(fault)
    return tuple(parsed)


def take_folder(training: TrainingArguments, overwrite: bool) -> str | None:
    """Makes sure that a run does not write over another one by mistake.

    Args:
        training: whose output folder it is.
        overwrite: whether what it holds may go: its checkpoints are removed, which the new run would be mixed up with.

    Returns:
        What is wrong, and the ways out; `None` if nothing is.
    """
    folder = Path(training.output_dir or ".")
    checkpoints = [path for path in folder.glob("checkpoint-*") if path.is_dir()]
    resumes = str(training.resume_from_checkpoint).lower() not in ("false", "none", "")
    if (
        training.process_index != 0
        or resumes
        or not (checkpoints or (folder / "trainer_state.json").is_file())
    ):
        return None
    if not overwrite:
        return (
            f"{folder} holds a run already: go on with --resume_from_checkpoint True, begin anew with "
            "--overwrite_output_dir True, or name another --output_dir"
        )
    for checkpoint in checkpoints:
        shutil.rmtree(checkpoint)
    return None


def name_the_cpu(words: Sequence[str]) -> list[str]:
    """The command line, which says `--use_cpu` where there is nothing else: Trainer refuses bf16 there otherwise.

    On a CPU without instructions for bf16, which would emulate it fifty times as slowly, it says `--bf16 False` too.
    """
    words = list(words)
    if torch.accelerator.is_available():
        return words
    if not any(word.split("=")[0] == "--use_cpu" for word in words):
        words += ["--use_cpu", "True"]
    return [*words, "--bf16", "False"] if asks_for_bf16(words) and not cpu_computes_bf16() else words


def asks_for_bf16(words: Sequence[str]) -> bool:
    """Whether the last `--bf16` of a command line says so; it needs no value."""
    places = [place for place, word in enumerate(words) if word.split("=")[0] == "--bf16"]
    if not places:
        return False
    _, is_given, value = words[places[-1]].partition("=")
    following = [*words[places[-1] + 1 :], "--"][0]
    value = value if is_given else "true" if following.startswith("--") else following
    return value.lower() in ("true", "1", "yes", "y", "t")


def cpu_computes_bf16() -> bool:
    """Whether the CPU has instructions for bf16; `True` where torch cannot tell."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    known = [
        capabilities[name] for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16") if name in capabilities
    ]
    return any(known) or not known


def take_option(words: Sequence[str], name: str) -> tuple[str | None, list[str]]:
    """The value of an option on a command line (`--name value` or `--name=value`), and the words without it.

    Raises:
        SystemExit: for an option without a value.
    """
    rest, value = [], None
    words = list(words)
    while words:
        word = words.pop(0)
        if word.split("=")[0] != f"--{name}":
            rest.append(word)
        elif "=" in word:
            value = word.split("=", 1)[1]
        elif words:
            value = words.pop(0)
        else:
            raise SystemExit(f"{word} needs a value")
    return value, rest


def laid_out(options: Mapping[str, Any]) -> list[str]:
    """Options as words of a command line."""
    return [part for key, value in options.items() for part in (f"--{key}", str(value))]


def recipe_path(name: str) -> Path:
    """The file of a recipe: a path, or a name in examples/recipes.

    Raises:
        SystemExit: for an unknown name, with the known ones.
    """
    path = Path(name) if Path(name).is_file() else RECIPES / f"{name}.json"
    if not path.is_file():
        raise SystemExit(
            f"no recipe {name!r}; there are {', '.join(sorted(p.stem for p in RECIPES.glob('*')))}"
        )
    return path


def read_recipe(name: str) -> dict[str, Any]:
    """A recipe: `description`, `arguments` and perhaps `tasks`.

    Raises:
        SystemExit: for an unknown name, or a file that is no recipe.
    """
    path = recipe_path(name)
    try:
        recipe = json.loads(path.read_text(encoding="utf-8"))
        return {**recipe, "arguments": dict(recipe["arguments"])}
    except (ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"{path} is no recipe ({type(error).__name__}: {error})") from None


@contextmanager
def plain_errors() -> Iterator[None]:
    """What is wrong with data or a model as one line; training itself keeps its tracebacks."""
    try:
        yield
    except DatasetNotFoundError as error:
        raise SystemExit(f"{error} (and there is no such file)") from None
    except (ValueError, OSError) as error:
        raise SystemExit(" ".join(str(error).split())) from None
    except KeyError as error:
        raise SystemExit(" ".join(str(error.args[0]).split())) from None


def resolve_model(name: str) -> str:
    """A folder or Hub id, where the name may be that of a bundled checkpoint."""
    return pixel_ar.bundled_checkpoint(name) if name in pixel_ar.bundled_checkpoints() else name


def load_texts(name: str, config: str | None, split: str, streaming: bool) -> Dataset | IterableDataset:
    """Loads a local file by its ending, several that a pattern names (`"texts/part-*.jsonl.gz"`), or a Hub data set.

    Raises:
        ValueError: for a file of another kind, and for a pattern without files.
    """
    files = sorted(glob.glob(name)) if glob.has_magic(name) else [name]
    if not files:
        raise ValueError(f"{name}: no file has such a name; in a shell, put the pattern in quotes.")
    if files != [name]:
        kinds = {next((KINDS[end] for end in Path(file).suffixes if end in KINDS), None) for file in files}
        if None in kinds or len(kinds) > 1:
            raise ValueError(
                f"{name}: the files must be of one kind, out of {', '.join(sorted(KINDS))}, gzipped or not."
            )
        return load_dataset(kinds.pop(), data_files=files, split="train", streaming=streaming)
    suffixes = [suffix for suffix in Path(name).suffixes if suffix in KINDS]
    if Path(name).is_file() and suffixes:
        options: dict[str, Any] = {"delimiter": "\t"} if suffixes[-1] == ".tsv" else {}
        return load_dataset(
            KINDS[suffixes[-1]], data_files=name, split="train", streaming=streaming, **options
        )
    if Path(name).is_file():
        raise ValueError(
            f"{name}: unknown kind of file; use one of {', '.join(sorted(KINDS))}, gzipped or not."
        )
    return load_dataset(name, config, split=split, streaming=streaming)


def checkpoint_to_resume(training: TrainingArguments) -> str | None:
    """What `--resume_from_checkpoint` means: a folder, or True for the newest whole checkpoint of the output folder.

    Raises:
        SystemExit: for a folder that was not written to its end.
    """
    given = training.resume_from_checkpoint
    if given is None or str(given).lower() in ("false", "none", ""):
        return None
    if str(given).lower() == "true":
        return find_checkpoint(training.output_dir)
    if fault := checkpoint_fault(str(given)):
        raise SystemExit(
            f"{given} cannot be resumed from: {fault}; with --resume_from_checkpoint True the newest whole checkpoint "
            f"of {training.output_dir} is taken"
        )
    return str(given)


__all__ = [
    "EXAMPLES",
    "KINDS",
    "MISSING",
    "NO_STEP_LIMIT",
    "RECIPES",
    "FolderArguments",
    "checkpoint_to_resume",
    "laid_out",
    "load_texts",
    "name_the_cpu",
    "parse_options",
    "plain_errors",
    "read_recipe",
    "recipe_path",
    "resolve_model",
    "take_folder",
    "take_option",
]
