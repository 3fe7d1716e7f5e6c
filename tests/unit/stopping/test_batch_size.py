"""Batch sizes that shrink with maturity, and scores that grow old."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from winnow.domain.errors import BadInput
from winnow.policy.stopping import next_batch_size, rescore
from winnow.policy.stopping_section import BatchSizeSection, RescoringSection
from winnow.stopping import AdaptiveBatchSize, Progress, rescore_needed, score_age, size_at

MEASURED = st.one_of(st.none(), st.floats(0, 1))
SERIES = st.lists(st.tuples(MEASURED, MEASURED), max_size=12)


@given(SERIES)
def test_sizes_stay_in_their_bounds_and_never_grow(
    measured: list[tuple[float | None, ...]],
) -> None:
    rule = AdaptiveBatchSize(start=1000, end=100)
    whole = Progress(
        len(measured),
        tuple(accuracy for accuracy, _ in measured),
        mean_entropies=tuple(entropy for _, entropy in measured),
        n_labels=tuple(1000 * (n + 1) for n in range(len(measured))),
    )
    sizes = [rule.decide(whole.until(n)).size for n in range(len(measured) + 1)]
    assert sizes[0] == 1000
    assert sizes == sorted(sizes, reverse=True)
    assert all(100 <= size <= 1000 for size in sizes)


def test_a_model_that_matures_goes_from_a_thousand_to_a_hundred() -> None:
    accuracies = (0.5, 0.75, 0.88, 0.93, 0.95, 0.955, 0.957)
    entropies = (0.6, 0.4, 0.2, 0.1, 0.06, 0.05, 0.04)
    labels = (1000, 2000, 2800, 3400, 3800, 4000, 4150)
    so_far = Progress(7, accuracies, mean_entropies=entropies, n_labels=labels)
    sizes = [AdaptiveBatchSize().decide(so_far.until(n)).size for n in range(8)]
    assert sizes[0] == sizes[1] == 1000
    assert sizes[-1] == 100
    assert 100 < sizes[4] < 500


def test_the_number_of_rounds_alone_changes_nothing() -> None:
    flat = Progress(9, (None,) * 9)
    assert AdaptiveBatchSize().decide(flat).size == 1000
    assert AdaptiveBatchSize().decide(flat).reason == "nothing is measured yet"
    young = Progress(9, (0.4,) * 9, mean_entropies=(0.7,) * 9)
    assert AdaptiveBatchSize().decide(young).size == 1000


def test_one_odd_measure_does_not_decide() -> None:
    accuracies = (0.3, 0.4, 0.5, 0.6)
    sure = Progress(4, accuracies, mean_entropies=(0.6, 0.6, 0.6, 0.0))  # certain, and wrong
    found = AdaptiveBatchSize().decide(sure)
    numbers = dict(found.numbers)
    assert numbers["by_entropy"] == 1.0
    assert numbers["maturity"] == max(numbers["by_accuracy"] or 0, numbers["by_gain"] or 0)
    assert found.size > 500


def test_half_way_is_the_geometric_mean() -> None:
    assert size_at(0.5, start=1000, end=10) == 100
    assert size_at(0.5, start=7, end=7) == 7
    with pytest.raises(BadInput, match="end <= start"):
        AdaptiveBatchSize(start=10, end=20)


def test_the_policy_section_gives_the_rule_and_checks_its_bounds() -> None:
    assert next_batch_size(BatchSizeSection(), Progress(0, ())).size == 1000
    so_far = Progress(1, (0.95,), mean_entropies=(0.05,))
    assert next_batch_size(BatchSizeSection(start=64, end=8), so_far).size == 8
    with pytest.raises(ValidationError, match="start is 10, but end is 20"):
        BatchSizeSection(start=10, end=20)
    with pytest.raises(ValidationError, match=r"entropy_young is 0\.1, but entropy_mature is 0\.2"):
        BatchSizeSection(entropy_young=0.1, entropy_mature=0.2)


def test_scores_are_too_old_by_versions_or_by_disagreement() -> None:
    assert score_age(scored_by=2, newest=2) == 0
    with pytest.raises(BadInput, match="up to number 2"):
        score_age(scored_by=3, newest=2)
    assert not rescore_needed(1, age_max=1).needed
    late = rescore_needed(2, age_max=1)
    assert late.needed
    assert late.reason == "scores are 2 committee versions old, at most 1 allowed"
    assert dict(late.numbers)["age"] == 2
    assert not rescore_needed(0, age_max=0, kappa=0.1, kappa_min=0.9).needed
    section = RescoringSection(score_age_max=2, kappa_min=0.6)
    assert rescore(section, 1, kappa=0.5).needed
    assert not rescore(section, 1, kappa=0.7).needed
    assert not rescore(section, 1).needed
    with pytest.raises(BadInput, match="at least 0"):
        rescore_needed(-1, age_max=1)
