"""Given a pool, money and rounds under way: a round is asked for once, or the run says why not."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from console.api.application import create_application
from console.api.desk import Desk
from console.api.identity import Gate, token_digest
from console.handlers import token_group
from open_round import steps
from open_round.notes import asked_note, checked_note
from rounds import handlers as rounds_handlers
from tests.unit.rounds.world import Frame, RoundsWorld
from winnow.adapters.sqlite_bus import SqliteBus
from winnow.cli.client import ConsoleClient, Document
from winnow.domain.errors import BadInput, Conflict, NotAllowed
from winnow.domain.labels import Role
from winnow.domain.money import BudgetKind
from winnow.domain.tables import COMMANDS, PEOPLE, ROUNDS, CommandRow, PersonRow, RoundRow
from winnow.evidence.artifact import Producer

FRAMES = [Frame(name, look=pos) for pos, name in enumerate("abcd")]
ENOUGH = {"policy": "seed: 7", "budget_micros_min": 1}


class LoopedClient(ConsoleClient):
    """A console's client behind which `rounds` works as soon as somebody waits for it."""

    world: RoundsWorld
    asleep = False

    def settled(self, document: Document, timeout_seconds: float) -> Document:
        if not self.asleep:
            self.work()
            document = self.get(f"/v1/commands/{document['id']}")
        return super().settled(document, timeout_seconds)

    def work(self) -> None:
        with self.world.ledger.snapshot() as view:
            pending = view.records.find(COMMANDS, group="rounds", state="pending")
        for row in pending:
            self._carry_out(row)

    def _carry_out(self, row: CommandRow) -> None:
        with self.world.ledger.transaction() as tx:
            try:
                _, given = rounds_handlers.on_round_open(row, tx=tx, ports=self.world.ports)
                done = replace(row, state="done", answer=json.dumps(given))
            except Conflict as refusal:
                said = {"error": "Conflict", "reason": str(refusal)}
                done = replace(row, state="refused", answer=json.dumps(said))
            tx.records.update(COMMANDS, row.key, lambda _: done)


@pytest.fixture
def world(tmp_path: Path) -> RoundsWorld:
    return RoundsWorld(tmp_path, open_max=2)


@pytest.fixture
def context(world: RoundsWorld) -> Iterator[steps.Context]:
    yield from context_of(world)


def context_of(
    world: RoundsWorld, *, token: str = "", asleep: bool = False
) -> Iterator[steps.Context]:
    bus = SqliteBus(world.folder / "bus.db")
    gate = Gate(world.ledger, "" if token else "me", token_digest("b" * 40))
    producer = Producer(service="console", version="0", commit="")
    desk = Desk(gate, world.ledger, world.blobs, bus, world.clock, "winnow.", producer)
    transport = httpx.ASGITransport(app=create_application(desk))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    client = LoopedClient(
        httpx.AsyncClient(transport=transport, base_url="http://console", headers=headers)
    )
    client.world, client.asleep = world, asleep
    yield steps.Context(client, world.clock)
    client.close()
    bus.close()


def run(context: steps.Context, run_id: str = "run-1", **wanted: object) -> str:
    return steps.run_all(context, {**ENOUGH, "run_id": run_id, **wanted})


def rounds_of(world: RoundsWorld) -> list[RoundRow]:
    with world.ledger.snapshot() as view:
        return sorted(view.records.find(ROUNDS), key=lambda row: row.number)


def close_round(world: RoundsWorld, round_id: str) -> None:
    with world.ledger.transaction() as tx:
        tx.records.update(ROUNDS, round_id, lambda row: replace(row, state="closed"))


def person(world: RoundsWorld, *roles: Role) -> str:
    token = f"wnw_{uuid.uuid4().hex}"
    digest = token_digest(token)
    with world.ledger.transaction() as tx:
        tx.records.insert(PEOPLE, PersonRow("eli", tuple(roles), digest, token_group(digest)))
    return token


def test_a_pool_and_money_open_a_round_under_the_policy(
    world: RoundsWorld, context: steps.Context
) -> None:
    world.ready(FRAMES)
    text = run(context, frames_min=4)
    (row,) = rounds_of(world)
    assert (row.key, row.state, row.opened_by) == ("r0", "requested", "me")
    assert b'"seed":7' in world.blobs.get(row.policy)
    assert "# A round makes sense" in text
    assert "| frames to choose from | 4 |" in text
    assert "# Round r0" in text


def test_a_pool_that_is_too_small_and_too_little_money_are_said_together(
    world: RoundsWorld, context: steps.Context
) -> None:
    world.ready(FRAMES)
    text = run(context, frames_min=5, budget_micros_min=2_000_000)
    assert rounds_of(world) == []
    assert "# No round now" in text
    assert "pool too small: expected at least 5 frames to choose from, found 4" in text
    assert "expected at least 2000000 micros available in human_annotation (2026-Q1)" in text


def test_an_empty_installation_says_so_and_fails_nothing(context: steps.Context) -> None:
    text = run(context)
    assert "waits for frames: none are ingested" in text
    assert "no open period" in text


def test_gated_and_labeled_frames_are_none_to_choose_from(
    world: RoundsWorld, context: steps.Context
) -> None:
    world.ready(FRAMES)
    world.hold("a")
    blocked = world.ingest([Frame("x", look=9, gate="privacy")])
    world.embed(replace(blocked, n_blocked_by_gate=(("privacy", 1),)))
    pool = context.client.get("/v1/pool")
    counts = (pool["n_frames"], pool["n_blocked"], pool["n_labeled"], pool["n_unlabeled"])
    assert counts == (5, 1, 1, 3)


def test_only_frames_since_the_last_snapshot_are_new(
    world: RoundsWorld, context: steps.Context
) -> None:
    world.ready(FRAMES)
    run(context)
    world.tick()
    close_round(world, "r0")
    text = run(context, "run-2", frames_new_min=1)
    assert "expected at least 1 frames since the last snapshot, found 0" in text
    world.embed(world.ingest([Frame("new", look=7)]))
    assert "# Round r1" in run(context, "run-3", frames_new_min=1)


def test_a_run_that_is_tried_again_opens_no_second_round(
    world: RoundsWorld, context: steps.Context
) -> None:
    world.ready(FRAMES)
    wanted = {**ENOUGH, "run_id": "run-1", "rounds_open_max": 2}
    first, again = steps.ask(context, wanted), steps.ask(context, wanted)
    assert (first.round_id, again.round_id) == ("r0", "r0")
    assert (first.repeated, again.repeated) == (False, True)
    assert len(rounds_of(world)) == 1
    assert "was asked for in this window already" in asked_note(again)


def test_runs_of_one_window_open_one_round_and_those_of_the_next_another(
    world: RoundsWorld, context: steps.Context
) -> None:
    world.ready(FRAMES)
    day = {**ENOUGH, "window_hours": 24, "rounds_open_max": 2}
    asked = []
    for hours in (1, 1, 24):
        world.clock.advance(seconds=3600 * hours)
        asked.append(steps.ask(context, {**day, "run_id": f"run-{hours}"}).round_id)
    assert asked == ["r0", "r0", "r1"]


def test_overlapping_runs_cannot_both_pass_the_limit_on_rounds_under_way(
    world: RoundsWorld, context: steps.Context
) -> None:
    world.ready(FRAMES)
    wanted = [{**ENOUGH, "run_id": name, "rounds_open_max": 1} for name in ("run-1", "run-2")]
    assert [steps.check(context, one).why for one in wanted] == [(), ()]
    first, second = [steps.ask(context, one) for one in wanted]
    assert first.round_id == "r0"
    assert "expected fewer than 1 rounds under way, found r0" in second.why
    assert "# No round yet" in asked_note(second)
    third = steps.check(context, {**ENOUGH, "run_id": "run-3"})
    assert third.why == ("too many rounds: expected fewer than 1 under way, found r0",)
    assert "too many rounds" in checked_note(third)


def test_a_refusal_does_not_use_the_window_up(world: RoundsWorld, context: steps.Context) -> None:
    world.ready(FRAMES)
    steps.ask(context, {**ENOUGH, "run_id": "run-0"})
    day = {**ENOUGH, "window_hours": 24, "run_id": "run-1"}
    assert steps.ask(context, day).round_id == ""
    close_round(world, "r0")
    assert steps.ask(context, {**day, "run_id": "run-2"}).round_id == "r1"
    assert steps.ask(context, {**day, "run_id": "run-3"}).round_id == "r1"


def test_the_budget_is_filled_up_once_and_only_to_the_amount(
    world: RoundsWorld, context: steps.Context
) -> None:
    world.ready(FRAMES)
    with world.ledger.transaction() as tx:
        assert [budget.owner for budget in tx.money.budgets()] == ["owner"]
    refused = steps.ask(context, {**ENOUGH, "run_id": "a", "budget_micros": 3_000_000})
    assert refused.funded.startswith("nothing added")  # `me` does not own this budget
    assert refused.round_id == "r0"
    assert world.balances(BudgetKind.HUMAN_ANNOTATION).available == 1_000_000


def test_an_owner_who_runs_it_funds_the_round(tmp_path: Path) -> None:
    world = RoundsWorld(tmp_path, open_max=2)
    token = person(world, Role.ML_ENGINEER, Role.BUDGET_OWNER)
    for context in context_of(world, token=token):
        client = context.client
        client.post("/v1/budgets/allocate", {"kind": "human_annotation", "amount": 5}, key="k")
        wanted = {**ENOUGH, "budget_micros": 2_000_000, "budget_micros_min": 2_000_000}
        world.embed(world.ingest(FRAMES))
        named = "label: {class_names: [a, b]}"
        first = steps.ask(context, {**wanted, "policy": named, "run_id": "run-1"})
        again = steps.ask(context, {**wanted, "policy": named, "run_id": "run-1"})
        assert first.funded == "1999995 micros added to human_annotation"
        assert (again.funded, again.round_id) == ("", "r0")
        (budget,) = client.get("/v1/budgets")
        assert budget["periods"][0]["balances"]["available"] == 2_000_000


def test_who_may_not_fund_gets_the_round_only_if_the_money_is_there(tmp_path: Path) -> None:
    world = RoundsWorld(tmp_path, open_max=2)
    world.ready(FRAMES)
    token = person(world, Role.ML_ENGINEER)
    for context in context_of(world, token=token):
        wanted = {**ENOUGH, "budget_micros": 9_000_000, "budget_micros_min": 9_000_000}
        assert steps.check(context, {**wanted, "run_id": "run-1"}).why == ()
        asked = steps.ask(context, {**wanted, "run_id": "run-1"})
        assert "budget.allocate: expected one of the roles budget_owner" in asked.funded
        assert "expected at least 9000000 micros available, found 1000000" in asked.why
        assert rounds_of(world) == []


def test_who_may_not_open_rounds_and_a_wrong_policy_turn_the_run_red(tmp_path: Path) -> None:
    world = RoundsWorld(tmp_path, open_max=2)
    world.ready(FRAMES)
    for context in context_of(world, token=person(world, Role.ANNOTATOR)):
        with pytest.raises(NotAllowed, match=r"round\.open"):
            run(context)
    for context in context_of(world):
        with pytest.raises(BadInput, match=r"qa\.sample_share"):
            run(context, policy="qa: {sample_share: 2}")
        with pytest.raises(BadInput, match="there is no round yet"):
            run(context, policy="last")
    assert rounds_of(world) == []


def test_the_last_policy_goes_on_and_presets_have_names(
    world: RoundsWorld, context: steps.Context
) -> None:
    world.ready(FRAMES)
    run(context, policy="balanced")
    close_round(world, "r0")
    run(context, "run-2", policy="last")
    first, second = rounds_of(world)
    assert first.policy_sha256 == second.policy_sha256


def test_services_that_sleep_leave_the_round_asked_for(tmp_path: Path) -> None:
    world = RoundsWorld(tmp_path, open_max=2)
    world.ready(FRAMES)
    for context in context_of(world, asleep=True):
        asked = steps.ask(context, {**ENOUGH, "run_id": "run-1", "wait_seconds": 0})
        assert asked.round_id == ""
        assert "it stays asked for" in asked.why
        assert asked.command_id in asked_note(asked)


def test_wrong_parameters_are_told_together(context: steps.Context) -> None:
    with pytest.raises(BadInput) as told:
        run(context, frames_min=-1, schedule="two words", rounds_open_max=0)
    assert all(name in str(told.value) for name in ("frames_min", "schedule", "rounds_open_max"))
