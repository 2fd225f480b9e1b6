# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""SPAE models: losses, prefixes, words, saving and loading with the codebook checked, Trainer."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, load_file, save_file
from tools.spae import WORDS, small_codebook, small_spae
from transformers import AutoConfig, AutoModel, AutoProcessor, Trainer, TrainingArguments

from pixel_ar import LexicalCodebook, PixelProcessor, SpaeConfig, SpaeModel
from pixel_ar.training import CaptionRelevance, SpaeCollator, count_words


def pictures(rows: int = 6, size: tuple[int, int] = (8, 8), channels: int = 3) -> torch.Tensor:
    draw = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (rows, channels, *size), generator=draw, dtype=torch.uint8)


def words(rows: int = 6) -> torch.Tensor:
    return torch.tensor([[0, 4, 7]] * (rows - 1) + [[1, -100, -100]])


ARCHITECTURES = {
    "pictures": {},
    "rectangles": {"image_size": (16, 8), "grid": (4, 4), "hidden_sizes": (8, 12)},
    "one pixel a place": {"image_size": (4, 4)},
    "strips": {"architecture": "patches", "image_size": (8, 60), "grid": (1, 12), "num_channels": 1,
               "pyramid": ((1, 1), (1, 4), (1, 12))},
    "pages": {"architecture": "patches", "image_size": (24, 20), "grid": (4, 2), "pyramid": ((1, 1), (4, 2)),
              "mixing_channels": 0},
}  # fmt: skip


@pytest.mark.parametrize("fields", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_pictures_strips_and_pages(fields: dict) -> None:
    """Every prefix decodes to the picture's shape; words go there and back; all networks get a gradient."""
    model = small_spae(**fields)
    config = model.config
    pixels = pictures(3, config.image_size, config.num_channels)
    output = model(pixels, words(3))
    output.loss.backward()
    assert not [name for name, weight in model.named_parameters() if weight.grad is None]
    assert [tuple(ids.shape) for ids in output.ids] == [(3, *layer) for layer in config.pyramid]
    model.eval()
    ids = model.encode(pixels)
    for depth in range(1, len(ids) + 1):
        decoded = model.decode(ids[:depth])
        assert decoded.shape == pixels.shape and 0 <= decoded.min() <= decoded.max() <= 1
    whole = model(pixels, return_loss=False).pixel_values
    assert torch.allclose(decoded, whole, atol=1e-5)  # with a gradient, z + (word - z) stands for the word
    again = model.from_words(model.to_words(ids))
    assert all(torch.equal(a, b) for a, b in zip(again, ids, strict=True))


def test_the_frozen_codebook_stays_as_it_is() -> None:
    model = small_spae()
    before = model.codebook.vectors.clone()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.5)
    for _ in range(3):
        model(pictures(), words()).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert torch.equal(model.codebook.vectors, before)
    assert not any("codebook" in name for name, _ in model.named_parameters())
    model.check_codebook()


def test_loss_is_the_weighted_sum() -> None:
    model = small_spae(semantic_weight=0.7, commitment_weight=0.2, reconstruction_weight=3.0).eval()
    output = model(pictures(), words())
    rest = 3 * output.reconstruction_loss + 0.2 * output.commitment_loss
    # The semantic loss counts alpha times the others, whatever its own size.
    assert output.loss.item() == pytest.approx(1.7 * rest.item(), rel=1e-5)
    assert model(pictures()).loss.item() == pytest.approx(rest.item(), rel=1e-5)
    # Below the floor it is scaled up no more.
    model.config.semantic_floor = 4 * output.semantic_loss.item()
    assert model(pictures(), words()).loss.item() == pytest.approx((1 + 0.7 / 4) * rest.item(), rel=1e-5)
    model.perceptual_loss = lambda decoded, pixels: (decoded - pixels).abs().mean()
    hooked = model(pictures())
    assert hooked.loss.item() > rest.item()
    off = (output.pixel_values - pictures() / 255).square().mean()
    assert off <= output.reconstruction_loss  # the loss sees values that are not clamped yet


def test_unit_and_byte_pixels_are_the_same() -> None:
    model = small_spae().eval()
    from_bytes, from_unit = model(pictures()), model(pictures().float() / 255)
    assert torch.equal(from_bytes.loss, from_unit.loss)


def test_rows_are_independent_in_evaluation() -> None:
    model = small_spae().eval()
    together, alone = model.encode(pictures()), model.encode(pictures()[2:3])
    assert all(torch.equal(a[2:3], b) for a, b in zip(together, alone, strict=True))


def test_training_overfits_and_words_follow_captions() -> None:
    """Four pictures: pixels come close, and the first five tokens are their captions' words."""
    torch.manual_seed(0)
    model = small_spae(hidden_sizes=(24,), mixing_channels=8).train()
    pixels = pictures(4).float() / 255 * 0.2 + 0.4
    pixels = pixels + torch.linspace(-0.4, 0.4, 4).view(4, 1, 1, 1)
    captions = torch.tensor([[0, 4, 7, 20, 21], [1, 5, 8, 22, 23], [2, 6, 7, 24, 25], [3, 4, 8, 26, 27]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    first = model.eval()(pixels).reconstruction_loss
    model.train()
    for _ in range(120):
        model(pixels, captions).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    output = model.eval()(pixels)
    assert output.reconstruction_loss < first / 4
    tokens = torch.cat([layer.flatten(1) for layer in output.ids[:2]], 1)
    hits = [
        len(set(row) & set(caption)) for row, caption in zip(tokens.tolist(), captions.tolist(), strict=True)
    ]
    assert sum(hits) >= 16
    assert model(pixels, captions).semantic_loss < 1


def test_a_learned_codebook_follows_the_pictures() -> None:
    model = small_spae(codebook="learned").train()
    before = model.codebook.vectors.clone()
    for _ in range(3):
        output = model(pictures())
    assert not torch.equal(model.codebook.vectors, before)
    assert output.semantic_loss is None
    with pytest.raises(ValueError, match="no words"):
        model.to_words(output.ids)
    with pytest.raises(ValueError, match="learns its codebook"):
        model.set_codebook(small_codebook())


@pytest.mark.parametrize(
    "fields", [{}, {"codebook": "learned"}, {"quantization": "rq", "fill": "zero"}], ids=str
)
def test_save_and_load(tmp_path: Path, fields: dict) -> None:
    model = small_spae(**fields).eval()
    model.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path).eval()
    assert type(loaded) is SpaeModel and loaded.config.pyramid == model.config.pyramid
    assert {name for name, _ in loaded.named_buffers()} == {name for name, _ in model.named_buffers()}
    for (name, ours), (_, theirs) in zip(
        model.state_dict().items(), loaded.state_dict().items(), strict=True
    ):
        assert torch.equal(ours, theirs), name
    ids = model.encode(pictures())
    assert all(torch.equal(a, b) for a, b in zip(ids, loaded.encode(pictures()), strict=True))
    assert torch.equal(model.decode(ids[:2]), loaded.decode(ids[:2]))
    if not fields:
        assert loaded.codebook.words == WORDS and loaded.to_words(ids) == model.to_words(ids)
    assert AutoConfig.from_pretrained(tmp_path).model_type == "pixel_ar_spae"


@pytest.mark.parametrize("changed", ["vectors", "letters", "token_ids"])
def test_another_codebook_is_refused(tmp_path: Path, changed: str) -> None:
    model = small_spae()
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    name = f"quantizer.codebook.{changed}"
    weights[name][:2] = weights[name][:2] + 1
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"the codebook has the sha256 .* but the configuration names"):
        SpaeModel.from_pretrained(tmp_path)


def test_a_configuration_of_another_codebook_is_refused(tmp_path: Path) -> None:
    small_spae().save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    settings["codebook_sha256"] = "0" * 64
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=f"{tmp_path}.*names 000000000000"):
        AutoModel.from_pretrained(tmp_path)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    small_spae().save_pretrained(tmp_path)
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=f"{tmp_path} is damaged"):
        AutoModel.from_pretrained(tmp_path)
    weights = load(whole)
    del weights["quantizer.codebook.vectors"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="the configuration names"):
        AutoModel.from_pretrained(tmp_path)


def test_loading_in_half_precision_names_the_way(tmp_path: Path) -> None:
    small_spae().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"load the model in float32, then convert model\.encoder"):
        AutoModel.from_pretrained(tmp_path, dtype=torch.bfloat16)


def test_a_codebook_in_half_precision_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"codebook is torch\.bfloat16.*model\.encoder"):
        small_spae().to(torch.bfloat16).save_pretrained(tmp_path)
    model = small_spae().eval()
    model.encoder.to(torch.bfloat16)
    model.decoder.to(torch.bfloat16)
    assert model(pictures()).pixel_values.shape == (6, 3, 8, 8)


def test_a_codebook_must_be_the_configurations() -> None:
    book = small_codebook()
    with pytest.raises(ValueError, match=r"codebook_dim 8.*codebook\.config_fields"):
        SpaeModel(SpaeConfig(codebook_size=len(WORDS), codebook_dim=16), book)
    assert small_spae().config.codebook_sha256 == book.sha256


def test_without_a_codebook_random_vectors_stand_in() -> None:
    config = SpaeConfig(image_size=(8, 8), codebook_size=16, codebook_dim=4, hidden_sizes=(8,))
    model = SpaeModel(config)
    lengths = model.codebook.vectors.norm(dim=1)
    assert torch.allclose(lengths, torch.full_like(lengths, 2.0))
    assert torch.isfinite(model(pictures()).loss)
    with pytest.raises(ValueError, match="no words"):
        model.to_words(model.encode(pictures()))


def test_errors_name_both_sides() -> None:
    model = small_spae()
    with pytest.raises(ValueError, match=r"\[B, 3, 8, 8\].*\(6, 3, 8, 9\)"):
        model(pictures(size=(8, 9)))
    with pytest.raises(ValueError, match="entries of the codebook, 0 to 38, not token ids"):
        model(pictures(), words() + 60)
    with pytest.raises(ValueError, match=r"integers \[6, words\]"):
        model(pictures(), words(3))
    pools = small_spae(pool_assignment="pools")
    with pytest.raises(ValueError, match=r"\[6, 39\] \(rows, codebook\)"):
        pools(pictures(), word_scores=torch.zeros(6, 3))
    with pytest.raises(TypeError, match=r"word_ids must be a torch\.Tensor"):
        model(pictures(), [[0]])


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"grid": (5, 4)}, r"\(32, 32\) is not a multiple of grid \(5, 4\)|does not divide the grid"),
        ({"image_size": (48, 32), "pyramid": ((1, 1),), "semantic_layers": 1}, "12 pixels per place.*power of 2"),
        ({"pyramid": ((3, 1),)}, "does not divide the grid"),
        ({"pyramid": (4,)}, "two integers"),
        ({"pyramid": ((1, 1),)}, r"semantic_layers \(2\) is more than the pyramid has \(1\)"),
        ({"codebook_size": 0}, "codebook_size must be positive"),
        ({"grid": (4096, 4096)}, "places of the grid: 16,777,216"),
        ({"quantisation": "rq"}, "did you mean 'quantization'"),
        ({"semantic_weight": -1.0}, "must not be negative"),
        ({"image_size": 32}, "image_size"),
    ],
)  # fmt: skip
def test_configurations_that_no_model_has(fields: dict, message: str) -> None:
    with pytest.raises(Exception, match=message):
        SpaeConfig(**fields)


def test_processor_makes_its_inputs(tmp_path: Path) -> None:
    """Pictures and texts through PixelProcessor, which loads beside the model."""
    model = small_spae(
        architecture="patches", image_size=(8, 80), grid=(1, 4), num_channels=1, pyramid=((1, 1), (1, 4))
    ).eval()
    model.save_pretrained(tmp_path)
    PixelProcessor.from_preset("fixed-8").save_pretrained(tmp_path)
    processor = AutoProcessor.from_pretrained(tmp_path)
    inputs = processor(text=["sixteen letters."], add_eos=False, return_tensors="pt")
    assert AutoModel.from_pretrained(tmp_path)(inputs["pixel_values"]).ids[1].shape == (1, 1, 4)


class Rows(torch.utils.data.Dataset):
    def __init__(self, count: int) -> None:
        self.pixels = pictures(count)

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> dict:
        return {"image": self.pixels[index].numpy(), "caption": f"small {['red', 'blue'][index % 2]} circle"}


@pytest.mark.parametrize("pool_assignment", ["match", "pools"])
def test_trainer(tmp_path: Path, pool_assignment: str) -> None:
    """Trains, evaluates without keeping pictures, saves what loads, resumes."""
    model = small_spae(pool_assignment=pool_assignment)
    collator = SpaeCollator(model.config, model.codebook, word_counts=count_words(["small red circle"]))
    arguments = TrainingArguments(
        str(tmp_path), max_steps=2, per_device_train_batch_size=4, save_steps=1, remove_unused_columns=False,
        use_cpu=True, report_to="none", disable_tqdm=True,
    )  # fmt: skip
    trainer = Trainer(model, arguments, train_dataset=Rows(8), eval_dataset=Rows(4), data_collator=collator)
    assert not trainer.model_accepts_loss_kwargs
    trainer.train()
    metrics = trainer.evaluate()
    assert metrics["eval_loss"] > 0
    assert trainer.predict(Rows(4)).predictions in ((), None)
    SpaeModel.from_pretrained(tmp_path / "checkpoint-2")
    arguments.max_steps = 3
    resumed = Trainer(small_spae(), arguments, train_dataset=Rows(8), data_collator=collator)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert resumed.state.global_step == 3


def test_relevance_of_captions() -> None:
    """A caption's own words score 1, the least like it 0; unknown captions score nothing."""
    book = small_codebook()
    scores = CaptionRelevance(book)(["a red circle", "xyz"])
    assert scores.shape == (2, book.size)
    assert scores[0, book.rank("red")] == scores[0, book.rank("circle")] == 1
    assert scores[0].min() == 0 and not scores[1].any()


def test_codebooks_refuse_what_they_cannot_hold() -> None:
    vectors = torch.randn(2, 3)
    with pytest.raises(ValueError, match="2 vectors, but 3 words"):
        LexicalCodebook(vectors, ["a", "b", "c"])
    with pytest.raises(ValueError, match="'b' stands twice"):
        LexicalCodebook(vectors, ["b", "b"])
    with pytest.raises(ValueError, match="spaces or line breaks, got 'a b'"):
        LexicalCodebook(vectors, ["a b", "c"])
    with pytest.raises(ValueError, match="NaN"):
        LexicalCodebook(vectors / 0, ["a", "b"])
    with pytest.raises(ValueError, match="vector of 'b' is zero"):
        LexicalCodebook(torch.tensor([[1.0, 0.0], [0.0, 0.0]]), ["a", "b"])
    with pytest.raises(ValueError, match="'sphere' or 'raw'"):
        LexicalCodebook(vectors, ["a", "b"], norm="unit")


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda model: model("a picture"), TypeError, "pixel_values must be a torch.Tensor, got str"),
        (lambda model: model(None), TypeError, "pixel_values must be a torch.Tensor, got None"),
        (lambda model: model.encode(7), TypeError, "pixel_values must be a torch.Tensor, got int"),
        (lambda model: model.encode(torch.rand(0, 3, 8, 8)), ValueError, "hold no picture"),
        (lambda model: model.encode(torch.full((1, 3, 8, 8), math.nan)), ValueError, "NaN or infinite"),
        (
            lambda model: model.decode(3),
            TypeError,
            "ids must be a list with a tensor for each layer, got int",
        ),
        (lambda model: model.decode([None]), TypeError, "ids of layer 1 must be a torch.Tensor, got None"),
        (
            lambda model: model.decode([torch.rand(1, 1, 1)]),
            ValueError,
            "layer 1 must be integers, got torch.fl",
        ),
        (lambda model: model.from_words({"red"}), TypeError, "words must be a list"),
        (lambda model: model.from_words([["red"]]), TypeError, "each layer must be a list"),
        (lambda model: model.from_words([[[3]]]), TypeError, "a word must be a str, got int"),
        (
            lambda model: LexicalCodebook(torch.rand(1, 2), [b"red"]),
            TypeError,
            "a word must be a str, got bytes",
        ),
        (lambda model: LexicalCodebook("vectors", ["red"]), TypeError, "vectors must be numbers, got str"),
        (
            lambda model: LexicalCodebook(torch.rand(1, 2), ["red"], [1.5]),
            ValueError,
            "token_ids must be integers",
        ),
        (lambda model: LexicalCodebook(torch.rand(1, 2), ["red"], lead=2), ValueError, "lead must be one of"),
        (lambda model: LexicalCodebook(torch.rand(1, 2), ["a\ud800"]), ValueError, "lone surrogate"),
        (lambda model: SpaeConfig(id2label=1), ValueError, "id2label must be a dictionary"),
    ],
)
def test_what_is_no_picture_no_id_and_no_word_is_named(
    call: Callable[[SpaeModel], object], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        call(small_spae().eval())
