"""When a newly trained committee takes over."""

from __future__ import annotations

from pydantic import Field

from winnow.policy.section import Section, Share


class RolloutSection(Section):
    """What the committee that serves may lose by the change; beyond it, it goes on serving."""

    regress_max: Share = Field(
        default=0.02,
        description=(
            "How much lower the holdout metric may be (accuracy; mAP50 of detection), on top of "
            "what chance explains on a holdout of this size."
        ),
    )
    agreement_min: Share = Field(
        default=0.0,
        description="Least share of probe frames on which the old and the new one agree.",
    )
    latency_ratio_max: float | None = Field(
        default=None,
        gt=0,
        description="Most of the new one's time per frame over the old one's; none: any.",
    )
