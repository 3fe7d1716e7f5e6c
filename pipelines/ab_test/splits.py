"""Train and test parts of newly labeled sets: whole sessions, and duplicates, on one side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ab_test.frames import Flags, Positions
from winnow.domain.errors import BadInput

STARTS = 64
"""Random starts of the search for one split; each costs groups x sets steps."""


def session_splits(
    sets: Mapping[str, Positions],
    groups_N: Positions,
    *,
    test_share: float,
    n_splits: int,
    rng: np.random.Generator,
) -> list[Flags]:
    """Give which frames are for testing, for each split; one border for all sets.

    A frame that two methods chose, or a session that both touched, is on the same side for both:
    what one method trains on never resembles what the other is tested on.

    Parameters
    ----------
    sets
        Method → positions that it chose.
    groups_N
        Group of each frame (`leak_groups`); a group is never divided.
    test_share
        Part of each set that is aimed at, e.g. 0.1.

    Returns
    -------
    list of numpy.ndarray
        [N] flags, one for each split. Every set has a frame on both sides. Shares are as near to
        `test_share` as whole groups allow (local search from random starts).

    Raises
    ------
    BadInput
        A set lies in one group, or no border gives every set two sides.
    """
    counts_SG = _counts(sets, groups_N)
    lone = [name for name, row in zip(sets, counts_SG, strict=True) if np.count_nonzero(row) < 2]
    if lone:
        msg = f"splits: expected frames of two sessions or more, found one in {', '.join(lone)}"
        raise BadInput(msg)
    splits = []
    for _ in range(n_splits):
        tested = min(
            (_searched(counts_SG, test_share, rng) for _ in range(STARTS)),
            key=lambda flags: _misfit(counts_SG, flags, test_share),
        )
        if _misfit(counts_SG, tested, test_share) >= len(sets):
            msg = f"splits: expected a border with {', '.join(sets)} on both sides, found none"
            raise BadInput(msg)
        splits.append(tested[groups_N])
    return splits


def _counts(sets: Mapping[str, Positions], groups_N: Positions) -> npt.NDArray[np.int64]:
    n_groups = int(groups_N.max(initial=-1)) + 1
    return np.stack([np.bincount(groups_N[chosen], minlength=n_groups) for chosen in sets.values()])


def _searched(
    counts_SG: npt.NDArray[np.int64], test_share: float, rng: np.random.Generator
) -> Flags:
    """Give tested groups: from a random start, flip groups as long as shares get nearer."""
    touched = np.flatnonzero(counts_SG.any(axis=0))
    tested: Flags = np.zeros(counts_SG.shape[1], dtype=np.bool_)
    tested[rng.permutation(touched)[: max(1, round(test_share * len(touched)))]] = True
    best, improved = _misfit(counts_SG, tested, test_share), True
    while improved:
        improved = False
        for group in rng.permutation(touched).tolist():
            tested[group] = not tested[group]
            found = _misfit(counts_SG, tested, test_share)
            if found < best:
                best, improved = found, True
            else:
                tested[group] = not tested[group]
    return tested


def _misfit(counts_SG: npt.NDArray[np.int64], tested: Flags, test_share: float) -> float:
    """Give how far shares are from the one aimed at: below S for S sets, all with two sides."""
    n_S = counts_SG.sum(axis=1)
    tested_S = counts_SG[:, tested].sum(axis=1)
    one_sided = np.count_nonzero((tested_S == 0) | (tested_S == n_S))
    # A penalty, not an infinity: it leads the search out of splits that cannot be used.
    return len(n_S) * one_sided + float(np.square(tested_S / n_S - test_share).sum())
