"""`winnow label`: what labels became and may be used for."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from winnow.cli.door import Door, console_command

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Promote labels, count them, show a label's history.",
)


@console_command(app, "promote", asks=True)
def promote(
    door: Door,
    round_id: Annotated[str, typer.Argument(help="Such as r1.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
) -> None:
    """Let a round's accepted labels be used, as the data steward.

    Only policies with [bold]qa: {promotion: person}[/bold] wait for this.

    [bold]winnow label promote r1 --wait[/bold]
    """
    document = door.post("/v1/labels/promote", {"round_id": round_id, "reason": reason})
    door.show(document, f"{document['name']}: {document['state']} (command {document['id']})")


@console_command(app, "counts")
def counts(
    door: Door,
    round_id: Annotated[str | None, typer.Option("--round", help="Of one round only.")] = None,
) -> None:
    """Count labels by state.

    [bold]winnow label counts --round r1[/bold]
    """
    found = door.client.get("/v1/labels/counts", round_id=round_id)
    table = Table("state", "labels", box=None)
    for state, number in found.items():
        table.add_row(state, str(number))
    door.show(found, table)


@console_command(app, "history")
def history(
    door: Door,
    frame_id: Annotated[str, typer.Argument(help="The frame's id.", show_default=False)],
    task: Annotated[
        str, typer.Option(help="Label task; by default classification, else detection.")
    ] = "",
) -> None:
    """Show every revision of a frame's label: what it says, and every step of it.

    [bold]winnow label history 4f0c62…[/bold]
    """
    document = door.client.get(f"/v1/labels/{frame_id}", label_task=task)
    steps = Table("revision", "at", "from → to", "by", "as", "reason", box=None)
    labels = Table("revision", "label", "pixels from left and top, size", box=None)
    for revision in document["revisions"]:
        number = str(revision["revision"])
        for step in revision["steps"]:
            steps.add_row(
                number,
                step["at"][:19],
                f"{step['from'] or 'new'} → {step['to']}",
                step["actor"],
                step["role"],
                step["reason"],
            )
        labels.add_row(number, revision["label"] or "none yet", "")
        for box in revision.get("boxes", []):
            place = f"{box['x']}, {box['y']}: {box['width']} x {box['height']}"
            labels.add_row("", f"  {box['class_name']}", place)
    door.show(document, steps, "", labels)
