"""Selection and people: given a proposed batch, somebody approves, amends or rejects it."""

from __future__ import annotations

import pytest

from tests.unit.selection.pools import SIDE, store_pool
from tests.unit.selection.world import PERSON, PRICE, World, halted
from winnow.contracts.artifacts import read_table
from winnow.contracts.batch_replay import replay_batch
from winnow.contracts.tables import BATCH, DETECTION_BATCH
from winnow.contracts.tasks import frame_sizes
from winnow.domain.errors import BadInput, BudgetExceeded, Conflict, DomainError, NotFound
from winnow.domain.events import BatchSelected
from winnow.domain.labels import DETECTION
from winnow.domain.tables import ROUNDS, RoundRow
from winnow.testing.ledgers import a_reservation, an_allocation


def test_a_person_approves(world: World) -> None:
    world.fund(100 * PRICE)
    assert world.hears(store_pool(world.blobs, PERSON)) == []
    assert (world.row.state, world.money.reserved, world.candidates()) == ("proposed", 0, {})
    (event,) = world.told("approve")
    assert isinstance(event, BatchSelected)
    assert (world.row.state, world.row.decided_by) == ("approved", "rita")
    assert world.money.reserved == 10 * PRICE
    with pytest.raises(Conflict, match="expected state proposed, found approved"):
        world.told("approve")


def test_approval_without_money_is_refused_until_there_is_some(world: World) -> None:
    world.fund(10 * PRICE)
    world.hears(store_pool(world.blobs, PERSON))
    with world.ledger.transaction() as tx:
        tx.money.reserve([a_reservation(PRICE)])
    with pytest.raises(BudgetExceeded, match=f"expected {10 * PRICE} micros.*found {9 * PRICE}"):
        world.told("approve")
    assert world.row.state == "proposed"
    with world.ledger.transaction() as tx:
        tx.money.allocate(an_allocation(PRICE, name="more"))
    assert len(world.told("approve")) == 1


def test_a_person_rejects_and_the_round_halts(world: World) -> None:
    world.fund(100 * PRICE)
    world.hears(store_pool(world.blobs, PERSON))
    assert halted(world.told("reject", reason="wrong site")) == (
        "batch r1-batch rejected by rita: wrong site"
    )
    assert (world.row.state, world.row.decided_by) == ("rejected", "rita")
    with pytest.raises(Conflict):
        world.told("approve")


def test_an_amendment_is_an_overlay_with_its_author(world: World) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, PERSON)
    world.hears(pool)
    proposed, proposed_ref = world.frames, world.row.manifest
    added = next(f for f in pool.eligible if f not in proposed)
    (event,) = world.told("amend", removed=proposed[:2], added=[added], reason="blurred")

    assert isinstance(event, BatchSelected)
    assert event.n_tasks == 9
    assert world.frames == [*proposed[2:], added]
    assert world.money.reserved == 9 * PRICE
    assert set(world.candidates()) == set(world.frames)
    assert (world.batch.proposal, world.batch.price_micros) == (proposed_ref, 9 * PRICE)
    (overlay,) = world.batch.amendments
    assert (overlay.author, overlay.removed, overlay.added) == (
        "rita", tuple(proposed[:2]), (added,),
    )  # fmt: skip
    last = read_table(world.blobs, world.batch.table, BATCH).to_pylist()[-1]
    assert (last["arm"], last["rank"], last["reason"]) == ("person", 8, "added by rita: blurred")
    assert last["inclusion_probability"] is None
    report = replay_batch(world.blobs, world.row.manifest)
    assert report.identical, report.first_difference
    assert report.tables == ("candidates", "batch", "amended batch")


def test_boxes_of_a_frame_that_was_added_are_held_against_its_size_too(world: World) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, PERSON + "label: {kind: detection}\n")
    world.hears(pool)
    added = next(f for f in pool.eligible if f not in world.frames)
    world.told("amend", removed=world.frames[:1], added=[added], reason="a wolf")

    assert world.batch.label_kind == DETECTION
    assert frame_sizes(world.blobs, world.batch) == dict.fromkeys(world.frames, (SIDE, SIDE))
    last = read_table(world.blobs, world.batch.table, DETECTION_BATCH).to_pylist()[-1]
    assert (last["frame_id"], last["arm"], last["pre_label"]) == (added, "person", "")
    report = replay_batch(world.blobs, world.row.manifest)
    assert report.identical, report.first_difference


@pytest.mark.parametrize(
    ("removed", "added", "message"),
    [
        (["f" * 32], [], "is not in the batch"),
        ([], ["f" * 32], "is not in the round's snapshot"),
        ([], ["gated"], "gate dark"),
        ([], ["chosen"], "would be in the batch twice"),
        ([], [], "expected frames to remove or to add"),
        ("all", [], "found none; reject it"),
        (7, [], "expected a list of frame ids, found 7"),
    ],
)
def test_amendments_that_cannot_be_are_refused(
    world: World, removed: object, added: list[str], message: str
) -> None:
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, PERSON)
    world.hears(pool)
    names = {"gated": pool.gated[0], "chosen": world.frames[0]}
    removed = world.frames if removed == "all" else removed
    with pytest.raises(BadInput, match=message):
        world.told("amend", removed=removed, added=[names.get(a, a) for a in added], reason="")
    assert world.row.state == "proposed"


def test_commands_about_nothing_or_a_halted_round_are_refused(world: World) -> None:
    with pytest.raises(NotFound, match="r1-batch"):
        world.told("approve")
    world.fund(100 * PRICE)
    pool = store_pool(world.blobs, PERSON)
    world.hears(pool)
    event = pool.event
    with world.ledger.transaction() as tx:
        tx.records.insert(
            ROUNDS,
            RoundRow("r1", 1, "halted", event.policy, "", 5, "c0", None, event.snapshot, 40, "o"),
        )
    with pytest.raises(DomainError, match="found halted"):
        world.told("approve")
