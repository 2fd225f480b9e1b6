# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The fine-tuning examples do what their docstrings say, on a very small scale."""

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest
import torch
from huggingface_hub import ModelCard
from tools.paths import EXAMPLES
from transformers import AutoProcessor

from pixel_ar import (
    PixelARForQuestionAnswering,
    PixelARForSequenceClassification,
    PixelARForTokenClassification,
)

SMALL = {
    "max_steps": 2,
    "max_patches": 40,
    "max_train_rows": 12,
    "max_eval_rows": 6,
    "per_device_train_batch_size": 4,
    "disable_tqdm": True,
    "eval_noise": 0.3,
}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> object:
    """Imports an example as Python would run it: with its folder on the path."""
    monkeypatch.setenv("HF_HOME", str(tmp_path_factory.getbasetemp() / "hf"))
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.syspath_prepend(str(EXAMPLES / "benchmarks"))
    return importlib.import_module


def words(folder: Path, checkpoint: Path | None, **options: object) -> list[str]:
    given = {
        **SMALL,
        "output_dir": folder,
        **({} if checkpoint is None else {"model": checkpoint}),
        **options,
    }
    return [part for key, value in given.items() for part in (f"--{key}", str(value))]


def report(folder: Path) -> dict:
    """The results of a run, after a look at its card."""
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    card = ModelCard.load(folder / "README.md")
    assert len(card.data.eval_results) == len(found["results"]) and "text-as-pixels" in card.data.tags
    for name in found["results"]:
        assert f"| {name} |" in card.text
    return found


def test_classification_of_eras(script: object, tiny_checkpoint: Path, tmp_path: Path) -> None:
    run: ModuleType = script("run_classification")
    assert [run.era_of(year) for year in (1790, 1864, 1865, 1932, 1933, 2021)] == [0, 0, 1, 1, 2, 2]
    run.main(
        words(
            tmp_path, tiny_checkpoint, task="era", train_noise=0.1, train_sampling_strategy="group_by_length"
        )
    )
    found = report(tmp_path)
    assert set(found["results"]) == {"clean", "noise 0.3"} and found["steps"] == 2
    assert set(found["results"]["clean"]) == {"accuracy", "f1"}
    assert found["cut"].endswith(" of 12 rows cut")  # the loader is one batch ahead
    model = PixelARForSequenceClassification.from_pretrained(tmp_path)
    assert model.config.id2label[1] == "1865-1932"
    assert AutoProcessor.from_pretrained(tmp_path).missing == "hexbox"


def test_classification_by_the_clock(script: object, tiny_checkpoint: Path, tmp_path: Path) -> None:
    script("run_classification").main(words(tmp_path, tiny_checkpoint, task="era", train_minutes=0.01))
    assert 0 < report(tmp_path)["minutes"] < 1


@pytest.mark.parametrize("kind", ["names", "numbers"])
def test_classification_of_local_files(
    script: object, tiny_checkpoint: Path, tmp_path: Path, kind: str
) -> None:
    labels = ["good", "bad"] if kind == "names" else [0.5, 2.25]
    rows = [f"this is {label},a {n} pair,{label}" for n in range(6) for label in labels]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,stars", *rows]), encoding="utf-8")
    options = {"text_column": "a", "text_pair_column": "b", "label_column": "stars"}
    source = {"train_data": tmp_path / "rows.csv", "validation_data": tmp_path / "rows.csv"}
    run = script("run_classification")
    run.main(words(tmp_path / "out", tiny_checkpoint, **source, **options))
    found = report(tmp_path / "out")
    model = PixelARForSequenceClassification.from_pretrained(tmp_path / "out")
    if kind == "names":
        assert model.config.id2label == {0: "bad", 1: "good"} and "accuracy" in found["results"]["clean"]
    else:
        assert model.config.problem_type == "regression" and "pearsonr" in found["results"]["clean"]
    with pytest.raises(SystemExit, match="no column price; there are a, b, stars"):
        run.main(words(tmp_path / "other", tiny_checkpoint, **source, **{**options, "label_column": "price"}))


def test_data_must_be_named(script: object, tiny_checkpoint: Path, tmp_path: Path) -> None:
    run = script("run_classification")
    with pytest.raises(SystemExit, match="name a --task"):
        run.main(words(tmp_path, tiny_checkpoint))
    with pytest.raises(SystemExit, match="unknown task 'colour'; there are era, cola"):
        run.main(words(tmp_path, tiny_checkpoint, task="colour"))


def test_lora(
    script: object, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("peft")
    script("run_lora").main(words(tmp_path, tiny_checkpoint, task="era"))
    assert (tmp_path / "adapter_model.safetensors").is_file() and not (
        tmp_path / "model.safetensors"
    ).exists()
    assert report(tmp_path)["trainable"] < 0.2  # of a model of a few thousand parameters
    printed = capsys.readouterr().out
    assert "merged and loaded again: logits deviate by" in printed
    merged = PixelARForSequenceClassification.from_pretrained(tmp_path / "merged")
    assert merged.config.id2label[2] == "after 1932"


def test_adapters_of_a_quantised_decoder(
    script: object, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("peft")
    pytest.importorskip("bitsandbytes")
    options = {"task": "era", "quantize": "4bit", "max_train_rows": 4, "max_eval_rows": 2, "eval_noise": ""}
    script("run_lora").main(words(tmp_path, tiny_checkpoint, **options))
    assert "in full precision the merged model decides alike in" in capsys.readouterr().out
    assert PixelARForSequenceClassification.from_pretrained(tmp_path / "merged").config.num_labels == 3


def test_quantised_weights_need_adapters(script: object, tiny_checkpoint: Path, tmp_path: Path) -> None:
    run = script("run_classification")
    for options, message in (
        ({"quantize": "4bit"}, "add --lora True"),
        ({"quantize": "3bit", "lora": True}, "4bit or 8bit, got '3bit'"),
    ):
        with pytest.raises(SystemExit, match=message):
            run.main(words(tmp_path, tiny_checkpoint, task="era", **options))


def test_lora_trains_under_two_percent_of_the_bundled_model(script: object) -> None:
    pytest.importorskip("peft")
    finetuning = script("finetuning")
    options = finetuning.FinetuningArguments(lora=True)
    model = finetuning.load_model(PixelARForSequenceClassification, options, "SEQ_CLS", num_labels=3)
    share = finetuning.trainable_share(model)
    print(f"\ntrained: {100 * share:.2f} %")
    assert 0 < share < 0.02


def test_xnli(script: object, tiny_checkpoint: Path, tmp_path: Path) -> None:
    run = script("run_xnli")
    run.main(words(tmp_path, tiny_checkpoint, train_languages="en", eval_languages="en,ru"))
    found = report(tmp_path)
    assert set(found["results"]) >= {"en", "ru", "average", "ru, noise 0.3"}
    assert found["trained on"] == "en"
    with pytest.raises(SystemExit, match="no language xx; there are en, de"):
        run.main(words(tmp_path / "other", tiny_checkpoint, train_languages="xx"))


def test_xnli_takes_a_folder(script: object, tiny_checkpoint: Path, tmp_path: Path) -> None:
    for split in ("train", "validation"):
        rows = [
            {"language": language, "premise": f"premise {n}", "hypothesis": "other", "label": n % 3}
            for n in range(6)
            for language in ("en", "de")
        ]
        text = "\n".join(json.dumps(row) for row in rows)
        (tmp_path / f"{split}.jsonl").write_text(text, encoding="utf-8")
    options = {"data": tmp_path, "train_languages": "en,de", "eval_languages": "de", "eval_noise": ""}
    script("run_xnli").main(words(tmp_path / "out", tiny_checkpoint, **options))
    assert set(report(tmp_path / "out")["results"]) == {"de", "average"}


def test_token_classification(script: object, tiny_checkpoint: Path, tmp_path: Path) -> None:
    script("run_token_classification").main(
        words(tmp_path, tiny_checkpoint, train_noise=0.2, train_sampling_strategy="group_by_length")
    )
    found = report(tmp_path)
    assert set(found["results"]["clean"]) == {"f1", "precision", "recall", "accuracy"}
    assert found["words without a label (clean)"].startswith("0 of ")
    model = PixelARForTokenClassification.from_pretrained(tmp_path)
    assert set(model.config.label2id) == {"O", "B-PER", "I-PER", "B-LOC"}


def test_token_classification_of_conll_files(script: object, tiny_checkpoint: Path, tmp_path: Path) -> None:
    run = script("run_token_classification")
    text = "-DOCSTART- -X-\n\nMonroe NNP x\nspoke VBD y\n\n\nHe PRP x\n# a comment\nleft VBD z\n"
    (tmp_path / "train.conll").write_text(text, encoding="utf-8")
    rows = run.read_conll(tmp_path / "train.conll", 1)
    assert rows["tokens"][:] == [["Monroe", "spoke"], ["He", "left"]]
    assert rows["tags"][:] == [["NNP", "VBD"], ["PRP", "VBD"]]
    run.main(words(tmp_path / "out", tiny_checkpoint, train_data=tmp_path / "train.conll", tag_place=1))
    assert set(report(tmp_path / "out")["results"]["clean"]) == {"accuracy"}
    (tmp_path / "bad.conll").write_text("Monroe NNP\nspoke\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="line 2: no tag beside 'spoke'"):
        run.read_conll(tmp_path / "bad.conll")


@pytest.mark.parametrize("source", ["made up", "squad"])
def test_questions(script: object, tiny_checkpoint: Path, tmp_path: Path, source: str) -> None:
    run = script("run_qa")
    options: dict[str, object] = {
        "train_sampling_strategy": "group_by_length",
        "stride": 6,
        "no_answers": source == "squad",
    }
    if source == "squad":
        context = "Monroe told Congress in 1823 that it was closed."
        questions = [
            {"id": "a", "question": "Who?", "answers": [{"text": "Monroe", "answer_start": 0}]},
            {"id": "b", "question": "Why?", "answers": [], "is_impossible": True},
        ]
        data = {"data": [{"paragraphs": [{"context": context, "qas": questions}]}]}
        (tmp_path / "squad.json").write_text(json.dumps(data), encoding="utf-8")
        options |= {"train_data": tmp_path / "squad.json"}
    run.main(words(tmp_path / "out", tiny_checkpoint, **options))
    found = report(tmp_path / "out")
    assert set(found["results"]["clean"]) == {"exact_match", "f1"}
    assert found["windows learned"] >= 2 and found["answers in no window"] == 0
    assert PixelARForQuestionAnswering.from_pretrained(tmp_path / "out").qa_outputs.weight.shape[0] == 2


def test_made_up_answers_are_where_they_are_said_to_be(script: object) -> None:
    for row in script("run_qa").make_up(50, seed=0):
        start, text = row["answers"]["answer_start"][0], row["answers"]["text"][0]
        assert row["context"][start:].startswith(text)


def test_bytes(script: object, tmp_path: Path) -> None:
    small = {"layers": 1, "hidden_size": 32, "intermediate_size": 32}
    benchmark = script("era_bytes")
    benchmark.main(words(tmp_path, None, **small))
    assert set(report(tmp_path)["results"]) == {"clean", "noise 0.3"}
    with torch.device("meta"):
        size = sum(p.numel() for p in benchmark.build(benchmark.ModelArguments(), 1024, "sdpa").parameters())
    assert f"{size:,}" in (EXAMPLES / "benchmarks" / "era_bytes.py").read_text(encoding="utf-8")


class TestRecipes:
    @pytest.mark.parametrize("name", ["glue-pixar", "glue-pixelgpt"])
    def test_every_task_can_be_parsed(self, script: object, tmp_path: Path, name: str) -> None:
        finetuning, run = script("finetuning"), script("run_classification")
        recipe = json.loads((EXAMPLES / "recipes" / f"{name}.json").read_text(encoding="utf-8"))
        assert set(recipe["tasks"]) - {"xnli"} == set(run.GLUE)
        for task in run.GLUE:
            given = ["--recipe", name, "--task", task, "--output_dir", str(tmp_path)]
            data, options, training = finetuning.parse((run.DataArguments,), {"max_steps": 200}, given)
            assert data.task == task and training.max_steps == recipe["tasks"][task]["max_steps"]
            assert training.load_best_model_at_end and options.max_patches in (360, 768)
            assert training.metric_for_best_model.removeprefix("eval_") in run.GLUE[task].metrics

    def test_published_batches(self) -> None:
        """Table of 2401.03321's scripts: rows per step."""
        tasks = json.loads((EXAMPLES / "recipes" / "glue-pixar.json").read_text(encoding="utf-8"))["tasks"]
        sizes = {
            name: task["per_device_train_batch_size"] * task["gradient_accumulation_steps"]
            for name, task in tasks.items()
        }
        assert sizes["mnli"] == sizes["cola"] == 256 and sizes["mrpc"] == 192 and sizes["stsb"] == 32

    def test_the_command_line_goes_over_the_recipe(self, script: object, tmp_path: Path) -> None:
        finetuning, run = script("finetuning"), script("run_classification")
        given = [
            "--recipe",
            "glue-pixar",
            "--task",
            "rte",
            "--output_dir",
            str(tmp_path),
            "--learning_rate",
            "1e-4",
        ]
        training = finetuning.parse((run.DataArguments,), {}, given)[-1]
        assert training.learning_rate == 1e-4 and training.adam_beta2 == 0.95
        with pytest.raises(SystemExit, match="needs --task, one of mnli"):
            finetuning.task_recipe("glue-pixar", "era")
        with pytest.raises(SystemExit, match="glue-pixar, glue-pixelgpt"):
            finetuning.task_recipe("nothing", "rte")
