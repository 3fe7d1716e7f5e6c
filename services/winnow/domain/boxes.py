"""A detection label: the boxes of one frame, and their text, which is what a label holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from winnow.domain.errors import BadInput

MISTAKES_SHOWN = 5


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """One object. Whole pixels of the upright frame, origin at the top left, half-open."""

    class_name: str
    x: int
    y: int
    width: int
    height: int

    @property
    def area(self) -> int:
        """Square pixels."""
        return self.width * self.height


def label_of(boxes: Iterable[Box]) -> str:
    """Give the text of a detection label; the same boxes in any order give the same text.

    Examples
    --------
    >>> label_of([Box("person", 4, 8, 10, 20)])
    '[{"box":[4,8,10,20],"class":"person"}]'
    >>> label_of([])
    '[]'
    """
    objects = [
        {"box": [box.x, box.y, box.width, box.height], "class": box.class_name}
        for box in sorted(boxes)
    ]
    return json.dumps(objects, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def boxes_of(
    label: str, *, class_names: Collection[str] = (), size: tuple[int, int] | None = None
) -> tuple[Box, ...]:
    """Read the text of a detection label.

    Parameters
    ----------
    class_names
        Classes that there are; empty: any.
    size
        Width and height of the frame in pixels, if boxes are to be checked against it.

    Raises
    ------
    BadInput
        The text is no detection label; a box has an unknown class, no area, or leaves the frame.
        All mistakes are counted, the first five told.

    Examples
    --------
    >>> boxes_of('[{"box":[4,8,10,20],"class":"person"}]')
    (Box(class_name='person', x=4, y=8, width=10, height=20),)
    """
    try:
        objects = json.loads(label)
    except json.JSONDecodeError as error:
        msg = f"detection label: expected a JSON list of boxes, found {label[:40]!r} ({error})"
        raise BadInput(msg) from error
    if not isinstance(objects, list):
        msg = f"detection label: expected a JSON list of boxes, found {type(objects).__name__}"
        raise BadInput(msg)
    boxes = [_box(pos, one) for pos, one in enumerate(objects)]
    mistakes = [
        f"box {pos} of {box.class_name!r}: {wrong}"
        for pos, box in enumerate(boxes)
        if (wrong := _mistake(box, class_names, size))
    ]
    if mistakes:
        shown = "; ".join(mistakes[:MISTAKES_SHOWN])
        msg = f"detection label: {len(mistakes)} of {len(boxes)} boxes are wrong: {shown}"
        raise BadInput(msg)
    return tuple(sorted(boxes))


def classes_in(label: str) -> frozenset[str]:
    """Give the classes of the objects of a detection label.

    Raises
    ------
    BadInput
        See `boxes_of`.
    """
    return frozenset(box.class_name for box in boxes_of(label))


def objects_told(class_names: Iterable[str]) -> str:
    """Say in words what a frame shows, given the class of each object.

    Examples
    --------
    >>> objects_told(["person", "bicycle", "person"]), objects_told([])
    ('bicycle 1, person 2', 'nothing')
    """
    counts = sorted(Counter(class_names).items())
    return ", ".join(f"{name} {n}" for name, n in counts) or "nothing"


def _box(pos: int, found: object) -> Box:
    if isinstance(found, dict) and set(found) == {"box", "class"}:
        name, sides = found["class"], found["box"]
        whole = isinstance(sides, list) and all(type(side) is int for side in sides)
        if isinstance(name, str) and whole and len(sides) == 4:
            return Box(name, *sides)
    msg = (
        f'detection label: box {pos}: expected {{"box": [x, y, width, height] in whole pixels, '
        f'"class": text}}, found {json.dumps(found)[:80]}'
    )
    raise BadInput(msg)


def _mistake(box: Box, class_names: Collection[str], size: tuple[int, int] | None) -> str:
    if class_names and box.class_name not in class_names:
        return f"expected one of {', '.join(class_names)}"
    if box.width <= 0 or box.height <= 0:
        return f"expected an area, found {box.width} x {box.height} pixels"
    outside = box.x < 0 or box.y < 0
    if size is not None:
        outside |= box.x + box.width > size[0] or box.y + box.height > size[1]
    if outside:
        of = "" if size is None else f" of {size[0]} x {size[1]} pixels"
        return f"expected it inside the frame{of}, found {box.x, box.y, box.width, box.height}"
    return ""
