"""Scoring a shard as arrays, against one frame at a time."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from tests.unit.training.toy_world import CLASSES, frame_columns, put_frames
from winnow.adapters.file_blobs import FileBlobs
from winnow.contracts.artifacts import write_table
from winnow.contracts.manifests import SnapshotPart
from winnow.contracts.tables import SNAPSHOT_PART
from winnow.domain.blob_ref import BlobRef
from winnow.domain.ids import CommitteeVersion
from winnow.ports.committee import CommitteeAnswer
from winnow.tasks.committee import CommitteeModel, LoadedMember
from winnow.tasks.part_scoring import score_part
from winnow.tasks.task import NetworkConfig, task_named

N_FRAMES = 512
N_MEMBERS = 4
GOAL = 3.0
"""A batch of frames must be at least this much faster than frame by frame."""


class _Loaded:
    """A committee of untrained members: speed does not depend on the weights."""

    def __init__(self) -> None:
        grey = (128.0, 128.0, 128.0)
        config = NetworkConfig("classification", CLASSES, 32, 32, 16, grey, grey)
        task = task_named("classification")
        members = []
        for m in range(N_MEMBERS):
            network = task.network(config, rng=np.random.Generator(np.random.Philox(m)))
            members.append(LoadedMember(f"m{m}", task, network, config, (1.0,)))
        self._model = CommitteeModel(members, class_names=CLASSES)

    def load(self, version: CommitteeVersion, members: BlobRef) -> tuple[str, ...]:
        return self._model.member_names

    def score(self, version: CommitteeVersion, frames: list[bytes]) -> CommitteeAnswer:
        return self._model.score(frames)


def run() -> list[dict[str, object]]:
    """Score one shard both ways; give one row."""
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        blobs = FileBlobs(Path(folder))
        part = _part(blobs)
        committee = _Loaded()

        def score(frames_per_call: int) -> float:
            return _timed(
                lambda: score_part(
                    blobs,
                    committee,  # type: ignore[arg-type]
                    part,
                    version=CommitteeVersion("c0"),
                    members=part.part,
                    n_classes=len(CLASSES),
                    frames_per_call=frames_per_call,
                    prefix="scores",
                )
            )

        score(256)  # the first call warms torch up
        ours, peer = min(score(256) for _ in range(3)), score(1)
    return [
        {
            "name": f"score {N_FRAMES} frames with {N_MEMBERS} members",
            "ours_seconds": ours,
            "peer": "one frame at a time",
            "peer_seconds": peer,
            "ratio": peer / ours,
            "goal": f">= {GOAL:g}",
            "holds": peer / ours >= GOAL,
            "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "cores": os.cpu_count() or 1,
        }
    ]


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _part(blobs: FileBlobs) -> SnapshotPart:
    _, refs = put_frames(blobs, 0, N_FRAMES)
    columns = {
        **frame_columns(0, refs),
        "row": list(range(N_FRAMES)),
        "gate": [""] * N_FRAMES,
        "gate_detail": [""] * N_FRAMES,
        "cluster": [""] * N_FRAMES,
        "cluster_size": [1] * N_FRAMES,
    }
    table = pa.table(columns, schema=SNAPSHOT_PART)
    ref = write_table(blobs, table, SNAPSHOT_PART, prefix="rounds")
    return SnapshotPart(part=ref, embedded=ref, n_frames=N_FRAMES)
