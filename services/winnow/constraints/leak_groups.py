"""Frames that must lie on one side of every border between training and testing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def leak_groups(
    sessions_N: Sequence[str], clusters_N: npt.NDArray[np.int64]
) -> npt.NDArray[np.intp]:
    """Give for each frame its group: frames of one session, or of one duplicate cluster, share it.

    Groups are the connected components of both relations, numbered by their first frame.

    Examples
    --------
    >>> leak_groups(["a", "a", "b", "c"], np.array([0, 1, 1, 3])).tolist()
    [0, 0, 0, 1]
    """
    parent = list(range(len(sessions_N)))

    def root(pos: int) -> int:
        while parent[pos] != pos:
            parent[pos] = parent[parent[pos]]
            pos = parent[pos]
        return pos

    first: dict[tuple[str, object], int] = {}
    for pos, (session, cluster) in enumerate(zip(sessions_N, clusters_N.tolist(), strict=True)):
        for key in (("session", session), ("cluster", cluster)):
            a, b = root(first.setdefault(key, pos)), root(pos)
            parent[max(a, b)] = min(a, b)
    roots = np.array([root(pos) for pos in range(len(parent))], dtype=np.intp)
    return np.unique(roots, return_inverse=True)[1].astype(np.intp)
