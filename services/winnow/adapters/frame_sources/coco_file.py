"""The COCO format itself: images, their boxes, and the class of the largest one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from winnow.adapters.frame_sources.pixel_boxes import box_inside
from winnow.domain.boxes import Box, label_of
from winnow.domain.errors import BadInput
from winnow.domain.mistakes import sentence

OWN_FIELDS = frozenset(
    {"session", "site", "sensor", "captured_at", "date_captured", "privacy_blocked", "calibrated"}
)
STANDARD_FIELDS = frozenset({"license", "coco_url", "flickr_url"})
MISTAKES_SHOWN = 5


class _Image(BaseModel):
    model_config = ConfigDict(extra="allow")
    id: int | str
    file_name: str = Field(min_length=1)
    archive: str = ""
    width: int | None = None
    height: int | None = None


class _Category(BaseModel):
    id: int
    name: str


class _Annotation(BaseModel):
    id: int | str = 0
    image_id: int | str
    category_id: int
    bbox: tuple[float, float, float, float]
    iscrowd: bool = False


class _Document(BaseModel):
    images: list[_Image] = Field(min_length=1)
    annotations: list[_Annotation] = []
    categories: list[_Category] = []


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One image of the file."""

    file_name: str
    archive: str
    label: str | None
    """Class of the largest box; None without one."""
    boxes: str
    """All boxes as the text of a detection label, whole pixels inside the frame."""
    fields: Mapping[str, object]
    """Fields beyond id, name, archive and size."""

    def text(self, name: str) -> str:
        """Give a field as text, empty if it is absent."""
        value = self.fields.get(name)
        return "" if value is None else str(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """Give a field that must be true or false.

        Raises
        ------
        BadInput
            It is something else: a flag on privacy is never guessed.
        """
        value = self.fields.get(name, default)
        if isinstance(value, bool) or value in (0, 1):
            return bool(value)
        msg = f"image {self.file_name}: field {name}: expected true or false, found {value!r}"
        raise BadInput(msg)

    def tags(self) -> dict[str, str]:
        """Give the plain fields that have no meaning of their own."""
        known = OWN_FIELDS | STANDARD_FIELDS
        plain = {k: v for k, v in self.fields.items() if isinstance(v, str | int | float | bool)}
        return {name: str(value) for name, value in sorted(plain.items()) if name not in known}


@dataclass(frozen=True, slots=True)
class CocoFile:
    """A COCO file, and how many of its boxes are not as they should be."""

    images: tuple[CocoImage, ...]
    categories: tuple[str, ...]
    has_annotations: bool
    n_without_area: int
    n_outside: int = 0
    """Boxes of which nothing lies inside the frame; left out of detection labels."""
    n_clipped: int = 0
    """Boxes that were cut at the frame's edge."""
    n_crowds: int = 0
    """Boxes around many objects at once; left out of detection labels."""


def read_coco(path: Path) -> CocoFile:
    """Read a COCO file.

    Raises
    ------
    BadInput
        It is no JSON or no COCO file; the text lists what is wrong.
    """
    try:
        document = _Document.model_validate_json(path.read_bytes())
    except ValidationError as error:
        lines = [f"\n  {sentence(mistake)}" for mistake in error.errors()[:MISTAKES_SHOWN]]
        msg = (
            f"{path}: expected a COCO file, found {error.error_count()} mistake(s):{''.join(lines)}"
        )
        raise BadInput(msg) from error
    except OSError as error:
        msg = f"{path}: expected a readable file, found: {error.strerror or error}"
        raise BadInput(msg) from error
    return _classified(document, path)


def _classified(document: _Document, path: Path) -> CocoFile:
    names = {category.id: category.name for category in document.categories}
    largest: dict[int | str, tuple[float, str]] = {}
    n_without_area = 0
    for box in document.annotations:
        if box.category_id not in names:
            msg = f"{path}: annotation {box.id}: category {box.category_id} is not in the file"
            raise BadInput(msg)
        area = max(box.bbox[2], 0.0) * max(box.bbox[3], 0.0)
        n_without_area += area == 0
        # Strictly larger: among equals the first in the file wins.
        if area > largest.get(box.image_id, (0.0, ""))[0]:
            largest[box.image_id] = (area, names[box.category_id])
    drawn = _Drawn(document, names)
    images = tuple(
        CocoImage(
            file_name=image.file_name,
            archive=image.archive,
            label=largest[image.id][1] if image.id in largest else None,
            boxes=label_of(drawn.of_image.get(image.id, ())),
            fields=dict(image.model_extra or {}),
        )
        for image in document.images
    )
    ordered = tuple(names[number] for number in sorted(names))
    return CocoFile(
        images,
        ordered,
        bool(document.annotations),
        n_without_area,
        n_outside=drawn.n_outside,
        n_clipped=drawn.n_clipped,
        n_crowds=drawn.n_crowds,
    )


class _Drawn:
    """Boxes in whole pixels, by image; what is wrong with the others is counted."""

    def __init__(self, document: _Document, names: Mapping[int, str]) -> None:
        self.of_image: dict[int | str, list[Box]] = {}
        self.n_outside = self.n_clipped = self.n_crowds = 0
        sizes = {image.id: (image.width, image.height) for image in document.images}
        for one in document.annotations:
            if one.iscrowd:
                self.n_crowds += 1
                continue
            _, _, width, height = one.bbox
            if not (width > 0 and height > 0 and all(map(math.isfinite, one.bbox))):
                continue
            box = self._inside(one, names[one.category_id], sizes.get(one.image_id, (None, None)))
            if box.width <= 0 or box.height <= 0:
                self.n_outside += 1
            else:
                self.of_image.setdefault(one.image_id, []).append(box)

    def _inside(self, one: _Annotation, name: str, size: tuple[int | None, int | None]) -> Box:
        x, y, width, height = one.bbox
        box, cut = box_inside(name, (x, y, x + width, y + height), size)
        self.n_clipped += cut and box.width > 0 and box.height > 0
        return box
