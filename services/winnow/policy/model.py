"""The policy of a round: one YAML file, a typed model, hashed into the round.

Its sections stand in the order in which a round goes through them. Everything has a default, so
an empty file is a policy; a wrong file reports all its mistakes at once, each with its line.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from winnow.domain.errors import BadInput
from winnow.policy.constraint_section import ConstraintSection
from winnow.policy.contradictions import Contradiction, contradictions
from winnow.policy.kind_defaults import DETECTION_SECTIONS, filled_by_kind
from winnow.policy.mistakes import told
from winnow.policy.moved import move
from winnow.policy.reading import Document, Mistake, read_document
from winnow.policy.risk_section import RiskSection
from winnow.policy.rollout_section import RolloutSection
from winnow.policy.round_sections import (
    ApprovalSection,
    GateSection,
    LabelSection,
    MoneySection,
    QaSection,
    RandomArmSection,
    ScoringSection,
)
from winnow.policy.score_section import ScoresSection
from winnow.policy.section import Section
from winnow.policy.selection_section import SelectionSection
from winnow.policy.stopping_section import StoppingSection
from winnow.policy.training_section import TrainingSection

CONTRADICTIONS = "contradictions"
"""Type of the validation error that carries them."""
STORED = "stored"
"""Validation context of a policy that a round has already."""


class Policy(Section):
    """How a round is run."""

    name: str = Field(
        default="default", min_length=1, max_length=80, description="What people call it."
    )
    description: str = Field(default="", max_length=2000, description="When to use it.")
    seed: int = Field(
        default=0, ge=0, lt=2**63, description="Every random draw of every round follows from it."
    )
    label: LabelSection = Field(default=LabelSection())
    gates: GateSection = Field(default=GateSection())
    random_arm: RandomArmSection = Field(default=RandomArmSection())
    scoring: ScoringSection = Field(default=ScoringSection())
    scores: ScoresSection = Field(default=ScoresSection())
    risk: RiskSection = Field(default=RiskSection())
    selection: SelectionSection = Field(default=SelectionSection(), validate_default=True)
    constraints: ConstraintSection = Field(default=ConstraintSection())
    money: MoneySection = Field(default=MoneySection())
    approval: ApprovalSection = Field(default=ApprovalSection())
    qa: QaSection = Field(default=QaSection())
    training: TrainingSection = Field(default=TrainingSection(), validate_default=True)
    rollout: RolloutSection = Field(default=RolloutSection())
    stopping: StoppingSection = Field(default=StoppingSection())

    @field_validator(*DETECTION_SECTIONS)
    @classmethod
    def _filled_by_kind(cls, section: Section, info: ValidationInfo) -> Section:
        label = section if info.field_name == "label" else info.data.get("label")
        if info.field_name is None or not isinstance(label, LabelSection):
            return section  # a label with mistakes: they are told, and there is no kind to go by
        return filled_by_kind(section, info.field_name, kind=label.kind)

    @model_validator(mode="after")
    def _sections_agree(self, info: ValidationInfo) -> Self:
        if info.context == STORED:
            return self
        found = contradictions(self)
        if found:
            text = "; ".join(str(one) for one in found)
            raise PydanticCustomError(CONTRADICTIONS, "{text}", {"text": text, "found": found})
        return self

    def canonical(self) -> bytes:
        """Give the bytes that are stored and hashed: every field, sorted keys."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return text.encode()

    @property
    def sha256(self) -> str:
        """Digest of the canonical bytes: equal policies have equal digests."""
        return hashlib.sha256(self.canonical()).hexdigest()


def parse_policy(text: str | bytes, *, where: str = "policy") -> Policy:
    """Read a policy from YAML (or JSON, which is YAML).

    Raises
    ------
    BadInput
        It is no YAML mapping or has mistakes; all of them are listed, with line, column and path.
    """
    return _parsed(text, where=where, context=None)


def stored_policy(text: str | bytes, *, where: str = "policy") -> Policy:
    """Read the policy of a round, which was checked when the round was opened.

    Settings may contradict each other in ways that are found only since: what was decided with
    them is still done, and replayed, as it was.

    Raises
    ------
    BadInput
        As `parse_policy`, but for contradictions.
    """
    return _parsed(text, where=where, context=STORED)


def _parsed(text: str | bytes, *, where: str, context: str | None) -> Policy:
    document = read_document(text, where=where)
    if document.value is None:
        document.value = {}
    if not isinstance(document.value, dict):
        found = type(document.value).__name__
        msg = f"{where}: expected a mapping of sections, found {found}"
        raise BadInput(msg)
    move(document)
    policy, errors = _validated(document.value, context)
    mistakes = [*document.mistakes, *_mistakes(errors, document)]
    if policy is not None and not mistakes:
        return policy
    lines = [f"  {mistake}" for mistake in sorted(set(mistakes))]
    msg = f"{where}: {len(lines)} mistake(s)\n" + "\n".join(lines)
    raise BadInput(msg)


def _validated(
    sections: dict[str, object], context: str | None = None
) -> tuple[Policy | None, Sequence[ErrorDetails]]:
    # As JSON, because only there is a list strictly a tuple, and `yes` or "8" strictly no number.
    try:
        return Policy.model_validate_json(json.dumps(sections), strict=True, context=context), ()
    except ValidationError as error:
        return None, error.errors(include_url=False)


def _mistakes(errors: Sequence[ErrorDetails], document: Document) -> Iterable[Mistake]:
    broken = {str(error["loc"][0]) for error in errors if error["loc"]}
    assert isinstance(document.value, dict)
    if broken:
        # What is sound by itself may still contradict what else is sound.
        sound = {name: part for name, part in document.value.items() if name not in broken}
        errors = [*errors, *_validated(sound)[1]]
    for error in errors:
        if error["type"] != CONTRADICTIONS:
            yield told(error, Policy, document)
            continue
        for one in error["ctx"]["found"]:
            if broken.isdisjoint(str(path[0]) for path in one.paths):
                yield _contradicting(one, document)


def _contradicting(one: Contradiction, document: Document) -> Mistake:
    written = [path for path in one.paths if path in document.values] or [one.paths[0]]
    return Mistake(document.place(written[0]), one.paths[0], one.text)
