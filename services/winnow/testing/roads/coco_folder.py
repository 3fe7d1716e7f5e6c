"""A town's recording as a COCO folder, to look at or to use with other tools."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from winnow.adapters.disk_errors import told
from winnow.domain.boxes import Box
from winnow.domain.errors import BadInput
from winnow.testing.roads.setting import CLASS_NAMES, RoadsSetting
from winnow.testing.roads.town import RoadFrame, Town

ANNOTATIONS: Final = "annotations.json"
SETTING: Final = "roads.json"


def write_coco(
    setting: RoadsSetting, out: Path, *, on_progress: Callable[[str, int, int], None]
) -> int:
    """Write `images/SESSION/NUMBER.jpg`, and last `annotations.json`; give the number of boxes.

    Every file is written aside and renamed, so that what was broken off is finished by the same
    call again. Session, site, time and privacy are fields of the images, tags too.

    Raises
    ------
    BadInput
        The folder holds something else, another setting's frames, or cannot be written.
    """
    try:
        _claim(out, setting)
        town = Town(setting)
        images: list[Mapping[str, object]] = []
        annotations: list[Mapping[str, object]] = []
        for frame in town.frames():
            _write(out / "images" / frame.name, frame.data)
            images.append(_image(frame, setting))
            annotations += [
                _annotation(box, pos, frame.pos)
                for pos, box in enumerate(frame.boxes, start=len(annotations) + 1)
            ]
            on_progress("frames", frame.pos + 1, town.n_frames)
        document = {
            "info": {"description": f"simulated town {setting.town}"},
            "images": images,
            "annotations": annotations,
            "categories": [{"id": pos, "name": n} for pos, n in enumerate(CLASS_NAMES, start=1)],
        }
        _write(out / ANNOTATIONS, json.dumps(document, separators=(",", ":")).encode())
    except OSError as error:
        msg = f"{out}: expected a folder to write to, found: {told(error)}"
        raise BadInput(msg) from error
    return len(annotations)


def _claim(out: Path, setting: RoadsSetting) -> None:
    text = json.dumps(asdict(setting), indent=1).encode() + b"\n"
    claimed = out / SETTING
    if claimed.exists():
        if claimed.read_bytes() != text:
            msg = f"{claimed}: expected the same setting, found another: take another folder"
            raise BadInput(msg)
    elif out.exists() and any(out.iterdir()):
        msg = f"{out}: expected an empty folder, or one begun by the same call; found other files"
        raise BadInput(msg)
    _write(claimed, text)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(data)
    partial.replace(path)


def _image(frame: RoadFrame, setting: RoadsSetting) -> Mapping[str, object]:
    return {
        "id": frame.pos,
        "file_name": frame.name,
        "width": setting.width,
        "height": setting.height,
        "session": frame.session.name,
        "site": frame.session.site,
        "captured_at": frame.captured_at.isoformat(),
        "privacy_blocked": frame.privacy_blocked,
        **frame.tags,
    }


def _annotation(box: Box, number: int, image: int) -> Mapping[str, object]:
    return {
        "id": number,
        "image_id": image,
        "category_id": CLASS_NAMES.index(box.class_name) + 1,
        "bbox": [box.x, box.y, box.width, box.height],
        "area": box.area,
        "iscrowd": 0,
    }
