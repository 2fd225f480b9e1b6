# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The scripts take data as people have it, and say in one line what is wrong with an option or a file."""

import importlib
from pathlib import Path
from typing import Any

import datasets
import pandas
import pyarrow
import pyarrow.parquet
import pytest
from tools.paths import EXAMPLES
from transformers import TrainingArguments

from pixel_ar import PixelProcessor
from pixel_ar.training.checkpoints import MARK

datasets.disable_progress_bars()

FORMATS = ("csv", "json", "jsonl", "parquet", "large")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Imports an example as Python would run it: with its folder on the path."""
    monkeypatch.setenv("HF_HOME", str(tmp_path_factory.getbasetemp() / "hf"))
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module


def write(folder: Path, kind: str, rows: list[dict[str, Any]], name: str = "rows") -> str:
    """A file of rows; `large` is parquet with the types that newer libraries write, such as large_string."""
    path = folder / f"{name}.{'parquet' if kind == 'large' else kind}"
    table = pandas.DataFrame(rows)
    if kind == "csv":
        table.to_csv(path, index=False)
    elif kind in ("json", "jsonl"):
        table.to_json(path, orient="records", lines=kind == "jsonl", force_ascii=False)
    else:
        arrow = pyarrow.Table.from_pandas(table)
        if kind == "large":
            types = {pyarrow.string(): pyarrow.large_string()}
            fields = [pyarrow.field(f.name, types.get(f.type, f.type)) for f in arrow.schema]
            arrow = arrow.cast(pyarrow.schema(fields))
        pyarrow.parquet.write_table(arrow, path)
    return str(path)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_pattern_names_the_files_of_a_data_set(script: Any, tmp_path: Path, streaming: bool) -> None:
    options = script("options")
    for file in range(3):
        write(tmp_path, "jsonl", [{"text": f"{file} {row}"} for row in range(2)], f"part-{file}")
    found = options.load_texts(str(tmp_path / "part-*.jsonl"), None, "train", streaming)
    assert [row["text"] for row in found] == [f"{file} {row}" for file in range(3) for row in range(2)]
    assert not streaming or found.num_shards == 3
    with pytest.raises(ValueError, match="no file has such a name"):
        options.load_texts(str(tmp_path / "none-*.jsonl"), None, "train", streaming)
    write(tmp_path, "csv", [{"text": "x"}], "part-3")
    with pytest.raises(ValueError, match="must be of one kind"):
        options.load_texts(str(tmp_path / "part-*"), None, "train", streaming)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("labels", [("no", "yes"), (3, 7), (False, True)], ids=["names", "numbers", "bools"])
@pytest.mark.parametrize("column", ["label", "stars"])
def test_classification(script: Any, tmp_path: Path, kind: str, labels: tuple[Any, Any], column: str) -> None:
    run, finetuning = script("run_classification"), script("finetuning")
    source = write(tmp_path, kind, [{"text": f"row {n}", column: labels[n % 2]} for n in range(6)])
    data = run.load_task(
        run.DataArguments(train_data=source, label_column=column), finetuning.FinetuningArguments()
    )
    assert data.labels == tuple(map(str, labels)) and data.metrics == ("accuracy",)
    assert data.train["label"][:] == [0, 1, 0, 1, 0, 1] == data.validation[""]["label"][:]


def test_classification_says_what_is_wrong_with_labels(script: Any, tmp_path: Path) -> None:
    run, finetuning = script("run_classification"), script("finetuning")
    options = finetuning.FinetuningArguments()
    holes = write(tmp_path, "jsonl", [{"text": "a", "label": "x"}, {"text": "b", "label": None}], "holes")
    with pytest.raises(SystemExit, match=r"row 1 .* has no label"):
        run.load_task(run.DataArguments(train_data=holes), options)
    train = write(tmp_path, "csv", [{"text": "a", "label": "x"}], "train")
    test = write(tmp_path, "csv", [{"text": "a", "label": "y"}], "test")
    with pytest.raises(SystemExit, match=r"the label 'y' is not among the training rows' \('x',\)"):
        run.load_task(run.DataArguments(train_data=train, validation_data=test), options)
    with pytest.raises(SystemExit, match="no metric 'bleu'; there are accuracy"):
        run.load_task(run.DataArguments(train_data=train, metrics="bleu"), options)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("tags", [["B-PER", "O"], [4, 0]], ids=["names", "numbers"])
@pytest.mark.parametrize("column", ["tags", "ner_tags", "chunks"])
def test_words(script: Any, tmp_path: Path, kind: str, tags: list[Any], column: str) -> None:
    run = script("run_token_classification")
    row: dict[str, Any] = {"tokens": ["Monroe", "spoke"], column: tags}
    if kind == "csv":
        row = {name: " ".join(map(str, values)) for name, values in row.items()}
    options = {} if column != "chunks" else {"label_column": "chunks"}
    data = run.DataArguments(train_data=write(tmp_path, kind, [row] * 3), **options)
    rows = run.load_words(data, "train", None)
    words_column, label_column = run.columns_of(rows, data)
    assert rows[words_column][0] == ["Monroe", "spoke"] and label_column == column
    names = run.tag_names(rows, label_column)
    expected = ["0", "1", "2", "3", "4"] if tags == [4, 0] else ["B-PER", "O"]
    assert names == (["0", "4"] if kind == "csv" and tags == [4, 0] else expected)
    with pytest.raises(SystemExit, match="no column 'nothing'; there are"):
        run.columns_of(rows, run.DataArguments(label_column="nothing"))


@pytest.mark.parametrize("kind", FORMATS)
def test_questions(script: Any, tmp_path: Path, kind: str) -> None:
    run = script("run_qa")
    row: dict[str, Any] = {"question": "Who?", "text": "Monroe spoke."}
    if kind == "csv":
        row |= {"answer_text": "Monroe", "answer_start": 0}
    else:
        row |= {"answers": {"text": ["Monroe"], "answer_start": [0]}}
    data = run.DataArguments(train_data=write(tmp_path, kind, [row, row]), context_column="text")
    rows = run.load_questions(data, "train", None)
    assert rows["context"][0] == "Monroe spoke." and rows["id"][:] == ["0", "1"]
    assert rows["answers"][1] == {"text": ["Monroe"], "answer_start": [0]}
    with pytest.raises(SystemExit, match="no column 'context'; there are"):
        run.load_questions(run.DataArguments(train_data=data.train_data), "train", None)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("label", ["neutral", 1], ids=["names", "numbers"])
def test_inference(script: Any, tmp_path: Path, kind: str, label: Any) -> None:
    run = script("run_xnli")
    rows = [{"language": "en", "premise": "a", "hypothesis": "b", "label": label}] * 2
    write(tmp_path, kind, rows, "train")
    assert run.load_language(str(tmp_path), "en", "train", None)["label"][:] == [1, 1]
    with pytest.raises(SystemExit, match="must hold one validation file"):
        run.load_language(str(tmp_path), "en", "validation", None)


def test_bundled_models_by_name(script: Any) -> None:
    finetuning, pretrain = script("finetuning"), script("pretrain")
    assert finetuning.load_processor(finetuning.FinetuningArguments()).missing == "hexbox"
    assert finetuning.load_processor(finetuning.FinetuningArguments(missing="error")).missing == "error"
    arguments = pretrain.ModelArguments(model="pixel-ar-tiny")
    model, processor = pretrain.build_model_and_processor(arguments, pretrain.DataArguments())
    assert model.config.model_type == "pixel_ar" and processor.missing == "hexbox"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--max_stepps", "3"], "unknown option --max_stepps; do you mean --max_steps?"),
        (["--max_steps", "many"], "invalid int value: 'many'"),
        (["--lr_scheduler_type", "zigzag"], "zigzag"),
        (["--train_data"], "expected one argument"),
    ],
)
def test_options_are_refused_in_one_line(
    script: Any, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    run, finetuning = script("run_classification"), script("finetuning")
    with pytest.raises(SystemExit) as found:
        finetuning.parse((run.DataArguments,), {}, ["--output_dir", "nowhere", *words])
    printed = capsys.readouterr().err
    assert found.value.code == 2 and message in printed and printed.count("\n") == 1


def test_what_is_wrong_with_files_in_one_line(script: Any, tmp_path: Path) -> None:
    run = script("run_classification")
    (tmp_path / "rows.xls").write_text("x", encoding="utf-8")
    for name, message in (
        ("rows.xls", "unknown kind of file"),
        ("nowhere.csv", "no such file|doesn't exist|Couldn't"),
    ):
        with pytest.raises(SystemExit, match=message):
            run.main(["--output_dir", str(tmp_path / "out"), "--train_data", str(tmp_path / name)])
    source = write(tmp_path, "csv", [{"text": "a", "label": "x"}])
    with pytest.raises(SystemExit, match="nothing-here"):
        run.main(
            ["--output_dir", str(tmp_path), "--train_data", source, "--model", str(tmp_path / "nothing-here")]
        )
    with pytest.raises(SystemExit, match="--recipe needs a value"):
        run.main(["--output_dir", str(tmp_path), "--recipe"])


def test_resuming(script: Any, tmp_path: Path) -> None:
    options = script("options")

    def resumed(value: str | None) -> str | None:
        training = TrainingArguments(str(tmp_path), resume_from_checkpoint=value, use_cpu=True)
        return options.checkpoint_to_resume(training)

    assert resumed(None) is None and resumed("False") is None and resumed("True") is None
    (tmp_path / "checkpoint-3").mkdir()
    assert resumed("True") is None and not (tmp_path / "checkpoint-3" / MARK).exists()
    with pytest.raises(
        SystemExit, match=r"checkpoint-3 cannot be resumed from: trainer_state\.json cannot be read"
    ):
        resumed(str(tmp_path / "checkpoint-3"))


def test_a_run_is_not_written_over_by_mistake(
    script: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = script("options")
    folder = tmp_path / "run"

    def parse(*words: str) -> None:
        options.parse_options((TrainingArguments,), ["--output_dir", str(folder), "--use_cpu", *words])

    folder.mkdir()
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    parse()
    (folder / "checkpoint-3").mkdir()
    (folder / "trainer_state.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SystemExit, match="2"):
        parse()
    said = capsys.readouterr().err
    assert all(way in said for way in ("--resume_from_checkpoint", "--overwrite_output_dir", "--output_dir"))
    assert said.count("\n") == 1 and (folder / "checkpoint-3").is_dir()
    parse("--resume_from_checkpoint", "True")
    assert (folder / "checkpoint-3").is_dir()
    parse("--overwrite_output_dir", "True")
    assert not (folder / "checkpoint-3").exists() and (folder / "notes.txt").is_file()


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("--bf16 True", True),
        ("--bf16", True),
        ("--bf16=1 --seed 3", True),
        ("--bf16 True --bf16 False", False),
        ("--seed 3", False),
        ("--bf16 --seed 3", True),
    ],
)
def test_bf16_where_the_cpu_has_none(
    script: Any, monkeypatch: pytest.MonkeyPatch, words: str, asked: bool
) -> None:
    options = script("options")
    monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
    for can in (True, False):
        monkeypatch.setattr(options, "cpu_computes_bf16", lambda can=can: can)
        assert options.asks_for_bf16(words.split()) == asked
        assert options.asks_for_bf16(options.name_the_cpu(words.split())) == (asked and can)


@pytest.mark.parametrize("text", ["दिल की बात", "السلام عليكم", "မြန်မာ"])
def test_scripts_that_join_are_drawn_as_the_checkpoint_draws_them(
    script: Any, tmp_path: Path, text: str
) -> None:
    """Not as boxes with code points, though what has no glyph is drawn as one."""
    shaped = PixelProcessor(("unifont-16",), (16, 16))
    shaped.save_pretrained(tmp_path)
    finetuning = script("finetuning")
    processor = finetuning.load_processor(finetuning.FinetuningArguments(model=str(tmp_path)))
    assert processor.renderer.render_bytes(text) == shaped.renderer.render_bytes(text)
    assert processor("\U0001f9ff", return_tensors="pt")["num_columns"] > 0
