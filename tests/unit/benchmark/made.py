"""A small data set: three blobs of features that a linear head can tell apart, two tags."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmark.frames import Frames
from benchmark.plan import Plan
from winnow.ports.frame_source import SourceFrame

CLASSES = ("cat", "dog", "owl")


def small_frames(n: int = 90, *, copies: int = 3, noise: float = 1.2) -> Frames:
    """Give n frames with K versions each; versions of a frame are nearly equal."""
    rng = np.random.default_rng(0)
    labels_N = np.arange(n) % 3
    centres = rng.standard_normal((3, 8)) * 2
    rows_ND = centres[labels_N] + noise * rng.standard_normal((n, 8))
    versions = rows_ND + 1e-3 * rng.standard_normal((copies, n, 8))
    ids = np.array([hashlib.sha256(str(row).encode()).hexdigest()[:32] for row in range(n)])
    return Frames(
        source="made",
        encoder="made/1",
        class_names=CLASSES,
        frame_ids=ids,
        digests=np.array([2 * frame_id for frame_id in ids.tolist()]),
        labels_N=labels_N.astype(np.int64),
        sessions=np.full(n, ""),
        tags={"weather": np.where(np.arange(n) % 5 == 0, "fog", "dry")},
        features_KND=versions.astype(np.float32),
        hashes_KN=np.tile(rng.integers(0, 2**63, n, dtype=np.uint64), (copies, 1)),
        pixels_KN3HW=rng.integers(0, 256, (copies, n, 3, 8, 8), dtype=np.uint8),
    )


def small_plan(**changes: object) -> Plan:
    given = {"methods": ("margin",), "budgets": (0.1, 0.3, 1.0), "seeds": 2, "pools": ("plain",)}
    return Plan.told(**{**given, **changes})


class MadeSource:
    """Twelve pictures of two colours with a little noise."""

    name = "colours"
    n_frames = 12
    class_names = ("red", "blue")
    label_kind = "classification"
    notes: tuple[str, ...] = ()

    def frames(self, positions: Collection[int] | None = None) -> Iterator[SourceFrame]:
        for row in range(self.n_frames):
            rng = np.random.default_rng(row)
            pixels = rng.integers(0, 40, (8, 8, 3), dtype=np.uint8)
            pixels[..., 2 * (row % 2)] += 200
            sink = io.BytesIO()
            Image.fromarray(pixels).save(sink, "PNG")
            label = self.class_names[row % 2]
            yield SourceFrame(sink.getvalue(), f"{row}.png", "image/png", label=label)


def mean_colours(frames: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
    return np.stack([frame.mean(axis=(0, 1)) for frame in frames]).astype(np.float32)


def silent(what: str, done: int, total: int) -> None:
    """Show nothing."""
