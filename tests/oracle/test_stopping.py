"""Rules that stop where small-text's criteria stop, on histories that a loop may have."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.oracle.pools import members
from winnow.stopping import (
    MeanUncertainty,
    PredictionStability,
    Progress,
    cohen_kappa,
    mean_normalised_entropy,
)

pytestmark = pytest.mark.oracle
SEEDS = pytest.mark.parametrize("seed", range(3))
N_CLASSES = 4


def history(seed: int) -> list[npt.NDArray[np.int64]]:
    """Give what twelve committees say of a stop set: from round to round fewer change."""
    rng = np.random.default_rng(seed)
    said = [rng.integers(0, N_CLASSES, 200)]
    for turn in range(11):
        changes = rng.random(200) < 0.5 * 0.6**turn
        said.append(np.where(changes, rng.integers(0, N_CLASSES, 200), said[-1]))
    return said


@SEEDS
def test_predictions_are_stable_when_small_text_says_so(seed: int) -> None:
    criteria = pytest.importorskip("small_text.stopping_criteria.kappa")
    peer, rule = criteria.KappaAverage(N_CLASSES), PredictionStability()
    said, kappas, stops = history(seed), list[float | None](), list[bool]()
    for turn, now in enumerate(said):
        kappas.append(cohen_kappa(said[turn - 1], now) if turn else None)
        stop = rule.decide(Progress(turn + 1, (), kappas=tuple(kappas))).stop
        assert stop == peer.stop(predictions=now)
        window: Any = kappas[-len(peer.kappa_history) :] if turn else []
        np.testing.assert_allclose(window, peer.kappa_history, atol=1e-12)
        stops.append(stop)
    assert stops[-1]
    assert not stops[3]


@SEEDS
def test_a_committee_is_certain_when_small_text_says_so(seed: int) -> None:
    criteria = pytest.importorskip("small_text.stopping_criteria.uncertainty")
    rule, peer = MeanUncertainty(), criteria.OverallUncertainty(N_CLASSES)
    mean_NC = members(seed, 300, n_classes=N_CLASSES).mean(axis=1)
    stops = list[bool]()
    for sharper in (1.0, 4.0, 16.0, 64.0):
        probs_NC: Any = mean_NC**sharper / (mean_NC**sharper).sum(axis=1, keepdims=True)
        mean = mean_normalised_entropy(probs_NC[:, None])
        stops.append(rule.decide(Progress(1, (), mean_entropies=(mean,))).stop)
        assert stops[-1] == peer.stop(proba=probs_NC, indices_stopping=np.arange(300))
    assert stops == sorted(stops)
    assert stops[-1]
    assert not stops[0]
