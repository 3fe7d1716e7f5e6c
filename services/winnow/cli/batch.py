"""`winnow batch`: what a person decides on a proposed batch."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from winnow.cli.client import Document
from winnow.cli.door import Door, console_command

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Show, approve, reject or amend a proposed batch.\n\n"
    "Only policies with [bold]approval: {mode: person}[/bold] wait for this.",
)
BatchId = Annotated[str, typer.Argument(help="Such as r1-batch.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why, for the record.")]
Frames = Annotated[list[str] | None, typer.Option(help="Frame id; may be given many times.")]


@console_command(app, "show")
def show(door: Door, batch_id: BatchId) -> None:
    """Show a batch's size, price and state.

    [bold]winnow batch show r1-batch[/bold]
    """
    batch = door.client.get(f"/v1/batches/{batch_id}")
    table = Table("batch", "state", "frames", "tasks", "price (micros)", "decided by", box=None)
    table.add_row(
        batch["id"], batch["state"], str(batch["n_frames"]), str(batch["n_tasks"]),
        str(batch["price_micros"]), batch["decided_by"] or "nobody yet",
    )  # fmt: skip
    door.show(batch, table)


@console_command(app, "approve", asks=True)
def approve(door: Door, batch_id: BatchId, reason: Reason = "") -> None:
    """Let a proposed batch go: its annotation money is reserved, its tasks are made.

    [bold]winnow batch approve r1-batch --wait[/bold]
    """
    _decided(door, door.post(f"/v1/batches/{batch_id}/approve", {"reason": reason}))


@console_command(app, "reject", asks=True)
def reject(door: Door, batch_id: BatchId, reason: Reason = "") -> None:
    """Refuse a proposed batch: nothing is reserved and the round is halted.

    [bold]winnow batch reject r1-batch --reason "wrong site"[/bold]
    """
    _decided(door, door.post(f"/v1/batches/{batch_id}/reject", {"reason": reason}))


@console_command(app, "amend", asks=True)
def amend(
    door: Door,
    batch_id: BatchId,
    reason: Annotated[str, typer.Option(help="Why, for the record.", show_default=False)],
    remove: Frames = None,
    add: Frames = None,
) -> None:
    """Take frames out of a proposed batch, put others in, and let it go as if approved.

    The change is recorded as an overlay; name all frames at once, as the batch is decided then.

    [bold]winnow batch amend r1-batch --remove 4f0c… --add 90ab… --reason "blurred"[/bold]
    """
    body = {"removed": remove or [], "added": add or [], "reason": reason}
    _decided(door, door.post(f"/v1/batches/{batch_id}/amend", body))


def _decided(door: Door, document: Document) -> None:
    door.show(document, f"{document['name']}: {document['state']} (command {document['id']})")
