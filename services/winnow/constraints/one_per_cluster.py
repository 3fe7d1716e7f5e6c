"""At most one frame of a duplicate cluster."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from winnow.constraints.caps import AtMost

Positions = npt.NDArray[np.intp]


class OnePerCluster(AtMost):
    """Closes the other frames of a cluster once one is in.

    The pool snapshot already gates all but one frame of a cluster; this is the same promise for
    whoever chooses from something else.

    Parameters
    ----------
    clusters_N
        Name of each frame's cluster; the empty text: in none.
    labeled_L
        Clusters of frames that have labels already.

    Notes
    -----
    Costs what `AtMost` costs.
    """

    def __init__(
        self, clusters_N: npt.NDArray[np.str_], labeled_L: npt.NDArray[np.str_] | None = None
    ) -> None:
        super().__init__(clusters_N, 1, "cluster", labeled_L)

    @property
    def name(self) -> str:
        """Give `one_per_cluster`."""
        return "one_per_cluster"

    def reason(self, pos: int) -> str:
        """See `Constraint.reason`."""
        cluster = self.groups.values_N[pos]
        if self.labeled_in(pos):
            return f"one_per_cluster: a frame of cluster {cluster} is labeled"
        return f"one_per_cluster: a frame of cluster {cluster} is chosen"
