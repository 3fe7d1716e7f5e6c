"""BADGE on 100,000 frames, 10 classes, 512 features, a batch of 100."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from tests.bench.measuring import best_of, hex_ids, row, timed
from winnow.strategies.badge import Badge
from winnow.strategies.protocol import Candidates

Rows = npt.NDArray[np.float32]

BATCH, N_CLASSES, REPEATS = 100, 10, 3


def run() -> list[dict[str, object]]:
    """Measure ours against the factorised loop, and once against a peer (60 s, 9 GB)."""
    probs, features = pool_of(100_000, N_CLASSES, 512)
    pool = Candidates(hex_ids(len(features)), embeddings_ND=features, probs_NMC=probs[:, None])
    ours, loop = best_of(
        REPEATS,
        lambda: Badge().choose(pool, BATCH, seed=0),
        lambda: factorised_loop(probs, features, BATCH),
    )
    found = [row("BADGE 100k x (10, 512) B=100", ours, "factorised NumPy loop", loop, goal=3.0)]
    return [*found, *_beside_skactiveml()]


def pool_of(n: int, n_classes: int, dimension: int) -> tuple[Rows, Rows]:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((n, dimension), dtype=np.float32)
    logits = 2 * rng.standard_normal((n, n_classes), dtype=np.float32)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True), features


def factorised_loop(probs: Rows, features: Rows, batch: int) -> list[int]:
    """Do no more than the arithmetic needs: float32, two products of vectors a pick."""
    residual = -probs
    residual[np.arange(len(probs)), probs.argmax(axis=1)] += 1
    norms = np.einsum("nc,nc->n", residual, residual) * np.einsum("nd,nd->n", features, features)
    rng = np.random.default_rng(0)
    nearest = np.full(len(probs), np.inf, dtype=np.float32)
    picks = [int(norms.argmax())]
    while len(picks) < batch:
        pos = picks[-1]
        products = (residual @ residual[pos]) * (features @ features[pos])
        np.minimum(nearest, norms + norms[pos] - 2 * products, out=nearest)
        nearest[picks] = 0
        np.maximum(nearest, 0, out=nearest)
        total = np.cumsum(nearest, dtype=np.float64)
        picks.append(int(np.searchsorted(total, rng.random() * total[-1])))
    return picks


def _beside_skactiveml() -> list[dict[str, object]]:
    if not find_spec("skactiveml"):
        return []
    from skactiveml.base import SkactivemlClassifier
    from skactiveml.pool import Badge as Peer
    from sklearn.base import BaseEstimator

    probs, features = pool_of(100_000, N_CLASSES, 512)

    class Known(SkactivemlClassifier, BaseEstimator):  # type: ignore[misc]
        """Gives the probabilities that are there already."""

        def __init__(self) -> None:
            super().__init__(classes=list(range(N_CLASSES)), missing_label=np.nan)

        def fit(self, X: Rows, y: Rows, sample_weight: object = None) -> Known:
            self.classes_ = np.arange(N_CLASSES)
            return self

        def predict_proba(self, X: Rows) -> tuple[Rows, Rows]:
            return probs[: len(X)], features[: len(X)]

    labels = np.full(len(features), np.nan)
    peer = Peer(random_state=0, clf_embedding_flag_name=None)
    theirs, _ = timed(
        lambda: peer.query(features, labels, clf=Known(), fit_clf=False, batch_size=BATCH)
    )
    pool = Candidates(hex_ids(len(features)), embeddings_ND=features, probs_NMC=probs[:, None])
    (ours,) = best_of(REPEATS, lambda: Badge().choose(pool, BATCH, seed=0))
    return [row("BADGE 100k x (10, 512) B=100", ours, "scikit-activeml Badge", theirs, goal=100.0)]
