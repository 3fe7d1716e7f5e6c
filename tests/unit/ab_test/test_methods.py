"""The committee's choice spreads over sessions and classes; a given list is taken as it is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from ab_test.methods import at_random, by_committee, from_list
from tests.unit.ab_test.made_up import recording
from winnow.domain.errors import BadInput

FRAMES = recording("a", [1] * 6) + recording("b", [1] * 6)
POOL = np.arange(12)
CLASSES = ("car", "person", "bicycle")


def chosen(information_PC: npt.NDArray[np.float64], n: int, gap_seconds: float = 2.0) -> list[str]:
    clusters_N = np.arange(12)
    clusters_N[[6, 7]] = 6
    found = by_committee(
        FRAMES,
        POOL,
        n,
        information_PC=information_PC.astype(np.float32),
        class_names=CLASSES,
        interest=("person", "bicycle"),
        clusters_N=clusters_N,
        gap_seconds=gap_seconds,
        seed=1,
    )
    return [FRAMES[pos].frame_id for pos in found.tolist()]


def test_classes_of_interest_take_turns_and_neighbours_in_time_are_left() -> None:
    information_PC = np.zeros((12, 3))
    information_PC[:, 0] = 1.0  # cars, which nobody asks about
    information_PC[[0, 1, 2], 1] = 0.9, 0.8, 0.7
    information_PC[[9, 4], 2] = 0.6, 0.5
    assert chosen(information_PC, 4) == ["a-000", "b-003", "a-002", "a-004"]


def test_one_frame_of_a_cluster() -> None:
    information_PC = np.zeros((12, 3))
    information_PC[[6, 7], 1] = 0.9, 0.8
    information_PC[5, 1] = 0.1
    assert chosen(information_PC, 3, gap_seconds=0.0) == ["b-000", "a-000", "a-005"]


def test_constraints_that_leave_too_few_are_told() -> None:
    with pytest.raises(BadInput, match="round_robin: expected 5 frames of 12, found 2 allowed"):
        chosen(np.zeros((12, 3)), 5, gap_seconds=60.0)


def test_random_is_seeded_and_has_no_frame_twice() -> None:
    first, again = (at_random(FRAMES, POOL, 8, seed=3).tolist() for _ in range(2))
    assert first == again
    assert len(set(first)) == 8


def test_a_list_is_taken_in_its_order_and_strangers_are_named() -> None:
    assert from_list(FRAMES, POOL, 2, frame_ids=["b-001", "a-003", "a-004"]).tolist() == [7, 3]
    with pytest.raises(BadInput, match="1 of 2 are not in the pool: c-009"):
        from_list(FRAMES, POOL, 1, frame_ids=["a-000", "c-009"])
    with pytest.raises(BadInput, match="expected 2 different ones, found 1"):
        from_list(FRAMES, POOL, 2, frame_ids=["a-000", "a-000"])
