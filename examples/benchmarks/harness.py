# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Runs the parts of a benchmark one after the other, each in a process and with a time budget of its own.

What a part measures is on the disk at once: it appends JSON lines to a file, and the whole result is written again
every few seconds. So a part that fails, hangs or takes the device down is recorded and the rest goes on, and a run
that is cut off keeps all it had measured.

    folder/results.json     everything: command, machine, versions, parts with their records
    folder/run.log          what the parts printed
    folder/PART.jsonl       the records of a part as it wrote them

Standard library alone: this is imported before it is known whether anything else is there.
"""

import contextlib
import datetime
import importlib
import json
import multiprocessing
import os
import platform
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.05
WRITE_SECONDS = 3.0
# Below this a part is not begun: it could not even load its libraries.
LEAST_SECONDS = 2.0
NAMED = (
    "torch",
    "transformers",
    "accelerate",
    "huggingface-hub",
    "safetensors",
    "numpy",
    "pillow",
    "uharfbuzz",
)


@dataclass(frozen=True)
class Part:
    """One part of a run.

    Attributes:
        name: as it stands in the results.
        module: whose `run(settings, record)` does it.
        seconds: its budget.
    """

    name: str
    module: str
    seconds: float


@dataclass(frozen=True)
class Settings:
    """What every part is told.

    Attributes:
        device: `"cuda"` or `"cpu"`.
        is_quick: small sizes, to see that all of it runs.
        folder: where files may be left.
        deadline: `time.time()` at which the part is ended.
        options: of the command line.
    """

    device: str
    is_quick: bool
    folder: Path
    deadline: float
    options: dict[str, Any] = field(default_factory=dict)

    def seconds_left(self) -> float:
        """Until the part is ended."""
        return self.deadline - time.time()


class Record:
    """Takes the figures of a part: `record("decode", batch=1, ms=3.2)`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, name: str, **values: Any) -> None:
        """Appends one record to the part's file, on the disk when this returns."""
        line = json.dumps({"name": name, **values}, default=str)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        print(line, flush=True)

    def attempt(self, name: str, action: Callable[[], dict[str, Any]], **about: Any) -> bool:
        """Records what `action` returns, or why it failed; whether it succeeded."""
        try:
            values = action()
        except Exception as error:  # the other measurements shall still be made
            traceback.print_exc()
            self(name, **about, error=f"{type(error).__name__}: {error}"[:500])
            return False
        self(name, **about, **values)
        return True


def read_records(path: Path) -> list[dict[str, Any]]:
    """The records of a part; a line that was cut off is left out."""
    records = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return records


def versions() -> dict[str, str]:
    """Of Python and the libraries that matter, without importing them."""
    found = {"python": platform.python_version()}
    for name in NAMED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def processor_name() -> str:
    """Of the CPU, as the system calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def run_parts(
    parts: Sequence[Part],
    folder: Path,
    device: str,
    is_quick: bool,
    options: dict[str, Any],
    total_seconds: float,
    start_method: str,
) -> dict[str, Any]:
    """Runs parts in their order and returns the results, which lie in `folder` as well.

    Args:
        parts: what to run.
        folder: for results, log and files; made if it is not there.
        device: see [`Settings`].
        is_quick: likewise.
        options: likewise.
        total_seconds: of all parts together. A part gets its budget or what is left, whichever is less.
        start_method: of `multiprocessing`: `"spawn"` for a new interpreter, `"fork"` to share what is imported.
    """
    folder.mkdir(parents=True, exist_ok=True)
    start = time.time()
    results: dict[str, Any] = {
        "command": sys.argv,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": device,
        "quick": is_quick,
        "machine": f"{processor_name()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "versions": versions(),
        "parts": {part.name: {"status": "not reached"} for part in parts},
        "finished": False,
    }
    write_results(folder, results)
    for part in parts:
        left = total_seconds - (time.time() - start)
        if left < LEAST_SECONDS:
            results["parts"][part.name] = {"status": "no time left"}
            continue
        print(f"{part.name}: at most {min(part.seconds, left):.0f} s", flush=True)
        settings = Settings(device, is_quick, folder, time.time() + min(part.seconds, left), options)
        outcome = run_part(part, settings, start_method, results)
        results["parts"][part.name] = outcome
        results["seconds"] = round(time.time() - start, 1)
        write_results(folder, results)
        print(f"{part.name}: {outcome['status']} after {outcome['seconds']} s", flush=True)
    results["finished"] = True
    write_results(folder, results)
    return results


def run_part(part: Part, settings: Settings, start_method: str, results: dict[str, Any]) -> dict[str, Any]:
    """Runs one part in its own process group; ends it when its time is up."""
    path = settings.folder / f"{part.name}.jsonl"
    path.unlink(missing_ok=True)
    process = multiprocessing.get_context(start_method).Process(target=_work, args=(part, settings))
    start = written = time.time()
    process.start()
    is_late = False
    while process.is_alive():
        process.join(POLL_SECONDS)
        if time.time() - written > WRITE_SECONDS:
            written = time.time()
            results["parts"][part.name] = {"status": "running", "records": read_records(path)}
            write_results(settings.folder, results)
        if time.time() > settings.deadline:
            is_late = True
            break
    if is_late:
        _end_group(process.pid)
        process.join()
    records = read_records(path)
    crash = [record for record in records if record["name"] == "crash"]
    failed = [record for record in records if "error" in record]
    if is_late:
        status = "time is up"
    elif crash or process.exitcode:
        status = "failed"
    else:
        status = f"{len(failed)} failed" if failed else "ok"
    outcome: dict[str, Any] = {
        "status": status,
        "seconds": round(time.time() - start, 1),
        "budget": part.seconds,
    }
    if process.exitcode and not crash:
        outcome["exit_code"] = process.exitcode  # negative: the signal that ended it
    outcome["records"] = records
    return outcome


def write_results(folder: Path, results: dict[str, Any]) -> None:
    """Replaces results.json in one move, so that it is whole at any time."""
    path = folder / "results.json"
    part = path.with_suffix(".part")
    part.write_text(json.dumps(results, indent=1, default=str) + "\n", encoding="utf-8")
    part.replace(path)


def _end_group(pid: int | None) -> None:
    """Ends a part with all processes it has started."""
    if pid is None:
        return
    with contextlib.suppress(ProcessLookupError):
        # The part leads its group, unless it was not even that far.
        (os.killpg if os.getpgid(pid) == pid else os.kill)(pid, signal.SIGKILL)


def _work(part: Part, settings: Settings) -> None:
    """In the process of a part."""
    os.setpgid(0, 0)
    log = os.open(settings.folder / "run.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(log, 1)
    os.dup2(log, 2)
    # A caller (a test) may have replaced these by objects without a file.
    sys.stdout = open(1, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
    record = Record(settings.folder / f"{part.name}.jsonl")
    print(f"==== {part.name}", flush=True)
    code = 0
    try:
        importlib.import_module(part.module).run(settings, record)
    except BaseException as error:
        traceback.print_exc()
        record("crash", error=f"{type(error).__name__}: {error}"[:500])
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a device in a bad state, or threads of a library, must not keep the part from ending


def table(results: dict[str, Any]) -> str:
    """All records as Markdown, one table for each name of a record in a part."""
    versions_line = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    lines = [f"{results['started']}, {results['device']}, {results['machine']}", "", versions_line]
    for name, part in results["parts"].items():
        lines += [
            "",
            f"## {name}: {part['status']}" + (f" ({part['seconds']} s)" if "seconds" in part else ""),
        ]
        groups: dict[str, list[dict[str, Any]]] = {}
        for record in part.get("records", []):
            groups.setdefault(record["name"], []).append(record)
        for group, records in groups.items():
            columns = list(dict.fromkeys(key for record in records for key in record if key != "name"))
            lines += ["", f"### {group}", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
            for record in records:
                lines.append("| " + " | ".join(_shown(record.get(column, "")) for column in columns) + " |")
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    text = (
        f"{value:,.4g}"
        if isinstance(value, float) and abs(value) < 1e4
        else (
            f"{value:,.0f}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
        )
    )
    return text.replace("|", "/").replace("\n", " ")


__all__ = [
    "Part",
    "Record",
    "Settings",
    "read_records",
    "run_part",
    "run_parts",
    "table",
    "versions",
    "write_results",
]
