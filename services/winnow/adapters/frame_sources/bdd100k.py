"""BDD100K: its images, with weather, scene and time of day, or boxes, as known labels."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from winnow.adapters.frame_sources.bdd100k_file import (
    ATTRIBUTES,
    CATEGORIES,
    Bdd100kFile,
    Bdd100kFrame,
    read_bdd100k,
)
from winnow.adapters.frame_sources.media import IMAGE_TYPES, media_type_of, read_frame_file
from winnow.adapters.frame_sources.pixel_boxes import NO_SIZE, box_inside
from winnow.domain.boxes import Box, label_of
from winnow.domain.errors import BadInput
from winnow.domain.labels import CLASSIFICATION, DETECTION
from winnow.ports.frame_source import SourceFrame

BOXES = "boxes"
LABELS = (*ATTRIBUTES, BOXES)
SPLITS = ("train", "val", "test")
FILES = ("det_20/det_{}.json", "bdd100k_labels_images_{}.json", "det_v2_{}_release.json")
"""Below `labels/`, by split; of several the first counts."""
VIDEOS_BEGIN = datetime(2000, 1, 1, tzinfo=UTC)
"""BDD100K tells times since a video began; when that was is not published."""
LATEST_MS = 1e13
"""Three hundred years; what is later is no time."""


class Bdd100kSource:
    """Images that a BDD100K label file names, in its order, train before val.

    Weather, scene, time of day and split are tags, a frame's video is its session.

    Parameters
    ----------
    path
        The data set's folder, with `images/100k/` and `labels/` in it, or one file of labels.
    labels
        `weather`, `scene` or `timeofday`: that attribute is a frame's class, and frames whose
        attribute is undefined are left out and counted. `boxes`: the label is all of its boxes.

    Raises
    ------
    BadInput
        Other labels; no label file; none of its images is there.
    """

    def __init__(self, path: Path, *, labels: str = ATTRIBUTES[0]) -> None:
        if labels not in LABELS:
            msg = f"labels of BDD100K: expected {', '.join(LABELS)}, found {labels!r}"
            raise BadInput(msg)
        self._labels, self._path = labels, path
        self._left_out: Counter[str] = Counter()
        self._others: Counter[str] = Counter()
        self._used: list[str] = []
        self._frames: list[tuple[str, Bdd100kFrame, Path]] = []
        self._missing: list[str] = []
        self._n_cut = 0
        for split, file in _label_files(path).items():
            self._take(split, file)
        self._refuse_nothing()
        self._texts = self._drawn() if labels == BOXES else {}

    @property
    def name(self) -> str:
        """Name of the folder; of a file also its own."""
        path = self._path.resolve()
        return path.name if path.is_dir() else f"{path.parent.name}-{path.stem}"

    @property
    def n_frames(self) -> int:
        """Number of frames whose image is there and whose label is known."""
        return len(self._frames)

    @property
    def label_kind(self) -> str:
        """Boxes, or the classes of an attribute."""
        return DETECTION if self._labels == BOXES else CLASSIFICATION

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Values of the attribute, sorted; or categories in the benchmark's order, then others."""
        if self._labels != BOXES:
            return tuple(sorted({frame.attributes[self._labels] for _, frame, _ in self._frames}))
        found = {category for _, frame, _ in self._frames for category, _ in frame.boxes}
        return (
            *(category for category in CATEGORIES if category in found),
            *sorted(found.difference(CATEGORIES)),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Which files were read, what a label is, and what could not be used."""
        what = "boxes" if self._labels == BOXES else f"the frame's {self._labels}"
        told = [f"labels are {what}, from {', '.join(self._used)}"]
        if self._missing:
            told.append(
                f"{len(self._missing)} frame(s) left out whose image is missing, "
                f"first {self._missing[0]}"
            )
        told += [f"{n} {why} left out" for why, n in sorted(self._left_out.items())]
        if self._n_cut:
            told.append(f"{self._n_cut} box(es) cut at the edge of their frame")
        if self._others and self._labels == BOXES:
            others = ", ".join(f"{name} ({n})" for name, n in sorted(self._others.items()))
            told.append(f"categories that BDD100K does not have, kept as classes: {others}")
        return tuple(told)

    def frames(self, positions: Collection[int] | None = None) -> Iterator[SourceFrame]:
        """Give the images in the order of their label files."""
        for pos in range(self.n_frames) if positions is None else sorted(positions):
            split, frame, path = self._frames[pos]
            label = self._texts[pos] if self._labels == BOXES else frame.attributes[self._labels]
            yield SourceFrame(
                data=read_frame_file(path),
                name=f"{split}/{frame.name}" if split else frame.name,
                media_type=media_type_of(path.name),
                label=label,
                session=frame.video,
                captured_at=_time(frame),
                tags={**frame.attributes, **({"split": split} if split else {})},
            )

    def _take(self, split: str, file: Path) -> None:
        found = read_bdd100k(file)
        self._used.append(file.name)
        self._count(found)
        roots = _image_folders(self._path, split)
        for frame in found.frames:
            names = (frame.name, f"{frame.video}/{frame.name}")
            tries = (root / name for root in roots for name in names)
            image = next((path for path in tries if path.is_file()), None)
            if image is None:
                self._missing.append(frame.name)
            elif self._labels != BOXES and self._labels not in frame.attributes:
                self._left_out[f"frame(s) whose {self._labels} is undefined"] += 1
            else:
                self._frames.append((split, frame, image))
        named = {frame.name for frame in found.frames}
        for image in (self._path / "images" / "100k" / split).glob("*"):
            known = image.suffix.lower() not in IMAGE_TYPES or image.name in named
            self._left_out["image(s) that no label file names"] += not known
        self._left_out = +self._left_out

    def _count(self, found: Bdd100kFile) -> None:
        self._others.update(found.others)
        of_frames = {why: n for why, n in found.left_out.items() if why.startswith("frame")}
        self._left_out.update(found.left_out if self._labels == BOXES else of_frames)

    def _refuse_nothing(self) -> None:
        if self._frames:
            return
        roots = dict.fromkeys(
            str(root) for split in SPLITS for root in _image_folders(self._path, split)
        )
        msg = (
            f"{self._path}: expected frames with an image and known {self._labels}, found none "
            f"({'; '.join(self.notes)}); images were looked for in {', '.join(roots)}"
        )
        raise BadInput(msg)

    def _drawn(self) -> dict[int, str]:
        texts = {}
        for pos, (_, frame, path) in enumerate(self._frames):
            size, kept = _size(path), list[Box]()
            for category, edges in frame.boxes:
                box, cut = box_inside(category, edges, size)
                if box.width > 0 and box.height > 0:
                    kept.append(box)
                    self._n_cut += cut
                else:
                    self._left_out["box(es) outside their frame"] += 1
            texts[pos] = label_of(kept)
        return texts


def is_bdd100k(path: Path) -> bool:
    """Tell whether a path looks like BDD100K: its folder, or a JSON list of frames."""
    if path.is_dir():
        return (path / "images" / "100k").is_dir() and (path / "labels").is_dir()
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(64).removeprefix(b"\xef\xbb\xbf")
    return b"".join(head.split()).startswith(b"[{")


def _label_files(path: Path) -> dict[str, Path]:
    if path.is_file():
        split = next((part for part in SPLITS if part in path.stem.split("_")), "")
        return {split: path}
    found: dict[str, Path] = {}
    for split in SPLITS:
        tries = [path / "labels" / name.format(split) for name in FILES]
        tries += [path / "labels" / "100k" / split / name.format(split) for name in FILES]
        files = [file for file in tries if file.is_file()]
        if files:
            found[split] = files[0]
    if not found:
        names = ", ".join(name.format("{train,val}") for name in FILES[:2])
        msg = f"{path}: expected BDD100K's labels/ with {names}, found neither"
        raise BadInput(msg)
    return found


def _image_folders(path: Path, split: str) -> list[Path]:
    """Give where images of a split may lie, seen from the data set or from its file of labels."""
    roots = [path] if path.is_dir() else list(path.resolve().parents)[:4]
    below = [root / "images" / "100k" / split for root in roots]
    below += [root / "images" / "track" / split for root in roots]
    return [
        *below,
        *(root / "images" for root in roots[:2]),
        *(roots[:1] if path.is_file() else ()),
    ]


def _size(path: Path) -> tuple[int | None, int | None]:
    """Read width and height from an image's head; a damaged one is told by the gates later."""
    from PIL import Image, UnidentifiedImageError

    data = read_frame_file(path)
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.size
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError):
        return NO_SIZE


def _time(frame: Bdd100kFrame) -> datetime | None:
    """Give the place in the video; of one picture of a video it says nothing."""
    if not frame.video or frame.milliseconds is None or abs(frame.milliseconds) > LATEST_MS:
        return None
    return VIDEOS_BEGIN + timedelta(milliseconds=frame.milliseconds)
