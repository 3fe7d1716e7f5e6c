"""What circumstances add to the worth of a label: site, speed, vulnerable road users, incidents."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from winnow.policy.constraint_section import Value
from winnow.policy.section import Name, Section
from winnow.strategies.weights import WEIGHT_MAX, Mode, SlopeWeight, ValueWeight

Amount = Annotated[float, Field(ge=-WEIGHT_MAX, le=WEIGHT_MAX)]
Point = tuple[Amount, Amount]


class RiskWeightSection(Section):
    """The weight of one column: for each of its values, or along its numbers."""

    column: Name = Field(description="Column or tag, e.g. site, speed_mps, incident.")
    values: dict[Value, Amount] | None = Field(
        default=None, min_length=1, description="Value → weight, e.g. depot: 1.5."
    )
    separator: str = Field(
        default="",
        max_length=3,
        description="If values are lists of tags, what parts them, e.g. `;`: the weights of all "
        "tags of a frame count together.",
    )
    points: tuple[Point, ...] | None = Field(
        default=None,
        min_length=1,
        description="Or [number, weight] with rising numbers; between them the weight is linear.",
    )
    otherwise: Amount | None = Field(
        default=None, description="Weight of all other and of unknown values; none: no change."
    )

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.values is None) == (self.points is None):
            raise PydanticCustomError("one_of_two", "expected either values or points")
        numbers = [number for number, _ in self.points or ()]
        if any(a >= b for a, b in pairwise(numbers)):
            msg = "expected points with rising numbers, found {numbers}"
            raise PydanticCustomError("points", msg, {"numbers": str(numbers)})
        return self

    def weight(self) -> ValueWeight | SlopeWeight:
        """Give the rule that is applied to scores."""
        if self.points is not None:
            return SlopeWeight(self.column, self.points, self.otherwise)
        return ValueWeight(self.column, self.values or {}, self.otherwise, self.separator)


class RiskSection(Section):
    """How scores are weighted by what is known of a frame's circumstances."""

    mode: Mode = Field(
        default="multiply", description="Weights are factors of the score, or added to it."
    )
    weights: tuple[RiskWeightSection, ...] = Field(
        default=(), max_length=64, description="Applied one after another."
    )

    @model_validator(mode="after")
    def _factors_are_positive(self) -> Self:
        for place, weight in enumerate(self.weights):
            amounts = [*(weight.values or {}).values(), *(w for _, w in weight.points or ())]
            amounts += [] if weight.otherwise is None else [weight.otherwise]
            if self.mode == "multiply" and min(amounts) < 0:
                msg = "weights.{place}: expected factors of at least 0, found {least}"
                context = {"place": place, "least": f"{min(amounts):g}"}
                raise PydanticCustomError("factor", msg, context)
        return self

    def columns(self) -> frozenset[str]:
        """Give the columns that are looked at."""
        return frozenset(weight.column for weight in self.weights)
