"""What the figures say in words: ticks are label counts that there can be."""

from __future__ import annotations

import re

import pytest

from winnow.cli.report.figures import learning_curves
from winnow.cli.report.measures import ACCURACY
from winnow.cli.report.paired import Comparison, Curves


@pytest.mark.parametrize(
    ("counts", "told"),
    [((64,), ["64"]), ((61, 62, 64), ["61", "62", "63", "64"]), ((1, 2), ["1", "2"])],
)
def test_ticks_of_a_learning_curve_are_whole_labels(
    counts: tuple[int, ...], told: list[str]
) -> None:
    runs = ((counts, tuple(0.3 + pos / 10 for pos in range(len(counts)))),)
    drawn = learning_curves(Comparison(ACCURACY, Curves(runs), Curves(runs)))
    words = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)
    assert words[: words.index("labels approved for training")] == told
