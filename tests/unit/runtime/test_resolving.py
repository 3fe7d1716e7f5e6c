"""A person's word settles an exception, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.domain.errors import Conflict, NotFound
from winnow.domain.tables import ROUNDS_EXCEPTIONS, CommandRow, ExceptionRow
from winnow.runtime.resolving import resolve_exception

COMMAND = CommandRow("c", "rounds", "exception.resolve", '{"key":"x"}', "me", "reviewer", "pending")


def test_an_open_exception_is_settled_once(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    with ledger.transaction() as tx:
        with pytest.raises(NotFound):
            resolve_exception(COMMAND, tx=tx, table=ROUNDS_EXCEPTIONS)
        row = ExceptionRow("x", "rounds", "approval_ended", "frame", "{}", "open")
        tx.records.insert(ROUNDS_EXCEPTIONS, row)
        events, answer = resolve_exception(COMMAND, tx=tx, table=ROUNDS_EXCEPTIONS)
        assert (events, answer) == ((), {"key": "x", "state": "resolved"})
        assert tx.records.count(ROUNDS_EXCEPTIONS) == {"resolved": 1}
        with pytest.raises(Conflict, match="found resolved"):
            resolve_exception(COMMAND, tx=tx, table=ROUNDS_EXCEPTIONS)
    ledger.close()
