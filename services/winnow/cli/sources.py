"""From what people type to the source of frames that it names."""

from __future__ import annotations

from pathlib import Path

from winnow.adapters.frame_sources.open import open_source
from winnow.domain.errors import BadInput
from winnow.domain.labels import CLASSIFICATION, DETECTION
from winnow.ports.frame_source import FrameSource
from winnow.testing.roads.setting import is_roads, setting_of

LABELS = {"class": CLASSIFICATION, "boxes": DETECTION}
"""What `--labels` may say → kind of the labels."""


def source_named(path: Path, *, labels: str = "") -> FrameSource:
    """Give the source that lies at a path, or the simulated town that `roads:…` names.

    Parameters
    ----------
    labels
        `class` or `boxes`; empty: boxes of a simulated town, which has no others, else classes.

    Raises
    ------
    BadInput
        Nothing lies there, something else, or a town that cannot be; or labels that it has not.
    """
    if labels and labels not in LABELS:
        msg = f"--labels: expected {' or '.join(LABELS)}, found {labels!r}"
        raise BadInput(msg)
    if not is_roads(str(path)):
        return open_source(path, label_kind=LABELS[labels or "class"])
    if labels == "class":
        msg = f"{path}: expected --labels boxes, as a simulated town knows no others, found class"
        raise BadInput(msg)
    from winnow.testing.roads.source import RoadsSource

    return RoadsSource(setting_of(str(path)))
