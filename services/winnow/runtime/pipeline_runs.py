"""Pipeline runs that a service asks for and watches: what retrain and rollout have in common.

The request lies in the ledger, so that it outlives every process; the runner may forget all it
knew. Only failures count as attempts: a service that was killed has not failed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, SecretStr

from winnow.domain.events import Event, RoundHalted, Stage
from winnow.domain.ids import RoundId
from winnow.domain.rows import RunRow
from winnow.domain.tables import Table
from winnow.ports.ledger import Ledger, Transaction
from winnow.ports.pipeline_runner import PipelineRunner, RunState
from winnow.runtime.settings import ServiceSettings, variable_of

REASON_CHARACTERS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Watched:
    """A pipeline whose runs are watched."""

    pipeline: str
    table: Table[RunRow]
    stage: Stage
    done: Callable[[Transaction, RunRow], bool]
    """Whether the ledger already holds what the run was to bring."""
    kept: str
    """What a halted round keeps, in words."""
    observe: Callable[[str], None] = lambda outcome: None
    """Told `succeeded`, `retried` or `failed`."""


def request_run(
    tx: Transaction, watched: Watched, *, round_id: str, arguments: Sequence[tuple[str, str]]
) -> None:
    """Ask for the run of a round; asking again changes nothing."""
    row = RunRow(
        key=round_id,
        pipeline=watched.pipeline,
        round_id=round_id,
        state="requested",
        arguments=tuple(arguments),
    )
    tx.records.insert(watched.table, row)


def watch_runs(
    watched: Watched,
    *,
    tx: Transaction,
    ledger: Ledger,
    runner: PipelineRunner,
    attempts_max: int,
) -> list[Event]:
    """Start what was asked for, note what ended, and halt the rounds of runs that fail for good."""
    with ledger.snapshot() as view:
        rows = view.records.find(watched.table, state="requested")
        done = {row.key for row in rows if watched.done(view, row)}
    found = [
        (
            row,
            *((RunState.SUCCEEDED, "") if row.key in done else runner.state(row.pipeline, row.key)),
        )
        for row in rows
    ]
    # All starts before any write: whoever runs a pipeline writes to the same ledger.
    for row, state, _ in found:
        if state is RunState.UNKNOWN or (state is RunState.FAILED and not _last(row, attempts_max)):
            runner.start(row.pipeline, row.key, dict(row.arguments))
    events: list[Event] = []
    for row, state, why in found:
        if state is RunState.SUCCEEDED:
            watched.observe("succeeded")
            _note(tx, watched, replace(row, state="succeeded"))
        elif state is RunState.FAILED:
            events += _failed(row, why, watched, tx=tx, last=_last(row, attempts_max))
    return events


def environment_of(settings: ServiceSettings) -> dict[str, str]:
    """Give settings as the environment variables that they would be read from."""
    kind = type(settings)
    values = {variable_of(kind, name): getattr(settings, name) for name in kind.model_fields}
    return {name: _text(value) for name, value in values.items() if value is not None}


def _last(row: RunRow, attempts_max: int) -> bool:
    return row.attempts + 1 >= attempts_max


def _failed(
    row: RunRow, why: str, watched: Watched, *, tx: Transaction, last: bool
) -> list[RoundHalted]:
    watched.observe("failed" if last else "retried")
    state, attempts = "failed" if last else row.state, row.attempts + 1
    _note(tx, watched, replace(row, state=state, attempts=attempts, error=why))
    if not last:
        return []
    reason = f"{watched.pipeline} failed {attempts} times: {why}"[:REASON_CHARACTERS_MAX]
    round_id = RoundId(row.round_id)
    return [RoundHalted(round_id, stage=watched.stage, reason=reason, kept=watched.kept)]


def _note(tx: Transaction, watched: Watched, row: RunRow) -> None:
    tx.records.update(watched.table, row.key, lambda _: row)


def _text(value: object) -> str:
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
