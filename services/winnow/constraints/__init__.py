"""What a batch must keep, asked at every pick; and what may come into a pool at all.

Constraints close frames while a batch grows; a frame closed once stays closed. Floors keep the last
places for slices that would starve. Both are arrays and numbers in, positions out, and know nothing
of strategies; setting one up costs a sort of the frames, a pick what it closes.

    TemporalGap                    frames of one session are at least so far apart
    AtMost, OnePerCluster          caps per session, vehicle, site, … ; one of near-duplicates
    WithinMoney                    a batch costs at most what there is
    AtLeast, Minimums              minimums per class or slice, as far as the pool has them
    contradictions                 all at once: what cannot be kept together
    allocate, apportion            places of a batch over tasks, exactly
    duplicate_clusters, representatives  near-duplicates of a whole pool, and who stands for them

>>> import numpy as np
>>> from winnow.constraints import TemporalGap
>>> gap = TemporalGap(np.array(["s", "s", "s"]), np.array([0, 400_000, 2_000_000]), 1_000_000)
>>> sorted(gap.closes(0).tolist())
[0, 1]
"""

from winnow.constraints.caps import AtMost
from winnow.constraints.contradictions import contradictions
from winnow.constraints.duplicates import duplicate_clusters, representatives
from winnow.constraints.money import WithinMoney
from winnow.constraints.one_per_cluster import OnePerCluster
from winnow.constraints.quotas import AtLeast, Minimums
from winnow.constraints.task_allocation import allocate, apportion
from winnow.constraints.temporal_gap import TemporalGap

__all__ = [
    "AtLeast",
    "AtMost",
    "Minimums",
    "OnePerCluster",
    "TemporalGap",
    "WithinMoney",
    "allocate",
    "apportion",
    "contradictions",
    "duplicate_clusters",
    "representatives",
]
