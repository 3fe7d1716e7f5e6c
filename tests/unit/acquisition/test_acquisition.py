"""Every acquisition function: bounds, zeros, ten-line references, oracles of the fact sheet."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from winnow.acquisition.registry import ACQUISITIONS, acquisition_of
from winnow.acquisition.reproducible import log_of, sum_last
from winnow.domain.errors import BadInput

Floats = npt.NDArray[np.float64]
NAMES = sorted(ACQUISITIONS)


def score(name: str, probs_NMC: object) -> Floats:
    return acquisition_of(name).score(np.asarray(probs_NMC))


@st.composite
def probabilities(draw: st.DrawFn) -> Floats:
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 5), st.integers(1, 6)))
    # The mean of members over the smallest subnormal would be zero, and the references infinite.
    share = st.floats(0, 1, allow_subnormal=False)
    weights = draw(arrays(np.float64, shape, elements=share))
    weights[weights.sum(axis=2) == 0] = 1.0
    probs: Floats = weights / weights.sum(axis=2, keepdims=True)
    return probs


def upper(name: str, n_members: int, n_classes: int) -> float:
    return {
        "entropy": math.log(n_classes),
        "margin": 1.0,
        "least_confidence": 1 - 1 / n_classes,
        "bald": math.log(min(n_members, n_classes)),
    }[name]


@given(probabilities(), st.sampled_from(NAMES))
def test_scores_are_finite_and_within_their_bounds(probs: Floats, name: str) -> None:
    before = probs.copy()
    scores = score(name, probs)
    assert scores.shape == (len(probs),)
    assert scores.dtype == np.float64
    assert (scores >= 0).all()
    assert (scores <= upper(name, *probs.shape[1:]) + 1e-9).all()
    np.testing.assert_array_equal(probs, before)


@given(probabilities(), st.sampled_from(NAMES))
def test_order_of_frames_permutes_and_order_of_members_and_classes_changes_nothing(
    probs: Floats, name: str
) -> None:
    rng = np.random.default_rng(len(probs))
    frames, members, classes = (rng.permutation(n) for n in probs.shape)
    scores = score(name, probs)
    np.testing.assert_array_equal(score(name, probs[frames]), scores[frames])
    shuffled = probs[:, members][:, :, classes]
    np.testing.assert_allclose(score(name, shuffled), scores, atol=1e-12)


@given(probabilities())
def test_scores_agree_with_ten_line_references(probs: Floats) -> None:
    for row, members in enumerate(probs):
        mean = [sum(m[c] for m in members) / len(members) for c in range(probs.shape[2])]
        first, second = ([*sorted(mean, reverse=True), 1.0 + max(mean) - 1.0])[:2]
        assert score("entropy", probs)[row] == pytest.approx(entropy(mean), abs=1e-12)
        assert score("least_confidence", probs)[row] == pytest.approx(1 - first, abs=1e-12)
        if len(mean) > 1:
            assert score("margin", probs)[row] == pytest.approx(1 - (first - second), abs=1e-12)
        expected = entropy(mean) - sum(entropy(m) for m in members) / len(members)
        assert score("bald", probs)[row] == pytest.approx(max(expected, 0), abs=1e-12)


@given(probabilities())
def test_bald_is_the_mean_divergence_from_the_consensus(probs: Floats) -> None:
    mean = probs.mean(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(probs > 0, probs * np.log(probs / mean), 0.0)
    divergence = terms.sum(axis=2).mean(axis=1)
    np.testing.assert_allclose(score("bald", probs), divergence, atol=1e-9)


def entropy(probs: object) -> float:
    return -sum(p * math.log(p) for p in probs if p > 0)  # type: ignore[attr-defined]


def test_oracles() -> None:
    one = [[[0.5, 0.3, 0.2]]]
    assert score("entropy", one)[0] == pytest.approx(1.0296530140645737, abs=1e-15)
    assert score("least_confidence", one)[0] == pytest.approx(0.5)
    assert score("margin", one)[0] == pytest.approx(0.8)
    three = [[[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1]]]
    assert score("bald", three)[0] == pytest.approx(0.1537951886, abs=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_certain_and_agreeing_members_score_zero(name: str) -> None:
    certain = np.tile([[0.0, 1.0, 0.0]], (5, 4, 1))
    np.testing.assert_array_equal(score(name, certain), np.zeros(5))


def test_agreement_is_no_disagreement_however_unsure() -> None:
    agreeing = np.tile([[0.2, 0.3, 0.5]], (5, 7, 1))
    np.testing.assert_allclose(score("bald", agreeing), 0.0, atol=1e-15)
    split = [[[1.0, 0.0], [0.0, 1.0]]]
    assert score("bald", split)[0] == pytest.approx(math.log(2))


@pytest.mark.parametrize("name", NAMES)
def test_blocks_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    probs = np.random.default_rng(0).dirichlet(np.ones(3), (50, 4)).astype(np.float32)
    whole = score(name, probs)
    monkeypatch.setattr("winnow.acquisition.probabilities.BLOCK_VALUES", 30)
    np.testing.assert_array_equal(score(name, probs), whole)
    one_by_one = [score(name, probs[i : i + 1])[0] for i in range(50)]
    np.testing.assert_array_equal(one_by_one, whole)


@pytest.mark.parametrize("name", NAMES)
def test_float32_keeps_the_order_of_float64(name: str) -> None:
    probs = np.random.default_rng(1).dirichlet(np.ones(5), (200, 4))
    double, single = score(name, probs), score(name, probs.astype(np.float32))
    order = np.argsort(double)
    apart = np.diff(double[order]) > 1e-5
    assert (np.diff(single[order])[apart] > 0).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("row", "found"),
    [([0.5, 0.6], "0.6"), ([float("nan"), 1.0], "nan"), ([-0.1, 1.1], "-0.1"), ([0.0, 0.0], "0.0")],
)
def test_bad_probabilities_are_refused_and_the_row_is_named(
    name: str, row: list[float], found: str
) -> None:
    probs = np.full((8, 2, 2), 0.5)
    probs[6, 1] = row
    with pytest.raises(BadInput, match=rf"row 6, member 1.*{found}"):
        score(name, probs)


@pytest.mark.parametrize("shape", [(3, 2), (3, 0, 2), (3, 2, 0), (3,)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="expected shape"):
        score("bald", np.ones(shape))


def test_no_frames_give_no_scores() -> None:
    assert score("bald", np.empty((0, 2, 3))).shape == (0,)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(BadInput, match="bald, entropy, least_confidence, margin"):
        acquisition_of("entrpy")


@given(arrays(np.float64, 20, elements=st.floats(5e-324, 1e308)))
def test_the_logarithm_is_within_two_units_in_the_last_place(values: Floats) -> None:
    for value, found in zip(values.tolist(), log_of(values).tolist(), strict=True):
        expected = math.log(value)
        assert abs(found - expected) <= 2 * math.ulp(expected)


@given(
    arrays(np.float64, st.tuples(st.integers(0, 3), st.integers(0, 9)), elements=st.floats(-1, 1))
)
def test_sums_do_not_depend_on_the_layout_of_memory(values: Floats) -> None:
    found = sum_last(values)
    np.testing.assert_allclose(found, values.sum(axis=-1), atol=1e-12)
    np.testing.assert_array_equal(sum_last(np.asfortranarray(values)), found)
