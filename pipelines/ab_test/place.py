"""A source of frames made ready for a comparison: gated, decoded once, given its roles."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from ab_test.frames import Flags, Frame, Positions, in_time
from ab_test.setting import AbSetting
from winnow.constraints.duplicates import duplicate_clusters
from winnow.constraints.gates import GateThresholds, flag_gate, quality_gate
from winnow.constraints.leak_groups import leak_groups
from winnow.constraints.perceptual_hash import perceptual_hash
from winnow.constraints.pixels import luma
from winnow.domain.boxes import boxes_of
from winnow.domain.errors import BadInput
from winnow.policy.round_sections import GateSection
from winnow.ports.encoder import Encoder
from winnow.ports.frame_source import FrameSource, SourceFrame
from winnow.tasks.decode import decode_rgb
from winnow.tasks.examples import Examples, Pixels, Values, examples_of
from winnow.tasks.task import task_named

GATES = GateSection()
"""What a round's policy takes for near-duplicates, unless it says otherwise."""


@dataclass(frozen=True, slots=True)
class Place:
    """N frames that have a role, and what each is for; roles share no session."""

    name: str
    class_names: tuple[str, ...]
    n_frames: int
    """How many no gate blocks; most are often neither reference, holdout nor pool."""
    frames: tuple[Frame, ...]
    examples: Examples
    clusters_N: npt.NDArray[np.int64]
    """Number of each frame's near-duplicate cluster."""
    groups_N: Positions
    """See `leak_groups`: sessions and clusters are on one side of every border."""
    reference: Positions
    holdout: Positions
    pool: Positions
    blocked: Mapping[str, int]
    """Gate → frames that it left out."""


def place_of(source: FrameSource, setting: AbSetting, encoder: Encoder) -> Place:
    """Read a source, leave out what a round's gates would, and deal its sessions out.

    Parameters
    ----------
    encoder
        Tells near-duplicates, beside the perceptual hash.

    Raises
    ------
    BadInput
        The source knows no boxes, lacks a class of interest, or has too few frames for the roles.
    """
    missing = sorted(set(setting.interest) - set(source.class_names))
    if missing:
        known = ", ".join(source.class_names) or "none"
        msg = f"{source.name}: expected the classes {', '.join(missing)}, found {known}"
        raise BadInput(msg)
    # Roles need all frames' duplicates; memory would not hold the pixels of all.
    with tempfile.TemporaryFile() as pixels_file:
        read = _Reader(setting, source.class_names, encoder, pixels_file)
        for frame in source.frames():
            read.add(frame)
        if not read.frames:
            msg = f"{source.name}: expected frames that pass the gates, found none"
            raise BadInput(msg)
        clusters_N = read.clusters()
        groups_N = leak_groups([frame.session for frame in read.frames], clusters_N)
        roles = _deal(read.frames, groups_N, setting, name=source.name)
        kept = np.unique(np.concatenate(roles))
        examples = read.examples(kept)
    reference, holdout, pool = (np.searchsorted(kept, role) for role in roles)
    return Place(
        name=source.name,
        class_names=source.class_names,
        n_frames=len(read.frames),
        frames=tuple(read.frames[pos] for pos in kept.tolist()),
        examples=examples,
        clusters_N=clusters_N[kept],
        groups_N=groups_N[kept],
        reference=reference,
        holdout=holdout,
        pool=pool,
        blocked=dict(sorted(read.blocked.items())),
    )


class _Reader:
    """Takes frames one by one; keeps pixels at the network's size, in a file that ends with it."""

    def __init__(
        self,
        setting: AbSetting,
        class_names: Sequence[str],
        encoder: Encoder,
        pixels_file: BinaryIO,
    ) -> None:
        self.frames: list[Frame] = []
        self.blocked: Counter[str] = Counter()
        self._setting = setting
        self._class_names = class_names
        self._task = task_named(setting.network)
        self._encoder = encoder
        self._pixels_file = pixels_file
        self._targets: list[Values] = []
        self._hashes: list[int] = []
        self._vectors: list[npt.NDArray[np.float32]] = []

    def add(self, found: SourceFrame) -> None:
        """Decode a frame and keep it, or count the gate that blocks it."""
        finding = flag_gate(privacy_blocked=found.privacy_blocked)
        if finding.gate:
            self.blocked[finding.gate] += 1
            return
        try:
            rgb = decode_rgb(found.data)
        except BadInput:
            self.blocked["unreadable"] += 1
            return
        finding = quality_gate(rgb, calibrated=found.calibrated, thresholds=GateThresholds())
        if finding.gate:
            self.blocked[finding.gate] += 1
            return
        self._keep(found, rgb)

    def _keep(self, found: SourceFrame, rgb: npt.NDArray[np.uint8]) -> None:
        size = (rgb.shape[1], rgb.shape[0])
        label = found.label or "[]"
        boxes = boxes_of(label, class_names=self._class_names, size=size)
        place = len(self.frames)
        at = place * 1_000_000
        if found.captured_at is not None:
            at = round(found.captured_at.timestamp() * 1e6)
        self.frames.append(
            Frame(
                frame_id=found.name,
                # Without sessions each frame is one of its own.
                session=found.session or found.name,
                captured_us=at,
                tags={**found.tags, "site": found.site},
                size=size,
                boxes=boxes,
            )
        )
        self._targets.append(self._task.target(label, class_names=self._class_names, size=size))
        self._pixels_file.write(_resized(rgb, self._setting).tobytes())
        self._hashes.append(perceptual_hash(luma(rgb)))
        self._vectors.append(self._encoder.encode([rgb])[0])

    def clusters(self) -> npt.NDArray[np.int64]:
        """Give near-duplicate clusters over all frames that were kept."""
        return duplicate_clusters(
            [frame.frame_id for frame in self.frames],
            np.array(self._hashes, dtype=np.uint64),
            hashed_N=np.ones(len(self.frames), dtype=np.bool_),
            embeddings_ND=np.stack(self._vectors),
            hash_bits_max=GATES.duplicate_hash_bits,
            cosine_min=GATES.duplicate_cosine,
        )

    def examples(self, rows: Positions) -> Examples:
        """Give some of the frames that were kept, with their targets."""
        chosen = rows.tolist()
        self._pixels_file.flush()
        shape = (len(self.frames), 3, self._setting.input_height, self._setting.input_width)
        pixels = np.memmap(self._pixels_file, dtype=np.uint8, mode="r", shape=shape)
        return examples_of(
            np.asarray(pixels[rows]),
            [self._targets[pos] for pos in chosen],
            sizes=[self.frames[pos].size for pos in chosen],
        )


def _resized(rgb: npt.NDArray[np.uint8], setting: AbSetting) -> Pixels:
    from PIL import Image

    size = (setting.input_width, setting.input_height)
    small = Image.fromarray(rgb).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.uint8).transpose(2, 0, 1)


def _deal(
    frames: Sequence[Frame], groups_N: Positions, setting: AbSetting, *, name: str
) -> tuple[Positions, Positions, Positions]:
    """Give reference, holdout and pool: groups in a random order fill one after the other."""
    rng = np.random.Generator(np.random.Philox(key=setting.seed))
    thinned: Flags = np.zeros(len(frames), dtype=np.bool_)
    thinned[_thinned(frames, setting.reference_gap_seconds)] = True
    roles = []
    groups = rng.permutation(int(groups_N.max()) + 1).tolist()
    for n in (setting.reference_frames, setting.holdout_frames):
        taken: list[int] = []
        while groups and len(taken) < n:
            group = groups.pop()
            taken.extend(np.flatnonzero((groups_N == group) & thinned).tolist())
        roles.append(np.array(sorted(taken[:n]), dtype=np.intp))
    rest = np.flatnonzero(np.isin(groups_N, groups))
    pool = np.array(
        [pos for pos in rest.tolist() if frames[pos].has(setting.pool_tags)], dtype=np.intp
    )
    if len(pool) < setting.batch_frames:
        msg = (
            f"{name}: expected {setting.batch_frames} frames or more in the pool after "
            f"{len(roles[0])} of reference and {len(roles[1])} of holdout, found {len(pool)} "
            f"of {len(frames)} with the tags {setting.pool_tags}"
        )
        raise BadInput(msg)
    return roles[0], roles[1], pool


def _thinned(frames: Sequence[Frame], gap_seconds: float) -> list[int]:
    """Give positions at least a gap apart in each session, from its first frame on."""
    kept: list[int] = []
    for run in in_time(frames, np.arange(len(frames), dtype=np.intp)):
        last: int | None = None
        for pos in run.tolist():
            at = frames[pos].captured_us
            if last is None or at - last >= gap_seconds * 1e6:
                kept.append(pos)
                last = at
    return kept
