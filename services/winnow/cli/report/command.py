"""The `winnow report` command: the page of one state folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.cli.report.facts import WorldFacts, read_facts
from winnow.cli.report.page import Report, render
from winnow.cli.report.paired import Curves
from winnow.domain.errors import NotFound


def report(
    *,
    state: Annotated[Path, typer.Option(envvar="WINNOW_STATE", help="State folder.")] = Path(
        ".winnow"
    ),
    out: Annotated[Path, typer.Option(help="Where the page goes.")] = Path("report.html"),
) -> None:
    """Draw what the rounds of a state folder bought, as one self-contained HTML page.

    Example: winnow report --out friday.html
    """
    if not (state / "ledger.db").exists():
        msg = f"{state}: expected a state folder with ledger.db; name one with --state"
        raise NotFound(msg)
    ledger = SqliteLedger(state / "ledger.db")
    blobs = FileBlobs(state / "blobs")
    try:
        facts = read_facts(ledger, blobs)
    finally:
        ledger.close()
    page = render(_report(facts), blobs)
    out.write_text(page, encoding="utf-8")
    Console().print(f"{out}: {len(facts.rounds)} rounds, {facts.n_accepted} accepted labels")


def _report(facts: WorldFacts) -> Report:
    runs = ((tuple(n for n, _ in facts.curve), tuple(value for _, value in facts.curve)),)
    return Report(
        title=f"Winnow: {', '.join(facts.sources) or 'no frames yet'}",
        facts=facts,
        chosen=Curves(runs if facts.curve else ()),
        control=None,
        difference=None,
        replayed=None,
    )
