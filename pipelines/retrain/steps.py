"""The steps of a run: plan, train each member, register. Plain functions; `pipeline.py` wires them.

What goes from step to step is text (JSON of the manifests here), because a pipeline engine turns
whole numbers in lists into floats. Only `train_members` loads torch.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue, TypeAdapter

from retrain.data import (
    calibration_mask,
    get_array,
    holdout_examples,
    pack,
    put_array,
    training_examples,
    unpack,
)
from retrain.settings import RetrainSettings
from winnow.adapters.connect import connect_blobs, connect_ledger
from winnow.adapters.system_clock import SystemClock
from winnow.calibration.evaluation import evaluate, evaluate_by_class
from winnow.calibration.temperature import negative_log_likelihood, softmax
from winnow.contracts.artifacts import (
    Dataset,
    Evaluation,
    Manifest,
    Member,
    Members,
    StopSet,
    read_manifest,
    write_manifest,
)
from winnow.contracts.references import read_reference, reference_text
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput
from winnow.domain.events import RoundTrained
from winnow.domain.ids import CommitteeVersion, RoundId, committee_version_of, derived_uuid
from winnow.domain.rows import ModelRow
from winnow.domain.tables import MODELS
from winnow.policy.model import parse_policy
from winnow.policy.training_section import TrainingSection
from winnow.ports.blobs import Blobs
from winnow.ports.clock import Clock
from winnow.ports.ledger import Ledger
from winnow.runtime.stating import state_facts
from winnow.stopping import mean_normalised_entropy
from winnow.tasks.checkpoint import Checkpoint, checkpoint_bytes, restored
from winnow.tasks.class_outputs import class_indices
from winnow.tasks.predict import outputs_of
from winnow.tasks.task import NetworkConfig, task_named
from winnow.tasks.train import TrainConfig, train

if TYPE_CHECKING:
    import torch

TASK = "classification"
CHECKPOINT = "application/x-torch"


@dataclass(frozen=True, slots=True)
class Context:
    """The outside of a step."""

    blobs: Blobs
    ledger: Ledger
    clock: Clock
    settings: RetrainSettings


class Order(Manifest):
    """One member to train."""

    round_id: str
    name: str
    seed: int
    train: BlobRef
    holdout: BlobRef
    class_names: tuple[str, ...]
    training: TrainingSection


class Trained(Manifest):
    """One trained member, and its calibrated answers on the holdout."""

    member: Member
    config: dict[str, JsonValue]
    holdout: BlobRef
    probs: BlobRef


_ORDERS = TypeAdapter(list[Order])
_TRAINED = TypeAdapter(list[Trained])


def open_context() -> Context:
    """Connect to what the environment names."""
    settings = RetrainSettings()
    return Context(
        blobs=connect_blobs(settings.blobs_url.get_secret_value()),
        ledger=connect_ledger(settings.ledger_url.get_secret_value()),
        clock=SystemClock(),
        settings=settings,
    )


def plan(context: Context, *, round_id: str, dataset: str) -> list[str]:
    """Decode frames once and give the tasks: each one or several orders, as a JSON list.

    Raises
    ------
    BadInput
        The data set has no label that can be read.
    """
    blobs = context.blobs
    snapshot = read_manifest(blobs, read_reference(dataset), Dataset)
    training = parse_policy(blobs.get(snapshot.policy)).training
    packs = [
        pack(
            blobs,
            examples,
            task=task_named(TASK),
            class_names=snapshot.class_names,
            height=training.input_pixels,
            width=training.input_pixels,
            prefix=_prefix(round_id),
        )
        for examples in (training_examples(blobs, snapshot), holdout_examples(blobs, snapshot))
    ]
    if not unpack(blobs, packs[0])[0].frame_ids:
        msg = f"dataset snapshot of {round_id}: expected labeled frames, found none to train on"
        raise BadInput(msg)
    orders = [
        Order(
            round_id=round_id,
            name=f"m{m}",
            seed=derived_uuid("member", snapshot.seed, round_id, m).int % 2**63,
            train=packs[0],
            holdout=packs[1],
            class_names=snapshot.class_names,
            training=training,
        )
        for m in range(training.members)
    ]
    size = context.settings.members_per_task
    tasks = [orders[start : start + size] for start in range(0, len(orders), size)]
    return [_ORDERS.dump_json(task).decode() for task in tasks]


def train_members(context: Context, *, orders: str) -> str:
    """Train the members of one task, one after the other; give their `Trained` as a JSON list."""
    works = _ORDERS.validate_json(orders)
    return _TRAINED.dump_json([train_member(context, work) for work in works]).decode()


def train_member(context: Context, work: Order) -> Trained:
    """Train one member, fit its temperature, let it answer the holdout."""
    settings, training = context.settings, work.training
    document, examples = unpack(context.blobs, work.train)
    kept_out = calibration_mask(document.frame_ids, training.calibration_share)
    learned = examples.take(np.flatnonzero(~kept_out))
    calibrating = examples.take(np.flatnonzero(kept_out))
    checkpoint = train(
        learned,
        _config(work, learned.pixels),
        file=settings.work_dir / work.round_id / f"{work.name}.pt",
        checkpoint_seconds=settings.checkpoint_seconds,
        threads=settings.torch_threads,
    )
    task, network = restored(checkpoint, where=work.name)
    outputs = outputs_of(task, network, calibrating.pixels, checkpoint.config)
    temperatures = task.calibrate(outputs, calibrating)
    _, holdout = unpack(context.blobs, work.holdout)
    answers = outputs_of(task, network, holdout.pixels, checkpoint.config)
    probs_NC = task.calibrated(answers, temperatures)
    metrics = evaluate(probs_NC, class_indices(holdout)) | _calibration(
        outputs, class_indices(calibrating), temperatures[0]
    )
    metrics["weight_norm"] = _weight_norm(network.parameters())
    finished = replace(
        checkpoint, temperatures=temperatures, metrics=metrics, optimizer={}, compute_ms=0
    )
    return _trained(context, work, finished, probs_NC, compute_ms=checkpoint.compute_ms)


def register(context: Context, *, round_id: str, dataset: str, members: Sequence[str]) -> str:
    """Evaluate the committee, enter its members into the ledger and state `round.trained`.

    Doing it again changes nothing and states nothing.
    """
    trained = [one for text in members for one in _TRAINED.validate_json(text)]
    snapshot = read_reference(dataset)
    version = committee_version_of(RoundId(round_id))
    manifest = _members(context, trained, round_id, version, snapshot)
    ref = write_manifest(context.blobs, manifest, prefix=_prefix(round_id))
    rows = [_row(member, round_id, version) for member in manifest.members]
    event = RoundTrained(
        round_id=RoundId(round_id),
        committee_version=version,
        dataset_sha256=snapshot.sha256,
        metrics=tuple(sorted(manifest.metrics.items())),
        members=ref,
    )
    with context.ledger.transaction() as tx:
        if tx.records.insert_many(MODELS, rows):
            state_facts(
                tx,
                [event],
                service="retrain",
                at=context.clock.now(),
                topic_prefix=context.settings.topic_prefix,
            )
    return reference_text(ref)


def run_all(context: Context, arguments: Mapping[str, str]) -> None:
    """Run the whole pipeline in this process."""
    round_id, dataset = arguments["round_id"], arguments["dataset"]
    tasks = plan(context, round_id=round_id, dataset=dataset)
    members = [train_members(context, orders=orders) for orders in tasks]
    register(context, round_id=round_id, dataset=dataset, members=members)


def _prefix(round_id: str) -> str:
    return f"models/{round_id}"


def _config(work: Order, pixels: npt.NDArray[np.uint8]) -> TrainConfig:
    training = work.training
    # A channel that never varies (or a single grey level) must not be divided by nothing.
    std = np.maximum(pixels.std(axis=(0, 2, 3), dtype=np.float64), 1.0).tolist()
    mean = pixels.mean(axis=(0, 2, 3), dtype=np.float64).tolist()
    return TrainConfig(
        network=NetworkConfig(
            task=TASK,
            class_names=work.class_names,
            input_height=training.input_pixels,
            input_width=training.input_pixels,
            width=training.width,
            mean=(mean[0], mean[1], mean[2]),
            std=(std[0], std[1], std[2]),
        ),
        seed=work.seed,
        epochs=training.epochs,
        steps_min=training.steps_min,
        batch_size=training.batch_size,
        learning_rate=training.learning_rate,
        weight_decay=training.weight_decay,
    )


def _calibration(
    logits_NC: npt.NDArray[np.float32], targets_N: npt.NDArray[np.int64], temperature: float
) -> dict[str, float]:
    """Give the negative log-likelihood of the calibration split before and after the fit."""
    if not len(targets_N):
        return {"n_calibration": 0.0}
    before, after = softmax(logits_NC), softmax(logits_NC, temperature=temperature)
    return {
        "n_calibration": float(len(targets_N)),
        "calibration_nll_before": negative_log_likelihood(before, targets_N),
        "calibration_nll_after": negative_log_likelihood(after, targets_N),
    }


def _trained(
    context: Context,
    work: Order,
    finished: Checkpoint,
    probs_NC: npt.NDArray[np.float32],
    *,
    compute_ms: int,
) -> Trained:
    """Store a member; without optimizer and clock equal members are equal bytes under one key."""
    prefix = _prefix(work.round_id)
    data = checkpoint_bytes(finished)
    member = Member(
        name=work.name,
        seed=work.seed,
        checkpoint=context.blobs.put(data, prefix=prefix, media_type=CHECKPOINT),
        temperatures=finished.temperatures,
        step=finished.step,
        metrics=dict(finished.metrics) | {"train_loss": finished.train_loss},
        compute_ms=compute_ms,
    )
    config = {k: v for k, v in work.training.model_dump(mode="json").items() if k != "members"}
    probs = put_array(context.blobs, probs_NC, prefix=prefix)
    return Trained(member=member, config=config, holdout=work.holdout, probs=probs)


def _members(
    context: Context,
    trained: Sequence[Trained],
    round_id: str,
    version: CommitteeVersion,
    dataset: BlobRef,
) -> Members:
    blobs = context.blobs
    snapshot = read_manifest(blobs, dataset, Dataset)
    document, holdout = unpack(blobs, trained[0].holdout)
    labels_N = class_indices(holdout)
    probs_MNC = np.stack([get_array(blobs, one.probs) for one in trained]).astype(np.float64)
    probs_NC = probs_MNC.mean(axis=0)
    committee = evaluate(probs_NC, labels_N)
    report = Evaluation(
        committee_version=version,
        round_id=round_id,
        holdouts=snapshot.holdouts,
        n_holdout=len(labels_N),
        n_left_out=document.n_left_out,
        committee=committee,
        members={one.member.name: one.member.metrics for one in trained},
        classes=evaluate_by_class(probs_NC, labels_N, snapshot.class_names),
        stop_set=_stop_set(context, document.frame_ids, probs_MNC, round_id),
    )
    return Members(
        committee_version=version,
        round_id=round_id,
        task=TASK,
        class_names=snapshot.class_names,
        config=trained[0].config,
        dataset_sha256=dataset.sha256,
        members=tuple(one.member for one in trained),
        metrics=committee,
        evaluation=write_manifest(blobs, report, prefix=_prefix(round_id)),
    )


def _stop_set(
    context: Context,
    frame_ids: Sequence[str],
    probs_MNC: npt.NDArray[np.float64],
    round_id: str,
) -> StopSet | None:
    if not frame_ids:
        return None
    predicted_N = probs_MNC.mean(axis=0).argmax(axis=1).astype(np.int32)
    return StopSet(
        frames_sha256=hashlib.sha256("\n".join(frame_ids).encode()).hexdigest(),
        predictions=put_array(context.blobs, predicted_N, prefix=_prefix(round_id)),
        mean_entropy=mean_normalised_entropy(np.moveaxis(probs_MNC, 0, 1)),
    )


def _weight_norm(parameters: Iterable[torch.Tensor]) -> float:
    """Give the Euclidean length of all weights together, for `winnow.stopping.WeightStability`."""
    squares = (float(weights.detach().double().square().sum()) for weights in parameters)
    return math.sqrt(math.fsum(squares))


def _row(member: Member, round_id: str, version: CommitteeVersion) -> ModelRow:
    return ModelRow(
        key=f"{version}-{member.name}",
        round_id=round_id,
        committee_version=version,
        checkpoint=member.checkpoint,
        compute_ms=member.compute_ms,
        metrics=tuple(sorted(member.metrics.items())),
    )
