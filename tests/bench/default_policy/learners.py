"""What learns from the labels: a committee that gives probabilities."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from tests.bench.default_policy.pools import Labels, Pool, Rows

Probs = npt.NDArray[np.float32]

N_MEMBERS: Final = 4
STRENGTH: Final = 10.0
"""Weight of the labels against the square of the weights (rows have a mean square norm of 1)."""


class Learner(Protocol):
    """Trains from scratch on the labels of a round."""

    def fit(self, labeled: Labels, labels_L: Labels) -> None:
        """Learn from the pool's frames at these positions."""
        ...

    def pool_probs(self) -> Probs:
        """Give probs_NMC of the pool."""
        ...

    def test_probs(self) -> Probs:
        """Give probs_NMC of the test set."""
        ...


class Linear:
    """Softmax regression; each member weighs the labels in its own way (Bayesian bootstrap)."""

    def __init__(self, pool: Pool, *, n_classes: int, seed: int) -> None:
        self._rows_ND = _with_one(pool.features_ND)
        self._test_ND = _with_one(pool.test_ND)
        self._n_classes, self._seed = n_classes, seed
        self._weights = np.zeros((N_MEMBERS, n_classes, self._rows_ND.shape[1]))

    def fit(self, labeled: Labels, labels_L: Labels) -> None:
        """See `Learner.fit`. A frame weighs the same in every round and for every strategy."""
        shares = np.stack([_shares(labeled, self._seed, member) for member in range(N_MEMBERS)])
        shares *= len(labeled) / shares.sum(axis=1, keepdims=True)
        rows_LD = self._rows_ND[labeled]
        start = _softmax_regression(
            rows_LD, labels_L, np.ones(len(labeled)), self._weights.mean(axis=0)
        )
        for member in range(N_MEMBERS):
            self._weights[member] = _softmax_regression(rows_LD, labels_L, shares[member], start)

    def pool_probs(self) -> Probs:
        """See `Learner.pool_probs`."""
        return self._probs(self._rows_ND)

    def test_probs(self) -> Probs:
        """See `Learner.test_probs`."""
        return self._probs(self._test_ND)

    def _probs(self, rows_ND: npt.NDArray[np.float64]) -> Probs:
        return np.stack([_softmax(rows_ND @ w.T) for w in self._weights], axis=1).astype(np.float32)


def _with_one(rows_ND: Rows) -> npt.NDArray[np.float64]:
    return np.concatenate([rows_ND.astype(np.float64), np.ones((len(rows_ND), 1))], axis=1)


def _shares(labeled: Labels, seed: int, member: int) -> npt.NDArray[np.float64]:
    draws = np.random.default_rng([seed, member]).exponential(size=int(labeled.max()) + 1)
    return draws[labeled]


def _softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: npt.NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return result


def _softmax_regression(
    rows_LD: npt.NDArray[np.float64],
    labels_L: Labels,
    shares_L: npt.NDArray[np.float64],
    start_CD: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    def loss(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        weights_CD = flat.reshape(start_CD.shape)
        probs_LC = _softmax(rows_LD @ weights_CD.T)
        taken = probs_LC[np.arange(len(labels_L)), labels_L]
        value = -(shares_L @ np.log(np.maximum(taken, 1e-300))) + flat @ flat / (2 * STRENGTH)
        probs_LC[np.arange(len(labels_L)), labels_L] -= 1
        slope = (probs_LC * shares_L[:, None]).T @ rows_LD + weights_CD / STRENGTH
        return float(value), slope.ravel()

    found = minimize(
        loss, start_CD.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 200, "gtol": 1e-3}
    )
    result: npt.NDArray[np.float64] = found.x.reshape(start_CD.shape)
    return result
