"""`winnow dlq`: messages that nobody could handle, and handing them out again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from winnow.adapters.connect import connect_bus, connect_ledger
from winnow.cli.door import STATE_DEFAULT, Door, console_command, fail, screen_of_width
from winnow.contracts.mapping import from_message
from winnow.domain.errors import BadInput, SchemaMismatch, WinnowError
from winnow.runtime.dead_letters import DeadLetter
from winnow.runtime.letter_box import LetterBox

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="List, show and replay messages nobody could handle.",
)

State = Annotated[Path, typer.Option("--state", envvar="WINNOW_STATE", help="State folder.")]
BusUrl = Annotated[str, typer.Option("--bus", envvar="WINNOW_BUS_URL", help="A cluster's bus.")]
LedgerUrl = Annotated[
    str, typer.Option("--ledger", envvar="WINNOW_LEDGER_URL", help="A cluster's ledger.")
]
Prefix = Annotated[
    str, typer.Option("--prefix", envvar="WINNOW_TOPIC_PREFIX", help="Before topic names.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, errors too.")]


@app.command("list")
def list_letters(
    everything: Annotated[bool, typer.Option("--all", help="Handled ones too.")] = False,
    state: State = STATE_DEFAULT,
    bus: BusUrl = "",
    ledger: LedgerUrl = "",
    prefix: Prefix = "winnow.",
    as_json: AsJson = False,
) -> None:
    """List dead letters that wait for a decision."""
    with _letters(state, bus, ledger, prefix, as_json=as_json) as letters:
        found = [pair for pair in letters.all() if everything or pair[1] == "open"]
    if as_json:
        typer.echo(json.dumps([_summary(*pair) for pair in found], indent=2))
        return
    table = Table("id", "topic", "consumer", "error", "tries", "state", "reason", box=None)
    for one, now in found:
        row = (one.event_id[:8], one.topic, one.consumer, one.error, str(one.attempts), now)
        table.add_row(*row, one.reason)
    screen_of_width().print(table if found else "no dead letters", highlight=False)


@app.command()
def show(
    letter_id: Annotated[str, typer.Argument(help="Id, or how it begins.")],
    state: State = STATE_DEFAULT,
    bus: BusUrl = "",
    ledger: LedgerUrl = "",
    prefix: Prefix = "winnow.",
    as_json: AsJson = False,
) -> None:
    """Show a dead letter: why, where, its headers and, if it can be read, its fact."""
    with _letters(state, bus, ledger, prefix, as_json=as_json) as letters:
        found = [_details(*pair) for pair in letters.chosen(letter_id)]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for document in found:
        table = Table("what", "is", box=None, show_header=False)
        for name, value in document.items():
            table.add_row(name, value if isinstance(value, str) else json.dumps(value, indent=1))
        screen_of_width().print(table, highlight=False)


@console_command(app, "replay", acts=True)
def replay(
    door: Door,
    letter_ids: Annotated[list[str] | None, typer.Argument(help="Ids, or how they begin.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are open.")] = False,
) -> None:
    """Publish the originals again; the audit log says who did.

    Consumers that have handled one already drop it.
    """
    body = {"ids": letter_ids or [], "everything": everything}
    sent = door.post("/v1/dead-letters/replay", body)["answer"]["replayed"]
    door.show({"replayed": sent}, f"replayed {len(sent)}")


@contextmanager
def _letters(
    state: Path, bus_url: str, ledger_url: str, prefix: str, *, as_json: bool
) -> Iterator[LetterBox]:
    try:
        if not bus_url and not (state / "bus.db").exists():
            msg = f"state folder {state}: expected one that Winnow wrote, found none; name it with"
            raise BadInput(f"{msg} --state DIR, or a cluster with --bus URL --ledger URL")
        bus = connect_bus(bus_url or f"sqlite:///{(state / 'bus.db').resolve()}")
        ledger = connect_ledger(ledger_url or f"sqlite:///{(state / 'ledger.db').resolve()}")
        try:
            yield LetterBox(bus, ledger, prefix)
        finally:
            bus.close()
            ledger.close()
    except WinnowError as error:
        raise fail(error, as_json=as_json) from error


def _summary(letter: DeadLetter, state: str) -> dict[str, object]:
    return {
        "id": letter.event_id,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "key": letter.message.key,
        "consumer": letter.consumer,
        "error": letter.error,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "at": letter.at,
        "state": state,
    }


def _details(letter: DeadLetter, state: str) -> dict[str, object]:
    headers = {n: raw.decode(errors="replace") for n, raw in letter.message.headers.items()}
    try:
        fact = str(from_message(letter.message).data)
    except SchemaMismatch as error:
        fact = f"cannot be read: {error}"
    return {
        **_summary(letter, state),
        "headers": headers,
        "value_bytes": len(letter.message.value),
        "fact": fact,
    }
