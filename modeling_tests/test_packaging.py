# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What the package declares against what is there; building the wheel itself: `make build`."""

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from tools.paths import ROOT

import pixel_ar

PACKAGE = ROOT / "src" / "pixel_ar"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_each_tool_has_one_home() -> None:
    assert set(PROJECT["tool"]) == {"ruff", "mypy", "pytest"}
    sections = re.findall(r"^\[(.+)\]", (ROOT / "setup.cfg").read_text(encoding="utf-8"), re.MULTILINE)
    assert sections == ["metadata", "options", "options.packages.find", "options.package_data"]
    others = ("ruff.toml", "mypy.ini", "pytest.ini", "tox.ini", "setup.py")
    assert not [name for name in others if (ROOT / name).exists()]


def test_the_version_is_in_the_changelog() -> None:
    assert f"## {pixel_ar.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_command_exists() -> None:
    module, function = PROJECT["project"]["scripts"]["pixel-ar"].split(":")
    assert callable(getattr(__import__(module, fromlist=[function]), function))


def test_installed_versions_lie_in_the_declared_ranges() -> None:
    from packaging.requirements import Requirement

    for line in PROJECT["project"]["dependencies"]:
        requirement = Requirement(line)
        assert requirement.specifier.contains(metadata.version(requirement.name), prereleases=True), line


def test_ci_runs_the_suite() -> None:
    script = ROOT / ".ci" / "run"
    assert script.read_text(encoding="utf-8").splitlines()[-1] == "exec make test"
    assert script.stat().st_mode & 0o111


def test_no_machine_paths_in_the_project() -> None:
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if files.returncode:
        pytest.skip("not a git checkout")
    pattern = re.compile(r"/(?:work|tmp|root|home)/\w")
    for name in files.stdout.split():
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".cfg", ".sh", ".json", ""} and path.is_file():
            assert not pattern.search(path.read_text(encoding="utf-8")), name


@pytest.mark.slow
def test_wheel_contents(tmp_path: Path) -> None:
    """Atlases, checkpoints and py.typed are in the wheel, and nothing else than the package is."""
    pytest.importorskip("setuptools", minversion="77")
    build = (
        "import shutil, sys, setuptools.build_meta as backend\n"
        "print(backend.build_wheel(sys.argv[1], {'--build-option': []}))"
    )
    # In a copy, since setuptools leaves its build folders beside the sources.
    copy = tmp_path / "source"
    ignore = ["-not", "-path", "*/__pycache__*", "-not", "-path", "*.egg-info*"]
    names = subprocess.run(
        ["find", "src", "-type", "f", *ignore], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in [
        *names.stdout.split(),
        "pyproject.toml",
        "setup.cfg",
        "MANIFEST.in",
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
    ]:
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    (copy / "README.md").touch()
    subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=copy, check=True, capture_output=True, timeout=300
    )
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = {
        f"pixel_ar/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == expected
