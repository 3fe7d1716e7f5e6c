"""The report says what the numbers say: who wins, how surely, and when nobody does."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from benchmark import answers
from benchmark.blocks import Block, Paragraph, Points, Table, markdown, page
from benchmark.curve import Run, Step
from benchmark.figure import drawn
from benchmark.plan import Plan
from benchmark.report import report_of
from benchmark.statistics import Floats, holm, labels_for, paired
from benchmark.tables import Found, cost_rows, csv_text, gain_rows, labels_needed, needed_rows
from winnow.domain.errors import BadInput

BUDGETS = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)


def run(method: str, seed: int, accuracies: Floats, *, seconds: float = 0.0) -> Run:
    steps = tuple(
        Step(
            budget=budget, n_labels=round(1000 * budget), accuracy=accuracy,
            class_accuracy=accuracy, counts={"a": 1, "b": 2}, n_repeats=0, starved=(),
            strategy="x", select_seconds=seconds, learn_seconds=0.0, isolation=1.0, doubt=0.5,
        )
        for budget, accuracy in zip(BUDGETS, accuracies.tolist(), strict=True)
    )  # fmt: skip
    return Run(
        pool="plain", method=method, seed=seed, n_pool=1000, n_distinct=1000, n_holdout=200,
        steps=steps,
    )  # fmt: skip


def found(gain: float, *, seeds: int = 5, seconds: float = 0.0) -> Found:
    """Give runs in which `margin` is so many points above random up to 75 %."""
    rng = np.random.default_rng(0)
    runs = []
    for seed in range(seeds):
        base = np.array([0.5, 0.6, 0.7, 0.8, 0.88, 0.9]) + rng.normal(0, 0.004)
        better = base + np.array([0, *[gain / 100] * 4, 0]) + rng.normal(0, 0.001, 6)
        better[-1] = base[-1]
        runs += [run("random", seed, base), run("margin", seed, better, seconds=seconds)]
    plan = Plan.told(methods=("margin",), seeds=seeds, pools=("plain",), mining=False)
    return Found(plan, runs, (), source="made", encoder="e", class_names=("a", "b"))


def test_a_clear_gain_is_certain_and_the_winner_is_named() -> None:
    text, check = answers.verdict(found(5.0))
    assert text.startswith("Certainly better than random in 4 of 5 comparisons")
    assert not check
    assert "**`margin`** has the highest mean" in answers.winner(found(5.0), [2, 3], "middle")


def test_low_budgets_alone_are_told_as_what_they_are() -> None:
    whole, budgets = found(5.0), BUDGETS[:2]
    runs = [
        one.model_copy(update={"steps": one.steps[:2], "pool": pool})
        for one in whole.curves
        for pool in ("plain", "duplicated")
    ]
    plan = whole.plan.model_copy(update={"budgets": budgets, "pools": ("plain", "duplicated")})
    low = Found(plan, runs, (), class_names=whole.class_names)
    assert answers.duplicates(low) == [
        "No budget from 25 to 50 % was measured, where repeats are counted."
    ]
    assert answers.duplicates(whole) == ["The run was not repeated with duplicated pools."]
    assert "one point of random with 10 % labeled (" in answers.fewest_labels(low)
    assert "one point of what all labels give (" in answers.fewest_labels(whole)


def test_a_share_between_two_budgets_is_not_called_below_the_least() -> None:
    whole = found(5.0)
    plan = whole.plan.model_copy(update={"budgets": (0.02, *BUDGETS[1:])})
    text = " ".join(answers.costs(Found(plan, whole.curves, ())))
    assert "5.0% of the pool (50 labels), none of the budgets that was measured" in text
    assert "0.5% of the pool (5 labels), below the least budget that was measured" in text


@pytest.mark.parametrize("source", ["digits", "a-data-set-with-quite-a-long-name-of-its-own"])
def test_the_figure_of_one_pool_has_its_names_beside_its_title_and_not_in_it(source: str) -> None:
    figure = drawn(replace(found(5.0), source=source))
    FigureCanvasAgg(figure).draw()
    (names,) = (one.get_window_extent() for one in figure.legends)
    assert not names.overlaps(figure._suptitle.get_window_extent())  # type: ignore[attr-defined]
    assert figure.bbox.contains(*names.max)


def test_that_no_slice_is_large_enough_to_mine_is_said_so() -> None:
    plan = Plan.told(methods=("margin",), seeds=5, pools=("plain",), mining=True)
    text = markdown(report_of(replace(found(5.0), plan=plan), b""))
    assert "No slice has 8 frames in each half of the holdout and a failure among them" in text


def test_random_is_not_compared_with_itself_where_it_suffers_most() -> None:
    made = found(5.0)
    suffering = [
        one.model_copy(
            update={
                "pool": "duplicated",
                "steps": tuple(
                    step.model_copy(update={"n_repeats": 9, "accuracy": step.accuracy - 0.1})
                    if one.method == "random"
                    else step
                    for step in one.steps
                ),
            }
        )
        for one in made.curves
    ]
    plan = Plan.told(methods=("margin",), seeds=5, pools=("plain", "duplicated"), mining=False)
    both = Found(
        plan, [*made.curves, *suffering], (), source="m", encoder="e", class_names=("a", "b")
    )
    (text,) = answers.duplicates(both)
    assert "`random` loses the most beside its own curve on the plain pool: -10.00 points." in text


def test_if_nobody_beats_random_it_says_so_and_lists_what_to_check() -> None:
    poor = found(-5.0)
    text, check = answers.verdict(poor)
    assert "No method" in text
    assert "certainly worse" in text
    assert check
    blocks = report_of(poor, b"")
    assert any(isinstance(block, Points) and block.items is answers.CHECKS for block in blocks)


def test_gains_come_with_spread_test_and_correction() -> None:
    rows = gain_rows(found(5.0), 0.25, 0.75)
    assert [row["budget"] for row in rows] == [0.25, 0.5, 0.75]
    assert all(4 < float(row["gain_points"] or 0) < 6 for row in rows)
    assert all(float(row["p_holm"] or 0) >= float(row["p"] or 0) for row in rows)
    assert {row["verdict"] for row in rows} == {"better"}
    assert csv_text(rows).startswith("pool,method,budget,labels,accuracy")


def test_one_seed_is_no_test() -> None:
    (row, *_) = gain_rows(found(5.0, seeds=1), 0.25, 0.75)
    assert row["gain_std"] is None
    assert row["verdict"] == "undecided"
    assert "one seed: no test" in answers.winner(found(5.0, seeds=1), [2], "middle")


def test_labels_needed_lie_between_budgets_by_a_line() -> None:
    assert labels_for(0.85, [0.8, 0.9], [100, 200]) == pytest.approx(150)
    assert labels_for(0.95, [0.8, 0.9], [100, 200]) == math.inf
    assert labels_for(0.5, [0.8, 0.9], [100, 200]) == 100
    needed = labels_needed(found(5.0), "plain", "margin")
    assert (needed < labels_needed(found(5.0), "plain", "random")).all()
    assert {row["seeds_reached"] for row in needed_rows(found(5.0))} == {5}


def test_money_is_labels_and_machine() -> None:
    slow = found(5.0, seconds=3600.0)
    by_factor = {row["factor"]: row for row in cost_rows(slow) if row["method"] == "margin"}
    # Five rounds of an hour at 3 an hour, at any price of labels.
    assert all(
        float(row["of_it_machine"] or 0) == pytest.approx(15, abs=3) for row in by_factor.values()
    )
    assert float(by_factor[100]["saved"] or 0) > 0 > float(by_factor[1]["saved"] or 0) - 1000
    assert float(by_factor[100]["money"] or 0) > 10 * float(by_factor[1]["money"] or 0)


def test_holm_is_larger_than_what_it_corrects_and_leaves_nan_alone() -> None:
    corrected = holm([0.01, math.nan, 0.02])
    assert corrected[0] == pytest.approx(0.02)
    assert math.isnan(corrected[1])
    assert corrected[2] == pytest.approx(0.02)


def test_equal_differences_are_certain_unless_they_are_zero() -> None:
    assert paired(np.array([1.0, 1.0, 1.0])).p == 0
    assert paired(np.array([0.0, 0.0, 0.0])).p == 1


def test_three_seeds_that_agree_to_the_frame_prove_little() -> None:
    one_frame = 100 / 359
    found = paired(np.full(3, 2 * one_frame), step=one_frame)
    assert found.std == 0
    assert 0.005 < found.p < 0.05


def test_the_page_escapes_and_the_markdown_does_not() -> None:
    blocks: list[Block] = [Paragraph("a < b **c** `d`"), Table(["x"], [["<y>"]])]
    assert "a &lt; b <strong>c</strong> <code>d</code>" in page(blocks, "t")
    assert "&lt;y&gt;" in page(blocks, "t")
    assert "| <y> |" in markdown(blocks)


def test_a_plan_with_mistakes_lists_them() -> None:
    with pytest.raises(BadInput, match=r"budgets: .*rising.*"):
        Plan.told(budgets=(0.5, 0.1))
    with pytest.raises(BadInput, match="no_such"):
        Plan.told(methods=("no_such",))
