"""A committee's evaluation on the holdout, and its manifest: what registering enters."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from retrain.calibration_split import calibration_mask, n_divided
from retrain.data import (
    Pack,
    holdout_grouping,
    known_weights,
    label_weights,
    labels_by_class,
    put_array,
    unpack,
)
from retrain.orders import Trained, prefix_of
from winnow.calibration.reliability import ReliabilityBin
from winnow.contracts.artifacts import read_manifest, write_manifest, write_table
from winnow.contracts.detection_scores import shown_label
from winnow.contracts.manifests import Dataset, Evaluation, Member, Members, StopSet
from winnow.contracts.tables import ORACLE
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import TrainingFailed
from winnow.domain.ids import RoundId, committee_version_of, derived_uuid
from winnow.estimation import effective_sample_size
from winnow.policy.model import Policy, stored_policy
from winnow.ports.blobs import Blobs
from winnow.stopping import mean_normalised_entropy
from winnow.tasks.committee import load_member
from winnow.tasks.evaluation import (
    CONFUSED_SCORE_MIN,
    ECE_ESTIMATORS,
    Evaluated,
    UnsoundMembers,
    evaluate_committee,
)

RARE_SHARE = 0.5
"""A class is rare if it has less than this part of an equal share of the labels."""

LEFT_OUT = "is left out"
"""How a note tells of a member that failed."""


def evaluated_members(
    blobs: Blobs, *, round_id: str, dataset: BlobRef, trained: Sequence[Trained], device: str
) -> tuple[Members, Evaluation]:
    """Measure the members that trained, each and together; store and give both manifests.

    Raises
    ------
    TrainingFailed
        Fewer members trained and answer soundly than the policy asks for.
    """
    snapshot = read_manifest(blobs, dataset, Dataset)
    policy = stored_policy(blobs.get(snapshot.policy))
    learned, examples = unpack(blobs, trained[0].train)
    kept_out = calibration_mask(learned, examples, policy.training.calibration_share)
    labels = labels_by_class(examples.values, snapshot.class_names)
    rare = _rare(labels)
    document, holdout = unpack(blobs, trained[0].holdout)
    grouping = holdout_grouping(blobs, snapshot, document.frame_ids, rare=rare)

    def measured(members: Sequence[Member]) -> Evaluated:
        return evaluate_committee(
            [load_member(blobs, member, snapshot.class_names, device) for member in members],
            holdout,
            grouping,
            class_names=snapshot.class_names,
            rng=_rng(snapshot.seed, round_id),
        )

    trained, found = _of_sound(trained, measured, policy=policy, round_id=round_id)
    evaluation = Evaluation(
        committee_version=committee_version_of(RoundId(round_id)),
        round_id=round_id,
        holdouts=snapshot.holdouts,
        n_holdout=len(holdout),
        n_left_out=document.n_left_out,
        committee=found.committee,
        members={m.name: m.metrics | found.members[m.name] for m in _trained(trained)},
        classes=found.classes,
        stop_set=_stop_set(blobs, document.frame_ids, found, round_id),
        label_kind=snapshot.label_kind,
        intervals=found.intervals,
        n_sessions=len(set(grouping.sessions)),
        slices=found.slices,
        reliability=_bins(found.bins),
        ece_estimator=ECE_ESTIMATORS[snapshot.label_kind],
        calibration=found.calibration,
        map_reliability={name: _bins(bins) for name, bins in found.map_bins.items()},
        confusion=found.confusion,
        curves=found.curves,
        rare_classes=rare,
        n_training=labels,
        effective_sample_size=effective_sample_size(
            label_weights(learned, policy.training, np.arange(len(learned.frame_ids)))
        ),
        notes=_notes(
            trained,
            labels,
            learned,
            found,
            policy,
            n_holdout=len(holdout),
            n_both=n_divided(learned, kept_out),
        ),
    )
    return _members(blobs, snapshot, dataset, trained, evaluation), evaluation


def _bins(bins: Sequence[ReliabilityBin]) -> tuple[tuple[float, float, int], ...]:
    return tuple((one.confidence, one.accuracy, one.n) for one in bins)


def _of_sound(
    trained: Sequence[Trained],
    measured: Callable[[Sequence[Member]], Evaluated],
    *,
    policy: Policy,
    round_id: str,
) -> tuple[Sequence[Trained], Evaluated]:
    """Measure; a member that is unsound on the holdout failed like one that did not train."""
    while True:
        members = _enough(trained, policy, round_id)
        try:
            return trained, measured(members)
        except UnsoundMembers as failure:
            failed = {"member": None, "error": f"{type(failure).__name__}: {failure}"}
            trained = [
                one.model_copy(update=failed) if one.name in failure.names else one
                for one in trained
            ]


def _trained(trained: Sequence[Trained]) -> list[Member]:
    return [one.member for one in trained if one.member is not None]


def _enough(trained: Sequence[Trained], policy: Policy, round_id: str) -> list[Member]:
    members = _trained(trained)
    least = policy.training.members_min or policy.scoring.members_min
    if len(members) < min(least, policy.training.members):
        reasons = "; ".join(f"{one.name}: {one.error}" for one in trained if one.error)
        msg = f"round {round_id}: expected at least {least} trained members, found {len(members)}"
        raise TrainingFailed(f"{msg} of {len(trained)} ({reasons})")
    return members


def _rare(labels: Mapping[str, int]) -> tuple[str, ...]:
    equal_share = sum(labels.values()) / max(1, len(labels))
    return tuple(name for name, n in labels.items() if n < RARE_SHARE * equal_share)


def _rng(seed: int, round_id: str) -> np.random.Generator:
    key = derived_uuid("bootstrap", seed, round_id).int % 2**63
    return np.random.Generator(np.random.Philox(key=key))


def _notes(
    trained: Sequence[Trained],
    labels: Mapping[str, int],
    learned: Pack,
    found: Evaluated,
    policy: Policy,
    *,
    n_holdout: int,
    n_both: int,
) -> tuple[str, ...]:
    notes = [f"{one.name} {LEFT_OUT}: {one.error}" for one in trained if one.error]
    if empty := [name for name, n in labels.items() if n == 0]:
        notes.append(f"no label to learn from: {', '.join(empty)}")
    if learned.n_left_out:
        notes.append(f"{learned.n_left_out} labeled frames could not be read")
    weights = policy.training.weights
    unknown = known_weights(learned, policy.training).count(None)
    if weights != "none" and unknown:
        notes.append(f"weights {weights}: undefined for {unknown} labels, which count once")
    if n_both:
        notes.append(
            f"temperatures: {n_both} sessions or clusters of duplicates are also trained on, "
            "because sessions are too few or too long to keep whole ones out"
        )
    if not n_holdout:
        notes.append("no labeled holdout frame: nothing is measured")
    elif not found.intervals:
        notes.append("no intervals: the holdout is of one session")
    return tuple(notes)


def _stop_set(
    blobs: Blobs, frame_ids: Sequence[str], found: Evaluated, round_id: str
) -> StopSet | None:
    if not frame_ids:
        return None
    sha256, prefix = hashlib.sha256("\n".join(frame_ids).encode()).hexdigest(), prefix_of(round_id)
    if found.probs_NMC is None:
        labels = [shown_label(text, CONFUSED_SCORE_MIN)[0] for text in found.boxes]
        table = pa.table([list(frame_ids), labels], schema=ORACLE)
        return StopSet(
            frames_sha256=sha256, predictions=write_table(blobs, table, ORACLE, prefix=prefix)
        )
    probs = found.probs_NMC.astype(np.float64)
    predicted_N = probs.mean(axis=1).argmax(axis=1).astype(np.int32)
    return StopSet(
        frames_sha256=sha256,
        predictions=put_array(blobs, predicted_N, prefix=prefix),
        mean_entropy=mean_normalised_entropy(probs),
    )


def _members(
    blobs: Blobs,
    snapshot: Dataset,
    dataset: BlobRef,
    trained: Sequence[Trained],
    evaluation: Evaluation,
) -> Members:
    return Members(
        committee_version=evaluation.committee_version,
        round_id=evaluation.round_id,
        task=snapshot.label_task,
        class_names=snapshot.class_names,
        config=trained[0].config,
        dataset_sha256=dataset.sha256,
        members=tuple(
            one.model_copy(update={"metrics": evaluation.members[one.name]})
            for one in _trained(trained)
        ),
        metrics=evaluation.committee,
        evaluation=write_manifest(blobs, evaluation, prefix=prefix_of(evaluation.round_id)),
        label_kind=snapshot.label_kind,
    )
