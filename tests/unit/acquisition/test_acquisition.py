"""Every acquisition function: bounds, zeros, ten-line references, oracles of the fact sheet."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from winnow.acquisition import bald, expected_gradient_length
from winnow.acquisition.registry import (
    ACQUISITIONS,
    RECORDED,
    acquisition_of,
    recorded_names,
    score_of,
)
from winnow.acquisition.reproducible import log_of, sum_last
from winnow.acquisition.votes import votes_of
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
        "kl_to_consensus": math.log(min(n_members, n_classes)),
        "vote_entropy": math.log(min(n_members, n_classes)),
        "variation_ratio": 1 - 1 / min(n_members, n_classes),
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
    # Where members with several best classes are in a deadlock, the first class decides.
    decided = (probs == probs.max(axis=2, keepdims=True)).sum(axis=2).max(axis=1) == 1
    same = decided if name == "vote_entropy" else np.ones_like(decided)
    np.testing.assert_allclose(score(name, shuffled)[same], scores[same], atol=1e-12)


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
def test_votes_agree_with_a_ten_line_reference(probs: Floats) -> None:
    for row, members in enumerate(probs.tolist()):
        best = [[c for c, p in enumerate(m) if p == max(m)] for m in members]
        supporters = Counter(c for classes in best for c in classes)
        sole = Counter(classes[0] for classes in best if len(classes) == 1)
        votes = Counter(
            max(classes, key=lambda c: (supporters[c], sole[c], -c)) for classes in best
        )
        shares = [n / len(members) for n in votes.values()]
        assert score("variation_ratio", probs)[row] == pytest.approx(1 - max(shares), abs=1e-15)
        assert score("vote_entropy", probs)[row] == pytest.approx(entropy(shares), abs=1e-15)


def test_an_undecided_member_is_no_disagreement() -> None:
    undecided = [[[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.2, 0.6, 0.2]]]
    assert votes_of(np.array(undecided)).tolist() == [[0, 3, 0]]
    assert score("variation_ratio", undecided).tolist() == [0.0]
    assert score("vote_entropy", np.full((2, 5, 4), 0.25)).tolist() == [0.0, 0.0]


@given(probabilities())
def test_bald_is_the_mean_divergence_from_the_consensus(probs: Floats) -> None:
    mean = probs.mean(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(probs > 0, probs * np.log(probs / mean), 0.0)
    divergence = terms.sum(axis=2).mean(axis=1)
    np.testing.assert_allclose(score("bald", probs), divergence, atol=1e-9)
    np.testing.assert_allclose(score("kl_to_consensus", probs), divergence, atol=1e-12)
    np.testing.assert_allclose(score("kl_to_consensus", probs), score("bald", probs), atol=1e-12)


def entropy(probs: object) -> float:
    return -sum(p * math.log(p) for p in probs if p > 0)  # type: ignore[attr-defined]


def test_oracles() -> None:
    one = [[[0.5, 0.3, 0.2]]]
    assert score("entropy", one)[0] == pytest.approx(1.0296530140645737, abs=1e-15)
    assert score("least_confidence", one)[0] == pytest.approx(0.5)
    assert score("margin", one)[0] == pytest.approx(0.8)
    three = [[[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1]]]
    assert score("bald", three)[0] == pytest.approx(0.1537951886, abs=1e-10)
    assert score("kl_to_consensus", three)[0] == pytest.approx(0.1537951886, abs=1e-10)
    assert score("entropy", three)[0] == pytest.approx(0.9333939009, abs=1e-10)
    assert score("vote_entropy", three)[0] == pytest.approx(0.6365141683, abs=1e-10)
    assert score("variation_ratio", three)[0] == pytest.approx(1 / 3, abs=1e-15)


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


@pytest.mark.parametrize("name", NAMES)
def test_no_frames_give_no_scores(name: str) -> None:
    assert score(name, np.empty((0, 2, 3))).shape == (0,)


@pytest.mark.parametrize("name", NAMES)
def test_one_class_and_one_member_are_worth_nothing_that_they_cannot_say(name: str) -> None:
    np.testing.assert_array_equal(score(name, np.ones((3, 4, 1))), np.zeros(3))
    alone = np.random.default_rng(0).dirichlet(np.ones(4), (50, 1))
    if name not in {"entropy", "least_confidence", "margin"}:
        np.testing.assert_allclose(score(name, alone), np.zeros(50), atol=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_probabilities_of_nought_and_of_almost_nought_are_scored(name: str) -> None:
    extremes = [[[5e-324, 1.0], [1.0, 0.0]], [[1e-310, 1.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]]
    scores = score(name, extremes)
    assert np.isfinite(scores).all()
    assert (scores[2] >= scores[:2]).all()


@pytest.mark.parametrize("name", NAMES)
def test_whole_numbers_lists_and_half_precision_are_probabilities_too(name: str) -> None:
    certain = [[[1, 0], [0, 1]]]
    expected = acquisition_of(name).score(np.array(certain, dtype=np.float64))
    np.testing.assert_array_equal(acquisition_of(name).score(certain), expected)
    half = np.array(certain, dtype=np.float16)
    np.testing.assert_array_equal(acquisition_of(name).score(half), expected)


def test_texts_are_no_probabilities() -> None:
    with pytest.raises(BadInput, match="expected numbers, found <U1"):
        acquisition_of("bald").score(np.full((1, 1, 1), "a"))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ([2.0, -1.0, 0.5], "the least is -1"),  # logits
        ([0.625, 0.5, 0.125], "they sum to 1.25"),
        ([0.4, 0.3, 0.2989], "they sum to 0.9989"),
        ([np.inf, -np.inf, 1.0], "the least is -inf"),
    ],
)
def test_what_is_wrong_with_a_row_is_said(row: list[float], said: str) -> None:
    with (
        warnings.catch_warnings(action="error"),
        pytest.raises(BadInput, match=f"row 1, member 0.*: {said}$"),
    ):
        bald(np.array([[[0.5, 0.25, 0.25]], [row]]))
    with pytest.raises(BadInput, match=r"0.5\] and 90 more: they sum to 50$"):
        bald(np.full((1, 1, 100), 0.5))  # not a hundred numbers in a log line


@pytest.mark.parametrize("total", [0.999, 1.001])
def test_a_sum_may_stray_by_a_thousandth_on_either_side(total: float) -> None:
    found = score("entropy", [[[0.5, total - 0.5]]])
    assert found == pytest.approx(math.log(2), abs=1e-3)


def test_one_models_matrix_and_ragged_rows_are_told_apart() -> None:
    with pytest.raises(BadInput, match=r"found \(2, 3\) \(of one model: probs\[:, None\]\)"):
        bald(np.full((2, 3), 1 / 3))
    ragged: Any = [[[0.5, 0.5]], [[1.0]]]
    with pytest.raises(BadInput, match="probs_NMC: expected an array, found list: "):
        bald(ragged)


def test_an_unknown_name_lists_the_known_ones() -> None:
    known = "bald, entropy, epig, expected_gradient_length, kl_to_consensus, least_confidence"
    with pytest.raises(BadInput, match=known):
        acquisition_of("entrpy")


def test_what_is_recorded_does_not_grow_with_the_registry() -> None:
    assert RECORDED == ("bald", "entropy", "least_confidence", "margin")
    assert set(RECORDED) < set(ACQUISITIONS)
    assert recorded_names("bald") == RECORDED
    assert recorded_names("vote_entropy") == (*RECORDED, "vote_entropy")


def test_a_function_that_needs_more_says_what_is_missing() -> None:
    probs, rows = np.full((3, 2, 2), 0.5), np.ones((3, 4))
    assert not any(acquisition.needs for acquisition in ACQUISITIONS.values())
    with pytest.raises(BadInput, match="epig: expected targets beside the probabilities"):
        score_of("epig", probs, embeddings_ND=rows)
    with pytest.raises(BadInput, match="expected_gradient_length: expected embeddings"):
        score_of("expected_gradient_length", probs, targets_TMC=probs)
    assert score_of("epig", probs, targets_TMC=probs).shape == (3,)
    assert score_of("bald", probs, targets_TMC=probs).tolist() == [0.0] * 3
    expected = expected_gradient_length(probs, rows)
    found = score_of("expected_gradient_length", probs, embeddings_ND=rows)
    np.testing.assert_array_equal(found, expected)


def test_scores_are_told_with_their_unit() -> None:
    assert acquisition_of("bald").told(0.4142) == "disagreement 0.41 nats"
    assert acquisition_of("variation_ratio").told(0.5) == (
        "share of votes against the majority 0.50"
    )


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
