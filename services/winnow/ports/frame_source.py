"""Where frames come from before Winnow knows them: a folder, a COCO file, arrays."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SourceFrame:
    """One frame as its source tells of it."""

    data: bytes
    name: str
    """Unique within the source, and the same each time it is read."""
    media_type: str
    label: str | None = None
    """Known answer, for scripted annotators and the holdout only."""
    session: str = ""
    captured_at: datetime | None = None
    site: str = ""
    sensor: str = "camera"
    vehicle: str = ""
    """Empty: the one that the whole source is said to come from."""
    privacy_blocked: bool = False
    calibrated: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)


class FrameSource(Protocol):
    """A finite set of frames that can be read again with the same result."""

    @property
    def name(self) -> str:
        """What the source is called unless somebody says otherwise."""
        ...

    @property
    def n_frames(self) -> int:
        """Number of frames that `frames` gives."""
        ...

    @property
    def class_names(self) -> tuple[str, ...]:
        """Classes of its known labels; empty if it knows none. Detection has no `nothing`."""
        ...

    @property
    def label_kind(self) -> str:
        """`classification` or `detection`: what its known labels are."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know about how it was read."""
        ...

    def frames(self, positions: Collection[int] | None = None) -> Iterator[SourceFrame]:
        """Give the frames (or those at some positions) lazily, always in the same order."""
        ...
