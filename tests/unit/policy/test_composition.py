"""What a policy asks for is what a batch is: scores, conditions, risk, constraints, switches."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from tests.unit.policy.pools import CLASSES, pool
from winnow.acquisition.bald import bald
from winnow.acquisition.entropy import entropy
from winnow.acquisition.epig import epig
from winnow.acquisition.information_density import information_density
from winnow.acquisition.normalised import normalised
from winnow.domain.errors import BadInput
from winnow.kernels.philox import order_of
from winnow.policy.inputs import SelectionInputs
from winnow.policy.needs import needs_of
from winnow.policy.proposal import NOTES_MAX
from winnow.policy.scores import TARGETS_STEP
from winnow.policy.select import propose
from winnow.policy.switch import Standing, switch_of
from winnow.strategies.protocol import Input
from winnow.strategies.registry import STRATEGIES
from winnow.strategies.top_k import TopK

TOP = "selection: {batch_size: 12, strategy: top_k, acquisition: entropy}\nrandom_arm: {share: 0}\n"


def chosen(text: str, **changes: Any) -> list[int]:
    positions: list[int] = propose(pool(text, **changes)).batch.tolist()
    return positions


def numbers(inputs: SelectionInputs, name: str) -> npt.NDArray[np.float64]:
    return np.asarray(inputs.columns[name]).astype(np.float64)


def best(scores: np.ndarray[Any, Any], n: int = 12) -> set[int]:
    return set(np.argsort(-scores, kind="stable")[:n].tolist())


def test_terms_are_normalised_weighted_and_added() -> None:
    text = (
        TOP
        + "scores: {terms: [{acquisition: entropy, weight: 0.7}, {column: mi_person, weight: 0.3}]}"
    )
    inputs = pool(text)
    assert inputs.probs_NMC is not None
    mi_person = numbers(inputs, "mi_person")
    expected = 0.7 * normalised(entropy(inputs.probs_NMC)) + 0.3 * normalised(mi_person)
    proposal = propose(inputs)
    np.testing.assert_allclose(proposal.scores, expected, rtol=1e-15)
    assert set(proposal.batch.tolist()) == best(expected)
    assert proposal.weights == {"entropy": 0.7, "mi_person": 0.3}
    assert proposal.acquisition == "0.7 entropy + 0.3 mi_person (each by rank)"
    assert set(json.loads(proposal.components[0])) == {
        "bald", "entropy", "least_confidence", "margin", "mi_person",
    }  # fmt: skip


@pytest.mark.parametrize("scale", ["rank", "min_max", "z"])
def test_the_largest_term_may_decide(scale: str) -> None:
    terms = "terms: [{acquisition: bald}, {column: speed}]"
    inputs = pool(TOP + f"scores: {{combine: largest, scale: {scale}, {terms}}}")
    assert inputs.probs_NMC is not None
    speed = numbers(inputs, "speed")
    parts = [normalised(bald(inputs.probs_NMC), how=scale), normalised(speed, how=scale)]  # type: ignore[arg-type]
    np.testing.assert_array_equal(propose(inputs).scores, np.maximum(*parts))


def test_density_multiplies_the_score() -> None:
    inputs = pool(TOP + "scores: {density_beta: 2}")
    assert inputs.probs_NMC is not None
    assert inputs.embeddings_ND is not None
    expected = information_density(entropy(inputs.probs_NMC), inputs.embeddings_ND, beta=2.0)
    np.testing.assert_array_equal(propose(inputs).scores, expected)


def test_epig_takes_its_targets_from_the_pool_by_their_own_draws() -> None:
    text = TOP.replace("entropy", "epig") + "scores: {targets: 7}"
    inputs = pool(text)
    assert inputs.probs_NMC is not None
    order = order_of(inputs.frame_ids, seed=inputs.seed, step=TARGETS_STEP)
    expected = epig(inputs.probs_NMC, inputs.probs_NMC[order[:7]])
    np.testing.assert_array_equal(propose(inputs).scores, expected)


def test_a_cascade_asks_the_next_task_only_where_the_one_before_is_passed() -> None:
    mi_bike: npt.NDArray[np.float64] = np.full(60, np.nan)
    mi_bike[:20] = np.linspace(0, 1, 20)
    stages = "[{column: mi_person, passes: mi_person < 0.5}, {column: mi_bike}]"
    inputs = pool(TOP + f"scores: {{cascade: {{first: late, stages: {stages}}}}}")
    columns = {**inputs.columns, "mi_bike": mi_bike}
    mi_person = numbers(inputs, "mi_person")
    proposal = propose(replace(inputs, columns=columns))
    late = [i for i in range(20) if mi_person[i] < 0.5]
    assert proposal.batch.tolist() == late[::-1][:12]
    lost = [i for i in range(20, 60) if mi_person[i] < 0.5]
    assert all("no score" in proposal.reasons[i] for i in lost)


def test_scores_of_columns_alone_need_no_committee() -> None:
    text = TOP.replace("top_k", "top_k, cold_start: top_k") + "scores: {terms: [{column: speed}]}"
    inputs = pool(text, probs_NMC=None, scored=np.zeros(60, dtype=np.bool_))
    speed = numbers(inputs, "speed")
    proposal = propose(inputs)
    assert set(proposal.batch.tolist()) == best(speed)
    assert proposal.because == "no cold start: top_k needs no committee"


def test_only_frames_that_meet_the_condition_are_chosen_and_the_arm_is_free_of_it() -> None:
    text = TOP.replace("share: 0", "share: 0.5") + "scores: {only: speed > 15 and entropy > 0.1}"
    inputs = pool(text, n=200)
    proposal = propose(inputs)
    speed = numbers(inputs, "speed")
    by_policy = np.flatnonzero(proposal.arms == "policy")
    assert len(by_policy) > 0
    assert (speed[by_policy] > 15).all()
    assert not (speed[proposal.batch] > 15).all()
    slow = int(np.flatnonzero((speed <= 15) & (proposal.arms == ""))[0])
    assert proposal.reasons[slow] == (
        "not selected: scores.only does not hold: speed > 15 and entropy > 0.1"
    )


def test_a_frame_without_a_value_fails_a_condition_that_needs_it() -> None:
    speed: npt.NDArray[np.float64] = np.arange(60.0) / 2
    speed[::2] = np.nan
    inputs = pool(TOP + "scores: {only: speed > 3 or mi_person > 0.5}")
    proposal = propose(replace(inputs, columns={**inputs.columns, "speed": speed}))
    mi_person = numbers(inputs, "mi_person")
    assert all(speed[i] > 3 or mi_person[i] > 0.5 for i in proposal.batch.tolist())


def test_modalities_say_what_is_to_be_labeled() -> None:
    text = TOP + "scores: {modalities: {lidar: mi_person > 0.5, rgb: mi_bike > 0.5}}"
    inputs = pool(text)
    proposal = propose(inputs)
    mi_person, mi_bike = numbers(inputs, "mi_person"), numbers(inputs, "mi_bike")
    for pos in proposal.batch.tolist():
        asked = [
            m for m, on in (("lidar", mi_person[pos] > 0.5), ("rgb", mi_bike[pos] > 0.5)) if on
        ]
        assert asked
        assert proposal.reasons[pos].endswith(f"; label {', '.join(asked)}")


def test_conditions_about_a_committee_wait_for_one() -> None:
    text = "selection: {batch_size: 5}\nscores: {only: entropy > 0.5}\n"
    inputs = pool(text, probs_NMC=None, scored=np.zeros(60, dtype=np.bool_))
    proposal = propose(inputs)
    assert len(proposal.batch) == 5
    assert proposal.notes == ("scores.only: not asked, as no committee has answered",)


def test_a_condition_about_nothing_that_is_known_is_refused() -> None:
    with pytest.raises(BadInput, match="expected a column of numbers 'speed_mps', found none"):
        propose(pool(TOP + "scores: {only: speed_mps > 3}"))


def test_risk_weights_scores_and_is_told() -> None:
    site, along = "{column: site, values: {site1: 3}}", "{column: speed, points: [[0, 1], [30, 2]]}"
    risk = f"risk: {{weights: [{site}, {along}]}}"
    inputs = pool(TOP + risk)
    assert inputs.probs_NMC is not None
    speed = numbers(inputs, "speed")
    factor = np.where(np.asarray(inputs.columns["site"]) == "site1", 3.0, 1.0) * (1 + speed / 30)
    proposal = propose(inputs)
    np.testing.assert_allclose(proposal.scores, entropy(inputs.probs_NMC) * factor, rtol=1e-14)
    first = int(proposal.batch[0])
    assert f"; risk site=site1 x3, speed={speed[first]:g} x" in proposal.reasons[first]


CONSTRAINED = """
selection: {batch_size: 12, strategy: top_k}
random_arm: {share: 0.25}
constraints:
  gap_seconds: 3
  caps: {session: 2, site: {site0: 3}}
  minimums: [{column: weather, value: fog, frames: 3}, {column: predicted_class, share: 0.1}]
"""


@pytest.mark.parametrize("seed", range(8))
def test_choices_keep_every_constraint_whatever_the_arm_draws(seed: int) -> None:
    inputs = pool(CONSTRAINED, n=120, seed=seed)
    proposal = propose(inputs)
    assert len(proposal.batch) == 12
    head = [p.pos for p in proposal.decision.choice.picks][: 12 - 3]
    assert set(head) <= set(proposal.batch.tolist())
    picks = [p.pos for p in proposal.decision.used()]
    sessions = np.asarray(inputs.sessions)[picks].tolist()
    assert max(sessions.count(s) for s in set(sessions)) <= 2
    assert np.asarray(inputs.columns["site"])[picks].tolist().count("site0") <= 3
    for a in picks:
        for b in picks:
            assert (
                a == b
                or sessions.count(f"s{a // 10}") == 1
                or a // 10 != b // 10
                or abs(a - b) >= 3
            )
    weather = np.asarray(inputs.columns["weather"])[head].tolist()
    assert weather.count("fog") >= 3
    assert inputs.probs_NMC is not None
    predicted = inputs.probs_NMC.astype(np.float64).mean(axis=1).argmax(axis=1)[head].tolist()
    assert all(predicted.count(code) >= 2 for code in range(len(CLASSES)))
    assert proposal.notes == ()


def test_frames_near_labeled_ones_are_closed_by_gap_caps_and_clusters() -> None:
    text = """
selection: {batch_size: 60, strategy: top_k}
random_arm: {share: 0}
constraints: {gap_seconds: 2, caps: {vehicle: 9}, caps_count_labeled: true}
"""
    labeled = {
        "session": np.array(["s0", "s1", "s2"]),
        "captured_us": np.array([0, 15_000_000, 29_000_000], dtype=np.int64),
        "cluster": np.array(["c0", "c1", "c2"]),
        "vehicle": np.array(["v0", "v0", "v1"]),
    }
    clusters = np.array([f"c{i // 2 + 1}" if i > 40 else f"own{i}" for i in range(60)])
    proposal = propose(pool(text, labeled_columns=labeled, clusters=clusters))
    picks = set(proposal.batch.tolist())
    assert not picks & {0, 1, 14, 15, 16, 28, 29}
    assert "from a labeled or held frame of its session" in proposal.reasons[14]
    assert len([i for i in picks if i % 4 == 0]) <= 7
    names = [c for i, c in enumerate(clusters.tolist()) if i in picks]
    assert len(set(names)) == len(names)


def test_held_frames_are_centers_that_no_committee_was_asked_about() -> None:
    text = "selection: {batch_size: 5, strategy: bait}\nrandom_arm: {share: 0}\n"
    free = pool(text)
    assert free.embeddings_ND is not None
    assert free.probs_NMC is not None
    rows, (_, n_members, n_classes) = free.embeddings_ND[:2] + 0.5, free.probs_NMC.shape
    asked = np.random.default_rng(0).dirichlet(np.ones(n_classes), (2, n_members))
    unknown = np.full((2, n_members, n_classes), 1.0 / n_classes)
    labeled = replace(free, centers_LD=rows, center_probs_LMC=asked.astype(np.float32))
    held = replace(labeled, held_centers_KD=free.embeddings_ND[30:32])
    both = replace(
        free,
        centers_LD=np.concatenate([rows, free.embeddings_ND[30:32]]),
        center_probs_LMC=np.concatenate([asked, unknown]).astype(np.float32),
    )
    batches = [propose(inputs).batch.tolist() for inputs in (held, both)]
    assert batches[0] == batches[1]
    assert len(batches[0]) == 5


def test_what_cannot_be_had_is_noted_and_the_batch_is_chosen_all_the_same() -> None:
    text = """
selection: {batch_size: 10, strategy: top_k}
random_arm: {share: 0}
constraints: {caps: {session: 1}, minimums: [{column: weather, value: hail, frames: 2}]}
"""
    proposal = propose(pool(text, n=60))
    assert len(proposal.batch) == 6
    assert proposal.why_fewer == "no other frame meets the constraints and conditions"
    assert any(
        "batch: 10 asked, at_most_per_session lets in at most 6" in n for n in proposal.notes
    )
    assert any("minimum of weather=hail: 0 of at least 2" in n for n in proposal.notes)


def test_of_a_minimum_that_very_many_values_miss_the_first_are_noted_and_the_others_counted() -> (
    None
):
    text = """
selection: {batch_size: 10, strategy: top_k}
random_arm: {share: 0}
constraints: {minimums: [{column: scene, frames: 1}]}
"""
    scenes = np.array([f"{i:03}" for i in range(200)])
    proposal = propose(pool(text, n=200, columns={"scene": scenes}))
    assert len(proposal.batch) == 10
    assert proposal.notes[0] == "minimums of scene: 200 in all, the batch has 10 places"
    assert len(proposal.notes) == NOTES_MAX + 1
    assert proposal.notes[-1] == "91 more of this kind"


@pytest.mark.parametrize(
    "rule",
    [
        "minimums: [{column: site, value: 1234561, frames: 5}]",
        "minimums: [{column: site, frames: 5}]",
        "allocation: {column: site, budget_micros: {1234561: 10, 1234560: 10}}",
    ],
)
def test_numbers_are_told_apart_by_all_of_their_digits(rule: str) -> None:
    text = f"""
selection: {{batch_size: 10, strategy: top_k}}
random_arm: {{share: 0}}
scores: {{terms: [{{column: worth}}]}}
constraints: {{{rule}}}
"""
    sites = np.where(np.arange(60) < 12, 1_234_561.0, 1_234_560.0)
    columns = {"site": sites, "worth": np.arange(60.0)}
    assert int((sites[chosen(text, columns=columns)] == 1_234_561.0).sum()) == 5


def test_risk_by_the_values_of_a_column_of_numbers_counts_or_is_refused() -> None:
    risk = "risk: {{weights: [{{column: site, values: {{{}: 1000}}}}]}}"
    sites = np.arange(60) % 10 * 1.0
    found = chosen(TOP + risk.format(3), columns={"site": sites})
    assert (sites[found][:6] == 3.0).all()
    with pytest.raises(BadInput, match="weights: 'site': expected numbers, as the column holds"):
        propose(pool(TOP + risk.format("school"), columns={"site": sites}))


def test_a_column_that_nobody_gave_is_named() -> None:
    text = "selection: {batch_size: 5, strategy: top_k}\nconstraints: {caps: {driver: 1}}"
    with pytest.raises(BadInput, match=r"constraints.caps: expected a column 'driver', found"):
        propose(pool(text))
    gap = "selection: {batch_size: 5, strategy: top_k}\nconstraints: {gap_seconds: 1}"
    with pytest.raises(BadInput, match="expected session and capture time"):
        propose(pool(gap, sessions=None))


@pytest.mark.parametrize(
    ("rules", "standing", "cold", "because"),
    [
        ("", Standing(False), True, "no committee has answered yet"),
        ("", Standing(True), False, "a committee answered"),
        ("", Standing(True, round_number=0), True, "0 of 1 cold rounds are behind"),
        ("cold_start_rounds: 3", Standing(True, round_number=2), True, "2 of 3 cold rounds"),
        ("cold_start_rounds: 3", Standing(True, round_number=3), False, "3 of 3 cold rounds"),
        ("cold_start_rounds: 3", Standing(True), False, "a committee answered"),
        ("switch: {labels_min: 9}", Standing(True, 8), True, "8 of 9 labels are there"),
        ("switch: {labels_per_class_min: 2}", Standing(True, 9, 1), True, "1 of 2 labels of the"),
        ("switch: {labels_per_class_min: 2}", Standing(True, 9, 2), False, "2 of 2 labels of the"),
        ("strategy: k_center", Standing(False), False, "k_center needs no committee"),
    ],
)
def test_the_switch_asks_every_rule_and_tells_its_numbers(
    rules: str, standing: Standing, cold: bool, because: str
) -> None:
    policy = pool(f"selection: {{{rules}}}").policy
    found = switch_of(policy, standing)
    assert found.cold == cold
    assert because in found.because
    assert found.strategy == policy.selection.chosen_strategy(cold=cold)


def test_labels_of_each_class_are_counted_and_a_class_without_any_counts() -> None:
    def fewest(labels: list[str], names: tuple[str, ...]) -> int:
        return Standing.of(
            has_committee=True, n_labeled=0, labels=labels, class_names=names, round_number=None
        ).n_fewest

    assert fewest(["a", "b", "a"], ("a", "b")) == 1
    assert fewest(["a", "b", "a"], ("a", "b", "c")) == 0
    assert fewest(["a", "b", "a"], ()) == 1
    assert fewest([], ()) == 0


def test_task_budgets_divide_the_batch() -> None:
    text = """
selection: {batch_size: 20, strategy: top_k}
random_arm: {share: 0}
scores: {modalities: {lidar: mi_person > 0.5, rgb: mi_person <= 0.5}}
constraints:
  allocation:
    column: modality
    budget_micros: {lidar: 3000000, rgb: 1000000}
    price_micros: {lidar: 200000, rgb: 100000}
"""
    inputs = pool(text, n=200)
    proposal = propose(inputs)
    lidar = numbers(inputs, "mi_person")[proposal.batch] > 0.5
    assert (int(lidar.sum()), int((~lidar).sum())) == (12, 8)  # 15 and 10 labels, as 3 to 2
    assert proposal.notes == ()


class Curious(TopK):
    """A strategy that needs nothing, and chooses by scores where there are some."""

    needs: ClassVar[frozenset[Input]] = frozenset()
    uses: ClassVar[frozenset[Input]] = frozenset({"scores", "probs", "embeddings"})


@pytest.mark.parametrize("coverage", [0.0, 0.5, 1.0])
def test_what_a_strategy_can_do_without_is_given_where_it_is_there(
    monkeypatch: pytest.MonkeyPatch, coverage: float
) -> None:
    monkeypatch.setitem(STRATEGIES, "top_k", Curious)
    scored = np.arange(60) < 60 * coverage
    inputs = pool(TOP)
    assert inputs.probs_NMC is not None
    inputs = replace(
        inputs, scored=scored, probs_NMC=inputs.probs_NMC[scored] if coverage else None
    )
    assert needs_of(inputs.policy, inputs.standing).reads("embeddings")
    if not coverage:
        with pytest.raises(BadInput, match="scores_N: expected shape"):
            propose(inputs)  # it was asked without scores, as there are none
        return
    proposal = propose(inputs)
    assert scored[proposal.batch].all()
    seen = proposal.decision.choice.candidates
    assert seen.probs_NMC is not None
    assert len(seen.probs_NMC) == scored.sum() == len(seen)
