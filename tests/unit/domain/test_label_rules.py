"""The label-state matrix: all 49 cells, every role, every guard broken once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from winnow.domain.errors import TransitionRefused
from winnow.domain.ids import FrameId
from winnow.domain.label_rules import RULES, Step, advance, check_step
from winnow.domain.labels import Actor, LabelKey, LabelRevision, LabelState, Role, Transition

S = LabelState
NOW = datetime(2026, 3, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=365)
KEY = LabelKey(FrameId("f1"), "digits", 1)
NEXT = LabelKey(FrameId("f1"), "digits", 2)
SERVICES = {Role.SELECTOR, Role.AUTO_LABELER, Role.GATEWAY, Role.QA_SERVICE}
SAFETY_FACTS = {
    "basis": "inspected",
    "independent_labels": 2,
    "defects_open": 0,
    "calibration_complete": True,
    "odd_complete": True,
    "trained_model_under_test": False,
    "safety_reviewer": "sam",
    "training_datasets": [],
    "split": "train",
}
# The matrix of label states: rows from, columns to.
MATRIX = {
    S.CANDIDATE: "- 2 3 - - - 11",
    S.PRE_LABELED: "- - 4 - - - 11",
    S.HUMAN_LABELED: "- - 6 5 - - 11",
    S.QA_PASSED: "- - 6 - 7 8 11",
    S.APPROVED_FOR_TRAINING: "- - - 10 - 9 11",
    S.APPROVED_FOR_SAFETY_EVIDENCE: "- - - 10 - - 11",
    S.REJECTED: "- - - - - - -",
}
CELLS = [
    (origin, to, 0 if number == "-" else int(number))
    for origin, row in MATRIX.items()
    for to, number in zip(LabelState, row.split(), strict=True)
]
ACTORS = {
    1: Actor("selection", Role.SELECTOR),
    2: Actor("labeler", Role.AUTO_LABELER),
    3: Actor("anna", Role.ANNOTATOR),
    4: Actor("anna", Role.ANNOTATOR),
    5: Actor("rita", Role.REVIEWER),
    6: Actor("anna", Role.ANNOTATOR),
    7: Actor("stella", Role.DATA_STEWARD),
    8: Actor("stella", Role.DATA_STEWARD),
    9: Actor("stella", Role.DATA_STEWARD),
    10: Actor("stella", Role.DATA_STEWARD),
    11: Actor("rita", Role.REVIEWER),
    0: Actor("stella", Role.DATA_STEWARD),
}


def a_revision(state: LabelState, revision: int = 1) -> LabelRevision:
    key = replace(KEY, revision=revision)
    return LabelRevision(key, state, 3, "r0", "b", None, '"7"', "anna", "", None)


def lawful(origin: LabelState | None, to: LabelState, number: int) -> Step:
    """A step with everything that any guard could want."""
    allowed = "safety_evidence" if number in (8, 9) else "production_training"
    current = None if origin is None or number == 6 else a_revision(origin)
    newest = None if origin is None else a_revision(origin)
    key = NEXT if number == 6 else KEY
    version = 1 if current is None else 4
    evidence = json.dumps(SAFETY_FACTS)
    return Step(
        Transition(key, version, origin, to, ACTORS[number], evidence, "a reason", NOW),
        current,
        newest,
        parent_revision=1 if number == 6 else None,
        value='"7"',
        annotator="anna",
        allowed_use=allowed,
        expires_at=LATER,
        passed_by="quentin",
    )


def test_there_are_49_cells() -> None:
    assert len(CELLS) == 49
    assert len(RULES) == 1 + sum(1 for _, _, number in CELLS if number)


@pytest.mark.parametrize(("origin", "to", "number"), CELLS)
def test_each_cell(origin: LabelState, to: LabelState, number: int) -> None:
    step = lawful(origin, to, number)
    if not number:
        with pytest.raises(TransitionRefused, match="f1/digits/1"):
            check_step(step)
        return
    check_step(step)
    assert RULES[origin, to].number == number
    assert advance(step).state is to


def test_a_new_label_begins_as_candidate_only() -> None:
    check_step(lawful(None, S.CANDIDATE, 1))
    for to in set(LabelState) - {S.CANDIDATE}:
        with pytest.raises(TransitionRefused, match="matrix"):
            check_step(lawful(None, to, 1))


LAWFUL = [(None, S.CANDIDATE, 1), *(cell for cell in CELLS if cell[2])]


@pytest.mark.parametrize(("origin", "to", "number"), LAWFUL)
def test_each_rule_only_by_its_roles(origin: LabelState, to: LabelState, number: int) -> None:
    step = lawful(origin, to, number)
    for role in set(Role) - RULES[origin, to].roles:
        actor = Actor("somebody", role)
        with pytest.raises(TransitionRefused, match=f"rule {number} by"):
            check_step(replace(step, transition=replace(step.transition, actor=actor)))


def test_no_service_makes_a_human_label_or_an_approval() -> None:
    for (_, to), rule in RULES.items():
        if to is S.HUMAN_LABELED:
            assert rule.roles == {Role.ANNOTATOR}
        if to in (S.APPROVED_FOR_TRAINING, S.APPROVED_FOR_SAFETY_EVIDENCE):
            assert rule.roles == {Role.DATA_STEWARD}
            assert not rule.roles & SERVICES


def test_no_path_from_a_prediction_to_an_approval_avoids_people() -> None:
    """Without rules 3, 4 and 5 nothing approved can be reached."""
    reached, waiting = {S.PRE_LABELED, S.CANDIDATE}, [S.PRE_LABELED, S.CANDIDATE]
    while waiting:
        here = waiting.pop()
        for (origin, to), rule in RULES.items():
            if origin is here and rule.number not in (3, 4) and to not in reached:
                reached.add(to)
                waiting.append(to)
    assert reached == {S.PRE_LABELED, S.CANDIDATE, S.REJECTED}


def test_safety_asks_for_strictly_more_than_training() -> None:
    training = set(RULES[S.QA_PASSED, S.APPROVED_FOR_TRAINING].guards)
    safety = set(RULES[S.QA_PASSED, S.APPROVED_FOR_SAFETY_EVIDENCE].guards)
    own_use = {guard for guard in training if guard.__name__ == "_use_of_training"}
    assert training - own_use < safety


Change = Callable[[Step], Step]


def evidence(**changes: object) -> Change:
    facts = json.dumps(SAFETY_FACTS | changes)
    return lambda step: replace(step, transition=replace(step.transition, evidence=facts))


def transition(**changes: object) -> Change:
    return lambda step: replace(step, transition=replace(step.transition, **changes))  # type: ignore[arg-type]


def with_(**changes: object) -> Change:
    return lambda step: replace(step, **changes)  # type: ignore[arg-type]


def by(name: str, role: Role) -> Change:
    return transition(actor=Actor(name, role))


TRAINING = (S.QA_PASSED, S.APPROVED_FOR_TRAINING)
SAFETY = (S.QA_PASSED, S.APPROVED_FOR_SAFETY_EVIDENCE)
REWORK = (S.HUMAN_LABELED, S.HUMAN_LABELED)
STEWARD = Role.DATA_STEWARD
BROKEN: list[tuple[tuple[LabelState | None, LabelState], Change, str]] = [
    ((None, S.CANDIDATE), transition(evidence=""), "evidence"),
    ((None, S.CANDIDATE), with_(newest=a_revision(S.QA_PASSED)), "a new revision 2"),
    ((S.CANDIDATE, S.PRE_LABELED), transition(evidence=""), "evidence"),
    ((S.CANDIDATE, S.HUMAN_LABELED), transition(evidence=""), "evidence"),
    ((S.CANDIDATE, S.HUMAN_LABELED), with_(value=""), "an answer"),
    (
        (S.CANDIDATE, S.HUMAN_LABELED),
        lambda step: transition(key=NEXT)(with_(current=None)(step)),
        "an existing revision",
    ),
    ((S.PRE_LABELED, S.HUMAN_LABELED), with_(value=""), "an answer"),
    ((S.PRE_LABELED, S.HUMAN_LABELED), evidence(review_status="skipped"), "review status"),
    ((S.HUMAN_LABELED, S.QA_PASSED), transition(evidence=""), "evidence"),
    ((S.HUMAN_LABELED, S.QA_PASSED), by("anna", Role.REVIEWER), "other than the annotator"),
    ((S.HUMAN_LABELED, S.QA_PASSED), evidence(reviewer="anna"), "other than the annotator"),
    ((S.HUMAN_LABELED, S.QA_PASSED), evidence(defects_critical_open=1), "critical defect"),
    (REWORK, transition(evidence=""), "evidence"),
    (REWORK, with_(value=""), "an answer"),
    (REWORK, with_(parent_revision=None), "newest revision as parent"),
    (REWORK, with_(current=a_revision(S.HUMAN_LABELED)), "a new revision"),
    (TRAINING, transition(evidence=""), "evidence"),
    (TRAINING, with_(allowed_use=""), "allowed use"),
    (TRAINING, with_(allowed_use="safety_evidence"), "allowed use"),
    (TRAINING, with_(expires_at=None), "expiry"),
    (TRAINING, with_(expires_at=NOW), "expiry"),
    (TRAINING, evidence(split="holdout"), "locked"),
    (SAFETY, with_(allowed_use="production_training"), "allowed use"),
    (SAFETY, with_(expires_at=None), "expiry"),
    (SAFETY, evidence(split="holdout"), "locked"),
    (SAFETY, evidence(basis="lot_sampled"), "inspection or consensus"),
    (SAFETY, evidence(independent_labels=1), "independent labels"),
    (SAFETY, evidence(defects_open=1), "major defect"),
    (SAFETY, evidence(calibration_complete=False), "calibration_complete"),
    (SAFETY, evidence(odd_complete=None), "odd_complete"),
    (SAFETY, evidence(trained_model_under_test=True), "model under test"),
    (SAFETY, evidence(safety_reviewer=""), "safety reviewer"),
    (SAFETY, evidence(safety_reviewer="stella"), "safety reviewer"),
    (SAFETY, evidence(safety_reviewer="anna"), "safety reviewer"),
    (SAFETY, evidence(safety_reviewer="quentin"), "safety reviewer"),
    (SAFETY, by("anna", STEWARD), "steward beside"),
    (SAFETY, with_(passed_by="stella"), "steward beside"),
    (SAFETY, transition(evidence="a plain reference"), "inspection or consensus"),
    (
        (S.APPROVED_FOR_TRAINING, S.APPROVED_FOR_SAFETY_EVIDENCE),
        evidence(training_datasets=["d1"]),
        "training data set",
    ),
    ((S.APPROVED_FOR_TRAINING, S.QA_PASSED), transition(reason=""), "a reason"),
    ((S.APPROVED_FOR_TRAINING, S.QA_PASSED), transition(evidence=""), "evidence"),
    ((S.QA_PASSED, S.REJECTED), transition(reason=""), "a reason"),
]


@pytest.mark.parametrize(("cell", "broken", "expected"), BROKEN)
def test_each_guard(
    cell: tuple[LabelState | None, LabelState], broken: Change, expected: str
) -> None:
    step = lawful(*cell, RULES[cell].number)
    check_step(step)
    with pytest.raises(TransitionRefused, match=expected):
        check_step(broken(step))


def test_adjudication_stands_for_two_labels() -> None:
    step = lawful(*SAFETY, 8)
    check_step(evidence(independent_labels=1, adjudicated=True)(step))


def test_a_step_starts_where_the_revision_stands() -> None:
    step = lawful(S.CANDIDATE, S.REJECTED, 11)
    with pytest.raises(TransitionRefused, match="from qa_passed"):
        check_step(replace(step, current=a_revision(S.QA_PASSED)))


def test_an_old_revision_can_only_be_rejected() -> None:
    newer = with_(newest=a_revision(S.HUMAN_LABELED, revision=2))
    with pytest.raises(TransitionRefused, match="newest revision"):
        check_step(newer(lawful(S.HUMAN_LABELED, S.QA_PASSED, 5)))
    check_step(newer(lawful(S.HUMAN_LABELED, S.REJECTED, 11)))


def test_what_a_rejected_frame_needs_to_come_back() -> None:
    again = replace(
        lawful(None, S.CANDIDATE, 1),
        transition=Transition(NEXT, 1, None, S.CANDIDATE, ACTORS[0], "record", "", NOW),
    )
    check_step(replace(again, newest=a_revision(S.REJECTED)))
    with pytest.raises(TransitionRefused, match="rejected one"):
        check_step(replace(again, newest=a_revision(S.CANDIDATE)))


def test_an_approval_brings_its_use_and_ends_with_it() -> None:
    approved = advance(lawful(*TRAINING, 7))
    assert (approved.allowed_use, approved.expires_at) == ("production_training", LATER)
    end = lawful(S.APPROVED_FOR_TRAINING, S.QA_PASSED, 10)
    ended = advance(replace(end, current=approved))
    assert (ended.allowed_use, ended.expires_at) == ("", None)


def test_rework_starts_a_revision_of_its_own() -> None:
    made = advance(lawful(*REWORK, 6))
    assert (made.key, made.version, made.parent_revision) == (NEXT, 1, 1)
