"""Tables of the ledger. Times are UTC text, ids text, amounts 64-bit integers.

Entries, transfer outcomes, label transitions, rates and the audit log are append-only: triggers
refuse UPDATE and DELETE. Balances, reservations and revisions are folds of them, kept current in
the same transaction.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from winnow.domain.tables import TABLES

# Text compares by bytes in both databases, so that "by key" is one order everywhere.
TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
AMOUNT = sa.BigInteger()
FLAG = sa.SmallInteger()
# SQLite numbers rows by itself only under the exact type INTEGER.
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ACCOUNTS = ("funding", "available", "reserved", "spent", "returned", "adjustment")
APPEND_ONLY = ("entries", "transfers", "rates", "label_transitions", "console_audit")

METADATA = sa.MetaData()
# `sqlite_with_rowid=False` keeps small rows in the tree of their key: fewer pages to write, and
# pages written are what a durable commit waits for.


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=False)


def _amount(name: str) -> sa.Column[int]:
    return sa.Column(name, AMOUNT, nullable=False)


BUDGETS = sa.Table(
    "budgets",
    METADATA,
    sa.Column("budget_id", TEXT, primary_key=True),
    _text("kind"),
    _text("owner"),
    _text("unit"),
    sa.Column("overrun_allowed", FLAG, nullable=False),
    _amount("last_seq"),
    _text("last_hash"),
)

BALANCES = sa.Table(
    "balances",
    METADATA,
    sa.Column("budget_id", TEXT, sa.ForeignKey("budgets.budget_id"), primary_key=True),
    sa.Column("period", TEXT, primary_key=True),
    _amount("opened_seq"),
    sa.Column("closed_at", TEXT),
    *(_amount(account) for account in ACCOUNTS),
    sa.CheckConstraint("available >= 0", name="ck_balances_available"),
    sa.CheckConstraint("reserved >= 0", name="ck_balances_reserved"),
    # In this order no partial sum leaves 64 bits: funding is minus all that came in.
    sa.CheckConstraint(
        "funding + available + reserved + spent + returned + adjustment = 0",
        name="ck_balances_zero_sum",
    ),
)

ENTRIES = sa.Table(
    "entries",
    METADATA,
    sa.Column("budget_id", TEXT, sa.ForeignKey("budgets.budget_id"), primary_key=True),
    sa.Column("seq", AMOUNT, primary_key=True, autoincrement=False),
    _text("transfer_id"),
    _text("operation"),
    _text("period"),
    _text("debit"),
    _text("credit"),
    _amount("amount"),
    _text("subject"),
    _text("round_id"),
    _text("detail"),
    _text("at"),
    _text("prev_hash"),
    _text("hash"),
    sa.CheckConstraint("amount >= 0", name="ck_entries_amount"),
    sa.Index(
        "ix_entries_corrects",
        "subject",
        sqlite_where=sa.text("operation = 'correct'"),
        postgresql_where=sa.text("operation = 'correct'"),
    ),
)

TRANSFERS = sa.Table(
    "transfers",
    METADATA,
    sa.Column("transfer_id", TEXT, primary_key=True),
    _text("request_hash"),
    # Position of its first entry in the budget's chain, zero after a refusal: an index on the
    # entries would cost every commit three more pages.
    _amount("first_seq"),
    _text("outcome"),
    _text("expected"),
    _text("found"),
    _text("at"),
    sqlite_with_rowid=False,
)

RESERVATIONS = sa.Table(
    "reservations",
    METADATA,
    sa.Column("reservation_id", TEXT, primary_key=True),
    sa.Column("budget_id", TEXT, sa.ForeignKey("budgets.budget_id"), nullable=False),
    _text("period"),
    _amount("amount"),
    _amount("committed"),
    _text("state"),
    _text("expires_at"),
    _text("subject"),
    _text("round_id"),
    sa.CheckConstraint("committed >= 0 AND committed <= amount", name="ck_reservations_committed"),
    sa.Index("ix_reservations_round", "round_id"),
    sa.Index(
        "ix_reservations_open",
        "budget_id",
        "expires_at",
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    ),
    sqlite_with_rowid=False,
)

RATES = sa.Table(
    "rates",
    METADATA,
    sa.Column("rate_id", TEXT, primary_key=True),
    _text("resource"),
    _text("currency"),
    _amount("micros"),
    _amount("per"),
    _text("valid_from"),
)

LABELS = sa.Table(
    "label_revisions",
    METADATA,
    sa.Column("frame_id", TEXT, primary_key=True),
    sa.Column("label_task", TEXT, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    _text("state"),
    sa.Column("version", sa.Integer, nullable=False),
    _text("round_id"),
    _text("batch_id"),
    sa.Column("parent_revision", sa.Integer),
    _text("value"),
    _text("annotator"),
    _text("allowed_use"),
    sa.Column("expires_at", TEXT),
    sa.Column("latest", FLAG, nullable=False),
    sa.Index("ix_label_revisions_round", "round_id", "state"),
    sa.Index("ix_label_revisions_batch", "batch_id", "state"),
    sa.Index("ix_label_revisions_state", "state", "label_task"),
)

TRANSITIONS = sa.Table(
    "label_transitions",
    METADATA,
    sa.Column("frame_id", TEXT, primary_key=True),
    sa.Column("label_task", TEXT, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("from_state", TEXT),
    _text("to_state"),
    _text("actor"),
    _text("role"),
    _text("evidence"),
    _text("reason"),
    _text("at"),
)

INBOX = sa.Table(
    "inbox",
    METADATA,
    sa.Column("consumer", TEXT, primary_key=True),
    sa.Column("source", TEXT, primary_key=True),
    sa.Column("message_id", TEXT, primary_key=True),
    _text("at"),
    sqlite_with_rowid=False,
)

OUTBOX = sa.Table(
    "outbox",
    METADATA,
    sa.Column("seq", SERIAL, primary_key=True),
    _text("service"),
    _text("topic"),
    _text("message_key"),
    _text("headers"),
    sa.Column("value", sa.LargeBinary, nullable=False),
    _text("at"),
    sa.Column("sent", FLAG, nullable=False),
    sa.Index(
        "ix_outbox_waiting",
        "service",
        "seq",
        sqlite_where=sa.text("sent = 0"),
        postgresql_where=sa.text("sent = 0"),
    ),
)


def _record_table(name: str) -> sa.Table:
    return sa.Table(
        name,
        METADATA,
        sa.Column("key", TEXT, primary_key=True),
        _text("group_id"),
        _text("state"),
        sa.Column("due_at", TEXT),
        sa.Column("version", sa.Integer, nullable=False),
        _text("body"),
        sa.Index(f"ix_{name}_group", "group_id", "state"),
        sa.Index(f"ix_{name}_state", "state", "due_at"),
    )


RECORDS = {table.name: _record_table(table.name) for table in TABLES}
