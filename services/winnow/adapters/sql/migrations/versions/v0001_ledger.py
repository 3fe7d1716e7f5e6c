"""The ledger's first schema.

Written out rather than drawn from `schema.py`: what a released database looks like must not change
when the code does. A test compares the two.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
RECORDS = (
    "ingest_sources",
    "ingest_shards",
    "embedding_shards",
    "rounds_pool_shards",
    "rounds_rounds",
    "scoring_runs",
    "selection_batches",
    "labeling_gateway_tasks",
    "labeling_gateway_cursors",
    "labeling_gateway_exceptions",
    "rounds_exceptions",
    "labeling_gateway_projects",
    "qa_batches",
    "qa_cursors",
    "qa_items",
    "qa_promotions",
    "retrain_runs",
    "retrain_models",
    "rollout_runs",
    "rollout_committees",
    "console_commands",
    "console_audit",
    "console_people",
)
APPEND_ONLY = ("entries", "transfers", "rates", "label_transitions", "console_audit")


def upgrade() -> None:
    """Create everything."""
    _budgets()
    _entries()
    _reservations()
    _labels()
    _boxes()
    for name in RECORDS:
        _record_table(name)
    _forbid_changes()


def downgrade() -> None:
    """Refuse: the ledger is evidence, and nothing comes before it."""
    raise RuntimeError("the ledger's first schema cannot be undone")


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=null)


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, TEXT, primary_key=True)


def _amount(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _flag(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.SmallInteger(), nullable=False)


def _number(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=null)


def _position(name: str, kind: type[sa.Integer] = sa.Integer) -> sa.Column[int]:
    return sa.Column(name, kind(), primary_key=True, autoincrement=False)


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)


def _budgets() -> None:
    op.create_table(
        "budgets",
        _key("budget_id"),
        _text("kind"),
        _text("owner"),
        _text("unit"),
        _flag("overrun_allowed"),
        _amount("last_seq"),
        _text("last_hash"),
    )
    op.create_table(
        "balances",
        sa.Column("budget_id", TEXT, sa.ForeignKey("budgets.budget_id"), primary_key=True),
        _key("period"),
        _amount("opened_seq"),
        _text("closed_at", null=True),
        _amount("funding"),
        _amount("available"),
        _amount("reserved"),
        _amount("spent"),
        _amount("returned"),
        _amount("adjustment"),
        sa.CheckConstraint("available >= 0", name="ck_balances_available"),
        sa.CheckConstraint("reserved >= 0", name="ck_balances_reserved"),
        sa.CheckConstraint(
            "funding + available + reserved + spent + returned + adjustment = 0",
            name="ck_balances_zero_sum",
        ),
    )
    op.create_table(
        "rates",
        _key("rate_id"),
        _text("resource"),
        _text("currency"),
        _amount("micros"),
        _amount("per"),
        _text("valid_from"),
    )


def _entries() -> None:
    op.create_table(
        "entries",
        sa.Column("budget_id", TEXT, sa.ForeignKey("budgets.budget_id"), primary_key=True),
        _position("seq", sa.BigInteger),
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
    )
    _partial("ix_entries_corrects", "entries", ["subject"], "operation = 'correct'")
    op.create_table(
        "transfers",
        _key("transfer_id"),
        _text("request_hash"),
        _amount("first_seq"),
        _text("outcome"),
        _text("expected"),
        _text("found"),
        _text("at"),
        sqlite_with_rowid=False,
    )


def _reservations() -> None:
    op.create_table(
        "reservations",
        _key("reservation_id"),
        sa.Column("budget_id", TEXT, sa.ForeignKey("budgets.budget_id"), nullable=False),
        _text("period"),
        _amount("amount"),
        _amount("committed"),
        _text("state"),
        _text("expires_at"),
        _text("subject"),
        _text("round_id"),
        sa.CheckConstraint(
            "committed >= 0 AND committed <= amount", name="ck_reservations_committed"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_reservations_round", "reservations", ["round_id"])
    _partial("ix_reservations_open", "reservations", ["budget_id", "expires_at"], "state = 'open'")


def _labels() -> None:
    op.create_table(
        "label_revisions",
        _key("frame_id"),
        _key("label_task"),
        _position("revision"),
        _text("state"),
        _number("version"),
        _text("round_id"),
        _text("batch_id"),
        _number("parent_revision", null=True),
        _text("value"),
        _text("annotator"),
        _text("allowed_use"),
        _text("expires_at", null=True),
        _flag("latest"),
    )
    op.create_index("ix_label_revisions_round", "label_revisions", ["round_id", "state"])
    op.create_index("ix_label_revisions_batch", "label_revisions", ["batch_id", "state"])
    op.create_index("ix_label_revisions_state", "label_revisions", ["state", "label_task"])
    op.create_table(
        "label_transitions",
        _key("frame_id"),
        _key("label_task"),
        _position("revision"),
        _position("version"),
        _text("from_state", null=True),
        _text("to_state"),
        _text("actor"),
        _text("role"),
        _text("evidence"),
        _text("reason"),
        _text("at"),
    )


def _boxes() -> None:
    op.create_table(
        "inbox",
        _key("consumer"),
        _key("source"),
        _key("message_id"),
        _text("at"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "outbox",
        sa.Column("seq", SERIAL, primary_key=True),
        _text("service"),
        _text("topic"),
        _text("message_key"),
        _text("headers"),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        _text("at"),
        _flag("sent"),
    )
    _partial("ix_outbox_waiting", "outbox", ["service", "seq"], "sent = 0")


def _record_table(name: str) -> None:
    op.create_table(
        name,
        _key("key"),
        _text("group_id"),
        _text("state"),
        _text("due_at", null=True),
        _number("version"),
        _text("body"),
    )
    op.create_index(f"ix_{name}_group", name, ["group_id", "state"])
    op.create_index(f"ix_{name}_state", name, ["state", "due_at"])


def _forbid_changes() -> None:
    """Refuse UPDATE and DELETE where history is kept, whoever tries."""
    if op.get_context().dialect.name == "sqlite":
        for table in APPEND_ONLY:
            for verb in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )
        return
    op.execute(
        "CREATE FUNCTION winnow_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION winnow_append_only()"
        )
