"""Members manifests without weights, for those who only read names."""

from __future__ import annotations

from collections.abc import Sequence

from winnow.contracts.artifacts import Member, Members, write_manifest
from winnow.domain.blob_ref import BlobRef
from winnow.ports.blobs import Blobs


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
    members = tuple(
        Member(
            name=name,
            seed=0,
            checkpoint=empty,
            temperatures=(1.0,),
            step=1,
            metrics={},
            compute_ms=1,
        )
        for name in names
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
