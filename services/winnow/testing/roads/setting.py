"""What a simulated town is like: every parameter, its default and its bounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final, Literal, get_args

from winnow.domain.errors import BadInput

PREFIX: Final = "roads:"
Encoding = Literal["jpeg", "png"]
WORD: Final = 2**64 - 1
"""Town and seed are words of the random generator's key."""
CLASS_NAMES: Final = ("car", "truck", "person", "bicycle")
"""A bicycle is one together with its rider; motorcycles and their riders are background."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadsSetting:
    """One simulated town. The same setting gives the same bytes.

    Everything that is drawn follows from (`seed`, `town`, session, frame), so no frame depends on
    which others were drawn, nor on `frames`: a longer recording begins with the shorter one.

    Raises
    ------
    BadInput
        Values out of bounds; all of them are told.
    """

    town: int = 0
    """Which town: its streets, people, vehicles and traffic. 0 and up."""
    frames: int = 2000
    """How many frames its vehicles record."""
    seed: int = 0
    """Another seed gives other towns of the same kind."""
    width: int = 160
    """Pixels, 64 to 4,096. The view is 58 degrees wide at any size."""
    height: int = 96
    """Pixels, 48 to 4,096."""
    vehicles: int = 3
    """They take turns; each has a camera with a mounting and colours of its own."""
    sites: int = 5
    """Streets; their scenes go round downtown, residential, campus, industrial, arterial."""
    session_frames: int = 60
    """Mean length of a session; lengths lie between 0.6 and 1.4 times this."""
    frames_per_second: float = 5.0
    night_share: float = 0.18
    """Share of the sessions that are at night."""
    night_people: float = 0.2
    """Persons and bicycles on a street at night, relative to the same street by day."""
    crowding: float = 1.0
    """Multiplies how much of everything there is on the streets."""
    corrupted_share: float = 0.015
    """Share of frames that are cut off, black or white, a third each."""
    repeated_share: float = 0.01
    """Share of frames in which the camera hangs: the bytes of the frame before."""
    private_share: float = 0.02
    """Share of frames that the vehicle marked as private, in runs of ten."""
    visible_share_min: float = 0.4
    """An object has a box if at least this share of its pixels lies in the frame and uncovered."""
    box_height_min: float = 0.0625
    """And if its box is at least this share of the frame high,"""
    box_width_min: float = 0.025
    """and this share of it wide: at any size of the frame the same objects have boxes."""
    encoding: Encoding = "jpeg"
    """JPEG of quality 92, or PNG."""

    def __post_init__(self) -> None:
        mistakes = list(self._mistakes())
        if mistakes:
            msg = f"roads setting: {len(mistakes)} mistake(s): {'; '.join(mistakes)}"
            raise BadInput(msg)

    def _mistakes(self) -> Iterator[str]:
        whole = {
            "town": (0, WORD), "frames": (1, 10**8), "seed": (0, WORD), "width": (64, 4096),
            "height": (48, 4096), "vehicles": (1, 1000), "sites": (1, 1000),
            "session_frames": (10, 10_000),
        }  # fmt: skip
        for name, (low, high) in whole.items():
            if not low <= getattr(self, name) <= high:
                yield f"{name}: expected {low} to {high}, found {getattr(self, name)}"
        for name in ("night_share", "corrupted_share", "repeated_share", "private_share",
                     "visible_share_min", "box_height_min", "box_width_min"):  # fmt: skip
            if not 0 <= getattr(self, name) <= 1:
                yield f"{name}: expected 0 to 1, found {getattr(self, name)}"
        for name, most in (("night_people", 10), ("crowding", 10), ("frames_per_second", 100)):
            if not 0 < getattr(self, name) <= most:
                yield f"{name}: expected more than 0, at most {most}, found {getattr(self, name)}"
        if self.encoding not in get_args(Encoding):
            yield f"encoding: expected jpeg or png, found {self.encoding!r}"


def is_roads(text: str) -> bool:
    """Tell whether a text names a simulated town, and not a path."""
    return text.startswith(PREFIX)


def setting_of(text: str) -> RoadsSetting:
    """Read a setting from one line: `roads:town=3,frames=2000`; what is left out has its default.

    Raises
    ------
    BadInput
        Unknown names, values of another kind, or values out of bounds.

    Examples
    --------
    >>> setting_of("roads:town=3,frames=500").frames
    500
    """
    kinds = {field.name: field.type for field in fields(RoadsSetting)}
    values: dict[str, int | float | str] = {}
    for part in filter(None, text.removeprefix(PREFIX).split(",")):
        name, _, value = part.partition("=")
        if name not in kinds:
            msg = f"{text}: expected names of {', '.join(kinds)}, found {name!r}"
            raise BadInput(msg)
        values[name] = _value(kinds[name], value, where=f"{text}: {name}")
    return RoadsSetting(**values)  # type: ignore[arg-type]


def _value(kind: object, text: str, *, where: str) -> int | float | str:
    try:
        return int(text) if kind == "int" else float(text) if kind == "float" else text
    except ValueError as error:
        msg = f"{where}: expected a number of kind {kind}, found {text!r}"
        raise BadInput(msg) from error
