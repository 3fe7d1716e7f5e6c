"""The steps of a run: probe the new committee, make it the active one. `pipeline.py` wires them.

Only `probe` loads torch.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rollout.settings import RolloutSettings
from winnow.adapters.connect import connect_blobs, connect_ledger
from winnow.adapters.local_committee import LocalCommittee
from winnow.adapters.system_clock import SystemClock
from winnow.contracts.artifacts import Manifest, Members, read_manifest
from winnow.contracts.references import read_reference
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import IntegrityError
from winnow.domain.events import CommitteeRolled
from winnow.domain.ids import CommitteeVersion, RoundId
from winnow.domain.rows import CommitteeRow
from winnow.domain.tables import COMMITTEES
from winnow.ports.blobs import Blobs
from winnow.ports.clock import Clock
from winnow.ports.committee import Committee
from winnow.ports.ledger import Ledger, Transaction
from winnow.runtime.stating import state_facts

PROBE_FRAMES = 16
PROBE_PIXELS = 32
SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Context:
    """The outside of a step."""

    blobs: Blobs
    ledger: Ledger
    committee: Committee
    clock: Clock
    settings: RolloutSettings


class Probed(Manifest):
    """What the new committee answered."""

    committee_version: str
    members_answered: tuple[str, ...]
    mean_top_probability: float
    """Over members and frames: near 1 / classes it learned nothing, at 1 it doubts nothing."""


def open_context() -> Context:
    """Connect to what the environment names."""
    settings = RolloutSettings()
    blobs = connect_blobs(settings.blobs_url.get_secret_value())
    ledger = connect_ledger(settings.ledger_url.get_secret_value())
    return Context(blobs, ledger, LocalCommittee(blobs), SystemClock(), settings)


def probe(context: Context, *, members: str) -> str:
    """Let the new committee answer fixed frames; give a `Probed`.

    Raises
    ------
    IntegrityError
        A member is missing, does not answer, or answers what is no distribution.
    """
    ref = read_reference(members)
    manifest = read_manifest(context.blobs, ref, Members)
    version = CommitteeVersion(manifest.committee_version)
    context.committee.load(version, ref)
    answer = context.committee.score(version, probe_frames())
    expected = tuple(member.name for member in manifest.members)
    if answer.members_answered != expected:
        msg = f"committee {version}: expected answers of {', '.join(expected)}, "
        raise IntegrityError(msg + f"found {', '.join(answer.members_answered)}")
    shape = (PROBE_FRAMES, len(expected), len(manifest.class_names))
    probs_NMC = answer.class_probs()
    gap = np.abs(probs_NMC.sum(axis=2) - 1.0).max()
    if probs_NMC.shape != shape or not gap <= SUM_TOLERANCE:
        msg = f"committee {version}: expected distributions {shape}, "
        raise IntegrityError(msg + f"found {probs_NMC.shape}, sums off by {gap}")
    return Probed(
        committee_version=version,
        members_answered=answer.members_answered,
        mean_top_probability=float(probs_NMC.max(axis=2).mean()),
    ).model_dump_json()


def activate(context: Context, *, round_id: str, members: str, probed: str) -> None:
    """Make the probed committee the active one and state `committee.rolled`; once.

    Raises
    ------
    IntegrityError
        Another version than the one to activate was probed.
    """
    ref = read_reference(members)
    manifest = read_manifest(context.blobs, ref, Members)
    found = Probed.model_validate_json(probed).committee_version
    if found != manifest.committee_version:
        msg = f"expected a probe of {manifest.committee_version}, found one of {found}"
        raise IntegrityError(msg)
    with context.ledger.transaction() as tx:
        row = _row(tx, manifest, ref, round_id, context.settings.endpoint)
        if not tx.records.insert(COMMITTEES, row):
            return
        _retire_others(tx, row)
        event = CommitteeRolled(
            round_id=RoundId(round_id),
            committee_version=CommitteeVersion(row.key),
            endpoints=row.endpoints,
            generation=row.generation,
            members=ref,
        )
        state_facts(
            tx,
            [event],
            service="rollout",
            at=context.clock.now(),
            topic_prefix=context.settings.topic_prefix,
        )


def run_all(context: Context, arguments: Mapping[str, str]) -> None:
    """Run the whole pipeline in this process."""
    probed = probe(context, members=arguments["members"])
    activate(context, round_id=arguments["round_id"], members=arguments["members"], probed=probed)


def probe_frames() -> Sequence[bytes]:
    """Give the fixed frames: smooth coloured noise, the same for ever."""
    from PIL import Image

    rng = np.random.Generator(np.random.Philox(key=20260101))
    frames = []
    for _ in range(PROBE_FRAMES):
        coarse = rng.integers(0, 256, size=(4, 4, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((PROBE_PIXELS, PROBE_PIXELS))
        sink = io.BytesIO()
        image.save(sink, "PNG")
        frames.append(sink.getvalue())
    return frames


def _row(
    tx: Transaction, manifest: Members, ref: BlobRef, round_id: str, endpoint: str
) -> CommitteeRow:
    generation = 1 + max((row.generation for row in tx.records.find(COMMITTEES)), default=0)
    return CommitteeRow(
        key=manifest.committee_version,
        round_id=round_id,
        state="active",
        members=ref,
        dataset_sha256=manifest.dataset_sha256,
        generation=generation,
        endpoints=(f"{endpoint}{manifest.committee_version}",),
    )


def _retire_others(tx: Transaction, active: CommitteeRow) -> None:
    for old in tx.records.find(COMMITTEES, state="active"):
        if old.key != active.key:
            tx.records.update(COMMITTEES, old.key, lambda row: replace(row, state="retired"))
