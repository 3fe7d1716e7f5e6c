"""Uncertainty herding against its definition, all similarities at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.strategies import herding
from winnow.strategies.herding import WEIGHT_MIN, Herding
from winnow.strategies.protocol import Candidates

Floats = npt.NDArray[np.float64]


def pool_of(n: int, n_labeled: int = 3, seed: int = 0) -> Candidates:
    rng = np.random.default_rng(seed)
    return Candidates(
        np.array([f"{i:032x}" for i in range(n)], dtype=np.str_),
        scores_N=rng.random(n),
        embeddings_ND=rng.standard_normal((n, 4)).astype(np.float32),
        centers_LD=rng.standard_normal((n_labeled, 4)).astype(np.float32),
    )


def squared(a: Floats, b: Floats) -> Floats:
    differences: Floats = a[:, None] - b[None]
    found: Floats = (differences**2).sum(axis=2)
    return found


def dense_herding(pool: Candidates, n: int, radius: float, weights: Floats) -> list[int]:
    """Greedy over the whole matrix of similarities, in float64."""
    assert pool.embeddings_ND is not None
    assert pool.centers_LD is not None
    rows, labeled = pool.embeddings_ND.astype(float), pool.centers_LD.astype(float)
    alike = 1.0 / (1.0 + squared(rows, rows) / radius**2)
    covered: Floats = np.zeros(len(rows))
    if len(labeled):
        covered = (1.0 / (1.0 + squared(rows, labeled) / radius**2)).max(axis=1)
    picks: list[int] = []
    for _ in range(n):
        gains = weights @ np.maximum(alike - covered[:, None], 0.0)
        gains[picks] = -1.0
        picks.append(int(gains.argmax()))
        covered = np.maximum(covered, alike[:, picks[-1]])
    return picks


def radius_in(reason: str) -> float:
    return float(reason.rsplit("radius ", 1)[1].split(",")[0])


def power_in(pool: Candidates) -> float:
    return float(Herding().choose(pool, 1, seed=0)[0].reason.rsplit("sharpness ", 1)[1])


@settings(max_examples=40)
@given(st.integers(3, 40), st.integers(0, 4), st.integers(0, 2**32 - 1))
def test_picks_are_those_of_the_dense_definition(n: int, n_labeled: int, seed: int) -> None:
    pool = pool_of(n, n_labeled, seed)
    size = n // 2
    assert pool.scores_N is not None
    for weight in ("score", "none"):
        found = Herding(weight=weight).choose(pool, size, seed=1)
        shares = np.maximum((pool.scores_N / pool.scores_N.max()) ** 2, WEIGHT_MIN)
        weights = shares if weight == "score" else np.ones(n)
        expected = dense_herding(pool, size, radius_in(found[0].reason), weights)
        # The radius is told with three digits: near ties may be decided otherwise.
        same = sum(a.pos == b for a, b in zip(found, expected, strict=True))
        assert same >= size - 2 or [p.pos for p in found] == expected


def test_the_surer_the_committee_is_of_the_pool_the_more_its_doubts_count() -> None:
    pool = pool_of(200)
    powers = []
    for sure in (0.0, 0.25, 0.5, 0.75, 1.0):
        probs_NMC = np.full((200, 3, 4), (1.0 - sure) / 4, dtype=np.float32)
        probs_NMC[:, :, 1] += np.float32(sure)
        powers.append(power_in(replace(pool, probs_NMC=probs_NMC)))
    assert powers == [0.25, 1.5, 3.0, 4.5, 6.0]
    assert power_in(pool) == 2.0, "nothing says how sure it is"
    one_class = np.ones((200, 3, 1), dtype=np.float32)
    assert power_in(replace(pool, probs_NMC=one_class)) == 2.0


@pytest.mark.parametrize(("quarters", "chance"), [(6, 10), (11, 10), (24, 3)])
def test_the_power_applies_in_quarters(quarters: int, chance: int) -> None:
    pool = pool_of(40, seed=3)
    sure = quarters / 24
    probs_NMC = np.full((40, 2, chance), (1.0 - sure) / chance, dtype=np.float32)
    probs_NMC[:, :, 0] += np.float32(sure)
    found = Herding().choose(replace(pool, probs_NMC=probs_NMC), 12, seed=1)
    assert pool.scores_N is not None
    weights = np.maximum((pool.scores_N / pool.scores_N.max()) ** (quarters / 4), WEIGHT_MIN)
    expected = dense_herding(pool, 12, radius_in(found[0].reason), weights)
    assert sum(a.pos == b for a, b in zip(found, expected, strict=True)) >= 10


def test_the_radius_shrinks_as_labels_come_and_covers_what_is_labeled() -> None:
    few, many = pool_of(400, 5), pool_of(400, 5)
    assert many.embeddings_ND is not None
    many = replace(many, centers_LD=many.embeddings_ND[:150])
    radii = [radius_in(Herding().choose(pool, 10, seed=0)[0].reason) for pool in (few, many)]
    assert radii[1] < 0.8 * radii[0]
    assert not {p.pos for p in Herding().choose(many, 60, seed=0)} & set(range(150))


def test_a_cold_start_takes_the_middle_of_the_largest_cloud_first() -> None:
    rng = np.random.default_rng(2)
    clouds = [(0.0, 60), (30.0, 30), (60.0, 10)]
    rows = np.concatenate([at + rng.standard_normal((n, 3)) for at, n in clouds])
    pool = Candidates(
        np.array([f"{i:032x}" for i in range(100)], dtype=np.str_),
        embeddings_ND=rows.astype(np.float32),
    )
    picks = Herding(weight="none").choose(pool, 3, seed=0)
    assert [int(np.searchsorted([60, 90], p.pos, side="right")) for p in picks] == [0, 1, 2]
    assert picks[0].reason.startswith("typical: covers ")


def test_near_copies_of_a_doubtful_frame_are_not_taken_twice() -> None:
    pool = pool_of(60, 0, seed=4)
    assert pool.embeddings_ND is not None
    copies = replace(
        pool,
        embeddings_ND=np.repeat(pool.embeddings_ND[:12], 5, axis=0)
        + np.float32(1e-4) * np.arange(60, dtype=np.float32)[:, None],
    )
    picks = [p.pos // 5 for p in Herding().choose(copies, 12, seed=0)]
    assert len(set(picks)) == 12


@pytest.mark.parametrize("value", [0.0, -3.0, 7.0])
def test_equal_scores_are_as_good_as_none(value: float) -> None:
    pool = pool_of(50)
    flat = replace(pool, scores_N=np.full(50, value))
    expected = [p.pos for p in Herding(weight="none").choose(pool, 20, seed=0)]
    assert [p.pos for p in Herding().choose(flat, 20, seed=0)] == expected


def test_in_a_large_pool_the_best_and_a_sample_compete_and_the_batch_is_full() -> None:
    pool = pool_of(600, 3, seed=6)
    assert pool.scores_N is not None
    chooser = Herding(candidates_max=64, targets_max=64)
    picks = chooser.choose(pool, 10, seed=0)
    assert len({p.pos for p in picks}) == 10
    assert sum(p.pos in set(np.argsort(-pool.scores_N)[:32].tolist()) for p in picks) >= 5
    assert len({p.pos for p in chooser.choose(pool, 600, seed=0)}) == 600


def covered_share(pool: Candidates, chosen: list[int], radius: float) -> float:
    """Of the doubt of the whole pool, not only of the frames over which it was counted."""
    assert pool.embeddings_ND is not None
    assert pool.scores_N is not None
    rows, weights = pool.embeddings_ND.astype(float), (pool.scores_N / pool.scores_N.max()) ** 2
    alike = 1.0 / (1.0 + squared(rows, rows[chosen]) / radius**2)
    return float(weights @ alike.max(axis=1) / weights.sum())


@pytest.mark.parametrize("size", [32, 64, 160, 320])
def test_a_batch_as_large_as_the_counted_frames_covers_the_others_too(size: int) -> None:
    rng = np.random.default_rng(8)
    scenes = rng.standard_normal((120, 6))
    rows = np.repeat(scenes, 5, axis=0) + 0.02 * rng.standard_normal((600, 6))
    pool = replace(pool_of(600, 0), embeddings_ND=rows.astype(np.float32))
    everything = Herding(sharpness=2).choose(pool, size, seed=0)
    radius = radius_in(everything[0].reason)
    best = covered_share(pool, [p.pos for p in everything], radius)
    counted = Herding(sharpness=2, targets_max=64).choose(pool, size, seed=0)
    drawn = rng.permutation(600)[:size].tolist()
    by_chance = covered_share(pool, drawn, radius)
    found = covered_share(pool, [p.pos for p in counted], radius)
    assert found > by_chance + 0.4 * (best - by_chance)


@pytest.mark.parametrize("pairs_max", [1 << 32, 0])
def test_beyond_the_counted_frames_the_most_uncovered_doubt_goes_first(
    pairs_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(herding, "PAIRS_MAX", pairs_max)
    pool = pool_of(200, 3, seed=5)
    assert pool.embeddings_ND is not None
    assert pool.centers_LD is not None
    assert pool.scores_N is not None
    picks = Herding(sharpness=1, targets_max=16).choose(pool, 200, seed=0)
    assert len({p.pos for p in picks}) == 200
    rows, weights = pool.embeddings_ND.astype(float), pool.scores_N / pool.scores_N.max()
    radius, at_once = radius_in(picks[0].reason), 2 if pairs_max else 184
    for start in range(16, 200, at_once):
        order = [p.pos for p in picks]
        near = np.concatenate([rows[order[:start]], pool.centers_LD.astype(float)])
        left = weights * (1.0 - 1.0 / (1.0 + squared(rows, near).min(axis=1) / radius**2))
        some = left[order[start : start + at_once]]
        assert (np.diff(some) <= 1e-3).all()
        assert some[0] >= left[order[start:]].max() - 1e-3
        utilities = [p.utility for p in picks[start : start + at_once]]
        assert utilities == pytest.approx(some / weights.sum(), rel=0.02, abs=1e-6)


@pytest.mark.parametrize("exponent", [-120, -70, 40])
def test_the_unit_of_embeddings_changes_no_pick(exponent: int) -> None:
    pool = pool_of(60)
    assert pool.embeddings_ND is not None
    assert pool.centers_LD is not None
    unit = np.float32(2.0**exponent)
    other = replace(
        pool, embeddings_ND=pool.embeddings_ND * unit, centers_LD=pool.centers_LD * unit
    )
    picks, others = (Herding().choose(one, 30, seed=0) for one in (pool, other))
    assert [pick.pos for pick in picks] == [pick.pos for pick in others]
