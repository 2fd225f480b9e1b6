# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Bar charts: the table is what the bars say."""

import json

import numpy as np
import pytest

from pixel_ar import PixelProcessor
from pixel_ar.training import ChartPages, score_pages
from pixel_ar.training.pages.charts import INKS


def test_the_table_can_be_measured_on_the_chart() -> None:
    renderer = PixelProcessor().renderer
    charts = ChartPages(renderer, 40, seed=3)
    seen = set()
    for chart in (charts[index] for index in range(len(charts))):
        top, ground = (next(text.top for text in chart.texts if text.text == value) for value in ("9", "0"))
        # The ground is below the 0, the highest value where the 9 begins.
        ground += renderer.height
        labels = [text for text in chart.texts if text.tag == "label"]
        assert [text.text for text in labels] == list(chart.fields)
        for text in labels:
            middle = text.left + renderer.measure(text.text) // 2
            column = chart.pixels[: ground - 1, middle]
            height = int((column != 255).sum()) + (column[-1] != 255)
            value = chart.fields[text.text]
            # A bar of the lowest value hides behind the ground.
            assert value == round(9 * height / (ground - top)), (chart.target, text.text)
            seen.add(value)
        assert json.loads(chart.target) == chart.fields and chart.task == "parse"
        assert set(np.unique(chart.pixels)) <= {0, 255, *INKS}
    assert seen == set(range(10))
    assert charts[5].target == ChartPages(renderer, 1, seed=3, first=5)[0].target
    assert score_pages([charts[0].target], [charts[0]])["field_f1"] == 1
    with pytest.raises(IndexError):
        charts[40]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bars": (0, 2)}, "from 1 to 12"),
        ({"highest": 60}, "charts need 70 x"),
        ({"size": (64, 60)}, "fewer bars"),
    ],
)
def test_charts_that_do_not_fit_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ChartPages(PixelProcessor().renderer, **options)
