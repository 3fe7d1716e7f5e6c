"""Joint information of labels: oracles, all joint labels by brute force, estimates without bias."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.acquisition.bald import bald
from winnow.kernels.joint_information import MERGED, JointInformation, _chances, _systematic

Floats = npt.NDArray[np.float64]
THREE = np.array([[[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1]]])


def joint_information(probs_NMC: Floats, chosen: list[int]) -> float:
    """All joint labels, one by one."""
    n_members, n_classes = probs_NMC.shape[1:]
    joint, conditional = 0.0, 0.0
    for labels in itertools.product(range(n_classes), repeat=len(chosen)):
        of_member = [
            math.prod(float(probs_NMC[pos, m, c]) for pos, c in zip(chosen, labels, strict=True))
            for m in range(n_members)
        ]
        mean = sum(of_member) / n_members
        joint -= mean * math.log(mean) if mean > 0 else 0.0
        conditional -= sum(p * math.log(p) for p in of_member if p > 0) / n_members
    return joint - conditional


def probs_of(seed: int, n: int, n_members: int, n_classes: int) -> Floats:
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(n_classes, 0.5), (n, n_members))
    certain = rng.random((n, n_members)) < 0.2
    probs[certain] = np.eye(n_classes)[rng.integers(0, n_classes, int(certain.sum()))]
    return probs


def test_the_oracle_of_one_item_twice() -> None:
    joint = JointInformation(np.repeat(THREE, 2, axis=0), 1000)
    first = joint.gains(np.array([0]))[0]
    joint.take(0)
    second = joint.gains(np.array([1]))[0]
    assert first == pytest.approx(0.1537951886, abs=1e-10)
    assert first + second == pytest.approx(0.2663380799, abs=1e-10)


def test_opposed_certain_members_tell_ln_2_and_then_nothing() -> None:
    probs = np.tile([[1.0, 0.0], [0.0, 1.0]], (3, 1, 1))
    joint = JointInformation(probs, 1000)
    np.testing.assert_allclose(joint.gains(np.arange(3)), math.log(2))
    joint.take(1)
    assert joint.n_configurations == 0
    np.testing.assert_array_equal(joint.gains(np.arange(3)), 0.0)
    joint.take(2)
    assert joint.is_exact


@settings(max_examples=40)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_gains_are_those_of_all_joint_labels_below_their_bounds_and_never_grow(
    n: int, n_members: int, n_classes: int, seed: int
) -> None:
    probs = probs_of(seed, n, n_members, n_classes)
    joint, chosen, before = JointInformation(probs, 10_000), list[int](), bald(probs)
    for pos in range(n):
        held = joint_information(probs, chosen)
        gains = joint.gains(np.arange(n))
        for other in range(n):
            expected = joint_information(probs, [*chosen, other]) - held
            if other not in chosen:
                assert gains[other] == pytest.approx(expected, abs=1e-9)
        assert (gains <= before + 1e-10).all()
        assert (joint.upper(np.arange(n)) >= gains - 1e-12).all()
        assert (joint.closer(np.arange(n)) >= gains - 1e-12).all()
        chosen.append(pos)
        before = gains
        joint.take(pos)


@pytest.mark.parametrize("configurations", [300, 10_000])
def test_merged_configurations_bound_the_gains_from_above_and_closely(configurations: int) -> None:
    probs = probs_of(11, 40, 6, 5)
    joint = JointInformation(probs, configurations)
    for pos in range(4):
        joint.take(pos)
    assert joint.n_configurations > MERGED
    others = np.arange(4, 40)
    gains, closer, upper = joint.gains(others), joint.closer(others), joint.upper(others)
    assert (upper >= closer - 1e-4).all()
    assert (closer >= gains).all()
    assert closer == pytest.approx(gains, abs=1e-3)
    assert np.median(upper / gains) < 1.5


def test_estimates_have_no_bias_and_little_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    probs = probs_of(5, 9, 5, 4)

    def gains(configurations: int) -> Floats:
        joint = JointInformation(probs, configurations)
        for pos in range(5):
            joint.take(pos)
        assert joint.is_exact == (configurations > 1000)
        return joint.gains(np.arange(5, 9))

    exact, found = gains(10_000), []
    np.testing.assert_allclose(gains(200), exact, rtol=0.05)
    rng = np.random.default_rng(0)
    monkeypatch.setattr(JointInformation, "_uniform", lambda self: rng.random())
    found = [gains(40) for _ in range(600)]
    off = np.std(found, axis=0) / np.sqrt(len(found))
    assert (np.abs(np.mean(found, axis=0) - exact) < 4 * off).all()


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.floats(0, 0.999))
def test_a_systematic_sample_has_its_size_and_keeps_the_heaviest(
    n: int, more: int, seed: int, uniform: float
) -> None:
    weights = np.random.default_rng(seed).random(n + more) ** 8 + 1e-12
    chances = _chances(weights, n)
    assert chances.sum() == pytest.approx(n)
    assert (chances <= 1).all()
    assert (np.diff(chances[np.argsort(weights)]) >= 0).all()
    drawn = _systematic(chances, uniform)
    assert abs(len(drawn) - n) <= 1  # rounding of a sum may move the last turn
    assert set(np.flatnonzero(chances == 1.0)) <= set(drawn.tolist())


@pytest.mark.parametrize("configurations", [50, 10_000])
def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, configurations: int) -> None:
    probs = probs_of(7, 12, 4, 3)

    def gains() -> Floats:
        joint = JointInformation(probs, configurations)
        for pos in range(6):
            joint.take(pos)
        return np.array([joint.gains(np.arange(12)), joint.upper(np.arange(12)) + 1.0])

    whole = gains()
    for name in ("BLOCK_VALUES", "BLOCK_SHORT", "CONFIGURATIONS_AT_ONCE"):
        monkeypatch.setattr(f"winnow.kernels.joint_information.{name}", 7)
    np.testing.assert_array_equal(gains()[0], whole[0])
    np.testing.assert_allclose(gains()[1], whole[1], atol=1e-3)
