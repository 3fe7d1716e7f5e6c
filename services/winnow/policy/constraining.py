"""From the constraint section to the constraints and floors of one batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from winnow.constraints.caps import AtMost
from winnow.constraints.contradictions import contradictions
from winnow.constraints.money import WithinMoney
from winnow.constraints.one_per_cluster import OnePerCluster
from winnow.constraints.quotas import AtLeast, Minimums
from winnow.constraints.temporal_gap import TemporalGap
from winnow.domain.errors import BadInput
from winnow.policy.constraint_section import (
    PREDICTED_CLASS,
    AllocationSection,
    ConstraintSection,
    MinimumSection,
    text_of,
)
from winnow.policy.inputs import Micros, Sizes
from winnow.policy.traced import Traced
from winnow.strategies.protocol import Candidates, Column

Known = AtMost | TemporalGap | WithinMoney
CAPTURED = "captured_us"
"""Column of the labeled frames with their capture times in microseconds."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What holds a strategy back."""

    constraints: tuple[Traced, ...]
    floors: tuple[AtLeast, ...]
    notes: tuple[str, ...]
    """What is asked of this pool and cannot be had."""
    free: bool
    """Whether there is nothing but money."""


def bounds_of(
    section: ConstraintSection,
    frames: Candidates,
    prices_N: Micros,
    sizes: Sizes,
) -> Bounds:
    """Make the constraints and floors that a policy asks for.

    Raises
    ------
    BadInput
        A column that the policy names is not there.
    """
    constraints: list[Known] = [WithinMoney(prices_N, sizes.micros_max)]
    constraints += _clusters(section, frames)
    constraints += _gap(section, frames)
    constraints += _caps(section, frames)
    minimums = _minimums(section, frames, sizes)
    if section.allocation is not None and not _is_unanswered(frames, section.allocation.column):
        cap, minimum = _allocated(section.allocation, frames, sizes)
        constraints.append(cap)
        minimums.append(minimum)
    n_certain = sizes.n_frames - sizes.n_random
    notes: tuple[str, ...] = ()
    if PREDICTED_CLASS in section.columns() and _is_unanswered(frames, PREDICTED_CLASS):
        notes = (f"{PREDICTED_CLASS}: not asked, as no committee has answered",)
    if minimums or len(constraints) > 1:
        n = min(n_certain, len(frames)) if minimums else min(sizes.n_frames, len(frames))
        notes += contradictions(n, len(frames), minimums=minimums, constraints=constraints)
    floors: tuple[AtLeast, ...] = ()
    if minimums:
        floors = (_floor(minimums, prices_N, sizes),)
    return Bounds(
        constraints=tuple(Traced(constraint) for constraint in constraints),
        floors=floors,
        notes=notes,
        free=len(constraints) == 1 and not floors,
    )


def _floor(minimums: list[Minimums], prices_N: Micros, sizes: Sizes) -> AtLeast:
    """Give the floor; it looks at money only where money could keep a minimum from being met."""
    left_micros = sizes.micros_max - sizes.arm_micros_max
    dearest = int(prices_N.max(initial=0)) * (sizes.n_frames - sizes.n_random)
    if dearest <= left_micros:
        return AtLeast(minimums)
    return AtLeast(minimums, prices_N, left_micros)


def _clusters(section: ConstraintSection, frames: Candidates) -> list[AtMost]:
    clusters_N = frames.clusters_N
    if not section.one_per_cluster or clusters_N is None:
        return []
    labeled = frames.labeled_columns.get("cluster")
    if clusters_N is frames.frame_ids or np.array_equal(clusters_N, frames.frame_ids):
        return []  # a snapshot lets one frame of a cluster pass, and names the cluster after it
    return [OnePerCluster(clusters_N, None if labeled is None else labeled.astype(np.str_))]


def _gap(section: ConstraintSection, frames: Candidates) -> list[TemporalGap]:
    if not section.gap_seconds:
        return []
    sessions_N, captured_us_N = frames.sessions_N, frames.captured_us_N
    if sessions_N is None or captured_us_N is None:
        msg = "constraints.gap_seconds: expected session and capture time of the frames, found none"
        raise BadInput(msg)
    labeled = frames.labeled_columns
    both = "session" in labeled and CAPTURED in labeled
    return [
        TemporalGap(
            sessions_N,
            captured_us_N,
            round(section.gap_seconds * 1e6),
            labeled["session"] if both else None,
            labeled[CAPTURED].astype(np.int64) if both else None,
        )
    ]


def _caps(section: ConstraintSection, frames: Candidates) -> list[AtMost]:
    found = []
    for name, cap in sorted(section.caps.items()):
        if _is_unanswered(frames, name):
            continue
        column = column_of(frames, name, where="constraints.caps")
        most: int | Mapping[str, int] | Mapping[int, int] = (
            cap if isinstance(cap, int) else _keyed(column, cap)
        )
        labeled = frames.labeled_columns.get(name) if section.caps_count_labeled else None
        found.append(AtMost(column, most, name, labeled))
    return found


def _minimums(section: ConstraintSection, frames: Candidates, sizes: Sizes) -> list[Minimums]:
    by_column: dict[str, list[MinimumSection]] = {}
    for minimum in section.minimums:
        if not _is_unanswered(frames, minimum.column):
            by_column.setdefault(minimum.column, []).append(minimum)
    found = []
    for name, some in by_column.items():
        column = column_of(frames, name, where="constraints.minimums")
        least: dict[str, int] = {}
        for minimum in some:
            values = _values(column) if minimum.value is None else [minimum.value]
            least |= {value: minimum.least(sizes.n_frames) for value in values}
        # What is said of one value goes before what is said of all.
        named = {m.value: m.least(sizes.n_frames) for m in some if m.value is not None}
        found.append(Minimums(column, _keyed(column, least | named), name))
    return found


def _allocated(
    section: AllocationSection, frames: Candidates, sizes: Sizes
) -> tuple[AtMost, Minimums]:
    """Give the frames of each task as a cap and, among those that are sure to come, a minimum."""
    column = column_of(frames, section.column, where="constraints.allocation")
    most = dict.fromkeys(_values(column), 0) | section.frames(sizes.n_frames)
    least = section.frames(sizes.n_frames - sizes.n_random)
    cap = AtMost(column, _keyed(column, most), section.column)
    return cap, Minimums(column, _keyed(column, least), section.column)


def _is_unanswered(frames: Candidates, name: str) -> bool:
    """Tell whether a column would come from a committee that has not answered."""
    return name == PREDICTED_CLASS and name not in frames.columns


def column_of(frames: Candidates, name: str, *, where: str) -> Column:
    """Give a column by name: session, cluster, or any other.

    Raises
    ------
    BadInput
        There is none of this name.
    """
    if name in frames.columns:
        return frames.columns[name]
    if name == "session" and frames.sessions_N is not None:
        return frames.sessions_N
    if name == "cluster" and frames.clusters_N is not None:
        return frames.clusters_N
    known = ", ".join(sorted({*frames.columns, "session", "cluster"}))
    msg = f"{where}: expected a column {name!r}, found {known}"
    raise BadInput(msg)


def _values(column: Column) -> list[str]:
    """Give the known values of a column, in order."""
    if column.dtype.kind == "U":
        return [value for value in np.unique(column).tolist() if value]
    return [text_of(value) for value in np.unique(column).tolist() if value == value]


def _keyed(column: Column, numbers: Mapping[str, int]) -> Mapping[str, int] | Mapping[int, int]:
    """Give value → number with values of the column's own kind, in order."""
    if column.dtype.kind == "U":
        return dict(sorted(numbers.items()))
    try:
        keyed = {float(value): number for value, number in numbers.items()}
    except ValueError as error:
        msg = f"constraints: expected numbers, as the column holds, found {error}"
        raise BadInput(msg) from error
    return cast("Mapping[int, int]", dict(sorted(keyed.items())))
