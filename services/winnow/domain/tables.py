"""The services' own tables: one writing service and one type of row each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from winnow.domain.labeling_rows import (
    CursorRow,
    ExceptionRow,
    ProjectRow,
    PromotionRow,
    QaBatchRow,
    QaItemRow,
    TaskRow,
)
from winnow.domain.rows import (
    AuditRow,
    BatchRow,
    CommandRow,
    CommitteeRow,
    EmbeddedShardRow,
    ModelRow,
    PersonRow,
    RoundRow,
    Row,
    RunRow,
    ScoringRunRow,
    ShardRow,
    SourceRow,
)

__all__ = [
    "TABLES",
    "AuditRow",
    "BatchRow",
    "CommandRow",
    "CommitteeRow",
    "CursorRow",
    "EmbeddedShardRow",
    "ExceptionRow",
    "ModelRow",
    "PersonRow",
    "ProjectRow",
    "PromotionRow",
    "QaBatchRow",
    "QaItemRow",
    "RoundRow",
    "Row",
    "RunRow",
    "ScoringRunRow",
    "ShardRow",
    "SourceRow",
    "Table",
    "TaskRow",
]

R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class Table(Generic[R]):
    """Name of a table, the one service that writes it, and the type of its rows."""

    name: str
    writer: str
    row: type[R]


SOURCES = Table("ingest_sources", "ingest", SourceRow)
SHARDS = Table("ingest_shards", "ingest", ShardRow)
EMBEDDED_SHARDS = Table("embedding_shards", "embedding", EmbeddedShardRow)
POOL_SHARDS = Table("rounds_pool_shards", "rounds", EmbeddedShardRow)
ROUNDS = Table("rounds_rounds", "rounds", RoundRow)
SCORING_RUNS = Table("scoring_runs", "scoring", ScoringRunRow)
BATCHES = Table("selection_batches", "selection", BatchRow)
TASKS = Table("labeling_gateway_tasks", "labeling_gateway", TaskRow)
PROJECTS = Table("labeling_gateway_projects", "labeling_gateway", ProjectRow)
CURSORS = Table("labeling_gateway_cursors", "labeling_gateway", CursorRow)
QA_CURSORS = Table("qa_cursors", "qa", CursorRow)
QA_BATCHES = Table("qa_batches", "qa", QaBatchRow)
QA_ITEMS = Table("qa_items", "qa", QaItemRow)
PROMOTIONS = Table("qa_promotions", "qa", PromotionRow)
RETRAIN_RUNS = Table("retrain_runs", "retrain", RunRow)
MODELS = Table("retrain_models", "retrain", ModelRow)
ROLLOUT_RUNS = Table("rollout_runs", "rollout", RunRow)
COMMITTEES = Table("rollout_committees", "rollout", CommitteeRow)
COMMANDS = Table("console_commands", "console", CommandRow)
AUDIT = Table("console_audit", "console", AuditRow)
PEOPLE = Table("console_people", "console", PersonRow)
GATEWAY_EXCEPTIONS = Table("labeling_gateway_exceptions", "labeling_gateway", ExceptionRow)
ROUNDS_EXCEPTIONS = Table("rounds_exceptions", "rounds", ExceptionRow)

TABLES: tuple[Table[Row], ...] = (  # type: ignore[assignment]
    SOURCES, SHARDS, EMBEDDED_SHARDS, POOL_SHARDS, ROUNDS, SCORING_RUNS, BATCHES, TASKS, CURSORS,
    PROJECTS, QA_CURSORS, QA_BATCHES, QA_ITEMS, PROMOTIONS, RETRAIN_RUNS, MODELS, ROLLOUT_RUNS,
    COMMITTEES, COMMANDS, AUDIT, PEOPLE, GATEWAY_EXCEPTIONS, ROUNDS_EXCEPTIONS,
)  # fmt: skip
