"""Seeded pools that ours and a peer's implementation both see."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from winnow.strategies.protocol import Candidates, Pick

N, L, D, B = 2_000, 30, 16, 60


def gaussian(seed: int, n: int = N, dimension: int = D) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, dimension)).astype(np.float32)


def clustered(seed: int, n: int = N, dimension: int = D) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    centers_KD = 5.0 * rng.standard_normal((20, dimension))
    rows_ND = centers_KD[rng.integers(0, 20, n)] + rng.standard_normal((n, dimension))
    return rows_ND.astype(np.float32)


def members(
    seed: int, n: int = N, n_members: int = 5, n_classes: int = 4
) -> npt.NDArray[np.float64]:
    """Give probabilities [N, M, C] of a committee that agrees on some frames only."""
    rng = np.random.default_rng(seed)
    logits_NC = 2.0 * rng.standard_normal((n, 1, n_classes))
    logits_NMC = logits_NC + rng.standard_normal((n, n_members, n_classes)) * rng.random((n, 1, 1))
    weights_NMC = np.exp(logits_NMC)
    probs_NMC: npt.NDArray[np.float64] = weights_NMC / weights_NMC.sum(axis=2, keepdims=True)
    return probs_NMC


def candidates(rows_ND: npt.NDArray[np.float32], n_labeled: int) -> Candidates:
    """Give all rows behind the first L as candidates, ids in the order of rows."""
    ids = np.array([f"{row:032x}" for row in range(n_labeled, len(rows_ND))])
    return Candidates(
        frame_ids=ids, embeddings_ND=rows_ND[n_labeled:], centers_LD=rows_ND[:n_labeled]
    )


def rows_of(picks: list[Pick], n_labeled: int) -> list[int]:
    return [pick.pos + n_labeled for pick in picks]
