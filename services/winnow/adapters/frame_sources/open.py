"""From a path to the source of frames that lies there."""

from __future__ import annotations

from pathlib import Path

from winnow.adapters.frame_sources.arrays import ArraySource
from winnow.adapters.frame_sources.bdd100k import BOXES, Bdd100kSource, is_bdd100k
from winnow.adapters.frame_sources.bdd100k_file import ATTRIBUTES
from winnow.adapters.frame_sources.coco import CocoSource
from winnow.adapters.frame_sources.folder import FolderSource
from winnow.domain.errors import BadInput
from winnow.domain.labels import CLASSIFICATION, DETECTION
from winnow.ports.frame_source import FrameSource


def open_source(
    path: Path,
    *,
    has_classes: bool = True,
    label_kind: str = CLASSIFICATION,
    attribute: str = ATTRIBUTES[0],
) -> FrameSource:
    """Open a folder of images, a COCO file (`.json`), BDD100K or arrays (`.npz`).

    A folder with an `annotations.json` in it is taken as that COCO file, one with `images/100k/`
    and `labels/` as BDD100K. Without classes, a folder's sub-folders are sessions. For detection
    only COCO and BDD100K will do: others have no boxes.

    Parameters
    ----------
    attribute
        Which attribute of BDD100K is a frame's class; other sources have none.

    Raises
    ------
    BadInput
        Nothing lies there, or something else; the text says what was expected.
    """
    coco = path / "annotations.json" if path.is_dir() else path
    if has_classes and is_bdd100k(path):
        return Bdd100kSource(path, labels=BOXES if label_kind == DETECTION else attribute)
    if path.exists() and attribute != ATTRIBUTES[0]:
        msg = f"{path}: expected BDD100K, whose frames have a {attribute}, found something else"
        raise BadInput(msg)
    if coco.suffix.lower() == ".json" and coco.is_file():
        return CocoSource(coco, label_kind=label_kind)
    if path.exists() and label_kind == DETECTION:
        msg = f"{path}: expected boxes, which a COCO .json has, found something else"
        raise BadInput(msg)
    if path.is_dir():
        return FolderSource(path, has_classes=has_classes)
    if not path.exists():
        msg = f"{path}: expected a folder of images, a COCO .json or an .npz; nothing is there"
        raise BadInput(msg)
    if path.suffix.lower() == ".npz":
        return ArraySource(path)
    msg = f"{path}: expected a folder of images, a COCO .json or an .npz, found {path.suffix!r}"
    raise BadInput(msg)
