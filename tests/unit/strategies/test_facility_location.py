"""The strategy facility location."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from winnow.strategies.facility_location import FacilityLocation
from winnow.strategies.protocol import Candidates


def hex_ids(n: int) -> npt.NDArray[np.str_]:
    return np.array([f"{i:032x}" for i in range(n)], dtype=np.str_)


def clusters(n: int) -> Candidates:
    """Three dense places, and one frame far from all."""
    rng = np.random.default_rng(0)
    centers = np.array([[5, 0], [0, 5], [-5, 0]])
    rows = centers[np.arange(n) % 3] + 0.1 * rng.standard_normal((n, 2))
    rows[-1] = (0, -50)
    return Candidates(hex_ids(n), embeddings_ND=rows.astype(np.float32))


def test_the_oracle_of_six_points() -> None:
    points = np.array([[0], [1], [4], [5], [9], [10]], dtype=np.float32)
    pool = Candidates(hex_ids(6), embeddings_ND=points)
    picks = FacilityLocation(similarity="distance", scale=0.01).choose(pool, 3, seed=0)
    assert [pick.pos for pick in picks] == [2, 4, 0]
    gains = [5.8182884366, 5.9126102677 - 5.8182884366, 5.9702970297 - 5.9126102677]
    np.testing.assert_allclose([pick.utility for pick in picks if pick.utility], gains, atol=1e-9)
    assert picks[0].reason == "stands for 5.82 more of 6 frames"


def test_dense_places_come_before_the_outlier_and_labels_count_as_chosen() -> None:
    pool, chooser = clusters(100), FacilityLocation(similarity="distance")
    first = [pick.pos for pick in chooser.choose(pool, 3, seed=0)]
    assert sorted(pos % 3 for pos in first) == [0, 1, 2]
    assert 99 not in first
    assert pool.embeddings_ND is not None
    labeled = replace(pool, centers_LD=pool.embeddings_ND[first[:2]])
    assert chooser.choose(labeled, 1, seed=0)[0].pos == first[2]


def test_a_large_pool_is_stood_for_by_a_sample_that_no_seed_moves() -> None:
    pool = clusters(300)
    chooser = FacilityLocation(similarity="distance", targets_max=60)
    picks = chooser.choose(pool, 5, seed=0)
    assert picks == chooser.choose(pool, 5, seed=1)
    assert picks[0].reason.endswith("of 60 frames")
    whole = FacilityLocation(similarity="distance", targets_max=300)
    assert {pick.pos % 3 for pick in picks[:3]} == {
        pick.pos % 3 for pick in whole.choose(pool, 3, seed=0)
    }


def test_a_pool_of_equal_frames_costs_no_evaluation_for_each() -> None:
    rows = np.ones((2000, 8), dtype=np.float32)
    picks = FacilityLocation().choose(Candidates(hex_ids(2000), embeddings_ND=rows), 20, seed=0)
    assert [pick.pos for pick in picks] == list(range(20))
    assert [pick.utility for pick in picks] == [2000.0] + [0.0] * 19
