"""The labeling tool of ring 1: scripted people whose queue and answers lie in one SQLite file.

Like a real tool it is outside: it survives a crash of Winnow, delivers answers at least once and
in its own order, and never needs to be asked twice for the same task.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from winnow.adapters.disk_errors import told
from winnow.domain.errors import BadInput, Conflict, Retryable
from winnow.domain.ids import FrameId, TaskId, derived_uuid
from winnow.domain.labels import CLASSIFICATION
from winnow.ports.clock import Clock
from winnow.ports.labeling_tool import Answer, Project, WorkItem
from winnow.testing.scripted_crowd import CrowdOptions, Delivery, deliveries_of, people_for

Truth = Callable[[FrameId], str | None]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tool (epoch TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS projects (project_id TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tasks (
    task_id TEXT PRIMARY KEY, project_id TEXT NOT NULL, frame_id TEXT NOT NULL,
    person TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS ix_tasks_frame ON tasks (project_id, frame_id);
CREATE TABLE IF NOT EXISTS deliveries (
    delivery_id INTEGER PRIMARY KEY, task_id TEXT NOT NULL, visible_at TEXT NOT NULL,
    shuffle INTEGER NOT NULL, seq INTEGER UNIQUE, body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS ix_deliveries_waiting ON deliveries (visible_at) WHERE seq IS NULL;
CREATE INDEX IF NOT EXISTS ix_deliveries_task ON deliveries (task_id);
"""


class ScriptedAnnotators:
    """Port `LabelingTool`.

    Parameters
    ----------
    path
        The tool's file; made when it is first needed.
    truth
        Gives a frame's true label, or None.
    """

    def __init__(self, path: Path, options: CrowdOptions, *, truth: Truth, clock: Clock) -> None:
        self._path = path
        self._options = options
        self._truth = truth
        self._clock = clock

    def ensure_project(self, project: Project) -> str:
        """Create the project of a batch or find it again."""
        project_id = str(derived_uuid("scripted project", project.batch_id))
        body = json.dumps(asdict(project), sort_keys=True)
        with self._open() as db:
            db.execute("INSERT OR IGNORE INTO projects VALUES (?, ?)", (project_id, body))
            (found,) = db.execute(
                "SELECT body FROM projects WHERE project_id = ?", (project_id,)
            ).fetchone()
        if found != body:
            msg = f"project of {project.batch_id}: expected {found}, found {body}"
            raise Conflict(msg)
        return project_id

    def submit(self, project_id: str, items: Sequence[WorkItem]) -> None:
        """Put tasks into the queue; those it already has stay as they are."""
        with self._open() as db:
            row = db.execute(
                "SELECT body FROM projects WHERE project_id = ?", (project_id,)
            ).fetchone()
            if row is None:
                msg = f"project {project_id}: expected one that was ensured, found none"
                raise BadInput(msg)
            project = json.loads(row[0])
            for item in items:
                self._accept(db, project_id, item, project)

    def poll(self, cursor: str) -> tuple[Sequence[Answer], str]:
        """Give answers after the cursor and the next cursor, at most one page."""
        with self._open() as db:
            epoch = self._epoch(db)
            self._reveal(db)
            before, _, seq = cursor.rpartition(":")
            after = int(seq) if before == epoch else 0
            rows = db.execute(
                "SELECT seq, body FROM deliveries WHERE seq > ? ORDER BY seq LIMIT ?",
                (after, self._options.answers_per_poll),
            ).fetchall()
        return [_answer(body) for _, body in rows], f"{epoch}:{rows[-1][0] if rows else after}"

    def cancel(self, project_id: str, task_ids: Sequence[TaskId]) -> None:
        """Take tasks out of the queue; unknown and answered ones are left alone."""
        now = _text(self._clock.now())
        with self._open() as db:
            db.executemany(
                "DELETE FROM deliveries WHERE task_id = ? AND seq IS NULL AND visible_at > ? "
                "AND task_id IN (SELECT task_id FROM tasks WHERE project_id = ?)",
                [(task_id, now, project_id) for task_id in task_ids],
            )

    def _accept(
        self,
        db: sqlite3.Connection,
        project_id: str,
        item: WorkItem,
        project: Mapping[str, Any],
    ) -> None:
        if db.execute("SELECT 1 FROM tasks WHERE task_id = ?", (item.task_id,)).fetchone():
            return
        busy = {
            person
            for (person,) in db.execute(
                "SELECT person FROM tasks WHERE project_id = ? AND frame_id = ?",
                (project_id, item.frame_id),
            )
        }
        free = [person for person in people_for(self._options, item) if person not in busy]
        person = free[0] if free else ""
        task = (item.task_id, project_id, item.frame_id, person)
        db.execute("INSERT INTO tasks VALUES (?, ?, ?, ?)", task)
        if person:
            self._keep(db, item, person, project)

    def _keep(
        self, db: sqlite3.Connection, item: WorkItem, person: str, project: Mapping[str, Any]
    ) -> None:
        delivered = deliveries_of(
            self._options,
            item,
            person,
            truth=self._truth(item.frame_id),
            class_names=tuple(project["class_names"]),
            label_kind=project.get("label_kind", CLASSIFICATION),
            at=self._clock.now(),
        )
        db.executemany(
            "INSERT INTO deliveries (task_id, visible_at, shuffle, body) VALUES (?, ?, ?, ?)",
            [(item.task_id, _text(one.visible_at), one.shuffle, _body(one)) for one in delivered],
        )

    def _reveal(self, db: sqlite3.Connection) -> None:
        """Give numbers to what became visible since the last look: no cursor passes it by."""
        rows = db.execute(
            "SELECT delivery_id FROM deliveries WHERE seq IS NULL AND visible_at <= ? "
            "ORDER BY shuffle, delivery_id",
            (_text(self._clock.now()),),
        ).fetchall()
        (last,) = db.execute("SELECT coalesce(max(seq), 0) FROM deliveries").fetchone()
        db.executemany(
            "UPDATE deliveries SET seq = ? WHERE delivery_id = ?",
            [(last + pos, delivery_id) for pos, (delivery_id,) in enumerate(rows, start=1)],
        )

    def _epoch(self, db: sqlite3.Connection) -> str:
        """Name this file: a cursor of a lost one starts again from the beginning."""
        row = db.execute("SELECT epoch FROM tool").fetchone()
        if row is None:
            now = _text(self._clock.now())
            row = (derived_uuid("scripted tool", self._options.seed, now).hex,)
            db.execute("INSERT INTO tool VALUES (?)", row)
        return str(row[0])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction; a call leaves nothing behind but its effect."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as db:
                if _is_new(db):
                    db.execute("PRAGMA journal_mode = WAL")
                    db.executescript(_SCHEMA)
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
        except (sqlite3.OperationalError, OSError) as error:
            msg = f"scripted labeling tool {self._path}: expected to write, found: {told(error)}"
            raise Retryable(msg) from error


def _is_new(db: sqlite3.Connection) -> bool:
    return (
        db.execute("SELECT 1 FROM sqlite_master WHERE name = 'ix_deliveries_task'").fetchone()
        is None
    )


def _body(delivery: Delivery) -> str:
    answer = delivery.answer
    document = asdict(answer) | {
        "submitted_at": _text(answer.submitted_at),
        "raw": answer.raw.decode(),
    }
    return json.dumps(document, sort_keys=True)


def _answer(body: str) -> Answer:
    document = json.loads(body)
    return Answer(
        **document
        | {
            "submitted_at": datetime.fromisoformat(document["submitted_at"]),
            "raw": document["raw"].encode(),
        }
    )


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
