"""The `winnow report` command: the page of one state folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.cli.report.facts import WorldFacts, read_facts, run_of
from winnow.cli.report.measures import main_measure
from winnow.cli.report.page import Report, counted, render
from winnow.cli.report.paired import Comparison, Curves
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
    told = f"{counted(len(facts.rounds), 'round')}, {counted(facts.n_accepted, 'accepted label')}"
    Console().print(f"{out}: {told}")


def _report(facts: WorldFacts) -> Report:
    measure = main_measure(facts.label_kind)
    run = run_of(facts.rounds, measure)
    return Report(
        title=f"Winnow: {', '.join(facts.sources) or 'no frames yet'}",
        facts=facts,
        comparisons=(Comparison(measure, Curves((run,) if run[0] else ())),),
    )
