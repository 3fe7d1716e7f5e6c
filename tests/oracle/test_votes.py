"""Vote entropy and variation ratio of scikit-activeml on the same votes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracle.pools import members
from winnow.acquisition import variation_ratio, vote_entropy

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize("seed", range(3))
def test_votes_are_counted_as_by_scikit_activeml(seed: int) -> None:
    committee = pytest.importorskip("skactiveml.pool._query_by_committee")
    probs_NMC = members(seed)
    votes_NM = probs_NMC.argmax(axis=2)
    classes = np.arange(probs_NMC.shape[2])
    peer_N = committee.vote_entropy(votes_NM, classes)
    np.testing.assert_allclose(vote_entropy(probs_NMC), peer_N, atol=1e-12)
    ratios_N = committee.variation_ratios(votes_NM)
    np.testing.assert_allclose(variation_ratio(probs_NMC), ratios_N, atol=1e-12)
