"""One suite that every query strategy passes; a new strategy is in it by being registered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.constraints.money import WithinMoney
from winnow.constraints.one_per_cluster import OnePerCluster
from winnow.constraints.temporal_gap import TemporalGap
from winnow.domain.errors import BadInput, PoolExhausted
from winnow.strategies.protocol import Candidates, Constraint, Pick, Strategy
from winnow.strategies.registry import STRATEGIES, strategy_of

ALL = pytest.mark.parametrize("name", sorted(STRATEGIES))
SEED = 7


def frame_ids(n: int) -> npt.NDArray[np.str_]:
    rng = np.random.default_rng(n)
    return np.array([rng.bytes(16).hex() for _ in range(n)], dtype=np.str_)


def candidates(n: int, dimension: int = 4, seed: int = 0) -> Candidates:
    rng = np.random.default_rng(seed)
    return Candidates(
        frame_ids=frame_ids(n),
        scores_N=rng.random(n).round(1),  # ties
        embeddings_ND=rng.integers(-3, 4, (n, dimension)).astype(np.float32),  # and more ties
        centers_LD=rng.standard_normal((3, dimension)).astype(np.float32),
        clusters_N=np.array([f"c{i % 5}" for i in range(n)], dtype=np.str_),
        price_micros_N=rng.integers(1, 10, n),
        probs_NMC=rng.dirichlet(np.ones(3), (n, 2)).astype(np.float32),
        sessions_N=np.array([f"s{i % 4}" for i in range(n)], dtype=np.str_),
        captured_us_N=np.arange(n, dtype=np.int64) * 1_000_000,
        columns={
            "vehicle": np.array([f"v{i % 3}" for i in range(n)], dtype=np.str_),
            "site": np.array([f"site{i % 2}" for i in range(n)], dtype=np.str_),
            "weather": np.array([("rain", "sun", "fog")[i % 3] for i in range(n)], dtype=np.str_),
            "mi_person": rng.random(n).round(1),
            "mi_bike": rng.random(n).round(1),
            "speed_mps": rng.random(n) * 30,
        },
        labels_L=np.array([0, 1, 2]),
        center_probs_LMC=rng.dirichlet(np.ones(3), (3, 2)).astype(np.float32),
        examples_ED=rng.integers(-3, 4, (2, dimension)).astype(np.float32),
    )


def ids(pool: Candidates, picks: Sequence[Pick]) -> list[str]:
    return [str(pool.frame_ids[pick.pos]) for pick in picks]


OPTIONS: dict[str, dict[str, object]] = {
    "shortlist_k_center": {"shortlist_factor": 2.0},
    "batchbald": {"configurations": 200},
}
"""What a strategy needs to make sense on these pools."""

SIZE_MATTERS: frozenset[str] = frozenset(
    {"bait", "cluster_margin", "herding", "kmeans", "trajectory", "typiclust"}
)
"""Strategies whose choices depend on how many are asked for, so that heads differ."""


def strategy(name: str, **options: object) -> Strategy:
    return strategy_of(name, OPTIONS.get(name, {}) | options)


def reordered(pool: Candidates, order: npt.NDArray[np.intp]) -> Candidates:
    turned = {
        known.name: getattr(pool, known.name)[order]
        for known in fields(pool)
        if known.name == "frame_ids" or "_N" in known.name
        if getattr(pool, known.name) is not None
    }
    return replace(pool, **turned, columns={k: v[order] for k, v in pool.columns.items()})


@ALL
@given(n=st.integers(0, 30), share=st.floats(0, 1), seed=st.integers(0, 2**64 - 1))
def test_exactly_n_distinct_frames_with_reasons(name: str, n: int, share: float, seed: int) -> None:
    pool, size = candidates(n), int(n * share)
    picks = strategy(name).choose(pool, size, seed=seed)
    assert len({pick.pos for pick in picks}) == len(picks) == size
    assert all(pick.reason and "\n" not in pick.reason for pick in picks)
    texts = strategy(name).passed_over(pool, picks, size)
    assert len(texts) == n
    assert all(texts)


@ALL
@given(order=st.permutations(range(24)), size=st.integers(0, 24))
def test_the_order_of_the_input_changes_no_choice(name: str, order: list[int], size: int) -> None:
    pool = candidates(24)
    shuffled = reordered(pool, np.array(order, dtype=np.intp))
    expected = strategy(name).choose(pool, size, seed=SEED)
    found = strategy(name).choose(shuffled, size, seed=SEED)
    assert ids(shuffled, found) == ids(pool, expected)
    assert [(p.utility, p.reason) for p in found] == [(p.utility, p.reason) for p in expected]


@ALL
def test_a_smaller_batch_is_the_head_of_a_larger_one(name: str) -> None:
    if name in SIZE_MATTERS:
        return
    pool = candidates(40)
    chooser = strategy(name, **({"shortlist_factor": 40.0} if "shortlist" in name else {}))
    whole = ids(pool, chooser.choose(pool, 20, seed=SEED))
    assert ids(pool, chooser.choose(pool, 5, seed=SEED)) == whole[:5]


@ALL
def test_inputs_are_left_alone_and_the_seed_decides(name: str) -> None:
    pool = candidates(30)
    assert pool.scores_N is not None
    assert pool.embeddings_ND is not None
    before = pool.scores_N.tobytes(), pool.embeddings_ND.tobytes(), pool.frame_ids.tobytes()
    first = strategy(name).choose(pool, 10, seed=SEED)
    assert first == strategy(name).choose(pool, 10, seed=SEED)
    other = strategy(name).choose(pool, 10, seed=SEED + 1)
    assert (first != other) == (strategy(name).inclusion != "certain")
    after = pool.scores_N.tobytes(), pool.embeddings_ND.tobytes(), pool.frame_ids.tobytes()
    assert after == before


@ALL
@given(money=st.integers(0, 60), size=st.integers(0, 20))
def test_constraints_are_kept_and_the_batch_is_full_when_it_can_be(
    name: str, money: int, size: int
) -> None:
    pool = candidates(20)
    prices, clusters = pool.price_micros_N, pool.clusters_N
    assert prices is not None
    assert clusters is not None
    constraints: list[Constraint] = [WithinMoney(prices, money), OnePerCluster(clusters)]
    picks = strategy(name).choose(pool, size, seed=SEED, constraints=constraints)
    chosen = [pick.pos for pick in picks]
    assert prices[chosen].sum() <= money
    assert len(set(clusters[chosen])) == len(chosen) <= size
    if len(chosen) < size:
        left = money - prices[chosen].sum()
        taken = set(clusters[chosen])
        assert not any(
            prices[pos] <= left and clusters[pos] not in taken for pos in range(len(pool))
        )


@ALL
@pytest.mark.parametrize("n_known", [19, 21])
def test_a_constraint_over_other_frames_than_the_candidates_is_refused(
    name: str, n_known: int
) -> None:
    clusters, prices = np.arange(n_known).astype(np.str_), np.ones(n_known, dtype=np.int64)
    times = np.arange(n_known, dtype=np.int64)
    constraints = (OnePerCluster(clusters), WithinMoney(prices, 9), TemporalGap(clusters, times, 1))
    for constraint in constraints:
        with pytest.raises(BadInput, match=f"{constraint.name}: .* each of 20 .* found {n_known}"):
            strategy(name).choose(candidates(20), 2, seed=SEED, constraints=[constraint])


@ALL
def test_a_batch_larger_than_the_pool_is_refused(name: str) -> None:
    with pytest.raises(PoolExhausted, match="at most the pool's 5 frames, found 6"):
        strategy(name).choose(candidates(5), 6, seed=SEED)
    with pytest.raises(BadInput, match="at least 0"):
        strategy(name).choose(candidates(5), -1, seed=SEED)
    wrong: tuple[Any, ...] = (1.5, 2.0, "2", None)
    for size in wrong:
        with pytest.raises(BadInput, match="batch: expected a whole number of frames, found"):
            strategy(name).choose(candidates(5), size, seed=SEED)
    assert len(strategy(name).choose(candidates(5), np.int64(2), seed=SEED)) == 2  # type: ignore[arg-type]


@ALL
def test_a_seed_is_a_whole_number_of_any_kind(name: str) -> None:
    chooser, pool = strategy(name), candidates(12)
    drawn: Any = np.random.default_rng(3).integers(2**63)  # as people draw their seeds
    assert chooser.choose(pool, 4, seed=drawn) == chooser.choose(pool, 4, seed=int(drawn))
    wrong: tuple[Any, ...] = (1.5, "7", None)
    for seed in wrong if chooser.inclusion != "certain" else ():
        with pytest.raises(BadInput, match="seed: expected a whole number, found"):
            chooser.choose(pool, 4, seed=seed)


@ALL
def test_a_frame_twice_is_refused(name: str) -> None:
    pool = candidates(5)
    twice = pool.frame_ids.copy()
    twice[1] = twice[0]
    with pytest.raises(BadInput, match="distinct"):
        strategy(name).choose(replace(pool, frame_ids=twice), 2, seed=SEED)


@ALL
def test_ids_that_are_no_array_of_texts_are_refused(name: str) -> None:
    pool = candidates(5)
    for frame_ids in (np.arange(5), list(range(5)), [b"a"] * 5, pool.frame_ids[:, None]):
        given: dict[str, Any] = {"frame_ids": frame_ids}
        with pytest.raises(BadInput, match=r"frame_ids: expected an array \[N\] of texts, found "):
            strategy(name).choose(replace(pool, **given), 2, seed=SEED)


@ALL
@pytest.mark.parametrize("kind", [">f4", "f2", "f8", "i1", "i2", "i8"])
def test_numbers_of_any_type_choose_the_same_frames(name: str, kind: str) -> None:
    pool = candidates(40)
    assert pool.scores_N is not None
    rows: dict[str, Any] = {
        field: 40.0 * getattr(pool, field).round()  # squares are beyond one byte and float16
        for field in ("embeddings_ND", "centers_LD", "examples_ED")
    }
    rows["scores_N"] = (10.0 * pool.scores_N).round()
    others = {field: values.astype(kind) for field, values in rows.items()}
    assert all((others[field] == rows[field]).all() for field in rows)
    expected = strategy(name).choose(replace(pool, **rows), 12, seed=SEED)
    assert strategy(name).choose(replace(pool, **others), 12, seed=SEED) == expected


@ALL
def test_lists_and_tensors_and_columns_of_tables_are_arrays(name: str) -> None:
    torch = pytest.importorskip("torch")
    pool = candidates(30)
    expected = strategy(name).choose(pool, 8, seed=SEED)
    lists: dict[str, Any] = {
        known.name: getattr(pool, known.name).tolist()
        for known in fields(pool)
        if isinstance(getattr(pool, known.name), np.ndarray)
    }
    lists["columns"] = {key: column.tolist() for key, column in pool.columns.items()}
    assert strategy(name).choose(replace(pool, **lists), 8, seed=SEED) == expected
    tensors: dict[str, Any] = {
        field: torch.from_numpy(getattr(pool, field))
        for field in ("scores_N", "embeddings_ND", "centers_LD", "probs_NMC", "price_micros_N")
    }
    texts: dict[str, Any] = {
        field: getattr(pool, field).astype(object)  # as a table of pandas holds them
        for field in ("frame_ids", "sessions_N", "clusters_N")
    }
    assert strategy(name).choose(replace(pool, **tensors, **texts), 8, seed=SEED) == expected


def test_half_precision_hides_no_infinity_and_texts_are_no_numbers() -> None:
    wrong: dict[str, Any] = {"embeddings_ND": np.array([[1.0, 2.0], [np.inf, 0.0]], np.float16)}
    with pytest.raises(BadInput, match="row 1"):
        strategy("k_center").choose(Candidates(frame_ids(2), **wrong), 1, seed=SEED)
    wrong = {"embeddings_ND": [["near", "far"]]}
    with pytest.raises(BadInput, match="embeddings_ND: expected numbers, found <U4"):
        Candidates(frame_ids(1), **wrong)
    wrong = {"embeddings_ND": [[1.0, 2.0], [3.0]]}
    with pytest.raises(BadInput, match="embeddings_ND: expected an array, found list: "):
        Candidates(frame_ids(2), **wrong)
    wrong = {"centers_LD": 1.0}
    with pytest.raises(BadInput, match="centers_LD: expected an array, found one value"):
        Candidates(frame_ids(2), **wrong)


def test_what_lies_under_a_mask_is_no_value() -> None:
    rows: Any = np.arange(12.0).reshape(6, 2).view(np.ma.MaskedArray)
    pool = Candidates(frame_ids(6), embeddings_ND=rows)
    picks = strategy("k_center").choose(pool, 2, seed=SEED)
    plain = Candidates(frame_ids(6), embeddings_ND=np.arange(12.0, dtype=np.float32).reshape(6, 2))
    assert picks == strategy("k_center").choose(plain, 2, seed=SEED)
    rows[4, 1] = np.ma.masked
    expected = r"embeddings_ND: expected values, found 1 masked, the first at \(4, 1\)"
    with pytest.raises(BadInput, match=expected):
        Candidates(frame_ids(6), embeddings_ND=rows)


def test_a_price_in_dollars_is_refused_where_micros_are_asked() -> None:
    wrong: dict[str, Any] = {"price_micros_N": [0.08, 0.08]}
    with pytest.raises(BadInput, match="price_micros_N: expected whole numbers of micros, found f"):
        Candidates(frame_ids(2), **wrong)


def test_large_arrays_stay_where_they_are() -> None:
    pool = candidates(6)
    again = replace(pool, scores_N=None)
    for field in ("embeddings_ND", "probs_NMC", "frame_ids", "price_micros_N", "sessions_N"):
        assert getattr(again, field) is getattr(pool, field)


@ALL
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_numbers_that_are_none_are_refused(name: str, bad: float) -> None:
    pool = candidates(6)
    assert pool.embeddings_ND is not None
    assert pool.scores_N is not None
    rows, scores = pool.embeddings_ND.copy(), pool.scores_N.copy()
    rows[4, 1] = bad
    scores[4] = bad
    for needed, broken in (
        ("embeddings", replace(pool, embeddings_ND=rows)),
        ("scores", replace(pool, scores_N=scores)),
    ):
        if needed in strategy(name).needs:
            with pytest.raises(BadInput, match="row 4"):
                strategy(name).choose(broken, 2, seed=SEED)
        else:
            assert len(strategy(name).choose(broken, 2, seed=SEED)) == 2


@ALL
def test_what_is_needed_and_absent_is_refused(name: str) -> None:
    bare = Candidates(frame_ids=frame_ids(4))
    if strategy(name).needs:
        with pytest.raises(BadInput, match="found none"):
            strategy(name).choose(bare, 1, seed=SEED)
    else:
        assert len(strategy(name).choose(bare, 1, seed=SEED)) == 1


@ALL
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_frames_tie_and_zero_vectors_are_vectors(name: str, value: float) -> None:
    pool = replace(
        candidates(9),
        scores_N=np.full(9, value),
        embeddings_ND=np.full((9, 3), value, dtype=np.float32),
        centers_LD=np.full((3, 3), value, dtype=np.float32),
        examples_ED=np.full((2, 3), value, dtype=np.float32),
        probs_NMC=np.full((9, 2, 3), 1 / 3, dtype=np.float32),
        sessions_N=np.full(9, "s"),
        columns={k: np.full(9, v[0]) for k, v in candidates(9).columns.items()},
    )
    chosen = ids(pool, strategy(name).choose(pool, 4, seed=SEED))
    if strategy(name).inclusion == "certain":
        assert chosen == sorted(pool.frame_ids.tolist())[:4]
    assert len(strategy(name).choose(pool, 9, seed=SEED)) == 9


@ALL
def test_an_empty_pool_gives_an_empty_batch(name: str) -> None:
    assert strategy(name).choose(candidates(0), 0, seed=SEED) == []


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(BadInput, match=", ".join(sorted(STRATEGIES))):
        strategy_of("kcenter")
