"""What a batch must satisfy; asked at every pick, never after the choice."""

from __future__ import annotations

import math
from typing import Annotated, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from winnow.constraints.task_allocation import allocate
from winnow.policy.section import Name, Section, Share

MODALITY = "modality"
"""A column of what `scores.modalities` ask for, several joined by `+`; empty if none does."""
PREDICTED_CLASS = "predicted_class"
"""A column that every scored frame has: the class that the committee's mean prediction prefers."""


def text_of(number: float) -> str:
    """Give a number as the text that names it: every digit, and no point behind a whole one.

    Examples
    --------
    >>> text_of(8.0), text_of(1234567), text_of(0.12345678)
    ('8', '1234567', '0.12345678')
    """
    return repr(number).removesuffix(".0")


def _as_text(value: object) -> object:
    """Give numbers and flags as the texts that tags hold."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return text_of(value) if isinstance(value, int | float) else value


Value = Annotated[
    str,
    BeforeValidator(_as_text),
    Field(max_length=200),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
Cap = Annotated[int, Field(ge=0, le=10**7)]
"""Of one value: 0 keeps its frames out. Of every value, 0 would leave nothing to choose."""
Micros = Annotated[int, Field(ge=0, lt=2**53)]


def _kind_of(cap: object) -> str:
    return "by_value" if isinstance(cap, dict) else "frames"


Caps = Annotated[
    Annotated[Cap, Tag("frames")] | Annotated[dict[Value, Cap], Tag("by_value")],
    Discriminator(_kind_of),
]


class MinimumSection(Section):
    """So many frames of a slice at least, as far as the pool has them."""

    column: Name = Field(
        description=f"Column or tag, or `{PREDICTED_CLASS}`, e.g. weather.",
    )
    value: Value | None = Field(
        default=None, description="Its value, e.g. fog; none: each value that occurs."
    )
    frames: Annotated[int, Field(ge=1, le=10**7)] | None = Field(
        default=None, description="Least number of frames."
    )
    share: Share | None = Field(default=None, description="Or least part of the batch.")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.frames is None) == (self.share is None):
            raise PydanticCustomError("one_of_two", "expected either frames or a share")
        return self

    def least(self, batch_size: int) -> int:
        """Give the number of frames; a share is rounded up.

        Examples
        --------
        >>> MinimumSection(column="weather", share=0.07).least(100)
        7
        """
        if self.frames is not None:
            return self.frames
        return math.ceil((self.share or 0.0) * batch_size - 1e-9)  # 0.07 * 100 is above 7


class AllocationSection(Section):
    """Frames of a batch in proportion to what the budget of each label task can pay."""

    column: Name = Field(
        description=f"Column or tag that names the task of a frame, or `{MODALITY}`."
    )
    budget_micros: dict[Value, Micros] = Field(
        min_length=1, description="Task → money left for it; tasks that are not named get nothing."
    )
    price_micros: dict[Value, Micros] | None = Field(
        default=None, description="Task → price of one of its labels; none: all cost the same."
    )

    @model_validator(mode="after")
    def _prices_are_complete(self) -> Self:
        missing = sorted(self.budget_micros.keys() - (self.price_micros or self.budget_micros))
        if missing:
            msg = "expected a price of every task, found none of {names}"
            raise PydanticCustomError("prices", msg, {"names": ", ".join(missing)})
        return self

    def frames(self, n: int) -> dict[str, int]:
        """Give how many of n frames each task gets.

        Examples
        --------
        >>> section = AllocationSection(column="task", budget_micros={"detect": 300, "pose": 100})
        >>> section.frames(12)
        {'detect': 9, 'pose': 3}
        """
        return allocate(n, self.budget_micros, price_micros=self.price_micros)


class ConstraintSection(Section):
    """What every batch keeps, but for its random arm, which is free of it."""

    gap_seconds: Annotated[float, Field(ge=0.0, le=1e7)] = Field(
        default=0.0,
        description="Frames of one session are at least so far apart, those that are labeled or "
        "that other rounds hold included.",
    )
    caps: dict[Name, Caps] = Field(
        default={},
        max_length=32,
        description=(
            "Most frames of one session, vehicle, site or value of any other column: column → "
            "frames, or column → value → frames, 0 to leave a value out."
        ),
    )
    caps_count_labeled: bool = Field(
        default=False,
        description="Frames that have labels already, or that other rounds hold, count in the caps "
        "too.",
    )
    minimums: tuple[MinimumSection, ...] = Field(
        default=(), max_length=256, description="Classes or slices that must not starve."
    )
    allocation: AllocationSection | None = Field(
        default=None, description="Task budgets that divide the batch."
    )
    one_per_cluster: bool = Field(
        default=True, description="At most one frame of a near-duplicate cluster."
    )

    def columns(self) -> frozenset[str]:
        """Give the columns that are looked at."""
        allocated = () if self.allocation is None else (self.allocation.column,)
        return frozenset({*self.caps, *allocated, *(part.column for part in self.minimums)})
