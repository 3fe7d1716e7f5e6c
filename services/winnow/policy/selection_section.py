"""Which frames: how many, by which worth, by which rule, and when the cold start is over."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Field, Tag

from winnow.policy.chosen_strategy import AnyStrategy, ChosenStrategy, chosen
from winnow.policy.examples import ExamplesSection
from winnow.policy.score_section import NAMES, AcquisitionName, ScoresSection
from winnow.policy.section import Section
from winnow.policy.stopping_section import BatchSizeSection

Frames = Annotated[int, Field(ge=1, le=10**7)]


def _kind_of(size: object) -> str:
    return "adaptive" if isinstance(size, dict | BatchSizeSection) else "frames"


BatchSizes = Annotated[
    Annotated[Frames, Tag("frames")] | Annotated[BatchSizeSection, Tag("adaptive")],
    Discriminator(_kind_of),
]


class SwitchSection(Section):
    """What labels there must be before the cold start ends. 0 asks for nothing."""

    labels_min: int = Field(default=0, ge=0, le=10**9, description="Labeled frames in all.")
    labels_per_class_min: int = Field(
        default=0, ge=0, le=10**9, description="Labeled frames of the class that has the fewest."
    )


class SelectionSection(Section):
    """Which frames."""

    batch_size: BatchSizes = Field(
        default=100,
        description="Frames per round; or how their number falls from start to end as the "
        "committee matures.",
    )
    acquisition: AcquisitionName = Field(
        default="margin",
        description="Acquisition function over the committee, unless `scores` composes several.",
    )
    strategy: AnyStrategy = Field(
        default=chosen("herding"), description="Query strategy once a committee exists."
    )
    cold_start: AnyStrategy = Field(
        default=chosen("kmeans"),
        description="Query strategy until then; it needs no scores.",
    )
    examples: ExamplesSection | None = Field(
        default=None,
        description="Known failures that the strategy mining looks for in the pool.",
    )
    cold_start_rounds: int = Field(
        default=1,
        ge=0,
        le=10**6,
        description="So many rounds start cold, even if there is a committee.",
    )
    switch: SwitchSection = Field(
        default=SwitchSection(), description="What must be labeled before the cold start ends."
    )

    @property
    def batch_size_first(self) -> int:
        """Give the frames of the first round: the most that any round asks for."""
        return self.batch_size if isinstance(self.batch_size, int) else self.batch_size.start

    @property
    def batch_size_least(self) -> int:
        """Give the frames that a round of a mature committee asks for."""
        return self.batch_size if isinstance(self.batch_size, int) else self.batch_size.end

    def chosen_strategy(self, *, cold: bool) -> ChosenStrategy:
        """Give the strategy and its options: the cold-start one before the switch."""
        return self.cold_start if cold else self.strategy


def names_asked(scores: ScoresSection, selection: SelectionSection) -> tuple[set[str], set[str]]:
    """Give the acquisition functions and the columns that a policy's scores are made of."""
    parts = scores.parts()
    functions = {part.acquisition for part in parts if part.acquisition is not None}
    columns = {part.column for part in parts if part.column is not None}
    if not parts:
        functions.add(selection.acquisition)
    for condition in scores.conditions():
        for name in condition.names:
            (functions if name in NAMES else columns).add(name)
    return functions, columns
