"""When the loop ends and how large its next batch is: the settings of both."""

from __future__ import annotations

from pydantic import Field

from winnow.policy.section import Section, Share


class StoppingSection(Section):
    """When the loop ends. The first rule that fires stops it; its numbers are recorded."""

    rounds_max: int = Field(default=10, ge=1, description="Rounds in all, the cold start too.")
    plateau_rounds: int | None = Field(
        default=None, ge=2, description="Stop after this many rounds without a gain …"
    )
    plateau_gain_min: float = Field(
        default=0.002, ge=0, description="… of at least this much holdout accuracy."
    )
    accuracy_target: Share | None = Field(
        default=None, description="Stop once the holdout accuracy reaches this."
    )
