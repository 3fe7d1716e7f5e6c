"""A data set ready to be chosen from: features and labels of every frame, and of its copies."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from winnow.constraints.perceptual_hash import perceptual_hash
from winnow.constraints.pixels import luma
from winnow.domain.errors import BadInput
from winnow.domain.labels import CLASSIFICATION
from winnow.ports.frame_source import FrameSource, SourceFrame
from winnow.tasks.decode import decode_rgb
from winnow.tasks.examples import Pixels, resized
from winnow.tasks.whole_files import write_whole

Texts = npt.NDArray[np.str_]
Numbers = npt.NDArray[np.int64]
Rows = npt.NDArray[np.float32]
Show = Callable[[str, int, int], None]
Features = Callable[[Sequence[npt.NDArray[np.uint8]]], Rows]

FRAMES_AT_ONCE = 128
"""Decoded at once, with their copies; what a killed run computes again at most."""

GAIN, NOISE_LEVELS = 0.05, 2.0
"""Of a copy: brightness within 5 %, and sensor noise; the same scene a moment later."""
TAG_VALUES_MAX = 20
"""A tag with more values names frames, not slices."""


@dataclass(frozen=True)
class Frames:
    """N labeled frames, K versions of each: itself, and K-1 near-duplicates."""

    source: str
    encoder: str
    class_names: tuple[str, ...]
    frame_ids: Texts
    """[N]"""
    digests: Texts
    """[N] Of the frames' bytes."""
    labels_N: Numbers
    sessions: Texts
    """[N] Empty where a frame has none."""
    tags: Mapping[str, Texts]
    features_KND: Rows
    hashes_KN: npt.NDArray[np.uint64]
    pixels_KN3HW: Pixels | None
    """Small, for the network; none if nobody learns from pixels."""
    n_unreadable: int = 0
    """Labeled frames that are no images, left out."""

    def __len__(self) -> int:
        return len(self.frame_ids)

    @property
    def copies(self) -> int:
        """Give K."""
        return len(self.features_KND)


def frames_of(
    source: FrameSource,
    features_of: Features,
    *,
    encoder: str,
    copies: int,
    side_pixels: int | None,
    show: Show,
) -> Frames:
    """Decode and encode all frames that have a label, once for all runs.

    As in a round, frames that are no images are left out; they are counted.

    Parameters
    ----------
    features_of
        Gives the features [n, D] of decoded frames; asked for some frames at a time.
    encoder
        Version of what gives them.
    copies
        Versions of each frame: itself, and near-duplicates of it.
    side_pixels
        Side of the small pixels that are kept; none: no pixels.

    Raises
    ------
    BadInput
        Labels of another kind than classes; fewer than two classes.
    """
    if source.label_kind != CLASSIFICATION:
        msg = f"{source.name}: expected labels of kind {CLASSIFICATION}, found {source.label_kind}"
        raise BadInput(f"{msg}; boxes are compared by python -m ab_test")
    found: list[SourceFrame] = []
    waiting: list[npt.NDArray[np.uint8]] = []
    features, hashes, pixels = list[Rows](), [], []
    n_unreadable = 0
    for place, frame in enumerate(source.frames()):
        show("features", place, source.n_frames)
        if frame.label is None or frame.privacy_blocked:
            continue
        try:
            versions = _versions(decode_rgb(frame.data), copies, name=frame.name)
        except BadInput:
            n_unreadable += 1
            continue
        waiting += versions
        if len(waiting) >= FRAMES_AT_ONCE * copies:
            features.append(features_of(waiting))
            waiting = []
        hashes.append([perceptual_hash(luma(version)) for version in versions])
        if side_pixels is not None:
            pixels.append([_small(version, side_pixels) for version in versions])
        found.append(_light(frame))
    names = _class_names(source, found)
    features += [features_of(waiting)] if waiting else []
    show("features", source.n_frames, source.n_frames)
    return Frames(
        source=source.name,
        encoder=encoder,
        class_names=names,
        frame_ids=np.array([_id(source.name, frame.name, 0) for frame in found]),
        digests=np.array([frame.data.decode() for frame in found]),
        labels_N=np.array([names.index(str(frame.label)) for frame in found], dtype=np.int64),
        sessions=np.array([frame.session for frame in found], dtype=np.str_),
        tags=_tags(found),
        features_KND=_by_copy(features, copies),
        hashes_KN=np.array(hashes, dtype=np.uint64).T.copy(),
        pixels_KN3HW=np.stack(pixels, axis=1) if pixels else None,
        n_unreadable=n_unreadable,
    )


def copy_ids(frames: Frames, copy: int) -> Texts:
    """Give the frame ids of one version of all frames; version 0 are the frames themselves."""
    if not copy:
        return frames.frame_ids
    ids = [_id(frames.source, frame_id, copy) for frame_id in frames.frame_ids.tolist()]
    return np.array(ids)


def save(frames: Frames, path: Path) -> None:
    """Write aside and rename."""
    told = {
        "source": frames.source,
        "encoder": frames.encoder,
        "class_names": frames.class_names,
        "n_unreadable": frames.n_unreadable,
    }
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "told": np.array(json.dumps(told)),
        "frame_ids": frames.frame_ids,
        "digests": frames.digests,
        "labels_N": frames.labels_N,
        "sessions": frames.sessions,
        "features_KND": frames.features_KND,
        "hashes_KN": frames.hashes_KN,
        **{f"tag:{name}": values for name, values in frames.tags.items()},
    }
    if frames.pixels_KN3HW is not None:
        arrays["pixels_KN3HW"] = frames.pixels_KN3HW
    sink = io.BytesIO()
    np.savez(sink, **arrays)  # type: ignore[arg-type]
    write_whole(path, sink.getvalue())


def load(path: Path) -> Frames:
    """Read what `save` wrote."""
    with np.load(path, allow_pickle=False) as found:
        arrays = dict(found.items())
    told = json.loads(str(arrays.pop("told")))
    tags = {name[4:]: arrays.pop(name) for name in list(arrays) if name.startswith("tag:")}
    pixels = arrays.pop("pixels_KN3HW", None)
    return Frames(
        source=told["source"],
        encoder=told["encoder"],
        class_names=tuple(told["class_names"]),
        tags=tags,
        pixels_KN3HW=pixels,
        n_unreadable=told.get("n_unreadable", 0),
        **arrays,
    )


def digest_of(frames: Frames) -> str:
    """Give the digest of everything that runs depend on."""
    digest = hashlib.sha256(repr((frames.encoder, frames.class_names)).encode())
    parts = (frames.frame_ids, frames.labels_N, frames.sessions, frames.features_KND)
    for array in (*parts, frames.hashes_KN, frames.pixels_KN3HW, *frames.tags.values()):
        if array is not None:
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _versions(
    frame: npt.NDArray[np.uint8], copies: int, *, name: str
) -> list[npt.NDArray[np.uint8]]:
    """Give the frame and what the camera would have seen a moment later."""
    rng = np.random.default_rng(list(hashlib.sha256(name.encode()).digest()))
    found = [frame]
    for _ in range(copies - 1):
        gain = 1 + rng.uniform(-GAIN, GAIN)
        noise = rng.standard_normal(frame.shape[:2])[..., None] * NOISE_LEVELS
        found.append(np.clip(np.rint(frame * gain + noise), 0, 255).astype(np.uint8))
    return found


def _small(frame: npt.NDArray[np.uint8], side: int) -> Pixels:
    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray(frame).save(sink, "BMP")
    return resized(sink.getvalue(), height=side, width=side)[0]


def _by_copy(features: list[Rows], copies: int) -> Rows:
    """Turn versions of a frame that lie side by side into [K, N, D]."""
    rows = np.concatenate(features)
    by_copy: Rows = rows.reshape(-1, copies, rows.shape[1]).swapaxes(0, 1).copy()
    return by_copy


def _light(frame: SourceFrame) -> SourceFrame:
    """Keep what is told of a frame and the digest of its bytes, not the bytes."""
    return SourceFrame(
        data=hashlib.sha256(frame.data).hexdigest().encode(),
        name=frame.name,
        media_type=frame.media_type,
        label=frame.label,
        session=frame.session,
        site=frame.site,
        tags=frame.tags,
    )


def _class_names(source: FrameSource, found: list[SourceFrame]) -> tuple[str, ...]:
    there = {str(frame.label) for frame in found}
    names = tuple(name for name in source.class_names if name in there)
    names = (*names, *sorted(there - set(names)))
    if len(names) < 2:
        msg = (
            f"{source.name}: expected labeled frames of at least two classes, found {len(found)} "
            f"of {', '.join(names) or 'no class'}"
        )
        raise BadInput(msg)
    return names


def _tags(found: list[SourceFrame]) -> dict[str, Texts]:
    """Give the columns that make slices: few values, and more than one."""
    columns: dict[str, Texts] = {}
    names = sorted({name for frame in found for name in frame.tags})
    for name in names:
        columns[name] = np.array([str(frame.tags.get(name, "")) for frame in found])
    columns["site"] = np.array([frame.site for frame in found], dtype=np.str_)
    return {
        name: values
        for name, values in columns.items()
        if 1 < len(np.unique(values)) <= TAG_VALUES_MAX
    }


def _id(source: str, name: str, copy: int) -> str:
    return hashlib.sha256(f"{source}\x1f{name}\x1f{copy}".encode()).hexdigest()[:32]
