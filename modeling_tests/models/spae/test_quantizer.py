# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Pyramid and quantiser: fixtures computed in plain float64 loops, a second set of plain loops here, and invariants."""

import math

import pytest
import torch
from tools.fixture import deviation, load_fixture

from pixel_ar import LexicalCodebook, LexicalQuantizer
from pixel_ar.models.spae.pyramid import Pyramid
from pixel_ar.models.spae.semantics import assign, match_loss, pool_loss

FIXTURES = ("spae_quantizer_A", "spae_quantizer_B")
SHAPES = [
    ((4, 4), [(1, 1), (2, 2), (4, 4), (4, 4)]),
    ((1, 12), [(1, 1), (1, 3), (1, 12)]),
    ((6, 4), [(1, 1), (2, 1), (3, 2), (6, 4), (6, 4)]),
    ((5, 10), [(1, 2), (5, 5)]),
    ((3, 3), [(3, 3)]),
    ((7, 2), [(1, 1), (7, 1)]),
]


def quantizer(
    codebook: torch.Tensor, grid: tuple[int, int], pyramid: list[tuple[int, int]], **options: str
) -> LexicalQuantizer:
    words = [f"word{index}" for index in range(len(codebook))]
    return LexicalQuantizer(LexicalCodebook(codebook, words=words, norm="raw"), grid, pyramid, **options)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("fill", ["nearest", "zero"])
@pytest.mark.parametrize("kind", ["saq", "rq"])
@pytest.mark.parametrize("name", FIXTURES)
def test_fixtures(name: str, kind: str, fill: str, dtype: torch.dtype) -> None:
    """Ids of all layers, every prefix with both fills, counts."""
    fixture = load_fixture(name)
    about = fixture.about
    ours = quantizer(
        fixture.inputs["codebook"].to(dtype),
        grid=about["grid"],
        pyramid=about["pyramid"],
        quantization=kind,
        fill=fill,
    )
    output = ours(fixture.inputs["z"].to(dtype))
    worst = 0.0
    for layer in range(len(about["pyramid"])):
        assert torch.equal(output.ids[layer], fixture.outputs[f"{kind}.ids_{layer}"])
        expected = fixture.outputs[f"{kind}.zhat_{fill}_{layer}"]
        worst = max(worst, deviation(output.quantized[layer], expected))
        counts = torch.from_numpy(ours.pyramid.counts[layer]).view(about["grid"])
        assert torch.equal(counts, fixture.outputs[f"count_{layer}"])
        again = ours.from_ids(output.ids[: layer + 1])
        assert deviation(again, expected) <= 1e-6
    print(f"{name} {kind} {fill} {dtype}: {worst:.1e}")
    assert worst <= 1e-6


@pytest.mark.parametrize("name", FIXTURES)
def test_semantic_loss_of_pools(name: str) -> None:
    fixture = load_fixture(name)
    ours = quantizer(fixture.inputs["codebook"], fixture.about["grid"], fixture.about["pyramid"])
    queries = ours(fixture.inputs["z"]).queries[:2]
    loss = pool_loss(queries, ours.scores, fixture.inputs["word_scores"], (0.9, 0.7))
    assert deviation(loss[None], fixture.outputs["semantic_loss"]) <= 1e-6


def plain(
    latent: torch.Tensor, codebook: torch.Tensor, grid: tuple, pyramid: list, kind: str, fill: str
) -> tuple[list, list]:
    """The definitions in loops: ids and prefixes of one row `[c, H, W]`, float64."""
    held: dict[tuple[int, int], list[int]] = {}
    ids, prefixes = [], []
    for rows, columns in pyramid:
        down, right = grid[0] // rows, grid[1] // columns
        layer = []
        for i in range(1, rows + 1):
            for j in range(1, columns + 1):
                place = (down * i - math.ceil(down / 2), right * j - math.ceil(right / 2))
                before = held.setdefault(place, [])
                z = latent[:, place[0], place[1]]
                earlier = sum((codebook[k] for k in before), torch.zeros_like(z))
                target = z - earlier if kind == "rq" else (len(before) + 1) * z - earlier
                best = min(
                    range(len(codebook)), key=lambda k: (float((target - codebook[k]).square().sum()), k)
                )
                before.append(best)
                layer.append(best)
        ids.append(torch.tensor(layer).view(rows, columns))
        prefix = torch.zeros(latent.shape, dtype=latent.dtype)
        for row in range(grid[0]):
            for column in range(grid[1]):
                source = (row, column)
                if not held.get(source) and fill == "nearest":
                    filled = [place for place, tokens in held.items() if tokens]
                    source = min(filled, key=lambda p: ((p[0] - row) ** 2 + (p[1] - column) ** 2, p))
                if tokens := held.get(source):
                    summed = codebook[tokens].sum(0)
                    prefix[:, row, column] = summed if kind == "rq" else summed / len(tokens)
        prefixes.append(prefix)
    return ids, prefixes


@pytest.mark.parametrize("fill", ["nearest", "zero"])
@pytest.mark.parametrize("kind", ["saq", "rq"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_plain_loops(shape: tuple, kind: str, fill: str) -> None:
    """Grids, pyramids and sizes that no fixture has."""
    grid, pyramid = shape
    draw = torch.Generator().manual_seed(grid[0] * 10 + grid[1])
    codebook = torch.randn(19, 3, generator=draw, dtype=torch.float64)
    latent = torch.randn(2, 3, *grid, generator=draw, dtype=torch.float64)
    ours = quantizer(codebook, grid, pyramid, quantization=kind, fill=fill)
    output = ours(latent)
    for row in range(2):
        ids, prefixes = plain(latent[row], codebook, grid, pyramid, kind, fill)
        for layer in range(len(pyramid)):
            assert torch.equal(output.ids[layer][row], ids[layer])
            assert deviation(output.quantized[layer][row], prefixes[layer]) <= 1e-12


def test_token_counts_of_the_paper() -> None:
    layers = [(1, 1), (2, 2), (4, 4), (8, 8), (16, 16)]
    assert sum(Pyramid((16, 16), layers).num_tokens) == 341
    assert sum(Pyramid((16, 16), [*layers, (16, 16)]).num_tokens) == 597


def test_of_equally_near_entries_the_lowest_is_taken() -> None:
    codebook = torch.tensor([[3.0, 3.0], [1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]])
    ours = quantizer(codebook, (1, 2), [(1, 2)])
    latent = torch.tensor([[0.0, 0.9], [0.0, 0.0]]).view(1, 2, 1, 2)
    assert ours(latent).ids[0].tolist() == [[[1, 1]]]


def test_of_equally_near_places_the_first_is_taken() -> None:
    assert Pyramid((1, 5), [(1, 5)]).places[0].tolist() == [0, 1, 2, 3, 4]
    # Tokens on (1, 1), (1, 3), (3, 1), (3, 3): (2, 2) is as near to all four.
    sources = Pyramid((4, 4), [(2, 2)]).sources[0].reshape(4, 4)
    assert sources[2, 2] == 5 and sources[1, 2] == 5 and sources[0, 2] == 5 and sources[3, 2] == 13


def test_gradient_goes_to_the_place_that_fills() -> None:
    """Straight through: of the first prefix, the one place with a token gets the gradient of all places."""
    codebook = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    for fill, expected in (("nearest", 16.0), ("zero", 1.0)):
        latent = torch.randn(1, 3, 4, 4, requires_grad=True)
        ours = quantizer(codebook, (4, 4), [(1, 1), (4, 4)], fill=fill)
        output = ours(latent)
        output.quantized[0].sum().backward()
        wanted = torch.zeros(1, 3, 4, 4)
        wanted[:, :, 2, 2] = expected
        assert torch.equal(latent.grad, wanted)
        assert deviation(output.quantized[0].detach(), ours(latent.detach()).quantized[0]) <= 1e-6


def test_a_frozen_codebook_gets_no_gradient() -> None:
    ours = quantizer(torch.randn(9, 3), (2, 2), [(1, 1), (2, 2)])
    latent = torch.randn(2, 3, 2, 2, requires_grad=True)
    output = ours(latent)
    (output.commitment_loss + output.quantized[-1].square().sum()).backward()
    assert not list(ours.parameters()) and not ours.codebook.vectors.requires_grad
    assert latent.grad is not None and bool(latent.grad.abs().sum() > 0)


def test_words_and_back() -> None:
    ours = quantizer(torch.randn(30, 4), (2, 4), [(1, 1), (1, 2), (2, 4)])
    ids = ours(torch.randn(3, 4, 2, 4)).ids
    words = ours.to_words(ids)
    assert [len(layer) for layer in words[0]] == [1, 2, 8]
    assert all(torch.equal(a, b) for a, b in zip(ours.from_words(words), ids, strict=True))
    prefix = ours.to_words(ids[:2])
    assert all(torch.equal(a, b) for a, b in zip(ours.from_words(prefix), ids[:2], strict=True))
    with pytest.raises(ValueError, match="'nowhere' is not in the codebook"):
        ours.from_words([[["nowhere"], *words[0][1:]]])
    with pytest.raises(ValueError, match=r"has \[1, 1\] words in its layers.*hold \[1, 2\]"):
        ours.from_words([[["word1"], ["word2"]]])


def test_errors_name_both_sides() -> None:
    book = torch.randn(5, 3)
    with pytest.raises(ValueError, match=r"\(3, 3\) tokens does not divide the grid \(4, 4\)"):
        quantizer(book, (4, 4), [(3, 3)])
    ours = quantizer(book, (2, 2), [(1, 1), (2, 2)])
    with pytest.raises(ValueError, match=r"\[B, 3, 2, 2\].*\(1, 4, 2, 2\)"):
        ours(torch.zeros(1, 4, 2, 2))
    with pytest.raises(ValueError, match="1 to 2 layers, got 0"):
        ours.from_ids([])
    with pytest.raises(ValueError, match="lie in 5 to 5, but the codebook has 5"):
        ours.from_ids([torch.full((1, 1, 1), 5)])
    with pytest.raises(ValueError, match=r"must be \[1, 1, 1\]"):
        ours.from_ids([torch.zeros(1, 2, 2, dtype=torch.long)])
    with pytest.raises(ValueError, match="'saq' or 'rq'"):
        quantizer(book, (2, 2), [(1, 1)], quantization="vq")


def test_each_word_is_matched_to_one_place() -> None:
    """In order: the first word takes its best place, the second the best that is left."""
    scores = torch.tensor([[[3.0, 5.0], [1.0, 4.0], [0.0, 0.0]]])
    assert assign(scores, torch.tensor([[True, True]])).nonzero().tolist() == [[0, 0, 0], [0, 1, 1]]
    assert assign(scores, torch.tensor([[False, True]])).nonzero().tolist() == [[0, 0, 1]]


def test_match_loss_by_hand() -> None:
    codebook = torch.eye(4, dtype=torch.float64) * 2
    ours = quantizer(codebook, (2, 2), [(1, 1), (2, 2)])
    queries = ours(torch.randn(2, 4, 2, 2, dtype=torch.float64)).queries
    words = torch.tensor([[2, 0, 3], [1, -100, -100]])
    logs = [ours.scores(query).log_softmax(-1) for query in queries]
    first = -(logs[0][0, 0, 2] + logs[0][1, 0, 1]) / 2
    place = int(logs[1][0, :, 0].argmax())
    others = [index for index in range(4) if index != place]
    second = -(logs[1][0, place, 0] + logs[1][0, others, 3].max()) / 2
    assert deviation(match_loss(queries, ours.scores, words), (first + second) / 2) <= 1e-12
    assert match_loss(queries, ours.scores, torch.full((2, 3), -100)) is None
