"""BADGE against its dense definition: the same distances, draws with the D² probabilities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.kernels.d2_race import D2Race
from winnow.kernels.exact import inner_products, squared_products
from winnow.kernels.philox import exponentials_of
from winnow.strategies.badge import STEP, Badge, Residuals
from winnow.strategies.protocol import Candidates

Rows = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


def hex_ids(n: int) -> npt.NDArray[np.str_]:
    return np.array([f"{i:032x}" for i in range(n)], dtype=np.str_)


def pool_of(n: int, *, classes: int = 3, width: int = 4, seed: int = 0) -> Candidates:
    rng = np.random.default_rng(seed)
    return Candidates(
        hex_ids(n),
        embeddings_ND=rng.standard_normal((n, width)).astype(np.float32),
        probs_NMC=rng.dirichlet(np.full(classes, 0.5), (n, 2)).astype(np.float32),
    )


def dense_gradients(pool: Candidates) -> Floats:
    """(p - onehot(ŷ)) ⊗ h, formed for every frame: N x C·D."""
    assert pool.probs_NMC is not None
    assert pool.embeddings_ND is not None
    probs = pool.probs_NMC.astype(np.float64).mean(axis=1)
    residual = (probs - np.eye(probs.shape[1])[probs.argmax(axis=1)]).astype(np.float32)
    dense: Floats = np.einsum("nc,nd->ncd", residual, pool.embeddings_ND.astype(np.float64))
    return dense.reshape(len(pool), -1)


def plain_race(gradients: Floats, endurance: Floats, n: int) -> list[int]:
    """D² sampling by the same race, everything in float64 and nothing left out."""
    squared = ((gradients[:, None] - gradients[None]) ** 2).sum(axis=2)
    picks = [int((gradients**2).sum(axis=1).argmax())]
    left, rate = endurance.copy(), squared[picks[0]].copy()
    while len(picks) < n:
        rate[picks] = 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            waits = np.where(rate > 0, left / rate, np.inf)
        pos = int(waits.argmin())
        left -= rate * waits[pos]
        picks.append(pos)
        rate = np.minimum(rate, squared[pos])
    return picks


def test_the_oracle_of_two_gradients() -> None:
    probs = np.array([[[0.7, 0.2, 0.1]], [[0.2, 0.5, 0.3]]], dtype=np.float32)
    features = np.array([[1, 2], [2, 1]], dtype=np.float32)
    residuals = Residuals(probs)[:]
    pair = (residuals[:1], features[:1]), (residuals[1:], features[1:])
    assert squared_products(*pair)[0] == pytest.approx(3.64, abs=1e-6)
    pool = Candidates(hex_ids(2), embeddings_ND=features, probs_NMC=probs)
    first, second = Badge().choose(pool, 2, seed=0)
    assert (first.pos, second.pos) == (1, 0)
    assert first.utility == pytest.approx(1.3784048752)
    assert second.utility == pytest.approx(np.sqrt(3.64))


@pytest.mark.parametrize(("classes", "norm"), [(2, 0.001414), (3, 0.001225), (10, 0.001054)])
def test_a_certain_frame_has_a_small_gradient(classes: int, norm: float) -> None:
    """A peer embeds -p ⊗ h, whose norm for a certain frame is .999."""
    probs = np.full((1, 1, classes), 0.001 / (classes - 1), dtype=np.float64)
    probs[0, 0, 1] = 0.999
    found = float(np.linalg.norm(Residuals(probs.astype(np.float32))[:]))
    assert found == pytest.approx(norm, rel=1e-3)


@settings(max_examples=40)
@given(st.integers(2, 40), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_draws_are_those_of_the_same_race_run_densely(n: int, classes: int, seed: int) -> None:
    pool = pool_of(n, classes=classes, seed=seed)
    chooser = Badge()
    picks = [pick.pos for pick in chooser.choose(pool, n, seed=seed)]
    endurance = exponentials_of(pool.frame_ids, seed=seed, step=STEP)
    assert picks == plain_race(dense_gradients(pool), endurance, n)


@pytest.mark.parametrize("small", [True, False])
def test_a_large_pool_gives_the_draws_of_the_plain_race(
    small: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if small:  # the frontier is used up again and again
        monkeypatch.setattr("winnow.kernels.d2_race.FRONTIER_ROWS", (4, 4))
        monkeypatch.setattr("winnow.kernels.d2_race.BLOCK_VALUES", 64)
    pool = pool_of(1500, classes=4, width=6, seed=2)
    assert pool.embeddings_ND is not None
    endurance = exponentials_of(pool.frame_ids, seed=5, step=STEP)
    picks = [pick.pos for pick in Badge().choose(pool, 150, seed=5)]
    assert picks == plain_race(dense_gradients(pool), endurance, 150)


def test_draws_have_the_d2_probabilities() -> None:
    """Chi-square over 1,500 seeds: the second and the third draw of seven frames."""
    pool = pool_of(7, seed=1)
    gradients = dense_gradients(pool)
    squared = ((gradients[:, None] - gradients[None]) ** 2).sum(axis=2)
    first = int((gradients**2).sum(axis=1).argmax())
    n_seeds, pairs = 1500, np.zeros((7, 7))
    for seed in range(n_seeds):
        picks = [pick.pos for pick in Badge().choose(pool, 3, seed=seed)]
        assert picks[0] == first
        pairs[picks[1], picks[2]] += 1
    expected = np.zeros((7, 7))
    for second in range(7):
        rest = np.minimum(squared[first], squared[second])
        expected[second] = squared[first, second] / squared[first].sum() * rest / rest.sum()
    cells = expected * n_seeds > 5
    cells[first], cells[:, first] = False, False
    chi = ((pairs[cells] - n_seeds * expected[cells]) ** 2 / (n_seeds * expected[cells])).sum()
    degrees = int(cells.sum()) - 1
    assert chi < degrees + 4 * np.sqrt(2 * degrees)


def test_draws_after_frames_came_back_have_the_d2_probabilities() -> None:
    """A row is shut for two draws and open again: its odds are those of its distance alone."""
    rows = np.array([[0.0], [1.0], [2.0], [4.0], [3.0]], dtype=np.float32)
    ranks = np.arange(5)
    counts = np.zeros(5)
    n_seeds = 1200
    ids = hex_ids(5)

    def race_of(seed: int) -> D2Race:
        return D2Race((rows,), ranks, lambda heat: exponentials_of(ids, seed=seed, step=100 + heat))

    for seed in range(n_seeds):
        race = race_of(seed)
        open_N = np.array([True, False, True, False, True])
        pos, _ = race.next(np.array([False, False, False, True, False]))
        race.add(pos)
        pos, _ = race.next(np.array([True, False, False, False, False]), 1)
        race.add(pos)
        open_N = np.array([False, True, True, False, True])
        pos, _ = race.next(open_N, 2)
        counts[pos] += 1
    expected = np.array([0, 1.0, 4.0, 0, 1.0]) / 6 * n_seeds
    seen = expected > 0
    assert counts[~seen].sum() == 0
    assert ((counts[seen] - expected[seen]) ** 2 / expected[seen]).sum() < 13.8  # p = .001


def test_gradients_that_are_all_equal_are_drawn_uniformly() -> None:
    pool = pool_of(6)
    assert pool.embeddings_ND is not None
    assert pool.probs_NMC is not None
    equal = replace(
        pool,
        embeddings_ND=np.repeat(pool.embeddings_ND[:1], 6, axis=0),
        probs_NMC=np.repeat(pool.probs_NMC[:1], 6, axis=0),
    )
    seconds = [Badge().choose(equal, 6, seed=seed)[1].pos for seed in range(400)]
    counts = np.bincount(seconds, minlength=6)[1:]
    assert ((counts - 80) ** 2 / 80).sum() < 18.5  # 4 degrees, p = .001


def test_a_pool_of_equal_rows_costs_no_pass_a_pick() -> None:
    n = 3000
    pool = Candidates(
        hex_ids(n),
        embeddings_ND=np.ones((n, 4), dtype=np.float32),
        probs_NMC=np.full((n, 1, 2), 0.5, dtype=np.float32),
    )
    assert len({pick.pos for pick in Badge().choose(pool, n, seed=1)}) == n


def exact_race(pool: Candidates, endurance: Floats, n: int) -> list[int]:
    """The same race with the distances that the library calls exact: also of tiny gradients."""
    assert pool.embeddings_ND is not None
    assert pool.probs_NMC is not None
    parts = Residuals(pool.probs_NMC)[:], np.asarray(pool.embeddings_ND[:])

    def squared_from(pos: int) -> Floats:
        return squared_products(parts, tuple(part[[pos] * len(pool)] for part in parts))

    picks = [int(inner_products(parts, parts).argmax())]
    left, rate = endurance.copy(), squared_from(picks[0])
    while len(picks) < n:
        rate[picks] = 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            waits = np.where(rate > 0, left / rate, np.inf)
        pos = int(waits.argmin())
        left = np.maximum(left - rate * waits[pos], 0.0)
        picks.append(pos)
        rate = np.minimum(rate, squared_from(pos))
    return picks


def confident_pool(n: int, sharpness: float) -> Candidates:
    """A few frames in doubt; the others' gradients fade to 1e-40 and less as sharpness grows."""
    rng = np.random.default_rng(3)
    logits = rng.standard_normal((n, 2, 5)) * sharpness
    probs = np.exp(logits - logits.max(axis=2, keepdims=True))
    probs /= probs.sum(axis=2, keepdims=True)
    # Members agree on the class, so that the mean is as certain as they are.
    probs = np.repeat(probs[:, :1], 2, axis=1)
    return Candidates(
        hex_ids(n),
        embeddings_ND=np.abs(rng.standard_normal((n, 6))).astype(np.float32),
        probs_NMC=probs.astype(np.float32),
    )


def copies_pool(n: int) -> Candidates:
    """Ten scenes, each many times with a noise that float32 distances cannot see."""
    rng = np.random.default_rng(4)
    scene_N = np.arange(n) % 10
    features = rng.standard_normal((10, 6))[scene_N] + 1e-6 * rng.standard_normal((n, 6))
    probs = rng.dirichlet(np.ones(4), 10)[scene_N][:, None]
    return Candidates(
        hex_ids(n),
        embeddings_ND=features.astype(np.float32),
        probs_NMC=probs.astype(np.float32),
    )


@pytest.mark.parametrize(
    ("pool", "n"),
    [
        pytest.param(confident_pool(600, 10.0), 200, id="confident"),
        pytest.param(confident_pool(600, 200.0), 200, id="confident beyond float32"),
        pytest.param(copies_pool(600), 200, id="near copies"),
    ],
)
def test_rows_that_float32_cannot_tell_apart_are_not_computed_exactly_at_each_draw(
    pool: Candidates, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []

    def counting(rows: tuple[Rows, ...], others: tuple[Rows, ...]) -> Floats:
        counted.append(len(rows[0]))
        return squared_products(rows, others)

    monkeypatch.setattr("winnow.kernels.d2_race.squared_products", counting)
    picks = [pick.pos for pick in Badge().choose(pool, n, seed=7)]
    endurance = exponentials_of(pool.frame_ids, seed=7, step=STEP)
    assert picks == exact_race(pool, endurance, n)
    assert sum(counted) < 20 * n  # each draw alone would cost some hundred frames times its number
