"""Expected gradient length and information density against their definitions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from winnow.acquisition import density_of, entropy, expected_gradient_length, information_density
from winnow.domain.errors import BadInput

Floats = npt.NDArray[np.float64]
SHAPES = st.tuples(st.integers(1, 8), st.integers(1, 6))
ROWS = arrays(np.float64, SHAPES, elements=st.floats(-100, 100, allow_subnormal=False))


def dense_gradients(probs_NC: Floats, rows: Floats) -> list[float]:
    lengths = []
    for p, h in zip(probs_NC, rows, strict=True):
        gradients = [np.outer(p - np.eye(len(p))[y], h) for y in range(len(p))]
        lengths.append(sum(p[y] * np.linalg.norm(g) for y, g in enumerate(gradients)))
    return lengths


@given(ROWS, st.integers(1, 5), st.integers(1, 4))
def test_gradient_length_is_that_of_the_dense_gradients(
    rows: Floats, n_classes: int, n_members: int
) -> None:
    rng = np.random.default_rng(n_classes)
    probs = rng.dirichlet(np.full(n_classes, 0.3), (len(rows), n_members))
    found = expected_gradient_length(probs, rows)
    expected = dense_gradients(probs.mean(axis=1), rows)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert (found <= np.linalg.norm(rows, axis=1) * (1 + 1e-12)).all()


def test_a_certain_frame_and_a_zero_vector_have_no_gradient() -> None:
    certain = np.array([[[0.0, 1.0, 0.0]], [[0.2, 0.3, 0.5]]])
    rows = np.array([[3.0, 4.0], [0.0, 0.0]])
    assert expected_gradient_length(certain, rows).tolist() == [0.0, 0.0]


def test_an_almost_certain_frame_keeps_its_precision() -> None:
    rest = 1e-12
    found = expected_gradient_length(np.array([[[1 - rest, rest]]]), np.array([[1.0]]))
    assert found[0] == pytest.approx(2 * np.sqrt(2) * rest, rel=1e-3)  # 1 - p itself is rounded


def test_gradient_lengths_permute_with_the_frames_bit_by_bit() -> None:
    rng = np.random.default_rng(0)
    probs, rows = rng.dirichlet(np.ones(4), (60, 3)), rng.normal(size=(60, 9)).astype(np.float32)
    order, whole = rng.permutation(60), expected_gradient_length(probs, rows)
    np.testing.assert_array_equal(expected_gradient_length(probs[order], rows[order]), whole[order])
    one_by_one = [expected_gradient_length(probs[i : i + 1], rows[i : i + 1]) for i in range(60)]
    np.testing.assert_array_equal(np.concatenate(one_by_one), whole)


def dense_density(rows: Floats) -> Floats:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    units = rows / np.where(norms > 0, norms, 1)
    density: Floats = (1 + (units @ units.T).mean(axis=1)) / 2
    return density


@given(ROWS)
def test_density_is_the_mean_over_all_pairs(rows: Floats) -> None:
    found = density_of(rows)
    np.testing.assert_allclose(found, dense_density(rows), atol=1e-12)
    assert (found >= 0).all()
    assert (found <= 1).all()


@given(ROWS, st.randoms(use_true_random=False))
def test_density_does_not_depend_on_the_order_of_frames_by_a_bit(
    rows: Floats, random: object
) -> None:
    order = list(range(len(rows)))
    random.shuffle(order)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(density_of(rows[order]), density_of(rows)[order])


def test_density_does_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(1).normal(size=(200, 7))
    whole = density_of(rows)
    monkeypatch.setattr("winnow.acquisition.checked.BLOCK_VALUES", 10)
    np.testing.assert_array_equal(density_of(rows), whole)


def test_what_is_typical_is_dense_and_what_is_far_is_not() -> None:
    rng = np.random.default_rng(2)
    crowd = rng.normal([5, 0, 0], 0.3, size=(50, 3))
    density = density_of(np.concatenate([crowd, [[-4.0, 1.0, 0.0]]]))
    assert density.argmin() == 50
    center = crowd[((crowd - crowd.mean(axis=0)) ** 2).sum(axis=1).argmin()]
    assert density_of(np.concatenate([[center], crowd]))[0] > np.median(density[:50])


def test_equal_frames_have_density_one_and_zero_vectors_one_half() -> None:
    np.testing.assert_array_equal(density_of(np.ones((5, 4))), np.ones(5))
    np.testing.assert_array_equal(density_of(np.zeros((3, 4))), np.full(3, 0.5))
    np.testing.assert_array_equal(
        density_of(np.array([[1.0], [-1.0]], dtype=np.float32)), [0.5, 0.5]
    )


def test_information_density_weights_scores_by_a_power() -> None:
    rng = np.random.default_rng(3)
    rows, scores = rng.normal(size=(40, 5)), entropy(rng.dirichlet(np.ones(3), (40, 2)))
    for beta in (0.0, 0.5, 1.0, 3.0):
        expected = scores * dense_density(rows) ** beta
        found = information_density(scores, rows, beta=beta)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_array_equal(information_density(scores, rows, beta=0.0), scores)
    assert information_density(np.empty(0), np.empty((0, 3))).shape == (0,)


def test_bad_rows_are_named() -> None:
    probs, rows = np.full((4, 1, 2), 0.5), np.ones((4, 3), dtype=np.float32)
    rows[2, 1] = np.nan
    with pytest.raises(BadInput, match="embeddings_ND: row 2: expected finite numbers"):
        expected_gradient_length(probs, rows)
    with pytest.raises(BadInput, match="embeddings_ND: row 2: expected finite numbers"):
        density_of(rows)
    with pytest.raises(BadInput, match="embeddings_ND: expected 4 rows as in probs_NMC, found 3"):
        expected_gradient_length(probs, rows[:3])
    with pytest.raises(BadInput, match="scores_N: row 1: expected a score of at least 0"):
        information_density(np.array([0.1, -0.1]), np.ones((2, 2)))
    with pytest.raises(BadInput, match="beta: expected"):
        information_density(np.array([0.1]), np.ones((1, 2)), beta=-1.0)
    with pytest.raises(BadInput, match=r"embeddings_ND: expected shape \[frames, numbers\]"):
        density_of(np.ones(3))
