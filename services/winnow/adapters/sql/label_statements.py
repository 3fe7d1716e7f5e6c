"""SQL of label revisions and their log."""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa

from winnow.adapters.sql.driver import inserting, setting
from winnow.adapters.sql.schema import LABELS, TRANSITIONS

KEY = ("frame_id", "label_task", "revision")
COLUMNS = tuple(column for column in LABELS.c if column.name != "latest")
CHANGING = (
    "state", "version", "round_id", "batch_id", "value", "annotator", "allowed_use", "expires_at",
)  # fmt: skip


def _is(table: sa.Table, *names: str, prefix: str = "") -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == sa.bindparam(prefix + name) for name in names]


_NEWEST = LABELS.c.latest == sa.literal_column("1")

GET = sa.select(*COLUMNS).where(*_is(LABELS, *KEY))
LOCK = GET.with_for_update()
LATEST = sa.select(*COLUMNS).where(*_is(LABELS, "frame_id", "label_task"), _NEWEST)
COUNTS = (
    sa.select(LABELS.c.round_id, LABELS.c.state, sa.func.count())
    .where(_NEWEST)
    .group_by(LABELS.c.round_id, LABELS.c.state)
    .order_by(LABELS.c.round_id, LABELS.c.state)
)
HISTORY = sa.select(TRANSITIONS).where(*_is(TRANSITIONS, *KEY)).order_by(TRANSITIONS.c.version)
ADD_TRANSITION = inserting(TRANSITIONS)
ADD_REVISION = inserting(LABELS)
UPDATE_REVISION = setting(LABELS, *CHANGING).where(
    *_is(LABELS, *KEY, prefix="of_"), LABELS.c.version == sa.bindparam("version_before")
)
SUPERSEDE = sa.update(LABELS).where(*_is(LABELS, *KEY)).values(latest=sa.literal_column("0"))


@cache
def latest_of(n_frames: int) -> sa.Select[Any]:
    """Give the newest revisions of so many frames (`frame_0`, …)."""
    frames: list[sa.BindParameter[str]] = [sa.bindparam(f"frame_{pos}") for pos in range(n_frames)]
    return sa.select(*COLUMNS).where(
        *_is(LABELS, "label_task"), LABELS.c.frame_id.in_(frames), _NEWEST
    )


@cache
def find(columns: tuple[str, ...], *, n_states: int, latest_only: bool) -> sa.Select[Any]:
    """Give revisions by key, filtered by these columns and so many states (`state_0`, …)."""
    statement = sa.select(*COLUMNS).where(*_is(LABELS, *columns))
    statement = statement.order_by(*(LABELS.c[name] for name in KEY))
    if n_states:
        states: list[sa.BindParameter[str]] = [
            sa.bindparam(f"state_{pos}") for pos in range(n_states)
        ]
        statement = statement.where(LABELS.c.state.in_(states))
    return statement.where(_NEWEST) if latest_only else statement
