"""Which frames: how many, by which worth, by which rule, and when the cold start is over."""

from __future__ import annotations

from pydantic import Field

from winnow.policy.chosen_strategy import AnyStrategy, ChosenStrategy, chosen
from winnow.policy.score_section import AcquisitionName
from winnow.policy.section import Section


class SwitchSection(Section):
    """What labels there must be before the cold start ends. 0 asks for nothing."""

    labels_min: int = Field(default=0, ge=0, le=10**9, description="Labeled frames in all.")
    labels_per_class_min: int = Field(
        default=0, ge=0, le=10**9, description="Labeled frames of the class that has the fewest."
    )


class SelectionSection(Section):
    """Which frames."""

    batch_size: int = Field(default=100, ge=1, le=10**7, description="Frames per round.")
    acquisition: AcquisitionName = Field(
        default="bald",
        description="Acquisition function over the committee, unless `scores` composes several.",
    )
    strategy: AnyStrategy = Field(
        default=chosen("shortlist_k_center"), description="Query strategy once a committee exists."
    )
    cold_start: AnyStrategy = Field(
        default=chosen("random"), description="Query strategy until then; it needs no scores."
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

    def chosen_strategy(self, *, cold: bool) -> ChosenStrategy:
        """Give the strategy and its options: the cold-start one before the switch."""
        return self.cold_start if cold else self.strategy
