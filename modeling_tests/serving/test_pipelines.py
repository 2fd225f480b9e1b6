# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Pipelines take a folder and nothing else, and give what model and processor give by hand."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tools.tiny import TINY
from transformers import AutoModelForCausalLM, pipeline

import pixel_ar
from pixel_ar.processing.processing_pixel_ar import PixelProcessor
from pixel_ar.serving.pipelines import PixelTextGenerationPipeline

TEXTS = ["The people of the United States", "ab", "in order to form a more perfect Union"]
TASKS = {
    "pixel-text-classification": pixel_ar.PixelARForSequenceClassification,
    "pixel-token-classification": pixel_ar.PixelARForTokenClassification,
    "pixel-question-answering": pixel_ar.PixelARForQuestionAnswering,
}


@pytest.fixture(scope="module", params=["right", "left"])
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.manual_seed(0)
    labels = {0: "O", 1: "B-PER", 2: "I-PER"}
    made = {}
    for task, cls in TASKS.items():
        options = (
            {} if "question" in task else {"id2label": labels, "label2id": {v: k for k, v in labels.items()}}
        )
        made[task] = tmp_path_factory.mktemp(task)
        cls(pixel_ar.PixelARConfig(max_position_embeddings=64, **TINY, **options)).eval().save_pretrained(
            made[task]
        )
        processor = PixelProcessor(model_max_patches=64, padding_side=request.param)
        processor.save_pretrained(made[task])
    return made


def test_lists_are_batched_by_length_and_keep_their_order(tiny_checkpoint: Path) -> None:
    pipe = pipeline("pixel-text-generation", str(tiny_checkpoint), device="cpu")
    texts = ["a" * length for length in (40, 3, 60, 5, 44, 2)]
    read: list[tuple[int, ...]] = []
    generate = pipe.model.generate

    def counting(**inputs: Any) -> Any:
        read.append(tuple(inputs["pixel_values"].shape[::3]))
        return generate(**inputs)

    pipe.model.generate = counting
    options = {"max_new_patches": 2, "do_sample": False}
    found = pipe(texts, batch_size=2, **options)
    alone = [pipe(text, **options) for text in texts]
    assert [each[0]["generated_text"] for each in found] == [each[0]["generated_text"] for each in alone]
    assert read[:3] == [(2, 20), (2, 200), (2, 300)]  # of 3, 40 and 60 characters at most
    del read[:]
    list(pipe((text for text in texts), batch_size=2, **options))  # a stream is taken as it comes
    assert [columns for _, columns in read] == [200, 300, 220]


def test_generation(tiny_checkpoint: Path, tmp_path: Path) -> None:
    pipe = pipeline("pixel-text-generation", str(tiny_checkpoint), device="cpu")
    options = {"max_new_patches": 4, "do_sample": False}
    one = pipe(TEXTS[0], **options)
    assert set(one[0]) == {"generated_text", "image"} and isinstance(one[0]["image"], Image.Image)
    model = AutoModelForCausalLM.from_pretrained(tiny_checkpoint).eval()
    processor = PixelProcessor.from_pretrained(tiny_checkpoint)
    inputs = processor(TEXTS, add_eos=False, return_tensors="pt")
    out = model.generate(**inputs, return_dict_in_generate=True, **options)
    expected = processor.batch_decode(out)
    for batch_size in (1, 2, 3):
        found = pipe(TEXTS, batch_size=batch_size, **options)
        assert [each[0]["generated_text"] for each in found] == expected
    assert list(pipe((text for text in TEXTS), **options))[1][0]["generated_text"] == expected[1]
    new = pipe(TEXTS[0], return_full_text=False, **options)[0]["generated_text"]
    assert expected[0] == TEXTS[0] + new
    several = pipe(TEXTS[:2], max_new_patches=2, do_sample=True, num_return_sequences=3)
    assert [len(each) for each in several] == [3, 3]
    with pytest.raises(ValueError, match="missing='hexbox'"):
        pipe("漢")
    assert pipe("漢", missing="hexbox", **options)
    pipe.save_pretrained(tmp_path)
    assert (
        pipeline("pixel-text-generation", str(tmp_path))(TEXTS[0], **options)[0]["generated_text"]
        == expected[0]
    )
    with_objects = pipeline("pixel-text-generation", model=model, processor=processor)
    assert with_objects(TEXTS[0], **options)[0]["generated_text"] == expected[0]
    with pytest.raises(ValueError, match="AutoProcessor"):
        PixelTextGenerationPipeline(model=model)


def test_text_classification(folders: dict[str, Path]) -> None:
    pipe = pipeline("pixel-text-classification", str(folders["pixel-text-classification"]))
    ranked = pipe(TEXTS, top_k=None)
    assert all(sum(each["score"] for each in row) == pytest.approx(1) for row in ranked)
    best = pipe(TEXTS, batch_size=3)
    assert [each["label"] for each in best] == [row[0]["label"] for row in ranked]
    assert [each["score"] for each in best] == pytest.approx([row[0]["score"] for row in ranked], abs=1e-5)
    pair = pipe({"text": TEXTS[0], "text_pair": TEXTS[1]})
    assert pair == pipe((TEXTS[0], TEXTS[1])) and pair != best[0]
    raw = pipe(TEXTS[0], top_k=None, function_to_apply="none")
    inputs = pipe.processor(TEXTS[0], return_tensors="pt")
    with torch.no_grad():
        logits = pipe.model(**inputs).logits[0]
    assert [each["score"] for each in raw] == pytest.approx(sorted(logits.tolist(), reverse=True), abs=1e-5)
    with pytest.raises(ValueError, match="truncation=True"):
        pipe("long " * 100)
    assert pipe("long " * 100, truncation=True)["label"]


def test_token_classification(folders: dict[str, Path]) -> None:
    pipe = pipeline("pixel-token-classification", str(folders["pixel-token-classification"]))
    found = pipe(TEXTS, ignore_labels=[])
    assert [each["word"] for each in found[0]] == TEXTS[0].split()
    for text, row in zip(TEXTS, found, strict=True):
        assert all(text[each["start"] : each["end"]] == each["word"] for each in row)
    assert pipe(TEXTS, ignore_labels=[], batch_size=3)[2][1]["entity"] == found[2][1]["entity"]
    assert pipe([TEXTS[0].split()], ignore_labels=[])[0] == found[0]
    grouped = pipe(TEXTS[2], aggregation_strategy="simple", ignore_labels=[])
    assert sum(len(each["word"].split()) for each in grouped) == len(TEXTS[2].split())
    assert all(each["entity"] != "O" for each in pipe(TEXTS[2]))


def test_question_answering(folders: dict[str, Path]) -> None:
    pipe = pipeline("pixel-question-answering", str(folders["pixel-question-answering"]))
    context = "The people of the United States wrote in pixels. " * 8
    answer = pipe(question="Who wrote?", context=context)
    assert context[answer["start"] : answer["end"]] == answer["answer"] != ""
    row = {"question": "Who wrote?", "context": context}
    assert pipe([row, row], batch_size=2)[1]["answer"] == answer["answer"]
    with pytest.raises(ValueError, match="question and context"):
        pipe({"question": "Who?"})


@pytest.mark.parametrize(
    ("task", "inputs", "options", "error", "message"),
    [
        ("text-classification", "a", {"topk": 2}, None, None),
        ("text-classification", "a", {"top_k": "NaN"}, TypeError, "top_k must be an integer, got 'NaN'"),
        ("text-classification", "a", {"batch_size": 0}, ValueError, "batch_size must lie in 1 to"),
        (
            "text-classification",
            "a",
            {"function_to_apply": [1]},
            ValueError,
            "function_to_apply must be one of",
        ),
        ("token-classification", 3, {}, TypeError, "input 0 must be a text or a list of words, got 3"),
        ("token-classification", "a", {"ignore_labels": b"O"}, TypeError, "ignore_labels must be a list of"),
        ("token-classification", [["a", None]], {}, TypeError, "must be a text or a list of words, got"),
        ("token-classification", "a", {"ignore_label": []}, TypeError, "did you mean 'ignore_labels'"),
        (
            "token-classification",
            "a",
            {"ignore_labels": "O"},
            TypeError,
            "ignore_labels must be a list of labels",
        ),
        (
            "question-answering",
            {"question": "a", "context": "b"},
            {"stride": "8"},
            TypeError,
            "stride must be",
        ),
        (
            "question-answering",
            {"question": "a", "context": "b"},
            {"colour": 1},
            TypeError,
            "unknown option colour",
        ),
    ],
)
def test_inputs_and_options_that_mean_nothing(
    folders: dict[str, Path],
    task: str,
    inputs: Any,
    options: dict[str, Any],
    error: type[Exception] | None,
    message: str | None,
) -> None:
    pipe = pipeline(f"pixel-{task}", str(folders[f"pixel-{task}"]), device="cpu")
    assert pipe([]) == []
    if error is None:  # options of the processor, which names what it does not know
        error, message = TypeError, "unknown argument topk"
    with pytest.raises(error, match=message):
        pipe(inputs, **options)


def test_pipelines_of_tokens_say_what_to_use(tiny_checkpoint: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_checkpoint)
    processor = PixelProcessor.from_pretrained(tiny_checkpoint)
    with pytest.raises(AttributeError, match="pixel-text-generation"):
        pipeline("text-generation", model=model, tokenizer=processor)
    with pytest.raises(ValueError, match="pixel-text-generation"):
        pipeline("text-generation", str(tiny_checkpoint))
    assert not hasattr(processor, "pad_token_id") and not hasattr(processor, "no_such_thing")


def test_the_public_names() -> None:
    assert dir(pixel_ar) == sorted([*pixel_ar.__all__, "__version__"])
    assert {"CharacterPrior", "PixelTextStreamer", "RenderStyle"} <= set(dir(pixel_ar))
    assert all(hasattr(pixel_ar, name) for name in dir(pixel_ar))
