# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Streams of documents: each reaches one worker, once a pass, however many workers and files there are."""

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset
from torch.utils.data import DataLoader, IterableDataset

from pixel_ar import PixelProcessor
from pixel_ar.training import PackedTextDataset
from pixel_ar.training.documents import endless

PER_FILE = 6


class Stream(IterableDataset):
    """What a worker gets, one pass of it."""

    def __init__(self, documents: Any) -> None:
        self.documents = documents

    def __iter__(self) -> Any:
        for epoch, _, document in endless(self.documents):
            if epoch:
                return
            yield document["text"]


class Texts:
    """A stream that knows nothing of files."""

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Any:
        return iter([{"text": f"{self.epoch} {number}"} for number in range(PER_FILE)])


def write_files(folder: Path, count: int) -> list[str]:
    paths = []
    for file in range(count):
        path = folder / f"part-{file}.jsonl"
        rows = [json.dumps({"text": f"text {number} of file {file}"}) + "\n" for number in range(PER_FILE)]
        path.write_text("".join(rows), encoding="utf-8")
        paths.append(str(path))
    return paths


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize(("files", "workers"), [(1, 0), (1, 2), (4, 2), (3, 2), (2, 3)])
def test_every_document_reaches_one_worker(files: int, workers: int, tmp_path: Path) -> None:
    documents = load_dataset("json", data_files=write_files(tmp_path, files), split="train", streaming=True)
    loader = DataLoader(
        Stream(documents.shuffle(seed=1, buffer_size=3)), batch_size=None, num_workers=workers
    )
    seen = Counter(loader)
    assert set(seen.values()) == {1} and len(seen) == PER_FILE * files


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_of_other_streams_a_worker_takes_every_nth() -> None:
    assert sorted(DataLoader(Stream(Texts()), batch_size=None, num_workers=2)) == [
        f"0 {number}" for number in range(PER_FILE)
    ]
    with pytest.raises(ValueError, match="too few for 8 workers"):
        list(DataLoader(Stream(Texts()), batch_size=None, num_workers=8))


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_packing_with_more_workers_than_files_goes_on(tmp_path: Path) -> None:
    documents = load_dataset("json", data_files=write_files(tmp_path, 1), split="train", streaming=True)
    dataset = PackedTextDataset(documents, PixelProcessor().renderer, 20, 8, max_rewind=0)
    blocks = itertools.islice(DataLoader(dataset, batch_size=None, num_workers=2), 20)
    texts = "".join(segment for block in blocks for segment in block["segments"])
    assert all(texts.count(f"text {number} of file 0") >= 2 for number in range(PER_FILE))
