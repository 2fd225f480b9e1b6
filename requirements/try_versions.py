# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Run the suite on the newest releases there are, or on the lower bounds of pyproject.toml, and note what came out.

    python requirements/try_versions.py newest|oldest FOLDER [arguments of pytest]

FOLDER is the virtual environment; one that is there already is brought up to date. After a run of the whole suite the
versions and counts are in requirements/tested-newest.txt or tested-oldest.txt, which are committed: a test holds the
bounds of pyproject.toml against them.
"""

import argparse
import datetime
import platform
import re
import subprocess
import tempfile
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from environment import REQUIREMENTS, ROOT, Environment, torch_options

TESTED_EXTRAS = ("train", "peft")
TOOL_EXTRA = "dev"  # what runs the tests is taken in its newest release both times
REQUIREMENT = re.compile(
    r"(?P<name>\w[\w.-]*)\s*(?P<extras>\[[^\]]*\])?\s*(?P<bounds>(?:[<>=!~][^;]*)?)(?P<marker>;.*)?"
)
# It compares what is installed with the declared ranges, beyond which a run on the newest releases goes on purpose.
DECLARED_RANGES = "modeling_tests/test_packaging.py::test_installed_versions_lie_in_the_declared_ranges"


def project() -> dict[str, object]:
    """The table `[project]` of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def without_upper_bound(requirement: str) -> str:
    """`"torch>=2.6,<2.15"` to `"torch>=2.6"`. Raises ValueError where the line is no requirement."""
    name, extras, bounds, marker = _parse(requirement)
    kept = [bound for bound in bounds if bound.startswith(">=")]
    return f"{name}{extras}{','.join(kept)}{marker}"


def at_lower_bound(requirement: str) -> str:
    """`"torch>=2.6,<2.15"` to `"torch==2.6"`. Raises ValueError where it has no lower bound."""
    name, extras, bounds, marker = _parse(requirement)
    for bound in bounds:
        if bound.startswith(">="):
            return f"{name}{extras}=={bound[2:].strip()}{marker}"
    raise ValueError(f"{requirement!r} has no lower bound (>=) that could be tested")


def _parse(requirement: str) -> tuple[str, str, list[str], str]:
    match = REQUIREMENT.fullmatch(requirement.strip())
    if match is None:
        raise ValueError(f"not a requirement: {requirement!r}")
    bounds = [bound.strip() for bound in match["bounds"].split(",") if bound.strip()]
    return match["name"], match["extras"] or "", bounds, match["marker"] or ""


def requirements(which: str) -> list[str]:
    """What to install for `which`, "newest" or "oldest"."""
    declared = project()
    extras = declared["optional-dependencies"]
    product = [*declared["dependencies"], *(line for name in TESTED_EXTRAS for line in extras[name])]
    change = at_lower_bound if which == "oldest" else without_upper_bound
    return [*map(change, product), *map(without_upper_bound, extras[TOOL_EXTRA])]


def names_of(lines: list[str]) -> list[str]:
    """Their names, as Environment.versions writes them."""
    return [_parse(line)[0].lower().replace("_", "-") for line in lines]


def run_suite(environment: Environment, arguments: list[str]) -> tuple[int, dict[str, int]]:
    """The exit status of pytest, and its counts."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [
            str(environment.python), "-m", "pytest", f"--junitxml={report}", f"--deselect={DECLARED_RANGES}", *arguments
        ]  # fmt: skip
        status = subprocess.run(command, cwd=ROOT).returncode
        counts = counts_of(report.read_text(encoding="utf-8")) if report.exists() else {}
    return status, counts


def counts_of(junit: str) -> dict[str, int]:
    """passed, failed, errors and skipped of a JUnit report."""
    total = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for suite in ElementTree.fromstring(junit).iter("testsuite"):
        for key in total:
            total[key] += int(suite.get(key, 0))
    passed = total["tests"] - total["failures"] - total["errors"] - total["skipped"]
    return {
        "passed": passed,
        "failed": total["failures"],
        "errors": total["errors"],
        "skipped": total["skipped"],
    }


def summary(which: str, versions: dict[str, str], names: list[str], counts: dict[str, int]) -> str:
    """What a run was made on and what came out, as `key: value` lines."""
    lines = [
        f"# Written by `make test-{which}`.",
        f"date: {datetime.date.today().isoformat()}",
        f"python: {platform.python_version()}",
        *(f"{name}: {versions[name]}" for name in sorted(set(names)) if name in versions),
        *(f"{key}: {value}" for key, value in counts.items()),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("which", choices=("newest", "oldest"))
    parser.add_argument("folder", type=Path, help="of the virtual environment")
    args, pytest_arguments = parser.parse_known_args()
    wanted = requirements(args.which)
    environment = Environment(args.folder)
    # An old pip would prefer an older release over a file name or metadata that it does not understand.
    environment.pip("install", "--quiet", "--upgrade", "pip")
    environment.pip("install", "--quiet", "--upgrade", "--upgrade-strategy=eager", *torch_options(), *wanted)
    environment.pip("install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", ".")
    environment.pip("check")
    status, counts = run_suite(environment, pytest_arguments)
    text = summary(args.which, environment.versions(), names_of(wanted), counts)
    print(text, end="")
    if not pytest_arguments:
        (REQUIREMENTS / f"tested-{args.which}.txt").write_text(text, encoding="utf-8")
    raise SystemExit(status)


if __name__ == "__main__":
    main()
