"""Small images and sources for tests."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image


def image_bytes(seed: int, *, side: int = 24, kind: str = "PNG") -> bytes:
    """Give a noisy image: different seeds look different."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    pixels = np.kron(coarse, np.ones((side // 6, side // 6, 1), dtype=np.uint8))
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, format=kind, quality=90)
    return sink.getvalue()


def write_folder(root: Path, layout: dict[str, bytes]) -> Path:
    """Write files below a folder."""
    for name, data in layout.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def class_folder(root: Path, *, n_per_class: int = 4) -> Path:
    """Write a folder with classes cat and dog."""
    return write_folder(
        root,
        {
            f"{label}/{number}.png": image_bytes(number * 2 + offset)
            for offset, label in enumerate(("cat", "dog"))
            for number in range(n_per_class)
        },
    )


def coco_folder(root: Path, *, archive: bool, images: list[dict[str, object]]) -> Path:
    """Write a COCO file with boxes of car (large) and sign (small) on all but the last image."""
    root.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    boxes: list[dict[str, object]] = []
    for number, image in enumerate(images):
        name = f"{number}.png"
        rows.append({"id": number, "file_name": name, "width": 24, "height": 24, **image})
        if archive:
            rows[-1]["archive"] = "images.zip"
            with zipfile.ZipFile(root / "images.zip", "a") as out:
                out.writestr(name, image_bytes(number))
        else:
            (root / name).write_bytes(image_bytes(number))
        if number < len(images) - 1:
            sides = ((1, 2), (2, 12)) if number % 2 else ((2, 2), (1, 12))
            boxes += [
                {"id": len(boxes) + i, "image_id": number, "category_id": c, "bbox": [0, 0, s, s]}
                for i, (c, s) in enumerate(sides)
            ]
    categories = [{"id": 1, "name": "car"}, {"id": 2, "name": "sign"}]
    document = {"images": rows, "annotations": boxes, "categories": categories}
    path = root / "annotations.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path
