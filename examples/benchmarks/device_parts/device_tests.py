# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The tests marked `cuda`, on the device; each outcome is recorded as it is there."""

import os
from pathlib import Path

from harness import Record, Settings

ROOT = Path(__file__).resolve().parents[3]


class Outcomes:
    """A plugin of pytest that records what became of each test."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.count = 0

    def pytest_runtest_logreport(self, report) -> None:  # type: ignore[no-untyped-def]
        """One line for each test; two where taking down fails after the call has passed."""
        if report.when != "call" and report.outcome == "passed":
            return
        if report.when != "call" and report.outcome == "skipped" and report.when != "setup":
            return
        self.count += 1
        about = {"test": report.nodeid.split("modeling_tests/")[-1], "outcome": report.outcome}
        if report.failed:
            # The last lines say what failed; the log has all of it.
            about["error"] = "\n".join(str(report.longrepr).splitlines()[-6:])[-600:]
        elif report.skipped:
            about["reason"] = str(report.longrepr[-1] if isinstance(report.longrepr, tuple) else "")[:200]
        self.record("test", **about, seconds=round(report.duration, 2))


def run(settings: Settings, record: Record) -> None:
    """See `harness`."""
    import pytest

    os.environ["PIXEL_AR_DEVICE"] = settings.device
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.chdir(ROOT)
    outcomes = Outcomes(record)
    chosen = ["-k", settings.options["tests"]] if settings.options.get("tests") else []
    words = ["-m", "cuda", "-p", "no:cacheprovider", "-q", *chosen, str(ROOT / "modeling_tests" / "device")]
    code = pytest.main(words, plugins=[outcomes])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or not outcomes.count:
        record("pytest", error=f"pytest ended with {code!r} after {outcomes.count} tests; see run.log")
