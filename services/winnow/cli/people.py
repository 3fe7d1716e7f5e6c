"""`winnow people`: who may come in."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from winnow.cli.door import Door, console_command
from winnow.domain.acts import HUMAN_ROLES

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Let people in, with roles and a token.\n\n"
    "On your own machine you need none: you are yourself, with all roles.",
)
NAMES = ", ".join(sorted(HUMAN_ROLES))


@console_command(app, "add", acts=True)
def add(
    door: Door,
    name: Annotated[str, typer.Argument(help="Their name in the audit log.", show_default=False)],
    role: Annotated[list[str], typer.Option(help=f"One or more of: {NAMES}.", show_default=False)],
) -> None:
    """Let somebody in and print their token, which is shown once.

    [bold]winnow people add ana --role budget_owner --role ml_engineer[/bold]
    """
    document = door.post("/v1/people", {"name": name, "roles": role})
    token = document.get("token", "was shown when this was first done")
    door.show(document, f"{name}: {', '.join(role)}", f"token: {token}")


@console_command(app, "remove", acts=True)
def remove(
    door: Door, name: Annotated[str, typer.Argument(help="Whose token ends.", show_default=False)]
) -> None:
    """Make somebody's token worthless; what they did stays in the audit log.

    [bold]winnow people remove ana[/bold]
    """
    document = door.client.delete(f"/v1/people/{name}", key=door.key)
    door.show(document, f"{name}: removed")


@console_command(app, "list")
def list_people(door: Door) -> None:
    """List who may come in, and as what.

    [bold]winnow people list[/bold]
    """
    rows = door.client.get("/v1/people")
    table = Table("name", "roles", "state", box=None)
    for row in rows:
        table.add_row(row["name"], ", ".join(row["roles"]), row["state"])
    door.show(rows, table)
