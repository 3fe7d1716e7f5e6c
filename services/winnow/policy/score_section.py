"""What a frame is worth: one score, a sum of several, a cascade; conditions over scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from winnow.acquisition.cascade import First
from winnow.acquisition.detection import DETECTION_ACQUISITIONS, DetectionAcquisition
from winnow.acquisition.normalised import Scale
from winnow.acquisition.registry import (
    ACQUISITIONS,
    ACQUISITIONS_WITH_MORE,
    Acquisition,
    acquisition_of,
)
from winnow.acquisition.triggers import Trigger
from winnow.domain.errors import BadInput
from winnow.policy.section import Name, Section, one_of
from winnow.strategies.registry import STRATEGIES

SCORERS = {**ACQUISITIONS, **ACQUISITIONS_WITH_MORE}
"""Functions of class probabilities."""
NAMES = sorted({*SCORERS, *DETECTION_ACQUISITIONS})
AcquisitionName = Annotated[
    str,
    one_of(NAMES, {"a strategy: selection.strategy": STRATEGIES}),
    Field(json_schema_extra={"enum": NAMES}),
]
Weight = Annotated[float, Field(ge=0.0, le=1e6)]


def _condition(text: str) -> str:
    """Give a condition in its canonical form, or say what is wrong with it."""
    try:
        return Trigger.parse(text).text
    except BadInput as error:
        raise PydanticCustomError("condition", "{text}", {"text": str(error)}) from error


Condition = Annotated[str, AfterValidator(_condition)]
"""E.g. `lidar_entropy > 0.8 and rgb_entropy < 0.5`; names are acquisition functions or columns."""


def function_of(name: str) -> Acquisition | DetectionAcquisition:
    """Give the acquisition function of this name, whichever kind of labels it is for."""
    return DETECTION_ACQUISITIONS.get(name) or acquisition_of(name)


class ScoreSection(Section):
    """A score: an acquisition function, or a column (or tag) of the frames."""

    acquisition: AcquisitionName | None = Field(
        default=None, description="Acquisition function over the committee."
    )
    column: Name | None = Field(
        default=None, description="Or a column of the frames with larger numbers for more worth."
    )

    @property
    def name(self) -> str:
        """Give what it is called: its function or column."""
        return self.acquisition or self.column or ""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.acquisition is None) == (self.column is None):
            raise PydanticCustomError("one_of_two", "expected either an acquisition or a column")
        return self


class TermSection(ScoreSection):
    """One score of a sum."""

    weight: Weight = Field(default=1.0, description="Its weight in the sum.")


class StageSection(ScoreSection):
    """One task of a cascade: its score, and which frames go on to the next task."""

    passes: Condition | None = Field(
        default=None, description="Frames for which this holds go on; the last stage has none."
    )


class CascadeSection(Section):
    """Tasks that build on one another, e.g. detect → classify → pose."""

    stages: tuple[StageSection, ...] = Field(min_length=2, description="In order.")
    first: First = Field(
        default="early",
        description="Whose frames come first: of the `early` stages, the `late` ones, or by score.",
    )

    @model_validator(mode="after")
    def _all_but_the_last_pass(self) -> Self:
        silent = [place for place, stage in enumerate(self.stages[:-1]) if stage.passes is None]
        if silent:
            msg = "expected a condition `passes` in stage {place}: only the last stage has none"
            raise PydanticCustomError("stage", msg, {"place": silent[0]})
        return self


class ScoresSection(Section):
    """How worth is composed. Empty: `selection.acquisition` alone."""

    terms: tuple[TermSection, ...] = Field(
        default=(), max_length=32, description="Scores that are added, each brought to one scale."
    )
    scale: Scale = Field(
        default="rank",
        description="How terms lose their units: share of frames below, 0 to 1, or z-score.",
    )
    combine: Literal["sum", "largest"] = Field(
        default="sum", description="`largest`: one doubtful task is enough."
    )
    cascade: CascadeSection | None = Field(
        default=None, description="Instead of terms: tasks that build on one another."
    )
    density_beta: Annotated[float, Field(ge=0.0, le=100.0)] = Field(
        default=0.0,
        description="Scores are multiplied by the pool's density around the frame to this power.",
    )
    only: Condition | None = Field(
        default=None, description="Only frames for which this holds may be chosen."
    )
    modalities: dict[Name, Condition] = Field(
        default={},
        max_length=32,
        description="Modality → when it asks for a label; frames that ask for none are left.",
    )
    targets: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="Frames drawn from the pool as those that the model is for (epig).",
    )

    @model_validator(mode="after")
    def _terms_are_distinct(self) -> Self:
        names = [term.name for term in self.terms]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = "expected every term once, found {names} more often"
            raise PydanticCustomError("terms", msg, {"names": ", ".join(twice)})
        if self.terms and self.cascade is not None:
            raise PydanticCustomError("terms", "expected either terms or a cascade, found both")
        if self.terms and not any(term.weight for term in self.terms):
            raise PydanticCustomError("terms", "expected a term with a weight above 0, found none")
        return self

    def conditions(self) -> Iterator[Trigger]:
        """Give every condition of the section."""
        texts = [self.only, *self.modalities.values()]
        if self.cascade is not None:
            texts += [stage.passes for stage in self.cascade.stages[:-1]]
        yield from (Trigger.parse(text) for text in texts if text is not None)

    def parts(self) -> tuple[ScoreSection, ...]:
        """Give what the score is made of; empty if it is one acquisition function."""
        return self.terms if self.cascade is None else self.cascade.stages
