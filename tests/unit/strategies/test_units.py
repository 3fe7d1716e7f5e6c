"""Embeddings in another unit, a power of two away, are the same embeddings."""

from __future__ import annotations

import numpy as np
import pytest

from winnow.domain.errors import BadInput
from winnow.strategies import Candidates, strategy_of

WITH_EMBEDDINGS = (
    "k_center", "shortlist_k_center", "herding", "kmeans", "typiclust", "probcover",
    "facility_location", "dpp", "hybrid", "cluster_margin", "badge", "mining", "trajectory",
)  # fmt: skip


def pool_in_unit(unit: float) -> Candidates:
    rng = np.random.default_rng(0)
    scenes = 3.0 * rng.standard_normal((12, 8))
    rows = scenes[rng.integers(0, 12, 150)] + rng.standard_normal((150, 8))
    rows_ND = rows.astype(np.float32) * np.float32(unit)
    probs = rng.dirichlet(np.full(4, 0.5), (150, 3))
    return Candidates(
        np.array([f"{i:032x}" for i in range(150)], dtype=np.str_),
        scores_N=rng.random(150),
        embeddings_ND=rows_ND[:150],
        centers_LD=rows_ND[:9] + np.float32(0.125 * unit),
        labels_L=rng.integers(0, 4, 9),
        clusters_N=np.array([f"{i:032x}" for i in range(150)], dtype=np.str_),
        probs_NMC=probs.astype(np.float32),
        sessions_N=np.array([f"s{i // 5}" for i in range(150)], dtype=np.str_),
        captured_us_N=np.arange(150) * 1_000_000,
        examples_ED=rows_ND[20:23],
    )


@pytest.mark.parametrize("exponent", [-100, -60, -41, -40, 30, 45])
@pytest.mark.parametrize("name", WITH_EMBEDDINGS)
def test_the_unit_of_embeddings_changes_no_pick(name: str, exponent: int) -> None:
    strategy = strategy_of(name)
    expected = strategy.choose(pool_in_unit(1.0), 40, seed=1)
    found = strategy.choose(pool_in_unit(2.0**exponent), 40, seed=1)
    assert [pick.pos for pick in found] == [pick.pos for pick in expected]


@pytest.mark.parametrize("exponent", [-100, -41, 45])
def test_k_center_tells_distances_in_the_unit_that_was_given(exponent: int) -> None:
    expected = strategy_of("k_center").choose(pool_in_unit(1.0), 40, seed=1)
    found = strategy_of("k_center").choose(pool_in_unit(2.0**exponent), 40, seed=1)
    for one, other in zip(found, expected, strict=True):
        assert one.utility is not None
        assert other.utility is not None
        assert one.utility == np.ldexp(other.utility, exponent)


@pytest.mark.parametrize("exponent", [60, 100])
@pytest.mark.parametrize("name", WITH_EMBEDDINGS)
def test_a_unit_in_which_squares_overflow_is_refused(name: str, exponent: int) -> None:
    with pytest.raises(BadInput, match="expected finite numbers up to 1e"):
        strategy_of(name).choose(pool_in_unit(2.0**exponent), 5, seed=1)
