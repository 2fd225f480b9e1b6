# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Which packages a machine lacks, and taking them from a folder of wheels without installing anything.

What is needed is what pyproject.toml says, with what those packages need in turn; torch is the machine's own. Wheels
are unpacked into a folder that goes to the front of `sys.path` and of PYTHONPATH, so that child processes see them too.
"""

import os
import re
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.tags import sys_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).resolve().parents[2]
# Beside the package's own requirements: Trainer, and the tests.
BESIDE = ("accelerate>=1.3", "pytest>=8", "hypothesis>=6", "packaging")
# A build for the device: never taken from a folder.
OF_THE_MACHINE = ("torch",)


def requirements() -> list[Requirement]:
    """What the checks need."""
    with (ROOT / "pyproject.toml").open("rb") as stream:
        project = tomllib.load(stream)["project"]
    return [Requirement(text) for text in (*project["dependencies"], *BESIDE)]


def locked_versions() -> dict[str, str]:
    """Name to version in the lock file for development."""
    text = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    pairs = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE)
    return {str(canonicalize_name(name)): version for name, version in pairs}


def missing() -> list[str]:
    """Lines of a requirements file: what is not here in a version that fits, with what that needs.

    Of a package that is missing nobody here can say what it needs: the lock file's version is named, and what the lock
    file has for its sake, where that is absent. Where it is here but older than locked, a comment says so; with the
    package in a wheelhouse its own requirements tell.
    """
    locked, needed = locked_versions(), {}
    perhaps: dict[str, str] = {}
    seen: set[str] = set()
    waiting = list(requirements())
    while waiting:
        requirement = waiting.pop(0)
        name = str(canonicalize_name(requirement.name))
        if name in OF_THE_MACHINE or not _applies(requirement):
            continue
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            found = None
        if found is not None and requirement.specifier.contains(found.version, prereleases=True):
            if name not in seen:
                seen.add(name)
                waiting += [Requirement(text) for text in found.requires or []]
            continue
        if name not in needed:
            version = locked.get(name)
            fits = version is not None and requirement.specifier.contains(version, prereleases=True)
            here = "not here" if found is None else f"{found.version} is here"
            needed[name] = f"{name}=={version}" if fits else str(requirement).split(";")[0].strip()
            needed[name] += f"  # {requirement.specifier or 'any'}: {here}"
            for child in map(Requirement, _locked_for(name)):
                other = str(canonicalize_name(child.name))
                try:
                    version = metadata.version(other)
                except metadata.PackageNotFoundError:
                    waiting.append(child)
                    continue
                if _applies(child) and not child.specifier.contains(version, prereleases=True):
                    perhaps[other] = f"# perhaps {other}=={locked[other]}, for {name}: {version} is here"
    lines = [needed[name] for name in sorted(needed)]
    return lines + [perhaps[name] for name in sorted(set(perhaps) - set(needed))]


def _applies(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def _locked_for(name: str) -> Iterator[str]:
    """Packages that the lock file holds for the sake of another, no older than locked."""
    text = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    for block in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE):
        head = re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)(?: ; ([^\\\n]+))?", block)
        parents = re.findall(r"#(?: +via)? +([a-z0-9][a-z0-9._-]*)", block)
        if head and name in parents:
            marker = f" ; {head[3].strip()}" if head[3] else ""
            yield f"{head[1]}>={head[2]}{marker}"


def use_wheelhouse(wheelhouse: Path, target: Path) -> list[str]:
    """Unpacks the wheels of a folder that fit this Python, and puts them before what is installed.

    Args:
        wheelhouse: with `.whl` files; of a package whose version here is as new, nothing is taken.
        target: where they are unpacked.

    Returns:
        Names of the wheels taken.

    Raises:
        ValueError: if there is no wheel in the folder, or two versions of a package.
    """
    wheels = sorted(wheelhouse.glob("*.whl"))
    if not wheels:
        raise ValueError(f"{wheelhouse} holds no wheels (*.whl)")
    tags = set(sys_tags())
    taken: dict[str, Path] = {}
    for wheel in wheels:
        name, _, _, wheel_tags = parse_wheel_filename(wheel.name)
        if name in OF_THE_MACHINE or not tags & wheel_tags:
            continue
        if name in taken:
            raise ValueError(f"{wheelhouse} holds {taken[name].name} and {wheel.name}: keep one of them")
        taken[name] = wheel
    for wheel in taken.values():
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)
        # What a wheel wants in site-packages may stand under NAME.data/purelib or platlib.
        for data in target.glob("*.data"):
            for kind in ("purelib", "platlib"):
                for path in sorted((data / kind).rglob("*")) if (data / kind).is_dir() else []:
                    if path.is_file():
                        goal = target / path.relative_to(data / kind)
                        goal.parent.mkdir(parents=True, exist_ok=True)
                        path.replace(goal)
    sys.path.insert(0, str(target))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(target), os.environ.get("PYTHONPATH", "")]))
    return [wheel.name for wheel in taken.values()]


__all__ = ["locked_versions", "missing", "requirements", "use_wheelhouse"]
