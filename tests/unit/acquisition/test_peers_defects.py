"""What other libraries' scores get wrong: ours must differ exactly there."""

from __future__ import annotations

import numpy as np
import pytest

from winnow.acquisition import (
    acquisition_of,
    bald,
    density_of,
    entropy,
    epig,
    information_density,
    least_confidence,
    map_mutual_information,
    margin,
    variation_ratio,
    vote_entropy,
)

UNSURE = np.array([[[0.4, 0.3, 0.3]] * 3])  # members agree on an open question
SPLIT = np.array([[[0.98, 0.01, 0.01], [0.01, 0.98, 0.01], [0.01, 0.01, 0.98]]])
CERTAIN = np.array([[[0.98, 0.01, 0.01]] * 3])


def test_variation_ratio_counts_votes_and_is_not_least_confidence() -> None:
    assert variation_ratio(UNSURE).tolist() == [0.0]
    assert least_confidence(UNSURE)[0] == pytest.approx(0.6)
    assert variation_ratio(SPLIT)[0] == pytest.approx(2 / 3)


def test_votes_are_not_mean_probabilities() -> None:
    committee = np.array([[[0.9, 0.1], [0.45, 0.55], [0.45, 0.55]]])
    assert committee.mean(axis=1).argmax() == 0
    assert variation_ratio(committee)[0] == pytest.approx(1 / 3)
    assert vote_entropy(committee)[0] != pytest.approx(entropy(committee)[0])


def test_bald_is_large_where_members_differ_and_not_where_all_are_unsure() -> None:
    assert bald(SPLIT)[0] > 0.9
    assert bald(UNSURE)[0] == pytest.approx(0.0, abs=1e-15)
    assert entropy(UNSURE)[0] > 1.0
    assert bald(SPLIT)[0] > bald(UNSURE)[0]  # the mean of entropies minus theirs has this reversed


@pytest.mark.parametrize("function", [margin, least_confidence, entropy])
def test_larger_scores_are_labeled_sooner(function: object) -> None:
    unsure, certain = function(UNSURE)[0], function(CERTAIN)[0]  # type: ignore[operator]
    assert unsure > certain


def test_a_small_margin_is_a_large_score() -> None:
    close, apart = np.array([[[0.45, 0.44, 0.11]]]), np.array([[[0.7, 0.2, 0.1]]])
    assert margin(close)[0] == pytest.approx(0.99)
    assert margin(apart)[0] == pytest.approx(0.5)


def test_targets_of_epig_are_an_argument_and_never_the_labeled_frames() -> None:
    with pytest.raises(TypeError, match="targets_TMC"):
        epig(SPLIT)  # type: ignore[call-arg]
    assert acquisition_of("epig").needs == {"targets"}
    assert epig(SPLIT, CERTAIN)[0] == pytest.approx(0.0, abs=1e-11)
    assert epig(SPLIT, SPLIT)[0] > 0.8


def test_the_farthest_frame_is_the_least_representative() -> None:
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal([3, 0], 0.2, (30, 2)), [[-3.0, 0.5]]])
    assert density_of(rows).argmin() == 30
    assert information_density(np.ones(31), rows).argmin() == 30


def test_density_needs_no_matrix_of_all_pairs() -> None:
    rows = np.ones((100_000, 4), dtype=np.float32)  # all pairs would be 80 GB
    np.testing.assert_array_equal(density_of(rows), np.ones(100_000))


def test_maps_are_scored_class_by_class_and_not_as_one_categorical_per_pixel() -> None:
    # Two classes in one cell: members agree about the first, are split about the second.
    maps = np.array([[[0.9, 0.05], [0.9, 0.95]]]).reshape(1, 2, 2, 1, 1)
    scores = map_mutual_information(maps)
    assert scores[0, 0] == 0.0
    assert scores[0, 1] > 0.4
