"""Acquisition scores of scikit-activeml and batchbald_redux on the same probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracle.pools import members
from winnow.acquisition.registry import acquisition_of

pytestmark = pytest.mark.oracle
SEEDS = pytest.mark.parametrize("seed", range(3))


@SEEDS
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("entropy", "entropy"),
        ("least_confidence", "least_confident"),
        ("margin", "margin_sampling"),
    ],
)
def test_uncertainty_is_that_of_scikit_activeml(ours: str, theirs: str, seed: int) -> None:
    pool_module = pytest.importorskip("skactiveml.pool")
    probs_NMC = members(seed)
    peer_N = pool_module.uncertainty_scores(probs_NMC.mean(axis=1), method=theirs)
    np.testing.assert_allclose(acquisition_of(ours).score(probs_NMC), peer_N, atol=1e-9)


@SEEDS
def test_bald_is_scikit_activemls_divergence_of_a_committee(seed: int) -> None:
    committee = pytest.importorskip("skactiveml.pool._query_by_committee")
    probs_NMC = members(seed)
    peer_N = committee.average_kl_divergence(np.moveaxis(probs_NMC, 1, 0))
    np.testing.assert_allclose(acquisition_of("bald").score(probs_NMC), peer_N, atol=1e-6)


@SEEDS
def test_bald_is_that_of_batchbald_redux(seed: int) -> None:
    batchbald = pytest.importorskip("batchbald_redux.batchbald")
    torch = pytest.importorskip("torch")
    probs_NMC = members(seed, n=200)
    log_probs = torch.tensor(np.log(probs_NMC))
    peer = batchbald.get_bald_batch(log_probs, 200, dtype=torch.float64)
    scores_N = acquisition_of("bald").score(probs_NMC)
    np.testing.assert_allclose(scores_N[peer.indices], peer.scores, atol=1e-9)
    assert peer.indices[:20] == np.argsort(-scores_N)[:20].tolist()
