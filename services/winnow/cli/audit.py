"""`winnow audit`: who did what."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from winnow.cli.door import Door, with_door


@with_door
def audit(
    door: Door,
    about: Annotated[str | None, typer.Option(help="One budget, round, batch or person.")] = None,
    outcome: Annotated[str | None, typer.Option(help="allowed, refused or repeated.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 50,
) -> None:
    """Show who did what, allowed or refused.

    [bold]winnow audit --outcome refused[/bold]
    """
    rows = door.client.get("/v1/audit", about=about, state=outcome, limit=limit)
    table = Table("at", "who", "as", "act", "about", "outcome", box=None)
    for row in rows:
        table.add_row(
            row["at"][:19], row["actor"], row["role"], row["act"], row["group"], row["outcome"]
        )
    door.show(rows, table)
