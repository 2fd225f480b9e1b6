# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The device script, rehearsed on a CPU: all parts run, what fails or hangs is recorded, wheels are found and used."""

import gzip
import json
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from tools.paths import EXAMPLES

from pixel_ar import PixelARForCausalLM, PixelProcessor

BENCHMARKS = EXAMPLES / "benchmarks"


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The modules of the folder, as a script there sees them."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    import device

    yield device
    for name in set(sys.modules) - before:
        if (
            getattr(sys.modules[name], "__file__", None)
            and BENCHMARKS in Path(sys.modules[name].__file__).parents
        ):
            del sys.modules[name]


@pytest.fixture
def packed(tmp_path: Path, scripts: ModuleType) -> Path:
    """A packed file of a few documents."""
    import packed_text

    source, output = tmp_path / "texts.jsonl.gz", tmp_path / "texts.jsonl.xz"
    with gzip.open(source, "wt", encoding="utf-8") as stream:
        for number in range(200):
            text = f"Document {number} speaks of the people, the law and the state of the union. " * 3
            stream.write(json.dumps({"text": text}) + "\n")
    assert packed_text.main([str(source), "--output", str(output), "--limit-mb", "0.01"]) == 0
    return output


def results_of(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


def test_the_whole_run_is_rehearsed(scripts: ModuleType, packed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = ["--device", "cpu", "--quick", "--output", str(folder), "--tests", "cached or resumed"]
    train = ["--train-data", str(packed), "--train-minutes", "0.005"]
    code = scripts.main([*words, *train])
    results = results_of(folder)
    log = (folder / "run.log").read_text(encoding="utf-8")
    assert code == 0 and results["finished"], log[-3000:]
    assert list(results["parts"]) == ["environment", "tests", "decode", "train", "memory", "pretrain"]
    records = {name: part["records"] for name, part in results["parts"].items()}
    assert {record["outcome"] for record in records["tests"]} == {"passed"} and len(records["tests"]) == 3
    decoded = [record for record in records["decode"] if record["name"] == "decode"]
    assert {record["model"] for record in decoded} == {
        "tiny",
        "tiny-words",
        "tiny-words/2",
        "Llama like tiny",
    }
    assert all(record["step_ms"] > 0 and record["characters_per_s"] > 0 for record in decoded)
    assert {record["kind"] for record in records["train"] if record["name"] == "train step"} == {
        "pixels",
        "llama",
    }
    saved = [record for record in records["memory"] if not record["recomputes"]]
    assert saved[0]["saved_mib"] == pytest.approx(saved[0]["estimated_activations_mib"], rel=0.6)
    assert "### decode" in (folder / "results.md").read_text(encoding="utf-8")

    model = PixelARForCausalLM.from_pretrained(folder / "model")
    assert model.config.patch_head == "dictionary" and (folder / "model" / "selftest.json").is_file()
    assert PixelProcessor.from_pretrained(folder / "model").patch_size == (8, 40)
    first = next(record for record in records["pretrain"] if record["name"] == "trained")["steps"]
    assert first >= 1
    if not list((folder / "training").glob("checkpoint-*")):
        return  # too slow a machine to reach the first checkpoint
    # Cut off or not, the next run goes on from the last checkpoint and reads the documents in another order.
    again = ["--train-data", str(packed), "--train-minutes", "0.05"]
    assert scripts.main([*words, *again, "--parts", "pretrain"]) == 0
    part = results_of(folder)["parts"]["pretrain"]["records"]
    assert part[0]["resumed_from"] >= 2 and next(r for r in part if r["name"] == "trained")["steps"] > first


PARTS = """
import os, sys, time
def run(settings, record):
    record("before", value=1)
    {body}
"""


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("raise ValueError('no such kernel')", "failed"),
        ("os.kill(os.getpid(), 9)", "failed"),
        ("time.sleep(600)", "time is up"),
        ("record.attempt('half', lambda: 1 / 0)", "1 failed"),
        ("print('all is well')", "ok"),
    ],
)
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_part_that_fails_takes_nothing_along(
    scripts: ModuleType, body: str, status: str, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import harness

    if method == "spawn":
        if status in ("1 failed", "ok"):
            pytest.skip("a new interpreter makes no difference")
        # The new interpreter must not run the tests' own main module.
        monkeypatch.setattr(sys.modules["__main__"], "__file__", None, raising=False)
        monkeypatch.setattr(sys.modules["__main__"], "__spec__", None, raising=False)
    (tmp_path / "broken_part.py").write_text(PARTS.format(body=body), encoding="utf-8")
    (tmp_path / "good_part.py").write_text(PARTS.format(body="pass"), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    seconds = 2.5 if status == "time is up" else 120
    parts = [harness.Part("broken", "broken_part", seconds), harness.Part("good", "good_part", 120)]
    folder = tmp_path / "out"
    results = harness.run_parts(parts, folder, "cpu", True, {}, 300, method)
    assert results == results_of(folder)
    broken, good = (results["parts"][name] for name in ("broken", "good"))
    assert broken["status"] == status and good["status"] == "ok"
    if method == "fork":  # a new interpreter may take longer than that to begin
        assert broken["records"][0] == {"name": "before", "value": 1}
    sys.modules.pop("broken_part", None)
    sys.modules.pop("good_part", None)


def test_a_part_without_time_is_said_to_have_none(scripts: ModuleType, tmp_path: Path) -> None:
    import harness

    results = harness.run_parts([harness.Part("late", "late", 60)], tmp_path, "cpu", True, {}, 1.0, "fork")
    assert results["parts"]["late"]["status"] == "no time left"


def test_command_lines_that_make_no_sense(
    scripts: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for words in (
        ["--parts", "decode,paint"],
        ["--train-minutes", "3"],
        ["--train-minutes", "3", "--train-data", str(tmp_path / "nothing.xz")],
        ["--train-config", "{"],
    ):
        with pytest.raises(SystemExit) as ended:
            scripts.parse_arguments(words)
        assert ended.value.code == 2
    assert "unknown part 'paint'" in capsys.readouterr().err


# ---- wheels ----


def make_wheel(folder: Path, name: str, version: str, tag: str = "py3-none-any") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", f"__version__ = {version!r}\n")
        archive.writestr(f"{name}-{version}.data/purelib/{name}/extra.py", "HERE = True\n")
        archive.writestr(
            f"{name}-{version}.dist-info/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        )
    return path


def test_wheels_that_are_missing_are_named(
    scripts: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import wheels

    assert scripts.main(["--wheels"]) == 0
    assert capsys.readouterr().out == "# nothing is missing\n"
    distribution = wheels.metadata.distribution

    def older(name: str):  # type: ignore[no-untyped-def]
        if name == "uharfbuzz":
            raise wheels.metadata.PackageNotFoundError(name)
        found = distribution(name)
        if name == "transformers":
            return type("Old", (), {"version": "5.17.0", "requires": found.requires})()
        return found

    monkeypatch.setattr(wheels.metadata, "distribution", older)
    lines = wheels.missing()
    locked = wheels.locked_versions()
    assert any(line.startswith(f"transformers=={locked['transformers']}  # ") for line in lines)
    assert any(line.startswith("uharfbuzz==") for line in lines)
    assert not any(line.startswith("torch") for line in lines)


def test_wheels_are_used_without_being_installed(
    scripts: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wheels

    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PYTHONPATH", "")
    house = tmp_path / "house"
    make_wheel(house, "carried_package", "1.2")
    make_wheel(house, "torch", "9.9")
    make_wheel(house, "foreign_package", "1.0", "cp27-cp27m-win32")
    taken = wheels.use_wheelhouse(house, tmp_path / "unpacked")
    assert taken == ["carried_package-1.2-py3-none-any.whl"]
    import carried_package.extra  # type: ignore[import-not-found]

    assert carried_package.__version__ == "1.2" and wheels.metadata.version("carried-package") == "1.2"
    assert torch.__version__ != "9.9"
    make_wheel(house, "carried_package", "1.3")
    with pytest.raises(ValueError, match="keep one of them"):
        wheels.use_wheelhouse(house, tmp_path / "unpacked")
    with pytest.raises(ValueError, match="holds no wheels"):
        wheels.use_wheelhouse(tmp_path / "unpacked", tmp_path / "again")


def test_waits_are_counted(scripts: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a device that says so whenever it is waited for."""
    from device_parts import decoding

    modes: list[str] = []
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)

    def action() -> None:
        for _ in range(3):
            warnings.warn("called a synchronizing CUDA operation", UserWarning, stacklevel=1)
        warnings.warn("something else", UserWarning, stacklevel=1)

    assert decoding.count_waits(action) == 3 and modes == ["warn", "default"]


def test_a_packed_file_keeps_to_its_limit(packed: Path) -> None:
    import packed_text

    assert packed.stat().st_size <= 10_000
    documents = packed_text.PackedDocuments(packed, seed=1)
    texts = [row["text"] for row in documents]
    documents.set_epoch(1)
    assert 20 < len(texts) <= 200 and sorted(texts) == sorted(row["text"] for row in documents)
    assert texts != [row["text"] for row in documents]


def test_all_benchmarks_run(scripts: ModuleType, tmp_path: Path) -> None:
    import bench

    for parts in ("memory,scripts", "memory"):
        assert bench.main(["--quick", "--output", str(tmp_path), "--parts", parts]) == 0
    lines = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 2 and lines[0]["finished"] and lines[0]["threads"] == 1
    assert {record["name"] for record in lines[0]["parts"]["scripts"]["records"]} == {"rendering", "reading"}
    assert lines[0]["machine"] in (tmp_path / "results.md").read_text(encoding="utf-8")
