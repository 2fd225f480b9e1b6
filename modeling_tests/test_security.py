# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""SECURITY.md says the limits that hold, and what it names exists."""

import re

from tools.paths import ROOT

import pixel_ar.limits

TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_limits_are_those_of_the_package() -> None:
    limits = {
        name: getattr(pixel_ar.limits, name) for name in pixel_ar.limits.__all__ if name.startswith("MAX_")
    }
    written = dict(re.findall(r"^\| `(MAX_\w+)` \| ([\d,]+) \|", TEXT, re.MULTILINE))
    assert {name: int(value.replace(",", "")) for name, value in written.items()} == limits


def test_linked_from_where_people_look() -> None:
    for name in ("README.md", "CONTRIBUTING.md"):
        assert "(SECURITY.md)" in (ROOT / name).read_text(encoding="utf-8"), name
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for file, heading in re.findall(r"\((\w+\.md)#([\w-]+)\)", TEXT):
        assert file == "CONTRIBUTING.md"
        assert heading in [
            title.lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", contributing, re.M)
        ]
