"""Members manifests: without weights for those who only read names, or with untrained networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from winnow.contracts.artifacts import write_manifest
from winnow.contracts.manifests import Member, Members
from winnow.domain.blob_ref import BlobRef
from winnow.ports.blobs import Blobs
from winnow.tasks.checkpoint import Checkpoint, checkpoint_bytes
from winnow.tasks.task import NetworkConfig, task_named


def put_members(
    blobs: Blobs,
    names: Sequence[str],
    class_names: Sequence[str],
    *,
    version: str,
    accuracy: float = 0.5,
) -> BlobRef:
    """Store the manifest of members whose checkpoints are empty; give its reference."""
    empty = blobs.put(b"", prefix="models", media_type="application/octet-stream")
    checkpoints = dict.fromkeys(names, empty)
    return _put(blobs, checkpoints, class_names, version=version, accuracy=accuracy)


def put_untrained(
    blobs: Blobs,
    n_members: int,
    class_names: Sequence[str],
    *,
    version: str,
    network: str,
    side: int = 32,
    width: int = 4,
) -> BlobRef:
    """Store a committee of small untrained networks, each with weights of its own."""
    mean, std = (90.0, 90.0, 90.0), (50.0, 50.0, 50.0)
    config = NetworkConfig(network, tuple(class_names), side, side, width, mean, std)
    task = task_named(network)
    checkpoints = {}
    for m in range(n_members):
        rng = np.random.Generator(np.random.Philox(m))
        weights = task.network(config, rng=rng).state_dict()
        data = checkpoint_bytes(Checkpoint(config, weights, "", seed=m, step=0, train_loss=0.0))
        checkpoints[f"m{m}"] = blobs.put(data, prefix="models", media_type="x")
    n = len(class_names) if task.kind == "detection" else 1
    return _put(blobs, checkpoints, class_names, version=version, temperatures=(1.0,) * n)


def _put(
    blobs: Blobs,
    checkpoints: Mapping[str, BlobRef],
    class_names: Sequence[str],
    *,
    version: str,
    accuracy: float = 0.5,
    temperatures: tuple[float, ...] = (1.0,),
) -> BlobRef:
    members = tuple(
        Member(
            name=name,
            seed=0,
            checkpoint=checkpoint,
            temperatures=temperatures,
            step=1,
            metrics={},
            compute_ms=1,
        )
        for name, checkpoint in checkpoints.items()
    )
    manifest = Members(
        committee_version=version,
        round_id=version.replace("c", "r"),
        task="classification",
        class_names=tuple(class_names),
        config={},
        dataset_sha256="",
        members=members,
        metrics={"accuracy": accuracy},
    )
    return write_manifest(blobs, manifest, prefix="models")
