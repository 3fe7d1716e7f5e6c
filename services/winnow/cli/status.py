"""`winnow status`: one screen."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table

from winnow.cli.budget import balances_table
from winnow.cli.client import Document
from winnow.cli.door import Door, screen_of_width, with_door

REFRESH_SECONDS = 1.0


@with_door
def status(
    door: Door,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until Ctrl-C.")] = False,
) -> None:
    """Show one screen: what flows, what waits, what it cost, what is dead.

    [bold]winnow status --watch[/bold]
    """
    document = door.client.get("/v1/status")
    if not watch or door.as_json:
        door.show(document, _screen(document))
        return
    with Live(_screen(document), console=screen_of_width(), auto_refresh=False) as live:
        while True:
            time.sleep(REFRESH_SECONDS)
            live.update(_screen(door.client.get("/v1/status")), refresh=True)


def _screen(document: Document) -> Group:
    shards, frames = document["shards"], document["frames"]
    under_way = len(document["rounds"])
    rounds = document["rounds_ended"] | ({"under way": under_way} if under_way else {})
    lines = [
        f"you        {document['person']}",
        f"pool       {shards['in_pool']} of {shards['ingested']} shards "
        f"({shards['embedded']} embedded), {frames['in_pool']} frames",
        *([f"blocked    {_counts(frames['blocked'])} (by a gate)"] if frames["blocked"] else []),
        f"labels     {_counts(document['labels'])}",
        f"acts       {_counts(document['commands'])}",
        f"rounds     {_counts(rounds)}",
    ]
    for row in document["refused"]:
        reason = row["reason"].removeprefix(f"{row['name']}: ")
        lines.append(f"refused    {row['name']}: {reason}")
    waiting = {name: number for name, number in document["backlog"].items() if number}
    lines += [f"to send    {_counts(waiting)}"] if waiting else []
    if document["exceptions_open"]:
        lines.append(f"to decide  {document['exceptions_open']}: winnow exception list")
    if document["dead_letters"]:
        lines.append(f"dead       {_counts(document['dead_letters'])}: winnow dlq list")
    return Group(*lines, "", _rounds(document), "", balances_table(document["budgets"]))


def _rounds(document: Document) -> Table:
    table = Table("round", "state", "frames", "committee", "waits for", box=None, pad_edge=False)
    for row in document["rounds"]:
        table.add_row(
            row["id"],
            row["state"],
            str(row["n_frames"]),
            row["committee_version"] or "none",
            "; ".join(row["waits"]),
        )
    return table


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "none"
