"""What `winnow select` tells people: how the batch came about, and what was left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from winnow.acquisition.detection import MAP_INFORMATION, class_column
from winnow.cli.select_output import BATCH_FILE, MANIFEST_FILE, REFUSED_FILE
from winnow.cli.select_run import Selected
from winnow.domain.labels import DETECTION

SHOWN: Final = 3
"""Rows or ids that are named; the files name them all."""


def summary(out: Path, selected: Selected) -> Iterator[str]:
    """Give the lines."""
    proposal, sizes = selected.proposal, selected.proposal.sizes
    n_selected = len(proposal.batch)
    yield f"{out / BATCH_FILE}: {n_selected:,} of {sizes.n_eligible:,} frames"
    why = proposal.why_fewer
    if why:
        yield f"  fewer than the {sizes.n_asked:,} asked for: {why}"
    if n_selected:
        yield from _chosen(selected)
    question = selected.question
    if (
        question.policy.label.kind == DETECTION
        and not selected.loaded.inputs.standing.has_committee
    ):
        names = f"{MAP_INFORMATION}, {class_column('CLASS')}"
        yield f"  no column of a committee ({names}) in {question.frames}"
    yield from (f"  note: {note}" for note in proposal.notes)
    yield from _left_out(out, selected)
    yield f"{out / MANIFEST_FILE}: winnow select --replay {out} chooses it again"


def _chosen(selected: Selected) -> Iterator[str]:
    proposal = selected.proposal
    n_random = proposal.sizes.n_random
    strategy = proposal.decision.switch.strategy
    n_chosen = len(proposal.batch) - n_random
    yield f"  {n_random:,} drawn at random, {n_chosen:,} chosen by {strategy} ({proposal.because})"
    if proposal.acquisition and "scores" in proposal.decision.strategy.needs:
        yield f"  score: {proposal.acquisition}"
    micros = int(proposal.rows.price_micros.sum())
    yield f"  price: {micros:,} micros"


def _left_out(out: Path, selected: Selected) -> Iterator[str]:
    loaded = selected.loaded
    if len(loaded.labeled.rows):
        yield f"  left out: {len(loaded.labeled.rows):,} labeled frames"
    if loaded.n_duplicates:
        yield f"  left out: {loaded.n_duplicates:,} near-duplicates of frames that stay"
    strangers = loaded.labeled.strangers
    if strangers:
        named = ", ".join(strangers[:SHOWN])
        yield f"  {len(strangers):,} labeled ids are no frames and keep nothing away: {named}"
    refused = sorted(loaded.refused.reasons.items())
    if refused:
        yield f"  refused: {len(refused):,} rows, all of them in {out / REFUSED_FILE}"
        for row, reason in refused[:SHOWN]:
            yield f"    row {row}, frame {loaded.ids.column[row].as_py()}: {reason}"
    if loaded.unread:
        yield f"  not read, as the policy needs none of it: {', '.join(loaded.unread)}"
