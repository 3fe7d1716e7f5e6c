"""The COCO format itself: images, their boxes, and the class of the largest one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from winnow.domain.errors import BadInput

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
    """A COCO file, as far as classification needs it."""

    images: tuple[CocoImage, ...]
    categories: tuple[str, ...]
    has_annotations: bool
    n_without_area: int


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
        lines = [
            f"\n  {'.'.join(map(str, mistake['loc'])) or 'file'}: {mistake['msg']}"
            for mistake in error.errors()[:MISTAKES_SHOWN]
        ]
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
    images = tuple(
        CocoImage(
            file_name=image.file_name,
            archive=image.archive,
            label=largest[image.id][1] if image.id in largest else None,
            fields=dict(image.model_extra or {}),
        )
        for image in document.images
    )
    ordered = tuple(names[number] for number in sorted(names))
    return CocoFile(images, ordered, bool(document.annotations), n_without_area)
