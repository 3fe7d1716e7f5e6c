"""The files that `winnow select` reads: opened lazily, checked for shape, told apart by digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from winnow.adapters.disk_errors import told
from winnow.cli.select_ids import rows_of
from winnow.domain.errors import BadInput

Array = npt.NDArray[Any]
Step = Callable[[str, int, int], None]
"""Told what is being done, how much of it is, and how much there is."""

CHUNK_BYTES: Final = 1 << 22
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that a choice is pinned to."""

    path: str
    """As it was given."""
    sha256: str
    size_bytes: int


def digest_of(path: Path, step: Step) -> SourceFile:
    """Read a file once for its SHA-256.

    Raises
    ------
    BadInput
        It cannot be read.
    """
    digest, done = hashlib.sha256(), 0
    try:
        size_bytes = path.stat().st_size
        with path.open("rb") as source:
            while chunk := source.read(CHUNK_BYTES):
                digest.update(chunk)
                done += len(chunk)
                step(f"digest of {path.name}", done, size_bytes)
    except OSError as error:
        msg = f"{path}: expected a readable file, found: {told(error)}"
        raise BadInput(msg) from error
    return SourceFile(str(path), digest.hexdigest(), done)


def open_frames(path: Path) -> pq.ParquetFile:
    """Open the table of frames; nothing but its schema is read.

    Raises
    ------
    BadInput
        It is no Parquet file, or has no column `frame_id`, or several.
    """
    try:
        file = pq.ParquetFile(path, memory_map=True)
    except (OSError, pa.ArrowInvalid) as error:
        msg = f"{path}: expected a Parquet file, found: {error}"
        raise BadInput(msg) from error
    if file.schema_arrow.names.count("frame_id") != 1:
        msg = f"{path}: expected one column frame_id, found {', '.join(file.schema_arrow.names)}"
        raise BadInput(msg)
    return file


def read_columns(file: pq.ParquetFile, path: Path, columns: Sequence[str]) -> pa.Table:
    """Read some columns of the table of frames.

    Raises
    ------
    BadInput
        What is in the file cannot be decoded.
    """
    try:
        return file.read(columns=list(columns))
    except (OSError, pa.ArrowException) as error:
        msg = f"{path}: expected a whole Parquet file, found: {error}"
        raise BadInput(msg) from error


def open_array(path: Path, *, n_rows: int | None, axes: Sequence[str]) -> Array:
    """Map an array into memory; what is changed in it stays in memory and never reaches the file.

    Raises
    ------
    BadInput
        It is no `.npy` of numbers, has other axes, or not one row for each frame.
    """
    try:
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        msg = f"{path}: expected an array written by numpy.save, found: {error}"
        raise BadInput(msg) from error
    if not isinstance(array, np.ndarray):
        msg = f"{path}: expected one array (.npy), found an archive of several"
        raise BadInput(msg)
    if array.dtype.kind not in "fiu":
        msg = f"{path}: expected numbers, found {array.dtype}"
        raise BadInput(msg)
    if array.ndim == 2 and len(axes) == 3:  # one member
        array = array[:, None, :]
    if array.ndim != len(axes) or min(array.shape[1:], default=1) < 1:
        msg = f"{path}: expected shape [{', '.join(axes)}], found {array.shape}"
        raise BadInput(msg)
    if n_rows is not None and len(array) != n_rows:
        msg = f"{path}: expected a row for each of {n_rows} frames, found {len(array)}"
        raise BadInput(msg)
    return np.asarray(array)


@dataclass(frozen=True, slots=True)
class Labeled:
    """Frames that have a label."""

    rows: npt.NDArray[np.int64]
    """[L] Their rows among the frames, in the order of the file."""
    labels: npt.NDArray[np.str_] | None
    """[L] Their classes; none if the file names none."""
    strangers: tuple[str, ...]
    """Ids that no frame has: they can be no centers."""


NOTHING_LABELED: Final = Labeled(np.empty(0, dtype=np.int64), None, ())


def read_labeled(path: Path, frame_ids: pa.ChunkedArray) -> Labeled:
    """Read the labeled frames: an id on each line, or an id and its class.

    Id and class are apart by a tab, a comma or spaces; a line that is an id as a whole is one. A
    line that begins with `#` and names no frame is a comment.

    Raises
    ------
    BadInput
        No line names a frame, one is named twice, or only some have a class.
    """
    lines = [line.strip() for line in _text(path).splitlines()]
    numbered = [(n, line) for n, line in enumerate(lines, 1) if line]
    whole = rows_of(frame_ids, [line for _, line in numbered])
    parts = [
        (line, "") if row >= 0 else _parted(line)
        for (_, line), row in zip(numbered, whole.tolist(), strict=True)
    ]
    rows = rows_of(frame_ids, [frame_id for frame_id, _ in parts])
    told = [
        pos for pos, (_, line) in enumerate(numbered) if rows[pos] >= 0 or not line.startswith("#")
    ]
    if not told:
        return NOTHING_LABELED
    numbered, parts, rows = [numbered[i] for i in told], [parts[i] for i in told], rows[told]
    known = np.flatnonzero(rows >= 0)
    strangers = tuple(parts[pos][0] for pos in np.flatnonzero(rows < 0).tolist())
    if not len(known):
        found = ", ".join(strangers[:_SHOWN])
        msg = f"{path}: expected ids of the frames, found none of them: {found}"
        raise BadInput(msg)
    _refuse_twice(path, numbered, rows)
    return Labeled(rows[known], _classes(path, numbered, parts, known), strangers)


def _parted(line: str) -> tuple[str, str]:
    for mark in ("\t", ",", None):
        parts = line.rsplit(mark, 1)
        if len(parts) == 2:
            return parts[0].strip(), parts[1].strip()
    return line, ""


def _refuse_twice(path: Path, numbered: list[tuple[int, str]], rows: Array) -> None:
    seen: dict[int, int] = {}
    for (number, line), row in zip(numbered, rows.tolist(), strict=True):
        if row >= 0 and seen.setdefault(row, number) != number:
            msg = f"{path}: line {number}: {line!r} is already named in line {seen[row]}"
            raise BadInput(msg)


def _classes(
    path: Path,
    numbered: list[tuple[int, str]],
    parts: list[tuple[str, str]],
    known: npt.NDArray[np.intp],
) -> npt.NDArray[np.str_] | None:
    classes = [parts[pos][1] for pos in known.tolist()]
    if not any(classes):
        return None
    if not all(classes):
        number, line = numbered[int(known[classes.index("")])]
        msg = f"{path}: line {number}: expected an id and its class, as on others, found {line!r}"
        raise BadInput(msg)
    return np.array(classes, dtype=np.str_)


def read_names(given: str) -> tuple[str, ...]:
    """Give class names: from a file with one on each line, or apart by commas.

    Raises
    ------
    BadInput
        One is empty or there twice.
    """
    if not given:
        return ()
    path = Path(given)
    is_file = path.is_file()
    names = [n.strip() for n in (_text(path).splitlines() if is_file else given.split(","))]
    names = names[:-1] if is_file and names and not names[-1] else names
    if "" in names or len(set(names)) < len(names):
        msg = f"--class-names: expected distinct names, found {', '.join(map(repr, names))}"
        raise BadInput(msg)
    return tuple(names)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        msg = f"{path}: expected a readable file, found: {told(error)}"
        raise BadInput(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{path}: expected UTF-8 text, found other bytes at {error.start}"
        raise BadInput(msg) from error
