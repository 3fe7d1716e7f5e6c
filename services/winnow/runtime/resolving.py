"""How a service takes a person's word that one of its exceptions is settled."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from winnow.domain.errors import Conflict, NotFound
from winnow.domain.events import Event
from winnow.domain.tables import CommandRow, ExceptionRow, Table
from winnow.ports.ledger import Transaction


def resolve_exception(
    command: CommandRow, *, tx: Transaction, table: Table[ExceptionRow]
) -> tuple[Sequence[Event], Mapping[str, object]]:
    """Handle the command `exception.resolve` for a service's own table.

    Who settled it and how stays on the command and in the audit log.

    Raises
    ------
    NotFound
        There is no such exception.
    Conflict
        It is settled already.
    """
    key = str(json.loads(command.arguments)["key"])
    row = tx.records.get(table, key)
    if row is None:
        msg = f"exception {key}: expected one of {table.writer}, found none"
        raise NotFound(msg)
    if row.state != "open":
        msg = f"exception {key}: expected state open, found {row.state}"
        raise Conflict(msg)
    tx.records.update(table, key, lambda found: replace(found, state="resolved"))
    return (), {"key": key, "state": "resolved"}
