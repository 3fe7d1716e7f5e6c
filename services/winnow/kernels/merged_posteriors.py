"""Few posteriors that stand for many, for bounds on what is concave in them."""

from __future__ import annotations

import heapq

import numpy as np

from winnow.acquisition.reproducible import sum_last
from winnow.kernels.protocol import Floats, Positions


def merged(posterior_SM: Floats, weight_S: Floats, n_max: int) -> tuple[Floats, Floats]:
    """Give at most `n_max` posteriors and their weights, each the mean of a group of alike ones.

    Parameters
    ----------
    posterior_SM
        float64 [S, M].
    weight_S
        float64 [S], greater than 0.

    Returns
    -------
    tuple
        Means [K, M] and weights [K], the same bits everywhere; as they came if S is small enough.

    Notes
    -----
    For any concave f the weighted sum of f over the means is at least that over all (Jensen). The
    group that is spread most, by weight, is cut in two at its mean, along the member in which it
    is spread most, until there are K groups. Costs some K·log K passes over a K-th of the rows.

    Examples
    --------
    >>> pairs = np.array([[0.9, 0.1], [0.7, 0.3], [0.1, 0.9]])
    >>> means_KM, weight_K = merged(pairs, np.array([1.0, 1.0, 2.0]), 2)
    >>> means_KM.round(3).tolist(), weight_K.tolist()
    ([[0.8, 0.2], [0.1, 0.9]], [2.0, 2.0])
    """
    if len(weight_S) <= n_max:
        return posterior_SM, weight_S
    groups = [_Group(posterior_SM, weight_S, np.arange(len(weight_S)))]
    whole = list[_Group]()
    while groups and len(groups) + len(whole) < n_max:
        group = heapq.heappop(groups)
        halves = group.halves(posterior_SM)
        if halves is None:
            whole.append(group)
            continue
        for rows in halves:
            heapq.heappush(groups, _Group(posterior_SM, weight_S, rows))
    groups += whole
    return np.array([group.mean_M for group in groups]), np.array([g.weight for g in groups])


class _Group:
    """Some rows; the most spread ones come first."""

    def __init__(self, posterior_SM: Floats, weight_S: Floats, rows: Positions) -> None:
        self.rows, weight_G = rows, weight_S[rows]
        posterior_MG = np.ascontiguousarray(posterior_SM[rows].T)
        self.weight = float(sum_last(weight_G))
        self.mean_M: Floats = sum_last(posterior_MG * weight_G) / self.weight
        off_MG = posterior_MG - self.mean_M[:, None]
        spread_M = sum_last(off_MG * off_MG * weight_G)
        self._member, self._spread = int(spread_M.argmax()), float(sum_last(spread_M))

    def __lt__(self, other: _Group) -> bool:
        return (-self._spread, int(self.rows[0])) < (-other._spread, int(other.rows[0]))

    def halves(self, posterior_SM: Floats) -> tuple[Positions, Positions] | None:
        """Give the rows on either side of the mean; none if they are all alike."""
        low_G = posterior_SM[self.rows, self._member] <= self.mean_M[self._member]
        if low_G.all() or not low_G.any():
            return None
        return self.rows[low_G], self.rows[~low_G]
