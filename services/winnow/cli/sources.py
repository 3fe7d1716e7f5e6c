"""From what people type to the source of frames that it names."""

from __future__ import annotations

from pathlib import Path

from winnow.adapters.frame_sources.open import open_source
from winnow.ports.frame_source import FrameSource
from winnow.testing.roads.setting import is_roads, setting_of


def source_named(path: Path) -> FrameSource:
    """Give the source that lies at a path, or the simulated town that `roads:…` names.

    Raises
    ------
    BadInput
        Nothing lies there, something else, or a town that cannot be.
    """
    if not is_roads(str(path)):
        return open_source(path)
    from winnow.testing.roads.source import RoadsSource

    return RoadsSource(setting_of(str(path)))
