# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What the package declares against what is there; building the wheel itself: `make build`."""

import fnmatch
import hashlib
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
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
        if (
            path.suffix in {".py", ".md", ".toml", ".cfg", ".sh", ".json", ".txt", ".yaml", ""}
            and path.is_file()
        ):
            assert not pattern.search(path.read_text(encoding="utf-8")), name


def _notice() -> list[tuple[str, str]]:
    """The table of NOTICE: (path pattern inside the wheel, licence)."""
    lines = (ROOT / "NOTICE").read_text(encoding="utf-8").splitlines()
    return [
        (words[0], words[1]) for line in lines if (words := line.split()) and words[0].startswith("pixel_ar/")
    ]


def test_every_data_file_has_a_licence_in_the_metadata() -> None:
    """NOTICE covers every data file; `license` in pyproject.toml sums it up; atlases.json says the same."""
    notice = _notice()

    def licence_of(name: str) -> str | None:
        return next((licence for pattern, licence in notice if fnmatch.fnmatch(name, pattern)), None)

    explained = {"py.typed", "atlases.json", "README.md"}
    data = [path for path in PACKAGE.rglob("*") if path.suffix != ".py" and path.is_file()]
    for path in data:
        if path.name in explained or "__pycache__" in path.parts or path.name.startswith("LICENSE"):
            continue
        name = f"pixel_ar/{path.relative_to(PACKAGE).as_posix()}"
        assert licence_of(name), f"{name}: which licence? NOTICE does not say"
    assert PROJECT["project"]["license"].split(" AND ") == sorted(
        {licence for _, licence in notice} | {"Apache-2.0"},
        key=lambda name: (name.startswith("LicenseRef"), name),
    )
    atlases = json.loads((PACKAGE / "fonts" / "atlases" / "atlases.json").read_text(encoding="utf-8"))[
        "atlases"
    ]
    for atlas in atlases.values():
        licence = licence_of(f"pixel_ar/fonts/atlases/{atlas['file']}")
        assert licence == {"Public domain": "LicenseRef-Public-Domain"}.get(
            atlas["license"], atlas["license"]
        )


def test_licence_texts_are_whole() -> None:
    """The texts that the Open Font License and Unicode's ask to be passed on; Unicode's as unicode.org publishes it."""
    digest = hashlib.sha256((PACKAGE / "text" / "LICENSE-unicode.txt").read_bytes()).hexdigest()
    assert digest == "e7a93b009565cfce55919a381437ac4db883e9da2126fa28b91d12732bc53d96"
    for name in ("LICENSE-tiny5.txt", "LICENSE-unifont.txt"):
        text = (PACKAGE / "fonts" / "atlases" / name).read_text(encoding="utf-8")
        assert "Copyright" in text and "SIL OPEN FONT LICENSE Version 1.1" in text and "TERMINATION" in text


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel, built in a copy, since setuptools leaves its build folders beside the sources."""
    pytest.importorskip("setuptools", minversion="77")
    folder = tmp_path_factory.mktemp("wheel")
    sources = [path for path in (ROOT / "src").rglob("*") if path.is_file()]
    sources = [
        path for path in sources if "__pycache__" not in path.parts and ".egg-info" not in path.as_posix()
    ]
    files = ("pyproject.toml", "setup.cfg", "MANIFEST.in", "LICENSE", "NOTICE", "README.md", "CHANGELOG.md")
    for path in [*sources, *(ROOT / name for name in files)]:
        target = folder / "source" / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    build = "import sys, setuptools.build_meta as backend; backend.build_wheel(sys.argv[1])"
    command = [sys.executable, "-c", build, str(folder)]
    subprocess.run(command, cwd=folder / "source", check=True, capture_output=True, timeout=300)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


@pytest.mark.slow
def test_wheel_contents(wheel: zipfile.ZipFile) -> None:
    """Atlases, checkpoints and py.typed are in the wheel, and nothing else than the package and its launcher."""
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    expected = {
        f"pixel_ar/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    # The launcher lies beside the package, so that it can read the arguments without importing it.
    assert packed == {*expected, "pixel_ar_command.py"}


@pytest.mark.slow
def test_wheel_names_all_licences(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    fields = message_from_bytes(wheel.read(name))
    assert fields["License-Expression"] == PROJECT["project"]["license"]
    shipped = {Path(path).name for path in fields.get_all("License-File", [])}
    assert shipped == {"LICENSE", "NOTICE", "LICENSE-tiny5.txt", "LICENSE-unifont.txt", "LICENSE-unicode.txt"}
