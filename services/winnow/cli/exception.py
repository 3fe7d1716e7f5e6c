"""`winnow exception`: what no rule covers and a person must decide."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from winnow.cli.door import Door, console_command

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="List and resolve what a person must decide, e.g. an answer after its money expired.",
)


@console_command(app, "list")
def list_exceptions(
    door: Door,
    every: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False,
) -> None:
    """List what waits for a decision.

    [bold]winnow exception list[/bold]
    """
    rows = door.client.get("/v1/exceptions", state="" if every else "open")
    table = Table("key", "kind", "round", "subject", "state", "detail", box=None)
    for row in rows:
        table.add_row(
            row["key"], row["kind"], row["round_id"], row["subject"], row["state"], row["detail"]
        )
    door.show(rows, table if rows else "nothing waits for a decision")


@console_command(app, "resolve", asks=True)
def resolve(
    door: Door,
    key: Annotated[str, typer.Argument(help="The exception's key.", show_default=False)],
    resolution: Annotated[str, typer.Option(help="How it was settled.", show_default=False)],
) -> None:
    """Say how an exception was settled.

    [bold]winnow exception resolve 7d2e… --resolution "paid by hand, see ticket 12"[/bold]
    """
    document = door.post(f"/v1/exceptions/{key}/resolve", {"resolution": resolution})
    door.show(document, f"{document['name']}: {document['state']} (command {document['id']})")
