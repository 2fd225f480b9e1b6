# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Screenshot parsing: trees to simplified HTML, what is asked for, and what is crossed out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers import ByT5Tokenizer

from pixel_ar import PixelProcessor
from pixel_ar.training import PageCollator, ScreenshotPages
from pixel_ar.training.pages.page import crossed_box
from pixel_ar.training.pages.screenshots import BLUE, PageNode, fitting_subtrees, simplify

SIZE = (60, 100)


def text(words: str, *box: float) -> dict[str, Any]:
    return {"text": words, "box": box}


def tree() -> dict[str, Any]:
    """A heading, an image, a list, and what nobody sees."""
    cells = [{"tag": "li", "box": [10, 30 + 10 * n, 60, 8], "children": [text(f"item {n}", 12, 30 + 10 * n, 40, 8)]}
             for n in range(2)]  # fmt: skip
    return {
        "tag": "BODY",
        "box": [0, 0, 100, 300],
        "children": [
            {"tag": "div", "box": [0, 0, 100, 10], "children": [
                {"tag": "h1", "box": [0, 0, 100, 10], "children": [text(" a <b> \n c", 5, 2, 30, 8)]}]},
            {"tag": "img", "box": [70, 12, 20, 10], "alt": 'a "cat"', "source": "cat.png"},
            {"tag": "ul", "box": [10, 30, 60, 20], "children": cells},
            text("   ", 0, 0, 100, 10),
            {"tag": "p", "box": [0, 200, 100, 10], "children": [text("below the page", 0, 200, 90, 10)]},
            {"tag": "p", "box": [0, 0, 0, 0], "children": [text("without a box", 0, 0, 0, 0)]},
            {"tag": "img", "box": [0, 20, 5, 5]},
        ],
    }  # fmt: skip


def test_trees_are_simplified() -> None:
    seen = simplify(PageNode.from_json(tree()), SIZE)
    assert seen is not None
    assert (
        seen.to_html() == '<<a &lt;b&gt; c> <img alt="a &quot;cat&quot;" src="cat.png"> <<item 0> <item 1>>>'
    )
    assert simplify(seen, SIZE) == seen
    assert [node.tag for node in seen.walk() if node.tag] == ["body", "h1", "img", "ul", "li", "li"]
    assert simplify(PageNode.from_json(tree()["children"][4]), SIZE) is None
    parts = fitting_subtrees(seen, lambda target: len(target) <= 45)
    assert [part.tag for part in parts] == ["h1", "img", "ul"]
    assert [part.tag for part in fitting_subtrees(seen, lambda target: len(target) <= 12)] == ["li", "li"]


def test_broken_trees_are_refused() -> None:
    with pytest.raises(ValueError, match="box of four numbers"):
        PageNode.from_json({"tag": "p", "box": [1, 2]})
    with pytest.raises(ValueError, match="a list of children"):
        PageNode.from_json({"tag": "p", "box": [1, 2, 3, 4], "children": ["x"]})
    deep: dict[str, Any] = text("x", 0, 0, 1, 1)
    for _ in range(600):
        deep = {"tag": "div", "box": [0, 0, 1, 1], "children": [deep]}
    with pytest.raises(ValueError, match="levels deep"):
        PageNode.from_json(deep)


def write(folder: Path, *rows: Any) -> Path:
    Image.new("RGB", SIZE[::-1], "white").save(folder / "page.png")
    (folder / "pages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def test_parts_are_framed_and_half_of_their_texts_crossed_out(tmp_path: Path) -> None:
    row = {"image": "page.png", "tree": tree()}
    pages = ScreenshotPages(write(tmp_path, *[row] * 40), max_target=45)
    assert len(pages) == 40 and pages.left_out == 0
    targets, crossed = set(), 0
    for page in (pages[index] for index in range(40)):
        targets.add(page.target)
        assert page.task == "html" and page.pixels.shape == (*SIZE, 3) and page.header is None
        is_blue = (page.pixels == BLUE).all(-1)
        rows, columns = is_blue.any(1).nonzero()[0], is_blue.any(0).nonzero()[0]
        if page.target.startswith("<<item"):
            # The list has a box of 60 x 20 at (10, 30), and a frame of two pixels around it.
            assert (rows[0], rows[-1], columns[0], columns[-1]) == (28, 51, 8, 71)
            assert not is_blue[30:50, 10:70].any()
            for top in (30, 40):
                place = page.pixels[top : top + 8, 12:52, 0]
                assert (place == 255).all() or np.array_equal(place, crossed_box(8, 40))
                crossed += not (place == 255).all()
    assert len(targets) == 3 and crossed > 0
    plain = ScreenshotPages(tmp_path, max_target=200, crossed_out=0)[0]
    assert plain.target.count("item") == 2 and (plain.pixels[30:50, 10:70] == 255).all()

    collate = PageCollator(PixelProcessor(page_patch_size=(8, 10), page_max_patches=30), ByT5Tokenizer(extra_ids=0),
                           num_channels=3, resize=True)  # fmt: skip
    batch = collate([pages[0], plain])
    assert batch["flattened_patches"].shape == (2, 30, 2 + 240) or batch["flattened_patches"].shape[1] <= 30
    with pytest.raises(ValueError, match="at their own size"):
        PageCollator(collate.processor, collate.tokenizer, reading_slots=2, resize=True)


def test_folders_without_pages_are_refused(tmp_path: Path) -> None:
    row = {"image": "page.png", "tree": tree()}
    with pytest.raises(ValueError, match="at most 3"):
        ScreenshotPages(write(tmp_path, row), max_target=3)
    with pytest.raises(ValueError, match="line 2"):
        ScreenshotPages(write(tmp_path, row, {"image": "page.png"}))
    with pytest.raises(ValueError, match="crossed_out must lie"):
        ScreenshotPages(tmp_path, crossed_out=2)
