"""Which steps a label revision may take, who may take them, and what must be shown for each.

The matrix has 49 cells; a pair that is not in `RULES` is forbidden on purpose. No path leads from
`pre_labeled` to an approval without a person's submit (rule 4) and QA (rule 5).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from winnow.domain.errors import TransitionRefused
from winnow.domain.events import AllowedUse
from winnow.domain.labels import LabelRevision, LabelState, Role, Transition

S = LabelState


@dataclass(frozen=True, slots=True)
class Step:
    """A transition together with all that its guards look at."""

    transition: Transition
    current: LabelRevision | None
    """The revision that steps; None if the step makes it."""
    newest: LabelRevision | None
    """The frame's newest revision so far."""
    round_id: str = ""
    batch_id: str = ""
    parent_revision: int | None = None
    value: str = ""
    annotator: str = ""
    allowed_use: str = ""
    expires_at: datetime | None = None
    passed_by: str = ""
    """Who brought the revision to `qa_passed`; asked for only before safety evidence."""

    @property
    def facts(self) -> Mapping[str, object]:
        """Give the evidence as a mapping; empty when it is a plain reference."""
        try:
            found = json.loads(self.transition.evidence)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


Guard = Callable[[Step], tuple[str, str] | None]
"""Gives (expected, found) when the step breaks it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One numbered rule of the matrix."""

    number: int
    roles: frozenset[Role]
    guards: tuple[Guard, ...]


def check_step(step: Step) -> None:
    """Let a lawful step pass.

    Raises
    ------
    TransitionRefused
        The matrix, the actor's role or a guard forbids it; the text says expected, found and id.
    """
    transition = step.transition
    _check_origin(step)
    rule = RULES.get((transition.from_state, transition.to_state))
    if rule is None:
        raise _refused(step, f"a step that the matrix allows from {_from(step)}", _to(step))
    if transition.actor.role not in rule.roles:
        expected = f"rule {rule.number} by " + " or ".join(sorted(rule.roles))
        raise _refused(step, expected, transition.actor.role)
    for guard in rule.guards:
        broken = guard(step)
        if broken is not None:
            raise _refused(step, f"rule {rule.number} with {broken[0]}", broken[1])


def advance(step: Step) -> LabelRevision:
    """Give the revision after a step that `check_step` let pass."""
    transition, current = step.transition, step.current
    approved = transition.to_state in APPROVED
    before = current or LabelRevision(
        transition.key, S.CANDIDATE, 0, "", "", step.parent_revision, "", "", "", None
    )
    return replace(
        before,
        state=transition.to_state,
        version=before.version + 1,
        round_id=step.round_id or before.round_id,
        batch_id=step.batch_id or before.batch_id,
        value=step.value or before.value,
        annotator=_annotator(step) or before.annotator,
        allowed_use=step.allowed_use if approved else "",
        expires_at=step.expires_at if approved else None,
    )


def _annotator(step: Step) -> str:
    if step.transition.to_state is not S.HUMAN_LABELED:
        return ""
    return step.annotator or step.transition.actor.name


def _check_origin(step: Step) -> None:
    """Refuse a step that starts elsewhere than the revision stands, or from an old revision."""
    transition, current = step.transition, step.current
    if current is None:
        _check_first(step)
    elif transition.from_state is not current.state:
        raise _refused(step, f"a step from {current.state}", f"one from {_from(step)}")
    elif _is_superseded(step) and transition.to_state is not S.REJECTED:
        raise _refused(step, "the newest revision", f"revision {transition.key.revision}")


def _check_first(step: Step) -> None:
    newest, revision = step.newest, step.transition.key.revision
    next_revision = 1 if newest is None else newest.key.revision + 1
    if revision != next_revision:
        raise _refused(step, f"a new revision {next_revision}", str(revision))
    if step.transition.from_state is None:
        return
    if newest is None or step.transition.from_state is not newest.state:
        found = "none" if newest is None else newest.state
        raise _refused(step, f"a parent in state {_from(step)}", found)
    if step.transition.to_state is not S.HUMAN_LABELED:
        raise _refused(step, "an existing revision", "none")


def _is_superseded(step: Step) -> bool:
    return step.newest is not None and step.newest.key.revision > step.transition.key.revision


def _from(step: Step) -> str:
    return step.transition.from_state or "nothing"


def _to(step: Step) -> str:
    return f"{_from(step)} to {step.transition.to_state}"


def _refused(step: Step, expected: str, found: str) -> TransitionRefused:
    key = step.transition.key
    return TransitionRefused(
        f"label {key.frame_id}/{key.label_task}/{key.revision} to {step.transition.to_state}: "
        f"expected {expected}, found {found}"
    )


def _has_evidence(step: Step) -> tuple[str, str] | None:
    return None if step.transition.evidence else ("evidence", "none")


def _has_reason(step: Step) -> tuple[str, str] | None:
    return None if step.transition.reason else ("a reason", "none")


def _has_answer(step: Step) -> tuple[str, str] | None:
    return None if step.value else ("an answer", "none")


def _is_fresh(step: Step) -> tuple[str, str] | None:
    newest = step.newest
    if newest is None or newest.state is S.REJECTED:
        return None
    return "no earlier revision but a rejected one", newest.state


def _was_submitted(step: Step) -> tuple[str, str] | None:
    status = step.facts.get("review_status", "edited")
    if status in ("accepted_unchanged", "edited", "redrawn"):
        return None
    return "review status accepted_unchanged, edited or redrawn", str(status)


def _same_revision(step: Step) -> tuple[str, str] | None:
    return None if step.current is not None else ("an existing revision", "a new one")


def _new_revision(step: Step) -> tuple[str, str] | None:
    if step.current is not None:
        return "a new revision", f"revision {step.current.key.revision} again"
    newest = step.newest
    if newest is None or step.parent_revision != newest.key.revision:
        return "the newest revision as parent", str(step.parent_revision)
    return None


def _second_person(step: Step) -> tuple[str, str] | None:
    annotator = step.current.annotator if step.current else ""
    judges = {step.transition.actor.name, str(step.facts.get("reviewer", ""))}
    return ("a reviewer other than the annotator", annotator) if annotator in judges else None


def _no_open_defect(step: Step) -> tuple[str, str] | None:
    count = step.facts.get("defects_critical_open", 0)
    return None if count == 0 else ("no open critical defect", str(count))


def _use_of_training(step: Step) -> tuple[str, str] | None:
    allowed = set(AllowedUse) - {AllowedUse.SAFETY_EVIDENCE}
    if step.allowed_use in allowed:
        return None
    return "allowed use " + " or ".join(sorted(allowed)), step.allowed_use or "none"


def _use_of_safety(step: Step) -> tuple[str, str] | None:
    if step.allowed_use == AllowedUse.SAFETY_EVIDENCE:
        return None
    return f"allowed use {AllowedUse.SAFETY_EVIDENCE}", step.allowed_use or "none"


def _expires_later(step: Step) -> tuple[str, str] | None:
    if step.expires_at is not None and step.expires_at > step.transition.at:
        return None
    return f"an expiry after {step.transition.at.isoformat()}", str(step.expires_at)


def _not_locked(step: Step) -> tuple[str, str] | None:
    split = step.facts.get("split", "train")
    return None if split != "holdout" else ("a frame outside locked splits", "holdout")


def _whole_basis(step: Step) -> tuple[str, str] | None:
    basis = step.facts.get("basis")
    return None if basis in ("inspected", "consensus") else ("inspection or consensus", str(basis))


def _independent(step: Step) -> tuple[str, str] | None:
    labels = step.facts.get("independent_labels", 0)
    if step.facts.get("adjudicated") is True or (isinstance(labels, int) and labels >= 2):
        return None
    return "two independent labels or adjudication", str(labels)


def _spotless(step: Step) -> tuple[str, str] | None:
    count = step.facts.get("defects_open")
    return None if count == 0 else ("no open critical or major defect", str(count))


def _complete(step: Step) -> tuple[str, str] | None:
    for fact in ("calibration_complete", "odd_complete"):
        if step.facts.get(fact) is not True:
            return fact, str(step.facts.get(fact))
    return None


def _not_trained_on(step: Step) -> tuple[str, str] | None:
    found = step.facts.get("trained_model_under_test")
    return None if found is False else ("a model under test that never saw it", str(found))


def _two_approvers(step: Step) -> tuple[str, str] | None:
    second = step.facts.get("safety_reviewer")
    judged = {step.transition.actor.name, step.current.annotator if step.current else ""}
    if isinstance(second, str) and second and second not in judged | {step.passed_by}:
        return None
    return "a safety reviewer beside steward, annotator and QA", str(second)


def _approver_is_new(step: Step) -> tuple[str, str] | None:
    judged = {step.passed_by, step.current.annotator if step.current else ""}
    name = step.transition.actor.name
    return ("a steward beside annotator and QA", name) if name in judged else None


def _never_consumed(step: Step) -> tuple[str, str] | None:
    found = step.facts.get("training_datasets")
    return None if found == [] else ("no training data set that used it", str(found))


def _rule(number: int, roles: set[Role], *guards: Guard) -> Rule:
    return Rule(number, frozenset(roles), guards)


APPROVED = (S.APPROVED_FOR_TRAINING, S.APPROVED_FOR_SAFETY_EVIDENCE)
SELECTING = {Role.SELECTOR, Role.DATA_STEWARD}
ATTACHING = {Role.AUTO_LABELER, Role.GATEWAY}
JUDGING = {Role.QA_SERVICE, Role.REVIEWER, Role.ADJUDICATOR}
ENDING = {Role.DATA_STEWARD, Role.QA_SERVICE}
REJECTING = {
    Role.ANNOTATOR, Role.GATEWAY, Role.QA_SERVICE, Role.REVIEWER, Role.ADJUDICATOR,
    Role.DATA_STEWARD, Role.PRIVACY_OFFICER,
}  # fmt: skip
SAFETY: tuple[Guard, ...] = (
    _has_evidence, _expires_later, _not_locked, _use_of_safety, _whole_basis, _independent,
    _spotless, _complete, _not_trained_on, _approver_is_new, _two_approvers,
)  # fmt: skip
REWORK = _rule(6, {Role.ANNOTATOR}, _new_revision, _has_evidence, _has_answer)
SUBMIT = (_same_revision, _has_evidence, _has_answer)
END = _rule(10, ENDING, _has_evidence, _has_reason)
REJECT = _rule(11, REJECTING | {Role.SELECTOR}, _has_reason)

RULES: Mapping[tuple[LabelState | None, LabelState], Rule] = {
    (None, S.CANDIDATE): _rule(1, SELECTING, _has_evidence, _is_fresh),
    (S.CANDIDATE, S.PRE_LABELED): _rule(2, ATTACHING, _has_evidence),
    (S.CANDIDATE, S.HUMAN_LABELED): _rule(3, {Role.ANNOTATOR}, *SUBMIT),
    (S.PRE_LABELED, S.HUMAN_LABELED): _rule(4, {Role.ANNOTATOR}, *SUBMIT, _was_submitted),
    (S.HUMAN_LABELED, S.HUMAN_LABELED): REWORK,
    (S.QA_PASSED, S.HUMAN_LABELED): REWORK,
    (S.HUMAN_LABELED, S.QA_PASSED): _rule(
        5, JUDGING, _has_evidence, _second_person, _no_open_defect
    ),
    (S.QA_PASSED, S.APPROVED_FOR_TRAINING): _rule(
        7, {Role.DATA_STEWARD}, _has_evidence, _expires_later, _not_locked, _use_of_training
    ),
    (S.QA_PASSED, S.APPROVED_FOR_SAFETY_EVIDENCE): _rule(8, {Role.DATA_STEWARD}, *SAFETY),
    (S.APPROVED_FOR_TRAINING, S.APPROVED_FOR_SAFETY_EVIDENCE): _rule(
        9, {Role.DATA_STEWARD}, *SAFETY, _never_consumed
    ),
    (S.APPROVED_FOR_TRAINING, S.QA_PASSED): END,
    (S.APPROVED_FOR_SAFETY_EVIDENCE, S.QA_PASSED): END,
    **{(state, S.REJECTED): REJECT for state in LabelState if state is not S.REJECTED},
}
