"""What the cloud knows, in a file that vehicles choose against."""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import Final

import numpy as np

from winnow.contracts.snapshots import read_pool
from winnow.domain.errors import BadInput
from winnow.domain.tables import EMBEDDED_SHARDS
from winnow.kernels.philox import order_of
from winnow.ports.blobs import Blobs
from winnow.ports.ledger import Ledger
from winnow.runtime.upload_planning import CloudKnowledge

STEP: Final = 53
"""Draws of the frames that a limited cloud set holds."""
UNREADABLE: Final = (OSError, ValueError, EOFError, zipfile.BadZipFile)


def cloud_set_bytes(ledger: Ledger, blobs: Blobs, *, limit: int | None, seed: int) -> bytes:
    """Give the embeddings of the pool as `.npz`: `embeddings`, `frame_ids`, `encoder_version`.

    Parameters
    ----------
    limit
        Embeddings of at most so many frames, a simple random sample: vehicles then see the cloud
        know a little less than it does. All frame ids are there in any case.

    Raises
    ------
    BadInput
        Nothing is embedded yet, or by several encoders.

    Notes
    -----
    The same pool, limit and seed give the same bytes. Memory: the pool's embeddings.
    """
    with ledger.snapshot() as view:
        rows = sorted(view.records.find(EMBEDDED_SHARDS), key=lambda row: row.key)
    versions = sorted({row.encoder_version for row in rows})
    if len(versions) != 1:
        found = ", ".join(versions) or "nothing embedded yet (winnow up does it)"
        msg = f"cloud set: expected a pool embedded by one encoder, found {found}"
        raise BadInput(msg)
    pool = read_pool(blobs, [row.embedded for row in rows])
    order = order_of(pool.frame_ids_N, seed=seed, step=STEP)
    drawn = np.sort(order[pool.embedded_N[order]][:limit])
    sink = io.BytesIO()
    np.savez(
        sink,
        embeddings=pool.embeddings_ND[drawn],
        frame_ids=pool.frame_ids_N,
        encoder_version=np.array(versions[0]),
    )
    return sink.getvalue()


def read_cloud_set(data: bytes, *, where: str) -> CloudKnowledge:
    """Read a cloud set: what `cloud_set_bytes` gives, or a bare array of embeddings (`.npy`).

    Raises
    ------
    BadInput
        It is neither, or its embeddings are no rows of numbers.
    """
    try:
        loaded = np.load(io.BytesIO(data), allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            rows, frame_ids, version = loaded, np.empty(0, dtype=np.str_), ""
        else:
            rows, frame_ids = loaded["embeddings"], loaded["frame_ids"]
            version = str(loaded["encoder_version"])
    except (*UNREADABLE, KeyError) as error:
        msg = (
            f"{where}: expected a cloud set (winnow upload cloud-set) or embeddings as .npy, "
            f"found: {error}"
        )
        raise BadInput(msg) from error
    if rows.ndim != 2 or rows.dtype.kind not in "fiu":
        msg = f"{where}: expected embeddings [L, D], found {rows.dtype} of shape {rows.shape}"
        raise BadInput(msg)
    return CloudKnowledge(
        embeddings=rows.astype(np.float32),
        frame_ids=frozenset(frame_ids.tolist()),
        encoder_version=version,
        sha256=hashlib.sha256(data).hexdigest(),
    )
