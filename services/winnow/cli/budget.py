"""`winnow budget`: money and other purses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table

from winnow.cli.amounts import format_amount, parse_amount
from winnow.cli.client import Document
from winnow.cli.door import Door, console_command
from winnow.domain.errors import BadInput
from winnow.domain.money import BudgetKind, Unit
from winnow.domain.units import RESOURCES, unit_of

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Allocate, show, transfer, adjust, close, report.\n\n"
    "Each kind of cost has one budget: [bold]upload[/bold] in bytes, "
    "[bold]auto_label_inference[/bold] in GPU-milliseconds, and [bold]human_annotation[/bold], "
    "[bold]expert_review[/bold], [bold]label_qa[/bold] in money.",
)
Kind = Annotated[BudgetKind, typer.Argument(help="Which budget.", show_default=False)]
Period = Annotated[str | None, typer.Option(help="Such as 2026-Q4; none: the current one.")]


@console_command(app, "allocate", acts=True, starts=True, lenient=True)
def allocate(
    door: Door,
    kind: Kind,
    amount: Annotated[str, typer.Argument(help="Such as 100.00, 10GB or 5000000ms.")],
    owner: Annotated[str | None, typer.Option(help="Who answers for a new budget.")] = None,
    currency: Annotated[str | None, typer.Option(help="Of a new budget; none: USD.")] = None,
    period: Period = None,
    approval: Annotated[str, typer.Option(help="Reference of the approval.")] = "",
    overrun: Annotated[bool, typer.Option(help="A new budget may be overrun by policy.")] = False,
) -> None:
    """Fund a budget; makes it if it is new.

    [bold]winnow budget allocate human_annotation 100.00 --owner ana[/bold]

    [bold]winnow budget allocate upload 10GB --period 2026-Q4[/bold]
    """
    body = {
        "kind": kind.value,
        "amount": parse_amount(amount, unit_of(kind, currency or "USD")),
        "owner": owner,
        "currency": currency,
        "period": period,
        "approval": approval,
        "overrun_allowed": overrun,
    }
    document = door.post("/v1/budgets/allocate", body)
    door.show(document, *_moved(door, document))


@console_command(app, "show")
def show(
    door: Door,
    kind: Annotated[BudgetKind | None, typer.Argument(help="One budget with entries.")] = None,
    entries: Annotated[int, typer.Option(min=0, help="How many of the newest entries.")] = 20,
) -> None:
    """Show balances by period; of one budget its newest entries too.

    [bold]winnow budget show[/bold]

    [bold]winnow budget show human_annotation --entries 50 --json[/bold]
    """
    if kind is None:
        budgets = door.client.get("/v1/budgets")
        door.show(budgets, balances_table(budgets))
        return
    budget = door.client.get(f"/v1/budgets/{kind.value}", entries=entries)
    door.show(budget, balances_table([budget]), _entries_table(budget))


@console_command(app, "transfer", acts=True, lenient=True)
def transfer(
    door: Door,
    from_budget: Annotated[BudgetKind, typer.Argument(help="Whose money.", show_default=False)],
    to_budget: Annotated[BudgetKind, typer.Argument(help="Who gets it.", show_default=False)],
    amount: Annotated[str, typer.Argument(help="In the unit of the first budget.")],
    rate: Annotated[
        str | None, typer.Option(help="Rate-card entry, where the units differ.")
    ] = None,
) -> None:
    """Move available money to another budget; a second owner must approve.

    [bold]winnow budget transfer human_annotation label_qa 25.00[/bold]
    """
    unit = _unit(door, from_budget)
    body = {
        "from_budget": from_budget.value,
        "to_budget": to_budget.value,
        "amount": parse_amount(amount, unit),
        "rate_id": rate,
    }
    document = door.post("/v1/budgets/transfer", body)
    if document["state"] == "proposed":
        waits = (
            f"Proposed. It waits for {document['answer']['waits_for']}: "
            f"winnow budget approve {document['id']}"
        )
        door.show(document, waits)
    else:
        door.show(document, *_moved(door, document))


@console_command(app, "rate", acts=True)
def rate(
    door: Door,
    rate_id: Annotated[str, typer.Argument(help="Name of the entry, such as storage-2026.")],
    amount: Annotated[str, typer.Argument(help="Of the resource, such as 1GB or 1h.")],
    price: Annotated[str, typer.Argument(help="For that amount, such as 0.02.")],
    currency: Annotated[str, typer.Option(help="Of the price.")] = "USD",
    valid_from: Annotated[datetime | None, typer.Option(help="UTC; none: now.")] = None,
) -> None:
    """Add a dated price of a resource to the rate card; entries never change.

    [bold]winnow budget rate storage-2026 1GB 0.02[/bold]
    """
    resource, per = _resource(amount)
    begins = (valid_from or datetime.now(UTC)).replace(tzinfo=UTC)
    body = {
        "rate_id": rate_id,
        "resource": resource.code,
        "currency": currency,
        "micros": parse_amount(price, unit_of(BudgetKind.LABEL_QA, currency)),
        "per": per,
        "valid_from": begins.isoformat(),
    }
    document = door.post("/v1/budgets/rates", body)
    door.show(document, f"{rate_id}: {price} {currency} for {amount}")


@console_command(app, "approve", acts=True)
def approve(
    door: Door, command_id: Annotated[str, typer.Argument(help="Id of the proposed transfer.")]
) -> None:
    """Approve a transfer that the other budget's owner proposed.

    [bold]winnow budget approve 0d2f6c1e-…[/bold]
    """
    document = door.post(f"/v1/budgets/transfers/{command_id}/approve", {})
    door.show(document, *_moved(door, document))


@console_command(app, "adjust", acts=True)
def adjust(
    door: Door,
    kind: Kind,
    corrects: Annotated[str, typer.Option(help="Transfer id of the entry to correct.")],
    amount: Annotated[str, typer.Option(help="Given back; negative takes more.")],
    reason: Annotated[str, typer.Option(help="Why, for the ledger.")],
) -> None:
    """Correct a spent entry by an opposite posting; nothing is ever changed or deleted.

    [bold]winnow budget adjust label_qa --corrects 7b0e… --amount 0.04 --reason "paid twice"[/bold]
    """
    body = {
        "corrects": corrects,
        "amount": parse_amount(amount, _unit(door, kind), signed=True),
        "reason": reason,
    }
    document = door.post(f"/v1/budgets/{kind.value}/correct", body)
    door.show(document, *_moved(door, document))


@console_command(app, "close", acts=True)
def close(door: Door, kind: Kind, period: Period = None) -> None:
    """Close a period for ever; refused while reservations are open.

    [bold]winnow budget close human_annotation --period 2026-Q3[/bold]
    """
    document = door.post(f"/v1/budgets/{kind.value}/close", {"period": period})
    door.show(document, *_moved(door, document))


@console_command(app, "report")
def report(
    door: Door,
    kind: Annotated[BudgetKind | None, typer.Argument(help="One budget; none: all.")] = None,
    period: Annotated[str | None, typer.Option(help="One period; none: all.")] = None,
) -> None:
    """Report what was allocated, spent and is left, sealed, after verifying the hash chain.

    [bold]winnow budget report --json > budgets.json[/bold]
    """
    name = kind.value if kind else None
    reports = door.client.get("/v1/budgets/report", budget_id=name, period=period)
    door.show(reports, _reports_table(reports), *_spend_tables(reports))


def balances_table(budgets: list[Document]) -> Table:
    """Give balances by budget and period, exact."""
    columns = ("available", "reserved", "spent", "returned", "adjustment")
    table = Table("budget", "period", "owner", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right")
    for budget in budgets:
        unit = Unit(budget["unit"])
        if not budget["periods"]:
            table.add_row(budget["id"], "none yet", budget["owner"])
        for period in budget["periods"]:
            amounts = [format_amount(period["balances"][name], unit) for name in columns]
            name = f"{period['period']}{' (closed)' if period['closed'] else ''}"
            table.add_row(budget["id"], name, budget["owner"], *amounts)
    return table


def _entries_table(budget: Document) -> Table:
    unit = Unit(budget["unit"])
    table = Table("seq", "at", "operation", "from → to", "amount", "about", box=None)
    for entry in budget["entries"]:
        table.add_row(
            str(entry["seq"]),
            entry["at"][:19],
            entry["operation"],
            f"{entry['debit']} → {entry['credit']}",
            format_amount(entry["amount"], unit),
            entry["subject"] or entry["round_id"] or entry["transfer_id"],
        )
    return table


def _reports_table(reports: list[Document]) -> Table:
    columns = ("allocation", "spend", "reserved", "remaining")
    table = Table("budget", "period", "owner", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right")
    table.add_column("entries", justify="right")
    table.add_column("last hash")
    for row in reports:
        unit, entries = Unit(row["unit"]), row["entries"] or {"n_entries": 0, "last_hash": ""}
        amounts = {**row, "reserved": row["balances"]["reserved"]}
        table.add_row(
            row["budget_id"],
            f"{row['period']}{' (closed)' if row['close_record'] else ''}",
            row["owner"],
            *(format_amount(amounts[column], unit) for column in columns),
            str(entries["n_entries"]),
            entries["last_hash"][:12],
        )
    return table


def _spend_tables(reports: list[Document]) -> list[Table]:
    table = Table("budget", "round", "spent", box=None, pad_edge=False)
    for row in reports:
        for round_id, spent in row["spend_by_round"]:
            table.add_row(
                row["budget_id"], round_id or "no round", format_amount(spent, Unit(row["unit"]))
            )
    return [table] if table.row_count else []


def _moved(door: Door, document: Document) -> tuple[object, ...]:
    answer = document["answer"]
    budget = door.client.get(f"/v1/budgets/{answer['budget']}", entries=0)
    repeated = "Already done under this key. " if document["repeated"] else ""
    text = f"{repeated}{document['name']} applied, transfer id {answer['transfer_id']}"
    return text, balances_table([budget])


def _resource(amount: str) -> tuple[Unit, int]:
    try:
        return RESOURCES[BudgetKind.UPLOAD], parse_amount(amount, RESOURCES[BudgetKind.UPLOAD])
    except BadInput:
        unit = RESOURCES[BudgetKind.AUTO_LABEL_INFERENCE]
        return unit, parse_amount(amount, unit)


def _unit(door: Door, kind: BudgetKind) -> Unit:
    return Unit(door.client.get(f"/v1/budgets/{kind.value}", entries=0)["unit"])
