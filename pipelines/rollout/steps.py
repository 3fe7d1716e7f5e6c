"""The steps of a run: start a committee dark, probe it, let it take over or not.

`pipeline.py` wires them. Only `probe` loads torch, and only where committees are not served.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace

from rollout.comparing import (
    Measured,
    Probed,
    agreement,
    markdown,
    mean_confidence,
    metric_name_of,
    regress,
)
from rollout.probing import (
    Answered,
    Patience,
    ask,
    ask_active,
    check_answer,
    probe_frames,
    wait_until_serving,
)
from rollout.settings import RolloutSettings
from rollout.superseded import remove_superseded
from winnow.adapters.connect import connect_blobs, connect_ledger
from winnow.adapters.deployed_committee import LOCAL, DeployedCommittee
from winnow.adapters.in_process_deployments import InProcessDeployments
from winnow.adapters.kserve_deployments import KServeDeployments, cluster_api
from winnow.adapters.process_deployments import ProcessDeployments
from winnow.adapters.system_clock import SystemClock
from winnow.contracts.artifacts import read_manifest
from winnow.contracts.manifests import Evaluation, Members
from winnow.contracts.references import read_reference
from winnow.contracts.serving import parts_of
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import IntegrityError
from winnow.domain.events import CommitteeRolled, Event, RoundHalted, Stage
from winnow.domain.ids import CommitteeVersion, RoundId
from winnow.domain.rows import CommitteeRow
from winnow.domain.tables import COMMITTEES, ROUNDS
from winnow.policy.model import stored_policy
from winnow.policy.rollout_section import RolloutSection
from winnow.ports.blobs import Blobs
from winnow.ports.clock import Clock
from winnow.ports.committee import Committee
from winnow.ports.deployments import Deployments
from winnow.ports.ledger import Ledger, Transaction
from winnow.runtime.run import read_settings
from winnow.runtime.stating import state_facts

KEPT = "trained members; the committee that served before still serves"

CommitteeAt = Callable[[Sequence[str]], AbstractContextManager[Committee]]
"""Gives the committee that answers at endpoints, connected until its context ends."""


@dataclass(frozen=True, slots=True)
class Context:
    """The outside of a step."""

    blobs: Blobs
    ledger: Ledger
    deployments: Deployments
    committee_at: CommitteeAt
    clock: Clock
    settings: RolloutSettings
    pause: Callable[[float], None] = time.sleep


def open_context() -> Context:
    """Connect to what the environment names.

    Raises
    ------
    BadInput
        Names every setting that is missing or wrong.
    """
    settings = read_settings(RolloutSettings)
    blobs = connect_blobs(settings.blobs_url.get_secret_value())
    ledger = connect_ledger(settings.ledger_url.get_secret_value())
    return context_of(settings, blobs=blobs, ledger=ledger)


def context_of(settings: RolloutSettings, *, blobs: Blobs, ledger: Ledger) -> Context:
    """Bind the steps to what the settings name."""
    # All local committees are one: a version that was probed need not be loaded again.
    local = DeployedCommittee(blobs, lambda version: ())

    def committee_at(endpoints: Sequence[str]) -> AbstractContextManager[Committee]:
        if all(url.startswith(LOCAL) for url in endpoints):
            return nullcontext(local)
        return closing(DeployedCommittee(blobs, lambda version: endpoints))

    return Context(blobs, ledger, deployments_of(settings), committee_at, SystemClock(), settings)


def deployments_of(settings: RolloutSettings) -> Deployments:
    """Give what the settings choose."""
    if settings.deployments == "process":
        return ProcessDeployments(
            settings.work_dir / "servers", blobs_url=settings.blobs_url.get_secret_value()
        )
    if settings.kserve is not None:
        return KServeDeployments(settings.kserve, api=cluster_api())
    return InProcessDeployments()


def deploy(context: Context, *, members: str) -> str:
    """Start a committee beside the one that serves; give its endpoints as JSON.

    Nobody asks it yet: scoring takes endpoints from the committees that took over.
    """
    ref = read_reference(members)
    manifest = read_manifest(context.blobs, ref, Members)
    parts = parts_of(manifest, members_per_endpoint=context.settings.members_per_endpoint)
    version = CommitteeVersion(manifest.committee_version)
    return json.dumps(list(context.deployments.apply(version, ref, parts)))


def probe(context: Context, *, members: str, endpoints: str) -> str:
    """Wait until it serves, then ask it and the active one about the same frames.

    Raises
    ------
    IntegrityError
        It does not serve in time, a member is missing, or answers are no such.
    """
    ref = read_reference(members)
    manifest = read_manifest(context.blobs, ref, Members)
    version = CommitteeVersion(manifest.committee_version)
    settings = context.settings
    where = tuple(json.loads(endpoints))
    patience = Patience(
        context.clock, settings.ready_seconds_max, settings.ready_poll_seconds, context.pause
    )
    with context.committee_at(where) as committee:
        wait_until_serving(context.deployments, committee, version, ref, patience=patience)
        frames = probe_frames(context.blobs, manifest, n_max=settings.probe_frames_max)
        new = ask(committee, version, ref, frames)
    check_answer(new.answer, manifest, len(frames))
    return _compared(context, manifest, where, new, frames).model_dump_json()


def conclude(context: Context, *, round_id: str, members: str, probed: str) -> str:
    """Let the probed committee take over and state so, or halt its round; once.

    Returns
    -------
    str
        The decision in Markdown.

    Raises
    ------
    IntegrityError
        Another version than the one to decide about was probed.
    """
    ref = read_reference(members)
    manifest = read_manifest(context.blobs, ref, Members)
    found = Probed.model_validate_json(probed)
    if found.committee_version != manifest.committee_version:
        msg = f"expected a probe of {manifest.committee_version}, found one of "
        raise IntegrityError(msg + found.committee_version)
    with context.ledger.transaction() as tx:
        refusal = regress(found, _section(context, tx, round_id))
        row = _row(tx, manifest, ref, round_id, found, "refused" if refusal else "active")
        if tx.records.insert(COMMITTEES, row):
            if not refusal:
                _retire_others(tx, row)
            state_facts(
                tx,
                [_fact(row, refusal)],
                service="rollout",
                at=context.clock.now(),
                topic_prefix=context.settings.topic_prefix,
            )
    remove_superseded(context.ledger, context.deployments)
    return markdown(found, refusal)


def run_all(context: Context, arguments: Mapping[str, str]) -> None:
    """Run the whole pipeline in this process."""
    members = arguments["members"]
    endpoints = deploy(context, members=members)
    probed = probe(context, members=members, endpoints=endpoints)
    conclude(context, round_id=arguments["round_id"], members=members, probed=probed)


def _compared(
    context: Context,
    manifest: Members,
    endpoints: tuple[str, ...],
    new: Answered,
    frames: Sequence[bytes],
) -> Probed:
    with context.ledger.snapshot() as view:
        rows = view.records.find(COMMITTEES, state="active")
    active = max(rows, key=lambda row: row.generation, default=None)
    before = None if active is None else read_manifest(context.blobs, active.members, Members)
    name = metric_name_of(manifest, before)
    alone = _incomparable(manifest, before)
    compared, agreed = None, None
    if active is not None and before is not None and not alone:
        with context.committee_at(active.endpoints) as committee:
            version = CommitteeVersion(active.key)
            old, alone = ask_active(committee, version, active.members, frames)
        # Its holdout metric is known even where it does not answer.
        compared = _measured(before, old, name)
        if _holdouts(context.blobs, before) != _holdouts(context.blobs, manifest):
            # Of other frames, e.g. before another source came: it would be no comparison.
            compared = compared.model_copy(update={"metric": None})
        agreed = None if old is None else agreement(new.answer, old.answer)
    return Probed(
        committee_version=manifest.committee_version,
        endpoints=endpoints,
        members_answered=new.answer.members_answered,
        n_frames=len(frames),
        metric_name=name,
        n_holdout=_n_holdout(context.blobs, manifest),
        new=_measured(manifest, new, name),
        active=compared,
        agreement=agreed,
        alone=alone,
    )


def _incomparable(manifest: Members, before: Members | None) -> str:
    if before is None:
        return "no committee serves yet"
    if before.committee_version == manifest.committee_version:
        return "it serves already"
    same = (before.label_kind, before.class_names) == (manifest.label_kind, manifest.class_names)
    return "" if same else "the active committee knows other classes"


def _measured(manifest: Members, answered: Answered | None, metric_name: str) -> Measured:
    return Measured(
        committee_version=manifest.committee_version,
        metric=manifest.metrics.get(metric_name),
        mean_confidence=None if answered is None else mean_confidence(answered.answer),
        ms_per_frame=None if answered is None else answered.ms_per_frame,
    )


def _holdouts(blobs: Blobs, manifest: Members) -> frozenset[str]:
    ref = manifest.evaluation
    tables = () if ref is None else read_manifest(blobs, ref, Evaluation).holdouts
    return frozenset(table.sha256 for table in tables)


def _n_holdout(blobs: Blobs, manifest: Members) -> int:
    ref = manifest.evaluation
    return 0 if ref is None else read_manifest(blobs, ref, Evaluation).n_holdout


def _section(context: Context, tx: Transaction, round_id: str) -> RolloutSection:
    """Give what the round's policy says; a committee of no round is judged by the defaults."""
    row = tx.records.get(ROUNDS, round_id)
    return RolloutSection() if row is None else stored_policy(context.blobs.get(row.policy)).rollout


def _fact(row: CommitteeRow, refusal: str) -> Event:
    round_id = RoundId(row.round_id)
    if refusal:
        return RoundHalted(round_id, stage=Stage.ROLLOUT, reason=refusal, kept=KEPT)
    return CommitteeRolled(
        round_id=round_id,
        committee_version=CommitteeVersion(row.key),
        endpoints=row.endpoints,
        generation=row.generation,
        members=row.members,
    )


def _row(
    tx: Transaction, manifest: Members, ref: BlobRef, round_id: str, probed: Probed, state: str
) -> CommitteeRow:
    generation = 1 + max((row.generation for row in tx.records.find(COMMITTEES)), default=0)
    return CommitteeRow(
        key=manifest.committee_version,
        round_id=round_id,
        state=state,
        members=ref,
        dataset_sha256=manifest.dataset_sha256,
        generation=generation,
        endpoints=probed.endpoints,
    )


def _retire_others(tx: Transaction, active: CommitteeRow) -> None:
    for old in tx.records.find(COMMITTEES, state="active"):
        if old.key != active.key:
            tx.records.update(COMMITTEES, old.key, lambda row: replace(row, state="retired"))
