"""Rounds are cumulative, the policy chooses, all labels give all methods the same accuracy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmark.curve import Run, curve_of
from benchmark.methods import method_named, policy_of
from benchmark.pools import Pool, pool_of
from benchmark.selecting import choose, starving
from benchmark.worst_slice import mining_of
from tests.unit.benchmark.made import CLASSES, small_frames, small_plan
from winnow.domain.errors import BadInput

NONE = np.empty(0, dtype=np.int64)


def plain() -> Pool:
    return pool_of(small_frames(), "plain", 0, holdout_share=0.2)


def test_budgets_are_labels_and_all_labels_make_all_methods_equal() -> None:
    pool, plan = plain(), small_plan()
    curves = [curve_of(pool, name, 0, plan=plan) for name in ("random", "margin", "badge")]
    for curve in curves:
        assert [step.n_labels for step in curve.steps] == [7, 22, 72]
        assert sum(curve.steps[1].counts.values()) == 22
    assert len({curve.steps[-1].accuracy for curve in curves}) == 1


def test_the_first_batch_is_typical_then_the_strategy_takes_over() -> None:
    steps = curve_of(plain(), "margin", 0, plan=small_plan()).steps
    assert [step.strategy for step in steps] == ["typiclust", "top_k", ""]
    assert steps[0].doubt is None
    assert steps[1].doubt is not None
    assert steps[1].doubt > 0.5


def test_random_has_neither_cold_start_nor_help() -> None:
    steps = curve_of(plain(), "random", 0, plan=small_plan()).steps
    assert [step.strategy for step in steps] == ["random", "random", ""]
    assert not any(step.starved for step in steps)


def test_the_same_seed_gives_the_same_curve() -> None:
    def accuracies(seed: int) -> list[tuple[float, dict[str, int]]]:
        steps = curve_of(plain(), "default", seed, plan=small_plan()).steps
        return [(step.accuracy, step.counts) for step in steps]

    assert accuracies(3) == accuracies(3)


def test_a_class_without_labels_starves_and_is_promised_its_share() -> None:
    pool = plain()
    labeled = np.flatnonzero(pool.labels_N != 2)[:12]
    assert starving(pool, labeled, 0.5) == {"owl": pytest.approx(0.5 / 3)}
    assert starving(pool, NONE, 0.5) == {}
    policy = policy_of(
        method_named("margin"), batch_size=12, class_names=CLASSES, random_arm=0.1,
        starving=starving(pool, labeled, 0.5),
    )  # fmt: skip
    (minimum,) = policy.constraints.minimums
    assert (minimum.column, minimum.value, minimum.least(12)) == ("predicted_class", "owl", 2)


def test_of_many_starving_classes_a_small_batch_helps_the_poorest() -> None:
    many = tuple(f"class {n:02d}" for n in range(30))
    frames = replace(small_frames(), class_names=many, labels_N=np.arange(90) % 30)
    pool = pool_of(frames, "plain", 0, holdout_share=0.34)
    first, second, _ = curve_of(pool, "margin", 0, plan=small_plan(budgets=(0.1, 0.2, 1.0))).steps
    n = second.n_labels - first.n_labels
    assert 0 < len(second.starved) <= n
    assert all(first.counts[name] == 0 for name in second.starved)


def test_the_gate_keeps_repeats_out_of_a_duplicated_pool() -> None:
    frames, plan = small_frames(), small_plan(budgets=(0.1, 0.5))
    repeats = {}
    for kind in ("duplicated", "deduplicated"):
        pool = pool_of(frames, kind, 0, holdout_share=0.2)
        repeats[kind] = curve_of(pool, "margin", 0, plan=plan).steps[-1].n_repeats
    assert repeats["deduplicated"] == 0
    assert repeats["duplicated"] > 5


def test_a_pool_that_the_gate_exhausts_before_the_budget_buys_nothing_more() -> None:
    frames = small_frames(noise=0.0)  # of each class one picture, again and again
    half = np.repeat(np.arange(0, 90, 2), 2)
    frames = replace(
        frames, features_KND=frames.features_KND[:, half], hashes_KN=frames.hashes_KN[:, half]
    )
    pool = pool_of(frames, "deduplicated", 0, holdout_share=0.2)
    run = curve_of(pool, "margin", 0, plan=small_plan(budgets=(0.2, 0.75, 1.0)))
    last = run.steps[-1]
    assert last.n_labels < pool.n_distinct
    assert last.n_labels == run.steps[-2].n_labels
    assert last.isolation is None
    assert last.doubt is None
    assert Run.model_validate_json(run.model_dump_json()) == run


def test_a_budget_of_no_more_labels_than_the_one_before_buys_none() -> None:
    pool = pool_of(small_frames(18), "plain", 0, holdout_share=0.2)
    steps = curve_of(pool, "margin", 0, plan=small_plan(budgets=(0.05, 0.09, 0.5))).steps
    assert [step.n_labels for step in steps] == [1, 1, 8]
    assert (steps[1].strategy, steps[1].isolation) == ("", None)


def test_any_strategy_can_take_part_by_name() -> None:
    pool, plan = plain(), small_plan()
    for name in ("facility_location", "power:entropy"):
        chosen = choose(
            pool, method_named(name), NONE, None, n=5, plan=plan, round_number=0, seed=1
        )
        assert len(set(chosen.positions.tolist())) == 5
    with pytest.raises(BadInput, match="expected one of random, random_warm"):
        method_named("best")


def test_the_worst_slice_is_mined_beside_badge_and_measured_on_other_frames() -> None:
    pool = pool_of(small_frames(240, noise=2.5), "plain", 0, holdout_share=0.3)
    found = mining_of(pool, 0, plan=small_plan())
    assert found.halves
    for half in found.halves:
        assert set(half.after) == {"mining", "badge", "random"}
        assert half.n_failures >= 1
        assert half.slice.split("=")[0] in {"class", "weather"}


def test_the_network_learns_from_pixels() -> None:
    plan = small_plan(learner="network", network_members=2, network_steps=2, budgets=(0.2,))
    curve = curve_of(plain(), "random", 0, plan=plan)
    assert 0 <= curve.steps[0].accuracy <= 1
