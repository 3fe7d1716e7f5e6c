"""A COCO file with its images, as files or inside zip archives."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection, Iterator
from datetime import datetime
from functools import cached_property
from pathlib import Path

from winnow.adapters.frame_sources.coco_file import CocoFile, CocoImage, read_coco
from winnow.adapters.frame_sources.media import (
    check_frame_bytes,
    media_type_of,
    read_frame_file,
)
from winnow.adapters.frame_sources.times import time_of
from winnow.domain.boxes import label_of
from winnow.domain.errors import BadInput
from winnow.domain.labels import CLASSIFICATION, DETECTION
from winnow.ports.frame_source import SourceFrame

NOTHING = "nothing"
"""Class of an image without boxes."""
NO_BOXES = label_of(())
MISSING_SHOWN = 10
UNREADABLE = (
    OSError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What zipfile says of damaged, encrypted or foreign members."""


class CocoSource:
    """Images of a COCO file, in its order.

    For classification an image's class is that of its largest box; for detection its label is all
    of them, in whole pixels and cut at the frame's edges.

    Fields of an image beyond the standard: `archive` (zip file, relative to the COCO file),
    `session`, `site`, `sensor`, `captured_at`, `privacy_blocked`, `calibrated`; the rest are tags.

    Raises
    ------
    BadInput
        No COCO file, no images, or images that are not there: all of them are counted.
    """

    def __init__(self, path: Path, *, label_kind: str = CLASSIFICATION) -> None:
        self.label_kind = label_kind
        self._path = path.resolve()
        self._file: CocoFile = read_coco(path)
        self._where = [self._locate(image) for image in self._file.images]
        self._refuse_missing()

    @property
    def name(self) -> str:
        """Folder and file; only the folder for an `annotations.json`."""
        folder = self._path.parent.name
        return folder if self._path.stem == "annotations" else f"{folder}-{self._path.stem}"

    @property
    def n_frames(self) -> int:
        """Number of images."""
        return len(self._file.images)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Categories in the order of their ids; of classes also `nothing`, if one has no box."""
        if not self._file.has_annotations:
            return ()
        if self.label_kind == DETECTION:
            return self._file.categories
        empty = any(image.label is None for image in self._file.images)
        return (*self._file.categories, *((NOTHING,) if empty else ()))

    @property
    def notes(self) -> tuple[str, ...]:
        """How boxes became labels."""
        if not self._file.has_annotations:
            return ("no annotations: no known labels",)
        if self.label_kind == DETECTION:
            return self._notes_on_boxes()
        n_empty = sum(image.label is None for image in self._file.images)
        notes = [f"a frame's class is that of its largest box; {n_empty} without boxes: {NOTHING}"]
        if self._file.n_without_area:
            notes.append(f"{self._file.n_without_area} box(es) without area left out")
        return tuple(notes)

    def _notes_on_boxes(self) -> tuple[str, ...]:
        file = self._file
        n_empty = sum(image.boxes == NO_BOXES for image in file.images)
        counted = {
            "without area left out": file.n_without_area,
            "outside their frame left out": file.n_outside,
            "around a crowd left out": file.n_crowds,
            "cut at the edge of their frame": file.n_clipped,
        }
        told = (f"{n} box(es) {what}" for what, n in counted.items() if n)
        return (f"labels are boxes; {n_empty} frame(s) without any", *told)

    def frames(self, positions: Collection[int] | None = None) -> Iterator[SourceFrame]:
        """Give the images in the order of the file."""
        archives: dict[str, zipfile.ZipFile] = {}
        try:
            for pos in range(self.n_frames) if positions is None else sorted(positions):
                image = self._file.images[pos]
                yield self._frame(image, self._read(image, self._where[pos], archives))
        finally:
            for archive in archives.values():
                archive.close()

    def _frame(self, image: CocoImage, data: bytes) -> SourceFrame:
        label = image.boxes if self.label_kind == DETECTION else image.label or NOTHING
        return SourceFrame(
            data=data,
            name=f"{image.archive}/{image.file_name}" if image.archive else image.file_name,
            media_type=media_type_of(image.file_name),
            label=label if self._file.has_annotations else None,
            session=image.text("session"),
            captured_at=_time(image.text("captured_at") or image.text("date_captured")),
            site=image.text("site") or image.text("town"),
            sensor=image.text("sensor") or "camera",
            privacy_blocked=image.flag("privacy_blocked", default=False),
            calibrated=image.flag("calibrated", default=True),
            tags=image.tags(),
        )

    def _locate(self, image: CocoImage) -> Path | None:
        folder = self._path.parent
        if image.archive:
            names = self._archive_names.get(image.archive, frozenset())
            return folder / image.archive if image.file_name in names else None
        split = self._path.stem.removeprefix("instances_")
        roots = (folder, folder / "images", folder.parent, folder.parent / "images")
        tries = [*roots, *(root / split for root in roots)]
        return next((p for root in tries if (p := root / image.file_name).is_file()), None)

    @cached_property
    def _archive_names(self) -> dict[str, frozenset[str]]:
        names: dict[str, frozenset[str]] = {}
        for archive in sorted({image.archive for image in self._file.images if image.archive}):
            path = self._path.parent / archive
            try:
                with zipfile.ZipFile(path) as opened:
                    names[archive] = frozenset(opened.namelist())
            except (OSError, zipfile.BadZipFile) as error:
                msg = f"{path}: expected the zip archive named in {self._path.name}: {error}"
                raise BadInput(msg) from error
        return names

    def _refuse_missing(self) -> None:
        images = zip(self._file.images, self._where, strict=True)
        missing = [image.file_name for image, path in images if path is None]
        if not missing:
            return
        shown = "".join(f"\n  {name}" for name in missing[:MISSING_SHOWN])
        more = (
            f"\n  … and {len(missing) - MISSING_SHOWN} more" if len(missing) > MISSING_SHOWN else ""
        )
        msg = (
            f"{self._path}: {len(missing)} of {self.n_frames} images are missing "
            f"(looked beside the file and in `images`):{shown}{more}"
        )
        raise BadInput(msg)

    def _read(
        self, image: CocoImage, path: Path | None, archives: dict[str, zipfile.ZipFile]
    ) -> bytes:
        if path is None or not image.archive:
            return read_frame_file(path or self._path.parent / image.file_name)
        if image.archive not in archives:
            archives[image.archive] = zipfile.ZipFile(path)
        where = f"{path}: {image.file_name}"
        check_frame_bytes(archives[image.archive].getinfo(image.file_name).file_size, where=where)
        try:
            return archives[image.archive].read(image.file_name)
        except UNREADABLE as error:
            msg = f"{where}: expected a readable member of the archive, found: {error}"
            raise BadInput(msg) from error


def _time(text: str) -> datetime | None:
    try:
        return time_of(text)
    except BadInput:
        return None
