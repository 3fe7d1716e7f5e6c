"""Service tables: key, group, state, deadline as columns, the row itself as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

import sqlalchemy as sa
from pydantic import TypeAdapter

from winnow.adapters.sql import schema
from winnow.adapters.sql.codec import optional_time_text, time_text
from winnow.adapters.sql.driver import Session, ignoring_duplicates, limited, setting
from winnow.domain.errors import BadInput, NotFound
from winnow.domain.tables import Row, Table

R = TypeVar("R", bound=Row)


class SqlRecords:
    """Port `Records` inside one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, table: Table[R], key: str) -> R | None:
        """Give the row under this key."""
        found = self._session.row(_get(table.name), {"key": key})
        return None if found is None else _decoded(table, found[0])

    def insert(self, table: Table[R], row: R) -> bool:
        """Add a row; False and no change if its key exists."""
        return self._session.run(_insert(table.name), _encoded(table, row)) == 1

    def insert_many(self, table: Table[R], rows: Sequence[R]) -> int:
        """Add rows, skipping existing keys; give how many were new."""
        encoded = [_encoded(table, row) for row in rows]
        return self._session.run_many(_insert(table.name), encoded)

    def update(self, table: Table[R], key: str, change: Callable[[R], R]) -> R:
        """Replace a row by what `change` makes of it; `NotFound` if there is none."""
        found = self._session.row(_lock(table.name), {"key": key})
        if found is None:
            msg = f"{table.name}: expected a row {key!r}, found none"
            raise NotFound(msg)
        row = change(_decoded(table, found[0]))
        if row.key != key:
            msg = f"{table.name}: expected the changed row to keep key {key!r}, found {row.key!r}"
            raise BadInput(msg)
        changed = {**_encoded(table, row), "row_key": key, "version": found[1] + 1}
        self._session.run(_update(table.name), changed)
        return row

    def find(
        self,
        table: Table[R],
        *,
        group: str | None = None,
        state: str | None = None,
        due_before: datetime | None = None,
        limit: int | None = None,
    ) -> Sequence[R]:
        """Give rows by key order; a row due exactly at `due_before` is due."""
        wanted: dict[str, object | None] = {
            "group_id": group,
            "state": state,
            "due_at": optional_time_text(due_before),
            "row_limit": limit,
        }
        params = {name: value for name, value in wanted.items() if value is not None}
        rows = self._session.rows(_find(table.name, tuple(params)), params)
        return [_decoded(table, body) for (body,) in rows]

    def count(self, table: Table[R], *, group: str | None = None) -> dict[str, int]:
        """Give the number of rows for each state."""
        params = {} if group is None else {"group_id": group}
        return dict(self._session.rows(_count(table.name, tuple(params)), params))


@cache
def _adapter(row_type: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(row_type)


def _decoded(table: Table[R], body: str) -> R:
    row: R = _adapter(table.row).validate_json(body)
    return row


def _encoded(table: Table[R], row: R) -> dict[str, object]:
    return {
        "key": row.key,
        "group_id": row.group,
        "state": row.state,
        "due_at": None if row.due_at is None else time_text(row.due_at),
        "version": 1,
        "body": _adapter(table.row).dump_json(row).decode(),
    }


@cache
def _get(name: str) -> sa.Select[tuple[str]]:
    table = schema.RECORDS[name]
    return sa.select(table.c.body).where(table.c.key == sa.bindparam("key"))


@cache
def _lock(name: str) -> sa.Select[tuple[str, int]]:
    table = schema.RECORDS[name]
    matching = table.c.key == sa.bindparam("key")
    return sa.select(table.c.body, table.c.version).where(matching).with_for_update()


@cache
def _insert(name: str) -> sa.Insert:
    return ignoring_duplicates(schema.RECORDS[name])


@cache
def _update(name: str) -> sa.Update:
    table = schema.RECORDS[name]
    return setting(table, "group_id", "state", "due_at", "body", "version").where(
        table.c.key == sa.bindparam("row_key")
    )


@cache
def _find(name: str, given: tuple[str, ...]) -> sa.Select[tuple[str]]:
    table = schema.RECORDS[name]
    statement = sa.select(table.c.body).order_by(table.c.key)
    for column in ("group_id", "state"):
        if column in given:
            statement = statement.where(table.c[column] == sa.bindparam(column))
    if "due_at" in given:
        statement = statement.where(table.c.due_at <= sa.bindparam("due_at"))
    return limited(statement) if "row_limit" in given else statement


@cache
def _count(name: str, given: tuple[str, ...]) -> sa.Select[tuple[str, int]]:
    table = schema.RECORDS[name]
    statement = sa.select(table.c.state, sa.func.count()).group_by(table.c.state)
    if "group_id" in given:
        statement = statement.where(table.c.group_id == sa.bindparam("group_id"))
    return statement
