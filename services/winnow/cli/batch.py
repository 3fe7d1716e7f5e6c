"""`winnow batch`: what a person decides on a proposed batch."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from winnow.cli.amounts import format_amount
from winnow.cli.client import Document
from winnow.cli.door import Door, console_command
from winnow.domain.money import Unit

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
FRAMES_A_CALL = 10_000
"""What the console gives at once."""


@console_command(app, "show")
def show(
    door: Door,
    batch_id: BatchId,
    frames: Annotated[int, typer.Option(min=0, help="How many frames; JSON has all.")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="All frames.")] = False,
) -> None:
    """Show a batch's size, price and state, and its frames by rank: why each is in it.

    [bold]winnow batch show r1-batch --all[/bold]
    """
    batch = door.client.get(f"/v1/batches/{batch_id}")
    n_frames, unit = batch["n_frames"], Unit(batch["unit"])
    n_shown = n_frames if everything or door.as_json else min(frames, n_frames)
    shown = [
        frame
        for first in range(0, n_shown, FRAMES_A_CALL)
        for frame in door.client.get(
            f"/v1/batches/{batch_id}/frames",
            first=first,
            limit=min(FRAMES_A_CALL, n_shown - first),
        )
    ]
    table = Table("batch", "state", "frames", "tasks", "price", "decided by", box=None)
    table.add_row(
        batch["id"], batch["state"], str(n_frames), str(batch["n_tasks"]),
        format_amount(batch["price_micros"], unit), batch["decided_by"] or "nobody yet",
    )  # fmt: skip
    more = [f"{n_frames - n_shown} more frames: --all shows them"] if n_shown < n_frames else []
    door.show({**batch, "frames": shown}, table, "", _frames_table(shown, unit), *more)


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


def _frames_table(frames: list[Document], unit: Unit) -> Table:
    """Give a row for each frame; ids stay whole on a narrow screen, as `amend` wants them."""
    table = Table(box=None)
    table.add_column("rank", justify="right", no_wrap=True)
    table.add_column("frame", no_wrap=True)
    table.add_column("arm", no_wrap=True)
    table.add_column("price", justify="right", no_wrap=True)
    table.add_column("session, site; reason", overflow="fold")
    for frame in frames:
        taken = ", ".join(filter(None, (frame["session"], frame["site"])))
        why = Text("\n".join(filter(None, (taken, frame["reason"]))))
        price = format_amount(frame["price_micros"], unit)
        table.add_row(str(frame["rank"]), frame["frame_id"], frame["arm"], price, why)
    return table


def _decided(door: Door, document: Document) -> None:
    door.show(document, f"{document['name']}: {document['state']} (command {document['id']})")
