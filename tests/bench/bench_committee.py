"""A committee over many frames: ways to compute it, what decoding adds, and the way over gRPC."""

from __future__ import annotations

import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from tests.bench.measuring import best_of, row
from tests.unit.committee.manifests import put_untrained
from tests.unit.training.toy_world import frame_columns
from winnow.adapters.calls import Calls
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.kserve_committee import KServeCommittee
from winnow.adapters.local_committee import LocalCommittee
from winnow.adapters.process_deployments import ProcessDeployments
from winnow.contracts.artifacts import write_table
from winnow.contracts.manifests import SnapshotPart
from winnow.contracts.tables import SNAPSHOT_PART
from winnow.domain.blob_ref import BlobRef
from winnow.domain.ids import CommitteeVersion
from winnow.ports.deployments import Part
from winnow.runtime.ingest_gathering import IngestOptions
from winnow.tasks.blocks import FRAMES_AT_ONCE
from winnow.tasks.committee import CommitteeModel
from winnow.tasks.executors import Executor, Networks, fastest_of, make_executor
from winnow.tasks.memory import keep_freed_memory
from winnow.tasks.part_scoring import score_part
from winnow.tasks.task import NetworkConfig, task_named

CLASSES = ("bus", "car", "person")
GREY = (128.0, 128.0, 128.0)
VERSION = CommitteeVersion("c0")
EXECUTORS = ("loop", "threads", "grouped", "vmap")
CHOICE, DECODING, OVER_GRPC = 0.95, 1 / 1.1, 0.8
"""Least ratios: to the best way, to decoded pixels in memory, to this process."""
SHAPES = (
    ("tiny networks, 32 px", "classification", 32, 4, 8, 256),
    ("small networks, 32 px", "classification", 32, 16, 4, 256),
    ("wide networks, 32 px", "classification", 32, 32, 8, 128),
    ("detectors, 160 px", "grid_detection", 160, 16, 4, 26),
)
"""Name, family, side, width, members, frames."""


def run() -> list[dict[str, object]]:
    """Give the rows of all comparisons."""
    keep_freed_memory()  # as every committee does
    rows = [one for shape in SHAPES for one in _ways(*shape)]
    with tempfile.TemporaryDirectory() as folder:
        blobs = FileBlobs(Path(folder) / "blobs")
        # A part as ingest leaves it: two calls to the committee.
        n_frames = IngestOptions().frames_per_shard
        rows += _decoding(blobs, "classification", side=96, n_frames=n_frames)
        rows += _decoding(blobs, "grid_detection", side=160, n_frames=96)
        rows += _over_grpc(blobs, Path(folder), "classification", side=96, n_frames=512)
        rows += _over_grpc(blobs, Path(folder), "grid_detection", side=160, n_frames=128)
    return rows


def _ways(
    name: str, family: str, side: int, width: int, n_members: int, n_frames: int
) -> Iterator[dict[str, object]]:
    """Compare the way that a committee chooses with all ways, on one core and on all."""
    config = NetworkConfig(family, CLASSES, side, side, width, GREY, GREY)
    task = task_named(family)
    made = tuple(
        task.network(config, rng=np.random.Generator(np.random.Philox(m))).eval()
        for m in range(n_members)
    )
    networks = Networks((task,) * n_members, made, (config,) * n_members)
    pixels = _pixels(n_frames, side)
    for n_cores in sorted({1, os.cpu_count() or 1}):
        with _threads(n_cores):
            ways = {
                key: way for key in EXECUTORS if (way := make_executor(key, networks)) is not None
            }
            chosen = fastest_of(config, n_members, "cpu", n_cores)
            jobs = [partial(_in_blocks, way, pixels) for way in ways.values()]
            seconds = dict(zip(ways, best_of(9, *jobs), strict=True))
        title = f"{n_members} {name}, {n_cores} core(s): {chosen}"
        for key, taken in seconds.items():
            rate = n_frames / taken / n_cores
            peer = f"{key}: {rate:.0f} frames/s and core"
            yield row(title, seconds[chosen], peer, taken, goal=None)
        yield row(title, seconds[chosen], "the best", min(seconds.values()), goal=CHOICE)


def _in_blocks(way: Executor, pixels: npt.NDArray[np.uint8]) -> None:
    """Go through frames as a committee does: so many at once."""
    for start in range(0, len(pixels), FRAMES_AT_ONCE):
        way.outputs(pixels[start : start + FRAMES_AT_ONCE])


def _decoding(
    blobs: FileBlobs, family: str, *, side: int, n_frames: int
) -> Iterator[dict[str, object]]:
    """Compare scoring a part of a snapshot, from the object store, with pixels in memory."""
    members = put_untrained(blobs, 4, CLASSES, version=VERSION, network=family, side=side, width=16)
    model = CommitteeModel.load(blobs, members)
    frames, pixels = _jpegs(n_frames, side), _pixels(n_frames, side)
    with _threads(1):
        jobs: list[Callable[[], object]] = [
            lambda: model.score(frames),
            lambda: model.score_pixels(pixels),
        ]
        if family == "classification":
            jobs.append(_scoring_of(blobs, members, frames))
        (decoded, in_memory, *stored) = best_of(9, *jobs)
    title = f"4 members, {family} at {side} px, {n_frames} JPEGs"
    yield row(f"{title}: decode", decoded, "pixels in memory", in_memory, goal=DECODING)
    for seconds in stored:
        yield row(
            f"{title}: read, decode, store", seconds, "pixels in memory", in_memory, goal=DECODING
        )


def _scoring_of(blobs: FileBlobs, members: BlobRef, frames: list[bytes]) -> Callable[[], object]:
    committee, part = LocalCommittee(blobs), _part(blobs, frames)

    def scored() -> None:
        found = score_part(
            blobs,
            committee,
            part,
            version=VERSION,
            members=members,
            n_classes=len(CLASSES),
            frames_per_call=256,
            prefix="scores",
        )
        # What lies there already would not be written again.
        path = blobs.local_path(found.scores)
        assert path is not None
        path.unlink()

    return scored


def _over_grpc(
    blobs: FileBlobs, folder: Path, family: str, *, side: int, n_frames: int
) -> Iterator[dict[str, object]]:
    """Compare a server on loopback, 64 frames a request, with the same model in this process."""
    members = put_untrained(blobs, 4, CLASSES, version=VERSION, network=family, side=side, width=16)
    servers = ProcessDeployments(folder / family, blobs_url=f"file://{folder / 'blobs'}")
    frames = _jpegs(n_frames, side)
    try:
        endpoints = servers.apply(VERSION, members, [Part("committee-r0-c0")])
        served = KServeCommittee(blobs, lambda version: endpoints, calls=Calls())
        while servers.lacks(VERSION):
            time.sleep(0.1)
        served.load(VERSION, members)
        model = CommitteeModel.load(blobs, members)
        with _threads(1):
            ours, here = best_of(
                5, lambda: served.score(VERSION, frames), lambda: model.score(frames)
            )
        served.close()
    finally:
        servers.remove(VERSION)
    title = f"4 members, {family} at {side} px, over gRPC by 64"
    yield row(title, ours, "in this process", here, goal=OVER_GRPC)


@contextmanager
def _threads(n: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _pixels(n: int, side: int) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, size=(n, 3, side, side), dtype=np.uint8)


def _jpegs(n: int, side: int) -> list[bytes]:
    """Give smooth frames twice as large as the networks take."""
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(n):
        coarse = rng.integers(0, 256, size=(9, 9, 3), dtype=np.uint8)
        sink = io.BytesIO()
        Image.fromarray(coarse).resize((2 * side, 2 * side)).save(sink, "JPEG", quality=90)
        frames.append(sink.getvalue())
    return frames


def _part(blobs: FileBlobs, frames: list[bytes]) -> SnapshotPart:
    n = len(frames)
    refs = [blobs.put(data, prefix="frames", media_type="image/jpeg") for data in frames]
    columns = {
        **frame_columns(0, refs),
        "row": list(range(n)),
        "gate": [""] * n,
        "gate_detail": [""] * n,
        "cluster": [""] * n,
        "cluster_size": [1] * n,
    }
    table = pa.table(columns, schema=SNAPSHOT_PART)
    ref = write_table(blobs, table, SNAPSHOT_PART, prefix="rounds")
    return SnapshotPart(part=ref, embedded=ref, n_frames=n)
