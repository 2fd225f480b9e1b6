# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The lock files, the bounds of pyproject.toml and the runs that they rest on, and the scripts that install them."""

import functools
import http.server
import re
import socket
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from tools.paths import ROOT

FOLDER = ROOT / "requirements"
sys.path.insert(0, str(FOLDER))
import environment  # noqa: E402
import install  # noqa: E402
import try_versions  # noqa: E402

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
# What each lock file has to contain.
DECLARED = {
    "runtime": PROJECT["project"]["dependencies"],
    "train": [*PROJECT["project"]["dependencies"], *EXTRAS["train"], *EXTRAS["peft"]],
    "dev": [*PROJECT["project"]["dependencies"], *(line for extra in EXTRAS.values() for line in extra)],
}
TORCH = Requirement(install.torch_requirement())


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _locked(name: str) -> dict[str, list[tuple[Requirement, int]]]:
    """Of a lock file: package name to its (requirement, number of hashes), one for each platform or Python."""
    found: dict[str, list[tuple[Requirement, int]]] = {}
    for entry in re.split(r"\n(?=[a-zA-Z0-9])", (FOLDER / f"{name}.txt").read_text(encoding="utf-8")):
        head = entry.splitlines()[0]
        if not head.startswith("#"):
            requirement = Requirement(head.rstrip(" \\"))
            found.setdefault(_normalised(requirement.name), []).append(
                (requirement, entry.count("--hash=sha256:"))
            )
    return found


def _version(requirement: Requirement) -> Version:
    (specifier,) = requirement.specifier
    assert specifier.operator == "==", requirement
    return Version(specifier.version)


@pytest.mark.parametrize("name", install.SETS)
def test_lock_holds_what_is_declared(name: str) -> None:
    """Every dependency in an allowed version, every file with hashes; torch apart. Otherwise: make lock."""
    locked = _locked(name)
    for line in [*DECLARED[name], *PROJECT["build-system"]["requires"]]:
        declared = Requirement(line)
        if declared.name == "torch":
            assert "torch" not in locked and declared.specifier.contains(_version(TORCH))
            continue
        for requirement, _ in locked[_normalised(declared.name)]:
            assert declared.specifier.contains(_version(requirement)), f"{line}: {requirement}"
    assert all(hashes > 0 for entries in locked.values() for _, hashes in entries)


def test_locks_agree() -> None:
    dev = {str(requirement) for entries in _locked("dev").values() for requirement, _ in entries}
    for name in ("runtime", "train"):
        assert {str(requirement) for entries in _locked(name).values() for requirement, _ in entries} <= dev


def test_locks_name_no_index_and_no_file() -> None:
    for path in FOLDER.glob("*.txt"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"https?://|file://|--(extra-)?index-url|--find-links| @ ", text), path.name


def test_locks_leave_out_the_libraries_of_cuda() -> None:
    assert not [name for name in _locked("dev") if name.startswith(("nvidia", "cuda", "triton"))]


@pytest.mark.parametrize(
    ("line", "newest", "oldest"),
    [
        ("torch>=2.6,<2.16", "torch>=2.6", "torch==2.6"),
        ("uharfbuzz >= 0.54", "uharfbuzz>=0.54", "uharfbuzz==0.54"),
        (
            "a[b]>=1,!=1.5,<2 ; python_version < '4'",
            "a[b]>=1; python_version < '4'",
            "a[b]==1; python_version < '4'",
        ),
    ],
)
def test_bounds(line: str, newest: str, oldest: str) -> None:
    assert Requirement(try_versions.without_upper_bound(line)) == Requirement(newest)
    assert Requirement(try_versions.at_lower_bound(line)) == Requirement(oldest)


def test_a_dependency_without_lower_bound_is_an_error() -> None:
    with pytest.raises(ValueError, match="no lower bound"):
        try_versions.at_lower_bound("torch<3")
    with pytest.raises(ValueError, match="not a requirement"):
        try_versions.without_upper_bound("-e .")


def test_oldest_and_newest_contain_the_same_packages() -> None:
    newest, oldest = (try_versions.requirements(which) for which in ("newest", "oldest"))
    assert try_versions.names_of(newest) == try_versions.names_of(oldest)
    assert {"torch", "transformers", "peft", "accelerate", "pytest"} <= set(try_versions.names_of(oldest))


def _tested(which: str) -> dict[str, str]:
    path = FOLDER / f"tested-{which}.txt"
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split(": ", 1) for line in lines if not line.startswith("#"))


@pytest.mark.parametrize("name", ["torch", "transformers"])
@pytest.mark.skipif(not (FOLDER / "tested-newest.txt").exists(), reason="make test-newest has not been run")
def test_upper_bound_is_the_newest_minor_version_tested(name: str) -> None:
    tested = _tested("newest")
    assert (tested["failed"], tested["errors"]) == ("0", "0")
    major, minor = Version(tested[name]).release[:2]
    (declared,) = (line for line in DECLARED["runtime"] if Requirement(line).name == name)
    (upper,) = (bound for bound in Requirement(declared).specifier if bound.operator == "<")
    assert upper.version == f"{major}.{minor + 1}", (
        f"{name} {tested[name]} passed, declared is <{upper.version}"
    )


@pytest.mark.skipif(not (FOLDER / "tested-oldest.txt").exists(), reason="make test-oldest has not been run")
def test_lower_bounds_are_tested() -> None:
    tested = _tested("oldest")
    assert (tested["failed"], tested["errors"]) == ("0", "0")
    for line in DECLARED["train"]:
        lower = try_versions.at_lower_bound(line)
        name = Requirement(lower).name
        assert SpecifierSet(str(Requirement(lower).specifier)).contains(tested[name].partition("+")[0]), line


def test_counts_of_a_run() -> None:
    report = '<testsuites><testsuite tests="9" failures="2" errors="1" skipped="3"/></testsuites>'
    assert try_versions.counts_of(report) == {"passed": 3, "failed": 2, "errors": 1, "skipped": 3}
    text = try_versions.summary("newest", {"torch": "2.15.0", "pip": "1"}, ["torch"], {"passed": 3})
    assert text.splitlines()[-2:] == ["torch: 2.15.0", "passed: 3"] and "pip" not in text


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a package index on this machine that knows torch."""
    folder = tmp_path_factory.mktemp("index")
    (folder / "torch").mkdir()
    (folder / "torch" / "index.html").write_text("<a href='torch-2.13.0+cpu-py3-none-any.whl'>torch</a>")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")


@pytest.mark.usefixtures("on_linux")
def test_the_index_of_cpu_builds_is_used_where_it_answers(
    index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TORCH_INDEX", raising=False)
    monkeypatch.setattr(environment, "CPU_INDEX", index)
    assert environment.torch_options() == ["--extra-index-url", index]


@pytest.fixture(params=["closed port", "no such page"])
def silent_index(request: pytest.FixtureRequest, index: str) -> str:
    """An address where no index is."""
    if request.param == "no such page":
        return f"{index}/nothing/here"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.usefixtures("on_linux")
def test_and_left_out_where_it_does_not(
    silent_index: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TORCH_INDEX", raising=False)
    monkeypatch.setattr(environment, "CPU_INDEX", silent_index)
    assert environment.torch_options() == []
    assert "CUDA build" in capsys.readouterr().out


@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_an_index_that_was_asked_for_has_to_answer(
    system: str, silent_index: str, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setenv("TORCH_INDEX", silent_index)
    with pytest.raises(SystemExit, match="does not answer"):
        environment.torch_options()
    monkeypatch.setenv("TORCH_INDEX", index)
    assert environment.torch_options() == ["--extra-index-url", index]


@pytest.mark.parametrize(("system", "setting"), [("darwin", None), ("win32", None), ("linux", "")])
def test_no_index_is_asked_where_none_is_needed(
    system: str, setting: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On macOS and Windows, or when TORCH_INDEX is empty."""
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.delenv("TORCH_INDEX", raising=False)
    if setting is not None:
        monkeypatch.setenv("TORCH_INDEX", setting)
    assert environment.torch_options() == []


def test_an_old_python_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "OLDEST_PYTHON", (4, 0))
    with pytest.raises(SystemExit, match=r"needs Python 4\.0 or newer.*make PYTHON="):
        environment.Environment(tmp_path / "venv")
    assert not (tmp_path / "venv").exists()
