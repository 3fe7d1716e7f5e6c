"""Cells that frames fall into: values of a column, bins of a number, or combinations of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import BadInput
from winnow.kernels.groups import NO_GROUP, Codes, Groups, crossed, groups_of
from winnow.strategies.columns import column_of
from winnow.strategies.protocol import Candidates, Column

Edges = Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Partition:
    """Every frame, chosen, labeled or neither, is in exactly one cell."""

    columns: tuple[str, ...]
    cell_N: Codes
    """[N] Cell of each candidate, 0 to K - 1."""
    labeled_K: Codes
    """[K] Labeled frames in each cell."""


def partition_of(candidates: Candidates, columns: Sequence[str], edges: Edges) -> Partition:
    """Divide frames by the combination of their values in these columns.

    Unknown values (empty texts, NaN) are a value like any other. Labeled frames count if all these
    columns are known of them. Costs a sort of N numbers for each column.

    Raises
    ------
    BadInput
        A column is absent, holds numbers without edges, or its edges do not rise.
    """
    n_frames = len(candidates)
    lengths = {len(candidates.labeled_columns.get(name, ())) for name in columns}
    labeled = len(lengths) == 1 and lengths != {0}
    both: list[Groups] = []
    for name in columns:
        pool = _binned(name, column_of(candidates, name), edges)
        if labeled:
            old = _binned(name, candidates.labeled_columns[name], edges)
            _check_alike(name, pool, old)
            pool = np.concatenate([pool, old])
        both.append(groups_of(pool))
    cell_B = crossed(both)
    cell_N, cell_L = cell_B[:n_frames], cell_B[n_frames:]
    n_cells = int(cell_B.max(initial=-1)) + 1
    return Partition(tuple(columns), cell_N, np.bincount(cell_L, minlength=n_cells))


def told_cell(candidates: Candidates, columns: Sequence[str], edges: Edges, pos: int) -> str:
    """Say in which cell a frame is, e.g. `site=depot, speed_mps 5 to 10`."""
    return ", ".join(_told(candidates, name, edges, pos) for name in columns)


def _binned(name: str, column: Column, edges: Edges) -> npt.NDArray[np.str_] | Codes:
    if name in edges:
        limits = np.asarray(edges[name], dtype=np.float64)
        if not len(limits) or not (np.diff(limits) > 0).all() or column.dtype.kind not in "iufb":
            msg = (
                f"edges: expected rising numbers for a column of numbers, found "
                f"{limits.tolist()} for {name!r} of {column.dtype}"
            )
            raise BadInput(msg)
        numbers = column.astype(np.float64)
        bins: Codes = np.searchsorted(limits, numbers, side="right").astype(np.int64)
        return np.where(np.isnan(numbers), NO_GROUP, bins)
    if column.dtype.kind == "f":
        msg = (
            f"edges: expected some for the numbers of {name!r}, found none; numbers that are names "
        )
        msg += "belong into a column of texts"
        raise BadInput(msg)
    return column.astype(np.str_) if column.dtype.kind == "U" else column.astype(np.int64)


def _check_alike(name: str, pool: npt.NDArray[np.generic], old: npt.NDArray[np.generic]) -> None:
    if pool.dtype.kind != old.dtype.kind:
        msg = (
            f"labeled_columns: expected {pool.dtype} in {name!r} as in the pool, found {old.dtype}"
        )
        raise BadInput(msg)


def _told(candidates: Candidates, name: str, edges: Edges, pos: int) -> str:
    value = column_of(candidates, name)[pos]
    if name not in edges:
        return f"{name}={value if str(value) else 'unknown'}"
    if np.isnan(float(value)):
        return f"{name}=unknown"
    limits = [*edges[name]]
    place = int(np.searchsorted(limits, float(value), side="right"))
    if place == 0:
        return f"{name} below {limits[0]:g}"
    if place == len(limits):
        return f"{name} from {limits[-1]:g}"
    return f"{name} {limits[place - 1]:g} to {limits[place]:g}"
