"""Fisher information and its changes against dense matrices."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.kernels.fisher import Design, Points, information_of, inverse_of

Floats = npt.NDArray[np.float64]


def points_of(seed: int, n: int, n_classes: int, dimension: int) -> Points:
    rng = np.random.default_rng(seed)
    return Points(rng.standard_normal((n, dimension)), rng.dirichlet(np.ones(n_classes), n))


def dense(points: Points) -> list[Floats]:
    """The definition: (diag p - ppᵀ) ⊗ xxᵀ of each point."""
    return [
        np.kron(np.diag(p) - np.outer(p, p), np.outer(x, x))
        for x, p in zip(points.features_KD, points.probs_KC, strict=True)
    ]


def total(parts: list[Floats]) -> Floats:
    found: Floats = np.sum(parts, axis=0)
    return found


def trace_of(information: Floats, target: Floats) -> float:
    return float(np.trace(np.linalg.solve(information, target)))


SIZES = (st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32 - 1))


@settings(max_examples=40)
@given(*SIZES)
def test_information_and_inverse_are_those_of_the_definition(
    n: int, n_classes: int, dimension: int, seed: int
) -> None:
    points = points_of(seed, n, n_classes, dimension)
    found = information_of([points.at(np.arange(n))], n_classes, dimension)
    np.testing.assert_allclose(found, total(dense(points)), atol=1e-12)
    np.testing.assert_array_equal(found, found.T)
    ridged = found + 0.1 * np.eye(len(found))
    np.testing.assert_allclose(inverse_of(ridged), np.linalg.inv(ridged), rtol=1e-9, atol=1e-9)


@settings(max_examples=40)
@given(*SIZES)
def test_changes_are_those_of_the_trace_while_points_are_added(
    n: int, n_classes: int, dimension: int, seed: int
) -> None:
    points = points_of(seed, n, n_classes, dimension)
    parts, target = dense(points), total(dense(points)) / n
    information = 0.05 * np.eye(len(target))
    design = Design(points, target, inverse_of(information))
    for row in np.random.default_rng(seed).integers(0, n, 4).tolist():
        held = trace_of(information, target)
        expected = [held - trace_of(information + part, target) for part in parts]
        np.testing.assert_allclose(design.changes(), expected, rtol=1e-7, atol=1e-9)
        design.apply(row)
        information = information + parts[row]
        np.testing.assert_allclose(design.inverse_RR, np.linalg.inv(information), atol=1e-8)


@settings(max_examples=40)
@given(*SIZES)
def test_changes_are_those_of_the_trace_while_points_are_removed(
    n: int, n_classes: int, dimension: int, seed: int
) -> None:
    points = points_of(seed, n, n_classes, dimension)
    parts, target = dense(points), total(dense(points)) / n
    information = 0.05 * np.eye(len(target)) + total(parts)
    design, left = Design(points, target, inverse_of(information), change="remove"), list(range(n))
    while len(left) > 1:
        held = trace_of(information, target)
        expected = [trace_of(information - parts[row], target) - held for row in left]
        np.testing.assert_allclose(design.changes()[left], expected, rtol=1e-6, atol=1e-8)
        row = left.pop(0)
        design.apply(row)
        information = information - parts[row]


def test_equal_points_have_equal_changes_wherever_they_stand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = points_of(3, 7, 3, 4)
    many = points.at(np.arange(700) % 7)
    target = information_of([points], 3, 4)
    design, few = (Design(p, target, np.eye(12)) for p in (many, points))
    for row in (2, 5):
        design.apply(row)
        few.apply(row)
        np.testing.assert_array_equal(design.changes(), np.tile(few.changes(), 100))
    monkeypatch.setattr("winnow.kernels.fisher.POINTS_AT_ONCE", 13)
    small = Design(many, target, np.eye(12))
    small.apply(2)
    small.apply(5)
    np.testing.assert_array_equal(small.changes(), design.changes())
