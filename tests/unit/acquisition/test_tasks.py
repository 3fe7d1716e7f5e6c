"""Several tasks on one scale, tasks that build on one another, simulation against reality."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.spatial import distance

from winnow.acquisition import (
    Stage,
    Trigger,
    bald,
    cascade,
    entropy,
    largest_normalised,
    normalised,
    sim_versus_real,
    weighted_sum,
)
from winnow.acquisition.cascade import First
from winnow.acquisition.normalised import Scale
from winnow.domain.errors import BadInput

Floats = npt.NDArray[np.float64]
SCORES = arrays(np.float64, st.integers(1, 30), elements=st.floats(-1e6, 1e6))
SCALES: list[Scale] = ["rank", "min_max", "z"]
EXACT = np.array([0.0, 1.0, 1.0, 4.0, -2.0])


def reference(scores: Floats, how: Scale) -> Floats:
    if scores.max() == scores.min():
        return np.full(len(scores), 0.0 if how == "z" else 0.5)
    if how == "rank":
        ranks: Floats = (stats.rankdata(scores, "average") - 1) / (len(scores) - 1)
        return ranks
    if how == "min_max":
        shares: Floats = (scores - scores.min()) / np.ptp(scores)
        return shares
    z: Floats = (scores - scores.mean()) / scores.std()
    return z


@given(SCORES, st.sampled_from(SCALES))
def test_scales_agree_with_scipy_and_numpy(scores: Floats, how: Scale) -> None:
    found = normalised(scores, how=how)
    spread = np.ptp(scores)
    # NumPy's deviation of nearly equal or tiny numbers is rounding, or zero.
    if how != "z" or spread == 0 or spread > max(1e-6 * np.abs(scores).max(), 1e-100):
        np.testing.assert_allclose(found, reference(scores, how), atol=1e-8)
    order = np.argsort(scores, kind="stable")
    assert (np.diff(found[order]) >= 0).all()
    if how != "z":
        assert (found >= 0).all()
        assert (found <= 1).all()


@given(SCORES, st.sampled_from(SCALES), st.randoms(use_true_random=False))
def test_the_order_of_frames_changes_no_bit(scores: Floats, how: Scale, random: object) -> None:
    order = list(range(len(scores)))
    random.shuffle(order)  # type: ignore[attr-defined]
    found = normalised(scores, how=how)
    np.testing.assert_array_equal(normalised(scores[order], how=how), found[order])


@pytest.mark.parametrize(("how", "constant"), [("rank", 0.5), ("min_max", 0.5), ("z", 0.0)])
def test_equal_scores_say_nothing(how: Scale, constant: float) -> None:
    np.testing.assert_array_equal(normalised(np.full(4, 0.1), how=how), np.full(4, constant))
    np.testing.assert_array_equal(normalised(np.array([7.0]), how=how), [constant])
    assert normalised(np.empty(0), how=how).shape == (0,)


def test_scales_survive_extreme_scores() -> None:
    extremes = np.array([-1e150, 0.0, 1e150])
    assert normalised(extremes, how="min_max").tolist() == [0.0, 0.5, 1.0]
    np.testing.assert_allclose(normalised(extremes, how="z"), np.sqrt(1.5) * np.array([-1, 0, 1]))
    tiny = np.array([0.0, 5e-324])
    for how in SCALES:
        assert np.isfinite(normalised(tiny, how=how)).all()


def test_weighted_sums_add_in_the_order_of_names() -> None:
    rng = np.random.default_rng(0)
    scores = {name: rng.normal(size=50) for name in ("depth", "boxes", "classes")}
    weights = {"classes": 0.3, "boxes": 0.5, "depth": 0.2}
    for how in SCALES:
        found = weighted_sum(scores, weights, how=how)
        expected = sum(w * normalised(scores[name], how=how) for name, w in weights.items())
        np.testing.assert_allclose(found, expected, atol=1e-12)
        turned = weighted_sum(
            dict(reversed(scores.items())), dict(reversed(weights.items())), how=how
        )
        np.testing.assert_array_equal(turned, found)
    only = weighted_sum(scores, {"boxes": 2.0, "depth": 0.0})
    np.testing.assert_array_equal(only, 2 * normalised(scores["boxes"]))


def test_one_doubtful_task_is_enough_for_the_largest() -> None:
    scores = {"box": np.array([0.0, 9.0, 0.0]), "class": np.array([0.5, 0.1, 0.4])}
    largest = largest_normalised(scores, how="rank")
    assert largest.tolist() == [1.0, 1.0, 0.5]
    z_scores = np.stack([normalised(column, how="z") for column in scores.values()])
    np.testing.assert_array_equal(largest_normalised(scores), z_scores.max(axis=0))


def test_bad_tasks_are_named() -> None:
    scores = {"a": np.array([1.0, np.nan]), "b": np.zeros(2), "c": np.zeros(3)}
    with pytest.raises(BadInput, match="a: row 1: expected finite numbers, found nan"):
        weighted_sum(scores, {"a": 1.0})
    with pytest.raises(BadInput, match="weights: expected one of a, b, c, found 'd'"):
        weighted_sum(scores, {"d": 1.0})
    with pytest.raises(BadInput, match="c: expected 2 rows as in b, found 3"):
        weighted_sum(scores, {"b": 1.0, "c": 1.0})
    for weights in ({"b": -1.0}, {"b": math.nan}, {"b": math.inf}):
        with pytest.raises(BadInput, match="weights: b: expected a finite number of at least 0"):
            weighted_sum(scores, weights)
    for weights in ({}, {"b": 0.0}):
        with pytest.raises(BadInput, match="expected at least one above 0"):
            weighted_sum(scores, weights)
    with pytest.raises(BadInput, match="how: expected one of rank, min_max, z, found 'softmax'"):
        normalised(np.zeros(2), how="softmax")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="scores: expected at least one task"):
        largest_normalised({})


@st.composite
def stages(draw: st.DrawFn) -> list[Stage]:
    n_frames, n_stages = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    scores = arrays(np.float64, n_frames, elements=st.floats(-1e9, 1e9))
    flags = arrays(np.bool_, n_frames)
    return [Stage(f"stage {k}", draw(scores), draw(flags)) for k in range(n_stages)]


@given(stages(), st.sampled_from(["early", "late"]))
def test_a_cascade_is_lexicographic_in_stage_and_score(chain: list[Stage], first: First) -> None:
    found = cascade(chain, first=first)
    keys = []
    for row in range(len(found.scores_N)):
        stage = 0
        while stage < len(chain) - 1 and chain[stage].passes_N[row]:
            stage += 1
        assert found.stage_N[row] == stage
        keys.append((stage if first == "late" else -stage, chain[stage].scores_N[row]))
    for row, key in enumerate(keys):
        for other, other_key in enumerate(keys):
            assert (key < other_key) == (found.scores_N[row] < found.scores_N[other])


@given(stages(), st.randoms(use_true_random=False))
def test_the_order_of_frames_changes_no_bit_of_a_cascade(
    chain: list[Stage], random: object
) -> None:
    order = list(range(len(chain[0].scores_N)))
    random.shuffle(order)  # type: ignore[attr-defined]
    moved = [Stage(s.name, s.scores_N[order], s.passes_N[order]) for s in chain]
    for first in ("early", "late", "score"):
        whole = cascade(chain, first=first)
        again = cascade(moved, first=first)
        np.testing.assert_array_equal(again.scores_N, whole.scores_N[order])
        np.testing.assert_array_equal(again.stage_N, whole.stage_N[order])


def test_no_score_of_a_held_back_stage_is_looked_at() -> None:
    columns = {"detect": np.array([0.9, 0.1, 0.2, 0.8]), "sure": np.array([0.0, 1.0, 1.0, 0.0])}
    passed = Trigger.parse("sure > 0.5").mask(columns)
    detect = Stage("detect", columns["detect"], passed)
    pose = Stage("pose", np.array([np.nan, 1e9, 2e9, np.nan]), passed)
    late = cascade([detect, pose], first="late")
    assert late.stage_N.tolist() == [0, 1, 1, 0]
    assert late.scores_N.tolist() == [0.75, 1.25, 1.75, 0.25]
    early = cascade([detect, pose], first="early")
    assert early.scores_N.tolist() == [1.75, 0.25, 0.75, 1.25]
    together = cascade([detect, pose], first="score")
    assert together.scores_N.tolist() == [0.75, 0.25, 0.75, 0.25]


def test_bad_cascades_are_named() -> None:
    detect = Stage("detect", np.zeros(2), np.ones(2, dtype=np.bool_))
    with pytest.raises(BadInput, match="stage pose: row 1: expected a finite score, found nan"):
        cascade([detect, Stage("pose", np.array([0.0, np.nan]), detect.passes_N)], first="late")
    with pytest.raises(BadInput, match="pose: expected 2 rows as in detect, found 3"):
        cascade([detect, Stage("pose", np.zeros(3), detect.passes_N)], first="late")
    with pytest.raises(BadInput, match="flags of detect: expected 2 rows"):
        cascade([Stage("detect", np.zeros(2), np.ones(3, dtype=np.bool_))], first="late")
    with pytest.raises(BadInput, match="stage detect: expected bool flags, found float64"):
        cascade([Stage("detect", np.zeros(2), np.ones(2)), detect], first="late")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="stages: expected at least one"):
        cascade([], first="late")
    with pytest.raises(BadInput, match="first: expected one of early, late, score"):
        cascade([detect], first="best")  # type: ignore[arg-type]


@st.composite
def views(draw: st.DrawFn) -> tuple[Floats, Floats]:
    n, n_classes = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    real, view = (
        rng.dirichlet(np.full(n_classes, 0.2), (n, draw(st.integers(1, 4)))) for _ in range(2)
    )
    return real, view


@given(views())
def test_divergence_of_views_agrees_with_scipy(pair: tuple[Floats, Floats]) -> None:
    real, view = pair
    found = sim_versus_real(real, view)
    expected = distance.jensenshannon(real.mean(axis=1), view.mean(axis=1), axis=1) ** 2
    np.testing.assert_allclose(found, expected, atol=1e-9)
    np.testing.assert_allclose(sim_versus_real(view, real), found, atol=1e-15)
    assert (found >= 0).all()
    assert (found <= math.log(2) + 1e-12).all()
    one_sided = sim_versus_real(real, view, divergence="kullback_leibler")
    expected = stats.entropy(real.mean(axis=1), view.mean(axis=1), axis=1)
    np.testing.assert_allclose(one_sided, expected, rtol=1e-9, atol=1e-12)


def test_equal_views_are_no_disagreement_however_the_members_differ() -> None:
    real = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.3, 0.7], [0.3, 0.7]]])
    assert sim_versus_real(real, real[:, ::-1]).tolist() == [0.0, 0.0]
    assert bald(real)[0] > 0.6
    opposite = sim_versus_real(np.array([[[1.0, 0.0]]]), np.array([[[0.0, 1.0]]]))
    assert opposite[0] == pytest.approx(math.log(2))


def test_views_permute_bit_by_bit() -> None:
    rng = np.random.default_rng(0)
    real, view = rng.dirichlet(np.ones(3), (2000, 2)), rng.dirichlet(np.ones(3), (2000, 5))
    order, whole = rng.permutation(2000), sim_versus_real(real, view)
    np.testing.assert_array_equal(sim_versus_real(real[order], view[order]), whole[order])
    assert sim_versus_real(real[:0], view[:0]).shape == (0,)


def test_bad_views_are_named() -> None:
    real, view = np.full((3, 1, 2), 0.5), np.full((3, 1, 2), 0.5)
    view[1, 0] = [1.0, 0.0]
    with pytest.raises(BadInput, match=r"simulated_NMC: row 1: .* jensen_shannon is finite there"):
        sim_versus_real(real, view, divergence="kullback_leibler")
    assert np.isfinite(sim_versus_real(real, view)).all()
    with pytest.raises(BadInput, match="simulated_NMC: expected 3 rows as in real_NMC, found 2"):
        sim_versus_real(real, view[:2])
    with pytest.raises(BadInput, match="simulated_NMC: expected 2 classes, found 1"):
        sim_versus_real(real, np.ones((3, 1, 1)))
    with pytest.raises(BadInput, match="simulated_NMC: row 2, member 0"):
        sim_versus_real(real, np.array([[[0.5, 0.5]], [[0.5, 0.5]], [[0.5, 0.6]]]))
    with pytest.raises(BadInput, match="divergence: expected one of jensen_shannon"):
        sim_versus_real(real, view, divergence="cosine")  # type: ignore[arg-type]


def test_scores_of_committees_compose_to_a_decision() -> None:
    rng = np.random.default_rng(1)
    committee = rng.dirichlet(np.ones(4), (200, 5))
    scores = {"doubt": entropy(committee), "disagreement": bald(committee)}
    combined = weighted_sum(scores, {"doubt": 0.5, "disagreement": 0.5})
    asked = Trigger.parse("combined > 0.9 and disagreement > 0.2").mask(
        scores | {"combined": combined}
    )
    assert 0 < asked.sum() < 40
