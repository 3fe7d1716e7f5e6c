"""The policy of a round: one YAML file, a typed model, hashed into the round.

Its sections stand in the order in which a round goes through them. Everything has a default, so
an empty file is a policy; a wrong file reports all its mistakes at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from winnow.acquisition.registry import ACQUISITIONS
from winnow.domain.errors import BadInput
from winnow.policy.section import Section, Share
from winnow.policy.stopping_section import StoppingSection
from winnow.strategies.registry import STRATEGIES, strategy_of


def _one_of(names: Iterable[str]) -> AfterValidator:
    known = sorted(names)

    def check(name: str) -> str:
        if name not in known:
            raise PydanticCustomError("unknown_name", f"expected one of {', '.join(known)}")
        return name

    return AfterValidator(check)


AcquisitionName = Annotated[str, _one_of(ACQUISITIONS)]
StrategyName = Annotated[str, _one_of(STRATEGIES)]
ColdStartName = Annotated[
    str, _one_of(name for name in STRATEGIES if "scores" not in strategy_of(name).needs)
]


class LabelSection(Section):
    """What people are asked."""

    task: str = Field(default="classification", description="Name of the label task.")
    class_names: tuple[str, ...] = Field(
        default=(), description="Classes; empty takes those of the ingested sources."
    )
    instructions: str = Field(
        default="Choose the class that the frame shows.", description="Shown to annotators."
    )
    slots: int = Field(default=1, ge=1, le=9, description="Independent annotations per frame.")
    attempts_max: int = Field(
        default=3, ge=1, le=9, description="First answer and reworks together."
    )
    task_timeout_hours: float = Field(
        default=336.0, gt=0, description="A task without an answer expires after this."
    )


class GateSection(Section):
    """What blocks a frame before any money is reserved. Measured at embedding, applied here."""

    duplicate_hash_bits: int = Field(
        default=4,
        ge=0,
        le=32,
        description="Perceptual hashes this close make near-duplicates.",
    )
    duplicate_cosine: Annotated[float, Field(ge=-1.0, le=1.0)] = Field(
        default=0.995,
        description="… if their embeddings are also at least this similar.",
    )


class RandomArmSection(Section):
    """A simple random sample of the gated pool, paid first: what choosing is measured against."""

    share: Share = Field(default=0.1, description="Part of the batch that is drawn at random.")


class SelectionSection(Section):
    """Which frames."""

    batch_size: int = Field(default=100, ge=1, description="Frames per round.")
    acquisition: AcquisitionName = Field(
        default="bald", description="Acquisition function over the committee."
    )
    strategy: StrategyName = Field(
        default="shortlist_k_center", description="Query strategy once a committee exists."
    )
    cold_start: ColdStartName = Field(
        default="random", description="Query strategy of round 0, which needs no scores."
    )
    shortlist_factor: float = Field(
        default=5.0, ge=1.0, description="Shortlist length in batches (shortlist_k_center)."
    )

    def strategy_name(self, *, cold: bool) -> str:
        """Give the strategy: the cold-start one while there is no committee."""
        return self.cold_start if cold else self.strategy


class MoneySection(Section):
    """What a label may cost. Amounts in micros of the budgets' currency."""

    label_price_micros: int = Field(default=80_000, ge=0, description="One annotation.")
    review_price_micros: int = Field(default=40_000, ge=0, description="One QA inspection.")
    batch_micros_max: int | None = Field(
        default=None, ge=0, description="Most that one batch may cost; none: the budget's rest."
    )
    scoring_ms_per_frame: int = Field(
        default=20,
        ge=0,
        description="Reserved committee milliseconds per eligible frame; commit is measured.",
    )


class ApprovalSection(Section):
    """Who lets a proposed batch go."""

    mode: Literal["automatic", "person"] = Field(default="automatic")


class ScoringSection(Section):
    """When a partial committee answer is enough."""

    coverage_min: Share = Field(default=0.98, description="Scored share of eligible frames.")
    members_min: int = Field(default=2, ge=1, description="Members that must have answered.")
    deadline_minutes: float = Field(default=120.0, gt=0)


class QaSection(Section):
    """How labels are checked."""

    sample_share: Share = Field(
        default=0.2, description="Expected share of labels that is inspected."
    )
    inclusion_floor: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        default=0.05, description="Least probability of inspection of any label."
    )
    risk_weight_disagreement: float = Field(
        default=4.0,
        ge=1.0,
        description="How much likelier a label is inspected if it differs from the pre-label.",
    )
    risk_weight_rare_class: float = Field(default=3.0, ge=1.0)
    effort_ms_floor: int = Field(
        default=300, ge=0, description="Accepted unchanged faster than this: always inspected."
    )
    reworks_max: int = Field(default=2, ge=0, le=2, description="Returns before rejection.")
    defect_rate_max: Share = Field(
        default=0.2, description="Estimated defect rate above which nobody promotes by policy."
    )
    promotion: Literal["automatic", "person"] = Field(
        default="automatic",
        description="`automatic`: the standing order of the data steward named below.",
    )
    data_steward: str = Field(default="steward", description="Who answers for promotions.")
    allowed_use: Literal["exploratory_training", "production_training", "validation"] = Field(
        default="production_training"
    )
    approval_months: int = Field(default=24, ge=1, le=24)


class TrainingSection(Section):
    """The committee that a round's labels train."""

    members: int = Field(default=4, ge=1, le=64)
    epochs: int = Field(default=40, ge=1)
    steps_min: int = Field(
        default=300, ge=0, description="Few labels are gone through more often, for so many steps."
    )
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    input_pixels: int = Field(default=32, ge=8, le=512, description="Side of the square input.")
    width: int = Field(default=16, ge=4, le=256, description="Channels of the first block.")
    calibration_share: Annotated[float, Field(ge=0.0, lt=0.5)] = Field(
        default=0.1, description="Labels kept out of training to fit the temperature."
    )


class Policy(Section):
    """All of it."""

    name: str = Field(default="default", min_length=1, max_length=80)
    seed: int = Field(default=0, ge=0, lt=2**63)
    label: LabelSection = LabelSection()
    gates: GateSection = GateSection()
    random_arm: RandomArmSection = RandomArmSection()
    scoring: ScoringSection = ScoringSection()
    selection: SelectionSection = SelectionSection()
    money: MoneySection = MoneySection()
    approval: ApprovalSection = ApprovalSection()
    qa: QaSection = QaSection()
    training: TrainingSection = TrainingSection()
    stopping: StoppingSection = StoppingSection()

    @model_validator(mode="after")
    def _sections_agree(self) -> Policy:
        if self.scoring.members_min > self.training.members:
            msg = (
                f"scoring.members_min is {self.scoring.members_min}, but training.members trains "
                f"only {self.training.members}"
            )
            raise ValueError(msg)
        if self.label.attempts_max < self.qa.reworks_max + 1:
            msg = (
                f"label.attempts_max is {self.label.attempts_max}, but qa.reworks_max "
                f"{self.qa.reworks_max} needs one more attempt than that"
            )
            raise ValueError(msg)
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
        It is no YAML mapping or has mistakes; all of them are listed, with their paths.
    """
    try:
        document = yaml.safe_load(text)
    # The YAML reader lets through what `int` and `date` say of texts that look like theirs.
    except (yaml.YAMLError, ValueError) as error:
        msg = f"{where}: expected YAML, found: {error}"
        raise BadInput(msg) from error
    if document is None:
        document = {}
    if not isinstance(document, dict):
        msg = f"{where}: expected a mapping of sections, found {type(document).__name__}"
        raise BadInput(msg)
    try:
        return Policy.model_validate(document)
    except ValidationError as error:
        lines = [f"  {_told(mistake)}" for mistake in error.errors()]
        msg = f"{where}: {len(lines)} mistake(s)\n" + "\n".join(lines)
        raise BadInput(msg) from error


def _told(mistake: ErrorDetails) -> str:
    path = ".".join(str(part) for part in mistake["loc"])
    if not path:
        return f"policy: {mistake['msg']}"
    said = _unknown(mistake["loc"]) if mistake["type"] == "extra_forbidden" else mistake["msg"]
    return f"{path}: {said} (found {mistake['input']!r})"


def _unknown(path: tuple[int | str, ...]) -> str:
    """Say which names are known in this place, and where else this one is."""
    sections = {name: part for name, part in Policy() if isinstance(part, Section)}
    place = sections.get(str(path[0])) if len(path) > 1 else None
    homes = [
        f"{name}.{path[-1]}"
        for name, section in sections.items()
        if path[-1] in type(section).model_fields
    ]
    hint = f"; did you mean {' or '.join(homes)}?" if homes else ""
    return f"expected one of {', '.join(type(place or Policy()).model_fields)}{hint}"
