# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Runs transformers' own common tests on this package's classes.

    python modeling_tests/common/run_common_tests.py SOURCES [--others CHECKOUT] [-- pytest's arguments]

`SOURCES` is the unpacked source distribution of the installed transformers, or a checkout. The source distribution
leaves out some files of its tests (generation among them): they come from `--others`, a checkout of a version nearby.
What neither has is replaced by something empty; every such file is named. The tests of export formats are always left
out. Nothing is written into the sources: all runs in a temporary folder. Needs the package `parameterized` besides
those for development. Exit code: pytest's.
"""

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import transformers

CASES = Path(__file__).with_name("cases.py")
HELPERS = Path(__file__).parents[1] / "tools"

# Files that the mixins import and that may be missing, with what stands in for them.
NO_EXPORTS = "class ExportTesterMixin:\n    pass\n\n\nclass ExportGenerateTesterMixin:\n    pass\n"
STAND_INS = {
    "tests/__init__.py": "",
    "tests/generation/__init__.py": "",
    "tests/generation/test_utils.py": "class GenerationTesterMixin:\n    pass\n",
    "tests/utils/__init__.py": "",
    "utils/fetch_hub_objects_for_ci.py": "def url_to_local_path(url):\n    return url\n",
}
COMMON_SETTINGS = "tests/utils/test_configuration_utils.py"


def common_settings(source: str) -> str:
    """The arguments that the test of configurations tries, without the tests beside them, which import much more.

    Raises:
        ValueError: if they are not in the file.
    """
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and "config_common_kwargs" in [
            ast.unparse(name) for name in node.targets
        ]:
            return ast.unparse(node) + "\n"
    raise ValueError(f"{COMMON_SETTINGS} has no config_common_kwargs; look where its tests have gone.")


def assemble(sources: Path, others: Path | None, folder: Path) -> list[str]:
    """Puts the mixins and our cases into one package.

    Args:
        sources: what was unpacked or checked out.
        others: a checkout that has what is missing there.
        folder: where to put `tests` and `utils`.

    Returns:
        One line for each file that is not from `sources`.

    Raises:
        FileNotFoundError: if `sources` has no common tests.
    """
    if not (sources / "tests" / "test_modeling_common.py").exists():
        raise FileNotFoundError(f"{sources}/tests/test_modeling_common.py: not the sources of transformers.")
    (folder / "tests").mkdir()
    for path in (sources / "tests").glob("*.py"):
        shutil.copy(path, folder / "tests")
    notes = []
    for name in (*STAND_INS, COMMON_SETTINGS):
        found = [root for root in (sources, others) if root is not None and (root / name).exists()]
        text = (found[0] / name).read_text() if found else STAND_INS.get(name, "config_common_kwargs = {}\n")
        if name == COMMON_SETTINGS and found:
            text = common_settings(text)
        if text and (not found or found[0] != sources):
            notes.append(
                f"{name}: " + (f"from {others}, {version_of(others)}" if found else "nothing, none has it")
            )
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "tests" / "exporters").mkdir()
    (folder / "tests" / "exporters" / "__init__.py").touch()
    (folder / "tests" / "exporters" / "test_export.py").write_text(NO_EXPORTS)
    shutil.copy(CASES, folder / "tests" / "test_pixel_ar.py")
    shutil.copy(HELPERS / "tiny.py", folder / "tests" / "tiny.py")
    shutil.copy(HELPERS / "tokenizer.py", folder / "tests" / "byte_tokenizer.py")
    return notes


def version_of(checkout: Path | None) -> str:
    """What a checkout of transformers says of itself."""
    init = Path(checkout or "") / "src" / "transformers" / "__init__.py"
    found = re.search(r'^__version__ = "(.+)"', init.read_text(), re.MULTILINE) if init.exists() else None
    return f"version {found[1]}" if found else "unknown version"


def main(arguments: Sequence[str] | None = None) -> int:
    """Assembles, runs and counts; pytest's exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    split = given.index("--") if "--" in given else len(given)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "sources", type=Path, help="unpacked source distribution, or a checkout, of transformers"
    )
    parser.add_argument("--others", type=Path, help="a checkout with the test files that the sources lack")
    options = parser.parse_args(given[:split])
    with tempfile.TemporaryDirectory() as folder:
        notes = assemble(options.sources.resolve(), options.others, Path(folder))
        print(
            f"transformers {transformers.__version__}; tests of {options.sources}",
            *notes,
            sep="\n",
            flush=True,
        )
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-c",
            os.devnull,
            "--rootdir",
            folder,
            "-p",
            "no:cacheprovider",
        ]
        command += ["-rfEs", "--tb=line", "-W", "ignore", *given[split + 1 :], "tests/test_pixel_ar.py"]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")]),
        }
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
