"""A simulated town as a source of frames, for `winnow ingest` and whatever else reads sources."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Final

from winnow.domain.boxes import label_of
from winnow.domain.labels import DETECTION
from winnow.ports.frame_source import SourceFrame
from winnow.testing.roads.setting import CLASS_NAMES, RoadsSetting
from winnow.testing.roads.town import RoadFrame, Town

PIXELS_KEPT: Final = 2**25
"""A recording of no more is drawn once in a process, some 10 MB of JPEG: `winnow ingest` reads its
source twice, and each run of the demo reads it again."""


class RoadsSource:
    """The recording of a town; labels are texts of boxes, so policies are of kind detection."""

    def __init__(self, setting: RoadsSetting) -> None:
        self.town = Town(setting)
        small = setting.frames * setting.width * setting.height <= PIXELS_KEPT
        self._kept = _kept(setting) if small else None

    @property
    def name(self) -> str:
        """Town and seed."""
        setting = self.town.setting
        return f"roads-town{setting.town}" + (f"-seed{setting.seed}" if setting.seed else "")

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.town.n_frames

    @property
    def class_names(self) -> tuple[str, ...]:
        """Car, truck, person, bicycle."""
        return CLASS_NAMES

    @property
    def label_kind(self) -> str:
        """Its labels are boxes."""
        return DETECTION

    @property
    def notes(self) -> tuple[str, ...]:
        """What it is."""
        nights = sum(session.night for session in self.town.sessions)
        return (
            f"simulated: {len(self.town.sessions)} sessions, {nights} of them at night; "
            "boxes are exact",
        )

    def frames(self, positions: Collection[int] | None = None) -> Iterator[SourceFrame]:
        """Draw the frames in the order in which they were recorded."""
        return map(self._frame, self.town.positions(positions))

    def _frame(self, pos: int) -> SourceFrame:
        found = None if self._kept is None else self._kept.get(pos)
        if found is None:
            found = source_frame(self.town.frame(pos))
            if self._kept is not None:
                self._kept[pos] = found
        return found


@lru_cache(maxsize=1)
def _kept(_: RoadsSetting) -> dict[int, SourceFrame]:
    """Give the frames of a town that were drawn already."""
    return {}


def source_frame(frame: RoadFrame) -> SourceFrame:
    """Give a recorded frame as sources give theirs."""
    return SourceFrame(
        data=frame.data,
        name=frame.name,
        media_type=frame.media_type,
        label=label_of(frame.boxes),
        session=frame.session.name,
        captured_at=frame.captured_at,
        site=frame.session.site,
        privacy_blocked=frame.privacy_blocked,
        tags=frame.tags,
    )
