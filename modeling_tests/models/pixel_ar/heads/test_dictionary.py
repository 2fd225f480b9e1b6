# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The dictionary head: a proper distribution over all patches, whole or begun, drawn as it is scored; and its files."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError
from tools.dictionary import build_dictionary_model as build_model
from tools.full_disk import full_disk
from tools.tiny import BACKBONE, TINY
from transformers import CompileConfig

from pixel_ar import PixelARConfig, PixelARForCausalLM, PixelProcessor
from pixel_ar.models.pixel_ar.dictionary import PatchDictionary
from pixel_ar.models.pixel_ar.heads.dictionary import DictionaryPatchHead
from pixel_ar.models.pixel_ar.patching import bytes_to_patches, bytes_to_pixels

ALL_BYTES = torch.arange(256)
# Patch size, glyphs: without, as wide as the patch, half as wide.
FORMS = [((8, 1), 0, 1), ((8, 1), 9, 1), ((8, 2), 9, 1), ((8, 2), 5, 2)]


def head_of(model: PixelARForCausalLM) -> DictionaryPatchHead:
    assert isinstance(model.patch_head, DictionaryPatchHead)
    return model.patch_head


def states(rows: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(rows, 32, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def all_patches(first: int | None = None) -> torch.Tensor:
    """Every patch of one column, or every patch of two that begins with a byte."""
    if first is None:
        return bytes_to_patches(ALL_BYTES[:, None], (8, 1)).double()
    return bytes_to_patches(torch.stack([torch.full((256,), first), ALL_BYTES], 1), (8, 2)).double()


# ---- the distribution ----


@torch.no_grad()
@pytest.mark.parametrize("num_glyphs", [0, 9])
def test_probabilities_of_all_patches_sum_to_one(num_glyphs: int) -> None:
    head = head_of(build_model(num_glyphs=num_glyphs))
    for state in states(3):
        total = head.log_prob(state.expand(256, -1), all_patches()).logsumexp(0)
        assert total.item() == pytest.approx(0, abs=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(("num_glyphs", "group_columns"), [(0, 1), (9, 1), (5, 2)])
def test_the_first_columns_are_as_likely_as_all_patches_that_begin_so(
    num_glyphs: int, group_columns: int
) -> None:
    head = head_of(build_model((8, 2), num_glyphs, group_columns))
    state = states(1)
    for first in (0, 7, 255):
        patches = all_patches(first)
        whole = head.log_prob(state.expand(256, -1), patches).logsumexp(0)
        begun = head.log_prob(state, patches[:1], torch.tensor([1]))
        assert begun.item() == pytest.approx(whole.item(), abs=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(("patch_size", "num_glyphs", "group_columns"), FORMS)
def test_patches_are_drawn_as_often_as_they_are_likely(
    patch_size: tuple[int, int], num_glyphs: int, group_columns: int
) -> None:
    head = head_of(build_model(patch_size, num_glyphs, group_columns, std=0.3))
    rows, state = 10_000, states(1)
    prefix = columns = None
    patches = all_patches()
    if patch_size == (8, 2):
        # Given the first column, the second.
        patches = all_patches(7)
        prefix, columns = patches[:1].expand(rows, -1), torch.ones(rows, dtype=torch.int64)
    generator = torch.Generator().manual_seed(0)
    drawn = head.sample(
        state.expand(rows, -1), True, generator=generator, prefix=prefix, prefix_columns=columns
    )
    likely = head.log_prob(state.expand(256, -1), patches).softmax(0)
    index = (drawn.patches[:, None] == patches).all(-1).double().argmax(-1)
    found = torch.bincount(index, minlength=256) / rows
    # Chance alone leaves the mean deviation of a binomial count, summed over the patches.
    by_chance = (2 / torch.pi * likely * (1 - likely) / rows).sqrt().sum()
    assert (found - likely).abs().sum() < 1.3 * by_chance


@torch.no_grad()
def test_greedy_takes_the_likeliest_patch() -> None:
    head = head_of(build_model(std=0.6))
    for state in states(20, seed=3)[:, None]:
        likely = head.log_prob(state.expand(256, -1), all_patches())
        drawn = head.log_prob(state, head.sample(state).patches.double())
        # The two ways to draw an entry add up, and greedy drawing sees one at a time.
        assert drawn.item() > likely.max().item() - 0.7


@torch.no_grad()
def test_warps_see_the_entries_first() -> None:
    head = head_of(build_model())
    state = states(50)

    def best_alone(written: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return scores.masked_fill(scores < scores.max(-1, keepdim=True).values, float("-inf"))

    sampled = head.sample(state, True, best_alone, torch.Generator().manual_seed(0))
    assert sampled.scores.shape == (50, head.num_entries + 1)
    first = sampled.logits.argmax(-1)
    is_entry = first < head.num_entries
    known = bytes_to_patches(head.memory.entries[first[is_entry]].long(), (8, 1))
    assert is_entry.any() and (sampled.patches[is_entry] == known).all()


@torch.no_grad()
@pytest.mark.parametrize("num_glyphs", [0, 9])
def test_a_temperature_does_not_favour_the_escape_for_its_many_patches(num_glyphs: int) -> None:
    """Half of the probability lies on some 250 patches of 0.2 % each: at temperature 0.5 on one patch in a hundred."""
    model = build_model(num_glyphs=num_glyphs, std=0.01)
    head = head_of(model)
    head.scores.bias.fill_(-20.0)
    head.scores.bias[[3, -1]] = 0.0
    state, rows = states(1).expand(2000, -1), 2000
    known = bytes_to_patches(head.memory.entries[3:4].long(), (8, 1))

    def share(temperature: float) -> float:
        drawn = head.sample(
            state, True, lambda _, scores: scores / temperature, torch.Generator().manual_seed(0)
        )
        return (drawn.patches == known).all(-1).sum().item() / rows

    exact = head.log_prob(states(1).expand(256, -1), all_patches())
    entry = int(head.memory.entries[3, 0])
    for temperature in (1.0, 0.5):
        wanted = (exact / temperature).softmax(0)[entry].item()
        assert share(temperature) == pytest.approx(wanted, abs=0.05)


@torch.no_grad()
@pytest.mark.parametrize("num_glyphs", [0, 9])
def test_the_eos_patch_can_be_forbidden(num_glyphs: int) -> None:
    model = build_model(num_glyphs=num_glyphs)
    head = head_of(model)
    head.scores.bias[head.memory.index(torch.tensor([[255]]))] = 50.0
    rows = torch.arange(400) % 2 == 0
    state = states(1).expand(400, -1)
    drawn = head.sample(state, True, no_eos=rows, generator=torch.Generator().manual_seed(0)).patches
    assert ((drawn == 0).all(-1) == ~rows).all()


@torch.no_grad()
def test_rows_do_not_depend_on_their_neighbours() -> None:
    head = head_of(build_model())
    state = states(12)
    together = head.sample(state, True, generator=[torch.Generator().manual_seed(i) for i in range(12)])
    for row in range(12):
        alone = head.sample(state[row : row + 1], True, generator=[torch.Generator().manual_seed(row)])
        assert torch.equal(alone.patches[0], together.patches[row])


# ---- training ----


def test_the_training_loss_bounds_the_exact_one() -> None:
    model = build_model(num_glyphs=0, std=0.1)
    head, state, patches = head_of(model), states(256), all_patches()
    exact = head.loss(state, patches)
    bound = head.train().loss(state, patches)
    is_entry = head.memory.index(ALL_BYTES[:, None]) < head.num_entries
    assert (bound >= exact - 1e-5).all() and (bound - exact)[is_entry].min() > 0
    assert torch.allclose(bound[~is_entry], exact[~is_entry], atol=1e-5)


def test_sampled_entries_stand_for_all_others() -> None:
    model = build_model(size=12, std=0.1, dictionary_frequent_entries=4, dictionary_sampled_entries=3)
    head, state = head_of(model).train(), states(6)
    patches = bytes_to_patches(head.memory.entries[:6].long(), (8, 1)).double()
    entry = torch.arange(6)
    with torch.no_grad():
        full = head.logits(state).logsumexp(-1).exp()
        torch.manual_seed(0)
        drawn = [head._sampled_logits(state, entry)[0].logsumexp(-1).exp() for _ in range(600)]
    assert torch.allclose(torch.stack(drawn).mean(0), full, rtol=0.05)
    head.sampled_entries = 100
    sampled = head.loss(state, patches)
    head.sampled_entries = None
    assert torch.allclose(sampled, head.loss(state, patches))
    sampled.sum().backward()
    assert model.model.embed_patches.memory is not None
    for parameter in (model.model.embed_patches.memory.embedding.weight, *head.scores.parameters()):
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0


def test_every_weight_gets_a_gradient_with_and_without_an_escape() -> None:
    model = build_model((8, 2)).train()
    known = head_of(model).memory.entries[1:5].long()[None]
    for column_bytes in (known, torch.arange(101, 109).view(1, 4, 2)):
        model.zero_grad()
        strips = bytes_to_pixels(column_bytes, (8, 2)).double()
        model(strips, labels=torch.zeros(1, 4, dtype=torch.int64)).loss.backward()
        assert all(parameter.grad is not None for parameter in model.parameters())


def test_dropped_memory_leaves_the_pixels() -> None:
    embedding = build_model(memory_dropout=1.0).model.embed_patches
    patches = all_patches()[:16]
    assert embedding.memory is not None
    assert (embedding.memory(patches) != 0).any(-1).sum() > 3
    assert (embedding.memory.train()(patches) == 0).all()


def test_without_a_dictionary_training_says_so() -> None:
    model = PixelARForCausalLM(PixelARConfig(**TINY, patch_head="dictionary", dictionary_size=4))
    with pytest.raises(ValueError, match="set_patch_dictionary"):
        model(torch.ones(1, 1, 8, 60), labels=torch.zeros(1, 3, dtype=torch.int64))


# ---- the table that `generate` keeps ----


@torch.no_grad()
def test_no_table_outlives_its_weights() -> None:
    model = build_model()
    head, state = head_of(model), states(2)
    before = head.logits(state)
    with head.drawing():
        assert head.table() is head.table()
        assert torch.equal(head.logits(state), before)
    for parameter in (
        model.model.embed_patches.projection.weight,
        model.model.embed_patches.memory.embedding.weight,  # type: ignore[union-attr]
    ):
        # Also past what autograd notices.
        parameter.data.mul_(1.5)
        with head.drawing():
            after = head.logits(state)
        assert not torch.allclose(before, after)
        with torch.enable_grad():
            assert torch.allclose(head.logits(state), after)
        before = after
    twin = copy.deepcopy(model)
    twin.model.embed_patches.projection.weight.mul_(0.5)
    assert torch.equal(head.logits(state), before) and not torch.allclose(head_of(twin).logits(state), before)
    twin.load_state_dict(model.state_dict())
    assert torch.allclose(head_of(twin).logits(state), before)


# ---- whole models ----


@torch.no_grad()
def test_saved_models_say_the_same(tmp_path: Path) -> None:
    model = build_model((8, 2)).float()
    strips = torch.randint(0, 2, (2, 1, 8, 12), generator=torch.Generator().manual_seed(0)).float()
    model.save_pretrained(tmp_path)
    loaded = PixelARForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(loaded.log_likelihood(strips), model.log_likelihood(strips))
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "dictionary_sha256": "0" * 64}))
    with pytest.raises(ValueError, match="patch dictionary"):
        PixelARForCausalLM.from_pretrained(tmp_path)


@torch.no_grad()
@pytest.mark.parametrize("do_sample", [False, True])
def test_padding_and_cache_change_nothing(do_sample: bool) -> None:
    processor = PixelProcessor(
        patch_size=(8, 40), strategy="word_pieces", newline="symbol", padding_side="left"
    )
    texts = ["The people of", "a man who and the", "th"]
    strips = [processor.renderer.render_bytes(text) for text in texts * 3]
    dictionary = PatchDictionary.fit(strips, (8, 40), 8, 20)
    config = PixelARConfig(**{**TINY, **dictionary.config_fields()}, initializer_range=0.3)
    torch.manual_seed(0)
    model = PixelARForCausalLM(config).eval().double()
    model.set_patch_dictionary(dictionary)
    head_of(model).scores.query.weight.mul_(20)

    def generate(batch: list[str], **options: Any) -> list[str]:
        inputs = processor(text=batch, add_eos=False, return_tensors="pt")
        generators = [torch.Generator().manual_seed(len(text)) for text in batch]
        out = model.generate(
            **inputs, max_new_patches=6, do_sample=do_sample, generator=generators, **options
        )
        return processor.batch_decode(out)

    together = generate(texts)
    assert together == [generate([text])[0] for text in texts]
    assert together == generate(texts, use_cache=False)
    for text, written in zip(texts, together, strict=True):
        assert written.startswith(text)
    padded = processor(text=texts, add_start=True, return_tensors="pt")
    alone = [
        model.log_likelihood(**processor(text=[text], add_start=True, return_tensors="pt")) for text in texts
    ]
    assert torch.allclose(model.log_likelihood(**padded), torch.cat(alone), atol=1e-5)


# ---- dictionaries ----


def test_a_dictionary_counts_patches(tmp_path: Path) -> None:
    strips = [bytes([1, 2, 1, 2, 3, 3]), bytes([1, 2, 9])]
    dictionary = PatchDictionary.fit(strips, (8, 2), size=3, num_glyphs=2, group_columns=1)
    assert dictionary.entries.tolist() == [[255, 255], [1, 2], [3, 3]]
    assert dictionary.counts.tolist() == [2, 3, 1, 1]
    assert sorted(dictionary.glyphs.ravel().tolist()) == [1, 255] or len(dictionary.glyphs) == 2
    path = tmp_path / "dictionary.npz"
    dictionary.save(path)
    loaded = PatchDictionary.load(path)
    assert loaded.sha256 == dictionary.sha256 and (loaded.entries == dictionary.entries).all()
    other, before = PatchDictionary.fit(strips, (8, 2), size=2, group_columns=1), path.read_bytes()
    with full_disk(100), pytest.raises(OSError, match="No space left"):
        other.save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["dictionary.npz"] and path.read_bytes() == before
    other.save(tmp_path / "dictionary")  # numpy's habit of adding the suffix
    assert PatchDictionary.load(path).sha256 == other.sha256


@pytest.mark.parametrize(
    "content", [b"", b"no zip", b"cut", {"entries": np.zeros((1, 2))}, {"patch_size": np.ones(3)}]
)
def test_damaged_dictionaries_name_their_file(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "dictionary.npz"
    if isinstance(content, dict):
        np.savez(path, **content)
    elif content == b"cut":
        PatchDictionary.fit([bytes([1, 2])], (8, 2), size=2, group_columns=1).save(path)
        path.write_bytes(path.read_bytes()[:-30])
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"dictionary\.npz is damaged"):
        PatchDictionary.load(path)
    with pytest.raises(FileNotFoundError, match=r"gone\.npz"):
        PatchDictionary.load(tmp_path / "gone.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"entries": np.zeros((2, 2), np.uint8)}, "differ"),
        ({"entries": np.zeros((2, 3), np.uint8)}, "entries must be"),
        ({"counts": np.zeros(1, np.int64)}, "counts"),
    ],
)
def test_bad_dictionaries_are_refused(change: dict[str, Any], message: str) -> None:
    good = {
        "entries": np.array([[1, 2], [3, 4]], np.uint8),
        "counts": np.ones(3, np.int64),
        "glyphs": np.zeros((0, 1), np.uint8),
    }
    with pytest.raises(ValueError, match=message):
        PatchDictionary(**{**good, **change}, patch_size=(8, 2))


@pytest.mark.parametrize(
    "fields",
    [
        {"patch_head": "dictionary"},
        {"dictionary_size": 4},
        {"patch_head": "dictionary", "dictionary_size": 4, "dictionary_sampled_entries": 0},
        {"patch_head": "dictionary", "dictionary_size": 4, "num_channels": 3},
    ],
)
def test_contradicting_configurations_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(StrictDataclassClassValidationError, match=r"dictionary|num_channels"):
        PixelARConfig(**BACKBONE, **fields)


def test_a_dictionary_of_another_size_is_refused() -> None:
    model = build_model()
    other = PatchDictionary.fit([bytes([1, 2, 3])], (8, 1), 2, group_columns=1)
    with pytest.raises(ValueError, match="config_fields"):
        model.set_patch_dictionary(other)
    with pytest.raises(ValueError, match="has no dictionary"):
        PixelARForCausalLM(PixelARConfig(**TINY)).set_patch_dictionary(other)


@torch.no_grad()
@pytest.mark.parametrize("way", [{}, {"do_sample": True, "temperature": 0.7}])
def test_a_compiled_step_draws_the_same(way: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries inside of it, what the escape stands for after it; one graph, and no table older than the weights."""
    graphs: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Any]) -> Any:
        graphs.append(len(inputs))
        return graph.forward

    model = build_model((8, 2), 9, 1)
    strips = torch.randint(0, 2, (3, 1, 8, 8), generator=torch.Generator().manual_seed(4)).double()
    # Without `return_dict_in_generate`: a cache that is returned is not used again, and torch 2.9 compiles for each.
    options: dict[str, Any] = {"max_new_patches": 12, "stop_at_eos": False, **way}
    static = {
        "cache_implementation": "static",
        "compile_config": CompileConfig(backend=backend, fullgraph=True, mode=None),
    }
    spelled: list[int] = []
    spell = model.patch_head.escape.sample_weighed
    monkeypatch.setattr(
        model.patch_head.escape,
        "sample_weighed",
        lambda states, *rest: (spelled.append(len(states)), spell(states, *rest))[1],
    )
    model.patch_head.scores.bias[-1] += 3
    for _ in range(2):
        wanted = model.generate(strips, generator=torch.Generator().manual_seed(5), **options)
        found = model.generate(strips, generator=torch.Generator().manual_seed(5), **options, **static)
        assert torch.equal(found, wanted)
        assert len(graphs) == 1
        model.patch_head.scores.bias.mul_(-0.5)  # read anew by the second turn
    assert spelled
