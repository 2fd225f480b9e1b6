# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""SPAE: pictures, layers of words and codebooks that nobody should pass, and prompts of them."""

import functools
from pathlib import Path
from random import Random
from typing import Any

import torch
from fuzz.case import Case, Part, expect
from fuzz.configs import configuration_case
from fuzz.tensors import are_in_range, generator_of, shown, spoiled
from fuzz.texts import any_text, no_text, odd_number
from tools.spae import COLORS, WORDS, random_llama, small_codebook, small_spae, word_tokenizer

from pixel_ar import LexicalCodebook, LexicalPrompt, SpaeConfig, SpaeModel

ERRORS = (ValueError, TypeError)
_SMALL: dict[str, Any] = {
    "image_size": (8, 8),
    "hidden_sizes": (8,),
    "pyramid": ((1, 1), (2, 2)),
    "codebook_size": 32,
}


@functools.cache
def models() -> dict[str, Any]:
    """Tiny models, with words and without."""
    return {
        "words": small_spae().eval(),
        "residuals": small_spae(quantization="rq", fill="zero").eval(),
        "pools": small_spae(pool_assignment="pools").eval(),
        "learned": small_spae(codebook="learned").eval(),
    }


@functools.cache
def prompts() -> LexicalPrompt:
    """Prompts for a language model of the same words."""
    tokenizer = word_tokenizer()
    return LexicalPrompt(small_codebook(), tokenizer, layers=2, before="Input:", between="Output:", after=".")


@functools.cache
def language_model() -> Any:
    """That model, which knows nothing."""
    return random_llama(len(word_tokenizer()), length=64)


def prepare() -> None:
    models()
    prompts()
    language_model()


def make(rng: Random, number: int, folder: Path) -> Case:
    kind = rng.random()
    if kind < 0.1:
        return configuration_case(rng, SpaeConfig, SpaeModel, _SMALL)
    if kind < 0.25:
        return _codebook(rng)
    name = rng.choice(list(models()))
    if kind < 0.5:
        inputs = _inputs(rng, name)
        return Case(f"{name}({shown(inputs)})", lambda: _check_forward(name, inputs), ERRORS)
    if kind < 0.6:
        pixels = _inputs(rng, name)["pixel_values"]
        return Case(f"{name}.encode({pixels!r:.60})", lambda: _check_encode(name, pixels), ERRORS)
    if kind < 0.75:
        ids = _ids(rng)
        return Case(f"{name}.decode({_show_ids(ids)})", lambda: _check_decode(name, ids), ERRORS)
    if kind < 0.85:
        words = _words(rng)
        return Case(f"{name}.from_words({words!r:.150})", lambda: _check_words(name, words), ERRORS)
    return _prompt(rng)


def _inputs(rng: Random, name: str) -> dict[str, Any]:
    rows = rng.choice((1, 2, 3))
    pixels = torch.rand(rows, 3, 8, 8, generator=generator_of(rng))
    inputs: dict[str, Any] = {"pixel_values": pixels if rng.random() < 0.8 else (pixels * 255).byte()}
    if rng.random() < 0.4:
        inputs["word_ids"] = torch.randint(0, 32, (rows, rng.choice((1, 2, 5))), generator=generator_of(rng))
    if rng.random() < 0.3:
        inputs["word_scores"] = torch.rand(rows, models()[name].codebook.size, generator=generator_of(rng))
    for _ in range(rng.choice((0, 1, 1, 2))):
        key = rng.choice([*inputs, "word_ids", "word_scores", "extra"])
        value = inputs.get(key)
        if isinstance(value, torch.Tensor) and value.numel() and rng.random() < 0.8:
            inputs[key] = spoiled(rng, value)
        else:
            inputs[key] = rng.choice((no_text(rng), odd_number(rng)))
    return inputs


def _check_forward(name: str, inputs: dict[str, Any]) -> None:
    with torch.no_grad():
        output = models()[name](**inputs)
    if are_in_range(inputs):
        for key in ("loss", "reconstruction_loss", "semantic_loss", "pixel_values"):
            value = getattr(output, key)
            expect(value is None or bool(value.isfinite().all()), f"{key} is not finite")


def _check_encode(name: str, pixels: Any) -> None:
    model = models()[name]
    ids = model.encode(pixels)
    for layer, shape in zip(ids, model.config.pyramid, strict=True):
        expect(layer.shape == (len(pixels), *shape), f"ids of the shape {tuple(layer.shape)}")
        expect(bool(((layer >= 0) & (layer < model.codebook.size)).all()), "an entry that the codebook lacks")
    expect(bool(model.decode(ids).isfinite().all()), "decoded to no numbers")


def _ids(rng: Random) -> Any:
    rows, shapes = rng.choice((1, 2)), ((1, 1), (2, 2), (4, 4))
    ids: list[Any] = [
        torch.randint(0, 30, (rows, *shape), generator=generator_of(rng))
        for shape in shapes[: rng.choice((0, 1, 2, 3, 3))]
    ]
    if ids and rng.random() < 0.6:
        place = rng.randrange(len(ids))
        ids[place] = spoiled(rng, ids[place]) if rng.random() < 0.7 else no_text(rng)
    if rng.random() < 0.1:
        return rng.choice((no_text(rng), odd_number(rng), tuple(ids), ids * 2))
    return ids


def _show_ids(ids: Any) -> str:
    return shown(dict(enumerate(ids))) if isinstance(ids, list) else f"{ids!r:.60}"  # type: ignore[arg-type]


def _check_decode(name: str, ids: Any) -> None:
    pictures = models()[name].decode(ids)
    expect(pictures.shape == (len(ids[0]), 3, 8, 8), f"pictures of the shape {tuple(pictures.shape)}")
    expect(bool(((pictures >= 0) & (pictures <= 1)).all()), "pixels outside 0 to 1")


def _words(rng: Random) -> Any:
    def layer(count: int) -> Any:
        names: list[Any] = [rng.choice(WORDS) for _ in range(count)]
        if rng.random() < 0.1 and names:
            names[0] = rng.choice((no_text(rng), any_text(rng, 9)))
        return names

    pictures: list[Any] = [
        [layer(count + (rng.random() < 0.05)) for count in (1, 4, 16)[: rng.choice((0, 1, 2, 3))]]
        for _ in range(rng.choice((0, 1, 2)))
    ]
    if rng.random() < 0.2:
        return rng.choice((no_text(rng), odd_number(rng), [no_text(rng)], [[no_text(rng)]]))
    return pictures


def _check_words(name: str, words: Any) -> None:
    model = models()[name]
    ids = model.from_words(words)
    if words and ids:
        expect(
            model.to_words(ids) == [list(map(list, picture)) for picture in words], "other words came back"
        )


def _codebook(rng: Random) -> Case:
    size = rng.choice((1, 2, 5))
    vectors: Any = torch.randn(size, 4, generator=generator_of(rng))
    arguments: dict[str, Any] = {"vectors": vectors, "words": list(WORDS[:size])}
    if rng.random() < 0.5:
        arguments["vectors"] = spoiled(rng, vectors)
    choices: dict[str, tuple[Any, ...]] = {
        "words": (
            [any_text(rng, 9) for _ in range(size)],
            no_text(rng),
            [WORDS[0]] * size,
            [no_text(rng)] * size,
            list(WORDS[: size + 1]),
        ),
        "token_ids": (list(range(size)), torch.arange(size), [1.5] * size, no_text(rng), odd_number(rng)),
        "norm": ("raw", "sphere", odd_number(rng)),
        "lead": ("", " ", odd_number(rng)),
    }
    for key in rng.sample(list(choices), rng.choice((0, 1, 1, 2))):
        arguments[key] = rng.choice(choices[key])
    return Case(f"LexicalCodebook({shown(arguments)})", lambda: _check_codebook(arguments), ERRORS)


def _check_codebook(arguments: dict[str, Any]) -> None:
    book = LexicalCodebook(**arguments)
    expect(bool(book.vectors.isfinite().all()), "vectors that are no numbers")
    expect(book.words == tuple(arguments["words"]), "other words")
    SpaeConfig(**book.config_fields())


def _prompt(rng: Random) -> Case:
    def picture() -> Any:
        ids = [torch.randint(0, 30, (1, *shape), generator=generator_of(rng)) for shape in ((1, 1), (2, 2))]
        return ids if rng.random() < 0.8 else _ids(rng)

    labels = rng.choice((list(COLORS), [], ["red", "nobody"], "red", no_text(rng)))
    support: Any = [(picture(), rng.choice(COLORS)) for _ in range(rng.choice((0, 1, 2, 9)))]
    if rng.random() < 0.15:
        support = rng.choice((no_text(rng), [picture()], [(picture(), no_text(rng))]))
    query = picture()
    return Case(
        f"classify({len(support) if isinstance(support, list) else support!r:.40}, {_show_ids(query)}, {labels!r:.60})",
        lambda: _check_classify(support, query, labels),
        ERRORS,
    )


def _check_classify(support: Any, query: Any, labels: Any) -> None:
    found = prompts().classify(language_model(), support, query, labels)
    expect(set(found) == set(labels), "other labels than asked for")
    expect(all(score <= 0 for score in found.values()), "a log-probability above 0")


PART = Part("spae", make, share=6, prepare=prepare, batch=500)
__all__ = ["PART"]
