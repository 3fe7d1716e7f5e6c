"""At most one frame of a duplicate cluster."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.intp]


class OnePerCluster:
    """Closes the other frames of a cluster once one is in.

    The pool snapshot already gates all but one frame of a cluster; this is the same promise for
    whoever chooses from something else.

    Parameters
    ----------
    clusters_N
        Name of each frame's cluster.
    """

    name = "one_per_cluster"

    def __init__(self, clusters_N: npt.NDArray[np.str_]) -> None:
        self._clusters_N = clusters_N
        _, self._code_N = np.unique(clusters_N, return_inverse=True)
        self._order_N = np.argsort(self._code_N, kind="stable")
        self._sorted_N = self._code_N[self._order_N]

    def closes(self, taken: int | None) -> Positions:
        """See `Constraint.closes`."""
        if taken is None:
            return np.empty(0, dtype=np.intp)
        code = self._code_N[taken]
        first = np.searchsorted(self._sorted_N, code, side="left")
        last = np.searchsorted(self._sorted_N, code, side="right")
        return self._order_N[first:last]

    def reason(self, pos: int) -> str:
        """See `Constraint.reason`."""
        return f"one_per_cluster: a frame of cluster {self._clusters_N[pos]} is chosen"
