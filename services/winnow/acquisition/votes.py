"""Votes of a committee: each member stands for its best class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from winnow.acquisition.reproducible import Floats


def votes_of(probs_NMC: Floats) -> npt.NDArray[np.int64]:
    """Give `votes_NC`, how many members vote for each class.

    A member with several best classes votes for that of them which most members have among their
    best, then which most members vote for without a tie, then the first: indecision is not
    counted as disagreement, and the names of the classes decide as little as can be.

    Examples
    --------
    >>> votes_of(np.array([[[0.5, 0.5, 0.0], [0.1, 0.8, 0.1], [0.0, 0.0, 1.0]]])).tolist()
    [[0, 2, 1]]
    """
    n_frames, n_members, n_classes = probs_NMC.shape
    best_NMC = probs_NMC == probs_NMC.max(axis=2, keepdims=True)
    sole_NMC = best_NMC & (best_NMC.sum(axis=2, keepdims=True) == 1)
    support_NC = best_NMC.sum(axis=1) * (n_members + 1) + sole_NMC.sum(axis=1)
    choice_NM = np.where(best_NMC, support_NC[:, None, :], -1).argmax(axis=2)
    places = np.arange(n_frames)[:, None] * n_classes + choice_NM
    votes = np.bincount(places.ravel(), minlength=n_frames * n_classes)
    return votes.reshape(n_frames, n_classes).astype(np.int64)
