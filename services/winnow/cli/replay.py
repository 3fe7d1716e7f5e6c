"""`winnow replay N`: choose a round's batch again and compare every byte."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from winnow.cli.door import STATE_DEFAULT
from winnow.cli.stores import BlobsUrl, LedgerUrl, State, stores
from winnow.contracts.batch_replay import replay_batch
from winnow.domain.errors import BadInput, NotFound
from winnow.domain.ids import batch_id_of, round_id_of
from winnow.domain.tables import BATCHES
from winnow.policy.replay import ReplayReport
from winnow.ports.blobs import Blobs
from winnow.ports.ledger import Ledger


def replay(
    round_number: Annotated[int, typer.Argument(min=0, help="Number of the round.")],
    state: State = STATE_DEFAULT,
    ledger_url: LedgerUrl = "",
    blobs_url: BlobsUrl = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Choose a round's batch again from stored records; exit with 1 if a byte differs.

    [bold]winnow replay 1[/bold]
    """
    if not (ledger_url or blobs_url) and not (state / "ledger.db").is_file():
        msg = f"{state}: expected a state folder with ledger.db, found none; name it with --state"
        raise BadInput(msg)
    with stores(state, ledger_url, blobs_url) as (ledger, blobs):
        report = replay_round(round_number, ledger=ledger, blobs=blobs)
    print(_json(report) if as_json else _text(report))
    raise typer.Exit(0 if report.identical else 1)


def replay_round(round_number: int, *, ledger: Ledger, blobs: Blobs) -> ReplayReport:
    """Replay the batch of a round.

    Raises
    ------
    NotFound
        The round has no batch (yet).
    """
    batch_id = batch_id_of(round_id_of(round_number))
    with ledger.snapshot() as view:
        row = view.records.get(BATCHES, batch_id)
    if row is None:
        msg = f"round {round_number}: expected a batch {batch_id}, found none"
        raise NotFound(msg)
    return replay_batch(blobs, row.manifest)


def _text(report: ReplayReport) -> str:
    what = " and ".join(report.tables)
    if report.identical:
        return f"{report.batch_id}: identical, byte for byte ({what})"
    return f"{report.batch_id}: differs\n  {report.first_difference}"


def _json(report: ReplayReport) -> str:
    document = {
        "round_id": report.round_id,
        "batch_id": report.batch_id,
        "identical": report.identical,
        "tables": list(report.tables),
        "n_amendments": report.n_amendments,
        "first_difference": report.first_difference,
    }
    return json.dumps(document, indent=2, sort_keys=True)
