"""`winnow round`: turns of the loop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from winnow.cli.amounts import format_amount
from winnow.cli.client import Document
from winnow.cli.door import Door, console_command
from winnow.cli.policy import read_text
from winnow.domain.money import Unit

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Open, list and show rounds.\n\n"
    "A round chooses a batch from the pool, has it labeled and checked, and trains a committee.",
)


@console_command(app, "open", asks=True)
def open_round(
    door: Door,
    policy: Annotated[Path, typer.Option(help="Round policy (YAML).", show_default=False)],
) -> None:
    """Ask for a round under a policy; all mistakes in it are reported at once.

    [bold]winnow round open --policy policy.yaml --wait[/bold]
    """
    body = {"policy": read_text(policy), "where": str(policy)}
    document = door.post("/v1/rounds", body)
    state = "Asked for" if document["state"] == "pending" else document["state"].capitalize()
    number = document["answer"].get("round_id", "a round")
    door.show(document, f"{state}: {number} (command {document['id']})", "See: winnow status")


@console_command(app, "list")
def list_rounds(door: Door) -> None:
    """List all rounds with their state and what they measured.

    [bold]winnow round list --json[/bold]
    """
    rounds = door.client.get("/v1/rounds")
    door.show(rounds, rounds_table(rounds))


@console_command(app, "show")
def show(
    door: Door, number: Annotated[int, typer.Argument(min=0, help="The round's number.")]
) -> None:
    """Show one round: stages, batch, tasks, labels, money, and for whom it waits.

    [bold]winnow round show 1[/bold]
    """
    document = door.client.get(f"/v1/rounds/{number}")
    head = f"[bold]{document['id']}[/bold]  {document['state']}  {document['reason']}"
    door.show(document, head, _facts_table(document), _stages_table(document))


def rounds_table(rounds: list[Document]) -> Table:
    """Give one line for each round."""
    table = Table("round", "state", "frames", "committee", "measured", "reason", box=None)
    for row in rounds:
        measured = ", ".join(f"{name} {value:.4g}" for name, value in row["metrics"].items())
        table.add_row(
            row["id"],
            row["state"],
            str(row["n_frames"]),
            row["committee_version"] or "none",
            measured,
            row["reason"],
        )
    return table


def _facts_table(document: Document) -> Table:
    table = Table("fact", "value", box=None, show_header=False)
    facts = {
        "opened by": document["opened_by"],
        "policy": f"{document['policy']['key']}",
        "seed": document["seed"],
        "committee": document["committee_version"] or "none (cold start)",
        "frames in the snapshot": document["n_frames"],
        "batch": "; ".join(
            f"{batch['id']} {batch['state']}, {batch['n_frames']} frames, {batch['n_tasks']} tasks"
            for batch in document["batch"]
        ),
        "tasks": _counts(document["tasks"]),
        "labels": _counts(document["labels"]),
        "money": "; ".join(_money(row) for row in document["money"]),
        "measured": ", ".join(f"{k} {v:.4g}" for k, v in document["metrics"].items()),
        "stopping": "\n".join(stopping_lines(document["stop"])),
        "waits for": "; ".join(document["waits"]),
    }
    for name, value in facts.items():
        if value not in ("", None):
            table.add_row(name, str(value))
    return table


def stopping_lines(record: str) -> list[str]:
    """Give what the stopping rules said after a round, without those that lack a measurement.

    Examples
    --------
    >>> stopping_lines('{"stop": false, "advice": ["collect bike"], "verdicts": ['
    ...     '{"rule": "rounds_max", "reason": "1 of 10 rounds"}]}')
    ['goes on', 'rounds_max: 1 of 10 rounds', 'advice: collect bike']
    """
    if not record:
        return []
    found = json.loads(record)
    head = f"stopped by {found['rule']}" if found["stop"] else "goes on"
    told = [
        f"{verdict['rule']}: {verdict['reason']}"
        for verdict in found["verdicts"]
        if not verdict["reason"].startswith("not measurable")
    ]
    return [head, *told, *(f"advice: {text}" for text in found.get("advice", ()))]


def _money(row: Document) -> str:
    unit = Unit(row["unit"])
    spent, reserved = format_amount(row["spent"], unit), format_amount(row["reserved"], unit)
    return f"{row['budget']}: {spent} spent, {reserved} reserved"


def _stages_table(document: Document) -> Table:
    table = Table("stage", "state", box=None)
    for stage in document["stages"]:
        table.add_row(stage["stage"], stage["state"] or "not yet")
    return table


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {state}" for state, number in counts.items())
