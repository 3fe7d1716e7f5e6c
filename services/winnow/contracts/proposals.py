"""Choose a batch and store it: tables, evidence, manifest. Repeating it is harmless."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from winnow.contracts.artifacts import JSON, read_manifest, write_manifest, write_table
from winnow.contracts.batches import (
    PREFIX,
    Sources,
    batch_manifest,
    batch_table,
    candidates_table,
    load_inputs,
)
from winnow.contracts.manifests import Batch, Scores, Snapshot
from winnow.contracts.tables import CANDIDATES, batch_schema
from winnow.domain.blob_ref import BlobRef
from winnow.domain.ids import derived_uuid
from winnow.evidence.artifact import Producer
from winnow.evidence.candidate_record import CandidateRecord, MemberOutputs
from winnow.kernels.protocol import DistanceKernel
from winnow.policy.inputs import SelectionInputs
from winnow.policy.proposal import Proposal
from winnow.policy.select import SELECTOR_VERSION, propose
from winnow.ports.blobs import Blobs


@dataclass(frozen=True, slots=True)
class StoredProposal:
    """A proposed batch as it lies in the object store. Without frames there is no manifest."""

    proposal: Proposal
    frame_ids: tuple[str, ...]
    """In rank order."""
    batch: Batch | None
    manifest: BlobRef | None

    def why_empty(self) -> str:
        """Say why a proposal has no frames."""
        sizes = self.proposal.sizes
        if not sizes.n_eligible:
            return "the gated pool is empty: every frame is blocked, labeled or held"
        if not sizes.n_affordable:
            return (
                f"the batch can afford no frame: one costs {sizes.price_micros} micros, "
                f"{sizes.micros_max} are available"
            )
        return f"the strategy chose none of {sizes.n_eligible} frames"


def store_proposal(
    blobs: Blobs,
    sources: Sources,
    *,
    producer: Producer,
    at: datetime,
    kernel: DistanceKernel | None = None,
) -> StoredProposal:
    """Choose a batch from stored artifacts and store it beside its evidence."""
    inputs = load_inputs(blobs, sources)
    proposal = propose(inputs, kernel=kernel)
    frame_ids = tuple(inputs.frame_ids[proposal.batch].tolist())
    if not frame_ids:
        return StoredProposal(proposal, (), None, None)
    snapshot = read_manifest(blobs, sources.snapshot, Snapshot)
    candidates = candidates_table(inputs, proposal)
    candidates_ref = write_table(blobs, candidates, CANDIDATES, prefix=f"{PREFIX}/candidates")
    table = batch_table(blobs, snapshot, inputs, proposal, scores=sources.scores)
    table_ref = write_table(
        blobs, table, batch_schema(snapshot.label_kind), prefix=f"{PREFIX}/batches"
    )
    scores = None if sources.scores is None else read_manifest(blobs, sources.scores, Scores)
    draft = batch_manifest(
        sources,
        snapshot,
        inputs,
        proposal,
        table=table_ref,
        candidates=candidates_ref,
        candidate_record=None,
        scored_by="" if scores is None else scores.committee_version,
    )
    record = _record(draft, scores, inputs, proposal, producer=producer, at=at)
    record_ref = blobs.put(
        record.model_dump_json().encode(), prefix=f"{PREFIX}/evidence", media_type=JSON
    )
    batch = draft.model_copy(update={"candidate_record": record_ref})
    manifest = write_manifest(blobs, batch, prefix=f"{PREFIX}/manifests")
    return StoredProposal(proposal, frame_ids, batch, manifest)


def _record(
    batch: Batch,
    scores: Scores | None,
    inputs: SelectionInputs,
    proposal: Proposal,
    *,
    producer: Producer,
    at: datetime,
) -> CandidateRecord:
    members = () if scores is None else scores.member_digests
    gates = Counter(gate for gate in proposal.gates.tolist() if gate)
    return CandidateRecord(
        id=derived_uuid("candidate_record", batch.batch_id),
        created_at=at,
        producer=producer,
        round_id=batch.round_id,
        batch_id=batch.batch_id,
        source_snapshot=batch.snapshot,
        scores=batch.scores,
        policy=batch.policy,
        policy_sha256=inputs.policy.sha256,
        selector_version=SELECTOR_VERSION,
        seed=batch.seed,
        committee_version="" if scores is None else scores.committee_version,
        members=tuple(MemberOutputs(member=m, outputs_sha256=s) for m, s in members),
        acquisition=proposal.acquisition,
        weights=proposal.weights,
        strategy=proposal.strategy,
        strategy_options=proposal.decision.switch.strategy.model_dump(
            mode="json", exclude={"name"}
        ),
        cold_start=proposal.decision.switch.cold,
        because=proposal.because,
        notes=proposal.notes,
        budget_id=dict(batch.budget_ids).get("human_annotation", ""),
        price_micros=proposal.sizes.price_micros,
        affordable_micros=batch.affordable_micros,
        held=batch.held,
        n_frames=len(proposal.gates),
        n_asked=proposal.sizes.n_asked,
        n_eligible=proposal.sizes.n_eligible,
        n_selected=len(proposal.batch),
        n_random=proposal.sizes.n_random,
        refused_by_gate=dict(sorted(gates.items())),
        records=batch.candidates,
        batch=batch.table,
    ).sealed()
