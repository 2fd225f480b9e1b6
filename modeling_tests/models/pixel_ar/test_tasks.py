# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The task models: parity with the references, and what holds for any weights. `pytest -s` shows the deviations."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from tools.fixture import (
    Fixture,
    deviation,
    load_fixture,
    pixar_config,
    pixar_weights,
    pixelgpt_config,
    pixelgpt_weights,
)
from tools.tiny import GROUPED
from transformers import (
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    Trainer,
    TrainingArguments,
)

from pixel_ar import (
    PixelARConfig,
    PixelARForCausalLM,
    PixelARForQuestionAnswering,
    PixelARForSequenceClassification,
    PixelARForTokenClassification,
    PixelProcessor,
    export_remote_code,
)
from pixel_ar.models.pixel_ar.tasks import pool_states

TASKS = {
    "sequence": (PixelARForSequenceClassification, AutoModelForSequenceClassification),
    "token": (PixelARForTokenClassification, AutoModelForTokenClassification),
    "answer": (PixelARForQuestionAnswering, AutoModelForQuestionAnswering),
}
PATCHES = 6


def tiny_config(**overrides: Any) -> PixelARConfig:
    fields = {
        **GROUPED,
        "num_labels": 3,
        # Weights large enough that a wrong mask or a wrong position shows in the logits.
        "initializer_range": 0.3,
    }
    return PixelARConfig(**{**fields, **overrides})


def build(task: str = "sequence", **overrides: Any) -> Any:
    torch.manual_seed(0)
    return TASKS[task][0](tiny_config(**overrides)).eval()


def strips(batch: int = 2, patches: int = PATCHES, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(batch, 1, 8, patches * 20, generator=generator) > 0.4).float()


def task_labels(task: str, batch: int = 2, patches: int = PATCHES) -> dict[str, torch.Tensor]:
    if task == "answer":
        return {
            "start_positions": torch.arange(batch) % patches,
            "end_positions": torch.full((batch,), patches - 1),
        }
    shape = (batch,) if task == "sequence" else (batch, patches)
    return {"labels": torch.arange(batch * (1 if task == "sequence" else patches)).reshape(shape) % 3}


def outputs_of(output: Any) -> list[torch.Tensor]:
    return [output.logits] if "logits" in output else [output.start_logits, output.end_logits]


# ---- parity ----


def check_parity(
    model: Any, fixture: Fixture, inputs: dict[str, torch.Tensor], weights: dict, prefix: str
) -> None:
    model.load_state_dict(weights, strict=True)
    output = model.eval()(**inputs, labels=fixture.inputs["labels"], output_hidden_states=True)
    output.loss.backward()
    query = model.model.layers[0].self_attn.q_proj.weight.grad.norm()
    norms = fixture.outputs[f"grad_norm.{prefix}layers.0.self_attn.q_proj.weight"]
    gradient = fixture.outputs["grad.score.weight"]
    figures = {
        "hidden": deviation(output.hidden_states[-1].detach(), fixture.outputs["last_hidden_state"]),
        "logits": deviation(output.logits.detach(), fixture.outputs["logits"]),
        "loss": deviation(output.loss.detach(), fixture.outputs["loss"]),
        "score gradient (relative)": deviation(model.score.weight.grad, gradient)
        / float(gradient.abs().max()),
        "q_proj gradient norm (relative)": float((query - norms).abs() / norms),
    }
    norms_of_all = {
        weights_name: fixture.about["grad_norms"][name]
        for name, weights_name in reference_names(fixture).items()
        if name in fixture.about["grad_norms"]
    }
    ours = {name: float(p.grad.norm()) for name, p in model.named_parameters() if p.grad is not None}
    assert set(norms_of_all) == set(ours)
    figures["all gradient norms (relative)"] = max(abs(ours[n] - v) / v for n, v in norms_of_all.items())
    print(f"\n{fixture.about['name']}: " + ", ".join(f"{key} {value:.1e}" for key, value in figures.items()))
    for key, value in figures.items():
        assert value < (1e-4 if "relative" in key else 1e-5 if key == "loss" else 2e-5), (key, value)


def reference_names(fixture: Fixture) -> dict[str, str]:
    """The references' names of the weights, each with ours."""
    names = {}
    for name, tensor in fixture.weights.items():
        one = {name: tensor}
        is_pixelgpt = fixture.about["name"].startswith("pixelgpt")
        names[name] = next(iter(pixelgpt_weights(one) if is_pixelgpt else pixar_weights(one, None)))
    return names


@pytest.mark.parametrize("name", ["pixar_seqcls_A", "pixar_seqcls_A_rgb"])
def test_pixar_classification(name: str) -> None:
    fixture = load_fixture(name)
    config = pixar_config(fixture.about, num_labels=3, classifier_bias=True)
    inputs = {key: fixture.inputs[key] for key in ("pixel_values", "attention_mask")}
    model = PixelARForSequenceClassification(config)
    check_parity(model, fixture, inputs, pixar_weights(fixture.weights, config), "")


@pytest.mark.parametrize("kind", ["text", "pixel", "pair"])
def test_pixelgpt_classification(kind: str) -> None:
    fixture = load_fixture(f"pixelgpt_seqcls_{kind}_A")
    model = PixelARForSequenceClassification(
        pixelgpt_config(fixture.about, classifier_pooling="pixelgpt_pair")
    )
    given = fixture.inputs
    inputs = {key: given[key] for key in ("pixel_values", "input_ids", "attention_mask") if key in given}
    if kind == "pair":
        inputs["attention_mask"] = torch.cat(
            [given["patch_attention_mask"].long(), given["attention_mask"]], dim=1
        )
        # Where the released code reads a masked patch, "last" reads the last token.
        states = torch.arange(21.0).expand(2, 21)[..., None]
        for pooling, expected in (("pixelgpt_pair", "pooled_index"), ("last", "last_real_index")):
            for pad, ids in ((2, None), (None, None), (2, torch.tensor([[1] * 10 + [0] * 11] * 2))):
                pooled = pool_states(states, inputs["attention_mask"], pooling, given["input_ids"], ids, pad)
                assert pooled[:, 0].tolist() == fixture.outputs[expected].tolist()
    check_parity(model, fixture, inputs, pixelgpt_weights(fixture.weights), "model.")


def test_pixelgpt_pair_pooling_is_last_in_another_order() -> None:
    states = torch.arange(6.0).expand(1, 6)[..., None]
    ids, modalities = torch.tensor([[5, 6, 7]]), torch.tensor([[0, 0, 0, 1, 1, 1]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 0]])
    assert pool_states(states, mask, "pixelgpt_pair", ids, modalities, 2).item() == 4
    assert pool_states(states, mask, "pixelgpt_pair", ids, 1 - modalities, 2).item() == 2


# ---- invariants ----


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_nothing(task: str, side: str) -> None:
    model, pixels = build(task), strips()
    model.config.classifier_pooling = "mean" if side == "left" else "last"
    width = 3 * 20
    white = torch.ones(2, 1, 8, width)
    padded = torch.cat([white, pixels] if side == "left" else [pixels, white], dim=-1)
    mask = torch.tensor(([0] * 3 + [1] * PATCHES) if side == "left" else [1] * PATCHES + [0] * 3).expand(
        2, -1
    )
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    labels, shift = task_labels(task), 3 if side == "left" else 0
    moved = {name: value + shift for name, value in labels.items() if task == "answer"} or dict(labels)
    if task == "token":
        # Labels on padding: no target, whatever they say.
        moved["labels"] = torch.ones(2, PATCHES + 3, dtype=torch.long)
        moved["labels"][:, shift : shift + PATCHES] = labels["labels"]
    with torch.no_grad():
        expected = model(pixel_values=pixels, **labels)
        found = model(pixel_values=padded, attention_mask=mask, position_ids=positions, **moved)
    torch.testing.assert_close(found.loss, expected.loss)
    for ours, theirs in zip(outputs_of(found), outputs_of(expected), strict=True):
        torch.testing.assert_close(ours if task == "sequence" else ours[:, shift : shift + PATCHES], theirs)
    if task == "answer":
        assert found.start_logits.argmax(-1).ge(shift).all() and found.start_logits[mask == 0].max() < -1e30


def test_pooling_reads_the_positions_it_names() -> None:
    states = torch.randn(3, 5, 4)
    mask = torch.tensor([[1, 1, 1, 0, 0], [0, 1, 1, 1, 1], [1, 0, 1, 1, 0]])
    last = pool_states(states, mask, "last")
    assert torch.equal(last, states[torch.arange(3), torch.tensor([2, 4, 3])])
    assert torch.equal(pool_states(states, mask, "pixelgpt_pair"), last)
    mean = pool_states(states, mask.float(), "mean")
    torch.testing.assert_close(
        mean, torch.stack([s[m == 1].mean(0) for s, m in zip(states, mask, strict=True)])
    )
    assert torch.equal(pool_states(states, None, "last"), states[:, -1])
    # With a cache the mask covers earlier positions too.
    assert torch.equal(pool_states(states, torch.cat([torch.ones(3, 2), mask], 1), "last"), last)
    with pytest.raises(ValueError, match="'first'"):
        pool_states(states, mask, "first")
    with pytest.raises(ValueError, match="row 1 has no attended position"):
        pool_states(states, mask * torch.tensor([[1], [0], [1]]), "last")
    with pytest.raises(ValueError, match="2D attention_mask"):
        pool_states(states, mask[:, None, None], "mean")


@pytest.mark.parametrize("task", TASKS)
def test_tokens_and_pairs(task: str) -> None:
    model = build(task, vocab_size=11)
    ids = torch.tensor([[3, 4, 5, 1], [6, 7, 1, 1]])
    mask = torch.ones(2, PATCHES + 4, dtype=torch.long)
    mask[1, -2:] = 0
    tokens_first = torch.tensor([[0] * 4 + [1] * PATCHES] * 2)
    with torch.no_grad():
        pair = model(strips(), mask, input_ids=ids)
        embedded = model(attention_mask=mask, inputs_embeds=model.model.embed(strips(), ids)[0])
        swapped = model(strips(), input_ids=ids, modality_ids=tokens_first)
        alone = model(input_ids=ids)
    for ours, theirs in zip(outputs_of(pair), outputs_of(embedded), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert not torch.allclose(outputs_of(pair)[0], outputs_of(swapped)[0], atol=1e-3)
    assert outputs_of(alone)[0].shape[1] == (3 if task == "sequence" else 4)


def test_losses_are_what_they_are_called() -> None:
    pixels = strips(3)
    single = build()
    out = single(pixels, labels=torch.tensor([[2], [0], [1]]))
    expected = -out.logits.log_softmax(-1)[torch.arange(3), torch.tensor([2, 0, 1])].mean()
    torch.testing.assert_close(out.loss, expected)
    assert single.config.problem_type == "single_label_classification"

    several, targets = build(), torch.tensor([[1, 0, 1], [0, 0, 0], [0.5, 1, 1]])
    out = several(pixels, labels=targets)
    probability = out.logits.sigmoid()
    expected = -(targets * probability.log() + (1 - targets) * (1 - probability).log()).mean()
    torch.testing.assert_close(out.loss, expected)
    assert several.config.problem_type == "multi_label_classification"
    integers = several(pixels, labels=targets.round().long())
    torch.testing.assert_close(integers.loss, several(pixels, labels=targets.round()).loss)

    number, values = build(num_labels=1), torch.tensor([1.0, -2.0, 4.0])
    out = number(pixels, labels=values)
    torch.testing.assert_close(out.loss, ((out.logits[:, 0] - values) ** 2).mean())
    for same in (values[:, None], values.double()):
        torch.testing.assert_close(number(pixels, labels=same).loss, out.loss)
    first = number(pixels[:1], labels=values[:1])
    torch.testing.assert_close(first.loss, (first.logits[0, 0] - 1) ** 2)
    numbers = build(problem_type="regression")
    out = numbers(pixels, labels=targets)
    torch.testing.assert_close(out.loss, ((out.logits - targets) ** 2).mean())


def test_loss_of_positions_counts_labels() -> None:
    model, pixels = build("token"), strips()
    labels = torch.tensor([[0, -100, 2, -100, -100, 1], [-100] * 6])
    out = model(pixels, labels=labels)
    chosen = out.logits[0, [0, 2, 5]].log_softmax(-1)[torch.arange(3), torch.tensor([0, 2, 1])]
    torch.testing.assert_close(out.loss, -chosen.mean())
    torch.testing.assert_close(model(pixels, labels=labels, num_items_in_batch=12).loss, -chosen.sum() / 12)
    nothing = model(pixels, labels=torch.full_like(labels, -100))
    nothing.loss.backward()
    assert nothing.loss == 0 and float(model.score.weight.grad.abs().max()) == 0


def test_loss_of_answers_counts_labelled_rows() -> None:
    model, pixels = build("answer"), strips(3)
    start, end = torch.tensor([2, -100, 0]), torch.tensor([[4], [-100], [0]])
    out = model(pixels, start_positions=start, end_positions=end)
    nats = [
        -(out.start_logits[row].log_softmax(-1)[first] + out.end_logits[row].log_softmax(-1)[last]) / 2
        for row, first, last in ((0, 2, 4), (2, 0, 0))
    ]
    torch.testing.assert_close(out.loss, sum(nats) / 2)
    nowhere = torch.full((3,), -100)
    assert model(pixels, start_positions=nowhere, end_positions=nowhere).loss == 0


@pytest.mark.parametrize(
    ("task", "overrides", "labels", "message"),
    [
        ("sequence", {}, torch.tensor([0, 3]), "0 to 2.*num_labels is 3.*got 3"),
        ("sequence", {}, torch.tensor([0, -1]), "got -1"),
        ("sequence", {}, torch.tensor([0]), r"shape \(1,\).*\[2\]"),
        ("sequence", {}, torch.tensor([[0, 1, 1], [0, 0, 1]]), "multi_label_classification"),
        ("sequence", {}, torch.tensor([0.0, 1.0]), r"shape \(2,\)"),
        (
            "sequence",
            {"problem_type": "single_label_classification"},
            torch.tensor([0.0, 1.0]),
            "integer labels",
        ),
        ("sequence", {}, torch.tensor([[0, 1, 1], [0, float("nan"), 1]]), "got nan"),
        ("sequence", {}, torch.tensor([[0, 1, 2.0], [0, 0, 1]]), r"got 2\.0"),
        ("sequence", {"num_labels": 1}, torch.tensor([0, float("nan")]), "row 1 is nan"),
        ("sequence", {"num_labels": 1}, torch.zeros(2, 2), r"\[2, 1\] or \[2\]"),
        (
            "token",
            {},
            torch.zeros(2, PATCHES + 1, dtype=torch.long),
            rf"\(2, {PATCHES + 1}\).*\(2, {PATCHES}\)",
        ),
        ("token", {}, torch.zeros(2, PATCHES), "integers"),
        ("token", {}, torch.full((2, PATCHES), 3), "0 to 2.*got 3"),
        ("token", {}, torch.full((2, PATCHES), -1), "got -1"),
    ],
)
def test_labels_that_do_not_fit(task: str, overrides: dict, labels: torch.Tensor, message: str) -> None:
    model = build(task, **overrides)
    before = model.config.problem_type
    with pytest.raises(ValueError, match=message):
        model(strips(), labels=labels)
    assert model.config.problem_type == before


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ([0, 9], [0, 9], f"row 1 .* 9 to 9, outside of 0 to {PATCHES - 1}"),
        ([-1, 0], [0, 0], "row 0 .* -1 to 0, outside"),
        ([-100, 0], [2, 0], "row 0 .* -100 to 2, outside"),
        ([3, 0], [2, 0], "ends before it starts"),
        ([0, 4], [0, 5], "at least one is padding"),
        ([0, 1, 2], [0, 1, 2], r"shape \(3,\)"),
        ([0.0, 1.0], [0.0, 1.0], "integers"),
    ],
)
def test_answers_outside_the_row(start: list, end: list, message: str) -> None:
    mask = torch.ones(2, PATCHES)
    mask[1, -1] = 0
    with pytest.raises(ValueError, match=message):
        build("answer")(strips(), mask, start_positions=torch.tensor(start), end_positions=torch.tensor(end))
    with pytest.raises(ValueError, match="together"):
        build("answer")(strips(), mask, start_positions=torch.tensor(start))


# ---- with Transformers ----


@pytest.mark.parametrize("task", TASKS)
def test_auto_classes_load_a_pretrained_decoder(
    task: str, tiny_checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = {0: "O", 1: "B-PER", 2: "I-PER"}
    model, report = TASKS[task][1].from_pretrained(
        tiny_checkpoint, id2label=names, classifier_bias=True, output_loading_info=True
    )
    model.eval()
    assert type(model) is TASKS[task][0] and not report["unexpected_keys"]
    head = {"qa_outputs.weight"} if task == "answer" else {"score.weight", "score.bias"}
    assert set(report["missing_keys"]) == head
    base = PixelARForCausalLM.from_pretrained(tiny_checkpoint)
    assert torch.equal(base.model.layers[0].mlp.up_proj.weight, model.model.layers[0].mlp.up_proj.weight)
    processor = PixelProcessor.from_pretrained(tiny_checkpoint)
    batch = processor(text=["The people", "of"], return_tensors="pt")
    export_remote_code(model, processor, tmp_path)
    again = TASKS[task][1].from_pretrained(tmp_path).eval()
    assert set(again.config.keys_to_ignore_at_inference) == {"cache", "past_key_values"}
    of_causal = PixelARConfig.from_pretrained(tmp_path).keys_to_ignore_at_inference
    assert {"cache", "past_key_values", "logits"} < set(of_causal)
    assert again.config.id2label == names and again.config.architectures == [type(model).__name__]
    with torch.no_grad():
        for ours, theirs in zip(outputs_of(again(**batch)), outputs_of(model(**batch)), strict=True):
            assert torch.equal(ours, theirs)
    assert (tmp_path / "models_pixel_ar_tasks.py").is_file()
    assert f"models_pixel_ar_tasks.{type(model).__name__}" in (tmp_path / "config.json").read_text()


@pytest.mark.parametrize("task", TASKS)
def test_half_precision_loses_nothing_in_the_loss(task: str) -> None:
    model, labels = build(task).bfloat16().requires_grad_(False), task_labels(task)
    out = model(strips(), **labels)
    assert out.loss.dtype == torch.float32 and outputs_of(out)[0].dtype == torch.bfloat16
    exact = build(task)(strips(), **labels).loss.detach()
    assert abs(float(out.loss - exact)) < 0.1 * float(exact)


@pytest.mark.parametrize("task", TASKS)
def test_compiles_without_graph_breaks(task: str) -> None:
    model, labels = build(task, num_hidden_layers=1), task_labels(task)
    mask = torch.ones(2, PATCHES, dtype=torch.long)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(
        compiled(pixel_values=strips(), attention_mask=mask, **labels).loss,
        model(strips(), mask, **labels).loss,
    )


class Rows(torch.utils.data.Dataset):
    """Eight rows, all with labels, token labels unevenly many."""

    def __init__(self, task: str) -> None:
        self.pixels, self.labels = strips(8), task_labels(task, 8)
        if task == "token":
            for row in range(8):
                self.labels["labels"][row, row % 5 + 1 :] = -100

    def __len__(self) -> int:
        return 8

    def __getitem__(self, row: int) -> dict[str, torch.Tensor]:
        return {"pixel_values": self.pixels[row]} | {name: value[row] for name, value in self.labels.items()}


def train(task: str, folder: Path, batch_size: int, steps: int, **kwargs: Any) -> Trainer:
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=batch_size,
        gradient_accumulation_steps=steps,
        max_steps=1,
        learning_rate=0.1,
        optim="sgd",
        lr_scheduler_type="constant",
        max_grad_norm=0.0,
        report_to="none",
        use_cpu=True,
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = Trainer(
        model=copy.deepcopy(build(task)),
        args=arguments,
        train_dataset=Rows(task),
        eval_dataset=Rows(task),
        **kwargs,
    )
    trainer.train()
    return trainer


@pytest.mark.parametrize("task", TASKS)
def test_four_accumulated_steps_are_one_large_batch(task: str, tmp_path: Path) -> None:
    one = train(task, tmp_path, 8, 1).model.state_dict()
    four = train(task, tmp_path, 2, 4).model.state_dict()
    start = build(task).state_dict()
    moved = max(deviation(one[name], start[name]) for name in one)
    apart = max(deviation(one[name], four[name]) for name in one)
    print(
        f"\n{task}: four accumulated steps differ from one large batch by {apart:.1e}, a step moves {moved:.1e}"
    )
    assert moved > 1e-3 and apart < 1e-6


def test_trainer_hands_logits_to_the_metrics(tmp_path: Path) -> None:
    seen = []

    def compute_metrics(predictions: Any) -> dict[str, float]:
        seen.append((predictions.predictions.shape, predictions.label_ids.tolist()))
        return {"accuracy": 1.0}

    trainer = train("sequence", tmp_path, 8, 1, compute_metrics=compute_metrics)
    result = trainer.evaluate()
    assert seen == [((8, 3), [row % 3 for row in range(8)])] and result["eval_accuracy"] == 1.0


@pytest.mark.parametrize("task", TASKS)
def test_the_callers_configuration_stays_as_it_is(task: str) -> None:
    config = PixelARConfig()
    config.num_hidden_layers = 1
    before = config.to_dict()
    TASKS[task][0](config)
    assert config.to_dict() == before and "logits" in config.keys_to_ignore_at_inference
