"""`winnow replay N`: choose a round's batch again and compare every byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from winnow.adapters.connect import connect_blobs, connect_ledger
from winnow.contracts.batch_replay import replay_batch
from winnow.domain.errors import BadInput, NotFound
from winnow.domain.ids import batch_id_of, round_id_of
from winnow.domain.tables import BATCHES
from winnow.policy.replay import ReplayReport
from winnow.ports.blobs import Blobs
from winnow.ports.ledger import Ledger

STATE_DEFAULT = Path(".winnow")


def replay(
    round_number: Annotated[int, typer.Argument(min=0, help="Number of the round.")],
    state: Annotated[
        Path, typer.Option("--state", envvar="WINNOW_STATE", help="State folder of ring 1.")
    ] = STATE_DEFAULT,
    ledger_url: Annotated[
        str, typer.Option(envvar="WINNOW_LEDGER_URL", help="A cluster's ledger instead.")
    ] = "",
    blobs_url: Annotated[
        str, typer.Option(envvar="WINNOW_BLOBS_URL", help="And its object store.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Choose a round's batch again from stored records; exit with 1 if a byte differs.

    [bold]winnow replay 1[/bold]
    """
    if not ledger_url and not (state / "ledger.db").is_file():
        msg = f"{state}: expected a state folder with ledger.db, found none; name it with --state"
        raise BadInput(msg)
    folder = state.absolute()
    ledger = connect_ledger(ledger_url or f"sqlite:///{folder / 'ledger.db'}")
    try:
        blobs = connect_blobs(blobs_url or f"file://{folder / 'blobs'}")
        report = replay_round(round_number, ledger=ledger, blobs=blobs)
    finally:
        ledger.close()
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
