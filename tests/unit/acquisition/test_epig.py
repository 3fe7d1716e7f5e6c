"""Information about target predictions: its definition, its bounds, and what targets are."""

from __future__ import annotations

import importlib
import math
import tracemalloc

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.acquisition import bald, epig
from winnow.domain.errors import BadInput

Floats = npt.NDArray[np.float64]
MODULE = importlib.import_module("winnow.acquisition.epig")
THREE = np.array([[[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1]]])


def committee(n: int, n_members: int, n_classes: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(n_classes, 0.5), (n, n_members))


def reference(probs: Floats, targets: Floats) -> list[float]:
    scores = []
    for frame in probs:
        informations = []
        for target in targets:
            joint = np.mean([np.outer(p, q) for p, q in zip(frame, target, strict=True)], axis=0)
            apart = np.outer(joint.sum(axis=1), joint.sum(axis=0))
            seen = joint > 0
            informations.append((joint[seen] * np.log(joint[seen] / apart[seen])).sum())
        scores.append(float(np.mean(informations)))
    return scores


def test_the_oracle_of_an_item_with_itself_as_target() -> None:
    assert epig(THREE, THREE)[0] == pytest.approx(0.0412522972, abs=1e-10)
    assert epig(THREE, THREE)[0] <= bald(THREE)[0]


@settings(max_examples=30)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5))
def test_it_agrees_with_its_definition_and_is_at_most_bald(
    n: int, n_targets: int, n_members: int, n_classes: int
) -> None:
    probs = committee(n, n_members, n_classes, seed=n)
    targets = committee(n_targets, n_members, n_classes, seed=n_targets + 100)
    scores = epig(probs, targets)
    np.testing.assert_allclose(scores, reference(probs, targets), atol=1e-11)
    assert (scores >= 0).all()
    assert (scores <= bald(probs) + 1e-11).all()


def test_certain_members_tell_all_or_nothing() -> None:
    split = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    agreed = np.array([[[1.0, 0.0], [1.0, 0.0]]])
    assert epig(split, split)[0] == pytest.approx(math.log(2))
    assert epig(np.concatenate([agreed, split]), agreed).tolist() == [0.0, 0.0]
    assert epig(agreed, split).tolist() == [0.0]


def test_targets_are_the_frames_that_matter_and_not_those_that_are_labeled() -> None:
    # Members differ about a night and about a day question; only nights will be met.
    night = [[0.8, 0.2], [0.8, 0.2], [0.2, 0.8], [0.2, 0.8]]
    day = [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]
    pool, nights = np.array([night, day]), np.array([night] * 3)
    assert bald(pool).argmax() == 1
    assert epig(pool, nights).argmax() == 0
    assert epig(pool, nights)[1] <= 1e-11
    labeled = np.array([[[1.0, 0.0]] * 4] * 3)  # what is labeled is known: nothing to learn there
    assert epig(pool, labeled).tolist() == [0.0, 0.0]


def test_blocks_and_order_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    probs, targets = committee(40, 4, 3, seed=0), committee(17, 4, 3, seed=1)
    whole = epig(probs, targets)
    one_by_one = [epig(probs[i : i + 1], targets)[0] for i in range(40)]
    np.testing.assert_array_equal(one_by_one, whole)
    order = np.random.default_rng(2).permutation(40)
    np.testing.assert_array_equal(epig(probs[order], targets), whole[order])
    np.testing.assert_allclose(epig(probs, targets[::-1]), whole, atol=1e-14)
    monkeypatch.setattr(MODULE, "BLOCK_VALUES", 5)  # a target at a time
    np.testing.assert_array_equal(epig(probs, targets), whole)
    members, classes = [2, 0, 3, 1], [1, 2, 0]
    moved = epig(probs[:, members][:, :, classes], targets[:, members][:, :, classes])
    np.testing.assert_allclose(moved, whole, atol=1e-11)


def test_memory_does_not_grow_with_the_pool() -> None:
    targets = committee(5, 2, 10, seed=1)
    peaks = []
    for n_frames in (2_000, 20_000):
        probs = committee(n_frames, 2, 10, seed=0)
        tracemalloc.start()
        epig(probs, targets)
        peaks.append(tracemalloc.get_traced_memory()[1] - 8 * n_frames)
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] < 5e6


def test_float32_keeps_the_order_of_float64() -> None:
    probs, targets = committee(100, 4, 5, seed=3), committee(20, 4, 5, seed=4)
    double = epig(probs, targets)
    single = epig(probs.astype(np.float32), targets.astype(np.float32))
    order = np.argsort(double)
    apart = np.diff(double[order]) > 1e-6
    assert (np.diff(single[order])[apart] > 0).all()


@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 2, 3), (2, 3, 2), (2, 3)])
def test_targets_of_another_committee_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="targets_TMC: expected"):
        epig(THREE, np.ones(shape))


def test_bad_rows_are_named_in_both_arguments() -> None:
    wrong = np.repeat(THREE, 4, axis=0)
    wrong[2, 1] = np.nan
    with pytest.raises(BadInput, match="probs_NMC: row 2, member 1"):
        epig(wrong, THREE)
    with pytest.raises(BadInput, match="targets_TMC: row 2, member 1"):
        epig(THREE, wrong)


def test_no_frames_give_no_scores() -> None:
    assert epig(np.empty((0, 3, 3)), THREE).shape == (0,)
