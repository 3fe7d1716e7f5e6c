"""Sessions and duplicates stay whole, and every method has frames on both sides."""

from __future__ import annotations

import numpy as np
import pytest

from ab_test.splits import session_splits
from winnow.constraints.leak_groups import leak_groups
from winnow.domain.errors import BadInput


def test_a_duplicate_in_another_session_joins_both() -> None:
    sessions = ["a", "b", "b", "c", "d"]
    clusters = np.array([0, 1, 0, 3, 4])
    assert leak_groups(sessions, clusters).tolist() == [0, 0, 0, 1, 2]


def test_splits_share_one_border_near_a_tenth_of_every_set() -> None:
    rng = np.random.Generator(np.random.Philox(3))
    groups_N = np.repeat(np.arange(60), 10)
    sets = {
        "committee": rng.choice(600, 200, replace=False),
        "manual": np.arange(100, 300),  # twenty whole sessions
    }
    splits = session_splits(sets, groups_N, test_share=0.1, n_splits=3, rng=rng)
    assert len({flags.tobytes() for flags in splits}) == 3
    for flags in splits:
        for group in range(60):
            assert len(set(flags[groups_N == group].tolist())) == 1
        for chosen in sets.values():
            assert 0.05 <= flags[chosen].mean() <= 0.15


def test_two_sessions_are_split_even_if_a_tenth_cannot_be_had() -> None:
    groups_N = np.array([0, 0, 0, 1, 1, 2, 3])
    sets = {"manual": np.array([0, 1, 3, 4]), "committee": np.array([0, 5, 6])}
    rng = np.random.Generator(np.random.Philox(0))
    (flags,) = session_splits(sets, groups_N, test_share=0.1, n_splits=1, rng=rng)
    for chosen in sets.values():
        assert 0 < flags[chosen].sum() < len(chosen)


def test_a_set_of_one_session_cannot_be_split() -> None:
    groups_N = np.array([0, 0, 1])
    sets = {"committee": np.array([0, 2]), "manual": np.array([0, 1])}
    with pytest.raises(BadInput, match="two sessions or more, found one in manual"):
        session_splits(
            sets, groups_N, test_share=0.1, n_splits=1, rng=np.random.Generator(np.random.Philox(0))
        )
