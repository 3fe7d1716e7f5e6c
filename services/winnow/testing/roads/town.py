"""A town: its sessions, and the frames that its vehicles record, drawn when asked for."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import accumulate
from typing import Final

import numpy as np
from PIL import Image

from winnow.domain.boxes import Box
from winnow.testing.roads.picture import Picture, Pixels, picture_of
from winnow.testing.roads.session import Session, session_of
from winnow.testing.roads.setting import RoadsSetting
from winnow.testing.roads.streams import Purpose, stream

JPEG_QUALITY: Final = 92


class Flaw(StrEnum):
    """What is wrong with a frame; nothing is visible in the first three."""

    CUT = "cut"
    """The file ends after a third of its bytes."""
    BLACK = "black"
    WHITE = "white"
    REPEATED = "repeated"
    """The bytes of the frame before: the camera hangs."""


@dataclass(frozen=True, slots=True)
class RoadFrame:
    """One recorded frame with what is true about it."""

    pos: int
    """In the town's recording."""
    data: bytes
    media_type: str
    name: str
    session: Session
    captured_at: datetime
    privacy_blocked: bool
    flaw: Flaw | None
    boxes: tuple[Box, ...]
    speed: float
    """Of the vehicle, metres a second."""

    @property
    def tags(self) -> dict[str, str]:
        """What the vehicle says of it."""
        return {
            "scene": self.session.scene,
            "speed_mps": f"{self.speed:.1f}",
            "time_of_day": self.session.time_of_day,
            "vehicle": self.session.vehicle_name,
            "weather": self.session.weather,
        }


class Town:
    """The recording of one town. Frames are numbered through, session after session."""

    def __init__(self, setting: RoadsSetting) -> None:
        self.setting = setting

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.setting.frames

    @cached_property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions that `frames` needs; of the last one perhaps only the beginning is used."""
        found: list[Session] = []
        n_frames = 0
        while n_frames < self.setting.frames:
            found.append(session_of(self.setting, len(found)))
            n_frames += found[-1].n_frames
        return tuple(found)

    def frames(self, positions: Collection[int] | None = None) -> Iterator[RoadFrame]:
        """Give frames (or those at some positions, in rising order) one at a time."""
        return map(self.frame, self.positions(positions))

    def positions(self, wanted: Collection[int] | None = None) -> Sequence[int]:
        """Give the positions of all frames, or some in rising order."""
        return range(self.n_frames) if wanted is None else sorted(wanted)

    def frame(self, pos: int) -> RoadFrame:
        """Draw one frame.

        Raises
        ------
        IndexError
            There is no such frame.
        """
        session, number = self.place(pos)
        at = session.started_at + timedelta(seconds=number / self.setting.frames_per_second)
        flaw = shown_flaw = self._flaw(session, number)
        shown = number
        while shown_flaw is Flaw.REPEATED:
            shown -= 1
            shown_flaw = self._flaw(session, shown)
        picture = picture_of(self.setting, session, shown)
        data = self._encoded(picture.pixels, shown_flaw)
        return RoadFrame(
            pos=pos,
            data=data,
            media_type=f"image/{self.setting.encoding}",
            name=f"{session.name}/{number:04d}.{'jpg' if self._is_jpeg else 'png'}",
            session=session,
            captured_at=at,
            privacy_blocked=number in session.private,
            flaw=flaw,
            boxes=() if shown_flaw else picture.boxes,
            speed=float(session.speed[number]),
        )

    def place(self, pos: int) -> tuple[Session, int]:
        """Give the session of a frame, and its number there; nothing is drawn.

        Raises
        ------
        IndexError
            There is no such frame.
        """
        if not 0 <= pos < self.n_frames:
            msg = f"expected a frame of 0 to {self.n_frames - 1}, found {pos}"
            raise IndexError(msg)
        number = bisect_right(self._ends, pos)
        session = self.sessions[number]
        return session, pos - (self._ends[number] - session.n_frames)

    def picture(self, pos: int) -> Picture:
        """Draw a frame's pixels without its flaws, with who owns which pixel."""
        return picture_of(self.setting, *self.place(pos))

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(session.n_frames for session in self.sessions))

    @property
    def _is_jpeg(self) -> bool:
        return self.setting.encoding == "jpeg"

    def _flaw(self, session: Session, number: int) -> Flaw | None:
        setting = self.setting
        drawn = float(stream(setting, Purpose.FLAW, session.number, number).random())
        if drawn < setting.corrupted_share:
            kinds = (Flaw.CUT, Flaw.BLACK, Flaw.WHITE)
            return kinds[int(3 * drawn / setting.corrupted_share)]
        hangs = drawn < setting.corrupted_share + setting.repeated_share
        return Flaw.REPEATED if hangs and number else None

    def _encoded(self, pixels: Pixels, flaw: Flaw | None) -> bytes:
        if flaw is Flaw.BLACK:
            pixels = np.zeros_like(pixels)
        if flaw is Flaw.WHITE:
            pixels = np.full_like(pixels, 255)
        data = encoded(pixels, self.setting)
        return data[: len(data) // 3] if flaw is Flaw.CUT else data


def encoded(pixels: Pixels, setting: RoadsSetting) -> bytes:
    """Give an image file of RGB pixels [height, width, 3]."""
    sink = io.BytesIO()
    image = Image.fromarray(pixels)
    if setting.encoding == "jpeg":
        image.save(sink, format="JPEG", quality=JPEG_QUALITY)
    else:
        image.save(sink, format="PNG", compress_level=1)
    return sink.getvalue()
