"""Clusters of frames: order, samples, labeled frames, and visits in turn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.kernels.nearest import nearest_center
from winnow.strategies import clusters
from winnow.strategies.clusters import clusters_of, in_order, n_training_rows, sample_in_order
from winnow.strategies.feasible import Feasible
from winnow.strategies.protocol import Floor, Positions, Rows, tie_ranks
from winnow.strategies.turns import in_turn


def ids_of(n: int, seed: int = 0) -> npt.NDArray[np.str_]:
    rng = np.random.default_rng(seed)
    return np.array([rng.bytes(16).hex() for _ in range(n)], dtype=np.str_)


def rows_of(n: int, seed: int = 0) -> Rows:
    return np.random.default_rng(seed).standard_normal((n, 4)).astype(np.float32)


@pytest.mark.parametrize("n_rows", [10_000, 100])
def test_order_changes_nothing_nor_does_that_of_labeled_frames(
    n_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "n_training_rows", lambda _: n_rows)
    ids, rows, labeled = ids_of(300), rows_of(300), rows_of(40, seed=1)
    labeled[20:] = labeled[:20]
    here = clusters_of(ids, rows, in_order(tie_ranks(ids)), 7, seed=3, labeled_LD=labeled)
    turn, turn_L = (
        np.random.default_rng(2).permutation(300),
        np.random.default_rng(2).permutation(40),
    )
    there = clusters_of(
        ids[turn], rows[turn], in_order(tie_ranks(ids[turn])), 7, seed=3, labeled_LD=labeled[turn_L]
    )
    assert there.centers_KD.tobytes() == here.centers_KD.tobytes()
    assert there.of_N.tolist() == here.of_N[turn].tolist()
    assert there.of_L.tolist() == here.of_L[turn_L].tolist()
    assert here.of_N.tolist() == nearest_center(rows, here.centers_KD).tolist()


def test_members_are_all_frames_once_in_the_given_order() -> None:
    ids, rows = ids_of(100), rows_of(100)
    order = in_order(tie_ranks(ids))
    found = clusters_of(ids, rows, order, 6, seed=0)
    members = found.members(order)
    assert len(members) == len(found.centers_KD)
    assert sorted(np.concatenate(members).tolist()) == list(range(100))
    for number, each in enumerate(members):
        assert (found.of_N[each] == number).all()
        assert ids[each].tolist() == sorted(ids[each].tolist())


def test_labeled_frames_move_the_centers() -> None:
    ids, rows = ids_of(20), rows_of(20)
    far = np.full((20, 4), 50.0, dtype=np.float32)
    found = clusters_of(ids, rows, np.arange(20), 2, seed=0, labeled_LD=far)
    assert set(found.of_N.tolist()).isdisjoint(found.of_L.tolist())


def test_a_sample_is_as_likely_to_hold_any_frame_and_keeps_the_order() -> None:
    ids, order = ids_of(60), np.arange(60)[::-1].copy()
    counts = np.zeros(60)
    for seed in range(400):
        sample = sample_in_order(order, ids, 15, seed=seed, step=9)
        assert (np.diff(sample) < 0).all()
        counts[sample] += 1
    assert counts.sum() == 400 * 15
    assert ((counts - 100) ** 2 / 75).sum() < 98.3  # chi-squared, 59 degrees, p = .001
    assert sample_in_order(order, ids, 60, seed=0, step=9) is order


def test_more_centers_never_get_fewer_training_rows() -> None:
    sizes = [n_training_rows(k) for k in range(1, 20_000, 37)]
    assert sizes == sorted(sizes)
    assert all(size >= 32 * k for size, k in zip(sizes, range(1, 20_000, 37), strict=True))


@given(st.lists(st.integers(0, 5), max_size=40))
def test_each_group_gives_one_in_turn_until_all_are_empty(group_of: list[int]) -> None:
    groups = [np.flatnonzero(np.array(group_of) == group) for group in range(6)]
    feasible = Feasible(len(group_of), (), len(group_of))
    found = []
    for group, pos in in_turn(range(6), groups.__getitem__, feasible):
        assert group_of[pos] == group
        found.append(pos)
        feasible.take(pos)
    expected = [
        int(groups[group][turn])
        for turn in range(len(group_of))
        for group in range(6)
        if turn < len(groups[group])
    ]
    assert found == expected


class First(Floor):
    """Keeps the first places for some frames, then lets all through."""

    def __init__(self, flags: npt.NDArray[np.bool_], n_places: int) -> None:
        self._flags, self._n_left = flags, n_places

    def lost(self, positions: Positions) -> None: ...

    def took(self, pos: int) -> None:
        self._n_left -= 1

    def only(self, n_places: int) -> npt.NDArray[np.bool_] | None:
        return self._flags if self._n_left > 0 else None


def test_a_group_that_was_shut_is_visited_again_when_a_floor_opens_it() -> None:
    groups = [np.array([0, 1]), np.array([2, 3])]
    feasible = Feasible(4, (), 4, (First(np.array([False, False, True, True]), 1),))
    found = []
    for _, pos in in_turn(range(2), groups.__getitem__, feasible):
        found.append(pos)
        feasible.take(pos)
    assert found == [2, 0, 3, 1]
