"""Real pools: frames with fixed features, classes that only the simulated annotator knows."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tests.bench.default_policy.features import Images, patch_features

Rows = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Texts = npt.NDArray[np.str_]

SIDE = 32
COPIES = 5
COPY_NOISE = 0.02
"""Of a copy, as a share of the spread of the features: brightness of one scene, frame by frame."""
MICROSECONDS_PER_TICK = 50_000
SEGMENT_FRAMES = 10
KEPT = 0.75
"""Share of the segments that a seed's pool takes: so certain strategies, too, see other pools."""
CACHE = Path("build/default-policy")


@dataclass(frozen=True)
class Whole:
    """A data set with its features, before a seed splits it."""

    features_ND: Rows
    labels_N: Labels
    images: Images | None = None
    sessions_N: Texts | None = None
    captured_us_N: Labels | None = None
    groups_N: Texts | None = None
    """A seed holds out one group after the other; without groups, frames at random."""
    segments_N: Texts | None = None
    """Pieces of sessions: what a seed's pool takes or leaves as a whole."""


@dataclass(frozen=True)
class Pool:
    """What one seed sees: a pool to choose from and a test set of other frames."""

    name: str
    frame_ids: Texts
    features_ND: Rows
    labels_N: Labels
    test_ND: Rows
    test_labels_N: Labels
    budgets: tuple[int, ...]
    redundant: bool
    images: Images | None = None
    test_images: Images | None = None
    sessions_N: Texts | None = None
    captured_us_N: Labels | None = None


@dataclass(frozen=True)
class Kind:
    """How a pool comes about."""

    load: Callable[[Path], Whole]
    budgets: tuple[int, ...]
    n_test: int = 0
    redundant: bool = False
    copies: int = 1
    n_pool: int | None = None
    needs: str | None = None
    """Folder of the data."""
    learner: str = "linear"


def digits(_: Path) -> Whole:
    """Give scikit-learn's 1,797 handwritten digits; pixels are the features."""
    from sklearn.datasets import load_digits

    found = load_digits()
    rows_ND = found.data.astype(np.float32)
    rows_ND = rows_ND - rows_ND.mean(axis=0)
    images = (found.images[..., None] / 16).astype(np.float32)
    return Whole(_unit(rows_ND), found.target.astype(np.int64), images)


def cifar10(data: Path) -> Whole:
    """Give 6,000 images of CIFAR-10."""
    with np.load(data / "cifar10" / "images.npz") as found:
        images = np.concatenate([found["x_train"], found["x_test"]]).astype(np.float32) / 255
        labels_N = np.concatenate([found["y_train"], found["y_test"]]).astype(np.int64)
    return Whole(patch_features(images, seed=0, dimension=128), labels_N, images)


def carla(data: Path) -> Whole:
    """Give the boxes of CARLA's frames as crops; frames of a session follow each other closely."""
    return _crops(data / "carla", lambda frame: str(frame["town"]))


def bccd(data: Path) -> Whole:
    """Give blood cells as crops: red ones by far the most."""
    return _crops(data / "bccd", lambda frame: str(frame["id"]))


def _crops(folder: Path, group: Callable[[dict[str, Any]], str]) -> Whole:
    images, labels, groups, segments, sessions, times = [], [], [], [], [], []
    for place, (image, frame, boxes) in enumerate(_boxes(folder)):
        for box in boxes:
            if box["bbox"][2] and box["bbox"][3]:
                images.append(_crop(image, box["bbox"]))
                labels.append(box["category_id"] - 1)
                groups.append(group(frame))
                segments.append(f"{place // SEGMENT_FRAMES}")
                sessions.append(frame.get("session", ""))
                times.append(frame.get("frame", 0) * MICROSECONDS_PER_TICK)
    stack = np.stack(images)
    return Whole(
        patch_features(stack, seed=0, dimension=64),
        np.array(labels, dtype=np.int64),
        stack,
        groups_N=np.array(groups),
        segments_N=np.array(segments),
        sessions_N=np.array(sessions) if any(sessions) else None,
        captured_us_N=np.array(times, dtype=np.int64) if any(sessions) else None,
    )


def _boxes(folder: Path) -> Iterator[tuple[Any, dict[str, Any], list[dict[str, Any]]]]:
    coco = json.loads((folder / "annotations.json").read_text())
    archives = {
        name: zipfile.ZipFile(folder / name) for name in {i["archive"] for i in coco["images"]}
    }
    by_image: dict[int, list[dict[str, Any]]] = {}
    for box in coco["annotations"]:
        by_image.setdefault(box["image_id"], []).append(box)
    for frame in coco["images"]:
        data = archives[frame["archive"]].read(frame["file_name"])
        yield Image.open(io.BytesIO(data)).convert("RGB"), frame, by_image.get(frame["id"], [])


def _crop(image: Any, box: list[int]) -> npt.NDArray[np.float32]:
    """Give the square around a box, a quarter larger than it, in SIDE x SIDE pixels."""
    x, y, width, height = box
    half = 0.625 * max(width, height)
    middle_x, middle_y = x + width / 2, y + height / 2
    square = (middle_x - half, middle_y - half, middle_x + half, middle_y + half)
    small = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=_inside(square, image.size))
    crop: npt.NDArray[np.float32] = np.asarray(small, dtype=np.float32) / np.float32(255)
    return crop


def _inside(square: tuple[float, ...], size: tuple[int, int]) -> tuple[float, ...]:
    left, top = max(square[0], 0.0), max(square[1], 0.0)
    return left, top, min(square[2], float(size[0])), min(square[3], float(size[1]))


def _unit(rows_ND: Rows) -> Rows:
    scaled: Rows = rows_ND / np.sqrt((rows_ND**2).sum(axis=1).mean())
    return scaled


CROPS = (20, 40, 60, 80, 120, 160, 220, 300)
LOW = (10, 20, 40, 60, 100, 150, 200, 300)
KINDS: dict[str, Kind] = {
    "digits": Kind(digits, LOW, n_test=597),
    "digits x5": Kind(digits, LOW, n_test=597, n_pool=1000, copies=COPIES, redundant=True),
    "cifar10": Kind(
        cifar10, (20, 50, 100, 200, 400, 700, 1200, 2000), n_test=2000, needs="cifar10"
    ),
    "cifar10 x5": Kind(
        cifar10, (20, 50, 100, 200, 300, 500, 700, 1000), n_test=2000, n_pool=1000,
        copies=COPIES, redundant=True, needs="cifar10",
    ),
    "carla": Kind(carla, CROPS, n_test=1, redundant=True, needs="carla"),
    "bccd": Kind(bccd, CROPS, n_test=900, needs="bccd"),
    "digits network": Kind(digits, LOW, n_test=597, learner="network"),
    "carla network": Kind(
        carla, CROPS, n_test=1, redundant=True, needs="carla", learner="network"
    ),
    "bccd network": Kind(bccd, CROPS, n_test=900, needs="bccd", learner="network"),
}  # fmt: skip
UNTOUCHED = "bccd"
"""Nothing was tuned on it."""


def pool_of(name: str, seed: int, data: Path) -> Pool:
    """Give the pool that one seed sees."""
    kind = KINDS[name]
    whole = _loaded(kind.load, data)
    rng = np.random.default_rng([seed, len(name)])
    test_N = _held_out(whole, kind.n_test, seed)
    pool = np.flatnonzero(~test_N)
    if whole.segments_N is not None:
        names = np.unique(whole.segments_N)
        kept = rng.permutation(names)[: int(KEPT * len(names))]
        pool = pool[np.isin(whole.segments_N[pool], kept)]
    if kind.n_pool is not None:
        pool = np.sort(rng.permutation(pool)[: kind.n_pool])
    return _copied(_taken(name, whole, kind, pool, np.flatnonzero(test_N)), kind.copies, rng)


def _loaded(load: Callable[[Path], Whole], data: Path) -> Whole:
    kept = CACHE / f"{load.__name__}.npz"
    if not kept.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        found = {k: v for k, v in vars(load(data)).items() if v is not None}
        np.savez(kept, **found)
    with np.load(kept) as arrays:
        return Whole(**dict(arrays.items()))


def _held_out(whole: Whole, n_test: int, seed: int) -> npt.NDArray[np.bool_]:
    """Hold out whole groups until there are enough frames; seeds take turns."""
    groups_N = whole.groups_N
    if groups_N is None:
        groups_N = np.arange(len(whole.labels_N)).astype(np.str_)
    names, group_N = np.unique(groups_N, return_inverse=True)
    order = np.random.default_rng(seed // len(names)).permutation(len(names))
    order = np.roll(order, -seed * max(1, len(names) // 20))
    n_groups = int(np.searchsorted(np.cumsum(np.bincount(group_N)[order]), n_test)) + 1
    return np.isin(group_N, order[:n_groups])


def _taken(name: str, whole: Whole, kind: Kind, pool: Labels, test: Labels) -> Pool:
    def of(values: Any, where: Labels) -> Any:
        return None if values is None else values[where]

    return Pool(
        name=name,
        frame_ids=np.array([_id(name, row) for row in pool.tolist()]),
        features_ND=whole.features_ND[pool],
        labels_N=whole.labels_N[pool],
        test_ND=whole.features_ND[test],
        test_labels_N=whole.labels_N[test],
        budgets=kind.budgets,
        redundant=kind.redundant,
        images=of(whole.images, pool),
        test_images=of(whole.images, test),
        sessions_N=of(whole.sessions_N, pool),
        captured_us_N=of(whole.captured_us_N, pool),
    )


def _copied(pool: Pool, copies: int, rng: np.random.Generator) -> Pool:
    if copies == 1:
        return pool
    rows_ND = np.repeat(pool.features_ND, copies, axis=0)
    noise = rng.standard_normal(rows_ND.shape) * COPY_NOISE * pool.features_ND.std(axis=0)
    return replace(
        pool,
        frame_ids=np.array([_id(pool.name, row) for row in range(len(rows_ND))]),
        features_ND=(rows_ND + noise).astype(np.float32),
        labels_N=np.repeat(pool.labels_N, copies),
        images=None,
        test_images=None,
    )


def _id(name: str, row: int) -> str:
    return np.random.default_rng([row, *name.encode()]).bytes(16).hex()
