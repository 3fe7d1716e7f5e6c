"""What a policy for detection means where it says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from winnow.domain.labels import DETECTION
from winnow.policy.training_section import with_kind_defaults

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
    }
)


def filled_by_kind(policy: dict[str, object]) -> dict[str, object]:
    """Fill in what a written policy leaves to the kind of its labels.

    Sections that are no mappings are mistakes that are told elsewhere: they stay as they are.

    Examples
    --------
    >>> filled_by_kind({"label": {"kind": "detection"}})["selection"]
    {'acquisition': 'map_information'}
    """
    label = policy.get("label")
    if not isinstance(label, dict) or label.get("kind") != DETECTION:
        return policy
    filled = with_kind_defaults(policy)
    for name, defaults in DETECTION_SECTIONS.items():
        section = policy.get(name, {})
        if isinstance(section, dict):
            filled = {**filled, name: {**defaults, **section}}
    return filled
