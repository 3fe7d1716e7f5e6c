"""What the figures say: ticks are counts that there can be, and all that was paid is seen."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from winnow.cli.report.facts import BudgetFacts, RoundFacts
from winnow.cli.report.figures import budget_burn, learning_curves, score_histograms
from winnow.cli.report.measures import ACCURACY
from winnow.cli.report.paired import Comparison, Curves
from winnow.domain.ids import BudgetId, Micros
from winnow.domain.labels import CLASSIFICATION
from winnow.domain.money import Balances, Budget, BudgetKind, Unit

START = datetime(2026, 1, 1, tzinfo=UTC)


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


def scored_round(number: int, *, n_frames: int) -> RoundFacts:
    return RoundFacts(
        number=number, state="closed", reason="", batch_id="", batch_state="", picks=(),
        scores_N=np.full(n_frames, 0.5), scores_picked_B=np.array([0.5]), n_labels=0, metrics={},
        stop={}, label_kind=CLASSIFICATION, asked=None, trained=None, evaluation=None,
    )  # fmt: skip


def words_of(drawn: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", drawn)


@pytest.mark.parametrize(
    ("n_frames", "told"),
    [(3, ["0", "2"]), (9, ["0", "2", "5"]), (400, ["0", "2", "5", "10", "100"])],
)
def test_bars_of_scores_are_counted_in_whole_frames(n_frames: int, told: list[str]) -> None:
    words = words_of(score_histograms([scored_round(1, n_frames=n_frames)]))
    assert words[words.index("acquisition score") + 1 : words.index("frames")] == told


def test_scores_of_many_rounds_are_as_wide_as_those_of_four() -> None:
    rounds = [scored_round(number, n_frames=9) for number in range(9)]
    sizes = [
        tuple(float(side) for side in re.findall(r'(?:width|height)="([\d.]+)pt"', drawn))
        for drawn in (score_histograms(rounds[:4]), score_histograms(rounds))
    ]
    (width, height), (width_of_nine, height_of_nine) = sizes
    assert (width_of_nine, height_of_nine) == pytest.approx((width, 3 * height))


def budget(*amounts: int, after: timedelta) -> BudgetFacts:
    """Give a budget of which so many micros were spent, the last ones after this time."""
    steps = [(START, micros) for micros in amounts[:-1]] + [(START + after, amounts[-1])]
    return BudgetFacts(
        budget=Budget(BudgetId("b"), BudgetKind.LABEL_QA, "kim", Unit("currency:USD")),
        period="2026-Q4",
        balances=Balances(*map(Micros, (-9_000_000, 0, 0, amounts[-1], 0, 0))),
        spent_steps=tuple(steps),
        committed_steps=tuple(steps),
    )


def test_what_a_budget_paid_last_is_seen_and_all_budgets_have_one_clock() -> None:
    long, short = timedelta(days=3), timedelta(0)
    drawn = budget_burn([budget(0, 1_000_000, 4_000_000, after=one) for one in (long, short)])
    words = words_of(drawn)
    assert words.count("days since the first reservation") == 2
    for axis in (words[: words.index("USD")], words[words.index("USD") + 1 :]):
        assert "3" in axis, "days"
    paths = [path for path in re.findall(r' d="([^"]*)"', drawn) if path.count("L") > 4]
    for path in paths:
        points = [tuple(map(float, one.split())) for one in re.findall(r"[ML] ([-\d. ]+)", path)]
        top = min(y for _, y in points)
        at_top = [x for x, y in points if y == top]
        assert max(at_top) - min(at_top) > 5, "the last amount has a width"
