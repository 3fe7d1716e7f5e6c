"""From files to the inputs of a choice: gates first, then only what the policy needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from winnow.acquisition.probabilities import SUM_TOLERANCE
from winnow.acquisition.reproducible import sum_last
from winnow.cli.select_files import (
    NOTHING_LABELED,
    Array,
    Labeled,
    Step,
    open_array,
    open_frames,
    read_labeled,
)
from winnow.cli.select_ids import FrameIds, frame_ids_of
from winnow.contracts.frame_columns import TAGS, columns_of, texts_of
from winnow.domain.errors import BadInput
from winnow.policy.inputs import SelectionInputs, Strings
from winnow.policy.model import Policy
from winnow.policy.needs import Needs, needs_of
from winnow.policy.switch import Standing
from winnow.strategies.protocol import EMBEDDING_MAX, Column

PRICE: Final = "price_micros"
CAPTURED_AT, CAPTURED_US = "captured_at", "captured_us"
UNLIMITED: Final = 2**62
"""Micros, where no budget is named: more than any batch can cost."""
BLOCK_VALUES: Final = 1 << 22

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Question:
    """What a person asks on the command line."""

    frames: Path
    policy: Policy
    embeddings: Path | None = None
    probs: Path | None = None
    labeled: Path | None = None
    examples: Path | None = None
    class_names: tuple[str, ...] = ()
    budget_micros: int | None = None
    seed: int = 0
    round_number: int | None = None


@dataclass(slots=True)
class Refused:
    """Rows that no batch may hold, and why."""

    reasons: dict[int, str] = field(default_factory=dict)

    def add(self, rows: Rows, reasons: Sequence[str]) -> None:
        """Refuse rows; what was said of one first stays."""
        for row, reason in zip(rows.tolist(), reasons, strict=True):
            self.reasons.setdefault(row, reason)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The inputs of a choice, and what they were made of."""

    inputs: SelectionInputs
    ids: FrameIds
    order: Rows
    """Position of a frame in the inputs → its row in the files."""
    labeled: Labeled
    refused: Refused
    n_frames: int
    shapes: Mapping[str, tuple[int, ...]]
    """Of the arrays that were read."""
    unread: tuple[str, ...]
    """Arrays that were given and are not needed."""


def load(question: Question, step: Step) -> Loaded:
    """Read what the policy needs.

    Raises
    ------
    BadInput
        A file that cannot be read, does not fit the others or lacks what the policy needs.
    """
    file = open_frames(question.frames)
    n_frames = file.metadata.num_rows
    ids = frame_ids_of(file.read(columns=["frame_id"])["frame_id"], where=str(question.frames))
    labeled = NOTHING_LABELED
    if question.labeled is not None:
        labeled = read_labeled(question.labeled, ids.column)
    policy = _priced(question.policy, file)
    standing = Standing.of(
        has_committee=question.probs is not None,
        n_labeled=len(labeled.rows),
        labels=() if labeled.labels is None else labeled.labels.tolist(),
        class_names=question.class_names,
        round_number=question.round_number,
    )
    needs = needs_of(policy, standing)
    arrays = _Arrays(question, needs, n_frames)
    refused = Refused()
    arrays.check(refused, step)
    return _assembled(question, policy, needs, file, ids, labeled, arrays, refused)


def _priced(policy: Policy, file: pq.ParquetFile) -> Policy:
    """Let the frames' own prices count, where there are some and the policy names no others."""
    if policy.money.price_column is not None or PRICE not in file.schema_arrow.names:
        return policy
    money = policy.money.model_copy(update={"price_column": PRICE})
    return policy.model_copy(update={"money": money})


class _Arrays:
    """The arrays that the policy needs; private copies of the pages that are changed."""

    def __init__(self, question: Question, needs: Needs, n_frames: int) -> None:
        wanted = {"embeddings": question.embeddings, "probs": question.probs}
        if "examples" in needs.inputs and question.examples is None:
            msg = "--examples: the policy needs examples for this choice, found none"
            raise BadInput(msg)
        axes = {"embeddings": ("frames", "D"), "probs": ("frames", "members", "classes")}
        self.of: dict[str, Array] = {}
        self.unread: list[str] = []
        for name, path in wanted.items():
            if name not in needs.inputs:
                self.unread += [] if path is None else [name]
            elif path is None:
                msg = f"--{name}: the policy needs {name} for this choice, found none"
                raise BadInput(msg)
            else:
                self.of[name] = open_array(path, n_rows=n_frames, axes=axes[name])

    def check(self, refused: Refused, step: Step) -> None:
        """Refuse every row that holds what is no embedding or no probability."""
        for name, array in self.of.items():
            judge = _wrong_embeddings if name == "embeddings" else _wrong_probabilities
            n_rows = max(1, BLOCK_VALUES // max(1, array[:1].size))
            for start in range(0, len(array), n_rows):
                rows, reasons = judge(array[start : start + n_rows])
                refused.add(rows + start, reasons)
                step(f"checking {name}", min(start + n_rows, len(array)), len(array))


def _wrong_embeddings(block: Array) -> tuple[Rows, list[str]]:
    # Extremes carry a NaN with them, and need no array of the block's size.
    if abs(block.max(initial=0)) <= EMBEDDING_MAX and abs(block.min(initial=0)) <= EMBEDDING_MAX:
        return np.empty(0, dtype=np.intp), []
    right = np.abs(block) <= EMBEDDING_MAX
    rows = np.flatnonzero(~right.all(axis=1))
    places = [int(np.argmin(right[row])) for row in rows.tolist()]
    return rows, [
        f"embedding: expected finite numbers up to {EMBEDDING_MAX:g}, found {block[row, place]!s} "
        f"at place {place}"
        for row, place in zip(rows.tolist(), places, strict=True)
    ]


def _wrong_probabilities(block: Array) -> tuple[Rows, list[str]]:
    probs = block.astype(np.float64)
    sums = sum_last(probs)
    right = (np.abs(sums - 1.0) <= SUM_TOLERANCE) & (probs >= 0.0).all(axis=2)
    rows = np.flatnonzero(~right.all(axis=1))
    told = []
    for row in rows.tolist():
        member = int(np.argmin(right[row]))
        values = probs[row, member]
        bad = values[~(values >= 0.0)]
        found = f"{bad[0]:g}" if len(bad) else f"the sum {sums[row, member]:.6g}"
        told.append(f"probabilities: member {member}: expected a sum of 1, found {found}")
    return rows, told


def _assembled(
    question: Question,
    policy: Policy,
    needs: Needs,
    file: pq.ParquetFile,
    ids: FrameIds,
    labeled: Labeled,
    arrays: _Arrays,
    refused: Refused,
) -> Loaded:
    n_frames = len(ids.inner)
    centers = labeled.rows
    sound = np.array([row not in refused.reasons for row in centers.tolist()], dtype=np.bool_)
    whole = Labeled(
        centers[sound],
        None if labeled.labels is None else labeled.labels[sound],
        labeled.strangers,
    )
    examples = _examples(question.examples, ids, arrays.of.get("embeddings"), refused)
    table = file.read(columns=sorted(_column_names(file, needs)))
    excluded = np.union1d(centers, np.array(sorted(refused.reasons), dtype=np.int64))
    order, holes, fillers = kept_in_front(excluded, n_frames)
    of_labeled = {
        name: np.ascontiguousarray(array[whole.rows]) for name, array in arrays.of.items()
    }
    moved = {name: _compacted(a, holes, fillers, len(order)) for name, a in arrays.of.items()}
    columns = _columns(table, needs)
    frame_ids = ids.inner[order]
    probs = moved.get("probs")
    class_names = _class_names(question.class_names, probs, whole.labels)
    inputs = SelectionInputs(
        policy=policy,
        seed=question.seed,
        affordable_micros=UNLIMITED if question.budget_micros is None else question.budget_micros,
        frame_ids=frame_ids,
        gates=np.zeros(len(order), dtype="<U1"),
        gate_details=np.zeros(len(order), dtype="<U1"),
        clusters=_clusters(columns, order, frame_ids),
        embeddings_ND=_float32(moved.get("embeddings")),
        centers_LD=_float32(of_labeled.get("embeddings")),
        scored=np.full(len(order), probs is not None, dtype=np.bool_),
        probs_NMC=probs,
        acquisitions=(),
        round_number=question.round_number,
        class_names=class_names,
        labels=whole.labels,
        center_probs_LMC=of_labeled.get("probs"),
        sessions=_some(columns, "session", order),
        captured_us=_some(columns, CAPTURED_US, order),
        columns={name: column[order] for name, column in columns.items()},
        labeled_columns={name: column[whole.rows] for name, column in columns.items()},
        examples_ED=examples,
    )
    return Loaded(
        inputs=inputs,
        ids=ids,
        order=order,
        labeled=whole,
        refused=refused,
        n_frames=n_frames,
        shapes={name: array.shape for name, array in arrays.of.items()},
        unread=tuple(arrays.unread),
    )


def _examples(
    path: Path | None, ids: FrameIds, embeddings: Array | None, refused: Refused
) -> npt.NDArray[np.float32] | None:
    """Give the embeddings of what to look for: of an array, or of frames by their ids."""
    if path is None or embeddings is None:
        return None
    if path.suffix == ".npy":
        rows = open_array(path, n_rows=None, axes=("examples", "D"))
    else:
        named = read_labeled(path, ids.column)
        sound = [row for row in named.rows.tolist() if row not in refused.reasons]
        if named.strangers or len(sound) < len(named.rows):
            msg = f"{path}: expected ids of frames with embeddings, found {named.strangers[:3]}"
            raise BadInput(msg)
        rows = embeddings[sound]
    wrong, reasons = _wrong_embeddings(rows)
    if len(wrong) or rows.shape[1] != embeddings.shape[1]:
        found = f"row {wrong[0]}: {reasons[0]}" if len(wrong) else f"{rows.shape[1]} numbers"
        msg = f"{path}: expected {embeddings.shape[1]} finite numbers in each row, found {found}"
        raise BadInput(msg)
    return _float32(rows)


def kept_in_front(excluded: npt.NDArray[np.int64], n: int) -> tuple[Rows, Rows, Rows]:
    """Say how n rows lie once those that are left out have been filled from the end.

    Returns
    -------
    order
        Position → row. Rows keep their places, but for those that fill a hole.
    holes, fillers
        Rows to overwrite, and what with: as many as are left out, not as many as there are.

    Examples
    --------
    >>> order, holes, fillers = kept_in_front(np.array([1, 4]), 6)
    >>> order.tolist(), holes.tolist(), fillers.tolist()
    ([0, 5, 2, 3], [1], [5])
    """
    n_kept = n - len(excluded)
    holes = excluded[excluded < n_kept].astype(np.intp)
    fillers = np.setdiff1d(np.arange(n_kept, n), excluded)
    order = np.arange(n_kept)
    order[holes] = fillers
    return order, holes, fillers


def _compacted(array: Array, holes: Rows, fillers: Rows, n_kept: int) -> Array:
    # The map is private: only pages with holes are copied, and a large file stays on its disk.
    array[holes] = array[fillers]
    return array[:n_kept]


def _float32(rows: Array | None) -> npt.NDArray[np.float32] | None:
    return None if rows is None else np.ascontiguousarray(rows, dtype=np.float32)


def _column_names(file: pq.ParquetFile, needs: Needs) -> set[str]:
    there = set(file.schema_arrow.names)
    wanted = {name for name in needs.columns if name in there}
    if wanted != needs.columns and TAGS in there:
        wanted.add(TAGS)
    if "sessions" in needs.inputs:
        wanted.add("session")
    if "times" in needs.inputs:
        wanted.add(CAPTURED_AT if CAPTURED_AT in there else CAPTURED_US)
    if "cluster" in there:
        wanted.add("cluster")
    missing = sorted(wanted - there)
    if missing:
        msg = f"frames: expected the columns {', '.join(missing)}, found {', '.join(sorted(there))}"
        raise BadInput(msg)
    return wanted or {"frame_id"}


def _columns(table: pa.Table, needs: Needs) -> dict[str, Column]:
    """Give all that is read of the frames, by the names that algorithms know."""
    found: dict[str, Column] = columns_of(table, needs.columns)
    for name in ("session", "cluster"):
        if name in table.column_names:
            found[name] = texts_of(_as_texts(table[name]))
    for name in (CAPTURED_AT, CAPTURED_US):
        if name in table.column_names and "times" in needs.inputs:
            found[CAPTURED_US] = _micros(table[name], name)
    return found


def _as_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return column if pa.types.is_string(kind) else column.cast(pa.string())


def _micros(column: pa.ChunkedArray, name: str) -> npt.NDArray[np.int64]:
    """Give capture times; the smallest number where there is none."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us", tz=kind.tz)).cast(pa.int64())
    elif name != CAPTURED_US or not pa.types.is_integer(kind):
        hint = f"; whole microseconds since 1970 belong into a column {CAPTURED_US}"
        msg = f"column {name}: expected timestamps, found {kind}{hint}"
        raise BadInput(msg)
    unknown = int(np.iinfo(np.int64).min)
    micros: npt.NDArray[np.int64] = pc.fill_null(column.cast(pa.int64()), unknown).to_numpy()
    return micros


def _some(columns: Mapping[str, Column], name: str, order: Rows) -> Any:  # noqa: ANN401
    return columns[name][order] if name in columns else None


def _clusters(columns: Mapping[str, Column], order: Rows, frame_ids: Strings) -> Strings:
    """Give each frame's cluster; one that is in none is alone."""
    if "cluster" not in columns:
        return frame_ids
    clusters: Strings = columns["cluster"][order].astype(np.str_)
    return clusters


def _class_names(
    given: tuple[str, ...], probs: Array | None, labels: Strings | None
) -> tuple[str, ...]:
    """Give the classes in the order of the probabilities.

    Raises
    ------
    BadInput
        Another number of names than of classes, a label that is no class, or labels whose place
        among the probabilities nobody told.
    """
    n_classes = None if probs is None else probs.shape[2]
    if given and n_classes is not None and len(given) != n_classes:
        msg = f"--class-names: expected {n_classes}, one for each probability, found {len(given)}"
        raise BadInput(msg)
    found = [] if labels is None else sorted(set(labels.tolist()))
    numbers = all(name.isascii() and name.isdecimal() for name in found)
    if not given and numbers and (n_classes is not None or found):
        n_known = max((int(name) + 1 for name in found), default=0)
        given = tuple(str(code) for code in range(n_classes or n_known))
    elif not given and n_classes is not None:
        msg = f"--class-names: expected the names of {n_classes} classes in the order of the "
        msg += f"probabilities, as the labels are {', '.join(found[:5])}"
        raise BadInput(msg)
    names = given or tuple(found)
    strangers = [name for name in found if name not in names]
    if strangers:
        msg = f"labels: expected one of {', '.join(names)}, found {', '.join(strangers[:5])}"
        raise BadInput(msg)
    return names
