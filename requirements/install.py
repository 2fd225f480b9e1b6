# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Install the package with the exact versions of a lock file.

python requirements/install.py FOLDER runtime|train|dev [--editable]
"""

import argparse
from pathlib import Path

from environment import REQUIREMENTS, Environment, torch_options

SETS = ("runtime", "train", "dev")


def install_locked(environment: Environment, name: str, is_editable: bool) -> None:
    """The lock file `name`, torch on top of it, and the package. Raises CalledProcessError where pip fails.

    pip checks the hash of every file. It resolves nothing: the lock names all that is needed, which `pip check` proves.
    """
    environment.pip(
        "install", "--quiet", "--no-deps", "--require-hashes", "-r", str(REQUIREMENTS / f"{name}.txt")
    )
    wanted = torch_requirement().partition("==")[2]
    if environment.versions().get("torch", "").partition("+")[0] != wanted:
        # What torch needs is there already, but for the CUDA libraries of a CUDA build, whose versions torch names.
        environment.pip("install", "--quiet", *torch_options(), torch_requirement())
    # The build backend is in the lock as well: no newer one is fetched for the build.
    source = ["--editable", "."] if is_editable else ["."]
    environment.pip("install", "--quiet", "--no-deps", "--no-build-isolation", *source)
    environment.pip("check")
    print("torch", environment.versions()["torch"])


def torch_requirement() -> str:
    """The line of requirements/torch.txt, such as `torch==2.13.0`."""
    lines = (REQUIREMENTS / "torch.txt").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("torch"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of the virtual environment; created if it is not there")
    parser.add_argument("name", choices=SETS, help="of the lock file")
    parser.add_argument("--editable", action="store_true", help="install the package from this folder itself")
    args = parser.parse_args()
    install_locked(Environment(args.folder), args.name, args.editable)


if __name__ == "__main__":
    main()
