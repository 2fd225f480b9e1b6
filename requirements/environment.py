# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Virtual environments, and where torch comes from. Standard library only: this runs before anything is installed."""

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
OLDEST_PYTHON = (3, 11)
# PyTorch's own index of CPU builds, https://pytorch.org/get-started/locally/. TORCH_INDEX= (empty) asks PyPI alone.
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_SECONDS = 5.0


class Environment:
    """A virtual environment in `folder`, created when it is not there yet."""

    def __init__(self, folder: Path) -> None:
        """Raises SystemExit where this Python is too old for the package."""
        if sys.version_info < OLDEST_PYTHON:
            raise SystemExit(
                f"pixel-ar needs Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer, "
                f"this is {sys.version.split()[0]}; name another one: make PYTHON=python3.12 ..."
            )
        self.python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if not self.python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)

    def run(self, *arguments: str) -> None:
        """Runs its Python at the root of the repository; raises CalledProcessError where that fails."""
        subprocess.run([str(self.python), *arguments], cwd=ROOT, check=True)

    def pip(self, *arguments: str) -> None:
        """Runs its pip."""
        self.run("-m", "pip", "--disable-pip-version-check", *arguments)

    def versions(self) -> dict[str, str]:
        """Name to version of all that is installed; names in lower case with hyphens."""
        script = (
            "from importlib.metadata import distributions\n"
            "for found in distributions(): print(found.name, found.version)"
        )
        printed = subprocess.run(
            [str(self.python), "-c", script], capture_output=True, text=True, check=True
        ).stdout
        pairs = (line.split() for line in printed.splitlines())
        return {name.lower().replace("_", "-"): version for name, version in pairs}


def torch_options() -> list[str]:
    """Options of pip that make the CPU build of torch the first choice, and a line that says what happens.

    On macOS and Windows PyPI's build is the CPU build already. On Linux it is the CUDA build, some gigabytes; there the
    index of CPU builds is added when it answers within five seconds. Its versions end in `+cpu`, which pip ranks above
    the plain version. It is asked here first because pip retries for long where there is no way to an index.
    The environment variable TORCH_INDEX names another index on every platform, or none when it is empty; SystemExit
    where that one does not answer.
    """
    asked = os.environ.get("TORCH_INDEX")
    index = (CPU_INDEX if sys.platform.startswith("linux") else "") if asked is None else asked
    if not index:
        print("torch: from the indexes that pip is configured for")
        return []
    try:
        with urllib.request.urlopen(f"{index.rstrip('/')}/torch/", timeout=PROBE_SECONDS):
            pass
    except (OSError, ValueError) as error:  # URLError is an OSError
        if asked:
            raise SystemExit(
                f"TORCH_INDEX={asked} does not answer ({error}); TORCH_INDEX= takes PyPI's build"
            ) from None
        print(f"torch: {index} does not answer ({error}); taking what pip's own indexes have.")
        print(
            "       On Linux that may be the CUDA build, some gigabytes. TORCH_INDEX=URL names another index."
        )
        return []
    print(f"torch: from {index}. TORCH_INDEX= takes PyPI's build, TORCH_INDEX=URL that of another index.")
    return ["--extra-index-url", index]
