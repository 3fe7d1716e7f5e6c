"""The steps of a run: plan, train each member, evaluate, register. `pipeline.py` wires them.

Plain functions. Only training and evaluating load torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retrain.data import Recipe, holdout_labels, labels_by_class, pack, training_labels, unpack
from retrain.evaluating import evaluated_members
from retrain.orders import ORDERS, TRAINED, Order, prefix_of
from retrain.report import Shown, show
from retrain.settings import RetrainSettings
from retrain.training import train_member
from retrain.weights import pinned
from winnow.adapters.connect import connect_blobs, connect_ledger
from winnow.adapters.system_clock import SystemClock
from winnow.contracts.artifacts import read_manifest, write_manifest
from winnow.contracts.manifests import Dataset, Member, Members
from winnow.contracts.references import read_reference, reference_text
from winnow.domain.errors import BadInput
from winnow.domain.events import RoundTrained
from winnow.domain.ids import CommitteeVersion, RoundId, derived_uuid
from winnow.domain.rows import ModelRow
from winnow.domain.tables import MODELS
from winnow.policy.model import stored_policy
from winnow.policy.training_section import TrainingSection
from winnow.ports.blobs import Blobs
from winnow.ports.clock import Clock
from winnow.ports.ledger import Ledger
from winnow.runtime.run import read_settings
from winnow.runtime.stating import state_facts
from winnow.tasks.devices import chosen_device
from winnow.tasks.task import task_named


@dataclass(frozen=True, slots=True)
class Context:
    """The outside of a step."""

    blobs: Blobs
    ledger: Ledger
    clock: Clock
    settings: RetrainSettings


def open_context() -> Context:
    """Connect to what the environment names.

    Raises
    ------
    BadInput
        Names every setting that is missing or wrong.
    """
    settings = read_settings(RetrainSettings)
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
        The data set has no label that can be read, labels that do not fit (an unknown class, a box
        outside its frame), a frame of a holdout, or too few labels of a class for the policy; or
        there are no weights where a network's are said to be.
    """
    blobs = context.blobs
    snapshot = read_manifest(blobs, read_reference(dataset), Dataset)
    training = stored_policy(blobs.get(snapshot.policy)).training
    train, learned = pack(
        blobs, training_labels(blobs, snapshot), _recipe(snapshot, training, round_id, strict=True)
    )
    if not learned.frame_ids:
        msg = f"dataset snapshot of {round_id}: expected labeled frames, found none to train on"
        raise BadInput(msg)
    values = unpack(blobs, train)[1].values
    _check_classes(labels_by_class(values, snapshot.class_names), training, round_id)
    holdout, _ = pack(
        blobs, holdout_labels(blobs, snapshot), _recipe(snapshot, training, round_id, strict=False)
    )
    named = {training.network_of(m, kind=snapshot.label_kind) for m in range(training.members)}
    networks = {name: pinned(blobs, name) for name in sorted(named)}
    orders = [
        Order(
            round_id=round_id,
            name=f"m{m}",
            seed=derived_uuid("member", snapshot.seed, round_id, m).int % 2**63,
            network=networks[training.network_of(m, kind=snapshot.label_kind)],
            train=train,
            holdout=holdout,
            class_names=snapshot.class_names,
            training=training,
        )
        for m in range(training.members)
    ]
    size = context.settings.members_per_task
    tasks = [orders[start : start + size] for start in range(0, len(orders), size)]
    return [ORDERS.dump_json(task).decode() for task in tasks]


def train_members(context: Context, *, orders: str) -> str:
    """Train the members of one task, one after the other; give their `Trained` as a JSON list."""
    works = ORDERS.validate_json(orders)
    trained = [train_member(context.blobs, context.settings, work) for work in works]
    return TRAINED.dump_json(trained).decode()


def evaluate(
    context: Context,
    *,
    round_id: str,
    dataset: str,
    members: Sequence[str],
    shown: Shown | None = None,
) -> str:
    """Measure the committee on the holdout; give the reference of its members manifest.

    Parameters
    ----------
    shown
        Where the pipeline engine wants its pictures of a run.

    Raises
    ------
    TrainingFailed
        Fewer members trained than the policy asks for.
    """
    trained = [one for text in members for one in TRAINED.validate_json(text)]
    manifest, evaluation = evaluated_members(
        context.blobs,
        round_id=round_id,
        dataset=read_reference(dataset),
        trained=trained,
        device=chosen_device(context.settings.device),
    )
    if shown is not None:
        show(shown, manifest, evaluation)
    return reference_text(write_manifest(context.blobs, manifest, prefix=prefix_of(round_id)))


def register(context: Context, *, round_id: str, members: str) -> str:
    """Enter an evaluated committee's members into the ledger and state `round.trained`.

    Doing it again changes nothing and states nothing.
    """
    ref = read_reference(members)
    manifest = read_manifest(context.blobs, ref, Members)
    version = CommitteeVersion(manifest.committee_version)
    event = RoundTrained(
        round_id=RoundId(round_id),
        committee_version=version,
        dataset_sha256=manifest.dataset_sha256,
        metrics=tuple(sorted(manifest.metrics.items())),
        members=ref,
    )
    rows = [_row(member, round_id, version) for member in manifest.members]
    with context.ledger.transaction() as tx:
        # Looked at first: a run that is repeated may have members that the registered one lacks.
        known = tx.records.find(MODELS, group=version, limit=1)
        if not known and tx.records.insert_many(MODELS, rows):
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
    trained = [train_members(context, orders=orders) for orders in tasks]
    members = evaluate(context, round_id=round_id, dataset=dataset, members=trained)
    register(context, round_id=round_id, members=members)


def _recipe(snapshot: Dataset, training: TrainingSection, round_id: str, *, strict: bool) -> Recipe:
    height, width = training.height_width
    return Recipe(
        task=task_named(training.network_of(0, kind=snapshot.label_kind)),
        class_names=snapshot.class_names,
        height=height,
        width=width,
        prefix=prefix_of(round_id),
        strict=strict,
    )


def _check_classes(labels: Mapping[str, int], training: TrainingSection, round_id: str) -> None:
    least = training.labels_per_class_min
    if few := [f"{name} ({n})" for name, n in labels.items() if n < least]:
        msg = f"dataset snapshot of {round_id}: expected at least {least} labels of each class, "
        raise BadInput(f"{msg}found fewer of {', '.join(few)}")


def _row(member: Member, round_id: str, version: CommitteeVersion) -> ModelRow:
    return ModelRow(
        key=f"{version}-{member.name}",
        round_id=round_id,
        committee_version=version,
        checkpoint=member.checkpoint,
        compute_ms=member.compute_ms,
        metrics=tuple(sorted(member.metrics.items())),
    )
