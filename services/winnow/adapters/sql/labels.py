"""Label revisions: the append-only log and the fold of it, kept in step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from winnow.adapters.sql import label_statements as sql
from winnow.adapters.sql.codec import optional_time_of, optional_time_text, time_of, time_text
from winnow.adapters.sql.driver import Session
from winnow.domain.errors import Conflict
from winnow.domain.ids import FrameId
from winnow.domain.label_rules import Step, advance, check_step
from winnow.domain.labels import Actor, LabelKey, LabelRevision, LabelState, Role, Transition

CHUNK = 400


class SqlLabels:
    """Port `Labels` inside one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, key: LabelKey) -> LabelRevision | None:
        """Give a revision."""
        return _optional_revision(self._session.row(sql.GET, _key_params(key)))

    def latest(self, frame_id: FrameId, label_task: str) -> LabelRevision | None:
        """Give the newest revision of a frame's label."""
        params = {"frame_id": frame_id, "label_task": label_task}
        return _optional_revision(self._session.row(sql.LATEST, params))

    def step(
        self,
        transition: Transition,
        *,
        round_id: str = "",
        batch_id: str = "",
        parent_revision: int | None = None,
        value: str = "",
        annotator: str = "",
        allowed_use: str = "",
        expires_at: datetime | None = None,
    ) -> LabelRevision:
        """Append one step, if the matrix, its guards and `transition.version` allow it."""
        current = _optional_revision(self._session.row(sql.LOCK, _key_params(transition.key)))
        _check_version(transition, current)
        step = Step(
            transition,
            current,
            newest=self.latest(transition.key.frame_id, transition.key.label_task),
            round_id=round_id,
            batch_id=batch_id,
            parent_revision=parent_revision,
            value=value,
            annotator=annotator,
            allowed_use=allowed_use,
            expires_at=expires_at,
            passed_by=self._passed_by(transition),
        )
        check_step(step)
        return self._write([step])[0]

    def begin(
        self,
        frame_ids: Sequence[FrameId],
        label_task: str,
        *,
        round_id: str,
        batch_id: str,
        actor: Actor,
        evidence: str,
        at: datetime,
    ) -> Sequence[LabelKey]:
        """Make each frame a candidate in one go: revision 1, or one after a rejected revision."""
        newest = self._newest_of(frame_ids, label_task)
        steps = []
        for frame_id in frame_ids:
            before = newest.get(frame_id)
            key = LabelKey(frame_id, label_task, before.key.revision + 1 if before else 1)
            first = Transition(key, 1, None, LabelState.CANDIDATE, actor, evidence, "", at)
            steps.append(Step(first, None, before, round_id=round_id, batch_id=batch_id))
            check_step(steps[-1])
        return [revision.key for revision in self._write(steps)]

    def find(
        self,
        *,
        states: Sequence[LabelState] | None = None,
        label_task: str | None = None,
        round_id: str | None = None,
        batch_id: str | None = None,
        latest_only: bool = True,
    ) -> Sequence[LabelRevision]:
        """Give revisions, by key."""
        given = {"label_task": label_task, "round_id": round_id, "batch_id": batch_id}
        params: dict[str, object] = {k: v for k, v in given.items() if v is not None}
        columns = tuple(params)
        for pos, state in enumerate(states or ()):
            params[f"state_{pos}"] = state.value
        if states is not None and not states:
            return []
        statement = sql.find(columns, n_states=len(states or ()), latest_only=latest_only)
        return [_revision(row) for row in self._session.rows(statement, params)]

    def counts(self) -> Sequence[tuple[str, LabelState, int]]:
        """Give (round, state, number of latest revisions)."""
        rows = self._session.rows(sql.COUNTS)
        return [(round_id, LabelState(state), n) for round_id, state, n in rows]

    def history(self, key: LabelKey) -> Sequence[Transition]:
        """Give a revision's log, oldest first."""
        rows = self._session.rows(sql.HISTORY, _key_params(key))
        return [_transition(row) for row in rows]

    def _newest_of(self, frame_ids: Sequence[FrameId], label_task: str) -> dict[str, LabelRevision]:
        found: dict[str, LabelRevision] = {}
        for start in range(0, len(frame_ids), CHUNK):
            chunk = frame_ids[start : start + CHUNK]
            params: dict[str, object] = {"label_task": label_task}
            # One statement for every chunk: the last frame fills the places that are left.
            padded = [*chunk, *[chunk[-1]] * (CHUNK - len(chunk))]
            params |= {f"frame_{pos}": frame_id for pos, frame_id in enumerate(padded)}
            rows = self._session.rows(sql.latest_of(CHUNK), params)
            found |= {row[0]: _revision(row) for row in rows}
        return found

    def _passed_by(self, transition: Transition) -> str:
        """Give who passed it in QA: rule 8 keeps that person from approving it too."""
        if transition.to_state is not LabelState.APPROVED_FOR_SAFETY_EVIDENCE:
            return ""
        passed = [
            one for one in self.history(transition.key) if one.to_state is LabelState.QA_PASSED
        ]
        return passed[-1].actor.name if passed else ""

    def _write(self, steps: Sequence[Step]) -> list[LabelRevision]:
        self._session.run_many(
            sql.ADD_TRANSITION, [_transition_params(step.transition) for step in steps]
        )
        superseded = [
            _key_params(step.newest.key)
            for step in steps
            if step.current is None and step.newest is not None
        ]
        self._session.run_many(sql.SUPERSEDE, superseded)
        revisions = [advance(step) for step in steps]
        added = [
            _revision_params(revision)
            for step, revision in zip(steps, revisions, strict=True)
            if step.current is None
        ]
        self._session.run_many(sql.ADD_REVISION, added)
        for step, revision in zip(steps, revisions, strict=True):
            if step.current is not None:
                self._update(step.current, revision)
        return revisions

    def _update(self, before: LabelRevision, after: LabelRevision) -> None:
        params = {**_revision_params(after), "version_before": before.version}
        params |= {f"of_{name}": value for name, value in _key_params(after.key).items()}
        if self._session.run(sql.UPDATE_REVISION, params) != 1:
            raise _late(after.key, before.version, "another")


def _check_version(transition: Transition, current: LabelRevision | None) -> None:
    version = current.version if current else 0
    if transition.version != version + 1:
        raise _late(transition.key, transition.version - 1, str(version))


def _late(key: LabelKey, expected: int, found: str) -> Conflict:
    return Conflict(
        f"label {key.frame_id}/{key.label_task}/{key.revision}: "
        f"expected version {expected} before the step, found {found}"
    )


def _key_params(key: LabelKey) -> dict[str, object]:
    return {"frame_id": key.frame_id, "label_task": key.label_task, "revision": key.revision}


def _revision_params(revision: LabelRevision) -> dict[str, object]:
    return {
        **_key_params(revision.key),
        "state": revision.state.value,
        "version": revision.version,
        "round_id": revision.round_id,
        "batch_id": revision.batch_id,
        "parent_revision": revision.parent_revision,
        "value": revision.value,
        "annotator": revision.annotator,
        "allowed_use": revision.allowed_use,
        "expires_at": optional_time_text(revision.expires_at),
        "latest": 1,
    }


def _transition_params(transition: Transition) -> dict[str, object]:
    origin = transition.from_state
    return {
        **_key_params(transition.key),
        "version": transition.version,
        "from_state": None if origin is None else origin.value,
        "to_state": transition.to_state.value,
        "actor": transition.actor.name,
        "role": transition.actor.role.value,
        "evidence": transition.evidence,
        "reason": transition.reason,
        "at": time_text(transition.at),
    }


def _optional_revision(row: Any) -> LabelRevision | None:  # noqa: ANN401 - a database row
    return None if row is None else _revision(row)


def _revision(row: Any) -> LabelRevision:  # noqa: ANN401 - a database row
    frame_id, label_task, revision, state, version, round_id, batch_id, parent = row[:8]
    value, annotator, allowed_use, expires_at = row[8:]
    return LabelRevision(
        LabelKey(FrameId(frame_id), label_task, revision),
        LabelState(state),
        version,
        round_id,
        batch_id,
        parent,
        value,
        annotator,
        allowed_use,
        optional_time_of(expires_at),
    )


def _transition(row: Any) -> Transition:  # noqa: ANN401 - a database row
    frame_id, label_task, revision, version, origin, to_state = row[:6]
    name, role, evidence, reason, at = row[6:]
    return Transition(
        LabelKey(FrameId(frame_id), label_task, revision),
        version,
        None if origin is None else LabelState(origin),
        LabelState(to_state),
        Actor(name, Role(role)),
        evidence,
        reason,
        time_of(at),
    )
