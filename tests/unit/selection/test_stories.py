"""Given a scored pool and a budget, when selection hears of it, then this batch and this ledger."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from selection import handlers
from tests.unit.selection import pools
from tests.unit.selection.pools import store_pool
from tests.unit.selection.world import POLICY, PRICE, World, halted
from winnow.contracts.artifacts import read_table
from winnow.contracts.batch_replay import replay_batch
from winnow.contracts.batches import Sources, load_inputs
from winnow.contracts.selection_terms import selection_terms
from winnow.contracts.tables import BATCH, CANDIDATES
from winnow.domain.events import BatchSelected, ScoreKind
from winnow.domain.ids import FrameId
from winnow.domain.labels import Actor, LabelKey, LabelState, Role
from winnow.domain.tables import COMMITTEES, TASKS, CommitteeRow, TaskRow
from winnow.evidence.annotation_batch import AnnotationBatch
from winnow.evidence.candidate_record import CandidateRecord
from winnow.policy.select import propose


def test_a_scored_pool_becomes_an_approved_batch_with_its_money_reserved(world: World) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, POLICY)
    (event,) = world.hears(pool)

    assert isinstance(event, BatchSelected)
    assert (event.batch_id, event.n_tasks, event.manifest) == ("r1-batch", 10, world.row.manifest)
    assert (world.row.state, world.row.decided_by) == ("approved", "policy")
    assert (world.money.reserved, world.money.available) == (10 * PRICE, 90 * PRICE)
    assert world.candidates() == dict.fromkeys(world.frames, LabelState.CANDIDATE)
    assert set(world.frames) <= set(pool.eligible)
    rows = read_table(world.blobs, world.batch.table, BATCH).to_pylist()
    assert [row["rank"] for row in rows] == list(range(10))
    assert {row["arm"] for row in rows[:2]} <= {"random", "both"}, "the random arm is first"
    assert all(row["pre_label"] in ("car", "person", "sign") for row in rows)
    assert all(1 / 3 <= row["pre_label_score"] <= 1 for row in rows)


def test_every_frame_of_the_snapshot_has_a_record_with_a_reason(world: World) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, POLICY + "scoring: {}\n", unscored=2)
    world.hears(pool)
    rows = read_table(world.blobs, world.batch.candidates, CANDIDATES).to_pylist()
    by_id = {row["frame_id"]: row for row in rows}

    assert len(rows) == 40
    assert [f for f, row in by_id.items() if row["gate"]] == list(pool.gated)
    reasons = {row["reason"].split(":")[0] for row in rows}
    assert {"gate", "random arm", "not selected"} < reasons
    duplicate = by_id[pool.gated[1]]
    assert duplicate["reason"] == f"gate: duplicate of {duplicate['cluster'][:8]}…"
    assert by_id[pool.gated[0]]["reason"] == "gate: dark (p99 3.0)"
    assert duplicate["inclusion_probability"] is None
    for frame_id in world.frames:
        assert by_id[frame_id]["selected"]
        assert by_id[frame_id]["rank"] == world.frames.index(frame_id)
    for frame_id in set(pool.eligible[-2:]) - set(world.frames):
        assert by_id[frame_id]["reason"] == "not selected: the committee gave no score"
        assert by_id[frame_id]["score"] is None
    policy = [row for row in rows if row["arm"] == "policy"]
    assert all("closeness of the two best classes" in row["reason"] for row in policy)
    assert all("of the doubt, radius" in row["reason"] for row in policy)
    assert {row["arm"] for row in rows} <= {"", "policy", "random", "both"}
    total = sum(row["inclusion_probability"] or 0 for row in rows)
    assert total == pytest.approx(10)
    components = json.loads(policy[0]["components"])
    assert components["margin"] == policy[0]["score"]


def test_the_evidence_names_what_was_chosen_from_and_what_was_ordered(world: World) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, POLICY + "label: {slots: 2}\n")
    world.hears(pool)
    assert world.batch.candidate_record is not None
    assert world.row.evidence is not None
    record = CandidateRecord.model_validate_json(world.blobs.get(world.batch.candidate_record))
    ordered = AnnotationBatch.model_validate_json(world.blobs.get(world.row.evidence))

    assert record.verify()
    assert ordered.verify()
    assert (record.n_frames, record.n_eligible, record.n_selected, record.n_random) == (
        40,
        34,
        10,
        2,
    )
    assert record.refused_by_gate == {"dark": 3, "duplicate": 3}
    assert record.price_micros == 2 * PRICE
    assert [m.member for m in record.members] == ["m0", "m1", "m2"]
    assert len(ordered.tasks) == 20
    assert ordered.price_micros == 20 * PRICE == world.money.reserved
    with world.ledger.snapshot() as view:
        reservation = view.money.reservation(ordered.tasks[0].reservation_id)
    assert reservation is not None
    assert (reservation.subject, reservation.expires_at) == (
        ordered.tasks[0].task_id,
        ordered.due_at,
    )


def test_the_cold_start_needs_no_scores(world: World) -> None:
    world.fund(100 * PRICE)
    world.hears(store_pool(world.blobs, POLICY, committee=False))
    rows = read_table(world.blobs, world.batch.table, BATCH).to_pylist()
    assert len(rows) == 10
    assert all(row["pre_label"] == "" and row["score"] is None for row in rows)
    assert all("cluster" in row["reason"] for row in rows if row["arm"] == "policy")


def test_a_cold_start_that_draws_gives_every_frame_the_same_chance(world: World) -> None:
    world.fund(100 * PRICE)
    drawn = POLICY.replace("10}", "10, cold_start: random}")
    world.hears(store_pool(world.blobs, drawn, committee=False))
    rows = read_table(world.blobs, world.batch.table, BATCH).to_pylist()
    assert all(row["inclusion_probability"] == pytest.approx(10 / 34) for row in rows)


@pytest.mark.parametrize("strategy", ["top_k", "random", "k_center", "shortlist_k_center"])
@pytest.mark.parametrize("acquisition", ["entropy", "margin", "least_confidence", "bald"])
def test_replay_gives_the_same_bytes(world: World, strategy: str, acquisition: str) -> None:
    world.fund(100 * PRICE)
    wanted = f"selection: {{batch_size: 10, strategy: {strategy}, acquisition: {acquisition}}}"
    world.hears(store_pool(world.blobs, wanted))
    report = replay_batch(world.blobs, world.row.manifest)
    assert report.identical, report.first_difference
    assert report.tables == ("candidates", "batch")


def test_a_batch_shrinks_to_what_the_money_affords(world: World) -> None:
    world.fund(4 * PRICE + PRICE // 2)
    world.hears(store_pool(world.blobs, POLICY))
    assert len(world.frames) == 4
    assert world.money.available == PRICE // 2
    rows = read_table(world.blobs, world.batch.candidates, CANDIDATES).to_pylist()
    assert any(row["reason"].startswith("not selected: money: costs") for row in rows)
    assert replay_batch(world.blobs, world.row.manifest).identical


def test_the_policy_may_cap_a_batch(world: World) -> None:
    world.fund(100 * PRICE)
    world.hears(store_pool(world.blobs, POLICY + f"money: {{batch_micros_max: {3 * PRICE}}}\n"))
    assert len(world.frames) == 3


def test_a_batch_takes_the_whole_rest_of_a_small_pool(world: World) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, POLICY, n_frames=6)
    world.hears(pool)
    assert sorted(world.frames) == sorted(pool.eligible)


@pytest.mark.parametrize("micros", [0, PRICE - 1])
def test_no_money_halts_the_round(world: World, micros: int) -> None:
    world.fund(micros)
    reason = halted(world.hears(store_pool(world.blobs, POLICY)))
    assert reason == (
        f"the batch can afford no frame: one costs {PRICE} micros, {micros} are available"
    )
    assert world.money.reserved == 0
    assert world.candidates() == {}


def test_no_budget_halts_the_round(world: World) -> None:
    assert "0 are available" in halted(world.hears(store_pool(world.blobs, POLICY)))


def test_an_empty_pool_halts_the_round(world: World) -> None:
    world.fund(100 * PRICE)
    reason = halted(world.hears(store_pool(world.blobs, POLICY, n_frames=1)))
    assert reason.startswith("the gated pool is empty")


def test_scores_that_are_missing_halt_the_round(world: World) -> None:
    pool = store_pool(world.blobs, POLICY, committee=False)
    event = replace(pool.event, kind=ScoreKind.COMMITTEE)
    assert "without scores" in halted(world.hears(replace(pool, event=event)))


def test_hearing_twice_buys_once(world: World) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, POLICY)
    world.hears(pool)
    before = world.row, world.money
    assert world.hears(pool) == []
    assert (world.row, world.money) == before


def test_a_crash_before_the_commit_leaves_nothing_and_the_second_try_is_the_same(
    world: World,
) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, POLICY)

    def crash() -> None:
        with world.ledger.transaction() as tx:
            handlers.on_pool_scored(pool.event, tx=tx, ports=world.ports)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crash()
    assert (world.money.reserved, world.candidates()) == (0, {})
    assert len(world.hears(pool)) == 1
    assert world.money.reserved == 10 * PRICE


def test_frames_that_another_round_took_are_left_alone_and_recorded(world: World) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, POLICY)
    taken = list(pool.eligible[:12])
    with world.ledger.transaction() as tx:
        tx.labels.begin(
            [FrameId(f) for f in taken], "classification", round_id="r0", batch_id="r0-batch",
            actor=Actor("selection", Role.SELECTOR), evidence="{}", at=world.clock.now(),
        )  # fmt: skip
    world.hears(pool)
    assert not set(taken) & set(world.frames)
    assert world.batch.held == tuple(sorted(taken))
    rows = read_table(world.blobs, world.batch.candidates, CANDIDATES).to_pylist()
    assert {row["frame_id"] for row in rows if row["gate"] == "held"} == set(taken)
    assert replay_batch(world.blobs, world.row.manifest).identical


def test_money_that_vanishes_while_choosing_makes_a_smaller_batch(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.fund(3 * PRICE)
    look, seen = selection_terms, []

    def optimistic(*what: Any) -> object:
        found = look(*what)
        seen.append(found)
        return replace(found, available=100 * PRICE) if len(seen) == 1 else found

    monkeypatch.setattr(handlers, "selection_terms", optimistic)
    world.hears(store_pool(world.blobs, POLICY))
    assert len(seen) == 2
    assert world.money.reserved == 3 * PRICE
    assert replay_batch(world.blobs, world.row.manifest).identical


def test_money_without_a_task_comes_back_after_its_deadline(world: World) -> None:
    world.fund(100 * PRICE)
    world.hears(store_pool(world.blobs, POLICY))
    assert world.row.evidence is not None
    ordered = AnnotationBatch.model_validate_json(world.blobs.get(world.row.evidence))
    first = ordered.tasks[0]
    with world.ledger.transaction() as tx:
        tx.records.insert(TASKS, TaskRow(
            first.task_id, "r1-batch", "r1", first.frame_id, world.row.manifest, 0, 1, 0, PRICE,
            "submitted",
        ))  # fmt: skip
    world.clock.advance(hours=335)
    world.ticks()
    assert world.money.reserved == 10 * PRICE
    world.clock.advance(hours=2)
    world.ticks()
    world.ticks()
    assert world.money.reserved == PRICE  # the gateway's
    assert world.money.available == 99 * PRICE


def test_label_keys_are_those_of_the_first_revision(world: World) -> None:
    world.fund(100 * PRICE)
    world.hears(store_pool(world.blobs, POLICY))
    key = LabelKey(FrameId(world.frames[0]), "classification", 1)
    with world.ledger.snapshot() as view:
        (begun,) = view.labels.history(key)
    assert begun.actor == Actor("selection", Role.SELECTOR)
    assert json.loads(begun.evidence)["sha256"] == world.batch.candidates.sha256


CONSTRAINED = """
selection: {batch_size: 10, strategy: top_k, acquisition: entropy}
random_arm: {share: 0.2}
scores: {only: speed > 2}
risk: {weights: [{column: weather, values: {fog: 3}}]}
constraints:
  gap_seconds: 2
  caps: {session: 6}
  minimums: [{column: weather, value: fog, frames: 2}, {column: predicted_class, frames: 1}]
money: {label_price_micros: 80000, price_column: price}
"""


def tags(i: int) -> str:
    """Frame 5 and its like are foggy; every fourth has a price of its own."""
    found: dict[str, object] = {"speed": i / 2, "weather": "fog" if i % 10 == 5 else "sun"}
    if i % 4 == 0:
        found["price"] = 120_000 + i
    return json.dumps(found, sort_keys=True, separators=(",", ":"))


def test_constraints_conditions_risk_and_prices_come_from_the_snapshots_columns(
    world: World,
) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, CONSTRAINED, tags=tags)
    (event,) = world.hears(pool)
    assert isinstance(event, BatchSelected)
    rows = read_table(world.blobs, world.batch.table, BATCH).to_pylist()
    number = {row["frame_id"]: int(row["key"].split("/")[1]) for row in rows}
    prices = {f: 120_000 + i if i % 4 == 0 else PRICE for f, i in number.items()}
    assert {row["frame_id"]: row["price_micros"] for row in rows} == prices
    assert len(set(prices.values())) > 1
    assert world.batch.price_micros == sum(prices.values()) == world.money.reserved
    chosen = sorted(number[row["frame_id"]] for row in rows if row["arm"] == "policy")
    assert min(chosen) > 4
    assert any(i % 10 == 5 for i in chosen)
    assert all(b - a >= 2 or a // 20 != b // 20 for a, b in pairwise(chosen))
    foggy = next(row for row in rows if number[row["frame_id"]] % 10 == 5)
    assert "risk weather=fog x3" in foggy["reason"]
    assert replay_batch(world.blobs, world.row.manifest).identical
    with world.ledger.snapshot() as view:
        reserved = {r.subject: r.amount for r in view.money.reservations()}
    assert sorted(reserved.values()) == sorted(prices.values())


def test_an_amended_batch_costs_what_its_frames_do(world: World) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, CONSTRAINED + "approval: {mode: person}\n", tags=tags)
    world.hears(pool)
    dear = next(f for f in pool.eligible if f not in world.frames and int(f[8:], 16) % 4 == 0)
    gone = world.frames[-1]
    before = read_table(world.blobs, world.batch.table, BATCH).to_pylist()
    world.told("amend", removed=[gone], added=[dear], reason="dearer")
    rows = read_table(world.blobs, world.batch.table, BATCH).to_pylist()
    expected = sum(r["price_micros"] for r in before[:-1]) + 120_000 + int(dear[8:], 16)
    assert world.batch.price_micros == sum(r["price_micros"] for r in rows) == expected
    assert world.money.reserved == expected
    assert replay_batch(world.blobs, world.row.manifest).identical


def test_an_adaptive_batch_size_is_pinned_and_replayed(world: World) -> None:
    world.fund(100 * PRICE)
    world.hears(store_pool(world.blobs, "selection: {batch_size: {start: 7, end: 2}}"))
    assert world.batch.n_asked == len(world.frames) == 7
    assert replay_batch(world.blobs, world.row.manifest).identical


def test_the_record_says_whose_turn_it_was_and_why(world: World) -> None:
    world.fund(100 * PRICE)
    rules = "selection: {batch_size: 5, strategy: {name: hybrid, uncertainty_weight: 0.6}, "
    world.hears(store_pool(world.blobs, rules + "cold_start_rounds: 2, cold_start: k_center}"))
    assert world.batch.candidate_record is not None
    record = CandidateRecord.model_validate_json(world.blobs.get(world.batch.candidate_record))
    assert (record.strategy, record.cold_start) == ("k_center", True)
    assert record.because == "cold start: 1 of 2 cold rounds are behind"
    assert world.batch.strategy == "k_center"


def test_a_policy_that_these_frames_cannot_serve_halts_its_round_and_says_why(
    world: World,
) -> None:
    world.fund(100 * PRICE)
    rules = "selection: {batch_size: 5}\nconstraints: {caps: {driver: 1}}"
    reason = halted(world.hears(store_pool(world.blobs, rules, tags=tags)))
    assert reason.startswith("frames: expected the columns or tags driver, found")
    assert "tag weather" in reason
    assert world.money.reserved == 0


@pytest.mark.parametrize(
    ("newest", "age_max", "old"),
    [("c0", 0, False), ("c1", 0, True), ("c1", 1, False), ("c12", 1, True)],
)
def test_scores_that_are_too_old_by_the_policy_choose_nothing(
    world: World, newest: str, age_max: int, old: bool
) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, f"scoring: {{rescoring: {{score_age_max: {age_max}}}}}")
    with world.ledger.transaction() as tx:
        for version in ("c0", newest):
            state = "active" if version == newest else "retired"
            tx.records.insert(COMMITTEES, CommitteeRow(version, "r0", state, pool.labeled, ""))
    events = world.hears(pool)
    if old:
        assert halted(events).endswith("allowed; open a round again")
        assert world.money.reserved == 0
    else:
        assert isinstance(events[0], BatchSelected)


GAPS = (
    "selection: {batch_size: 20, strategy: top_k}\nrandom_arm: {share: 0}\n"
    "constraints: {gap_seconds: 2, caps: {session: 4, weather: 5}, caps_count_labeled: true}\n"
)


def test_gaps_and_caps_count_what_earlier_rounds_labeled(world: World) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(
        world.blobs,
        GAPS,
        labeled_at=(5, 25, 35),
        tags=lambda i: json.dumps({"weather": f"{i % 2}"}),
    )
    world.hears(pool)
    places = sorted(int(frame[8:], 16) for frame in world.frames)
    assert not {4, 5, 6, 24, 25, 26, 34, 35, 36} & set(places)
    assert [sum(i // 20 == s for i in places) for s in (0, 1)] == [3, 2]
    assert sum(i % 2 for i in places) <= 2
    rows = read_table(world.blobs, world.batch.candidates, CANDIDATES).to_pylist()
    reasons = {int(row["frame_id"][8:], 16): row["reason"] for row in rows}
    assert "from a labeled or held frame of its session" in reasons[6]
    assert replay_batch(world.blobs, world.row.manifest).identical


@pytest.mark.parametrize("labeled_at", [(), (38, 38, 38)], ids=["older labels", "labels"])
@pytest.mark.parametrize("when", ["before the snapshot", "since", "both"])
def test_gaps_and_caps_count_what_other_rounds_hold(
    world: World, when: str, labeled_at: tuple[int, ...]
) -> None:
    world.fund(100 * PRICE)
    before = {"before the snapshot": (5, 25, 34), "since": (), "both": (5,)}[when]
    pool = store_pool(
        world.blobs,
        GAPS,
        held_at=before,
        labeled_at=labeled_at,
        tags=lambda i: json.dumps({"weather": f"{i % 2}"}),
    )
    since = [pools.frame_id(i) for i in (5, 25, 34) if i not in before]
    with world.ledger.transaction() as tx:
        tx.labels.begin(
            list(map(FrameId, since)), "classification", round_id="r0", batch_id="r0-batch",
            actor=Actor("selection", Role.SELECTOR), evidence="{}", at=world.clock.now(),
        )  # fmt: skip
    world.hears(pool)
    places = sorted(int(frame[8:], 16) for frame in world.frames)
    assert not {4, 5, 6, 24, 25, 26, 33, 34, 35} & set(places)
    assert sum(i // 20 == 0 for i in places) == 3
    assert sum(i // 20 == 1 for i in places) <= 2
    assert sum(i % 2 for i in places) <= 3
    assert world.batch.held == tuple(sorted(since))
    rows = read_table(world.blobs, world.batch.candidates, CANDIDATES).to_pylist()
    reasons = {int(row["frame_id"][8:], 16): row["reason"] for row in rows}
    assert "1 s from a labeled or held frame of its session" in reasons[6]
    assert replay_batch(world.blobs, world.row.manifest).identical


K_CENTER = "selection: {batch_size: 6, strategy: k_center}\nrandom_arm: {share: 0}\n"


@pytest.mark.parametrize("when", ["before the snapshot", "since", "before an older snapshot"])
def test_new_frames_keep_away_from_what_other_rounds_hold_as_from_labels(
    world: World, when: str
) -> None:
    world.fund(100 * PRICE)
    event = store_pool(world.blobs, K_CENTER).event
    free = load_inputs(
        world.blobs,
        Sources(
            event.round_id, event.snapshot, event.scores, event.policy, event.seed, 100 * PRICE
        ),
    )
    assert free.embeddings_ND is not None
    assert free.centers_LD is not None
    first = propose(free).batch[:4]
    names = free.frame_ids[first].tolist()
    looks = free.embeddings_ND[np.searchsorted(np.flatnonzero(free.gates == ""), first)]
    beside = replace(free, centers_LD=np.concatenate([free.centers_LD, looks]))
    if when == "since":
        pool, beside = store_pool(world.blobs, K_CENTER), replace(beside, held=tuple(names))
        with world.ledger.transaction() as tx:
            tx.labels.begin(
                list(map(FrameId, names)), "classification", round_id="r0", batch_id="r0-batch",
                actor=Actor("selection", Role.SELECTOR), evidence="{}", at=world.clock.now(),
            )  # fmt: skip
    else:
        is_told = when == "before the snapshot"
        pool = store_pool(
            world.blobs, K_CENTER, held_at=(38,) * 4, held_looks=looks if is_told else None
        )
        beside = beside if is_told else free
    world.hears(pool)
    assert world.frames == beside.frame_ids[propose(beside).batch].tolist()
    assert bool({*names} & {*world.frames}) == (when == "before an older snapshot")
    assert replay_batch(world.blobs, world.row.manifest).identical


def test_a_frame_that_was_gated_keeps_its_gate_and_counts_if_another_round_holds_it(
    world: World,
) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, GAPS.replace(", weather: 5", ""))
    dark, duplicate = pools.frame_id(14), pools.frame_id(7)
    with world.ledger.transaction() as tx:
        tx.labels.begin(
            [FrameId(dark), FrameId(duplicate)], "classification", round_id="r0",
            batch_id="r0-batch", actor=Actor("selection", Role.SELECTOR), evidence="{}",
            at=world.clock.now(),
        )  # fmt: skip
    world.hears(pool)
    rows = read_table(world.blobs, world.batch.candidates, CANDIDATES).to_pylist()
    gates = {int(row["frame_id"][8:], 16): row["gate"] for row in rows}
    assert (gates[14], gates[7]) == ("dark", "duplicate")
    assert gates[8] == "held", "the frame that stands for a cluster of which one is held"
    places = {int(frame[8:], 16) for frame in world.frames}
    assert not {6, 8, 13, 15} & places
    assert sum(i < 20 for i in places) == 2
    assert world.batch.held == tuple(sorted([dark, duplicate]))
    assert replay_batch(world.blobs, world.row.manifest).identical


def test_labels_of_snapshots_that_do_not_say_where_they_are_from_count_nowhere(
    world: World,
) -> None:
    world.fund(100 * PRICE)
    rules = (
        "selection: {batch_size: 10}\nrandom_arm: {share: 0}\n"
        "constraints: {gap_seconds: 1, caps: {session: 4, vehicle: 7}, caps_count_labeled: true}\n"
    )
    world.hears(store_pool(world.blobs, rules))
    assert len(world.frames) == 7


@pytest.mark.parametrize("tagged", [False, True], ids=["named", "tagged"])
def test_mining_looks_for_the_failures_that_the_policy_names(world: World, tagged: bool) -> None:
    world.fund(100 * PRICE)
    failure = pools.frame_id(8)
    named = "column: incident, value: near_miss" if tagged else f"frame_ids: ['{failure}']"
    rules = (
        f"selection: {{batch_size: 3, strategy: mining, cold_start: random, examples: {{{named}}}}}"
    )
    pool = store_pool(
        world.blobs,
        rules + "\nrandom_arm: {share: 0}",
        tags=lambda i: json.dumps({"incident": "near_miss"} if i == 8 else {}),
    )
    world.hears(pool)
    rows = read_table(world.blobs, world.batch.table, BATCH).to_pylist()
    assert rows[0]["frame_id"] == failure
    assert all("away from the nearest example" in row["reason"] for row in rows)
    assert replay_batch(world.blobs, world.row.manifest).identical


def test_examples_may_be_labeled_frames_and_must_be_there(world: World) -> None:
    world.fund(100 * PRICE)
    rules = "selection: {batch_size: 3, strategy: mining, cold_start: random, examples: {ids}}\n"
    gone = store_pool(world.blobs, rules.replace("ids", "frame_ids: [gone]"))
    assert "expected 1 named frames, found none of them among 43" in halted(world.hears(gone))
    nothing = store_pool(world.blobs, rules.replace(", examples: {ids}", ""))
    assert "expected what to look for, found none" in halted(world.hears(nothing))
    labeled = store_pool(
        world.blobs, rules.replace("ids", f"frame_ids: ['{pools.frame_id(1001)}']")
    )
    world.hears(labeled)
    assert len(world.frames) == 3
