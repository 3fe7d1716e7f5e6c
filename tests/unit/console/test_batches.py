"""Whoever decides on a batch reads what it costs, which frames are in it, and why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.console.conftest import House
from tests.unit.selection.pools import store_pool
from tests.unit.selection.world import PERSON, PRICE, World, world_in
from winnow.domain.money import Unit
from winnow.testing.ledgers import a_budget, an_allocation

FRAMES = "/v1/batches/r1-batch/frames"


@pytest.fixture
def selection(tmp_path: Path) -> Iterator[World]:
    """Selection beside the console: on the same ledger and object store."""
    with world_in(tmp_path) as world:
        yield world


def test_frames_are_told_by_rank_with_their_reasons(house: House, selection: World) -> None:
    selection.fund(100 * PRICE)
    selection.hears(store_pool(selection.blobs, PERSON))
    frames = house.get(FRAMES)
    assert [frame["frame_id"] for frame in frames] == selection.frames
    assert [frame["rank"] for frame in frames] == list(range(10))
    drawn = [frame for frame in frames if frame["arm"] in {"random", "both"}]
    assert drawn == frames[:2]
    assert all(frame["reason"].startswith("random arm: one of 2 drawn") for frame in drawn)
    assert {frame["arm"] for frame in frames[2:]} == {"policy"}
    assert all(frame["reason"] and frame["session"] in {"s0", "s1"} for frame in frames)
    assert {(frame["site"], frame["price_micros"]) for frame in frames} == {("yard", PRICE)}


def test_a_long_batch_is_read_in_pages(house: House, selection: World) -> None:
    selection.fund(100 * PRICE)
    selection.hears(store_pool(selection.blobs, PERSON))
    pages = [house.get(f"{FRAMES}?first={first}&limit=4") for first in (0, 4, 8, 12)]
    assert [len(page) for page in pages] == [4, 4, 2, 0]
    assert [frame["frame_id"] for page in pages for frame in page] == selection.frames
    for wrong in ("limit=0", "limit=10001", "first=-1", f"first={2**64}", "first=one"):
        assert house.ask("GET", f"{FRAMES}?{wrong}").status_code == 422, wrong


def test_an_amended_batch_tells_the_frames_that_are_annotated(
    house: House, selection: World
) -> None:
    selection.fund(100 * PRICE)
    pool = store_pool(selection.blobs, PERSON)
    selection.hears(pool)
    removed = selection.frames[0]
    added = next(frame for frame in pool.eligible if frame not in selection.frames)
    selection.told("amend", removed=[removed], added=[added], reason="blurred")
    frames = house.get(FRAMES)
    assert removed not in [frame["frame_id"] for frame in frames]
    last = frames[-1]
    assert (last["rank"], last["frame_id"], last["arm"]) == (9, added, "person")
    assert last["reason"] == "added by rita: blurred"


def test_a_price_is_in_the_unit_of_the_budget_that_pays(house: House, selection: World) -> None:
    with selection.ledger.transaction() as tx:
        tx.money.put_budget(a_budget(unit=Unit("currency:EUR")))
        tx.money.allocate(an_allocation(100 * PRICE))
    selection.hears(store_pool(selection.blobs, PERSON))
    batch = house.get("/v1/batches/r1-batch")
    assert (batch["price_micros"], batch["unit"]) == (10 * PRICE, "currency:EUR")


def test_free_labels_without_a_budget_have_a_price_too(house: House, selection: World) -> None:
    selection.hears(store_pool(selection.blobs, PERSON + "money: {label_price_micros: 0}\n"))
    batch = house.get("/v1/batches/r1-batch")
    assert (batch["n_frames"], batch["price_micros"], batch["unit"]) == (10, 0, "currency:USD")


def test_frames_are_for_those_who_may_look(fleet: House, selection: World) -> None:
    selection.fund(100 * PRICE)
    selection.hears(store_pool(selection.blobs, PERSON))
    reviewer = fleet.person("rui", "reviewer")
    assert len(fleet.get(FRAMES, token=reviewer)) == 10
    assert fleet.ask("GET", FRAMES).status_code == 401
    assert fleet.ask("GET", "/v1/batches/r9-batch/frames", token=reviewer).status_code == 404
