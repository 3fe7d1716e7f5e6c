"""An approver's change of a proposed batch: an overlay that leaves the proposal as it was."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from winnow.contracts.artifacts import read_manifest, read_table, write_manifest, write_table
from winnow.contracts.batches import PREFIX, frames_named
from winnow.contracts.manifests import Amendment, Batch, Snapshot
from winnow.contracts.tables import BATCH, CANDIDATES, batch_schema
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput
from winnow.ports.blobs import Blobs

_OF_CANDIDATES = ["frame_id", "cluster", "gate", "score", "price_micros"]
ARM = "person"
"""Arm of a frame that an approver put in; its inclusion probability is unknown."""


def amendment_of(arguments: Mapping[str, object], *, author: str, at: datetime) -> Amendment:
    """Read what a person asked for: `removed` and `added` (lists of frame ids) and `reason`.

    Raises
    ------
    BadInput
        A list is none, or both are empty.
    """
    removed, added = (_frame_ids(arguments, name) for name in ("removed", "added"))
    if not removed and not added:
        msg = "amendment: expected frames to remove or to add, found none"
        raise BadInput(msg)
    return Amendment(
        author=author,
        at=at.isoformat(),
        removed=removed,
        added=added,
        reason=str(arguments.get("reason", "")),
    )


def _frame_ids(arguments: Mapping[str, object], name: str) -> tuple[str, ...]:
    found = arguments.get(name, [])
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        msg = f"amendment: {name}: expected a list of frame ids, found {found!r}"
        raise BadInput(msg)
    return tuple(found)


def amend(blobs: Blobs, proposed: BlobRef, amendment: Amendment) -> tuple[Batch, BlobRef]:
    """Give the batch as amended, and where its manifest lies.

    Raises
    ------
    BadInput
        A frame to remove is not in the batch; one to add is in it already, not in the snapshot or
        blocked by a gate; or nothing would be left. The text lists every such frame.
    """
    batch = read_manifest(blobs, proposed, Batch)
    table = overlay(blobs, batch, amendment)
    n_frames = table.num_rows
    changed = batch.model_copy(
        update={
            "table": write_table(
                blobs, table, batch_schema(batch.label_kind), prefix=f"{PREFIX}/batches"
            ),
            "n_frames": n_frames,
            "price_micros": sum(table["price_micros"].to_pylist()),
            "amendments": (*batch.amendments, amendment),
            "proposal": batch.proposal or proposed,
        }
    )
    return changed, write_manifest(blobs, changed, prefix=f"{PREFIX}/manifests")


def overlay(blobs: Blobs, batch: Batch, amendment: Amendment) -> pa.Table:
    """Give the batch's table with an amendment laid over it; ranks close up."""
    table = read_table(blobs, batch.table, BATCH)
    candidates = {
        str(row["frame_id"]): row
        for row in read_table(
            blobs, batch.candidates, CANDIDATES, columns=_OF_CANDIDATES
        ).to_pylist()
        if row["frame_id"] in amendment.added
    }
    _check(set(table["frame_id"].to_pylist()), candidates, amendment)
    removed = pa.array(amendment.removed, type=pa.string())
    kept = table.filter(pc.invert(pc.is_in(table["frame_id"], value_set=removed)))
    snapshot = read_manifest(blobs, batch.snapshot, Snapshot)
    rows = [
        _added(row, candidates[str(row["frame_id"])], amendment)
        for row in frames_named(blobs, snapshot, amendment.added).to_pylist()
    ]
    whole = pa.concat_tables([kept, pa.Table.from_pylist(rows, schema=kept.schema)])
    if not whole.num_rows:
        msg = f"{batch.batch_id}: expected frames in the amended batch, found none; reject it"
        raise BadInput(msg)
    ranks = pa.array(range(whole.num_rows), type=pa.int32())
    return whole.set_column(whole.schema.get_field_index("rank"), "rank", ranks)


def _check(
    members: set[str], candidates: Mapping[str, Mapping[str, object]], amendment: Amendment
) -> None:
    mistakes = [f"{f}: is not in the batch" for f in amendment.removed if f not in members]
    kept = members - set(amendment.removed)
    for frame_id in amendment.added:
        if frame_id in kept or amendment.added.count(frame_id) > 1:
            mistakes.append(f"{frame_id}: would be in the batch twice")
        elif frame_id not in candidates:
            mistakes.append(f"{frame_id}: is not in the round's snapshot")
        elif candidates[frame_id]["gate"]:
            mistakes.append(f"{frame_id}: gate {candidates[frame_id]['gate']}")
    if mistakes:
        raise BadInput("amendment: " + "; ".join(mistakes))


def _added(
    frame: Mapping[str, object],
    candidate: Mapping[str, object],
    amendment: Amendment,
) -> dict[str, object]:
    return {
        **frame,
        "cluster": candidate["cluster"],
        "rank": 0,
        "arm": ARM,
        "score": candidate["score"],
        "utility": None,
        "reason": f"added by {amendment.author}: {amendment.reason}",
        "inclusion_probability": None,
        "draw_probability": None,
        "price_micros": candidate["price_micros"],
        "pre_label": "",
        "pre_label_score": None,
        "lure_weight": None,
    }
