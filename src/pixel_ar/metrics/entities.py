# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Scores of entities in tagged words, counted as CoNLL-2000's evaluation counts them (doi 10.3115/1117601.1117631)."""

from collections.abc import Sequence

PREFIXES = frozenset("BIES")


def entity_spans(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """The entities of a sentence.

    Tags are `O`, or a prefix and a type (`B-PER`; `I`, `E` for the last word, `S` for a single one). Sequences that
    break the rules of their scheme are read leniently: an entity begins wherever a type does.

    Args:
        tags: one per word.

    Returns:
        (type, first word, last word) of each, in order.

    Raises:
        ValueError: for a tag of another form.
    """
    entities: list[tuple[str, int, int]] = []
    is_open = False
    for place, tag in enumerate(tags):
        prefix, _, kind = tag.partition("-")
        if tag != "O" and prefix not in PREFIXES:
            raise ValueError(f"tag {tag!r} of word {place} is neither O nor B-, I-, E- or S- with a type.")
        if prefix in "IE" and is_open and entities[-1][0] == kind:
            entities[-1] = (kind, entities[-1][1], place)
        elif prefix != "O":
            entities.append((kind, place, place))
        is_open = prefix in "BI"
    return entities


def entity_f1(
    predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]
) -> dict[str, float | dict[str, float | int]]:
    """Precision, recall and F1 of whole entities: words and type must both be right.

    Args:
        predictions: tags of each sentence.
        references: tags of each sentence.

    Returns:
        `overall_precision`, `overall_recall`, `overall_f1` and `overall_accuracy` (of tags), and under each type its
        `precision`, `recall`, `f1` and `number` of references; 0 where there is nothing to divide by.

    Raises:
        ValueError: for no words, or sentences of different length, with their index.
    """
    if len(predictions) != len(references):
        raise ValueError(f"there are {len(predictions)} predictions, but {len(references)} references.")
    ours: set[tuple[int, str, int, int]] = set()
    theirs: set[tuple[int, str, int, int]] = set()
    same = total = 0
    for index, (predicted, right) in enumerate(zip(predictions, references, strict=True)):
        if len(predicted) != len(right):
            raise ValueError(f"sentence {index} has {len(predicted)} predicted tags for {len(right)} words.")
        ours |= {(index, *entity) for entity in entity_spans(predicted)}
        theirs |= {(index, *entity) for entity in entity_spans(right)}
        same += sum(one == other for one, other in zip(predicted, right, strict=True))
        total += len(right)
    if total == 0:
        raise ValueError("the references hold no words.")
    result: dict[str, float | dict[str, float | int]] = {}
    for kind in sorted({entity[1] for entity in ours | theirs}):
        of_kind = [{entity for entity in entities if entity[1] == kind} for entities in (ours, theirs)]
        precision, recall, f1 = _scores(*of_kind)
        result[kind] = {"precision": precision, "recall": recall, "f1": f1, "number": len(of_kind[1])}
    names = ("overall_precision", "overall_recall", "overall_f1")
    result |= dict(zip(names, _scores(ours, theirs), strict=True))
    return result | {"overall_accuracy": same / total}


def _scores(ours: set, theirs: set) -> tuple[float, float, float]:
    hits = len(ours & theirs)
    return (
        hits / len(ours) if ours else 0.0,
        hits / len(theirs) if theirs else 0.0,
        2 * hits / (len(ours) + len(theirs)) if ours or theirs else 0.0,
    )


__all__ = ["entity_f1", "entity_spans"]
