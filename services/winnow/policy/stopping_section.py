"""When the loop ends, how large its next batch is, and when scores are too old."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from winnow.policy.section import Section, Share

Kappa = Annotated[float, Field(ge=-1.0, le=1.0)]


class StoppingSection(Section):
    """When the loop ends. The first rule that fires stops it; the numbers of all are recorded.

    A rule that is not set is not asked; one that lacks a measurement says so and never stops.
    """

    rounds_max: int = Field(default=10, ge=1, description="Rounds in all, the cold start too.")
    labels_max: int | None = Field(
        default=None, ge=1, description="Stop once the committee learned from this many labels."
    )
    accuracy_target: Share | None = Field(
        default=None, description="Stop once the holdout accuracy reaches this."
    )
    plateau_rounds: int | None = Field(
        default=None, ge=2, description="Stop after this many rounds without a gain …"
    )
    plateau_gain_min: float = Field(
        default=0.002, ge=0, description="… of at least this much holdout accuracy."
    )
    gain_min: float | None = Field(
        default=None, ge=0, description="Stop when a round brings less holdout accuracy than this …"
    )
    gain_rounds: int = Field(
        default=2, ge=1, description="… on the mean of this many newest rounds."
    )
    noise_z: float = Field(
        default=2.0,
        ge=0,
        description="A gain counts only above this many standard errors over training seeds …",
    )
    noise_floor: float = Field(
        default=0.0, ge=0, description="… and never up to this much accuracy."
    )
    forecast_gain_min: float | None = Field(
        default=None,
        ge=0,
        description="Stop when the next round is forecast to bring less accuracy than this, by the "
        "exponential decay of the gains so far.",
    )
    forecast_rounds: int = Field(
        default=6, ge=3, description="Newest gains that the forecast looks at."
    )
    knee_rounds: int | None = Field(
        default=None,
        ge=1,
        description="Stop once the knee of the learning curve lies this many rounds back.",
    )
    knee_sensitivity: float = Field(
        default=1.0, ge=0, description="How sharply the curve must bend; larger is stricter."
    )
    kappa_min: Kappa | None = Field(
        default=None,
        description="Stop when successive committees agree this much about the stop set: Cohen's "
        "kappa, e.g. 0.99; detection: F1 of their boxes, e.g. 0.9 …",
    )
    kappa_rounds: int = Field(
        default=3, ge=1, description="… on the mean of this many newest rounds."
    )
    weight_change_max: float | None = Field(
        default=None,
        ge=0,
        description="Stop when the committee's weights changed by at most this share …",
    )
    weight_change_rounds: int = Field(
        default=2, ge=1, description="… in each of this many newest rounds."
    )
    mean_entropy_max: Share | None = Field(
        default=None,
        description="Stop when the mean normalised entropy of predictions is below this, e.g. "
        "0.05; not of detection.",
    )
    budget_frames_min: int | None = Field(
        default=None,
        ge=1,
        description="Stop when the money left buys fewer frames than this: no useful batch.",
    )
    return_min: float | None = Field(
        default=None,
        description="Stop when 100 labels bring less accuracy than this; the return is reported "
        "in any case …",
    )
    return_rounds: int = Field(
        default=3, ge=1, description="… over the gains of this many newest rounds."
    )
    break_even: bool = Field(
        default=False,
        description="Stop when choosing costs more than labeling the whole pool, with …",
    )
    round_overhead_micros: int = Field(
        default=0, ge=0, description="… this overhead of every round (people, scoring) …"
    )
    training_micros: int = Field(
        default=0, ge=0, description="… and this price of training a committee once."
    )
    class_rounds: int | None = Field(
        default=3,
        ge=1,
        description="Advise to collect a class whose recall did not grow over this many rounds; "
        "none: no advice. Never stops the loop.",
    )
    class_gain_min: float = Field(default=0.01, ge=0, description="Growth of recall that counts.")
    class_recall_enough: Share = Field(
        default=0.95, description="A class with this much recall needs no advice."
    )
    class_support_min: int = Field(
        default=20, ge=1, description="Holdout frames that a class (or slice of it) needs."
    )
    class_slices_max: int = Field(
        default=3, ge=0, description="Slices to seek that the advice names for each class."
    )


class BatchSizeSection(Section):
    """How many frames a round asks for: many while the model is young, few once it is mature.

    Accuracy, mean uncertainty and the gain of a label each say how mature the model is; their
    median decides, and a batch is never larger than the one before.
    """

    start: int = Field(default=1000, ge=1, description="Frames of the first rounds.")
    end: int = Field(default=100, ge=1, description="Frames once the model is mature.")
    accuracy_young: Share = Field(default=0.5, description="At this accuracy it is young …")
    accuracy_mature: Share = Field(default=0.95, description="… and at this one mature.")
    entropy_young: Share = Field(
        default=0.5, description="At this mean normalised entropy it is young …"
    )
    entropy_mature: Share = Field(default=0.05, description="… and at this one mature.")
    gain_mature: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        default=0.1,
        description="Mature when a label brings this share of the most that one ever brought.",
    )

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        for name, low, high in (
            ("start", self.end, self.start),
            ("accuracy_mature", self.accuracy_young, self.accuracy_mature),
            ("entropy_young", self.entropy_mature, self.entropy_young),
        ):
            other = {"start": "end", "accuracy_mature": "accuracy_young"}.get(
                name, "entropy_mature"
            )
            if high < low or (high == low and name != "start"):
                msg = f"{name} is {high}, but {other} is {low}"
                raise ValueError(msg)
        return self


class RescoringSection(Section):
    """When scores are too old to choose by: rounds overlap, and committees roll meanwhile."""

    score_age_max: int = Field(
        default=1, ge=0, description="Committee versions that scores may be behind the newest."
    )
    kappa_min: Kappa | None = Field(
        default=None,
        description="Score again also when the newest committee agrees less than this with the "
        "one that scored.",
    )
    again_max: int = Field(
        default=2,
        ge=0,
        le=100,
        description="Times that a round is scored anew by the newest committee, as far as its "
        "reserved milliseconds go; then, or at 0, scores that are too old halt it.",
    )
