"""What a policy for detection means where it says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeVar

from winnow.domain.labels import DETECTION
from winnow.policy.section import Section

S = TypeVar("S", bound=Section)

DETECTION_SECTIONS: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        "label": MappingProxyType(
            {
                "task": "detection",
                "instructions": "Draw a box around each object of the classes, also partly hidden "
                "ones; a frame without any is answered without boxes.",
            }
        ),
        "selection": MappingProxyType({"acquisition": "map_information"}),
        "training": MappingProxyType(
            {
                "epochs": 30,
                "batch_size": 8,
                "weight_decay": 0.01,
                "mixed_precision": True,
                "input_height": 192,
                "input_width": 320,
                "width": 12,
            }
        ),
    }
)
"""Defaults by section and field that differ from those of classification."""

_SQUARE: Final = "input_pixels"
_SIDES: Final = frozenset({"input_height", "input_width"})


def filled_by_kind(section: S, name: str, *, kind: str) -> S:
    """Give the section of this name with what its writer left to the kind of the labels.

    Examples
    --------
    >>> from winnow.policy.selection_section import SelectionSection
    >>> filled_by_kind(SelectionSection(), "selection", kind="detection").acquisition
    'map_information'
    """
    if kind != DETECTION:
        return section
    written = section.model_fields_set
    said = written | _SIDES if _SQUARE in written else written
    missing = {key: value for key, value in DETECTION_SECTIONS[name].items() if key not in said}
    return section.model_copy(update=missing)
