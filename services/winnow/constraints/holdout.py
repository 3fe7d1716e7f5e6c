"""Which whole groups (sessions, duplicate clusters) are kept aside to measure the committee."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence


def choose_holdout(
    groups_N: Sequence[str], *, share: float, salt: str, settled: Mapping[str, bool] | None = None
) -> frozenset[str]:
    """Give the groups that form the holdout.

    Groups are asked in the order of a hash of their name; one is taken if it still fits into the
    share asked for, and at the end the one that brings the number of frames nearest to it. The
    same groups give the same holdout in any order and on any machine.

    Parameters
    ----------
    groups_N
        Group of each frame.
    share
        Wanted part of all frames, 0 to 1.
    salt
        Makes the draw independent between sources.
    settled
        Groups whose side is already fixed (true: holdout), because their frames are in use.

    Returns
    -------
    frozenset of str
        At least one group if the share is positive, never all of them.

    Raises
    ------
    ValueError
        The share is positive and there are fewer than two groups, or it is outside 0 to 1.
    """
    sizes = Counter(groups_N)
    _check(share, len(sizes))
    fixed = dict(settled or {})
    taken = {group for group in sizes if fixed.get(group, False)}
    open_groups = sorted((g for g in sizes if g not in fixed), key=lambda g: _draw(salt, g))
    if share == 0.0:
        return frozenset(taken)
    room = share * len(groups_N) - sum(sizes[group] for group in taken)
    for group in open_groups:
        if sizes[group] <= room:
            taken.add(group)
            room -= sizes[group]
    rest = [group for group in open_groups if group not in taken]
    nearest = min(rest, key=lambda group: abs(sizes[group] - room), default=None)
    if nearest is not None and abs(sizes[nearest] - room) < abs(room):
        taken.add(nearest)
    return _neither_empty_nor_all(taken, open_groups, sizes)


def _neither_empty_nor_all(
    taken: set[str], open_groups: Sequence[str], sizes: Mapping[str, int]
) -> frozenset[str]:
    by_size = sorted(open_groups, key=lambda group: sizes[group])
    if not taken:
        return frozenset(by_size[:1])
    if len(taken) == len(sizes):
        return frozenset(taken - set(by_size[:1]))
    return frozenset(taken)


def _check(share: float, n_groups: int) -> None:
    if not 0.0 <= share < 1.0:
        msg = f"holdout share: expected 0 or more and less than 1, found {share:g}"
        raise ValueError(msg)
    if share > 0 and n_groups < 2:
        msg = f"holdout: expected at least two groups to divide, found {n_groups}"
        raise ValueError(msg)


def _draw(salt: str, group: str) -> bytes:
    return hashlib.sha256(f"{salt}\x1f{group}".encode()).digest()
