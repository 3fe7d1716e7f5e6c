"""Set functions choose what apricot, batchbald_redux and dense determinants choose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.oracle.pools import candidates, clustered, gaussian, members, rows_of
from winnow.kernels.facility_location import facility_location_value
from winnow.kernels.similarity import Similarity
from winnow.strategies.batchbald import BatchBALD
from winnow.strategies.dpp import GreedyDPP
from winnow.strategies.facility_location import FacilityLocation
from winnow.strategies.protocol import Candidates

pytestmark = pytest.mark.oracle
SEEDS = pytest.mark.parametrize("seed", range(3))
Pool = Callable[..., npt.NDArray[np.float32]]
N, B = 500, 40


@SEEDS
@pytest.mark.parametrize("pool", [gaussian, clustered])
def test_facility_location_stands_for_the_pool_as_well_as_apricot(pool: Pool, seed: int) -> None:
    apricot = pytest.importorskip("apricot")
    rows_ND: npt.NDArray[np.float32] = pool(seed, N)
    similarity = Similarity(scale=0.3)
    distances = np.sqrt(((rows_ND[:, None].astype(np.float64) - rows_ND[None]) ** 2).sum(axis=2))
    # Two mutual neighbours add the same; of them its lazy optimizer may take the later one.
    peer = apricot.FacilityLocationSelection(B, metric="precomputed", optimizer="naive")
    peer.fit(1.0 / (1.0 + similarity.scale * distances))
    chooser = FacilityLocation(similarity="distance", scale=similarity.scale)
    ours = rows_of(chooser.choose(candidates(rows_ND, 0), B, seed=0), 0)
    assert ours == peer.ranking.tolist()
    value = facility_location_value(rows_ND, ours, similarity=similarity)
    assert value == pytest.approx(float(np.sum(peer.gains)), rel=1e-9)


@SEEDS
def test_batchbald_picks_and_gains_are_those_of_batchbald_redux(seed: int) -> None:
    torch = pytest.importorskip("torch")
    peers = pytest.importorskip("batchbald_redux.batchbald")
    probs_NMC = members(seed, n=200)
    peer = peers.get_batchbald_batch(
        torch.log(torch.from_numpy(probs_NMC)), 4, 100_000, dtype=torch.double
    )
    ids = np.array([f"{row:032x}" for row in range(200)])
    pool = Candidates(ids, probs_NMC=probs_NMC.astype(np.float32))
    ours = BatchBALD().choose(pool, 4, seed=0)
    assert [pick.pos for pick in ours] == list(peer.indices)
    together = np.cumsum([pick.utility or 0.0 for pick in ours])
    np.testing.assert_allclose(together, peer.scores, atol=1e-5)


@SEEDS
def test_batchbald_gains_are_those_of_scikit_activeml(seed: int) -> None:
    pool_module = pytest.importorskip("skactiveml.pool")
    probs_NMC: Any = members(seed, n=60, n_classes=3)
    utilities = pool_module.batch_bald(
        np.moveaxis(probs_NMC, 1, 0), batch_size=4, n_MC_samples=1000, random_state=0
    )
    pool = Candidates(np.array([f"{row:032x}" for row in range(60)]), probs_NMC=probs_NMC)
    together = np.cumsum([pick.utility or 0.0 for pick in BatchBALD().choose(pool, 4, seed=0)])
    np.testing.assert_allclose(together, np.nanmax(utilities, axis=1), atol=1e-9)


@SEEDS
@pytest.mark.parametrize("pool", [gaussian, clustered])
def test_dpp_picks_are_those_of_chens_algorithm_on_a_dense_kernel(pool: Pool, seed: int) -> None:
    rows_ND: npt.NDArray[np.float32] = pool(seed, N, 64)
    units = rows_ND.astype(np.float64)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    kernel = (1.0 + units @ units.T) / 2.0
    np.fill_diagonal(kernel, 1.0)  # which it is, up to rounding: the first frame is taken first
    factors, left, order = np.zeros((B, N)), np.ones(N), list[int]()
    for place in range(B):
        best = int(np.argmax(left))
        order.append(best)
        factors[place] = kernel[best] - factors[:place, best] @ factors[:place]
        factors[place] /= np.sqrt(left[best])
        left -= factors[place] ** 2
        left[order] = -np.inf
    assert rows_of(GreedyDPP(theta=0.0).choose(candidates(rows_ND, 0), B, seed=0), 0) == order
