"""Mining by example: which of the known frames a policy names as what to look for."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from winnow.domain.errors import BadInput
from winnow.policy.constraint_section import Value
from winnow.policy.section import Name, Section
from winnow.strategies.protocol import Column, Flags

FRAMES_MAX = 10_000
FrameName = Annotated[str, Field(min_length=1, max_length=200)]


class ExamplesSection(Section):
    """What `mining` looks for: frames by their ids, by a tag, or both."""

    frame_ids: tuple[FrameName, ...] = Field(
        default=(), max_length=FRAMES_MAX, description="Frames, e.g. known failures."
    )
    column: Name | None = Field(
        default=None, description="Column or tag whose frames are examples, e.g. incident."
    )
    value: Value | None = Field(default=None, description="Its value, e.g. near_miss.")

    @model_validator(mode="after")
    def _names_some(self) -> Self:
        if (self.column is None) != (self.value is None):
            raise PydanticCustomError("both", "expected a column and its value")
        if self.column is None and not self.frame_ids:
            raise PydanticCustomError("some", "expected frame ids, or a column and its value")
        return self

    def __str__(self) -> str:
        """Give it in words, e.g. `2 named frames and those of incident=near_miss`."""
        named = f"{len(self.frame_ids):,} named frames" if self.frame_ids else ""
        tagged = f"frames of {self.column}={self.value}" if self.column is not None else ""
        return " and ".join(text for text in (named, tagged) if text)

    def in_column(self, column: Column) -> Flags:
        """Tell which frames are examples by their value in the section's column.

        Raises
        ------
        BadInput
            The column holds numbers, and the value is none.
        """
        wanted: str | float = self.value or ""
        if column.dtype.kind != "U":
            try:
                wanted = float(wanted)
            except ValueError as error:
                msg = (
                    f"selection.examples: column {self.column}: expected a number, found {wanted!r}"
                )
                raise BadInput(msg) from error
        found: Flags = column == wanted
        return found
