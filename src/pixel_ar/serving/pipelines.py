# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Pipelines of Transformers that take a checkpoint folder and nothing else.

`pipeline("pixel-text-generation", folder)`, `"pixel-text-classification"`, `"pixel-token-classification"` and
`"pixel-question-answering"` are registered when `pixel_ar` is imported. They load the processor and no tokenizer; the
tasks without `pixel-` in their names belong to models with one. Batches (`batch_size=`) are padded by the processor.
"""

import inspect
import numbers
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)
from transformers.pipelines import PIPELINE_REGISTRY, Pipeline

from ..processing.images import list_strips
from ..processing.pictures import strip_page
from ..spelling import nearest


class PixelPipeline(Pipeline):
    """What all of them share: a processor and no tokenizer, inputs in batches.

    `preprocess`, `_forward` and `postprocess` of a subclass take and give lists, one item per input.
    """

    _load_processor = True
    _load_tokenizer = False
    _load_image_processor = False
    _load_feature_extractor = False
    _load_video_processor = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = kwargs.get("processor") or kwargs.pop("tokenizer", None)
        if not hasattr(given, "check_model"):
            raise ValueError(
                f"{type(self).__name__} needs the model's PixelProcessor, got {type(given).__name__}: pass a "
                "checkpoint's folder as model, or processor=AutoProcessor.from_pretrained(folder)."
            )
        kwargs["processor"] = given
        super().__init__(*args, **kwargs)
        self.processor.check_model(self.model.config)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Results for one input, or for a list of them one by one; none for an empty list.

        Raises:
            TypeError: for an unknown option, or one of another kind.
            ValueError: for inputs and options that mean nothing.
        """
        known = inspect.signature(self._sanitize_parameters).parameters
        if not any(each.kind is each.VAR_KEYWORD for each in known.values()):
            names = [*known, "batch_size", "num_workers"]
            for name in set(kwargs) - set(names):
                raise TypeError(
                    f"unknown option {name}{nearest(name, names)}; {type(self).__name__} knows {', '.join(names)}."
                )
        _check_count("batch_size", kwargs.get("batch_size"))
        if isinstance(inputs, list | tuple) and not inputs:
            return []
        return super().__call__(inputs, *args, **kwargs)

    def get_iterator(
        self,
        inputs: Iterable[Any],
        num_workers: int,
        batch_size: int,
        preprocess_params: dict[str, Any],
        forward_params: dict[str, Any],
        postprocess_params: dict[str, Any],
    ) -> Iterator[Any]:
        """Results one by one, computed in batches; of a list, in batches of like length, so that little is padding."""
        if isinstance(inputs, list) and 1 < batch_size < len(inputs):
            order = sorted(range(len(inputs)), key=lambda index: _length(inputs[index]))
            results: list[Any] = [None] * len(inputs)
            for start in range(0, len(order), batch_size):
                part = order[start : start + batch_size]
                chunk = [inputs[index] for index in part]
                found = self._run(chunk, preprocess_params, forward_params, postprocess_params)
                for index, result in zip(part, found, strict=True):
                    results[index] = result
            yield from results
            return
        iterator = iter(inputs)
        while chunk := list(islice(iterator, batch_size)):
            yield from self._run(chunk, preprocess_params, forward_params, postprocess_params)

    def run_single(
        self,
        inputs: Any,
        preprocess_params: dict[str, Any],
        forward_params: dict[str, Any],
        postprocess_params: dict[str, Any],
    ) -> Any:
        """The result for one input."""
        return self._run([inputs], preprocess_params, forward_params, postprocess_params)[0]

    def _run(
        self, chunk: list[Any], pre: dict[str, Any], fwd: dict[str, Any], post: dict[str, Any]
    ) -> list[Any]:
        return self.postprocess(self.forward(self.preprocess(chunk, **pre), **fwd), **post)

    def save_pretrained(self, save_directory: Any, **kwargs: Any) -> None:
        """Saves model and processor; the folder loads as any checkpoint, through the pipelines too."""
        self.model.save_pretrained(save_directory, **kwargs)
        self.processor.save_pretrained(save_directory)


def _length(given: Any) -> int:
    """Characters of a text, a pair or a dictionary of texts; 0 for what has none."""
    if isinstance(given, str):
        return len(given)
    if isinstance(given, Mapping):
        return sum(map(_length, given.values()))
    return sum(map(_length, given)) if isinstance(given, list | tuple) else 0


class PixelTextGenerationPipeline(PixelPipeline):
    """Continues texts. `pipe(prompt, max_new_patches=48, do_sample=True)`; options are those of `generate`.

    Returns for each prompt a list, one item per returned sequence: `generated_text` (with the prompt unless
    `return_full_text=False`) and `image`, the strip as a picture, the prompt tinted.
    """

    def _sanitize_parameters(
        self,
        return_full_text: bool | None = None,
        missing: str | None = None,
        **generate_kwargs: Any,
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        post = {} if return_full_text is None else {"return_full_text": return_full_text}
        return ({} if missing is None else {"missing": missing}), generate_kwargs, post

    def preprocess(self, texts: list[Any], missing: str | None = None) -> dict[str, Any]:
        """Draws prompts."""
        prompts = [text["text"] if isinstance(text, Mapping) and "text" in text else text for text in texts]
        return dict(self.processor(text=prompts, add_eos=False, missing=missing, return_tensors="pt"))

    def _forward(self, inputs: dict[str, Any], **generate_kwargs: Any) -> dict[str, Any]:
        if not {"max_new_patches", "max_new_tokens", "max_length", "max_patches"} & set(generate_kwargs):
            generate_kwargs["max_new_patches"] = 64
        generate_kwargs["return_dict_in_generate"] = True
        output = self.model.generate(**inputs, **generate_kwargs)
        count = len(output.pixel_values) // len(inputs["num_columns"])
        return {
            "pixel_values": output.pixel_values,
            "attention_mask": output.attention_mask,
            "num_columns": output.num_columns,
            "prompts": dict(inputs),
            "per_prompt": count,
        }

    def postprocess(
        self, output: dict[str, Any], return_full_text: bool = True
    ) -> list[list[dict[str, Any]]]:
        """Reads the strips."""
        prompts, count = output.pop("prompts"), output.pop("per_prompt")
        texts = self.processor.batch_decode(output)
        given = self.processor.batch_decode(prompts)
        width = self.processor.patch_size[1]
        results: list[list[dict[str, Any]]] = [[] for _ in given]
        for index, (text, strip) in enumerate(zip(texts, list_strips(output["pixel_values"]), strict=True)):
            row = index // count
            picture = strip_page(
                [strip[:, :, : int(output["num_columns"][index])]],
                [int(prompts["num_columns"][row])],
                line_columns=max(480 // width, 1) * width,
            )
            shown = text if return_full_text else text[len(given[row]) :]
            results[row].append({"generated_text": shown, "image": picture})
        return results


class PixelTextClassificationPipeline(PixelPipeline):
    """Classifies texts and pairs of texts (a tuple, or `{"text": ..., "text_pair": ...}`).

    Returns `{"label", "score"}`, or a list of the `top_k` likeliest (`None`: all). `function_to_apply` is `"softmax"`,
    `"sigmoid"` or `"none"`, by default what the model's problem asks for.
    """

    def _sanitize_parameters(
        self, top_k: int | str | None = "", function_to_apply: str | None = None, **processor_kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        post: dict[str, Any] = {}
        if not (isinstance(top_k, str) and top_k == ""):
            _check_count("top_k", top_k)
            post["top_k"] = top_k
        if function_to_apply is not None:
            post["function_to_apply"] = function_to_apply
        return processor_kwargs, {}, post

    def preprocess(self, texts: list[Any], **processor_kwargs: Any) -> dict[str, Any]:
        """Draws texts."""
        rows = [_pair(text) for text in texts]
        if len({len(row) for row in rows}) > 1:
            raise ValueError("texts and pairs of texts cannot share a batch; pass batch_size=1.")
        columns: list[list[str]] = [list(column) for column in zip(*rows, strict=True)]
        pair = columns[1] if len(columns) > 1 else None
        return dict(self.processor(text=columns[0], text_pair=pair, return_tensors="pt", **processor_kwargs))

    def _forward(self, inputs: dict[str, Any]) -> dict[str, Any]:
        return {"logits": self.model(**inputs).logits}

    def postprocess(
        self, output: dict[str, Any], top_k: int | str | None = "", function_to_apply: str | None = None
    ) -> list[Any]:
        """Labels and scores."""
        config = self.model.config
        if function_to_apply is None:
            function_to_apply = "softmax"
            if config.problem_type == "regression":
                function_to_apply = "none"
            elif config.problem_type == "multi_label_classification" or config.num_labels == 1:
                function_to_apply = "sigmoid"
        functions = {
            "softmax": lambda each: each.softmax(-1),
            "sigmoid": torch.sigmoid,
            "none": lambda each: each,
        }
        if not isinstance(function_to_apply, str) or function_to_apply not in functions:
            raise ValueError(
                f"function_to_apply must be one of {', '.join(functions)}, got {function_to_apply!r}."
            )
        scores = functions[function_to_apply](output["logits"].float())
        results: list[Any] = []
        for row in scores.tolist():
            ranked = sorted(
                ({"label": config.id2label[index], "score": score} for index, score in enumerate(row)),
                key=lambda each: -each["score"],
            )
            results.append(ranked[0] if top_k == "" else ranked[: None if top_k is None else int(top_k)])
        return results


class PixelTokenClassificationPipeline(PixelPipeline):
    """Labels the words of texts: a string (words stand between white space) or a list of words.

    Returns one `{"entity", "score", "index", "word", "start", "end"}` per word whose label is not in `ignore_labels`
    (default `("O",)`); with `aggregation_strategy="simple"` neighbouring words of one entity are joined, and the key is
    `entity_group`. `start` and `end` count the characters of the text (of words joined by blanks).
    """

    def _sanitize_parameters(
        self,
        ignore_labels: Sequence[str] | None = None,
        aggregation_strategy: str | None = None,
        label_policy: str | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        post: dict[str, Any] = {}
        is_list = isinstance(ignore_labels, Sequence) and not isinstance(ignore_labels, str | bytes)
        if ignore_labels is not None and not is_list:
            raise TypeError(f"ignore_labels must be a list of labels, got {ignore_labels!r:.80}.")
        if ignore_labels is not None:
            post["ignore_labels"] = ignore_labels
        if aggregation_strategy is not None:
            post["aggregation_strategy"] = aggregation_strategy
        return ({} if label_policy is None else {"label_policy": label_policy}), {}, post

    def preprocess(self, texts: list[Any], label_policy: str = "last") -> dict[str, Any]:
        """Draws words at patch borders, as the models are trained."""
        from ..training.words import label_patches

        rows = [_words(text, index) for index, text in enumerate(texts)]
        labelled = [
            label_patches([word for word, _, _ in words], [0] * len(words), self.processor, label_policy)
            for words in rows
        ]
        inputs = dict(self.processor(text=[each.text for each in labelled], return_tensors="pt"))
        return {"inputs": inputs, "words": rows, "labelled": labelled}

    def _forward(self, model_inputs: dict[str, Any]) -> dict[str, Any]:
        logits = self.model(**model_inputs["inputs"]).logits
        mask = model_inputs["inputs"]["attention_mask"]
        return {
            "logits": logits,
            "mask": mask,
            "words": model_inputs["words"],
            "labelled": model_inputs["labelled"],
        }

    def postprocess(
        self,
        output: dict[str, Any],
        ignore_labels: Sequence[str] = ("O",),
        aggregation_strategy: str = "none",
    ) -> list[list[dict[str, Any]]]:
        """Labels of words."""
        if aggregation_strategy not in ("none", "simple"):
            raise ValueError(
                f'aggregation_strategy must be "none" or "simple", got {aggregation_strategy!r}.'
            )
        results = []
        probabilities = output["logits"].float().softmax(-1).cpu().numpy()
        for row, mask, words, labelled in zip(
            probabilities, output["mask"].cpu().numpy(), output["words"], output["labelled"], strict=True
        ):
            found = []
            attended = row[mask.astype(bool)]
            for index, ((word, start, end), places) in enumerate(zip(words, labelled.patches, strict=True)):
                if not places:
                    continue
                scores = attended[places[0] if labelled.policy == "first" else places[-1]]
                label = int(scores.argmax())
                found.append(
                    {
                        "entity": self.model.config.id2label[label],
                        "score": float(scores[label]),
                        "index": index,
                        "word": word,
                        "start": start,
                        "end": end,
                    }
                )
            if aggregation_strategy == "simple":
                found = _group(found)
            name = "entity" if aggregation_strategy == "none" else "entity_group"
            results.append([each for each in found if each[name] not in ignore_labels])
        return results


class PixelQuestionAnsweringPipeline(PixelPipeline):
    """Finds answers: `pipe(question=..., context=...)`, or a mapping (or a list of mappings) with these keys.

    Contexts longer than the model reads are cut into overlapping windows. Returns `{"answer", "score", "start",
    "end"}`: characters of the context, and the sum of the two logits. With `handle_impossible_answer=True` the answer
    may be empty.
    """

    def __call__(
        self, inputs: Any = None, question: str | None = None, context: str | None = None, **kwargs: Any
    ) -> Any:
        """See the class."""
        if inputs is None:
            if question is None or context is None:
                raise ValueError("give question=... and context=..., or a mapping with these keys.")
            inputs = {"question": question, "context": context}
        return super().__call__(inputs, **kwargs)

    def _sanitize_parameters(
        self,
        max_patches: int | None = None,
        stride: int | None = None,
        max_answer_patches: int | None = None,
        handle_impossible_answer: bool | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        counts = {"max_patches": max_patches, "stride": stride}
        for name, value in {**counts, "max_answer_patches": max_answer_patches}.items():
            _check_count(name, value)
        pre = {key: value for key, value in counts.items() if value is not None}
        post: dict[str, Any] = (
            {} if max_answer_patches is None else {"max_answer_patches": max_answer_patches}
        )
        if handle_impossible_answer is not None:
            post["handle_impossible_answer"] = handle_impossible_answer
        return pre, {}, post

    def preprocess(
        self, rows: list[Any], max_patches: int | None = None, stride: int | None = None
    ) -> dict[str, Any]:
        """Cuts contexts into windows, and draws them."""
        from ..training.answers import QuestionWindows

        for index, row in enumerate(rows):
            if not isinstance(row, Mapping) or not {"question", "context"} <= set(row):
                raise ValueError(
                    f"input {index} must be a mapping with question and context, got {row!r:.80}."
                )
        limit = max_patches or min(
            self.processor.model_max_patches or 1024, self.model.config.max_position_embeddings
        )
        windows = QuestionWindows(self.processor, limit, stride or max(limit // 4, 1))(
            {
                "id": [str(index) for index in range(len(rows))],
                "question": [row["question"] for row in rows],
                "context": [row["context"] for row in rows],
            }
        )
        inputs = self.processor(
            text=windows["question"], text_pair=windows["context"], max_patches=limit, return_tensors="pt"
        )
        names = list(windows)
        cut = [dict(zip(names, values, strict=True)) for values in zip(*windows.values(), strict=True)]
        return {"inputs": dict(inputs), "windows": cut}

    def _forward(self, model_inputs: dict[str, Any]) -> dict[str, Any]:
        output = self.model(**model_inputs["inputs"])
        mask = model_inputs["inputs"]["attention_mask"]
        return {
            "start": output.start_logits,
            "end": output.end_logits,
            "mask": mask,
            "windows": model_inputs["windows"],
        }

    def postprocess(
        self, output: dict[str, Any], max_answer_patches: int = 30, handle_impossible_answer: bool = False
    ) -> list[dict[str, Any]]:
        """The best answer of each question."""
        from ..training.answers import find_answers

        starts, ends = (_left_aligned(output[name], output["mask"]) for name in ("start", "end"))
        threshold = 0.0 if handle_impossible_answer else None
        found = find_answers(
            output["windows"], starts, ends, self.processor, max_answer_patches, null_threshold=threshold
        )
        return [
            {
                "answer": each["prediction_text"],
                "score": float(each["score"]),
                "start": max(int(each["start"]), 0),
                "end": max(int(each["end"]), 0),
            }
            for each in found
        ]


def _check_count(name: str, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {value!r:.80}.")
    if not 1 <= int(value) < 2**31:
        raise ValueError(f"{name} must lie in 1 to {2**31 - 1}, got {value!r:.80}.")


def _left_aligned(values: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
    """Logits `[M, T]` with each row's padding moved to its end."""
    rows, attended = values.float().cpu().numpy(), mask.cpu().numpy().astype(bool)
    aligned = np.full(rows.shape, rows.min())
    for target, row, kept in zip(aligned, rows, attended, strict=True):
        target[: kept.sum()] = row[kept]
    return aligned


def _pair(text: Any) -> tuple[str, ...]:
    """(text,) or (text, text_pair)."""
    if isinstance(text, Mapping):
        unknown = sorted(set(text) - {"text", "text_pair"})
        if unknown or "text" not in text:
            raise ValueError(f"an input must have text, and perhaps text_pair, got {sorted(text)}.")
        return (text["text"],) if text.get("text_pair") is None else (text["text"], text["text_pair"])
    return tuple(text) if isinstance(text, tuple | list) else (text,)


def _words(text: Any, index: int) -> list[tuple[str, int, int]]:
    """(word, start, end) of every word of a text, the `index`-th input."""
    if not isinstance(text, str):
        if not isinstance(text, list | tuple) or not all(isinstance(word, str) for word in text):
            raise TypeError(f"input {index} must be a text or a list of words, got {text!r:.80}.")
        words, text = list(text), " ".join(text)
    else:
        words = text.split()
    if not words:
        raise ValueError(f"input {index} has no words.")
    found, place = [], 0
    for word in words:
        start = text.index(word, place)
        place = start + len(word)
        found.append((word, start, place))
    return found


def _group(words: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Joins neighbouring words of one entity; a `B-` begins a new one."""
    groups: list[list[dict[str, Any]]] = []
    for each in words:
        entity = each["entity"]
        name = entity[2:] if entity[:2] in ("B-", "I-") else entity
        is_new = not groups or entity.startswith("B-") or groups[-1][0]["name"] != name
        is_new = is_new or each["index"] != groups[-1][-1]["index"] + 1
        each = {**each, "name": name}
        groups.append([each]) if is_new else groups[-1].append(each)
    return [
        {
            "entity_group": group[0]["name"],
            "score": sum(each["score"] for each in group) / len(group),
            "word": " ".join(each["word"] for each in group),
            "start": group[0]["start"],
            "end": group[-1]["end"],
        }
        for group in groups
    ]


PIPELINES: dict[str, tuple[type[PixelPipeline], Any]] = {
    "pixel-text-generation": (PixelTextGenerationPipeline, AutoModelForCausalLM),
    "pixel-text-classification": (PixelTextClassificationPipeline, AutoModelForSequenceClassification),
    "pixel-token-classification": (PixelTokenClassificationPipeline, AutoModelForTokenClassification),
    "pixel-question-answering": (PixelQuestionAnsweringPipeline, AutoModelForQuestionAnswering),
}


def register_pipelines() -> None:
    """Makes the pipelines known to `transformers.pipeline`."""
    known = PIPELINE_REGISTRY.get_supported_tasks()
    for task, (pipeline_class, auto_model) in PIPELINES.items():
        if task not in known:
            PIPELINE_REGISTRY.register_pipeline(
                task, pipeline_class=pipeline_class, pt_model=auto_model, type="multimodal"
            )


__all__ = [
    "PixelPipeline",
    "PixelQuestionAnsweringPipeline",
    "PixelTextClassificationPipeline",
    "PixelTextGenerationPipeline",
    "PixelTokenClassificationPipeline",
    "register_pipelines",
]
