"""BDD100K's label files: one list of frames, with attributes and boxes of each."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from winnow.adapters.frame_sources.pixel_boxes import Edges
from winnow.domain.errors import BadInput

ATTRIBUTES = ("weather", "scene", "timeofday")
UNDEFINED = "undefined"
"""What BDD100K calls an attribute that its annotators could not tell."""
CATEGORIES = (
    "pedestrian", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "motor",
    "bicycle", "bike", "traffic light", "traffic sign",
)  # fmt: skip
"""In the order of the benchmark: the names of 2020, and those before it."""
NOT_MEASURED = frozenset({"other person", "other vehicle", "trailer"})
"""Categories that the benchmark leaves out of its measures."""
SPACE = " \t\r\n\ufeff"


@dataclass(frozen=True, slots=True)
class Bdd100kFrame:
    """One entry of the file."""

    name: str
    attributes: Mapping[str, str]
    """Those that are defined."""
    boxes: tuple[tuple[str, Edges], ...]
    """Category and edges, pixels, as they stand in the file."""
    video: str
    milliseconds: float | None
    """Since the video began."""


@dataclass
class Bdd100kFile:
    """The frames of a file; what cannot be used of it is counted by why."""

    frames: list[Bdd100kFrame] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    """Boxes of categories that BDD100K does not have."""


def read_bdd100k(path: Path) -> Bdd100kFile:
    """Read a file of labels: a list of frames, or an object with them as `frames`.

    Frames are reduced one by one: a file of the first release spells out lane marks and areas
    point by point, and all of them as objects would fill the memory.

    Raises
    ------
    BadInput
        No such file, or no frame in it that has a name.
    """
    found = Bdd100kFile()
    names: set[str] = set()
    for entry in _entries(_text(path), path):
        frame = _frame(entry, found)
        if frame is None:
            found.left_out["frame(s) without a name"] += 1
        elif frame.name in names:
            found.left_out["frame(s) named twice: the first counts"] += 1
        else:
            names.add(frame.name)
            found.frames.append(frame)
    if not found.frames:
        msg = f"{path}: expected a list of frames with `name` and `labels`, found none"
        raise BadInput(msg)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        msg = f"{path}: expected a readable file, found: {error.strerror or error}"
        raise BadInput(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{path}: expected a JSON list of frames, found other bytes: {error}"
        raise BadInput(msg) from error


def _entries(text: str, path: Path) -> Iterator[object]:
    decoder = json.JSONDecoder()
    try:
        pos = _next(text, 0)
        if text[pos : pos + 1] == "{":
            document = decoder.decode(text[pos:])
            frames = document.get("frames")
            yield from frames if isinstance(frames, list) else ()
            return
        _expect("[", text, pos)
        pos = _next(text, pos + 1)
        while text[pos : pos + 1] != "]":
            entry, pos = decoder.raw_decode(text, pos)
            yield entry
            pos = _next(text, pos)
            if text[pos : pos + 1] != "]":
                _expect(",", text, pos)
                pos = _next(text, pos + 1)
    except (json.JSONDecodeError, RecursionError) as error:
        msg = f"{path}: expected a JSON list of frames as BDD100K has them, found: {error}"
        raise BadInput(msg) from error


def _next(text: str, pos: int) -> int:
    while text[pos : pos + 1] and text[pos] in SPACE:
        pos += 1
    return pos


def _expect(character: str, text: str, pos: int) -> None:
    if text[pos : pos + 1] != character:
        raise json.JSONDecodeError(f"Expecting {character!r}", text, pos)


def _frame(entry: object, found: Bdd100kFile) -> Bdd100kFrame | None:
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(name, str) or not name:
        return None
    given, labels = entry.get("attributes"), entry.get("labels")
    attributes = given if isinstance(given, dict) else {}
    video = entry.get("videoName")
    return Bdd100kFrame(
        name=name,
        attributes={
            attribute: value
            for attribute in ATTRIBUTES
            if isinstance(value := attributes.get(attribute), str) and value not in ("", UNDEFINED)
        },
        boxes=tuple(_boxes(labels if isinstance(labels, list) else (), found)),
        video=video if isinstance(video, str) else "",
        milliseconds=_number(entry.get("timestamp")),
    )


def _boxes(labels: list[object] | tuple[()], found: Bdd100kFile) -> Iterator[tuple[str, Edges]]:
    for label in labels:
        wrong = _mistake(label)
        if wrong:
            found.left_out[wrong] += 1
        elif isinstance(label, dict):
            if label["category"] not in CATEGORIES:
                found.others[label["category"]] += 1
            yield label["category"], _edges(label["box2d"])


def _mistake(label: object) -> str:
    """Say why a label gives no box; empty if it gives one."""
    category = label.get("category") if isinstance(label, dict) else None
    if not isinstance(label, dict) or not isinstance(category, str) or not category:
        return "label(s) without a category"
    if label.get("box2d") is None:
        drawn = "poly2d" in label or "rle" in label
        return "lane mark(s), area(s) and outline(s)" if drawn else "label(s) without `box2d`"
    if category in NOT_MEASURED:
        return f"box(es) around {', '.join(sorted(NOT_MEASURED))}, which BDD100K does not measure"
    attributes = label.get("attributes")
    if isinstance(attributes, dict) and attributes.get("crowd") is True:
        return "box(es) around a crowd"
    x1, y1, x2, y2 = _edges(label["box2d"])
    # Comparisons with what is no number (NaN) are false.
    return "" if x2 > x1 and y2 > y1 else "malformed box(es)"


def _edges(box: object) -> Edges:
    sides = box if isinstance(box, dict) else {}
    x1, y1, x2, y2 = (_number(sides.get(side)) for side in ("x1", "y1", "x2", "y2"))
    if x1 is None or y1 is None or x2 is None or y2 is None:
        return (math.nan, math.nan, math.nan, math.nan)
    return (x1, y1, x2, y2)


def _number(value: object) -> float | None:
    whole = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if whole and math.isfinite(value) else None  # type: ignore[arg-type]
