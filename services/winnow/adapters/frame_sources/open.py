"""From a path to the source of frames that lies there."""

from __future__ import annotations

from pathlib import Path

from winnow.adapters.frame_sources.arrays import ArraySource
from winnow.adapters.frame_sources.coco import CocoSource
from winnow.adapters.frame_sources.folder import FolderSource
from winnow.domain.errors import BadInput
from winnow.ports.frame_source import FrameSource


def open_source(path: Path, *, has_classes: bool = True) -> FrameSource:
    """Open a folder of images, a COCO file (`.json`) or arrays (`.npz`).

    A folder with an `annotations.json` in it is taken as that COCO file. Without classes, a
    folder's sub-folders are sessions.

    Raises
    ------
    BadInput
        Nothing lies there, or something else; the text says what was expected.
    """
    if path.is_dir():
        coco = path / "annotations.json"
        return CocoSource(coco) if coco.is_file() else FolderSource(path, has_classes=has_classes)
    if not path.exists():
        msg = f"{path}: expected a folder of images, a COCO .json or an .npz; nothing is there"
        raise BadInput(msg)
    if path.suffix.lower() == ".json":
        return CocoSource(path)
    if path.suffix.lower() == ".npz":
        return ArraySource(path)
    msg = f"{path}: expected a folder of images, a COCO .json or an .npz, found {path.suffix!r}"
    raise BadInput(msg)
