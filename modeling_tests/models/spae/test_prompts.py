# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Words of any tokenizer, prompts, and pictures written by a language model that knows nothing of them."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tools.spae import COLORS, WORDS, random_llama, small_codebook, small_spae, word_tokenizer
from transformers import PreTrainedTokenizerFast

from pixel_ar import LexicalCodebook, LexicalLogitsProcessor, LexicalPrompt, ProgressiveDecoder, SpaeModel
from pixel_ar.models.spae.codebook import given_words, hash_tokenizer, round_trip_words


@pytest.fixture(scope="module")
def spae() -> SpaeModel:
    return small_spae().eval()


@pytest.fixture(scope="module")
def shown(spae: SpaeModel) -> list[tuple[torch.Tensor, ...]]:
    """Ids of four pictures, one by one."""
    pixels = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    layers = spae.encode(pixels)
    return [tuple(layer[row] for layer in layers) for row in range(4)]


def byte_level_tokenizer() -> PreTrainedTokenizerFast:
    """BPE with the blank before a word inside its token, as GPT-2 has it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=["<s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(["Input: black large circle Output: red small square cross"] * 50, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="<s>")


@pytest.mark.parametrize("make", [word_tokenizer, byte_level_tokenizer])
def test_words_come_back_from_a_text(make: object) -> None:
    tokenizer = make()  # type: ignore[operator]
    found, lead = round_trip_words(tokenizer)
    assert {"black", "red", "circle"} <= set(found)
    assert lead == (" " if make is byte_level_tokenizer else "")
    text = lead + " ".join(found)
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == list(found.values())
    backwards = dict(reversed(found.items()))
    assert tokenizer(lead + " ".join(backwards), add_special_tokens=False)["input_ids"] == list(
        backwards.values()
    )


def test_words_that_do_not_come_back_are_named() -> None:
    with pytest.raises(ValueError, match=r"1 of 2 words are not one token each.*'violet'"):
        given_words(word_tokenizer(), ["black", "violet"])


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("layer", ["input", "output", 1])
def test_codebook_of_a_language_model(tmp_path: Path, layer: str | int, tied: bool) -> None:
    tokenizer = word_tokenizer()
    model = random_llama(len(tokenizer), tied)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    book = LexicalCodebook.from_pretrained(tmp_path, layer=layer, norm="raw", limit=20)
    assert set(book.words) <= {*WORDS, "is", "a"} and book.size == 20
    if layer == 1:
        states = model.model(
            torch.tensor([[int(book.token_ids[3])]]), output_hidden_states=True
        ).hidden_states
        expected = states[1][0, -1]
    else:
        table = model.get_input_embeddings() if layer == "input" else model.get_output_embeddings()
        expected = table.weight[book.token_ids[3]]
    assert torch.allclose(book.vectors[3], expected, atol=1e-6)
    assert book.tokenizer_sha256 == hash_tokenizer(tokenizer)
    ids, _ = book.token_ids_in(tokenizer)
    assert torch.equal(ids, book.token_ids)
    # The same words in another vocabulary have other ids.
    others, _ = book.token_ids_in(word_tokenizer(shift=7))
    assert torch.equal(others, ids + 7)


def test_a_prompt_is_the_text_it_shows(spae: SpaeModel, shown: list) -> None:
    tokenizer = word_tokenizer()
    prompt = LexicalPrompt(spae.codebook, tokenizer)
    support = [(shown[0], "red"), (shown[1], "blue")]
    made = prompt.classification(support, shown[2], ["red", "blue"])
    assert tokenizer(made.text, add_special_tokens=False)["input_ids"] == made.input_ids
    words = [
        " ".join(word for layer in spae.to_words([layer[None] for layer in ids[:2]])[0] for word in layer)
        for ids in shown[:3]
    ]
    expected = f"Input: {words[0]} Output: red Input: {words[1]} Output: blue Input: {words[2]} Output:"
    assert made.text == expected
    assert made.label_ids == [tokenizer("red")["input_ids"], tokenizer("blue")["input_ids"]]


@pytest.mark.parametrize("tied", [False, True])
def test_labels_are_ranked_by_their_log_probability(spae: SpaeModel, shown: list, tied: bool) -> None:
    """Labels of different lengths, against one forward pass for each."""
    tokenizer = word_tokenizer(shift=2)
    model = random_llama(len(tokenizer) + 3, tied)
    prompt = LexicalPrompt(spae.codebook, tokenizer, layers=3)
    labels = ["red", "black circle small", "green"]
    support = [(ids, label) for ids, label in zip(shown, labels, strict=False)]
    ranked = prompt.classify(model, support, shown[3], labels)
    made = prompt.classification(support, shown[3], labels)
    for label, ids in zip(labels, made.label_ids, strict=True):
        row = torch.tensor([made.input_ids + ids])
        logs = model(row).logits[0].detach().log_softmax(-1)
        start = len(made.input_ids)
        alone = sum(float(logs[start + index - 1, token]) for index, token in enumerate(ids))
        assert ranked[label] == pytest.approx(alone, abs=1e-4)
    assert list(ranked.values()) == sorted(ranked.values(), reverse=True)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("sampling", [{"do_sample": False}, {"do_sample": True}, {"num_beams": 2}], ids=str)
def test_progressive_decoding(spae: SpaeModel, shown: list, tied: bool, sampling: dict) -> None:
    """Exact counts, codebook words alone, and every output decodes, whatever the vocabulary."""
    tokenizer = word_tokenizer(shift=5)
    model = random_llama(len(tokenizer) + 4, tied)
    prompt = LexicalPrompt(spae.codebook, tokenizer).denoising(shown[:2])
    for segment in (16, 5):
        ids = ProgressiveDecoder(spae).generate(model, prompt, segment=segment, **sampling)
        assert [tuple(layer.shape) for layer in ids] == [(1, 1, 1), (1, 2, 2), (1, 4, 4)]
        assert all(0 <= int(layer.min()) <= int(layer.max()) < spae.codebook.size for layer in ids)
        assert spae.decode(ids).shape == (1, 3, 8, 8)


def test_segments_beside_each_other_are_as_alone(spae: SpaeModel, shown: list) -> None:
    """Padding changes nothing: each segment equals a greedy continuation of its own prompt."""
    tokenizer = word_tokenizer()
    model = random_llama(len(tokenizer))
    prompt = LexicalPrompt(spae.codebook, tokenizer).generation([("black circle", shown[0])], "red")
    ids = ProgressiveDecoder(spae).generate(model, prompt, segment=7, do_sample=False)
    allowed = prompt.prompt.token_ids
    upper = [ids[0][0], ids[1][0]]
    written: list[int] = []
    for start, stop in ((0, 7), (7, 14), (14, 16)):
        row = prompt.segment(upper, start, stop)
        for _ in range(stop - start):
            logits = model(torch.tensor([row])).logits[0, -1]
            row.append(int(allowed[logits[allowed].argmax()]))
        written += row[-(stop - start) :]
    assert prompt.prompt.layer_tokens(ids, 2) == written


def test_a_prompt_that_is_too_long_says_both_numbers(spae: SpaeModel, shown: list) -> None:
    tokenizer = word_tokenizer()
    model = random_llama(len(tokenizer), length=30)
    prompt = LexicalPrompt(spae.codebook, tokenizer)
    with pytest.raises(
        ValueError, match="the prompt has 23 tokens and 1 shall follow, but the model reads 20"
    ):
        prompt.classify(
            random_llama(len(tokenizer), length=20),
            [(shown[0], "red"), (shown[1], "blue")],
            shown[2],
            ["red", "blue"],
        )
    with pytest.raises(ValueError, match="30 tokens and 5 shall follow, but the model reads 30"):
        ProgressiveDecoder(spae).generate(
            model, prompt.denoising(shown[:2], ratios=(0.5, 0.3), query="red blue green black")
        )


def test_denoising_replaces_the_share_of_words_that_it_says(spae: SpaeModel, shown: list) -> None:
    prompt = LexicalPrompt(spae.codebook, word_tokenizer(), layers=3)
    clean = prompt.tokens(shown[0])
    draw = torch.Generator().manual_seed(0)
    assert prompt.corrupt(shown[0], 0.0, draw) == clean
    changed = [a != b for a, b in zip(prompt.corrupt(shown[0], 0.5, draw), clean, strict=True)]
    assert 6 <= sum(changed) <= round(0.5 * 21)
    assert len(prompt.denoising(shown[:3], generator=draw).examples) == 3
    with pytest.raises(ValueError, match="3 pictures; pass as many ratios"):
        prompt.denoising(shown[:3], ratios=(0.5, 0.2))


def test_logits_processor_leaves_the_codebook_alone() -> None:
    scores = torch.randn(2, 9)
    masked = LexicalLogitsProcessor([4, 2])(torch.zeros(2, 1, dtype=torch.long), scores)
    assert torch.equal(masked[:, [2, 4]], scores[:, [2, 4]])
    assert torch.isinf(masked[:, [0, 1, 3, 5, 6, 7, 8]]).all()
    with pytest.raises(ValueError, match="token id 12, but the model's vocabulary ends at 8"):
        LexicalLogitsProcessor([12])(torch.zeros(2, 1, dtype=torch.long), scores)


def test_errors_name_the_way_out(spae: SpaeModel, shown: list) -> None:
    prompt = LexicalPrompt(spae.codebook, word_tokenizer())
    with pytest.raises(ValueError, match="does not know all of 'violet'"):
        prompt.classification([], shown[0], ["violet"])
    with pytest.raises(ValueError, match=r"'green' is not among \['red'\]"):
        prompt.classification([(shown[0], "green")], shown[1], ["red"])
    with pytest.raises(ValueError, match="layer 2 is asked for of a picture with 1 layers"):
        prompt.tokens(shown[0][:1])
    with pytest.raises(ValueError, match="does not know all of 'Picture:'"):
        LexicalPrompt(spae.codebook, word_tokenizer(), before="Picture:")
    with pytest.raises(ValueError, match="not one token each"):
        LexicalPrompt(small_codebook(), word_tokenizer(COLORS))
