"""From files to the inputs of a choice: gates first, then only what the policy needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from winnow.acquisition.detection import is_detection_score
from winnow.cli.select_columns import CAPTURED_US, class_names_of, column_names, needed_columns
from winnow.cli.select_files import (
    NOTHING_LABELED,
    Array,
    Labeled,
    Step,
    open_array,
    open_frames,
    read_columns,
    read_labeled,
)
from winnow.cli.select_gates import (
    PROBABILITIES,
    Kept,
    Refused,
    Rows,
    duplicates,
    wrong_embeddings,
    wrong_probabilities,
)
from winnow.cli.select_ids import FrameIds, frame_ids_of, rows_of
from winnow.contracts.frame_columns import TAGS, columns_of
from winnow.domain.errors import BadInput
from winnow.domain.labels import DETECTION
from winnow.policy.inputs import SelectionInputs, Strings
from winnow.policy.model import Policy
from winnow.policy.needs import Needs, needs_of
from winnow.policy.switch import Standing
from winnow.strategies.protocol import Column, Input

PRICE: Final = "price_micros"
UNLIMITED: Final = 2**62
"""Micros, where no budget is named: more than any batch can cost."""
PROBS: Final = ("frames", "members", "classes")
BLOCK_VALUES: Final = 1 << 22


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
    device: str = "cpu"
    """Where distances are measured; changes no byte of the batch."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The inputs of a choice, and what they were made of."""

    inputs: SelectionInputs
    ids: FrameIds
    order: Rows
    """Position of a frame in the inputs → its row in the files."""
    labeled: Labeled
    """Those with sound rows; the others are among the refused ones, and keep new frames away from
    them as far as anything is known of them."""
    refused: Refused
    n_frames: int
    n_duplicates: int
    """Frames that another one of their near-duplicate cluster stands for."""
    shapes: Mapping[str, tuple[int, ...]]
    """Of the arrays that were read."""
    unread: tuple[str, ...]
    """Arrays that were given and are not needed."""


def load(question: Question, step: Step) -> Loaded:
    """Read what the policy needs.

    Raises
    ------
    BadInput
        A file that cannot be read, does not fit the others or lacks what the policy needs; or not
        one frame without a label has sound rows.
    """
    file = open_frames(question.frames)
    n_frames, there = file.metadata.num_rows, file.schema_arrow.names
    ids = frame_ids_of(
        read_columns(file, question.frames, ["frame_id"])["frame_id"], where=str(question.frames)
    )
    labeled, detects = NOTHING_LABELED, question.policy.label.kind == DETECTION
    if question.labeled is not None:
        labeled = read_labeled(question.labeled, ids.column)
        if detects:
            labeled = replace(labeled, labels=None)  # boxes are no classes to be counted
    policy = priced(question.policy, file)
    class_names = class_names_of(
        question.class_names, _n_classes(question.probs, n_frames), labeled.labels
    )
    standing = Standing.of(
        has_committee=any(map(is_detection_score, there))
        if detects
        else question.probs is not None,
        n_labeled=len(labeled.rows),
        labels=() if labeled.labels is None else labeled.labels.tolist(),
        class_names=class_names,
        round_number=question.round_number,
    )
    needs = needs_of(policy, standing)
    arrays = _Arrays(question, needs, n_frames)
    refused = Refused()
    arrays.check(refused, step)
    _refuse_all(question, ids, labeled, refused)
    question = replace(question, policy=policy, class_names=class_names)
    return _assembled(question, standing, needs, file, ids, labeled, arrays, refused)


def _n_classes(probs: Path | None, n_frames: int) -> int | None:
    """Give C; nothing but the file's header is read."""
    return None if probs is None else open_array(probs, n_rows=n_frames, axes=PROBS).shape[2]


def priced(policy: Policy, file: pq.ParquetFile) -> Policy:
    """Let the frames' own prices count, where there are some and the policy names no others."""
    if policy.money.price_column is not None or PRICE not in file.schema_arrow.names:
        return policy
    money = policy.money.model_copy(update={"price_column": PRICE})
    return policy.model_copy(update={"money": money})


class _Arrays:
    """The arrays that the policy needs; private copies of the pages that are changed."""

    def __init__(self, question: Question, needs: Needs, n_frames: int) -> None:
        wanted: dict[Input, Path | None] = {
            "embeddings": question.embeddings,
            "probs": question.probs,
        }
        named = question.policy.selection.examples
        if "examples" in needs.inputs and question.examples is None and named is None:
            msg = "--examples: the policy needs examples for this choice and names none, found none"
            raise BadInput(msg)
        axes: dict[Input, tuple[str, ...]] = {
            "embeddings": ("frames", "D"),
            "probs": PROBS,
        }
        self.of: dict[str, Array] = {}
        self.wrong: dict[str, Rows] = {}
        """Rows that hold what is no embedding or no probability."""
        self.unread: list[str] = []
        for name, path in wanted.items():
            if not needs.reads(name) or (path is None and name not in needs.inputs):
                self.unread += [] if path is None else [name]
            elif path is None:
                msg = f"--{name}: the policy needs {name} for this choice, found none"
                raise BadInput(msg)
            else:
                self.of[name] = open_array(path, n_rows=n_frames, axes=axes[name])

    def check(self, refused: Refused, step: Step) -> None:
        """Refuse every row that holds what is no embedding or no probability."""
        for name, array in self.of.items():
            judge = wrong_embeddings if name == "embeddings" else wrong_probabilities
            n_rows = max(1, BLOCK_VALUES // max(1, array[:1].size))
            wrong: list[Rows] = [np.empty(0, dtype=np.intp)]
            for start in range(0, len(array), n_rows):
                rows, reasons = judge(array[start : start + n_rows])
                wrong.append(rows + start)
                refused.add(wrong[-1], reasons)
                step(f"checking {name}", min(start + n_rows, len(array)), len(array))
            self.wrong[name] = np.concatenate(wrong)

    def of_labeled(self, rows: npt.NDArray[np.int64]) -> dict[str, Array]:
        """Give the labeled frames' part of each array."""
        parts = {name: np.ascontiguousarray(array[rows]) for name, array in self.of.items()}
        if "probs" in parts and (unknown := np.isin(rows, self.wrong["probs"])).any():
            # No answer about a labeled frame is what strategies take for an even one.
            even = np.float32(1.0 / parts["probs"].shape[2])
            parts["probs"] = np.where(unknown[:, None, None], even, parts["probs"])
        return parts


def _refuse_all(question: Question, ids: FrameIds, labeled: Labeled, refused: Refused) -> None:
    """Refuse arrays that leave no frame to choose from, e.g. logits for probabilities."""
    rows = np.setdiff1d(np.arange(len(ids.inner)), labeled.rows)
    if not len(rows) or any(row not in refused.reasons for row in rows.tolist()):
        return
    reason = refused.reasons[first := int(rows[0])]
    msg = f"{question.frames}: expected frames with finite embeddings and probabilities, found "
    msg += f"none among {len(rows)}: every row is refused, the first: row {first}, frame "
    msg += f"{ids.column[first].as_py()}: {reason}"
    if reason.startswith(PROBABILITIES):
        msg += "; logits become probabilities by a softmax over the classes"
    raise BadInput(msg)


def _assembled(
    question: Question,
    standing: Standing,
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
    placed = ~np.isin(centers, arrays.wrong.get("embeddings", ()))
    examples = _examples(question.examples, ids, arrays.of.get("embeddings"), refused)
    if examples is None and "examples" in needs.inputs:
        examples = _named_examples(question, file, ids, arrays.of["embeddings"], refused)
    table = read_columns(file, question.frames, sorted(column_names(file, needs)))
    excluded = np.union1d(centers, np.array(sorted(refused.reasons), dtype=np.int64))
    columns = needed_columns(table, needs, there=sorted(file.schema_arrow.names))
    covered: Rows = np.empty(0, dtype=np.intp)
    if question.policy.constraints.one_per_cluster and "cluster" in columns:
        clusters = columns["cluster"]
        covered = duplicates(clusters, ids.inner, labeled=centers, out=excluded)
    kept = Kept.of(np.union1d(excluded, covered), n_frames)
    of_labeled = arrays.of_labeled(centers[placed])
    labeled_columns = {name: column[centers] for name, column in columns.items()}
    moved = {name: kept.of_array(array) for name, array in arrays.of.items()}
    columns = {name: kept.of_array(column) for name, column in columns.items()}
    frame_ids = kept.of_array(ids.inner)
    n_kept = len(kept.order)
    probs = moved.get("probs")
    inputs = SelectionInputs(
        policy=question.policy,
        seed=question.seed,
        affordable_micros=UNLIMITED if question.budget_micros is None else question.budget_micros,
        frame_ids=frame_ids,
        gates=np.zeros(n_kept, dtype="<U1"),
        gate_details=np.zeros(n_kept, dtype="<U1"),
        clusters=_texts(columns, "cluster") if "cluster" in columns else frame_ids,
        embeddings_ND=_float32(moved.get("embeddings")),
        centers_LD=_float32(of_labeled.get("embeddings")),
        scored=np.full(n_kept, probs is not None, dtype=np.bool_),
        probs_NMC=probs,
        acquisitions=(),
        round_number=question.round_number,
        counted=standing,
        class_names=question.class_names,
        labels=None if labeled.labels is None else labeled.labels[placed],
        center_probs_LMC=of_labeled.get("probs"),
        sessions=_texts(columns, "session") if "session" in columns else None,
        captured_us=columns[CAPTURED_US].astype(np.int64) if CAPTURED_US in columns else None,
        columns=columns,
        labeled_columns=labeled_columns,
        examples_ED=examples,
    )
    return Loaded(
        inputs=inputs,
        ids=ids,
        order=kept.order,
        labeled=whole,
        refused=refused,
        n_frames=n_frames,
        n_duplicates=len(covered),
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
    wrong, reasons = wrong_embeddings(rows)
    if len(wrong) or rows.shape[1] != embeddings.shape[1]:
        found = f"row {wrong[0]}: {reasons[0]}" if len(wrong) else f"{rows.shape[1]} numbers"
        msg = f"{path}: expected {embeddings.shape[1]} finite numbers in each row, found {found}"
        raise BadInput(msg)
    return _float32(rows)


def _named_examples(
    question: Question, file: pq.ParquetFile, ids: FrameIds, embeddings: Array, refused: Refused
) -> npt.NDArray[np.float32] | None:
    """Give the embeddings of the frames that the policy names, by id or by a column."""
    section = question.policy.selection.examples
    assert section is not None, "checked before anything large was read"
    wanted = np.zeros(len(ids.inner), dtype=np.bool_)
    rows = rows_of(ids.column, list(section.frame_ids))
    wanted[rows[rows >= 0]] = True
    if section.column is not None:
        there = section.column in file.schema_arrow.names
        table = read_columns(file, question.frames, [section.column if there else TAGS])
        wanted |= section.in_column(columns_of(table, {section.column})[section.column])
    wanted[sorted(refused.reasons)] = False
    if not wanted.any():
        msg = f"selection.examples: expected {section}, found none of them with an embedding"
        raise BadInput(msg)
    return _float32(embeddings[wanted])


def _float32(rows: Array | None) -> npt.NDArray[np.float32] | None:
    return None if rows is None else np.ascontiguousarray(rows, dtype=np.float32)


def _texts(columns: Mapping[str, Column], name: str) -> Strings:
    texts: Strings = columns[name].astype(np.str_, copy=False)
    return texts
