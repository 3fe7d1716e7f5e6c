"""Whatever the pool, money and policy: a proposal keeps its promises."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.domain.errors import BadInput
from winnow.estimation.horvitz_thompson import Sample, hajek, horvitz_thompson
from winnow.policy.inputs import SelectionInputs
from winnow.policy.model import Policy, parse_policy
from winnow.policy.select import propose

PRICE = 80_000


def policy(strategy: str, size: int, share: float, acquisition: str = "bald") -> Policy:
    options = ", shortlist_factor: 2" if strategy == "shortlist_k_center" else ""
    return parse_policy(
        f"selection: {{batch_size: {size}, strategy: {{name: {strategy}{options}}}, "
        f"cold_start: random, acquisition: {acquisition}}}\nrandom_arm: {{share: {share}}}\n"
    )


def inputs_of(rules: Policy, *, n: int, n_gated: int = 0, seed: int = 0, data: int = 0,
              micros: int = 10**12, cold: bool = False) -> SelectionInputs:  # fmt: skip
    rng = np.random.default_rng(data)
    ids = np.array([rng.bytes(16).hex() for _ in range(n)], dtype="<U32")
    gates = np.array(["dark"] * n_gated + [""] * (n - n_gated), dtype="<U9")
    n_passed = n - n_gated
    scored = np.zeros(n_passed, dtype=np.bool_) if cold else rng.random(n_passed) < 0.9
    probs = rng.dirichlet(np.ones(3), (int(scored.sum()), 2)).astype(np.float32)
    return SelectionInputs(
        policy=rules,
        seed=seed,
        affordable_micros=micros,
        frame_ids=ids,
        gates=gates,
        gate_details=np.full(n, "", dtype="<U1"),
        clusters=ids,
        embeddings_ND=rng.standard_normal((n_passed, 3)).astype(np.float32),
        centers_LD=None,
        scored=scored,
        probs_NMC=None if cold else probs,
    )


CASES = {
    "strategy": st.sampled_from(["top_k", "random", "k_center", "shortlist_k_center", "power"]),
    "n": st.integers(0, 40),
    "size": st.integers(1, 30),
    "share": st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    "n_affordable": st.integers(0, 50),
    "cold": st.booleans(),
    "data": st.integers(0, 99),
}


@settings(max_examples=60)
@given(**CASES)
def test_a_batch_is_distinct_affordable_ungated_and_told(
    strategy: str, n: int, size: int, share: float, n_affordable: int, cold: bool, data: int
) -> None:
    n_gated = n // 4
    inputs = inputs_of(
        policy(strategy, size, share), n=n, n_gated=n_gated, data=data,
        micros=n_affordable * PRICE + PRICE - 1, cold=cold,
    )  # fmt: skip
    proposal = propose(inputs)
    batch = proposal.batch.tolist()
    assert len(set(batch)) == len(batch)
    assert len(batch) <= min(size, n - n_gated, n_affordable) == proposal.sizes.n_frames
    assert all(proposal.gates[batch] == "")
    arms = proposal.arms
    assert set(np.flatnonzero(arms != "").tolist()) == set(batch)
    assert int(np.isin(arms, ["random", "both"]).sum()) == proposal.sizes.n_random
    assert all(proposal.reasons)
    assert len(proposal.reasons) == n
    inclusion = proposal.inclusion
    assert np.isnan(inclusion[proposal.gates != ""]).all()
    assert ((inclusion[batch] > 0) & (inclusion[batch] <= 1)).all()
    fills = cold or strategy in ("random", "k_center")
    if fills or int(inputs.scored.sum()) >= proposal.sizes.n_frames:
        # Full whatever the draw; where frames without scores leave gaps, the size is random too.
        assert np.nansum(inclusion) == pytest.approx(len(batch)) == proposal.sizes.n_frames
    drawn = np.isin(arms, ["random", "both"])
    assert not np.isnan(proposal.draw[drawn]).any()


@settings(max_examples=40)
@given(order=st.permutations(range(24)), **{k: CASES[k] for k in ("strategy", "size", "data")})
def test_the_order_of_the_snapshot_changes_no_record(
    order: list[int], strategy: str, size: int, data: int
) -> None:
    inputs = inputs_of(policy(strategy, size, 0.2), n=24, data=data)
    everyone = replace(inputs, scored=np.ones(24, np.bool_), probs_NMC=np.random.default_rng(
        data).dirichlet(np.ones(3), (24, 2)).astype(np.float32))  # fmt: skip
    turn = np.array(order)
    assert everyone.embeddings_ND is not None
    assert everyone.probs_NMC is not None
    turned = replace(
        everyone,
        frame_ids=everyone.frame_ids[turn],
        clusters=everyone.clusters[turn],
        embeddings_ND=everyone.embeddings_ND[turn],
        probs_NMC=everyone.probs_NMC[turn],
    )
    first, second = propose(everyone), propose(turned)
    assert turned.frame_ids[second.batch].tolist() == everyone.frame_ids[first.batch].tolist()
    for name in ("scores", "utilities", "inclusion", "draw", "arms"):
        expected = getattr(first, name)[turn]
        np.testing.assert_array_equal(getattr(second, name), expected)
    assert second.reasons == tuple(first.reasons[i] for i in order)


@given(**{k: CASES[k] for k in ("strategy", "n", "size", "data")})
@settings(max_examples=30)
def test_inputs_are_left_alone_and_equal_inputs_give_equal_proposals(
    strategy: str, n: int, size: int, data: int
) -> None:
    inputs = inputs_of(policy(strategy, size, 0.3), n=n, data=data)
    arrays = (inputs.frame_ids, inputs.gates, inputs.embeddings_ND, inputs.probs_NMC, inputs.scored)
    before = [None if array is None else array.tobytes() for array in arrays]
    first, second = propose(inputs), propose(inputs)
    assert [None if array is None else array.tobytes() for array in arrays] == before
    assert first.reasons == second.reasons
    np.testing.assert_array_equal(first.batch, second.batch)


@pytest.mark.parametrize("strategy", ["power", "softmax", "rank", "random"])
def test_batches_weighed_by_lure_have_the_pools_mean_over_all_draws(strategy: str) -> None:
    n, found, plain = 14, [], []
    rules = policy(strategy, 6, 0.34, "entropy")
    everyone = replace(
        inputs_of(rules, n=n),
        scored=np.ones(n, np.bool_),
        probs_NMC=np.random.default_rng(0).dirichlet(np.full(3, 0.2), (n, 2)).astype(np.float32),
    )
    losses_N = np.arange(float(n)) if strategy == "random" else propose(everyone).scores
    for seed in range(600):
        proposal = propose(replace(everyone, seed=seed))
        assert (proposal.lure >= 0).all()
        found.append((proposal.lure * losses_N[proposal.batch]).mean())
        plain.append(losses_N[proposal.batch].mean())
    error, plain_error = (np.std(one) / np.sqrt(len(one)) for one in (found, plain))
    assert abs(np.mean(found) - losses_N.mean()) < 4 * error
    assert (np.mean(plain) - losses_N.mean() > 4 * plain_error) == (strategy != "random")


@pytest.mark.parametrize(
    "changes",
    [
        {"policy": policy("top_k", 6, 0.34)},
        {"policy": policy("power", 6, 0.34), "scored": np.arange(14) > 0},
        {
            "policy": parse_policy(
                "selection: {batch_size: 6, strategy: power, cold_start: random}\n"
                "random_arm: {share: 0.34}\n"
                "constraints: {caps: {session: 1}}\n"
            ),
            "sessions": np.array(["s0"] * 9 + ["s1"] * 5),
        },
    ],
)
def test_where_not_every_frame_could_be_drawn_there_is_no_lure(changes: dict[str, Any]) -> None:
    probs = np.random.default_rng(0).dirichlet(np.ones(3), (14, 2)).astype(np.float32)
    scored = changes.get("scored", np.ones(14, np.bool_))
    inputs = inputs_of(changes["policy"], n=14)
    changes = {**changes, "scored": scored, "probs_NMC": probs[scored]}
    proposal = propose(replace(inputs, **changes))
    assert len(proposal.lure) == len(proposal.batch)
    assert np.isnan(proposal.lure).all()


def test_the_random_arm_cares_for_the_seed_and_the_pool_only() -> None:
    def arm(strategy: str, seed: int, data: int = 0) -> set[int]:
        inputs = inputs_of(policy(strategy, 20, 0.5), n=60, seed=seed)
        other = inputs_of(policy(strategy, 20, 0.5), n=60, seed=seed, data=data)
        same_pool = replace(other, frame_ids=inputs.frame_ids, clusters=inputs.clusters)
        found = propose(same_pool)
        return set(np.flatnonzero(np.isin(found.arms, ["random", "both"])).tolist())

    assert arm("top_k", 1) == arm("k_center", 1) == arm("shortlist_k_center", 1, data=9)
    assert arm("random", 1) == arm("top_k", 1)
    assert arm("top_k", 1) != arm("top_k", 2)


@pytest.mark.parametrize("strategy", ["top_k", "power"])
def test_weighting_by_inclusion_is_unbiased_over_seeds_for_a_keen_strategy(strategy: str) -> None:
    """The values are the very scores that the strategy chases or draws by; 600 seeds, one pool."""
    base = inputs_of(policy(strategy, 16, 0.5), n=60)
    base = replace(base, scored=np.ones(60, np.bool_), probs_NMC=np.random.default_rng(3).dirichlet(
        np.ones(3), (60, 2)).astype(np.float32))  # fmt: skip
    values = propose(base).scores
    naive, weighted, ratio, exact = [], [], [], []
    for seed in range(600):
        found = propose(replace(base, seed=seed))
        batch = found.batch
        certain = found.inclusion[batch] == 1.0
        drawn = np.isin(found.arms[batch], ["random", "both"])
        sample = Sample(values[batch], certain, drawn, 60, found.sizes.n_random)
        naive.append(values[batch].mean())
        weighted.append((values[batch] / found.inclusion[batch]).sum() / 60)
        ratio.append(hajek(sample).mean)
        exact.append(horvitz_thompson(sample).mean)
    truth = values.mean()
    for estimates in (weighted, ratio, exact):
        assert abs(np.mean(estimates) - truth) < 3.5 * np.std(estimates) / np.sqrt(600)
    assert np.mean(naive) > truth + 8 * np.std(naive) / np.sqrt(600)


def test_inclusion_is_the_share_of_seeds_that_include() -> None:
    base = inputs_of(policy("k_center", 8, 0.5), n=20)
    counts = np.zeros(20)
    for seed in range(800):
        counts[propose(replace(base, seed=seed)).batch] += 1
    expected = propose(base).inclusion
    error = np.sqrt(expected * (1 - expected) / 800)
    assert (np.abs(counts / 800 - expected) <= 4 * error + 1e-12).all()


def test_arrays_of_different_pools_are_refused() -> None:
    inputs = inputs_of(policy("top_k", 4, 0.5), n=9)
    with pytest.raises(BadInput, match="gates: expected 8 rows, found 9"):
        replace(inputs, frame_ids=inputs.frame_ids[1:])


def priced(data: int, prices: list[int], share: float, strategy: str, micros: int,
           size: int) -> SelectionInputs:  # fmt: skip
    rules = policy(strategy, size, share).model_dump(mode="json")
    rules["money"] = {"label_price_micros": 10, "price_column": "price"}
    inputs = inputs_of(Policy.model_validate(rules), n=len(prices), data=data, micros=micros)
    n = len(prices)
    return replace(
        inputs,
        scored=np.ones(n, np.bool_),
        probs_NMC=np.random.default_rng(data).dirichlet(np.ones(3), (n, 2)).astype(np.float32),
        columns={"price": np.array(prices, dtype=np.float64)},
    )


@settings(max_examples=60)
@given(
    prices=st.lists(st.integers(0, 30), min_size=1, max_size=25),
    share=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    strategy=CASES["strategy"],
    micros=st.integers(0, 200),
    size=st.integers(1, 25),
    data=CASES["data"],
)
def test_frames_of_different_prices_never_cost_more_than_there_is(
    prices: list[int], share: float, strategy: str, micros: int, size: int, data: int
) -> None:
    inputs = priced(data, prices, share, strategy, micros, size)
    proposal = propose(inputs)
    batch, costs = proposal.batch, np.array(prices)
    assert costs[batch].sum() <= micros
    assert proposal.rows.price_micros.tolist() == costs[batch].tolist()
    drawn = int(np.isin(proposal.arms, ["random", "both"]).sum())
    assert drawn == proposal.sizes.n_random <= len(batch)
    assert np.sort(costs)[::-1][: proposal.sizes.n_random].sum() <= micros
    inclusion = proposal.inclusion
    assert ((inclusion[batch] > 0) | np.isnan(inclusion[batch])).all()
    if not proposal.sizes.n_random and proposal.decision.strategy.inclusion == "certain":
        assert (inclusion[batch] == 1).all()


def test_what_inclusion_says_of_frames_of_different_prices_is_true_over_seeds() -> None:
    prices = [3, 9, 1, 4, 4, 8, 2, 7, 5, 6, 3, 3, 9, 2, 2, 1, 6, 5, 4, 8]
    base = priced(5, prices, 0.25, "top_k", 45, 12)
    first = propose(base)
    assert (first.sizes.n_random, first.sizes.arm_micros_max) == (3, 26)
    certain = first.inclusion == 1.0
    assert 3 <= certain.sum() < len(first.batch)
    counts = np.zeros(20)
    for seed in range(500):
        found = propose(replace(base, seed=seed))
        counts[found.batch] += 1
        np.testing.assert_array_equal(found.inclusion == 1.0, certain)
    assert (counts[certain] == 500).all()
    chosen = {pick.pos for pick in first.decision.choice.picks}
    others = np.array([pos not in chosen for pos in range(20)])
    rate = first.sizes.n_random / 20
    error = np.sqrt(rate * (1 - rate) / 500)
    assert (np.abs(counts[others] / 500 - rate) < 4 * error).all()
    np.testing.assert_array_equal(first.inclusion[others], rate)


def test_random_choices_are_no_uniform_draw_where_money_closes_the_dear_ones() -> None:
    prices = [0, 0, 0, 1, 0, 50, 1, 50, 0, 10, 50, 0, 0]
    base = priced(2, prices, 0.0, "random", 47, 7)
    counts = np.zeros(len(prices))
    for seed in range(60):
        found = propose(replace(base, seed=seed))
        counts[found.batch] += 1
        assert (found.inclusion[found.batch] == 1.0).all()
        assert (np.delete(found.inclusion, found.batch) == 0.0).all()
    assert not counts[np.array(prices) > 47].any()
    ample = propose(replace(base, affordable_micros=171))
    np.testing.assert_array_equal(ample.inclusion, 7 / 13)


def test_a_batch_that_the_arm_leaves_too_little_for_says_so() -> None:
    proposal = propose(priced(0, [9, 8, 7, 6, 5, 4, 3, 2, 2, 2], 0.4, "top_k", 24, 6))
    assert (len(proposal.batch), int(proposal.rows.price_micros.sum())) == (3, 18)
    assert (
        proposal.why_fewer == "6 micros are left beside the random arm, no other choice is as cheap"
    )
